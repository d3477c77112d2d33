//! Every control of every pack, proven both ways on chains that verify.

use std::collections::BTreeSet;
use std::path::PathBuf;

use cascade_audit::control::{self, Controls, Outcome};
use cascade_audit::trial::{Trial, judge};

fn packs() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../packs"))
}

/// The tests of a pack's controls, by file.
#[expect(clippy::disallowed_methods, reason = "the tests of controls are files")]
fn trials(pack: &str) -> Vec<(String, Trial)> {
    let mut trials = Vec::new();
    let Ok(directory) = std::fs::read_dir(packs().join(pack).join("controls")) else { return trials };
    for entry in directory {
        let path = entry.unwrap().path();
        let name = format!("packs/{pack}/controls/{}", path.file_name().unwrap().to_str().unwrap());
        let trial = Trial::parse(&name, &std::fs::read_to_string(&path).unwrap());
        trials.push((name, trial.unwrap_or_else(|fault| panic!("{fault}"))));
    }
    trials.sort_by(|one, other| one.0.cmp(&other.0));
    trials
}

fn all() -> Vec<Controls> {
    let texts = control::builtin_texts().iter();
    texts.map(|(pack, text)| Controls::parse(pack, text).unwrap_or_else(|fault| panic!("{fault}"))).collect()
}

#[test]
fn every_case_comes_out_as_it_says() {
    let mut wrong = Vec::new();
    for controls in all() {
        for (file, trial) in trials(&controls.pack) {
            let judged = judge(&controls, &trial);
            let told = judged
                .iter()
                .filter_map(|one| Some(format!("{file}: {}: {}", one.title, one.wrong.as_ref()?)));
            wrong.extend(told);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One that a chain alone can satisfy is shown satisfied and violated; one that it cannot, not provable.
#[test]
fn no_control_goes_without_proof_both_ways() {
    for controls in all() {
        let trials = trials(&controls.pack);
        for control in &controls.controls {
            let own: Vec<&Trial> =
                trials.iter().map(|(_, trial)| trial).filter(|trial| trial.control == control.id).collect();
            let mut wanted = BTreeSet::new();
            if control.violations.is_some() {
                wanted.extend([Outcome::Satisfied, Outcome::Violated]);
            }
            if control.unprovable.is_some() {
                wanted.insert(Outcome::NotProvable);
            }
            for outcome in wanted {
                let shown = own.iter().any(|trial| trial.shows(outcome));
                assert!(shown, "no case shows `{}` {}", control.id, outcome.as_str());
            }
        }
    }
}

/// Controls that nobody built in would never be asked.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test looks for files that nobody listed")]
fn every_file_of_controls_is_built_in() {
    let there = std::fs::read_dir(packs()).unwrap().map(|entry| entry.unwrap().path());
    let there: BTreeSet<String> = there
        .filter(|pack| pack.join(control::CONTROLS_FILE).is_file())
        .map(|pack| pack.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let listed = control::builtin_texts().iter().map(|(pack, _)| (*pack).to_owned());
    assert_eq!(there, listed.collect());
}
