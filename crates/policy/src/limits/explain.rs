//! What the limits say of an action, in words for people.

use cascade_receipt::time::Timestamp;

use super::{Amounts, Budget, Concern, Draw, Lack, Limits, Window};
use crate::facts::{Counter, Facts};

/// One line for each budget that the action draws on and each window that speaks against it.
pub(crate) fn explain(limits: &Limits, case: &Concern<'_>) -> Vec<String> {
    let budgets = limits.draws(case).map(|(budget, draw)| {
        let told = match draw {
            Ok(draw) => counted(case.facts, budget, &draw),
            Err(lack) => lack_text(lack).to_owned(),
        };
        format!("budget {}: {told}", budget.name)
    });
    let windows = limits.windows(case).filter_map(|window| {
        let told = match window.broken(case.facts) {
            Ok(None) => return None,
            Ok(Some(_)) => broken(case.facts, window),
            Err(lack) => lack_text(lack).to_owned(),
        };
        Some(format!("window {}: {told}", window.name))
    });
    budgets.chain(windows).collect()
}

fn counted(facts: &Facts, budget: &Budget, draw: &Draw) -> String {
    let Some(counter) = facts.counters.iter().find(|counter| counter.budget == budget.name) else {
        return lack_text(Lack::Counter).to_owned();
    };
    let Counter { used, oldest, .. } = counter;
    let Amounts { actions, tokens, microusd } = draw.caps;
    let parts = [(used.actions, actions, "actions"), (used.tokens, tokens, "tokens")]
        .into_iter()
        .filter_map(|(used, cap, unit)| Some(format!("{used} of {} {unit}", cap?)));
    let money = microusd.map(|cap| format!("{} of {} USD", dollars(used.microusd), dollars(cap)));
    let parts: Vec<String> = parts.chain(money).collect();
    let free = used.exhausted_by(&draw.amounts, &draw.caps).then(|| budget.free_at(facts, *oldest)).flatten();
    let free = free.map(|at| format!(", free again at {at}")).unwrap_or_default();
    format!("{} used{free}", parts.join(", "))
}

fn broken(facts: &Facts, window: &Window) -> String {
    let until: Option<Timestamp> = window.lifts_at(facts);
    match (window.broken(facts), until) {
        (Ok(Some("no_consent")), _) => "the subject has given no consent to this".to_owned(),
        (_, Some(until)) => format!("not before {until}"),
        _ => "not now".to_owned(),
    }
}

const fn lack_text(lack: Lack) -> &'static str {
    match lack {
        Lack::Subject => "counts by subject, and the action names none",
        Lack::Zone => "the zone is not known",
        Lack::Counter => "its counter was not read",
    }
}

/// Millionths of a dollar as dollars, with no more digits than there are.
fn dollars(microusd: u64) -> String {
    let (whole, rest) = (microusd / 1_000_000, microusd % 1_000_000);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:06}") }
}
