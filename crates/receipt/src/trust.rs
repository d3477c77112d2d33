//! Whom a reader trusts: a C2SP tlog-policy, given by the reader and never taken from the operator
//! (format section 11).

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;

use crate::note::{Algorithm, VerifierKey};

/// Longest policy in bytes.
pub const TRUST_BYTES_MAX: usize = 256 * 1024;
/// Most logs, witnesses and groups, each.
pub const TRUST_ITEMS_MAX: usize = 64;

/// Why a policy cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct TrustFault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

/// A log or witness and where it is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Party {
    /// Its key.
    pub key: VerifierKey,
    /// Its address, if the line gives one.
    pub url: Option<String>,
}

/// A policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trust {
    logs: Vec<Party>,
    witnesses: Vec<Party>,
    /// In the order of their lines: a group refers to what stands before it.
    names: Vec<(Vec<u8>, Rule)>,
    quorum: Option<usize>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Rule {
    /// Index into `witnesses`.
    Witness(usize),
    /// So many of these, indices into `names`.
    Group { least: usize, members: Vec<usize> },
}

impl Trust {
    /// Reads a policy file.
    ///
    /// # Errors
    /// The first line that is wrong, and how.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustFault> {
        let mut reader = Reader::default();
        let fault = |at: usize| move |what| TrustFault { line: at + 1, what };
        if bytes.len() > TRUST_BYTES_MAX {
            return Err(fault(0)("the policy is longer than 256 KiB"));
        }
        let lines = bytes.split(|byte| *byte == b'\n');
        let mut last = 0;
        for (at, line) in lines.enumerate() {
            reader.line(line).map_err(fault(at))?;
            last = at;
        }
        let Reader { trust, quorum_seen, .. } = reader;
        if quorum_seen { Ok(trust) } else { Err(fault(last)("there is no `quorum` line")) }
    }

    /// The logs.
    #[must_use]
    pub fn logs(&self) -> &[Party] {
        &self.logs
    }

    /// The witnesses.
    #[must_use]
    pub fn witnesses(&self) -> &[Party] {
        &self.witnesses
    }

    /// Whether the quorum is met when exactly the witnesses for which `cosigned` says so (by their
    /// index in [`Trust::witnesses`]) have cosigned.
    #[must_use]
    pub fn met(&self, cosigned: impl Fn(usize) -> bool) -> bool {
        let mut met: Vec<bool> = Vec::with_capacity(self.names.len());
        for (_, rule) in &self.names {
            met.push(match rule {
                Rule::Witness(index) => cosigned(*index),
                Rule::Group { least, members } => {
                    members.iter().filter(|member| met.get(**member) == Some(&true)).count() >= *least
                }
            });
        }
        self.quorum.is_none_or(|index| met.get(index) == Some(&true))
    }
}

struct Reader {
    trust: Trust,
    quorum_seen: bool,
    /// Names that are members of a group already: each counts in one way only.
    used: Vec<usize>,
}

impl Default for Reader {
    fn default() -> Self {
        let trust = Trust { logs: Vec::new(), witnesses: Vec::new(), names: Vec::new(), quorum: None };
        Self { trust, quorum_seen: false, used: Vec::new() }
    }
}

impl Reader {
    fn line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        if line.iter().any(|byte| matches!(byte, 0..=8 | 0x0a..=0x1f | 0x7f)) {
            return Err("a control character");
        }
        let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        let Some(first) = words.next().filter(|first| !first.starts_with(b"#")) else { return Ok(()) };
        let words: Vec<&[u8]> = words.collect();
        match (first, words.as_slice()) {
            (b"log", [key, url @ ..]) => self.log(key, url),
            (b"witness", [name, key, url @ ..]) => self.witness(name, key, url),
            (b"group", [name, least, members @ ..]) => self.group(name, least, members),
            (b"quorum", [name]) => self.quorum(name),
            (b"log" | b"witness" | b"group" | b"quorum", _) => Err("a word is missing or too many"),
            _ => Err("not a `log`, `witness`, `group` or `quorum` line"),
        }
    }

    fn log(&mut self, key: &[u8], url: &[&[u8]]) -> Result<(), &'static str> {
        add(&mut self.trust.logs, party(key, url, Algorithm::Ed25519)?)
    }

    fn witness(&mut self, name: &[u8], key: &[u8], url: &[&[u8]]) -> Result<(), &'static str> {
        add(&mut self.trust.witnesses, party(key, url, Algorithm::Cosignature)?)?;
        self.define(name, Rule::Witness(self.trust.witnesses.len() - 1))
    }

    fn group(&mut self, name: &[u8], least: &[u8], members: &[&[u8]]) -> Result<(), &'static str> {
        let groups = self.trust.names.iter().filter(|(_, rule)| matches!(rule, Rule::Group { .. })).count();
        if groups >= TRUST_ITEMS_MAX {
            return Err("more than 64 groups");
        }
        let mut indices = Vec::with_capacity(members.len());
        for member in members {
            let index = self.find(member).ok_or("a member is not defined above")?;
            if self.used.contains(&index) {
                return Err("a name is a member twice");
            }
            self.used.push(index);
            indices.push(index);
        }
        let least = match least {
            b"any" => 1,
            b"all" => indices.len(),
            digits => number(digits).ok_or("the threshold is no number, `any` or `all`")?,
        };
        if least == 0 || least > indices.len() {
            return Err("the threshold is below 1 or above the number of members");
        }
        self.define(name, Rule::Group { least, members: indices })
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), &'static str> {
        if core::mem::replace(&mut self.quorum_seen, true) {
            return Err("a second `quorum` line");
        }
        if name != b"none" {
            self.trust.quorum = Some(self.find(name).ok_or("the quorum is not defined above")?);
        }
        Ok(())
    }

    fn define(&mut self, name: &[u8], rule: Rule) -> Result<(), &'static str> {
        if name == b"none" || self.find(name).is_some() {
            return Err("the name is taken");
        }
        self.trust.names.push((name.to_vec(), rule));
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.trust.names.iter().position(|(known, _)| known == name)
    }
}

fn party(key: &[u8], url: &[&[u8]], algorithm: Algorithm) -> Result<Party, &'static str> {
    let key = core::str::from_utf8(key).ok().and_then(VerifierKey::parse);
    let key = key.filter(|key| key.algorithm() == algorithm).ok_or("not a verifier key of the right type")?;
    let url = match url {
        [] => None,
        [url] => Some(core::str::from_utf8(url).map_err(|_| "the URL is not UTF-8")?.to_owned()),
        _ => return Err("a word too many"),
    };
    Ok(Party { key, url })
}

fn add(parties: &mut Vec<Party>, party: Party) -> Result<(), &'static str> {
    if parties.iter().any(|known| known.key.public() == party.key.public()) {
        return Err("the same key twice");
    }
    if parties.len() >= TRUST_ITEMS_MAX {
        return Err("more than 64 logs or witnesses");
    }
    parties.push(party);
    Ok(())
}

fn number(digits: &[u8]) -> Option<usize> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    core::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ed25519::PublicKey;
    use ed25519_dalek::SigningKey;
    use std::format;

    fn key(seed: u8, name: &str, algorithm: Algorithm) -> VerifierKey {
        let signing = SigningKey::from_bytes(&[seed; 32]);
        let public = PublicKey::accept(signing.verifying_key().as_bytes()).expect("strong");
        VerifierKey::new(name, algorithm, public).expect("a name")
    }

    fn witness(seed: u8) -> VerifierKey {
        key(seed, "w.example", Algorithm::Cosignature)
    }

    #[test]
    fn quorums() {
        let text = format!(
            "# who we trust\n\nlog {}\n witness\ta {} https://a.example/\nwitness b {}\nwitness c {}\n\
             group ab 2 a b\ngroup all any ab c\nquorum all\n",
            key(1, "log.example", Algorithm::Ed25519),
            witness(2),
            witness(3),
            witness(4)
        );
        let trust = Trust::parse(text.as_bytes()).expect("a policy");
        assert_eq!((trust.logs().len(), trust.witnesses().len()), (1, 3));
        assert_eq!(trust.witnesses()[0].url.as_deref(), Some("https://a.example/"));
        for (cosigned, met) in [(0b001, false), (0b011, true), (0b100, true), (0b010, false), (0, false)] {
            assert_eq!(trust.met(|index| cosigned >> index & 1 == 1), met, "{cosigned:b}");
        }
        let none = Trust::parse(b"quorum none").expect("a policy");
        assert!(none.met(|_| false));
    }

    #[test]
    fn what_is_no_policy() {
        let (a, b) = (witness(2), witness(3));
        let two = format!("witness a {a}\nwitness b {b}\n");
        for (text, line, what) in [
            (two.clone(), 3, "there is no `quorum` line"),
            (format!("{two}quorum a\nquorum b"), 4, "a second `quorum` line"),
            (format!("quorum a\n{two}"), 1, "the quorum is not defined above"),
            (format!("{two}group g 3 a b\n"), 3, "the threshold is below 1 or above the number of members"),
            (format!("{two}group g 0 a b\n"), 3, "the threshold is below 1 or above the number of members"),
            (format!("{two}group g +1 a b\n"), 3, "the threshold is no number, `any` or `all`"),
            (format!("{two}group g any a a\n"), 3, "a name is a member twice"),
            (format!("{two}group g any a\ngroup h any a\n"), 4, "a name is a member twice"),
            (format!("{two}group a any b\n"), 3, "the name is taken"),
            (format!("witness none {a}\n"), 1, "the name is taken"),
            (format!("witness a {a}\nwitness b {a}\n"), 2, "the same key twice"),
            (format!("log {a}\n"), 1, "not a verifier key of the right type"),
            (format!("witness a {a} x y\n"), 1, "a word too many"),
            ("witnes a b".into(), 1, "not a `log`, `witness`, `group` or `quorum` line"),
            ("group".into(), 1, "a word is missing or too many"),
            ("quorum none\r\n".into(), 1, "a control character"),
        ] {
            assert_eq!(Trust::parse(text.as_bytes()), Err(TrustFault { line, what }), "{text}");
        }
        let many: String = (0..=TRUST_ITEMS_MAX)
            .map(|n| format!("group g{n} any {}\n", if n == 0 { "a".into() } else { format!("g{}", n - 1) }))
            .collect();
        let text = format!("{two}{many}quorum a\n");
        assert_eq!(Trust::parse(text.as_bytes()).unwrap_err().what, "more than 64 groups");
        assert!(Trust::parse(&[b'#'; TRUST_BYTES_MAX + 1]).is_err());
    }
}
