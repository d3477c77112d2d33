//! controls/*.toml: a chain that satisfies a control, and what changes of it do.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::control::{ControlFault, Outcome};

/// Longest file, in bytes.
pub const TRIAL_BYTES_MAX: usize = 256 * 1024;
/// Most receipts of a trial chain.
const RECEIPTS_MAX: usize = 1_000;

/// The tests of one control.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// Whose.
    pub control: String,
    /// The chain that its cases change, genesis left out.
    #[serde(default)]
    pub base: Vec<toml::Table>,
    /// What is tried.
    pub case: Vec<Case>,
}

/// One case: the base with a change, and what the control must say of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows.
    pub title: String,
    /// How the control must come out.
    pub outcome: String,
    /// Names of the receipts that its findings, or what is unprovable, must name first, each once.
    #[serde(default)]
    pub receipts: Vec<String>,
    /// Receipts of the base that are not there.
    #[serde(default)]
    pub drop: BTreeSet<String>,
    /// Members of receipts of the base that are others.
    #[serde(default)]
    pub set: BTreeMap<String, toml::Table>,
    /// Members of receipts of the base that are not there.
    #[serde(default)]
    pub without: BTreeMap<String, Vec<String>>,
    /// Receipts that come before the base ends, or after the one that `behind` names.
    #[serde(default)]
    pub add: Vec<toml::Table>,
    /// First moment of the period [default: all].
    pub since: Option<String>,
    /// First moment after it [default: now].
    pub until: Option<String>,
    /// When the audit is made [default: with the last receipt].
    pub now: Option<String>,
    /// Whoever audits has no private bytes.
    #[serde(default)]
    pub undisclosed: bool,
}

impl Trial {
    /// Reads a file.
    ///
    /// # Errors
    /// The first fault.
    pub fn parse(file: &str, text: &str) -> Result<Self, ControlFault> {
        if text.len() > TRIAL_BYTES_MAX {
            return Err(ControlFault::of(file, format!("it is longer than {TRIAL_BYTES_MAX} bytes")));
        }
        let trial: Self = toml::from_str(text).map_err(|error| ControlFault::toml(file, text, &error))?;
        for case in &trial.case {
            if Outcome::parse(&case.outcome).is_none() {
                let message = format!("`{}`: `{}` is no outcome", case.title, case.outcome);
                return Err(ControlFault::of(file, message));
            }
        }
        Ok(trial)
    }

    /// Whether a case of it comes out like this.
    #[must_use]
    pub fn shows(&self, outcome: Outcome) -> bool {
        self.case.iter().any(|case| case.outcome == outcome.as_str())
    }

    /// The receipts of a case, in their order.
    ///
    /// # Errors
    /// What the case names and the base does not have.
    pub fn receipts_of(&self, case: &Case) -> Result<Vec<toml::Table>, String> {
        let mut receipts = self.base.clone();
        for (name, members) in &case.set {
            let receipt = named(&mut receipts, name)?;
            receipt.extend(members.clone());
        }
        for (name, members) in &case.without {
            let receipt = named(&mut receipts, name)?;
            members.iter().for_each(|member| drop(receipt.remove(member)));
        }
        for name in &case.drop {
            let at = place(&receipts, name)?;
            receipts.remove(at);
        }
        for one in &case.add {
            let mut one = one.clone();
            let at = match one.remove("behind") {
                Some(toml::Value::String(name)) if name == "genesis" => 0,
                Some(toml::Value::String(name)) => place(&receipts, &name)? + 1,
                Some(_) => return Err("`behind` is the name of a receipt".to_owned()),
                None => receipts.len(),
            };
            receipts.insert(at, one);
        }
        let receipts = repeated(receipts)?;
        if receipts.len() > RECEIPTS_MAX {
            return Err(format!("more than {RECEIPTS_MAX} receipts"));
        }
        Ok(receipts)
    }
}

fn name_of(receipt: &toml::Table) -> Option<&str> {
    receipt.get("name").and_then(toml::Value::as_str)
}

fn place(receipts: &[toml::Table], name: &str) -> Result<usize, String> {
    let at = receipts.iter().position(|receipt| name_of(receipt) == Some(name));
    at.ok_or_else(|| format!("the chain has no receipt `{name}`"))
}

fn named<'r>(receipts: &'r mut [toml::Table], name: &str) -> Result<&'r mut toml::Table, String> {
    let at = place(receipts, name)?;
    receipts.get_mut(at).ok_or_else(|| format!("the chain has no receipt `{name}`"))
}

/// A receipt with `times = 3` is there three times, as `name.1` and so on.
fn repeated(receipts: Vec<toml::Table>) -> Result<Vec<toml::Table>, String> {
    let mut all = Vec::new();
    for mut receipt in receipts {
        let Some(times) = receipt.remove("times") else {
            all.push(receipt);
            continue;
        };
        let times = times.as_integer().filter(|times| (1..=1_000).contains(times));
        for number in 1..=times.ok_or("`times` is a number from 1 to 1000")? {
            let mut one = receipt.clone();
            if let Some(name) = name_of(&receipt) {
                one.insert("name".to_owned(), format!("{name}.{number}").into());
            }
            all.push(one);
        }
    }
    Ok(all)
}
