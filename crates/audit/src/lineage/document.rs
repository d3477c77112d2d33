//! The same as JSON. Members may be added; these stay.

use std::collections::BTreeMap;

use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;

use super::{Case, Edge, Follower, Following, Lineage, Node, Receipt, Sentence};

/// A lineage as one JSON document.
#[must_use]
pub fn lineage_json(lineage: &Lineage) -> Value {
    let graph = &lineage.graph;
    let answers = lineage.answers.iter().map(|answer| {
        Value::object([
            ("question", answer.question.as_str().into()),
            ("text", answer.question.text().into()),
            ("sentences", Value::Array(answer.sentences.iter().map(sentence).collect())),
        ])
    });
    let heartbeats = graph.heartbeats.iter().map(|folded| {
        Value::object([
            ("intent", id(folded.intent)),
            ("count", number(folded.count)),
            ("more", folded.more.into()),
            ("first", id(folded.first)),
            ("last", id(folded.last)),
        ])
    });
    Value::object([
        ("receipt_id", id(lineage.about)),
        ("continuity", continuity(lineage)),
        ("answers", Value::Array(answers.collect())),
        ("nodes", Value::Array(graph.nodes.values().map(node).collect())),
        ("edges", Value::Array(graph.edges.iter().map(edge).collect())),
        ("missing", Value::Array(graph.missing.iter().map(edge).collect())),
        ("heartbeats", Value::Array(heartbeats.collect())),
        ("left_out", number(graph.left_out)),
    ])
}

fn continuity(lineage: &Lineage) -> Value {
    let cases = lineage.continuity.cases.iter().map(case);
    Value::object([
        ("verdict", lineage.continuity.verdict().into()),
        ("cases", Value::Array(cases.collect())),
    ])
}

/// What followed from a receipt, as one JSON document.
#[must_use]
pub fn following_json(following: &Following) -> Value {
    Value::object([
        ("receipt_id", id(following.about.id)),
        ("kind", following.about.kind.as_str().into()),
        ("followers", Value::Array(following.followers.iter().map(follower).collect())),
        ("heartbeats", number(following.heartbeats)),
        ("more", following.more.into()),
        ("partial", following.partial.into()),
        ("limit", number(following.limit as u64)),
    ])
}

fn sentence(sentence: &Sentence) -> Value {
    Value::object([("text", sentence.text.as_str().into()), ("receipts", ids(&sentence.receipts))])
}

fn case(case: &Case) -> Value {
    Value::object([
        ("code", case.code.into()),
        ("weight", case.weight.as_str().into()),
        ("text", case.text.as_str().into()),
        ("receipts", ids(&case.receipts)),
    ])
}

fn node(node: &Node) -> Value {
    let mut members = of_receipt(&node.receipt, node.command.as_ref(), node.principal.as_ref());
    let roles = node.roles.iter().map(|role| Value::from(*role)).collect();
    members.insert("roles".to_owned(), Value::Array(roles));
    Value::Object(members)
}

fn follower(one: &Follower) -> Value {
    let mut members = of_receipt(&one.receipt, one.command.as_ref(), one.principal.as_ref());
    members.insert("from".to_owned(), id(one.from));
    members.insert("rel".to_owned(), one.rel.into());
    members.insert("depth".to_owned(), one.depth.into());
    Value::Object(members)
}

fn of_receipt(
    receipt: &Receipt,
    command: Option<&String>,
    principal: Option<&String>,
) -> BTreeMap<String, Value> {
    let mut members = BTreeMap::from([
        ("receipt_id".to_owned(), id(receipt.id)),
        ("seq".to_owned(), number(receipt.seq)),
        ("kind".to_owned(), receipt.kind.as_str().into()),
        ("timestamp".to_owned(), receipt.at.to_string().into()),
        ("entry_hash".to_owned(), receipt.entry_hash.to_hex().into()),
    ]);
    for (key, text) in [("command", command), ("principal_name", principal)] {
        if let Some(text) = text {
            members.insert(key.to_owned(), text.as_str().into());
        }
    }
    for (key, text) in [("verdict", receipt.verdict()), ("principal", receipt.text("principal"))] {
        if let Some(text) = text {
            members.insert(key.to_owned(), text.into());
        }
    }
    members
}

fn edge(edge: &Edge) -> Value {
    Value::object([("from", id(edge.from)), ("rel", edge.rel.into()), ("to", id(edge.to))])
}

fn id(id: ReceiptId) -> Value {
    id.to_string().into()
}

fn ids(all: &[ReceiptId]) -> Value {
    Value::Array(all.iter().copied().map(id).collect())
}

fn number(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
