//! The operator's settings: thresholds.toml.

use std::collections::{BTreeMap, BTreeSet};

use cascade_receipt::content::GROUPS_MAX;
use cascade_receipt::decision::RiskTier;
use cascade_receipt::json::Value;
use serde::Deserialize;
use toml::Spanned;

use super::break_glass::{self, BreakGlassTerms};
use super::fault::PolicyFault;
use super::near::unknown_key;
use crate::cedar::{Book, Families};
use crate::decide::EscalationTerms;
use crate::environment::Environments;
use crate::facts::{PrincipalKind, read_terms, write_terms, write_words};
use crate::gate::ADMINS;
use crate::limits::Limits;
use crate::name::Name;

/// How much runs without asking, and who is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Thresholds {
    /// Highest tier a person runs without asking.
    pub person: RiskTier,
    /// Highest tier an agent runs without asking.
    pub agent: RiskTier,
    /// Highest tier a node runs without asking.
    pub node: RiskTier,
    /// What is asked of people above the threshold.
    pub escalation: EscalationTerms,
    /// Kinds of principals that need a grant for each command.
    pub grant_required: BTreeSet<PrincipalKind>,
    /// Programs that policies can name together, by family.
    pub families: BTreeMap<String, BTreeSet<String>>,
    /// Resources that policies can name together, by environment.
    pub environments: Environments,
    /// Who must sign before another policy takes this one's place.
    pub activation: ActivationTerms,
    /// Who may go past the gates in an emergency; nobody where it is not said.
    pub break_glass: Option<BreakGlassTerms>,
    /// Groups whose members' signatures make the specification of a workflow one that may run; sorted.
    pub authors: Vec<String>,
    /// Budgets and windows: limits.toml.
    pub limits: Limits,
}

/// Whose signatures another policy needs to come into force.
///
/// Met by signatures of at least `required` distinct people, each a member of at least one of `groups`, every one
/// of `groups` represented.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActivationTerms {
    /// Number of people.
    pub required: u32,
    /// Groups by name, sorted.
    pub groups: Vec<String>,
}

/// Most people whose signatures an activation can demand, and most that a receipt carries.
pub const SIGNERS_MAX: u32 = 16;

impl Default for ActivationTerms {
    fn default() -> Self {
        Self { required: 1, groups: vec![ADMINS.to_owned()] }
    }
}

impl ActivationTerms {
    fn to_json(&self) -> Value {
        Value::object([("required", self.required.into()), ("groups", write_words(&self.groups))])
    }

    fn from_json(value: &Value) -> Option<Self> {
        let groups = value.member("groups")?.as_array()?.iter();
        Some(Self {
            required: u32::try_from(value.member("required")?.as_u64()?).ok()?,
            groups: groups.map(|group| group.as_str().map(str::to_owned)).collect::<Option<_>>()?,
        })
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            person: RiskTier::High,
            agent: RiskTier::Medium,
            node: RiskTier::Medium,
            escalation: EscalationTerms {
                required: 1,
                groups: vec![ADMINS.to_owned()],
                expires_after_ms: 60 * MS_PER_MINUTE,
                signature_required: true,
            },
            grant_required: BTreeSet::new(),
            families: BTreeMap::new(),
            environments: Environments::default(),
            activation: ActivationTerms::default(),
            break_glass: None,
            authors: default_authors(),
            limits: Limits::default(),
        }
    }
}

const MS_PER_MINUTE: u64 = 60_000;
/// A year. An approval that outlives the people who gave it protects nothing.
const EXPIRES_MINUTES_MAX: u64 = 366 * 24 * 60;
/// The same in milliseconds.
pub(crate) const EXPIRES_MS_MAX: u64 = EXPIRES_MINUTES_MAX * MS_PER_MINUTE;

fn default_authors() -> Vec<String> {
    vec![ADMINS.to_owned()]
}

impl Thresholds {
    /// The highest tier this kind of principal runs without asking.
    #[must_use]
    pub const fn tier_max(&self, kind: PrincipalKind) -> RiskTier {
        match kind {
            PrincipalKind::Person => self.person,
            PrincipalKind::Agent => self.agent,
            PrincipalKind::Node => self.node,
        }
    }

    /// Whose members review what was done past the gates.
    #[must_use]
    pub fn review_groups(&self) -> &[String] {
        self.break_glass.as_ref().map_or(&self.escalation.groups, |terms| &terms.review_groups)
    }

    /// Reads the TOML text. What is left out has its default; what is unknown is a fault.
    ///
    /// # Errors
    /// The first fault, placed in `file`.
    pub fn parse(file: &str, text: &str) -> Result<Self, PolicyFault> {
        let mut table: File = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let message = error.message().replace('\n', " ");
            let hint = unknown_key(&message);
            let fault = PolicyFault::at(file, text, offset, "thresholds.syntax", message);
            match hint {
                Some(hint) => fault.suggest(hint),
                None => fault,
            }
        })?;
        let environments = std::mem::take(&mut table.environments).into_iter().map(|(name, patterns)| {
            let placed = |text: Spanned<String>| (text.span().start, text.into_inner());
            (name, patterns.into_iter().map(placed).collect())
        });
        let environments = Environments::read(environments.collect())
            .map_err(|(offset, message)| PolicyFault::at(file, text, offset, "thresholds.value", message))?;
        let thresholds = table.read().map_err(|(section, key, message)| {
            let section = text.find(section).unwrap_or(0);
            let offset = text.get(section..).and_then(|rest| rest.find(key)).unwrap_or(0);
            PolicyFault::at(file, text, section + offset, "thresholds.value", message)
        })?;
        Ok(Self { environments, ..thresholds })
    }

    /// Families the other way round, as requests need them.
    pub(super) fn families_by_program(&self) -> Families {
        let mut by_program = Families::new();
        for (family, programs) in &self.families {
            for program in programs {
                by_program.entry(program.clone()).or_default().insert(family.clone());
            }
        }
        by_program
    }

    /// What requests name together.
    pub(super) fn book(&self) -> Book {
        Book { families: self.families_by_program(), environments: self.environments.clone() }
    }

    pub(super) fn to_json(&self) -> Value {
        let families = self.families.iter().map(|(name, programs)| {
            let programs: Vec<String> = programs.iter().cloned().collect();
            Value::object([("name", name.as_str().into()), ("programs", write_words(&programs))])
        });
        let grant_required = self.grant_required.iter().map(|kind| kind.as_str().into());
        let mut members: BTreeMap<String, Value> = [
            ("person", self.person.as_str().into()),
            ("agent", self.agent.as_str().into()),
            ("node", self.node.as_str().into()),
            ("escalation", write_terms(&self.escalation)),
            ("grant_required", Value::Array(grant_required.collect())),
            ("families", Value::Array(families.collect())),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        // What came later stands there only where it was set, so that older snapshots keep their hash.
        if self.activation != ActivationTerms::default() {
            members.insert("activation".to_owned(), self.activation.to_json());
        }
        if let Some(terms) = &self.break_glass {
            members.insert("break_glass".to_owned(), terms.to_json());
        }
        if !self.environments.is_empty() {
            members.insert("environments".to_owned(), self.environments.to_json());
        }
        if self.authors != default_authors() {
            members.insert("authors".to_owned(), write_words(&self.authors));
        }
        if !self.limits.is_empty() {
            members.insert("limits".to_owned(), self.limits.to_json());
        }
        Value::Object(members)
    }

    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let tier = |key| RiskTier::parse(value.member(key)?.as_str()?);
        let mut families = BTreeMap::new();
        for family in value.member("families")?.as_array()? {
            let programs = family.member("programs")?.as_array()?;
            let programs = programs.iter().map(|program| program.as_str().map(str::to_owned));
            families.insert(family.member("name")?.as_str()?.to_owned(), programs.collect::<Option<_>>()?);
        }
        let kinds = value.member("grant_required")?.as_array()?;
        let activation = match value.member("activation") {
            Some(terms) => ActivationTerms::from_json(terms)?,
            None => ActivationTerms::default(),
        };
        let break_glass = match value.member("break_glass") {
            Some(terms) => Some(BreakGlassTerms::from_json(terms)?),
            None => None,
        };
        let environments = match value.member("environments") {
            Some(environments) => Environments::from_json(environments)?,
            None => Environments::default(),
        };
        let authors = match value.member("authors") {
            Some(groups) => {
                let groups = groups.as_array()?.iter();
                groups.map(|group| group.as_str().map(str::to_owned)).collect::<Option<_>>()?
            }
            None => default_authors(),
        };
        let limits = match value.member("limits") {
            Some(limits) => Limits::from_json(limits)?,
            None => Limits::default(),
        };
        Some(Self {
            activation,
            break_glass,
            authors,
            person: tier("person")?,
            agent: tier("agent")?,
            node: tier("node")?,
            escalation: read_terms(value.member("escalation")?).ok()?,
            grant_required: kinds
                .iter()
                .map(|kind| PrincipalKind::parse(kind.as_str()?))
                .collect::<Option<_>>()?,
            families,
            environments,
            limits,
        })
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct File {
    risk: Risk,
    escalation: Escalation,
    authority: Authority,
    families: BTreeMap<String, BTreeSet<String>>,
    environments: BTreeMap<String, Vec<Spanned<String>>>,
    activation: Activation,
    break_glass: Option<break_glass::Section>,
    specs: Specs,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Specs {
    authors: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Activation {
    groups: Option<Vec<String>>,
    required: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Risk {
    person: Option<String>,
    agent: Option<String>,
    node: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Escalation {
    groups: Option<Vec<String>>,
    required: Option<u32>,
    expires_minutes: Option<u64>,
    signature_required: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Authority {
    grant_required: Vec<String>,
}

/// The section and key at fault, and what is wrong.
pub(super) type ValueFault = (&'static str, &'static str, String);

impl File {
    fn read(self) -> Result<Thresholds, ValueFault> {
        let default = Thresholds::default();
        let escalation = self.escalation.read(default.escalation)?;
        let mut grant_required = BTreeSet::new();
        for kind in &self.authority.grant_required {
            let known = PrincipalKind::parse(kind);
            let fault =
                || ("[authority]", "grant_required", format!("`{kind}` is none of person, agent, node"));
            grant_required.insert(known.ok_or_else(fault)?);
        }
        let break_glass = self.break_glass.map(|section| section.read(&escalation.groups)).transpose()?;
        Ok(Thresholds {
            person: tier("person", self.risk.person.as_deref(), default.person)?,
            agent: tier("agent", self.risk.agent.as_deref(), default.agent)?,
            node: tier("node", self.risk.node.as_deref(), default.node)?,
            escalation,
            grant_required,
            families: self.families,
            environments: Environments::default(),
            activation: self.activation.read(default.activation)?,
            break_glass,
            authors: groups_of(("[specs]", "authors"), self.specs.authors, default.authors)?,
            limits: Limits::default(),
        })
    }
}

/// The groups of a section, sorted.
pub(super) fn groups(
    section: &'static str,
    own: Option<Vec<String>>,
    default: Vec<String>,
) -> Result<Vec<String>, ValueFault> {
    groups_of((section, "groups"), own, default)
}

/// The same of another key.
pub(super) fn groups_of(
    (section, key): (&'static str, &'static str),
    own: Option<Vec<String>>,
    default: Vec<String>,
) -> Result<Vec<String>, ValueFault> {
    let mut groups = own.unwrap_or(default);
    groups.sort_unstable();
    groups.dedup();
    if groups.is_empty() || groups.iter().any(String::is_empty) {
        return Err((section, key, format!("`{key}` must name at least one group")));
    }
    let no_name = |group: &String| Name::parse(group).err().map(|fault| (group.clone(), fault));
    if let Some((group, fault)) = groups.iter().find_map(no_name) {
        return Err((section, "groups", format!("`{group}` can be no group: {fault}")));
    }
    if groups.len() > GROUPS_MAX {
        return Err((section, key, format!("`{key}` may name at most {GROUPS_MAX} groups")));
    }
    Ok(groups)
}

impl Activation {
    fn read(self, default: ActivationTerms) -> Result<ActivationTerms, ValueFault> {
        const SECTION: &str = "[activation]";
        let groups = groups(SECTION, self.groups, default.groups)?;
        let required = self.required.unwrap_or(default.required);
        if required == 0 || required > SIGNERS_MAX {
            let message = format!("`required` must lie between 1 and {SIGNERS_MAX}");
            return Err((SECTION, "required", message));
        }
        Ok(ActivationTerms { required, groups })
    }
}

impl Escalation {
    fn read(self, default: EscalationTerms) -> Result<EscalationTerms, ValueFault> {
        const SECTION: &str = "[escalation]";
        let groups = groups(SECTION, self.groups, default.groups)?;
        let required = self.required.unwrap_or(default.required);
        if required == 0 {
            return Err((SECTION, "required", "`required` must be at least 1".to_owned()));
        }
        let minutes = self.expires_minutes.unwrap_or(default.expires_after_ms / MS_PER_MINUTE);
        if minutes == 0 || minutes > EXPIRES_MINUTES_MAX {
            let message = format!("`expires_minutes` must lie between 1 and {EXPIRES_MINUTES_MAX}");
            return Err((SECTION, "expires_minutes", message));
        }
        Ok(EscalationTerms {
            required,
            groups,
            expires_after_ms: minutes * MS_PER_MINUTE,
            signature_required: self.signature_required.unwrap_or(default.signature_required),
        })
    }
}

fn tier(key: &'static str, word: Option<&str>, default: RiskTier) -> Result<RiskTier, ValueFault> {
    let Some(word) = word else { return Ok(default) };
    let fault = || ("[risk]", key, format!("`{word}` is none of LOW, MEDIUM, HIGH, CRITICAL"));
    RiskTier::parse(word).ok_or_else(fault)
}
