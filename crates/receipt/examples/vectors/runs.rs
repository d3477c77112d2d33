//! What actions tell, rightly and wrongly (check `lifecycle`).

use cascade_receipt::content::{Body, Closing, Ending, Heartbeat, Ref, Rel, Spent};
use cascade_receipt::decision::Verdict;
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;
use cascade_receipt::verify::Code;

use crate::case::Case;
use crate::chain::{Chain, Made, action, set};

pub(crate) fn started(name: &str, refs: &[Ref]) -> Body {
    Body::TaskStarted(action(name, Verdict::Admit, refs))
}

pub(crate) fn closing(ending: Ending, intent: &Made) -> Body {
    let clean = ending == Ending::Completed;
    Body::Closing(Closing {
        ending,
        intent: intent.as_ref(Rel::Intent),
        output_hash: clean.then(|| Digest::of(b"output")),
        truncated: false,
        exit_code: match ending {
            Ending::Completed => Some(0),
            Ending::Failed => Some(2),
            Ending::Revoked | Ending::Unknown => None,
        },
        signal: (ending == Ending::Revoked).then_some(15),
        duration_us: (ending != Ending::Unknown).then_some(1234),
        reasons: vec![],
        spent: Spent::default(),
        served_model: None,
        routed: None,
        review: None,
        chain: None,
        spec: None,
    })
}

pub(crate) fn heartbeat(intent: &Made, segment: u64, bytes: u64) -> Body {
    Body::Heartbeat(Heartbeat {
        intent: intent.as_ref(Rel::Intent),
        segment,
        bytes,
        running_hash: Digest::of(&segment.to_be_bytes()),
        chain: None,
        spec: None,
    })
}

/// A chain, and a run that is still open.
pub(crate) fn running() -> (Chain, Made) {
    let mut chain = Chain::founded(&[]);
    let intent = chain.add(&started("run", &[]));
    (chain, intent)
}

fn fault(code: Code, comment: &'static str, chain: &Chain) -> Case {
    Case::fault(code, chain.seq() - 1, comment, chain.bytes())
}

pub(crate) fn cases(out: &mut Vec<Case>) {
    closers(out);
    heartbeats(out);
    decisions(out);
    refs(out);
    epochs(out);
    let mut chain = Chain::founded(&[]);
    let members =
        [("checkpoint", "note".into()), ("checkpoint_sha256", Digest::of(b"other").to_hex().into())];
    chain.add_kind("anchor", &members);
    out.push(fault(Code::Anchor, "checkpoint_sha256 is the hash of another text", &chain));
}

fn closers(out: &mut Vec<Case>) {
    let (mut chain, intent) = running();
    chain.add(&closing(Ending::Completed, &intent));
    chain.add(&closing(Ending::Failed, &intent));
    out.push(fault(Code::TwoClosers, "a run completes and then fails", &chain));

    let (mut chain, intent) = running();
    chain.add_with(&closing(Ending::Completed, &intent), |content| crate::chain::remove(content, "refs"));
    out.push(fault(Code::NoIntent, "a completion with neither intent nor decision", &chain));

    let (mut chain, first) = running();
    let second = chain.add(&started("second", &[]));
    chain.add_with(&closing(Ending::Completed, &first), |content| {
        set(content, "refs", Value::Array(vec![ref_value(&first, "intent"), ref_value(&second, "intent")]));
    });
    out.push(fault(Code::NoIntent, "one closer for two intents", &chain).named("two"));

    let (mut chain, intent) = running();
    chain.add_with(&closing(Ending::Failed, &intent), |content| crate::chain::remove(content, "refs"));
    out.push(fault(Code::NoIntent, "a failure without an intent", &chain).named("failed"));

    for (name, ending, key, value, comment) in [
        ("status", Ending::Unknown, "effect_status", Value::from("confirmed"), "task_unknown that confirms"),
        ("exit", Ending::Completed, "exit_code", Value::Int(1), "task_completed with exit code 1"),
        ("signal", Ending::Completed, "signal", Value::Int(9), "task_completed by a signal"),
    ] {
        let (mut chain, intent) = running();
        chain.add_with(&closing(ending, &intent), |content| set(content, key, value));
        out.push(fault(Code::Effect, comment, &chain).named(name));
    }
}

fn heartbeats(out: &mut Vec<Case>) {
    let (mut chain, intent) = running();
    chain.add(&closing(Ending::Completed, &intent));
    chain.add(&heartbeat(&intent, 0, 10));
    out.push(fault(Code::HeartbeatClosed, "a heartbeat after the closer", &chain));

    let (mut chain, intent) = running();
    chain.add(&heartbeat(&intent, 0, 10));
    chain.add(&heartbeat(&intent, 2, 20));
    out.push(fault(Code::Segment, "segment 1 is missing", &chain));

    let (mut chain, intent) = running();
    chain.add(&heartbeat(&intent, 0, 10));
    chain.add(&heartbeat(&intent, 1, 9));
    out.push(fault(Code::Segment, "fewer bytes than before", &chain).named("bytes"));
}

fn decisions(out: &mut Vec<Case>) {
    let mut chain = Chain::founded(&[]);
    chain.add(&Body::TaskStarted(action("run", Verdict::Deny, &[])));
    out.push(fault(Code::Denied, "an intent whose own decision denies", &chain));

    let mut chain = Chain::founded(&[]);
    chain.add(&Body::TaskStarted(action("run", Verdict::Escalate, &[])));
    out.push(fault(Code::Denied, "an intent whose own decision escalates", &chain).named("escalates"));

    let mut chain = Chain::founded(&[]);
    chain.add_with(&started("run", &[]), |content| {
        set(content, "kind", "task_completed");
        set(content, "decision", decision_value(Verdict::Deny));
    });
    out.push(fault(Code::Denied, "a pure task whose own decision denies", &chain).named("pure"));

    let mut chain = Chain::founded(&[]);
    let dry = chain.add(&Body::DryRun(action("run", Verdict::Deny, &[])));
    chain.add(&started("run", &[dry.as_ref(Rel::DryRun)]));
    out.push(fault(Code::Denied, "a run that follows a denied dry run", &chain).named("dry-run"));

    let mut chain = Chain::founded(&[]);
    chain.add_with(&started("run", &[]), |content| {
        let mut lie = decision_value(Verdict::Deny);
        set(&mut lie, "verdict", "admit");
        set(content, "decision", lie);
    });
    out.push(fault(Code::Decision, "a gate denies and the verdict admits", &chain));

    let mut chain = Chain::founded(&[]);
    chain.add(&Body::Blocked(action("run", Verdict::Admit, &[])));
    out.push(fault(Code::Verdict, "blocked although admitted", &chain));
}

fn refs(out: &mut Vec<Case>) {
    let (mut chain, intent) = running();
    let other = Made { hash: Digest::of(b"other"), ..intent };
    chain.add(&closing(Ending::Completed, &other));
    out.push(fault(Code::Ref, "the id is right, the hash is not", &chain));

    let (mut chain, intent) = running();
    let later = Made { id: crate::chain::receipt_id(77), ..intent };
    chain.add(&closing(Ending::Completed, &later));
    out.push(fault(Code::Ref, "no receipt has this id", &chain).named("id"));

    let mut chain = Chain::founded(&[]);
    let erased = Value::object([
        ("fields", Value::Array(vec!["facts".into()])),
        ("receipt_id", crate::chain::receipt_id(9).to_string().into()),
    ]);
    chain.add_kind("erasure", &[("erased", Value::Array(vec![erased]))]);
    out.push(fault(Code::Ref, "an erasure of a receipt that is not there", &chain).named("erasure"));

    let mut chain = Chain::founded(&[]);
    let blocked = chain.add(&Body::Blocked(action("run", Verdict::Deny, &[])));
    chain.add(&closing(Ending::Completed, &blocked));
    out.push(fault(Code::RefKind, "a closer of something that never started", &chain));
}

fn epochs(out: &mut Vec<Case>) {
    let mut chain = Chain::founded(&[]);
    chain.step_epoch();
    chain.step_epoch();
    chain.add(&started("run", &[]));
    out.push(fault(Code::EpochStep, "from e0 to e2", &chain));

    let mut chain = Chain::new();
    chain.step_epoch();
    let genesis = chain.genesis(&[]);
    chain.add(&genesis);
    out.push(fault(Code::EpochStep, "the first epoch is e1", &chain).named("first"));
}

pub(crate) fn ref_value(made: &Made, rel: &str) -> Value {
    Value::object([
        ("entry_hash", made.hash.to_hex().into()),
        ("receipt_id", made.id.to_string().into()),
        ("rel", rel.into()),
    ])
}

fn decision_value(verdict: Verdict) -> Value {
    let mut text = String::new();
    crate::chain::decision(verdict).write(&mut cascade_receipt::json::Writer::new(&mut text));
    cascade_receipt::json::parse_canonical(text.as_bytes()).expect("canonical")
}
