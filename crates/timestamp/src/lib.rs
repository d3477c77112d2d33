//! Time stamps of RFC 3161 over checkpoints (format section 12.1): what to ask an authority, what to make of
//! its answer, and whether a token still convinces somebody who trusts a root and nothing else.
//!
//! A token is bytes from a stranger. It is read as DER with limits, its numbers are compared with what the
//! checkpoint in hand gives, and its certificates count only as far as they lead to a root that the reader gave.
//! Pure: the time that certificates must be valid at is the one in the token.
#![no_std]

extern crate alloc;

mod algorithm;
mod bounds;
mod certificates;
mod chain;
mod ess;
mod fault;
mod info;
mod query;
mod token;

pub use bounds::ELEMENTS_MAX;
pub use chain::{CERTIFICATES_MAX, ROOTS_MAX, Roots};
pub use fault::{Code, TokenFault};
pub use query::{ANSWER_BYTES_MAX, AnswerFault, Query};
pub use token::{TOKEN_BYTES_MAX, Token};
