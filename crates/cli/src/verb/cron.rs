mod add;
mod change;
mod list;
mod run;

use cascade_ledger::{Reader, Schedule};
use cascade_runtime::cron;
use clap::{Args, Subcommand};

use crate::args::Global;
use crate::exit::{Exit, Failure};

/// Schedules: what runs again and again while nobody looks, decided and receipted each time
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade cron add nightly --at '30 4 * * *' --zone Europe/Berlin -- git gc
  cascade cron add report --at '0 9 * * mon' --spec report.yaml --input week=last
  cascade cron next
  cascade cron run
  cascade cron pause nightly")]
pub(crate) struct CronArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Add a schedule: a command or a spec, and when it is due
    ///
    /// It runs as whoever adds it, in this directory. Every run is decided by the gates when it is due.
    #[command(after_help = "Examples:
  cascade cron add nightly --at '30 4 * * *' --zone Europe/Berlin -- git gc
  cascade cron add poll --at '*/5 * * * *' --jitter 30s --overlap queue -- ./poll.sh
  cascade cron add backup --at @daily --catch-up latest -- ./backup.sh
  cascade cron add report --at '0 9 * * mon' --spec report.yaml --input week=last

The expression has five fields: minute, hour, day of the month, month, day of the week; or it is @hourly, @daily,
@weekly, @monthly, @yearly. docs/cron.md says what happens when clocks change.")]
    Add(Box<add::Add>),
    /// Schedules, and what their last invocations came to
    #[command(after_help = "Example:\n  cascade cron list --json")]
    List,
    /// One schedule: what it runs, and its last invocations
    #[command(after_help = "Example:\n  cascade cron show nightly")]
    Show(list::Show),
    /// When schedules are due next
    #[command(after_help = "Examples:\n  cascade cron next\n  cascade cron next nightly -n 10")]
    Next(list::Next),
    /// Let a schedule fire no more until it is resumed; what runs goes on
    #[command(after_help = "Example:\n  cascade cron pause nightly --reason 'migration'")]
    Pause(change::Named),
    /// Let a paused schedule fire again; what was due meanwhile is not caught up on
    #[command(after_help = "Example:\n  cascade cron resume nightly")]
    Resume(change::Named),
    /// Remove a schedule; what runs goes on
    #[command(after_help = "Example:\n  cascade cron remove nightly")]
    Remove(change::Named),
    /// Look after the schedules until SIGTERM or Ctrl-C; with a name, let that one run now
    ///
    /// Several may run on one home: nothing fires twice. What you did not add is left alone, unless a grant lets you
    /// be taken for whoever did.
    #[command(after_help = "Examples:
  cascade cron run
  cascade cron run --once
  cascade cron run nightly")]
    Run(run::Run),
}

pub(crate) fn run(global: &Global, args: &CronArgs) -> Exit {
    match &args.what {
        What::Add(args) => add::run(global, args),
        What::List => list::run(global),
        What::Show(args) => list::show(global, args),
        What::Next(args) => list::next(global, args),
        What::Pause(args) => change::pause(global, args),
        What::Resume(args) => change::resume(global, args),
        What::Remove(args) => change::remove(global, args),
        What::Run(args) => run::run(global, args),
    }
}

/// A schedule by its name, or by the id of the receipt that added it.
fn find(reader: &Reader, text: &str) -> Result<Schedule, Failure> {
    cron::find(reader, text)?.ok_or_else(|| {
        Failure::could_not(anyhow::anyhow!("there is no schedule `{text}`"))
            .hint("`cascade cron list` shows what there is")
    })
}
