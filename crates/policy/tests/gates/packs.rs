//! Compliance packs: their own tables hold, they only tighten, and without its pack a regime denies.

use std::collections::BTreeSet;

use cascade_policy::decide::decide;
use cascade_policy::pack::{self, Mode, PACK_BYTES_MAX, Pack};
use cascade_policy::snapshot::{LoadFault, Snapshot, SnapshotSource, run_tests};
use cascade_receipt::decision::Verdict;
use cascade_receipt::digest::Digest;

use crate::facts::plain;

/// What the tables of packs call; their families are these programs.
const PROGRAM: &str = "git";

const RULE: &str = "citation = \"1\"\ncontrol = \"C1\"\nlooks_at = \"it\"\nmode = \"preventive\"\neffective_from = \"2020-01-01\"\n";
const GATE: &str = "@id(\"own.one\") @control(\"C1\") @reason(\"no\")\nforbid (principal, action, resource == Program::\"packctl\");\n";

fn manifest(rules: &str) -> String {
    format!("name = \"own\"\ntitle = \"Own\"\nsource = \"us\"\n{rules}")
}

/// A small pack that needs nothing.
pub(crate) fn own() -> String {
    let manifest = manifest(&format!("[[rule]]\nid = \"own.one\"\n{RULE}"));
    pack::text_of(&[("pack.toml", &manifest), ("x.cedar", GATE)])
}

/// The default policy with the families of a pack.
fn source(pack: &Pack) -> SnapshotSource {
    let mut source = SnapshotSource::bundled();
    for family in &pack.manifest.families {
        source.thresholds.families.insert(family.clone(), BTreeSet::from([PROGRAM.to_owned()]));
    }
    source
}

fn builtin() -> impl Iterator<Item = (&'static str, &'static str, Pack)> {
    pack::builtin_texts().iter().map(|(name, text)| (*name, text.as_str(), pack::builtin(name).unwrap()))
}

#[test]
fn every_pack_keeps_the_promises_of_its_tables() {
    assert_eq!(builtin().count(), 10);
    for (name, text, pack) in builtin() {
        let mut with = source(&pack);
        let without = Snapshot::compile(&with).unwrap();
        with.packs.push((name.to_owned(), text.to_owned()));
        let with = Snapshot::compile(&with).unwrap_or_else(|faults| panic!("{name}: {faults:#?}"));
        let report = run_tests(&with, &pack.tests);
        assert!(report.all_passed(), "{name}: {report:#?}");
        let bare = run_tests(&without, &pack.tests);
        for id in pack.enforced() {
            let spoken = |(_, table): &(String, String)| table.contains(&format!("({id})"));
            assert!(pack.tests.iter().any(spoken), "no row shows {id}");
            // Its rows come out otherwise without the pack.
            assert!(bare.failures.iter().any(|failure| failure.row.contains(id)), "{id} changes nothing");
        }
    }
}

/// Strictly, and against the schema that requests have. Every policy lies under a family, so that it costs nothing where
/// it does not apply, and its dates are those of its rule.
#[test]
fn every_policy_of_a_pack_is_valid_scoped_and_dated() {
    for (name, _, pack) in builtin() {
        let mut strict = source(&pack);
        strict.policies.extend(pack.cedar.iter().map(|(file, text)| (file.replace('/', "."), text.clone())));
        let snapshot = Snapshot::compile(&strict).unwrap_or_else(|faults| panic!("{name}: {faults:#?}"));
        assert_eq!(Snapshot::warnings(&strict), [], "{name}");
        for (id, _, text) in snapshot.policies().filter(|(id, ..)| pack.enforced().contains(id)) {
            let families = &pack.manifest.families;
            let scoped = |family: &String| text.contains(&format!("resource in Family::\"{family}\")"));
            assert!(families.iter().any(scoped), "{id}: {text}");
            let rule = pack.manifest.rules.iter().find(|rule| rule.id == id).unwrap();
            let dated = text.contains(&format!("context.date >= {}", rule.effective_from.replace('-', "")));
            assert_eq!(dated, rule.effective_from.as_str() > "2025-12-31", "{id}");
            assert_eq!(rule.effective_until, None, "{id} ends and nothing says so");
        }
    }
}

#[test]
fn packs_list_what_they_do_not_enforce() {
    for (name, _, pack) in builtin() {
        let of = |mode| pack.manifest.rules.iter().filter(|rule| rule.mode == mode).count();
        assert!(of(Mode::Preventive) > 0 && of(Mode::Detective) > 0, "{name}");
    }
}

#[test]
fn a_snapshot_takes_packs_on_and_off_by_its_document() {
    let base = Snapshot::compile(&SnapshotSource::bundled()).unwrap();
    let packs = [("own".to_owned(), own())];
    let with = base.with_packs(&packs, |_| None).unwrap();
    let mut source = SnapshotSource::bundled();
    source.packs.extend(packs);
    let compiled = Snapshot::compile(&source).unwrap();
    assert_eq!(with.policy_hash(), compiled.policy_hash());
    assert_ne!(with.policy_hash(), base.policy_hash());
    let facts = plain(b"packctl");
    for (snapshot, verdict) in [(&base, Verdict::Admit), (&with, Verdict::Deny), (&compiled, Verdict::Deny)] {
        assert_eq!(decide(snapshot, &facts).decision.verdict, verdict);
    }
    assert_eq!(with.with_packs(&[], |_| None).unwrap().policy_hash(), base.policy_hash());
}

/// The text is gone, is another one, or is not in the document at all: with the regime declared nothing runs, and a
/// document that names what cannot be had denies by itself.
#[test]
fn a_pack_that_is_not_there_denies_at_standing() {
    let mut source = SnapshotSource::bundled();
    source.packs.push(("own".to_owned(), own()));
    let document = Snapshot::compile(&source).unwrap().document().to_vec();
    let text = String::from_utf8(document.clone()).unwrap();
    let named = format!("{{\"hash\":\"{}\",\"name\":\"own\"}}", Digest::of(own().as_bytes()).to_hex());
    let removed = text.replace(&named, "");
    assert_ne!(removed, text);
    let stored =
        |bytes: Vec<u8>| move |hash: &Digest| (*hash == Digest::of(own().as_bytes())).then(|| bytes.clone());
    let reasons = |snapshot: &Snapshot, regimes: &[&str]| -> Vec<String> {
        let mut facts = plain(b"git status");
        facts.tenant.regimes = regimes.iter().map(|regime| (*regime).to_owned()).collect();
        decide(snapshot, &facts).decision.reasons().map(|(_, reason)| reason.code.clone()).collect()
    };
    let here = Snapshot::load(&document, stored(own().into_bytes())).unwrap();
    assert_eq!(reasons(&here, &["own"]), [""; 0]);
    let removed = Snapshot::load(removed.as_bytes(), |_| None).unwrap();
    assert_eq!(reasons(&removed, &[]), [""; 0]);
    assert_eq!(reasons(&removed, &["own"]), ["standing.pack_missing"]);
    for snapshot in [
        Snapshot::load(&document, |_| None).unwrap(),
        Snapshot::load(&document, stored(b"other".to_vec())).unwrap(),
    ] {
        assert_eq!(snapshot.unready().len(), 1);
        for regimes in [&[][..], &["own"]] {
            assert_eq!(reasons(&snapshot, regimes), ["standing.pack_missing"]);
        }
    }
}

#[test]
fn a_pack_without_programs_or_with_a_taken_name_is_refused() {
    let refused = |source: &SnapshotSource, name: &str, text: &str| {
        let base = Snapshot::compile(source).unwrap();
        match base.with_packs(&[(name.to_owned(), text.to_owned())], |_| None) {
            Err(LoadFault::Pack(fault)) => fault.code,
            other => panic!("{other:?}"),
        }
    };
    let soc2 = &pack::builtin_texts().iter().find(|(name, _)| *name == "soc2").unwrap().1;
    let mut source = SnapshotSource::bundled();
    assert_eq!(refused(&source, "soc2", soc2), "pack.family");
    source.thresholds.families.insert("production".to_owned(), BTreeSet::new());
    assert_eq!(refused(&source, "soc2", soc2), "pack.family");
    source.policies.push(("x.cedar".to_owned(), GATE.replace("forbid", "permit")));
    let mut taken = source.clone();
    taken.packs.push(("own".to_owned(), own()));
    assert_eq!(refused(&source, "own", &own()), "pack.clash");
    assert_eq!(Snapshot::compile(&taken).unwrap_err()[0].code, "pack.clash");
    assert_eq!(refused(&source, "other", &own()), "pack.syntax");
}

/// A pack that permits, that forbids without a citation, or that cites what it does not do.
#[test]
fn a_text_that_is_no_pack_is_refused() {
    let rule = |id: &str| format!("[[rule]]\nid = \"{id}\"\n{RULE}");
    let one = manifest(&rule("own.one"));
    let limit = "[[window]]\nname = \"own.one\"\nconsent = \"x\"\n";
    let read = |files: &[(&str, &str)]| {
        Pack::read("own", &pack::text_of(files)).map(drop).map_err(|fault| fault.code)
    };
    assert_eq!(read(&[("pack.toml", &one), ("x.cedar", GATE)]), Ok(()));
    assert_eq!(read(&[("pack.toml", &one), ("limits.toml", limit)]), Ok(()));
    for (manifest, file, text, code) in [
        (one.clone(), "x.cedar", GATE.replace("forbid", "permit"), "pack.policy"),
        (one.clone(), "x.cedar", GATE.replace("@reason(\"no\")", ""), "pack.policy"),
        (one.clone(), "x.cedar", GATE.replace("C1", "C2"), "pack.policy"),
        (one.clone(), "x.cedar", GATE.replace("own.one", "own.two"), "pack.policy"),
        (one.clone(), "x.cedar", GATE.replace("forbid", "forbidden"), "policy.syntax"),
        (one.clone(), "x.sh", String::new(), "pack.syntax"),
        (one.clone(), "tests/x.table", String::new(), "pack.syntax"),
        (one.replace("own.one", "one"), "x.cedar", GATE.to_owned(), "pack.rule"),
        (one.replace("2020-01-01", "2020-1-1"), "x.cedar", GATE.to_owned(), "pack.rule"),
        (one.replace("preventive", "detective"), "x.cedar", GATE.to_owned(), "pack.syntax"),
        (one.replace("preventive", "hopeful"), "x.cedar", GATE.to_owned(), "pack.syntax"),
        (one.replace("2020-01-01", "2026-01-01"), "limits.toml", limit.to_owned(), "pack.syntax"),
        (format!("{one}{}", rule("own.one")), "x.cedar", GATE.to_owned(), "pack.rule"),
        (format!("{one}{}", rule("own.two")), "x.cedar", GATE.to_owned(), "pack.syntax"),
    ] {
        assert_eq!(read(&[("pack.toml", &manifest), (file, &text)]), Err(code), "{manifest} {text}");
    }
    for text in
        ["", "{}", "pack", &own().replace("pack/v1", "pack/v2"), &own().replace("pack.toml", "x.toml")]
    {
        assert_eq!(Pack::read("own", text).unwrap_err().code, "pack.syntax", "{text}");
    }
    let sized = |bytes: usize| {
        let comment = "#".repeat(bytes - pack::text_of(&[("pack.toml", &one), ("x.cedar", GATE)]).len());
        Pack::read("own", &pack::text_of(&[("pack.toml", &format!("{one}{comment}")), ("x.cedar", GATE)]))
            .is_ok()
    };
    assert!(sized(PACK_BYTES_MAX));
    assert!(!sized(PACK_BYTES_MAX + 1));
}

/// Packs build on packs: without those they decide nothing, and never on themselves.
#[test]
fn imports_are_there_or_the_pack_denies() {
    let importing = |name: &str, imports: &str| {
        let manifest = manifest(&format!("[[rule]]\nid = \"{name}.one\"\n{RULE}"))
            .replace("name = \"own\"", &format!("name = \"{name}\"\nimports = [{imports}]"));
        let gate = GATE.replace("own.one", &format!("{name}.one"));
        (name.to_owned(), pack::text_of(&[("pack.toml", &manifest), ("x.cedar", &gate)]))
    };
    let base = Snapshot::compile(&SnapshotSource::bundled()).unwrap();
    let with = |packs: &[(String, String)]| match base.with_packs(packs, |_| None) {
        Ok(snapshot) => Ok(snapshot.packs().len()),
        Err(LoadFault::Pack(fault)) => Err(fault.code),
        Err(other) => panic!("{other:?}"),
    };
    let (a, b, c) = (importing("aa", "\"bb\""), importing("bb", "\"cc\""), importing("cc", ""));
    assert_eq!(with(&[a.clone(), b.clone(), c.clone()]), Ok(3));
    assert_eq!(with(&[a.clone(), c]), Err("pack.import"));
    assert_eq!(with(&[a.clone(), b.clone()]), Err("pack.import"));
    let round = importing("cc", "\"aa\"");
    assert_eq!(with(&[a, b, round]), Err("pack.import_loop"));
    assert_eq!(with(&[importing("aa", "\"aa\"")]), Err("pack.rule"));
}

#[test]
fn an_own_pack_is_checked_as_an_own_policy_would_be() {
    let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
    let own = manifest(&format!("[[rule]]\nid = \"own.one\"\n{RULE}"));
    let codes = |files: Vec<(String, Vec<u8>)>| -> Vec<&'static str> {
        let faults = Pack::of_files(files).map(drop).unwrap_err();
        faults.into_iter().map(|fault| fault.code).collect()
    };
    let files = vec![file("pack.toml", &own), file("x.cedar", GATE), file("README.md", "for people")];
    let (text, pack) = Pack::of_files(files).unwrap();
    assert_eq!(
        (Pack::read("own", &text).unwrap().manifest, pack.enforced().len()),
        (pack.manifest.clone(), 1)
    );
    assert_eq!(codes(vec![file("x.cedar", GATE)]), ["pack.syntax"]);
    let misspelt = GATE.replace(");", ") when { context.weekdy > 5 };");
    assert_eq!(codes(vec![file("pack.toml", &own), file("x.cedar", &misspelt)]), ["policy.schema"]);
    assert_eq!(
        codes(vec![file("pack.toml", &own), ("x.cedar".to_owned(), vec![0xff])]),
        ["directory.encoding"]
    );
    let taken = own.replace("\"own", "\"soc2");
    assert_eq!(
        codes(vec![file("pack.toml", &taken), file("x.cedar", &GATE.replace("own.", "soc2."))]),
        ["pack.name"]
    );
}
