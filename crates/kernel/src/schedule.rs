//! Schedules: when they are due, by their zone's clock, and what is done about that. Pure: the time of day comes from
//! outside, as everywhere in this crate.
//!
//! `timing` reads the expression and gives the times at which it is due; `rules` decides what becomes of these when
//! somebody looks: run, skip, miss.

mod rules;
mod timing;

pub use rules::{
    CATCH_UP_MAX, COUNT_MAX, CatchUp, JITTER_MS_MAX, LATE_MS, Overlap, Rules, RulesFault, Standing, Step,
};
pub use timing::{Dues, EXPRESSION_BYTES_MAX, Timing, TimingFault};
