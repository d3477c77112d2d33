use cascade_policy::snapshot::{Snapshot, SnapshotSource};

use crate::setting::bundled_and;

/// Line, code and what is said, for policies that stand alone but for the families of the default.
fn warned(text: &str) -> Vec<(u32, &'static str, String)> {
    let mut source = SnapshotSource::bundled();
    source.policies = vec![("x.cedar".to_owned(), text.to_owned())];
    // Compiling runs the tests of every manifest; warnings only ask what they know.
    let bare = SnapshotSource { manifests: Vec::new(), ..source.clone() };
    assert_eq!(Snapshot::compile(&bare).err().unwrap_or_default(), [], "{text}");
    let warnings = Snapshot::warnings(&source).into_iter();
    warnings.map(|warning| (warning.line, warning.code, warning.message)).collect()
}

#[test]
fn the_default_policy_is_not_strange() {
    assert_eq!(Snapshot::warnings(&SnapshotSource::bundled()), []);
}

/// Two policies, and which of them (by line) is idle because of the other.
#[test]
fn idle_policies_are_told() {
    let scope =
        |principal: &str, resource: &str| format!("({principal}, action == Action::\"exec\", {resource})");
    let all = scope("principal", "resource");
    let git = scope("principal is Agent", "resource == Program::\"git\"");
    let aws = scope("principal is Agent", "resource == Program::\"aws\"");
    let cloud = scope("principal", "resource in Family::\"cloud\"");
    let program = scope("principal", "resource is Program");
    let (night, late) = ("when { context.hour < 6 }", "when { context.hour < 6 } when { context.tier > 1 }");
    let cases = [
        // A permit below an unconditional forbid, and one that a narrower forbid leaves something.
        (format!("permit {git};\nforbid {all};"), Some((1, "policy.unreachable"))),
        (format!("permit {all};\nforbid {git};"), None),
        (format!("permit {git};\nforbid {all} {night};"), None),
        (format!("permit {git} {late};\nforbid {all} {night};"), Some((1, "policy.unreachable"))),
        (format!("permit {git} {night};\nforbid {all} {late};"), None),
        (format!("permit {git};\n@escalate(\"sre\") forbid {all};"), None),
        // The same twice: the later one.
        (format!("permit {git};\npermit {git};"), Some((2, "policy.shadowed"))),
        (format!("permit {all};\npermit {program};"), Some((2, "policy.shadowed"))),
        (format!("permit {git} {night};\npermit {git} {night};"), Some((2, "policy.shadowed"))),
        (format!("permit {git} {night};\npermit {git} unless {{ context.hour < 6 }};"), None),
        // A narrower one, in whatever order.
        (format!("permit {git};\npermit {all};"), Some((1, "policy.shadowed"))),
        (format!("forbid {all};\nforbid {git} {night};"), Some((2, "policy.shadowed"))),
        (format!("forbid {cloud};\nforbid {aws};"), Some((2, "policy.shadowed"))),
        (format!("forbid {cloud};\nforbid {git};"), None),
        (format!("forbid {aws};\nforbid {cloud};"), Some((1, "policy.shadowed"))),
        // Every choice of three clauses is compared; of four, none and all.
        (format!("forbid {all} {night};\nforbid {all} {late} when {{ context.admin }};"), Some((2, "policy.shadowed"))),
        (
            format!("forbid {all} {night};\nforbid {all} {late} when {{ context.admin }} when {{ context.dry_run }};"),
            None,
        ),
        // What annotations make of it.
        (format!("@escalate(\"sre\") forbid {git};\nforbid {all};"), Some((1, "policy.shadowed"))),
        (format!("@escalate(\"sre\") forbid {all};\nforbid {git};"), None),
        (format!("@escalate(\"sre\") forbid {all};\n@escalate(\"dba\") forbid {git};"), None),
        (format!("@escalate(\"sre\") forbid {all};\n@escalate(\"sre\") forbid {git};"), Some((2, "policy.shadowed"))),
        (
            format!("@escalate(\"sre\") forbid {all};\n@escalate(\"sre\") @gate(\"window\") forbid {git};"),
            None,
        ),
        (format!("forbid {all};\n@control(\"CC8.1\") forbid {git};"), None),
        // A permit and a forbid say nothing of each other the other way round.
        (format!("forbid {git};\npermit {all};"), None),
        ("permit (principal == Person::\"p_1\", action, resource);\npermit (principal is Person, action, resource);".to_owned(), Some((1, "policy.shadowed"))),
        ("permit (principal == Person::\"p_1\", action, resource);\npermit (principal is Agent, action, resource);".to_owned(), None),
        ("permit (principal is Person in Group::\"sre\", action, resource);\npermit (principal in Group::\"sre\", action, resource);".to_owned(), Some((1, "policy.shadowed"))),
        ("permit (principal in Group::\"sre\", action, resource);\npermit (principal in Group::\"dba\", action, resource);".to_owned(), None),
    ];
    for (text, expected) in cases {
        let found = warned(&text);
        let places: Vec<(u32, &str)> = found.iter().map(|(line, code, _)| (*line, *code)).collect();
        assert_eq!(places, expected.into_iter().collect::<Vec<_>>(), "{text}: {found:#?}");
    }
}

#[test]
fn names_and_numbers_that_mean_nothing() {
    let forbid = |condition: &str| format!("forbid (principal, action, resource) when {{ {condition} }};");
    let cases = [
        (
            "forbid (principal, action, resource in Family::\"clowd\");".to_owned(),
            "policy.unknown_family",
            "did you mean `cloud`?",
        ),
        (
            "forbid (principal, action, resource == Program::\"terrafrom\");".to_owned(),
            "policy.unknown_program",
            "did you mean `terraform`?",
        ),
        (forbid("resource == Program::\"kubctl\""), "policy.unknown_program", "did you mean `kubectl`?"),
        (forbid("context.stdin == \"strem\""), "policy.unknown_word", "did you mean `stream`?"),
        (
            forbid("[\"cli\", \"tty\"].contains(context.kind)"),
            "policy.unknown_word",
            "it is one of cli, shell, tool",
        ),
        (forbid("context.weekday == 0"), "policy.constant", ""),
        (forbid("context.tier > 3"), "policy.constant", ""),
        (forbid("context.date > 261224 && context.date < 270103"), "policy.constant", ""),
        (forbid("context.hour >= 0"), "policy.constant", ""),
    ];
    for (text, code, hint) in cases {
        let mut source = SnapshotSource::bundled();
        source.policies = vec![("x.cedar".to_owned(), text.clone())];
        let found = Snapshot::warnings(&source);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert_eq!(
            (found[0].code, found[0].suggestion.as_deref().unwrap_or_default()),
            (code, hint),
            "{text}"
        );
    }
    for text in [
        forbid("context.weekday > 5 || context.hour < 6 && context.tier >= 2"),
        forbid("context.argv == \"strem\" || context.stdin == \"stream\""),
        "@reason(\"Family::\\\"none\\\"\") forbid (principal, action, resource == Program::\"storekeeper\");"
            .to_owned(),
    ] {
        assert_eq!(warned(&text), [], "{text}");
    }
    // Below the permit of everything of the default, a permit of one's own adds nothing.
    let source =
        bundled_and("own.cedar", "permit (principal is Person, action, resource == Program::\"git\");");
    let found = Snapshot::warnings(&source);
    assert!(found.len() == 1 && found[0].message.contains("`people-may-act`"), "{found:#?}");
}

/// Of many policies that differ in a word, the one that is there twice is found.
#[test]
fn many_policies_are_no_trouble() {
    use std::fmt::Write as _;
    let mut text = String::new();
    for number in 0..1_500 {
        writeln!(text, "forbid(principal,action,resource) when{{context.cwd==\"/{number}\"}};").unwrap();
    }
    text.push_str("forbid(principal,action,resource) when{context.cwd==\"/77\"};");
    let text = text.replacen("forbid(principal,action,resource) when{context.cwd==\"/0\"};\n", "", 1);
    assert_eq!(warned(&text).len(), 1);
}
