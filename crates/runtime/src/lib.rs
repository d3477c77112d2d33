//! Performs the effects the kernel asks for: the only crate that starts processes.
//!
//! [`govern`] takes one action through its life; [`process`] owns supervised child processes;
//! [`facts`] looks at the world before a decision; [`people`] finds out who asks; [`consent`] records
//! what people answer; [`ssh`] signs for them.

pub mod consent;
pub mod facts;
pub mod file_hash;
pub mod govern;
pub mod people;
pub mod process;
pub mod ssh;
