//! The side of the shim.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use signal_hook::consts::SIGTSTP;

use super::{ASK, BrokerError, ENDED, REFUSED, Request, SIGNAL};
use crate::process::Signals;
use crate::process::wire::{Channel, retry};

/// Has the broker behind this socket run a command with this process's streams, directory and environment, and passes
/// on the signals that this process receives meanwhile. Gives the exit code.
///
/// # Errors
/// See [`BrokerError`].
pub fn ask(socket: &OsStr, argv: Vec<OsString>) -> Result<u8, BrokerError> {
    let mut signals = Signals::collect()?;
    let channel = Channel::over(OwnedFd::from(UnixStream::connect(socket)?));
    let request = Request { argv, env: std::env::vars_os().collect() };
    let streams = streams()?;
    let fds: Vec<BorrowedFd<'_>> = streams.iter().map(OwnedFd::as_fd).collect();
    channel.send(ASK, &request.encode(), &fds)?;
    // Only the command holds them now: whoever reads its output sees the end of it.
    drop(streams);
    loop {
        if !answered(&channel, &signals)? {
            pass_on(&channel, &mut signals)?;
            continue;
        }
        let message = channel.recv()?.ok_or(BrokerError::Gone)?;
        return match (message.tag, message.payload.as_slice()) {
            (ENDED, [code]) => Ok(*code),
            (REFUSED, text) => Err(BrokerError::Refused(String::from_utf8_lossy(text).into_owned())),
            _ => Err(io::Error::from(io::ErrorKind::InvalidData).into()),
        };
    }
}

/// The three streams, or nothing for one that is closed, and the working directory.
fn streams() -> io::Result<Vec<OwnedFd>> {
    let mut fds = Vec::new();
    for stream in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
        fds.push(match rustix::io::fcntl_dupfd_cloexec(stream, 3) {
            Ok(fd) => fd,
            Err(_) => File::options().read(true).write(true).open("/dev/null")?.into(),
        });
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fds.push(rustix::fs::open(".", flags, Mode::empty())?);
    Ok(fds)
}

/// Waits for the broker or for a signal; whether it was the broker.
fn answered(channel: &Channel, signals: &Signals) -> io::Result<bool> {
    let mut fds = [channel.as_fd(), signals.as_fd()].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    retry(|| rustix::event::poll(&mut fds, None))?;
    Ok(fds.first().is_some_and(|fd| !fd.revents().is_empty()))
}

fn pass_on(channel: &Channel, signals: &mut Signals) -> io::Result<()> {
    for signal in signals.pending() {
        channel.send(SIGNAL, &signal.to_be_bytes(), &[])?;
        if signal == SIGTSTP {
            // The job of the shell stops here; the command was told to.
            rustix::process::kill_process(rustix::process::getpid(), Signal::STOP)?;
        }
    }
    Ok(())
}
