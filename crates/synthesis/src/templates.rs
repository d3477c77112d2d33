//! From structured specifications to Python by typed templates.

mod overlap;

pub use overlap::{OVERLAP_MIN, overlap};
