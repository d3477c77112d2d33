//! Lines that come and go: each source on a thread of its own, so that nobody waits for whoever does not read.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;
use std::time::Duration;

use super::{LINE_BYTES_MAX, UNREAD_BYTES_MAX};

/// Lines that were read and not looked at: each may be as long as a line can be.
const AHEAD_MAX: usize = 2;

/// Where something comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum From {
    Client,
    Server,
}

/// What comes.
#[derive(Debug)]
pub(super) enum Event {
    Line(From, Vec<u8>),
    /// The line is longer than [`LINE_BYTES_MAX`]; nothing after it is read.
    TooLong(From),
    End(From),
    /// The server has said something to people.
    Words,
    Stop,
}

/// Ends a gateway in order.
#[derive(Clone, Debug)]
pub struct Stopper(SyncSender<Event>);

/// What a gateway hears.
#[derive(Debug)]
pub struct Heard {
    pub(super) sender: SyncSender<Event>,
    pub(super) events: Receiver<Event>,
}

/// What a gateway hears, and what ends it.
#[must_use]
pub fn stopper() -> (Stopper, Heard) {
    let (sender, events) = mpsc::sync_channel(AHEAD_MAX);
    (Stopper(sender.clone()), Heard { sender, events })
}

impl Stopper {
    /// Ends it.
    pub fn stop(&self) {
        // One that has ended needs no telling.
        drop(self.0.send(Event::Stop));
    }
}

/// Reads lines until there are no more, or nobody listens.
pub(super) fn read(from: From, source: impl Read + Send + 'static, to: SyncSender<Event>) -> io::Result<()> {
    thread::Builder::new().name("lines".to_owned()).spawn(move || {
        let mut source = BufReader::new(source);
        while let Some(event) = next(from, &mut source) {
            if to.send(event).is_err() {
                return;
            }
        }
        drop(to.send(Event::End(from)));
    })?;
    Ok(())
}

pub(super) fn next(from: From, source: &mut impl BufRead) -> Option<Event> {
    loop {
        let mut line = Vec::new();
        let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
        // What can be read no more has ended.
        let count = source.by_ref().take(limit).read_until(b'\n', &mut line).unwrap_or(0);
        if count == 0 {
            return None;
        }
        if line.last() != Some(&b'\n') && line.len() > LINE_BYTES_MAX {
            return Some(Event::TooLong(from));
        }
        while matches!(line.last(), Some(b'\n' | b'\r')) {
            line.pop();
        }
        if !line.is_empty() {
            return Some(Event::Line(from, line));
        }
    }
}

/// Lines on their way to somebody who may not read them.
#[derive(Debug)]
pub(super) struct Outbox {
    lines: Sender<Vec<u8>>,
    unread: Arc<AtomicUsize>,
    /// Closed when nothing is written any more.
    written: Receiver<()>,
}

impl Outbox {
    /// Writes to `to` until nothing more comes, then closes it.
    pub(super) fn new(mut to: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, waiting) = mpsc::channel::<Vec<u8>>();
        let unread = Arc::new(AtomicUsize::new(0));
        let still = Arc::clone(&unread);
        let (writing, written) = mpsc::channel();
        thread::Builder::new().name("outbox".to_owned()).spawn(move || {
            let _writing: Sender<()> = writing;
            for line in waiting {
                // A server that is gone is told of by the end of what it says, a client by that nothing can be sent.
                if to.write_all(&line).and_then(|()| to.flush()).is_err() {
                    return;
                }
                still.fetch_sub(line.len(), Ordering::Relaxed);
            }
        })?;
        Ok(Self { lines, unread, written })
    }

    /// Puts a line on its way; false where nobody reads, and more would wait than [`UNREAD_BYTES_MAX`].
    pub(super) fn send(&self, mut line: Vec<u8>) -> bool {
        line.push(b'\n');
        self.send_whole(line)
    }

    /// Waits for so long until what is on its way has been written; the rest is left to the end of this process. False where
    /// there is such a rest.
    pub(super) fn drain(self, grace: Duration) -> bool {
        let Self { lines, written, .. } = self;
        drop(lines);
        // Nothing is ever sent there: it ends, or the time does.
        written.recv_timeout(grace) != Err(mpsc::RecvTimeoutError::Timeout)
    }

    /// The same for lines that have their ends.
    pub(super) fn send_whole(&self, line: Vec<u8>) -> bool {
        let length = line.len();
        if self.unread.load(Ordering::Relaxed).saturating_add(length) > UNREAD_BYTES_MAX {
            return false;
        }
        self.unread.fetch_add(length, Ordering::Relaxed);
        self.lines.send(line).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_so_long_and_no_longer() {
        let read = |length: usize| {
            let text = [vec![b'x'; length], b"\n{}\n".to_vec()].concat();
            next(From::Server, &mut BufReader::new(text.as_slice()))
        };
        assert!(matches!(read(LINE_BYTES_MAX), Some(Event::Line(_, line)) if line.len() == LINE_BYTES_MAX));
        assert!(matches!(read(LINE_BYTES_MAX + 1), Some(Event::TooLong(From::Server))));
    }

    #[test]
    fn what_a_server_does_not_read_is_not_piled_up() {
        let (_read, write) = io::pipe().unwrap();
        let outbox = Outbox::new(write).unwrap();
        let line = || vec![b'x'; UNREAD_BYTES_MAX / 4 - 1];
        assert!((0..4).all(|_| outbox.send(line())));
        assert!(!outbox.send(Vec::new()));
    }
}
