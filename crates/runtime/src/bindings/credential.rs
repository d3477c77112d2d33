//! What a binding is about: somebody whom an issuer vouches for, or a certificate.

use cascade_receipt::digest::Digest;
use cascade_receipt::json::{self, Value};

use super::address::{AddressFault, Issuer};
use super::keys::{JwksFault, Keys};

/// Longest audience, subject or name of a certificate, in bytes.
pub const WORD_BYTES_MAX: usize = 512;
/// Longest name of a claim, in bytes.
pub const CLAIM_BYTES_MAX: usize = 128;
/// The claim that names whom a token is about, unless another one is asked for.
pub const CLAIM_DEFAULT: &str = "sub";
/// Type of what the vault keeps of a binding.
const TYPE: &str = "cascade/binding/v1";

/// Why something cannot be bound.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CredentialFault {
    /// The issuer's address is none that is asked.
    #[error("`{url}` is no address of an issuer: {fault}")]
    Issuer {
        /// What was given.
        url: String,
        /// What is wrong with it.
        fault: AddressFault,
    },
    /// A word is empty, too long, or has characters that do not show.
    #[error("the {0} has 1 to {WORD_BYTES_MAX} bytes, none of them a control character")]
    Word(&'static str),
    /// No claim can have this name.
    #[error("the name of a claim has 1 to {CLAIM_BYTES_MAX} visible characters of ASCII")]
    Claim,
    /// A claim that says something else than whom a token is about.
    #[error("`{0}` says nothing of whom a token is about")]
    OtherClaim(String),
    /// The keys of the issuer cannot be used.
    #[error("the issuer's keys cannot be used: {0}")]
    Jwks(#[from] JwksFault),
    /// It names no certificate.
    #[error("`{0}` names no certificate: give spki:HEX, uri:…, dns:… or email:…")]
    Certificate(String),
}

/// A credential that others issue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Credential {
    /// A JWT of an issuer about a subject.
    Jwt(JwtIdentity),
    /// A certificate of one of the authorities that the service trusts.
    Certificate(CertificateName),
}

/// Whom an issuer vouches for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JwtIdentity {
    /// Who issues: `iss`, to the byte.
    pub issuer: Issuer,
    /// Whom the token must be for: one of `aud`.
    pub audience: String,
    /// The claim that says whom it is about.
    pub claim: String,
    /// What that claim must say, to the byte.
    pub subject: String,
    /// The issuer's keys as JWKS, where it is not asked for them.
    pub jwks: Option<String>,
}

/// What a certificate is known by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CertificateName {
    /// SHA-256 of its public key, as `SubjectPublicKeyInfo` in DER.
    Spki(Digest),
    /// A URI that it is for.
    Uri(String),
    /// A host that it is for, in small letters.
    Dns(String),
    /// A mailbox that it is for.
    Email(String),
}

impl JwtIdentity {
    /// What can be said to be wrong without asking anybody.
    ///
    /// # Errors
    /// [`CredentialFault`].
    pub fn check(&self) -> Result<(), CredentialFault> {
        word("audience", &self.audience)?;
        word("subject", &self.subject)?;
        let visible = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if self.claim.is_empty() || self.claim.len() > CLAIM_BYTES_MAX || !self.claim.bytes().all(visible) {
            return Err(CredentialFault::Claim);
        }
        if ["iss", "aud", "exp", "nbf", "iat", "jti", "cnf", "scope", "nonce"].contains(&self.claim.as_str())
        {
            return Err(CredentialFault::OtherClaim(self.claim.clone()));
        }
        self.jwks.as_deref().map_or(Ok(()), |jwks| Ok(Keys::parse(jwks.as_bytes()).map(|_| ())?))
    }

    /// Whether both are about the same.
    fn overlaps(&self, other: &Self) -> bool {
        (&self.issuer, &self.audience, &self.claim, &self.subject)
            == (&other.issuer, &other.audience, &other.claim, &other.subject)
    }
}

impl CertificateName {
    /// Reads `spki:HEX`, `uri:…`, `dns:…` or `email:…`.
    ///
    /// # Errors
    /// [`CredentialFault`].
    pub fn parse(text: &str) -> Result<Self, CredentialFault> {
        let none = || CredentialFault::Certificate(text.to_owned());
        let (kind, name) = text.split_once(':').ok_or_else(none)?;
        word("name of a certificate", name)?;
        if !name.is_ascii() {
            return Err(none());
        }
        match kind {
            "spki" => Digest::from_hex(name).map(Self::Spki).ok_or_else(none),
            "uri" if name.contains(':') => Ok(Self::Uri(name.to_owned())),
            // One certificate for many hosts says of nobody who it is.
            "dns" if !name.contains(['*', '/', ':']) => Ok(Self::Dns(name.to_ascii_lowercase())),
            "email" if name.contains('@') => Ok(Self::Email(name.to_owned())),
            _ => Err(none()),
        }
    }
}

impl std::fmt::Display for CertificateName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Spki(hash) => write!(f, "spki:{hash}"),
            Self::Uri(name) => write!(f, "uri:{name}"),
            Self::Dns(name) => write!(f, "dns:{name}"),
            Self::Email(name) => write!(f, "email:{name}"),
        }
    }
}

impl Credential {
    /// The word for the kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Jwt(_) => "jwt",
            Self::Certificate(_) => "certificate",
        }
    }

    /// Whether whoever shows the one may show the other as well.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Jwt(one), Self::Jwt(other)) => one.overlaps(other),
            (Self::Certificate(one), Self::Certificate(other)) => one == other,
            _ => false,
        }
    }

    /// What the vault keeps, and the receipt commits to.
    #[must_use]
    pub fn to_text(&self) -> String {
        let value = match self {
            Self::Jwt(identity) => {
                let mut value = Value::object([
                    ("_type", TYPE.into()),
                    ("audience", identity.audience.as_str().into()),
                    ("claim", identity.claim.as_str().into()),
                    ("issuer", identity.issuer.as_str().into()),
                    ("kind", self.kind().into()),
                    ("subject", identity.subject.as_str().into()),
                ]);
                if let (Value::Object(members), Some(jwks)) = (&mut value, &identity.jwks) {
                    members.insert("jwks".to_owned(), jwks.as_str().into());
                }
                value
            }
            Self::Certificate(name) => Value::object([
                ("_type", TYPE.into()),
                ("kind", self.kind().into()),
                ("name", name.to_string().into()),
            ]),
        };
        value.to_canonical()
    }

    /// Reads what the vault keeps; `None` for what is no binding of this version.
    pub(super) fn of_text(text: &[u8]) -> Option<Self> {
        let value = json::parse(text).ok()?;
        let word = |key: &str| value.member(key).and_then(Value::as_str);
        if word("_type")? != TYPE {
            return None;
        }
        match word("kind")? {
            "jwt" => Some(Self::Jwt(JwtIdentity {
                issuer: Issuer::parse(word("issuer")?).ok()?,
                audience: word("audience")?.to_owned(),
                claim: word("claim")?.to_owned(),
                subject: word("subject")?.to_owned(),
                jwks: word("jwks").map(str::to_owned),
            })),
            "certificate" => CertificateName::parse(word("name")?).ok().map(Self::Certificate),
            _ => None,
        }
    }
}

fn word(what: &'static str, text: &str) -> Result<(), CredentialFault> {
    let fits = !text.is_empty() && text.len() <= WORD_BYTES_MAX && !text.contains(char::is_control);
    if fits { Ok(()) } else { Err(CredentialFault::Word(what)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(audience: &str, claim: &str) -> JwtIdentity {
        JwtIdentity {
            issuer: Issuer::parse("https://login.example.org/a").unwrap(),
            audience: audience.to_owned(),
            claim: claim.to_owned(),
            subject: "ada".to_owned(),
            jwks: None,
        }
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let names =
            ["spki:5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456", "uri:spiffe://a/b"];
        let names = names.map(|name| Credential::Certificate(CertificateName::parse(name).unwrap()));
        for credential in names.into_iter().chain([Credential::Jwt(jwt("api", "sub"))]) {
            assert_eq!(Credential::of_text(credential.to_text().as_bytes()), Some(credential));
        }
    }

    #[test]
    fn words_have_limits() {
        assert_eq!(jwt(&"a".repeat(WORD_BYTES_MAX), "sub").check(), Ok(()));
        let long = jwt(&"a".repeat(WORD_BYTES_MAX + 1), "sub").check();
        assert_eq!(long, Err(CredentialFault::Word("audience")));
        assert_eq!(jwt("api", &"c".repeat(CLAIM_BYTES_MAX)).check(), Ok(()));
        for claim in ["", "a b", &"c".repeat(CLAIM_BYTES_MAX + 1)] {
            assert_eq!(jwt("api", claim).check(), Err(CredentialFault::Claim));
        }
        assert_eq!(jwt("api", "aud").check(), Err(CredentialFault::OtherClaim("aud".to_owned())));
    }

    #[test]
    fn names_of_certificates_are_whole_and_known() {
        for name in
            ["spki:00", "uri:nothing", "dns:*.example.org", "dns:", "email:ada", "cn:ada", "ada", "uri:é:"]
        {
            assert!(CertificateName::parse(name).is_err(), "{name}");
        }
        assert_eq!(CertificateName::parse("dns:A.example"), Ok(CertificateName::Dns("a.example".to_owned())));
    }
}
