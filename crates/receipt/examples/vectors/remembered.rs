//! What the router remembers, and what may stand on it (check `lifecycle`).

use cascade_receipt::content::{
    Action, Body, Evidence, Forgotten, Layer, Learned, MemoryState, PureTask, Recollection, Ref, Rel,
    Released, Routed, Shadow,
};
use cascade_receipt::decision::{Reason, Verdict};
use cascade_receipt::digest::Digest;
use cascade_receipt::time::Timestamp;
use cascade_receipt::verify::Code;

use crate::case::Case;
use crate::chain::{AGENT, ALICE, Chain, Made, action, receipt_id};

fn answered(layer: Layer, refs: &[Ref]) -> Body {
    Body::Pure(PureTask {
        action: Action { task_type: "code".into(), ..action("sum", Verdict::Admit, refs) },
        routed: Routed {
            layer,
            evidence: Evidence::Verified,
            grade: 80,
            smoke: None,
            question_hash: None,
            declined: vec![],
            recalled: refs
                .iter()
                .any(|one| one.rel == Rel::Memory)
                .then_some(Recollection { hit: 1, shadow: Some(Shadow::Same) }),
        },
        output_hash: Digest::of(b"answer"),
        duration_us: 90,
    })
}

fn learned(answer: &Made, before: Option<&Made>) -> Body {
    let mut refs = vec![answer.as_ref(Rel::Parent)];
    refs.extend(before.map(|before| before.as_ref(Rel::Supersedes)));
    Body::Learned(Learned {
        memory: [5; 8],
        key_hash: Digest::of(b"salted key"),
        state: MemoryState::Verified,
        principal: AGENT(),
        expires: Timestamp::from_ms(1_800_000_000_000),
        refs,
    })
}

fn forgotten(learned: &Made) -> Body {
    Body::Forgotten(Forgotten {
        memory: [5; 8],
        learned: learned.as_ref(Rel::Memory),
        principal: ALICE(),
        reasons: vec![Reason::code("memory.revoked")],
    })
}

fn from_memory(learned: &Made) -> Body {
    answered(Layer::L6, &[learned.as_ref(Rel::Memory)])
}

/// A chain in which something was learned.
fn remembering() -> (Chain, Made, Made) {
    let mut chain = Chain::founded(&[]);
    let answer = chain.add(&answered(Layer::L4, &[]));
    let memory = chain.add(&learned(&answer, None));
    (chain, answer, memory)
}

pub(crate) fn cases(out: &mut Vec<Case>) {
    let (mut chain, answer, first) = remembering();
    chain.add(&from_memory(&first));
    let wrong = chain.add(&forgotten(&first));
    chain.add(&Body::Released(Released {
        principal: ALICE(),
        reasons: vec![Reason::code("memory.released")],
        wrong: vec![wrong.as_ref(Rel::Supersedes)],
    }));
    let second = chain.add(&learned(&answer, None));
    chain.add(&from_memory(&second));
    let third = chain.add(&learned(&answer, Some(&second)));
    chain.add(&from_memory(&third));
    let comment =
        "an answer from memory, forgotten, released, learned anew, replaced, each used while it stands";
    out.push(Case::valid("memories", comment, &chain));
    gone(out);

    let (mut chain, ..) = remembering();
    let nowhere = Ref { rel: Rel::Memory, receipt_id: receipt_id(77), entry_hash: Digest::of(b"elsewhere") };
    chain.add(&answered(Layer::L6, &[nowhere]));
    out.push(fault(Code::Ref, "an answer from memory stands on what this chain never learned", &chain));

    let (mut chain, answer, _) = remembering();
    chain.add(&answered(Layer::L6, &[answer.as_ref(Rel::Memory)]));
    out.push(fault(Code::RefKind, "an answer from memory stands on an answer that nobody learned", &chain));

    let (mut chain, answer, _) = remembering();
    chain.add(&answered(Layer::L6, &[answer.as_ref(Rel::Parent)]));
    out.push(fault(Code::MemoryUnnamed, "an answer from memory names no memory", &chain));
}

fn gone(out: &mut Vec<Case>) {
    let (mut chain, _, memory) = remembering();
    chain.add(&forgotten(&memory));
    chain.add(&from_memory(&memory));
    out.push(fault(Code::MemoryGone, "an answer from memory stands on what was forgotten", &chain));

    let (mut chain, answer, memory) = remembering();
    chain.add(&learned(&answer, Some(&memory)));
    chain.add(&from_memory(&memory));
    let comment = "an answer from memory stands on what was learned anew since";
    out.push(fault(Code::MemoryGone, comment, &chain).named("replaced"));

    let (mut chain, _, memory) = remembering();
    chain.add(&forgotten(&memory));
    chain.add(&answered(Layer::L2, &[memory.as_ref(Rel::Memory)]));
    let comment = "another layer's answer stands on what was forgotten";
    out.push(fault(Code::MemoryGone, comment, &chain).named("layer"));

    let (mut chain, _, memory) = remembering();
    chain.add(&forgotten(&memory));
    chain.add(&forgotten(&memory));
    out.push(fault(Code::MemoryGone, "the same is forgotten twice", &chain).named("twice"));
}

fn fault(code: Code, comment: &'static str, chain: &Chain) -> Case {
    let case = Case::fault(code, chain.seq() - 1, comment, chain.bytes());
    if matches!(code, Code::Ref | Code::RefKind) { case.named("memory") } else { case }
}
