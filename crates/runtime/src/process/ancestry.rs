//! Whether this process runs beneath a governed run, and whose that is.
//!
//! The environment is the caller's to change and says nothing here by its silence. Parents are not: the supervisor of
//! a run is the subreaper of everything below it, so whatever the run started stays beneath it, daemons included. A
//! session's process is the same to everything in it, and what is in a session is marked besides ([`super::mark`]).
//! What gets out of the tree is in docs/trust.md.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::sync::OnceLock;

use super::mark::{self, Marked};
use super::tree::{MARKER, Stat};
use super::{ASKED_BY_PERSON, SUPERVISE_ARG};
use crate::people::Whom;
use crate::shell::SESSION_ARG;

/// Longest line of ancestors that is followed.
const ANCESTORS_MAX: usize = 1024;
/// Parents may die while they are looked at; so often the look is repeated until two in a row saw the same.
const WALKS_MAX: u32 = 32;
/// Beginning of a command line that is looked at: more than the words of a supervisor take.
const WORDS_BYTES_MAX: u64 = 4096;

/// What whoever started this process has said that it acts for.
static CLAIMED: OnceLock<Enclosure> = OnceLock::new();

/// What this process runs beneath.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Enclosure {
    /// No governed run that could be found.
    Outside,
    /// A governed run, asked for by this agent, or by a person.
    Beneath(Option<String>),
    /// The processes above could not be looked at.
    Hidden,
}

impl Enclosure {
    /// Looks at the ancestors of this process, and at what whoever started it has said of those that it acts for.
    #[must_use]
    pub fn look() -> Self {
        let own = Self::look_here();
        CLAIMED.get().map_or_else(|| own.clone(), |claimed| own.clone().and(claimed.clone()))
    }

    /// From now on this process is no more than `claimed` allows: it acts for somebody who works beneath that.
    pub fn claim(claimed: Self) {
        // The first claim stands; there is no second one.
        drop(CLAIMED.set(claimed));
    }

    /// What another process of this machine runs beneath, and whether `above` is among its ancestors.
    pub(crate) fn of(pid: i32, above: i32) -> (Self, bool) {
        let (Ok(one), Ok(other)) = (walk_from(&pid.to_string()), walk_from(&pid.to_string())) else {
            return (Self::Hidden, false);
        };
        if one != other {
            return (Self::Hidden, false);
        }
        let within = one.trail.iter().any(|(ancestor, _)| *ancestor == above);
        (Self::beneath(one.runs).unwrap_or(Self::Outside), within)
    }

    /// The narrower of both.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Hidden, _) | (_, Self::Hidden) => Self::Hidden,
            (Self::Outside, other) => other,
            (own, Self::Outside) => own,
            (Self::Beneath(own), Self::Beneath(other)) => Self::Beneath(own.or(other)),
        }
    }

    /// As a word; [`Enclosure::parse`] reads it again.
    pub(crate) fn word(&self) -> String {
        match self {
            Self::Outside => "outside".to_owned(),
            Self::Beneath(None) => ASKED_BY_PERSON.to_owned(),
            Self::Beneath(Some(agent)) => format!("{}{agent}", Whom::AGENT_PREFIX),
            Self::Hidden => "hidden".to_owned(),
        }
    }

    /// An unknown word is the narrowest.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word {
            "outside" => Self::Outside,
            ASKED_BY_PERSON => Self::Beneath(None),
            _ => match word.strip_prefix(Whom::AGENT_PREFIX) {
                Some(agent) => Self::Beneath(Some(crate::people::agent_name(&OsString::from(agent)))),
                None => Self::Hidden,
            },
        }
    }

    /// Among these runs.
    fn beneath(runs: Vec<Asked>) -> Option<Self> {
        if runs.is_empty() {
            return None;
        }
        // An agent anywhere above is one all the way down.
        Some(Self::Beneath(runs.into_iter().find_map(|asked| match asked {
            Asked::Person => None,
            Asked::Agent(name) => Some(name),
        })))
    }

    fn look_here() -> Self {
        let Some(mut walk) = settled() else { return Self::Hidden };
        walk.runs.extend(match mark::look() {
            Marked::Without => None,
            Marked::Unknown => return Self::Hidden,
            // The last of all: whoever is named above goes first.
            Marked::Within { agent: true } => Some(Asked::Agent(Whom::UNNAMED.to_owned())),
            Marked::Within { agent: false } => Some(Asked::Person),
        });
        if let Some(beneath) = Self::beneath(walk.runs) {
            return beneath;
        }
        // Nobody above says whose run it is: a namespace hides them, or they are dead.
        match std::env::var_os(MARKER) {
            Some(_) => Self::Beneath(Some(Whom::UNNAMED.to_owned())),
            None => Self::Outside,
        }
    }

    /// The agent that whatever asks from here is, however it calls itself.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        match self {
            Self::Outside => None,
            Self::Beneath(agent) => agent.as_deref(),
            Self::Hidden => Some(Whom::UNNAMED),
        }
    }

    /// Why people do not answer from here; `None` when they may.
    #[must_use]
    pub const fn objection(&self) -> Option<&'static str> {
        match self {
            Self::Outside => None,
            Self::Beneath(_) => Some("approval.beneath_run"),
            Self::Hidden => Some("approval.hidden_ancestry"),
        }
    }
}

/// How many governed runs this process lies beneath, one inside the other, as far up as can be seen.
#[must_use]
pub fn runs_above() -> usize {
    let mut runs = 0;
    let mut next = stat("self");
    for _ in 0..ANCESTORS_MAX {
        let Some(parent) = next.ok().map(|own| own.parent).filter(|parent| *parent != 0) else { break };
        let pid = parent.to_string();
        runs += usize::from(words(&pid).is_ok_and(|line| supervises(&line).is_some()));
        next = stat(&pid);
    }
    runs
}

/// One look at all ancestors, nearest first.
#[derive(PartialEq, Eq, Debug)]
struct Walk {
    /// Process ids with start times: what two looks must agree on.
    trail: Vec<(i32, u64)>,
    /// Who stands behind each supervisor on the way.
    runs: Vec<Asked>,
}

/// Who asked for a run.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Asked {
    Person,
    Agent(String),
}

/// A process that dies hands its children on, and its number to somebody else; a look that fell between is not believed.
fn settled() -> Option<Walk> {
    let mut last = walk();
    for _ in 0..WALKS_MAX {
        let next = walk();
        match (last, next) {
            (Ok(one), Ok(other)) if one == other => return Some(one),
            (_, next) => last = next,
        }
    }
    None
}

fn walk() -> io::Result<Walk> {
    // Not by our own number: in a namespace of its own with the /proc of another, that is somebody else's.
    walk_from("self")
}

fn walk_from(own: &str) -> io::Result<Walk> {
    let mut walk = Walk { trail: Vec::new(), runs: Vec::new() };
    let mut parent = stat(own)?.parent;
    while parent != 0 {
        if walk.trail.len() == ANCESTORS_MAX {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let pid = parent.to_string();
        let next = stat(&pid)?;
        walk.trail.push((parent, next.start_ticks));
        walk.runs.extend(supervises(&words(&pid)?));
        parent = next.parent;
    }
    Ok(walk)
}

fn stat(pid: &str) -> io::Result<Stat> {
    let line = fs::read(format!("/proc/{pid}/stat"))?;
    Stat::parse(&line).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn words(pid: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(format!("/proc/{pid}/cmdline"))?.take(WORDS_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Who asked for the run that a process with this command line supervises; `None` when it supervises none.
///
/// The file it executes is not compared with ours: an update, or a copy of the binary, would not be recognised.
/// Nobody gains by posing as a supervisor.
fn supervises(command_line: &[u8]) -> Option<Asked> {
    let mut words = command_line.split(|byte| *byte == 0);
    // A session without the originals is a run of everything in it.
    let is_one = |word: &[u8]| [SUPERVISE_ARG, SESSION_ARG].iter().any(|known| known.as_bytes() == word);
    if !words.nth(1).is_some_and(is_one) {
        return None;
    }
    let who = words.nth(1).unwrap_or_default();
    if who == ASKED_BY_PERSON.as_bytes() {
        return Some(Asked::Person);
    }
    let name = who.strip_prefix(Whom::AGENT_PREFIX.as_bytes()).unwrap_or_default();
    Some(Asked::Agent(crate::people::agent_name(&OsString::from_vec(name.to_vec()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn supervisors_say_whose_run_it_is() {
        let agent = |name: &str| Some(Asked::Agent(name.to_owned()));
        for (line, expected) in [
            (&b"cascade\0__supervise\0r_01\0person\0"[..], Some(Asked::Person)),
            (b"/tmp/copy\0__supervise\0r_01\0agent:ci\0", agent("ci")),
            (b"cascade\0__supervise\0r_01\0", agent("unnamed")),
            (b"cascade\0__supervise\0r_01\0nonsense\0", agent("unnamed")),
            (b"cascade\0__supervise", agent("unnamed")),
            (b"cascade\0__session\0s\0agent:ci\0", agent("ci")),
            (b"cascade\0__session\0s\0person\0/dir\0", Some(Asked::Person)),
            (b"cascade\0run\0--\0__supervise\0", None),
            (b"sh\0-c\0cascade __supervise", None),
            (b"", None),
        ] {
            assert_eq!(supervises(line), expected, "{}", String::from_utf8_lossy(line));
        }
    }

    /// Whoever acts for somebody gains nothing by it.
    #[test]
    fn claims_only_narrow() {
        let agent = |name: &str| Enclosure::Beneath(Some(name.to_owned()));
        for (own, claimed, both) in [
            (Enclosure::Outside, Enclosure::Outside, Enclosure::Outside),
            (Enclosure::Outside, agent("ci"), agent("ci")),
            (agent("ci"), Enclosure::Outside, agent("ci")),
            (Enclosure::Beneath(None), agent("ci"), agent("ci")),
            (agent("ci"), Enclosure::Beneath(None), agent("ci")),
            (agent("ci"), agent("other"), agent("ci")),
            (Enclosure::Hidden, Enclosure::Outside, Enclosure::Hidden),
            (Enclosure::Outside, Enclosure::Hidden, Enclosure::Hidden),
        ] {
            assert_eq!(Enclosure::parse(&claimed.word()), claimed);
            assert_eq!(own.clone().and(claimed.clone()), both, "{own:?} {claimed:?}");
        }
        assert_eq!(Enclosure::parse("nonsense"), Enclosure::Hidden);
    }

    #[test]
    fn ancestors_lead_to_the_first_process() {
        let seen = settled().unwrap();
        assert_eq!(seen.trail.first().map(|(pid, _)| *pid), Some(stat("self").unwrap().parent));
        assert!(seen.trail.len() < ANCESTORS_MAX);
    }
}
