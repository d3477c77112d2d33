//! Who asks: the operating-system user, or a coding agent acting for that user.
//!
//! An agent is known by the marker that known coding agents leave in the environment of what they
//! start, or by the run that it works beneath ([`crate::process::Enclosure`]). Do not believe more than that: a process
//! of the same user can remove its markers.
//! docs/trust.md says what follows.

use std::ffi::{OsStr, OsString};
use std::fs;

use cascade_policy::name::{self, Name, NameFault};
use cascade_receipt::id::PrincipalId;

/// Environment variables that coding agents set for the commands they run, and the agent each names.
/// `None` means that the variable's value is the name.
const MARKERS: &[(&str, Option<&str>)] = &[
    ("CASCADE_AGENT", None),
    ("CLAUDECODE", Some("claude-code")),
    ("CLAUDE_CODE_ENTRYPOINT", Some("claude-code")),
    ("CODEX_SANDBOX", Some("codex")),
    ("CODEX_SANDBOX_NETWORK_DISABLED", Some("codex")),
    ("CODEX_THREAD_ID", Some("codex")),
    ("GEMINI_CLI", Some("gemini-cli")),
    ("CURSOR_AGENT", Some("cursor")),
    ("OPENCODE", Some("opencode")),
    ("CLINE_ACTIVE", Some("cline")),
    ("GOOSE_TERMINAL", Some("goose")),
    ("AI_AGENT", None),
    ("AGENT", None),
];

/// The operating-system user who runs Cascade.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// User id.
    pub uid: u32,
    /// Login name, or `uid-<number>` when the user database does not know it.
    pub name: String,
}

impl Person {
    /// The user of this process, by its real user id; `USER` and the like can be set by anybody.
    #[must_use]
    pub fn current() -> Self {
        let uid = rustix::process::getuid().as_raw();
        let name = fs::read_to_string("/etc/passwd").ok().and_then(|text| login_name(&text, uid));
        Self { uid, name: name.unwrap_or_else(|| format!("uid-{uid}")) }
    }

    /// Somebody of this name for whom this process works.
    pub(crate) fn named(name: String) -> Self {
        Self { uid: rustix::process::getuid().as_raw(), name }
    }
}

fn login_name(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let id: u32 = fields.nth(1)?.parse().ok()?;
        (id == uid && !name.is_empty()).then(|| name.to_owned())
    })
}

/// The coding agent whose marker stands in `env`, if there is one.
pub fn agent_marker<'a>(env: &(impl Iterator<Item = (&'a OsStr, &'a OsStr)> + Clone)) -> Option<String> {
    MARKERS.iter().find_map(|(marker, agent)| {
        let (_, value) = env.clone().find(|(name, value)| *name == *marker && !value.is_empty())?;
        // `0` and `false` are how people switch a marker off.
        if value == "0" || value == "false" {
            return None;
        }
        Some(agent.map_or_else(|| agent_name(value), str::to_owned))
    })
}

/// A name fit for a principal: the value's letters, digits, `-`, `_` and `.`, cut to a length.
pub(crate) fn agent_name(value: &OsStr) -> String {
    let clean: String = value
        .to_string_lossy()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        .take(name::NAME_BYTES_MAX)
        .collect();
    if clean.is_empty() || clean == "1" || clean == "true" { Whom::UNNAMED.to_owned() } else { clean }
}

/// Whom `--as` asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whom {
    /// The person who runs Cascade.
    SelfPerson,
    /// An agent of that person.
    Agent(String),
    /// Somebody else: needs a grant.
    Other(String),
}

impl Whom {
    /// An agent that nobody knows more of.
    pub const UNNAMED: &str = "unnamed";
    /// An agent of the person who asks.
    pub const AGENT: &str = "agent";
    /// Stands before an agent's name.
    pub const AGENT_PREFIX: &str = name::AGENT_PREFIX;

    /// Checks what was typed where somebody is named: `person`, `agent`, `agent:NAME`, the person's own name, a plain
    /// name, or an id. Nobody is made up from what is none of these.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(text: &str) -> Result<(), NameFault> {
        let known = ["person", Self::AGENT].contains(&text) || PrincipalId::parse(text).is_some();
        if known || text == Person::current().name {
            return Ok(());
        }
        match text.strip_prefix(Self::AGENT_PREFIX) {
            Some(agent) => name::check_agent(agent),
            None => Name::parse(text).map(drop),
        }
    }

    /// Reads `person`, the person's own name, `agent`, `agent:NAME`, or another name or id.
    #[must_use]
    pub fn parse(text: &str, person: &Person) -> Self {
        match text {
            "person" => Self::SelfPerson,
            Self::AGENT => Self::Agent(Self::UNNAMED.to_owned()),
            _ if text == person.name => Self::SelfPerson,
            _ => match text.strip_prefix(Self::AGENT_PREFIX) {
                Some(name) => Self::Agent(agent_name(&OsString::from(name))),
                None => Self::Other(text.to_owned()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers() {
        let marker = |pairs: &[(&str, &str)]| {
            agent_marker(&pairs.iter().map(|(name, value)| (OsStr::new(*name), OsStr::new(*value))))
        };
        assert_eq!(marker(&[("PATH", "/bin")]), None);
        assert_eq!(marker(&[("CLAUDECODE", "1")]).as_deref(), Some("claude-code"));
        assert_eq!(marker(&[("CLAUDECODE", "0")]), None);
        assert_eq!(marker(&[("GEMINI_CLI", "")]), None);
        assert_eq!(marker(&[("AGENT", "goose; rm")]).as_deref(), Some("gooserm"));
        assert_eq!(marker(&[("AI_AGENT", "1")]).as_deref(), Some("unnamed"));
    }

    #[test]
    fn names_come_from_the_user_database() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\nbad line\n";
        assert_eq!(login_name(passwd, 1000).as_deref(), Some("ada"));
        assert_eq!(login_name(passwd, 7), None);
    }

    #[test]
    fn whom() {
        let ada = Person { uid: 1000, name: "ada".to_owned() };
        assert_eq!(Whom::parse("ada", &ada), Whom::SelfPerson);
        assert_eq!(Whom::parse("person", &ada), Whom::SelfPerson);
        assert_eq!(Whom::parse("agent:ci", &ada), Whom::Agent("ci".to_owned()));
        assert_eq!(Whom::parse("bob", &ada), Whom::Other("bob".to_owned()));
        for good in ["person", "agent", "agent:ci", "bob", "p_0123456789abcdef", &Person::current().name] {
            assert!(Whom::check(good).is_ok(), "{good}");
        }
        for bad in ["", "agent:", "agent:a b;c", "b\u{43e}b", "bob\n", "a b"] {
            assert!(Whom::check(bad).is_err(), "{bad}");
        }
    }
}
