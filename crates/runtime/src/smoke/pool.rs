//! Workers that wait for jobs: started when first needed, never more than so many, ended at the first misbehaviour.

use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::exam::{self, Answers, Sheet, Stop};
use super::frame;
use super::limits::{GRACE, JOBS_MAX, LAST_WORDS_BYTES_MAX, START_MAX};
use super::worker::READY;
use super::{SmokeError, WORKER_ARG};

/// The running executable, also after its file was replaced by an update.
const SELF_EXE: &str = "/proc/self/exe";

#[derive(Debug)]
pub(super) struct Pool {
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
    pub(super) fn new(workers_max: usize) -> Self {
        Self { workers_max: workers_max.max(1), state: Mutex::default(), freed: Condvar::new() }
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
        Worker::start().inspect_err(|_| self.lost())
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
    pub(super) backend: (String, Vec<String>),
}

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

    fn backend(&self) -> (String, Vec<String>) {
        self.worker
            .as_ref()
            .map(|worker| (worker.version.clone(), worker.missing.clone()))
            .unwrap_or_default()
    }

    fn give_back(mut self) {
        if let Some(worker) = self.worker.take_if(|worker| worker.jobs < JOBS_MAX) {
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
    child: Child,
    channel: UnixStream,
    last_words: Option<ChildStderr>,
    version: String,
    /// What its kernel could not take from it.
    missing: Vec<String>,
    jobs: u32,
}

impl Worker {
    fn start() -> Result<Self, SmokeError> {
        let (channel, far) = UnixStream::pair()?;
        let mut child = Command::new(SELF_EXE)
            .arg0("cascade")
            .arg(WORKER_ARG)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(far)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let last_words = child.stderr.take();
        let mut worker =
            Self { child, channel, last_words, version: String::new(), missing: Vec::new(), jobs: 0 };
        let fields = frame::read_until(&mut worker.channel, Instant::now() + START_MAX)?.unwrap_or_default();
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
        match frame::read_until(&mut self.channel, deadline + GRACE) {
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
        // One that is ending already keeps the cause it has.
        drop(self.child.kill());
        let status = self.child.wait().ok();
        let mut words = Vec::new();
        if let Some(stderr) = self.last_words.take() {
            // All writers are dead, so this ends.
            drop(stderr.take(u64::try_from(LAST_WORDS_BYTES_MAX).unwrap_or(0)).read_to_end(&mut words));
        }
        (status, String::from_utf8_lossy(&words).into_owned())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
