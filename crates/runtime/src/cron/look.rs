//! Schedules as they stand, and what became of their invocations.

use std::collections::BTreeMap;

use cascade_kernel::schedule::{LATE_MS, Rules};
use cascade_ledger::{Fault, Invocation, PrincipalKind, Reader, Schedule};
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;

use super::definition::{self, Definition, Stored};
use super::fire::{Standing, how_it_went};

/// A schedule, as it stands.
#[derive(Clone, Debug)]
pub struct Look {
    /// What the chain keeps of it.
    pub schedule: Schedule,
    /// What it is called.
    pub name: String,
    /// What it runs, and when; `None` where that is erased or damaged.
    pub definition: Option<Definition>,
    /// `active`, `paused`, `overdue`, `erased` or `damaged`.
    pub state: &'static str,
    /// When it is due next.
    pub next: Option<Timestamp>,
}

impl Look {
    /// How it stands at a moment.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn at(reader: &Reader, schedule: Schedule, now: Timestamp) -> Result<Self, Fault> {
        let name = name_of(reader, &schedule)?;
        let (definition, lost) = match definition::stored(reader, &schedule)? {
            Stored::Whole(definition) => (Some(*definition), "active"),
            Stored::Erased => (None, "erased"),
            Stored::Damaged => (None, "damaged"),
        };
        let rules = definition.as_ref().map(|definition| &definition.rules);
        let due = rules.and_then(|rules| rules.timing().after(schedule.through).next());
        let is_late = |rules: &Rules, due: Timestamp| now.ms() > due.ms() + rules.jitter_ms() + LATE_MS;
        let state = if schedule.paused {
            "paused"
        } else if rules.zip(due).is_some_and(|(rules, due)| is_late(rules, due)) {
            "overdue"
        } else {
            lost
        };
        let next = rules.filter(|_| !schedule.paused).and_then(|rules| rules.timing().after(now).next());
        Ok(Self { schedule, name, definition, state, next })
    }

    /// As members of a document.
    #[must_use]
    pub fn members(&self) -> BTreeMap<String, Value> {
        let schedule = &self.schedule;
        let mut members = BTreeMap::from([
            ("name".to_owned(), self.name.as_str().into()),
            ("principal".to_owned(), schedule.principal.to_string().into()),
            ("schedule".to_owned(), schedule.receipt_id.to_string().into()),
            ("state".to_owned(), self.state.into()),
            ("through".to_owned(), schedule.through.to_string().into()),
        ]);
        if let Some(definition) = &self.definition
            && let Value::Object(all) = definition.to_json()
        {
            members.extend(all.into_iter().filter(|(key, _)| key != "_type" && key != "signature"));
        }
        members.extend(self.next.map(|next| ("next".to_owned(), next.to_string().into())));
        members
    }
}

/// A schedule by its name, or by the id of the receipt that added it.
///
/// # Errors
/// When the ledger cannot be read.
pub fn find(reader: &Reader, text: &str) -> Result<Option<Schedule>, Fault> {
    let by_name = match reader.principal(PrincipalKind::Schedule, text)? {
        Some(name) => reader.schedule_named(name.0)?,
        None => None,
    };
    match (by_name, ReceiptId::parse(text)) {
        (Some(schedule), _) => Ok(Some(schedule)),
        (None, Some(id)) => reader.schedule(id),
        (None, None) => Ok(None),
    }
}

/// What a schedule is called.
///
/// # Errors
/// When the ledger cannot be read.
pub fn name_of(reader: &Reader, schedule: &Schedule) -> Result<String, Fault> {
    let name = reader.name(PrincipalId(schedule.name))?;
    Ok(name.map_or_else(|| schedule.receipt_id.to_string(), |name| name.name))
}

/// What came of an invocation, in one word.
#[must_use]
pub fn word(reader: &Reader, invocation: &Invocation) -> &'static str {
    match (invocation.outcome.as_str(), how_it_went(reader, invocation)) {
        ("skip", _) => "skipped",
        ("miss", _) => "missed",
        (_, Standing::Running) => "running",
        (_, Standing::Unstarted) => "never started",
        (_, Standing::Over) => match invocation.action.as_ref().map(|(_, kind)| kind.as_str()) {
            Some("blocked") => "blocked",
            Some("escalation") => "waits for an approval",
            _ => "ran",
        },
    }
}

/// An invocation as a document.
#[must_use]
pub fn invocation(reader: &Reader, invocation: &Invocation) -> Value {
    let mut members = BTreeMap::from([
        ("at".to_owned(), invocation.at.to_string().into()),
        ("outcome".to_owned(), invocation.outcome.as_str().into()),
        ("receipt_id".to_owned(), invocation.receipt_id.to_string().into()),
        ("standing".to_owned(), word(reader, invocation).into()),
    ]);
    members.extend(invocation.due.map(|due| ("due".to_owned(), due.to_string().into())));
    if invocation.count > 0 {
        let count = i64::try_from(invocation.count).unwrap_or(i64::MAX);
        members.insert("count".to_owned(), Value::Int(count));
    }
    members.extend(invocation.action.as_ref().map(|(id, _)| ("action".to_owned(), id.to_string().into())));
    Value::Object(members)
}
