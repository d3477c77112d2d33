//! How large the numbers of a condition can be: whether arithmetic can overflow, and whether a
//! comparison can go either way.
//!
//! Cedar's validator knows types and no ranges. The ranges of the context are known here, because
//! requests are made here.

use super::at_policy;
use crate::snapshot::compile::Parsed;
use crate::snapshot::fault::PolicyFault;

/// Least and greatest.
type Range = (i128, i128);

const LONG: Range = (i64::MIN as i128, i64::MAX as i128);

/// Numbers of the context and what they can be.
const NUMBERS: [(&str, Range); 5] = [
    ("tier", (0, 3)),
    ("line_tier", (0, 3)),
    ("date", (19_700_101, 99_991_231)),
    ("hour", (0, 23)),
    ("weekday", (1, 7)),
];

/// What is found in one policy.
#[derive(Debug, Default)]
struct Found {
    overflow: Option<&'static str>,
    constant: Option<(String, bool)>,
}

/// A fault where arithmetic can leave the range of a number: the policy would fail, which denies.
pub(in crate::snapshot) fn overflow(parsed: &Parsed<'_>) -> Option<PolicyFault> {
    let mut found = Found::default();
    walk(parsed.json.get("conditions")?, &mut found);
    let operator = found.overflow?;
    let message = format!("{operator} can overflow, and a policy that fails denies");
    Some(at_policy(parsed, "policy.overflow", message).suggest("compare smaller numbers"))
}

/// Comparisons of the context's numbers that can only go one way.
pub(super) fn warnings(parsed: &Parsed<'_>) -> Option<PolicyFault> {
    let mut found = Found::default();
    walk(parsed.json.get("conditions")?, &mut found);
    let (what, truth) = found.constant?;
    Some(at_policy(parsed, "policy.constant", format!("{what}, so this comparison is always {truth}")))
}

/// Looks at `value` and everything in it; a range where it is a number whose range is known.
fn walk(value: &serde_json::Value, found: &mut Found) -> Option<Range> {
    let Some(members) = value.as_object() else {
        for item in value.as_array().into_iter().flatten() {
            walk(item, found);
        }
        return None;
    };
    if let Some(number) = members.get("Value").and_then(serde_json::Value::as_i64) {
        return Some((number.into(), number.into()));
    }
    let mut result = None;
    for (key, member) in members {
        result = match key.as_str() {
            "." => {
                member.get("left").map(|left| walk(left, found));
                number_of_context(member)
            }
            "+" | "-" | "*" => Some(arithmetic(key, member, found)),
            // Names of its own stand in a record.
            "Record" => {
                for part in member.as_object().into_iter().flat_map(|parts| parts.values()) {
                    walk(part, found);
                }
                None
            }
            // Dates and durations overflow too, and no request has any.
            "offset" | "durationSince" | "toDate" => {
                found.overflow.get_or_insert("a date");
                None
            }
            "neg" => {
                let (least, greatest) = member.get("arg").and_then(|arg| walk(arg, found)).unwrap_or(LONG);
                Some(fit("`-`", (-greatest, -least), found))
            }
            "<" | "<=" | ">" | ">=" | "==" | "!=" => {
                compare(key, member, found);
                None
            }
            "if-then-else" => {
                member.get("if").map(|part| walk(part, found));
                let mut part = |name| member.get(name).and_then(|part| walk(part, found));
                let (then, other) = (part("then"), part("else"));
                then.zip(other).map(|(a, b)| (a.0.min(b.0), a.1.max(b.1)))
            }
            _ => {
                walk(member, found);
                None
            }
        };
    }
    result
}

fn number_of_context(access: &serde_json::Value) -> Option<Range> {
    let attribute = context_member(access)?;
    NUMBERS.iter().find(|(name, _)| *name == attribute).map(|(_, range)| *range)
}

/// `a` of `{"left": {"Var": "context"}, "attr": a}`.
pub(super) fn context_member(access: &serde_json::Value) -> Option<&str> {
    let of_context = access.get("left")?.get("Var")?.as_str()? == "context";
    access.get("attr")?.as_str().filter(|_| of_context)
}

fn sides(member: &serde_json::Value, found: &mut Found) -> (Option<Range>, Option<Range>) {
    let mut side = |name| member.get(name).and_then(|side| walk(side, found));
    (side("left"), side("right"))
}

/// A side whose range nobody knows can be any number.
fn arithmetic(operator: &str, member: &serde_json::Value, found: &mut Found) -> Range {
    let (left, right) = sides(member, found);
    let ((a, b), (c, d)) = (left.unwrap_or(LONG), right.unwrap_or(LONG));
    match operator {
        "+" => fit("`+`", (a + c, b + d), found),
        "-" => fit("`-`", (a - d, b - c), found),
        _ => {
            // Four products of numbers of 64 bits each fit into 128.
            let products = [a * c, a * d, b * c, b * d];
            let least = products.into_iter().fold(products[0], i128::min);
            let greatest = products.into_iter().fold(products[0], i128::max);
            fit("`*`", (least, greatest), found)
        }
    }
}

fn fit(operator: &'static str, (least, greatest): Range, found: &mut Found) -> Range {
    if least < LONG.0 || greatest > LONG.1 {
        found.overflow.get_or_insert(operator);
    }
    (least.clamp(LONG.0, LONG.1), greatest.clamp(LONG.0, LONG.1))
}

fn compare(operator: &str, member: &serde_json::Value, found: &mut Found) {
    let (Some((a, b)), Some((c, d))) = sides(member, found) else { return };
    let less = |strict: bool| match strict {
        true if b < c => Some(true),
        true if a >= d => Some(false),
        false if b <= c => Some(true),
        false if a > d => Some(false),
        _ => None,
    };
    let equal = match (b < c || d < a, a == b && (a, b) == (c, d)) {
        (true, _) => Some(false),
        (_, true) => Some(true),
        _ => None,
    };
    let truth = match operator {
        "<" => less(true),
        "<=" => less(false),
        ">" => less(false).map(|truth| !truth),
        ">=" => less(true).map(|truth| !truth),
        "==" => equal,
        _ => equal.map(|truth| !truth),
    };
    let named = ["left", "right"].into_iter().find_map(|side| context_member(member.get(side)?.get(".")?));
    if let (Some(truth), Some(name)) = (truth, named)
        && let Some((_, (least, greatest))) = NUMBERS.iter().find(|(number, _)| *number == name)
    {
        found.constant.get_or_insert((format!("context.{name} is {least} to {greatest}"), truth));
    }
}
