//! Replay: decisions are made again from the facts and policies that they were made of, and the steps of runs are held
//! against their specifications.
//!
//! A [`Scan`] takes a whole log, line by line, and counts; [`bundle`] takes what an outsider was handed. What is replayed
//! has been verified before: what is asked here is not whether somebody recorded this, but whether it follows.

mod again;
mod glance;
mod judge;
mod memo;
mod order;
mod scan;
mod shown;
mod tally;
mod turned;

use cascade_kernel::csl::Document;
use cascade_receipt::bundle::Bundle;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;

use shown::Shown;

pub use scan::{Past, SNAPSHOTS_MAX, Scan, Under};
pub use tally::{PLACES_MAX, Places, Tally};
pub use turned::{By, EXAMPLES_MAX, Example, GROUP_VALUES_MAX, Group, Groups, Key, OTHERS};

/// What came of it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Replayed {
    /// Decisions in the bundle.
    pub decisions: u64,
    /// Those that come out the same, to the byte.
    pub matches: u64,
    /// Those whose facts were erased, as a receipt of the bundle says.
    pub erased: u64,
    /// Those whose facts or policy are not in the bundle.
    pub undisclosed: u64,
    /// Runs whose specification was given.
    pub runs: u64,
    /// Runs whose specification was not.
    pub unheld: u64,
    /// Attempts at their steps that were held against it.
    pub attempts: u64,
    /// Everything that does not follow.
    pub divergences: Vec<Divergence>,
}

/// Something that does not follow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Divergence {
    /// The receipt that says it.
    pub receipt_id: ReceiptId,
    /// What is wrong with it.
    pub what: What,
}

/// What does not follow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// The same facts under the same policy give another decision.
    Decision {
        /// As recorded, canonical JSON.
        recorded: String,
        /// As made again.
        again: String,
    },
    /// Policy or facts in the bundle cannot be read by this version.
    Unreadable(String),
    /// The facts are gone, and no receipt says that they were erased.
    Missing,
    /// The facts or the action that are stored are not those that the receipt names.
    Altered,
    /// The action is gone, and no receipt says that it was erased.
    ActionMissing,
    /// What was decided is not the action, or not the principal or risk, that the receipt names.
    Action,
    /// The receipt is of another kind than its decision leads to.
    Verdict,
    /// The run has ended more than once.
    Ended,
    /// A step has begun before one that it needs was over.
    Early {
        /// Its id.
        step: String,
        /// The step that it needs.
        needs: String,
    },
    /// An attempt has begun before the one before it was over.
    Attempt {
        /// Id of the step.
        step: String,
    },
    /// Something was undone before what was done after it.
    Undone {
        /// Id of the step.
        step: String,
        /// The step that was done after it.
        after: String,
    },
    /// A command is not the one that the specification gives for these inputs.
    Command {
        /// Id of the step.
        step: String,
    },
    /// A receipt names a step, or an item of one, that the specification does not have for these inputs.
    NoStep {
        /// Its position.
        at: u64,
    },
    /// A step was done although its condition is false for these inputs.
    Unwanted {
        /// Its id.
        step: String,
    },
    /// A command that had been completed was run again.
    Again {
        /// Id of the step.
        step: String,
    },
    /// A step has run another specification than the one that it names.
    OtherSpec {
        /// Its id.
        step: String,
    },
    /// The inputs of the run are none that its specification takes.
    Inputs,
}

impl What {
    /// The code that programs compare.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Decision { .. } => "decision.differs",
            Self::Unreadable(_) => "decision.unreadable",
            Self::Missing => "facts.missing",
            Self::Altered => "facts.altered",
            Self::ActionMissing => "action.missing",
            Self::Action => "decision.other_action",
            Self::Verdict => "decision.other_kind",
            Self::Ended => "run.ended_twice",
            Self::Unwanted { .. } => "step.unwanted",
            Self::Again { .. } => "step.again",
            Self::OtherSpec { .. } => "step.other_spec",
            Self::Early { .. } => "order.needs",
            Self::Attempt { .. } => "order.attempts",
            Self::Undone { .. } => "order.compensation",
            Self::Command { .. } => "step.command",
            Self::NoStep { .. } => "step.unknown",
            Self::Inputs => "run.inputs",
        }
    }

    /// The same for people.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Decision { .. } => "the same facts and policy give another decision".to_owned(),
            Self::Unreadable(why) => format!("cannot be decided again here: {why}"),
            Self::Missing => "its facts are gone, and no receipt says that they were erased".to_owned(),
            Self::Altered => "the facts or the action that are stored are not those that it names".to_owned(),
            Self::ActionMissing => "its action is gone, and no receipt says that it was erased".to_owned(),
            Self::Action => "its facts are about another action, principal or risk than it names".to_owned(),
            Self::Verdict => "it is of another kind than its decision leads to".to_owned(),
            Self::Ended => "the run has ended more than once".to_owned(),
            Self::Unwanted { step } => format!("step `{step}` was done though its condition is false"),
            Self::Again { step } => format!("step `{step}` was run again after it had been completed"),
            Self::OtherSpec { step } => format!("step `{step}` has run another spec than it names"),
            Self::Early { step, needs } => {
                format!("step `{step}` began before `{needs}`, which it needs, was over")
            }
            Self::Attempt { step } => {
                format!("step `{step}` was tried again before the attempt before was over")
            }
            Self::Undone { step, after } => {
                format!("step `{step}` was undone before `{after}`, which was done after it")
            }
            Self::Command { step } => {
                format!("step `{step}` is not the command that the spec gives for these inputs")
            }
            Self::NoStep { at } => format!("the spec has no step at {at}"),
            Self::Inputs => "the run was started with inputs that the spec does not take".to_owned(),
        }
    }
}

/// Whether a line is an `erasure` that took private bytes of this receipt.
#[must_use]
pub fn says_erased(line: &str, id: ReceiptId) -> bool {
    shown::Receipt::read(line.as_bytes()).is_ok_and(|receipt| receipt.erases(id))
}

/// Replays a bundle. Runs are held against those of `specs` that have their hash.
#[must_use]
pub fn bundle(bundle: &Bundle, specs: &[(Digest, Document)]) -> Replayed {
    let shown = Shown::of(bundle);
    let mut replayed = Replayed::default();
    again::decisions(&shown, &mut replayed);
    order::runs(&shown, specs, &mut replayed);
    replayed.divergences.sort_by_key(|one| shown.seq_of(one.receipt_id));
    replayed
}
