//! What a policy wants to know of a past action and nobody noted then, because the policy that its facts were gathered
//! for did not ask. A decision over such facts would be a guess.

use std::collections::BTreeSet;

use cascade_receipt::decision::Decision;

use crate::decide::{self, Ruling};
use crate::facts::{Facts, Invocation};
use crate::limits::Scope;
use crate::snapshot::Snapshot;

/// The code of a budget whose counter the facts do not hold.
const UNREAD: &str = "budget.unread";

/// What `other` looks at in an action whose facts were gathered for `then`, and they do not say: `budget NAME`,
/// `variable NAME`, `place NAME`, `file PATH`. `ruling` is what `other` decides over these facts, `recorded` whether
/// the decision of then held a reason with this code and policy.
///
/// Needs [`STACK_BYTES`](crate::decide::STACK_BYTES) of stack.
#[must_use]
pub fn unrecorded(
    then: &Snapshot,
    other: &Snapshot,
    facts: &Facts,
    ruling: &Ruling,
    recorded: impl Fn(&str, &str) -> bool,
) -> BTreeSet<String> {
    let mut lacking = budgets(&ruling.decision, recorded);
    lacking.extend(counted_otherwise(then, other, ruling));
    if !then.registry().is_same(other.registry()) {
        lacking.extend(variables(then, other, facts));
        lacking.extend(looked_for(then, other, facts));
    }
    lacking
}

fn budgets(decision: &Decision, recorded: impl Fn(&str, &str) -> bool) -> BTreeSet<String> {
    let reasons = decision.gates.iter().flat_map(|gate| &gate.reasons);
    let unread = reasons.filter(|reason| reason.code == UNREAD);
    let names = unread.filter_map(|reason| reason.policy_id.as_deref());
    names.filter(|name| !recorded(UNREAD, name)).map(|name| format!("budget {name}")).collect()
}

/// A counter that was read for a rule that counts something else under the same name.
fn counted_otherwise(then: &Snapshot, other: &Snapshot, ruling: &Ruling) -> Vec<String> {
    let of = |snapshot: &Snapshot, name: &str| {
        let budgets = &snapshot.thresholds().limits.budgets;
        budgets
            .iter()
            .find(|budget| budget.name == name)
            .map(|one| (one.scope.clone(), one.per, one.period, one.zone.clone()))
    };
    let families = |snapshot: &Snapshot| snapshot.thresholds().families.clone();
    let names = ruling.draws.iter().map(|draw| draw.budget.as_str());
    let otherwise = |name: &&str| {
        let (was, is) = (of(then, name), of(other, name));
        let by_family = |scope: &Scope| scope.commands.iter().any(|word| word.starts_with("family:"));
        was.is_some()
            && (was != is
                || (is.is_some_and(|(scope, ..)| by_family(&scope)) && families(then) != families(other)))
    };
    names.filter(otherwise).map(|name| format!("budget {name}")).collect()
}

/// A variable that no manifest of then named was not looked at, whatever it held.
fn variables(then: &Snapshot, other: &Snapshot, facts: &Facts) -> Vec<String> {
    let Invocation::Cli(argv) = &facts.action.invocation else { return Vec::new() };
    let known: BTreeSet<String> = then.registry().governing_env(argv).into_iter().collect();
    let asked = other.registry().governing_env(argv);
    asked.into_iter().filter(|name| !known.contains(name)).map(|name| format!("variable {name}")).collect()
}

fn looked_for(then: &Snapshot, other: &Snapshot, facts: &Facts) -> Vec<String> {
    let action = &facts.action;
    let places = decide::sought(then.registry(), action);
    let mut lacking: Vec<String> = decide::sought(other.registry(), action)
        .difference(&places)
        .map(|place| format!("place {}", place.as_str()))
        .collect();
    let files = decide::obeyed(then.registry(), action);
    let asked = decide::obeyed(other.registry(), action);
    lacking
        .extend(asked.iter().filter(|file| !files.contains(file)).map(|file| format!("file {}", file.path)));
    lacking
}
