//! What a receipt is, byte for byte, and how a stranger checks a chain of them.
//!
//! This crate is pure: it reads no file, clock, environment or randomness, so that a verifier built
//! on it can be audited in an afternoon and gives the same answer everywhere. The normative text is
//! `docs/format.md`; the section numbers in the comments refer to it.
//!
//! Two rules hold everywhere. Bytes are hashed and signed as stored: verification compares the
//! bytes it was given and never re-encodes from a struct. And a content member is written by
//! exactly one function, [`content::Content::write`], in the order RFC 8785 demands.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod base64;
pub mod bundle;
pub mod chain;
pub mod checkpoint;
pub mod content;
pub mod decision;
pub mod digest;
pub mod ed25519;
pub mod epoch;
pub mod id;
pub mod json;
pub mod kind;
pub mod line;
pub mod member;
pub mod merkle;
pub mod note;
pub mod pem;
pub mod proof;
pub mod reader;
pub mod resource;
pub mod sshsig;
pub mod statement;
pub mod time;
pub mod tree;
pub mod trust;
pub mod verify;
pub mod witness;
mod writer;
