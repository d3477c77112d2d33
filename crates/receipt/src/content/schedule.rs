//! Schedules: what is to run again and again, and what became of each time that it was due.

use alloc::vec::Vec;

use super::{Action, Ref, Terms, add_reasons, add_refs};
use crate::decision::Reason;
use crate::digest::Digest;
use crate::id::PrincipalId;
use crate::member::Members;
use crate::time::Timestamp;

/// `schedule_changed`.
#[derive(Clone, Debug)]
pub struct ScheduleChanged {
    /// What was decided. Unless it adds a schedule, a ref of rel `cron` names the `schedule_changed` that did.
    pub action: Action,
    /// What happened to the schedule.
    pub change: ScheduleChange,
}

/// What happens to a schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScheduleChange {
    /// It is there from now on.
    Added {
        /// The random id of its name, the same when a schedule of that name is added again.
        schedule: [u8; 8],
        /// Salted hash of its definition.
        schedule_hash: Digest,
    },
    /// It fires no more until it is resumed.
    Paused,
    /// It fires again.
    Resumed,
    /// It is gone for good.
    Removed,
}

/// The word of a [`ScheduleChange`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChangeWord {
    /// `added`.
    Added,
    /// `paused`.
    Paused,
    /// `resumed`.
    Resumed,
    /// `removed`.
    Removed,
}

impl ChangeWord {
    /// Every word.
    pub const ALL: [Self; 4] = [Self::Added, Self::Paused, Self::Resumed, Self::Removed];

    /// The word in receipts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Removed => "removed",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str() == text)
    }
}

impl ScheduleChange {
    /// Its word.
    #[must_use]
    pub const fn word(&self) -> ChangeWord {
        match self {
            Self::Added { .. } => ChangeWord::Added,
            Self::Paused => ChangeWord::Paused,
            Self::Resumed => ChangeWord::Resumed,
            Self::Removed => ChangeWord::Removed,
        }
    }
}

/// `cron_invocation`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CronInvocation {
    /// The `schedule_changed` that added the schedule (cron).
    pub schedule: Ref,
    /// When it was due; nothing where somebody let it run at once.
    pub due: Option<Timestamp>,
    /// What became of that.
    pub outcome: CronOutcome,
    /// Whose scheduler says so.
    pub principal: PrincipalId,
    /// Why, as codes.
    pub reasons: Vec<Reason>,
}

/// What became of a time at which a schedule was due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CronOutcome {
    /// What the schedule says is started next.
    Run,
    /// It is not, and will not be.
    Skip,
    /// Nobody was there to start it, then and perhaps several times more.
    Miss {
        /// The end of the time in which that was so.
        until: Timestamp,
        /// How often it was due from `due` to `until`.
        count: u64,
        /// It was due more often; nobody counted on.
        truncated: bool,
    },
}

impl CronOutcome {
    /// The words, in the order of the variants.
    pub const WORDS: [&'static str; 3] = ["run", "skip", "miss"];

    /// The word in receipts.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Skip => "skip",
            Self::Miss { .. } => "miss",
        }
    }
}

impl ScheduleChanged {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        self.action.add_with(&Terms::of_schedule(&self.change), to);
    }
}

impl CronInvocation {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        if let CronOutcome::Miss { count, .. } = self.outcome {
            to.add("count", |out| out.int(count));
        }
        if let Some(due) = &self.due {
            to.add("due", |out| out.spelled(due));
        }
        to.add("outcome", |out| out.word(self.outcome.as_str()));
        to.add("principal", |out| out.spelled(&self.principal));
        if !self.reasons.is_empty() {
            add_reasons(to, &self.reasons);
        }
        add_refs(to, core::slice::from_ref(&self.schedule));
        if let CronOutcome::Miss { until, truncated, .. } = self.outcome {
            if truncated {
                to.add("truncated", |out| out.bool(true));
            }
            to.add("until", |out| out.spelled(&until));
        }
    }
}
