//! What somebody shows, and what became of it.

use std::sync::Arc;

use cascade_ledger::Token;
use cascade_policy::facts::Authentication;
use cascade_receipt::time::Timestamp;

use super::certificate::Certificate;
use super::jwt::{Jwt, JwtFault};
use crate::tokens::{PREFIX, TextFault, TokenText};

/// What somebody shows. Nothing is proven yet.
#[derive(Clone)]
pub enum Presented {
    /// A token of ours.
    Token(String),
    /// A JWT of an issuer.
    Jwt(Arc<Jwt>),
    /// The certificate of the connection.
    Certificate(Arc<Certificate>),
}

impl std::fmt::Debug for Presented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token(..)"),
            Self::Jwt(jwt) => jwt.fmt(f),
            Self::Certificate(certificate) => certificate.fmt(f),
        }
    }
}

/// Why a bearer's text is neither a token of ours nor a JWT.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BearerFault {
    /// It begins like a token and is none.
    #[error(transparent)]
    Token(#[from] TextFault),
    /// It does not, and is no JWT either.
    #[error(transparent)]
    Jwt(#[from] JwtFault),
}

impl Presented {
    /// Reads what stands after `Bearer`.
    ///
    /// # Errors
    /// [`BearerFault`].
    pub fn bearer(text: &str) -> Result<Self, BearerFault> {
        if text.starts_with(PREFIX) {
            TokenText::parse(text)?;
            return Ok(Self::Token(text.to_owned()));
        }
        Ok(Self::Jwt(Arc::new(Jwt::parse(text)?)))
    }
}

/// A credential that counted when it was shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// The token, or the binding, which is one without a secret.
    pub token: Token,
    how: Authentication,
    /// The moment from which what was shown counts no more, where it has an end of its own.
    ends: Option<Timestamp>,
}

impl Shown {
    /// A token by its secret.
    #[must_use]
    pub const fn secret(token: Token) -> Self {
        Self { token, how: Authentication::Token, ends: None }
    }

    pub(super) const fn jwt(token: Token, ends: Timestamp) -> Self {
        Self { token, how: Authentication::Jwt, ends: Some(ends) }
    }

    pub(super) const fn certificate(token: Token, ends: Timestamp) -> Self {
        Self { token, how: Authentication::Mtls, ends: Some(ends) }
    }

    pub(crate) const fn how(&self) -> Authentication {
        self.how
    }

    /// Whether neither the token nor what was shown of it has ended.
    pub(crate) fn holds(&self, at: Timestamp) -> bool {
        self.token.holds(at) && self.ends.is_none_or(|ends| ends > at)
    }

    /// The moment from which it counts no more.
    pub(crate) fn until(&self) -> Timestamp {
        self.ends.map_or(self.token.expires, |ends| ends.min(self.token.expires))
    }

    /// The same, of the token as the chain knows it now.
    pub(crate) fn of(&self, token: Token) -> Self {
        Self { token, ..self.clone() }
    }
}
