//! Workers that wait for jobs: started when first needed, never more than so many, ended at the first misbehaviour.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::cpython::{Python, Role, enter};
use super::exam::{self, Answers, Sheet, Stop};
use super::frame;
use super::limits::{BUSY_MAX, GRACE, JOBS_MAX, LAST_WORDS_BYTES_MAX, START_MAX};
use super::worker::READY;
use super::{SmokeError, WORKER_ARG};

/// The running executable, also after its file was replaced by an update.
pub(super) const SELF_EXE: &str = "/proc/self/exe";

/// What the workers of a pool are.
#[derive(Debug)]
pub(super) enum Kind {
    Monty,
    /// Two processes, good for one job.
    CPython(Python),
}

#[derive(Debug)]
pub(super) struct Pool {
    kind: Kind,
    workers_max: usize,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Worker>,
    /// Idle and busy ones.
    alive: usize,
}

impl Pool {
    pub(super) fn new(kind: Kind, workers_max: usize) -> Self {
        Self { kind, workers_max: workers_max.max(1), state: Mutex::default(), freed: Condvar::new() }
    }

    /// Whether a worker takes no more jobs.
    fn is_worn(&self, worker: &Worker) -> bool {
        match self.kind {
            Kind::Monty => worker.jobs >= JOBS_MAX || worker.busy >= BUSY_MAX,
            Kind::CPython(_) => true,
        }
    }

    /// Starts a worker for the next job while nobody waits for it.
    pub(super) fn prepare(self: &Arc<Self>) {
        let mut state = self.state();
        if !state.idle.is_empty() || state.alive >= self.workers_max {
            return;
        }
        state.alive += 1;
        drop(state);
        let pool = Arc::clone(self);
        let start = move || match Worker::start(&pool.kind, Instant::now() + START_MAX) {
            Ok(worker) => {
                pool.state().idle.push(worker);
                pool.freed.notify_one();
            }
            Err(_) => pool.lost(),
        };
        if std::thread::Builder::new().spawn(start).is_err() {
            self.lost();
        }
    }

    /// Has a job examined by the next free worker.
    pub(super) fn examine(&self, sheet: &Sheet, deadline: Instant) -> Result<Examined, SmokeError> {
        let mut worker = Lease { pool: self, worker: Some(self.take(deadline)?) };
        let outcome = worker.examine(sheet, deadline);
        match outcome {
            Ok(answers) => {
                let examined = Examined { answers, backend: worker.backend() };
                worker.give_back();
                Ok(examined)
            }
            Err(error) => Err(error),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, deadline: Instant) -> Result<Worker, SmokeError> {
        let mut state = self.state();
        loop {
            while let Some(worker) = state.idle.pop() {
                if worker.is_waiting() {
                    return Ok(worker);
                }
                state.alive -= 1;
            }
            if state.alive < self.workers_max {
                state.alive += 1;
                break;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(SmokeError::timed_out());
            }
            state = self.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        Worker::start(&self.kind, deadline.min(Instant::now() + START_MAX)).inspect_err(|_| self.lost())
    }

    fn lost(&self) {
        self.state().alive -= 1;
        self.freed.notify_one();
    }
}

/// What a worker said, and which.
#[derive(Debug)]
pub(super) struct Examined {
    pub(super) answers: Result<Answers, Stop>,
    pub(super) backend: Named,
}

/// A version, and what its kernel could not take from it.
pub(super) type Named = (String, Vec<String>);

/// A worker at work. Unless it is given back it is ended.
struct Lease<'a> {
    pool: &'a Pool,
    worker: Option<Worker>,
}

impl Lease<'_> {
    fn examine(&mut self, sheet: &Sheet, deadline: Instant) -> Result<Result<Answers, Stop>, SmokeError> {
        match &mut self.worker {
            Some(worker) => worker.examine(sheet, deadline),
            None => Err(SmokeError::Crashed),
        }
    }

    fn backend(&self) -> Named {
        self.worker
            .as_ref()
            .map(|worker| (worker.version.clone(), worker.missing.clone()))
            .unwrap_or_default()
    }

    fn give_back(mut self) {
        if let Some(worker) = self.worker.take_if(|worker| !self.pool.is_worn(worker)) {
            self.pool.state().idle.push(worker);
            self.pool.freed.notify_one();
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            drop(worker);
            self.pool.lost();
        }
    }
}

#[derive(Debug)]
struct Worker {
    processes: Vec<Child>,
    channel: UnixStream,
    version: String,
    /// What its kernel could not take from it.
    missing: Vec<String>,
    jobs: u32,
    /// How long its jobs took together.
    busy: Duration,
}

impl Worker {
    fn start(kind: &Kind, ready_by: Instant) -> Result<Self, SmokeError> {
        let (channel, far) = UnixStream::pair()?;
        let mut worker = Self {
            processes: Vec::new(),
            channel,
            version: String::new(),
            missing: Vec::new(),
            jobs: 0,
            busy: Duration::ZERO,
        };
        match kind {
            Kind::Monty => worker.processes.push(spawn(&[WORKER_ARG.into()], far, Stdio::null())?),
            Kind::CPython(python) => {
                let (near, link) = UnixStream::pair()?;
                let examiner = enter::words(python, Role::Examiner);
                worker.processes.push(spawn(&examiner, far, Stdio::from(OwnedFd::from(near)))?);
                worker.processes.push(spawn(&enter::words(python, Role::Candidate), link, Stdio::null())?);
            }
        }
        let fields = match frame::read_until(&mut worker.channel, ready_by) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(SmokeError::timed_out()),
            other => other?.unwrap_or_default(),
        };
        let mut fields = fields.into_iter();
        if fields.next().as_deref() != Some(READY) {
            let (_, words) = worker.end();
            return Err(SmokeError::Unavailable(format!("the worker could not start: {words}")));
        }
        let mut texts = fields.map(|field| String::from_utf8_lossy(&field).into_owned());
        worker.version = texts.next().unwrap_or_default();
        worker.missing = texts.collect();
        Ok(worker)
    }

    /// Whether it lives and has nothing to say: a worker that speaks unasked is none.
    fn is_waiting(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut fds = [PollFd::new(&self.channel, PollFlags::IN | PollFlags::RDHUP)];
        poll(&mut fds, Some(&Timespec::default())) == Ok(0)
    }

    fn examine(&mut self, sheet: &Sheet, deadline: Instant) -> Result<Result<Answers, Stop>, SmokeError> {
        self.jobs += 1;
        let left = deadline.saturating_duration_since(Instant::now());
        let limit_us = u64::try_from(left.as_micros()).unwrap_or(u64::MAX);
        let sheet = Sheet { limit_us, ..sheet.clone() };
        self.channel.set_write_timeout(Some(left.max(Duration::from_millis(1))))?;
        if let Err(error) = frame::write(&mut self.channel, &sheet.encode()) {
            return Err(self.why(&error));
        }
        let started = Instant::now();
        let reply = frame::read_until(&mut self.channel, deadline + GRACE);
        self.busy += started.elapsed();
        match reply {
            Ok(Some(fields)) => exam::decode(fields, &sheet).ok_or(SmokeError::Crashed),
            Ok(None) => Err(self.why(&io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(self.why(&error)),
        }
    }

    /// Ends the worker and says what became of it.
    fn why(&mut self, error: &io::Error) -> SmokeError {
        let late = matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock);
        if late {
            self.end();
            return SmokeError::timed_out();
        }
        let (status, words) = self.end();
        let signal = status.and_then(|status| status.signal());
        if signal == Some(libc::SIGXCPU) {
            SmokeError::timed_out()
        } else if words.contains("memory allocation of") || words.contains("capacity overflow") {
            SmokeError::MemoryExceeded
        } else {
            SmokeError::Crashed
        }
    }

    /// Kills what is left of it; how it had ended, and its last words.
    fn end(&mut self) -> (Option<ExitStatus>, String) {
        let (mut status, mut words) = (None, Vec::new());
        for process in &mut self.processes {
            // One that is ending already keeps the cause it has.
            drop(process.kill());
            status = process.wait().ok();
        }
        for stderr in self.processes.iter_mut().filter_map(|process| process.stderr.take()) {
            // All writers are dead, so this ends.
            drop(stderr.take(LAST_WORDS_BYTES_MAX).read_to_end(&mut words));
        }
        (status, String::from_utf8_lossy(&words).into_owned())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // Both fail only when it is gone already.
            drop(process.kill());
            drop(process.wait());
        }
    }
}

fn spawn(words: &[OsString], stdin: UnixStream, stdout: Stdio) -> io::Result<Child> {
    Command::new(SELF_EXE)
        .arg0("cascade")
        .args(words)
        .env_clear()
        .current_dir("/")
        // Ctrl-C at the terminal is for Cascade.
        .process_group(0)
        .stdin(Stdio::from(OwnedFd::from(stdin)))
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
}
