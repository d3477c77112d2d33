//! A program that serves this process over its standard streams for as long as both live, such as an MCP server: started
//! after its intent is durable, by a supervisor that ends the whole tree when this process dies.
//!
//! What it says is no output of a run: whoever reads it decides what of it is handed on, and puts that on record.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cascade_receipt::id::ReceiptId;
use rustix::event::{PollFd, PollFlags};
use rustix::pipe::PipeFlags;
use signal_hook::consts::SIGTERM;

use super::wire::{Launch, Order, Report, retry};
use super::{Guard, MARKER, PrepareError, WITHHELD, refused, tree};

/// How long a program whose input was closed may take to end by itself.
pub const CLOSE_GRACE: Duration = Duration::from_secs(2);
/// How often it is asked meanwhile whether it may go on.
const LOOK: Duration = Duration::from_millis(100);
/// How long it may then take to obey SIGTERM before its whole tree gets SIGKILL.
const COMPANION_TERM_GRACE: Duration = Duration::from_secs(2);

/// What is to be started.
#[derive(Debug)]
pub struct CompanionPlan {
    /// Receipt id of the intent. Every process of the tree carries it in the variable [`MARKER`].
    pub receipt_id: ReceiptId,
    /// The agent that asked, unless a person did.
    pub agent: Option<String>,
    /// A lock file of its own, absolute: the supervisor holds it until nothing is alive.
    pub lock_path: PathBuf,
    /// The file to execute, absolute.
    pub executable: PathBuf,
    /// The words, the program's own name first.
    pub argv: Vec<OsString>,
    /// The whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// The working directory, absolute.
    pub cwd: PathBuf,
}

/// A program that runs. Dropping it ends everything that it started.
#[derive(Debug)]
pub struct Companion {
    guard: Guard,
    lock_path: PathBuf,
    /// What it reads; taken by whoever writes to it.
    pub stdin: Option<File>,
    /// What it writes; taken by whoever reads it.
    pub stdout: Option<File>,
    /// What it writes for people; taken by whoever reads it. Until somebody does, it waits.
    pub stderr: Option<File>,
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CompanionEnd {
    /// By itself, with this code.
    Exited(u8),
    /// By this signal.
    Signaled(u8),
    /// It could not be executed; the number is the system's.
    NotStarted(i32),
    /// It did not end, and was ended.
    Ended,
}

impl fmt::Display for CompanionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Signaled(signal) => write!(f, "ended by signal {signal}"),
            Self::NotStarted(errno) => write!(f, "could not start: {}", io::Error::from_raw_os_error(*errno)),
            Self::Ended => f.write_str("had to be ended"),
        }
    }
}

impl Companion {
    /// Starts it. To be called only when the intent is durable.
    ///
    /// # Errors
    /// [`PrepareError`]; nothing was executed.
    pub fn start(plan: CompanionPlan) -> Result<Self, PrepareError> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(io::Error::from)?;
        let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(io::Error::from);
        let ((far_in, near_in), (near_out, far_out), (near_err, far_err)) = (pipe()?, pipe()?, pipe()?);
        let mut env = plan.env;
        env.retain(|(name, _)| name != MARKER && !WITHHELD.iter().any(|withheld| name == withheld));
        env.push((MARKER.into(), plan.receipt_id.to_string().into()));
        let launch = Launch {
            lock_path: plan.lock_path.clone(),
            executable: plan.executable,
            cwd: plan.cwd,
            argv: plan.argv,
            env,
            controlling: false,
            restores: false,
        };
        if !launch.is_absolute() {
            return Err(PrepareError::RelativePath);
        }
        let payload = launch.encode();
        if payload.len() > super::wire::PAYLOAD_BYTES_MAX {
            return Err(PrepareError::TooLarge(payload.len()));
        }
        let (mut guard, channel) = Guard::spawn(plan.receipt_id, plan.agent.as_deref())?;
        let sent = Order::Launch(payload, vec![far_in, far_out, far_err]).send(&channel);
        let report = sent.and_then(|()| Report::recv(&channel));
        let started = match report? {
            Some(Report::Locked(lock)) => {
                guard.lock = Some(lock);
                Order::Start(Vec::new()).send(&channel)
            }
            Some(Report::Refused(stage, errno)) => return Err(refused(stage, errno)),
            _ => return Err(PrepareError::SupervisorEnded),
        };
        guard.channel = Some(channel);
        started?;
        Ok(Self {
            guard,
            lock_path: plan.lock_path,
            stdin: Some(near_in.into()),
            stdout: Some(near_out.into()),
            stderr: Some(near_err.into()),
        })
    }

    /// Waits for it to end by itself until `grace` is over, or `at_once` says that it may not go on, then ends it and
    /// everything that it started. Close its input before.
    #[must_use]
    pub fn end(mut self, grace: Duration, at_once: &AtomicBool) -> CompanionEnd {
        self.stdin = None;
        let until = Instant::now() + grace;
        let mut end = None;
        while end.is_none() && !at_once.load(Ordering::Relaxed) {
            let (asked, left) = (Instant::now(), until.saturating_duration_since(Instant::now()));
            end = self.wait(left.min(LOOK));
            // Nothing to wait for any more, or nobody who could tell.
            if left <= LOOK || asked.elapsed() < LOOK / 2 {
                break;
            }
        }
        if end.is_none() {
            self.order(&Order::Signal(SIGTERM));
            // It was told to: how it obeys is no news.
            end = self.wait(COMPANION_TERM_GRACE).map(|_| CompanionEnd::Ended);
        }
        self.order(&Order::Kill);
        end.unwrap_or(CompanionEnd::Ended)
    }

    fn order(&self, order: &Order) {
        if let Some(channel) = &self.guard.channel {
            // A dead supervisor is noticed where its reports are read.
            drop(order.send(channel));
        }
    }

    /// How it ended, unless it runs when `time` is over.
    fn wait(&self, time: Duration) -> Option<CompanionEnd> {
        let until = Instant::now() + time;
        let channel = self.guard.channel.as_ref()?;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::from_borrowed_fd(channel.as_fd(), PollFlags::IN)];
            if retry(|| rustix::event::poll(&mut fds, Some(&tree::timespec(left)))).ok()? == 0 {
                return None;
            }
            match Report::recv(channel).ok()?? {
                Report::Exited(code) => return Some(CompanionEnd::Exited(byte(code))),
                Report::Signaled(signal) => return Some(CompanionEnd::Signaled(byte(signal))),
                Report::NotStarted(errno) => return Some(CompanionEnd::NotStarted(errno)),
                Report::Done(_) => return Some(CompanionEnd::Ended),
                Report::Locked(_) | Report::Refused(..) | Report::Started(_) | Report::Stopped(_) => {}
            }
        }
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        // The supervisor ends the tree, then lets go.
        self.guard.bury();
        // One that stays locks nothing.
        drop(std::fs::remove_file(&self.lock_path));
    }
}

fn byte(number: i32) -> u8 {
    u8::try_from(number & 0xff).unwrap_or(u8::MAX)
}
