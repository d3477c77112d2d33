//! What is spoken over HTTP, and nothing else: the service with its API, and a witness for the logs of others.

mod api;
mod listener;
pub mod serve;
pub mod tenants;
pub mod tls;
pub mod witness;
