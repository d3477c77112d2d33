//! Messages between Cascade and its workers: a u32 length, then fields, each a u32 length and its bytes.
//!
//! A worker may have been taken over by what it ran, so nothing it says is believed before it was measured.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};

use super::limits::FRAME_BYTES_MAX;

/// Most fields in one message: a job's texts and calls, or an answer to each.
const FIELDS_MAX: usize = 4096;

/// One message.
pub(super) type Fields = Vec<Vec<u8>>;

/// Writes one message.
pub(super) fn write(stream: &mut impl Write, fields: &[Vec<u8>]) -> io::Result<()> {
    let mut payload = vec![0; 4];
    for field in fields {
        payload.extend_from_slice(&length(field.len())?);
        payload.extend_from_slice(field);
    }
    let head = length(payload.len() - 4)?;
    payload.splice(..4, head);
    stream.write_all(&payload)
}

/// Blocks for one message; `None` when the other side is gone.
pub(super) fn read(stream: &mut impl Read) -> io::Result<Option<Fields>> {
    let mut head = [0; 4];
    match stream.read_exact(&mut head) {
        Err(error) if is_gone(&error) => return Ok(None),
        other => other?,
    }
    let mut payload = vec![0; measured(head)?];
    match stream.read_exact(&mut payload) {
        Err(error) if is_gone(&error) => Ok(None),
        other => other.and_then(|()| split(&payload)).map(Some),
    }
}

/// As [`read`], but gives up when the time comes: `TimedOut`.
pub(super) fn read_until<S>(stream: &mut S, deadline: Instant) -> io::Result<Option<Fields>>
where
    S: Read + AsFd,
{
    let mut timed = Timed { stream, deadline };
    read(&mut timed)
}

/// Waits before every read, so that one byte now and then buys no time.
pub(super) struct Timed<'a, S> {
    pub(super) stream: &'a mut S,
    pub(super) deadline: Instant,
}

impl<S: Read + AsFd> Read for Timed<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        wait(&self.stream.as_fd(), self.deadline)?;
        self.stream.read(buffer)
    }
}

/// Waits until there is something to read.
fn wait(fd: &impl AsFd, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let timeout = rustix::event::Timespec::try_from(left).map_err(io::Error::other)?;
        match rustix::event::poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn length(bytes: usize) -> io::Result<[u8; 4]> {
    let fits = u32::try_from(bytes).ok().filter(|_| bytes <= FRAME_BYTES_MAX);
    fits.map(u32::to_be_bytes).ok_or_else(invalid)
}

fn measured(head: [u8; 4]) -> io::Result<usize> {
    let bytes = usize::try_from(u32::from_be_bytes(head)).map_err(|_| invalid())?;
    if bytes > FRAME_BYTES_MAX { Err(invalid()) } else { Ok(bytes) }
}

fn split(mut payload: &[u8]) -> io::Result<Fields> {
    let mut fields = Vec::new();
    while !payload.is_empty() {
        let (head, rest) = payload.split_first_chunk::<4>().ok_or_else(invalid)?;
        let (field, rest) = rest.split_at_checked(measured(*head)?).ok_or_else(invalid)?;
        if fields.len() == FIELDS_MAX {
            return Err(invalid());
        }
        fields.push(field.to_vec());
        payload = rest;
    }
    Ok(fields)
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
}

fn invalid() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_every_cut() {
        let fields = vec![b"ab".to_vec(), Vec::new(), vec![0; 300]];
        let mut bytes = Vec::new();
        write(&mut bytes, &fields).unwrap();
        assert_eq!(read(&mut &bytes[..]).unwrap(), Some(fields));
        for cut in 0..bytes.len() {
            assert_eq!(read(&mut &bytes[..cut]).unwrap(), None, "{cut}");
        }
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let over = u32::try_from(FRAME_BYTES_MAX + 1).unwrap().to_be_bytes();
        assert_eq!(read(&mut &over[..]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let inner = [&[0, 0, 0, 6][..], &[0, 0, 0, 9, 1, 2]].concat();
        assert_eq!(read(&mut &inner[..]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let empty = vec![0; 4 * (FIELDS_MAX + 1)];
        let many = [&u32::try_from(empty.len()).unwrap().to_be_bytes()[..], &empty].concat();
        assert_eq!(read(&mut &many[..]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(write(&mut io::sink(), &[vec![0; FRAME_BYTES_MAX + 1]]).is_err());
    }
}
