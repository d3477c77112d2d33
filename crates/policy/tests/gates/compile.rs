use cascade_policy::snapshot::{
    DEPTH_MAX, POLICY_BYTES_MAX, PolicyFault, SCHEMA_BYTES_MAX, Snapshot, SnapshotSource, Thresholds,
};

use crate::setting::{bundled_and, directory};

fn faults(text: &str) -> Vec<PolicyFault> {
    Snapshot::compile(&bundled_and("x.cedar", text)).err().unwrap_or_default()
}

/// Line, column and code of a fault.
type Place<'a> = (u32, u32, &'a str);

fn places(faults: &[PolicyFault]) -> Vec<Place<'_>> {
    faults.iter().map(|fault| (fault.line, fault.column, fault.code)).collect()
}

#[test]
fn the_bundled_policy_is_faultless_and_is_the_directory() {
    let source = SnapshotSource::bundled();
    let compiled = Snapshot::compile(&source).unwrap();
    let files = [
        ("base.cedar", include_str!("../../../../policies/default/base.cedar")),
        ("schema.cedarschema", include_str!("../../../../policies/default/schema.cedarschema")),
        ("thresholds.toml", include_str!("../../../../policies/default/thresholds.toml")),
    ];
    let read = directory(&files).unwrap().source;
    assert_eq!(Snapshot::compile(&read).unwrap().policy_hash(), compiled.policy_hash());
    let defaults = Thresholds { families: source.thresholds.families.clone(), ..Thresholds::default() };
    assert_eq!(source.thresholds, defaults);
}

#[test]
fn faults_say_where_and_what_to_do() {
    let cases: [(&str, &[Place<'_>]); 12] = [
        ("permit (principal, action, resource)", &[(1, 37, "policy.syntax")]),
        ("\n\npermit (principal, actoin, resource);", &[(3, 20, "policy.syntax")]),
        ("// ä\npermit (principal, action, resource)\nwhen { context.nosuch };", &[(3, 8, "policy.schema")]),
        ("permit (principal is Robot, action, resource);", &[(1, 22, "policy.schema")]),
        ("forbid (principal, action, resource) when { context.tier > \"2\" };", &[(1, 60, "policy.schema")]),
        (
            "forbid (principal, action, resource) when { context.target == \"x\" };",
            &[(1, 45, "policy.schema")],
        ),
        ("// one\n  @id(\"a b\")\nforbid (principal, action, resource);", &[(2, 3, "policy.annotation")]),
        ("@gate(\"policy\") permit (principal, action, resource);", &[(1, 1, "policy.annotation")]),
        ("@gate(\"nosuch\") forbid (principal, action, resource);", &[(1, 1, "policy.annotation")]),
        (
            "@gate(\"failfast\") // @escalate\n @escalate(\"@x\") forbid (principal, action, resource);",
            &[(2, 2, "policy.annotation")],
        ),
        ("@escalte(\"x\") forbid (principal, action, resource);", &[(1, 1, "policy.annotation")]),
        (
            "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") permit (principal, action, resource);",
            &[(2, 1, "policy.id")],
        ),
    ];
    for (text, expected) in cases {
        let found = faults(text);
        assert_eq!(places(&found), expected, "{text}: {found:#?}");
        assert_eq!(found[0].file, "x.cedar");
        let shown = found[0].to_string();
        assert!(!shown.contains('\n') && !shown.ends_with('.'), "{shown}");
    }
}

/// What a misspelt word should have been, whoever knows it.
#[test]
fn what_was_meant_is_suggested() {
    let forbid = |condition: &str| format!("forbid (principal, action, resource) when {{ {condition} }};");
    let cases = [
        ("permit (principal is Persn, action, resource);".to_owned(), "Person"),
        ("@escalte(\"sre\") forbid (principal, action, resource);".to_owned(), "did you mean @escalate?"),
        ("@gate(\"windw\") forbid (principal, action, resource);".to_owned(), "did you mean `window`?"),
        ("permit (principal, action == Action::\"exce\", resource);".to_owned(), "exec"),
        (forbid("context.comands.contains(\"git\")"), "commands"),
        (forbid("context.target == \"x\""), "context has target"),
    ];
    for (text, hint) in cases {
        let found = faults(&text);
        assert!(found[0].suggestion.as_ref().is_some_and(|own| own.contains(hint)), "{text}: {found:#?}");
    }
    let thresholds = |text: &str| {
        let files = [("a.cedar", "permit (principal, action, resource);"), ("thresholds.toml", text)];
        directory(&files).unwrap_err().remove(0)
    };
    let typo = thresholds("[risk]\nagnet = \"LOW\"");
    assert_eq!((typo.line, typo.suggestion.as_deref()), (2, Some("did you mean `agent`?")));
}

/// A policy that fails while it is asked denies; what can fail is refused beforehand.
#[test]
fn what_can_fail_is_a_fault() {
    let code = |condition: &str| {
        let text = format!("// head\nforbid (principal, action, resource) when {{ {condition} }};");
        faults(&text).first().map(|fault| (fault.line, fault.code))
    };
    for (condition, fault) in [
        ("context.hour + 1 > 3", None),
        ("context.hour * 1000 - context.tier > 3", None),
        ("-context.weekday < -3", None),
        ("context.hour + 9223372036854775784 > 3", None),
        ("context.hour + 9223372036854775785 > 3", Some("policy.overflow")),
        ("context.tier * 4611686018427387904 == 0", Some("policy.overflow")),
        ("-9223372036854775807 - context.hour < 3", Some("policy.overflow")),
        ("-(-9223372036854775807 - 1) < 3", Some("policy.overflow")),
        ("(if context.admin then 9223372036854775807 else 1) + context.hour > 3", Some("policy.overflow")),
        ("[context.hour + 9223372036854775807].contains(3)", Some("policy.overflow")),
        (
            "datetime(\"2026-01-05\").offset(duration(\"9223372036854775807ms\")) == datetime(\"2026-01-05\")",
            Some("policy.overflow"),
        ),
        ("{offset: context.hour}.offset > 3", None),
        ("context.on_behalf_of == principal", Some("policy.schema")),
        ("context has target && context.target == \"x\"", None),
    ] {
        assert_eq!(code(condition), fault.map(|code| (2, code)), "{condition}");
    }
}

/// A manifest is named with the line that is wrong.
#[test]
fn manifests_are_placed() {
    let head = "programs = \"own\"\n[[worker]]\nnames = \"own\"\n";
    let deep = format!("x = {}1{}", "[".repeat(5000), "]".repeat(5000));
    let bomb = format!("own = {{ tier = \"LOW\", flags = \"{}x\" }}\n", "*a".repeat(60_000));
    let cases = [
        ("own = { teir = \"LOW\" }\n".to_owned(), Some((4, "did you mean `tier`?"))),
        ("own = { tier = \"SEVERE\" }\n".to_owned(), Some((4, ""))),
        ("own = { tier = \"LOW\" }\n[tests]\nHIGH = [\"own x\"]\n".to_owned(), Some((6, ""))),
        ("own = {\n".to_owned(), Some((4, ""))),
        (deep, Some((4, ""))),
        (bomb, None),
    ];
    for (rest, expected) in cases {
        let mut source = SnapshotSource::bundled();
        source.manifests = vec![("own".to_owned(), format!("{head}{rest}"))];
        let found = Snapshot::compile(&source).err().unwrap_or_default();
        let shown: String = rest.chars().take(60).collect();
        let Some((line, hint)) = expected else {
            assert_eq!(found, [], "{shown}");
            continue;
        };
        assert_eq!(
            (found[0].file.as_str(), found[0].line),
            ("workers/own.toml", line),
            "{shown}: {found:#?}"
        );
        assert!(!found[0].message.contains('\n') && found[0].code == "worker.fault", "{found:#?}");
        assert_eq!(found[0].suggestion.as_deref().unwrap_or_default(), hint, "{shown}");
    }
}

#[test]
fn one_fault_does_not_hide_another() {
    let text = "permit (principal, actoin, resource);\nforbid (principal, action, resource) when { 1 };\n\
                permit (principal is Robot, action, resource);";
    assert_eq!(places(&faults(text)).iter().map(|place| place.0).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn templates_and_policies_that_never_apply_are_faults() {
    assert_eq!(faults("permit (principal == ?principal, action, resource);")[0].code, "policy.syntax");
    let never = faults("forbid (principal is Person, action, resource) when { principal is Agent };");
    assert_eq!(never[0].code, "policy.schema");
}

/// `forbid` with a condition around `inner`.
fn condition(inner: &str) -> String {
    format!("forbid (principal, action, resource) when {{ {inner} }};")
}

#[test]
fn limits_hold_at_the_limit_and_one_past() {
    // The braces of `when` are one level of their own.
    let nested = |levels: usize| condition(&format!("{}true{}", "(".repeat(levels), ")".repeat(levels)));
    let ifs = |count: usize| condition(&format!("{}true", "if true then true else ".repeat(count)));
    // The chain, the comparison (twice) and the dot in it, and the clause.
    let chain = |levels: usize| {
        condition(&format!("{}context.tier == 1", "context.tier == 2 || ".repeat(levels - 4)))
    };
    let long = |bytes: usize| {
        let policy = condition("context.hour > 0");
        format!("//{}\n{policy}", "x".repeat(bytes - policy.len() - 3))
    };
    let limited = |text: &str| faults(text).iter().any(|fault| fault.code == "policy.limit");
    let cases = [
        ("brackets", nested(DEPTH_MAX - 1), nested(DEPTH_MAX)),
        ("ifs", ifs(DEPTH_MAX - 1), ifs(DEPTH_MAX)),
        ("chain", chain(DEPTH_MAX), chain(DEPTH_MAX + 1)),
        ("bytes", long(POLICY_BYTES_MAX), long(POLICY_BYTES_MAX + 1)),
    ];
    for (name, at, past) in cases {
        assert!(!limited(&at), "{name} at the limit: {:#?}", faults(&at));
        assert!(limited(&past), "{name} past the limit");
    }
    let mut source = bundled_and("x.cedar", "");
    source.schema.push_str(&"\n".repeat(SCHEMA_BYTES_MAX - source.schema.len()));
    assert_eq!(source.schema.len(), SCHEMA_BYTES_MAX);
    let codes = |source: &SnapshotSource| {
        let faults = Snapshot::compile(source).err().unwrap_or_default();
        faults.iter().map(|fault| fault.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&source), Vec::<&str>::new());
    source.schema.push('\n');
    assert_eq!(codes(&source), ["schema.limit"]);
}

#[test]
fn strings_and_comments_hide_nothing_and_are_not_counted() {
    let brackets = "(".repeat(DEPTH_MAX * 2);
    let text = format!(
        "// {brackets}; \"\n{}",
        condition(&format!("context.cwd == \"{brackets}; // \\\" {brackets}\""))
    );
    assert_eq!(faults(&text), []);
    let open = condition(&format!("\"\\\\\" == {brackets}"));
    assert_eq!(faults(&open)[0].code, "policy.limit");
}

#[test]
fn a_schema_that_requests_do_not_fit_is_refused() {
    let cases = [
        ("entity Group", "entity Grp", "schema.syntax"),
        ("classified: Bool", "classified: Long", "schema.mismatch"),
        ("on_behalf_of?: Person", "on_behalf_of: Person", "schema.mismatch"),
        ("dry_run: Bool,", "", "schema.mismatch"),
        ("action \"exec\"", "action \"all\"; action \"exec\" in [\"all\"]", "schema.mismatch"),
        ("entity Person in [Group]", "entity Person", "schema.mismatch"),
        ("entity Group;", "entity Group", "schema.syntax"),
    ];
    for (from, to, code) in cases {
        let mut source = bundled_and("x.cedar", "");
        assert!(source.schema.contains(from), "{from}");
        source.schema = source.schema.replacen(from, to, 1);
        let found = Snapshot::compile(&source).unwrap_err();
        assert_eq!((found[0].file.as_str(), found[0].code), ("schema.cedarschema", code), "{found:#?}");
    }
}

#[test]
fn thresholds_are_read_strictly() {
    let fault = |text: &str| {
        let files = [("a.cedar", "permit (principal, action, resource);"), ("thresholds.toml", text)];
        directory(&files).unwrap_err().remove(0)
    };
    let cases = [
        ("[risk]\nperson = \"SEVERE\"", 2, "thresholds.value"),
        ("[risk]\nrobot = \"LOW\"", 2, "thresholds.syntax"),
        ("[escalation]\nrequired = 0", 2, "thresholds.value"),
        ("[escalation]\ngroups = []", 2, "thresholds.value"),
        ("[escalation]\nexpires_minutes = 0", 2, "thresholds.value"),
        ("[escalation]\nexpires_minutes = 527041", 2, "thresholds.value"),
        ("[authority]\ngrant_required = [\"robot\"]", 2, "thresholds.value"),
        ("[risk", 1, "thresholds.syntax"),
        ("[escalation]\nrequired = 1\n[activation]\nrequired = 0", 4, "thresholds.value"),
        ("[activation]\nrequired = 17", 2, "thresholds.value"),
        ("[activation]\ngroups = []", 2, "thresholds.value"),
    ];
    for (text, line, code) in cases {
        let found = fault(text);
        assert_eq!((found.line, found.code), (line, code), "{text}: {found}");
    }
    let most = [
        ("a.cedar", "permit (principal, action, resource);"),
        ("thresholds.toml", "[activation]\nrequired = 16"),
    ];
    assert_eq!(directory(&most).unwrap().source.thresholds.activation.required, 16);
    // A receipt names at most 64 groups.
    let escalated_to = |count: u32| {
        let groups: Vec<String> = (0..count).map(|number| format!("\"g{number}\"")).collect();
        let thresholds = format!("[escalation]\ngroups = [{}]", groups.join(", "));
        directory(&[("a.cedar", "permit (principal, action, resource);"), ("thresholds.toml", &thresholds)])
    };
    assert!(escalated_to(64).is_ok());
    assert_eq!(escalated_to(65).unwrap_err()[0].code, "thresholds.value");
}

#[test]
fn a_directory_is_sorted_into_its_parts() {
    let permit = "permit (principal, action, resource);";
    let read = directory(&[
        ("tests/a.table", "person: ls => admit"),
        ("b.cedar", permit),
        ("a.cedar", permit),
        ("README.md", "for people"),
        ("workers/git.toml", "programs = \"git\""),
        ("workers/own.toml", "programs = \"own\""),
    ])
    .unwrap();
    let names = |list: &[(String, String)]| list.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&read.source.policies), ["a.cedar", "b.cedar"]);
    assert_eq!(names(&read.tests), ["tests/a.table"]);
    let own = &read.source.manifests;
    assert_eq!(own.iter().filter(|(name, _)| name == "git").count(), 1);
    assert!(own.iter().any(|(name, text)| name == "git" && text == "programs = \"git\""));
    assert_eq!(own[0].0, "own");
    for (files, code) in [
        (&[("a.cedar", permit), ("b.txt", "")][..], "directory.unknown_file"),
        (&[("a.cedar", permit), ("sub/b.cedar", permit)], "directory.unknown_file"),
        (&[("a.cedar", permit), ("tests/x.toml", "")], "directory.unknown_file"),
        (&[("README.md", "")], "directory.no_policies"),
    ] {
        assert_eq!(directory(files).unwrap_err()[0].code, code, "{files:?}");
    }
    let bytes = vec![("a.cedar".to_owned(), b"// \xc3\xa4\n// \xff".to_vec())];
    let fault = cascade_policy::snapshot::read_directory(bytes).unwrap_err().remove(0);
    assert_eq!((fault.line, fault.column, fault.code), (2, 4, "directory.encoding"));
}
