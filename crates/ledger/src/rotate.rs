//! New keys in a chain, and keys taken back (format section 2.1).
//!
//! The order of each is the same: the new private half is made and durable, then the receipt is committed, and in
//! its transaction the home takes the key up. Dies before the commit: a key file lies there that the chain does
//! not know, and nothing else happened. Dies after: the next opening finds the key by its id.

use std::path::Path;
use std::sync::Arc;

use cascade_receipt::content::{Body, KeyAdded, KeyObject, KeyRevoked, RevocationStatement};
use cascade_receipt::ed25519::PublicKey;
use cascade_receipt::id::KeyId;
use cascade_receipt::reader::Purpose;
use cascade_receipt::time::Timestamp;

use crate::draft::Draft;
use crate::fault::{Fault, OpenError};
use crate::files;
use crate::key_views::{self, KeyState};
use crate::keys::{Key, Passphrase};
use crate::ledger::Ledger;
use crate::random;
use crate::signer::Signer;
use crate::token::TokenPlace;

/// Where the private half of a new key is to be.
#[derive(Clone, Copy, Debug)]
pub enum NewKeyPlace<'a> {
    /// A file among the tenant's keys, encrypted if they are.
    Home,
    /// A token; the passphrase is its user PIN.
    Token(&'a TokenPlace, &'a Passphrase),
    /// A plain file outside, for a recovery key that is to leave this machine.
    Outside(&'a Path),
}

/// A key that was made and is not in the chain yet.
#[derive(Debug)]
pub struct NewKey {
    key: Key,
    object: KeyObject,
    passphrase: Option<Passphrase>,
}

/// The recovery key, as long as it is here.
#[derive(Debug)]
pub struct RecoveryKey(Key);

impl RecoveryKey {
    /// Reads `recovery.pem`.
    ///
    /// # Errors
    /// See [`OpenError`]; [`OpenError::KeyMismatch`] when it is not an active recovery key of the chain.
    pub fn load(ledger: &Ledger, path: &Path, passphrase: Option<&Passphrase>) -> Result<Self, OpenError> {
        let mut last = OpenError::KeyMismatch(path.to_owned());
        let active =
            |key: &crate::ChainKey| key.purpose == Purpose::Recovery && key.state == KeyState::Active;
        for known in ledger.keys()?.into_iter().filter(active) {
            match Key::load(path, &known.key_id, passphrase) {
                Ok((key, _)) => return Ok(Self(key)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl NewKey {
    /// The key as the chain will know it.
    #[must_use]
    pub const fn object(&self) -> &KeyObject {
        &self.object
    }
}

impl Ledger {
    /// Makes a key and keeps its private half.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn make_key(&self, purpose: Purpose, place: NewKeyPlace<'_>) -> Result<NewKey, OpenError> {
        let name = purpose.as_str();
        let key = match place {
            NewKeyPlace::Home => {
                let key = Key::generate(name)?;
                key.keep(self.dir(), self.passphrase())?;
                key
            }
            NewKeyPlace::Token(token, pin) => {
                let key = Key::generate_on(token, name, pin)?;
                key.keep(self.dir(), None)?;
                key
            }
            NewKeyPlace::Outside(path) => {
                let key = Key::generate(name)?;
                key.write_new(path, None)?;
                path.parent().map_or(Ok(()), files::sync_dir)?;
                key
            }
        };
        let proof = KeyObject::proof_digest(self.log_origin(), purpose, &key.id, &key.public);
        let pop = key.sign(&proof.0).filter(|pop| verifies(&key.public, &proof.0, pop));
        let object = KeyObject {
            log_origin: self.log_origin().clone(),
            purpose,
            key_id: key.id.clone(),
            public_key: key.public,
            pop: pop.ok_or(Fault::Random)?,
        };
        let passphrase = match place {
            NewKeyPlace::Token(_, pin) => Some(pin.clone()),
            NewKeyPlace::Home | NewKeyPlace::Outside(_) => self.passphrase().cloned(),
        };
        Ok(NewKey { key, object, passphrase })
    }

    /// The receipt that brings a new key. One that retires another is taken up by the home.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn key_draft(&self, new: NewKey, added: KeyAdded) -> Result<Draft, Fault> {
        let successor = if added.retires.is_some() { Some(self.taken_up(new)?) } else { None };
        let mut draft = Draft::new(random::receipt_id()?, Body::KeyAdded(added));
        draft.successor = successor.map(Arc::new);
        Ok(draft)
    }

    /// The receipt that takes a key back. Where the home signs with that key, or with one that falls with it, the
    /// replacement signs the receipt and is taken up.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn revocation_draft(
        &self,
        statement: RevocationStatement,
        replacement: Option<NewKey>,
        recovery: &RecoveryKey,
    ) -> Result<Draft, Fault> {
        let recovery_sig = recovery.sign(&statement.digest().0)?;
        let fallen = self.falling(&statement.key_id, statement.compromised_since)?;
        let home = self.signing_key_id()?;
        let successor = match replacement {
            Some(new)
                if new.object.purpose == Purpose::Receipt && fallen.iter().any(|id| *id == home.as_str()) =>
            {
                Some(self.taken_up(new)?)
            }
            _ => None,
        };
        let body = Body::KeyRevoked(KeyRevoked { statement, recovery_sig });
        let mut draft = Draft::new(random::receipt_id()?, body);
        draft.successor = successor.map(Arc::new);
        Ok(draft)
    }

    fn taken_up(&self, new: NewKey) -> Result<Signer, Fault> {
        self.hand_on_sealing_key(&new.key, new.passphrase.as_ref())?;
        Ok(Signer::of_home(self.log_origin().clone(), new.key, new.passphrase.as_ref()))
    }

    /// The keys that fall with a key that is taken back, itself included.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn falling(&self, key_id: &KeyId, since: Timestamp) -> Result<Vec<String>, Fault> {
        self.ask(|conn| key_views::falling(conn, key_id.as_str(), since))
    }
}

impl RecoveryKey {
    /// Its signature over 32 bytes.
    ///
    /// # Errors
    /// [`Fault::Random`] when the library cannot sign.
    pub fn sign(&self, digest: &[u8; 32]) -> Result<[u8; 64], Fault> {
        self.0
            .sign(digest)
            .filter(|signature| verifies(&self.0.public, digest, signature))
            .ok_or(Fault::Random)
    }
}

/// What a token answers is looked at before anything is recorded.
fn verifies(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    PublicKey::accept(public).is_some_and(|key| key.verifies_bytes(message, signature))
}
