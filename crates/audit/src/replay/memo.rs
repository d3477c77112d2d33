//! What a scan remembers of actions that it has taken apart.
//!
//! People and agents run the same commands again and again, and how a command is understood follows from the manifests and
//! its own words: a decision is made anew each time, a command line is parsed once.

use std::collections::BTreeMap;

use cascade_policy::decide::Understood;
use cascade_policy::facts::{Action, Facts};
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::digest::Digest;
use cascade_receipt::json;

use super::glance::{Members, Step};
use super::judge;

/// Actions that are remembered, and the longest, as it is spelled.
const REMEMBERED_MAX: usize = 4_096;
const ACTION_BYTES_MAX: usize = 4_096;

/// An action and how it is understood.
#[derive(Debug)]
struct Known {
    action: Action,
    understood: Understood,
}

#[derive(Debug)]
pub(super) struct Memo {
    policy: Option<Digest>,
    known: BTreeMap<String, Known>,
    /// One that is too long to be remembered.
    last: Option<Known>,
}

/// Facts that were read, with what of them is compared as it is spelled.
pub(super) struct Read<'a> {
    pub(super) facts: Facts,
    /// The member `action`.
    pub(super) spelled: &'a str,
    pub(super) understood: &'a Understood,
}

impl Memo {
    pub(super) const fn new() -> Self {
        Self { policy: None, known: BTreeMap::new(), last: None }
    }

    /// Reads facts as they were kept, and how their action is understood under this policy; nothing where they cannot be
    /// read.
    pub(super) fn read<'a>(
        &'a mut self,
        policy: Digest,
        snapshot: &Snapshot,
        kept: &'a [u8],
    ) -> Option<Read<'a>> {
        if self.policy != Some(policy) || self.known.len() > REMEMBERED_MAX {
            (self.policy, self.known) = (Some(policy), BTreeMap::new());
        }
        let cut = Cut::of(std::str::from_utf8(kept).ok()?)?;
        let facts = match self.known.get(cut.action) {
            Some(known) => cut.facts(known.action.clone())?,
            None => {
                let facts = judge::facts_of(kept).ok()?;
                self.learn(snapshot, cut.action, &facts);
                facts
            }
        };
        let known = self.known.get(cut.action).or(self.last.as_ref())?;
        Some(Read { facts, spelled: cut.action, understood: &known.understood })
    }

    fn learn(&mut self, snapshot: &Snapshot, spelled: &str, facts: &Facts) {
        let understood = Understood::of(snapshot, &facts.action);
        let known = Known { action: facts.action.clone(), understood };
        if spelled.len() > ACTION_BYTES_MAX {
            self.last = Some(known);
        } else {
            self.known.insert(spelled.to_owned(), known);
        }
    }
}

/// Facts as they are spelled, their action apart.
struct Cut<'a> {
    before: &'a str,
    action: &'a str,
    after: &'a str,
}

/// How the member begins.
const KEY: &str = "\"action\":";

impl<'a> Cut<'a> {
    /// Nothing where the text is no object with an action that something follows.
    fn of(text: &'a str) -> Option<Self> {
        let mut members = Members::of(text)?;
        loop {
            let Step::Member(key, action) = members.step() else { return None };
            if key == "action" {
                let after = members.rest().strip_prefix(',')?;
                let until = text.len() - members.rest().len() - action.len();
                let before = text.get(..until)?.strip_suffix(KEY)?;
                return Some(Self { before, action, after });
            }
        }
    }

    fn facts(&self, action: Action) -> Option<Facts> {
        let rest = [self.before, self.after].concat();
        Facts::about(&json::parse(rest.as_bytes()).ok()?, action).ok()
    }
}
