//! The stop button (check `lifecycle`).

use cascade_receipt::content::{Body, Closing, Ending, Halted, Resumed, Review};
use cascade_receipt::decision::{Reason, Verdict};
use cascade_receipt::digest::Digest;
use cascade_receipt::statement;
use cascade_receipt::verify::Code;

use crate::case::Case;
use crate::chain::{AGENT, ALICE, BOB, Chain, decision, remove};
use crate::runs::{closing, heartbeat, started};
use crate::ssh::Person;

fn alice() -> Person {
    Person::new(ALICE(), 31)
}

pub(crate) fn halted() -> Body {
    Body::Halted(Halted {
        principal: AGENT(),
        on_behalf_of: Some(ALICE()),
        reason_hash: Some(Digest::of(b"nonce and reason")),
    })
}

fn resumed(chain: &Chain, admin: Option<&Person>) -> Body {
    let mut resumed =
        Resumed { principal: ALICE(), reason_hash: None, statement_id: [7; 8], signatures: vec![] };
    let text = statement::admin(chain.origin.as_str(), &Body::Resumed(resumed.clone()).statement());
    resumed.signatures = admin.iter().map(|admin| admin.sign(statement::ADMIN, &text)).collect();
    Body::Resumed(resumed)
}

/// A chain that an agent has stopped.
fn stopped() -> Chain {
    let mut chain = Chain::founded(&[alice().admin()]);
    chain.add(&halted());
    chain
}

pub(crate) fn cases(out: &mut Vec<Case>) {
    let mut chain = Chain::founded(&[alice().admin()]);
    let intent = chain.add(&started("long", &[]));
    chain.add(&heartbeat(&intent, 0, 0));
    chain.add(&heartbeat(&intent, 1, 0));
    chain.add(&halted());
    let Body::Closing(revoked) = closing(Ending::Revoked, &intent) else { panic!("a closer") };
    let review = Some(Review { decision: decision(Verdict::Deny), facts_hash: Digest::of(b"facts") });
    chain.add(&Body::Closing(Closing { reasons: vec![Reason::code("revoked.halted")], review, ..revoked }));
    let body = resumed(&chain, Some(&alice()));
    chain.add(&body);
    chain.add(&started("again", &[]));
    out.push(Case::valid("halted", "stopped by an agent, which ends a silent run; then resumed", &chain));

    let mut chain = stopped();
    chain.add(&started("nevertheless", &[]));
    out.push(fault(Code::Halted, "something runs while the tenant is halted", &chain));

    let mut chain = stopped();
    let body = resumed(&chain, None);
    chain.add(&body);
    out.push(fault(Code::SignatureMissing, "resumed without an administrator", &chain).named("resumed"));

    let mut chain = stopped();
    let body = resumed(&chain, Some(&Person::new(BOB(), 32)));
    chain.add(&body);
    out.push(fault(Code::SignerUnknown, "resumed by somebody who never joined", &chain).named("resumed"));

    let mut chain = stopped();
    let body = resumed(&chain, Some(&alice()));
    chain.add(&body);
    chain.add(&halted());
    chain.add(&body);
    out.push(fault(Code::StatementReused, "one signature resumes twice", &chain).named("resumed"));

    let mut chain = Chain::founded(&[alice().admin()]);
    chain.add_with(&halted(), |content| remove(content, "principal"));
    out.push(fault(Code::Member, "stopped by nobody", &chain).named("halted-nobody"));
}

fn fault(code: Code, comment: &'static str, chain: &Chain) -> Case {
    Case::fault(code, chain.seq() - 1, comment, chain.bytes())
}
