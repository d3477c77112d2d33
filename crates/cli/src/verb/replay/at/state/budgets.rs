//! What was drawn from budgets, counted as of the place's own time.

use cascade_ledger::Used;
use cascade_policy::limits::{Amounts, Budget};
use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;
use cascade_runtime::policy_store;

use super::super::look::Look;
use super::super::sheet::{Row, Section, Tone, cell, dim, members, number, plain};
use crate::exit::Failure;

pub(super) fn budgets(look: &Look<'_>) -> Result<Section, Failure> {
    let (policy, _) = look.moment.policy_in_force()?;
    // Without its snapshot nobody knows where a budget ends; what was drawn is known all the same.
    let snapshot = policy_store::load(look.now, &policy).ok();
    let limits = snapshot.as_ref().map(|snapshot| &snapshot.thresholds().limits);
    let mut rows = Vec::new();
    for (name, of) in look.moment.counters()? {
        let budget = limits.and_then(|limits| limits.budgets.iter().find(|budget| budget.name == name));
        rows.push(row(look, &name, of, budget)?);
    }
    let title = "budgets drawn on, in the time that counts";
    Ok(Section::list("budgets", title, "nothing was drawn", rows))
}

fn row(
    look: &Look<'_>,
    name: &str,
    of: Option<PrincipalId>,
    budget: Option<&Budget>,
) -> Result<Row, Failure> {
    let zone = of.map_or(Ok(None), |of| look.moment.subject_zone(of))?;
    let since = budget.and_then(|budget| budget.counts_since(look.at, zone.as_deref()));
    let from = since.unwrap_or_else(|| Timestamp::from_ms(0));
    let used = look.moment.budget_used(name, of, from, None)?;
    let caps = budget.map(|budget| budget.caps).unwrap_or_default();
    let mut parts = vec![
        ("actions", number(used.actions)),
        ("budget", name.into()),
        ("in_policy", budget.is_some().into()),
        ("microusd", number(used.microusd)),
        ("tokens", number(used.tokens)),
    ];
    parts.extend(since.map(|since| ("since", Value::from(since.to_string()))));
    let who = of.map(|of| look.name(of)).transpose()?;
    parts.extend(of.map(|of| ("of", Value::from(of.to_string()))));
    parts.extend(who.as_deref().map(|who| ("of_name", Value::from(who))));
    let ends = [("actions_max", caps.actions), ("tokens_max", caps.tokens), ("microusd_max", caps.microusd)];
    parts.extend(ends.into_iter().filter_map(|(key, cap)| Some((key, number(cap?)))));
    let document = members(parts);
    if used.actions == 0 && used.tokens == 0 && used.microusd == 0 {
        return Ok(Row::quiet(document));
    }
    let since = match (budget, since) {
        (None, _) => "not in the policy in force; counted from the first receipt".to_owned(),
        (_, None) => "its days are of a zone that is not known; counted from the first receipt".to_owned(),
        (_, Some(since)) => format!("since {since}"),
    };
    let tone = if is_spent(&used, &caps) { Tone::Bad } else { Tone::Plain };
    Ok(Row::new(
        document,
        vec![plain(name), plain(who.unwrap_or_default()), cell(tone, told(&used, &caps)), dim(since)],
    ))
}

fn is_spent(used: &Used, caps: &Amounts<Option<u64>>) -> bool {
    let nothing = Amounts::default();
    Amounts { actions: used.actions, tokens: used.tokens, microusd: used.microusd }
        .exhausted_by(&nothing, caps)
}

fn told(used: &Used, caps: &Amounts<Option<u64>>) -> String {
    let one = |used: u64, cap: Option<u64>, what: &str| match (used, cap) {
        (0, None) => None,
        (used, None) => Some(format!("{used} {what}")),
        (used, Some(cap)) => Some(format!("{used} of {cap} {what}")),
    };
    let parts = [
        one(used.actions, caps.actions, "action(s)"),
        one(used.tokens, caps.tokens, "token(s)"),
        one(used.microusd, caps.microusd, "microusd"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
