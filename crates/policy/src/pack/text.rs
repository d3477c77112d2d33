//! The text of a pack, and reading it: every file has a meaning, every gate a rule, every preventive rule a gate.

use std::collections::BTreeSet;

use cascade_receipt::json::{self, Value};
use cedar_policy::Effect;

use super::{Manifest, Mode, PACK_FILE, Pack};
use crate::limits::{LIMITS_FILE, Limits};
use crate::snapshot::{PolicyFault, policies_of_file};

/// The `_type` of the text.
pub const PACK_TYPE: &str = "cascade/pack/v1";
/// Longest text of a pack, in bytes.
pub const PACK_BYTES_MAX: usize = 256 * 1024;

/// The text that stands for these files; names are relative to the pack's directory.
#[must_use]
pub fn text_of(files: &[(&str, &str)]) -> String {
    let mut sorted = files.to_vec();
    sorted.sort_unstable();
    let file = |(name, text): (&str, &str)| Value::object([("name", name.into()), ("text", text.into())]);
    let files = Value::Array(sorted.into_iter().map(file).collect());
    Value::object([("_type", PACK_TYPE.into()), ("files", files)]).to_canonical()
}

impl Pack {
    /// Reads the text of the pack that is called `name`.
    ///
    /// # Errors
    /// The first fault, with the file of the pack it stands in.
    pub fn read(name: &str, text: &str) -> Result<Self, PolicyFault> {
        let whole = |message: &str| PolicyFault::of_file(&format!("packs/{name}"), "pack.syntax", message);
        if text.len() > PACK_BYTES_MAX {
            return Err(whole(&format!("the pack is longer than {PACK_BYTES_MAX} bytes")));
        }
        let files = files(text).ok_or_else(|| whole("this is no pack"))?;
        let manifest = files.iter().find(|(file, _)| file == PACK_FILE);
        let (_, manifest) = manifest.ok_or_else(|| whole("pack.toml is missing"))?;
        let mut pack = Self {
            manifest: Manifest::parse(&format!("packs/{name}/{PACK_FILE}"), manifest)?,
            tests: Vec::new(),
            cedar: Vec::new(),
            limits: Limits::default(),
            policies: Vec::new(),
        };
        if pack.manifest.name != name {
            return Err(whole(&format!("its name is `{}`", pack.manifest.name)));
        }
        for (file, text) in files.into_iter().filter(|(file, _)| file != PACK_FILE) {
            pack.take(name, &file, text)?;
        }
        pack.check().map_err(|message| whole(&message))?;
        Ok(pack)
    }

    fn take(&mut self, name: &str, file: &str, text: String) -> Result<(), PolicyFault> {
        let path = format!("packs/{name}/{file}");
        match file.rsplit_once('.') {
            _ if file == LIMITS_FILE => self.limits = Limits::parse(&path, &text)?,
            Some((_, "cedar")) => {
                for (stored, policy) in policies_of_file(&path, &text)? {
                    let fault = |what: &str| {
                        PolicyFault::of_file(&path, "pack.policy", format!("`{}` {what}", stored.id))
                    };
                    if policy.effect() != Effect::Forbid {
                        return Err(fault("permits: a pack can only forbid"));
                    }
                    let noted = |key| policy.annotation(key).is_some_and(|text: &str| !text.is_empty());
                    if !noted("reason") || policy.annotation("control") != self.control_of(&stored.id) {
                        return Err(fault("needs @reason, and the @control of its rule"));
                    }
                    self.policies.push(stored);
                }
                self.cedar.push((path, text));
            }
            Some((tests, "table")) if tests.starts_with("tests/") => self.tests.push((path, text)),
            _ => {
                return Err(PolicyFault::of_file(&path, "pack.syntax", "this file has no meaning in a pack"));
            }
        }
        Ok(())
    }

    fn control_of(&self, id: &str) -> Option<&str> {
        self.manifest.rules.iter().find(|rule| rule.id == id).map(|rule| rule.control.as_str())
    }

    /// A gate without a rule would have no citation, and a preventive rule without a gate would be a pretence.
    fn check(&self) -> Result<(), String> {
        let manifest = &self.manifest;
        let enforced = self.enforced();
        if enforced.len() != self.policies.len() + self.limits.budgets.len() + self.limits.windows.len() {
            return Err("two of its policies and limits have one name".to_owned());
        }
        let preventive = manifest.rules.iter().filter(|rule| rule.mode == Mode::Preventive);
        let stated: BTreeSet<&str> = preventive.map(|rule| rule.id.as_str()).collect();
        if let Some(id) = enforced.symmetric_difference(&stated).next() {
            return Err(format!("`{id}` has a rule and no gate, or a gate and no preventive rule"));
        }
        let unnamed = |family: &&str| !manifest.families.contains(*family);
        if let Some(family) = self.limits.families().map(|(_, family)| family).find(unnamed) {
            return Err(format!("the family `{family}` is not among its families"));
        }
        // A limit holds at any time, so it may state only what has held since before there were chains.
        let limited: BTreeSet<&str> = self.policies.iter().map(|policy| policy.id.as_str()).collect();
        let dated = manifest.rules.iter().find(|rule| {
            let of_limit = rule.mode == Mode::Preventive && !limited.contains(rule.id.as_str());
            of_limit && (rule.effective_from.as_str() > LIMITS_SINCE || rule.effective_until.is_some())
        });
        dated.map_or(Ok(()), |rule| Err(format!("`{}` begins or ends, which a limit cannot", rule.id)))
    }
}

/// The last day on which a rule that is a limit may have come into effect.
const LIMITS_SINCE: &str = "2025-12-31";

fn files(text: &str) -> Option<Vec<(String, String)>> {
    let value = json::parse_canonical(text.as_bytes()).ok()?;
    let typed = value.member("_type")?.as_str()? == PACK_TYPE && value.as_object()?.len() == 2;
    let file = |item: &Value| {
        let text = |key| item.member(key)?.as_str().map(str::to_owned);
        Some((text("name")?, text("text")?))
    };
    let files: Vec<_> = value.member("files")?.as_array()?.iter().map(file).collect::<Option<_>>()?;
    let names: BTreeSet<&String> = files.iter().map(|(name, _)| name).collect();
    (typed && names.len() == files.len()).then_some(files)
}
