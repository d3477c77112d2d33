//! What the log says was done and undone.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use cascade_kernel::rollback::{Outcome, Recorded};
use cascade_kernel::workflow::{Place, Role};
use cascade_ledger::{Found, Ledger, Line, Reader};
use cascade_receipt::content::{Ref, Rel};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};
use cascade_receipt::kind::Kind;
use cascade_receipt::time::Timestamp;

use super::{RollbackError, Target};
use crate::consent;
use crate::recorded::refs_of;
use crate::workflow::place_of;

/// Receipts looked at in one step backwards.
const STEP: u64 = 512;

/// An action that started.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) content: Value,
    /// Its closer, and how it ended.
    pub(super) closer: Option<Ref>,
    pub(super) outcome: Outcome,
    /// The step that it was of a run.
    pub(super) of: Option<(ReceiptId, Place)>,
    takes_back: Option<ReceiptId>,
}

/// What was done from some moment on.
#[derive(Debug, Default)]
pub(super) struct Log {
    started: BTreeMap<ReceiptId, Started>,
    /// In the order in which they were completed.
    ended: Vec<ReceiptId>,
    /// Runs that were started for steps of others, and for which.
    callers: BTreeMap<ReceiptId, ReceiptId>,
    /// What people were asked about undoing an action, by its closer.
    asked: BTreeMap<ReceiptId, Vec<ReceiptId>>,
    /// Receipts before this place were looked at.
    through: u64,
}

impl Log {
    /// The log as far as it matters to a target, and the intents of the actions that it is about.
    pub(super) fn of(ledger: &Ledger, target: &Target) -> Result<(Self, BTreeSet<ReceiptId>), RollbackError> {
        match target {
            Target::Since(since) => {
                let mut log = Self { through: first_since(ledger, *since)?, ..Self::default() };
                log.follow(ledger)?;
                let intents = log.done(None);
                Ok((log, intents))
            }
            Target::Receipt(id) => Self::of_receipt(ledger, id),
        }
    }

    fn of_receipt(ledger: &Ledger, id: &str) -> Result<(Self, BTreeSet<ReceiptId>), RollbackError> {
        let (id, content) = consent::find(ledger, id)?;
        let kind = content.member("kind").and_then(Value::as_str).unwrap_or_default();
        let named = |rel: Rel| refs_of(&content).find(|one| one.rel == rel).map(|one| one.receipt_id);
        let first = match Kind::parse(kind) {
            Some(Kind::TaskStarted | Kind::ChainStarted) => Some(id),
            Some(Kind::ChainCompleted | Kind::ChainAborted) => named(Rel::Chain),
            _ => named(Rel::Intent),
        };
        let first = first.ok_or_else(|| RollbackError::NothingRan(id, kind.to_owned()))?;
        let mut log = Self { through: place(ledger, first)?, ..Self::default() };
        log.follow(ledger)?;
        let Some(chain) = ledger.chain(first)? else { return Ok((log, BTreeSet::from([first]))) };
        if chain.closed.is_none() {
            return Err(RollbackError::OpenRun(first));
        }
        let intents = log.done(Some(first));
        Ok((log, intents))
    }

    /// The actions that were done for their own sake, of this run where one is given. Of the attempts at an item of a step
    /// only the one counts that was completed, where one was.
    fn done(&self, chain: Option<ReceiptId>) -> BTreeSet<ReceiptId> {
        let completed: BTreeSet<_> = self.started.values().filter_map(Started::completes).collect();
        let counts = |one: &Started| {
            one.outcome == Outcome::Completed || one.item().is_none_or(|item| !completed.contains(&item))
        };
        let is_of = |one: &Started| {
            chain.is_none_or(|chain| one.of.is_some_and(|(own, _)| self.belongs_to(own, chain)))
        };
        // What is still running was not completed since.
        let is_over = |one: &Started| chain.is_some() || one.closer.is_some();
        let wanted = self
            .started
            .iter()
            .filter(|(_, one)| one.is_for_its_own_sake() && is_of(one) && is_over(one) && counts(one));
        wanted.map(|(id, _)| *id).collect()
    }

    /// Whether a run is this one, or was started for one of its steps, or for one of theirs.
    fn belongs_to(&self, mut run: ReceiptId, chain: ReceiptId) -> bool {
        while run != chain {
            match self.callers.get(&run) {
                Some(caller) => run = *caller,
                None => return false,
            }
        }
        true
    }

    /// Takes over what has been written since.
    pub(super) fn follow(&mut self, ledger: &Reader) -> Result<(), RollbackError> {
        let end = ledger.head()?.next_seq;
        for line in ledger.lines(self.through..end) {
            self.take(ledger, &line?)?;
        }
        self.through = end;
        Ok(())
    }

    fn take(&mut self, ledger: &Reader, line: &Line) -> Result<(), RollbackError> {
        let damaged = || RollbackError::Damaged(line.seq);
        let receipt = json::parse(line.text.as_bytes()).map_err(|_| damaged())?;
        let content = receipt.member("content").ok_or_else(damaged)?;
        let text = |key: &str| content.member(key).and_then(Value::as_str);
        let id = text("receipt_id").and_then(ReceiptId::parse).ok_or_else(damaged)?;
        // Other people's extensions say nothing here.
        let Some(kind) = text("kind").and_then(Kind::parse) else { return Ok(()) };
        let named = |rel: Rel| refs_of(content).find(|one| one.rel == rel).map(|one| one.receipt_id);
        match kind {
            Kind::TaskStarted => drop(self.started.insert(id, Started::of(content))),
            Kind::ChainStarted => self.callers.extend(named(Rel::Parent).map(|caller| (id, caller))),
            Kind::Escalation | Kind::DryRun => {
                if let Some(of) = named(Rel::Supersedes) {
                    self.asked.entry(of).or_default().push(id);
                }
            }
            kind if kind.is_closer() => {
                let Some(intent) = named(Rel::Intent) else { return Ok(()) };
                let hash = receipt.member("entry_hash").and_then(Value::as_str).and_then(Digest::from_hex);
                let entry_hash = hash.ok_or_else(damaged)?;
                let closer = Ref { rel: Rel::Supersedes, receipt_id: id, entry_hash };
                self.close(ledger, intent, closer, kind)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn close(
        &mut self,
        ledger: &Reader,
        intent: ReceiptId,
        closer: Ref,
        kind: Kind,
    ) -> Result<(), RollbackError> {
        let started = match self.started.entry(intent) {
            Entry::Occupied(known) => known.into_mut(),
            // It started before the first receipt that was looked at.
            Entry::Vacant(free) => {
                let (_, content) = consent::find(ledger, &intent.to_string())?;
                free.insert(Started::of(&content))
            }
        };
        started.closer = Some(closer);
        started.outcome = match kind {
            Kind::TaskCompleted => Outcome::Completed,
            Kind::TaskFailed => Outcome::Failed,
            Kind::TaskRevoked => Outcome::Revoked,
            _ => Outcome::Unknown,
        };
        self.ended.push(intent);
        Ok(())
    }

    /// An action that started.
    pub(super) fn started(&self, intent: ReceiptId) -> Option<&Started> {
        self.started.get(&intent)
    }

    /// What became of it otherwise than its closer says.
    pub(super) fn correct(&mut self, intent: ReceiptId, outcome: Outcome) {
        if let Some(started) = self.started.get_mut(&intent) {
            started.outcome = outcome;
        }
    }

    /// What people were asked about undoing the action of this closer, the last first.
    pub(super) fn asked(&self, closer: ReceiptId) -> impl Iterator<Item = ReceiptId> {
        self.asked.get(&closer).into_iter().flatten().rev().copied()
    }

    /// The record that plans are made of.
    pub(super) fn record(&self) -> Vec<Recorded> {
        let undone_by_run = self.undone_by_runs();
        let running = self.started.iter().filter(|(_, one)| one.closer.is_none()).map(|(id, _)| id);
        let all = self.ended.iter().chain(running);
        all.filter_map(|intent| {
            let one = self.started.get(intent)?;
            Some(Recorded {
                intent: *intent,
                closer: one.closer.as_ref().map(|closer| closer.receipt_id),
                outcome: one.outcome,
                takes_back: one.takes_back.or_else(|| undone_by_run.get(intent).copied()),
            })
        })
        .collect()
    }

    /// What compensations undid: the attempt of the same item that was completed last.
    fn undone_by_runs(&self) -> BTreeMap<ReceiptId, ReceiptId> {
        let mut completed = BTreeMap::new();
        let mut undone = BTreeMap::new();
        for intent in &self.ended {
            let Some(one) = self.started.get(intent) else { continue };
            let (Some((chain, place)), Some(closer)) = (one.of, &one.closer) else { continue };
            let item = (chain, place.step, place.item);
            match (place.role, one.outcome) {
                (Role::Step, Outcome::Completed) => drop(completed.insert(item, closer.receipt_id)),
                (Role::Compensation, _) => {
                    undone.extend(completed.get(&item).map(|of| (*intent, *of)));
                }
                _ => {}
            }
        }
        undone
    }
}

impl Started {
    fn of(content: &Value) -> Self {
        let named = |rel: Rel| refs_of(content).find(|one| one.rel == rel).map(|one| one.receipt_id);
        Self {
            content: content.clone(),
            closer: None,
            outcome: Outcome::Running,
            of: named(Rel::Chain).zip(content.member("step").and_then(place_of)),
            takes_back: named(Rel::Supersedes),
        }
    }

    fn item(&self) -> Option<(ReceiptId, usize, usize)> {
        self.of.map(|(chain, place)| (chain, place.step, place.item))
    }

    fn completes(&self) -> Option<(ReceiptId, usize, usize)> {
        let is_step = self.of.is_some_and(|(_, place)| place.role == Role::Step);
        self.item().filter(|_| is_step && self.outcome == Outcome::Completed)
    }

    /// Whether it undid nothing and asked nothing, but did something.
    fn is_for_its_own_sake(&self) -> bool {
        self.of.is_none_or(|(_, place)| place.role == Role::Step) && self.takes_back.is_none()
    }
}

fn place(ledger: &Reader, id: ReceiptId) -> Result<u64, RollbackError> {
    match ledger.find(&id.to_string())? {
        Found::One(_, seq, _) => Ok(seq),
        Found::Nothing | Found::Several => Err(consent::ConsentError::NotFound(id.to_string()).into()),
    }
}

/// The place of the first receipt that was written then or later. Time does not run backwards in a chain.
fn first_since(ledger: &Reader, since: Timestamp) -> Result<u64, RollbackError> {
    let mut first = ledger.head()?.next_seq;
    let mut end = first;
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let mut found = None;
        for line in ledger.lines(start..end) {
            let line = line?;
            if written(&line)? >= since {
                found = Some(line.seq);
                break;
            }
        }
        match found {
            Some(seq) if seq == start => first = seq,
            Some(seq) => return Ok(seq),
            None => return Ok(first),
        }
        end = start;
    }
    Ok(first)
}

fn written(line: &Line) -> Result<Timestamp, RollbackError> {
    let damaged = RollbackError::Damaged(line.seq);
    let Ok(receipt) = json::parse(line.text.as_bytes()) else { return Err(damaged) };
    let at = receipt.member("content").and_then(|content| content.member("timestamp")?.as_str());
    at.and_then(Timestamp::parse).ok_or(damaged)
}
