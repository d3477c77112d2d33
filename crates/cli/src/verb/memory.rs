mod shown;

use cascade_ledger::{Ledger, Memory, PrincipalKind, Reader};
use cascade_receipt::content::{Forgotten, Layer, MemoryState};
use cascade_receipt::digest;
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;
use cascade_runtime::facts::{self, Asker};
use cascade_runtime::memory::{self, Charges, Quarantine};
use cascade_runtime::people;
use clap::{Args, Subcommand};

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BOLD, CARE, DIM, GOOD, Painted};
use crate::{admin, output, place, reasons};

/// What the router remembers: list, show, revoke, release, count
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade memory list
  cascade memory show 0123456789abcdef
  cascade memory revoke 0123456789abcdef --reason 'wrong for negative numbers'
  cascade memory release L4 --reason 'the engine is mended'
  cascade memory stats --json")]
pub(crate) struct MemoryArgs {
    #[command(subcommand)]
    verb: MemoryVerb,
}

#[derive(Subcommand, Debug)]
enum MemoryVerb {
    /// Everything that is remembered, newest first
    #[command(after_help = "Example:\n  cascade memory list --all --json")]
    List {
        /// With what is forgotten or has expired
        #[arg(long)]
        all: bool,
    },
    /// One entry: the task, the answer, where it is from, how it was used, what happened to it
    #[command(after_help = "Example:\n  cascade memory show 01234567")]
    Show {
        /// Its id, from `memory list`; the beginning is enough
        id: String,
    },
    /// Forget an entry for good; what stands on it from here on is refused
    #[command(
        after_help = "Example:\n  cascade memory revoke 01234567 --reason 'wrong for negative numbers'"
    )]
    Revoke {
        /// Its id; the beginning is enough
        id: String,
        /// Why, in your words; kept privately with the receipt
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Lift the quarantine of a layer: its wrong answers stay forgotten and count against it no more
    #[command(after_help = "Example:\n  cascade memory release L4 --reason 'the engine is mended'")]
    Release {
        /// The layer, as `memory stats` names it
        layer: String,
        /// Why, in your words; kept privately with the receipt
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// How much is remembered, by state, and what is in quarantine
    #[command(after_help = "Example:\n  cascade memory stats --json")]
    Stats,
}

pub(crate) fn run(global: &Global, args: &MemoryArgs) -> Exit {
    match &args.verb {
        MemoryVerb::List { all } => list(global, *all),
        MemoryVerb::Show { id } => shown::show(global, id),
        MemoryVerb::Revoke { id, reason } => revoke(global, id, reason.as_deref()),
        MemoryVerb::Release { layer, reason } => release(global, layer, reason.as_deref()),
        MemoryVerb::Stats => count(global),
    }
}

/// How an entry stands.
pub(super) struct Standing {
    at: Timestamp,
    charges: Charges,
}

impl Standing {
    fn look(reader: &Reader) -> Result<Self, Failure> {
        Self::at(reader, facts::chain_now(reader)?)
    }

    /// As of a moment.
    pub(super) fn at(reader: &Reader, at: Timestamp) -> Result<Self, Failure> {
        Ok(Self { at, charges: Charges::read(reader)? })
    }

    pub(super) fn of(&self, reader: &Reader, memory: &Memory) -> Result<&'static str, Failure> {
        Ok(if memory.forgotten.is_some() {
            "revoked"
        } else if !memory.is_alive(self.at) {
            "expired"
        } else if self.charges.hold(reader, memory)? {
            "quarantined"
        } else {
            memory.state.as_str()
        })
    }
}

fn list(global: &Global, all: bool) -> Exit {
    let reader = place::reader(global)?;
    let look = Standing::look(&reader)?;
    let memories = reader.memories()?;
    let shown: Vec<&Memory> = memories.iter().filter(|memory| all || memory.is_alive(look.at)).collect();
    if shown.is_empty() && !global.json {
        output::say("nothing is remembered");
    }
    for memory in shown {
        let standing = look.of(&reader, memory)?;
        if global.json {
            output::json(&Value::Object(members(memory, standing).into_iter().collect()))?;
        } else {
            let style = match standing {
                "verified" | "trusted" => GOOD,
                "observed" => CARE,
                _ => DIM,
            };
            output::line(format_args!(
                "{}  {:<11}  {}  {}",
                Painted(BOLD, digest::to_hex(&memory.id)),
                Painted(style, standing),
                output::shortened(&task_text(&reader, memory)?, 60),
                Painted(DIM, memory.learned)
            ))?;
        }
    }
    Ok(exit::DONE)
}

pub(super) fn members(memory: &Memory, standing: &'static str) -> Vec<(String, Value)> {
    let mut members = vec![
        ("answer_receipt", memory.answer.to_string().into()),
        ("expires", memory.expires.to_string().into()),
        ("id", digest::to_hex(&memory.id).into()),
        ("learned", memory.learned.to_string().into()),
        ("state", standing.into()),
    ];
    members.extend(memory.forgotten.map(|forgotten| ("forgotten", forgotten.to_string().into())));
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// What it is an answer to, in words.
pub(super) fn task_text(reader: &Reader, memory: &Memory) -> Result<String, Failure> {
    let Some(key) = memory::key_of(reader, memory)? else { return Ok("(erased)".to_owned()) };
    let task = key.member("task");
    let text = task.and_then(|task| task.member("text")?.as_str()).filter(|text| !text.is_empty());
    let signature = task.and_then(|task| task.member("signature")?.as_str());
    let words = text.or(signature).unwrap_or("a function of the same types and examples");
    Ok(words.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// What nobody verified is for whoever was given it; an agent sees no more of it than a task would tell it.
fn may_see(reader: &Reader, memory: &Memory) -> bool {
    let env: Vec<_> = std::env::vars_os().collect();
    let marker = people::agent_marker(&env.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str())));
    if memory.state != MemoryState::Observed || marker.is_none() {
        return true;
    }
    let own = reader.name(memory.principal).ok().flatten();
    own.is_some_and(|name| name.kind == PrincipalKind::Agent)
}

fn revoke(global: &Global, id: &str, reason: Option<&str>) -> Exit {
    let ledger: Ledger = place::existing(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let memory = find(&ledger, id)?;
    only_a_person(&ledger, &asker, "memory_revoke")?;
    if memory.forgotten.is_some() {
        output::say("it is revoked already");
        return Ok(exit::DONE);
    }
    let principal = asker.principal_id();
    let appended = memory::forget_wrong(&ledger, &memory, principal, Forgotten::REVOKED, reason)?;
    let Some(appended) = appended.first() else { return Ok(exit::DONE) };
    if global.json {
        let members = [
            ("id", digest::to_hex(&memory.id).into()),
            ("receipt_id", appended.receipt_id.to_string().into()),
        ];
        output::json(&Value::object(members))?;
    } else {
        output::say(format_args!("{}: it is not used any more", Painted(GOOD, "revoked")));
        output::say(format_args!("receipt {}", appended.receipt_id));
        for one in Charges::read(&ledger)?.quarantines() {
            output::say(told(&one));
        }
    }
    Ok(exit::DONE)
}

/// Who is governed does not govern; whoever works beneath a run may be anybody.
fn only_a_person(ledger: &Ledger, asker: &Asker, act: &str) -> Result<(), Failure> {
    if asker.agent.is_none() && asker.enclosure.objection().is_none() {
        return Ok(());
    }
    let cause = anyhow::anyhow!("{}", reasons::code_text("approval.agent"));
    let refused = Failure::refused(cause, "approval.agent").hint(admin::hint("approval.agent"));
    Err(admin::on_record(ledger, asker, act, refused))
}

fn release(global: &Global, layer: &str, reason: Option<&str>) -> Exit {
    let ledger: Ledger = place::existing(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let layer = Layer::parse(layer).ok_or_else(|| {
        Failure::could_not(anyhow::anyhow!("there is no layer `{layer}`"))
            .hint("`cascade memory stats` names the layers in quarantine")
    })?;
    only_a_person(&ledger, &asker, "memory_release")?;
    let receipts = memory::release(&ledger, &layer, asker.principal_id(), reason)?;
    if global.json {
        let ids = receipts.iter().map(|receipt| receipt.receipt_id.to_string().into()).collect();
        output::json(&Value::object([("layer", layer.to_string().into()), ("receipts", Value::Array(ids))]))?;
    } else if receipts.is_empty() {
        output::say(format_args!("nothing counts against {layer}"));
    } else {
        output::say(format_args!("{}: what {layer} answered is used again", Painted(GOOD, "released")));
        for receipt in receipts {
            output::say(format_args!("receipt {}", receipt.receipt_id));
        }
    }
    Ok(exit::DONE)
}

/// A quarantine, for people.
fn told(one: &Quarantine) -> String {
    let Quarantine { maker, since, wrong } = one;
    format!(
        "quarantine: nothing is used that {} answered before {}, for {wrong} wrong hits; `cascade memory release {}` lifts it",
        maker.layer, since.at, maker.layer
    )
}

fn count(global: &Global) -> Exit {
    let reader = place::reader(global)?;
    let look = Standing::look(&reader)?;
    let quarantines = look.charges.quarantines();
    let memories = reader.memories()?;
    let standings = memories.iter().map(|memory| look.of(&reader, memory)).collect::<Result<Vec<_>, _>>()?;
    let of = |state: &str| standings.iter().filter(|standing| **standing == state).count();
    let states = MemoryState::ALL.map(MemoryState::as_str).into_iter();
    let states = states.chain(["quarantined", "expired", "revoked"]);
    let counts: Vec<(&str, usize)> = states.map(|state| (state, of(state))).collect();
    if global.json {
        let members = counts
            .into_iter()
            .map(|(state, count)| (state.to_owned(), Value::from(u32::try_from(count).unwrap_or(u32::MAX))));
        let makers = quarantines.iter().map(in_json).collect();
        let members = members.chain([("quarantines".to_owned(), Value::Array(makers))]);
        output::json(&Value::Object(members.collect()))?;
    } else {
        for (state, count) in counts {
            output::line(format_args!("{state:<11} {count}"))?;
        }
        for one in quarantines {
            output::line(Painted(CARE, told(&one)))?;
        }
    }
    Ok(exit::DONE)
}

fn in_json(one: &Quarantine) -> Value {
    let mut members = vec![
        ("layer", one.maker.layer.to_string().into()),
        ("since", one.since.at.to_string().into()),
        ("since_receipt", one.since.receipt_id.to_string().into()),
        ("wrong", u32::try_from(one.wrong).unwrap_or(u32::MAX).into()),
    ];
    members.extend(one.maker.engine.clone().map(|engine| ("engine", engine.into())));
    Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn find(reader: &Reader, id: &str) -> Result<Memory, Failure> {
    let wanted = id.to_lowercase();
    let memories = reader.memories()?;
    let mut fitting = memories.into_iter().filter(|memory| digest::to_hex(&memory.id).starts_with(&wanted));
    match (fitting.next(), fitting.next()) {
        (Some(memory), None) => Ok(memory),
        (Some(_), Some(_)) => Err(Failure::could_not(anyhow::anyhow!("several entries begin with `{id}`"))
            .hint("give more of the id")),
        (None, _) => {
            let error = anyhow::anyhow!("nothing is remembered under `{id}`");
            Err(Failure::could_not(error).hint("`cascade memory list --all` lists what there is and was"))
        }
    }
}
