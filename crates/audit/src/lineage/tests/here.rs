//! Of what is not here, or not looked at, nothing is said.

use super::cases::{altered, assert_is, gone};
use super::chain::{ADA, Chain, ROOT, activation, asked, plan};
use super::traced;
use crate::lineage::tests::chain::Plan;
use crate::lineage::{Lineage, follow};

const OPEN: &str = "not provable here";
const BROKEN: &str = "broken";
const INTACT: &str = "intact";

fn named(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn all_said(found: &Lineage) -> String {
    let said = found.answers.iter().flat_map(|answer| &answer.sentences).map(|one| one.text.as_str());
    said.collect::<Vec<_>>().join("\n")
}

/// An honest bundle holds genesis and what was chosen.
fn only(plans: &[Plan], names: &[&str]) -> Chain {
    let mut chain = Chain::of(plans);
    for plan in plans.iter().filter(|plan| !names.contains(&plan.name)) {
        chain.forget(plan.name);
    }
    chain
}

#[test]
fn a_policy_is_not_said_to_be_in_force_by_a_receipt_that_may_not_be_the_last() {
    let mut plans = asked();
    plans.insert(1, activation("second", "second"));
    let names = ["genesis", "grant", "question", "approval", "start", "heartbeat", "closer"];
    let mut chain = only(&plans, &names);
    let found = traced(&mut chain, "closer");
    assert_eq!(found.continuity.verdict(), OPEN, "{:?}", found.continuity);
    let said = all_said(&found);
    assert!(!said.contains("since the chain began") && said.contains("is not here"), "{said}");
    // Nor by an activation after which others may have come.
    plans.insert(2, activation("third", "third"));
    let names = [&names[..], &["second"]].concat();
    let mut chain = only(&plans, &names);
    let found = traced(&mut chain, "closer");
    assert_eq!(found.continuity.verdict(), OPEN, "{:?}", found.continuity);
    assert!(!all_said(&found).contains("put it in force at"), "{}", all_said(&found));
}

#[test]
fn whether_something_ran_is_not_said_where_it_cannot_be_seen() {
    for about in ["question", "approval"] {
        let mut chain = only(&asked(), &["genesis", "joined", "grant", "question", "approval"]);
        let found = traced(&mut chain, about);
        assert_eq!(found.continuity.verdict(), OPEN, "{:?}", found.continuity);
        let said = all_said(&found);
        assert!(!said.contains("nothing ran") && said.contains("cannot be seen"), "{said}");
    }
    let mut chain = only(&asked(), &["genesis", "question"]);
    let found = traced(&mut chain, "question");
    assert!(!all_said(&found).contains("nobody: "), "{}", all_said(&found));
    let mut chain = only(&asked(), &["genesis", "joined", "grant", "closer"]);
    let found = traced(&mut chain, "closer");
    assert!(!all_said(&found).contains("nothing ran"), "{}", all_said(&found));
    // Where all of it is here it is said.
    let mut chain = Chain::of(&asked()[..5]);
    let found = traced(&mut chain, "approval");
    assert_eq!(found.continuity.verdict(), INTACT, "{:?}", found.continuity);
    assert!(all_said(&found).contains("nothing ran on that"), "{}", all_said(&found));
}

#[test]
fn what_an_honest_bundle_lacks_breaks_nothing() {
    for lacking in ["joined", "grant", "question", "approval", "heartbeat"] {
        let mut chain = Chain::asked();
        chain.forget(lacking);
        let found = traced(&mut chain, "closer");
        assert_eq!(found.continuity.verdict(), OPEN, "{lacking}: {:?}", found.continuity);
        assert!(!all_said(&found).contains("nobody had to"), "{lacking}");
    }
    // Somebody who came back, and that is not here.
    let back = || plan("back", "principal_added", &[("principal", ADA.into())]);
    let mut chain = altered().before("approval", gone("gone", ADA)).before("approval", back()).chain();
    chain.forget("back");
    assert_is(chain, "closer", OPEN, "approval.by_removed");
    let back = plan("back", "principal_added", &[("principal", ROOT.into())]);
    let mut chain = altered().before("start", gone("gone", ROOT)).before("start", back).chain();
    chain.forget("back");
    assert_is(chain, "closer", OPEN, "grant.giver_removed");
    // The heartbeat that says that the gates were asked again is not here.
    let later = plan("later", "heartbeat", &[]).refs(&[("intent", "start")]);
    let changed = altered().before("closer", activation("second", "second"));
    let mut chain = changed.change("closer", |plan| plan.later(120_000)).before("closer", later).chain();
    chain.forget("later");
    assert_is(chain, "closer", OPEN, "policy.changed_while_running");
}

#[test]
fn any_number_of_others_hides_nothing() {
    let many = |kind: &'static str, rel: &'static str, to: &'static str, before: &str| {
        (0..150).fold(altered(), |altered, number| {
            let one = plan(named(format!("{kind} {number}")), kind, &[("principal", ADA.into())]);
            altered.before(before, one.refs(&[(rel, to)]))
        })
    };
    // Answers that were refused hide neither an approval, nor a denial, nor what began.
    let refused = || many("approval_refused", "escalation", "question", "approval");
    assert_is(refused().chain(), "question", INTACT, "anchor.none");
    let mut chain = refused().chain();
    let found = traced(&mut chain, "question");
    assert!(found.graph.node(chain.ids["start"]).is_some() && !all_said(&found).contains("nothing ran"));
    let denial = plan("denial", "denial", &[("principal", ROOT.into())]).refs(&[("escalation", "question")]);
    refused().before("start", denial).is(BROKEN, "approval.denied");
    // Grants of others that are taken back while it runs hide no change of the policy.
    let grants = many("grant_revoked", "grant", "nobody", "closer");
    let changed = grants.before("closer", activation("second", "second")).silent(120_000);
    changed.is(BROKEN, "policy.changed_while_running");
    // Nor do others hide its end.
    many("memory_learned", "intent", "start", "closer").is(INTACT, "anchor.none");
}

#[test]
fn where_a_bound_cuts_nothing_is_proven() {
    let denials = (0..101).fold(altered(), |altered, number| {
        let one = plan(named(format!("denial {number}")), "approval_expired", &[]);
        altered.before("start", one.refs(&[("escalation", "question")]))
    });
    denials.is(OPEN, "here.cut");
    let halts = (0..101).fold(altered(), |altered, number| {
        altered.before("closer", plan(named(format!("halt {number}")), "halted", &[]))
    });
    halts.is(OPEN, "here.cut");
}

#[test]
fn private_bytes_that_are_others_by_now_prove_nothing() {
    let mut chain = Chain::asked();
    chain.altered = Some(chain.ids["start"]);
    assert_is(chain, "closer", OPEN, "private.altered");
}

#[test]
fn what_followed_is_not_crowded_out_by_heartbeats_and_a_cut_is_said() {
    let beats = (0..30).fold(altered(), |altered, number| {
        let beat = plan(named(format!("beat {number}")), "heartbeat", &[]).refs(&[("intent", "start")]);
        altered.before("closer", beat)
    });
    let mut chain = beats.chain();
    let id = chain.ids["start"];
    let found = follow(&mut chain, id, 5).unwrap().unwrap();
    let kinds: Vec<_> = found.followers.iter().map(|one| one.receipt.kind.as_str()).collect();
    assert_eq!(
        (kinds, found.heartbeats, found.more, found.partial),
        (vec!["task_completed"], 31, false, false)
    );
    // A way that is longer than is followed.
    let long = |length: usize| {
        let mut plans = vec![asked().remove(0), plan("0", "memory_learned", &[])];
        for number in 1..=length {
            let one = plan(named(number.to_string()), "memory_learned", &[]);
            plans.push(one.refs(&[("parent", named((number - 1).to_string()))]));
        }
        let mut chain = Chain::of(&plans);
        let id = chain.ids["0"];
        let found = follow(&mut chain, id, 100).unwrap().unwrap();
        (found.followers.len(), found.more)
    };
    assert_eq!((long(6), long(7)), ((6, false), (6, true)));
    // A later receipt that is not here.
    let mut chain = Chain::asked();
    chain.forget("closer");
    let id = chain.ids["start"];
    assert!(follow(&mut chain, id, 5).unwrap().unwrap().partial);
}
