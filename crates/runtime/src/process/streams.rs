//! The three standard streams of a command: what it gets, and the ends that Cascade keeps.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::fs::{FileType, OFlags};
use rustix::pipe::PipeFlags;

use super::StdinPlan;
use super::output::Stream;
use super::terminal::{self, Terminal};
use super::wire::retry;

/// Input read ahead of the command.
const FEED_BYTES_MAX: usize = 64 << 10;

/// A pipe or pseudo-terminal that output comes from.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) fd: Option<OwnedFd>,
    pub(super) stream: Stream,
}

/// Everything Cascade keeps.
#[derive(Debug)]
pub(super) struct Near {
    pub(super) sources: Vec<Source>,
    pub(super) feed: Option<Feed>,
    pub(super) terminal: Option<Terminal>,
}

/// Everything the command gets: stdin, stdout, stderr, then the slave side as controlling terminal.
#[derive(Debug)]
pub(super) struct Far {
    pub(super) streams: Vec<OwnedFd>,
    pub(super) controlling: Option<OwnedFd>,
    pub(super) real_terminal: Option<OwnedFd>,
}

/// Makes the streams. With `may_use_terminal` the command gets a pseudo-terminal for those of them that are
/// terminals here.
pub(super) fn make(stdin: StdinPlan, may_use_terminal: bool) -> io::Result<(Near, Far)> {
    let opened = if may_use_terminal { Terminal::open()? } else { None };
    let (terminal, slave) = opened.unzip();
    let mut near = Near { sources: Vec::new(), feed: None, terminal };
    let on_terminal = |fd| slave.as_ref().filter(|_| rustix::termios::isatty(fd));

    let stdin = match (stdin, on_terminal(rustix::stdio::stdin())) {
        (StdinPlan::Inherit, Some(slave)) => slave.try_clone()?,
        (stdin, _) => {
            let (fd, feed) = input(stdin)?;
            near.feed = feed;
            fd
        }
    };
    let mut streams = vec![stdin];
    let outputs = [(rustix::stdio::stdout(), Stream::Out), (rustix::stdio::stderr(), Stream::Err)];
    for (fd, stream) in outputs {
        if let Some(slave) = on_terminal(fd) {
            streams.push(slave.try_clone()?);
        } else {
            let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
            terminal::set_nonblocking(&read)?;
            near.sources.push(Source { fd: Some(read), stream });
            streams.push(write);
        }
    }
    let mut real_terminal = None;
    if let Some(terminal) = &near.terminal {
        near.sources.push(Source { fd: Some(terminal.master.try_clone()?), stream: Stream::Terminal });
        real_terminal = Some(terminal.real.try_clone()?);
    }
    Ok((near, Far { streams, controlling: slave, real_terminal }))
}

fn input(plan: StdinPlan) -> io::Result<(OwnedFd, Option<Feed>)> {
    match plan {
        StdinPlan::Null => Ok((File::open("/dev/null")?.into(), None)),
        StdinPlan::Bytes(bytes) => Feed::pipe(None, bytes),
        StdinPlan::Inherit => inherited(),
    }
}

/// Standard input as it is, but never as a way out: what could also be written to is opened again for reading, or
/// pumped through a pipe.
fn inherited() -> io::Result<(OwnedFd, Option<Feed>)> {
    let stdin = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    if rustix::termios::isatty(&stdin) {
        // The command is in a session of its own, so the kernel would not stop it from reading keys that are meant
        // for the shell while this job is in the background.
        return if terminal::is_foreground(&stdin) {
            Ok((read_only("/proc/self/fd/0")?, None))
        } else {
            Ok((File::open("/dev/null")?.into(), None))
        };
    }
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&stdin)?.st_mode);
    let access = rustix::fs::fcntl_getfl(&stdin)? & OFlags::RWMODE;
    match kind {
        FileType::Socket => Feed::pipe(Some(stdin), Vec::new()),
        FileType::Fifo if access != OFlags::RDONLY => Ok((read_only("/proc/self/fd/0")?, None)),
        _ => Ok((stdin, None)),
    }
}

fn read_only(path: &str) -> io::Result<OwnedFd> {
    let no_controlling = i32::try_from(OFlags::NOCTTY.bits()).unwrap_or(0);
    Ok(OpenOptions::new().read(true).custom_flags(no_controlling).open(path)?.into())
}

/// Input that Cascade itself writes to the command.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) to: OwnedFd,
    pub(super) from: Option<OwnedFd>,
    bytes: Vec<u8>,
    written: usize,
}

impl Feed {
    fn pipe(from: Option<OwnedFd>, bytes: Vec<u8>) -> io::Result<(OwnedFd, Option<Self>)> {
        let (read, to) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        terminal::set_nonblocking(&to)?;
        Ok((read, Some(Self { to, from, bytes, written: 0 })))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.written >= self.bytes.len()
    }

    /// Whether everything was passed on and nothing more can come.
    pub(super) fn is_over(&self) -> bool {
        self.is_empty() && self.from.is_none()
    }

    /// Reads more; to be called when there is something to read.
    pub(super) fn read(&mut self) {
        let Some(from) = &self.from else { return };
        self.bytes.resize(FEED_BYTES_MAX, 0);
        self.written = 0;
        let count = match retry(|| rustix::io::read(from, &mut self.bytes)) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.bytes.clear(),
            Err(_) => 0,
        };
        self.bytes.truncate(count);
        if count == 0 {
            self.from = None;
        }
    }

    /// Passes on what the pipe takes. Returns false when the command does not read any more.
    pub(super) fn write(&mut self) -> bool {
        match rustix::io::write(&self.to, self.bytes.get(self.written..).unwrap_or_default()) {
            Ok(count) => {
                self.written += count;
                true
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => true,
            Err(_) => false,
        }
    }
}
