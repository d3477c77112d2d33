//! What can be wrong with a token.

use alloc::string::String;

/// The kinds of fault, each with a code that does not change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    /// The bytes are no time stamp token.
    Malformed,
    /// The token is over other bytes.
    Imprint,
    /// It is made with algorithms that are not accepted.
    Algorithm,
    /// Its signature does not verify.
    Signature,
    /// The certificate that it names as the signer's is not the one it carries.
    Signer,
    /// The signer's certificate is not for time stamps alone.
    Usage,
    /// A certificate was not valid at the time that is claimed.
    Validity,
    /// No path leads from the signer to a root that the reader gave.
    Chain,
}

impl Code {
    /// Every code, for documents and tests.
    pub const ALL: [Self; 8] = [
        Self::Malformed,
        Self::Imprint,
        Self::Algorithm,
        Self::Signature,
        Self::Signer,
        Self::Usage,
        Self::Validity,
        Self::Chain,
    ];

    /// The stable word, such as `timestamp.imprint`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "timestamp.malformed",
            Self::Imprint => "timestamp.imprint",
            Self::Algorithm => "timestamp.algorithm",
            Self::Signature => "timestamp.signature",
            Self::Signer => "timestamp.signer",
            Self::Usage => "timestamp.usage",
            Self::Validity => "timestamp.validity",
            Self::Chain => "timestamp.chain",
        }
    }

    /// One line for people.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Malformed => "a token is no time stamp token in DER, or too large",
            Self::Imprint => "a token stamps no checkpoint that the ledger names with it or the reader gave",
            Self::Algorithm => "a token or certificate is made with an algorithm that is not accepted",
            Self::Signature => "a token's signature does not verify",
            Self::Signer => "a token does not carry the certificate that it is bound to",
            Self::Usage => "a token's certificate is not for time stamps alone",
            Self::Validity => "a certificate was not valid at the time that the token claims",
            Self::Chain => "a token's certificate does not lead to a root that the reader gave",
        }
    }
}

/// Why a token does not count.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}: {detail} ({})", .code.meaning(), .code.as_str())]
pub struct TokenFault {
    /// What it is.
    pub code: Code,
    /// More, for people.
    pub detail: String,
}

impl TokenFault {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    pub(crate) fn malformed(detail: &str) -> Self {
        Self::new(Code::Malformed, detail)
    }
}
