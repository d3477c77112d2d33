//! What a policy says and what it looked at, for whoever asks why.

use cedar_policy::Effect;

use super::Engine;
use super::request::{MEMBERS, World};
use crate::facts::Facts;
use crate::worker::Classification;

/// A policy as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyText<'a> {
    /// The file it came from.
    pub file: &'a str,
    /// Its text, comments before it included.
    pub text: &'a str,
    /// Whether it permits; else it forbids.
    pub permits: bool,
    /// `@reason`.
    pub reason: Option<&'a str>,
    /// `@escalate`.
    pub escalate: Option<&'a str>,
}

/// What a policy saw of one command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LookedAt {
    /// The program that the command calls.
    pub program: String,
    /// Members of the context by name, and what they held.
    pub members: Vec<(&'static str, String)>,
}

impl Engine {
    /// The policy of this id, if it still parses.
    pub(crate) fn policy(&self, id: &str) -> Option<PolicyText<'_>> {
        let entry = self.policies.iter().find(|entry| entry.stored.id == id)?;
        let (policy, _) = entry.parsed()?;
        Some(PolicyText {
            file: &entry.stored.file,
            text: &entry.stored.text,
            permits: policy.effect() == Effect::Permit,
            reason: policy.annotation("reason"),
            escalate: policy.annotation("escalate"),
        })
    }

    pub(crate) fn looked_at(
        &self,
        id: &str,
        facts: &Facts,
        classification: &Classification,
    ) -> Vec<LookedAt> {
        let Some(world) = World::of(facts, classification, &self.book, &self.casts) else {
            return Vec::new();
        };
        let number = self.policies.iter().position(|entry| entry.stored.id == id);
        let number = number.and_then(|number| u32::try_from(number).ok());
        let (Some(number), Some((_, needs))) =
            (number, number.and_then(|number| self.entry(number)).and_then(super::Entry::parsed))
        else {
            return Vec::new();
        };
        let asked = classification.commands.iter();
        let asked = asked.filter(|command| world.candidates(&self.index, command).contains(&number));
        let mut seen: Vec<LookedAt> = asked
            .map(|command| {
                let request = world.request(command, *needs);
                let held = |name: &str| Some(request.as_ref()?.context()?.get(name)?.to_string());
                LookedAt {
                    program: command.program.clone(),
                    members: MEMBERS.iter().filter_map(|name| Some((*name, held(name)?))).collect(),
                }
            })
            .collect();
        seen.dedup();
        seen
    }
}
