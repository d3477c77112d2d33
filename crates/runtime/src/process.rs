//! Supervised commands: nothing executes before its intent is durable, no output leaves before a receipt commits to
//! it, and nothing of a run survives the run or Cascade (ARCHITECTURE.md, I1, I2 and I4).
//!
//! A run takes three processes besides Cascade: the supervisor (`__supervise`), which holds the run's lock and is
//! the subreaper of everything below it; the exec shim (`__exec`), which becomes the command; and whatever the
//! command starts. The order is fixed:
//!
//! 1. [`prepare`]: supervisor alive, lock held, shim waiting. If Cascade dies here, nothing was executed.
//! 2. The caller makes the intent durable. The same holds.
//! 3. [`Prepared::start`]: the command runs; output leaves in segments, each after the governor's word, who also says
//!    whether the run may go on. If Cascade dies here, the supervisor ends the whole tree and only then lets go of the lock.
//! 4. [`Ended`]: nothing of the run is alive, the lock is still held. The caller makes the closer durable.
//! 5. [`Pending::release`], and dropping the [`Guard`] frees the lock.
//!
//! Known gap: work handed to a process that already runs (docker, at, systemd-run, tmux, a remote host) is outside
//! the tree and is not ended.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cascade_receipt::digest::{Digest, Nonce};
use cascade_receipt::id::ReceiptId;
use rustix::process::Pid;
use thiserror::Error;

mod adopted;
mod ancestry;
mod companion;
mod exec;
pub(crate) mod mark;
mod orphans;
mod output;
mod pending;
mod redact;
mod run;
mod signals;
mod streams;
mod supervise;
mod terminal;
mod tree;
mod watch;
pub(crate) mod wire;

pub(crate) use adopted::{Adopted, Started};
pub use ancestry::{Enclosure, runs_above};
pub use companion::{CLOSE_GRACE, Companion, CompanionEnd, CompanionPlan};
pub use exec::exec_main;
pub(crate) use output::Output;
pub use output::{BUFFER_BYTES_MAX, Frame, LEADING_EDGE, LONG_RUN, Segment, Stream, TICK, TICK_LONG};
pub use pending::{Captured, Pending};
pub use run::{INTERRUPT_GRACE, TERM_GRACE};
pub use supervise::supervise_main;
pub use tree::{MARKER, Swept, sweep};
pub use watch::{Answer, Governor, Question, REVOKE_GRACE, TRUST_INTERVAL, WATCH_INTERVAL};

use crate::credentials::Brokered;
use crate::people::Whom;
pub(crate) use signals::Signals;
pub use signals::own_ending;
use wire::{Channel, Launch, Order, Report, Stage};

/// First argument that routes a process to [`supervise_main`].
pub const SUPERVISE_ARG: &str = "__supervise";
/// The word of a supervisor whose run a person asked for.
pub(crate) const ASKED_BY_PERSON: &str = "person";
/// First argument that routes a process to [`exec_main`].
pub const EXEC_ARG: &str = "__exec";

/// Variables that are for Cascade alone: they lead to secrets.
const WITHHELD: &[&str] = &["CASCADE_PASSPHRASE_FILE"];

/// One command to run.
#[derive(Debug)]
pub struct Plan {
    /// Receipt id of the intent. Every process of the run carries it in the variable [`MARKER`].
    pub receipt_id: ReceiptId,
    /// The agent that asked, unless a person did. What the run starts is no more than that.
    pub agent: Option<String>,
    /// The run's lock file, absolute. Created (0600) when absent, never removed here.
    pub lock_path: PathBuf,
    /// The file to execute, absolute, as the decision saw it.
    pub executable: PathBuf,
    /// The words, the command's own name first.
    pub argv: Vec<OsString>,
    /// The whole environment, but for what is brokered.
    pub env: Vec<(OsString, OsString)>,
    /// Credentials: in the command's environment from its start, and in no output of it.
    pub brokered: Vec<Brokered>,
    /// The working directory, absolute.
    pub cwd: PathBuf,
    /// Where standard input comes from.
    pub stdin: StdinPlan,
    /// Where output goes.
    pub streams: StreamsPlan,
    /// How long the command may take.
    pub timeout: Option<Duration>,
    /// A run whose output needs no heartbeat leaves one this often.
    pub trust_interval: Duration,
    /// Salts the output hashes.
    pub output_nonce: Nonce,
    /// Whether this process acts for the person in front of it: passes signals on, lends its terminal, and adopts
    /// orphans. A server that runs several commands at once says false.
    pub foreground: bool,
}

/// Where standard input comes from.
#[derive(Debug)]
pub enum StdinPlan {
    /// This process's own.
    Inherit,
    /// Nothing.
    Null,
    /// These bytes, captured before the decision.
    Bytes(Vec<u8>),
}

/// Where output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamsPlan {
    /// To this process's own streams, live, in segments. Output past `cap_bytes` is dropped.
    PassThrough {
        /// Most output bytes of the run, both streams together.
        cap_bytes: Option<u64>,
    },
    /// Into memory, for the caller. Output past `cap_bytes` is dropped.
    Capture {
        /// Most output bytes of the run, both streams together.
        cap_bytes: u64,
    },
}

/// Why nothing was prepared. Nothing was executed.
#[derive(Debug, Error)]
pub enum PrepareError {
    /// A path of the plan is relative.
    #[error("couldn't prepare the run: lock path, executable and working directory must be absolute")]
    RelativePath,
    /// Another process holds this run's lock.
    #[error("couldn't prepare the run: its lock is held by another process")]
    LockHeld,
    /// The lock file could not be opened.
    #[error("couldn't open the lock of the run: {0}")]
    Lock(io::Error),
    /// Arguments and environment are larger than any system would execute.
    #[error("couldn't prepare the run: arguments and environment take {0} bytes, past the limit of {max}", max = wire::PAYLOAD_BYTES_MAX)]
    TooLarge(usize),
    /// The supervisor ended before it held the lock.
    #[error("couldn't prepare the run: the supervisor ended early")]
    SupervisorEnded,
    /// Pipes, pseudo-terminal or processes could not be made.
    #[error("couldn't prepare the run: {0}")]
    Setup(#[from] io::Error),
}

/// What the governor says when a heartbeat could not be made durable.
pub type HookError = Box<dyn std::error::Error + Send + Sync>;

/// Why a run was broken off. Nothing of it is alive, and the output that waited is lost.
#[derive(Debug, Error)]
pub enum RunError {
    /// A heartbeat could not be made durable, so no more output may leave.
    #[error("ended the run: {0}")]
    Hook(HookError),
    /// The event loop failed.
    #[error("ended the run: {0}")]
    Io(#[from] io::Error),
}

/// How a run ended.
#[derive(Debug)]
pub enum Status {
    /// The command ended with this code.
    Exited(u8),
    /// The command was ended by this signal.
    Signaled(u8),
    /// The command could not be executed: not found, not permitted, arguments too long.
    CouldNotStart(io::Error),
    /// The command took longer than the plan allows and was ended.
    TimedOut,
    /// The governor no longer admits the run, and the command was ended.
    Revoked,
    /// Cascade got this signal, and the command was ended because it did not end by itself.
    Interrupted(u8),
    /// The supervisor died, so how the command ended is unknown; everything it had started was ended.
    Lost,
}

/// A run that is over: nothing of it is alive.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: Status,
    /// The first signal to end that Cascade received and passed on while it ran.
    pub signal_passed: Option<u8>,
    /// From the order to execute to the end of the command, in microseconds.
    pub duration_us: u64,
    /// SHA-256(output nonce ‖ all frames), for the closer.
    pub output_hash: Digest,
    /// Output bytes of the run, frame headers not counted.
    pub output_bytes: u64,
    /// How many segments were vouched for while it ran; 0 for a command that ended within the first tick.
    pub segments: u64,
    /// Whether output was dropped because of the cap.
    pub truncated: bool,
    /// Processes that outlived the command and were ended.
    pub survivors_ended: u32,
    /// Why output could not be written any more, when that was not the reader's going away.
    pub output_error: Option<io::Error>,
    /// Output that must not leave before the closer is durable.
    pub pending: Pending,
    /// Keeps the lock; drop it once the closer is durable.
    pub guard: Guard,
}

/// Starts the supervisor, takes the lock and gets everything ready. Nothing is executed.
///
/// # Errors
/// See [`PrepareError`].
pub fn prepare(plan: Plan) -> Result<Prepared, PrepareError> {
    let signals = if plan.foreground { Some(Signals::collect()?) } else { None };
    // If only the supervisor is killed, its orphans come here and can be ended.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(io::Error::from)?;
    let live = matches!(plan.streams, StreamsPlan::PassThrough { .. });
    let (near, far) = streams::make(plan.stdin, plan.foreground && live)?;
    let mut env = plan.env;
    env.retain(|(name, _)| name != MARKER && !WITHHELD.iter().any(|withheld| name == withheld));
    env.retain(|(name, _)| !plan.brokered.iter().any(|one| one.replaces(name)));
    env.push((MARKER.into(), plan.receipt_id.to_string().into()));
    let launch = Launch {
        lock_path: plan.lock_path,
        executable: plan.executable,
        cwd: plan.cwd,
        argv: plan.argv,
        env,
        controlling: far.controlling.is_some(),
        restores: far.real_terminal.is_some(),
    };
    if !launch.is_absolute() {
        return Err(PrepareError::RelativePath);
    }
    let payload = launch.encode();
    let brokered: usize = plan.brokered.iter().map(|one| wire::brokered(one).len()).sum();
    if payload.len() + brokered > wire::PAYLOAD_BYTES_MAX {
        return Err(PrepareError::TooLarge(payload.len() + brokered));
    }
    let fds = far.streams.into_iter().chain(far.controlling).chain(far.real_terminal).collect();
    let (mut link, channel) = Guard::spawn(plan.receipt_id, plan.agent.as_deref())?;
    let sent = Order::Launch(payload, fds).send(&channel);
    let report = sent.and_then(|()| Report::recv(&channel));
    link.channel = Some(channel);
    match report? {
        Some(Report::Locked(lock)) => link.lock = Some(lock),
        Some(Report::Refused(stage, errno)) => return Err(refused(stage, errno)),
        _ => return Err(PrepareError::SupervisorEnded),
    }
    let settings = run::Settings {
        streams: plan.streams,
        timeout: plan.timeout,
        trust_interval: plan.trust_interval,
        output_nonce: plan.output_nonce,
        brokered: plan.brokered,
    };
    Ok(Prepared { link, near, signals, settings })
}

fn refused(stage: Stage, errno: i32) -> PrepareError {
    let error = io::Error::from_raw_os_error(errno);
    match stage {
        Stage::Lock if error.kind() == io::ErrorKind::WouldBlock => PrepareError::LockHeld,
        Stage::Lock => PrepareError::Lock(error),
        Stage::Setup => PrepareError::Setup(error),
    }
}

/// A run whose lock is held and whose command has not been executed. Dropping it gives the run up.
#[derive(Debug)]
pub struct Prepared {
    link: Guard,
    near: streams::Near,
    signals: Option<Signals>,
    settings: run::Settings,
}

impl Prepared {
    /// Executes the command and sees it through. Call this only when the intent is durable.
    ///
    /// `governor` is asked about each segment before it is released, answering once a heartbeat with its hash is
    /// durable, and every [`WATCH_INTERVAL`] whether the run may go on.
    ///
    /// # Errors
    /// See [`RunError`]; the whole tree was ended then, and the lock is free.
    pub fn start(self, governor: &mut Governor<'_>) -> Result<Ended, RunError> {
        run::run(self.link, self.near, self.signals, &self.settings, governor)
    }
}

/// Keeps the lock of a run, and its supervisor, until dropped.
#[derive(Debug)]
pub struct Guard {
    channel: Option<Channel>,
    supervisor: Child,
    lock: Option<OwnedFd>,
    /// Signals stay caught until the closer is durable, so that Ctrl-C cannot come between.
    signals: Option<Signals>,
}

impl Guard {
    /// Receipt id and asker stand in the supervisor's command line, where those below it find them ([`Enclosure`]).
    fn spawn(receipt_id: ReceiptId, agent: Option<&str>) -> io::Result<(Self, Channel)> {
        let asker = agent.map(|name| format!("{}{name}", Whom::AGENT_PREFIX));
        let (channel, far) = Channel::pair()?;
        let mut supervisors = supervisors();
        let supervisor = Command::new(supervise::SELF_EXE)
            .arg0("cascade")
            .arg(SUPERVISE_ARG)
            .arg(receipt_id.to_string())
            .arg(asker.as_deref().unwrap_or(ASKED_BY_PERSON))
            .stdin(Stdio::from(OwnedFd::from(far)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        supervisors.push(Pid::from_child(&supervisor));
        Ok((Self { channel: None, supervisor, lock: None, signals: None }, channel))
    }

    /// Waits for the supervisor, whose channel is closed or which is dead, and forgets it.
    fn bury(&mut self) {
        self.channel = None;
        // Fails only when it was waited for before.
        drop(self.supervisor.wait());
        let pid = Pid::from_child(&self.supervisor);
        supervisors().retain(|known| *known != pid);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.bury();
    }
}

/// The living supervisors of this process: they are sessions of their own, as orphans are, but not to be ended.
fn supervisors() -> impl std::ops::DerefMut<Target = Vec<Pid>> {
    static SUPERVISORS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());
    SUPERVISORS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Signaled(signal) => write!(f, "ended by signal {signal}"),
            Self::CouldNotStart(error) => write!(f, "could not start: {error}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Revoked => f.write_str("no longer admitted"),
            Self::Interrupted(signal) => write!(f, "ended after Cascade received signal {signal}"),
            Self::Lost => f.write_str("supervisor died"),
        }
    }
}
