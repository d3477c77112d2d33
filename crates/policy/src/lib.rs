//! May this principal take this action now: the pure half of governance.

pub mod shell;
pub mod worker;
