//! A chain in memory, written member by member, hashed as a chain is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use cascade_receipt::chain::{GENESIS_PREV, entry_hash};
use cascade_receipt::content::Rel;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;

use crate::lineage::{Fault, Find, Linked, Receipt, Referring, Source};

pub(super) const KEY: &str = "receipt+00000000";
pub(super) const ROOT: &str = "p_00000000000000a0";
pub(super) const ADA: &str = "p_00000000000000a1";
pub(super) const BOB: &str = "p_00000000000000a2";
pub(super) const AGENT: &str = "p_00000000000000a3";
const NAMES: [(&str, &str); 4] = [(ROOT, "root"), (ADA, "ada"), (BOB, "bob"), (AGENT, "an agent")];

/// Members of a receipt.
pub(super) type Members = BTreeMap<String, Value>;

/// A receipt that is not hashed yet.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    /// Since the one before.
    pub(super) later_ms: u64,
    pub(super) members: Members,
    /// By relation, and the name of the other one.
    pub(super) refs: Vec<(&'static str, &'static str)>,
}

pub(super) fn plan(name: &'static str, kind: &'static str, members: &[(&str, Value)]) -> Plan {
    let members = members.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    Plan { name, kind, later_ms: 10, members, refs: Vec::new() }
}

impl Plan {
    pub(super) fn refs(mut self, refs: &[(&'static str, &'static str)]) -> Self {
        self.refs = refs.to_vec();
        self
    }

    pub(super) fn later(mut self, ms: u64) -> Self {
        self.later_ms = ms;
        self
    }

    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        self.members.insert(key.to_owned(), value);
        self
    }
}

/// A decided action, by the agent on behalf of bob.
pub(super) fn decided(name: &'static str, kind: &'static str, verdict: &str) -> Plan {
    let decision = Value::object([("verdict", verdict.into()), ("gates", Value::Array(Vec::new()))]);
    plan(
        name,
        kind,
        &[
            ("principal", AGENT.into()),
            ("on_behalf_of", BOB.into()),
            ("decision", decision),
            ("action_hash", hash("action")),
            ("risk_tier", "HIGH".into()),
        ],
    )
}

pub(super) fn hash(text: &str) -> Value {
    Digest::of(text.as_bytes()).to_hex().into()
}

pub(super) fn activation(name: &'static str, policy: &str) -> Plan {
    let activates = Value::object([("policy_hash", hash(policy)), ("policy_version", policy.into())]);
    plan(name, "policy_activated", &[("principal", ROOT.into()), ("activates", activates)])
}

/// Plans of an action that was asked about, approved and granted.
pub(super) fn asked() -> Vec<Plan> {
    let scope = Value::object([("commands", Value::Array(vec!["deploy".into()]))]);
    vec![
        plan(
            "genesis",
            "genesis",
            &[("keys", Value::object([("receipt", Value::object([("key_id", KEY.into())]))]))],
        ),
        plan("joined", "principal_added", &[("principal", ADA.into())]),
        plan("grant", "grant", &[("principal", ROOT.into()), ("to", AGENT.into()), ("scope", scope)]),
        decided("question", "escalation", "escalate")
            .with("required", Value::Int(1))
            .refs(&[("grant", "grant")]),
        plan("approval", "approval", &[("principal", ADA.into()), ("action_hash", hash("action"))])
            .refs(&[("escalation", "question")]),
        decided("start", "task_started", "admit").refs(&[
            ("escalation", "question"),
            ("approval", "approval"),
            ("grant", "grant"),
        ]),
        plan("heartbeat", "heartbeat", &[]).refs(&[("intent", "start")]),
        plan("closer", "task_completed", &[("exit_code", Value::Int(0))]).refs(&[("intent", "start")]),
    ]
}

pub(super) struct Chain {
    receipts: Vec<Option<Receipt>>,
    pub(super) ids: BTreeMap<&'static str, ReceiptId>,
    pub(super) command: String,
    pub(super) cosigned: u64,
    /// Whose private bytes are others by now.
    pub(super) altered: Option<ReceiptId>,
}

impl Chain {
    pub(super) fn asked() -> Self {
        Self::of(&asked())
    }

    /// Hashes the plans, in order. The policy in force follows from activations, unless a receipt says another.
    pub(super) fn of(plans: &[Plan]) -> Self {
        let ids =
            plans.iter().zip(1_u64..).map(|(plan, number)| (plan.name, ReceiptId(number.to_be_bytes())));
        let ids: BTreeMap<_, _> = ids.collect();
        let mut chain =
            Self { receipts: Vec::new(), ids, command: "run start".to_owned(), cosigned: 0, altered: None };
        let (mut prev, mut at, mut policy) = (GENESIS_PREV, 1_700_000_000_000, "first".to_owned());
        let mut hashes = BTreeMap::new();
        for (plan, seq) in plans.iter().zip(0_u64..) {
            at += plan.later_ms;
            let content = content(plan, seq, at, &policy, &chain.ids, &hashes);
            if let Some(activates) = content.member("activates") {
                policy = activates.member("policy_version").unwrap().as_str().unwrap().to_owned();
            }
            let text = content.to_canonical();
            let hash = entry_hash(&prev, text.as_bytes());
            let line = format!(
                "{{\"content\":{text},\"entry_hash\":\"{}\",\"prev_hash\":\"{}\"}}",
                hash.to_hex(),
                prev.to_hex()
            );
            chain.receipts.push(Some(Receipt::read(seq, &line).unwrap()));
            hashes.insert(plan.name, hash);
            prev = hash;
        }
        chain
    }

    pub(super) fn place(&self, name: &str) -> usize {
        usize::try_from(u64::from_be_bytes(self.ids[name].0)).unwrap() - 1
    }

    /// Alters a receipt after it was hashed.
    pub(super) fn damage(&mut self, name: &str) {
        let place = self.place(name);
        let old = self.receipts[place].clone().unwrap();
        let Value::Object(mut members) = old.content else { panic!("no object") };
        members.insert("altered".to_owned(), true.into());
        self.receipts[place] = Some(Receipt { content: Value::Object(members), sound: false, ..old });
    }

    /// Leaves a receipt out, as a bundle does.
    pub(super) fn forget(&mut self, name: &str) {
        let place = self.place(name);
        self.receipts[place] = None;
    }

    fn all(&self) -> impl Iterator<Item = &Receipt> {
        self.receipts.iter().flatten()
    }
}

fn content(
    plan: &Plan,
    seq: u64,
    at: u64,
    policy: &str,
    ids: &BTreeMap<&'static str, ReceiptId>,
    hashes: &BTreeMap<&'static str, Digest>,
) -> Value {
    let reference = |(rel, name): &(&str, &str)| {
        let unknown = Digest([0xdd; 32]);
        let id = ids.get(name).copied().unwrap_or(ReceiptId([0xdd; 8]));
        let hash = hashes.get(name).unwrap_or(&unknown).to_hex();
        Value::object([
            ("entry_hash", hash.into()),
            ("receipt_id", id.to_string().into()),
            ("rel", (*rel).into()),
        ])
    };
    let mut members = BTreeMap::from([
        ("kind".to_owned(), plan.kind.into()),
        ("key_id".to_owned(), KEY.into()),
        ("policy_hash".to_owned(), hash(policy)),
        ("policy_version".to_owned(), policy.into()),
        ("receipt_id".to_owned(), ids[plan.name].to_string().into()),
        ("refs".to_owned(), Value::Array(plan.refs.iter().map(reference).collect())),
        ("seq".to_owned(), Value::Int(i64::try_from(seq).unwrap())),
        ("timestamp".to_owned(), Timestamp::from_ms(at).to_string().into()),
    ]);
    members.extend(plan.members.clone());
    Value::Object(members)
}

impl Source for Chain {
    fn by_id(&mut self, id: ReceiptId) -> Result<Option<Receipt>, Fault> {
        Ok(self.all().find(|one| one.id == id).cloned())
    }

    fn by_seq(&mut self, seq: u64) -> Result<Option<Receipt>, Fault> {
        Ok(self.receipts.get(usize::try_from(seq)?).cloned().flatten())
    }

    fn linked(&mut self, seq: u64) -> Result<Option<Linked>, Fault> {
        let linked =
            |one: Receipt| Linked { prev_hash: one.prev_hash, entry_hash: one.entry_hash, sound: one.sound };
        Ok(self.by_seq(seq)?.map(linked))
    }

    fn referring(&mut self, asked: &Referring) -> Result<Vec<u64>, Fault> {
        let Referring { id, rels, from, limit, .. } = asked;
        let id = *id;
        let erases = |one: &Receipt| {
            let erased = one.content.member("erased").and_then(Value::as_array).unwrap_or_default();
            erased.iter().any(|one| one.member("receipt_id").and_then(Value::as_str) == Some(&id.to_string()))
        };
        let fits = |one: &&Receipt| {
            let by = |rel: Option<Rel>| rels.is_empty() || rels.contains(&rel);
            one.refs.iter().any(|to| to.receipt_id == id && by(Some(to.rel))) || erases(one) && by(None)
        };
        let found = self.all().filter(|one| one.seq >= *from && asked.wants(one.known())).filter(fits);
        Ok(found.map(|one| one.seq).take(*limit).collect())
    }

    fn find(&mut self, find: &Find) -> Result<Vec<u64>, Fault> {
        let hex = |hash: Option<Digest>| hash.map(|hash| hash.to_hex());
        let is = |one: &Receipt, key: &str, wanted: Option<String>| {
            wanted.is_none_or(|wanted| one.text(key) == Some(wanted.as_str()))
        };
        let fits = |one: &&Receipt| {
            (find.kinds.is_empty() || one.known().is_some_and(|kind| find.kinds.contains(&kind)))
                && one.known().is_none_or(|kind| !find.other_kinds.contains(&kind))
                && find.seqs.contains(&one.seq)
                && find
                    .principal
                    .is_none_or(|who| one.principal() == Some(who) || one.who("on_behalf_of") == Some(who))
                && is(one, "policy_hash", hex(find.policy))
                && is(one, "spec_hash", hex(find.spec))
                && is(one, "key_id", find.key_id.clone())
        };
        let mut seqs: BTreeSet<u64> = self.all().filter(fits).map(|one| one.seq).collect();
        let mut found = Vec::new();
        while found.len() < find.limit {
            match if find.newest { seqs.pop_last() } else { seqs.pop_first() } {
                Some(seq) => found.push(seq),
                None => break,
            }
        }
        Ok(found)
    }

    fn command(&mut self, receipt: &Receipt) -> Result<Option<String>, Fault> {
        Ok(receipt.content.member("action_hash").map(|_| self.command.clone()))
    }

    fn altered(&mut self, receipt: &Receipt) -> Result<bool, Fault> {
        Ok(self.altered == Some(receipt.id))
    }

    fn reason(&mut self, _: &Receipt) -> Result<Option<String>, Fault> {
        Ok(None)
    }

    fn name(&mut self, principal: PrincipalId) -> Result<Option<String>, Fault> {
        let known = NAMES.iter().find(|(id, _)| PrincipalId::parse(id) == Some(principal));
        Ok(known.map(|(_, name)| (*name).to_owned()))
    }

    fn head(&self) -> u64 {
        self.receipts.len() as u64
    }

    fn holds(&self, seqs: Range<u64>) -> bool {
        (seqs.start..seqs.end).all(|seq| self.receipts[usize::try_from(seq).unwrap()].is_some())
    }

    fn cosigned(&self) -> u64 {
        self.cosigned
    }
}
