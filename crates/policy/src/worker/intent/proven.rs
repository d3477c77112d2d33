//! What holds of the intents of all built-in manifests, and of plans whatever the text.

use std::sync::LazyLock;

use cascade_receipt::decision::RiskTier;

use super::super::Registry;
use super::index::whole;
use super::slot::SlotKind;
use super::template::Part;
use super::{GRADE_MIN, How, Planned, TEXT_BYTES_MAX};
use crate::worker::grammar::Worker;
use crate::worker::manifest::Intent;

const PARAPHRASES: &str = include_str!("../../../tests/intents.paraphrases");
const TRAPS: &str = include_str!("../../../tests/intents.traps");

static BUILTIN: LazyLock<Registry> = LazyLock::new(Registry::builtin);

fn lines(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = table.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.rsplit_once(" => ").unwrap())
}

fn intents() -> impl Iterator<Item = (&'static Worker, &'static Intent)> {
    let parsed = BUILTIN.manifests.iter().map(|manifest| manifest.parsed().as_ref().unwrap());
    let workers = parsed.flat_map(|parsed| &parsed.workers);
    workers.flat_map(|worker| worker.intents.iter().map(move |intent| (worker, intent)))
}

/// A value that a slot of this kind takes.
const fn sample(kind: SlotKind) -> &'static str {
    match kind {
        SlotKind::Int => "7",
        SlotKind::Port => "8123",
        SlotKind::Size => "30M",
        SlotKind::Path => "x1/y2.z3",
        SlotKind::Entry => "xyz12",
        SlotKind::Ref | SlotKind::Name | SlotKind::Namespace | SlotKind::Script | SlotKind::Package => "qx7",
        SlotKind::Image => "qx7:1",
        SlotKind::Host => "qx7.example",
        SlotKind::Url => "https://qx7.example/a",
        SlotKind::Duration => "3h",
        SlotKind::Ago => "yesterday",
        SlotKind::Pattern => "*.qx7",
        SlotKind::Extension => "qx7",
        SlotKind::Project => "qx7/qy8",
        SlotKind::Text | SlotKind::Term => "\"qx 7\"",
    }
}

/// Whatever way a phrase is said, word for word, its intent is among what is offered.
#[test]
fn every_way_to_say_every_phrase_is_understood() {
    let mut lost = Vec::new();
    for (worker, intent) in intents() {
        for way in whole(worker, intent).unwrap() {
            let word = |part: &Part| match part {
                Part::Word(word) => word.plain.clone(),
                Part::Slot { kind, .. } => sample(*kind).to_owned(),
            };
            let text = way.iter().map(word).collect::<Vec<_>>().join(" ");
            let plans = BUILTIN.plans(&text);
            if !plans.iter().any(|plan| plan.intent == intent.id) {
                let offered: Vec<&str> = plans.iter().map(|plan| plan.intent.as_str()).collect();
                lost.push(format!("{} by `{text}`: {offered:?}", intent.id));
            }
        }
    }
    assert!(lost.is_empty(), "{} lost:\n{}", lost.len(), lost.join("\n"));
}

#[test]
fn what_must_not_become_an_action_does_not() {
    let mut wrong = Vec::new();
    for (text, expected) in lines(TRAPS) {
        let plans = BUILTIN.plans(text);
        let ok = match expected {
            "none" => plans.is_empty(),
            "harmless" => plans.iter().all(|plan| plan.tier == RiskTier::Low),
            other => panic!("`{other}` is neither `none` nor `harmless`"),
        };
        if !ok {
            wrong.push(format!("`{text}` is {:?}", plans.iter().map(|plan| &plan.argv).collect::<Vec<_>>()));
        }
    }
    assert!(lines(TRAPS).count() >= 100);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What nobody tuned a phrase on: how much of it is understood, and that none of it is misunderstood. The least is a
/// floor under what was measured, so that a change that loses texts shows.
#[test]
fn paraphrases_are_understood_or_left_alone_and_never_misunderstood() {
    const UNDERSTOOD_MIN: usize = 25;
    let mut lost = Vec::new();
    let mut wrong = Vec::new();
    let mut understood = 0;
    for (text, expected) in lines(PARAPHRASES) {
        let plans = BUILTIN.plans(text);
        let ids: Vec<&str> = plans.iter().map(|plan| plan.intent.as_str()).collect();
        if ids == [expected] {
            understood += 1;
        } else if ids.is_empty() || ids.contains(&expected) {
            lost.push(format!("{text} => {expected}: {ids:?}"));
        } else {
            wrong.push(format!("{text} => {expected}: {ids:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(understood >= UNDERSTOOD_MIN, "{understood} understood; lost:\n{}", lost.join("\n"));
}

fn argv_of(plan: &Planned) -> String {
    plan.argv.join(" ")
}

#[test]
fn a_grade_is_what_the_words_cost() {
    let plan =
        |text: &str| BUILTIN.plans(text).into_iter().next().unwrap_or_else(|| panic!("no plan for `{text}`"));
    let exact = plan("show the last 5 commits");
    assert_eq!((argv_of(&exact).as_str(), exact.tier), ("git log --oneline -n 5", RiskTier::Low));
    let how: Vec<&How> = exact.words.iter().map(|word| &word.how).collect();
    assert_eq!(how, [&How::Same, &How::Filler, &How::Same, &How::Value("count".to_owned()), &How::Same]);
    for text in ["show the last 5 commits", "please list me the newest five commits", "delete branch topic"] {
        let plan = plan(text);
        let cost: u8 = plan.words.iter().map(|word| word.how.cost()).sum();
        assert!(plan.grade == 100 - cost || plan.grade == 100, "{plan:?}");
        assert!(plan.grade >= GRADE_MIN && plan.words.len() == text.split(' ').count());
    }
}

#[test]
fn what_changes_something_is_not_reached_by_words_that_are_only_about_the_same() {
    // `get` is about the same as `show`, and `newest` as `latest`: enough to read, not to write.
    assert!(!BUILTIN.plans("print the branches").is_empty());
    assert_eq!(BUILTIN.plans("merge branch topic").first().map(argv_of).unwrap(), "git merge topic");
    assert!(BUILTIN.plans("merge branch topic?").is_empty());
    assert!(!BUILTIN.plans("could you merge branch topic?").is_empty());
    assert!(BUILTIN.plans("merge branch production").is_empty());
    assert!(!BUILTIN.plans("merge branch \"production\"").is_empty());
}

#[test]
fn a_long_text_is_refused_before_it_is_read() {
    let words = "show the last 5 commits";
    let fits = format!("{words}{}", " ".repeat(TEXT_BYTES_MAX - words.len()));
    assert_eq!(fits.len(), TEXT_BYTES_MAX);
    assert!(!BUILTIN.plans(&fits).is_empty());
    assert!(BUILTIN.plans(&format!("{fits} ")).is_empty());
    assert!(BUILTIN.plans(&words.repeat(50_000)).is_empty());
}
