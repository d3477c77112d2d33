//! The graph as W3C PROV-JSON: receipts are entities, what ran or was decided are activities, whoever asked or signed are
//! agents.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Lineage, Node, Receipt};

/// Where the names of the document begin.
const NAMESPACE: &str = "urn:cascade:";

/// The parts of a document by their names in PROV-JSON.
#[derive(Default)]
struct Parts(BTreeMap<&'static str, Map<String, Value>>);

impl Parts {
    fn put(&mut self, part: &'static str, name: String, value: Value) {
        self.0.entry(part).or_default().insert(name, value);
    }

    /// Relations have names of their own; each is said once.
    fn relate(&mut self, part: &'static str, members: [(&str, &str); 2]) {
        let name = format!("_:{part}-{}-{}", plain(members[0].1), plain(members[1].1));
        let members: Map<String, Value> =
            members.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
        self.put(part, name, Value::Object(members));
    }
}

fn plain(name: &str) -> String {
    name.replace(':', "-")
}

fn entity(receipt: &Receipt) -> String {
    format!("cascade:{}", receipt.id)
}

fn activity(receipt: &Receipt) -> String {
    format!("cascade:act-{}", receipt.id)
}

fn agent(principal: &str) -> String {
    format!("cascade:{principal}")
}

/// A document that PROV tools read.
#[must_use]
pub fn prov(lineage: &Lineage) -> Value {
    let mut parts = Parts::default();
    let nodes: Vec<&Node> = lineage.graph.nodes.values().collect();
    let acts: BTreeSet<_> =
        nodes.iter().filter(|node| acts(&node.receipt)).map(|node| node.receipt.id).collect();
    for node in &nodes {
        say(&mut parts, node);
    }
    for edge in &lineage.graph.edges {
        let (Some(from), Some(to)) = (lineage.graph.node(edge.from), lineage.graph.node(edge.to)) else {
            continue;
        };
        relate(&mut parts, edge.rel, &from.receipt, &to.receipt, &acts);
    }
    let mut document = Map::new();
    document.insert("prefix".to_owned(), json!({ "cascade": NAMESPACE }));
    document.extend(parts.0.into_iter().map(|(name, part)| (name.to_owned(), Value::Object(part))));
    Value::Object(document)
}

/// What runs, or is decided.
fn acts(receipt: &Receipt) -> bool {
    receipt.verdict().is_some() && !receipt.is_closer()
}

fn say(parts: &mut Parts, node: &Node) {
    let receipt = &node.receipt;
    let mut members = Map::new();
    members.insert(
        "prov:type".to_owned(),
        json!({ "$": format!("cascade:{}", receipt.kind), "type": "prov:QUALIFIED_NAME" }),
    );
    members.insert("cascade:seq".to_owned(), json!({ "$": receipt.seq.to_string(), "type": "xsd:long" }));
    members.insert(
        "cascade:timestamp".to_owned(),
        json!({ "$": receipt.at.to_string(), "type": "xsd:dateTime" }),
    );
    members.insert("cascade:entry_hash".to_owned(), json!(receipt.entry_hash.to_hex()));
    if let Some(verdict) = receipt.verdict() {
        members.insert("cascade:verdict".to_owned(), json!(verdict));
    }
    parts.put("entity", entity(receipt), Value::Object(members));
    let act = activity(receipt);
    if acts(receipt) {
        let mut members = Map::new();
        members.insert("prov:startTime".to_owned(), json!(receipt.at.to_string()));
        if let Some(command) = &node.command {
            members.insert("prov:label".to_owned(), json!(command));
        }
        parts.put("activity", act.clone(), Value::Object(members));
        parts.relate("wasGeneratedBy", [("prov:entity", &entity(receipt)), ("prov:activity", &act)]);
    }
    who(parts, node, &act);
}

/// Who asked for or recorded it, and for whom.
fn who(parts: &mut Parts, node: &Node, act: &str) {
    let receipt = &node.receipt;
    let Some(principal) = receipt.text("principal") else { return };
    let mut members = Map::new();
    if let Some(name) = node.principal.as_ref().filter(|name| name.as_str() != principal) {
        members.insert("prov:label".to_owned(), json!(name));
    }
    parts.put("agent", agent(principal), Value::Object(members));
    if acts(receipt) {
        parts.relate("wasAssociatedWith", [("prov:activity", act), ("prov:agent", &agent(principal))]);
    } else {
        let (entity, agent) = (entity(receipt), agent(principal));
        parts.relate("wasAttributedTo", [("prov:entity", &entity), ("prov:agent", &agent)]);
    }
    if let Some(person) = receipt.text("on_behalf_of") {
        parts.0.entry("agent").or_default().entry(agent(person)).or_insert_with(|| json!({}));
        let (delegate, responsible) = (agent(principal), agent(person));
        parts.relate("actedOnBehalfOf", [("prov:delegate", &delegate), ("prov:responsible", &responsible)]);
    }
}

/// What names another used it, was informed by it, or was derived from it.
fn relate(
    parts: &mut Parts,
    rel: &str,
    from: &Receipt,
    to: &Receipt,
    acts: &BTreeSet<cascade_receipt::id::ReceiptId>,
) {
    let closes = rel == "intent" && acts.contains(&to.id);
    if closes {
        let (entity, act) = (entity(from), activity(to));
        parts.relate("wasGeneratedBy", [("prov:entity", &entity), ("prov:activity", &act)]);
        return;
    }
    if acts.contains(&from.id) {
        let (act, used) = (activity(from), entity(to));
        parts.relate("used", [("prov:activity", &act), ("prov:entity", &used)]);
        if acts.contains(&to.id) {
            let informant = activity(to);
            parts.relate("wasInformedBy", [("prov:informed", &act), ("prov:informant", &informant)]);
        }
    }
    let (generated, used) = (entity(from), entity(to));
    parts.relate("wasDerivedFrom", [("prov:generatedEntity", &generated), ("prov:usedEntity", &used)]);
}
