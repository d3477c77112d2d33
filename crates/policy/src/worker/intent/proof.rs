//! Intents are tested by what is written beside them.

use cascade_receipt::decision::RiskTier;

use super::index::whole;
use super::{Planned, TEXT_BYTES_MAX};
use crate::worker::grammar::Worker;
use crate::worker::manifest::Intent;
use crate::worker::registry::Registry;

impl Registry {
    /// What is wrong with the intents of a worker.
    pub(in crate::worker) fn intent_tests(&self, worker: &Worker, complain: &mut impl FnMut(String)) {
        for (at, intent) in worker.intents.iter().enumerate() {
            if let Err(what) = whole(worker, intent) {
                complain(what);
                continue;
            }
            if worker.intents.iter().take(at).any(|other| other.id == intent.id) {
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
        }
    }
}

fn offered(plans: &[Planned]) -> String {
    let offered: Vec<String> =
        plans.iter().map(|plan| format!("{} `{}`", plan.intent, plan.argv.join(" "))).collect();
    if offered.is_empty() { "no plan".to_owned() } else { offered.join(", ") }
}
