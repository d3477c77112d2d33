//! Runs emitted Python in processes that hold no rights, and says what it did.
//!
//! Emitted code comes from templates, synthesis, a store or a language model; none of it is trusted. It runs in
//! workers: this program again, under a hidden verb, with everything taken away before the first job. What each
//! may still do, and what this does not protect against, is in `docs/smoke.md`.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

mod confine;
mod cpython;
mod exam;
mod frame;
pub mod limits;
mod monty;
mod names;
mod pool;
mod source;
mod worker;

pub use worker::worker_main;

use cpython::Python;
use exam::{Answers, Sheet, Stop};
use pool::{Examined, Kind, Named, Pool};

/// The hidden subcommand that makes a process a worker.
pub const WORKER_ARG: &str = "__smoke";

/// One text to run and what to ask of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Job {
    /// A whole Python text that defines the function.
    pub source: String,
    /// Expressions, each evaluated by itself after a fresh run of the source.
    pub calls: Vec<String>,
    /// Python text run after the source: asserts that call the function by name, or a `def check(candidate)`.
    pub tests: Option<String>,
    /// The function that `check` is given.
    pub entry: Option<String>,
}

/// What one call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Called {
    /// The value as `repr` writes it; members of sets in the order of their text.
    Value(String),
    /// Name and message of the exception.
    Raised(String),
}

/// What the tests came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tested {
    /// They ran to their end and called the source at least once.
    Passed,
    /// Why not.
    Failed(String),
}

/// How much tests ask that passed, counted while they ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worth {
    /// Calls with different arguments, counted up to [`limits::INPUTS_COUNTED_MAX`].
    pub inputs: usize,
    /// A function passes as well that gives the same whatever it is asked.
    pub constant: bool,
}

/// Which interpreter ran it, and under which restrictions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Name and version: `monty 0.0.23`, `cpython 3.11.7`.
    pub version: String,
    /// Restrictions that this kernel does not offer. Empty where all of them hold.
    pub missing: Vec<String>,
}

/// What a job came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// One for each call, in order.
    pub called: Vec<Called>,
    /// `None` when the job has no tests.
    pub tested: Option<Tested>,
    /// What tests are worth that passed; `None` for all others.
    pub worth: Option<Worth>,
    /// Who ran it.
    pub backend: Backend,
    /// From asking to answer, waiting for a worker included.
    pub wall_us: u64,
}

/// Why there is no answer. None of these says that the code is right.
#[derive(Debug, thiserror::Error)]
pub enum SmokeError {
    /// It did not end in time, or no worker became free in time.
    #[error("took longer than {limit_ms} ms; allow more time, or send code that ends")]
    TimedOut {
        /// What was allowed.
        limit_ms: u64,
    },
    /// It wanted more than [`limits::MEMORY_BYTES_MAX`].
    #[error("took more than {} MiB of memory; send code that needs less", limits::MEMORY_BYTES_MAX >> 20)]
    MemoryExceeded,
    /// It printed more than [`limits::OUTPUT_BYTES_MAX`], or a value is longer than [`limits::VALUE_BYTES_MAX`].
    #[error("printed more than {} KiB, or gave a value longer than {} KiB; give less back",
        limits::OUTPUT_BYTES_MAX >> 10, limits::VALUE_BYTES_MAX >> 10)]
    OutputExceeded,
    /// Not run: it names what it may not, or is larger than it may be.
    #[error("refused before it ran: {0}")]
    Refused(String),
    /// Not Python.
    #[error("not Python: {0}")]
    Unsyntactic(String),
    /// The process that ran it ended without an answer.
    #[error(
        "the process that ran it ended without an answer; the code broke its interpreter, or somebody ended it"
    )]
    Crashed,
    /// No interpreter here can run it.
    #[error("cannot be run here: {0}")]
    Unavailable(String),
    /// Processes could not be started or spoken to.
    #[error("couldn't run a worker: {0}; check limits on processes and files")]
    Io(#[from] io::Error),
}

impl SmokeError {
    /// The limit is filled in where it is known.
    fn timed_out() -> Self {
        Self::TimedOut { limit_ms: 0 }
    }
}

/// Which interpreters may be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Gates {
    /// The one in Rust, and CPython where that one cannot or may be wrong.
    #[default]
    Both,
    /// The one in Rust alone.
    Monty,
    /// CPython for everything. The source is still read and checked as for the other.
    CPython,
}

/// How much may run at once, and in what.
#[derive(Debug, Clone)]
pub struct Options {
    /// Most workers of each kind at once.
    pub workers: usize,
    /// Which interpreters.
    pub gates: Gates,
    /// The CPython to use. `None`: the system's, or else the first in `PATH`.
    pub python: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { workers: limits::WORKERS_DEFAULT, gates: Gates::default(), python: None }
    }
}

/// A pool of workers. Several threads may check at once.
#[derive(Debug)]
pub struct Smoke {
    options: Options,
    monty: Arc<Pool>,
    /// Looked for when first needed. The error says what to do about it.
    cpython: Arc<OnceLock<Result<Arc<Pool>, String>>>,
}

impl Smoke {
    /// A pool without workers; the first check starts the first.
    ///
    /// # Errors
    /// When no worker can be started here at all.
    pub fn start(options: &Options) -> Result<Self, SmokeError> {
        std::fs::metadata(pool::SELF_EXE)?;
        let monty = Arc::new(Pool::new(Kind::Monty, options.workers));
        Ok(Self { options: options.clone(), monty, cpython: Arc::default() })
    }

    /// Runs one job within the limit, which counts from now and is at most [`limits::TIME_MAX`].
    ///
    /// # Errors
    /// See [`SmokeError`]: a limit that was hit, a text that was not run, a worker that broke.
    pub fn check(&self, job: &Job, limit: Duration) -> Result<Checked, SmokeError> {
        let started = Instant::now();
        let limit = limit.min(limits::TIME_MAX);
        let (answers, (version, missing)) =
            self.examine(job, started + limit).map_err(|error| match error {
                SmokeError::TimedOut { .. } => {
                    SmokeError::TimedOut { limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX) }
                }
                other => other,
            })?;
        Ok(Checked {
            called: answers.called,
            tested: answers.tested,
            worth: answers.worth,
            backend: Backend { version, missing },
            wall_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        })
    }

    fn examine(&self, job: &Job, deadline: Instant) -> Result<(Answers, Named), SmokeError> {
        let sheet = Sheet { reads_only: self.options.gates == Gates::CPython, ..Sheet::of(job) };
        if let Some(reason) = sheet.too_large() {
            return Err(SmokeError::Refused(reason));
        }
        let Examined { answers, backend } = self.monty.examine(&sheet, deadline)?;
        let reason = match &answers {
            Ok(Answers { doubt: Some(reason), .. }) | Err(Stop::Unsupported(reason)) => reason.clone(),
            _ => return Ok((answers?, backend)),
        };
        match (self.cpython(), answers) {
            (Ok(pool), _) => {
                let examined = pool.examine(&sheet, deadline);
                pool.prepare();
                let Examined { answers, backend } = examined?;
                Ok((answers?, backend))
            }
            // Nobody is left who could know better.
            (Err(_), Ok(answers)) => Ok((answers, backend)),
            (Err(hint), Err(_)) => Err(SmokeError::Unavailable(format!("{}: {reason}; {hint}", backend.0))),
        }
    }

    fn cpython(&self) -> Result<&Arc<Pool>, &String> {
        self.cpython.get_or_init(|| find(&self.options)).as_ref()
    }

    /// Has the first worker of each kind started in the background, so that the first check finds it ready.
    pub fn warm(&self) {
        self.monty.prepare();
        let (options, cpython) = (self.options.clone(), Arc::clone(&self.cpython));
        let start = move || {
            if let Ok(pool) = cpython.get_or_init(|| find(&options)) {
                pool.prepare();
            }
        };
        // Without a thread the first check starts it.
        drop(std::thread::Builder::new().spawn(start));
    }
}

fn find(options: &Options) -> Result<Arc<Pool>, String> {
    if options.gates == Gates::Monty {
        return Err("only this interpreter is allowed here".to_owned());
    }
    let python = Python::find(options.python.as_deref())?;
    Ok(Arc::new(Pool::new(Kind::CPython(python), options.workers)))
}

impl From<Stop> for SmokeError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::TimedOut => Self::timed_out(),
            Stop::MemoryExceeded => Self::MemoryExceeded,
            Stop::OutputExceeded => Self::OutputExceeded,
            Stop::Crashed => Self::Crashed,
            Stop::Refused(reason) => Self::Refused(reason),
            Stop::Unsyntactic(reason) => Self::Unsyntactic(reason),
            Stop::Unsupported(reason) => Self::Unavailable(reason),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.version)
    }
}
