//! Every named case of continuity, by a chain that has it. Each differs in one thing from one that is intact.

use cascade_receipt::json::Value;

use super::chain::{ADA, BOB, Chain, KEY, Plan, ROOT, activation, asked, decided, hash, plan};
use super::traced;
use crate::lineage::Lineage;

/// The chain of [`asked`], altered.
pub(super) struct Altered {
    plans: Vec<Plan>,
}

pub(super) fn altered() -> Altered {
    Altered { plans: asked() }
}

impl Altered {
    fn at(&self, name: &str) -> usize {
        self.plans.iter().position(|plan| plan.name == name).unwrap()
    }

    pub(super) fn before(mut self, name: &str, plan: Plan) -> Self {
        self.plans.insert(self.at(name), plan);
        self
    }

    fn after(mut self, plan: Plan) -> Self {
        self.plans.push(plan);
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.plans.remove(self.at(name));
        self
    }

    pub(super) fn change(mut self, name: &str, change: impl FnOnce(Plan) -> Plan) -> Self {
        let place = self.at(name);
        self.plans[place] = change(self.plans[place].clone());
        self
    }

    /// Leaves time between the last change and the end, and no heartbeat.
    pub(super) fn silent(self, ms: u64) -> Self {
        self.without("heartbeat").change("closer", |closer| closer.later(ms))
    }

    pub(super) fn chain(&self) -> Chain {
        Chain::of(&self.plans)
    }

    #[track_caller]
    pub(super) fn is(self, verdict: &str, code: &str) {
        let last = if self.plans.iter().any(|plan| plan.name == "closer") { "closer" } else { "start" };
        assert_is(self.chain(), last, verdict, code);
    }
}

#[track_caller]
pub(super) fn assert_is(mut chain: Chain, from: &str, verdict: &str, code: &str) {
    let found = traced(&mut chain, from);
    let cases = &found.continuity.cases;
    assert_eq!(found.continuity.verdict(), verdict, "{cases:#?}");
    let case = cases.iter().find(|case| case.code == code);
    let case = case.unwrap_or_else(|| panic!("no {code} in {cases:#?}"));
    assert_eq!(case.weight.verdict(), verdict, "{case:?}");
    assert!(!case.receipts.is_empty(), "{case:?}");
    assert_heard(&found);
}

/// What is found is said under the fifth question.
fn assert_heard(found: &Lineage) {
    let said = &found.answers.last().unwrap().sentences;
    for case in &found.continuity.cases {
        assert!(said.iter().any(|one| one.text.starts_with(case.code)), "{case:?} is not said");
    }
}

pub(super) fn gone(name: &'static str, who: &str) -> Plan {
    plan(name, "principal_removed", &[("principal", who.into())])
}

fn taken_back() -> Plan {
    plan("revoked", "grant_revoked", &[("principal", ROOT.into())]).refs(&[("grant", "grant")])
}

const INTACT: &str = "intact";
const BROKEN: &str = "broken";
const OPEN: &str = "not provable here";

#[test]
fn authorization_that_is_missing() {
    let unnamed = |start: Plan| start.refs(&[("escalation", "question"), ("grant", "grant")]);
    altered().change("start", unnamed).is(BROKEN, "authorization.missing");
    altered()
        .change("question", |plan| plan.with("required", Value::Int(2)))
        .is(BROKEN, "authorization.missing");
    let verdict = decided("", "", "escalate").members["decision"].clone();
    altered().change("start", |plan| plan.with("decision", verdict)).is(BROKEN, "authorization.missing");
}

#[test]
fn approvals_that_do_not_hold() {
    altered().before("approval", gone("gone", ADA)).is(BROKEN, "approval.by_removed");
    altered()
        .change("approval", |plan| plan.with("action_hash", hash("other")))
        .is(BROKEN, "approval.other_action");
    altered().change("approval", |plan| plan.refs(&[])).is(BROKEN, "approval.other_action");
    let early = "2001-01-01T00:00:00.000Z".into();
    altered().change("approval", |plan| plan.with("expires", early)).is(BROKEN, "approval.expired");
    let own = super::chain::AGENT.into();
    altered().change("approval", |plan| plan.with("principal", own)).is(BROKEN, "approval.own");
    let denial = plan("denial", "denial", &[("principal", BOB.into())]).refs(&[("escalation", "question")]);
    altered().before("start", denial).is(BROKEN, "approval.denied");
}

#[test]
fn an_approver_who_left_later_is_told() {
    altered().before("start", gone("gone", ADA)).is(INTACT, "approval.since_removed");
    altered().after(gone("gone", ADA)).is(INTACT, "approval.since_removed");
    // Who was removed and came back before approving is a member.
    let mut chain = altered()
        .before("approval", gone("gone", ADA))
        .before("approval", plan("back", "principal_added", &[("principal", ADA.into())]))
        .chain();
    let found = traced(&mut chain, "closer");
    assert_eq!(super::codes(&found), ["anchor.none"]);
}

#[test]
fn grants_that_do_not_hold() {
    altered().before("start", taken_back()).is(BROKEN, "grant.revoked_before");
    let early = "2001-01-01T00:00:00.000Z".into();
    altered().change("grant", |plan| plan.with("expires", early)).is(BROKEN, "grant.expired_before");
    altered().change("grant", |plan| plan.with("to", BOB.into())).is(BROKEN, "continuity.principal");
    altered().before("start", gone("gone", ROOT)).is(BROKEN, "grant.giver_removed");
    altered().after(taken_back()).is(INTACT, "grant.since_revoked");
}

#[test]
fn a_grant_taken_back_while_it_ran() {
    let code = "grant.revoked_while_running";
    let revoked = || altered().before("closer", taken_back());
    revoked().change("closer", |plan| Plan { kind: "task_revoked", ..plan }).is(INTACT, code);
    revoked().silent(500).is(INTACT, code);
    revoked().silent(5_000).is(OPEN, code);
    revoked().silent(120_000).is(BROKEN, code);
    let later = plan("later", "heartbeat", &[]).refs(&[("intent", "start")]);
    revoked().change("closer", |plan| plan.later(120_000)).before("closer", later).is(INTACT, code);
}

#[test]
fn a_policy_changed_while_it_ran_and_the_gates_were_or_were_not_asked_again() {
    let code = "policy.changed_while_running";
    let changed = || altered().before("closer", activation("second", "second"));
    changed().silent(120_000).is(BROKEN, code);
    changed().silent(30_000).is(OPEN, code);
    changed().silent(200).is(INTACT, code);
    let halted = plan("halted", "halted", &[("principal", ROOT.into())]);
    altered().before("closer", halted).silent(120_000).is(BROKEN, "halted.while_running");
    altered()
        .before("closer", gone("gone", BOB))
        .silent(120_000)
        .is(BROKEN, "principal.removed_while_running");
    // Somebody who has nothing to do with it may leave.
    let stranger = gone("gone", "p_00000000000000ff");
    altered().before("closer", stranger).silent(120_000).is(INTACT, "anchor.none");
}

#[test]
fn trust_in_pieces() {
    altered().change("start", |plan| plan.with("action_hash", hash("other"))).is(BROKEN, "continuity.action");
    altered()
        .change("start", |plan| plan.with("on_behalf_of", ADA.into()))
        .is(BROKEN, "continuity.principal");
    altered().change("start", |plan| plan.with("spec_hash", hash("spec"))).is(BROKEN, "continuity.spec");
    altered().change("closer", |plan| plan.with("spec_hash", hash("spec"))).is(BROKEN, "continuity.spec");
    altered().change("start", |plan| plan.with("policy_hash", hash("other"))).is(BROKEN, "continuity.policy");
    altered()
        .change("question", |plan| plan.with("policy_hash", hash("other")))
        .is(BROKEN, "continuity.policy");
    altered().before("start", activation("second", "second")).is(INTACT, "policy.changed_before");
}

#[test]
fn keys_that_fell() {
    let statement =
        Value::object([("key_id", KEY.into()), ("compromised_since", "2023-11-14T22:13:21.000Z".into())]);
    let revoked = || plan("fallen", "key_revoked", &[("statement", statement.clone())]);
    altered().after(revoked()).is(BROKEN, "key.fallen");
    let anchor = || plan("anchor", "anchor", &[("checkpoint", "origin\n8\nroot\n\nsignatures".into())]);
    altered().after(anchor()).after(revoked()).is(OPEN, "key.fallen");
    altered().after(anchor().later(5_000)).after(revoked()).is(BROKEN, "key.fallen");
    let other = Value::object([
        ("key_id", "receipt+11111111".into()),
        ("compromised_since", "2001-01-01T00:00:00.000Z".into()),
    ]);
    altered().after(plan("fallen", "key_revoked", &[("statement", other)])).is(INTACT, "anchor.none");
}

#[test]
fn ends_and_beginnings_that_are_missing() {
    altered().without("closer").is(OPEN, "intent.without_closer");
    altered().change("closer", |plan| Plan { kind: "task_unknown", ..plan }).is(OPEN, "closer.unknown");
    let second = plan("second", "task_failed", &[]).refs(&[("intent", "start")]);
    altered().after(second).is(BROKEN, "closer.twice");
    altered().change("closer", |plan| plan.refs(&[("intent", "nobody")])).is(BROKEN, "closer.without_intent");
    let closer = asked().pop().unwrap();
    altered()
        .without("closer")
        .without("heartbeat")
        .before("start", closer)
        .is(BROKEN, "closer.before_intent");
}

#[test]
fn what_is_not_here_is_not_provable() {
    let mut chain = Chain::asked();
    chain.forget("joined");
    assert_is(chain, "closer", OPEN, "here.partial");
    let mut chain = Chain::asked();
    chain.forget("heartbeat");
    assert_is(chain, "closer", OPEN, "here.partial");
    let mut chain = Chain::asked();
    chain.forget("grant");
    assert_is(chain, "closer", OPEN, "here.missing");
    let mut chain = Chain::asked();
    chain.forget("start");
    assert_is(chain, "closer", OPEN, "closer.without_intent");
}

#[test]
fn damage() {
    for name in ["grant", "question", "approval", "start", "closer"] {
        let mut chain = Chain::asked();
        chain.damage(name);
        assert_is(chain, "closer", BROKEN, "chain.damaged");
    }
    // A receipt that only stands in between.
    let mut chain = altered().before("start", gone("between", "p_00000000000000ff")).chain();
    chain.damage("between");
    assert_is(chain, "closer", BROKEN, "chain.damaged");
    // A reference to something that is nowhere.
    altered()
        .change("start", |plan| {
            let refs = [plan.refs.as_slice(), &[("grant", "nobody")]].concat();
            plan.refs(&refs)
        })
        .is(BROKEN, "chain.missing");
}

#[test]
fn a_long_way_is_followed_to_its_end() {
    let stranger = |number: u64| {
        let name: &'static str = Box::leak(format!("stranger {number}").into_boxed_str());
        plan(name, "principal_added", &[("principal", format!("p_{number:016x}").into())])
    };
    let long =
        || (1_000..1_450).fold(altered(), |altered, number| altered.before("closer", stranger(number)));
    long().is(INTACT, "anchor.none");
    for number in [1_010, 1_449] {
        let mut chain = long().chain();
        chain.damage(&format!("stranger {number}"));
        assert_is(chain, "closer", BROKEN, "chain.damaged");
    }
}

#[test]
fn erased_and_anchored_are_told() {
    let erased = |chain: &Chain| {
        let id = chain.ids["start"].to_string();
        Value::Array(vec![Value::object([("receipt_id", id.into())])])
    };
    let erasure = plan("erasure", "erasure", &[("erased", erased(&Chain::asked()))]);
    altered().after(erasure).is(INTACT, "private.erased");
    let mut chain = Chain::asked();
    chain.cosigned = 8;
    assert_is(chain, "closer", INTACT, "anchor.covers");
    let mut chain = Chain::asked();
    chain.cosigned = 7;
    assert_is(chain, "closer", INTACT, "anchor.none");
}

#[test]
fn an_answer_learned_under_an_older_policy_is_told() {
    let pure = |name, refs: &[(&'static str, &'static str)]| {
        decided(name, "task_completed", "admit").with("layer_hit", "L6".into()).refs(refs)
    };
    let plans = [
        asked().remove(0),
        pure("first", &[]),
        plan("learned", "memory_learned", &[("principal", BOB.into())]).refs(&[("parent", "first")]),
        activation("second", "second"),
        pure("closer", &[("memory", "learned")]),
    ];
    assert_is(Chain::of(&plans), "closer", INTACT, "memory.older_policy");
    let same = [&plans[..3], &plans[4..]].concat();
    let mut chain = Chain::of(&same);
    let found = traced(&mut chain, "closer");
    assert_eq!(super::codes(&found), ["anchor.none"]);
    assert!(found.graph.node(chain.ids["first"]).is_some());
}
