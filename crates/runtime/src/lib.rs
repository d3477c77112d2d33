//! Performs effects: the only place that starts processes.

pub mod process;
pub mod ssh;
