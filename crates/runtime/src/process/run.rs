//! The event loop of Cascade while a command runs: reads output, has it made durable, releases it, passes input and
//! signals on, keeps time, and hears the supervisor. One thread, one poll, no sleeping.

mod store;
mod watch;

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use cascade_receipt::digest::Nonce;
use rustix::event::{PollFd, PollFlags};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};

use super::orphans;
use super::output::{BUFFER_BYTES_MAX, Capture, Output, Stream};
use super::pending::{Pending, target};
use super::redact::Redactor;
use super::signals::Signals;
use super::streams::Near;
use super::terminal;
use super::tree;
use super::watch::{Answer, Governor, Question, WATCH_INTERVAL};
use super::wire::{self, Order, Report, retry};
use super::{Ended, Guard, RunError, Status, StreamsPlan};
use crate::credentials::Brokered;
use store::Store;

/// How long a command that timed out may take to obey SIGTERM before its whole tree gets SIGKILL.
pub const TERM_GRACE: Duration = Duration::from_secs(2);
/// The same after Cascade itself got SIGTERM or SIGHUP. Longer, because cleaning up is what a command does then
/// (terraform releases its state lock).
pub const INTERRUPT_GRACE: Duration = Duration::from_secs(10);
/// This many signals to end make the next one a SIGKILL of the whole tree.
const PATIENCE: u32 = 3;
/// Bytes per read.
const READ_BYTES_MAX: usize = 64 << 10;
/// A writable pipe or terminal takes this much without blocking (PIPE_BUF).
const WRITE_BYTES_MAX: usize = 4096;
/// Output that may still come out of pipes when nobody of the run is left: what they can hold, with a margin. A
/// process outside the run that got hold of a pipe cannot keep the run open with more.
const DRAIN_BYTES_MAX: usize = 4 << 20;
/// How often a background job looks whether it has come to the terminal's foreground.
const FOREGROUND_CHECK: Duration = Duration::from_secs(1);

/// What the loop needs of the plan.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) streams: StreamsPlan,
    pub(super) timeout: Option<Duration>,
    pub(super) trust_interval: Duration,
    pub(super) output_nonce: Nonce,
    pub(super) brokered: Vec<Brokered>,
}

pub(super) fn run(
    link: Guard,
    near: Near,
    signals: Option<Signals>,
    settings: &Settings,
    governor: &mut Governor<'_>,
) -> Result<Ended, RunError> {
    let mut run = Run::new(link, near, signals, settings);
    match run.serve(governor) {
        Ok(()) => Ok(run.finish()),
        Err(error) => {
            // Closing the channel makes the supervisor end everything before it lets go of the lock.
            run.link.bury();
            Err(error)
        }
    }
}

/// Why and when the tree is to be ended.
#[derive(Debug, Clone, Copy)]
struct Stop {
    cause: Cause,
    kill_at: Instant,
    killed: bool,
}

#[derive(Debug, Clone, Copy)]
enum Cause {
    Timeout,
    Revoked,
    Signal(i32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Supervisor,
    Signals,
    Source(usize),
    FeedIn,
    FeedOut,
    Keys,
    KeysOut,
    Sink(Stream),
}

struct Run {
    link: Guard,
    near: Near,
    signals: Option<Signals>,
    store: Store,
    /// Where the command was handed something that must not come out.
    redactor: Option<Redactor>,
    brokered: Vec<u8>,
    buffer: Vec<u8>,
    /// How much of the first outgoing frame is written.
    written: usize,
    closed: Vec<Stream>,
    output_error: Option<io::Error>,
    started: Instant,
    deadline: Option<Instant>,
    /// When the governor is asked again.
    watch_at: Instant,
    /// The last heartbeat, or the start.
    beat_at: Instant,
    trust_interval: Duration,
    revoked: bool,
    stop: Option<Stop>,
    signal_passed: Option<i32>,
    patience: u32,
    status: Option<Status>,
    ended: Option<Instant>,
    /// Set when nothing of the run is left: how many outlived the command.
    survivors: Option<u32>,
    drained: usize,
    dry: bool,
}

impl Run {
    fn new(link: Guard, near: Near, signals: Option<Signals>, settings: &Settings) -> Self {
        let started = Instant::now();
        let nonce = &settings.output_nonce;
        let store = match settings.streams {
            StreamsPlan::Capture { cap_bytes } => Store::Captured(Capture::new(nonce, cap_bytes)),
            StreamsPlan::PassThrough { cap_bytes } => {
                Store::Live(Output::new(nonce, near.terminal.is_some(), cap_bytes, started))
            }
        };
        Self {
            link,
            near,
            signals,
            store,
            redactor: store::redactor(&settings.brokered),
            brokered: settings.brokered.iter().flat_map(wire::brokered).collect(),
            buffer: vec![0; READ_BYTES_MAX],
            written: 0,
            closed: Vec::new(),
            output_error: None,
            started,
            deadline: settings.timeout.and_then(|timeout| started.checked_add(timeout)),
            watch_at: started + WATCH_INTERVAL,
            beat_at: started,
            trust_interval: settings.trust_interval,
            revoked: false,
            stop: None,
            signal_passed: None,
            patience: PATIENCE,
            status: None,
            ended: None,
            survivors: None,
            drained: 0,
            dry: false,
        }
    }

    fn serve(&mut self, governor: &mut Governor<'_>) -> Result<(), RunError> {
        self.handle_signals();
        if let Some(signal) = self.signal_passed {
            // Told to end before anything was executed: the order to start is never given.
            self.status = Some(Status::Interrupted(number(signal)));
            self.survivors = Some(0);
            return Ok(());
        }
        let brokered = std::mem::take(&mut self.brokered);
        self.order(&Order::Start(brokered));
        if let Some(terminal) = &mut self.near.terminal {
            terminal.take();
        }
        while !self.is_over() {
            // A full buffer keeps the sources from being asked; that is not the same as nothing there.
            let asked = self.room() > 0;
            let events = self.wait()?;
            self.dry = asked && !events.iter().any(|event| matches!(event, Token::Source(_)));
            for event in events {
                self.handle(event)?;
            }
            self.commit_due(governor)?;
            self.watch(governor)?;
            self.keep_time();
        }
        Ok(())
    }

    /// Nothing of the run is left, and what it wrote has been read.
    fn is_over(&self) -> bool {
        let all_closed = self.near.sources.iter().all(|source| source.fd.is_none());
        let read = all_closed || (self.dry && self.room() > 0) || self.drained >= DRAIN_BYTES_MAX;
        self.survivors.is_some() && read
    }

    fn room(&self) -> usize {
        match &self.store {
            Store::Live(output) => output.room(),
            Store::Captured(_) => BUFFER_BYTES_MAX,
        }
    }

    fn order(&self, order: &Order) {
        if let Some(channel) = &self.link.channel {
            // A dead supervisor is noticed where its reports are read.
            drop(order.send(channel));
        }
    }

    fn wait(&self) -> io::Result<Vec<Token>> {
        let mut tokens = Vec::with_capacity(10);
        let mut fds = Vec::with_capacity(10);
        let mut add = |token, fd, events| {
            tokens.push(token);
            fds.push(PollFd::from_borrowed_fd(fd, events));
        };
        if let (Some(channel), None) = (&self.link.channel, self.survivors) {
            add(Token::Supervisor, channel.as_fd(), PollFlags::IN);
        }
        if let Some(signals) = &self.signals {
            add(Token::Signals, signals.as_fd(), PollFlags::IN);
        }
        if self.room() > 0 {
            for (index, source) in self.near.sources.iter().enumerate() {
                if let Some(fd) = &source.fd {
                    add(Token::Source(index), fd.as_fd(), PollFlags::IN);
                }
            }
        }
        if let Some(feed) = &self.near.feed {
            match &feed.from {
                Some(from) if feed.is_empty() => add(Token::FeedIn, from.as_fd(), PollFlags::IN),
                _ => add(Token::FeedOut, feed.to.as_fd(), PollFlags::OUT),
            }
        }
        if let Some(terminal) = &self.near.terminal {
            if terminal.wants_keys() {
                add(Token::Keys, terminal.real.as_fd(), PollFlags::IN);
            }
            if terminal.has_keys() {
                add(Token::KeysOut, terminal.master.as_fd(), PollFlags::OUT);
            }
        }
        if let Some(stream) = self.next_outgoing() {
            add(Token::Sink(stream), self.sink(stream), PollFlags::OUT);
        }
        let timeout = self.timeout().map(tree::timespec);
        retry(|| rustix::event::poll(&mut fds, timeout.as_ref()))?;
        let ready = tokens.into_iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
        Ok(ready.map(|(token, _)| token).collect())
    }

    fn next_outgoing(&self) -> Option<Stream> {
        match &self.store {
            Store::Live(output) => output.next_outgoing().map(|frame| frame.stream),
            Store::Captured(_) => None,
        }
    }

    fn sink(&self, stream: Stream) -> BorrowedFd<'_> {
        target(stream, self.near.terminal.as_ref().map(|terminal| &terminal.real))
    }

    /// Time until something is due; zero while the last output is drained.
    fn timeout(&self) -> Option<Duration> {
        let now = Instant::now();
        if self.survivors.is_some() && self.room() > 0 {
            return Some(Duration::ZERO);
        }
        let stop = self.stop.filter(|stop| !stop.killed).map(|stop| stop.kill_at);
        let deadline = self.deadline.filter(|_| self.stop.is_none() && self.status.is_none());
        let background = self.near.terminal.as_ref().filter(|terminal| !terminal.is_taken());
        let check = background.map(|_| now + FOREGROUND_CHECK);
        let watch = self.is_watched().then_some(self.watch_at);
        let due = [stop, deadline, check, watch, self.commit_at()].into_iter().flatten().min()?;
        Some(due.saturating_duration_since(now))
    }

    /// When the waiting output is to be committed. Not while earlier segments still wait for a slow reader.
    fn commit_at(&self) -> Option<Instant> {
        match &self.store {
            Store::Live(output) if output.is_idle() => {
                output.due(self.near.sources.iter().all(|source| source.fd.is_none()))
            }
            Store::Live(_) | Store::Captured(_) => None,
        }
    }

    fn commit_due(&mut self, governor: &mut Governor<'_>) -> Result<(), RunError> {
        // The command is over: what waits is covered by the closer, unless it fills the buffer.
        if self.survivors.is_some() && self.room() > 0 {
            return Ok(());
        }
        if self.commit_at().is_some_and(|due| due <= Instant::now())
            && let Store::Live(output) = &mut self.store
        {
            // Commit point of I2: nothing of this segment has left yet.
            let answer = governor(&Question::Segment(&output.commit())).map_err(RunError::Hook)?;
            let now = Instant::now();
            if answer == Answer::GoOn {
                output.released(now);
                self.beat_at = now;
            } else {
                self.revoke();
            }
        }
        Ok(())
    }

    fn handle(&mut self, event: Token) -> io::Result<()> {
        match event {
            Token::Supervisor => self.hear()?,
            Token::Signals => self.handle_signals(),
            Token::Source(index) => self.read(index),
            Token::FeedIn | Token::FeedOut => self.feed(event),
            Token::Keys => {
                if self.near.terminal.as_mut().is_some_and(terminal::Terminal::read_keys) {
                    self.end_by(SIGHUP);
                }
            }
            Token::KeysOut => {
                if let Some(terminal) = &mut self.near.terminal {
                    terminal.pass_keys();
                }
            }
            Token::Sink(stream) => self.write(stream),
        }
        Ok(())
    }

    fn hear(&mut self) -> io::Result<()> {
        let report = match &self.link.channel {
            Some(channel) => Report::recv(channel)?,
            None => None,
        };
        match report {
            None => self.lost(),
            Some(Report::NotStarted(errno)) => {
                self.command_over(Status::CouldNotStart(io::Error::from_raw_os_error(errno)));
            }
            Some(Report::Exited(code)) => self.command_over(Status::Exited(number(code))),
            Some(Report::Signaled(signal)) => self.command_over(Status::Signaled(number(signal))),
            Some(Report::Done(count)) => self.survivors = Some(count),
            Some(Report::Stopped(_)) => self.command_stopped(),
            Some(Report::Locked(_) | Report::Refused(..) | Report::Started(_)) => {}
        }
        Ok(())
    }

    fn command_over(&mut self, status: Status) {
        self.ended = Some(Instant::now());
        let status = match (self.stop, status) {
            (Some(Stop { cause: Cause::Timeout, .. }), _) => Status::TimedOut,
            (Some(Stop { cause: Cause::Revoked, .. }), _) => Status::Revoked,
            (Some(Stop { cause: Cause::Signal(signal), killed: true, .. }), _) => {
                Status::Interrupted(number(signal))
            }
            (_, status) => status,
        };
        self.status = Some(status);
        // The keyboard belongs to the shell again; what the command left behind gets no keys.
        if let Some(terminal) = &mut self.near.terminal {
            terminal.loosen();
        }
    }

    /// The supervisor died. Its orphans were handed to this process when it did; end them.
    fn lost(&mut self) {
        self.link.bury();
        let ended = orphans::end();
        self.ended.get_or_insert_with(Instant::now);
        self.status.get_or_insert(Status::Lost);
        self.survivors = Some(ended);
    }

    /// The command stopped (Ctrl-Z in its terminal): stop this job too, and go on when it is continued.
    fn command_stopped(&mut self) {
        let Some(terminal) = &mut self.near.terminal else { return };
        terminal.give_back();
        terminal::stop_job();
        terminal.resize();
        terminal.take();
        self.order(&Order::Signal(SIGCONT));
    }

    fn handle_signals(&mut self) {
        for signal in self.signals.as_mut().map(Signals::pending).unwrap_or_default() {
            match signal {
                SIGHUP | SIGINT | SIGQUIT | SIGTERM => self.end_by(signal),
                SIGWINCH => match &self.near.terminal {
                    Some(terminal) => terminal.resize(),
                    None => self.order(&Order::Signal(SIGWINCH)),
                },
                SIGTSTP => {
                    self.order(&Order::Signal(SIGTSTP));
                    if self.near.terminal.is_none() {
                        terminal::stop_job();
                        self.order(&Order::Signal(SIGCONT));
                    }
                }
                SIGCONT => {
                    if let Some(terminal) = &mut self.near.terminal {
                        terminal.take();
                    }
                    self.order(&Order::Signal(SIGCONT));
                }
                other => self.order(&Order::Signal(other)),
            }
        }
    }

    /// Passes on a signal that asks to end. Ctrl-C leaves the command its time (terraform stops gracefully on the
    /// first, at once on the second); the third ends the tree. SIGTERM and SIGHUP set a term.
    fn end_by(&mut self, signal: i32) {
        self.signal_passed.get_or_insert(signal);
        self.patience = self.patience.saturating_sub(1);
        self.order(&Order::Signal(signal));
        let now = Instant::now();
        let grace = if self.patience == 0 { Duration::ZERO } else { INTERRUPT_GRACE };
        if self.patience == 0 || matches!(signal, SIGTERM | SIGHUP) {
            let stop = Stop { cause: Cause::Signal(signal), kill_at: now + grace, killed: false };
            let current = self.stop.get_or_insert(stop);
            current.kill_at = current.kill_at.min(stop.kill_at);
        }
    }

    fn keep_time(&mut self) {
        let now = Instant::now();
        if self.stop.is_none()
            && self.status.is_none()
            && self.deadline.is_some_and(|deadline| deadline <= now)
        {
            self.terminate();
            self.stop = Some(Stop { cause: Cause::Timeout, kill_at: now + TERM_GRACE, killed: false });
        }
        if let Some(stop) = self.stop.as_mut().filter(|stop| !stop.killed && stop.kill_at <= now) {
            stop.killed = true;
            self.order(&Order::Kill);
        }
        if let Some(terminal) = self.near.terminal.as_mut().filter(|_| self.status.is_none()) {
            terminal.take();
        }
    }

    fn read(&mut self, index: usize) {
        let room = self.room().min(READ_BYTES_MAX);
        let Some(source) = self.near.sources.get_mut(index) else { return };
        let (Some(fd), Some(buffer)) = (&source.fd, self.buffer.get_mut(..room)) else { return };
        match rustix::io::read(fd, &mut *buffer) {
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            // EIO is how a pseudo-terminal says that nobody has it open.
            Ok(0) | Err(_) => {
                source.fd = None;
                let stream = source.stream;
                self.push_rest(stream);
            }
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                if self.survivors.is_some() {
                    self.drained += count;
                }
                if !self.closed.contains(&source.stream) {
                    match &mut self.redactor {
                        Some(redactor) => {
                            self.store.push(source.stream, &redactor.pass(source.stream, bytes));
                        }
                        None => self.store.push(source.stream, bytes),
                    }
                }
            }
        }
    }

    /// What was held back of a stream that has ended.
    fn push_rest(&mut self, stream: Stream) {
        if let Some(redactor) = self.redactor.as_mut().filter(|_| !self.closed.contains(&stream)) {
            self.store.push(stream, &redactor.end(stream));
        }
    }

    fn feed(&mut self, event: Token) {
        let Some(feed) = &mut self.near.feed else { return };
        let wanted = if event == Token::FeedIn {
            feed.read();
            true
        } else {
            feed.write()
        };
        if !wanted || feed.is_over() {
            self.near.feed = None;
        }
    }

    /// Writes a piece of the first outgoing frame, no more than the stream takes without blocking.
    fn write(&mut self, stream: Stream) {
        let Store::Live(output) = &self.store else { return };
        let Some(frame) = output.next_outgoing() else { return };
        let rest = frame.bytes.get(self.written..).unwrap_or_default();
        let piece = rest.get(..WRITE_BYTES_MAX).unwrap_or(rest);
        let result = rustix::io::write(self.sink(stream), piece);
        let length = frame.bytes.len();
        let Store::Live(output) = &mut self.store else { return };
        match result {
            Ok(count) => {
                self.written += count;
                if self.written >= length {
                    self.written = 0;
                    output.sent();
                }
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(errno) => {
                self.written = 0;
                output.discard(stream);
                self.close(stream, errno);
            }
        }
    }

    /// Nobody reads this stream any more: close the command's side too, so that it gets SIGPIPE as it would without
    /// Cascade between. A terminal that is gone hangs up instead.
    fn close(&mut self, stream: Stream, errno: rustix::io::Errno) {
        self.closed.push(stream);
        if errno != rustix::io::Errno::PIPE {
            self.output_error.get_or_insert(errno.into());
        }
        if stream == Stream::Terminal {
            self.end_by(SIGHUP);
            return;
        }
        for source in self.near.sources.iter_mut().filter(|source| source.stream == stream) {
            source.fd = None;
        }
    }

    fn finish(mut self) -> Ended {
        // Streams that others still hold open end here.
        for stream in [Stream::Out, Stream::Err, Stream::Terminal] {
            self.push_rest(stream);
        }
        let Self { mut link, near, signals, store, written, closed, started, ended, .. } = self;
        let captured = matches!(store, Store::Captured(_));
        let mut finished = match store {
            Store::Live(output) => output.finish(),
            Store::Captured(capture) => capture.finish(),
        };
        if let Some(first) = finished.committed.first_mut() {
            drop(first.bytes.drain(..written.min(first.bytes.len())));
        }
        let mut near = near;
        let terminal = near.terminal.as_mut().and_then(|terminal| {
            terminal.give_back();
            terminal.real.try_clone().ok()
        });
        link.signals = signals;
        let duration = ended.map(|ended| ended.saturating_duration_since(started)).unwrap_or_default();
        Ended {
            status: self.status.unwrap_or(Status::Lost),
            signal_passed: self.signal_passed.map(number),
            duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            output_hash: finished.output_hash,
            output_bytes: finished.bytes_total,
            segments: finished.segments,
            truncated: finished.truncated,
            survivors_ended: self.survivors.unwrap_or(0),
            output_error: self.output_error,
            pending: Pending {
                committed: finished.committed,
                frames: finished.frames,
                captured,
                terminal,
                closed,
            },
            guard: link,
        }
    }
}

/// Exit codes and signals fit a byte.
fn number(value: i32) -> u8 {
    u8::try_from(value & 0xff).unwrap_or(u8::MAX)
}
