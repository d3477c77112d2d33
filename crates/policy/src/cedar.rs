//! What the policies say about each command of an action.
//!
//! Cedar looks at every policy for every request, and skips a policy that errs. Both are mended
//! here: an index by scope hands the evaluator only the policies that can match, and an error in
//! any of them is reported as trouble, which the policy gate turns into a denial.

mod index;
mod request;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use cascade_receipt::decision::GateName;
use cedar_policy::{Authorizer, Decision, Effect, Entities, Policy, PolicyId, PolicySet, Request, Response};

pub(crate) use self::index::{Index, Scope};
pub(crate) use self::request::{Families, World};

use crate::facts::Facts;
use crate::worker::Classification;

/// A policy as the snapshot document keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StoredPolicy {
    /// `@id`, or file and position.
    pub(crate) id: String,
    /// The file it came from.
    pub(crate) file: String,
    /// The text, comments before it included.
    pub(crate) text: String,
    /// Where it can apply; computed from the parsed policy at activation.
    pub(crate) scope: Scope,
}

/// Policies ready to be asked.
#[derive(Debug)]
pub(crate) struct Engine {
    policies: Vec<Entry>,
    index: Index,
    families: Families,
    authorizer: Authorizer,
    /// Sets of policies by candidate list: building one costs more than a decision. A memo only;
    /// answers are the same without it.
    sets: RwLock<BTreeMap<Vec<u32>, Arc<PolicySet>>>,
}

/// Candidate lists remembered; one more and the memo starts anew.
const SETS_MAX: usize = 256;

#[derive(Debug)]
struct Entry {
    stored: StoredPolicy,
    /// Parsed when first needed; `None` inside if it does not parse.
    parsed: OnceLock<Option<Policy>>,
}

/// What the policies said about all commands together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Judgement {
    /// Forbids that matched, in the order of commands, then ids.
    pub(crate) forbids: Vec<Forbid>,
    /// Ids of permits that decided.
    pub(crate) permits: BTreeSet<String>,
    /// What could not be evaluated or is not permitted.
    pub(crate) troubles: Vec<Trouble>,
}

/// A forbid that matched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Forbid {
    pub(crate) policy_id: String,
    /// `@gate`, or policy.
    pub(crate) gate: GateName,
    /// `@escalate`: the group whose approval lifts it.
    pub(crate) escalate: Option<String>,
    /// `@control`.
    pub(crate) control: Option<String>,
}

/// Why a command is not permitted although no policy forbids it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Trouble {
    /// This policy failed to parse or to evaluate.
    Evaluation(String),
    /// No request could be built from the facts.
    Request,
    /// There is no command to ask about.
    NoCommand,
    /// No permit covers a command.
    NoPermit,
}

impl Engine {
    pub(crate) fn new(policies: Vec<StoredPolicy>, families: Families) -> Self {
        let mut index = Index::default();
        for (number, policy) in (0..).zip(&policies) {
            index.insert(&policy.scope, number);
        }
        let entry = |stored| Entry { stored, parsed: OnceLock::new() };
        Self {
            policies: policies.into_iter().map(entry).collect(),
            index,
            families,
            authorizer: Authorizer::new(),
            sets: RwLock::default(),
        }
    }

    pub(crate) fn policies(&self) -> impl Iterator<Item = &StoredPolicy> {
        self.policies.iter().map(|entry| &entry.stored)
    }

    /// Asks about every command of the action; each must be permitted.
    pub(crate) fn judge(&self, facts: &Facts, classification: &Classification) -> Judgement {
        let mut judgement = Judgement::default();
        if classification.commands.is_empty() {
            judgement.troubles.push(Trouble::NoCommand);
        }
        let Some(world) = World::of(facts, classification, &self.families) else {
            judgement.troubles.push(Trouble::Request);
            return judgement;
        };
        for command in &classification.commands {
            match world.request(command) {
                Some(request) => self.ask(&request, world.entities(), &mut judgement),
                None => judgement.troubles.push(Trouble::Request),
            }
        }
        judgement.troubles.sort_unstable();
        judgement.troubles.dedup();
        judgement
    }

    fn ask(&self, request: &Request, entities: &Entities, judgement: &mut Judgement) {
        let candidates = self.index.candidates(request, entities);
        let response = self.respond(request, entities, &candidates, judgement);
        let spoke: BTreeSet<&PolicyId> = response.diagnostics().reason().collect();
        if response.decision() == Decision::Allow {
            judgement.permits.extend(spoke.into_iter().map(ToString::to_string));
            return;
        }
        if spoke.is_empty() {
            judgement.troubles.push(Trouble::NoPermit);
            return;
        }
        let forbids: Vec<Forbid> = spoke.into_iter().map(|id| self.forbid(&candidates, id)).collect();
        let liftable = forbids.iter().all(|forbid| forbid.escalate.is_some());
        for forbid in forbids {
            if !judgement.forbids.contains(&forbid) {
                judgement.forbids.push(forbid);
            }
        }
        // Approvals can lift these forbids; what remains must be a permit, not a gap.
        if liftable {
            let permits: Vec<u32> = candidates.into_iter().filter(|&at| self.is_permit(at)).collect();
            if self.respond(request, entities, &permits, judgement).decision() == Decision::Deny {
                judgement.troubles.push(Trouble::NoPermit);
            }
        }
    }

    /// Evaluates the candidates and reports every one that errs.
    fn respond(
        &self,
        request: &Request,
        entities: &Entities,
        candidates: &[u32],
        judgement: &mut Judgement,
    ) -> Response {
        let set = self.set(candidates, judgement);
        let response = self.authorizer.is_authorized(request, &set, entities);
        for error in response.diagnostics().errors() {
            let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
            judgement.troubles.push(Trouble::Evaluation(error.policy_id().to_string()));
        }
        response
    }

    /// The candidates as a set. A policy that does not parse is trouble and left out.
    fn set(&self, candidates: &[u32], judgement: &mut Judgement) -> Arc<PolicySet> {
        if let Some(set) = self.sets.read().unwrap_or_else(PoisonError::into_inner).get(candidates) {
            return Arc::clone(set);
        }
        let mut set = PolicySet::new();
        let mut whole = true;
        for entry in candidates.iter().filter_map(|&at| self.entry(at)) {
            if entry.policy().is_none_or(|policy| set.add(policy.clone()).is_err()) {
                judgement.troubles.push(Trouble::Evaluation(entry.stored.id.clone()));
                whole = false;
            }
        }
        let set = Arc::new(set);
        if whole {
            let mut sets = self.sets.write().unwrap_or_else(PoisonError::into_inner);
            if sets.len() >= SETS_MAX {
                sets.clear();
            }
            sets.insert(candidates.to_vec(), Arc::clone(&set));
        }
        set
    }

    fn entry(&self, at: u32) -> Option<&Entry> {
        self.policies.get(usize::try_from(at).ok()?)
    }

    fn is_permit(&self, at: u32) -> bool {
        self.entry(at).and_then(Entry::policy).is_some_and(|policy| policy.effect() == Effect::Permit)
    }

    fn forbid(&self, candidates: &[u32], id: &PolicyId) -> Forbid {
        let policy =
            candidates.iter().filter_map(|&at| self.entry(at)?.policy()).find(|policy| policy.id() == id);
        let note = |key: &str| policy.and_then(|policy| policy.annotation(key)).map(str::to_owned);
        Forbid {
            policy_id: id.to_string(),
            gate: note("gate").and_then(|gate| GateName::parse(&gate)).unwrap_or(GateName::Policy),
            escalate: note("escalate"),
            control: note("control"),
        }
    }
}

impl Entry {
    fn policy(&self) -> Option<&Policy> {
        self.parsed
            .get_or_init(|| Policy::parse(Some(PolicyId::new(&self.stored.id)), &self.stored.text).ok())
            .as_ref()
    }
}

#[cfg(test)]
mod tests;
