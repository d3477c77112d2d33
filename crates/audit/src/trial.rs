//! Chains for trying controls out: written down as data, built with real hashes and signatures, so that what a control
//! says of them it says of a chain that verifies.
//!
//! All keys are made from names that stand in the open, under an origin that says so. A trial chain can be mistaken for
//! nobody's history, and nothing here ever sees the key of a real one.

mod anchor;
mod build;
mod defaults;
mod file;
mod judge;
mod keys;
mod members;

pub use build::{Built, TrialFault, build};
pub use file::{Case, TRIAL_BYTES_MAX, Trial};
pub use judge::{Judged, judge, unproven};
