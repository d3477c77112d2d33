//! Drafts on their way to the chain: they wait, may be sealed ahead, and are committed in the order in which they came.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex};

use crate::ahead::{Footing, Sealed};
use crate::answer::{Answer, Teller};
use crate::batch::Scribe;
use crate::draft::{AppendError, Draft};
use crate::reader::lock;

/// Drafts that may wait.
pub const QUEUE_DRAFTS_MAX: usize = 4096;
/// Private bytes that may wait; one draft beyond it is taken when nothing else waits.
pub const QUEUE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Drafts in one commit, and so the most that are sealed ahead.
pub const BATCH_DRAFTS_MAX: usize = 1024;
/// From so many waiting drafts on they are sealed ahead: for fewer, waking a thread costs more than it gains.
pub(crate) const AHEAD_FROM: usize = 16;

#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) draft: Draft,
    pub(crate) answer: Teller,
}

impl Pending {
    pub(crate) fn tell(&self, answer: Answer) {
        self.answer.tell(answer);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) waiting: VecDeque<Pending>,
    /// Sealed ahead; they come before everything else. What was sealed for a place that they do not get is dropped.
    pub(crate) ready: VecDeque<(Pending, Option<Sealed>)>,
    /// The sealer has some in its hands, which come between the two.
    pub(crate) sealing: bool,
    /// What the next one to be sealed is linked to, while a commit is on its way that can be foretold.
    pub(crate) footing: Option<Footing>,
    /// Counts the times when the footing was not the one that the sealer went on from.
    pub(crate) footings: u64,
    /// Private bytes in all of them.
    pub(crate) bytes: usize,
    /// As many waiting drafts wake the writer; `None` while it is busy.
    pub(crate) wake_at: Option<usize>,
    /// Somebody commits.
    pub(crate) busy: bool,
    /// Drafts of the last commit: as many callers may come back at once.
    pub(crate) callers: usize,
    pub(crate) phase: Phase,
}

/// What becomes of drafts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Phase {
    /// They are taken and written.
    #[default]
    Open,
    /// The ledger is being dropped: what waits is written, then the writer ends.
    Closing,
    /// The writer ended after a failure.
    Stopped,
}

impl Queue {
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        let drafts = self.waiting.len() + self.ready.len();
        drafts == 0 || (drafts < QUEUE_DRAFTS_MAX && self.bytes + bytes <= QUEUE_BYTES_MAX)
    }

    /// Whether there is something to commit now.
    pub(crate) fn is_due(&self) -> bool {
        !self.ready.is_empty() || (!self.waiting.is_empty() && !self.sealing)
    }

    /// Whether the sealer has something to do.
    pub(crate) fn can_seal(&self) -> bool {
        self.busy
            && !self.sealing
            && self.footing.is_some()
            && self.waiting.len() >= AHEAD_FROM
            && self.ready.len() < BATCH_DRAFTS_MAX
    }

    /// From here on something else comes next than was thought.
    pub(crate) fn stand_on(&mut self, footing: Option<Footing>) {
        self.footing = footing;
        self.footings += 1;
    }
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) queue: Mutex<Queue>,
    /// Wakes the writer.
    pub(crate) work: Condvar,
    /// Wakes the sealer.
    pub(crate) foretold: Condvar,
    /// Wakes callers who wait for room.
    pub(crate) room: Condvar,
    /// Used by whoever has the [`Turn`]. `None` until it is open, and after a failure.
    pub(crate) scribe: Mutex<Option<Scribe>>,
}

impl Shared {
    /// Nobody waits for a writer that is gone.
    pub(crate) fn stop(&self) {
        let mut queue = lock(&self.queue);
        queue.phase = Phase::Stopped;
        for pending in queue.waiting.drain(..) {
            pending.tell(Err(AppendError::Stopped));
        }
        for (pending, _) in queue.ready.drain(..) {
            pending.tell(Err(AppendError::Stopped));
        }
        drop(queue);
        self.room.notify_all();
        self.foretold.notify_all();
    }

    /// Lets the sealer go on behind a commit that is on its way.
    pub(crate) fn foretell(&self, footing: Footing) {
        let mut queue = lock(&self.queue);
        for (_, sealed) in &mut queue.ready {
            *sealed = None;
        }
        // Those come first, and where they end is not known yet.
        let footing = queue.ready.is_empty().then_some(footing);
        queue.stand_on(footing);
        let can_seal = queue.can_seal();
        drop(queue);
        if can_seal {
            self.foretold.notify_one();
        }
    }
}

/// The right to commit, held by one thread at a time.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) shared: &'a Shared,
    /// Whether the next one may have it.
    pub(crate) go_on: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.go_on {
            self.shared.stop();
        }
        let mut queue = lock(&self.shared.queue);
        queue.busy = false;
        // The writer may have gone to sleep meanwhile, without a word about when to wake it.
        queue.wake_at = Some(1);
        let wake = queue.is_due() || queue.phase == Phase::Stopped;
        drop(queue);
        if wake {
            self.shared.work.notify_one();
        }
    }
}
