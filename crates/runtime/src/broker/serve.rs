//! The side of the session.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::MemfdFlags;
use rustix::process::{Pid, PidfdFlags, Signal};

use super::{ASK, ASK_WAIT_MAX, CLIENTS_MAX, ENDED, REFUSED, RUN_ARG, Request, SIGNAL};
use crate::process::wire::{Channel, Message, retry};
use crate::process::{Enclosure, Started};
use crate::shim::ShimDir;

/// Answers the shims of one session.
#[derive(Debug)]
pub(crate) struct Broker {
    /// The names that it runs.
    pub(crate) shims: ShimDir,
    /// What leads to the session's ledger, as words of a command line.
    pub(crate) flags: Vec<OsString>,
    /// The session's own variables.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// Where it notes what it starts.
    pub(crate) started: Started,
}

/// What a conversation came to, where it came to anything.
type Answer = Result<u8, String>;

impl Broker {
    /// Answers everybody on a socket, for as long as this process lives.
    ///
    /// # Errors
    /// No thread can be started.
    pub(crate) fn serve(self, listener: UnixListener) -> io::Result<()> {
        let (broker, clients) = (Arc::new(self), Arc::new(AtomicUsize::new(0)));
        thread::Builder::new().spawn(move || {
            for stream in listener.incoming().flatten() {
                let (broker, place) = (Arc::clone(&broker), Place::take(&clients));
                if place.number >= CLIENTS_MAX {
                    drop(place);
                    refuse(
                        &Channel::over(stream.into()),
                        &format!("{CLIENTS_MAX} commands run at once already"),
                    );
                    continue;
                }
                // Without a thread the stream is closed with what would have used it, and the asker sees that.
                drop(thread::Builder::new().spawn(move || broker.talk(stream, place)));
            }
        })?;
        Ok(())
    }

    fn talk(&self, stream: UnixStream, place: Place) {
        let enclosure = asker(&stream);
        // Without a limit, whoever says nothing holds one of the places for ever.
        let limited = stream.set_read_timeout(Some(ASK_WAIT_MAX));
        let Ok(unlimited) = stream.try_clone() else { return };
        let channel = Channel::over(stream.into());
        let answer = match (enclosure, limited) {
            (Ok(enclosure), Ok(())) => match channel.recv() {
                Ok(Some(message)) => {
                    drop(unlimited.set_read_timeout(None));
                    self.run(&channel, message, &enclosure)
                }
                // Who left without a word is owed none.
                Ok(None) => return drop(place),
                Err(error) => Err(format!("it was not understood: {error}")),
            },
            (Err(why), _) => Err(why),
            (_, Err(error)) => Err(error.to_string()),
        };
        // Before the asker sees an end: its place is free for what it asks next.
        drop(place);
        match answer {
            // The asker may be gone by now.
            Ok(code) => drop(channel.send(ENDED, &[code], &[])),
            Err(why) => refuse(&channel, &why),
        }
    }

    fn run(&self, channel: &Channel, message: Message, enclosure: &Enclosure) -> Answer {
        let asked = Request::decode(&message.payload).ok().filter(|_| message.tag == ASK);
        let request = asked.ok_or("it was not understood")?;
        let fds = <[OwnedFd; 4]>::try_from(message.fds).map_err(|_| "the streams did not come along")?;
        let name = request.argv.first().cloned().unwrap_or_default();
        let known = self.shims.list().map_err(|error| error.to_string())?;
        if !known.iter().any(|shim| shim.name == name) {
            return Err(format!("`{}` is no shim", name.to_string_lossy()));
        }
        let (mut child, _shown) = self
            .start(&request.within(&self.env), fds, enclosure)
            .map_err(|error| format!("nothing could be started: {error}"))?;
        let code = see_through(channel, &mut child).unwrap_or(1);
        self.started.forget(&child);
        Ok(code)
    }

    /// The request lies in memory that only this process shows, and whose owner the kernel checks: nobody changes what
    /// is decided after it was asked. It stays as long as the descriptor that is given back.
    fn start(
        &self,
        request: &Request,
        fds: [OwnedFd; 4],
        enclosure: &Enclosure,
    ) -> io::Result<(Child, OwnedFd)> {
        let place = rustix::fs::memfd_create("cascade-request", MemfdFlags::CLOEXEC)?;
        io::Write::write_all(&mut std::fs::File::from(place.try_clone()?), &request.encode())?;
        let [stdin, stdout, stderr, cwd] = fds;
        let shown = format!("/proc/{}/fd/{}", std::process::id(), place.as_raw_fd());
        let mut command = Command::new("/proc/self/exe");
        command
            .arg(RUN_ARG)
            .arg(shown)
            .arg(enclosure.word())
            .args(&self.flags)
            .current_dir(PathBuf::from(format!("/proc/self/fd/{}", cwd.as_raw_fd())))
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::from(stdout))
            .stderr(Stdio::from(stderr));
        Ok((self.started.spawn(&mut command)?, place))
    }
}

/// One of the conversations at once, for as long as it lives.
struct Place {
    taken: Arc<AtomicUsize>,
    /// How many were taken before.
    number: usize,
}

impl Place {
    fn take(taken: &Arc<AtomicUsize>) -> Self {
        Self { taken: Arc::clone(taken), number: taken.fetch_add(1, Ordering::SeqCst) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whom the kernel says is at the other end: this user, somewhere beneath this session.
fn asker(stream: &UnixStream) -> Result<Enclosure, String> {
    let peer = rustix::net::sockopt::socket_peercred(stream).map_err(|error| error.to_string())?;
    if peer.uid != rustix::process::geteuid() {
        return Err("it belongs to another user".to_owned());
    }
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let (enclosure, within) = Enclosure::of(peer.pid.as_raw_nonzero().get(), own);
    if within { Ok(enclosure) } else { Err("who asks is not beneath the session".to_owned()) }
}

fn refuse(channel: &Channel, why: &str) {
    // The asker may be gone by now.
    drop(channel.send(REFUSED, why.as_bytes(), &[]));
}

/// Passes signals on until the command has ended. When the asker is gone, the command is told to end.
fn see_through(channel: &Channel, child: &mut Child) -> io::Result<u8> {
    let pid = Pid::from_child(child);
    let process = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    let mut listens = true;
    loop {
        let mut fds = [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)].to_vec();
        if listens {
            fds.push(PollFd::from_borrowed_fd(channel.as_fd(), PollFlags::IN));
        }
        retry(|| rustix::event::poll(&mut fds, None))?;
        if fds.first().is_some_and(|fd| !fd.revents().is_empty()) {
            let status = child.wait()?;
            let signalled = std::os::unix::process::ExitStatusExt::signal(&status);
            let code = status.code().or_else(|| Some(128 + signalled?)).unwrap_or(1);
            return Ok(u8::try_from(code).unwrap_or(1));
        }
        let signal = match channel.recv() {
            Ok(Some(Message { tag: SIGNAL, payload, .. })) => number(&payload),
            _ => {
                listens = false;
                Some(Signal::HUP)
            }
        };
        if let Some(signal) = signal {
            // Fails only when it has just ended.
            _ = rustix::process::pidfd_send_signal(&process, signal);
        }
    }
}

fn number(payload: &[u8]) -> Option<Signal> {
    Signal::from_named_raw(i32::from_be_bytes(payload.try_into().ok()?))
}
