//! A long chain of runs: most just ran, some were asked about and approved first, some were denied.

use std::path::Path;

use cascade_ledger::{Appended, Draft, Ledger, TenantId};
use cascade_receipt::content::{Action, Answer, Body, Closing, Ending, Escalation, Ref, Rel, Runtime, Spent};
use cascade_receipt::decision::{Decision, Gate, GateName, GateOutcome, Reason, RiskTier};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::time::Timestamp;
use cascade_runtime::birth::{self, Wishes};

use crate::sample;

/// Runs that are on their way at once.
const AT_ONCE: u64 = 256;
/// One in so many runs is asked about first.
const ASKED: u64 = 50;
/// One in so many is denied.
const DENIED: u64 = 10;
/// People and agents that ask.
const PRINCIPALS: u64 = 20;

/// A chain of at least `receipts` receipts in a new home at `home`.
///
/// # Errors
/// When the home cannot be made or written.
pub fn history(dir: &Path, home: &Path, receipts: u64) -> anyhow::Result<Ledger> {
    let tenant = TenantId::parse("default")?;
    let wishes = Wishes { ssh_key: Some(sample::key(dir)?), ..Wishes::default() };
    let ledger = birth::create(home, &tenant, &wishes)?.ledger;
    let mut number = 0;
    while ledger.head()?.next_seq < receipts {
        some(&ledger, number..number + AT_ONCE)?;
        number += AT_ONCE;
    }
    Ok(ledger)
}

fn some(ledger: &Ledger, numbers: std::ops::Range<u64>) -> anyhow::Result<()> {
    let asked: Vec<u64> = numbers.clone().filter(|number| number.is_multiple_of(ASKED)).collect();
    let questions = all(ledger, asked.iter().map(|number| question(*number)))?;
    let answers =
        all(ledger, asked.iter().zip(&questions).map(|(number, question)| answer(*number, question)))?;
    let mut refs = asked.into_iter().zip(questions.into_iter().zip(answers)).peekable();
    let mut starts = Vec::new();
    for number in numbers {
        let mut action = action(number);
        if let Some((_, (question, answer))) = refs.next_if(|(asked, _)| *asked == number) {
            action.refs = vec![reference(Rel::Escalation, &question), reference(Rel::Approval, &answer)];
        }
        starts.push(if number % DENIED == 1 { denied(action) } else { Body::TaskStarted(action) });
    }
    let begun = all(ledger, starts.iter().cloned())?;
    let running = starts.iter().zip(&begun).filter(|(start, _)| matches!(start, Body::TaskStarted(_)));
    all(ledger, running.map(|(_, begun)| closing(begun)))?;
    Ok(())
}

fn all(ledger: &Ledger, bodies: impl Iterator<Item = Body>) -> anyhow::Result<Vec<Appended>> {
    let mut tickets = Vec::new();
    for body in bodies {
        tickets.push(ledger.submit(Draft::new(cascade_ledger::receipt_id()?, body)));
    }
    Ok(tickets.into_iter().map(cascade_ledger::Ticket::wait).collect::<Result<_, _>>()?)
}

fn reference(rel: Rel, to: &Appended) -> Ref {
    Ref { rel, receipt_id: to.receipt_id, entry_hash: to.entry_hash }
}

fn who(number: u64) -> PrincipalId {
    PrincipalId((number % PRINCIPALS + 1).to_be_bytes())
}

fn action(number: u64) -> Action {
    let pass = |gate: &GateName| Gate { gate: *gate, outcome: GateOutcome::Pass, reasons: Vec::new() };
    Action {
        task_type: "cli".to_owned(),
        risk_tier: if number.is_multiple_of(ASKED) { RiskTier::High } else { RiskTier::Low },
        classified: true,
        request: None,
        principal: who(number),
        on_behalf_of: None,
        action_hash: Digest::of(&number.to_be_bytes()),
        facts_hash: Digest::of(b"facts"),
        decision: Decision::from_gates(GateName::ALL.iter().map(pass).collect()),
        draws: Vec::new(),
        spec: None,
        refs: Vec::new(),
        runtime: Runtime {
            node: "bench".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            binary_sha256: Digest::of(b"binary"),
        },
    }
}

/// The same, with a gate that does not let it pass.
fn stopped(mut action: Action, gate: GateName, outcome: GateOutcome, code: &str) -> Action {
    let mut gates = action.decision.gates.clone();
    for one in gates.iter_mut().filter(|one| one.gate == gate) {
        (one.outcome, one.reasons) = (outcome, vec![Reason::code(code)]);
    }
    action.decision = Decision::from_gates(gates);
    action
}

fn denied(action: Action) -> Body {
    Body::Blocked(stopped(action, GateName::Failfast, GateOutcome::Deny, "failfast.pattern"))
}

fn question(number: u64) -> Body {
    Body::Escalation(Escalation {
        action: stopped(action(number), GateName::Risk, GateOutcome::Escalate, "risk.above_threshold"),
        required: 1,
        groups: Vec::new(),
        expires: Timestamp::from_ms(8_000_000_000_000),
        signature_required: false,
    })
}

fn answer(number: u64, question: &Appended) -> Body {
    Body::Answer(Answer {
        approve: true,
        subject: reference(Rel::Escalation, question),
        principal: who(number + 1),
        action_hash: Digest::of(&number.to_be_bytes()),
        expires: Timestamp::from_ms(8_000_000_000_000),
        signatures: Vec::new(),
    })
}

fn closing(begun: &Appended) -> Body {
    Body::Closing(Closing {
        ending: Ending::Completed,
        intent: reference(Rel::Intent, begun),
        output_hash: None,
        truncated: false,
        exit_code: Some(0),
        signal: None,
        duration_us: Some(5),
        reasons: Vec::new(),
        spent: Spent::default(),
        served_model: None,
        routed: None,
        review: None,
        chain: None,
        spec: None,
    })
}
