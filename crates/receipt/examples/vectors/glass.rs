//! Going past the gates, and the review of it (check `lifecycle`).

use cascade_receipt::content::{Action, Body, GlassBroken, Ref, Rel, Reviewed};
use cascade_receipt::decision::Verdict;
use cascade_receipt::digest::Digest;
use cascade_receipt::statement;
use cascade_receipt::time::Timestamp;
use cascade_receipt::verify::Code;

use crate::case::Case;
use crate::chain::{AGENT, ALICE, BOB, Chain, Made, action, remove, set};
use crate::halt::halted;
use crate::people::joins;
use crate::ssh::Person;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

fn alice() -> Person {
    Person::new(ALICE(), 41)
}

fn bob() -> Person {
    Person::new(BOB(), 42)
}

/// Alice governs, Bob is on call; Bob breaks the glass.
fn founded() -> Chain {
    let mut chain = Chain::founded(&[alice().admin()]);
    crate::keys::add_signed(&mut chain, &alice(), "principal_added", &joins(&bob(), &["oncall"]));
    chain
}

fn by_bob(name: &str, refs: &[Ref]) -> Action {
    Action { principal: BOB(), on_behalf_of: None, ..action(name, Verdict::Admit, refs) }
}

fn broken(chain: &Chain, action: Action, due: Timestamp, signer: Option<&Person>) -> Body {
    let groups = vec!["admins".to_owned()];
    let mut broken =
        GlassBroken { action, groups, review_due: due, statement_id: [5; 8], signatures: vec![] };
    let text = statement::admin(chain.origin.as_str(), &Body::GlassBroken(broken.clone()).statement());
    broken.signatures = signer.iter().map(|person| person.sign(statement::ADMIN, &text)).collect();
    Body::GlassBroken(broken)
}

fn breaks(chain: &mut Chain) -> Made {
    let body = broken(chain, by_bob("restart", &[]), chain.later(DAY_MS), Some(&bob()));
    chain.add(&body)
}

fn review(chain: &Chain, glass: Ref, by: &Person, signer: Option<&Person>) -> Body {
    let mut reviewed = Reviewed {
        glass,
        principal: by.principal,
        justified: true,
        reason_hash: Some(Digest::of(b"nonce and reason")),
        statement_id: [6; 8],
        signatures: vec![],
    };
    let text = statement::admin(chain.origin.as_str(), &Body::Reviewed(reviewed.clone()).statement());
    reviewed.signatures = signer.iter().map(|person| person.sign(statement::ADMIN, &text)).collect();
    Body::Reviewed(reviewed)
}

pub(crate) fn cases(out: &mut Vec<Case>) {
    let mut chain = founded();
    let glass = breaks(&mut chain);
    chain.add(&Body::TaskStarted(by_bob("restart", &[glass.as_ref(Rel::Parent)])));
    let body = review(&chain, glass.as_ref(Rel::Parent), &alice(), Some(&alice()));
    chain.add(&body);
    chain.add_kind("break_glass", &[]);
    out.push(Case::valid(
        "glass",
        "the glass is broken for one run, and reviewed; and one of another program",
        &chain,
    ));
    breaking(out);
    running(out);
    reviewing(out);
}

fn breaking(out: &mut Vec<Case>) {
    let mut alone = |code, comment, name: &'static str, make: &dyn Fn(&mut Chain)| {
        let mut chain = founded();
        make(&mut chain);
        out.push(fault(code, comment, &chain).named(name));
    };
    alone(Code::SignatureMissing, "nobody signs for it", "glass", &|chain| {
        let body = broken(chain, by_bob("restart", &[]), chain.later(DAY_MS), None);
        chain.add(&body);
    });
    alone(Code::Signer, "somebody else signs for it", "glass", &|chain| {
        let body = broken(chain, by_bob("restart", &[]), chain.later(DAY_MS), Some(&alice()));
        chain.add(&body);
    });
    alone(Code::SignerUnknown, "an agent breaks the glass", "glass", &|chain| {
        let agent = Person::new(AGENT(), 43);
        let action = action("restart", Verdict::Admit, &[]);
        let body = broken(chain, action, chain.later(DAY_MS), Some(&agent));
        chain.add(&body);
    });
    alone(Code::Verdict, "the gates did not let it pass", "glass", &|chain| {
        let action = Action { principal: BOB(), ..action("restart", Verdict::Deny, &[]) };
        let body = broken(chain, action, chain.later(DAY_MS), Some(&bob()));
        chain.add(&body);
    });
    alone(Code::Expired, "its review is due before it", "glass", &|chain| {
        let body = broken(chain, by_bob("restart", &[]), chain.now(), Some(&bob()));
        chain.add(&body);
    });
    alone(Code::Halted, "the tenant is halted", "glass", &|chain| {
        chain.add(&halted());
        breaks(chain);
    });
    alone(Code::StatementReused, "one signature breaks it twice", "glass", &|chain| {
        let body = broken(chain, by_bob("restart", &[]), chain.later(DAY_MS), Some(&bob()));
        chain.add(&body);
        chain.add(&body);
    });
    alone(Code::Member, "it says when, and not by whom it is reviewed", "glass-groups", &|chain| {
        let body = broken(chain, by_bob("restart", &[]), chain.later(DAY_MS), Some(&bob()));
        chain.add_with(&body, |content| remove(content, "groups"));
    });
}

fn running(out: &mut Vec<Case>) {
    let mut runs = |code, comment, run: &dyn Fn(Made) -> Vec<Action>| {
        let mut chain = founded();
        let glass = breaks(&mut chain);
        for action in run(glass) {
            chain.add(&Body::TaskStarted(action));
        }
        out.push(fault(code, comment, &chain).named("glass"));
    };
    runs(Code::ActionHash, "another action runs past the gates", &|glass| {
        vec![by_bob("drop", &[glass.as_ref(Rel::Parent)])]
    });
    runs(Code::ApprovalsMissing, "it runs and does not name the broken glass", &|_| {
        vec![by_bob("restart", &[])]
    });
    runs(Code::ApprovalReused, "it runs twice", &|glass| {
        vec![by_bob("restart", &[glass.as_ref(Rel::Parent)]), by_bob("restart", &[glass.as_ref(Rel::Parent)])]
    });
    let mut chain = founded();
    let glass = breaks(&mut chain);
    chain.add(&Body::TaskStarted(Action {
        principal: ALICE(),
        ..by_bob("restart", &[glass.as_ref(Rel::Parent)])
    }));
    out.push(fault(Code::Signer, "somebody else runs it", &chain).named("glass-run"));
}

fn reviewing(out: &mut Vec<Case>) {
    let mut reviews = |code, comment, make: &dyn Fn(&Chain, Ref) -> Body| {
        let mut chain = founded();
        let carol = joins(&Person::new(AGENT(), 44), &["staff"]);
        crate::keys::add_signed(&mut chain, &alice(), "principal_added", &carol);
        let glass = breaks(&mut chain);
        let body = make(&chain, glass.as_ref(Rel::Parent));
        chain.add(&body);
        out.push(fault(code, comment, &chain).named("review"));
    };
    reviews(Code::SelfApproval, "who broke the glass reviews it", &|chain, glass| {
        review(chain, glass, &bob(), Some(&bob()))
    });
    reviews(Code::NotEligible, "somebody of no group that it names reviews it", &|chain, glass| {
        let carol = Person::new(AGENT(), 44);
        review(chain, glass, &carol, Some(&carol))
    });
    reviews(Code::SignatureMissing, "nobody signs the review", &|chain, glass| {
        review(chain, glass, &alice(), None)
    });
    reviews(Code::Signer, "somebody else signs the review", &|chain, glass| {
        review(chain, glass, &alice(), Some(&bob()))
    });
    // Bob takes a new key, and somebody comes with his old one.
    let mut chain = founded();
    let glass = breaks(&mut chain);
    let rekeyed = joins(&Person::new(BOB(), 45), &["oncall"]);
    crate::keys::add_signed(&mut chain, &alice(), "principal_added", &rekeyed);
    let again = Person::new(AGENT(), 42);
    crate::keys::add_signed(&mut chain, &alice(), "principal_added", &joins(&again, &["admins"]));
    let body = review(&chain, glass.as_ref(Rel::Parent), &again, Some(&again));
    chain.add(&body);
    out.push(
        fault(Code::SelfApproval, "the key that broke the glass reviews it", &chain).named("review-key"),
    );

    let mut chain = founded();
    let other = chain.add(&Body::TaskStarted(by_bob("ls", &[])));
    let body = review(&chain, other.as_ref(Rel::Parent), &alice(), Some(&alice()));
    chain.add(&body);
    out.push(fault(Code::Subject, "a review of something that needs none", &chain).named("review"));

    let mut chain = founded();
    let glass = breaks(&mut chain);
    let body = review(&chain, glass.as_ref(Rel::Parent), &alice(), Some(&alice()));
    chain.add_with(&body, |content| set(content, "justified", "yes"));
    out.push(fault(Code::Member, "a review that says neither yes nor no", &chain).named("review"));
}

fn fault(code: Code, comment: &'static str, chain: &Chain) -> Case {
    Case::fault(code, chain.seq() - 1, comment, chain.bytes())
}
