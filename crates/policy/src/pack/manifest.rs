//! pack.toml: the rules of a regime with their citations, and what of them is enforced.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::snapshot::PolicyFault;

/// Name of the file.
pub const PACK_FILE: &str = "pack.toml";

/// What pack.toml says.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the pack and of the regime.
    pub name: String,
    /// For people.
    pub title: String,
    /// The text that the citations are from.
    pub source: String,
    /// Packs that this one builds on: without each of them it decides nothing.
    #[serde(default)]
    pub imports: BTreeSet<String>,
    /// Families of programs that the policy must name, or the pack has nothing to act on.
    #[serde(default)]
    pub families: BTreeSet<String>,
    /// Groups of people that its rules speak of.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// Scopes of consents that its rules ask for.
    #[serde(default)]
    pub consents: BTreeSet<String>,
    /// Its rules.
    #[serde(rename = "rule")]
    pub rules: Vec<Rule>,
}

/// One rule of a regime.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// `PACK.name`; of a preventive rule also the id of its policy or the name of its limit.
    pub id: String,
    /// The section.
    pub citation: String,
    /// The control as an auditor lists it.
    pub control: String,
    /// What it looks at.
    pub looks_at: String,
    /// Who enforces it.
    pub mode: Mode,
    /// First day, UTC: `2021-11-30`.
    pub effective_from: String,
    /// First day after.
    pub effective_until: Option<String>,
}

/// Who enforces a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A policy or limit of the pack.
    Preventive,
    /// Every Cascade, with or without the pack.
    BuiltIn,
    /// Nobody yet: it can only be found out afterwards.
    Detective,
}

impl Mode {
    /// The word in pack.toml.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Preventive => "preventive",
            Self::BuiltIn => "built_in",
            Self::Detective => "detective",
        }
    }
}

impl Manifest {
    /// Reads the TOML text.
    ///
    /// # Errors
    /// The first fault, placed in `file`.
    pub fn parse(file: &str, text: &str) -> Result<Self, PolicyFault> {
        let manifest: Self = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            PolicyFault::at(file, text, offset, "pack.syntax", error.message().replace('\n', " "))
        })?;
        match manifest.fault() {
            None => Ok(manifest),
            Some((what, message)) => {
                let offset = text.find(&what).unwrap_or(0);
                Err(PolicyFault::at(file, text, offset, "pack.rule", message))
            }
        }
    }

    /// What is wrong, with a text that stands where it is.
    fn fault(&self) -> Option<(String, String)> {
        let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if self.name.is_empty() || !self.name.bytes().all(named) {
            return Some((self.name.clone(), "a pack's name is of a-z, 0-9 and `-`".to_owned()));
        }
        if self.imports.contains(&self.name) {
            return Some(("imports".to_owned(), format!("`{}` imports itself", self.name)));
        }
        let mut ids = BTreeSet::new();
        for rule in &self.rules {
            let fault = |message: &str| Some((rule.id.clone(), format!("`{}` {message}", rule.id)));
            if !rule.id.strip_prefix(&self.name).is_some_and(|rest| rest.starts_with('.')) {
                return fault("does not begin with the pack's name");
            }
            if !ids.insert(&rule.id) {
                return fault("is there twice");
            }
            if [&rule.citation, &rule.control, &rule.looks_at].iter().any(|text| text.is_empty()) {
                return fault("says nothing of its citation, its control or what it looks at");
            }
            let until = rule.effective_until.as_deref();
            if !is_day(&rule.effective_from) || !until.is_none_or(is_day) {
                return fault("has a date that is no day such as 2021-11-30");
            }
            if until.is_some_and(|until| until <= rule.effective_from.as_str()) {
                return fault("ends before it begins");
            }
        }
        None
    }

    /// The first day on which a rule of the pack holds.
    #[must_use]
    pub fn effective_from(&self) -> &str {
        self.rules.iter().map(|rule| rule.effective_from.as_str()).min().unwrap_or_default()
    }
}

fn is_day(text: &str) -> bool {
    text.parse::<jiff::civil::Date>().is_ok_and(|day| day.to_string() == text)
}
