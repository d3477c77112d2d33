//! Scopes that contain another scope.

use crate::cedar::{Families, Scope};

/// Where a policy can apply, with what is the same for every request left out: the action is always
/// `exec`, the resource always a program.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Reach {
    pub(super) principal: String,
    pub(super) resource: String,
}

const ANY: &str = "*";
const EXEC: [&str; 3] = [ANY, "= Action::\"exec\"", "in Action::\"exec\""];

impl Reach {
    /// `None` where no request reaches it, or its names cannot be told apart in writing.
    pub(super) fn of(scope: &Scope) -> Option<Self> {
        if !asks_exec(scope) {
            return None;
        }
        let plain = |text: &str| matches!(text.matches('"').count(), 0 | 2);
        let resource = match scope.resource.strip_prefix("is Program") {
            Some("") => ANY.to_owned(),
            Some(within) => within.trim_start().to_owned(),
            None => scope.resource.clone(),
        };
        let fits = plain(&scope.principal) && plain(&resource);
        fits.then(|| Self { principal: scope.principal.clone(), resource })
    }

    /// Every reach that contains this one, itself first.
    pub(super) fn wider(&self, families: &Families) -> Vec<Self> {
        let principals = wider(&self.principal, &[]);
        let program = self.resource.strip_prefix("= Program::\"").and_then(|rest| rest.strip_suffix('"'));
        let own: Vec<String> = program
            .and_then(|program| families.get(program))
            .into_iter()
            .flatten()
            .map(|family| format!("Family::\"{family}\""))
            .collect();
        let resources = wider(&self.resource, &own);
        let pair = |principal: &String| {
            let principal = principal.clone();
            resources
                .iter()
                .map(move |resource| Self { principal: principal.clone(), resource: resource.clone() })
        };
        principals.iter().flat_map(pair).collect()
    }
}

/// Whether any request asks about one of the policy's actions.
pub(super) fn asks_exec(scope: &Scope) -> bool {
    scope.actions.iter().any(|action| EXEC.contains(&action.as_str()))
}

/// The constraints that hold wherever this one does. `groups` are those of the one entity that it names.
fn wider(constraint: &str, groups: &[String]) -> Vec<String> {
    let mut all = vec![constraint.to_owned()];
    if let Some(entity) = constraint.strip_prefix("= ") {
        let kind = entity.split("::\"").next().unwrap_or_default();
        all.push(format!("is {kind}"));
        for group in groups.iter().map(String::as_str).chain([entity]) {
            all.extend([format!("in {group}"), format!("is {kind} in {group}")]);
        }
    } else if let Some((kind, group)) =
        constraint.strip_prefix("is ").and_then(|rest| rest.split_once(" in "))
    {
        all.extend([format!("is {kind}"), format!("in {group}")]);
    }
    if constraint != ANY {
        all.push(ANY.to_owned());
    }
    all
}
