//! Policies by scope: which of them can match a request at all.
//!
//! A policy's scope names an action, a principal and a resource, each loosely or exactly. The index
//! files a policy under its three constraints; a lookup visits every constraint that the request
//! satisfies. What the lookup leaves out could not have matched, so the evaluator gives the same
//! answer with and without it; a test compares the two over random hierarchies.

use std::collections::BTreeMap;

use cedar_policy::{
    ActionConstraint, Entities, EntityTypeName, EntityUid, Policy, PrincipalConstraint, Request,
    ResourceConstraint,
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

fn any() -> String {
    "*".to_owned()
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
    format!("{}::\"{}\"", uid.type_name(), uid.id().unescaped())
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

    /// Every policy whose scope the request satisfies, in order, once each.
    ///
    /// `entities` must be the very ones the evaluator is given: the ancestors decide.
    pub(crate) fn candidates(&self, request: &Request, entities: &Entities) -> Vec<u32> {
        let mut found: Vec<u32> = Vec::new();
        match (request.principal(), request.action(), request.resource()) {
            (Some(principal), Some(action), Some(resource)) => {
                let principals = satisfied(principal, entities);
                let resources = satisfied(resource, entities);
                for by_principal in pick(&self.by_action, &satisfied(action, entities)) {
                    for by_resource in pick(by_principal, &principals) {
                        for policies in pick(by_resource, &resources) {
                            found.extend(policies);
                        }
                    }
                }
            }
            // A request with unknown parts: nothing may be left out.
            _ => {
                let by_resource = self.by_action.values().flat_map(BTreeMap::values);
                found.extend(by_resource.flat_map(BTreeMap::values).flatten());
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

/// Every constraint that an entity satisfies: `in` holds for the entity itself and its ancestors.
fn satisfied(uid: &EntityUid, entities: &Entities) -> Vec<String> {
    let kind = uid.type_name();
    let mut keys = vec![any(), equal(uid), is(kind), within(uid), is_within(kind, uid)];
    for ancestor in entities.ancestors(uid).into_iter().flatten() {
        keys.push(within(ancestor));
        keys.push(is_within(kind, ancestor));
    }
    keys
}
