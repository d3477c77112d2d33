//! The thread that seals ahead: it works only while a commit is on its way and many callers wait.

use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

use crate::ahead::{Footing, Sealed};
use crate::batch;
use crate::draft::{AppendError, Draft};
use crate::queue::{Pending, Phase, Queue, Shared};
use crate::reader::lock;
use crate::seal;

/// Drafts that are sealed in one go, for each thread that signs. More would keep the writer waiting for the first.
const DRAFTS_A_THREAD: usize = 32;

/// Starts it. Without it everything works, at the pace of one commit after the other.
pub(crate) fn start(shared: &Arc<Shared>) -> Option<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    let run = move || while step(&shared) {};
    std::thread::Builder::new().name("ledger-sealer".to_owned()).spawn(run).ok()
}

/// Drafts in the sealer's hands. However it ends, the writer does not wait for them.
struct Hands<'a> {
    shared: &'a Shared,
    drafts: Vec<Pending>,
    sealed: Vec<Sealed>,
    /// Where the last of them leaves off, and what it started from.
    footing: Footing,
    footings: u64,
}

impl Drop for Hands<'_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.shared.queue);
        queue.sealing = false;
        if queue.phase == Phase::Stopped {
            self.drafts.drain(..).for_each(|pending| pending.tell(Err(AppendError::Stopped)));
        } else {
            self.lay_down(&mut queue);
        }
        let wake = !queue.busy;
        drop(queue);
        if wake {
            self.shared.work.notify_one();
        }
    }
}

impl Hands<'_> {
    fn lay_down(&mut self, queue: &mut Queue) {
        let mut drafts = std::mem::take(&mut self.drafts);
        if queue.footings == self.footings {
            let rest = drafts.split_off(self.sealed.len());
            queue.ready.extend(drafts.into_iter().zip(self.sealed.drain(..).map(Some)));
            // Where it could not go on, the writer has to.
            queue.footing = rest.is_empty().then(|| self.footing.clone());
            drafts = rest;
        }
        drafts.into_iter().rev().for_each(|pending| queue.waiting.push_front(pending));
    }
}

/// Seals once. False when the ledger is closing: the writer takes what waits.
fn step(shared: &Shared) -> bool {
    let Some(mut hands) = take(shared) else { return false };
    // The writer needs a core of its own.
    let threads = seal::cores().saturating_sub(1).max(1);
    let drafts: Vec<&Draft> = hands.drafts.iter().map(|pending| &pending.draft).collect();
    hands.sealed = hands.footing.seal(&drafts, batch::now_ms(), threads);
    true
}

fn take(shared: &Shared) -> Option<Hands<'_>> {
    let mut queue = lock(&shared.queue);
    loop {
        if queue.phase != Phase::Open {
            return None;
        }
        if queue.can_seal()
            && let Some(footing) = queue.footing.clone()
        {
            let most = DRAFTS_A_THREAD * seal::cores();
            let count = queue.waiting.len().min(most);
            let drafts = queue.waiting.drain(..count).collect();
            queue.sealing = true;
            let footings = queue.footings;
            return Some(Hands { shared, drafts, sealed: Vec::new(), footing, footings });
        }
        queue = shared.foretold.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}
