//! How a process becomes a confined interpreter, in two steps: namespaces of processes hold for children only.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal};

use super::super::WORKER_ARG;
use super::super::confine::{self, calls, namespaces};
use super::super::limits::MEMORY_BYTES_MAX;
use super::super::pool::SELF_EXE;
use super::{Python, Role, command};

/// First step: leave the namespaces, start the second, see it to its end.
pub(in crate::smoke) const ENTER: &str = "enter";
/// Second step: give up every right and execute the interpreter.
pub(in crate::smoke) const BECOME: &str = "become";
/// Stands before what is missing.
const MISSING: &str = "--";
/// What an interpreter maps before it runs anything.
const INTERPRETER_BYTES: usize = 128 << 20;
/// Its streams, and the module that it just reads.
const FILES_MAX: u64 = 16;

/// The words that start the first step.
pub(in crate::smoke) fn words(python: &Python, role: Role) -> Vec<OsString> {
    let paths = python.readable.iter().map(OsString::from);
    let head = [WORKER_ARG.into(), ENTER.into(), role.word().into(), python.executable.clone().into()];
    head.into_iter().chain(paths).collect()
}

pub(in crate::smoke) fn enter(words: Vec<OsString>) -> io::Result<()> {
    confine::close_inherited()?;
    let missing = namespaces::leave();
    let mut inner = Command::new(SELF_EXE);
    inner.arg0("cascade").arg(WORKER_ARG).arg(BECOME).args(words).arg(MISSING).args(missing).env_clear();
    see_to_its_end(inner.spawn()?)
}

/// Until the interpreter ends or nobody listens any more. The death of this process is the end of that one.
fn see_to_its_end(mut inner: Child) -> io::Result<()> {
    let ended = rustix::process::pidfd_open(Pid::from_child(&inner), PidfdFlags::empty())?;
    let stdin = rustix::stdio::stdin();
    let mut fds = [PollFd::new(&ended, PollFlags::IN), PollFd::new(&stdin, PollFlags::RDHUP)];
    while rustix::event::poll(&mut fds, None) == Err(rustix::io::Errno::INTR) {}
    inner.kill()?;
    inner.wait().map(drop)
}

pub(in crate::smoke) fn become_python(words: Vec<OsString>) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    confine::close_inherited()?;
    let mut words = words.into_iter();
    let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
    let role = words.next().and_then(|word| Role::of(word.to_str()?)).ok_or_else(invalid)?;
    let executable = words.next().map(PathBuf::from).ok_or_else(invalid)?;
    let mut readable: Vec<PathBuf> =
        words.by_ref().take_while(|word| word.as_bytes() != MISSING.as_bytes()).map(PathBuf::from).collect();
    readable.push(executable.clone());
    let mut missing: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    confine::no_privileges()?;
    missing.extend(confine::landlock(&readable)?);
    let mut python = command(&executable, role, &missing);
    confine::resources(MEMORY_BYTES_MAX + INTERPRETER_BYTES, FILES_MAX)?;
    calls::only_interpret()?;
    Err(python.exec())
}
