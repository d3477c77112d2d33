//! What it takes to undo what was done: from a record of actions to an order of undoing.
//!
//! | an action | is |
//! | --- | --- |
//! | completed, with an inverse | undone, the last that was completed first |
//! | completed, and something undid it that was not itself undone | undone already |
//! | completed, and it changes nothing | nothing to undo |
//! | completed, without an inverse, or with one that hangs on what no receipt says | left, with the reason |
//! | failed, revoked, unknown or running | left: what it did a person must find out |
//! | one whose undoing nobody knows the outcome of | left, unless it is to be tried again |
//! | what undid another action | none of it, unless it is the one that is named |
//!
//! A failed undoing is tried again; what it undid half is the business of whoever reads that it failed.

use std::collections::{BTreeMap, BTreeSet};

use cascade_receipt::id::ReceiptId;

/// How an action ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// As it should.
    Completed,
    /// With an exit code that is not 0, or it could not start.
    Failed,
    /// It was ended.
    Revoked,
    /// Nobody knows.
    Unknown,
    /// Not yet.
    Running,
}

/// One action of the record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// Its `task_started`.
    pub intent: ReceiptId,
    /// Its closer, once there is one.
    pub closer: Option<ReceiptId>,
    /// How it ended.
    pub outcome: Outcome,
    /// The closer of the action that it undoes.
    pub takes_back: Option<ReceiptId>,
}

/// What undoes an action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Inverse<C> {
    /// A command.
    Command(Undoing<C>),
    /// It changed nothing.
    Nothing,
    /// Nothing that is known.
    None(Why),
}

/// A command that undoes an action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Undoing<C> {
    /// What is run.
    pub command: C,
    /// Who says that it does.
    pub source: Source,
    /// What must have been so before for it to be right, and what no receipt says.
    pub assumes: Option<String>,
}

/// Who says how an action is undone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The manifest of its program.
    Manifest,
    /// The `compensate` of its step.
    Step,
}

/// Why an action is left as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// It failed: what it did before that is not known.
    Failed,
    /// It was ended: the same.
    Revoked,
    /// Nobody knows what became of it.
    Unknown,
    /// It runs.
    Running,
    /// What it was is erased.
    Erased,
    /// It belongs to a run that has not ended, which may still need it.
    OfOpenRun(ReceiptId),
    /// Nothing says how it is undone; for people.
    NoInverse(String),
    /// Its inverse is right only where this was so before.
    Assumes(String),
    /// It is being undone by another process.
    BeingUndone(ReceiptId),
    /// Nobody knows whether this undid it.
    UndoingUnknown(ReceiptId),
}

/// What is to become of one action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate<C> {
    /// It is undone.
    Undo(Undoing<C>),
    /// This has undone it.
    Undone(ReceiptId),
    /// There is nothing to undo.
    Nothing,
    /// It is left as it is.
    Left(Why),
}

/// Which of them, and how far to go.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The intents of the actions.
    pub intents: BTreeSet<ReceiptId>,
    /// They are named one by one: what undid another action is undone as well.
    pub by_name: bool,
    /// What inverses assume was so.
    pub assume: bool,
    /// What nobody knows the undoing of is undone once more.
    pub retry: bool,
}

/// What is to become of each action, in the order in which that is done. `record` is in the order in which actions were
/// completed, from the first that is wanted to the end of the log; what runs stands last. `inverse` is asked only about
/// what could be undone.
///
/// # Errors
/// Those of `inverse`.
pub fn plan<C, E>(
    record: &[Recorded],
    wanted: &Wanted,
    mut inverse: impl FnMut(&Recorded) -> Result<Inverse<C>, E>,
) -> Result<Vec<(ReceiptId, Fate<C>)>, E> {
    let tries = tries(record);
    let mut plan = Vec::new();
    for one in record.iter().rev() {
        let is_undoing = one.takes_back.is_some() && !wanted.by_name;
        if wanted.intents.contains(&one.intent) && !is_undoing {
            plan.push((one.intent, fate(one, &tries, wanted, &mut inverse)?));
        }
    }
    Ok(plan)
}

/// What was done to undo an action.
#[derive(Default)]
struct Tries {
    undone_by: Option<ReceiptId>,
    runs: Option<ReceiptId>,
    unknown: Option<ReceiptId>,
}

/// What was done to undo each action, by its closer. From the newest on: whether an undoing stands is known before
/// anybody asks what it undid.
fn tries(record: &[Recorded]) -> BTreeMap<ReceiptId, Tries> {
    let mut all: BTreeMap<ReceiptId, Tries> = BTreeMap::new();
    for one in record.iter().rev() {
        let Some(of) = one.takes_back else { continue };
        let own = one.closer.and_then(|closer| all.get(&closer));
        let stands = own.is_none_or(|own| own.undone_by.is_none());
        let tries = all.entry(of).or_default();
        match one.outcome {
            Outcome::Completed if stands => tries.undone_by = tries.undone_by.or(one.closer),
            Outcome::Completed | Outcome::Failed => {}
            Outcome::Running => tries.runs = Some(one.intent),
            Outcome::Revoked | Outcome::Unknown => {
                tries.unknown = tries.unknown.or(one.closer).or(Some(one.intent));
            }
        }
    }
    all
}

fn fate<C, E>(
    one: &Recorded,
    tries: &BTreeMap<ReceiptId, Tries>,
    wanted: &Wanted,
    inverse: &mut impl FnMut(&Recorded) -> Result<Inverse<C>, E>,
) -> Result<Fate<C>, E> {
    let left = match one.outcome {
        Outcome::Completed => None,
        Outcome::Failed => Some(Why::Failed),
        Outcome::Revoked => Some(Why::Revoked),
        Outcome::Unknown => Some(Why::Unknown),
        Outcome::Running => return Ok(Fate::Left(Why::Running)),
    };
    let tried = one.closer.and_then(|closer| tries.get(&closer));
    if let Some(by) = tried.and_then(|tried| tried.undone_by) {
        return Ok(Fate::Undone(by));
    }
    if let Some(by) = tried.and_then(|tried| tried.runs) {
        return Ok(Fate::Left(Why::BeingUndone(by)));
    }
    if let Some(by) = tried.and_then(|tried| tried.unknown).filter(|_| !wanted.retry) {
        return Ok(Fate::Left(Why::UndoingUnknown(by)));
    }
    Ok(match (inverse(one)?, left) {
        (Inverse::Nothing, _) => Fate::Nothing,
        (_, Some(why)) | (Inverse::None(why), None) => Fate::Left(why),
        (Inverse::Command(Undoing { assumes: Some(what), .. }), None) if !wanted.assume => {
            Fate::Left(Why::Assumes(what))
        }
        (Inverse::Command(undoing), None) => Fate::Undo(undoing),
    })
}
