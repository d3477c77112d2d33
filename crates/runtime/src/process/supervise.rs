//! The supervisor: owns one run, holds its lock, and ends the whole process tree when Cascade is gone.
//!
//! Order that must not change: lock, `Locked`, wait for `Start`, execute, report, end what is left, `Done`, wait for
//! the channel to close, exit. Before `Start` the end of the channel means that nothing was ever executed; at any
//! time it means that Cascade died, and nothing of the run may outlive the lock.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FlockOperation, OFlags};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use rustix::termios::{LocalModes, OptionalActions, Termios};

use super::exec::{channel_from_stdin, errno};
use super::tree;
use super::wire::{Channel, Launch, Order, Report, Stage, retry};

/// How long processes that the command left behind may take to end by themselves.
const LEFTOVER_GRACE: Duration = Duration::from_millis(300);
/// How long they may then take to obey SIGTERM before SIGKILL.
const LEFTOVER_TERM_GRACE: Duration = Duration::from_millis(300);
/// While ending the tree: look again after this long even when nobody reported a death.
const RESCAN: Duration = Duration::from_millis(20);
/// The running executable, also after its file was replaced by an update.
pub(super) const SELF_EXE: &str = "/proc/self/exe";

/// Entry point of the hidden `__supervise` subcommand; stdin is the control channel.
#[must_use]
pub fn supervise_main() -> ExitCode {
    // Errors here are errors of the channel, so there is nobody to tell.
    match supervise() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn supervise() -> io::Result<()> {
    // A session of its own: the terminal's Ctrl-C and hang-up reach the command, never the supervisor.
    rustix::process::setsid()?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let channel = channel_from_stdin()?;
    // Closing the pseudo-terminal sends SIGHUP here, as to every session leader. An ignored one stays ignored,
    // because the command inherits that (nohup).
    if !super::signals::is_ignored(signal_hook::consts::SIGHUP) {
        signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::new(AtomicBool::new(false)))?;
    }
    let (deaths, death_sender) = UnixStream::pair()?;
    deaths.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGCHLD, death_sender)?;

    let Some(Order::Launch(payload, fds)) = Order::recv(&channel)? else { return Ok(()) };
    let (mut supervisor, lock) = match Supervisor::prepare(channel, deaths, payload, fds) {
        Ok(ready) => ready,
        Err((channel, stage, error)) => return Report::Refused(stage, errno(&error)).send(&channel),
    };
    Report::Locked(lock.try_clone()?).send(&supervisor.channel)?;
    let ended = supervisor.run();
    supervisor.end_tree();
    supervisor.restore_terminal();
    // Commit point of I4: nothing of the run is alive, so the lock may be seen free.
    drop(lock);
    ended
}

/// What the command is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Cascade makes the intent durable; nothing is executed.
    Waiting,
    /// The shim has its launch; the exec has not been confirmed.
    Starting,
    /// Executing.
    Running,
    /// The command is over; others it left behind may finish until then.
    Leftover(Instant),
    /// They were asked to end; SIGKILL follows then.
    Leaving(Instant),
    /// No process is left.
    Done,
}

struct Supervisor {
    channel: Channel,
    deaths: UnixStream,
    shim: Option<Channel>,
    command: Pid,
    payload: Vec<u8>,
    streams: Vec<OwnedFd>,
    terminal: Option<OwnedFd>,
    restore: Option<(OwnedFd, Termios)>,
    phase: Phase,
    survivors: BTreeSet<i32>,
}

type Refusal = (Channel, Stage, io::Error);

impl Supervisor {
    fn prepare(
        channel: Channel,
        deaths: UnixStream,
        payload: Vec<u8>,
        fds: Vec<OwnedFd>,
    ) -> Result<(Self, OwnedFd), Refusal> {
        let setup = |(launch, streams)| {
            let lock = take_lock(&launch).map_err(|error| (Stage::Lock, error))?;
            let parts = Parts::of(&launch, streams).map_err(|error| (Stage::Setup, error))?;
            Ok((parts, lock))
        };
        let launch = Launch::decode(&payload).map(|launch| (launch, fds));
        match launch.map_err(|error| (Stage::Setup, error)).and_then(setup) {
            Err((stage, error)) => Err((channel, stage, error)),
            Ok((parts, lock)) => {
                let Parts { shim, command, streams, terminal, restore } = parts;
                let survivors = BTreeSet::new();
                let phase = Phase::Waiting;
                let shim = Some(shim);
                let supervisor = Self {
                    channel,
                    deaths,
                    shim,
                    command,
                    payload,
                    streams,
                    terminal,
                    restore,
                    phase,
                    survivors,
                };
                Ok((supervisor, lock))
            }
        }
    }

    /// Serves until the channel closes.
    fn run(&mut self) -> io::Result<()> {
        loop {
            let ready = self.wait()?;
            if ready.shim {
                self.hear_shim();
            }
            if ready.deaths {
                self.reap();
            }
            if ready.channel {
                match Order::recv(&self.channel)? {
                    None => return Ok(()),
                    Some(order) => self.obey(&order),
                }
            }
            self.advance();
        }
    }

    fn wait(&self) -> io::Result<Ready> {
        let mut fds = vec![
            PollFd::from_borrowed_fd(self.channel.as_fd(), PollFlags::IN),
            PollFd::new(&self.deaths, PollFlags::IN),
        ];
        if let (Phase::Starting, Some(shim)) = (self.phase, &self.shim) {
            fds.push(PollFd::from_borrowed_fd(shim.as_fd(), PollFlags::IN));
        }
        let timeout = match self.phase {
            Phase::Leftover(until) | Phase::Leaving(until) => {
                Some(until.saturating_duration_since(Instant::now()))
            }
            Phase::Waiting | Phase::Starting | Phase::Running | Phase::Done => None,
        };
        let timeout: Option<Timespec> = timeout.map(tree::timespec);
        retry(|| rustix::event::poll(&mut fds, timeout.as_ref()))?;
        let ready = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
        Ok(Ready { channel: ready(0), deaths: ready(1), shim: ready(2) })
    }

    fn obey(&mut self, order: &Order) {
        match order {
            Order::Start(brokered) if self.phase == Phase::Waiting => self.start(brokered),
            Order::Signal(number) if self.is_executing() => {
                if let Some(signal) = Signal::from_named_raw(*number) {
                    // Fails only when the group is already gone, which its exit report tells.
                    _ = rustix::process::kill_process_group(self.command, signal);
                }
            }
            Order::Kill if !matches!(self.phase, Phase::Waiting | Phase::Done) => self.end_tree(),
            Order::Launch(..) | Order::Start(_) | Order::Signal(_) | Order::Kill => {}
        }
    }

    fn is_executing(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Running)
    }

    /// Hands the launch to the shim: from here on the command may run.
    fn start(&mut self, brokered: &[u8]) {
        self.phase = Phase::Starting;
        if let Some(slave) = self.terminal.take() {
            // Without it the command is a background job of its own terminal and stops at its first read.
            _ = rustix::termios::tcsetpgrp(&slave, self.command);
        }
        let mut payload = std::mem::take(&mut self.payload);
        payload.extend_from_slice(brokered);
        let streams = std::mem::take(&mut self.streams);
        if let Some(shim) = &self.shim {
            // A failure means that the shim is dead; its exit report follows.
            drop(Order::Launch(payload, streams).send(shim));
        }
    }

    /// The shim's channel closes on exec; anything readable before that is the reason why there was none.
    fn hear_shim(&mut self) {
        let Some(shim) = self.shim.take() else { return };
        let report = match Report::recv(&shim) {
            Ok(Some(report @ Report::NotStarted(_))) => {
                self.phase = Phase::Leftover(Instant::now() + LEFTOVER_GRACE);
                report
            }
            Ok(_) | Err(_) => {
                self.phase = Phase::Running;
                Report::Started(self.command.as_raw_nonzero().get())
            }
        };
        self.tell(&report);
    }

    /// A vanished Cascade is noticed at the next wait.
    fn tell(&self, report: &Report) {
        drop(report.send(&self.channel));
    }

    /// Collects the dead. Returns whether children are left.
    fn reap(&mut self) -> bool {
        let mut sink = [0; 64];
        while self.deaths.read(&mut sink).is_ok_and(|count| count > 0) {}
        loop {
            match rustix::process::wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
                Ok(Some((pid, status))) if pid == self.command => self.command_changed(status),
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    fn command_changed(&mut self, status: WaitStatus) {
        if self.phase == Phase::Starting {
            self.hear_shim();
        }
        if let Some(signal) = status.stopping_signal() {
            self.tell(&Report::Stopped(signal));
            return;
        }
        if self.phase == Phase::Running {
            self.phase = Phase::Leftover(Instant::now() + LEFTOVER_GRACE);
            let report = match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Report::Exited(code),
                (None, signal) => Report::Signaled(signal.unwrap_or(0)),
            };
            self.tell(&report);
        }
    }

    /// Moves towards `Done` once the command is over.
    fn advance(&mut self) {
        let (Phase::Leftover(until) | Phase::Leaving(until)) = self.phase else { return };
        if !self.reap() {
            self.phase = Phase::Done;
            let count = u32::try_from(self.survivors.len()).unwrap_or(u32::MAX);
            self.tell(&Report::Done(count));
        } else if Instant::now() >= until {
            if matches!(self.phase, Phase::Leaving(_)) {
                self.end_tree();
                self.advance();
            } else {
                self.phase = Phase::Leaving(Instant::now() + LEFTOVER_TERM_GRACE);
                for pid in tree::descendants(rustix::process::getpid()) {
                    if tree::signal(pid, Signal::TERM).is_some() {
                        self.survivors.insert(pid.as_raw_nonzero().get());
                    }
                }
            }
        }
    }

    /// SIGKILL to every descendant, until there is none. A process that may not be signalled (sudo) is waited for.
    fn end_tree(&mut self) {
        let own = rustix::process::getpid();
        let after_command = !self.is_executing() && self.phase != Phase::Waiting;
        while self.reap() {
            for pid in tree::descendants(own) {
                if tree::end(pid).is_some() && after_command {
                    self.survivors.insert(pid.as_raw_nonzero().get());
                }
            }
            let mut fds = [PollFd::new(&self.deaths, PollFlags::IN)];
            // Interrupted or not, the next round looks again.
            _ = rustix::event::poll(&mut fds, Some(&tree::timespec(RESCAN)));
        }
    }

    /// Cascade killed outright could not leave raw mode itself. Raw mode is told from the modes of a shell's line
    /// editor, which may own the terminal again by now, by its disabled signal keys.
    fn restore_terminal(&self) {
        let Some((terminal, saved)) = &self.restore else { return };
        let raw = rustix::termios::tcgetattr(terminal)
            .is_ok_and(|now| !now.local_modes.intersects(LocalModes::ISIG | LocalModes::ICANON));
        if raw {
            _ = rustix::termios::tcsetattr(terminal, OptionalActions::Now, saved);
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Ready {
    channel: bool,
    deaths: bool,
    shim: bool,
}

struct Parts {
    shim: Channel,
    command: Pid,
    streams: Vec<OwnedFd>,
    terminal: Option<OwnedFd>,
    restore: Option<(OwnedFd, Termios)>,
}

impl Parts {
    fn of(launch: &Launch, mut fds: Vec<OwnedFd>) -> io::Result<Self> {
        let expected = 3 + usize::from(launch.controlling) + usize::from(launch.restores);
        if fds.len() != expected {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        let restore = if launch.restores { fds.pop() } else { None };
        let restore = match restore {
            Some(terminal) => {
                let saved = rustix::termios::tcgetattr(&terminal)?;
                Some((terminal, saved))
            }
            None => None,
        };
        let terminal = if launch.controlling { fds.pop() } else { None };
        if let Some(slave) = &terminal {
            rustix::process::ioctl_tiocsctty(slave)?;
        }
        let (shim, far) = Channel::pair()?;
        // Spawned before `Start`, so that its start-up costs nothing while the intent becomes durable.
        let child = Command::new(SELF_EXE)
            .arg(super::EXEC_ARG)
            .stdin(Stdio::from(OwnedFd::from(far)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let command = Pid::from_child(&child);
        Ok(Self { shim, command, streams: fds, terminal, restore })
    }
}

/// Opens and locks the lock file, for as long as any copy of the descriptor is open.
fn take_lock(launch: &Launch) -> io::Result<OwnedFd> {
    let path: &Path = &launch.lock_path;
    let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let file: File = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(no_follow)
        .open(path)?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file.into())
}
