//! Kinds that change the keys of a chain (format section 2.1).

use alloc::string::String;
use alloc::vec::Vec;

use super::{Signature, add_signatures};
use crate::base64;
use crate::digest::Digest;
use crate::id::{KeyId, LogOrigin, PrincipalId};
use crate::json::Writer;
use crate::member::Members;
use crate::reader::Purpose;
use crate::statement;
use crate::time::Timestamp;

/// The object `key` (`cascade/key/v1`): a new key that proves its own possession.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyObject {
    /// The chain it is for.
    pub log_origin: LogOrigin,
    /// What for.
    pub purpose: Purpose,
    /// Its id.
    pub key_id: KeyId,
    /// 32 raw bytes.
    pub public_key: [u8; 32],
    /// Its signature over [`KeyObject::proof_digest`].
    pub pop: [u8; 64],
}

/// `key_added`, or `key_rotated` if it retires one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyAdded {
    /// The new key.
    pub key: KeyObject,
    /// The receipt key that the new one replaces: the one that signs this very receipt.
    pub retires: Option<KeyId>,
    /// Who added it.
    pub principal: PrincipalId,
    /// The recovery key's signature over [`KeyObject::digest`], for log and recovery keys.
    pub recovery_sig: Option<[u8; 64]>,
    /// An administrator's signature.
    pub signatures: Vec<Signature>,
}

/// What the recovery key signs to take a key back (`cascade/revocation/v1`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RevocationStatement {
    /// The chain it is for.
    pub log_origin: LogOrigin,
    /// The key that is taken back.
    pub key_id: KeyId,
    /// Why, as a word: `compromised`, `lost`, `retired`.
    pub reason_code: String,
    /// Since when somebody else may have used it.
    pub compromised_since: Timestamp,
    /// The key in its place.
    pub replacement: Option<KeyObject>,
}

/// `key_revoked`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRevoked {
    /// What is signed.
    pub statement: RevocationStatement,
    /// The recovery key's signature over [`RevocationStatement::digest`].
    pub recovery_sig: [u8; 64],
}

impl KeyObject {
    /// What a new key signs to prove that its owner holds it.
    #[must_use]
    pub fn proof_digest(
        log_origin: &LogOrigin,
        purpose: Purpose,
        key_id: &KeyId,
        public_key: &[u8; 32],
    ) -> Digest {
        statement::key_proof(log_origin, purpose.as_str(), key_id, public_key)
    }

    /// What the recovery key signs: SHA-256 of the whole object.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut text = String::new();
        self.write(&mut Writer::new(&mut text));
        Digest::of(text.as_bytes())
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.object(|out| {
            out.key("_type").str("cascade/key/v1");
            out.key("key_id").str(self.key_id.as_str());
            out.key("log_origin").str(self.log_origin.as_str());
            out.key("pop").str(&base64::encode(&self.pop));
            out.key("public_key").str(&base64::encode(&self.public_key));
            out.key("purpose").str(self.purpose.as_str());
        });
    }
}

impl KeyAdded {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("key", |out| self.key.write(out));
        to.add("principal", |out| out.spelled(&self.principal));
        if let Some(signature) = &self.recovery_sig {
            to.add("recovery_sig", |out| out.str(&base64::encode(signature)));
        }
        if let Some(retired) = &self.retires {
            to.add("retires", |out| out.str(retired.as_str()));
        }
        add_signatures(to, &self.signatures);
    }
}

impl RevocationStatement {
    /// What the recovery key signs: SHA-256 of the statement.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut text = String::new();
        self.write(&mut Writer::new(&mut text));
        Digest::of(text.as_bytes())
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.object(|out| {
            out.key("_type").str("cascade/revocation/v1");
            out.key("compromised_since").spelled(&self.compromised_since);
            out.key("key_id").str(self.key_id.as_str());
            out.key("log_origin").str(self.log_origin.as_str());
            out.key("reason_code").str(&self.reason_code);
            if let Some(key) = &self.replacement {
                key.write(out.key("replacement"));
            }
        });
    }
}

impl KeyRevoked {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("recovery_sig", |out| out.str(&base64::encode(&self.recovery_sig)));
        to.add("statement", |out| self.statement.write(out));
    }
}
