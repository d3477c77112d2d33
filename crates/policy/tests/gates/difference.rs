use cascade_policy::snapshot::{Snapshot, SnapshotSource, differences};

use crate::packs::own;
use crate::setting::bundled_and;

/// `part name change: words; words`.
fn told(before: &SnapshotSource, after: &SnapshotSource) -> Vec<String> {
    let compiled = |source: &SnapshotSource| Snapshot::compile(source).unwrap();
    let found = differences(&compiled(before), &compiled(after));
    found
        .into_iter()
        .map(|one| {
            let line = format!(
                "{} {} {}: {}",
                one.part.as_str(),
                one.name,
                one.change.as_str(),
                one.words.join("; ")
            );
            line.trim_end_matches([':', ' ']).to_owned()
        })
        .collect()
}

const OWN: &str = "programs = \"own\"\n[[worker]]\nnames = \"own\"\nown = { tier = \"LOW\" }\n";

fn small(text: &str) -> SnapshotSource {
    let mut source = bundled_and("x.cedar", text);
    source.manifests = vec![("own".to_owned(), OWN.to_owned())];
    source
}

#[test]
fn every_part_is_told_in_words() {
    let before = small(
        "@id(\"a\") @escalate(\"sre\") forbid (principal, action, resource) when { context.hour < 6 };",
    );
    assert_eq!(told(&before, &before), Vec::<String>::new());
    let with = |text: &str| told(&before, &small(text));
    assert_eq!(
        with(""),
        ["policy a removed: forbid any principal, any resource, with a condition in x.cedar"]
    );
    let cases = [
        (
            "// why\n@id(\"a\") @escalate(\"sre\") forbid (principal, action, resource) when { context.hour < 6 };",
            "policy a changed: only its comments or layout",
        ),
        (
            "@id(\"a\") @escalate(\"dba\") forbid (principal is Agent, action, resource) when { context.hour < 7 };",
            "policy a changed: principal: * becomes is Agent; its condition; @escalate: \"sre\" becomes \"dba\"",
        ),
        (
            "@id(\"a\") permit (principal, action, resource) when { context.hour < 6 };",
            "policy a changed: forbid becomes permit; @escalate(\"sre\") is gone",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(with(text), [expected], "{text}");
    }
    let changed = |change: fn(&mut SnapshotSource)| {
        let mut after = before.clone();
        change(&mut after);
        told(&before, &after)
    };
    assert_eq!(
        changed(|source| source.thresholds.activation.required = 2),
        ["threshold activation.required changed: 1 becomes 2"]
    );
    let family = changed(|source| {
        let cloud = source.thresholds.families.get_mut("cloud").unwrap();
        cloud.remove("az");
        cloud.insert("doctl".to_owned());
    });
    assert_eq!(family, ["family cloud changed: with doctl; without az"]);
    assert_eq!(changed(|source| source.schema.push('\n')), ["schema schema changed"]);
    assert_eq!(changed(|source| source.manifests[0].1.push('\n')), ["manifest own changed"]);
    assert_eq!(
        changed(|source| source.packs.push(("own".to_owned(), own()))),
        [
            "policy own.one added: forbid any principal, resource = Program::\"packctl\" in packs/own/x.cedar",
            "pack own added"
        ]
    );
    // Order alone makes another hash, and that is said too.
    let swapped = changed(|source| source.policies.reverse());
    assert_eq!(swapped, ["policy * changed: the same policies in another order"]);
}

/// A snapshot without the section of a later version is the one it always was.
#[test]
fn settings_that_came_later_leave_old_hashes_alone() {
    let source = small("");
    let document = String::from_utf8(Snapshot::compile(&source).unwrap().document().to_vec()).unwrap();
    assert!(!document.contains("activation"), "{document}");
    let mut strict = source;
    strict.thresholds.activation.required = 3;
    strict.thresholds.activation.groups = vec!["admins".to_owned(), "security".to_owned()];
    let compiled = Snapshot::compile(&strict).unwrap();
    let loaded = Snapshot::load(compiled.document(), |hash| {
        strict.blobs().find(|(own, _)| own == hash).map(|(_, text)| text.as_bytes().to_vec())
    });
    assert_eq!(loaded.unwrap().thresholds(), &strict.thresholds);
}
