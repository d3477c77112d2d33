//! What is spoken with programs of others: the service with its API, a witness for the logs of others, the hooks of
//! coding agents, and the gateway for tools.

mod api;
pub mod hook;
mod listener;
pub mod mcp;
pub mod serve;
pub mod tenants;
pub mod tls;
pub mod traces;
pub mod witness;
