//! What the policies say about each command of an action.
//!
//! Cedar looks at every policy for every request, and skips a policy that errs. Both are mended
//! here: an index by scope hands the evaluator only the policies that can match, and an error in
//! any of them is reported as trouble, which the policy gate turns into a denial.

mod explain;
mod index;
mod memo;
mod needs;
mod request;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use cascade_receipt::decision::GateName;
use cedar_policy::{Authorizer, Decision, Effect, Entities, Policy, PolicyId, PolicySet, Request, Response};

pub use self::explain::{LookedAt, PolicyText};
pub(crate) use self::index::{Index, Scope};
pub(crate) use self::needs::Needs;
pub(crate) use self::request::{Book, Families, World, declared};

use self::memo::Memo;
use self::request::Casts;

use crate::facts::Facts;
use crate::worker::{Classification, Classified};

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
    book: Book,
    authorizer: Authorizer,
    /// Slices by candidate list.
    slices: Memo<Vec<u32>, Slice>,
    casts: Casts,
}

/// The policies that can match a request, ready to evaluate.
#[derive(Debug)]
struct Slice {
    set: PolicySet,
    needs: Needs,
    /// Ids of candidates that do not parse.
    broken: Vec<String>,
}

#[derive(Debug)]
struct Entry {
    stored: StoredPolicy,
    /// Parsed when first needed; `None` inside if it does not parse.
    parsed: OnceLock<Option<(Policy, Needs)>>,
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
    pub(crate) fn new(policies: Vec<StoredPolicy>, book: Book) -> Self {
        let mut index = Index::default();
        for (number, policy) in (0..).zip(&policies) {
            index.insert(&policy.scope, number);
        }
        let entry = |stored| Entry { stored, parsed: OnceLock::new() };
        Self {
            policies: policies.into_iter().map(entry).collect(),
            index,
            book,
            authorizer: Authorizer::new(),
            slices: Memo::default(),
            casts: Casts::default(),
        }
    }

    /// The families that a program belongs to.
    pub(crate) fn families_of(&self, program: &str) -> impl Iterator<Item = &str> {
        self.book.families.get(program).into_iter().flatten().map(String::as_str)
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
        let Some(world) = World::of(facts, classification, &self.book, &self.casts) else {
            judgement.troubles.push(Trouble::Request);
            return judgement;
        };
        for command in &classification.commands {
            self.ask(&world, command, &mut judgement);
        }
        judgement.troubles.sort_unstable();
        judgement.troubles.dedup();
        judgement
    }

    fn ask(&self, world: &World<'_>, command: &Classified, judgement: &mut Judgement) {
        let candidates = world.candidates(&self.index, command);
        let slice = self.slice(&candidates);
        judgement.troubles.extend(slice.broken.iter().cloned().map(Trouble::Evaluation));
        let Some(request) = world.request(command, slice.needs) else {
            return judgement.troubles.push(Trouble::Request);
        };
        let response = self.respond(&request, world.entities(), &slice.set, judgement);
        let spoke: BTreeSet<&str> = response.diagnostics().reason().map(AsRef::as_ref).collect();
        if response.decision() == Decision::Allow {
            judgement.permits.extend(spoke.into_iter().map(str::to_owned));
            return;
        }
        if spoke.is_empty() {
            return judgement.troubles.push(Trouble::NoPermit);
        }
        let forbids: Vec<Forbid> = spoke.into_iter().map(|id| forbid(&slice.set, id)).collect();
        let liftable = forbids.iter().all(|forbid| forbid.escalate.is_some());
        for forbid in forbids {
            if !judgement.forbids.contains(&forbid) {
                judgement.forbids.push(forbid);
            }
        }
        // Approvals can lift these forbids; what remains must be a permit, not a gap.
        if liftable {
            let permits: Vec<u32> = candidates.into_iter().filter(|&at| self.is_permit(at)).collect();
            let permits = self.slice(&permits);
            let response = self.respond(&request, world.entities(), &permits.set, judgement);
            if response.decision() == Decision::Deny {
                judgement.troubles.push(Trouble::NoPermit);
            }
        }
    }

    /// Evaluates a slice and reports every policy that errs.
    fn respond(
        &self,
        request: &Request,
        entities: &Entities,
        set: &PolicySet,
        judgement: &mut Judgement,
    ) -> Response {
        let response = self.authorizer.is_authorized(request, set, entities);
        for error in response.diagnostics().errors() {
            let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
            judgement.troubles.push(Trouble::Evaluation(error.policy_id().to_string()));
        }
        response
    }

    /// The candidates as a set, with what they look at.
    fn slice(&self, candidates: &[u32]) -> Arc<Slice> {
        if let Some(slice) = self.slices.find(candidates) {
            return slice;
        }
        let mut slice = Slice { set: PolicySet::new(), needs: Needs::NONE, broken: Vec::new() };
        for entry in candidates.iter().filter_map(|&at| self.entry(at)) {
            match entry.parsed() {
                Some((policy, needs)) if slice.set.add(policy.clone()).is_ok() => {
                    slice.needs = slice.needs.and(*needs);
                }
                _ => slice.broken.push(entry.stored.id.clone()),
            }
        }
        self.slices.keep(candidates.to_vec(), slice)
    }

    fn entry(&self, at: u32) -> Option<&Entry> {
        self.policies.get(usize::try_from(at).ok()?)
    }

    fn is_permit(&self, at: u32) -> bool {
        self.entry(at).and_then(Entry::parsed).is_some_and(|(policy, _)| policy.effect() == Effect::Permit)
    }
}

fn forbid(set: &PolicySet, id: &str) -> Forbid {
    let policy = set.policy(&PolicyId::new(id));
    let note = |key: &str| policy.and_then(|policy| policy.annotation(key)).map(str::to_owned);
    Forbid {
        policy_id: id.to_owned(),
        gate: note("gate").and_then(|gate| GateName::parse(&gate)).unwrap_or(GateName::Policy),
        escalate: note("escalate"),
        control: note("control"),
    }
}

impl Entry {
    fn parsed(&self) -> Option<&(Policy, Needs)> {
        let parse = || {
            let policy = Policy::parse(Some(PolicyId::new(&self.stored.id)), &self.stored.text).ok()?;
            let needs = Needs::of(&policy);
            Some((policy, needs))
        };
        self.parsed.get_or_init(parse).as_ref()
    }
}

#[cfg(test)]
mod tests;
