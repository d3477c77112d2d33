//! `[environments]` in thresholds.toml: resources that policies name together, such as production.

use std::collections::{BTreeMap, BTreeSet};

use cascade_receipt::json::Value;
use cascade_receipt::resource::{PATTERN_BYTES_MAX, PATTERNS_MAX, Pattern, UNKNOWN};

use crate::facts::write_words;
use crate::resource::{Resource, ResourceKind};

/// Most environments of one policy.
pub const ENVIRONMENTS_MAX: usize = 32;
/// Longest name of one, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// The environment of a resource that none names, of a kind of which environments speak.
pub const NONE: &str = "none";

/// What cannot be known, in the ids of policies.
pub const UNKNOWN_ID: &str = "?";

/// Patterns over resources, by the name of the environment that they make up.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Environments(BTreeMap<String, Vec<String>>);

impl Environments {
    /// Takes what stands in a file. Given for each text is where it stands.
    ///
    /// # Errors
    /// Where the first text stands that cannot be meant, and what is wrong with it.
    pub(crate) fn read(given: BTreeMap<String, Vec<(usize, String)>>) -> Result<Self, (usize, String)> {
        let first = |patterns: &[(usize, String)]| patterns.first().map_or(0, |(at, _)| *at);
        if let Some((_, patterns)) = given.iter().nth(ENVIRONMENTS_MAX) {
            return Err((first(patterns), format!("there are more than {ENVIRONMENTS_MAX} environments")));
        }
        for (name, patterns) in &given {
            let at = first(patterns);
            if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
                return Err((at, format!("a name of an environment has 1 to {NAME_BYTES_MAX} bytes")));
            }
            if name == NONE || name == UNKNOWN_ID || name.contains(UNKNOWN) {
                return Err((
                    at,
                    format!("the name `{name}` is taken: it stands for what no environment names"),
                ));
            }
            if patterns.is_empty() || patterns.len() > PATTERNS_MAX {
                return Err((at, format!("`{name}` must hold 1 to {PATTERNS_MAX} patterns")));
            }
            for (at, text) in patterns {
                fault(text).map_or(Ok(()), |message| Err((*at, message)))?;
            }
        }
        let texts = |patterns: Vec<(usize, String)>| patterns.into_iter().map(|(_, text)| text).collect();
        Ok(Self(given.into_iter().map(|(name, patterns)| (name, texts(patterns))).collect()))
    }

    /// None is declared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and patterns.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(name, patterns)| (name.as_str(), patterns.as_slice()))
    }

    /// Is this the name of one, or of one of the two that are always there?
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        name == NONE || name == UNKNOWN_ID || self.0.contains_key(name)
    }

    /// The environments that these resources belong to. A name that is not known may be in any of them, which is said
    /// by `…`; one that is known and in no environment is in `none`.
    #[must_use]
    pub fn of(&self, resources: &[Resource]) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        for resource in resources {
            let kind = resource.kind.as_str();
            let of_kind = |text: &String| Pattern::parse(text).is_some_and(|pattern| pattern.kind == kind);
            if !self.0.values().flatten().any(of_kind) {
                continue;
            }
            let matches = |text: &String| {
                Pattern::parse(text).is_some_and(|pattern| pattern.matches(kind, &resource.name))
            };
            let own = self.0.iter().filter(|(_, patterns)| patterns.iter().any(matches));
            let named: Vec<&str> = own.map(|(name, _)| name.as_str()).collect();
            let nowhere = named.is_empty();
            found.extend(named);
            if !resource.is_known() {
                found.insert(UNKNOWN);
            } else if nowhere {
                found.insert(NONE);
            }
        }
        found
    }

    pub(crate) fn to_json(&self) -> Value {
        let one = |(name, patterns): (&String, &Vec<String>)| {
            Value::object([("name", name.as_str().into()), ("resources", write_words(patterns))])
        };
        Value::Array(self.0.iter().map(one).collect())
    }

    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let one = |value: &Value| {
            let patterns = value.member("resources")?.as_array()?.iter();
            let patterns = patterns.map(|text| text.as_str().map(str::to_owned)).collect::<Option<_>>()?;
            Some((value.member("name")?.as_str()?.to_owned(), patterns))
        };
        value.as_array()?.iter().map(one).collect::<Option<_>>().map(Self)
    }
}

/// What is wrong with a pattern over resources, for people; nothing, where it can be used.
#[must_use]
pub fn fault(text: &str) -> Option<String> {
    let kinds = || ResourceKind::ALL.map(ResourceKind::as_str).join(", ");
    let Some(pattern) = Pattern::parse(text) else {
        return Some(format!(
            "`{text}` is no resource: write `kind:name`, with `*` for any text, in at most {PATTERN_BYTES_MAX} bytes; kinds are {}",
            kinds()
        ));
    };
    if ResourceKind::parse(pattern.kind).is_none() {
        return Some(format!("`{}` is no kind of resource; kinds are {}", pattern.kind, kinds()));
    }
    if text.chars().any(char::is_control) {
        return Some("a pattern may not hold signs that steer terminals".to_owned());
    }
    pattern
        .glob
        .contains(UNKNOWN)
        .then(|| format!("`{text}` names what cannot be known; no pattern can speak of that"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environments(list: &[(&str, &[&str])]) -> Environments {
        let texts = |texts: &[&str]| texts.iter().map(|text| (0, (*text).to_owned())).collect();
        Environments::read(list.iter().map(|(name, all)| ((*name).to_owned(), texts(all))).collect()).unwrap()
    }

    #[test]
    fn a_resource_is_in_the_environments_that_name_it() {
        let declared = environments(&[
            ("production", &["cluster:prod-*", "database:db1/*"]),
            ("shared", &["cluster:prod-eu", "cluster:tools"]),
        ]);
        let of = |kind, name: &str| {
            let resource = Resource { kind, name: name.to_owned() };
            declared.of(&[resource]).into_iter().collect::<Vec<_>>().join(" ")
        };
        for (kind, name, expected) in [
            (ResourceKind::Cluster, "prod-us", "production"),
            (ResourceKind::Cluster, "prod-eu", "production shared"),
            (ResourceKind::Cluster, "dev", "none"),
            (ResourceKind::Cluster, "…", "…"),
            (ResourceKind::Database, "db1/…", "production …"),
            (ResourceKind::Database, "…/shop", "…"),
            (ResourceKind::Host, "…", ""),
            (ResourceKind::Host, "prod-us", ""),
        ] {
            assert_eq!(of(kind, name), expected, "{kind:?} {name}");
        }
        let two = [ResourceKind::Cluster, ResourceKind::Cluster].into_iter().zip(["prod-us", "dev"]);
        let two: Vec<Resource> = two.map(|(kind, name)| Resource { kind, name: name.to_owned() }).collect();
        assert_eq!(declared.of(&two), BTreeSet::from(["none", "production"]));
    }

    #[test]
    fn what_cannot_be_meant_is_told_with_its_place() {
        let read = |name: &str, texts: &[&str]| {
            let texts = (0..).zip(texts).map(|(at, text)| (at, (*text).to_owned())).collect();
            Environments::read(BTreeMap::from([(name.to_owned(), texts)])).map_err(|(at, _)| at)
        };
        assert!(read("production", &["cluster:prod-*"]).is_ok());
        assert_eq!(read("production", &["cluster:prod", "clster:prod"]), Err(1));
        assert_eq!(read("production", &["cluster:prod", "cluster:"]), Err(1));
        assert_eq!(read("production", &["cluster:…"]), Err(0));
        for taken in [NONE, UNKNOWN, UNKNOWN_ID, ""] {
            assert_eq!(read(taken, &["cluster:prod"]), Err(0), "{taken}");
        }
        assert_eq!(read("production", &[]), Err(0));
        let many = vec!["cluster:a"; PATTERNS_MAX + 1];
        assert!(read("production", &many).is_err());
        assert!(read("production", many.get(1..).unwrap()).is_ok());
    }

    #[test]
    fn there_is_a_limit_to_environments() {
        let given = |count: usize| {
            let one = |at| (format!("e{at}"), vec![(0, "cluster:a".to_owned())]);
            Environments::read((0..count).map(one).collect())
        };
        assert!(given(ENVIRONMENTS_MAX).is_ok());
        assert!(given(ENVIRONMENTS_MAX + 1).is_err());
    }
}
