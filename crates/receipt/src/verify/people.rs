//! People of a chain: their SSH keys, groups and signatures (format section 2.2).

use alloc::borrow::ToOwned as _;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use crate::content::{Admin, Signature};
use crate::digest::Digest;
use crate::id::PrincipalId;
use crate::kind::Kind;
use crate::reader::{Content, Given, Meaning, Purpose};
use crate::sshsig::SshKey;
use crate::statement;
use crate::verify::code::Code;

/// The group whose members are administrators.
pub const ADMIN_GROUP: &str = "admins";

/// Registered people and the statements they have signed.
#[derive(Clone, Debug, Default)]
pub(super) struct People {
    people: BTreeMap<PrincipalId, Person>,
    /// Whose a registered key is, by its one spelling.
    by_key: BTreeMap<String, PrincipalId>,
    /// SHA-256 of namespace and text of every statement that counted once already.
    used: BTreeSet<Digest>,
}

#[derive(Clone, Debug)]
struct Person {
    ssh_key: SshKey,
    spelling: String,
    groups: BTreeSet<String>,
    admin: bool,
}

impl People {
    /// Registers the administrators of `genesis`.
    pub(super) fn found(&mut self, admins: &[Admin]) -> Result<(), Code> {
        admins.iter().try_for_each(|admin| self.register(admin.principal, &admin.ssh_key, &[], true))
    }

    /// Takes over what a receipt says about people.
    pub(super) fn take_over(&mut self, meaning: &Meaning) -> Result<(), Code> {
        match meaning {
            Meaning::PrincipalAdded { principal, ssh_key, groups } => {
                let admin = groups.iter().any(|group| group == ADMIN_GROUP);
                self.register(*principal, ssh_key, groups, admin)
            }
            Meaning::PrincipalRemoved(principal) => {
                self.remove(*principal);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether `principal` may answer for one of `groups`. No groups means anybody; an
    /// administrator may answer for every group.
    pub(super) fn eligible(&self, principal: PrincipalId, groups: &[String]) -> bool {
        groups.is_empty()
            || self.people.get(&principal).is_some_and(|person| {
                person.admin || groups.iter().any(|group| person.groups.contains(group))
            })
    }

    /// Whether somebody is registered under this principal.
    pub(super) fn knows(&self, principal: PrincipalId) -> bool {
        self.people.contains_key(&principal)
    }

    /// The registered key of this principal, in its one spelling.
    pub(super) fn key_of(&self, principal: PrincipalId) -> Option<&str> {
        self.people.get(&principal).map(|person| person.spelling.as_str())
    }

    pub(super) fn is_admin(&self, principal: PrincipalId) -> bool {
        self.people.get(&principal).is_some_and(|person| person.admin)
    }

    /// Only administrators do some things, with their own signature.
    pub(super) fn check_admin(&self, principal: PrincipalId) -> Result<(), Code> {
        if self.is_admin(principal) { Ok(()) } else { Err(Code::NotAdmin) }
    }

    /// Checks a person's answer to an escalation or dry run.
    pub(super) fn check_answer(
        &mut self,
        text: &statement::Approval<'_>,
        signatures: &[Signature],
        demanded: bool,
    ) -> Result<(), Code> {
        if signatures.is_empty() {
            return if demanded { Err(Code::SignatureMissing) } else { Ok(()) };
        }
        let message = text.text();
        for signature in signatures {
            if signature.principal != *text.approver {
                return Err(Code::Signer);
            }
            let person = self.people.get(&signature.principal).ok_or(Code::SignerUnknown)?;
            verify(person, statement::APPROVAL, &message, signature)?;
        }
        self.use_up(statement::APPROVAL, &message)
    }

    /// Checks the signatures of every receipt that is not an answer.
    pub(super) fn check_statement(&mut self, content: &Content<'_>) -> Result<(), Code> {
        if content.signatures.is_empty() {
            return if needs_signature(content) { Err(Code::SignatureMissing) } else { Ok(()) };
        }
        if let Some(spec_hash) = content.spec_hash.filter(|_| !needs_signature(content)) {
            let message = statement::spec(&spec_hash);
            return content.signatures.iter().try_for_each(|signature| {
                let person = self.people.get(&signature.principal).ok_or(Code::SignerUnknown)?;
                verify(person, statement::SPEC, &message, signature)
            });
        }
        let message = statement::admin(content.log_origin, content.statement.as_deref().unwrap_or_default());
        // Whoever holds a grant may hand it on, and its giver may take it back: administrators or not. So may the
        // holder of a token; who issues one is looked at where the receipt is.
        let giver = match &content.meaning {
            Meaning::Granted(Given { principal, .. })
            | Meaning::GrantRevoked(principal)
            | Meaning::TokenIssued(principal)
            | Meaning::TokenRevoked(principal)
            | Meaning::ToolPinned { principal, .. }
            | Meaning::Reviewed(principal) => Some(*principal),
            // Whoever goes past the gates answers for it.
            Meaning::GlassBroken { action, .. } => Some(action.principal),
            _ => None,
        };
        for signature in &content.signatures {
            if giver.is_some_and(|giver| giver != signature.principal) {
                return Err(Code::Signer);
            }
            let person = self.people.get(&signature.principal).ok_or(Code::SignerUnknown)?;
            if giver.is_none() && !person.admin {
                return Err(Code::NotAdmin);
            }
            verify(person, statement::ADMIN, &message, signature)?;
        }
        self.use_up(statement::ADMIN, &message)
    }

    fn register(
        &mut self,
        principal: PrincipalId,
        spelling: &str,
        groups: &[String],
        admin: bool,
    ) -> Result<(), Code> {
        let ssh_key = SshKey::accept(spelling).map_err(|_| Code::SshKey)?;
        // One key under two names would make one person count as two.
        if self.by_key.get(spelling).is_some_and(|other| *other != principal) {
            return Err(Code::SshKey);
        }
        self.remove(principal);
        self.by_key.insert(spelling.to_owned(), principal);
        let (spelling, groups) = (spelling.to_owned(), groups.iter().cloned().collect());
        self.people.insert(principal, Person { ssh_key, spelling, groups, admin });
        Ok(())
    }

    fn remove(&mut self, principal: PrincipalId) {
        if let Some(gone) = self.people.remove(&principal) {
            self.by_key.remove(&gone.spelling);
        }
    }

    fn use_up(&mut self, namespace: &str, message: &str) -> Result<(), Code> {
        let digest = Digest::of(alloc::format!("{namespace}\n{message}").as_bytes());
        if self.used.insert(digest) { Ok(()) } else { Err(Code::StatementReused) }
    }
}

fn verify(person: &Person, namespace: &str, message: &str, signature: &Signature) -> Result<(), Code> {
    person.ssh_key.verify(namespace, message.as_bytes(), &signature.sshsig).map_err(|_| Code::Sshsig)
}

/// Whether the format itself demands an administrator's or giver's signature.
fn needs_signature(content: &Content<'_>) -> bool {
    match &content.meaning {
        Meaning::PrincipalAdded { .. }
        | Meaning::Granted(_)
        | Meaning::GrantRevoked(_)
        | Meaning::TokenIssued(_)
        | Meaning::ToolPinned { supersedes: true, .. }
        | Meaning::Resumed
        | Meaning::TenantChanged { .. }
        | Meaning::GlassBroken { .. }
        | Meaning::Reviewed(_)
        | Meaning::SecretChanged => true,
        Meaning::KeyAdded { key, retires: None, .. } => key.purpose == Purpose::Receipt,
        _ => false,
    }
}

/// Whether `kind` is a person's answer, whose signatures cover the approval statement.
pub(super) const fn is_answer(kind: Option<Kind>) -> bool {
    matches!(kind, Some(Kind::Approval | Kind::Denial))
}
