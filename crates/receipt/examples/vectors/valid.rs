//! Ledgers that are valid.

use cascade_receipt::content::{
    Action, Body, Draw, Ending, Evidence, Forgotten, Known, Layer, Learned, Leased, MemoryState, PureTask,
    Ref, Rel, RequestTag, Routed, SubjectFact,
};
use cascade_receipt::decision::{Reason, Verdict};
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;

use crate::anchors::{anchor, cosigned};
use crate::case::Case;
use crate::chain::{Chain, action, set};
use crate::runs::{closing, heartbeat, started};

pub(crate) fn cases(out: &mut Vec<Case>) {
    out.push(Case::valid("genesis", "the shortest chain", &Chain::founded(&[])));
    plain(out);
    leased(out);
    other_kinds(out);
    rolled_back(out);
    time_and_epochs(out);
    crate::keys::valid(out);
    crate::people::valid(out);
}

/// Answers of the router, what is remembered of one, used again, and forgotten.
fn routed(chain: &mut Chain) {
    let routed = |layer, evidence| Routed {
        layer,
        evidence,
        grade: 71,
        smoke: Some("interpreter 1.0".into()),
        question_hash: Some(Digest::of(b"salted question")),
        declined: vec![(Layer::L2, "memory.unknown".into())],
        recalled: None,
    };
    let pure = |name: &str, refs: &[Ref], routed| {
        Body::Pure(PureTask {
            action: Action { task_type: "code".into(), ..action(name, Verdict::Admit, refs) },
            routed,
            output_hash: Digest::of(b"answer"),
            duration_us: 812,
        })
    };
    let answer = chain.add(&pure("sum", &[], routed(Layer::L4, Evidence::Verified)));
    let learned = chain.add(&Body::Learned(Learned {
        memory: [4; 8],
        key_hash: Digest::of(b"salted key"),
        state: MemoryState::Verified,
        principal: crate::chain::AGENT(),
        expires: Timestamp::from_ms(1_800_000_000_000),
        refs: vec![answer.as_ref(Rel::Parent)],
    }));
    chain.add(&pure("sum", &[learned.as_ref(Rel::Memory)], routed(Layer::L6, Evidence::Verified)));
    chain.add(&Body::Forgotten(Forgotten {
        memory: [4; 8],
        learned: learned.as_ref(Rel::Memory),
        principal: crate::chain::ALICE(),
        reasons: vec![Reason::code("memory.revoked")],
    }));
    chain.add(&pure("ours", &[], routed(Layer::Ext("ours".into()), Evidence::Proposed)));
    let asked = chain.add(&started("model", &[]));
    let mut closer = closing(Ending::Completed, &asked);
    if let Body::Closing(closer) = &mut closer {
        closer.routed = Some(routed(Layer::L7, Evidence::Checked));
    }
    chain.add(&closer);
}

/// An action that is undone, by a command that was rehearsed, and the undoing that failed to be undone.
fn rolled_back(out: &mut Vec<Case>) {
    let mut chain = Chain::founded(&[]);
    let made = chain.add(&started("mkdir d", &[]));
    let made = chain.add(&closing(Ending::Completed, &made));
    let takes_back = [made.as_ref(Rel::Supersedes)];
    chain.add(&Body::DryRun(action("rmdir d", Verdict::Admit, &takes_back)));
    let undone = chain.add(&started("rmdir d", &takes_back));
    let undone = chain.add(&closing(Ending::Completed, &undone));
    let redone = chain.add(&started("mkdir d again", &[undone.as_ref(Rel::Supersedes)]));
    chain.add(&closing(Ending::Failed, &redone));
    out.push(Case::valid("rolled-back", "an action that undoes another one names its closer", &chain));
}

fn plain(out: &mut Vec<Case>) {
    let mut chain = Chain::founded(&[]);
    for (name, ending) in [
        ("completes", Ending::Completed),
        ("fails", Ending::Failed),
        ("is ended", Ending::Revoked),
        ("is lost", Ending::Unknown),
    ] {
        let intent = chain.add(&started(name, &[]));
        chain.add(&closing(ending, &intent));
    }
    out.push(Case::valid("runs", "one run for every way to end", &chain));

    let mut chain = Chain::founded(&[]);
    for number in 0..40 {
        let intent = chain.add(&started(&format!("run {number}"), &[]));
        chain.add(&closing(Ending::Completed, &intent));
    }
    out.push(Case::valid("long", "forty runs, more than fits into one line's length", &chain));

    let mut chain = Chain::founded(&[]);
    let first = chain.add(&started("first", &[]));
    let second = chain.add(&started("second", &[]));
    chain.add(&heartbeat(&second, 0, 5));
    chain.add(&heartbeat(&first, 0, 0));
    chain.add(&heartbeat(&second, 1, 5));
    chain.add(&closing(Ending::Completed, &first));
    chain.add(&heartbeat(&second, 2, 4096));
    chain.add(&closing(Ending::Completed, &second));
    out.push(Case::valid("heartbeats", "two runs side by side report on their output", &chain));

    let mut chain = Chain::founded(&[]);
    chain.add(&started("first", &[]));
    let second = chain.add(&started("second", &[]));
    chain.add(&closing(Ending::Completed, &second));
    out.push(Case::valid("open-intent", "one run is in flight at the end", &chain));

    let mut chain = Chain::founded(&[]);
    chain.add(&Body::Blocked(action("force push", Verdict::Deny, &[])));
    chain.add(&Body::DryRun(action("apply", Verdict::Admit, &[])));
    chain.add(&Body::DryRun(action("destroy", Verdict::Deny, &[])));
    out.push(Case::valid("blocked", "nothing ran: one denial, two dry runs", &chain));

    let mut chain = Chain::founded(&[]);
    let dry = chain.add(&Body::DryRun(action("apply", Verdict::Admit, &[])));
    let intent = chain.add(&started("apply", &[dry.as_ref(Rel::DryRun)]));
    chain.add(&closing(Ending::Completed, &intent));
    out.push(Case::valid("dry-run", "a run follows its admitted dry run", &chain));

    let mut chain = Chain::founded(&[]);
    chain.add_with(&started("pure", &[]), |content| {
        set(content, "kind", "task_completed");
        set(content, "layer_hit", "L6.5");
        set(content, "evidence", "checked");
    });
    routed(&mut chain);
    limits(out);
    out.push(Case::valid("pure", "a pure task: decision and outcome in one receipt", &chain));
}

fn limits(out: &mut Vec<Case>) {
    let mut chain = Chain::founded(&[]);
    let (principal, subject) = (crate::chain::ALICE(), crate::chain::principal(20));
    for known in [
        Known::Zone("America/New_York".into()),
        Known::Consent { scope: "calls".into(), given: true },
        Known::Conversation(Some(crate::chain::principal(21))),
        Known::Conversation(None),
        Known::Consent { scope: "calls".into(), given: false },
    ] {
        chain.add(&Body::SubjectFact(SubjectFact { principal, on_behalf_of: None, subject, known }));
    }
    let draws = vec![
        Draw {
            budget: "calls".into(),
            of: Some(crate::chain::principal(21)),
            actions: 1,
            tokens: 0,
            microusd: 0,
        },
        Draw { budget: "models".into(), of: None, actions: 1, tokens: 100, microusd: 2000 },
    ];
    let intent = chain.add(&Body::TaskStarted(Action { draws, ..action("call", Verdict::Admit, &[]) }));
    chain.add_with(&closing(Ending::Completed, &intent), |content| {
        for (key, number) in [("tokens_in", 90), ("tokens_out", 5), ("cost_microusd", 1234)] {
            set(content, key, Value::Int(number));
        }
    });
    out.push(Case::valid("limits", "what is known of a subject, and a run that draws on budgets", &chain));
}

fn leased(out: &mut Vec<Case>) {
    let mut chain = Chain::founded(&[]);
    let request = |number: u8| Some(RequestTag { key: Digest([number; 32]), body: Digest([number + 1; 32]) });
    let asked = Action { request: request(1), ..action("tool", Verdict::Admit, &[]) };
    let intent = chain.add(&Body::Leased(Leased { action: asked, expires: chain.later(3_600_000) }));
    chain.add(&closing(Ending::Completed, &intent));
    let denied = Action { request: request(3), ..action("other tool", Verdict::Deny, &[]) };
    chain.add(&Body::Blocked(denied));
    let lapsed = action("forgotten", Verdict::Admit, &[]);
    let intent = chain.add(&Body::Leased(Leased { action: lapsed, expires: chain.later(1000) }));
    chain.add(&closing(Ending::Unknown, &intent));
    out.push(Case::valid(
        "leased",
        "actions that others perform, and the requests that asked for them",
        &chain,
    ));
}

fn other_kinds(out: &mut Vec<Case>) {
    let mut chain = Chain::new();
    chain.policy.version = "\u{fffd}\u{10ffff}\n".into();
    let genesis = chain.genesis(&[]);
    chain.add(&genesis);
    let text =
        "gr\u{fc}n \u{65e5}\u{672c} \u{1f600} e\u{301} \u{7f} \"\\/ \u{1}\u{8}\t\n\u{c}\r\u{1f} \u{2028}";
    chain.add_with(&started("unicode", &[]), |content| {
        set(content, "task_type", text);
        set(content, "a_member_of_a_later_version", Value::Array(vec![Value::Int(-9_007_199_254_740_991)]));
    });
    out.push(Case::valid("unicode", "strings with every kind of escape, and an unknown member", &chain));

    let mut chain = Chain::founded(&[]);
    chain.add_kind("x_acme_ticket", &[("refs", "anything".into()), ("decision", true.into())]);
    out.push(Case::valid("extension", "an extension's members mean what they like", &chain));

    let mut chain = Chain::founded(&[]);
    let intent = chain.add(&started("erased later", &[]));
    chain.add(&closing(Ending::Completed, &intent));
    let erased = Value::object([
        ("fields", Value::Array(vec!["facts".into(), "action".into()])),
        ("receipt_id", intent.id.to_string().into()),
    ]);
    chain.add_kind("erasure", &[("erased", Value::Array(vec![erased]))]);
    chain.add_kind(
        "recovery",
        &[
            ("dropped_bytes", Value::Int(17)),
            ("dropped_sha256", Digest::of(b"dropped").to_hex().into()),
            ("orphans", Value::Int(0)),
        ],
    );
    let note = cosigned(&chain, chain.seq(), &[]);
    anchor(&mut chain, &note);
    chain.add_kind("memory_learned", &[]);
    out.push(Case::valid("log-kinds", "erasure, recovery, anchor and kinds without own members", &chain));
}

fn time_and_epochs(out: &mut Vec<Case>) {
    let mut chain = Chain::founded(&[]);
    chain.time_ms -= 1000;
    chain.add_with(&started("stepped", &[]), |content| set(content, "clock", "stepped"));
    chain.time_ms -= 1000;
    chain.add(&started("same millisecond", &[]));
    out.push(Case::valid("clock-stepped", "the clock stepped back and the time was repeated", &chain));

    let mut chain = Chain::founded(&[]);
    chain.add(&started("before", &[]));
    let from = chain.now();
    chain.time_ms -= 86_400_000;
    let to = chain.later(1000);
    let digest = cascade_receipt::statement::clock(chain.origin.as_str(), chain.seq(), &from, &to);
    let signature = cascade_receipt::base64::encode(&chain.recovery.sign(&digest));
    chain.add_kind(
        "clock_corrected",
        &[
            ("from", from.to_string().into()),
            ("to", to.to_string().into()),
            ("recovery_sig", signature.into()),
        ],
    );
    chain.add(&started("after", &[]));
    out.push(Case::valid("clock-corrected", "the recovery key set the clock back by a day", &chain));

    let mut chain = Chain::founded(&[]);
    for name in ["first", "second", "third"] {
        chain.step_epoch();
        let intent = chain.add(&started(name, &[]));
        chain.add(&closing(Ending::Completed, &intent));
    }
    out.push(Case::valid("hmac", "four HMAC epochs, checked with the master", &chain).with_hmac());
}
