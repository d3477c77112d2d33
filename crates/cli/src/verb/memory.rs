use cascade_ledger::{Ledger, Memory, PrincipalKind, Reader};
use cascade_receipt::content::MemoryState;
use cascade_receipt::digest;
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;
use cascade_runtime::facts::{self, Asker};
use cascade_runtime::memory;
use cascade_runtime::people;
use clap::{Args, Subcommand};

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BAD, BOLD, CARE, DIM, GOOD, Painted};
use crate::{admin, output, place, reasons};

/// What the router remembers: list, show, revoke, count
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade memory list
  cascade memory show 0123456789abcdef
  cascade memory revoke 0123456789abcdef --reason 'wrong for negative numbers'
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
    /// One entry: the task, the answer, what stands behind it
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
    /// How much is remembered, by state
    #[command(after_help = "Example:\n  cascade memory stats --json")]
    Stats,
}

pub(crate) fn run(global: &Global, args: &MemoryArgs) -> Exit {
    match &args.verb {
        MemoryVerb::List { all } => list(global, *all),
        MemoryVerb::Show { id } => show(global, id),
        MemoryVerb::Revoke { id, reason } => revoke(global, id, reason.as_deref()),
        MemoryVerb::Stats => count(global),
    }
}

/// How an entry stands.
fn standing(memory: &Memory, at: Timestamp) -> &'static str {
    if memory.forgotten.is_some() {
        "revoked"
    } else if !memory.is_alive(at) {
        "expired"
    } else {
        memory.state.as_str()
    }
}

fn list(global: &Global, all: bool) -> Exit {
    let reader = place::reader(global)?;
    let at = facts::chain_now(&reader)?;
    let memories = reader.memories()?;
    let shown: Vec<&Memory> = memories.iter().filter(|memory| all || memory.is_alive(at)).collect();
    if shown.is_empty() && !global.json {
        output::say("nothing is remembered");
    }
    for memory in shown {
        if global.json {
            output::json(&Value::Object(members(memory, at).into_iter().collect()))?;
        } else {
            let style = match standing(memory, at) {
                "verified" | "trusted" => GOOD,
                "observed" => CARE,
                _ => DIM,
            };
            output::line(format_args!(
                "{}  {:<8}  {}  {}",
                Painted(BOLD, digest::to_hex(&memory.id)),
                Painted(style, standing(memory, at)),
                output::shortened(&task_text(&reader, memory)?, 60),
                Painted(DIM, memory.learned)
            ))?;
        }
    }
    Ok(exit::DONE)
}

fn members(memory: &Memory, at: Timestamp) -> Vec<(String, Value)> {
    let mut members = vec![
        ("answer_receipt", memory.answer.to_string().into()),
        ("expires", memory.expires.to_string().into()),
        ("id", digest::to_hex(&memory.id).into()),
        ("learned", memory.learned.to_string().into()),
        ("state", standing(memory, at).into()),
    ];
    members.extend(memory.forgotten.map(|forgotten| ("forgotten", forgotten.to_string().into())));
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// What it is an answer to, in words.
fn task_text(reader: &Reader, memory: &Memory) -> Result<String, Failure> {
    let Some(key) = memory::key_of(reader, memory)? else { return Ok("(erased)".to_owned()) };
    let task = key.member("task");
    let text = task.and_then(|task| task.member("text")?.as_str()).filter(|text| !text.is_empty());
    let signature = task.and_then(|task| task.member("signature")?.as_str());
    let words = text.or(signature).unwrap_or("a function of the same types and examples");
    Ok(words.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn show(global: &Global, id: &str) -> Exit {
    let reader = place::reader(global)?;
    let at = facts::chain_now(&reader)?;
    let memory = find(&reader, id)?;
    let answer = memory::answer_of(&reader, &memory)?.filter(|_| may_see(&reader, &memory));
    if global.json {
        let mut members = members(&memory, at);
        members.extend(memory::key_of(&reader, &memory)?.map(|key| ("key".to_owned(), key)));
        members.extend(answer.map(|answer| ("answer".to_owned(), answer.into())));
        output::json(&Value::Object(members.into_iter().collect()))?;
        return Ok(exit::DONE);
    }
    output::line(format_args!("{}  {}", Painted(BOLD, digest::to_hex(&memory.id)), standing(&memory, at)))?;
    output::line(format_args!("  task         {}", output::safe(&task_text(&reader, &memory)?)))?;
    output::line(format_args!("  until        {}", memory.expires))?;
    output::line(format_args!("  learned by   {}", memory.learned))?;
    output::line(format_args!("  answer of    {}", memory.answer))?;
    if let Some(forgotten) = memory.forgotten {
        output::line(format_args!("  forgotten by {forgotten}"))?;
    }
    let gone = "the answer is erased, not yours to see, or its bytes are not those of its receipt";
    match answer {
        Some(answer) => output::line(format_args!("\n{answer}"))?,
        None => output::line(Painted(BAD, gone))?,
    }
    Ok(exit::DONE)
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
    // Who is governed does not govern; whoever works beneath a run may be anybody.
    if asker.agent.is_some() || asker.enclosure.objection().is_some() {
        let cause = anyhow::anyhow!("{}", reasons::code_text("approval.agent"));
        let refused = Failure::refused(cause, "approval.agent").hint(admin::hint("approval.agent"));
        return Err(admin::on_record(&ledger, &asker, "memory_revoke", refused));
    }
    if memory.forgotten.is_some() {
        output::say("it is revoked already");
        return Ok(exit::DONE);
    }
    let appended = memory::forget(&ledger, &memory, asker.principal_id(), "memory.revoked", reason)?;
    if global.json {
        let members = [
            ("id", digest::to_hex(&memory.id).into()),
            ("receipt_id", appended.receipt_id.to_string().into()),
        ];
        output::json(&Value::object(members))?;
    } else {
        output::say(format_args!("{}: it is not used any more", Painted(GOOD, "revoked")));
        output::say(format_args!("receipt {}", appended.receipt_id));
    }
    Ok(exit::DONE)
}

fn count(global: &Global) -> Exit {
    let reader = place::reader(global)?;
    let at = facts::chain_now(&reader)?;
    let memories = reader.memories()?;
    let of = |state: &str| memories.iter().filter(|memory| standing(memory, at) == state).count();
    let states = MemoryState::ALL.map(MemoryState::as_str).into_iter().chain(["expired", "revoked"]);
    let counts: Vec<(&str, usize)> = states.map(|state| (state, of(state))).collect();
    if global.json {
        let members = counts
            .into_iter()
            .map(|(state, count)| (state.to_owned(), Value::from(u32::try_from(count).unwrap_or(u32::MAX))));
        output::json(&Value::Object(members.collect()))?;
    } else {
        for (state, count) in counts {
            output::line(format_args!("{state:<9} {count}"))?;
        }
    }
    Ok(exit::DONE)
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
