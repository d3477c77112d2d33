//! Chains written by hand, each with one thing wrong or told.

mod cases;
mod chain;
mod here;

use super::*;
use cascade_receipt::json::Value;
use chain::Chain;

/// A question that was approved, a grant, a run with a heartbeat.
#[test]
fn an_action_that_was_asked_about_is_intact_and_answers_five_questions() {
    let mut chain = Chain::asked();
    let found = traced(&mut chain, "closer");
    assert_eq!((found.continuity.verdict(), codes(&found)), ("intact", vec!["anchor.none"]));
    assert_eq!(found.answers.iter().map(|answer| answer.question).collect::<Vec<_>>(), Question::ALL);
    assert!(found.answers.iter().all(|answer| !answer.sentences.is_empty()));
    let said = |question: Question, words: &str, receipt: &str| {
        let answer = found.answers.iter().find(|answer| answer.question == question).unwrap();
        let id = chain.ids[receipt];
        let says = |one: &Sentence| one.text.contains(words) && one.receipts.contains(&id);
        assert!(answer.sentences.iter().any(says), "no `{words}` of {receipt} in {:?}", answer.sentences);
    };
    said(Question::Why, "an agent, on behalf of bob asked for `run start`", "start");
    said(Question::Authorised, "ada approved it", "approval");
    said(Question::Authorised, "root granted it to an agent: to run deploy", "grant");
    said(Question::Policy, "in force since the chain began", "genesis");
    said(Question::Trust, "1 heartbeats", "heartbeat");
    said(Question::Trust, "ended as `task_completed`", "closer");
}

/// Wherever in an action one begins, it is the same action.
#[test]
fn each_receipt_of_an_action_leads_to_all_of_it() {
    let mut chain = Chain::asked();
    let all = ["genesis", "grant", "question", "approval", "start", "closer"];
    for from in ["question", "approval", "start", "heartbeat", "closer"] {
        let found = traced(&mut chain, from);
        for name in all {
            assert!(found.graph.node(chain.ids[name]).is_some(), "{name} from {from}");
        }
        assert_eq!(found.continuity.verdict(), "intact", "{from}: {:?}", found.continuity);
    }
}

#[test]
fn what_is_no_action_has_a_lineage_as_well() {
    let mut chain = Chain::asked();
    let found = traced(&mut chain, "grant");
    assert_eq!(found.continuity.verdict(), "intact");
    assert!(found.answers[0].sentences[0].text.starts_with("it is no action: root"));
    assert!(trace(&mut chain, ReceiptId([0xee; 8])).unwrap().is_none());
}

#[test]
fn what_followed_is_told_up_to_the_limit() {
    let mut chain = Chain::asked();
    let mut followed = |name: &str, limit| {
        let id = chain.ids[name];
        let following = follow(&mut chain, id, limit).unwrap().unwrap();
        let kinds: Vec<String> = following.followers.iter().map(|one| one.receipt.kind.clone()).collect();
        (kinds.join(" "), following.more, following.heartbeats)
    };
    assert_eq!(followed("approval", 10), ("task_started task_completed".to_owned(), false, 1));
    assert_eq!(followed("grant", 10).0, "escalation approval task_started task_completed");
    assert_eq!(followed("grant", 2), ("escalation task_started".to_owned(), true, 1));
    assert_eq!(followed("closer", 10), (String::new(), false, 0));
    let (kinds, ..) = followed("genesis", 100);
    assert_eq!(
        kinds, "principal_added grant escalation approval task_started task_completed",
        "all of its key"
    );
    assert_eq!(followed("joined", 10).0, "approval task_started task_completed");
}

/// The graph as other programs read it: nothing of a command acts in it.
#[test]
fn forms_for_other_programs_are_whole_whatever_the_command_says() {
    let mut chain = Chain::asked();
    chain.command = "x\"] --> y[\"<script>\n}; \\ & `z` \u{1b}[31m".to_owned();
    let found = traced(&mut chain, "closer");
    let text = mermaid(&found);
    assert!(!text.contains("<script>") && !text.contains('\u{1b}') && !text.contains("x\"]"), "{text}");
    assert_eq!(text.matches("-->").count(), found.graph.edges.len());
    let text = dot(&found);
    assert!(!text.contains("<script>") && !text.contains('\u{1b}'), "{text}");
    assert!(
        text.lines().all(|line| line.replace("\\\\", "").replace("\\\"", "").matches('"').count() % 2 == 0)
    );
    let document = prov(&found);
    for part in
        ["entity", "activity", "agent", "used", "wasGeneratedBy", "wasAssociatedWith", "actedOnBehalfOf"]
    {
        assert!(document[part].as_object().is_some_and(|part| !part.is_empty()), "{part}");
    }
    let named = |part: &str, member: &str, of: &str| {
        for relation in document[part].as_object().unwrap().values() {
            assert!(document[of].get(relation[member].as_str().unwrap()).is_some(), "{part} {relation}");
        }
    };
    named("used", "prov:entity", "entity");
    named("used", "prov:activity", "activity");
    named("wasDerivedFrom", "prov:usedEntity", "entity");
    named("wasGeneratedBy", "prov:activity", "activity");
    named("wasAssociatedWith", "prov:agent", "agent");
    named("actedOnBehalfOf", "prov:responsible", "agent");
    let json = lineage_json(&found);
    assert_eq!(json.member("continuity").and_then(|one| one.member("verdict")?.as_str()), Some("intact"));
    assert_eq!(json.member("nodes").and_then(Value::as_array).unwrap().len(), found.graph.nodes.len());
}

fn traced(chain: &mut Chain, name: &str) -> Lineage {
    let id = chain.ids[name];
    trace(chain, id).unwrap().unwrap()
}

fn codes(found: &Lineage) -> Vec<&'static str> {
    found.continuity.cases.iter().map(|case| case.code).collect()
}
