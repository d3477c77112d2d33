//! The gateway over HTTP: one service in front of several servers, for whoever shows a token.
//!
//! Each request of a client is one exchange with one server. Towards both sides the gateway speaks the protocol itself,
//! so that a client of one revision reaches a server of another; parameters and results pass as they are. What is decided
//! and put on record is what the gateway over standard input and output decides and records.

mod call;
mod carried;
mod faces;
mod head;
mod link;
mod repeated;
mod serve;
mod speak;

use std::time::Duration;

pub(crate) use head::{Head, HeadFault};
pub(crate) use link::Links;
pub(crate) use serve::{Face, Said, serve};

/// The revision without sessions.
const MODERN: &str = "2026-07-28";
/// The revisions with `initialize`, the newest first.
const LEGACY: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];
/// Stands between the name of a server and that of its tool.
pub(crate) const BETWEEN: &str = "__";
/// Servers and askers that are remembered together.
const LINKS_MAX: usize = 1024;
/// How long one is remembered that nobody asks for.
const LINK_TIME: Duration = Duration::from_secs(60 * 60);
/// How long a list of tools is taken for what the server would say now.
const LISTING_TIME: Duration = Duration::from_secs(60);
/// Longest wait until a server has said who it is.
const HELLO_TIME_MAX: Duration = Duration::from_secs(15);
/// Questions of a server within one answer.
const ASKED_MAX: usize = 16;
/// Longest wait until a server has heard that a question of it is refused.
const REFUSAL_TIME_MAX: Duration = Duration::from_secs(5);

/// Which of the two ways of speaking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Era {
    /// It begins with `initialize`.
    Legacy,
    /// Every request says for itself who sends it.
    Modern,
}
