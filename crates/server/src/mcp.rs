//! Tools over the Model Context Protocol: a gateway between a client and a server of others.
//!
//! The protocol is not modelled. A message is one line; of it the members are read by which it is governed or found
//! again, and what was read is what is passed on: a member that nobody looked at reaches nobody. So clients and servers of
//! any revision understand each other as if nothing stood between them, up to where something is denied.
//!
//! Every request is an action, whichever side it comes from; what a server notifies is output of the server itself, handed
//! on behind heartbeats. Only `ping` is not decided: its answer says nothing, and none of it is handed on.

mod calls;
mod canonical;
mod elicit;
mod ending;
mod gateway;
mod governed;
pub(crate) mod http;
mod lines;
mod listing;
pub mod own;
mod start;
mod wire;
mod words;

use std::time::Duration;

pub use gateway::{Ended, Finished, Gateway, GatewayError, Mouths, run};
pub use lines::{Stopper, stopper};
pub use start::{Serving, StartError, Started, start};

/// Longest message, in bytes.
pub const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most levels of arrays and objects in a message.
pub const DEPTH_MAX: usize = 64;
/// Requests of the client that wait for an answer, and of the server.
pub const IN_FLIGHT_MAX: usize = 256;
/// Requests of a server that are refused in a second; then none is decided for [`UNHEARD`].
pub const REFUSED_PER_S_MAX: u32 = 20;
/// How long a server is not heard that had too many requests refused.
pub const UNHEARD: Duration = Duration::from_secs(10);
/// Most bytes that wait until the server reads them.
pub const UNREAD_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most tools of one server.
pub const TOOLS_MAX: usize = 1024;
/// Most pages of a list of tools that is asked for here.
pub const PAGES_MAX: usize = 64;
/// How long an answer is waited for, unless told otherwise.
pub const ANSWER_TIME: Duration = Duration::from_secs(5 * 60);
/// Longest time that an answer can be waited for.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether a server calls its tool so that policies would take it for a request of the protocol: no such tool is called,
/// on whatever way it is asked for.
pub(crate) fn is_taken(tool: &str) -> bool {
    wire::Method::is_taken(tool)
}
