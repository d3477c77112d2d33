//! Output of a finished run that waits for its closer.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::termios::{OptionalActions, OutputModes, Termios};

use super::output::{Frame, Stream};
use super::wire::retry;

/// Output that must not leave before the closer is durable.
///
/// Dropping it drops the output.
#[derive(Debug)]
pub struct Pending {
    /// Covered by a heartbeat, but the reader was slow.
    pub(super) committed: Vec<Frame>,
    pub(super) frames: Vec<Frame>,
    pub(super) captured: bool,
    pub(super) terminal: Option<OwnedFd>,
    pub(super) closed: Vec<Stream>,
}

impl Pending {
    /// The frames that no heartbeat covers, in release order: of a live run the last ones, of a captured one all.
    #[must_use]
    pub fn uncommitted(&self) -> &[Frame] {
        &self.frames
    }

    /// Writes everything to this process's own streams, or, of a captured run, gives it to the caller. Call this only
    /// when the closer is durable.
    ///
    /// # Errors
    /// When a stream cannot be written to; everything else left. A reader that went away is not an error.
    pub fn release(self) -> io::Result<Captured> {
        let _unprocessed = self.terminal.as_ref().and_then(Unprocessed::set);
        let mut captured = Captured::default();
        let mut failed = None;
        let mut closed = self.closed;
        for frame in self.committed.into_iter().chain(self.frames) {
            if self.captured {
                match frame.stream {
                    Stream::Out | Stream::Terminal => captured.stdout.extend(frame.bytes),
                    Stream::Err => captured.stderr.extend(frame.bytes),
                }
            } else if !closed.contains(&frame.stream)
                && let Err(error) = write_all(target(frame.stream, self.terminal.as_ref()), &frame.bytes)
            {
                // Only this stream is lost; the other one may still say why.
                closed.push(frame.stream);
                if error.kind() != io::ErrorKind::BrokenPipe {
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(captured), Err)
    }
}

/// Output of a captured run; empty for a live one.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Captured {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

/// Turns off the terminal's own output processing while bytes leave that the command's terminal has processed already:
/// line ends would be doubled.
struct Unprocessed<'t>(&'t OwnedFd, Termios);

impl<'t> Unprocessed<'t> {
    /// A background job that changes the terminal would be stopped, so it does not.
    fn set(terminal: &'t OwnedFd) -> Option<Self> {
        let saved = rustix::termios::tcgetattr(terminal).ok()?;
        if !super::terminal::is_foreground(terminal) {
            return None;
        }
        let mut modes = saved.clone();
        modes.output_modes.remove(OutputModes::OPOST);
        rustix::termios::tcsetattr(terminal, OptionalActions::Now, &modes).ok()?;
        Some(Self(terminal, saved))
    }
}

impl Drop for Unprocessed<'_> {
    fn drop(&mut self) {
        // Processing happens as bytes are written, so nothing needs to drain. The terminal may be gone by now.
        _ = rustix::termios::tcsetattr(self.0, OptionalActions::Now, &self.1);
    }
}

/// The real stream that frames of `stream` go to.
pub(super) fn target(stream: Stream, terminal: Option<&OwnedFd>) -> BorrowedFd<'_> {
    match (stream, terminal) {
        (Stream::Err, _) => rustix::stdio::stderr(),
        (Stream::Terminal, Some(terminal)) => terminal.as_fd(),
        (Stream::Out | Stream::Terminal, _) => rustix::stdio::stdout(),
    }
}

fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            // Somebody else made the stream non-blocking.
            Err(rustix::io::Errno::AGAIN) => {
                let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
                retry(|| rustix::event::poll(&mut fds, None))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
