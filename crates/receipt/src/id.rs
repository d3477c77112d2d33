//! Names of things in a chain, each with one spelling.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::fmt;

use crate::digest::{self, Digest};
use crate::json::Spelled;

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 8]);

        impl $name {
            /// Reads the prefix and 16 lowercase hex digits.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                text.strip_prefix($prefix).and_then(digest::from_hex).map(Self)
            }
        }

        impl Spelled for $name {
            fn spell(&self, out: &mut String) {
                out.push_str($prefix);
                digest::push_hex(out, &self.0);
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = String::new();
                self.spell(&mut text);
                f.write_str(&text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

prefixed_id! {
    /// `r_` and 16 hex digits, random, unique in its log.
    ReceiptId, "r_"
}
prefixed_id! {
    /// `p_` and 16 hex digits, random per chain. Names live in the vault.
    PrincipalId, "p_"
}
prefixed_id! {
    /// `t_` and 16 hex digits, random per chain: names a token and gives nothing of it away.
    TokenId, "t_"
}

/// `<name>+<first 8 hex of SHA-256 of the raw public key>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyId(String);

impl KeyId {
    /// The id that `name` and the raw public key give.
    #[must_use]
    pub fn of(name: &str, public_key: &[u8; 32]) -> Self {
        let hash = Digest::of(public_key);
        let (head, _) = hash.0.split_at(4);
        let mut text = name.to_owned();
        text.push('+');
        digest::push_hex(&mut text, head);
        Self(text)
    }

    /// Reads an id and checks that it belongs to `public_key`.
    #[must_use]
    pub fn parse_for(text: &str, public_key: &[u8; 32]) -> Option<Self> {
        let (name, _) = text.rsplit_once('+')?;
        let valid = !name.is_empty() && name.bytes().all(is_name_byte);
        (valid && Self::of(name, public_key).0 == text).then(|| Self(text.to_owned()))
    }

    /// Reads an id by its shape alone; whether it belongs to a key is another question.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, hash) = text.rsplit_once('+')?;
        let valid =
            !name.is_empty() && name.bytes().all(is_name_byte) && digest::from_hex::<4>(hash).is_some();
        valid.then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The chain's name: `<host or org>/t/<32 hex random>`, never the tenant's name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LogOrigin(String);

impl LogOrigin {
    /// Longest text, in bytes.
    pub const BYTES_MAX: usize = 255;

    /// The origin of a new chain of `host`. Bytes of `host` outside `[A-Za-z0-9.-]` become `-`.
    #[must_use]
    pub fn of(host: &str, random: &[u8; 16]) -> Self {
        let mut text: String = host
            .chars()
            .map(|c| if c.is_ascii() && is_host_byte(c as u8) { c } else { '-' })
            .take(200)
            .collect();
        if text.is_empty() {
            text.push_str("host");
        }
        text.push_str("/t/");
        digest::push_hex(&mut text, random);
        Self(text)
    }

    /// Reads `<host or org>/t/<32 hex>`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, random) = text.split_once("/t/")?;
        let valid = text.len() <= Self::BYTES_MAX
            && !host.is_empty()
            && host.bytes().all(is_host_byte)
            && digest::from_hex::<16>(random).is_some();
        valid.then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_spelling() {
        assert!(ReceiptId::parse("r_0123456789abcdef").is_some());
        for bad in ["r_0123456789ABCDEF", "p_0123456789abcdef", "r_0123", "0123456789abcdef"] {
            assert!(ReceiptId::parse(bad).is_none(), "{bad}");
        }
        let key = [7; 32];
        let id = KeyId::of("receipt", &key);
        assert!(KeyId::parse_for(id.as_str(), &key).is_some());
        assert!(KeyId::parse_for(id.as_str(), &[8; 32]).is_none());
        assert!(KeyId::parse_for("re ceipt+00000000", &key).is_none());
    }

    #[test]
    fn origins() {
        let origin = LogOrigin::of("bücher host", &[1; 16]);
        assert!(origin.as_str().starts_with("b-cher-host/t/0101"));
        assert_eq!(LogOrigin::parse(origin.as_str()), Some(origin));
        assert!(LogOrigin::parse("/t/01010101010101010101010101010101").is_none());
        assert!(LogOrigin::parse("a/b/t/01010101010101010101010101010101").is_none());
    }
}
