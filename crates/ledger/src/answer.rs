//! The way of an answer from the writer to one caller: a thread that waits for it, or a task that is woken.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::draft::{AppendError, Appended};
use crate::fault::Fault;
use crate::reader::lock;

/// The answer to a draft.
pub(crate) type Answer = Result<Appended, AppendError>;

#[derive(Debug, Default)]
struct Place {
    state: Mutex<State>,
    told: Condvar,
}

#[derive(Debug, Default)]
enum State {
    /// Nobody has asked for it yet.
    #[default]
    Open,
    /// A thread sleeps until it is there.
    Thread,
    /// A task is to be woken.
    Task(Waker),
    /// There it is.
    Told(Box<Answer>),
    /// It was taken, or never came.
    Gone,
}

/// The writer's end. Dropped without a word, the caller does not know what became of the draft.
#[derive(Debug)]
pub(crate) struct Teller(Arc<Place>);

impl Teller {
    /// A caller that no longer waits is no concern of the writer: the receipt stands either way.
    pub(crate) fn tell(&self, answer: Answer) {
        self.become_(State::Told(Box::new(answer)));
    }

    fn become_(&self, state: State) {
        let mut place = lock(&self.0.state);
        if matches!(*place, State::Told(_) | State::Gone) {
            return;
        }
        let before = std::mem::replace(&mut *place, state);
        drop(place);
        match before {
            State::Thread => self.0.told.notify_one(),
            State::Task(waker) => waker.wake(),
            State::Open | State::Told(_) | State::Gone => {}
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.become_(State::Gone);
    }
}

/// The answer to a draft, later: to be waited for by a thread, or awaited.
#[derive(Debug)]
pub struct Ticket(Waiting);

#[derive(Debug)]
enum Waiting {
    Queued(Arc<Place>),
    Answered(Option<Box<Answer>>),
}

/// A place for an answer, and the two who meet there.
pub(crate) fn meeting() -> (Teller, Ticket) {
    let place = Arc::<Place>::default();
    (Teller(Arc::clone(&place)), Ticket(Waiting::Queued(place)))
}

impl Ticket {
    pub(crate) fn answered(answer: Answer) -> Self {
        Self(Waiting::Answered(Some(Box::new(answer))))
    }

    /// Waits until the receipt is durable or refused.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn wait(self) -> Answer {
        let place = match self.0 {
            Waiting::Queued(place) => place,
            Waiting::Answered(answer) => return answer.map_or_else(unsettled, |answer| *answer),
        };
        let mut state = lock(&place.state);
        loop {
            match std::mem::replace(&mut *state, State::Gone) {
                State::Told(answer) => return *answer,
                State::Gone => return unsettled(),
                State::Open | State::Thread | State::Task(_) => *state = State::Thread,
            }
            state = place.told.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Future for Ticket {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let place = match &mut self.0 {
            Waiting::Queued(place) => place,
            Waiting::Answered(answer) => {
                return Poll::Ready(answer.take().map_or_else(unsettled, |answer| *answer));
            }
        };
        let mut state = lock(&place.state);
        match std::mem::replace(&mut *state, State::Gone) {
            State::Told(answer) => Poll::Ready(*answer),
            State::Gone => Poll::Ready(unsettled()),
            State::Open | State::Thread | State::Task(_) => {
                *state = State::Task(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A writer that is gone without an answer may have died between commit and answer.
fn unsettled() -> Answer {
    let detail = "the writer ended without an answer".to_owned();
    Err(AppendError::Unsettled(Fault::Io { place: "ledger.db".to_owned(), detail }))
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(Mutex<u32>);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            *lock(&self.0) += 1;
        }
    }

    #[test]
    fn a_task_is_woken_once_by_its_answer() {
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let (teller, mut ticket) = meeting();
        assert!(Pin::new(&mut ticket).poll(&mut context).is_pending());
        assert!(Pin::new(&mut ticket).poll(&mut context).is_pending());
        assert_eq!(*lock(&woken.0), 0);
        teller.tell(Err(AppendError::Halted));
        drop(teller);
        assert_eq!(*lock(&woken.0), 1);
        assert_eq!(Pin::new(&mut ticket).poll(&mut context), Poll::Ready(Err(AppendError::Halted)));
    }

    #[test]
    fn nobody_waits_for_a_writer_that_is_gone() {
        let (teller, ticket) = meeting();
        drop(teller);
        assert!(matches!(ticket.wait(), Err(AppendError::Unsettled(_))));
        let (teller, ticket) = meeting();
        let waiting = std::thread::spawn(|| ticket.wait());
        teller.tell(Err(AppendError::Stale));
        assert_eq!(waiting.join().unwrap(), Err(AppendError::Stale));
    }
}
