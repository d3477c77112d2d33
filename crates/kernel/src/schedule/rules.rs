//! What becomes of the times at which a schedule was due, when somebody looks.
//!
//! What is over for longer than [`LATE_MS`] was missed: nobody looked in time. It is caught up on as the schedule says.
//! Anything else runs, unless what it ran before still does; then the schedule says what happens. Results come in the
//! order of the times that they are about, and each time is in one of them.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::time::Timestamp;

use super::{Dues, Timing};

/// What is later than this was missed.
pub const LATE_MS: u64 = 60_000;
/// Most that are caught up on at once, the newest ones.
pub const CATCH_UP_MAX: usize = 100;
/// How many missed times are counted; more are not told apart.
pub const COUNT_MAX: u64 = 10_000;
/// Longest jitter.
pub const JITTER_MS_MAX: u64 = 3_600_000;

/// What happens with missed times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CatchUp {
    /// They are put on record.
    None,
    /// The newest one runs.
    Latest,
    /// Each runs, at most the newest [`CATCH_UP_MAX`].
    All,
}

impl CatchUp {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::None, Self::Latest, Self::All];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Latest => "latest",
            Self::All => "all",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// What happens when it is due while what it ran before still does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overlap {
    /// It is skipped.
    Skip,
    /// It waits; while several wait, the newest stays.
    Queue,
    /// It runs beside the other.
    Allow,
}

impl Overlap {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Skip, Self::Queue, Self::Allow];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::Allow => "allow",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// How a schedule fires.
#[derive(Clone, Debug)]
pub struct Rules {
    timing: Timing,
    catch_up: CatchUp,
    overlap: Overlap,
    jitter_ms: u64,
}

/// Why rules are none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RulesFault {
    /// [`JITTER_MS_MAX`].
    #[error("a jitter is an hour at most")]
    Jitter,
    /// What is caught up on runs one after the other, or at once.
    #[error("all that was missed cannot run if it is skipped while one of it runs")]
    Unbalanced,
}

/// What is to be put on record, or done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// It runs for this time.
    Run(Timestamp),
    /// It does not: the one before still runs.
    Skip(Timestamp),
    /// Nobody looked from `due` to `until`, when it was due so often.
    Miss {
        /// The first time.
        due: Timestamp,
        /// The end.
        until: Timestamp,
        /// How often.
        count: u64,
        /// Or more often.
        truncated: bool,
    },
}

/// How a schedule stands in a scheduler.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Up to here it was looked at.
    pub seen: Timestamp,
    /// How many of it run.
    pub running: u32,
    /// Times that wait until that is over.
    pub waiting: VecDeque<Timestamp>,
}

impl Standing {
    /// Of a schedule that is on record up to there, and of which nothing runs.
    #[must_use]
    pub const fn new(through: Timestamp) -> Self {
        Self { seen: through, running: 0, waiting: VecDeque::new() }
    }
}

impl Rules {
    /// Puts them together.
    ///
    /// # Errors
    /// [`RulesFault`].
    pub fn new(
        timing: Timing,
        catch_up: CatchUp,
        overlap: Overlap,
        jitter_ms: u64,
    ) -> Result<Self, RulesFault> {
        if jitter_ms > JITTER_MS_MAX {
            return Err(RulesFault::Jitter);
        }
        if catch_up == CatchUp::All && overlap == Overlap::Skip {
            return Err(RulesFault::Unbalanced);
        }
        Ok(Self { timing, catch_up, overlap, jitter_ms })
    }

    /// When it is due.
    #[must_use]
    pub const fn timing(&self) -> &Timing {
        &self.timing
    }

    /// What happens with missed times.
    #[must_use]
    pub const fn catch_up(&self) -> CatchUp {
        self.catch_up
    }

    /// What happens when it still runs.
    #[must_use]
    pub const fn overlap(&self) -> Overlap {
        self.overlap
    }

    /// How much later than due it may fire.
    #[must_use]
    pub const fn jitter_ms(&self) -> u64 {
        self.jitter_ms
    }

    /// When it fires for a time at which it is due: later by what the two give, the same whoever asks.
    #[must_use]
    pub fn fires_at(&self, schedule: ReceiptId, due: Timestamp) -> Timestamp {
        if self.jitter_ms == 0 {
            return due;
        }
        let mut text = schedule.0.to_vec();
        text.extend(due.ms().to_be_bytes());
        let Digest(digest) = Digest::of(&text);
        let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        Timestamp::from_ms(due.ms() + number % (self.jitter_ms + 1))
    }

    /// When somebody must look again.
    #[must_use]
    pub fn wakes_at(&self, schedule: ReceiptId, standing: &Standing) -> Option<Timestamp> {
        let due = self.timing.after(standing.seen).next()?;
        Some(self.fires_at(schedule, due))
    }

    /// What is due by now, and when somebody must look again.
    pub fn wake(
        &self,
        schedule: ReceiptId,
        standing: &mut Standing,
        now: Timestamp,
    ) -> (Vec<Step>, Option<Timestamp>) {
        let mut steps = Vec::new();
        let late = Timestamp::from_ms(now.ms().saturating_sub(self.jitter_ms + LATE_MS));
        let dues = self.timing.after(standing.seen);
        self.catch_up_on(&dues, standing, (late, now), &mut steps);
        let mut next = None;
        for due in dues.after(standing.seen) {
            let fires = self.fires_at(schedule, due);
            if fires > now {
                next = Some(fires);
                break;
            }
            standing.seen = due;
            self.take(standing, due, &mut steps);
        }
        (steps, next)
    }

    /// One of it is over. Gives the time that runs now, where one waited.
    pub fn ended(&self, standing: &mut Standing) -> Option<Timestamp> {
        standing.running = standing.running.saturating_sub(1);
        if standing.running > 0 {
            return None;
        }
        let due = standing.waiting.pop_front()?;
        standing.running = 1;
        Some(due)
    }

    /// Everything before `late`.
    fn catch_up_on(
        &self,
        dues: &Dues<'_>,
        standing: &mut Standing,
        (late, now): (Timestamp, Timestamp),
        steps: &mut Vec<Step>,
    ) {
        let from = standing.seen;
        let mut missed = dues.after(from).take_while(|due| *due < late);
        let Some(first) = missed.next() else { return };
        let most = usize::try_from(COUNT_MAX).unwrap_or(usize::MAX);
        // The first is gone, and one more tells that there are more than are counted.
        let counted = u64::try_from(missed.take(most).count()).unwrap_or(COUNT_MAX) + 1;
        let (count, truncated) = (counted.min(COUNT_MAX), counted > COUNT_MAX);
        let end = Timestamp::from_ms(late.ms().saturating_sub(1));
        let on_time = dues.after(end).next().is_some_and(|due| due <= now);
        let most = match self.catch_up {
            CatchUp::Latest if !on_time => 1,
            CatchUp::None | CatchUp::Latest => 0,
            CatchUp::All => CATCH_UP_MAX,
        };
        let newest = dues.newest(from, late, most);
        let run = u64::try_from(newest.len()).unwrap_or(0);
        let count = if truncated { count } else { count.saturating_sub(run) };
        if count > 0 {
            let until = newest.first().map_or(end, |due| Timestamp::from_ms(due.ms().saturating_sub(1)));
            steps.push(Step::Miss { due: first, until, count, truncated });
        }
        standing.seen = end;
        for due in newest {
            self.take(standing, due, steps);
        }
    }

    fn take(&self, standing: &mut Standing, due: Timestamp, steps: &mut Vec<Step>) {
        let is_idle = standing.running == 0 && standing.waiting.is_empty();
        if is_idle || self.overlap == Overlap::Allow {
            standing.running += 1;
            steps.push(Step::Run(due));
        } else if self.overlap == Overlap::Skip {
            // In the order of their times, should one have had to wait for somebody else's.
            steps.extend(standing.waiting.drain(..).map(Step::Skip));
            steps.push(Step::Skip(due));
        } else {
            standing.waiting.push_back(due);
            let most = if self.catch_up == CatchUp::All { CATCH_UP_MAX } else { 1 };
            while standing.waiting.len() > most {
                steps.extend(standing.waiting.pop_front().map(Step::Skip));
            }
        }
    }
}

#[cfg(test)]
mod tests;
