//! Workers: the command line programs that Cascade governs, as data, and what a call of one can harm.
//!
//! A manifest (TOML, one file for one program or a few small ones) holds the grammar of its programs, and rules
//! with a tier, a stable code, a sentence for people and their own tests. The classifier reads an argv or a shell
//! line against the manifests and takes the highest tier of anything it finds. What it cannot vouch for (an
//! unknown program, subcommand or option) is HIGH and says so.
//!
//! From the outside in: [`Registry`] finds and parses manifests; `call` reads words against a grammar; `judge`
//! applies rules; `settings` adds what the environment changes; `walk` follows wrappers inwards; `line` goes
//! through a shell line; `intent` goes from words to argv; `inverse` from an argv to the one that undoes it.

mod awk;
mod base;
pub mod builtin;
mod call;
mod catalogue;
mod check;
mod classification;
mod code;
mod compile;
mod draft;
mod entered;
#[cfg(test)]
mod families;
mod grammar;
mod intent;
mod inverse;
mod judge;
mod leak;
mod line;
mod manifest;
mod mention;
mod mongo;
mod named;
mod obeyed;
#[cfg(test)]
mod obeying;
#[cfg(test)]
mod pairs;
mod pattern;
mod place;
mod possible;
mod reader;
mod registry;
mod scene;
mod sed;
mod sending;
mod settings;
mod spared;
mod sql;
#[cfg(test)]
mod tests;
mod touched;
mod unfold;
mod usage;
mod walk;
mod weigh;
mod whereabouts;
mod word;
mod xargs;

pub use catalogue::{Listed, Meant};
pub use check::{Checked, Fault};
pub use classification::{Classification, Classified, Finding, OBEYED_MAX, Obeyed};
pub use draft::{Draft, DraftError, HELP_BYTES_MAX, draft};
pub use intent::{
    GRADE_MARGIN, GRADE_MIN, Heard, How, Planned, TEXT_BYTES_MAX, TEXT_WORDS_MAX, VALUE_BYTES_MAX, WAYS_MAX,
};
pub use inverse::{Inversion, Undoing};
pub use mention::Mention;
pub(crate) use mention::parts;
pub use registry::Registry;
