//! Whoever shows a credential: taken for the one whose it is, for as long as it holds.

use cascade_ledger::{Fault, Ledger, Present, Token};
use cascade_policy::facts::Authentication;
use cascade_receipt::time::Timestamp;

use crate::bindings::Shown;
use crate::facts::{self, Asker};
use crate::grants;
use crate::people::{Person, Whom};
use crate::process::Enclosure;

/// How it is known who asks.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// By the process that asks: its user, its environment, what it runs beneath.
    Here,
    /// By a token, or by a credential of others that is bound like one, as it stood when it was looked at last.
    ByShown {
        /// The credential.
        shown: Box<Shown>,
        /// It was neither taken back nor run out then.
        holds: bool,
    },
}

impl Known {
    fn by_shown(present: &Present<'_>, shown: &Shown) -> Result<Self, Fault> {
        let now = facts::time_of(present);
        let token = &shown.token;
        let found = present.token(token.token_id)?.filter(|found| found.receipt_id == token.receipt_id);
        let holds = found.as_ref().is_some_and(|found| shown.of(found.clone()).holds(now));
        let shown = shown.of(found.unwrap_or_else(|| token.clone()));
        Ok(Self::ByShown { shown: Box::new(shown), holds })
    }

    /// The same, as the chain knows it now.
    pub(crate) fn at(&self, present: &Present<'_>) -> Result<Self, Fault> {
        match self {
            Self::Here => Ok(Self::Here),
            Self::ByShown { shown, .. } => Self::by_shown(present, shown),
        }
    }

    /// Whether the credential that was shown counts.
    pub(crate) const fn holds(&self) -> bool {
        match self {
            Self::Here => true,
            Self::ByShown { holds, .. } => *holds,
        }
    }

    /// What the gates are told, where a credential was shown.
    pub(crate) const fn authentication(&self) -> Option<Authentication> {
        match self {
            Self::Here => None,
            Self::ByShown { shown, .. } => Some(shown.how()),
        }
    }

    /// The moment from which the credential counts no more.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Here => None,
            Self::ByShown { shown, .. } => Some(shown.until()),
        }
    }
}

impl Asker {
    /// Whoever shows this token by its secret: see [`Asker::by_shown`].
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn by_token(ledger: &Ledger, token: &Token) -> Result<Self, Fault> {
        Self::by_shown(ledger, &Shown::secret(token.clone()))
    }

    /// Whoever shows this credential. It is looked at again whenever the asker is ([`Asker::again`]), so that one that
    /// was taken back, has run out, or whose person left, is no longer alive to the gates.
    ///
    /// What this process runs beneath says nothing of whoever is at the other end, so it counts for nothing here.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn by_shown(ledger: &Ledger, shown: &Shown) -> Result<Self, Fault> {
        Self::by_shown_at(&ledger.present()?, shown)
    }

    /// The same, by a look that was taken already.
    ///
    /// # Errors
    /// As [`Self::by_shown`].
    pub fn by_shown_at(present: &Present<'_>, shown: &Shown) -> Result<Self, Fault> {
        let token = &shown.token;
        let person_id = token.owner();
        let name = |principal| Ok::<_, Fault>(present.name(principal)?.map(|name| name.name));
        let person_name = name(person_id)?.unwrap_or_else(|| person_id.to_string());
        let agent = if token.agent() {
            let own = name(token.to)?;
            let own = own.as_deref().map_or(Whom::UNNAMED, grants::agent_in).to_owned();
            Some((own, token.to))
        } else {
            None
        };
        Ok(Self {
            person: Person::named(person_name),
            person_id,
            entry: present.person(person_id)?,
            agent,
            assumed: None,
            enclosure: Enclosure::Outside,
            known: Known::by_shown(present, shown)?,
        })
    }
}
