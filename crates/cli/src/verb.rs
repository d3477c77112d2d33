//! One file per verb.

pub(crate) mod anchor;
pub(crate) mod approvals;
pub(crate) mod approve;
pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod bundle;
pub(crate) mod checkpoint;
pub(crate) mod completions;
pub(crate) mod cron;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod erase;
pub(crate) mod export;
pub(crate) mod fsck;
pub(crate) mod grant;
pub(crate) mod halt;
pub(crate) mod hook;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod lineage;
pub(crate) mod log;
pub(crate) mod man;
pub(crate) mod mcp;
pub(crate) mod memory;
pub(crate) mod pack;
pub(crate) mod people;
pub(crate) mod policy;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod review;
pub(crate) mod rollback;
pub(crate) mod run;
pub(crate) mod secret;
pub(crate) mod serve;
pub(crate) mod shell;
pub(crate) mod shell_check;
pub(crate) mod shim;
pub(crate) mod show;
pub(crate) mod spec;
mod standing;
pub(crate) mod stats;
pub(crate) mod subject;
pub(crate) mod task;
pub(crate) mod tenant;
pub(crate) mod token;
pub(crate) mod verify;
pub(crate) mod witness;
pub(crate) mod worker;

use std::ffi::OsString;
use std::process::ExitCode;

use cascade_runtime::broker;
use clap::Parser as _;

use crate::again;
use crate::args::{Cli, Verb};
use crate::exit::{self, Exit, Failure};
use crate::output;

/// Help, the version, or what was wrong with the arguments; where a program asked, as a document, too.
fn not_understood(error: &clap::Error) -> ExitCode {
    let code = u8::try_from(error.exit_code()).unwrap_or(exit::USAGE);
    let mut typed = std::env::args_os().take_while(|word| word != "--");
    if error.use_stderr() && typed.any(|word| word == "--json") {
        let text = error.to_string();
        let lines: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
        let failure = Failure { code, ..Failure::usage(lines.join(" ").trim_start_matches("error: ")) };
        output::complain_json(&failure.hint("`--help` shows what there is"));
    }
    if error.use_stderr() {
        // It repeats what was typed, and who typed that may have copied it from anywhere.
        output::say_raw(error);
    } else {
        // With the stream gone there is nobody to tell; the exit code still says it.
        drop(error.print());
    }
    ExitCode::from(code)
}

/// Reads the arguments, does what they say, and turns the outcome into an exit code.
pub(crate) fn dispatch() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => does(&cli),
        Err(error) => not_understood(&error),
    }
}

/// The same for a shim of this name, all of whose words are those of the program that it stands for. In a session
/// without the originals, its broker is asked.
pub(crate) fn dispatch_shim(name: OsString) -> ExitCode {
    if let Err(failure) = shim::may_go_deeper(&name) {
        return ended(Err(failure), false);
    }
    if let Some(socket) = std::env::var_os(broker::SOCKET) {
        return ended(shell::ask(&socket, name), false);
    }
    governs(Vec::new(), std::iter::once(name).chain(std::env::args_os().skip(1)), None)
}

/// What the broker of such a session has this process run.
pub(crate) fn dispatch_brokered() -> ExitCode {
    match shell::taken() {
        Ok((flags, request)) => governs(flags, request.argv.into_iter(), Some(request.env)),
        Err(failure) => ended(Err(failure), false),
    }
}

/// `cascade FLAGS run -- ARGV`, with this environment where it is not our own.
fn governs(
    flags: Vec<OsString>,
    argv: impl Iterator<Item = OsString>,
    env: Option<Vec<(OsString, OsString)>>,
) -> ExitCode {
    let words = std::iter::once("cascade".into()).chain(flags).chain(["run".into(), "--".into()]).chain(argv);
    match Cli::try_parse_from(words) {
        Ok(mut cli) => {
            if let Verb::Run(args) = &mut cli.verb {
                args.env = env;
            }
            does(&cli)
        }
        Err(error) => not_understood(&error),
    }
}

fn does(cli: &Cli) -> ExitCode {
    let global = &cli.global;
    again::remember(global);
    let done: Exit = match &cli.verb {
        Verb::Init(args) => init::run(global, args),
        Verb::Run(args) => run::run(global, args),
        Verb::Shell(args) => shell::run(global, args),
        Verb::ShellCheck(args) => shell_check::run(global, args),
        Verb::Task(args) => task::run(global, args),
        Verb::Approvals(args) => approvals::run(global, args),
        Verb::Approve(args) => approve::run(global, &args.into()),
        Verb::Deny(args) => approve::run(global, &args.into()),
        Verb::Review(args) => review::run(global, args),
        Verb::Halt(args) => halt::halt(global, args),
        Verb::Resume(args) => halt::resume(global, args),
        Verb::Mcp(args) => mcp::run(global, args),
        Verb::Memory(args) => memory::run(global, args),
        Verb::Audit(args) => audit::run(global, args),
        Verb::Replay(args) => replay::run(global, args),
        Verb::Report(args) => report::run(global, args),
        Verb::Cron(args) => cron::run(global, args),
        Verb::Stats(args) => stats::run(global, args),
        Verb::Log(args) => log::run(global, args),
        Verb::Lineage(args) => lineage::run(global, args),
        Verb::Show(args) => show::run(global, args),
        Verb::Subject(args) => subject::run(global, args),
        Verb::Export(args) => export::run(global, args),
        Verb::Bundle(args) => bundle::run(global, args),
        Verb::Verify(args) => verify::run(global, args),
        Verb::Checkpoint(args) => checkpoint::run(global, args),
        Verb::Erase(args) => erase::run(global, args),
        Verb::Anchor(args) => anchor::run(global, args),
        Verb::Fsck(args) => fsck::run(global, args),
        Verb::Key(args) => key::run(global, args),
        Verb::People(args) => people::run(global, args),
        Verb::Grant(args) => grant::run(global, args),
        Verb::Tenant(args) => tenant::run(global, args),
        Verb::Token(args) => token::run(global, args),
        Verb::Pack(args) => pack::run(global, args),
        Verb::Secret(args) => secret::run(global, args),
        Verb::Policy(args) => policy::run(global, args),
        Verb::Serve(args) => serve::run(global, args),
        Verb::Hook(args) => hook::run(global, args),
        Verb::Witness(args) => witness::run(global, args),
        Verb::Worker(args) => worker::run(global, args),
        Verb::Spec(args) => spec::run(global, args),
        Verb::Rollback(args) => rollback::run(global, args),
        Verb::Demo(args) => demo::run(args),
        Verb::Bench(args) => bench::run(global, args),
        Verb::Completions(args) => completions::run(args),
        Verb::Man(args) => man::run(global, args),
        Verb::Doctor(args) => doctor::run(global, args),
        Verb::Shim(args) => shim::run(global, args),
    };
    ended(done, global.json)
}

fn ended(done: Exit, json: bool) -> ExitCode {
    match done {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if json {
                output::complain_json(&failure);
            }
            output::complain(&failure);
            ExitCode::from(failure.code)
        }
    }
}
