//! `cascade replay --at ID`: the state of the chain as of a receipt, and the way from one receipt to the next.

mod change;
mod look;
mod plain;
mod receipt;
mod sheet;
mod state;
mod view;

use std::io::IsTerminal as _;

use cascade_ledger::{Found, Reader, Timeline};
use clap::Args;

use self::look::Look;
use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::progress::Progress;
use crate::{failures, output, place};

/// Most receipts that are walked at once.
const STEPS_MAX: i64 = 10_000;

/// The newest receipt, by name.
const HEAD: &str = "head";

/// Where to look, and how.
#[derive(Args, Debug)]
pub(super) struct At {
    /// The state of the chain as of this receipt, that receipt included: its id or the beginning of it, its place, or
    /// `head`
    #[arg(long, value_name = "ID", conflicts_with_all = ["file", "policy", "against", "since", "until", "fail_on", "check"])]
    pub(super) at: Option<String>,
    #[command(flatten)]
    way: Way,
    /// Look around in the terminal [default on a terminal]
    #[arg(long, requires = "at", conflicts_with_all = ["next", "previous", "steps", "plain"])]
    interactive: bool,
    /// Tell it once, as text
    #[arg(long, requires = "at")]
    plain: bool,
}

/// Where to go from there.
#[derive(Args, Debug)]
struct Way {
    /// Go on to the receipt after it
    #[arg(long, requires = "at", conflicts_with = "previous")]
    next: bool,
    /// Go back to the receipt before it
    #[arg(long, requires = "at")]
    previous: bool,
    /// Go so many receipts, and tell what each of them changed
    #[arg(long, requires = "at", value_name = "N", value_parser = clap::value_parser!(i64).range(1..=STEPS_MAX))]
    steps: Option<i64>,
}

impl At {
    /// How many receipts to go, backwards below zero; none where the place itself is asked for.
    fn steps(&self) -> Option<i64> {
        let steps = self.way.steps;
        match (self.way.previous, self.way.next || steps.is_some()) {
            (true, _) => Some(-steps.unwrap_or(1)),
            (false, true) => Some(steps.unwrap_or(1)),
            (false, false) => None,
        }
    }

    /// Whether somebody looks around: on a terminal, unless something else is asked for.
    fn is_interactive(&self, global: &Global) -> Result<bool, Failure> {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !dumb;
        if self.interactive && (!terminal || global.json) {
            let cause = anyhow::anyhow!("looking around needs a terminal");
            return Err(Failure { code: exit::USAGE, ..Failure::could_not(cause) }
                .hint("without --interactive it is told once, as text"));
        }
        Ok(self.interactive || terminal && !global.json && !self.plain && self.steps().is_none())
    }
}

pub(super) fn run(global: &Global, args: &At, id: &str) -> Exit {
    let reader = place::reader(global)?;
    let from = seq_of(&reader, id)?;
    let mut timeline = reader.timeline()?;
    if args.is_interactive(global)? {
        return view::run(&reader, timeline, from);
    }
    go(&mut timeline, from)?;
    let mut passed = Vec::new();
    if let Some(steps) = args.steps() {
        for seq in way(from, steps, reader.head()?.next_seq) {
            go(&mut timeline, seq)?;
            // Behind a break there is nothing to pass.
            if timeline.seq() != Some(seq) {
                break;
            }
            passed.push(plain::passed(&reader, &timeline)?);
        }
    }
    let look = Look::at(&reader, &timeline)?;
    if global.json {
        output::json(&plain::document(&look, &passed)?)?;
    } else {
        plain::print(&look, &passed)?;
    }
    Ok(told_broken(&timeline, from))
}

/// Places in the order of the way.
fn way(from: u64, steps: i64, end: u64) -> Vec<u64> {
    let count = steps.unsigned_abs();
    if steps < 0 {
        return (from.saturating_sub(count)..from).rev().collect();
    }
    (from + 1..end.min(from.saturating_add(count).saturating_add(1))).collect()
}

/// Goes to a place, and says how far it is where that takes long.
fn go(timeline: &mut Timeline<'_>, seq: u64) -> Result<(), Failure> {
    let progress = Progress::new("replaying", seq + 1);
    Ok(timeline.go_to(seq, &mut |done, all| progress.of(done, all))?)
}

/// The receipt that is meant.
fn seq_of(reader: &Reader, id: &str) -> Result<u64, Failure> {
    let last = reader.head()?.next_seq.saturating_sub(1);
    if id == HEAD {
        return Ok(last);
    }
    if let Ok(seq) = id.parse::<u64>() {
        if seq <= last {
            return Ok(seq);
        }
        let cause = anyhow::anyhow!("there is no receipt {seq}");
        return Err(Failure::could_not(cause).hint(format!("the last one is {last}; `head` names it")));
    }
    let (id, _) = cascade_runtime::consent::find(reader, id).map_err(failures::finding)?;
    match reader.find(&id.to_string())? {
        Found::One(_, seq, _) => Ok(seq),
        _ => {
            Err(Failure::could_not(anyhow::anyhow!("no receipt `{id}`")).hint("`cascade log` lists receipts"))
        }
    }
}

/// Says where the chain breaks, if the way led there; the exit code.
fn told_broken(timeline: &Timeline<'_>, wanted: u64) -> u8 {
    let Some(broken) = timeline.broken() else { return exit::DONE };
    let at = broken.seq.unwrap_or_default();
    output::say(format_args!(
        "the chain is broken at seq {at}: {} ({})",
        output::safe(&broken.detail),
        broken.code
    ));
    if wanted >= at {
        output::say("what is behind it is not known; this is the state of the last receipt before it");
    }
    output::hint_line("run `cascade fsck`");
    exit::EVIDENCE
}
