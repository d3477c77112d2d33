//! `cascade task`: the cheapest layer that can answer a task, under the same gates and receipts as everything else.

mod approved;
mod batch;
mod members;
mod read;
mod tell;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use cascade_ledger::Ledger;
use cascade_policy::facts::Task;
use cascade_receipt::id::ReceiptId;
use cascade_runtime::consent::Standing;
use cascade_runtime::facts::Asker;
use cascade_runtime::identity;
use cascade_runtime::model::{self, Models};
use cascade_runtime::task::{self, Request, Router, TaskError, Tasked, tools};
use clap::Args;

use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::{failures, output, place};

/// Answer a task by the cheapest layer that can, from templates to a language model
///
/// The answer goes to stdout. What stands behind it is told apart: an answer is verified only by your tests, never by
/// examples alone.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade task 'the sum of the even numbers' --signature 'f(xs: list[int]) -> int' \\
      --example 'f([1, 2, 4]) == 6' --example 'f([1, 3]) == 0'
  cascade task 'a validator for orders' --schema order.schema.json
  cascade task --signature 'f(s: str) -> str' --example \"f('ab') == 'ba'\" --tests check.py --json
  cascade task 'show the last 5 commits'
  cascade task 'why is the sky blue'
  cascade task 'which of these files is the largest' --kind ask --tools command
  cascade task --batch tasks.jsonl --jobs 4 > answers.jsonl
  cascade task --approval r_0123456789abcdef

Layers: L1 templates, L2 verified answers, L3 known functions, L4 enumeration, L5 graded search, L6 memory,
L6.5 commands, L7 language model.

Exit codes: 0 answered, 1 nobody had an answer, 2 usage, 3 denied, 5 waiting for approval. A batch exits 0 when
every line was a task and has its result, whatever became of it.")]
pub(crate) struct TaskArgs {
    /// What is wanted, in words
    #[arg(value_name = "TEXT", conflicts_with_all = ["batch", "approval"])]
    text: Option<String>,
    #[command(flatten)]
    stated: Stated,
    /// The last layer that may be asked: L1, L2, L3, L4, L5, L6, L6.5 or L7
    #[arg(long, value_name = "LAYER", value_parser = read::layer)]
    max_layer: Option<String>,
    /// Tools that a model is offered with a question: `command`, which runs one; each is decided as an agent's
    #[arg(long, value_name = "TOOL", value_parser = [tools::COMMAND], conflicts_with_all = ["batch", "approval"])]
    tools: Vec<String>,
    /// Many tasks: JSON Lines with `id`, `text`, `kind`, `signature`, `examples`, `tests`, `schema`, `max_layer`; one
    /// result line each; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["signature", "example", "tests", "schema", "kind"])]
    batch: Option<PathBuf>,
    /// How many tasks of a batch are answered at once [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: Option<u8>,
    /// Do exactly what was approved: the id of the escalation, dry run or approval
    #[arg(long, value_name = "ID", conflicts_with_all = ["batch", "dry_run", "max_layer", "signature", "example",
          "tests", "schema", "kind"])]
    approval: Option<String>,
    /// Where people must approve: wait for them, then go on
    #[arg(long, conflicts_with_all = ["approval", "batch", "dry_run"])]
    wait: bool,
    /// How long to wait for people: `90s`, `5m`, `1h 30m`
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, requires = "wait")]
    timeout: Option<Duration>,
    /// Decide only, leave a `dry_run` receipt
    #[arg(long)]
    dry_run: bool,
    /// Ask a model although a question to you would cost nothing
    #[arg(long)]
    spend: bool,
    /// Why, in your words; kept privately with the receipt
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// What is said of one task beside its words.
#[derive(Args, Debug)]
struct Stated {
    /// The function that is wanted: `f(xs: list[int], k: int = 2) -> int`
    #[arg(long, value_name = "SIGNATURE")]
    signature: Option<String>,
    /// A call and its result: `f([1, 2]) == 3`
    #[arg(long, value_name = "CALL == RESULT", value_parser = read::example)]
    example: Vec<String>,
    /// Python file with your tests: asserts that call the function, or a `def check(candidate)`
    #[arg(long, value_name = "FILE")]
    tests: Option<PathBuf>,
    /// JSON Schema, or `CREATE TABLE`
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// code, cli or ask [default: code with a signature, examples, tests or a schema; else cli where a worker's intent
    /// accounts for every word; else ask]
    #[arg(long, value_name = "KIND", value_parser = read::kind)]
    kind: Option<String>,
}

pub(crate) fn run(global: &Global, args: &TaskArgs) -> Exit {
    if let Some(file) = &args.batch {
        return batch::run(global, args, file);
    }
    // Clap waives what an argument requires where that conflicts with another one that is there.
    if args.jobs.is_some() {
        return Err(Failure::usage("--jobs is for many tasks").hint("give them with --batch FILE"));
    }
    // Words that make no task are told before a home is made for them.
    let task = if args.approval.is_none() { Some(read::task(args)?) } else { None };
    let ledger = place::ledger(global)?;
    let desk = Desk::open(global, args, &ledger, 1)?;
    let asked = match (&args.approval, task) {
        (Some(id), _) => approved::ask(global, &desk, id)?,
        (None, Some(task)) => approved::wait(global, &desk, desk.answer(task)?)?,
        (None, None) => return Err(Failure::usage("say what is wanted")),
    };
    let Some(tasked) = asked.tasked else { return Ok(asked.code) };
    let told = if global.json {
        output::json_text(&task::document(&tasked).to_string())
    } else {
        tell::tell(&tasked)
    };
    told.map_err(|error| untold(error, last(&tasked)))?;
    Ok(tell::code(&tasked))
}

fn last(tasked: &Tasked) -> Option<ReceiptId> {
    tasked.receipts.last().map(|receipt| receipt.receipt_id)
}

/// What became of the task is on record, and nobody was told.
fn untold(error: io::Error, receipt: Option<ReceiptId>) -> Failure {
    let cause = anyhow::Error::new(error).context("couldn't write the result");
    let hint = "the task has ended all the same, as its receipt says: look before you ask again";
    Failure { receipt, ..Failure::could_not(cause).hint(hint) }
}

/// The models that this home names.
pub(super) fn models(global: &Global) -> Result<Models, Failure> {
    let file = place::home_dir(global)?.join(model::FILE);
    Models::load(&file).map_err(|fault| {
        let hint = fault.hint();
        Failure::could_not(fault.into()).hint(hint)
    })
}

/// Everything that tasks of one invocation share.
struct Desk<'a> {
    ledger: &'a Ledger,
    router: Router,
    asker: Asker,
    args: &'a TaskArgs,
    runtime: cascade_receipt::content::Runtime,
}

impl<'a> Desk<'a> {
    fn open(global: &Global, args: &'a TaskArgs, ledger: &'a Ledger, jobs: usize) -> Result<Self, Failure> {
        let env: Vec<_> = std::env::vars_os().collect();
        let asker = Asker::find(ledger, &env, global.acting_as.as_deref())?;
        let router = Router::new(jobs, models(global)?)?;
        Ok(Self { ledger, router, asker, args, runtime: identity::runtime(ledger)? })
    }

    fn answer(&self, stated: read::Stated) -> Result<Tasked, Failure> {
        let read::Stated { task, kind } = stated;
        let kind = kind.map_or_else(|| self.router.kind_of(self.ledger, &task), Ok);
        let kind = kind.map_err(|error| failures::task(error.into()))?;
        self.ask(Task { kind, ..task }, None).map_err(failures::task)
    }

    fn ask(&self, task: Task, approved: Option<Standing>) -> Result<Tasked, TaskError> {
        let request = Request {
            task,
            approved,
            asker: self.asker.clone(),
            dry_run: self.args.dry_run,
            spend: self.args.spend,
            reason: self.args.reason.clone(),
            runtime: self.runtime.clone(),
            step: None,
        };
        self.router.answer(self.ledger, &request)
    }
}
