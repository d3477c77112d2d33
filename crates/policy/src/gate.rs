//! The ten gates. Each is asked on every decision and says pass, escalate, deny or not applicable.
//!
//! A gate never sees another gate's answer. What follows from all of them (which approvals would be
//! needed, whether those in the facts suffice, the verdict) is put together here, in this order:
//! own rules, policies that speak at a gate, demand, approvals, lifting.

mod approval;
mod authority;
mod budget;
mod failfast;
mod glass;
mod identity;
mod policy;
mod risk;
mod specification;
mod standing;
mod window;

use std::collections::{BTreeMap, BTreeSet};

use cascade_receipt::decision::{Gate, GateName, GateOutcome, Reason, RiskTier};

use crate::cedar::{Forbid, Judgement};
use crate::decide::EscalationTerms;
use crate::facts::Facts;
use crate::limits::{Concern, Lack};
use crate::snapshot::{PolicyFault, Thresholds};
use crate::worker::Classification;

/// The group that every tenant has: its members decide where no other group is named.
pub(crate) const ADMINS: &str = "admins";

/// What the gates look at.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) thresholds: &'a Thresholds,
    /// Names of the packs that the snapshot holds.
    pub(crate) packs: &'a BTreeSet<String>,
    /// Packs that it names and that cannot decide.
    pub(crate) unready: &'a BTreeMap<String, PolicyFault>,
    pub(crate) classification: &'a Classification,
    pub(crate) tier: RiskTier,
    pub(crate) classified: bool,
    pub(crate) judgement: &'a Judgement,
}

/// One gate's answer while the decision is being made.
#[derive(Debug)]
struct Answer {
    outcome: GateOutcome,
    reasons: Vec<Reason>,
    /// Groups whose approval lifts an escalation.
    groups: BTreeSet<String>,
}

impl Answer {
    const fn new(outcome: GateOutcome) -> Self {
        Self { outcome, reasons: Vec::new(), groups: BTreeSet::new() }
    }

    const fn pass() -> Self {
        Self::new(GateOutcome::Pass)
    }

    const fn not_applicable() -> Self {
        Self::new(GateOutcome::NotApplicable)
    }

    /// Adds a reason to deny.
    fn deny(&mut self, code: &str) {
        self.add(GateOutcome::Deny, Reason::code(code));
    }

    /// Adds a reason to deny that names what spoke.
    fn deny_by(&mut self, code: &str, id: &str) {
        self.add(GateOutcome::Deny, Reason::of(code, id));
    }

    fn add(&mut self, outcome: GateOutcome, reason: Reason) {
        if strength(outcome) > strength(self.outcome) {
            self.outcome = outcome;
        }
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }
}

const fn strength(outcome: GateOutcome) -> u8 {
    match outcome {
        GateOutcome::NotApplicable => 0,
        GateOutcome::Pass => 1,
        GateOutcome::Escalate => 2,
        GateOutcome::Deny => 3,
    }
}

/// What all ten gates say.
#[derive(Debug)]
pub(crate) struct Evaluation {
    pub(crate) gates: Vec<Gate>,
    /// The terms under which people could lift what escalates.
    pub(crate) terms: Option<EscalationTerms>,
    /// Gates were passed by breaking the glass, and would not have been otherwise.
    pub(crate) glass_broken: bool,
}

/// All ten gates.
pub(crate) fn evaluate(case: &Case<'_>) -> Evaluation {
    let mut answers: BTreeMap<GateName, Answer> = BTreeMap::new();
    for &name in GateName::ALL {
        answers.insert(name, own_rules(name, case));
    }
    for forbid in &case.judgement.forbids {
        if let Some(answer) = answers.get_mut(&forbid.gate) {
            hear(answer, forbid);
        }
    }
    let terms = demand(&answers, &case.thresholds.escalation, specification::point(case));
    let approval = approval::answer(case.facts, terms.as_ref());
    if approval.outcome == GateOutcome::Pass {
        answers.iter_mut().for_each(|(name, answer)| lift(*name, answer));
    }
    answers.insert(GateName::Approval, approval);
    let glass_broken = glass::apply(case, &mut answers);
    let gates = answers
        .into_iter()
        .map(|(gate, Answer { outcome, reasons, .. })| Gate { gate, outcome, reasons })
        .collect();
    Evaluation { gates, terms, glass_broken }
}

fn own_rules(name: GateName, case: &Case<'_>) -> Answer {
    match name {
        GateName::Standing => standing::answer(case),
        GateName::Identity => identity::answer(&case.facts.principal),
        GateName::Authority => authority::answer(case),
        GateName::Specification => specification::answer(case),
        GateName::Policy => policy::answer(case.judgement),
        GateName::Risk => risk::answer(case),
        GateName::Failfast => failfast::answer(case),
        // Depends on what the others demand; replaced in `evaluate`.
        GateName::Approval => Answer::not_applicable(),
        GateName::Budget => budget::answer(case),
        GateName::Window => window::answer(case),
    }
}

impl Case<'_> {
    /// The action as far as limits are chosen by it.
    fn concern(&self) -> Concern<'_> {
        Concern {
            facts: self.facts,
            classification: self.classification,
            tier: self.tier,
            families: &self.thresholds.families,
        }
    }
}

impl Answer {
    /// A limit that holds the action back: its own group can lift it, or nobody.
    fn hold(&mut self, code: &str, id: &str, escalate: Option<&String>) {
        let outcome = match escalate {
            Some(group) => {
                self.groups.insert(group.clone());
                GateOutcome::Escalate
            }
            None => GateOutcome::Deny,
        };
        self.add(outcome, Reason::of(code, id));
    }

    /// A limit that cannot be applied denies, whoever could lift it.
    fn lacks(&mut self, gate: GateName, lack: Lack, id: &str) {
        let what = match lack {
            Lack::Subject => "no_subject",
            Lack::Zone => "no_zone",
            Lack::Counter => "unread",
        };
        self.deny_by(&format!("{gate}.{what}"), id);
    }
}

/// A forbid speaks at the gate it names.
fn hear(answer: &mut Answer, forbid: &Forbid) {
    let (outcome, cause) = match &forbid.escalate {
        Some(group) => {
            answer.groups.insert(group.clone());
            (GateOutcome::Escalate, "escalate")
        }
        None => (GateOutcome::Deny, "forbid"),
    };
    let mut reason = Reason::of(&format!("{}.{cause}", forbid.gate), &forbid.policy_id);
    reason.control.clone_from(&forbid.control);
    answer.add(outcome, reason);
}

/// What people would have to approve, if any gate escalates. An approval point of a workflow brings terms of its own,
/// which hold together with those of whatever else escalates.
fn demand(
    answers: &BTreeMap<GateName, Answer>,
    defaults: &EscalationTerms,
    point: Option<EscalationTerms>,
) -> Option<EscalationTerms> {
    let escalating = || answers.iter().filter(|(_, answer)| answer.outcome == GateOutcome::Escalate);
    // What escalates at the gate of the point for another reason names a group.
    let mut others = escalating().filter(|(name, answer)| {
        point.is_none() || **name != GateName::Specification || !answer.groups.is_empty()
    });
    if others.next().is_none() {
        return escalating().next().and(point);
    }
    let groups: BTreeSet<&String> = escalating().flat_map(|(_, answer)| &answer.groups).collect();
    let terms = EscalationTerms { groups: groups.into_iter().cloned().collect(), ..defaults.clone() };
    Some(approval::stricter(&terms, point.as_ref()))
}

/// The approvals suffice: what escalated passes, and says by which rule it was held.
fn lift(name: GateName, answer: &mut Answer) {
    if answer.outcome == GateOutcome::Escalate {
        pass_as(name, answer, "approved");
    }
}

/// What held the action back becomes what it passed by.
fn pass_as(name: GateName, answer: &mut Answer, how: &str) {
    answer.outcome = GateOutcome::Pass;
    let mut lifted: Vec<Reason> = Vec::new();
    for reason in answer.reasons.drain(..) {
        let reason = Reason { code: format!("{name}.{how}"), ..reason };
        if !lifted.contains(&reason) {
            lifted.push(reason);
        }
    }
    answer.reasons = lifted;
}
