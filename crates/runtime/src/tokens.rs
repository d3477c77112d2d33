//! Bearer tokens: issued by administrators, shown once, taken back.
//!
//! Of a token the chain keeps the hash of its secret. Whoever shows a token is taken for the one whose it is; so it is as
//! good as that person's presence, and its scopes and its end are what limits it.

mod known;
mod text;

use cascade_ledger::{
    Appended, Draft, Fault, Ledger, Person, Present, PrincipalKind, PrivateItem, Reader, Token,
};
use cascade_policy::name;
use cascade_receipt::content::{Body, Ref, Rel, TokenIssued, TokenRevoked, TokenScope};
use cascade_receipt::decision::Reason;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, TokenId};
use cascade_receipt::time::Timestamp;

use crate::admin::{self, AdminError};
use crate::bindings::JwtFault;
use crate::consent::Sign;
use crate::facts::{self, Asker};
use crate::grants;
use crate::membership::{receipt_id, statement_id};

pub(crate) use known::Known;
pub use text::{PREFIX, TEXT_BYTES, TextFault, TokenText};

/// How long a token holds unless something else is asked for, in milliseconds: 30 days.
pub const LIFETIME_MS_DEFAULT: u64 = 30 * DAY_MS;
/// How long a token may hold, in milliseconds: 366 days.
pub const LIFETIME_MS_MAX: u64 = 366 * DAY_MS;
/// Most tokens of one holder that hold at once.
pub const HELD_MAX: usize = 256;
/// What a token may be used for unless something else is asked for.
pub const SCOPES_DEFAULT: [TokenScope; 2] = [TokenScope::Actions, TokenScope::Read];

const DAY_MS: u64 = 86_400_000;

/// Why nothing was issued or taken back.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It was not signed or not recorded.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Nobody of this name is registered.
    #[error("nobody called `{0}` is registered")]
    Unknown(String),
    /// It is no name of an agent.
    #[error("`{name}` is no agent's name: {fault}")]
    AgentName {
        /// What was given.
        name: String,
        /// What is wrong with it.
        fault: name::NameFault,
    },
    /// It would be good for nothing.
    #[error("a token without a scope is good for nothing")]
    NoScope,
    /// An agent neither answers for people nor governs, whatever it shows.
    #[error("an agent's token cannot have the scope `{}`", .0.as_str())]
    AgentScope(TokenScope),
    /// It would have ended.
    #[error("it would end as soon as it is issued")]
    Past,
    /// It would hold longer than [`LIFETIME_MS_MAX`].
    #[error("a token holds for at most {} days", LIFETIME_MS_MAX / DAY_MS)]
    TooLong,
    /// The holder has [`HELD_MAX`].
    #[error("there are {HELD_MAX} tokens for the same holder, and nobody may have more at once")]
    TooMany,
    /// No token of this id, or one that was taken back.
    #[error("`{0}` is no token that could be taken back")]
    NotAToken(String),
    /// Several tokens begin like this.
    #[error("several tokens begin with `{0}`")]
    Ambiguous(String),
    /// It is somebody else's.
    #[error("only the person whose it is or an administrator takes a token back")]
    NotYours,
}

impl From<Fault> for TokenError {
    fn from(fault: Fault) -> Self {
        Self::Admin(AdminError::Ledger(fault))
    }
}

/// What is to be issued.
#[derive(Debug)]
pub struct Issuing {
    /// The person whose it is, or for whom the agent acts, by name or id; by default whoever asks.
    pub owner: Option<String>,
    /// The agent that shows it.
    pub agent: Option<String>,
    /// What it may be used for.
    pub scopes: Vec<TokenScope>,
    /// For how long, in milliseconds.
    pub lasts_ms: u64,
}

/// A token, and the only copy of its text.
#[derive(Debug)]
pub struct Issued {
    /// The receipt.
    pub appended: Appended,
    /// What it says.
    pub token: TokenIssued,
    /// To be handed out now or never.
    pub text: TokenText,
}

/// Why a token is taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Withdrawal {
    /// It is no longer needed.
    Unneeded,
    /// Somebody else may have it.
    Leaked,
}

impl Withdrawal {
    /// The code in the receipt.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unneeded => "token.unneeded",
            Self::Leaked => "token.leaked",
        }
    }
}

/// How a token stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenState {
    /// It counts.
    Holds,
    /// Its time has passed.
    Expired,
    /// It was taken back.
    Revoked,
    /// The person behind it left.
    Broken,
}

impl TokenState {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Broken => "broken",
        }
    }

    /// How this token stands at a moment.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn of(reader: &Reader, token: &Token, at: Timestamp) -> Result<Self, Fault> {
        Self::within(&reader.present()?, token, at)
    }

    fn within(present: &Present<'_>, token: &Token, at: Timestamp) -> Result<Self, Fault> {
        let owner = present.person(token.owner())?;
        Ok(if !owner.as_ref().is_some_and(Person::is_registered) {
            Self::Broken
        } else if token.revoked.is_some() {
            Self::Revoked
        } else if token.holds(at) {
            Self::Holds
        } else {
            Self::Expired
        })
    }
}

/// Why what somebody shows does not count.
#[derive(Debug, thiserror::Error)]
pub enum Unaccepted {
    /// It is no token.
    #[error(transparent)]
    Text(#[from] TextFault),
    /// It is a JWT that does not count.
    #[error(transparent)]
    Jwt(#[from] JwtFault),
    /// This chain issued no such token, or bound no such credential.
    #[error("this token is not known here")]
    Unknown,
    /// It has ended.
    #[error("this token does not count any more: it {}", match .0 {
        TokenState::Revoked => "was taken back",
        TokenState::Broken => "is somebody's who left",
        _ => "has expired",
    })]
    Ended(TokenState),
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] Fault),
}

/// The token that somebody shows, if it counts now. What is looked up is the hash of what was shown.
///
/// # Errors
/// [`Unaccepted`].
pub fn accept(reader: &Reader, shown: &str) -> Result<Token, Unaccepted> {
    accept_at(&reader.present()?, shown)
}

pub(crate) fn accept_at(present: &Present<'_>, shown: &str) -> Result<Token, Unaccepted> {
    let shown = TokenText::parse(shown)?;
    let token = present.token_by_hash(&shown.hash())?.filter(|token| token.token_id == shown.id());
    let token = token.ok_or(Unaccepted::Unknown)?;
    match TokenState::within(present, &token, facts::time_of(present))? {
        TokenState::Holds => Ok(token),
        ended => Err(Unaccepted::Ended(ended)),
    }
}

/// Issues a token; an administrator signs it.
///
/// # Errors
/// [`TokenError`].
pub fn issue(
    ledger: &Ledger,
    asker: &Asker,
    issuing: &Issuing,
    sign: Sign<'_>,
) -> Result<Issued, TokenError> {
    let text = TokenText::generate()?;
    let kept = Kept { id: text.id(), hash: text.hash(), private: None };
    let (appended, token) = record(ledger, asker, issuing, kept, sign)?;
    Ok(Issued { appended, token, text })
}

/// What the chain keeps of a credential.
pub(crate) struct Kept {
    /// Its id.
    pub(crate) id: TokenId,
    /// The hash by which it is known.
    pub(crate) hash: Digest,
    /// What is hashed, where that is no secret.
    pub(crate) private: Option<PrivateItem>,
}

/// Puts a credential on record, under the limits of tokens.
pub(crate) fn record(
    ledger: &Ledger,
    asker: &Asker,
    issuing: &Issuing,
    kept: Kept,
    sign: Sign<'_>,
) -> Result<(Appended, TokenIssued), TokenError> {
    let issuer = admin::may(ledger, asker)?;
    let scopes = scopes(issuing)?;
    let now = facts::chain_now(ledger)?;
    match issuing.lasts_ms {
        0 => return Err(TokenError::Past),
        1..=LIFETIME_MS_MAX => {}
        _ => return Err(TokenError::TooLong),
    }
    let (to, on_behalf_of) = holder(ledger, &issuer, issuing)?;
    let held = ledger.tokens()?.iter().filter(|token| token.to == to && token.holds(now)).count();
    if !has_room(held) {
        return Err(TokenError::TooMany);
    }
    let mut token = TokenIssued {
        token_id: kept.id,
        token_hash: kept.hash,
        principal: issuer.principal,
        to,
        on_behalf_of,
        scopes,
        expires: Timestamp::from_ms(now.ms().saturating_add(issuing.lasts_ms)),
        statement_id: statement_id()?,
        signatures: Vec::new(),
    };
    let own = Body::TokenIssued(token.clone()).statement();
    token.signatures.push(admin::signature_of(ledger, &issuer, &own, sign)?);
    let mut draft = Draft::new(receipt_id()?, Body::TokenIssued(token.clone()));
    draft.private.extend(kept.private);
    Ok((ledger.append(draft).map_err(AdminError::from)?, token))
}

/// Takes a token back. `id` may be the beginning of its id. It is signed where `sign` is given; who asks in somebody
/// else's name must.
///
/// # Errors
/// [`TokenError`].
pub fn revoke(
    ledger: &Ledger,
    asker: &Asker,
    id: &str,
    why: Withdrawal,
    sign: Option<Sign<'_>>,
) -> Result<(Appended, TokenId), TokenError> {
    let speaker = admin::speaker(ledger, asker)?;
    let token = find(ledger, id)?;
    if token.owner() != speaker.principal && !speaker.is_admin() {
        return Err(TokenError::NotYours);
    }
    let mut revoked = TokenRevoked {
        token_id: token.token_id,
        issued: Ref { rel: Rel::Supersedes, receipt_id: token.receipt_id, entry_hash: token.entry_hash },
        principal: speaker.principal,
        reason: Reason::code(why.code()),
        statement_id: statement_id()?,
        signatures: Vec::new(),
    };
    match sign {
        Some(sign) => {
            let own = Body::TokenRevoked(revoked.clone()).statement();
            revoked.signatures.push(admin::signature_of(ledger, &speaker, &own, sign)?);
        }
        // Who says to be somebody else proves it with that person's key.
        None if asker.assumed.is_some() => return Err(AdminError::Refused("identity.unsigned").into()),
        None => {}
    }
    // Whether everybody still is who they were, the ledger sees to under its lock.
    let draft = Draft::new(receipt_id()?, Body::TokenRevoked(revoked));
    Ok((ledger.append(draft).map_err(AdminError::from)?, token.token_id))
}

/// Every token with how it stands, oldest first.
///
/// # Errors
/// [`Fault`].
pub fn list(reader: &Reader) -> Result<Vec<(Token, TokenState)>, Fault> {
    let now = facts::chain_now(reader)?;
    let state = |token: Token| Ok((token.clone(), TokenState::of(reader, &token, now)?));
    reader.tokens()?.into_iter().map(state).collect()
}

/// Each once, in order.
fn scopes(issuing: &Issuing) -> Result<Vec<TokenScope>, TokenError> {
    let mut scopes = issuing.scopes.clone();
    scopes.sort_unstable();
    scopes.dedup();
    let governs = |scope: &TokenScope| matches!(scope, TokenScope::Admin | TokenScope::Approve);
    match scopes.iter().find(|scope| issuing.agent.is_some() && governs(scope)) {
        Some(scope) => Err(TokenError::AgentScope(*scope)),
        None if scopes.is_empty() => Err(TokenError::NoScope),
        None => Ok(scopes),
    }
}

/// Whose it is to be, and for whom, where that is an agent.
fn holder(
    ledger: &Ledger,
    issuer: &Person,
    issuing: &Issuing,
) -> Result<(PrincipalId, Option<PrincipalId>), TokenError> {
    let owner = match &issuing.owner {
        Some(name) => registered(ledger, name)?,
        None => issuer.principal,
    };
    let Some(agent) = &issuing.agent else { return Ok((owner, None)) };
    name::check_agent(agent).map_err(|fault| TokenError::AgentName { name: agent.clone(), fault })?;
    let person = ledger.name(owner)?.map(|name| name.name).unwrap_or_default();
    let id = ledger.principal_for(PrincipalKind::Agent, &grants::agent_of(agent, &person))?;
    Ok((id, Some(owner)))
}

fn registered(ledger: &Ledger, name: &str) -> Result<PrincipalId, TokenError> {
    let principal = facts::named(ledger, name)?;
    let there = ledger.person(principal)?.is_some_and(|person| person.is_registered());
    if there { Ok(principal) } else { Err(TokenError::Unknown(name.to_owned())) }
}

/// Whether whoever holds so many tokens may get another.
const fn has_room(held: usize) -> bool {
    held < HELD_MAX
}

/// The one token that can be taken back and whose id begins like this.
fn find(reader: &Reader, id: &str) -> Result<Token, TokenError> {
    let mut found = reader.tokens()?.into_iter().filter(|token| {
        id.len() > "t_".len() && token.revoked.is_none() && token.token_id.to_string().starts_with(id)
    });
    match (found.next(), found.next()) {
        (Some(token), None) => Ok(token),
        (Some(_), Some(_)) => Err(TokenError::Ambiguous(id.to_owned())),
        (None, _) => Err(TokenError::NotAToken(id.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_stand_once_and_in_order() {
        let issuing = |agent: Option<&str>, scopes: &[TokenScope]| Issuing {
            owner: None,
            agent: agent.map(str::to_owned),
            scopes: scopes.to_vec(),
            lasts_ms: 1,
        };
        let given = [TokenScope::Read, TokenScope::Actions, TokenScope::Read];
        assert_eq!(scopes(&issuing(Some("ci"), &given)).unwrap(), SCOPES_DEFAULT);
        assert!(matches!(scopes(&issuing(None, &[])), Err(TokenError::NoScope)));
        for scope in [TokenScope::Admin, TokenScope::Approve] {
            assert!(scopes(&issuing(None, &[scope])).is_ok());
            let refused = scopes(&issuing(Some("ci"), &[TokenScope::Read, scope]));
            assert!(matches!(refused, Err(TokenError::AgentScope(named)) if named == scope));
        }
        assert!(has_room(HELD_MAX - 1) && !has_room(HELD_MAX));
    }
}
