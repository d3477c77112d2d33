//! `policy explain ID`: why an action was decided as it was.

use std::collections::BTreeMap;

use cascade_ledger::{Found, Reader};
use cascade_policy::decide::{Ruling, decide};
use cascade_policy::facts::Facts;
use cascade_policy::snapshot::{LookedAt, Snapshot};
use cascade_receipt::content::CONTROL_PREFIX;
use cascade_receipt::content::PolicyRef;
use cascade_receipt::decision::Verdict;
use cascade_receipt::digest::Digest;
use cascade_receipt::json::{Value, Writer};
use cascade_runtime::policy_store;
use cascade_runtime::recorded::Recorded;
use clap::Args;

use super::{facts, lift};
use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BOLD, CARE, DIM, Painted, verdict_style};
use crate::verb::show;
use crate::{again, failures, output, place};
use cascade_runtime::record::{ERASED, Record};

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// A receipt of the action; the beginning of its id is enough
    id: String,
}

/// Receipts followed from the one that was named to the one that carries the decision.
const STEPS_MAX: usize = 4;

/// All there is to say.
struct Told {
    record: Record,
    snapshot: Option<Snapshot>,
    facts: Option<Facts>,
    /// The decision made again on the stored facts by the stored snapshot.
    again: Option<Ruling>,
}

pub(super) fn run(global: &Global, args: &Explain) -> Exit {
    let reader = place::reader(global)?;
    let record = decided(&reader, &args.id)?;
    let content = record.receipt.member("content").cloned().unwrap_or_else(|| Value::object([]));
    let recorded = Recorded::of(&reader, record.seq, &content)?;
    let snapshot = Digest::from_hex(record.text("policy_hash")).and_then(|hash| {
        let version = record.text("policy_version").to_owned();
        policy_store::load(&reader, &PolicyRef { version, hash }).ok()
    });
    let facts = recorded.and_then(|recorded| recorded.facts);
    let again = snapshot.as_ref().zip(facts.as_ref()).map(|(snapshot, facts)| decide(snapshot, facts));
    let told = Told { record, snapshot, facts, again };
    if global.json {
        output::json(&told.document(&reader)?)?;
    } else {
        told.print(&reader)?;
    }
    Ok(exit::DONE)
}

/// The receipt that carries the decision: the one named, or the one that it is about.
fn decided(reader: &Reader, id: &str) -> Result<Record, Failure> {
    let mut id = id.to_owned();
    for _ in 0..STEPS_MAX {
        let (found, _) = cascade_runtime::consent::find(reader, &id).map_err(failures::finding)?;
        let Found::One(_, seq, line) = reader.find(&found.to_string())? else { break };
        let Some(record) = Record::parse(seq, &line) else {
            return Err(Failure::could_not(anyhow::anyhow!("{found} is damaged")).hint("run `cascade fsck`"));
        };
        if !record.verdict().is_empty() {
            return Ok(record);
        }
        let about = ["intent", "escalation", "dry_run", "approval"].into_iter();
        let next = about.filter_map(|rel| record.refs().into_iter().find(|(own, _)| *own == rel)).next();
        match next {
            Some((_, next)) => id = next.to_owned(),
            None => break,
        }
    }
    Err(Failure::could_not(anyhow::anyhow!("{id} is about no decision"))
        .hint("`cascade log` lists actions; `cascade show` tells of any receipt"))
}

/// A policy that decided.
struct Decided {
    id: String,
    file: String,
    text: String,
    permits: bool,
    reason: Option<String>,
    saw: Vec<LookedAt>,
}

impl Told {
    /// The policies that the recorded reasons name, each once.
    fn policies(&self) -> Vec<Decided> {
        let Some(snapshot) = &self.snapshot else { return Vec::new() };
        let mut ids: Vec<&str> = Vec::new();
        let gates = self.record.content("decision").and_then(|decision| decision.member("gates")?.as_array());
        for gate in gates.unwrap_or_default() {
            for reason in gate.member("reasons").and_then(Value::as_array).unwrap_or_default() {
                let id = reason.member("policy_id").and_then(Value::as_str);
                ids.extend(id.filter(|id| !ids.contains(id)).into_iter().collect::<Vec<_>>());
            }
        }
        let decided = |id: &str| {
            let policy = snapshot.policy(id)?;
            let again = self.facts.as_ref().zip(self.again.as_ref());
            Some(Decided {
                id: id.to_owned(),
                file: policy.file.to_owned(),
                text: policy.text.trim().to_owned(),
                permits: policy.permits,
                reason: policy.reason.map(str::to_owned),
                saw: again
                    .map(|(facts, ruling)| snapshot.looked_at(id, facts, &ruling.classification))
                    .unwrap_or_default(),
            })
        };
        ids.into_iter().filter_map(decided).collect()
    }

    /// Whether the decision comes out the same today; `None` where it cannot be made again.
    fn is_same(&self) -> Option<bool> {
        let again = self.again.as_ref()?;
        let mut text = String::new();
        again.decision.write(&mut Writer::new(&mut text));
        Some(self.record.content("decision")?.to_canonical() == text)
    }

    fn lifts(&self) -> Vec<String> {
        self.again
            .as_ref()
            .map(|ruling| lift::sentences(ruling, self.record.text("receipt_id")))
            .unwrap_or_default()
            .iter()
            .map(|sentence| again::runnable(sentence))
            .collect()
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        match (&self.snapshot, &self.facts, &self.again) {
            (Some(snapshot), Some(known), Some(ruling)) => facts::lines(snapshot, known, ruling),
            _ => Vec::new(),
        }
    }

    /// Whether it is about governing the chain, which no policy decides.
    fn governs(&self) -> bool {
        self.record.text("task_type").starts_with(CONTROL_PREFIX)
    }

    fn print(&self, reader: &Reader) -> Result<(), Failure> {
        let record = &self.record;
        let command = record.command(reader)?.unwrap_or_else(|| ERASED.to_owned());
        output::line(format_args!("{}", Painted(BOLD, output::safe(&command))))?;
        output::line(format_args!(
            "  receipt      {}  {}",
            record.text("receipt_id"),
            record.text("timestamp")
        ))?;
        output::line(format_args!(
            "  policy       {}  {}",
            output::safe(record.text("policy_version")),
            Painted(DIM, record.text("policy_hash"))
        ))?;
        show::gates(record)?;
        if self.governs() {
            return Ok(output::line("\nno policy decided this: who may govern stands in the chain")?);
        }
        for policy in self.policies() {
            policy.print()?;
        }
        if self.snapshot.is_none() {
            output::line("the policy snapshot is not in the vault, so its text cannot be shown")?;
        }
        output::line("")?;
        if self.facts.is_none() {
            output::line("the facts are erased: what was decided stays, on what it was decided is gone")?;
        }
        for (label, text) in self.facts() {
            output::line(format_args!("  {label:<12} {}", output::safe(&text)))?;
        }
        match self.is_same() {
            Some(true) => output::line("decided again on these facts by this policy, it comes out the same")?,
            Some(false) => output::line(Painted(
                CARE,
                "decided again on these facts by this policy, it comes out differently: other code decided then",
            ))?,
            None => {}
        }
        let lifts = self.lifts();
        if !lifts.is_empty() {
            output::line(format_args!("{}", Painted(BOLD, "what would lift it")))?;
        }
        for sentence in lifts {
            output::line(format_args!("  {}", output::safe(&sentence)))?;
        }
        Ok(())
    }

    fn document(&self, reader: &Reader) -> Result<Value, Failure> {
        let record = &self.record;
        let texts = |list: Vec<String>| Value::Array(list.into_iter().map(Value::from).collect());
        let again = self.is_same().map_or("unknown", |same| if same { "same" } else { "different" });
        let lines = self.facts();
        let state = match &self.facts {
            Some(_) => "kept",
            None if self.governs() => "none",
            None => "erased",
        };
        let mut members = BTreeMap::from([
            ("decided_again".to_owned(), again.into()),
            ("facts".to_owned(), facts::document(&lines)),
            ("facts_state".to_owned(), state.into()),
            ("lifts".to_owned(), texts(self.lifts())),
            ("policies".to_owned(), Value::Array(self.policies().iter().map(Decided::document).collect())),
            ("verdict".to_owned(), record.verdict().into()),
        ]);
        for key in ["receipt_id", "kind", "risk_tier", "policy_hash", "policy_version", "timestamp"] {
            members.insert(key.to_owned(), record.text(key).into());
        }
        let gates = record.content("decision").and_then(|decision| decision.member("gates"));
        members.insert("gates".to_owned(), gates.cloned().unwrap_or_else(|| Value::Array(Vec::new())));
        if let Some(command) = record.command(reader)? {
            members.insert("command".to_owned(), command.into());
        }
        Ok(Value::Object(members))
    }
}

impl Decided {
    fn print(&self) -> Result<(), Failure> {
        let (word, verdict) =
            if self.permits { ("permits", Verdict::Admit) } else { ("forbids", Verdict::Deny) };
        output::line("")?;
        output::line(format_args!(
            "{} {} it ({})",
            Painted(BOLD, output::safe(&self.id)),
            Painted(verdict_style(verdict), word),
            output::safe(&self.file)
        ))?;
        if let Some(reason) = &self.reason {
            output::line(format_args!("  because: {}", output::safe(reason)))?;
        }
        for line in self.text.lines() {
            output::line(format_args!("    {}", Painted(DIM, output::safe(line))))?;
        }
        for saw in &self.saw {
            let members: Vec<String> =
                saw.members.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            let members =
                if members.is_empty() { "nothing but its scope".to_owned() } else { members.join(", ") };
            output::line(format_args!(
                "  of `{}` it saw {}",
                output::safe(&saw.program),
                output::safe(&members)
            ))?;
        }
        Ok(())
    }

    fn document(&self) -> Value {
        let saw = |one: &LookedAt| {
            let members =
                one.members.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
            Value::object([("members", Value::Object(members)), ("program", one.program.as_str().into())])
        };
        Value::object([
            ("effect", if self.permits { "permit" } else { "forbid" }.into()),
            ("file", self.file.as_str().into()),
            ("policy_id", self.id.as_str().into()),
            ("reason", self.reason.as_deref().unwrap_or_default().into()),
            ("saw", Value::Array(self.saw.iter().map(saw).collect())),
            ("text", self.text.as_str().into()),
        ])
    }
}
