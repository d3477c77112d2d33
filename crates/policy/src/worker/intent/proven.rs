//! What holds of the intents of all built-in manifests, and of plans whatever the text.

use std::sync::LazyLock;

use cascade_receipt::decision::RiskTier;

use proptest::prelude::{Strategy, TestCaseError, any, prop, prop_assert, prop_assert_eq, proptest};

use super::super::Registry;
use super::index::whole;
use super::slot::SlotKind;
use super::template::Part;
use super::{GRADE_MARGIN, GRADE_MIN, How, Planned, TEXT_BYTES_MAX};
use crate::worker::grammar::Worker;
use crate::worker::manifest::Intent;
use crate::worker::registry::Manifest;

const PARAPHRASES: &str = include_str!("../../../tests/intents.paraphrases");
const TRAPS: &str = include_str!("../../../tests/intents.traps");

static BUILTIN: LazyLock<Registry> = LazyLock::new(Registry::builtin);

fn lines(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = table.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.rsplit_once(" => ").unwrap())
}

fn intents() -> impl Iterator<Item = (&'static Worker, &'static Intent)> {
    let whole = |manifest: &'static Manifest| {
        let (parsed, intents) = (manifest.parsed().as_ref().unwrap(), manifest.intents().unwrap());
        parsed.workers.iter().zip(intents)
    };
    let workers = BUILTIN.manifests.iter().flat_map(whole);
    workers.flat_map(|(worker, intents)| intents.iter().map(move |intent| (worker, intent)))
}

/// A value that a slot of this kind takes.
const fn sample(kind: SlotKind) -> &'static str {
    match kind {
        SlotKind::Int => "7",
        SlotKind::Pid => "4711",
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
        SlotKind::Pattern | SlotKind::Glob => "*.qx7",
        SlotKind::Archive => "x1/y2.tgz",
        SlotKind::Extension => ".qx7",
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
            "harmless" => plans.iter().all(|plan| plan.reads),
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
    const UNDERSTOOD_MIN: usize = 118;
    let mut lost = Vec::new();
    let mut wrong = Vec::new();
    let mut understood = 0;
    for (text, expected) in lines(PARAPHRASES) {
        let plans = BUILTIN.plans(text);
        let ids: Vec<&str> = plans.iter().map(|plan| plan.intent.as_str()).collect();
        if ids == [expected] {
            understood += 1;
        } else if ids.len() != 1 {
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
fn a_text_of_which_little_is_left_is_no_plan() {
    let said = |fillers: usize| format!("print {}branches", "the ".repeat(fillers));
    // `print` for `show` costs 4, each `the` 1.
    let most = usize::from(100 - GRADE_MIN) - 4;
    assert_eq!(BUILTIN.plans(&said(most)).first().map(|plan| plan.grade), Some(GRADE_MIN));
    assert!(BUILTIN.plans(&said(most + 1)).is_empty());
}

#[test]
fn what_changes_something_is_not_reached_by_words_that_are_only_about_the_same() {
    // `print` is about the same as `show`, and `on` as `in`: enough to look, not to change anything.
    assert!(!BUILTIN.plans("print the branches").is_empty());
    assert!(!BUILTIN.plans("take a.txt out of the index").is_empty());
    assert!(BUILTIN.plans("take a.txt out in the index").is_empty());
    assert_eq!(BUILTIN.plans("merge branch topic").first().map(argv_of).unwrap(), "git merge topic");
    assert!(BUILTIN.plans("show the log of commits").iter().all(|plan| plan.worker == "git"));
    assert!(BUILTIN.plans("merge branch topic?").is_empty());
    assert!(!BUILTIN.plans("could you merge branch topic?").is_empty());
    assert!(BUILTIN.plans("link branches as x1").is_empty());
    assert!(!BUILTIN.plans("link \"branches\" as x1").is_empty());
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

/// Texts of intents' own tests that two workers answer; whoever asked says which.
const ASKED: &[&str] = &["show the differences between a.txt and b.txt"];

#[test]
fn what_a_test_says_is_not_ambiguous() {
    let mut asked = Vec::new();
    for test in intents().flat_map(|(_, intent)| &intent.tests) {
        if BUILTIN.plans(&test.text).len() > 1 && !ASKED.contains(&test.text.as_str()) {
            let plans = BUILTIN.plans(&test.text);
            asked.push(format!("`{}`: {:?}", test.text, plans.iter().map(argv_of).collect::<Vec<_>>()));
        }
    }
    assert!(asked.is_empty(), "{} asked:\n{}", asked.len(), asked.join("\n"));
}

#[test]
fn built_in_intents_are_many_and_each_is_said_and_tested_twice() {
    let all: Vec<&Intent> = intents().map(|(_, intent)| intent).collect();
    assert!(all.len() >= 150, "{} intents", all.len());
    let thin: Vec<&str> = all
        .iter()
        .filter(|intent| intent.say.len() < 2 || intent.tests.len() < 2)
        .map(|intent| intent.id.as_str())
        .collect();
    assert!(thin.is_empty(), "{thin:?}");
}

fn soup() -> impl Strategy<Value = String> {
    let mut words: Vec<String> = intents()
        .flat_map(|(_, intent)| &intent.tests)
        .flat_map(|test| test.text.split(' '))
        .map(str::to_owned)
        .collect();
    words.sort_unstable();
    words.dedup();
    words.extend(
        [
            "-rf", "--force", "-", "--", "\"-x y\"", "'-x'", "`-x`", "{path}", "..", "/", "~", "$HOME",
            "\u{202e}", "né",
        ]
        .map(str::to_owned),
    );
    prop::collection::vec(prop::sample::select(words), 0..9).prop_map(|words| words.join(" "))
}

/// A phrase of some intent with any word in the place of each value.
fn filled() -> impl Strategy<Value = String> {
    let says: Vec<String> =
        intents().flat_map(|(_, intent)| intent.tests.iter().map(|test| test.text.clone())).collect();
    let value = prop::sample::select(vec![
        "-rf",
        "--exec=sh",
        "\"-rf\"",
        "\"--pre=sh\"",
        "'-'",
        "a\u{0}b",
        "\"a\nb\"",
        ";",
        "$(x)",
        "ok.txt",
    ]);
    (prop::sample::select(says), value, any::<prop::sample::Index>()).prop_map(|(say, value, at)| {
        let mut words: Vec<&str> = say.split(' ').collect();
        let at = at.index(words.len());
        words[at] = value;
        words.join(" ")
    })
}

/// What holds of every plan, whatever the text.
fn sound(text: &str) -> Result<(), TestCaseError> {
    let plans = BUILTIN.plans(text);
    prop_assert_eq!(&plans, &BUILTIN.plans(text));
    for plan in &plans {
        let best = plans.first().map_or(0, |best| best.grade);
        prop_assert!(plan.grade >= GRADE_MIN && best - plan.grade <= GRADE_MARGIN);
        prop_assert!(plan.tier <= RiskTier::Medium || plan.grade == 100);
        let template =
            intents().find(|(_, intent)| intent.id == plan.intent).map(|(_, intent)| &intent.argv).unwrap();
        prop_assert!(!plan.argv.is_empty() && plan.argv.len() <= template.len());
        prop_assert!(plan.argv.iter().all(|word| !word.is_empty() && !word.chars().any(char::is_control)));
        // What the intent does not write as an option is none, unless it stands behind `--`.
        let own = |word: &String| {
            template.iter().any(|own| {
                own.split('{').next().is_some_and(|start| !start.is_empty() && word.starts_with(start))
            })
        };
        let options = plan.argv.iter().take_while(|word| *word != "--").filter(|word| word.starts_with('-'));
        for option in options {
            prop_assert!(own(option), "`{}` in {:?}", option, plan);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_gives_sound_plans(text in any::<String>()) {
        sound(&text)?;
    }

    #[test]
    fn any_words_of_phrases_give_sound_plans(text in soup()) {
        sound(&text)?;
    }

    #[test]
    fn no_value_is_an_option(text in filled()) {
        sound(&text)?;
    }
}
