//! Whose turn it is: as many requests are worked on at once as there is room for, and of one tenant not more than half
//! of that, so that nobody takes every turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cascade_receipt::content::TokenScope;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body::TENANT_HELD_KIB_MAX;
use super::pace::{Allowance, Leases, Pace};
use super::proxy::CALLS_MAX;
use super::{Api, Caller, Credentials, Problem, QUEUE_TIME_MAX};

/// Requests of one tenant that are worked on at once; more of it wait for [`QUEUE_TIME_MAX`].
pub(crate) const TENANT_WORK_MAX: usize = 64;

/// Requests at once that read a whole chain: replays, audits, bundles.
pub(crate) const LONG_WORK_MAX: usize = 2;
/// Commands and tasks at once that the service itself works on.
pub(crate) const RUNS_MAX: usize = 32;
/// The same of one tenant.
pub(crate) const TENANT_RUNS_MAX: usize = 16;

/// What one tenant may have of what all share. It goes on when its chain is opened again.
#[derive(Debug)]
pub(crate) struct Share {
    /// Requests that may be with models at once.
    pub(crate) calls: Arc<Semaphore>,
    /// Requests that may be worked on at once.
    pub(crate) turns: Arc<Semaphore>,
    /// Commands and tasks that may be worked on at once.
    pub(crate) runs: Arc<Semaphore>,
    /// KiB of bodies that may be held at once.
    pub(crate) bodies: Arc<Semaphore>,
    /// Requests in a second.
    pub(crate) pace: Pace,
    /// Actions whose outcome is not reported.
    pub(crate) leases: Leases,
}

impl Share {
    pub(crate) fn new(allowance: Allowance) -> Self {
        let turns = |most| Arc::new(Semaphore::new(most));
        Self {
            calls: turns(CALLS_MAX),
            turns: turns(TENANT_WORK_MAX),
            runs: turns(TENANT_RUNS_MAX),
            bodies: turns(TENANT_HELD_KIB_MAX),
            pace: Pace::new(allowance.requests_per_s, Instant::now()),
            leases: Leases::new(allowance.leases),
        }
    }
}

/// One of so many turns, within the time that somebody waits for it.
pub(super) async fn among(turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
    let turn = tokio::time::timeout(QUEUE_TIME_MAX, Arc::clone(turns).acquire_owned());
    turn.await.ok().and_then(Result::ok).ok_or_else(Problem::busy)
}

/// Works while holding a turn.
pub(super) fn held<T>(turn: OwnedSemaphorePermit, work: impl FnOnce() -> T) -> T {
    let _turn = turn;
    work()
}

/// Who is unknown is told so no sooner than this: how long it took to find out says which tenants there are.
const UNKNOWN_TIME: Duration = Duration::from_millis(10);

/// Works on a thread that may block, and hands the turn on.
pub(super) async fn in_turn<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    work: impl FnOnce(OwnedSemaphorePermit) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let until = tokio::time::Instant::now() + UNKNOWN_TIME;
    let worked = tokio::task::spawn_blocking(move || work(turn)).await.unwrap_or_else(|_| Err(gone()));
    if worked.as_ref().is_err_and(Problem::is_of_somebody_unknown) {
        // The turn is handed on by now.
        tokio::time::sleep_until(until).await;
    }
    worked
}

/// A request whose work is done but for something that it waits for: it keeps its turns.
pub(crate) struct Waiting {
    pub(crate) caller: Caller,
    _turns: [OwnedSemaphorePermit; 2],
}

impl Waiting {
    /// Goes on where that may block, in the turns that it has.
    pub(crate) async fn go_on<T: Send + 'static>(
        self,
        api: Arc<Api>,
        work: impl FnOnce(&Caller) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let worked = tokio::task::spawn_blocking(move || {
            let worked = work(&self.caller);
            if worked.is_err() {
                api.open_again(&self.caller);
            }
            worked
        });
        worked.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// A request whose work came to no end.
fn gone() -> Problem {
    Problem::internal("the request could not be worked on")
}

/// What became of a request that has a turn.
enum Tried<T, W> {
    Done(T),
    /// As much is worked on for its tenant as may be: it waits without a turn.
    Later(Arc<Semaphore>, Credentials, W),
}

impl Api {
    /// Does something for whoever shows these credentials, if they hold for `scope`. For a suspended tenant nothing is
    /// begun, see [`Api::work_though_suspended`].
    pub(crate) async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        shown: Credentials,
        scope: TokenScope,
        work: impl FnOnce(&Caller) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        self.take_turn(shown, move |api, shown| api.admit_to_begin(shown, scope), work).await
    }

    /// The same for what goes on while a tenant is suspended: what has begun is looked at and reported.
    pub(crate) async fn work_though_suspended<T: Send + 'static>(
        self: &Arc<Self>,
        shown: Credentials,
        scope: TokenScope,
        work: impl FnOnce(&Caller) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        self.take_turn(shown, move |api, shown| api.admit(shown, scope), work).await
    }

    /// The same as [`Self::work`], for what reads a whole chain. Nothing begins by it, so a suspension does not end it.
    pub(crate) async fn long_work<T: Send + 'static>(
        self: &Arc<Self>,
        shown: Credentials,
        scope: TokenScope,
        work: impl FnOnce(&Caller) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = among(&self.long).await?;
        self.work_though_suspended(shown, scope, move |caller| held(turn, || work(caller))).await
    }

    /// The same as [`Self::work`], for what runs here.
    pub(crate) async fn run_work<T: Send + 'static>(
        self: &Arc<Self>,
        shown: Credentials,
        scope: TokenScope,
        work: impl FnOnce(&Caller) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = among(&self.runs).await?;
        self.work(shown, scope, move |caller| {
            // Whoever waited here would keep others from their turn.
            let own =
                Arc::clone(&caller.tenant.share.runs).try_acquire_owned().map_err(|_| Problem::busy())?;
            held(turn, || held(own, || work(caller)))
        })
        .await
    }

    /// The same as [`Self::work`], for what goes on after the work without a thread of its own: the turns are kept.
    pub(crate) async fn work_and_wait<T: Send + 'static>(
        self: &Arc<Self>,
        shown: Credentials,
        scope: TokenScope,
        work: impl FnOnce(&Caller) -> Result<T, Problem> + Send + 'static,
    ) -> Result<(T, Waiting), Problem> {
        let admit = move |api: &Self, shown: &Credentials| api.admit_to_begin(shown, scope);
        self.take_turn_then(shown, admit, work, |done, waiting| (done, waiting)).await
    }

    async fn take_turn<T: Send + 'static>(
        self: &Arc<Self>,
        shown: Credentials,
        admit: impl Fn(&Self, &Credentials) -> Result<Caller, Problem> + Copy + Send + 'static,
        work: impl FnOnce(&Caller) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        self.take_turn_then(shown, admit, work, |done, _| done).await
    }

    /// `then` says what is kept of the turns once the work is done.
    async fn take_turn_then<T: Send + 'static, R: Send + 'static>(
        self: &Arc<Self>,
        shown: Credentials,
        admit: impl Fn(&Self, &Credentials) -> Result<Caller, Problem> + Copy + Send + 'static,
        work: impl FnOnce(&Caller) -> Result<T, Problem> + Send + 'static,
        then: fn(T, Waiting) -> R,
    ) -> Result<R, Problem> {
        let api = Arc::clone(self);
        let room = among(&self.room).await?;
        let tried = in_turn(room, move |room| {
            let caller = admit(&api, &shown)?;
            caller.tenant.share.pace.admit()?;
            let turns = Arc::clone(&caller.tenant.share.turns);
            match Arc::clone(&turns).try_acquire_owned() {
                Ok(turn) => {
                    api.worked(caller, work, [turn, room]).map(|(done, rest)| Tried::Done(then(done, rest)))
                }
                Err(_) => Ok(Tried::Later(turns, shown, work)),
            }
        })
        .await?;
        let (turns, shown, work) = match tried {
            Tried::Done(done) => return Ok(done),
            Tried::Later(turns, shown, work) => (turns, shown, work),
        };
        let turn = among(&turns).await?;
        let api = Arc::clone(self);
        let room = among(&self.room).await?;
        // Who waited is looked at again.
        in_turn(room, move |room| {
            let (done, rest) = api.worked(admit(&api, &shown)?, work, [turn, room])?;
            Ok(then(done, rest))
        })
        .await
    }

    fn worked<T>(
        &self,
        caller: Caller,
        work: impl FnOnce(&Caller) -> Result<T, Problem>,
        turns: [OwnedSemaphorePermit; 2],
    ) -> Result<(T, Waiting), Problem> {
        match work(&caller) {
            Ok(done) => Ok((done, Waiting { caller, _turns: turns })),
            Err(problem) => {
                self.open_again(&caller);
                Err(problem)
            }
        }
    }

    /// Opens the tenant again if its writer has stopped.
    fn open_again(&self, caller: &Caller) {
        if caller.tenant.ledger.has_failed() {
            self.tenants().reopen(&caller.tenant);
        }
    }
}
