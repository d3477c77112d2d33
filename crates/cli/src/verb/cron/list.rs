//! `cron list`, `cron show`, `cron next`.

use cascade_ledger::{INVOCATIONS_KEPT, Invocation, Reader};
use cascade_receipt::json::Value;
use cascade_runtime::cron::{self, Look, Stored, Work, invocation, name_of, word};
use cascade_runtime::facts;
use clap::Args;

use super::find;
use crate::args::Global;
use crate::exit::{self, Exit};
use crate::output::{BAD, BOLD, CARE, DIM, GOOD, Painted};
use crate::verb::grant;
use crate::{failures, output, place};
use cascade_runtime::record;

/// Most times that `cron next` gives.
const NEXT_MAX: u32 = 10_000;

#[derive(Args, Debug)]
pub(super) struct Show {
    /// Its name, or the id of the receipt that added it
    #[arg(value_name = "NAME")]
    name: String,
}

#[derive(Args, Debug)]
pub(super) struct Next {
    /// Of this schedule alone; its name or id
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// How many times
    #[arg(short = 'n', value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=i64::from(NEXT_MAX)))]
    count: u32,
}

pub(super) fn run(global: &Global) -> Exit {
    let Some(reader) = place::reader_if_there(global)? else { return nothing(global) };
    let now = facts::now();
    let schedules = reader.schedules()?;
    if schedules.is_empty() {
        return nothing(global);
    }
    for schedule in schedules {
        let look = Look::at(&reader, schedule, now)?;
        let last = reader.invocations(look.schedule.receipt_id, 1)?.into_iter().next();
        if global.json {
            let mut members = look.members();
            let last = last.as_ref().map(|last| ("last".to_owned(), invocation(&reader, last)));
            members.extend(last);
            output::json(&Value::Object(members))?;
        } else {
            let style = match look.state {
                "active" => GOOD,
                "paused" => DIM,
                "overdue" => CARE,
                _ => BAD,
            };
            let at = look.definition.as_ref().map(|definition| {
                let timing = definition.rules.timing();
                format!("{}  {}", timing.expression(), timing.zone())
            });
            output::line(format_args!(
                "{}  {:<8}  {}  next {}{}",
                Painted(BOLD, output::safe(&look.name)),
                Painted(style, look.state),
                at.unwrap_or_default(),
                look.next.map_or_else(|| "never".to_owned(), |next| next.to_string()),
                last.map(|last| format!("  last {}", words(&reader, &last))).unwrap_or_default()
            ))?;
        }
    }
    Ok(exit::DONE)
}

fn nothing(global: &Global) -> Exit {
    if !global.json {
        output::say("there are no schedules");
        output::hint_line("cascade cron add --help");
    }
    Ok(exit::DONE)
}

fn words(reader: &Reader, invocation: &Invocation) -> String {
    let at = invocation.due.unwrap_or(invocation.at);
    let count = if invocation.count > 1 { format!(" {} times", invocation.count) } else { String::new() };
    let by_hand = if invocation.due.is_none() { ", let run at once" } else { "" };
    format!("{at} {}{count}{by_hand}", word(reader, invocation))
}

pub(super) fn show(global: &Global, args: &Show) -> Exit {
    let reader = place::reader(global)?;
    let look = Look::at(&reader, find(&reader, &args.name)?, facts::now())?;
    let invocations = reader.invocations(look.schedule.receipt_id, INVOCATIONS_KEPT)?;
    if global.json {
        let mut members = look.members();
        let all = invocations.iter().map(|one| invocation(&reader, one)).collect();
        members.insert("invocations".to_owned(), Value::Array(all));
        output::json(&Value::Object(members))?;
        return Ok(exit::DONE);
    }
    output::line(format_args!("{}  {}", Painted(BOLD, output::safe(&look.name)), look.state))?;
    let by = grant::name(&reader, look.schedule.principal)?;
    output::line(format_args!("added by    {} ({})", output::safe(&by), look.schedule.receipt_id))?;
    if let Some(definition) = &look.definition {
        let rules = &definition.rules;
        output::line(format_args!("due         {}  {}", rules.timing().expression(), rules.timing().zone()))?;
        let (catch_up, overlap) = (rules.catch_up().as_str(), rules.overlap().as_str());
        let jitter = std::time::Duration::from_millis(rules.jitter_ms());
        output::line(format_args!("catch-up    {catch_up}, overlap {overlap}, jitter {jitter:?}"))?;
        output::line(format_args!("runs        {}", runs(&definition.work)))?;
        output::line(format_args!("in          {}", output::safe(&definition.cwd.to_string_lossy())))?;
    }
    if let Some(next) = look.next {
        output::line(format_args!("next        {next}"))?;
    }
    for one in &invocations {
        output::line(format_args!("  {}  {}", words(&reader, one), Painted(DIM, one.receipt_id)))?;
    }
    Ok(exit::DONE)
}

fn runs(work: &Work) -> String {
    match work {
        Work::Command(argv) => argv.iter().map(|word| record::quoted(word)).collect::<Vec<_>>().join(" "),
        Work::Spec { spec_hash, .. } => format!("the spec {spec_hash}"),
    }
}

pub(super) fn next(global: &Global, args: &Next) -> Exit {
    let reader = place::reader(global)?;
    let now = facts::now();
    let schedules = match &args.name {
        Some(name) => vec![find(&reader, name)?],
        None => reader.schedules()?,
    };
    let most = usize::try_from(args.count).unwrap_or(usize::MAX);
    let mut all = Vec::new();
    for schedule in schedules.into_iter().filter(|schedule| !schedule.paused || args.name.is_some()) {
        let name = name_of(&reader, &schedule)?;
        match cron::stored(&reader, &schedule)? {
            Stored::Whole(definition) => {
                let dues = definition.rules.timing().after(now).take(most);
                all.extend(dues.map(|due| (due, name.clone(), schedule.receipt_id)));
            }
            Stored::Erased | Stored::Damaged if args.name.is_none() => {}
            Stored::Erased => return Err(failures::cron(cron::CronError::Erased(schedule.receipt_id))),
            Stored::Damaged => return Err(failures::cron(cron::CronError::Damaged(schedule.receipt_id))),
        }
        if all.len() > most.saturating_mul(2) {
            all.sort();
            all.truncate(most);
        }
    }
    all.sort();
    for (due, name, id) in all.into_iter().take(most) {
        if global.json {
            let members =
                [("due", due.to_string().into()), ("name", name.into()), ("schedule", id.to_string().into())];
            output::json(&Value::object(members))?;
        } else {
            output::line(format_args!("{due}  {}", Painted(BOLD, output::safe(&name))))?;
        }
    }
    Ok(exit::DONE)
}
