use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cascade_runtime::broker::{self, Request};
use cascade_runtime::facts::{Asker, Command};
use cascade_runtime::machine;
use cascade_runtime::shell::{self, Session, ShellError};
use cascade_runtime::shim::ShimDir;
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::{output, place};

/// A session in which the programs behind the shims cannot be executed, only asked for
///
/// In it only shims, `cascade`, the shell and what --allow names can be executed. A shim asks a broker outside, which
/// decides and executes there. Needs Landlock; without it there is no session.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade shell
  cascade shell --allow /usr/bin/ls --allow /usr/bin/cat
  cascade shell --as agent:builder -- -c 'git status'")]
pub(crate) struct Shell {
    /// The shell [default: SHELL, else /bin/sh]
    #[arg(long, value_name = "PROGRAM")]
    shell: Option<PathBuf>,
    /// What else may be executed there: a program, or everything below a directory but for the originals of shims
    #[arg(long, value_name = "PATH")]
    allow: Vec<PathBuf>,
    /// Directory of the shims [default: cascade-shims beside the default home]
    #[arg(long, env = "CASCADE_SHIMS", value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Arguments of the shell
    #[arg(last = true, value_name = "ARG")]
    args: Vec<OsString>,
}

pub(crate) fn run(global: &Global, args: &Shell) -> Exit {
    if std::env::var_os(broker::SOCKET).is_some() || shell::is_within() {
        return Err(Failure::could_not(anyhow::anyhow!("this is a session already"))
            .hint("leave it first: its shims ask the broker that it has"));
    }
    if machine::landlock_level().is_none() {
        return Err(Failure::could_not(anyhow::anyhow!("this kernel has no Landlock, so nothing can be kept from being executed"))
            .hint("Linux 5.13 or newer with `landlock` in the `lsm=` list of its boot line; `cascade shim install` governs without confining"));
    }
    let shims = match &args.dir {
        Some(dir) => ShimDir::at(std::path::absolute(dir)?),
        None => super::shim::default_dir()?,
    };
    if shims.list()?.is_empty() {
        let cause = anyhow::anyhow!("there are no shims in `{}`", shims.path().display());
        return Err(Failure::could_not(cause).hint("`cascade shim install git kubectl` makes them"));
    }
    let session = session(global, args, shims)?;
    Err(Failure::from(anyhow::Error::new(session.begin()).context("couldn't start the session")))
}

fn session(global: &Global, args: &Shell, shims: ShimDir) -> Result<Session, Failure> {
    // The ledger is made now, where its words are read, and not by the first shim.
    let ledger = place::ledger(global)?;
    if ledger.is_signing_key_protected()? && global.passphrase_file.is_none() {
        return Err(Failure::usage("the broker of a session can't ask for a passphrase")
            .hint("give --passphrase-file FILE; the session itself does not get it"));
    }
    let asker = Asker::find(&ledger, &Command::here(Vec::new())?.env, global.acting_as.as_deref())?;
    let home = place::home_dir(global)?;
    let shell = args.shell.clone().or_else(|| std::env::var_os("SHELL").map(PathBuf::from));
    let shell = shell.filter(|path| !path.as_os_str().is_empty()).unwrap_or_else(|| "/bin/sh".into());
    Ok(Session {
        whose: asker.agent.map(|(name, _)| name),
        shims,
        flags: flags(global, &home)?,
        home,
        allowed: args.allow.iter().map(|path| there(path)).collect::<Result<_, _>>()?,
        shell: there(&shell)?,
        args: args.args.clone(),
    })
}

/// A path that leads to the same from everywhere.
fn there(path: &Path) -> Result<PathBuf, Failure> {
    std::fs::canonicalize(path).map_err(|error| {
        Failure::could_not(anyhow::anyhow!("couldn't use `{}`: {error}", path.display()))
            .hint("give the path of a program or directory that is there")
    })
}

/// What was typed before the verb, for those who are started in this session's name.
fn flags(global: &Global, home: &Path) -> Result<Vec<OsString>, Failure> {
    let mut flags: Vec<OsString> =
        vec!["--home".into(), home.into(), "--tenant".into(), (&global.tenant).into()];
    let mut put = |name: &str, value: &OsStr| flags.extend([name.into(), value.to_owned()]);
    if let Some(whom) = &global.acting_as {
        put("--as", OsStr::new(whom));
    }
    if let Some(key) = &global.signing_key {
        put("--signing-key", OsStr::new(key));
    }
    if let Some(file) = &global.passphrase_file {
        put("--passphrase-file", std::path::absolute(file)?.as_os_str());
    }
    Ok(flags)
}

/// The session's own process, after its word.
pub(crate) fn begun() -> ExitCode {
    shell::session(std::env::args_os().skip(2)).map_or_else(failed, ExitCode::from)
}

/// The process that becomes the shell, after its word.
pub(crate) fn confined() -> ExitCode {
    match shell::confined(std::env::args_os().skip(2)) {
        Ok(never) => match never {},
        Err(error) => failed(error),
    }
}

fn failed(error: ShellError) -> ExitCode {
    output::complain(&Failure::could_not(error.into()).hint("nothing was started in the session"));
    ExitCode::from(exit::COULD_NOT)
}

/// Has the broker of this session run a shim's program.
pub(super) fn ask(socket: &OsStr, name: OsString) -> Exit {
    let argv = std::iter::once(name).chain(std::env::args_os().skip(1)).collect();
    broker::ask(socket, argv).map_err(|error| {
        Failure::could_not(error.into())
            .hint("`cascade log` says what was decided; leave the session and start another")
    })
}

/// What the broker has this process run: the words of its flags, and the request.
pub(super) fn taken() -> Result<(Vec<OsString>, Request), Failure> {
    let mut words = std::env::args_os().skip(2);
    let (Some(place), Some(asker)) = (words.next(), words.next()) else {
        return Err(Failure::usage("this is started by the broker of a session alone"));
    };
    let request = Request::take(&place, &asker)?;
    Ok((words.collect(), request))
}
