//! Facts to JSON.

use cascade_receipt::json::{INT_MAX, Value};

use super::action::{insert_bytes, members_of};
use super::{
    Approval, BreakGlass, Budget, Counter, Covers, Delegator, FACTS_TYPE, Facts, Grant, Principal, Spec,
    Subject, Tenant, Unreviewed, Window, WindowKind,
};
use crate::decide::EscalationTerms;

pub(super) fn facts(facts: &Facts) -> Value {
    let mut action = members_of(&facts.action);
    // Whoever decides again must see what the shell was given; the action itself has its hash under `stdin`.
    if let Some(script) = &facts.action.script {
        insert_bytes(&mut action, "script", script);
    }
    let mut value = Value::object([
        ("_type", FACTS_TYPE.into()),
        ("at", facts.at.to_string().into()),
        ("tenant", tenant(&facts.tenant)),
        ("principal", principal(&facts.principal)),
        ("action", Value::Object(action)),
        ("approvals", list(&facts.approvals, approval)),
        ("grants", list(&facts.grants, grant)),
        ("budgets", list(&facts.budgets, budget)),
        ("windows", list(&facts.windows, window)),
        ("dry_run", facts.dry_run.into()),
    ]);
    insert(&mut value, "on_behalf_of", facts.on_behalf_of.as_ref().map(delegator));
    insert(&mut value, "assumed", facts.assumed.map(|id| id.to_string().into()));
    insert(&mut value, "spec", facts.spec.as_ref().map(Spec::to_json));
    insert(&mut value, "answers", facts.answers.as_ref().map(terms));
    // Absent where nothing is declared, so that facts from before there were limits have one spelling.
    let counters = (!facts.counters.is_empty()).then(|| list(&facts.counters, counter));
    insert(&mut value, "counters", counters);
    insert(&mut value, "subject", facts.subject.as_ref().map(subject));
    insert(&mut value, "break_glass", facts.break_glass.as_ref().map(break_glass));
    let unreviewed = (!facts.unreviewed.is_empty()).then(|| list(&facts.unreviewed, unreviewed));
    insert(&mut value, "unreviewed", unreviewed);
    value
}

fn break_glass(asked: &BreakGlass) -> Value {
    let mut value =
        Value::object([("action_matches", asked.action_matches.into()), ("groups", words(&asked.groups))]);
    insert(&mut value, "receipt_id", asked.receipt_id.map(|id| id.to_string().into()));
    value
}

fn unreviewed(one: &Unreviewed) -> Value {
    Value::object([
        ("receipt_id", one.receipt_id.to_string().into()),
        ("principal", one.principal.to_string().into()),
        ("due", one.due.to_string().into()),
    ])
}

/// The terms of an escalation; the snapshot writes its defaults the same way.
pub(crate) fn terms(terms: &EscalationTerms) -> Value {
    Value::object([
        ("required", terms.required.into()),
        ("groups", words(&terms.groups)),
        ("expires_after_ms", number(terms.expires_after_ms)),
        ("signature_required", terms.signature_required.into()),
    ])
}

fn tenant(tenant: &Tenant) -> Value {
    Value::object([
        ("active", tenant.active.into()),
        ("halted", tenant.halted.into()),
        ("chain_healthy", tenant.chain_healthy.into()),
        ("regimes", words(&tenant.regimes)),
    ])
}

fn principal(principal: &Principal) -> Value {
    Value::object([
        ("id", principal.id.to_string().into()),
        ("kind", principal.kind.as_str().into()),
        ("authentication", principal.authentication.as_str().into()),
        ("alive", principal.alive.into()),
        ("admin", principal.admin.into()),
        ("groups", words(&principal.groups)),
    ])
}

fn delegator(delegator: &Delegator) -> Value {
    Value::object([
        ("id", delegator.id.to_string().into()),
        ("groups", words(&delegator.groups)),
        ("admin", delegator.admin.into()),
        ("alive", delegator.alive.into()),
    ])
}

fn approval(approval: &Approval) -> Value {
    Value::object([
        ("receipt_id", approval.receipt_id.to_string().into()),
        ("principal", approval.principal.to_string().into()),
        ("action_matches", approval.action_matches.into()),
        ("expires", approval.expires.to_string().into()),
        ("groups", words(&approval.groups)),
        ("approve", approval.approve.into()),
        ("signed", approval.signed.into()),
    ])
}

fn grant(grant: &Grant) -> Value {
    let mut value = Value::object([
        ("receipt_id", grant.receipt_id.to_string().into()),
        ("to", grant.to.to_string().into()),
        ("grantor_alive", grant.grantor_alive.into()),
    ]);
    insert(&mut value, "expires", grant.expires.map(|at| at.to_string().into()));
    match &grant.covers {
        Covers::Commands(commands) => insert(&mut value, "commands", Some(words(commands))),
        Covers::Assume(id) => insert(&mut value, "assume", Some(id.to_string().into())),
    }
    let resources = (!grant.resources.is_empty()).then(|| words(&grant.resources));
    insert(&mut value, "resources", resources);
    insert(&mut value, "up_to", grant.up_to.map(|tier| tier.as_str().into()));
    value
}

fn budget(budget: &Budget) -> Value {
    Value::object([
        ("name", budget.name.as_str().into()),
        ("used", number(budget.used)),
        ("limit", number(budget.limit)),
    ])
}

fn counter(counter: &Counter) -> Value {
    let mut value = Value::object([
        ("budget", counter.budget.as_str().into()),
        ("actions", number(counter.used.actions)),
        ("tokens", number(counter.used.tokens)),
        ("microusd", number(counter.used.microusd)),
    ]);
    insert(&mut value, "of", counter.of.map(|id| id.to_string().into()));
    insert(&mut value, "since", counter.since.map(|at| at.to_string().into()));
    insert(&mut value, "oldest", counter.oldest.map(|at| at.to_string().into()));
    value
}

fn subject(subject: &Subject) -> Value {
    let mut value =
        Value::object([("id", subject.id.to_string().into()), ("consents", words(&subject.consents))]);
    insert(&mut value, "matter", subject.matter.map(|id| id.to_string().into()));
    insert(&mut value, "zone", subject.zone.as_deref().map(Value::from));
    insert(&mut value, "conversed", subject.conversed.map(|at| at.to_string().into()));
    insert(&mut value, "conversed_matter", subject.conversed_matter.map(|at| at.to_string().into()));
    value
}

fn window(window: &Window) -> Value {
    let kind = match window.kind {
        WindowKind::Freeze => "freeze",
        WindowKind::Open => "open",
    };
    Value::object([
        ("from", window.from.to_string().into()),
        ("to", window.to.to_string().into()),
        ("kind", kind.into()),
    ])
}

fn insert(value: &mut Value, key: &str, member: Option<Value>) {
    if let (Value::Object(members), Some(member)) = (value, member) {
        members.insert(key.to_owned(), member);
    }
}

/// Amounts beyond 2^53−1 are written as that number: no budget reaches it, and the format has no
/// larger integer.
fn number(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(INT_MAX).min(INT_MAX))
}

pub(crate) fn words(words: &[String]) -> Value {
    list(words, |word| word.as_str().into())
}

fn list<T>(items: &[T], each: impl Fn(&T) -> Value) -> Value {
    Value::Array(items.iter().map(each).collect())
}
