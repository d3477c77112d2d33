//! controls.toml: the detective controls of a pack.

use std::collections::BTreeSet;
use std::fmt;

use cascade_receipt::digest::Digest;
use cascade_receipt::time::Timestamp;
use serde::Deserialize;

/// Name of the file beside pack.toml.
pub const CONTROLS_FILE: &str = "controls.toml";
/// Longest file, in bytes.
pub const CONTROLS_BYTES_MAX: usize = 256 * 1024;

/// The controls of one pack, and the hash of the text they were read from.
///
/// They are no part of the pack's own hash: a control decides nothing, and a better question about the past must not
/// ask for another activation of the pack.
#[derive(Clone, Debug)]
pub struct Controls {
    /// The pack that they belong to.
    pub pack: String,
    /// SHA-256 of the file.
    pub hash: Digest,
    /// Where the pack lists a break of the chain.
    pub chain_break: ChainBreak,
    /// In the order of the file.
    pub controls: Vec<Control>,
}

/// Where a pack lists a break of the chain, which every audit looks for.
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainBreak {
    /// The section, in the words of the source.
    pub citation: String,
    /// What an auditor lists it under.
    pub criteria: Vec<String>,
}

/// One control.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// `PACK.name`.
    pub id: String,
    /// For people.
    pub title: String,
    /// The section, in the words of the source.
    pub citation: String,
    /// What an auditor lists it under.
    pub criteria: Vec<String>,
    /// How much a violation weighs.
    pub severity: Severity,
    /// First day, UTC: `2021-11-30`.
    pub effective_from: String,
    /// First day after.
    pub effective_until: Option<String>,
    /// Which receipts are evidence, and of what.
    pub evidence: String,
    /// What somebody does who finds it violated.
    pub next: String,
    /// Rows of what it looks at; without any it is not applicable.
    pub applies: String,
    /// Rows of what this chain cannot answer.
    pub unprovable: Option<String>,
    /// Rows of what breaks it. A control without them can never be satisfied by a chain alone.
    pub violations: Option<String>,
}

/// How much a violation weighs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// To be known.
    Low,
    /// To be looked at.
    Medium,
    /// To be answered.
    High,
    /// To be answered at once.
    Critical,
}

impl Severity {
    /// The word in controls.toml and in findings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What is wrong with a file of controls.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct ControlFault {
    /// Which file.
    pub file: String,
    /// The line, from 1; 0 where it is the whole file.
    pub line: usize,
    /// What.
    pub message: String,
}

impl fmt::Display for ControlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}: {}", self.file, self.message),
        }
    }
}

impl ControlFault {
    pub(crate) fn of(file: &str, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: 0, message: message.into() }
    }

    /// The fault of a text that is no TOML, or none of this form.
    pub(crate) fn toml(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(0, |before| before.bytes().filter(|byte| *byte == b'\n').count() + 1);
        Self { file: file.to_owned(), line, message: error.message().replace('\n', " ") }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    chain_break: ChainBreak,
    control: Vec<Control>,
}

impl Controls {
    /// Reads the controls of `pack`.
    ///
    /// # Errors
    /// The first fault.
    pub fn parse(pack: &str, text: &str) -> Result<Self, ControlFault> {
        let file = format!("packs/{pack}/{CONTROLS_FILE}");
        if text.len() > CONTROLS_BYTES_MAX {
            return Err(ControlFault::of(&file, format!("it is longer than {CONTROLS_BYTES_MAX} bytes")));
        }
        let read: File = toml::from_str(text).map_err(|error| ControlFault::toml(&file, text, &error))?;
        let mut ids = BTreeSet::new();
        for control in &read.control {
            let at = text.find(&format!("\"{}\"", control.id)).and_then(|at| text.get(..at));
            let line = at.map_or(0, |before| before.bytes().filter(|byte| *byte == b'\n').count() + 1);
            let fault = |message: &str| {
                let message = format!("`{}` {message}", control.id);
                Err(ControlFault { file: file.clone(), line, message })
            };
            if let Some(message) = control.fault(pack) {
                return fault(message);
            }
            if !ids.insert(&control.id) {
                return fault("is there twice");
            }
        }
        let File { chain_break, control: controls } = read;
        Ok(Self { pack: pack.to_owned(), hash: Digest::of(text.as_bytes()), chain_break, controls })
    }
}

impl Control {
    fn fault(&self, pack: &str) -> Option<&'static str> {
        let name = self.id.strip_prefix(pack).and_then(|rest| rest.strip_prefix('.'));
        if name.is_none_or(str::is_empty) {
            return Some("does not begin with the pack's name and a dot");
        }
        let texts = [&self.title, &self.citation, &self.evidence, &self.next, &self.applies];
        if texts.iter().any(|text| text.trim().is_empty()) || self.criteria.is_empty() {
            return Some("leaves its title, citation, criteria, evidence, next or applies empty");
        }
        if self.violations.is_none() && self.unprovable.is_none() {
            return Some("asks for neither violations nor what is unprovable, so that it could not fail");
        }
        let until = self.effective_until.as_deref();
        if day_ms(&self.effective_from).is_none() || until.is_some_and(|day| day_ms(day).is_none()) {
            return Some("has a date that is no day such as 2021-11-30");
        }
        if until.is_some_and(|until| until <= self.effective_from.as_str()) {
            return Some("ends before it begins");
        }
        None
    }

    /// What every audit looks for, whatever the pack: a break of the chain.
    pub(crate) fn of_chain(listed: &ChainBreak) -> Self {
        Self {
            id: "chain-break".to_owned(),
            title: "The chain is whole".to_owned(),
            citation: listed.citation.clone(),
            criteria: listed.criteria.clone(),
            severity: Severity::Critical,
            effective_from: "1970-01-01".to_owned(),
            effective_until: None,
            evidence: "every line, its link to the one before, its hash and its signature".to_owned(),
            next: "keep the damaged file, and compare it with a backup or an export of the same chain: cascade fsck".to_owned(),
            applies: String::new(),
            unprovable: None,
            violations: None,
        }
    }

    /// From when until when it holds, in milliseconds.
    pub(crate) fn effective_ms(&self) -> (i64, i64) {
        let ms = |day: &str| day_ms(day).unwrap_or(i64::MIN);
        (ms(&self.effective_from), self.effective_until.as_deref().map_or(i64::MAX, ms))
    }
}

/// The beginning of a day, UTC.
fn day_ms(day: &str) -> Option<i64> {
    let time = Timestamp::parse(&format!("{day}T00:00:00.000Z"))?;
    i64::try_from(time.ms()).ok()
}
