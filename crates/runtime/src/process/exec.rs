//! The exec shim: becomes the governed command.
//!
//! Started by the supervisor while Cascade still makes the intent durable, it waits for the launch and only then
//! executes. Being a program of its own it needs neither `unsafe` nor `pre_exec`: it changes itself, then execs.

use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::OFlags;
use rustix::process::Signal;

use super::wire::{Channel, Launch, Order, Report};

/// Entry point of the hidden `__exec` subcommand. Returns only when the command could not be executed.
///
/// Reports go to the supervisor; the exit code means nothing to anyone.
#[must_use]
pub fn exec_main() -> ExitCode {
    let Ok(channel) = channel_from_stdin() else { return ExitCode::FAILURE };
    match run(&channel) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The supervisor being gone as well leaves nobody to tell.
            drop(Report::NotStarted(errno(&error)).send(&channel));
            ExitCode::FAILURE
        }
    }
}

/// Moves the channel away from stdin, so that stdin is free and the channel closes on exec.
pub(super) fn channel_from_stdin() -> io::Result<Channel> {
    let channel = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(Channel::over(channel))
}

/// The errno of an error; failures that never reached the kernel (a NUL inside an argument) count as EINVAL.
pub(super) fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(rustix::io::Errno::INVAL.raw_os_error())
}

fn run(channel: &Channel) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let Some(Order::Launch(payload, fds)) = Order::recv(channel)? else { return Ok(()) };
    // The death signal does not fire for a supervisor that died before it was set, but then the channel hangs.
    if is_hung(channel)? {
        return Ok(());
    }
    let launch = Launch::decode(&payload)?;
    take_streams(fds)?;
    close_ways_out();
    std::env::set_current_dir(&launch.cwd)?;
    if !is_program(&launch.executable) {
        return Err(rustix::io::Errno::NOEXEC.into());
    }
    let mut words = launch.argv.iter();
    let mut command = Command::new(&launch.executable);
    if let Some(name) = words.next() {
        command.arg0(name);
    }
    command.args(words).env_clear().envs(launch.env.iter().map(|(name, value)| (name, value)));
    Err(command.exec())
}

/// Whether the kernel can execute the file itself. The C library's exec hands any other file to /bin/sh,
/// and nothing governed goes through a shell unasked. A file that may not be read or is not there is left to
/// exec, which says why.
///
/// Known gap: formats that only binfmt_misc knows are refused too.
fn is_program(path: &Path) -> bool {
    if rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_err() {
        return true;
    }
    let mut magic = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(4).read_to_end(&mut magic));
    read.is_err() || magic.starts_with(b"#!") || magic == b"\x7fELF"
}

fn is_hung(channel: &Channel) -> io::Result<bool> {
    let mut fds = [PollFd::from_borrowed_fd(channel.as_fd(), PollFlags::RDHUP)];
    let ready = super::wire::retry(|| {
        rustix::event::poll(&mut fds, Some(&super::tree::timespec(std::time::Duration::ZERO)))
    })?;
    Ok(ready > 0)
}

fn take_streams(fds: Vec<OwnedFd>) -> io::Result<()> {
    let [stdin, stdout, stderr]: [OwnedFd; 3] =
        fds.try_into().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    rustix::stdio::dup2_stdin(&stdin)?;
    rustix::stdio::dup2_stdout(&stdout)?;
    rustix::stdio::dup2_stderr(&stderr)?;
    Ok(())
}

/// Closes what was inherited besides the three streams, unless it can only be read (`<(...)` of a shell): through a
/// descriptor that leads to the caller, output would leave without a receipt.
///
/// Nobody here owns those descriptors. Everything this program opened itself closes on exec and is left alone.
fn close_ways_out() {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers: Vec<i32> =
        open.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in numbers {
        if number > 2 && is_way_out(number) {
            // Fails only for one that is closed already.
            _ = nix::unistd::close(number);
        }
    }
}

fn is_way_out(number: i32) -> bool {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let Some(flags) = flags.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok()) else { return false };
    let flags = OFlags::from_bits_retain(flags);
    !flags.contains(OFlags::CLOEXEC) && flags & OFlags::RWMODE != OFlags::RDONLY
}
