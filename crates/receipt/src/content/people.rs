//! Kinds that say who belongs to a chain and what they were given (format section 2.1).

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Ref, Signature, add_refs, add_signatures};
use crate::decision::RiskTier;
use crate::id::PrincipalId;
use crate::json::{Value, Writer};
use crate::member::Members;
use crate::resource::is_within;
use crate::time::Timestamp;

/// Most commands that one grant names.
pub const GRANT_COMMANDS_MAX: usize = 64;
/// Most levels that a grant may be handed on.
pub const DELEGATION_MAX: u64 = 8;
/// Stands for every command.
pub const ANY_COMMAND: &str = "*";

/// `principal_added`: a person joins, or is registered anew.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PersonAdded {
    /// Who.
    pub principal: PrincipalId,
    /// Public SSH key in `authorized_keys` form without its comment, which may be a name.
    pub ssh_key: String,
    /// In which groups; members of `admins` are administrators.
    pub groups: Vec<String>,
    /// Random, so that no signed statement can be used twice.
    pub statement_id: [u8; 8],
    /// An administrator's signature.
    pub signatures: Vec<Signature>,
}

/// `principal_removed`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PersonRemoved {
    /// Who.
    pub principal: PrincipalId,
    /// Random, so that no signed statement can be used twice.
    pub statement_id: [u8; 8],
    /// An administrator's signature.
    pub signatures: Vec<Signature>,
}

/// What a grant gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scope {
    /// The right itself.
    pub right: Right,
    /// On what its commands may act: `kind:glob`, sorted. A kind that is not named is not limited.
    pub resources: Vec<String>,
    /// The highest tier it reaches.
    pub up_to: Option<RiskTier>,
}

/// A right that can be given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Right {
    /// To run these commands: `git`, `git push`, or [`ANY_COMMAND`].
    Commands(Vec<String>),
    /// To be taken for this principal.
    Assume(PrincipalId),
}

/// `grant`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Granted {
    /// Who gives it.
    pub principal: PrincipalId,
    /// Who holds it.
    pub to: PrincipalId,
    /// The person the holder acts for, where the holder is an agent.
    pub on_behalf_of: Option<PrincipalId>,
    /// The grant it is handed on from; without one, an administrator gives it.
    pub parent: Option<Ref>,
    /// What it gives.
    pub scope: Scope,
    /// Until when.
    pub expires: Option<Timestamp>,
    /// How many levels further it may be handed on.
    pub delegate: u64,
    /// Random, so that no signed statement can be used twice.
    pub statement_id: [u8; 8],
    /// The giver's signature.
    pub signatures: Vec<Signature>,
}

/// `grant_revoked`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GrantRevoked {
    /// The grant.
    pub grant: Ref,
    /// Who takes it back.
    pub principal: PrincipalId,
    /// Random, so that no signed statement can be used twice.
    pub statement_id: [u8; 8],
    /// That person's signature.
    pub signatures: Vec<Signature>,
}

impl PersonAdded {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("groups", |out| {
            out.array(|out| self.groups.iter().for_each(|group| out.item().str(group)));
        });
        to.add("principal", |out| out.spelled(&self.principal));
        add_signatures(to, &self.signatures);
        to.add("ssh_key", |out| out.str(&self.ssh_key));
        to.add("statement_id", |out| out.hex(&self.statement_id));
    }
}

impl PersonRemoved {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("principal", |out| out.spelled(&self.principal));
        add_signatures(to, &self.signatures);
        to.add("statement_id", |out| out.hex(&self.statement_id));
    }
}

impl Scope {
    /// Whether nothing in `narrower` goes beyond this one.
    #[must_use]
    pub fn holds(&self, narrower: &Self) -> bool {
        let tier = match (self.up_to, narrower.up_to) {
            (None, _) => true,
            (Some(most), Some(tier)) => tier <= most,
            (Some(_), None) => false,
        };
        tier && is_within(&narrower.resources, &self.resources)
            && match (&self.right, &narrower.right) {
                (Right::Assume(mine), Right::Assume(theirs)) => mine == theirs,
                (Right::Commands(mine), Right::Commands(theirs)) => {
                    let mine: BTreeSet<&str> = mine.iter().map(String::as_str).collect();
                    theirs.iter().all(|theirs| covered(&mine, theirs))
                }
                _ => false,
            }
    }

    /// Reads what [`Self::text`] wrote.
    #[must_use]
    pub fn of_value(value: &Value) -> Option<Self> {
        let word = |value: &Value| value.as_str().map(str::to_owned);
        let right = match value.member("assume") {
            Some(principal) => Right::Assume(PrincipalId::parse(principal.as_str()?)?),
            None => Right::Commands(
                value.member("commands")?.as_array()?.iter().map(word).collect::<Option<_>>()?,
            ),
        };
        let resources = match value.member("resources") {
            Some(patterns) => patterns.as_array()?.iter().map(word).collect::<Option<_>>()?,
            None => Vec::new(),
        };
        let up_to = match value.member("up_to") {
            Some(tier) => Some(RiskTier::parse(tier.as_str()?)?),
            None => None,
        };
        Some(Self { right, resources, up_to })
    }

    /// Its canonical JSON.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut Writer::new(&mut text));
        text
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.object(|out| {
            match &self.right {
                Right::Assume(principal) => out.key("assume").spelled(principal),
                Right::Commands(commands) => out.key("commands").array(|out| {
                    commands.iter().for_each(|command| out.item().str(command));
                }),
            }
            if !self.resources.is_empty() {
                out.key("resources").array(|out| {
                    self.resources.iter().for_each(|pattern| out.item().str(pattern));
                });
            }
            if let Some(tier) = self.up_to {
                out.key("up_to").word(tier.as_str());
            }
        });
    }
}

/// Whether a command is among `mine`, by itself, by its program, or because all are.
fn covered(mine: &BTreeSet<&str>, command: &str) -> bool {
    let program = command.split(' ').next().unwrap_or(command);
    mine.contains(ANY_COMMAND) || mine.contains(command) || mine.contains(program)
}

impl Granted {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("delegate", |out| out.int(self.delegate));
        if let Some(expires) = &self.expires {
            to.add("expires", |out| out.spelled(expires));
        }
        if let Some(owner) = &self.on_behalf_of {
            to.add("on_behalf_of", |out| out.spelled(owner));
        }
        to.add("principal", |out| out.spelled(&self.principal));
        add_refs(to, self.parent.as_slice());
        to.add("scope", |out| self.scope.write(out));
        add_signatures(to, &self.signatures);
        to.add("statement_id", |out| out.hex(&self.statement_id));
        to.add("to", |out| out.spelled(&self.to));
    }
}

impl GrantRevoked {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("principal", |out| out.spelled(&self.principal));
        add_refs(to, core::slice::from_ref(&self.grant));
        add_signatures(to, &self.signatures);
        to.add("statement_id", |out| out.hex(&self.statement_id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_holds_what_is_no_wider() {
        let commands = |words: &[&str], up_to| Scope {
            right: Right::Commands(words.iter().map(|word| (*word).to_owned()).collect()),
            resources: Vec::new(),
            up_to,
        };
        let all = commands(&["*"], None);
        let git = commands(&["git", "kubectl get"], Some(RiskTier::High));
        let push = commands(&["git push"], Some(RiskTier::High));
        for (wide, narrow, holds) in [
            (&all, &all, true),
            (&all, &git, true),
            (&git, &push, true),
            (&git, &git, true),
            (&push, &git, false),
            (&git, &all, false),
            (&git, &commands(&["git push"], None), false),
            (&git, &commands(&["git push"], Some(RiskTier::Critical)), false),
            (&git, &commands(&["kubectl"], Some(RiskTier::Low)), false),
            (&git, &commands(&["gitk"], Some(RiskTier::Low)), false),
        ] {
            assert_eq!(wide.holds(narrow), holds, "{} {}", wide.text(), narrow.text());
        }
        let on = |pattern: &str| Scope { resources: [pattern.to_owned()].into(), ..push.clone() };
        assert!(push.holds(&on("cluster:a")) && !on("cluster:a").holds(&push));
        assert!(on("cluster:a*").holds(&on("cluster:ab")) && !on("cluster:ab").holds(&on("cluster:a*")));
        let assume =
            |byte| Scope { right: Right::Assume(PrincipalId([byte; 8])), resources: Vec::new(), up_to: None };
        assert!(assume(1).holds(&assume(1)));
        assert!(!assume(1).holds(&assume(2)) && !assume(1).holds(&push) && !all.holds(&assume(1)));
    }
}
