//! `upstreams.toml`: which servers there are.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cascade_policy::credential::{self, endpoint::Endpoint};
use hyper::header::{HeaderName, HeaderValue};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

/// The file's name in the directory of a tenant.
pub const FILE: &str = "upstreams.toml";
/// Most servers of a tenant.
pub const UPSTREAMS_MAX: usize = 32;
/// Longest name of a server, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest file in bytes.
const FILE_BYTES_MAX: usize = 64 * 1024;
/// Most headers that are added for a server.
const HEADERS_MAX: usize = 8;
/// Longest path of a URL, and longest value of a header, in bytes.
const TEXT_BYTES_MAX: usize = 1024;
/// How long an answer is waited for unless told otherwise, and at most, in seconds.
const TIMEOUT_S: u64 = 300;
const TIMEOUT_S_MAX: u64 = 3600;
/// What stands before the name of a credential in a header.
const SECRET: &str = "secret:";
/// Headers that the exchange itself sets.
const TAKEN: [&str; 11] = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "accept",
    "accept-encoding",
    "user-agent",
];

/// The servers of a tenant, checked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Upstreams {
    all: BTreeMap<String, Upstream>,
}

/// A server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upstream {
    name: String,
    url: String,
    pub(super) endpoint: Endpoint,
    /// Path and query, beginning with `/`.
    pub(super) path: String,
    pub(super) headers: Vec<Header>,
    pub(super) ca_file: Option<PathBuf>,
    timeout_s: Option<u64>,
}

/// A header that is added to every request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    pub(super) name: HeaderName,
    /// The value, or what stands before that of the credential.
    pub(super) text: String,
    pub(super) secret: Option<String>,
}

/// What is wrong with the file, or with a server that is to be added to it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{place}{what}")]
pub struct UpstreamFault {
    place: String,
    what: String,
    hint: &'static str,
}

impl UpstreamFault {
    pub(super) fn new(what: impl Into<String>, hint: &'static str) -> Self {
        Self { place: String::new(), what: what.into(), hint }
    }

    fn within(mut self, place: impl std::fmt::Display) -> Self {
        self.place = format!("{place}: {}", self.place);
        self
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        self.hint
    }
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    upstreams: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_s: Option<u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
}

impl Upstreams {
    /// Reads the file in this directory; none means no servers.
    ///
    /// # Errors
    /// See [`UpstreamFault`].
    pub fn load(dir: &Path) -> Result<Self, UpstreamFault> {
        let unread = |error: std::io::Error| {
            UpstreamFault::new(format!("it cannot be read: {error}"), "check who may read it").within(FILE)
        };
        // Nobody waits for whoever may write into a pipe.
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
        let file = match std::fs::OpenOptions::new().read(true).custom_flags(flags).open(dir.join(FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unread(error)),
        };
        let mut text = String::new();
        file.take(FILE_BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(unread)?;
        Self::parse(&text).map_err(|fault| fault.within(FILE))
    }

    /// Reads the text of the file.
    ///
    /// # Errors
    /// See [`UpstreamFault`].
    pub fn parse(text: &str) -> Result<Self, UpstreamFault> {
        if text.len() > FILE_BYTES_MAX {
            return Err(UpstreamFault::new("it is longer than 64 KiB", "leave out servers that nobody uses"));
        }
        let document: Document = toml::from_str(text).map_err(|error| {
            let first = error.message().lines().next().unwrap_or_default().to_owned();
            UpstreamFault::new(first, "docs/mcp.md shows every member")
        })?;
        let mut all = Self::default();
        for (name, entry) in document.upstreams {
            let one = Upstream::new(&name, &entry.url).and_then(|one| one.with(entry));
            all.add(one.map_err(|fault| fault.within(format_args!("upstream `{name}`")))?)?;
        }
        Ok(all)
    }

    /// The text of the file that says this.
    #[must_use]
    pub fn text(&self) -> String {
        let entry = |one: &Upstream| Entry {
            url: one.url.clone(),
            ca_file: one.ca_file.clone(),
            timeout_s: one.timeout_s,
            headers: one.headers.iter().map(|header| (header.name.to_string(), header.said())).collect(),
        };
        let upstreams = self.all.iter().map(|(name, one)| (name.clone(), entry(one))).collect();
        toml::to_string(&Document { upstreams }).unwrap_or_default()
    }

    /// Adds one, in the place of the one that had its name.
    ///
    /// # Errors
    /// As many as there may be.
    pub fn add(&mut self, upstream: Upstream) -> Result<(), UpstreamFault> {
        self.all.insert(upstream.name.clone(), upstream);
        if self.all.len() > UPSTREAMS_MAX {
            let what = format!("there are more than {UPSTREAMS_MAX} servers");
            return Err(UpstreamFault::new(what, "remove one that nobody uses"));
        }
        Ok(())
    }

    /// Removes one; whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.all.remove(name).is_some()
    }

    /// The server of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Upstream> {
        self.all.get(name)
    }

    /// All, by name.
    pub fn all(&self) -> impl Iterator<Item = &Upstream> {
        self.all.values()
    }
}

impl Upstream {
    /// A server of this name at this URL.
    ///
    /// # Errors
    /// See [`UpstreamFault`].
    pub fn new(name: &str, url: &str) -> Result<Self, UpstreamFault> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        let shaped = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(fits);
        let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        // Two of them stand between a server and its tool.
        if !shaped || !begins || name.contains("__") || name.ends_with('_') {
            let hint = "at most 64 of a-z, 0-9, `-`, `.` and single `_` inside, such as github";
            return Err(UpstreamFault::new("that is no name", hint));
        }
        let hint = "give something like `https://mcp.example.com/mcp`";
        let after = url.find("://").map_or(0, |at| at + 3);
        let slash =
            url.get(after..).and_then(|rest| rest.find(['/', '?', '#'])).map_or(url.len(), |at| after + at);
        let (origin, path) = url.split_at_checked(slash).unwrap_or((url, ""));
        let endpoint =
            Endpoint::parse(origin).map_err(|fault| UpstreamFault::new(fault.to_string(), hint))?;
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte);
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        if path.len() > TEXT_BYTES_MAX || !path.bytes().all(plain) {
            return Err(UpstreamFault::new("the path of the URL is none", hint));
        }
        let url = format!("{endpoint}{path}");
        Ok(Self {
            name: name.to_owned(),
            url,
            endpoint,
            path,
            headers: Vec::new(),
            ca_file: None,
            timeout_s: None,
        })
    }

    fn with(mut self, entry: Entry) -> Result<Self, UpstreamFault> {
        for (name, value) in &entry.headers {
            self = self.with_header(name, value)?;
        }
        self.with_ca_file(entry.ca_file)?.with_timeout(entry.timeout_s)
    }

    /// Adds a header to every request: a value, or `secret:NAME` with whatever is to stand before the credential's value.
    ///
    /// # Errors
    /// See [`UpstreamFault`].
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, UpstreamFault> {
        let hint = "give something like `Authorization=Bearer secret:github`";
        let shown = name.to_ascii_lowercase();
        let header = HeaderName::from_bytes(shown.as_bytes());
        let header = header.map_err(|_| UpstreamFault::new("that is no name of a header", hint))?;
        if TAKEN.contains(&header.as_str()) || header.as_str().starts_with("mcp-") {
            return Err(UpstreamFault::new(format!("`{header}` is not yours to set"), hint));
        }
        let (text, secret) = match value.split_once(SECRET) {
            Some((text, secret)) => (text, Some(secret.to_owned())),
            None => (value, None),
        };
        if let Some(secret) = &secret {
            credential::check_name(secret).map_err(|fault| UpstreamFault::new(fault.to_string(), hint))?;
        }
        if text.len() > TEXT_BYTES_MAX || HeaderValue::from_str(text).is_err() {
            return Err(UpstreamFault::new("that is no value of a header", hint));
        }
        self.headers.retain(|one| one.name != header);
        self.headers.push(Header { name: header, text: text.to_owned(), secret });
        if self.headers.len() > HEADERS_MAX {
            return Err(UpstreamFault::new(format!("there are more than {HEADERS_MAX} headers"), hint));
        }
        Ok(self)
    }

    /// Trusts these certificates instead of the roots that are built in.
    ///
    /// # Errors
    /// See [`UpstreamFault`].
    pub fn with_ca_file(mut self, path: Option<PathBuf>) -> Result<Self, UpstreamFault> {
        if path.as_ref().is_some_and(|path| !path.is_absolute() || !self.endpoint.tls()) {
            let hint = "give an absolute path, and an `https` URL";
            return Err(UpstreamFault::new("a file with certificates means nothing here", hint));
        }
        self.ca_file = path;
        Ok(self)
    }

    /// How long an answer is waited for, in seconds.
    ///
    /// # Errors
    /// See [`UpstreamFault`].
    pub fn with_timeout(mut self, seconds: Option<u64>) -> Result<Self, UpstreamFault> {
        if seconds.is_some_and(|seconds| !(1..=TIMEOUT_S_MAX).contains(&seconds)) {
            let hint = "give 1 to 3600 seconds";
            return Err(UpstreamFault::new("an answer is not waited for so long", hint));
        }
        self.timeout_s = seconds;
        Ok(self)
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How long an answer is waited for.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s.unwrap_or(TIMEOUT_S))
    }

    /// The headers that are added, by name, with what is said of their values.
    pub fn headers(&self) -> impl Iterator<Item = (&str, String)> {
        self.headers.iter().map(|header| (header.name.as_str(), header.said()))
    }
}

impl Header {
    /// As the file says it: never the credential's value.
    fn said(&self) -> String {
        self.secret
            .as_ref()
            .map_or_else(|| self.text.clone(), |secret| format!("{}{SECRET}{secret}", self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_was_added_and_nothing_leads_elsewhere() {
        let one = Upstream::new("notes", "http://127.0.0.1:9/mcp?x=1").unwrap();
        let one =
            one.with_header("Authorization", "Bearer secret:notes").unwrap().with_timeout(Some(7)).unwrap();
        let mut all = Upstreams::default();
        all.add(one).unwrap();
        assert_eq!(Upstreams::parse(&all.text()).unwrap(), all);
        let said: Vec<_> = all.named("notes").unwrap().headers().collect();
        assert_eq!(said, [("authorization", "Bearer secret:notes".to_owned())]);

        for url in
            ["http://example.com/mcp", "file:///etc/passwd", "https://a.example/x#y", "https://u@a.example/"]
        {
            assert!(Upstream::new("a", url).is_err(), "{url}");
        }
        for name in ["", "A", "a__b", "a_", "-a", &"a".repeat(NAME_BYTES_MAX + 1)] {
            assert!(Upstream::new(name, "https://a.example").is_err(), "{name}");
        }
        let one = Upstream::new(&"a".repeat(NAME_BYTES_MAX), "https://a.example").unwrap();
        for name in ["Host", "content-length", "MCP-Session-Id", "a b", ""] {
            assert!(one.clone().with_header(name, "x").is_err(), "{name}");
        }
        assert!(one.clone().with_header("X-A", "a\r\nb").is_err());
        assert!(one.clone().with_header("X-A", "secret:../x").is_err());
        assert!(one.clone().with_timeout(Some(TIMEOUT_S_MAX)).is_ok());
        assert!(one.with_timeout(Some(TIMEOUT_S_MAX + 1)).is_err());
    }

    #[test]
    fn there_are_so_many_servers_and_no_more() {
        let mut all = Upstreams::default();
        for number in 0..UPSTREAMS_MAX {
            all.add(Upstream::new(&format!("n{number}"), "https://a.example").unwrap()).unwrap();
        }
        assert!(all.add(Upstream::new("more", "https://a.example").unwrap()).is_err());
    }
}
