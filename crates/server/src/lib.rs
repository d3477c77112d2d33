//! What is spoken over wires, and nothing else: the service with its API over HTTP, a witness for the logs of others, and
//! the gateway for tools.

mod api;
mod listener;
pub mod mcp;
pub mod serve;
pub mod tenants;
pub mod witness;
