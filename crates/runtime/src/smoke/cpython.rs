//! Gate B: the same examination in CPython, for what gate A cannot run.
//!
//! Two interpreters, one for the caller's tests and one for the emitted source, each behind the same restrictions,
//! started afresh for every job: nothing that a job does outlives it.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::frame::Timed;
use super::limits::{
    CONSTANTS_MAX, INPUTS_COUNTED_MAX, MESSAGE_BYTES_MAX, OUTPUT_BYTES_MAX, VALUE_BYTES_MAX,
};
use super::names::{MODULES, REFUSED_NAMES};

pub(super) mod enter;

const LINK: &str = include_str!("cpython/link.py");
const EXAMINER: &str = include_str!("cpython/examiner.py");
const CANDIDATE: &str = include_str!("cpython/candidate.py");
const SURVEY: &str = include_str!("cpython/survey.py");

/// How long an interpreter may take to say what it is.
const SURVEY_TIME_MAX: Duration = Duration::from_secs(20);
/// What it may say at most.
const SURVEY_BYTES_MAX: u64 = 64 << 10;
/// Where systems put it; only then is it looked for in `PATH`.
const PLACES: &[&str] = &["/usr/bin/python3", "/usr/local/bin/python3"];

/// An interpreter, and all that it has to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Python {
    pub(super) executable: PathBuf,
    /// Its library, and the shared objects that it and its modules map.
    pub(super) readable: Vec<PathBuf>,
}

/// Which of the two processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Examiner,
    Candidate,
}

impl Python {
    /// The interpreter named, or else the first that is found. The error says what to do.
    pub(super) fn find(named: Option<&Path>) -> Result<Self, String> {
        if let Some(path) = named {
            return survey(path).map_err(|error| format!("{} does not run: {error}", path.display()));
        }
        let mut candidates: Vec<PathBuf> = PLACES.iter().map(PathBuf::from).collect();
        let path = std::env::var_os("PATH").unwrap_or_default();
        candidates.extend(std::env::split_paths(&path).map(|directory| directory.join("python3")));
        let found = candidates
            .iter()
            .filter(|path| path.is_absolute() && path.is_file())
            .find_map(|path| survey(path).ok());
        found.ok_or_else(|| "no python3 (3.8 or later) on this machine; install one".to_owned())
    }
}

/// Asks an interpreter where its parts are.
fn survey(path: &Path) -> io::Result<Python> {
    let mut command = Command::new(path);
    command.args(["-I", "-S", "-c", SURVEY]).args(MODULES).env_clear().current_dir("/");
    // Wrappers that choose between versions need these two.
    for name in ["PATH", "HOME"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut text = String::new();
    let read = child.stdout.take().map(|mut stdout| {
        let timed = Timed { stream: &mut stdout, deadline: Instant::now() + SURVEY_TIME_MAX };
        timed.take(SURVEY_BYTES_MAX).read_to_string(&mut text)
    });
    // It has closed its output, or is late.
    drop(child.kill());
    child.wait()?;
    read.transpose()?;
    let mut lines = text.lines().map(PathBuf::from);
    let executable = lines.next().filter(|path| path.is_absolute());
    let executable = executable.ok_or_else(|| io::Error::other("it does not say where its library is"))?;
    Ok(Python { executable, readable: lines.filter(|path| path.is_absolute()).collect() })
}

/// The command that a confined process becomes. Its environment is this one variable, which makes hashes the same in
/// every run; `-I` would have it ignored, so its parts are given one by one.
pub(super) fn command(executable: &Path, role: Role, missing: &[String]) -> Command {
    let mut command = Command::new(executable);
    command.args(["-s", "-S", "-B", "-c"]).env_clear().env("PYTHONHASHSEED", "0");
    match role {
        Role::Examiner => {
            let limits =
                [OUTPUT_BYTES_MAX, VALUE_BYTES_MAX, MESSAGE_BYTES_MAX, INPUTS_COUNTED_MAX, CONSTANTS_MAX];
            let limits = limits.map(|limit| limit.to_string()).join(" ");
            command.arg(format!("{LINK}\n{EXAMINER}")).arg(MODULES.join(" ")).arg(limits);
        }
        Role::Candidate => {
            command
                .arg(format!("{LINK}\n{CANDIDATE}"))
                .arg(REFUSED_NAMES.join(" "))
                .arg(OUTPUT_BYTES_MAX.to_string());
        }
    }
    command.args(missing);
    command
}

impl Role {
    pub(super) const ALL: [Self; 2] = [Self::Examiner, Self::Candidate];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Examiner => "examiner",
            Self::Candidate => "candidate",
        }
    }

    pub(super) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}
