//! Intents are tested by what is written beside them.

use cascade_receipt::decision::RiskTier;

use super::index::whole;
use super::{Planned, TEXT_BYTES_MAX};
use crate::worker::grammar::Worker;
use crate::worker::manifest::Intent;
use crate::worker::registry::Registry;

impl Registry {
    /// What is wrong with the intents of a worker.
    pub(in crate::worker) fn intent_tests(
        &self,
        worker: &Worker,
        intents: &[Intent],
        complain: &mut impl FnMut(String),
    ) {
        for (at, intent) in intents.iter().enumerate() {
            if let Err(what) = whole(worker, intent) {
                complain(what);
                continue;
            }
            if intents.iter().take(at).any(|other| other.id == intent.id) {
                complain(format!("intent `{}` stands there twice", intent.id));
            }
            for test in &intent.tests {
                self.means(worker, intent, &test.text, &test.argv, complain);
            }
            for text in &intent.not {
                if text.len() > TEXT_BYTES_MAX || self.plans(text).iter().any(|plan| plan.intent == intent.id)
                {
                    complain(format!("intent `{}` also means `{text}`, which it must not", intent.id));
                }
            }
        }
    }

    fn means(
        &self,
        worker: &Worker,
        intent: &Intent,
        text: &str,
        argv: &[String],
        complain: &mut impl FnMut(String),
    ) {
        let id = &intent.id;
        let plans = self.plans(text);
        if !plans.iter().any(|plan| plan.intent == *id && plan.argv == argv) {
            complain(format!("intent `{id}` on `{text}`: {}", offered(&plans)));
        } else if let Some(rival) =
            plans.iter().find(|plan| worker.names.contains(&plan.worker) && plan.argv != argv)
        {
            complain(format!("intent `{id}` on `{text}`: `{}` means it too", rival.intent));
        }
        let words: Vec<Vec<u8>> = argv.iter().map(|word| word.clone().into_bytes()).collect();
        let answer = self.classify_argv(&words, &[]);
        if !answer.classified || answer.refused.is_some() || answer.tier == RiskTier::Critical {
            complain(format!(
                "intent `{id}` on `{text}`: its manifest does not vouch for `{}`",
                argv.join(" ")
            ));
        } else if intent.reads && answer.tier != RiskTier::Low {
            complain(format!(
                "intent `{id}` on `{text}`: it is said to only look, but ranks {}",
                answer.tier
            ));
        }
    }
}

fn offered(plans: &[Planned]) -> String {
    let offered: Vec<String> =
        plans.iter().map(|plan| format!("{} `{}`", plan.intent, plan.argv.join(" "))).collect();
    if offered.is_empty() { "no plan".to_owned() } else { offered.join(", ") }
}

#[cfg(test)]
mod tests {
    use crate::worker::Registry;

    /// A manifest of a program `frob` with one intent, of which some lines are others.
    fn faults(changes: &[(&str, &str)]) -> String {
        let mut text = FROB.to_owned();
        for (from, to) in changes {
            assert!(text.contains(from), "`{from}` is not in the sample");
            text = text.replace(from, to);
        }
        let faults = Registry::new([("frob".to_owned(), text)]).check();
        faults.into_iter().map(|fault| fault.what).collect::<Vec<_>>().join("\n")
    }

    const FROB: &str = r#"programs = "frob"

[[worker]]
names = "frob"
own = { tier = "LOW" }

[[worker.command]]
path = "look"
tier = "LOW"
values = "--to"
arguments = ["text"]

[[worker.command]]
path = "polish"
tier = "MEDIUM"
values = "--to"
arguments = ["text"]

[[worker.intent]]
id = "frob.look"
say = ["look at [the] widget {name:name}", "show widget {name:name} [in {box:name}]"]
argv = ["frob", "look", "--to={box}", "{name}"]
defaults = { box = "red" }
reads = true
tests = [{ text = "show the widget w1", argv = ["frob", "look", "--to=red", "w1"] }]
not = ["show the widget w1 and polish it"]
"#;

    #[test]
    fn an_intent_that_holds_together_has_no_faults() {
        assert_eq!(faults(&[]), "");
        assert_eq!(faults(&[("defaults = {", "answers = { 1 = \"none\" }\ndefaults = {")]), "");
    }

    #[test]
    fn an_intent_that_does_not_is_refused() {
        let check = |changes: &[(&str, &str)], expected: &str| {
            let found = faults(changes);
            assert!(found.contains(expected), "{changes:?}: `{found}` is not about `{expected}`");
        };
        check(&[("frob.look", "other.look")], "does not begin with `frob.`");
        check(
            &[("[\"frob\", \"look\", \"--to={box}\", \"{name}\"]", "[\"rm\", \"{name}\", \"{box}\"]")],
            "does not begin with a name of its worker",
        );
        check(&[("{name:name}", "{name:thing}")], "unknown kind `thing`");
        check(&[("[in {box:name}]", "[in {bag:name}]")], "slot `bag` has no place in the argv");
        check(&[("defaults = { box = \"red\" }", "")], "slot `box` may be left without a value");
        check(&[("box = \"red\"", "box = \"red\", bag = \"x\"")], "`bag` has a default but no place");
        check(&[("[in {box:name}]", "[in {name:name}]")], "slot `name` is said twice");
        check(&[("[in {box:name}]", "[in {box:name}")], "bracket without `]`");
        check(&[("look at [the] widget {name:name}", "the {name:name}")], "words that tell what is meant");
        check(&[("\"--to=red\", \"w1\"", "\"--to=blue\", \"w1\"")], "frob.look `frob look --to=red w1`");
        check(&[("show the widget w1\", argv", "polish the widget w1\", argv")], "no plan");
        check(&[("and polish it", "")], "which it must not");
        check(&[("\"frob\", \"look\"", "\"frob\", \"--unheard\"")], "does not vouch for");
        check(&[("\"frob\", \"look\"", "\"frob\", \"polish\"")], "is said to only look, but ranks MEDIUM");
        let answers = |says: &str| format!("answers = {{ {says} }}\ndefaults = {{");
        check(&[("defaults = {", &answers("0 = \"done\""))], "no exit code from 1 to 255");
        check(&[("defaults = {", &answers("256 = \"done\""))], "no exit code from 1 to 255");
        check(&[("defaults = {", &answers("1 = \" \""))], "says nothing for 1");
        check(&[("defaults = {", &answers("1 = \"none\"")), ("reads = true", "")], "but not `reads`");
        let again = FROB.split("[[worker.intent]]").nth(1).unwrap().to_owned();
        check(
            &[("not = [", &format!("not = []\n[[worker.intent]]{}#", again.replace("not = [", "#")))],
            "stands there twice",
        );
    }

    #[test]
    fn rules_do_not_hang_on_what_a_line_of_a_longer_text_looks_like() {
        let text = "text = \"\"\"\n[[worker.intent]]\n[\"\"\"";
        assert!(faults(&[("own = {", &format!("own = {{ {text}, "))]).contains("no table of its own"));
    }

    #[test]
    fn a_rival_in_the_same_worker_is_a_fault_and_one_of_another_worker_a_question() {
        let rival = "[[worker.intent]]\nid = \"frob.polish\"\nsay = [\"show widget {name:name}\"]\n\
                     argv = [\"frob\", \"polish\", \"{name}\"]\n\
                     tests = [{ text = \"show widget w2\", argv = [\"frob\", \"polish\", \"w2\"] }]\n";
        let own = format!("{FROB}\n{rival}");
        let found = Registry::new([("frob".to_owned(), own)]).check();
        assert!(found.iter().any(|fault| fault.what.contains("`frob.polish` means it too")), "{found:?}");
        let other = FROB.replace("frob", "grob").replace("\"look\"", "\"gaze\"");
        let both = Registry::new([("frob".to_owned(), FROB.to_owned()), ("grob".to_owned(), other)]);
        assert_eq!(both.check(), []);
        assert_eq!(both.plans("show the widget w1").len(), 2);
    }

    #[test]
    fn a_program_of_two_manifests_has_the_intents_of_the_one_that_classifies_it() {
        let other = FROB.replace("widget", "gadget");
        let both = Registry::new([("one".to_owned(), FROB.to_owned()), ("two".to_owned(), other)]);
        assert_eq!(both.plans("show the widget w1").len(), 1);
        assert!(both.plans("show the gadget w1").is_empty());
    }

    #[test]
    fn an_option_in_the_place_of_a_value_leaves_no_plan() {
        let text = FROB.replace("{name:name}", "{name:term}");
        let open = Registry::new([("frob".to_owned(), text.clone())]);
        assert!(!open.plans("show the widget \"w1\"").is_empty());
        assert!(
            open.plans("show the widget \"-w1\"").is_empty()
                && open.plans("show the widget --to=x").is_empty()
        );
        // A value is put in once: what it holds is text.
        let argv = open.plans("show the widget \"{box}\"").first().map(|plan| plan.argv.join(" "));
        assert_eq!(argv.as_deref(), Some("frob look --to=red {box}"));
        let guarded = text.replace("\"{name}\"]", "\"--\", \"{name}\"]");
        let guarded = Registry::new([("frob".to_owned(), guarded)]);
        let argv = guarded.plans("show the widget \"-w1\"").first().map(|plan| plan.argv.join(" "));
        assert_eq!(argv.as_deref(), Some("frob look --to=red -- -w1"));
    }

    #[test]
    fn above_medium_only_the_exact_words_of_a_phrase_will_do() {
        let text = FROB.replace("\"LOW\"", "\"HIGH\"").replace("reads = true", "");
        let high = Registry::new([("frob".to_owned(), text)]);
        let plans = high.plans("look at the widget w1");
        assert_eq!(plans.first().map(|plan| plan.grade), Some(100));
        for text in [
            "look at a widget w1",
            "please look at the widget w1",
            "look at the widgets w1",
            "view widget w1",
            "look at the widget w1?",
            "look at the widget production",
        ] {
            assert!(high.plans(text).is_empty(), "{text}");
        }
    }
}
