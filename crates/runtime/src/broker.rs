//! The broker of a session in which the originals cannot be executed ([`crate::shell`]): shims there ask it over a
//! socket, and it has a process outside decide and execute, with the asker's own streams.
//!
//! A conversation is one connection. The asker sends `ASK`, with its three streams and its directory as
//! descriptors, then `SIGNAL` for each signal that it receives; the answer is one `ENDED` or one `REFUSED`.
//! Messages are those of [`crate::process`]: four bytes of length, a tag, the payload, which is bounded.
//!
//! What the asker says is taken for what it asks, and for nothing else. Who it is, the kernel says: the user, and the
//! processes above. `PATH`, what leads the loader and what is Cascade's own come from the session's start.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use rustix::process::Signal;
use thiserror::Error;

use crate::process::{Enclosure, wire};

mod ask;
mod serve;

pub use ask::ask;
pub(crate) use serve::Broker;

/// First argument of the process that runs what was asked; its second is where the request lies, its third whom it is for.
pub const RUN_ARG: &str = "__brokered";
/// The variable that names a session's socket.
pub const SOCKET: &str = "CASCADE_BROKER";
/// Conversations at once; one more is refused.
pub const CLIENTS_MAX: usize = 64;
/// How long an asker may take to say what it wants.
pub const ASK_WAIT_MAX: Duration = Duration::from_secs(10);

const ASK: u8 = b'A';
const SIGNAL: u8 = b'G';
const ENDED: u8 = b'E';
const REFUSED: u8 = b'R';

/// Why nothing was run.
#[derive(Debug, Error)]
pub enum BrokerError {
    /// The socket, or the conversation.
    #[error("couldn't ask the broker of this session: {0}")]
    Io(#[from] io::Error),
    /// The broker said no.
    #[error("the broker of this session refused: {0}")]
    Refused(String),
    /// It ended before it answered; what became of the command is in the chain.
    #[error("the broker of this session ended before it answered")]
    Gone,
}

/// A command that somebody in a session asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// The words, the name of a shim first.
    pub argv: Vec<OsString>,
    /// The environment that it is to have.
    pub env: Vec<(OsString, OsString)>,
}

impl Request {
    fn encode(&self) -> Vec<u8> {
        wire::command(&self.argv, &self.env)
    }

    fn decode(payload: &[u8]) -> io::Result<Self> {
        let (argv, env) = wire::read_command(payload)?;
        Ok(Self { argv, env })
    }

    /// What the broker that started this process, by the words after [`RUN_ARG`], has it run. From now on this process is
    /// apart from the terminal that it is handed, ends with the broker, and is no more than whoever asked.
    ///
    /// # Errors
    /// There is no such request.
    pub fn take(place: &OsStr, asker: &OsStr) -> io::Result<Self> {
        // Keys and signals reach it by way of the shim, which is in the terminal's foreground; that it is in none itself
        // lets it read there (`process::terminal`).
        rustix::process::setsid()?;
        rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
        Enclosure::claim(Enclosure::parse(asker.to_str().unwrap_or_default()));
        // Fails, too, where the broker died before the line above.
        Self::decode(&std::fs::read(place)?)
    }

    /// With the session's own values of the variables that lead to other programs or to another ledger.
    fn within(mut self, own: &[(OsString, OsString)]) -> Self {
        self.env.retain(|(name, _)| !is_own(name));
        self.env.extend(own.iter().filter(|(name, _)| is_own(name)).cloned());
        self
    }
}

/// Variables that a session keeps as they were at its start.
fn is_own(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name == b"PATH"
        || [&b"LD_"[..], b"CASCADE_", b"GLIBC_TUNABLES", b"GCONV_PATH"]
            .iter()
            .any(|own| name.starts_with(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_survives_the_wire_and_cuts_do_not() {
        let pair = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        let request = Request { argv: vec!["git".into(), "".into()], env: vec![pair("A", "b=c")] };
        let bytes = request.encode();
        assert_eq!(Request::decode(&bytes).unwrap(), request);
        for cut in [0, 1, 5, bytes.len() - 1] {
            assert!(Request::decode(&bytes[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn what_leads_elsewhere_is_the_sessions_own() {
        let pair = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        let asked = Request {
            argv: vec!["git".into()],
            env: vec![
                pair("PATH", "/evil"),
                pair("LD_PRELOAD", "/evil.so"),
                pair("CASCADE_HOME", "/evil"),
                pair("GLIBC_TUNABLES", "x"),
                pair("GIT_DIR", "x"),
                pair("CLAUDECODE", "1"),
            ],
        };
        let own = [pair("PATH", "/bin"), pair("CASCADE_HOME", "/home"), pair("HOME", "/me")];
        let expected = [
            pair("GIT_DIR", "x"),
            pair("CLAUDECODE", "1"),
            pair("PATH", "/bin"),
            pair("CASCADE_HOME", "/home"),
        ];
        assert_eq!(asked.within(&own).env, expected);
    }
}
