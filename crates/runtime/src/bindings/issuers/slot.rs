//! One issuer's keys, and when it may be asked for them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::keys::Keys;
use super::FETCH_TIME_MAX;

/// How old keys may be before they are asked for again.
pub const FRESH_TIME_MAX: Duration = Duration::from_secs(60 * 60);
/// How old keys may be while their issuer does not answer.
pub const STALE_TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Rest between two looks of one cause: keys that are missing or old, and a key that nobody knows.
pub const REST: Duration = Duration::from_secs(60);
/// Most that wait for an answer which another one asks for; more are turned away at once.
pub const WAITING_MAX: usize = 16;

/// An issuer's keys.
#[derive(Debug, Default)]
pub(super) struct Slot {
    state: Mutex<State>,
    answered: Condvar,
}

#[derive(Debug, Default)]
struct State {
    keys: Option<(Arc<Keys>, Instant)>,
    /// The last look because keys were missing or old.
    looked: Option<Instant>,
    /// The last look because a token named a key that is not among them.
    forced: Option<Instant>,
    asking: bool,
    waiting: usize,
}

/// What to do about a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// Take what is there, be it nothing.
    Take,
    /// Ask the issuer first.
    Ask,
    /// Somebody else is asking.
    Wait,
}

impl State {
    fn age(&self, now: Instant) -> Option<Duration> {
        self.keys.as_ref().map(|(_, since)| now.saturating_duration_since(*since))
    }

    /// What there is, unless it is too old to be believed.
    fn usable(&self, now: Instant) -> Option<Arc<Keys>> {
        let recent = self.age(now).is_some_and(|age| age < STALE_TIME_MAX);
        self.keys.as_ref().filter(|_| recent).map(|(keys, _)| Arc::clone(keys))
    }

    /// Notes the look that it answers with [`Step::Ask`].
    fn step(&mut self, now: Instant, fits: bool) -> Step {
        let rested =
            |last: Option<Instant>| last.is_none_or(|last| now.saturating_duration_since(last) >= REST);
        let fresh = self.age(now).is_some_and(|age| age < FRESH_TIME_MAX);
        let fits = fits && self.usable(now).is_some();
        let last = match (fresh, fits) {
            (true, true) => return Step::Take,
            (true, false) => &mut self.forced,
            (false, _) => &mut self.looked,
        };
        if self.asking {
            // What is a little old does meanwhile.
            return if fits { Step::Take } else { Step::Wait };
        }
        if !rested(*last) {
            return Step::Take;
        }
        *last = Some(now);
        self.asking = true;
        Step::Ask
    }
}

impl Slot {
    /// When anybody was last asked on its account.
    pub(super) fn asked(&self) -> Option<Instant> {
        let state = self.lock();
        state.looked.max(state.forced)
    }

    /// The keys, asked for where that is due; this waits no longer than [`FETCH_TIME_MAX`] for others.
    pub(super) fn keys(
        &self,
        fits: &dyn Fn(&Keys) -> bool,
        ask: &dyn Fn() -> Option<Keys>,
    ) -> Option<Arc<Keys>> {
        let mut state = self.lock();
        let fit = state.keys.as_ref().is_some_and(|(keys, _)| fits(keys));
        match state.step(Instant::now(), fit) {
            Step::Take => state.usable(Instant::now()),
            Step::Wait => self.wait(state),
            Step::Ask => {
                drop(state);
                let asking = Asking(self);
                if let Some(keys) = ask() {
                    self.lock().keys = Some((Arc::new(keys), Instant::now()));
                }
                drop(asking);
                self.lock().usable(Instant::now())
            }
        }
    }

    fn wait(&self, mut state: MutexGuard<'_, State>) -> Option<Arc<Keys>> {
        if state.waiting >= WAITING_MAX {
            return state.usable(Instant::now());
        }
        state.waiting += 1;
        let waited = self.answered.wait_timeout_while(state, FETCH_TIME_MAX, |state| state.asking);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        state.usable(Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever asks. Others are not left waiting, also where that breaks off.
struct Asking<'a>(&'a Slot);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.lock().asking = false;
        self.0.answered.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn keys() -> Arc<Keys> {
        let set =
            br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        Arc::new(Keys::parse(set).unwrap())
    }

    fn fetched(at: Instant) -> State {
        State { keys: Some((keys(), at)), looked: Some(at), ..State::default() }
    }

    #[test]
    fn keys_are_asked_for_once_an_hour_and_used_for_a_day() {
        let start = Instant::now();
        let mut state = fetched(start);
        assert_eq!(state.step(start + FRESH_TIME_MAX - SECOND, true), Step::Take);
        assert_eq!(state.step(start + FRESH_TIME_MAX, true), Step::Ask);
        assert_eq!(state.step(start + FRESH_TIME_MAX, true), Step::Take, "the old ones do meanwhile");
        state.asking = false;
        assert!(state.usable(start + STALE_TIME_MAX - SECOND).is_some());
        assert!(state.usable(start + STALE_TIME_MAX).is_none());
    }

    #[test]
    fn keys_that_nobody_knows_cost_one_look_a_minute() {
        let start = Instant::now();
        let mut state = fetched(start);
        let mut looks = 0;
        for second in 0..600 {
            if state.step(start + SECOND * second, false) == Step::Ask {
                looks += 1;
                state.asking = false;
            }
        }
        assert_eq!(looks, 10);
        // Nor is an issuer that does not answer asked more often.
        let mut silent = State::default();
        assert_eq!(silent.step(start, false), Step::Ask);
        assert_eq!(silent.step(start, false), Step::Wait);
        silent.asking = false;
        assert_eq!(silent.step(start + REST - SECOND, false), Step::Take);
        assert_eq!(silent.step(start + REST, false), Step::Ask);
    }

    #[test]
    fn few_wait_for_one_answer_and_the_others_are_turned_away() {
        let slot = Slot::default();
        slot.lock().asking = true;
        slot.lock().waiting = WAITING_MAX;
        let nobody = || -> Option<Keys> { panic!("somebody else is asking") };
        assert!(slot.keys(&|_| true, &nobody).is_none());
        slot.lock().waiting = WAITING_MAX - 1;
        std::thread::scope(|scope| {
            let last = scope.spawn(|| slot.keys(&|_| true, &nobody));
            while slot.lock().waiting < WAITING_MAX {
                std::thread::yield_now();
            }
            let mut state = slot.lock();
            (state.keys, state.asking) = (Some((keys(), Instant::now())), false);
            slot.answered.notify_all();
            drop(state);
            assert!(last.join().unwrap().is_some());
        });
    }
}
