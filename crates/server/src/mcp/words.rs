//! What a server writes to standard error: words for people, which nobody has before they are on record.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use super::lines::Event;

/// Pieces that were read and not looked at.
const AHEAD_MAX: usize = 2;
/// Most bytes that are read at once.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// What comes from there, piece by piece.
#[derive(Debug)]
pub(super) struct Words {
    pieces: Receiver<Vec<u8>>,
}

impl Words {
    /// Reads on a thread of its own until nobody can write there any more, and rings `bell` for each piece.
    pub(super) fn new(mut source: File, bell: SyncSender<Event>) -> io::Result<Self> {
        let (sender, pieces) = mpsc::sync_channel(AHEAD_MAX);
        thread::Builder::new().name("words".to_owned()).spawn(move || {
            let mut piece = vec![0; PIECE_BYTES_MAX];
            loop {
                let count = match source.read(&mut piece) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read.unwrap_or(0),
                };
                let bytes = piece.get(..count).unwrap_or_default();
                if bytes.is_empty() || sender.send(bytes.to_vec()).is_err() {
                    return;
                }
                // Whoever has so much to hear that there is no room is awake, and looks here, too.
                drop(bell.try_send(Event::Words));
            }
        })?;
        Ok(Self { pieces })
    }

    /// What has come, so much that whoever else speaks is heard in between.
    pub(super) fn so_far(&self) -> Vec<u8> {
        self.pieces.try_iter().take(AHEAD_MAX + 1).flatten().collect()
    }

    /// What comes within `time`; `Disconnected` when nothing more can come.
    pub(super) fn next(&self, time: Duration) -> Result<Vec<u8>, RecvTimeoutError> {
        self.pieces.recv_timeout(time)
    }
}
