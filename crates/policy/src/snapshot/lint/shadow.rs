//! Policies that another one makes idle.
//!
//! A policy implies another where the other's scope contains its own and every `when` and `unless`
//! of the other stands in it as well: whatever it matches, the other matches too. Only that is
//! looked for; conditions that mean the same in other words are not compared.

use std::collections::BTreeMap;

use cedar_policy::Effect;

use super::at_policy;
use super::scope::{Reach, asks_exec};
use crate::cedar::Families;
use crate::snapshot::compile::Parsed;
use crate::snapshot::fault::PolicyFault;

/// Clauses of one policy whose every selection is compared; of more, only none and all.
const CLAUSES_MAX: usize = 3;
/// Policies of one scope and condition that are kept apart by their annotations.
const ALIKE_MAX: usize = 64;

/// Effect, reach and clauses, by number.
type Key = (bool, usize, Vec<usize>);

/// Where each policy stands, by what it says.
struct Book {
    reaches: BTreeMap<Reach, usize>,
    clauses: BTreeMap<String, usize>,
    policies: BTreeMap<Key, Vec<usize>>,
}

/// What a policy says besides its annotations.
#[derive(PartialEq, Eq)]
struct Said {
    permits: bool,
    reach: Reach,
    clauses: Vec<usize>,
}

pub(super) fn warnings(policies: &[Parsed<'_>], families: &Families) -> Vec<PolicyFault> {
    let mut book = Book { reaches: BTreeMap::new(), clauses: BTreeMap::new(), policies: BTreeMap::new() };
    let all: Vec<Option<Said>> =
        policies.iter().enumerate().map(|(number, parsed)| book.enter(number, parsed, policies)).collect();
    let mut found = Vec::new();
    for (number, (parsed, said)) in policies.iter().zip(&all).enumerate() {
        if !asks_exec(&parsed.stored.scope) {
            let message = "no request asks about this action, so the policy never applies";
            found.push(at_policy(parsed, "policy.unreachable", message.to_owned()));
        }
        let Some(said) = said else { continue };
        let keys = book.implied(said, families);
        let others = keys.iter().flat_map(|(forbids, key)| {
            book.policies.get(key).into_iter().flatten().map(|other| (*forbids, *other))
        });
        let spoken = others.filter(|(_, other)| *other != number).find_map(|(forbids, other)| {
            let twins = all.get(other)?.as_ref() == Some(said);
            // Of two that say the same, the later one is told.
            let first = twins && number < other;
            idle(parsed, policies.get(other)?, forbids, first)
        });
        found.extend(spoken);
    }
    found
}

impl Book {
    fn enter(&mut self, number: usize, parsed: &Parsed<'_>, policies: &[Parsed<'_>]) -> Option<Said> {
        let reach = Reach::of(&parsed.stored.scope)?;
        let mut clauses: Vec<usize> = Vec::new();
        for clause in parsed.json.get("conditions")?.as_array()?.iter().map(ToString::to_string) {
            let next = self.clauses.len();
            clauses.push(*self.clauses.entry(clause).or_insert(next));
        }
        clauses.sort_unstable();
        clauses.dedup();
        let next = self.reaches.len();
        let place = *self.reaches.entry(reach.clone()).or_insert(next);
        let permits = parsed.policy.effect() == Effect::Permit;
        let alike = self.policies.entry((permits, place, clauses.clone())).or_default();
        let same = |other: &usize| {
            let notes = |parsed: &Parsed<'_>| {
                ["gate", "escalate", "control"].map(|key| parsed.policy.annotation(key).map(str::to_owned))
            };
            policies.get(*other).is_some_and(|other| notes(other) == notes(parsed))
        };
        if alike.len() < ALIKE_MAX && !alike.iter().any(same) {
            alike.push(number);
        }
        Some(Said { permits, reach, clauses })
    }

    /// The keys of everything that is implied, and whether it forbids. Forbids come first.
    fn implied(&self, said: &Said, families: &Families) -> Vec<(bool, Key)> {
        let places: Vec<usize> =
            said.reach.wider(families).iter().filter_map(|reach| self.reaches.get(reach).copied()).collect();
        let mut keys = Vec::new();
        for permits in [false, true] {
            if permits && !said.permits {
                continue;
            }
            for place in &places {
                let selections = selections(&said.clauses);
                keys.extend(selections.into_iter().map(|clauses| (!permits, (permits, *place, clauses))));
            }
        }
        keys
    }
}

fn selections(clauses: &[usize]) -> Vec<Vec<usize>> {
    if clauses.len() > CLAUSES_MAX {
        return vec![Vec::new(), clauses.to_vec()];
    }
    let chosen = |mask: usize| {
        let of_mask = |(at, clause): (usize, &usize)| (mask >> at & 1 == 1).then_some(*clause);
        clauses.iter().enumerate().filter_map(of_mask).collect()
    };
    (0..1 << clauses.len()).map(chosen).collect()
}

/// What `other`, which matches whatever `own` matches, leaves for it to do. `first`: the two say the same, and
/// `own` says it first.
fn idle(own: &Parsed<'_>, other: &Parsed<'_>, forbids: bool, first: bool) -> Option<PolicyFault> {
    let note = |parsed: &Parsed<'_>, key: &str| parsed.policy.annotation(key).map(str::to_owned);
    let same = |key| note(own, key) == note(other, key);
    let id = &other.stored.id;
    let shadowed = |message| Some(at_policy(own, "policy.shadowed", message));
    if own.policy.effect() == Effect::Permit {
        return match (forbids, note(other, "escalate")) {
            (true, None) => {
                let message = format!("it never permits anything: `{id}` forbids all of it");
                Some(at_policy(own, "policy.unreachable", message))
            }
            (false, _) if !first => shadowed(format!("it adds nothing: `{id}` permits all of it")),
            _ => None,
        };
    }
    // A control that only this one serves is what it adds to the receipt.
    let idle = !first && (note(own, "control").is_none() || same("control"));
    match (note(other, "escalate"), note(own, "escalate")) {
        (None, Some(group)) => {
            shadowed(format!("no approval of `{group}` lifts anything: `{id}` forbids all of it"))
        }
        (None, None) if idle => shadowed(format!("it adds nothing: `{id}` forbids all of it")),
        (Some(_), Some(_)) if idle && same("escalate") && same("gate") => {
            shadowed(format!("it adds nothing: `{id}` escalates all of it"))
        }
        _ => None,
    }
}
