//! Performs the effects the kernel asks for: the only crate that starts processes.
//!
//! [`govern`] takes one action through its life; [`process`] owns supervised child processes;
//! [`facts`] looks at the world before a decision; [`people`] finds out who asks; [`consent`] records
//! what people answer; [`credentials`] are brokered to commands; [`erase`] removes what is private about an action;
//! [`rollback`] undoes what was done.

pub mod activate;
pub mod admin;
pub mod anchor;
pub mod birth;
pub mod consent;
pub mod credentials;
pub mod cron;
mod defaults;
pub mod erase;
pub mod facts;
pub mod file_hash;
pub mod glass;
pub mod govern;
pub mod grants;
pub mod halt;
pub mod hypothesis;
pub mod identity;
pub mod keys;
pub mod layer;
pub mod lease;
pub mod limits;
pub mod machine;
pub mod membership;
pub mod memory;
pub mod model;
pub mod obeyed;
mod own_act;
pub mod own_program;
pub mod packs;
pub mod people;
pub mod policy_store;
pub mod process;
pub mod proposal;
pub mod recorded;
pub mod refused_act;
pub mod reguard;
pub mod rehearsal;
pub mod replay;
pub mod rollback;
mod run_lock;
pub mod shim;
pub mod smoke;
pub mod ssh;
pub mod stats;
pub mod subject;
pub mod task;
pub mod tokens;
pub mod tools;
pub mod tsa;
pub mod witness;
pub mod workflow;
