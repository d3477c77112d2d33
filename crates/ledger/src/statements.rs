//! People's signatures in a draft, checked under the write lock against who is registered at that moment.
//!
//! A verifier refuses a chain with a signature by somebody who had left, had lost his office, or had another key. So
//! none is recorded, however fast people change while somebody signs.

use cascade_receipt::content::{Action, Body, ChainStarted, Signature};
use cascade_receipt::id::{LogOrigin, PrincipalId};
use cascade_receipt::sshsig::SshKey;
use cascade_receipt::statement;
use rusqlite::Connection;

use crate::draft::AppendError;
use crate::people_views;

/// Why a signature of this body does not count now; `None` when all do.
pub(crate) fn refusal(
    conn: &Connection,
    body: &Body,
    log_origin: &LogOrigin,
) -> rusqlite::Result<Option<AppendError>> {
    let Some(signed) = Signed::of(body) else { return Ok(None) };
    if signed.signatures.is_empty() {
        return Ok(None);
    }
    let text = text(body, log_origin);
    for signature in signed.signatures {
        let refused = AppendError::SignerRefused(signature.principal);
        let person = people_views::person(conn, signature.principal)?;
        let Some(person) = person.filter(|person| {
            person.is_registered()
                && match signed.by {
                    By::Admins => person.is_admin(),
                    By::Principal(principal) => principal == person.principal,
                    By::Registered => true,
                }
        }) else {
            return Ok(Some(refused));
        };
        let counts = SshKey::accept(&person.ssh_key)
            .and_then(|key| key.verify(signed.namespace, text.as_bytes(), &signature.sshsig));
        if counts.is_err() {
            return Ok(Some(refused));
        }
    }
    Ok(None)
}

/// Whose signatures count.
#[derive(Clone, Copy)]
enum By {
    Admins,
    /// Whoever acts, administrator or not.
    Principal(PrincipalId),
    /// Anybody who is registered. Whose specifications may run is for the policy to say.
    Registered,
}

/// What people signed of a body.
struct Signed<'a> {
    signatures: &'a [Signature],
    namespace: &'static str,
    by: By,
}

impl<'a> Signed<'a> {
    fn of(body: &'a Body) -> Option<Self> {
        let admin = |signatures: &'a Vec<Signature>| (signatures, statement::ADMIN, By::Admins);
        let by = By::Principal;
        let (signatures, namespace, by) = match body {
            Body::Answer(answer) => (&answer.signatures, statement::APPROVAL, by(answer.principal)),
            Body::Granted(granted) => (&granted.signatures, statement::ADMIN, by(granted.principal)),
            Body::GrantRevoked(revoked) => (&revoked.signatures, statement::ADMIN, by(revoked.principal)),
            Body::TokenIssued(issued) => (&issued.signatures, statement::ADMIN, by(issued.principal)),
            Body::TokenRevoked(revoked) => (&revoked.signatures, statement::ADMIN, by(revoked.principal)),
            Body::ToolPinned(pinned) => (&pinned.signatures, statement::ADMIN, by(pinned.principal)),
            Body::GlassBroken(broken) => (&broken.signatures, statement::ADMIN, by(broken.action.principal)),
            Body::Reviewed(reviewed) => (&reviewed.signatures, statement::ADMIN, by(reviewed.principal)),
            Body::ChainStarted(started) => (&started.signatures, statement::SPEC, By::Registered),
            Body::SecretChanged(changed) => admin(&changed.signatures),
            Body::PersonAdded(added) => admin(&added.signatures),
            Body::PersonRemoved(removed) => admin(&removed.signatures),
            Body::PolicyActivated(activated) => admin(&activated.signatures),
            Body::KeyAdded(added) => admin(&added.signatures),
            Body::Erasure(erasure) => admin(&erasure.signatures),
            Body::TenantChanged(changed) => admin(&changed.signatures),
            Body::Resumed(resumed) => admin(&resumed.signatures),
            Body::GuardRenewed(renewed) => admin(&renewed.signatures),
            _ => return None,
        };
        Some(Self { signatures, namespace, by })
    }
}

/// The exact text that people signed.
fn text(body: &Body, log_origin: &LogOrigin) -> String {
    match body {
        Body::Answer(answer) => statement::Approval {
            log_origin: log_origin.as_str(),
            subject: &answer.subject.entry_hash,
            action_hash: &answer.action_hash,
            approve: answer.approve,
            approver: &answer.principal,
            expires: &answer.expires,
        }
        .text(),
        Body::ChainStarted(ChainStarted { action: Action { spec: Some(spec), .. }, .. }) => {
            statement::spec(&spec.spec_hash)
        }
        _ => statement::admin(log_origin.as_str(), &body.statement()),
    }
}
