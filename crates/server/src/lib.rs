//! What is spoken with programs of others: HTTP, and the hooks of coding agents.

pub mod hook;
pub mod witness;
