use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cascade_kernel::action::Outcome;
use cascade_policy::worker::{DraftError, HELP_BYTES_MAX, draft};
use cascade_receipt::json::Value;
use cascade_runtime::facts::{Asker, Command, Input};
use cascade_runtime::govern::{Governed, Request, govern};
use cascade_runtime::identity;
use cascade_runtime::process::StreamsPlan;
use clap::Args;

use super::count;
use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::verb::run::tell;
use crate::{again, failures, output, place};

#[derive(Args, Debug)]
pub(super) struct New {
    /// The program, by name or path
    #[arg(value_name = "PROGRAM")]
    program: String,
    /// Take the help text from here, `-` for standard input, and run nothing
    #[arg(long, value_name = "FILE|-")]
    from: Option<PathBuf>,
}

pub(super) fn run(global: &Global, args: &New) -> Exit {
    let (help, receipt) = match &args.from {
        Some(from) => (text_of(from)?, None),
        None => {
            let governed = ask(global, &args.program)?;
            if !matches!(governed.outcome, Outcome::Ran(_)) || governed.captured.is_none() {
                return untold(global, &governed, &args.program);
            }
            let receipt = governed.receipts.last().map(|receipt| receipt.receipt_id.to_string());
            (said(&governed), receipt)
        }
    };
    let drafted = draft(&args.program, &help).map_err(|error| refused(error, args))?;
    if global.json {
        let mut members = vec![
            ("manifest", drafted.manifest.as_str().into()),
            ("options", count(drafted.options)),
            ("subcommands", count(drafted.subcommands)),
        ];
        members.extend(receipt.map(|id| ("receipt_id", id.as_str().into())));
        output::json(&Value::Object(
            members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        ))?;
        return Ok(exit::DONE);
    }
    output::result(&drafted.manifest)?;
    output::say(format_args!("{} options and {} subcommands", drafted.options, drafted.subcommands));
    output::hint_line("every tier is HIGH: say what it can harm, add tests, then `cascade worker test FILE`");
    if let Some(id) = receipt {
        output::say(format_args!("receipt {id}"));
    }
    Ok(exit::DONE)
}

/// Runs `PROGRAM --help` like any other command: decided first, receipts before and after.
fn ask(global: &Global, program: &str) -> Result<Governed, Failure> {
    let ledger = place::ledger(global)?;
    let mut command = Command::here(vec![OsString::from(program), OsString::from("--help")])?;
    command.input = Input::None;
    let asker = Asker::find(&ledger, &command.env, global.acting_as.as_deref())?;
    let request = Request {
        command,
        asker,
        dry_run: false,
        approved: None,
        reason: Some("to draft a worker manifest".to_owned()),
        timeout: Some(std::time::Duration::from_secs(30)),
        streams: StreamsPlan::Capture { cap_bytes: HELP_BYTES_MAX as u64 },
        runtime: identity::runtime(&ledger)?,
        task: None,
        step: None,
        cron: None,
        takes_back: None,
        request: None,
    };
    govern(&ledger, request).map_err(failures::govern)
}

/// It was not run, or did not start.
fn untold(global: &Global, governed: &Governed, program: &str) -> Exit {
    if global.json {
        output::json(&tell::document(governed, program))?;
    } else {
        tell::tell(governed, program);
        output::hint_line("`--from FILE` takes a help text without running anything");
    }
    Ok(tell::code(governed))
}

/// Programs write their help to either stream.
fn said(governed: &Governed) -> String {
    let Some(captured) = &governed.captured else { return String::new() };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&captured.stdout), text(&captured.stderr));
    if out.trim().is_empty() { err } else { out }
}

fn text_of(from: &Path) -> Result<String, Failure> {
    let limit = HELP_BYTES_MAX as u64 + 1;
    let mut bytes = Vec::new();
    let read = if from == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(from).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("couldn't read `{}`", from.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn refused(error: DraftError, args: &New) -> Failure {
    match error {
        DraftError::Name => Failure::usage(error),
        DraftError::Long | DraftError::Nothing => {
            Failure::could_not(anyhow::Error::new(error)).hint(format!(
                "give the text that lists them: TEXT | cascade worker new {} --from -",
                again::quoted(args.program.as_ref())
            ))
        }
    }
}
