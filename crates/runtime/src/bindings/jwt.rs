//! A JWT (RFC 7519) that somebody shows: read strictly, and believed once its issuer's key and the clock agree.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use cascade_receipt::time::Timestamp;
use jsonwebtoken::Algorithm;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::credential::JwtIdentity;
use super::keys::{ALGORITHMS, Keys};

/// Longest token, in bytes.
pub const JWT_BYTES_MAX: usize = 8 * 1024;
/// How far the issuer's clock may be off, in seconds.
pub const LEEWAY_SECONDS: u64 = 60;
/// How long a token may hold, in seconds: a day.
pub const JWT_LIFETIME_SECONDS_MAX: u64 = 86_400;
/// Longest id of a key, in bytes.
const KID_BYTES_MAX: usize = 512;
/// Most audiences of a token.
const AUDIENCES_MAX: usize = 64;
/// What a token may call itself (RFC 9068); others are for something else, such as logging out.
const TYPES: [&str; 4] = ["jwt", "at+jwt", "application/jwt", "application/at+jwt"];

/// Why a JWT does not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JwtFault {
    /// It is longer than [`JWT_BYTES_MAX`].
    #[error("it is longer than {JWT_BYTES_MAX} bytes")]
    Length,
    /// It is no JWT.
    #[error("it is no JWT")]
    Malformed,
    /// It is signed in a way that proves nothing, or not at all.
    #[error("its algorithm is none of RS256, PS256, ES256, ES384 and EdDSA")]
    Algorithm,
    /// It demands what nobody here understands.
    #[error("it is critical of something that is not understood, bound to a key, or no token for access")]
    Demands,
    /// It is not signed by its issuer.
    #[error("no key of its issuer signed it")]
    Signature,
    /// It is not valid yet, no longer, or for longer than [`JWT_LIFETIME_SECONDS_MAX`].
    #[error("its time has passed, has not come, or is too long")]
    Time,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    #[serde(default)]
    crit: There,
}

/// That a member is there, whatever it holds: `null` is no absence (RFC 7515 section 4.1.11).
#[derive(Default)]
struct There(bool);

impl<'de> Deserialize<'de> for There {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(from).map(|IgnoredAny| Self(true))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: u64,
    nbf: Option<u64>,
    iat: Option<u64>,
    /// Bound to a key that whoever shows it must prove to have (RFC 7800), which nobody is asked for here.
    #[serde(default)]
    cnf: There,
    /// Tells of something that happened, such as somebody logging out (RFC 8417): no token for access.
    #[serde(default)]
    events: There,
    #[serde(flatten)]
    others: serde_json::Map<String, serde_json::Value>,
}

/// A JWT as it was shown. Nothing that it says is proven.
pub struct Jwt {
    text: String,
    kid: Option<String>,
    algorithm: Algorithm,
    claims: Claims,
}

impl std::fmt::Debug for Jwt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Jwt({:?}, ..)", self.claims.iss)
    }
}

impl Jwt {
    /// Reads what somebody shows. What refuses it without asking anybody, refuses it here.
    ///
    /// # Errors
    /// [`JwtFault`].
    pub fn parse(text: &str) -> Result<Self, JwtFault> {
        if text.len() > JWT_BYTES_MAX {
            return Err(JwtFault::Length);
        }
        let mut parts = text.split('.');
        let (Some(head), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwtFault::Malformed);
        };
        let head: Head = part(head)?;
        let known = ALGORITHMS.iter().find(|(_, name)| *name == head.alg);
        let algorithm = known.map(|(algorithm, _)| *algorithm).ok_or(JwtFault::Algorithm)?;
        let typ = head.typ.unwrap_or_else(|| "jwt".to_owned()).to_ascii_lowercase();
        let claims: Claims = part(claims)?;
        if head.crit.0 || claims.cnf.0 || claims.events.0 || !TYPES.contains(&typ.as_str()) {
            return Err(JwtFault::Demands);
        }
        let many = matches!(&claims.aud, Audience::Many(all) if all.len() > AUDIENCES_MAX);
        let long = head.kid.as_ref().is_some_and(|kid| kid.len() > KID_BYTES_MAX);
        if signature.is_empty() || many || long {
            return Err(JwtFault::Malformed);
        }
        Ok(Self { text: text.to_owned(), kid: head.kid, algorithm, claims })
    }

    /// Whether it says to be about this one, whether or not that is true.
    pub(super) fn names(&self, identity: &JwtIdentity) -> bool {
        let for_us = match &self.claims.aud {
            Audience::One(one) => *one == identity.audience,
            Audience::Many(all) => all.contains(&identity.audience),
        };
        let others = &self.claims.others;
        // A mailbox that nobody has looked into says nothing of who somebody is.
        let sure = identity.claim != "email"
            || others.get("email_verified").and_then(serde_json::Value::as_bool) == Some(true);
        let subject = others.get(&identity.claim).and_then(serde_json::Value::as_str);
        self.claims.iss == identity.issuer.as_str() && for_us && sure && subject == Some(&identity.subject)
    }

    /// Whether the issuer has a key that this may be signed with.
    pub(super) fn has_key_in(&self, keys: &Keys) -> bool {
        keys.of(self.kid.as_deref(), self.algorithm).next().is_some()
    }

    /// Until when it holds, if one of these keys signed it and its time has come.
    ///
    /// # Errors
    /// [`JwtFault::Signature`] and [`JwtFault::Time`].
    pub(super) fn verify(&self, keys: &Keys, now: Timestamp) -> Result<Timestamp, JwtFault> {
        let (message, signature) = self.text.rsplit_once('.').ok_or(JwtFault::Malformed)?;
        let signed = keys.of(self.kid.as_deref(), self.algorithm).any(|key| {
            jsonwebtoken::crypto::verify(signature, message.as_bytes(), key, self.algorithm).unwrap_or(false)
        });
        if signed { self.claims.until(now) } else { Err(JwtFault::Signature) }
    }
}

impl Claims {
    /// The moment from which it counts no more, the leeway included.
    fn until(&self, now: Timestamp) -> Result<Timestamp, JwtFault> {
        let now = now.ms() / 1000;
        let soon = now.saturating_add(LEEWAY_SECONDS);
        let ends = self.exp.saturating_add(LEEWAY_SECONDS);
        let began = self.iat.or(self.nbf).unwrap_or(now);
        let early = self.nbf.is_some_and(|nbf| nbf > soon) || self.iat.is_some_and(|iat| iat > soon);
        let long = |from: u64| self.exp.saturating_sub(from) > JWT_LIFETIME_SECONDS_MAX;
        if ends <= now || early || long(began) || long(soon) {
            return Err(JwtFault::Time);
        }
        Ok(Timestamp::from_ms(ends.saturating_mul(1000)))
    }
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, JwtFault> {
    let bytes = Base64UrlUnpadded::decode_vec(text).map_err(|_| JwtFault::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| JwtFault::Malformed)
}

#[cfg(test)]
mod tests;
