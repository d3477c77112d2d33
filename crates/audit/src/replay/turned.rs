//! Decisions that come out differently, counted by what made the difference.

use std::collections::{BTreeMap, BTreeSet};

use cascade_policy::decide::Ruling;
use cascade_receipt::decision::{GateOutcome, Verdict};
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;

/// Values that are counted apart in one grouping; the rest is counted together.
pub const GROUP_VALUES_MAX: usize = 1_000;
/// Examples kept of each group, the oldest.
pub const EXAMPLES_MAX: usize = 5;
/// What is counted together beyond [`GROUP_VALUES_MAX`].
pub const OTHERS: &str = "(others)";

/// What divergences are grouped by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum By {
    /// The gate that answers otherwise.
    Gate,
    /// The policy, budget or window that speaks, or no longer does.
    Policy,
    /// Who asked.
    Principal,
    /// The program, as its manifest names it.
    Worker,
}

impl By {
    /// Every grouping.
    pub const ALL: [Self; 4] = [Self::Gate, Self::Policy, Self::Principal, Self::Worker];

    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Policy => "policy",
            Self::Principal => "principal",
            Self::Worker => "worker",
        }
    }
}

/// One decision that comes out differently.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Example {
    /// Its place.
    pub seq: u64,
    /// Its receipt.
    pub receipt_id: ReceiptId,
    /// What was decided.
    pub before: Option<Verdict>,
    /// What comes out now; nothing where it could not be decided.
    pub after: Option<Verdict>,
    /// Why, in codes: `policy.forbid(no-force)`.
    pub codes: Vec<String>,
}

/// What a divergence belongs to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key {
    /// What it is grouped by.
    pub by: By,
    /// Which gate, policy, principal or program.
    pub value: String,
    /// What became of it: `newly_allowed`, or the code of what does not follow.
    pub change: &'static str,
}

/// How many, and the first of them.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Group {
    /// Divergences of this kind.
    pub count: u64,
    /// The oldest of them.
    pub examples: Vec<Example>,
}

/// Divergences by gate, policy, principal and program. One stands in each grouping that it has something to say to.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Groups(BTreeMap<Key, Group>);

impl Groups {
    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Group)> {
        self.0.iter()
    }

    pub(super) fn add(&mut self, by: By, value: String, change: &'static str, example: &Example) {
        let group = self.entry(Key { by, value, change });
        group.count += 1;
        if group.examples.len() < EXAMPLES_MAX {
            group.examples.push(example.clone());
        }
    }

    /// Takes in those of later receipts.
    pub(super) fn extend(&mut self, later: Self) {
        for (key, mut later) in later.0 {
            let group = self.entry(key);
            group.count += later.count;
            let room = EXAMPLES_MAX.saturating_sub(group.examples.len());
            group.examples.extend(later.examples.drain(..room.min(later.examples.len())));
        }
    }

    fn entry(&mut self, mut key: Key) -> &mut Group {
        let full = || self.0.keys().filter(|known| known.by == key.by).count() >= GROUP_VALUES_MAX;
        if !self.0.contains_key(&key) && full() {
            key.value = OTHERS.to_owned();
        }
        self.0.entry(key).or_default()
    }
}

/// Gates that answer otherwise, and the policies whose word makes the difference.
pub(super) struct Difference {
    pub(super) gates: Vec<String>,
    pub(super) policies: BTreeSet<String>,
    pub(super) codes: Vec<String>,
}

/// What differs between a recorded decision and another one: reasons that only one side has, at gates whose answer is
/// not the same.
pub(super) fn difference(recorded: &Value, after: &Ruling) -> Difference {
    let before = gates(recorded);
    let mut found = Difference { gates: Vec::new(), policies: BTreeSet::new(), codes: Vec::new() };
    for gate in &after.decision.gates {
        let (name, outcome) = (gate.gate.as_str(), gate.outcome.as_str());
        let own: BTreeSet<Spoken> =
            gate.reasons.iter().map(|one| (one.code.clone(), one.policy_id.clone())).collect();
        let (was, had) = before.get(name).cloned().unwrap_or_default();
        if was == outcome {
            continue;
        }
        found.gates.push(name.to_owned());
        // A gate that has nothing against it any more is told by what it had.
        let silent = matches!(gate.outcome, GateOutcome::Pass | GateOutcome::NotApplicable);
        let (telling, other) = if silent { (&had, &own) } else { (&own, &had) };
        for (code, policy) in telling.difference(other) {
            found.policies.extend(policy.clone());
            found.codes.push(match policy {
                Some(policy) => format!("{code}({policy})"),
                None => code.clone(),
            });
        }
    }
    found
}

/// A code and the policy that it names.
type Spoken = (String, Option<String>);

fn gates(decision: &Value) -> BTreeMap<String, (String, BTreeSet<Spoken>)> {
    let text = |value: &Value, key: &str| value.member(key).and_then(Value::as_str).map(str::to_owned);
    let gates = decision.member("gates").and_then(Value::as_array).unwrap_or_default();
    let read = |gate: &Value| {
        let reasons = gate.member("reasons").and_then(Value::as_array).unwrap_or_default();
        let spoken =
            reasons.iter().filter_map(|one| Some((text(one, "code")?, text(one, "policy_id")))).collect();
        Some((text(gate, "gate")?, (text(gate, "outcome")?, spoken)))
    };
    gates.iter().filter_map(read).collect()
}
