//! The terminal that Cascade sits on, and the pseudo-terminal that the command gets in its place.
//!
//! The command never holds the real terminal for writing: what it prints has to pass the output path. Raw mode is on
//! only while Cascade is in the terminal's foreground, and is undone on every exit path (the supervisor undoes it
//! when Cascade is killed outright).

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::fs::OFlags;
use rustix::process::Signal;
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, OutputModes, Termios};

use super::tree::Stat;
use super::wire::retry;

/// Keys read ahead of the command.
const INPUT_BYTES_MAX: usize = 4096;

/// The real terminal, and the master side of the command's own.
#[derive(Debug)]
pub(super) struct Terminal {
    pub(super) master: OwnedFd,
    pub(super) real: OwnedFd,
    saved: Termios,
    raw: bool,
    hung: bool,
    keys: Vec<u8>,
}

impl Terminal {
    /// Makes the pseudo-terminal when standard output is a terminal, with the slave side for the command.
    ///
    /// When it is not, something else (`| less`) may want the keyboard, so the terminal is left alone.
    pub(super) fn open() -> io::Result<Option<(Self, OwnedFd)>> {
        if !rustix::termios::isatty(rustix::stdio::stdout()) {
            return Ok(None);
        }
        let real = if rustix::termios::isatty(rustix::stdio::stdin()) {
            rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?
        } else {
            let no_controlling = i32::try_from(OFlags::NOCTTY.bits()).unwrap_or(0);
            let tty = OpenOptions::new().read(true).write(true).custom_flags(no_controlling).open("/dev/tty");
            match tty {
                Ok(tty) => tty.into(),
                Err(_) => return Ok(None),
            }
        };
        let saved = rustix::termios::tcgetattr(&real)?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags)?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &saved)?;
        set_nonblocking(&master)?;
        let terminal = Self { master, real, saved, raw: false, hung: false, keys: Vec::new() };
        terminal.resize();
        Ok(Some((terminal, slave)))
    }

    /// Takes over the keyboard, if Cascade is in the foreground. Background jobs leave the terminal alone.
    pub(super) fn take(&mut self) {
        if self.raw || !is_foreground(&self.real) {
            return;
        }
        let mut modes = self.saved.clone();
        modes.make_raw();
        self.raw = rustix::termios::tcsetattr(&self.real, OptionalActions::Now, &modes).is_ok();
    }

    /// Leaves raw mode.
    pub(super) fn give_back(&mut self) {
        if self.raw {
            self.raw = false;
            // The terminal may be gone; there is nothing left to restore then.
            _ = rustix::termios::tcsetattr(&self.real, OptionalActions::Now, &self.saved);
        }
    }

    /// The command has ended: keys are the user's own again and Ctrl-C works, but what the command printed is
    /// still leaving, and its terminal has processed the line ends already.
    pub(super) fn loosen(&mut self) {
        if self.raw {
            self.hung = true;
            let mut modes = self.saved.clone();
            modes.output_modes.remove(OutputModes::OPOST);
            // The terminal may be gone; there is nothing left to show then.
            _ = rustix::termios::tcsetattr(&self.real, OptionalActions::Now, &modes);
        }
    }

    pub(super) fn is_taken(&self) -> bool {
        self.raw
    }

    /// Gives the command the size of the real terminal; the kernel tells it by SIGWINCH.
    pub(super) fn resize(&self) {
        if let Ok(size) = rustix::termios::tcgetwinsize(&self.real) {
            // A command that already closed its terminal does not need the size.
            _ = rustix::termios::tcsetwinsize(&self.master, size);
        }
    }

    pub(super) fn wants_keys(&self) -> bool {
        self.raw && !self.hung && self.keys.is_empty()
    }

    pub(super) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Reads keys. Returns whether the terminal has hung up.
    pub(super) fn read_keys(&mut self) -> bool {
        let mut keys = [0; INPUT_BYTES_MAX];
        match retry(|| rustix::io::read(&self.real, &mut keys)) {
            Ok(count) if count > 0 => self.keys.extend_from_slice(keys.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => self.hung = true,
        }
        self.hung
    }

    /// Passes keys on, as far as the command's terminal takes them.
    pub(super) fn pass_keys(&mut self) {
        match rustix::io::write(&self.master, &self.keys) {
            Ok(count) => drop(self.keys.drain(..count.min(self.keys.len()))),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => self.keys.clear(),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Whether this process may use `terminal`. One that does not control this session knows no background.
pub(super) fn is_foreground(terminal: &OwnedFd) -> bool {
    let own = Stat::own().map(|stat| stat.group);
    rustix::termios::tcgetpgrp(terminal).map_or(true, |group| Some(group.as_raw_pid()) == own)
}

/// Stops this process and the rest of its job, as Ctrl-Z would; returns when it is continued.
///
/// Returns at once where nobody could continue it: a session leader, or a parent in another session.
pub(super) fn stop_job() {
    let Some(own) = Stat::own() else { return };
    let parent = rustix::process::getppid().and_then(Stat::read);
    if parent.is_some_and(|parent| parent.session == own.session) {
        // SIGSTOP rather than SIGTSTP: the latter is caught here.
        _ = rustix::process::kill_current_process_group(Signal::STOP);
    }
}

pub(super) fn set_nonblocking(fd: &OwnedFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd.as_fd())?;
    Ok(rustix::fs::fcntl_setfl(fd, flags | OFlags::NONBLOCK)?)
}
