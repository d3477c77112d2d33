//! The writer thread: drains the queue, commits, answers. One per open ledger. A caller who is alone commits
//! on its own thread: to wake the writer and to be woken by it takes as long as a commit.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::batch::Scribe;
use crate::draft::{AppendError, Appended, Draft, Ticket, Waiting};
use crate::fault::Fault;
use crate::reader::lock;
use crate::signer::Signer;
use crate::store::{Access, Database};

/// Drafts that may wait.
pub const QUEUE_DRAFTS_MAX: usize = 4096;
/// Private bytes that may wait; one draft beyond it is taken when nothing else waits.
pub const QUEUE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// So long the writer looks whether more drafts come, before it commits what there is.
const GATHER_PAUSE: Duration = Duration::from_micros(50);
/// Drafts in one commit.
pub const BATCH_DRAFTS_MAX: usize = 1024;

type Answer = Result<Appended, AppendError>;

struct Pending {
    draft: Draft,
    answer: SyncSender<Answer>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Pending>,
    bytes: usize,
    /// As many waiting drafts wake the writer; `None` while it is busy.
    wake_at: Option<usize>,
    /// Somebody commits.
    busy: bool,
    /// Drafts of the last commit: as many callers may come back at once.
    callers: usize,
    /// The ledger is being dropped: write what waits, then end.
    closing: bool,
    /// The writer ended after a failure.
    stopped: bool,
}

impl Queue {
    fn has_room(&self, bytes: usize) -> bool {
        self.waiting.is_empty()
            || (self.waiting.len() < QUEUE_DRAFTS_MAX && self.bytes + bytes <= QUEUE_BYTES_MAX)
    }
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    room: Condvar,
    /// Used by whoever has the [`Turn`]. `None` until it is open, and after a failure.
    scribe: Mutex<Option<Scribe>>,
}

/// The right to commit, held by one thread at a time.
struct Turn<'a> {
    shared: &'a Shared,
    /// Whether the next one may have it.
    go_on: bool,
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
        let wake = !queue.waiting.is_empty() || queue.stopped;
        drop(queue);
        if wake {
            self.shared.work.notify_one();
        }
    }
}

impl Shared {
    /// Nobody waits for a writer that is gone.
    fn stop(&self) {
        let mut queue = lock(&self.queue);
        queue.stopped = true;
        for pending in queue.waiting.drain(..) {
            tell(&pending, Err(AppendError::Stopped));
        }
        drop(queue);
        self.room.notify_all();
    }

    /// Commits the draft of a caller who is alone; `None` when it is not, or nothing is open yet.
    fn alone(&self, draft: &Draft) -> Option<Answer> {
        let mut queue = lock(&self.queue);
        let others = queue.busy || queue.callers > 1 || !queue.waiting.is_empty();
        if others || queue.closing || queue.stopped {
            return None;
        }
        queue.busy = true;
        drop(queue);
        let mut turn = Turn { shared: self, go_on: false };
        let mut scribe = lock(&self.scribe);
        let Some(scribe) = scribe.as_mut() else {
            turn.go_on = true;
            return None;
        };
        let (answer, go_on) = match scribe.commit(&[draft]) {
            Ok(mut answers) => {
                let answer = answers.pop().unwrap_or(Err(AppendError::Stopped));
                // Only now: after a failed commit nothing is written or synced again.
                (answer, scribe.wipe_if_ratcheted().is_ok())
            }
            Err(failure) => failure.answer(),
        };
        turn.go_on = go_on;
        Some(answer)
    }
}

/// The handle that callers share.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

impl Writer {
    /// Starts the thread. It opens its own connections while the caller goes on; what goes wrong
    /// there answers the first draft.
    pub(crate) fn start(dir: PathBuf, signer: Arc<Signer>) -> Result<Self, Fault> {
        Self::with(move || {
            let ledger = Database::open(&dir.join("ledger.db"), Access::ReadWrite)?;
            let vault = Database::open(&dir.join("vault.db"), Access::ReadWrite)?;
            Ok(Scribe::new(ledger, vault, signer))
        })
    }

    pub(crate) fn with(open: impl FnOnce() -> Result<Scribe, Fault> + Send + 'static) -> Result<Self, Fault> {
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || run(&for_thread, open()))
            .map_err(|error| Fault::Io { place: "ledger-writer".to_owned(), detail: error.to_string() })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Makes a draft durable.
    pub(crate) fn append(&self, draft: Draft) -> Answer {
        draft.check()?;
        match self.shared.alone(&draft) {
            Some(answer) => answer,
            None => self.queue(draft, true).wait(),
        }
    }

    /// Queues a draft; waits for room only if `patient`.
    pub(crate) fn submit(&self, draft: Draft, patient: bool) -> Ticket {
        match draft.check() {
            Ok(()) => self.queue(draft, patient),
            Err(error) => Ticket(Waiting::Refused(error)),
        }
    }

    fn queue(&self, draft: Draft, patient: bool) -> Ticket {
        let bytes = draft.bytes_len();
        let mut queue = lock(&self.shared.queue);
        while !queue.stopped && !queue.has_room(bytes) {
            if !patient {
                return Ticket(Waiting::Refused(AppendError::QueueFull));
            }
            queue = self.shared.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.stopped {
            return Ticket(Waiting::Refused(AppendError::Stopped));
        }
        let (answer, receiver) = sync_channel(1);
        queue.bytes += bytes;
        queue.waiting.push_back(Pending { draft, answer });
        let wake = queue.wake_at.is_some_and(|drafts| queue.waiting.len() >= drafts);
        if wake {
            queue.wake_at = None;
        }
        drop(queue);
        if wake {
            self.shared.work.notify_one();
        }
        Ticket(Waiting::Answer(receiver))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        lock(&self.shared.queue).closing = true;
        self.shared.work.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of the writer has already told every waiter by dropping its answers.
            drop(thread.join());
        }
    }
}

/// Marks the queue as stopped however the thread ends, so that nobody waits for it.
struct StopOnExit<'a>(&'a Shared);

impl Drop for StopOnExit<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn run(shared: &Shared, scribe: Result<Scribe, Fault>) {
    let _stop = StopOnExit(shared);
    match scribe {
        Ok(scribe) => *lock(&shared.scribe) = Some(scribe),
        Err(fault) => {
            for pending in take(shared).0 {
                tell(&pending, Err(AppendError::NotRecorded(fault.clone())));
            }
            return;
        }
    }
    loop {
        let (batch, mut turn) = take(shared);
        let mut place = lock(&shared.scribe);
        if batch.is_empty() {
            if let Some(scribe) = place.take().filter(|_| !lock(&shared.queue).stopped) {
                scribe.finish();
            }
            turn.go_on = true;
            return;
        }
        let Some(scribe) = place.as_mut() else { return };
        turn.go_on = write(scribe, &batch) && scribe.wipe_if_ratcheted().is_ok();
        if !turn.go_on {
            return;
        }
    }
}

/// Waits for drafts and takes a batch of them. Empty when the ledger is closing.
///
/// Many `callers` who got their answers at once hand in their next drafts one after the other. A commit for the
/// first of them would keep all the rest waiting for the next one, so they are waited for while they keep coming.
/// A lone caller is never kept waiting.
fn take(shared: &Shared) -> (Vec<Pending>, Turn<'_>) {
    let mut queue = lock(&shared.queue);
    while queue.busy || (queue.waiting.is_empty() && !queue.closing && !queue.stopped) {
        // Whoever is busy wakes the writer if there is something to do then.
        queue.wake_at = if queue.busy { None } else { Some(1) };
        queue = shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
    queue.busy = true;
    let (callers, mut before) = (queue.callers, 0);
    while queue.waiting.len() < callers && queue.waiting.len() > before && !queue.closing {
        before = queue.waiting.len();
        queue.wake_at = Some(callers);
        let waited = shared.work.wait_timeout(queue, GATHER_PAUSE);
        queue = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    queue.wake_at = None;
    let count = queue.waiting.len().min(BATCH_DRAFTS_MAX);
    let batch: Vec<Pending> = queue.waiting.drain(..count).collect();
    queue.bytes -= batch.iter().map(|pending| pending.draft.bytes_len()).sum::<usize>();
    queue.callers = batch.len();
    drop(queue);
    shared.room.notify_all();
    (batch, Turn { shared, go_on: false })
}

/// Commits a batch and answers it. False when the writer must stop: after a failed write, memory
/// and disk may differ, and trying again could hide it.
fn write(scribe: &mut Scribe, batch: &[Pending]) -> bool {
    let drafts: Vec<&Draft> = batch.iter().map(|pending| &pending.draft).collect();
    let failure = match scribe.commit(&drafts) {
        Ok(answers) => {
            for (pending, answer) in batch.iter().zip(answers) {
                tell(pending, answer);
            }
            return true;
        }
        Err(failure) => failure,
    };
    let (answer, go_on) = failure.answer();
    for pending in batch {
        tell(pending, answer.clone());
    }
    go_on
}

/// A caller that no longer waits is no concern of the writer: the receipt stands either way.
fn tell(pending: &Pending, answer: Answer) {
    drop(pending.answer.send(answer));
}

#[cfg(test)]
mod tests {
    use super::{QUEUE_BYTES_MAX, QUEUE_DRAFTS_MAX, Queue};
    use std::sync::mpsc::channel;

    use cascade_receipt::content::{AnswerRefused, Body};
    use cascade_receipt::id::{PrincipalId, ReceiptId};

    use super::{Pending, Writer, sync_channel};
    use crate::draft::{AppendError, Draft};
    use crate::fault::Fault;

    fn draft() -> Draft {
        let body = AnswerRefused { refs: Vec::new(), principal: PrincipalId([1; 8]), reasons: Vec::new() };
        Draft::new(ReceiptId([1; 8]), Body::AnswerRefused(body))
    }

    #[test]
    fn the_queue_takes_as_many_drafts_as_its_limit_says() {
        let (release, released) = channel::<()>();
        let writer = Writer::with(move || {
            released.recv().unwrap();
            Err(Fault::Random)
        })
        .unwrap();
        let waiting: Vec<_> = (0..QUEUE_DRAFTS_MAX).map(|_| writer.submit(draft(), false)).collect();
        assert_eq!(writer.submit(draft(), false).wait(), Err(AppendError::QueueFull));
        // One who waits for room is told when there will never be any.
        std::thread::scope(|scope| {
            let patient = scope.spawn(|| writer.submit(draft(), true).wait());
            release.send(()).unwrap();
            let told = patient.join().unwrap().unwrap_err();
            assert!(matches!(told, AppendError::Stopped | AppendError::NotRecorded(_)), "{told:?}");
        });
        for ticket in waiting {
            let told = ticket.wait().unwrap_err();
            assert!(matches!(told, AppendError::Stopped | AppendError::NotRecorded(_)), "{told:?}");
        }
    }

    #[test]
    fn the_queue_takes_as_many_bytes_as_its_limit_says() {
        let mut queue = Queue::default();
        assert!(queue.has_room(QUEUE_BYTES_MAX + 1), "alone, any draft is taken");
        queue.waiting.push_back(Pending { draft: draft(), answer: sync_channel(1).0 });
        queue.bytes = 10;
        assert!(queue.has_room(QUEUE_BYTES_MAX - 10));
        assert!(!queue.has_room(QUEUE_BYTES_MAX - 9));
    }
}
