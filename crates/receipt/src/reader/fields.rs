//! Members of one object by name, and the spellings of single values.

use crate::digest::{self, Digest};
use crate::id::{PrincipalId, ReceiptId, TokenId};
use crate::reader::ContentFault;
use crate::time::Timestamp;
use crate::tree::View;

pub(super) const fn missing(member: &'static str) -> ContentFault {
    ContentFault::Member(member)
}

/// An object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'t, 'a>(View<'t, 'a>);

impl<'t, 'a> Fields<'t, 'a> {
    /// `name` is said when the value is no object.
    pub(super) fn of(view: View<'t, 'a>, name: &'static str) -> Result<Self, ContentFault> {
        if view.members().is_some() { Ok(Self(view)) } else { Err(missing(name)) }
    }

    pub(super) const fn view(&self) -> View<'t, 'a> {
        self.0
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.member(key).is_some()
    }

    /// A member that must be there.
    pub(super) fn req<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(View<'t, 'a>) -> Option<T>,
    ) -> Result<T, ContentFault> {
        self.0.member(key).and_then(read).ok_or_else(|| missing(key))
    }

    /// A member that may be absent; if it is there, it must be right.
    pub(super) fn opt<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(View<'t, 'a>) -> Option<T>,
    ) -> Result<Option<T>, ContentFault> {
        self.0.member(key).map(|view| read(view).ok_or_else(|| missing(key))).transpose()
    }

    /// A required string without escapes.
    pub(super) fn plain(&self, key: &'static str) -> Result<&'a str, ContentFault> {
        self.req(key, View::plain)
    }

    /// A required object.
    pub(super) fn object(&self, key: &'static str) -> Result<Self, ContentFault> {
        Self::of(self.req(key, Some)?, key)
    }
}

pub(super) fn digest(view: View<'_, '_>) -> Option<Digest> {
    Digest::from_hex(view.plain()?)
}

pub(super) fn receipt_id(view: View<'_, '_>) -> Option<ReceiptId> {
    ReceiptId::parse(view.plain()?)
}

pub(super) fn principal(view: View<'_, '_>) -> Option<PrincipalId> {
    PrincipalId::parse(view.plain()?)
}

pub(super) fn token_id(view: View<'_, '_>) -> Option<TokenId> {
    TokenId::parse(view.plain()?)
}

pub(super) fn timestamp(view: View<'_, '_>) -> Option<Timestamp> {
    Timestamp::parse(view.plain()?)
}

pub(super) fn signature(view: View<'_, '_>) -> Option<[u8; 64]> {
    crate::base64::decode_array(view.plain()?)
}

pub(super) fn statement_id(view: View<'_, '_>) -> Option<[u8; 8]> {
    digest::from_hex(view.plain()?)
}

/// `e` and a number without leading zeros.
pub(super) fn epoch(view: View<'_, '_>) -> Option<u64> {
    let digits = view.plain()?.strip_prefix('e')?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if plain && digits.len() <= 15 { digits.parse().ok() } else { None }
}
