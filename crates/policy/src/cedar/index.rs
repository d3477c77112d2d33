//! Policies by scope: which of them can match a request at all.
//!
//! A policy's scope names an action, a principal and a resource, each loosely or exactly. The index
//! files a policy under its three constraints; a lookup visits every constraint that the request
//! satisfies. What the lookup leaves out could not have matched, so the evaluator gives the same
//! answer with and without it; a test compares the two over random hierarchies.

use std::collections::BTreeMap;

use cedar_policy::{
    ActionConstraint, EntityTypeName, EntityUid, Policy, PrincipalConstraint, ResourceConstraint,
};

/// A policy's scope, each part in its one spelling: `*`, `= T::"id"`, `is T`, `in T::"id"`,
/// `is T in U::"id"`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Scope {
    /// `action in [a, b]` gives two.
    pub(crate) actions: Vec<String>,
    pub(crate) principal: String,
    pub(crate) resource: String,
}

impl Scope {
    /// The scope of a parsed policy.
    pub(crate) fn of(policy: &Policy) -> Self {
        let actions = match policy.action_constraint() {
            ActionConstraint::Any => vec![any()],
            ActionConstraint::In(actions) => actions.iter().map(within).collect(),
            ActionConstraint::Eq(action) => vec![equal(&action)],
        };
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Any => any(),
            PrincipalConstraint::In(uid) => within(&uid),
            PrincipalConstraint::Eq(uid) => equal(&uid),
            PrincipalConstraint::Is(kind) => is(&kind),
            PrincipalConstraint::IsIn(kind, uid) => is_within(&kind, &uid),
        };
        let resource = match policy.resource_constraint() {
            ResourceConstraint::Any => any(),
            ResourceConstraint::In(uid) => within(&uid),
            ResourceConstraint::Eq(uid) => equal(&uid),
            ResourceConstraint::Is(kind) => is(&kind),
            ResourceConstraint::IsIn(kind, uid) => is_within(&kind, &uid),
        };
        Self { actions, principal, resource }
    }
}

const ANY: &str = "*";

fn any() -> String {
    ANY.to_owned()
}

fn equal(uid: &EntityUid) -> String {
    format!("= {}", name(uid))
}

fn is(kind: &EntityTypeName) -> String {
    format!("is {kind}")
}

fn within(uid: &EntityUid) -> String {
    format!("in {}", name(uid))
}

fn is_within(kind: &EntityTypeName, uid: &EntityUid) -> String {
    format!("is {kind} in {}", name(uid))
}

/// The id stands as it is, unescaped. Should two entities ever share a name, a lookup finds a policy
/// too many, which the evaluator then drops.
fn name(uid: &EntityUid) -> String {
    spelt(&[], (&uid.type_name().to_string(), uid.id().unescaped()))
}

type ByResource = BTreeMap<String, Vec<u32>>;
type ByPrincipal = BTreeMap<String, ByResource>;

/// Numbers of policies by action, principal and resource.
#[derive(Debug, Default)]
pub(crate) struct Index {
    by_action: BTreeMap<String, ByPrincipal>,
}

impl Index {
    pub(crate) fn insert(&mut self, scope: &Scope, policy: u32) {
        for action in &scope.actions {
            let by_principal = self.by_action.entry(action.clone()).or_default();
            let by_resource = by_principal.entry(scope.principal.clone()).or_default();
            by_resource.entry(scope.resource.clone()).or_default().push(policy);
        }
    }

    /// Every policy whose scope principal, action and resource satisfy, in order, once each. Each is
    /// given by [`Subject::satisfies`].
    pub(crate) fn candidates(
        &self,
        principals: &[String],
        actions: &[String],
        resources: &[String],
    ) -> Vec<u32> {
        let mut found: Vec<u32> = Vec::new();
        for by_principal in pick(&self.by_action, actions) {
            for by_resource in pick(by_principal, principals) {
                for policies in pick(by_resource, resources) {
                    found.extend(policies);
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn pick<'a, T>(map: &'a BTreeMap<String, T>, keys: &'a [String]) -> impl Iterator<Item = &'a T> {
    keys.iter().filter_map(|key| map.get(key))
}

/// A principal, action or resource with its ancestors: those that the evaluator is given, all of
/// them, or a policy could be left out that would have matched.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) kind: &'a str,
    /// Unescaped.
    pub(crate) id: &'a str,
    /// Kind and unescaped id of each.
    pub(crate) ancestors: Vec<(&'a str, &'a str)>,
}

impl Subject<'_> {
    /// Every constraint it satisfies, spelt as in [`Scope`]: `in` holds for itself and its ancestors.
    pub(crate) fn satisfies(&self) -> Vec<String> {
        let own = (self.kind, self.id);
        let mut keys = Vec::with_capacity(5 + 2 * self.ancestors.len());
        keys.extend([any(), ["is ", self.kind].concat(), spelt(&["= "], own)]);
        for ancestor in [own].iter().chain(&self.ancestors) {
            keys.push(spelt(&["in "], *ancestor));
            keys.push(spelt(&["is ", self.kind, " in "], *ancestor));
        }
        keys
    }
}

fn spelt(before: &[&str], (kind, id): (&str, &str)) -> String {
    let mut key = before.concat();
    for part in [kind, "::\"", id, "\""] {
        key.push_str(part);
    }
    key
}
