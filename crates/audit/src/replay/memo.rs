//! What a scan remembers of actions that it has taken apart.
//!
//! People and agents run the same commands again and again, and how a command is understood follows from the manifests and
//! its own words: a decision is made anew each time, a command line is parsed once.

use std::collections::BTreeMap;

use cascade_policy::decide::Understood;
use cascade_policy::facts::Facts;
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::digest::Digest;

/// Actions that are remembered, and the longest.
const REMEMBERED_MAX: usize = 4_096;
const ACTION_BYTES_MAX: usize = 4_096;

#[derive(Debug)]
pub(super) struct Memo {
    policy: Option<Digest>,
    known: BTreeMap<String, Understood>,
    last: Option<Understood>,
}

impl Memo {
    pub(super) const fn new() -> Self {
        Self { policy: None, known: BTreeMap::new(), last: None }
    }

    /// How the action of these facts, spelled so, is understood under this policy.
    pub(super) fn of(
        &mut self,
        policy: Digest,
        snapshot: &Snapshot,
        spelled: &str,
        facts: &Facts,
    ) -> &Understood {
        if self.policy != Some(policy) || self.known.len() > REMEMBERED_MAX {
            (self.policy, self.known) = (Some(policy), BTreeMap::new());
        }
        let fresh = || Understood::of(snapshot, &facts.action);
        if spelled.len() > ACTION_BYTES_MAX {
            return self.last.insert(fresh());
        }
        if !self.known.contains_key(spelled) {
            self.known.insert(spelled.to_owned(), fresh());
        }
        self.known.get(spelled).unwrap_or_else(|| self.last.insert(Understood::of(snapshot, &facts.action)))
    }
}
