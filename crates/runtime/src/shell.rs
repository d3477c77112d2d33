//! A session in which the originals of shims cannot be executed.
//!
//! Three processes. The *session* holds the broker ([`crate::broker`]) and stays outside; to everything below it, it is
//! what a supervisor is to a run: nobody approves or governs from there, and an agent stays one. Its child confines itself by
//! Landlock and becomes the shell. What the broker starts is the session's child as well, outside of the confinement.
//!
//! Nothing leaves a session by losing its parents: orphans come to the session's process, which ends them with the session.
//! Nor by that process's death: where the kernel can, nobody in the confinement may signal what is outside, and everywhere
//! what is confined is known by a mark that it cannot take off (`process::mark`).
//!
//! In the confinement nothing can be executed but this program, the shell, what was allowed besides, and the loader that
//! these need; and the originals cannot be read, since the loader would run what it can read. Landlock is asked for as a
//! hard requirement: without it there is no session.
//!
//! What this does not hold is in docs/shims.md.

use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal};
use signal_hook::consts::{SIGHUP, SIGTERM, SIGTSTP};
use thiserror::Error;

use crate::broker::{Broker, SOCKET};
use crate::process::mark::{self, Marked};
use crate::process::wire::retry;
use crate::process::{Adopted, Enclosure, Signals, Started};
use crate::shim::ShimDir;

mod confine;
mod cover;
mod typing;

/// First argument of a session's process. The third says whose it is, where those below look for it.
pub const SESSION_ARG: &str = "__session";
/// First argument of the process that confines itself.
pub const CONFINE_ARG: &str = "__confine";

const SELF_EXE: &str = "/proc/self/exe";
/// Never handed to what is confined: it leads to a secret.
const WITHHELD: &str = "CASCADE_PASSPHRASE_FILE";

/// Why there is no session, or not any more.
#[derive(Debug, Error)]
pub enum ShellError {
    /// The kernel cannot confine.
    #[error("couldn't confine the session: {0}")]
    Confine(#[from] landlock::RulesetError),
    /// More files than can be told apart.
    #[error("couldn't confine the session: the directories of the originals have more than {max} entries", max = cover::ENTRIES_MAX)]
    TooMany,
    /// The shell, or what was allowed, cannot be found or read.
    #[error("couldn't use `{}`: {error}", .path.display())]
    Program {
        /// The file.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// What tells inside from outside does not.
    #[error("couldn't confine the session: `{mark}` must be there, to be read and written", mark = mark::MARK)]
    Mark,
    /// Processes, sockets, signals.
    #[error("couldn't start the session: {0}")]
    Io(#[from] io::Error),
    /// The words after [`SESSION_ARG`] or [`CONFINE_ARG`] are none of ours.
    #[error("this is not how a session is started: `cascade shell` is")]
    Words,
}

/// A session as it is wanted.
#[derive(Debug)]
pub struct Session {
    /// Whose it is: everything in it is no more than that.
    pub whose: Option<String>,
    /// The shims; their originals are what cannot be executed.
    pub shims: ShimDir,
    /// What leads to the ledger, as words before the verb.
    pub flags: Vec<OsString>,
    /// The ledger's home, absolute.
    pub home: PathBuf,
    /// What else may be executed: files, or everything below directories; but for originals.
    pub allowed: Vec<PathBuf>,
    /// The shell, absolute.
    pub shell: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

impl Session {
    /// Becomes the session's process. Returns only when that failed.
    #[must_use]
    pub fn begin(&self) -> io::Error {
        let whose = Enclosure::Beneath(self.whose.clone()).word();
        let mut command = Command::new(SELF_EXE);
        command.arg0("cascade").arg(SESSION_ARG).arg("-").arg(whose);
        command.arg(self.shims.path()).arg(&self.home).arg(&self.shell);
        counted(&mut command, &self.flags);
        counted(&mut command, &self.allowed);
        command.args(&self.args).exec()
    }
}

/// Whether this process is in a session, whatever its variables say.
#[must_use]
pub fn is_within() -> bool {
    matches!(mark::look(), Marked::Within { .. })
}

fn counted<T: AsRef<OsStr>>(command: &mut Command, words: &[T]) {
    command.arg(words.len().to_string()).args(words);
}

/// The words of [`Session::begin`], one after the other.
struct Words<I>(I);

impl<I: Iterator<Item = OsString>> Words<I> {
    fn one(&mut self) -> Result<OsString, ShellError> {
        self.0.next().ok_or(ShellError::Words)
    }

    fn counted(&mut self) -> Result<Vec<OsString>, ShellError> {
        let count = self.one()?.to_str().and_then(|text| text.parse().ok()).ok_or(ShellError::Words)?;
        let words: Vec<OsString> = self.0.by_ref().take(count).collect();
        if words.len() == count { Ok(words) } else { Err(ShellError::Words) }
    }
}

/// The session's process, from the words after [`SESSION_ARG`] on. Gives the exit code of the shell.
///
/// # Errors
/// See [`ShellError`]; nothing runs then.
pub fn session(words: impl Iterator<Item = OsString>) -> Result<u8, ShellError> {
    let mut words = Words(words);
    let (_, whose) = (words.one()?, words.one()?);
    let shims = ShimDir::at(words.one()?.into());
    let (home, shell) = (words.one()?, words.one()?);
    let (flags, allowed) = (words.counted()?, words.counted()?);
    let env = environment(shims.path(), home);
    let (mut signals, started) = (Signals::collect()?, Started::default());
    let adopted = Adopted::collect(started.clone())?;
    let place = Place::make()?;
    let socket = place.0.join("broker");
    let listener = UnixListener::bind(&socket)?;
    let mut confined = Command::new(SELF_EXE);
    confined.arg0("cascade").arg(CONFINE_ARG).arg(whose).arg(shims.path()).arg(&shell);
    counted(&mut confined, &allowed);
    confined.args(words.0).env_clear();
    confined.envs(env.iter().filter(|(name, _)| name != WITHHELD).map(|(name, value)| (name, value)));
    confined.env(SOCKET, &socket);
    Broker { shims, flags, env, started: started.clone() }.serve(listener)?;
    let mut child = started.spawn(&mut confined)?;
    let code = see_through(&mut child, &mut signals, &adopted);
    adopted.end();
    drop(place);
    Ok(code?)
}

/// This process's variables, with the shims first on `PATH`.
fn environment(shims: &Path, home: OsString) -> Vec<(OsString, OsString)> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs =
        std::iter::once(shims.to_owned()).chain(std::env::split_paths(&path).filter(|dir| dir != shims));
    let path = std::env::join_paths(dirs).unwrap_or(path);
    let set = |name: &OsStr| name != "PATH" && name != "CASCADE_HOME" && name != SOCKET;
    let kept = std::env::vars_os().filter(|(name, _)| set(name));
    kept.chain([("PATH".into(), path), ("CASCADE_HOME".into(), home)]).collect()
}

/// A directory of this user's alone, gone with the session.
struct Place(PathBuf);

impl Place {
    fn make() -> io::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_dir());
        let name = cascade_ledger::receipt_id().map_err(io::Error::other)?;
        let dir = runtime.unwrap_or_else(std::env::temp_dir).join(format!("cascade-{name}"));
        DirBuilder::new().mode(0o700).create(&dir)?;
        Ok(Self(dir))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Waits for the shell. What the keyboard sends reaches it without us; what somebody else sends is passed on.
fn see_through(child: &mut Child, signals: &mut Signals, adopted: &Adopted) -> io::Result<u8> {
    let process = rustix::process::pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    loop {
        let mut fds = [process.as_fd(), signals.as_fd(), adopted.as_fd()]
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        retry(|| rustix::event::poll(&mut fds, None))?;
        if fds.first().is_some_and(|fd| !fd.revents().is_empty()) {
            let status = child.wait()?;
            let code = status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1);
            return Ok(u8::try_from(code).unwrap_or(1));
        }
        adopted.bury();
        for signal in signals.pending() {
            match signal {
                SIGTERM | SIGHUP => {
                    let passed = Signal::from_named_raw(signal).unwrap_or(Signal::TERM);
                    // Fails only when it has just ended.
                    _ = rustix::process::pidfd_send_signal(&process, passed);
                }
                SIGTSTP => rustix::process::kill_process(rustix::process::getpid(), Signal::STOP)?,
                _ => {}
            }
        }
    }
}

/// Confines this process, from the words after [`CONFINE_ARG`] on, and becomes the shell.
///
/// # Errors
/// Always: it returns only when that failed.
pub fn confined(words: impl Iterator<Item = OsString>) -> Result<std::convert::Infallible, ShellError> {
    let mut words = Words(words);
    // Whoever cannot be read is an agent.
    let agent = Enclosure::parse(words.one()?.to_str().unwrap_or_default()) != Enclosure::Beneath(None);
    let shims = ShimDir::at(words.one()?.into());
    let shell = PathBuf::from(words.one()?);
    let allowed: Vec<PathBuf> = words.counted()?.into_iter().map(PathBuf::from).collect();
    // The shell does not stay where its session is killed from outside.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from)?;
    confine::enter(&shims, &shell, &allowed, agent)?;
    typing::forbid()?;
    let error = Command::new(&shell).args(words.0).exec();
    Err(ShellError::Program { path: shell, error })
}
