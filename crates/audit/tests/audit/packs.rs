//! Every control of every pack, proven both ways on chains that verify.

use std::collections::BTreeSet;
use std::path::PathBuf;

use cascade_audit::control::{self, Controls};
use cascade_audit::trial::{Trial, judge, unproven};

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

#[test]
fn no_control_goes_without_proof_both_ways() {
    for mut controls in all() {
        let mut trials: Vec<Trial> = trials(&controls.pack).into_iter().map(|(_, trial)| trial).collect();
        assert_eq!(unproven(&controls, &trials), [], "no case shows it");
        // The check can fail: without its cases nothing is shown of a control.
        controls.controls.truncate(1);
        let id = controls.controls[0].id.clone();
        trials.retain(|trial| trial.control != id);
        assert!(!unproven(&controls, &trials).is_empty());
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
