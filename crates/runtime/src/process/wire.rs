//! The control channel between Cascade, the supervisor of a run and the exec shim.
//!
//! A message is a u32 big-endian payload length, a tag byte, and the payload. File descriptors travel with the
//! header. Nothing about a run goes over a command line: arguments may be megabytes long and need not be text.

use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

use crate::credentials::Brokered;

/// Longest payload. Linux caps arguments and environment together at 6 MiB, so no command that could run is
/// refused here.
pub(super) const PAYLOAD_BYTES_MAX: usize = 16 << 20;
/// Most descriptors in one message: three standard streams, the pseudo-terminal and the real terminal.
const FDS_MAX: usize = 5;
const HEADER_BYTES: usize = 5;

/// One end of the channel.
#[derive(Debug)]
pub(crate) struct Channel(UnixStream);

/// A received message, not yet interpreted.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) tag: u8,
    pub(crate) payload: Vec<u8>,
    pub(crate) fds: Vec<OwnedFd>,
}

impl Channel {
    pub(super) fn pair() -> io::Result<(Self, UnixStream)> {
        let (near, far) = UnixStream::pair()?;
        Ok((Self(near), far))
    }

    pub(crate) fn over(stream: OwnedFd) -> Self {
        Self(UnixStream::from(stream))
    }

    pub(crate) fn send(&self, tag: u8, payload: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let length = u32::try_from(payload.len())
            .ok()
            .filter(|_| payload.len() <= PAYLOAD_BYTES_MAX)
            .ok_or_else(invalid)?;
        let [a, b, c, d] = length.to_be_bytes();
        let header = [a, b, c, d, tag];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(invalid());
        }
        let sent = retry(|| {
            rustix::net::sendmsg(&self.0, &[IoSlice::new(&header)], &mut control, SendFlags::NOSIGNAL)
        })?;
        // The descriptors went with the first byte; the rest is plain data.
        let mut stream = &self.0;
        stream.write_all(header.get(sent..).unwrap_or_default())?;
        stream.write_all(payload)
    }

    /// Blocks for the next message; `None` when the other side is gone, also in the middle of a message.
    pub(crate) fn recv(&self) -> io::Result<Option<Message>> {
        let mut header = [0; HEADER_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = retry(|| {
            rustix::net::recvmsg(
                &self.0,
                &mut [IoSliceMut::new(&mut header)],
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            )
        });
        let received = match received {
            Ok(message) => message.bytes,
            Err(error) => return gone(error),
        };
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        if received == 0 {
            return Ok(None);
        }
        let mut stream = &self.0;
        if let Err(error) = stream.read_exact(header.get_mut(received..).unwrap_or_default()) {
            return gone(error);
        }
        let [a, b, c, d, tag] = header;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(|_| invalid())?;
        if length > PAYLOAD_BYTES_MAX {
            return Err(invalid());
        }
        let mut payload = vec![0; length];
        match stream.read_exact(&mut payload) {
            Ok(()) => Ok(Some(Message { tag, payload, fds })),
            Err(error) => gone(error),
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A vanished peer is an answer here, not an error: it is how each side learns that the other died.
fn gone(error: io::Error) -> io::Result<Option<Message>> {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Ok(None),
        _ => Err(error),
    }
}

fn invalid() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

/// Repeats a system call that a signal interrupted.
pub(crate) fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            other => return other.map_err(io::Error::from),
        }
    }
}

/// What Cascade tells the supervisor.
#[derive(Debug)]
pub(super) enum Order {
    /// Take the lock and get ready; carries the payload of a [`Launch`] and its descriptors.
    Launch(Vec<u8>, Vec<OwnedFd>),
    /// The intent is durable: execute, with these variables besides those of the launch ([`brokered`]).
    Start(Vec<u8>),
    /// Send this signal to the process group of the command.
    Signal(i32),
    /// End every process of the run now.
    Kill,
}

const LAUNCH: u8 = b'L';
const START: u8 = b'S';
const SIGNAL: u8 = b'G';
const KILL: u8 = b'K';

impl Order {
    pub(super) fn send(&self, channel: &Channel) -> io::Result<()> {
        match self {
            Self::Launch(payload, fds) => {
                let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
                channel.send(LAUNCH, payload, &fds)
            }
            Self::Start(brokered) => channel.send(START, brokered, &[]),
            Self::Signal(signal) => channel.send(SIGNAL, &signal.to_be_bytes(), &[]),
            Self::Kill => channel.send(KILL, &[], &[]),
        }
    }

    pub(super) fn recv(channel: &Channel) -> io::Result<Option<Self>> {
        let Some(Message { tag, payload, fds }) = channel.recv()? else { return Ok(None) };
        Ok(Some(match tag {
            LAUNCH => Self::Launch(payload, fds),
            START => Self::Start(payload),
            SIGNAL => Self::Signal(Reader(&payload).i32()?),
            KILL => Self::Kill,
            _ => return Err(invalid()),
        }))
    }
}

/// What the supervisor (and, for `NotStarted`, the shim) tells back. Numbers are errno, exit code or signal.
#[derive(Debug)]
pub(super) enum Report {
    /// The lock is held and the shim waits; carries a second reference to the lock.
    Locked(OwnedFd),
    /// Nothing was prepared.
    Refused(Stage, i32),
    /// The command is executing; its process id.
    Started(i32),
    /// The command could not be executed.
    NotStarted(i32),
    /// The command was stopped by this signal.
    Stopped(i32),
    /// The command ended with this code.
    Exited(i32),
    /// The command was ended by this signal.
    Signaled(i32),
    /// No process of the run is left; so many outlived the command and had to be ended.
    Done(u32),
}

/// Where preparing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Opening or taking the lock.
    Lock,
    /// Everything else.
    Setup,
}

impl Report {
    pub(super) fn send(&self, channel: &Channel) -> io::Result<()> {
        let (tag, number, fd) = match self {
            Self::Locked(lock) => (b'l', 0, Some(lock)),
            Self::Refused(Stage::Lock, errno) => (b'r', *errno, None),
            Self::Refused(Stage::Setup, errno) => (b'R', *errno, None),
            Self::Started(pid) => (b's', *pid, None),
            Self::NotStarted(errno) => (b'n', *errno, None),
            Self::Stopped(signal) => (b't', *signal, None),
            Self::Exited(code) => (b'e', *code, None),
            Self::Signaled(signal) => (b'g', *signal, None),
            Self::Done(count) => (b'd', i32::try_from(*count).unwrap_or(i32::MAX), None),
        };
        let fds: Vec<_> = fd.iter().map(|fd| fd.as_fd()).collect();
        channel.send(tag, &number.to_be_bytes(), &fds)
    }

    pub(super) fn recv(channel: &Channel) -> io::Result<Option<Self>> {
        let Some(Message { tag, payload, mut fds }) = channel.recv()? else { return Ok(None) };
        let number = Reader(&payload).i32()?;
        Ok(Some(match tag {
            b'l' => Self::Locked(fds.pop().ok_or_else(invalid)?),
            b'r' => Self::Refused(Stage::Lock, number),
            b'R' => Self::Refused(Stage::Setup, number),
            b's' => Self::Started(number),
            b'n' => Self::NotStarted(number),
            b't' => Self::Stopped(number),
            b'e' => Self::Exited(number),
            b'g' => Self::Signaled(number),
            b'd' => Self::Done(u32::try_from(number).map_err(|_| invalid())?),
            _ => return Err(invalid()),
        }))
    }
}

/// Everything needed to execute one command, as bytes.
///
/// Descriptors that travel with it, in order: stdin, stdout, stderr, then the pseudo-terminal's slave side when
/// `controlling`, then the real terminal when `restores`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Launch {
    pub(super) lock_path: PathBuf,
    pub(super) executable: PathBuf,
    pub(super) cwd: PathBuf,
    pub(super) argv: Vec<OsString>,
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) controlling: bool,
    pub(super) restores: bool,
}

impl Launch {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![u8::from(self.controlling), u8::from(self.restores)];
        for path in [&self.lock_path, &self.executable, &self.cwd] {
            put(&mut out, path.as_os_str());
        }
        put_count(&mut out, self.argv.len());
        for word in &self.argv {
            put(&mut out, word);
        }
        put_count(&mut out, self.env.len());
        for (name, value) in &self.env {
            put(&mut out, name);
            put(&mut out, value);
        }
        out
    }

    pub(super) fn decode(payload: &[u8]) -> io::Result<Self> {
        let mut reader = Reader(payload);
        let (controlling, restores) = (reader.u8()? == 1, reader.u8()? == 1);
        let lock_path = PathBuf::from(reader.text()?);
        let executable = PathBuf::from(reader.text()?);
        let cwd = PathBuf::from(reader.text()?);
        let mut argv = Vec::new();
        for _ in 0..reader.count()? {
            argv.push(reader.text()?);
        }
        let mut env = Vec::new();
        for _ in 0..reader.count()? {
            env.push((reader.text()?, reader.text()?));
        }
        while !reader.0.is_empty() {
            env.push((reader.text()?, reader.text()?));
        }
        Ok(Self { lock_path, executable, cwd, argv, env, controlling, restores })
    }

    /// Absolute paths only: a relative one would mean something else in each of the processes.
    pub(super) fn is_absolute(&self) -> bool {
        [&self.lock_path, &self.executable, &self.cwd]
            .into_iter()
            .all(|path: &PathBuf| Path::is_absolute(path))
    }
}

/// A credential's variable and value, to stand behind a [`Launch`] that is already encoded.
pub(super) fn brokered(one: &Brokered) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, OsStr::new(&one.variable));
    put(&mut out, OsStr::from_bytes(one.value.bytes()));
    out
}

/// A command line and an environment, as a payload of its own.
pub(crate) fn command(argv: &[OsString], env: &[(OsString, OsString)]) -> Vec<u8> {
    let mut out = Vec::new();
    put_count(&mut out, argv.len());
    argv.iter().for_each(|word| put(&mut out, word));
    for (name, value) in env {
        put(&mut out, name);
        put(&mut out, value);
    }
    out
}

/// Words, and variables with their values.
pub(crate) type Words = (Vec<OsString>, Vec<(OsString, OsString)>);

/// Reads what [`command`] wrote.
pub(crate) fn read_command(payload: &[u8]) -> io::Result<Words> {
    let mut reader = Reader(payload);
    let (mut argv, mut env) = (Vec::new(), Vec::new());
    for _ in 0..reader.count()? {
        argv.push(reader.text()?);
    }
    while !reader.0.is_empty() {
        env.push((reader.text()?, reader.text()?));
    }
    Ok((argv, env))
}

fn put(out: &mut Vec<u8>, text: &OsStr) {
    put_count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// A count that does not fit is written as the largest one; the payload is then far past its limit and refused.
fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> io::Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length).ok_or_else(invalid)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| invalid())
    }

    fn u8(&mut self) -> io::Result<u8> {
        self.array().map(|[byte]| byte)
    }

    fn i32(&mut self) -> io::Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn count(&mut self) -> io::Result<usize> {
        usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| invalid())
    }

    fn text(&mut self) -> io::Result<OsString> {
        let length = self.count()?;
        Ok(OsString::from_vec(self.take(length)?.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launch_survives_the_wire_and_cuts_do_not() {
        let launch = Launch {
            lock_path: "/l".into(),
            executable: "/bin/e".into(),
            cwd: "/".into(),
            argv: vec![OsString::from_vec(vec![0xff, 0xfe]), "".into(), "x".repeat(1 << 20).into()],
            env: vec![("A".into(), "b=c".into())],
            controlling: true,
            restores: false,
        };
        let bytes = launch.encode();
        assert_eq!(Launch::decode(&bytes).unwrap(), launch);
        for cut in [0, 1, 5, bytes.len() - 1] {
            assert!(Launch::decode(&bytes[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn payload_limit() {
        let (near, far) = Channel::pair().unwrap();
        let far = Channel::over(far.into());
        let reader = std::thread::spawn(move || far.recv());
        near.send(1, &vec![7; PAYLOAD_BYTES_MAX], &[]).unwrap();
        assert_eq!(reader.join().unwrap().unwrap().unwrap().payload.len(), PAYLOAD_BYTES_MAX);
        assert!(near.send(1, &vec![7; PAYLOAD_BYTES_MAX + 1], &[]).is_err());
    }
}
