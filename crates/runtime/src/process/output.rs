//! The output of a run between being read and being released.
//!
//! Output is cut into frames (u8 stream ‖ u32 big-endian length ‖ bytes; format section 2.1, `heartbeat`) and hashed
//! in release order. Bytes leave in two steps: [`Output::commit`] gives the running hash that a heartbeat must make
//! durable, and only then does [`Output::released`] move what it covers to the queue for the real streams.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use cascade_receipt::digest::{Digest, Nonce};
use sha2::{Digest as _, Sha256};

/// Most bytes that wait for a heartbeat. Reading stops when they are reached, so the command waits, not the memory.
pub const BUFFER_BYTES_MAX: usize = 4 << 20;
/// A segment is committed this long after its first byte, when the last segment is old enough.
pub const LEADING_EDGE: Duration = Duration::from_millis(2);
/// Shortest time between two segments, unless the buffer is full.
pub const TICK: Duration = Duration::from_millis(100);
/// The same, in long runs that are not on a terminal.
pub const TICK_LONG: Duration = Duration::from_secs(1);
/// When a run is long.
pub const LONG_RUN: Duration = Duration::from_secs(10);
/// Longest run of bytes in one frame that is kept whole: what the length field can say.
const FRAME_BYTES_MAX: usize = 1 << 30;

/// Where output came from, as frames number it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
    /// The pseudo-terminal, which does not tell the two apart.
    Terminal,
}

impl Stream {
    /// The stream byte of a frame.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Out => 1,
            Self::Err => 2,
            Self::Terminal => 3,
        }
    }
}

/// A piece of output as it is hashed and released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where it came from.
    pub stream: Stream,
    /// The bytes, never more than a u32 can count.
    pub bytes: Vec<u8>,
}

impl Frame {
    /// The five bytes that precede `bytes` in the hash and in a stored copy.
    #[must_use]
    pub fn header(&self) -> [u8; 5] {
        let [a, b, c, d] = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
        [self.stream.number(), a, b, c, d]
    }
}

/// A piece of output that may leave once a receipt commits to `running_hash`.
#[derive(Debug)]
pub struct Segment<'a> {
    /// Counts the segments of a run from 0.
    pub index: u64,
    /// Output bytes of the run so far, this segment included, frame headers not counted.
    pub bytes_total: u64,
    /// SHA-256(output nonce ‖ all frames so far).
    pub running_hash: Digest,
    /// The frames of this segment.
    pub frames: &'a [Frame],
}

/// The hash over all frames so far.
#[derive(Debug, Clone)]
pub(super) struct RunningHash {
    hasher: Sha256,
    bytes_total: u64,
}

impl RunningHash {
    pub(super) fn new(nonce: &Nonce) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(nonce.0);
        Self { hasher, bytes_total: 0 }
    }

    pub(super) fn add(&mut self, frame: &Frame) {
        self.hasher.update(frame.header());
        self.hasher.update(&frame.bytes);
        self.bytes_total =
            self.bytes_total.saturating_add(u64::try_from(frame.bytes.len()).unwrap_or(u64::MAX));
    }

    pub(super) fn value(&self) -> Digest {
        Digest(self.hasher.clone().finalize().into())
    }

    pub(super) fn bytes_total(&self) -> u64 {
        self.bytes_total
    }

    fn segment<'a>(&self, index: u64, frames: &'a [Frame]) -> Segment<'a> {
        Segment { index, bytes_total: self.bytes_total(), running_hash: self.value(), frames }
    }
}

/// Live output: buffered, committed in segments, queued for release.
#[derive(Debug)]
pub(crate) struct Output {
    /// Over everything that a heartbeat commits to.
    hash: RunningHash,
    /// The same and what waits, between commit and release.
    next: Option<RunningHash>,
    waiting: Vec<Frame>,
    waiting_bytes: usize,
    waiting_since: Option<Instant>,
    outgoing: VecDeque<Frame>,
    segments: u64,
    committed_at: Option<Instant>,
    started: Instant,
    interactive: bool,
    cap: Option<u64>,
    truncated: bool,
}

impl Output {
    /// `interactive` runs keep the short tick however long they last.
    pub(crate) fn new(nonce: &Nonce, interactive: bool, cap: Option<u64>, now: Instant) -> Self {
        Self {
            hash: RunningHash::new(nonce),
            next: None,
            waiting: Vec::new(),
            waiting_bytes: 0,
            waiting_since: None,
            outgoing: VecDeque::new(),
            segments: 0,
            committed_at: None,
            started: now,
            interactive,
            cap,
            truncated: false,
        }
    }

    /// How many bytes may be read now.
    pub(crate) fn room(&self) -> usize {
        BUFFER_BYTES_MAX.saturating_sub(self.waiting_bytes)
    }

    /// Takes output in. Past the cap it is dropped, and the run is marked as truncated.
    pub(crate) fn push(&mut self, stream: Stream, bytes: &[u8], now: Instant) {
        let bytes = within_cap(&mut self.cap, &mut self.truncated, bytes);
        if bytes.is_empty() {
            return;
        }
        self.waiting_bytes += bytes.len();
        self.waiting_since.get_or_insert(now);
        match self.waiting.last_mut() {
            Some(last) if last.stream == stream => last.bytes.extend_from_slice(bytes),
            _ => self.waiting.push(Frame { stream, bytes: bytes.to_vec() }),
        }
    }

    /// When the waiting output is due. `closed` says that no more can come, so the command is probably ending: the
    /// leading edge then waits a full tick, because a command that ends needs no heartbeat.
    pub(crate) fn due(&self, closed: bool) -> Option<Instant> {
        let since = self.waiting_since?;
        if self.room() == 0 {
            return Some(since);
        }
        let long = !self.interactive && since.saturating_duration_since(self.started) > LONG_RUN;
        let tick = if long { TICK_LONG } else { TICK };
        let edge = since + if closed { TICK } else { LEADING_EDGE };
        Some(self.committed_at.map_or(edge, |last| edge.max(last + tick)))
    }

    /// A segment over everything that waits. Nothing may leave before its hash is durable.
    pub(crate) fn commit(&mut self) -> Segment<'_> {
        let next = self.next.insert(self.hash_of_all());
        next.segment(self.segments, &self.waiting)
    }

    /// A segment over nothing new.
    pub(crate) fn silence(&self) -> Segment<'static> {
        self.hash.segment(self.segments, &[])
    }

    /// The segment over nothing new is durable.
    pub(super) fn vouched(&mut self) {
        self.segments += 1;
    }

    fn hash_of_all(&self) -> RunningHash {
        let mut hash = self.hash.clone();
        self.waiting.iter().for_each(|frame| hash.add(frame));
        hash
    }

    /// The segment just committed is durable: its frames may leave.
    pub(crate) fn released(&mut self, now: Instant) {
        if let Some(next) = self.next.take() {
            self.hash = next;
        }
        self.segments += 1;
        self.committed_at = Some(now);
        self.waiting_bytes = 0;
        self.waiting_since = None;
        self.outgoing.extend(self.waiting.drain(..));
    }

    /// What waits leaves never.
    pub(crate) fn withhold(&mut self) {
        self.next = None;
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.waiting_since = None;
    }

    /// The first frame that may leave.
    pub(crate) fn next_outgoing(&self) -> Option<&Frame> {
        self.outgoing.front()
    }

    /// The first frame that may leave has left.
    pub(crate) fn sent(&mut self) {
        self.outgoing.pop_front();
    }

    /// Nobody reads `stream` any more.
    pub(super) fn discard(&mut self, stream: Stream) {
        self.outgoing.retain(|frame| frame.stream != stream);
    }

    /// Whether everything that may leave has left.
    pub(super) fn is_idle(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// The hash over everything that may leave or has left.
    pub(crate) fn released_hash(&self) -> Digest {
        self.hash.value()
    }

    /// The end of a run: what may leave at once, what must wait for the closer, the hash over everything.
    pub(super) fn finish(self) -> Finished {
        let hash = self.hash_of_all();
        Finished {
            committed: Vec::from(self.outgoing),
            frames: self.waiting,
            output_hash: hash.value(),
            bytes_total: hash.bytes_total(),
            segments: self.segments,
            truncated: self.truncated,
        }
    }
}

/// The output of a run that is over.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) committed: Vec<Frame>,
    pub(super) frames: Vec<Frame>,
    pub(super) output_hash: Digest,
    pub(super) bytes_total: u64,
    pub(super) segments: u64,
    pub(super) truncated: bool,
}

/// Captured output: kept, up to a cap over both streams, until the run is over.
#[derive(Debug)]
pub(super) struct Capture {
    /// Over what was released: nothing before the end.
    hash: RunningHash,
    segments: u64,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    cap: Option<u64>,
    truncated: bool,
}

impl Capture {
    pub(super) fn new(nonce: &Nonce, cap: u64) -> Self {
        Self {
            hash: RunningHash::new(nonce),
            segments: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
            cap: Some(cap),
            truncated: false,
        }
    }

    /// A segment over nothing.
    pub(super) fn silence(&self) -> Segment<'static> {
        self.hash.segment(self.segments, &[])
    }

    /// The segment over nothing is durable.
    pub(super) fn vouched(&mut self) {
        self.segments += 1;
    }

    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        let bytes = within_cap(&mut self.cap, &mut self.truncated, bytes);
        match stream {
            Stream::Out | Stream::Terminal => self.stdout.extend_from_slice(bytes),
            Stream::Err => self.stderr.extend_from_slice(bytes),
        }
    }

    /// All of stdout, then all of stderr: a reader who has only the two texts can recompute the hash.
    pub(super) fn finish(self) -> Finished {
        let mut hash = self.hash;
        let mut frames = Vec::new();
        for (stream, bytes) in [(Stream::Out, &self.stdout), (Stream::Err, &self.stderr)] {
            for piece in bytes.chunks(FRAME_BYTES_MAX) {
                let frame = Frame { stream, bytes: piece.to_vec() };
                hash.add(&frame);
                frames.push(frame);
            }
        }
        let (output_hash, bytes_total) = (hash.value(), hash.bytes_total());
        Finished {
            committed: Vec::new(),
            frames,
            output_hash,
            bytes_total,
            segments: self.segments,
            truncated: self.truncated,
        }
    }
}

fn within_cap<'a>(left: &mut Option<u64>, truncated: &mut bool, bytes: &'a [u8]) -> &'a [u8] {
    let Some(left) = left else { return bytes };
    let length = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
    *left -= u64::try_from(length).unwrap_or(*left);
    *truncated |= length < bytes.len();
    bytes.get(..length).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: Nonce = Nonce([9; 32]);

    /// Written against the format, not against the code above.
    fn recompute<'a>(frames: impl IntoIterator<Item = (u8, &'a [u8])>) -> Digest {
        let mut all = NONCE.0.to_vec();
        for (stream, bytes) in frames {
            all.push(stream);
            all.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
            all.extend_from_slice(bytes);
        }
        Digest::of(&all)
    }

    #[test]
    fn hashes_follow_from_the_frames_in_release_order() {
        let now = Instant::now();
        let mut output = Output::new(&NONCE, false, None, now);
        output.push(Stream::Out, b"a", now);
        output.push(Stream::Out, b"b", now);
        output.push(Stream::Err, b"c", now);
        // A segment that was not made durable changes nothing, and silence covers nothing that waits.
        output.commit();
        assert_eq!((output.silence().bytes_total, output.silence().running_hash), (0, recompute([])));
        let segment = output.commit();
        assert_eq!((segment.index, segment.bytes_total), (0, 3));
        assert_eq!(segment.running_hash, recompute([(1, &b"ab"[..]), (2, b"c")]));
        output.released(now);
        output.push(Stream::Terminal, b"d", now);
        let finished = output.finish();
        assert_eq!(finished.output_hash, recompute([(1, &b"ab"[..]), (2, b"c"), (3, b"d")]));
        assert_eq!((finished.committed.len(), finished.frames.len()), (2, 1));
        assert_eq!((finished.bytes_total, finished.segments), (4, 1));
    }

    #[test]
    fn a_segment_is_due_at_the_edge_the_tick_or_when_full() {
        let start = Instant::now();
        let ms = |count| start + Duration::from_millis(count);
        let mut output = Output::new(&NONCE, false, None, start);
        assert_eq!(output.due(false), None);
        output.push(Stream::Out, b"x", ms(5));
        assert_eq!(output.due(false), Some(ms(7)));
        assert_eq!(output.due(true), Some(ms(105)));
        output.commit();
        output.released(ms(7));
        output.push(Stream::Out, b"x", ms(8));
        assert_eq!(output.due(false), Some(ms(107)));
        output.push(Stream::Out, &vec![0; BUFFER_BYTES_MAX - 2], ms(9));
        assert_eq!((output.room(), output.due(false)), (1, Some(ms(107))));
        output.push(Stream::Out, b"x", ms(9));
        assert_eq!((output.room(), output.due(false)), (0, Some(ms(8))));
        output.commit();
        output.released(ms(10_000));
        output.push(Stream::Out, b"x", ms(10_001));
        assert_eq!(output.due(false), Some(ms(11_000)));
    }

    #[test]
    fn cap_at_and_past_the_limit() {
        for (length, kept, truncated) in [(10, 10, false), (11, 10, true)] {
            let mut capture = Capture::new(&NONCE, 10);
            capture.push(Stream::Out, &vec![b'o'; length - 4]);
            capture.push(Stream::Err, b"eeee");
            let finished = capture.finish();
            assert_eq!((finished.bytes_total, finished.truncated), (kept, truncated), "{length}");
            let frames = finished.frames.iter().map(|frame| (frame.stream.number(), &frame.bytes[..]));
            assert_eq!(finished.output_hash, recompute(frames));
        }
    }
}
