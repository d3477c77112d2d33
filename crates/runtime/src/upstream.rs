//! Servers of tools on other machines: which there are, and one exchange with one of them.
//!
//! Where something is sent stands in a file of the tenant and nowhere else; no request names a place. Each exchange has a
//! connection of its own: no redirects, no proxies, no second protocol. What comes back is bounded in bytes and time, and
//! taken apart here as far as its frames go.

mod config;
mod connection;
mod events;
mod exchange;
mod keep;

use std::time::Duration;

use crate::credentials::ModelKeyError;

pub use config::{FILE, Header, NAME_BYTES_MAX, UPSTREAMS_MAX, Upstream, UpstreamFault, Upstreams};
pub use exchange::{Reply, Sent, Way, send};
pub use keep::{Change, KeepError, Kept, keep};

/// Longest wait for a connection, TLS included.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest message of a server, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most bytes of one answer, with everything that comes before it.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// KiB of all answers that are held at once; more is read when there is room.
pub const HELD_KIB_MAX: usize = 256 * 1024;
/// Most bytes of the head of an answer.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most headers of an answer.
pub const HEADERS_MAX: usize = 100;

/// Why an exchange gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeFault {
    /// A header wants a credential that there is not, or not for whoever asks.
    #[error(transparent)]
    Credential(#[from] ModelKeyError),
    /// Something on this machine: a file with certificates, a value that is no header.
    #[error("{0}")]
    Local(String),
    /// No connection.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The connection ended before the answer did.
    #[error("the connection ended before the answer did")]
    Cut,
    /// It answers with a redirect, which is not followed.
    #[error("it answers with a redirect ({0}), which is not followed")]
    Redirected(u16),
    /// It does not know the session any more.
    #[error("it does not know the session any more")]
    SessionGone,
    /// Another status than that of an answer.
    #[error("it answers with status {0}")]
    Status(u16),
    /// Longer than [`MESSAGE_BYTES_MAX`] or [`ANSWER_BYTES_MAX`].
    #[error("the answer is too long")]
    TooLong,
    /// No answer of the protocol.
    #[error("what it answers is no answer: {0}")]
    Garbage(&'static str),
}

impl ExchangeFault {
    /// Whether it is known that nothing was done: the request never left, or was turned away before anybody read it.
    #[must_use]
    pub const fn is_undone(&self) -> bool {
        match self {
            Self::Credential(_) | Self::Local(_) | Self::Unreachable(_) | Self::SessionGone => true,
            Self::Redirected(_) => true,
            Self::Status(status) => *status < 500,
            Self::TimedOut | Self::Cut | Self::TooLong | Self::Garbage(_) => false,
        }
    }

    /// The code of the reason in receipts.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Credential(_) | Self::Local(_) | Self::Unreachable(_) => "mcp.unreachable",
            Self::TimedOut => "mcp.timeout",
            Self::Cut => "mcp.server_gone",
            Self::Redirected(_) | Self::Status(_) | Self::SessionGone => "mcp.refused_by_server",
            Self::TooLong => "mcp.server_floods",
            Self::Garbage(_) => "mcp.no_answer",
        }
    }
}
