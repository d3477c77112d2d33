//! Steps of runs held against their specification: what needs what, what was tried before what, what undoes what, and
//! which command it was.

use std::collections::{BTreeMap, BTreeSet};

use cascade_kernel::csl::{Document, Spec, Step as SpecStep, Work};
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
        let mut ends = shown
            .receipts
            .iter()
            .filter(|receipt| is_end(receipt) && receipt.names("chain") == Some(start.id));
        if let Some(second) = ends.nth(1) {
            replayed.divergences.push(Divergence { receipt_id: second.id, what: What::Ended });
        }
        let Some((_, document)) = specs.iter().find(|(own, _)| Some(*own) == hash) else {
            replayed.unheld += 1;
            continue;
        };
        replayed.runs += 1;
        let inputs = match inputs(shown, start, document) {
            Ok(inputs) => inputs,
            Err(what) => {
                replayed.divergences.push(Divergence { receipt_id: start.id, what });
                None
            }
        };
        let mut steps = steps_of(shown, start.id, &document.spec, replayed);
        steps.extend(called(shown, start.id, &document.spec, replayed));
        steps.sort_by_key(|step| step.receipt.seq);
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

/// The starts and ends of runs that steps of this one have started: places of its own, by what was decided.
fn called<'a>(shown: &'a Shown, chain: ReceiptId, spec: &Spec, replayed: &mut Replayed) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    let starts = shown.receipts.iter().filter(|receipt| receipt.kind == Kind::ChainStarted);
    for start in starts.filter(|start| start.names("parent") == Some(chain)) {
        let Some(Ok(facts)) = shown.facts(start.id) else { continue };
        let Invocation::Workflow(act) = &facts.action.invocation else { continue };
        let Some(caller) = act.caller.filter(|caller| caller.run == chain) else { continue };
        let Some(at) = usize::try_from(caller.at).ok().filter(|at| *at < spec.steps.len()) else { continue };
        let of = spec.steps.get(at);
        let meant =
            of.and_then(|of| if let Work::Workflow(sub) = &of.work { Some(&sub.spec_hash) } else { None });
        if meant.map(String::as_str) != start.text("spec_hash") {
            let step = of.map(|of| of.id.clone()).unwrap_or_default();
            replayed.divergences.push(Divergence { receipt_id: start.id, what: What::OtherSpec { step } });
        }
        let ends = shown
            .receipts
            .iter()
            .filter(|receipt| is_end(receipt) && receipt.names("chain") == Some(start.id));
        let place = |receipt| Step { receipt, at, item: caller.item, attempt: caller.attempt, role: "" };
        steps.extend([start].into_iter().chain(ends).map(place));
    }
    steps
}

fn is_end(receipt: &Receipt) -> bool {
    matches!(receipt.kind, Kind::ChainCompleted | Kind::ChainAborted)
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
        let mut done: BTreeSet<(usize, u64, &str)> = BTreeSet::new();
        for step in &self.steps {
            let newest = newest.entry((step.at, step.item, step.role)).or_insert(step.attempt);
            if step.attempt < *newest {
                let what = What::Attempt { step: self.id(step.at) };
                replayed.divergences.push(Divergence { receipt_id: step.receipt.id, what });
            }
            *newest = step.attempt.max(*newest);
            // Of a call of a server, or a task, the answer says whether it was enough.
            let place = (step.at, step.item, step.role);
            let is_command = |work: &Work| matches!(work, Work::Command(_));
            if !self.spec.steps.get(step.at).is_some_and(|of| is_command(&of.work)) {
                continue;
            }
            match step.receipt.kind {
                Kind::TaskCompleted => _ = done.insert(place),
                Kind::TaskStarted if done.contains(&place) => {
                    let what = What::Again { step: self.id(step.at) };
                    replayed.divergences.push(Divergence { receipt_id: step.receipt.id, what });
                }
                _ => {}
            }
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

    /// Steps that follow from the inputs alone are those that were done: their condition, their items, their words.
    fn commands(&self, shown: &Shown, replayed: &mut Replayed) {
        let Some(inputs) = &self.inputs else { return };
        let seen = Foresight::new(inputs, []);
        for step in self.steps.iter().filter(|step| step.receipt.content.member("decision").is_some()) {
            let Some(of) = self.spec.steps.get(step.at) else { continue };
            if let Some(what) = unlike(&seen, of, step, shown) {
                replayed.divergences.push(Divergence { receipt_id: step.receipt.id, what });
            }
        }
    }
}

fn unlike(seen: &Foresight, of: &SpecStep, step: &Step<'_>, shown: &Shown) -> Option<What> {
    if seen.wants(of) == Ok(Some(false)) {
        return Some(What::Unwanted { step: of.id.clone() });
    }
    let items = seen.items(of).ok().flatten()?;
    let item = usize::try_from(step.item).ok().and_then(|item| items.get(item));
    let Some(scope) = item else {
        return Some(What::NoStep { at: u64::try_from(step.at).unwrap_or(u64::MAX) });
    };
    let words = match (step.role, &of.work) {
        ("compensation", _) => of.compensate.as_ref()?,
        ("reconciler", _) => of.reconcile.as_ref()?,
        (_, Work::Command(words)) => words,
        _ => return None,
    };
    let Ok(Some(command)) = scope.command(of, words) else { return None };
    let Ok(facts) = shown.facts(step.receipt.id)? else { return None };
    let Invocation::Cli(argv) = &facts.action.invocation else { return None };
    let same = command.argv.iter().map(|word| word.as_bytes()).eq(argv.iter().map(Vec::as_slice));
    (!same).then(|| What::Command { step: of.id.clone() })
}
