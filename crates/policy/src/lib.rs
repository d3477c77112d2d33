//! policy

pub mod worker;
