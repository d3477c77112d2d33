//! Whoever shows a token: taken for the one whose it is, for as long as it holds.

use cascade_ledger::{Fault, Ledger, Reader, Token};
use cascade_policy::facts::Authentication;
use cascade_receipt::time::Timestamp;

use crate::facts::{self, Asker};
use crate::grants;
use crate::people::{Person, Whom};
use crate::process::Enclosure;

/// How it is known who asks.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// By the process that asks: its user, its environment, what it runs beneath.
    Here,
    /// By a token, as it stood when it was looked at last.
    ByToken {
        /// The token.
        token: Box<Token>,
        /// It was neither taken back nor run out then.
        holds: bool,
    },
}

impl Known {
    fn by_token(reader: &Reader, token: &Token) -> Result<Self, Fault> {
        let now = facts::chain_now(reader)?;
        let found = reader.token(token.token_id)?.filter(|found| found.receipt_id == token.receipt_id);
        let holds = found.as_ref().is_some_and(|found| found.holds(now));
        Ok(Self::ByToken { token: Box::new(found.unwrap_or_else(|| token.clone())), holds })
    }

    /// The same, as the chain knows it now.
    pub(crate) fn again(&self, reader: &Reader) -> Result<Self, Fault> {
        match self {
            Self::Here => Ok(Self::Here),
            Self::ByToken { token, .. } => Self::by_token(reader, token),
        }
    }

    /// Whether the credential that was shown counts.
    pub(crate) const fn holds(&self) -> bool {
        match self {
            Self::Here => true,
            Self::ByToken { holds, .. } => *holds,
        }
    }

    /// What the gates are told, where a credential was shown.
    pub(crate) const fn authentication(&self) -> Option<Authentication> {
        match self {
            Self::Here => None,
            Self::ByToken { .. } => Some(Authentication::Token),
        }
    }

    /// The moment from which the credential counts no more.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Here => None,
            Self::ByToken { token, .. } => Some(token.expires),
        }
    }
}

impl Asker {
    /// Whoever shows this token. It is looked at again whenever the asker is ([`Asker::again`]), so that one that was
    /// taken back, has run out, or whose person left, is no longer alive to the gates.
    ///
    /// What this process runs beneath says nothing of whoever is at the other end, so it counts for nothing here.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn by_token(ledger: &Ledger, token: &Token) -> Result<Self, Fault> {
        let person_id = token.owner();
        let name = |principal| Ok::<_, Fault>(ledger.name(principal)?.map(|name| name.name));
        let person_name = name(person_id)?.unwrap_or_else(|| person_id.to_string());
        let agent = if token.agent() {
            let own = name(token.to)?;
            let own = own.as_deref().map_or(Whom::UNNAMED, grants::agent_in).to_owned();
            Some((own, token.to))
        } else {
            None
        };
        Ok(Self {
            person: Person { name: person_name, ..Person::current() },
            person_id,
            entry: ledger.person(person_id)?,
            agent,
            assumed: None,
            enclosure: Enclosure::Outside,
            known: Known::by_token(ledger, token)?,
        })
    }
}
