//! Texts that name what is acted on, brought into one spelling. Nobody's name or password comes through here: what
//! cannot be told apart from one is not named at all.

use cascade_receipt::resource::UNKNOWN;

use super::manifest::Reading;
use super::word::Word;
use crate::resource::ResourceKind;

/// Longest name, in bytes. A longer one is not named.
const NAME_BYTES_MAX: usize = 200;

/// [`UNKNOWN`] as a sign.
const UNKNOWN_SIGN: char = '…';

/// A kind and a name, where one is known.
pub(super) type Named = (ResourceKind, Option<String>);

/// A word as a text in which `…` stands for what cannot be known.
pub(super) fn text_of(word: &Word) -> Option<String> {
    match word {
        Word::Known(text) => Some(text.clone()),
        Word::One { before, after } => Some(format!("{before}{UNKNOWN}{after}")),
        // The question mark of an address: a file of that name has the same host in it.
        Word::Glob(text) if text.contains("://") && !text.contains(SPECIAL) => Some(text.clone()),
        Word::Glob(text) => {
            let known = text.split(SPECIAL).next().and_then(|text| text.split('?').next());
            known.filter(|known| !known.is_empty()).map(|known| format!("{known}{UNKNOWN}"))
        }
        Word::Around(_) | Word::Unknown => None,
    }
}

/// Where a pattern stops being plain text, the question mark aside.
const SPECIAL: [char; 7] = ['*', '[', '{', '(', '~', '\\', '!'];

/// What a text names. Nothing, where it names no resource at all, such as a file among the targets of a copy.
pub(super) fn read(reading: Reading, kind: ResourceKind, text: &str) -> Vec<Named> {
    let text = text.trim();
    match reading {
        Reading::Name => vec![(kind, name(text))],
        Reading::List => {
            text.split([',', ':']).filter(|one| !one.is_empty()).map(|one| (kind, name(one))).collect()
        }
        Reading::Host => at_host(kind, text),
        Reading::Hosts => text.split(',').map(|one| (kind, host(authority(one.trim())))).collect(),
        Reading::Remote => remote(kind, text),
        Reading::Repo => repo(kind, text),
        Reading::Forge => forge(kind, text),
        Reading::Link => link(kind, text),
        Reading::Bucket => bucket(kind, text),
        // Put together with hosts that other words name.
        Reading::Database => Vec::new(),
    }
}

/// A name as it is said; one that looks like an address loses whatever is no name in it.
pub(super) fn name(text: &str) -> Option<String> {
    if let Some((scheme, rest)) = text.split_once("://") {
        let (authority, path) = split_address(rest);
        let host = host(authority)?;
        return plain(&format!("{scheme}://{host}{path}")).filter(|name| !name.contains('@'));
    }
    plain(text)
}

fn plain(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.len() <= NAME_BYTES_MAX;
    let visible = !text.contains(UNKNOWN) && !text.chars().any(|sign| sign.is_control() || sign == '\\');
    (fits && visible).then(|| text.to_owned())
}

/// What stands behind a scheme: authority, and path without query.
fn split_address(rest: &str) -> (&str, &str) {
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    rest.split_at(rest.find('/').unwrap_or(rest.len()))
}

/// The authority of an address, with or without a scheme.
fn authority(text: &str) -> &str {
    split_address(text.split_once("://").map_or(text, |(_, rest)| rest)).0
}

/// `user:password@HOST:port`. What could be read in two ways is no host.
pub(super) fn host(authority: &str) -> Option<String> {
    // With an unknown part before it, the `@` that counts may be another one.
    if authority.contains([UNKNOWN_SIGN, '\\']) || authority.len() > NAME_BYTES_MAX {
        return None;
    }
    let bare = authority.rsplit_once('@').map_or(authority, |(_, bare)| bare);
    let host = match bare.strip_prefix('[') {
        Some(address) => address.split_once(']')?.0,
        None if bare.matches(':').count() > 1 => bare,
        None => bare.split_once(':').map_or(bare, |(host, _)| host),
    };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
    (!host.is_empty() && !host.starts_with('-') && host.bytes().all(fits)).then_some(host)
}

/// A socket of this machine is one of `localhost`; a file is none.
fn at_host(kind: ResourceKind, text: &str) -> Vec<Named> {
    match text.split_once("://") {
        Some(("unix" | "npipe", _)) => vec![(kind, Some("localhost".to_owned()))],
        Some(("file", _)) => Vec::new(),
        _ => vec![(kind, host(authority(text)))],
    }
}

/// The machine of `HOST:path`, `HOST::module` or an address; nothing for a path of this machine.
fn remote(kind: ResourceKind, text: &str) -> Vec<Named> {
    if text.contains("://") {
        return vec![(kind, host(authority(text)))];
    }
    let Some((before, _)) = text.split_once(':') else { return Vec::new() };
    if let Some((_, rest)) = text.split_once('[').filter(|(user, _)| user.is_empty() || user.ends_with('@')) {
        return vec![(kind, host(&format!("[{rest}")))];
    }
    if before.contains('/') { Vec::new() } else { vec![(kind, host(before))] }
}

/// A repository, and the machine that holds it.
fn repo(kind: ResourceKind, text: &str) -> Vec<Named> {
    let Some((server, path)) = repo_parts(text) else { return vec![(kind, name(text))] };
    let repo = server.as_ref().and_then(|server| {
        let path = path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        plain(&format!("{server}/{path}")).filter(|name| !name.contains('@') && !path.is_empty())
    });
    vec![(kind, repo), (ResourceKind::Host, server)]
}

/// Machine and path of an address of a repository; `None` for a path of this machine.
fn repo_parts(text: &str) -> Option<(Option<String>, &str)> {
    if let Some((scheme, rest)) = text.split_once("://") {
        let (authority, path) = split_address(rest);
        return (scheme != "file").then(|| (host(authority), path));
    }
    // `ext::` and its like start a program, which may do anything.
    if text.contains("::") && !text.contains('[') {
        return Some((None, ""));
    }
    let (before, path) = text.split_once(':')?;
    (!before.contains('/')).then(|| (host(before), path))
}

/// `OWNER/NAME` at the usual server of the program, or with the server in front.
fn forge(kind: ResourceKind, text: &str) -> Vec<Named> {
    if text.contains(':') {
        return repo(kind, text);
    }
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        [server, _, _, ..] if server.contains('.') => repo(kind, &format!("https://{text}")),
        [_, _, ..] => vec![(kind, plain(text).map(|path| path.to_ascii_lowercase()))],
        _ => vec![(kind, None)],
    }
}

/// `https://github.com/acme/shop/pull/3` is below `github.com/acme/shop`.
fn link(kind: ResourceKind, text: &str) -> Vec<Named> {
    if text.contains(UNKNOWN) {
        return vec![(kind, None)];
    }
    let Some((_, rest)) = text.split_once("://") else { return Vec::new() };
    let parts: Vec<&str> = rest.splitn(4, '/').collect();
    match parts.as_slice() {
        [server, owner, name, ..] => repo(kind, &format!("https://{server}/{owner}/{name}")),
        _ => vec![(kind, None)],
    }
}

/// `s3://bucket/key` is `s3://bucket`.
fn bucket(kind: ResourceKind, text: &str) -> Vec<Named> {
    let Some((scheme, rest)) = text.split_once("://") else { return Vec::new() };
    let (bucket, _) = rest.split_once('/').unwrap_or((rest, ""));
    let name = plain(&format!("{}://{bucket}", scheme.to_ascii_lowercase()));
    vec![(kind, name.filter(|_| !bucket.is_empty()))]
}

/// Hosts and names that a text naming a database holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Target {
    pub(super) hosts: Vec<Option<String>>,
    pub(super) name: Option<String>,
}

/// An address, settings (`host=a dbname=b`), `host/name`, or a plain name.
pub(super) fn database(text: &str) -> Target {
    if let Some((_, rest)) = text.split_once("://") {
        // What stands behind the question mark can name another host.
        let query = rest.split_once('?').map_or("", |(_, query)| query);
        let led = ["host", "service", UNKNOWN, "%"].iter().any(|word| query.contains(word));
        let (authority, path) = split_address(rest);
        let bare = authority.rsplit_once('@').map_or(authority, |(_, bare)| bare);
        let whole = !authority.contains(UNKNOWN) && !path.contains(['@', UNKNOWN_SIGN]);
        let mut hosts: Vec<_> = bare.split(',').filter(|one| !one.is_empty()).map(host).collect();
        if led || !whole {
            hosts = vec![None];
        }
        return Target { hosts, name: plain(path.trim_matches('/')).filter(|_| whole) };
    }
    if text.contains('=') {
        return settings(text);
    }
    match text.split_once('/') {
        Some((server, name)) if !server.is_empty() => {
            Target { hosts: vec![host(server)], name: plain(name).filter(|name| !name.contains('@')) }
        }
        _ => Target { hosts: Vec::new(), name: plain(text) },
    }
}

/// `host=a dbname=b password=c`: of quotes, blanks in values and services nothing is made.
fn settings(text: &str) -> Target {
    let mut target = Target::default();
    if text.contains(['\'', '\\', UNKNOWN_SIGN]) || text.contains(" =") || text.contains("= ") {
        return Target { hosts: vec![None], name: None };
    }
    for (key, value) in text.split_whitespace().filter_map(|pair| pair.split_once('=')) {
        match key {
            "host" | "hostaddr" => target.hosts.extend(value.split(',').map(server)),
            "dbname" => target.name = plain(value).filter(|name| !name.contains(['=', '@', ':'])),
            "service" => target.hosts.push(None),
            _ => {}
        }
    }
    target
}

/// A host of a database; a directory of sockets is one of this machine.
pub(super) fn server(text: &str) -> Option<String> {
    if text.starts_with('/') && !text.contains(UNKNOWN) { Some("localhost".to_owned()) } else { host(text) }
}
