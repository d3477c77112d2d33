//! Which members of the context a policy looks at.

use cedar_policy::Policy;

use super::request::MEMBERS;

/// A set of context members, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Needs(u32);

impl Needs {
    pub(crate) const NONE: Self = Self(0);
    /// Every member.
    pub(crate) const ALL: Self = Self(u32::MAX);

    /// The members that `policy` names. Cedar has no computed names, so what is not named cannot be
    /// looked at; only a policy that uses the context as a whole needs all of it.
    pub(super) fn of(policy: &Policy) -> Self {
        let Ok(json) = policy.to_json() else { return Self::ALL };
        let mut needs = Self::NONE;
        let mut left = vec![&json];
        while let Some(value) = left.pop() {
            let Some(members) = value.as_object() else {
                left.extend(value.as_array().into_iter().flatten());
                continue;
            };
            if members.get("Var").and_then(|name| name.as_str()) == Some("context") {
                return Self::ALL;
            }
            for (key, member) in members {
                let access = matches!(key.as_str(), "." | "has");
                let left_side = member.get("left").and_then(|side| side.get("Var"));
                let of_context = access && left_side.and_then(|name| name.as_str()) == Some("context");
                match member.get("attr").and_then(|name| name.as_str()) {
                    Some(name) if of_context => needs = needs.with(name),
                    _ => left.push(member),
                }
            }
        }
        needs
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the member at this place of [`MEMBERS`] is needed.
    pub(super) const fn has(self, at: usize) -> bool {
        self.0 >> at & 1 == 1
    }

    pub(super) fn without(self, name: &str) -> Self {
        MEMBERS.iter().position(|member| *member == name).map_or(self, |at| Self(self.0 & !(1 << at)))
    }

    /// A name that is no member is left out: whether it is there is then as it would be anyway.
    fn with(self, name: &str) -> Self {
        MEMBERS.iter().position(|member| *member == name).map_or(self, |at| Self(self.0 | 1 << at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_wherever_they_are_named() {
        let cases: [(&str, &[&str]); 11] = [
            ("true", &[]),
            ("context.tier > 1", &["tier"]),
            ("context[\"tier\"] > 1", &["tier"]),
            ("context[\"t\\u{69}er\"] > 1", &["tier"]),
            ("context has target && context.target like \"x*\"", &["target"]),
            ("[1, 2].contains(context.hour)", &["hour"]),
            (
                "if context.admin then {a: context.cwd}.a == \"\" else principal in [context.on_behalf_of]",
                &["cwd", "admin", "on_behalf_of"],
            ),
            ("principal has tier && {context: 1}.context == 1 && \"context.words\" == \"\"", &[]),
            ("context.nosuch == 1", &[]),
            ("context == {tier: 1}", &MEMBERS),
            ("{a: [context]} == {a: [context]}", &MEMBERS),
        ];
        for (condition, expected) in cases {
            for clause in ["when", "unless"] {
                let text = format!("permit (principal, action, resource) {clause} {{ {condition} }};");
                let needs = Needs::of(&text.parse().unwrap());
                let found = MEMBERS.iter().enumerate().filter(|(at, _)| needs.has(*at));
                assert_eq!(found.map(|(_, name)| *name).collect::<Vec<_>>(), expected, "{condition}");
            }
        }
    }
}
