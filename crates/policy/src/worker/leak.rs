//! What leaves a line by a detour: secrets that one command puts into a file, a variable or an argument, and another
//! sends away.

use cascade_receipt::decision::RiskTier;

use super::classification::Classified;
use super::scene::Feed;
use crate::shell::Line;

/// What was seen of a command of a line.
#[derive(Debug)]
pub(super) struct Passed {
    /// What it writes to standard output.
    pub(super) feed: Feed,
    /// Its calls are those of the answer from here on.
    pub(super) start: usize,
    /// It has put what it writes into a file.
    pub(super) kept: bool,
}

/// The first call of each command that sends what an earlier or inner command of the line captured.
pub(super) fn senders(line: &Line, passed: &[Passed], calls: &[Classified]) -> Vec<usize> {
    let within = |outer: usize, inner: usize| {
        line.commands.get(outer).is_some_and(|command| inner > outer && inner <= outer + command.inside)
    };
    let captured: Vec<usize> = passed
        .iter()
        .enumerate()
        .filter(|(at, one)| {
            one.feed == Feed::Secret && (one.kept || (0..*at).any(|outer| within(outer, *at)))
        })
        .map(|(at, _)| at)
        .collect();
    let mut found = Vec::new();
    for (at, one) in passed.iter().enumerate() {
        let end = passed.get(at + 1).map_or(calls.len(), |next| next.start);
        let own = calls.get(one.start..end).unwrap_or_default();
        let earlier = captured.iter().any(|from| *from < at) && own.iter().any(sends);
        let inner = captured.iter().any(|from| within(at, *from));
        if earlier || (inner && (one.feed == Feed::Network || own.iter().any(sends_words))) {
            found.push(one.start);
        }
    }
    found
}

/// What it sends may come from a file.
fn sends(call: &Classified) -> bool {
    let asks = ["curl", "wget"].contains(&call.program.as_str())
        && call.tier == RiskTier::Low
        && !call.words.iter().any(|word| word.contains(['@', '…']));
    sends_words(call) && !asks
}

/// Its words reach others.
fn sends_words(call: &Classified) -> bool {
    match call.program.as_str() {
        "git" => ["push", "commit", "commit-tree", "tag", "notes", "send-email", "send-pack"]
            .iter()
            .any(|path| call.subcommand.split(' ').next() == Some(path)),
        name => is_sending(name),
    }
}

/// Does what this program is told reach others?
pub(super) fn is_sending(program: &str) -> bool {
    SENDING.contains(&program)
}

const SENDING: &[&str] = &[
    "ssh", "scp", "sftp", "rsync", "nc", "ncat", "netcat", "socat", "telnet", "ftp", "lftp", "gh", "glab",
    "hub", "curl", "wget", "http", "https", "xh", "mail", "sendmail", "dig", "nslookup", "host", "ping",
];
