//! The writer thread: drains the queue, commits, answers. One per open ledger. A caller who is alone commits
//! on its own thread: to wake the writer and to be woken by it takes as long as a commit.

use std::path::PathBuf;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::ahead::Sealed;
use crate::answer::{Answer, Ticket, meeting};
use crate::batch::Scribe;
use crate::draft::{AppendError, Draft};
use crate::fault::Fault;
use crate::queue::{AHEAD_FROM, BATCH_DRAFTS_MAX, Pending, Phase, Queue, Shared, Turn};
use crate::reader::lock;
use crate::sealer;
use crate::signer::Signer;
use crate::store::{Access, Database};

/// So long the writer looks whether more drafts come, before it commits what there is.
const GATHER_PAUSE: Duration = Duration::from_micros(50);

impl Shared {
    /// Commits the draft of a caller who is alone; `None` when it is not, or nothing is open yet.
    fn alone(&self, draft: &Draft) -> Option<Answer> {
        let mut queue = lock(&self.queue);
        let others = queue.busy || queue.sealing || queue.callers > 1 || queue.is_due();
        if others || queue.phase != Phase::Open {
            return None;
        }
        queue.busy = true;
        queue.stand_on(None);
        drop(queue);
        let mut turn = Turn { shared: self, go_on: false };
        let mut scribe = lock(&self.scribe);
        let Some(scribe) = scribe.as_mut() else {
            turn.go_on = true;
            return None;
        };
        let (answer, go_on) = match scribe.commit(&[draft], Vec::new(), |footing| self.foretell(footing)) {
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

    /// Whether nothing is written any more.
    pub(crate) fn has_stopped(&self) -> bool {
        lock(&self.shared.queue).phase == Phase::Stopped
    }

    /// Makes a draft durable at once where nobody else is at it, and queues it otherwise.
    pub(crate) fn append_or_queue(&self, draft: Draft) -> Ticket {
        if let Err(error) = draft.check() {
            return Ticket::answered(Err(error));
        }
        match self.shared.alone(&draft) {
            Some(answer) => Ticket::answered(answer),
            None => self.queue(draft, true),
        }
    }

    /// Queues a draft; waits for room only if `patient`.
    pub(crate) fn submit(&self, draft: Draft, patient: bool) -> Ticket {
        match draft.check() {
            Ok(()) => self.queue(draft, patient),
            Err(error) => Ticket::answered(Err(error)),
        }
    }

    fn queue(&self, draft: Draft, patient: bool) -> Ticket {
        let bytes = draft.bytes_len();
        let mut queue = lock(&self.shared.queue);
        while queue.phase != Phase::Stopped && !queue.has_room(bytes) {
            if !patient {
                return Ticket::answered(Err(AppendError::QueueFull));
            }
            queue = self.shared.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.phase == Phase::Stopped {
            return Ticket::answered(Err(AppendError::Stopped));
        }
        let (answer, ticket) = meeting();
        queue.bytes += bytes;
        queue.waiting.push_back(Pending { draft, answer });
        let wake = queue.wake_at.is_some_and(|drafts| queue.waiting.len() >= drafts);
        if wake {
            queue.wake_at = None;
        }
        let can_seal = queue.can_seal();
        drop(queue);
        if wake {
            self.shared.work.notify_one();
        }
        if can_seal {
            self.shared.foretold.notify_one();
        }
        ticket
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut queue = lock(&self.shared.queue);
        if queue.phase == Phase::Open {
            queue.phase = Phase::Closing;
        }
        drop(queue);
        self.shared.work.notify_all();
        self.shared.foretold.notify_all();
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

fn run(shared: &Arc<Shared>, scribe: Result<Scribe, Fault>) {
    let mut sealer = None;
    commit_all(shared, scribe, &mut sealer);
    if let Some(thread) = sealer {
        // A panic of it has put its drafts back for the writer.
        drop(JoinHandle::join(thread));
    }
}

fn commit_all(shared: &Arc<Shared>, scribe: Result<Scribe, Fault>, sealer: &mut Option<JoinHandle<()>>) {
    let _stop = StopOnExit(shared);
    match scribe {
        Ok(scribe) => *lock(&shared.scribe) = Some(scribe),
        Err(fault) => {
            for pending in take(shared).0.drafts {
                pending.tell(Err(AppendError::NotRecorded(fault.clone())));
            }
            return;
        }
    }
    loop {
        let (batch, mut turn) = take(shared);
        let mut place = lock(&shared.scribe);
        if batch.drafts.is_empty() {
            if let Some(scribe) = place.take().filter(|_| lock(&shared.queue).phase != Phase::Stopped) {
                scribe.finish();
            }
            turn.go_on = true;
            return;
        }
        if sealer.is_none() && batch.drafts.len() >= AHEAD_FROM {
            *sealer = sealer::start(shared);
        }
        let Some(scribe) = place.as_mut() else { return };
        turn.go_on = write(shared, scribe, batch) && scribe.wipe_if_ratcheted().is_ok();
        if !turn.go_on {
            return;
        }
    }
}

/// What goes into one commit.
#[derive(Default)]
struct Batch {
    drafts: Vec<Pending>,
    /// What was sealed ahead for each of them, or nothing.
    sealed: Vec<Option<Sealed>>,
}

/// Waits for drafts and takes a batch of them. Empty when the ledger is closing.
fn take(shared: &Shared) -> (Batch, Turn<'_>) {
    let mut queue = lock(&shared.queue);
    while queue.busy || (!queue.is_due() && (queue.sealing || queue.phase == Phase::Open)) {
        // Whoever is busy wakes the writer if there is something to do then.
        queue.wake_at = if queue.busy { None } else { Some(1) };
        queue = shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
    queue.busy = true;
    let batch = if queue.ready.is_empty() {
        // The sealer waits for word of what these come to.
        queue.stand_on(None);
        queue = gather(shared, queue);
        let count = queue.waiting.len().min(BATCH_DRAFTS_MAX);
        Batch { drafts: queue.waiting.drain(..count).collect(), sealed: Vec::new() }
    } else {
        let count = queue.ready.len().min(BATCH_DRAFTS_MAX);
        let (drafts, sealed) = queue.ready.drain(..count).unzip();
        Batch { drafts, sealed }
    };
    queue.wake_at = None;
    queue.bytes -= batch.drafts.iter().map(|pending| pending.draft.bytes_len()).sum::<usize>();
    queue.callers = batch.drafts.len();
    let can_seal = queue.can_seal();
    drop(queue);
    shared.room.notify_all();
    if can_seal {
        shared.foretold.notify_one();
    }
    (batch, Turn { shared, go_on: false })
}

/// Many `callers` who got their answers at once hand in their next drafts one after the other. A commit for the
/// first of them would keep all the rest waiting for the next one, so they are waited for while they keep coming.
/// A lone caller is never kept waiting.
fn gather<'a>(shared: &Shared, mut queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
    let (callers, mut before) = (queue.callers, 0);
    while queue.waiting.len() < callers && queue.waiting.len() > before && queue.phase == Phase::Open {
        before = queue.waiting.len();
        queue.wake_at = Some(callers);
        let waited = shared.work.wait_timeout(queue, GATHER_PAUSE);
        queue = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    queue
}

/// Commits a batch and answers it. False when the writer must stop: after a failed write, memory
/// and disk may differ, and trying again could hide it.
fn write(shared: &Shared, scribe: &mut Scribe, batch: Batch) -> bool {
    let drafts: Vec<&Draft> = batch.drafts.iter().map(|pending| &pending.draft).collect();
    let failure = match scribe.commit(&drafts, batch.sealed, |footing| shared.foretell(footing)) {
        Ok(answers) => {
            for (pending, answer) in batch.drafts.iter().zip(answers) {
                pending.tell(answer);
            }
            return true;
        }
        Err(failure) => failure,
    };
    let (answer, go_on) = failure.answer();
    for pending in &batch.drafts {
        pending.tell(answer.clone());
    }
    go_on
}

#[cfg(test)]
mod tests {
    use crate::queue::{Pending, QUEUE_BYTES_MAX, QUEUE_DRAFTS_MAX, Queue};
    use std::sync::mpsc::channel;

    use cascade_receipt::content::{AnswerRefused, Body};
    use cascade_receipt::id::{PrincipalId, ReceiptId};

    use super::{Writer, meeting};
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
        queue.waiting.push_back(Pending { draft: draft(), answer: meeting().0 });
        queue.bytes = 10;
        assert!(queue.has_room(QUEUE_BYTES_MAX - 10));
        assert!(!queue.has_room(QUEUE_BYTES_MAX - 9));
    }
}
