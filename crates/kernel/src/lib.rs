//! The life of an action, the route of a task and workflows, as pure state machines: state and event in, state and
//! effects out; and what it takes to undo what was done.
//!
//! The kernel performs nothing. The runtime performs the effects in the order given and answers
//! each with an event. Two orders are the reason for this crate, and the table in
//! [`action`] is where they can be read:
//!
//! - an effect on the world ([`action::Effect::Start`]) follows only a durable intent;
//! - output leaves ([`action::Effect::Release`]) only after the receipt that commits to it is durable.

extern crate alloc;

pub mod action;
pub mod csl;
pub mod rollback;
pub mod route;
pub mod schedule;
pub mod subject;
pub mod workflow;
