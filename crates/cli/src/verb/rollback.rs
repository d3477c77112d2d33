mod tell;

use std::io::{BufRead as _, IsTerminal as _};
use std::time::{Duration, Instant};

use cascade_kernel::rollback::{Fate, Why};
use cascade_ledger::Ledger;
use cascade_receipt::time::Timestamp;
use cascade_runtime::rollback::{Extent, How, Item, Rollback, RollbackError, Rolled, Target};
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::verb::spec;
use crate::{failures, output, place, when};

/// How long what a rollback that died had running is waited for.
const ENDING_MAX: Duration = Duration::from_secs(30);
/// How often it is looked at: nobody tells one process what another one ends.
const ENDING_POLL: Duration = Duration::from_millis(100);

/// Undo what was done: one command, a whole run, or everything since
///
/// Reads from the log what was completed, says what undoes each action, the last first, and what cannot be undone and
/// why; then runs that, each undoing a governed command of its own whose receipts name what it takes back. What undoes a
/// step is its `compensate`, what undoes any other command its manifest's inverse. It stops at the first that waits for
/// people, is denied or fails; run it again and it goes on there, and nothing is undone twice.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade rollback r_0123456789abcdef --plan
  cascade rollback r_0123456789abcdef
  cascade rollback --since 2h --yes
  cascade rollback --since 2026-11-26T09:00:00Z --dry-run

Exit codes: 0 when nothing is left to undo, 1 when something is left or failed, 3 denied, 5 waiting for approval.")]
pub(crate) struct RollbackArgs {
    /// Any receipt of the action, or the start or end of a run; the beginning of its id is enough
    #[arg(value_name = "ID", required_unless_present = "since", conflicts_with = "since")]
    id: Option<String>,
    /// Whatever was completed since: a moment (`2026-11-26T09:00:00Z`) or a span of time until now (`2h`)
    #[arg(long, value_name = "TIME", value_parser = when::moment)]
    since: Option<Timestamp>,
    #[command(flatten)]
    doing: Doing,
    #[command(flatten)]
    going: Going,
    /// Why, in your words; kept privately with the receipts
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// What is done with the plan.
#[derive(Args, Debug)]
struct Doing {
    /// Only say what would be undone; nothing is decided or recorded
    #[arg(long, conflicts_with_all = ["dry_run", "yes"])]
    plan: bool,
    /// Decide each undoing, leave `dry_run` receipts, run nothing
    #[arg(long)]
    dry_run: bool,
    /// Do it without asking on the terminal
    #[arg(long)]
    yes: bool,
}

/// How far it goes.
#[derive(Args, Debug)]
struct Going {
    /// Go on with the others where one cannot be undone
    #[arg(long)]
    keep_going: bool,
    /// Also undo where that is right only if things stood before as the plan says
    #[arg(long)]
    assume: bool,
    /// Also undo once more what nobody knows the undoing of
    #[arg(long)]
    retry: bool,
}

pub(crate) fn run(global: &Global, args: &RollbackArgs) -> Exit {
    let target = match (&args.id, args.since) {
        (Some(id), _) => Target::Receipt(id.clone()),
        (None, Some(since)) => Target::Since(since),
        (None, None) => return Err(Failure::usage("name a receipt, or a time with --since")),
    };
    let began = Instant::now();
    loop {
        // What a rollback that died had running is ended by its supervisor, and closed by whoever opens the chain then.
        let ledger = place::existing(global)?;
        let extent = Extent { assume: args.going.assume, retry: args.going.retry };
        let rollback = Rollback::plan(&ledger, &target, extent).map_err(failures::rollback)?;
        if rollback.items().iter().any(is_ending) && began.elapsed() < ENDING_MAX {
            drop(rollback);
            drop(ledger);
            std::thread::sleep(ENDING_POLL);
            continue;
        }
        return planned(global, args, &ledger, rollback);
    }
}

fn is_ending(item: &Item) -> bool {
    matches!(item.fate, Fate::Left(Why::BeingUndone(_)))
}

fn planned(global: &Global, args: &RollbackArgs, ledger: &Ledger, rollback: Rollback<'_>) -> Exit {
    let count = rollback.items().iter().filter(|item| matches!(item.fate, Fate::Undo(_))).count();
    if !global.json {
        tell::plan(rollback.items())?;
    }
    if args.doing.plan || count == 0 {
        return tell::only_planned(global, rollback.items(), args.doing.plan);
    }
    if !args.doing.yes && !args.doing.dry_run && !agrees(global, count)? {
        output::say("nothing was undone");
        return Ok(exit::COULD_NOT);
    }
    let driver = spec::driver(global, ledger, args.reason.as_ref())?;
    let how = How { dry_run: args.doing.dry_run, keep_going: args.going.keep_going };
    let mut tell_one = |item: &Item, undone: &_| {
        if !global.json {
            tell::undone(item, undone);
        }
    };
    let rolled: Result<Rolled, RollbackError> = rollback.perform(&driver, how, &mut tell_one);
    tell::told(global, &target_words(args), &rolled.map_err(failures::rollback)?)
}

/// How the same is asked for again.
fn target_words(args: &RollbackArgs) -> String {
    match (&args.id, args.since) {
        (Some(id), _) => id.clone(),
        (None, Some(since)) => format!("--since {since}"),
        (None, None) => String::new(),
    }
}

/// Asks the person at the terminal; where there is none, `--yes` has to say it.
fn agrees(global: &Global, count: usize) -> Result<bool, Failure> {
    if global.json || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::usage("nobody is there to be asked whether this is to be undone")
            .hint("look at it with --plan or --dry-run, then say --yes"));
    }
    output::say_raw(format_args!("cascade: undo {count} action(s)? [y/N] "));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
