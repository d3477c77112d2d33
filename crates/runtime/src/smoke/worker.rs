//! The worker: this program again, without rights, examining one job after the other.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::cpython::enter;
use super::exam::{self, Answers, Sheet, Stop};
use super::limits::MEMORY_BYTES_MAX;
use super::{confine, frame, monty, source};

/// The first word of the message that says that a worker is ready, before its version and what it may still do.
pub(super) const READY: &[u8] = b"ready";
/// Stack of the thread that reads, compiles and runs source text, all of which nest as the text does.
const STACK_BYTES: usize = 64 << 20;
/// Standard streams alone.
const FILES_MAX: u64 = 3;

/// Entry point of the hidden `__smoke` subcommand; stdin is the channel, stderr takes last words.
#[must_use]
pub fn worker_main() -> ExitCode {
    let mut words = std::env::args_os().skip(2);
    let outcome = match words.next() {
        None => work(),
        Some(word) if word == enter::ENTER => enter::enter(words.collect()),
        Some(word) if word == enter::BECOME => enter::become_python(words.collect()),
        Some(_) => Err(io::ErrorKind::InvalidInput.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            last_words(&error);
            ExitCode::FAILURE
        }
    }
}

fn last_words(error: &io::Error) {
    // The reader being gone leaves nobody to tell.
    _ = rustix::io::write(rustix::stdio::stderr(), error.to_string().as_bytes());
}

fn work() -> io::Result<()> {
    confine::close_inherited()?;
    let channel = UnixStream::from(rustix::io::dup(rustix::stdio::stdin())?);
    // Not so where a person typed the verb: then nobody would ever hang up.
    channel.peer_addr()?;
    confine::no_privileges()?;
    let memory_bytes = confine::mapped_bytes()? + STACK_BYTES + MEMORY_BYTES_MAX;
    // Without Landlock there is still no system call left that would open anything.
    let missing = confine::landlock(&[]).unwrap_or_else(|_| vec![confine::NO_LANDLOCK.to_owned()]);
    let own = channel.try_clone()?;
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        let _end = End(&own);
        if let Err(error) = serve(&own, missing, memory_bytes) {
            last_words(&error);
        }
    })?;
    until_hung(&channel)
}

/// When the examination is over, by whatever way, so is the process.
struct End<'a>(&'a UnixStream);

impl Drop for End<'_> {
    fn drop(&mut self) {
        // Fails only when the channel is closed already.
        drop(self.0.shutdown(Shutdown::Both));
    }
}

/// Cascade may die while an examination runs on: whoever watches is not the thread that is busy.
fn until_hung(channel: &UnixStream) -> io::Result<()> {
    loop {
        match rustix::event::poll(&mut [PollFd::new(channel, PollFlags::RDHUP)], None) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn serve(mut channel: &UnixStream, missing: Vec<String>, memory_bytes: usize) -> io::Result<()> {
    confine::resources(memory_bytes, FILES_MAX)?;
    confine::calls::only_compute()?;
    let mut ready = vec![READY.to_vec(), monty::version().into_bytes()];
    ready.extend(missing.into_iter().map(String::into_bytes));
    frame::write(&mut channel, &ready)?;
    while let Some(fields) = frame::read(&mut channel)? {
        let sheet = Sheet::decode(fields).ok_or(io::ErrorKind::InvalidData)?;
        frame::write(&mut channel, &exam::encode(&examine(sheet)))?;
    }
    Ok(())
}

fn examine(mut sheet: Sheet) -> Result<Answers, Stop> {
    let deadline = Instant::now() + Duration::from_micros(sheet.limit_us);
    let offers = source::check(&sheet.source)?;
    for (index, call) in sheet.calls.iter().enumerate() {
        source::parse_expression(call, &format!("call {}", index + 1))?;
    }
    if let Some(tests) = &sheet.tests {
        let tests = source::parse(tests, "the tests")?;
        if !source::asserts(&tests) {
            let words =
                "the tests assert nothing that is run: write `assert f(1) == 2`, or a `def check(candidate)`";
            return Err(Stop::from(source::Fault::Refused(words.to_owned())));
        }
        let defines = source::defines_check(&tests);
        sheet.checks = sheet.entry.clone().filter(|_| defines);
    }
    if sheet.reads_only {
        return Err(Stop::Unsupported("only CPython is allowed here".to_owned()));
    }
    monty::examine(&sheet, &offers, deadline)
}
