//! Grants: given by administrators, handed on by those who hold them, taken back, and brought as facts.

mod above;

use cascade_ledger::{Appended, Draft, Fault, Grant, Ledger, Present, PrincipalKind, Reader};
use cascade_policy::environment;
use cascade_policy::facts::{self as policy_facts, Covers};
use cascade_receipt::content::{
    Body, DELEGATION_MAX, GRANT_COMMANDS_MAX, GrantRevoked, Granted, Ref, Rel, Right, Scope,
};
use cascade_receipt::decision::{Decision, GateName};
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::kind::Kind;
use cascade_receipt::resource::PATTERNS_MAX;
use cascade_receipt::time::Timestamp;

use crate::admin::{self, AdminError};
use crate::consent::{self, ConsentError, Sign};
use crate::facts::{self, Asker};
use crate::membership::{receipt_id, statement_id};
use crate::people::{Person, Whom};

pub use above::Short;

/// Most grants that one principal holds at once; each decision looks at all of them.
pub const GRANTS_HELD_MAX: usize = 256;
/// Longest command of a grant, in bytes.
pub const COMMAND_BYTES_MAX: usize = 128;

/// Why nothing was given or taken back.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// It was not signed or not recorded.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The receipt could not be found.
    #[error(transparent)]
    Find(#[from] ConsentError),
    /// Nobody of this name is registered.
    #[error("nobody called `{0}` is registered")]
    Unknown(String),
    /// Only agents act for somebody.
    #[error("`{0}` is no agent, and only an agent acts for somebody")]
    NotAnAgent(String),
    /// Whoever is no administrator can only hand on what he holds.
    #[error("{0}")]
    NotHeld(Short),
    /// Another principal holds [`GRANTS_HELD_MAX`].
    #[error("`{0}` holds {GRANTS_HELD_MAX} grants, and nobody may hold more at once")]
    TooMany(String),
    /// It has ended.
    #[error("the time it would end has passed")]
    Past,
    /// No grant, or one that was taken back.
    #[error("{0} is no grant that could be taken back")]
    NotAGrant(ReceiptId),
    /// It is somebody else's.
    #[error("only its giver or an administrator takes a grant back")]
    NotYours,
}

impl From<Fault> for GrantError {
    fn from(fault: Fault) -> Self {
        Self::Admin(AdminError::Ledger(fault))
    }
}

/// What is to be given.
#[derive(Debug)]
pub struct Giving {
    /// A person's name or id, or `agent:NAME`.
    pub to: String,
    /// For an agent: the person it acts for, by default the one who asks.
    pub owner: Option<String>,
    /// The commands; none if somebody may be taken for `assume`.
    pub commands: Vec<Command>,
    /// Whom the holder may be taken for.
    pub assume: Option<String>,
    /// On what the commands may act.
    pub resources: Vec<Limit>,
    /// The highest tier it reaches.
    pub up_to: Option<cascade_receipt::decision::RiskTier>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// For how long, if no moment is given.
    pub lasts_ms: Option<u64>,
    /// How many levels further it may be handed on.
    pub delegate: u64,
}

/// A command that a grant can name: a program, a program and its subcommand, or `*`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command(String);

impl Command {
    /// Reads words with single spaces between them.
    ///
    /// # Errors
    /// What a command may be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words = text.split(' ').all(|word| !word.is_empty());
        if text.len() > COMMAND_BYTES_MAX || !words || text.chars().any(char::is_control) {
            return Err(format!(
                "a program, a program and its subcommand, or `*`; at most {COMMAND_BYTES_MAX} bytes"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Resources that a grant can name: `kind:glob`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limit(String);

impl Limit {
    /// Reads `cluster:dev-*`.
    ///
    /// # Errors
    /// What it may be.
    pub fn parse(text: &str) -> Result<Self, String> {
        match environment::fault(text) {
            Some(fault) => Err(fault),
            None => Ok(Self(text.to_owned())),
        }
    }
}

/// Reads how many levels a grant may be handed on.
///
/// # Errors
/// What it may be.
pub fn levels(text: &str) -> Result<u64, String> {
    let levels = text.parse().ok().filter(|levels| *levels <= DELEGATION_MAX);
    levels.ok_or_else(|| format!("a number from 0 to {DELEGATION_MAX}"))
}

/// Gives a right, or hands on what the giver holds.
///
/// # Errors
/// [`GrantError`].
pub fn give(
    ledger: &Ledger,
    asker: &Asker,
    giving: &Giving,
    sign: Sign<'_>,
) -> Result<(Appended, Granted), GrantError> {
    let giver = admin::speaker(ledger, asker)?;
    let now = facts::chain_now(ledger)?;
    let expires =
        giving.until.or_else(|| giving.lasts_ms.map(|ms| Timestamp::from_ms(now.ms().saturating_add(ms))));
    if expires.is_some_and(|expires| expires <= now) {
        return Err(GrantError::Past);
    }
    let (to, on_behalf_of) = holder(ledger, asker, giving)?;
    if !has_room(ledger.grants_of(to)?.iter().filter(|grant| grant.holds(now)).count()) {
        return Err(GrantError::TooMany(giving.to.clone()));
    }
    let mut granted = Granted {
        principal: giver.principal,
        to,
        on_behalf_of,
        parent: None,
        scope: Scope { right: right(ledger, giving)?, resources: limits(giving), up_to: giving.up_to },
        expires,
        delegate: giving.delegate,
        statement_id: statement_id()?,
        signatures: Vec::new(),
    };
    if !giver.is_admin() {
        let held = ledger.grants_of(giver.principal)?;
        above::stand_on(&held, &mut granted, now).map_err(GrantError::NotHeld)?;
    }
    let own = Body::Granted(granted.clone()).statement();
    granted.signatures.push(admin::signature_of(ledger, &giver, &own, sign)?);
    let appended = append(ledger, Body::Granted(granted.clone()))?;
    Ok((appended, granted))
}

/// Takes a grant back, and with it what was handed on of it.
///
/// # Errors
/// [`GrantError`].
pub fn revoke(ledger: &Ledger, asker: &Asker, id: &str, sign: Sign<'_>) -> Result<Appended, GrantError> {
    let speaker = admin::speaker(ledger, asker)?;
    let (id, content) = consent::find(ledger, id)?;
    let kind = content.member("kind").and_then(|kind| Kind::parse(kind.as_str()?));
    let grant = ledger.grant(id)?.filter(|grant| kind == Some(Kind::Grant) && grant.revoked_by.is_none());
    let grant = grant.ok_or(GrantError::NotAGrant(id))?;
    if grant.principal != speaker.principal && !speaker.is_admin() {
        return Err(GrantError::NotYours);
    }
    let mut revoked = GrantRevoked {
        grant: Ref { rel: Rel::Grant, receipt_id: id, entry_hash: grant.entry_hash },
        principal: speaker.principal,
        statement_id: statement_id()?,
        signatures: Vec::new(),
    };
    let own = Body::GrantRevoked(revoked.clone()).statement();
    revoked.signatures.push(admin::signature_of(ledger, &speaker, &own, sign)?);
    append(ledger, Body::GrantRevoked(revoked))
}

/// Whether giver, holder and the grant above still are what they were, the ledger sees to under its lock.
fn append(ledger: &Ledger, body: Body) -> Result<Appended, GrantError> {
    Ok(ledger.append(Draft::new(receipt_id()?, body)).map_err(AdminError::from)?)
}

/// Who is to hold it, and for whom, where that is an agent.
fn holder(
    ledger: &Ledger,
    asker: &Asker,
    giving: &Giving,
) -> Result<(PrincipalId, Option<PrincipalId>), GrantError> {
    let Some(agent) = giving.to.strip_prefix(Whom::AGENT_PREFIX) else {
        if giving.owner.is_some() {
            return Err(GrantError::NotAnAgent(giving.to.clone()));
        }
        return Ok((registered(ledger, &giving.to)?, None));
    };
    let owner = match &giving.owner {
        Some(name) => registered(ledger, name)?,
        None => registered(ledger, &asker.person.name)?,
    };
    let name = ledger.name(owner)?.map(|name| name.name).unwrap_or_default();
    let Whom::Agent(agent) = Whom::parse(&format!("{}{agent}", Whom::AGENT_PREFIX), &Person::current())
    else {
        return Err(GrantError::Unknown(giving.to.clone()));
    };
    Ok((ledger.principal_for(PrincipalKind::Agent, &agent_of(&agent, &name))?, Some(owner)))
}

/// The name of a person's agent in the vault.
pub(crate) fn agent_of(agent: &str, person: &str) -> String {
    format!("{agent} for {person}")
}

/// The agent's own name in the name that the vault has.
pub(crate) fn agent_in(name: &str) -> &str {
    // No agent's name holds a space.
    name.split_once(' ').map_or(name, |(agent, _)| agent)
}

fn right(ledger: &Ledger, giving: &Giving) -> Result<Right, GrantError> {
    match &giving.assume {
        Some(name) => Ok(Right::Assume(registered(ledger, name)?)),
        None => Ok(Right::Commands(giving.commands.iter().map(|command| command.0.clone()).collect())),
    }
}

fn limits(giving: &Giving) -> Vec<String> {
    let mut limits: Vec<String> = giving.resources.iter().map(|limit| limit.0.clone()).collect();
    limits.sort_unstable();
    limits.dedup();
    limits
}

fn registered(ledger: &Ledger, name: &str) -> Result<PrincipalId, GrantError> {
    let principal = facts::named(ledger, name)?;
    let person = ledger.person(principal)?;
    let there = person.is_some_and(|person| person.is_registered());
    if there { Ok(principal) } else { Err(GrantError::Unknown(name.to_owned())) }
}

/// Whether whoever holds so many grants may get another.
const fn has_room(held: usize) -> bool {
    held < GRANTS_HELD_MAX
}

/// Whether one grant names more commands than it may.
#[must_use]
pub const fn is_too_long(commands: usize) -> bool {
    commands > GRANT_COMMANDS_MAX
}

/// Whether one grant names more resources than it may.
#[must_use]
pub const fn is_too_narrow(resources: usize) -> bool {
    resources > PATTERNS_MAX
}

/// What a principal holds, as facts; what was taken back is not there.
pub(crate) fn held(present: &Present<'_>, holder: PrincipalId) -> Result<Vec<policy_facts::Grant>, Fault> {
    let grants = present.grants_of(holder)?;
    let fact = |grant: &Grant| policy_facts::Grant {
        receipt_id: grant.receipt_id,
        to: grant.to,
        grantor_alive: grant.unbroken,
        expires: grant.expires,
        covers: match &grant.scope.right {
            Right::Commands(commands) => Covers::Commands(commands.clone()),
            Right::Assume(principal) => Covers::Assume(*principal),
        },
        resources: grant.scope.resources.clone(),
        up_to: grant.scope.up_to,
    };
    Ok(grants.iter().filter(|grant| grant.revoked_by.is_none()).map(fact).collect())
}

/// Whether somebody holds a grant to be taken for another principal.
pub(crate) fn may_assume(
    reader: &Reader,
    holder: PrincipalId,
    other: PrincipalId,
    at: Timestamp,
) -> Result<bool, Fault> {
    let fits = |grant: &policy_facts::Grant| {
        grant.covers == Covers::Assume(other)
            && grant.grantor_alive
            && grant.expires.is_none_or(|expires| expires > at)
    };
    Ok(held(&reader.present()?, holder)?.iter().any(fits))
}

/// The grants that the gate of authority found enough.
pub(crate) fn used(reader: &Reader, decision: &Decision) -> Result<Vec<Ref>, Fault> {
    let mut refs: Vec<Ref> = Vec::new();
    let gate = decision.gates.iter().find(|gate| gate.gate == GateName::Authority);
    let reasons = gate.map(|gate| gate.reasons.as_slice()).unwrap_or_default();
    for reason in reasons.iter().filter(|reason| reason.code == "authority.granted") {
        let Some(id) = reason.policy_id.as_deref().and_then(ReceiptId::parse) else { continue };
        if let Some(grant) = reader.grant(id)?.filter(|_| refs.iter().all(|one| one.receipt_id != id)) {
            refs.push(Ref { rel: Rel::Grant, receipt_id: id, entry_hash: grant.entry_hash });
        }
    }
    Ok(refs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_grant_can_name() {
        let longest = "c".repeat(COMMAND_BYTES_MAX);
        for good in ["git", "git push", "*", "kubectl rollout restart", &longest] {
            assert!(Command::parse(good).is_ok(), "{good}");
        }
        let longer = format!("{longest}c");
        for bad in ["", " ", "git  push", " git", "git ", "git\npush", &longer] {
            assert!(Command::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(levels("8"), Ok(DELEGATION_MAX));
        assert!(levels("9").is_err() && levels("-1").is_err());
        assert!(has_room(GRANTS_HELD_MAX - 1) && !has_room(GRANTS_HELD_MAX));
        assert!(!is_too_long(GRANT_COMMANDS_MAX) && is_too_long(GRANT_COMMANDS_MAX + 1));
    }
}
