use std::collections::BTreeMap;

use cascade_ledger::{Reader, Subject, SubjectState};
use cascade_receipt::base64;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;
use cascade_runtime::consent::{self, Needed};
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BOLD, CARE, DIM, GOOD, Painted};
use crate::{failures, output, place};
use cascade_runtime::record::{ERASED, Record};

/// Characters of the command in the first line of each.
const COMMAND_CHARS: usize = 80;
/// Lines of standard input that are shown.
const INPUT_LINES_MAX: usize = 8;
/// Characters of each.
const INPUT_CHARS_MAX: usize = 120;

/// What waits for people
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade approvals
  cascade approvals --expired --json")]
pub(crate) struct Approvals {
    /// Also those whose time has run out
    #[arg(long)]
    expired: bool,
}

pub(crate) fn run(global: &Global, args: &Approvals) -> Exit {
    let reader = place::reader(global)?;
    let now = cascade_runtime::facts::chain_now(&reader)?;
    let mut waiting = reader.pending_escalations()?;
    waiting.retain(|subject| args.expired || live(subject, now));
    if waiting.is_empty() && !global.json {
        output::say("nothing waits for approval");
    }
    for subject in &waiting {
        let About { command, who, variables } = about(&reader, subject)?;
        let needed = consent::needed(&reader, subject, now)?;
        let stdin = consent::stdin_of(&reader, subject).map_err(failures::consent)?;
        if global.json {
            output::json(&document(&reader, subject, (&command, &variables), &needed, stdin.as_deref())?)?;
            continue;
        }
        let state =
            if is_approved(subject, &needed) { Painted(GOOD, "approved") } else { Painted(CARE, "waiting") };
        output::line(format_args!(
            "{}  {state}  {}",
            Painted(BOLD, subject.receipt_id),
            output::shortened(&command, COMMAND_CHARS)
        ))?;
        // Nobody approves what is not seen.
        if command.chars().count() > COMMAND_CHARS {
            output::line(format_args!("  in full: {}", output::safe(&command)))?;
        }
        for variable in &variables {
            output::line(format_args!("  with {}", output::safe(variable)))?;
        }
        let until = subject.expires.map(|time| format!(", until {time}")).unwrap_or_default();
        let groups = subject.groups.join(", ");
        let terms =
            format!("asked by {}, {} approval(s) of {groups}{until}", output::safe(&who), subject.required);
        output::line(format_args!("  {}", Painted(DIM, terms)))?;
        output::line(format_args!("  {}", Painted(DIM, progress(&reader, &needed)?)))?;
        if let Some(stdin) = &stdin {
            input(stdin)?;
        }
    }
    Ok(exit::DONE)
}

/// Enough people, and somebody of every group that is asked.
pub(super) fn is_approved(subject: &Subject, needed: &Needed) -> bool {
    subject.state == SubjectState::Approved && needed.is_met()
}

/// The beginning of the standard input that is approved with the command.
fn input(stdin: &[u8]) -> Result<(), Failure> {
    output::line(format_args!("  standard input, {} bytes:", stdin.len()))?;
    let text = String::from_utf8_lossy(stdin);
    let mut lines = text.lines();
    for line in lines.by_ref().take(INPUT_LINES_MAX) {
        output::line(format_args!("    | {}", output::shortened(line, INPUT_CHARS_MAX)))?;
    }
    let left = lines.count();
    if left > 0 {
        output::line(format_args!("    {left} more line(s); --json shows all"))?;
    }
    Ok(())
}

/// Who has approved, and who still must.
pub(super) fn progress(reader: &Reader, needed: &Needed) -> Result<String, Failure> {
    let mut parts = Vec::new();
    if !needed.approved.is_empty() {
        parts.push(format!("approved by {}", shown(reader, &needed.approved)?));
    }
    if needed.people > 0 {
        parts.push(format!("{} more must approve", needed.people));
    }
    if !needed.groups.is_empty() {
        parts.push(format!("nobody yet of {}", needed.groups.join(", ")));
    }
    if !needed.is_met() {
        let eligible = shown(reader, &needed.eligible)?;
        let who = if eligible.is_empty() { "nobody who could".to_owned() } else { eligible };
        parts.push(format!("may approve: {who}"));
    }
    Ok(parts.join("; "))
}

fn shown(reader: &Reader, principals: &[PrincipalId]) -> Result<String, Failure> {
    Ok(output::safe(&names(reader, principals)?.join(", ")))
}

fn names(reader: &Reader, principals: &[PrincipalId]) -> Result<Vec<String>, Failure> {
    let name = |principal: &PrincipalId| -> Result<String, Failure> {
        Ok(reader.name(*principal)?.map_or_else(|| principal.to_string(), |name| name.name))
    };
    principals.iter().map(name).collect()
}

fn live(subject: &Subject, now: Timestamp) -> bool {
    subject.expires.is_none_or(|expires| expires > now)
}

/// What is asked, and by whom.
pub(crate) struct About {
    pub(crate) command: String,
    pub(crate) who: String,
    /// As `NAME=VALUE`.
    pub(crate) variables: Vec<String>,
}

pub(super) fn about(reader: &Reader, subject: &Subject) -> Result<About, Failure> {
    let who = reader.name(subject.principal)?.map_or_else(|| subject.principal.to_string(), |name| name.name);
    let line = reader.lines(subject.seq..subject.seq + 1).next().transpose()?;
    let record = line.and_then(|line| Record::parse(line.seq, &line.text));
    let command = record.as_ref().map(|record| record.command(reader)).transpose()?.flatten();
    let variables = record.map(|record| record.variables(reader)).transpose()?.unwrap_or_default();
    Ok(About { command: command.unwrap_or_else(|| ERASED.to_owned()), who, variables })
}

pub(super) fn document(
    reader: &Reader,
    subject: &Subject,
    (command, variables): (&str, &[String]),
    needed: &Needed,
    stdin: Option<&[u8]>,
) -> Result<Value, Failure> {
    let words = |words: &[String]| Value::Array(words.iter().map(|word| word.as_str().into()).collect());
    let ids = |ids: &[PrincipalId]| Value::Array(ids.iter().map(|id| id.to_string().into()).collect());
    let approvals = reader.approvals_of(subject.receipt_id)?;
    let answers = approvals.iter().map(|answer| {
        Value::object([
            ("approve", answer.approve.into()),
            ("principal", answer.principal.to_string().into()),
            ("receipt_id", answer.receipt_id.to_string().into()),
        ])
    });
    let state = if is_approved(subject, needed) { "approved" } else { "waiting" };
    let mut members = BTreeMap::from([
        ("answers", Value::Array(answers.collect())),
        ("command", command.into()),
        ("eligible", ids(&needed.eligible)),
        ("eligible_names", words(&names(reader, &needed.eligible)?)),
        ("expires", subject.expires.map(|time| time.to_string()).unwrap_or_default().into()),
        ("groups", words(&subject.groups)),
        ("groups_missing", words(&needed.groups)),
        ("people_missing", needed.people.into()),
        ("principal", subject.principal.to_string().into()),
        ("receipt_id", subject.receipt_id.to_string().into()),
        ("required", subject.required.into()),
        ("state", state.into()),
        ("variables", words(variables)),
    ]);
    if let Some(bytes) = stdin {
        members.insert("stdin_bytes", Value::Int(i64::try_from(bytes.len()).unwrap_or(i64::MAX)));
        match std::str::from_utf8(bytes) {
            Ok(text) => members.insert("stdin", text.into()),
            Err(_) => members.insert("stdin_b64", base64::encode(bytes).into()),
        };
    }
    Ok(Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
}
