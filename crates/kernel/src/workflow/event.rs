//! What happens to a run, and what is to be done for it.

use std::collections::BTreeMap;

use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;

use super::Rendered;

/// Where an attempt belongs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// Position of the step in the spec.
    pub step: usize,
    /// Position in its fan-out; 0 without one.
    pub item: usize,
    /// From 1.
    pub attempt: u32,
    /// What it is to the step.
    pub role: Role,
}

/// What an attempt is to its step.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// The step itself.
    Step,
    /// Undoes it.
    Compensation,
    /// Tells whether it took effect.
    Reconciler,
}

/// How an attempt ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// As it should.
    Completed,
    /// It may be tried again.
    Failed,
    /// The gates stopped it.
    Refused,
    /// People must answer first.
    Waiting,
    /// Nobody knows.
    Unknown,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// An attempt has started; told by the record alone ([`super::Workflow::restore`]).
    Started {
        /// Which.
        place: Place,
        /// When its receipt was written.
        at: Timestamp,
    },
    /// An attempt has ended.
    Ended {
        /// Which.
        place: Place,
        /// When its receipt was written.
        at: Timestamp,
        /// How.
        ended: Ended,
        /// What it left, by name: `exit_code`, `stdout`, `body`, `answer` …
        result: BTreeMap<String, Value>,
    },
    /// Somebody says what became of an attempt whose outcome is unknown.
    Settled {
        /// Which.
        place: Place,
        /// When it was said.
        at: Timestamp,
        /// It took effect; otherwise it is tried again.
        happened: bool,
    },
    /// Time has passed.
    Woke {
        /// The time now.
        at: Timestamp,
    },
    /// Somebody ends the run.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

/// What the runtime is to do.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Perform an attempt; answer with [`Event::Ended`].
    Start {
        /// Which.
        place: Place,
        /// What.
        what: Rendered,
    },
    /// The run is over.
    Finish(End),
}

/// Why nothing can be done at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rest {
    /// Attempts run; their ends will say more.
    Running,
    /// Until then.
    Until(Timestamp),
    /// Until somebody approves, or says what became of an attempt.
    People,
}

/// How a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    /// Every step is over, and none stopped it.
    pub completed: bool,
    /// Codes: `step.failed`, `step.refused`, `cancelled`, `duration` …
    pub reasons: Vec<String>,
    /// What the run gives, where it is complete.
    pub outputs: BTreeMap<String, String>,
    /// How many items there were of each end.
    pub count: Count,
}

/// How many items of steps ended how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Count {
    /// As they should.
    pub completed: u64,
    /// For good, refused ones included.
    pub failed: u64,
    /// `when` was false, or nothing was to be done.
    pub skipped: u64,
    /// Nobody knows.
    pub unknown: u64,
}

/// An event that fits no attempt that runs: a defect in the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("nothing runs at {0:?}")]
pub struct Unexpected(pub Place);
