//! Persons outside whom actions concern: who is meant, what is known of them, and recording it.

pub use cascade_kernel::subject::Named;
use cascade_ledger::{Appended, Draft, Fault, Ledger, PrincipalKind, Reader};
use cascade_policy::facts;
use cascade_policy::limits::{NAME_BYTES_MAX, is_zone};
use cascade_receipt::content::{Body, Known, SubjectFact};
use cascade_receipt::id::PrincipalId;

use crate::admin::{self, AdminError};
use crate::facts::Asker;

/// The id of whoever has none in this chain: nothing is recorded of them.
const NOBODY: PrincipalId = PrincipalId([0; 8]);

/// Whom an action concerns, by ids of the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Concerned {
    /// The subject.
    pub subject: PrincipalId,
    /// The debt or case.
    pub matter: Option<PrincipalId>,
}

/// What is said of a subject.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    /// Where the subject is.
    Zone(String),
    /// Consent to something was given or taken back.
    Consent {
        /// To what.
        scope: String,
        /// False when it was taken back.
        given: bool,
    },
    /// Somebody spoke with the subject just now.
    Conversation,
}

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// No zone of this name.
    #[error("`{0}` is no time zone")]
    Zone(String),
    /// No scope: empty, too long, or with control characters.
    #[error("a scope holds 1 to {NAME_BYTES_MAX} bytes and no control characters")]
    Scope,
    /// A zone or a consent is the person's, not the matter's.
    #[error("only a conversation is about a matter; give the subject alone")]
    Matter,
    /// The principal may not, or it could not be recorded.
    #[error(transparent)]
    Admin(#[from] AdminError),
}

/// The ids in this chain, made on first use.
///
/// # Errors
/// When the ledger cannot look up or keep a name.
pub fn concerned(ledger: &Ledger, named: &Named) -> Result<Concerned, Fault> {
    Ok(Concerned {
        subject: ledger.principal_for(PrincipalKind::Subject, named.person())?,
        matter: named.matter().map(|name| ledger.principal_for(PrincipalKind::Matter, name)).transpose()?,
    })
}

/// What would be decided about somebody whom the chain may not know yet; looking makes no ids.
///
/// # Errors
/// When the ledger cannot be read.
pub fn look_up(reader: &Reader, named: &Named) -> Result<facts::Subject, Fault> {
    let subject = reader.principal(PrincipalKind::Subject, named.person())?;
    let matter = named.matter().map(|name| reader.principal(PrincipalKind::Matter, name)).transpose()?;
    look(
        reader,
        Concerned { subject: subject.unwrap_or(NOBODY), matter: matter.map(|id| id.unwrap_or(NOBODY)) },
    )
}

/// What the log knows of whom an action concerns.
///
/// # Errors
/// When the ledger cannot be read.
pub fn look(reader: &Reader, concerned: Concerned) -> Result<facts::Subject, Fault> {
    let Concerned { subject, matter } = concerned;
    let consents = reader.consents_of(subject)?;
    Ok(facts::Subject {
        id: subject,
        matter,
        zone: reader.subject_zone(subject)?,
        consents: consents.into_iter().filter(|(_, given, _)| *given).map(|(scope, _, _)| scope).collect(),
        conversed: reader.conversed(subject, None)?,
        conversed_matter: reader.conversed(subject, matter)?,
    })
}

/// Records what is said of a subject. What could open a way to the subject is a person's to say; what only
/// closes one (a consent taken back, a conversation) may come from an agent too.
///
/// # Errors
/// [`SubjectError`].
pub fn record(ledger: &Ledger, asker: &Asker, named: &Named, said: Said) -> Result<Appended, SubjectError> {
    let opens = matches!(said, Said::Zone(_) | Said::Consent { given: true, .. });
    if opens {
        admin::is_person(asker)?;
    }
    if !asker.is_registered() || asker.assumed.is_some() {
        return Err(AdminError::Refused("identity.unauthenticated").into());
    }
    if named.matter().is_some() && said != Said::Conversation {
        return Err(SubjectError::Matter);
    }
    let concerned = concerned(ledger, named).map_err(AdminError::from)?;
    let known = match said {
        Said::Zone(zone) if is_zone(&zone) => Known::Zone(zone),
        Said::Zone(zone) => return Err(SubjectError::Zone(zone)),
        Said::Consent { scope, given } => {
            let fits =
                !scope.is_empty() && scope.len() <= NAME_BYTES_MAX && !scope.chars().any(char::is_control);
            if !fits {
                return Err(SubjectError::Scope);
            }
            Known::Consent { scope, given }
        }
        Said::Conversation => Known::Conversation(concerned.matter),
    };
    let fact = SubjectFact {
        principal: asker.principal_id(),
        on_behalf_of: asker.agent.as_ref().map(|_| asker.person_id),
        subject: concerned.subject,
        known,
    };
    let id = cascade_ledger::receipt_id().map_err(AdminError::from)?;
    Ok(ledger.append(Draft::new(id, Body::SubjectFact(fact))).map_err(AdminError::from)?)
}
