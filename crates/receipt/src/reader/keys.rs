//! Keys and what is said about them (format section 2.1).

use alloc::borrow::ToOwned as _;
use alloc::string::String;

use crate::digest::Digest;
use crate::id::LogOrigin;
use crate::reader::fields::{self, Fields, missing};
use crate::reader::{ContentFault, Meaning};
use crate::time::Timestamp;
use crate::tree::View;

/// A key as text and bytes; whether they fit each other is a question for the signature check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RawKey {
    /// `<name>+<8 hex>`.
    pub key_id: String,
    /// 32 raw bytes.
    pub public_key: [u8; 32],
}

/// What a key is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Purpose {
    /// Signs receipts.
    Receipt,
    /// Signs checkpoints.
    Log,
    /// Takes keys back.
    Recovery,
}

impl Purpose {
    /// The word in receipts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::Log => "log",
            Self::Recovery => "recovery",
        }
    }

    /// Most keys of this purpose that are active at once. Whoever checks a signature of "an active recovery key"
    /// tries each of them.
    #[must_use]
    pub const fn active_max(self) -> usize {
        match self {
            Self::Receipt => 256,
            Self::Log | Self::Recovery => 16,
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Receipt, Self::Log, Self::Recovery].into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// The object `key` (`cascade/key/v1`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewKey {
    /// Id and bytes.
    pub key: RawKey,
    /// The chain it is for.
    pub log_origin: String,
    /// What for.
    pub purpose: Purpose,
    /// Its own signature over `pop_digest`.
    pub pop: [u8; 64],
    /// SHA-256 of the object without `pop`.
    pub pop_digest: Digest,
    /// SHA-256 of the whole object, which the recovery key signs.
    pub digest: Digest,
}

/// `key_revoked`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revocation {
    /// The chain it is for.
    pub log_origin: String,
    /// The revoked key.
    pub key_id: String,
    /// Since when somebody else may have used it.
    pub compromised_since: Timestamp,
    /// The key in its place.
    pub replacement: Option<NewKey>,
    /// SHA-256 of the statement, which the recovery key signs.
    pub digest: Digest,
    /// That signature.
    pub recovery_sig: [u8; 64],
}

/// Whether `text` has the form `<name>+<8 hex>`.
pub(super) fn is_key_id(text: &str) -> bool {
    text.rsplit_once('+').is_some_and(|(name, hash)| {
        let name_fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        !name.is_empty() && name_fits && crate::digest::from_hex::<4>(hash).is_some()
    })
}

fn key_id(view: View<'_, '_>) -> Option<String> {
    view.plain().filter(|text| is_key_id(text)).map(str::to_owned)
}

pub(super) fn origin(view: View<'_, '_>) -> Option<String> {
    view.plain().filter(|text| LogOrigin::parse(text).is_some()).map(str::to_owned)
}

fn public_key(view: View<'_, '_>) -> Option<[u8; 32]> {
    crate::base64::decode_array(view.plain()?)
}

pub(super) fn raw_key(fields: &Fields<'_, '_>) -> Result<RawKey, ContentFault> {
    Ok(RawKey { key_id: fields.req("key_id", key_id)?, public_key: fields.req("public_key", public_key)? })
}

fn new_key(fields: &Fields<'_, '_>) -> Result<NewKey, ContentFault> {
    if fields.plain("_type")? != "cascade/key/v1" {
        return Err(missing("_type"));
    }
    let purpose = fields.req("purpose", |view| Purpose::parse(view.plain()?))?;
    let without_pop = fields.view().without(|key| key == "pop").unwrap_or_default();
    Ok(NewKey {
        key: raw_key(fields)?,
        log_origin: fields.req("log_origin", origin)?,
        purpose,
        pop: fields.req("pop", fields::signature)?,
        pop_digest: Digest::of(without_pop.as_bytes()),
        digest: Digest::of(fields.view().raw().as_bytes()),
    })
}

pub(super) fn added(fields: &Fields<'_, '_>, rotation: bool) -> Result<Meaning, ContentFault> {
    Ok(Meaning::KeyAdded {
        key: new_key(&fields.object("key")?)?,
        retires: if rotation { Some(fields.req("retires", key_id)?) } else { None },
        recovery_sig: fields.opt("recovery_sig", fields::signature)?,
    })
}

pub(super) fn revoked(fields: &Fields<'_, '_>) -> Result<Meaning, ContentFault> {
    let statement = fields.object("statement")?;
    if statement.plain("_type")? != "cascade/revocation/v1" {
        return Err(missing("_type"));
    }
    statement.req("reason_code", View::text)?;
    let replacement =
        if statement.has("replacement") { Some(new_key(&statement.object("replacement")?)?) } else { None };
    Ok(Meaning::KeyRevoked(Revocation {
        log_origin: statement.req("log_origin", origin)?,
        key_id: statement.req("key_id", key_id)?,
        compromised_since: statement.req("compromised_since", fields::timestamp)?,
        replacement,
        digest: Digest::of(statement.view().raw().as_bytes()),
        recovery_sig: fields.req("recovery_sig", fields::signature)?,
    }))
}
