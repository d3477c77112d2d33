//! The keys of an issuer, as a JWK Set (RFC 7517) says them.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

/// Most bytes of a set.
pub const JWKS_BYTES_MAX: usize = 256 * 1024;
/// Most keys of a set.
pub const KEYS_MAX: usize = 64;
/// What tokens may be signed with. Whoever knows a public key could make the tokens that are tagged with a shared
/// secret, so there are none of those.
pub(super) const ALGORITHMS: [(Algorithm, &str); 5] = [
    (Algorithm::RS256, "RS256"),
    (Algorithm::PS256, "PS256"),
    (Algorithm::ES256, "ES256"),
    (Algorithm::ES384, "ES384"),
    (Algorithm::EdDSA, "EdDSA"),
];

/// Why a set of keys is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JwksFault {
    /// It is too long.
    #[error("they are more than {JWKS_BYTES_MAX} bytes")]
    Length,
    /// It is no JWK Set.
    #[error("they are no JWK Set")]
    Malformed,
    /// There are too many.
    #[error("there are more than {KEYS_MAX}")]
    TooMany,
    /// None can be used.
    #[error("none is a public key for signatures of RS256, PS256, ES256, ES384 or EdDSA")]
    None,
    /// It gives a secret away.
    #[error("a private key is among them")]
    Private,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

/// The keys of an issuer that can be used.
#[derive(Debug)]
pub(super) struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    kid: Option<String>,
    fits: Vec<Algorithm>,
    key: DecodingKey,
}

impl Keys {
    /// Reads a set. Keys for other things are passed over.
    ///
    /// # Errors
    /// [`JwksFault`].
    pub(super) fn parse(text: &[u8]) -> Result<Self, JwksFault> {
        if text.len() > JWKS_BYTES_MAX {
            return Err(JwksFault::Length);
        }
        let set: Set = serde_json::from_slice(text).map_err(|_| JwksFault::Malformed)?;
        if set.keys.len() > KEYS_MAX {
            return Err(JwksFault::TooMany);
        }
        if set.keys.iter().any(|key| key.get("d").is_some() || key.get("k").is_some()) {
            return Err(JwksFault::Private);
        }
        let keys: Vec<Key> = set.keys.into_iter().filter_map(Key::of).collect();
        if keys.is_empty() { Err(JwksFault::None) } else { Ok(Self(keys)) }
    }

    /// Those that a token with this header may be signed with: the ones it names, or the only one where it names none.
    pub(super) fn of<'a>(
        &'a self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &'a DecodingKey> {
        let fit = |key: &&Key| key.fits.contains(&algorithm);
        let named = |key: &&Key| kid.is_none() || key.kid.as_deref() == kid;
        let found: Vec<&Key> = self.0.iter().filter(fit).filter(named).collect();
        let certain = kid.is_some() || found.len() == 1;
        found.into_iter().filter(move |_| certain).map(|key| &key.key)
    }
}

impl Key {
    fn of(value: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        if jwk.common.public_key_use.as_ref().is_some_and(|what| *what != PublicKeyUse::Signature) {
            return None;
        }
        let operations = jwk.common.key_operations.as_ref();
        if operations.is_some_and(|all| !all.contains(&KeyOperations::Verify)) {
            return None;
        }
        let possible: &[(Algorithm, KeyAlgorithm)] = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => {
                &[(Algorithm::RS256, KeyAlgorithm::RS256), (Algorithm::PS256, KeyAlgorithm::PS256)]
            }
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => &[(Algorithm::ES256, KeyAlgorithm::ES256)],
                EllipticCurve::P384 => &[(Algorithm::ES384, KeyAlgorithm::ES384)],
                _ => &[],
            },
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                &[(Algorithm::EdDSA, KeyAlgorithm::EdDSA)]
            }
            _ => &[],
        };
        // A key that says what it is for is for nothing else.
        let for_it = |said: &KeyAlgorithm| jwk.common.key_algorithm.as_ref().is_none_or(|own| own == said);
        let fits: Vec<Algorithm> =
            possible.iter().filter(|(_, said)| for_it(said)).map(|(algorithm, _)| *algorithm).collect();
        let key = DecodingKey::from_jwk(&jwk).ok().filter(|_| !fits.is_empty())?;
        Some(Self { kid: jwk.common.key_id.clone(), fits, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EC: &str = r#"{"kty":"EC","crv":"P-256","kid":"a","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

    fn set(keys: &[&str]) -> String {
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }

    #[test]
    fn a_set_has_a_size_and_a_number_of_keys() {
        let of = |count: usize| set(&vec![EC; count]);
        assert!(Keys::parse(of(KEYS_MAX).as_bytes()).is_ok());
        assert_eq!(Keys::parse(of(KEYS_MAX + 1).as_bytes()).err(), Some(JwksFault::TooMany));
        let long = |bytes: usize| set(&[EC]) + &" ".repeat(bytes - set(&[EC]).len());
        assert!(Keys::parse(long(JWKS_BYTES_MAX).as_bytes()).is_ok());
        assert_eq!(Keys::parse(long(JWKS_BYTES_MAX + 1).as_bytes()).err(), Some(JwksFault::Length));
    }

    #[test]
    fn keys_for_other_things_and_secrets_are_not_used() {
        let with = |member: &str| EC.replace(r#""kid""#, &format!(r#"{member},"kid""#));
        for other in [
            with(r#""use":"enc""#),
            with(r#""key_ops":["encrypt"]"#),
            with(r#""alg":"ES384""#),
            r#"{"kty":"new"}"#.to_owned(),
            "7".to_owned(),
        ] {
            assert_eq!(Keys::parse(set(&[&other]).as_bytes()).err(), Some(JwksFault::None), "{other}");
        }
        for secret in [with(r#""d":"AA""#), r#"{"kty":"oct","k":"AA"}"#.to_owned()] {
            assert_eq!(Keys::parse(set(&[EC, &secret]).as_bytes()).err(), Some(JwksFault::Private));
        }
        for text in ["", "[]", "{}", r#"{"keys":{}}"#] {
            assert_eq!(Keys::parse(text.as_bytes()).err(), Some(JwksFault::Malformed), "{text}");
        }
    }

    #[test]
    fn a_token_that_names_no_key_is_signed_with_the_only_one_or_with_none() {
        let one = Keys::parse(set(&[EC]).as_bytes()).unwrap();
        let of = |keys: &Keys, kid, algorithm| keys.of(kid, algorithm).count();
        assert_eq!(of(&one, None, Algorithm::ES256), 1);
        assert_eq!(of(&one, Some("a"), Algorithm::ES256), 1);
        for (kid, algorithm) in
            [(Some("b"), Algorithm::ES256), (Some("../a"), Algorithm::ES256), (Some("a"), Algorithm::ES384)]
        {
            assert_eq!(of(&one, kid, algorithm), 0, "{kid:?}");
        }
        let two = Keys::parse(set(&[EC, &EC.replace(r#""a""#, r#""b""#)]).as_bytes()).unwrap();
        assert_eq!((of(&two, None, Algorithm::ES256), of(&two, Some("b"), Algorithm::ES256)), (0, 1));
    }
}
