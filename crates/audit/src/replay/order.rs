//! Steps of runs held against their specification: what needs what, what was tried before what, what undoes what, and
//! which command it was.

use std::collections::BTreeMap;

use cascade_kernel::csl::{Document, Spec, Work};
use cascade_kernel::workflow::Foresight;
use cascade_policy::facts::Invocation;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};
use cascade_receipt::kind::Kind;

use super::shown::{Receipt, Shown};
use super::{Divergence, Replayed, What};

/// What a receipt says of a step.
struct Step<'a> {
    receipt: &'a Receipt,
    at: usize,
    item: u64,
    attempt: u64,
    role: &'a str,
}

/// One run, as far as the bundle shows it.
struct Run<'a> {
    spec: &'a Spec,
    steps: Vec<Step<'a>>,
    inputs: Option<Value>,
}

pub(super) fn runs(shown: &Shown, specs: &[(Digest, Document)], replayed: &mut Replayed) {
    for start in shown.receipts.iter().filter(|receipt| receipt.kind == Kind::ChainStarted) {
        let hash = start.digest("spec_hash");
        let Some((_, document)) = specs.iter().find(|(own, _)| Some(*own) == hash) else { continue };
        replayed.runs += 1;
        let inputs = match inputs(shown, start, document) {
            Ok(inputs) => inputs,
            Err(what) => {
                replayed.divergences.push(Divergence { receipt_id: start.id, what });
                None
            }
        };
        let steps = steps_of(shown, start.id, &document.spec, replayed);
        let run = Run { spec: &document.spec, steps, inputs };
        let is_attempt = |step: &&Step<'_>| matches!(step.receipt.kind, Kind::TaskStarted);
        replayed.attempts += u64::try_from(run.steps.iter().filter(is_attempt).count()).unwrap_or(u64::MAX);
        run.needs(replayed);
        run.attempts(replayed);
        run.undone(replayed);
        run.commands(shown, replayed);
    }
}

/// The inputs that the run was started with; `None` where they are not there.
fn inputs(shown: &Shown, start: &Receipt, document: &Document) -> Result<Option<Value>, What> {
    let Some(Ok(facts)) = shown.facts(start.id) else { return Ok(None) };
    let Invocation::Workflow(act) = &facts.action.invocation else { return Err(What::Inputs) };
    let given =
        act.inputs.as_deref().and_then(|text| json::parse(text.as_bytes()).ok()).ok_or(What::Inputs)?;
    document.inputs(&given).map(Some).map_err(|_| What::Inputs)
}

fn steps_of<'a>(shown: &'a Shown, chain: ReceiptId, spec: &Spec, replayed: &mut Replayed) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    for receipt in shown.receipts.iter().filter(|receipt| receipt.names("chain") == Some(chain)) {
        let Some(place) = receipt.content.member("step") else { continue };
        let number = |key: &str| place.member(key).and_then(Value::as_u64).unwrap_or(0);
        match usize::try_from(number("at")).ok().filter(|at| *at < spec.steps.len()) {
            Some(at) => steps.push(Step {
                receipt,
                at,
                item: number("item"),
                attempt: number("attempt"),
                role: place.member("role").and_then(Value::as_str).unwrap_or(""),
            }),
            None => {
                let what = What::NoStep { at: number("at") };
                replayed.divergences.push(Divergence { receipt_id: receipt.id, what });
            }
        }
    }
    steps
}

impl Run<'_> {
    fn id(&self, at: usize) -> String {
        self.spec.steps.get(at).map(|step| step.id.clone()).unwrap_or_default()
    }

    /// What a step needs is over before it begins.
    fn needs(&self, replayed: &mut Replayed) {
        let mut first: BTreeMap<usize, &Receipt> = BTreeMap::new();
        let mut last: BTreeMap<usize, u64> = BTreeMap::new();
        for step in self.steps.iter().filter(|step| step.role != "compensation") {
            first.entry(step.at).or_insert(step.receipt);
            last.insert(step.at, step.receipt.seq);
        }
        for (at, begun) in &first {
            let needs = self.spec.steps.get(*at).map(|step| step.needs.as_slice()).unwrap_or_default();
            for (need, _) in needs {
                let position = self.spec.steps.iter().position(|step| step.id == *need);
                if position.and_then(|need| last.get(&need)).is_some_and(|over| *over > begun.seq) {
                    let what = What::Early { step: self.id(*at), needs: need.clone() };
                    replayed.divergences.push(Divergence { receipt_id: begun.id, what });
                }
            }
        }
    }

    /// The attempts at one item come one after the other.
    fn attempts(&self, replayed: &mut Replayed) {
        let mut newest: BTreeMap<(usize, u64, &str), u64> = BTreeMap::new();
        for step in &self.steps {
            let newest = newest.entry((step.at, step.item, step.role)).or_insert(step.attempt);
            if step.attempt < *newest {
                let what = What::Attempt { step: self.id(step.at) };
                replayed.divergences.push(Divergence { receipt_id: step.receipt.id, what });
            }
            *newest = step.attempt.max(*newest);
        }
    }

    /// What was done last is undone first. Ends of the same millisecond have no order.
    fn undone(&self, replayed: &mut Replayed) {
        let mut done: BTreeMap<(usize, u64), &str> = BTreeMap::new();
        let mut undone: Vec<(&Step<'_>, &str)> = Vec::new();
        for step in &self.steps {
            let at = step.receipt.text("timestamp").unwrap_or_default();
            match step.role {
                "" if step.receipt.kind == Kind::TaskCompleted => _ = done.insert((step.at, step.item), at),
                "compensation" if step.receipt.kind == Kind::TaskStarted => {
                    let Some(own) = done.get(&(step.at, step.item)) else { continue };
                    if let Some((before, _)) = undone.iter().find(|(_, at)| at < own) {
                        let what = What::Undone { step: self.id(before.at), after: self.id(step.at) };
                        replayed.divergences.push(Divergence { receipt_id: before.receipt.id, what });
                    }
                    undone.push((step, own));
                }
                _ => {}
            }
        }
    }

    /// Commands whose words follow from the inputs alone are those words.
    fn commands(&self, shown: &Shown, replayed: &mut Replayed) {
        let Some(inputs) = &self.inputs else { return };
        let seen = Foresight::new(inputs, []);
        for step in self.steps.iter().filter(|step| step.role.is_empty()) {
            let Some(Ok(facts)) = shown.facts(step.receipt.id) else { continue };
            let Invocation::Cli(argv) = &facts.action.invocation else { continue };
            let Some(of) = self.spec.steps.get(step.at) else { continue };
            let Work::Command(words) = &of.work else { continue };
            let item = usize::try_from(step.item).ok();
            let items = seen.items(of).ok().flatten();
            let scope = items.as_ref().zip(item).and_then(|(items, item)| items.get(item));
            let Some(Ok(Some(command))) = scope.map(|scope| scope.command(of, words)) else { continue };
            let same = command.argv.iter().map(|word| word.as_bytes()).eq(argv.iter().map(Vec::as_slice));
            if !same {
                let what = What::Command { step: of.id.clone() };
                replayed.divergences.push(Divergence { receipt_id: step.receipt.id, what });
            }
        }
    }
}
