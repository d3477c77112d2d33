//! May this principal take this action now?
//!
//! One question, answered by one function: [`decide::decide`] takes a policy [`snapshot::Snapshot`]
//! and [`facts::Facts`] and gives a [`decide::Ruling`]. Ten gates are asked, all of them, every
//! time; deny beats escalate beats admit, and what cannot be evaluated denies.
//!
//! The crate is pure: it reads no file, clock, environment or randomness and starts no thread, so
//! that a decision can be made again, byte for byte, from what the chain and the vault keep.

mod cedar;
pub mod credential;
pub mod decide;
pub mod environment;
pub mod facts;
mod gate;
pub mod limits;
pub mod name;
pub mod pack;
pub mod resource;
pub mod shell;
pub mod snapshot;
pub mod unrecorded;
pub mod words;
pub mod worker;
