//! Workers: the command line programs that Cascade governs, as data, and what a call of one can harm.
//!
//! A manifest (TOML, one file for one program or a few small ones) holds the grammar of its programs, and rules
//! with a tier, a stable code, a sentence for people and their own tests. The classifier reads an argv or a shell
//! line against the manifests and takes the highest tier of anything it finds. What it cannot vouch for (an
//! unknown program, subcommand or option) is HIGH and says so.

pub mod builtin;
mod classification;
mod registry;

pub use classification::{Classification, Classified, Finding};
pub use registry::{Fault, Registry};
