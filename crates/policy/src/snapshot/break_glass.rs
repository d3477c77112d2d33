//! `[break_glass]` in thresholds.toml: who may go past the gates in an emergency, and who looks at it afterwards.

use cascade_receipt::json::Value;
use serde::Deserialize;

use super::thresholds::{ValueFault, groups, groups_of};
use crate::facts::write_words;

const SECTION: &str = "[break_glass]";
const MS_PER_HOUR: u64 = 3_600_000;
const REVIEW_HOURS: u64 = 24;
/// Thirty days. A review that comes later finds nobody who remembers.
const REVIEW_HOURS_MAX: u64 = 30 * 24;

/// Who may go past the gates, and the review that it obliges to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BreakGlassTerms {
    /// Groups by name, sorted; a member of any of them may.
    pub groups: Vec<String>,
    /// Groups by name, sorted; a member of any of them, and never who did it, reviews.
    pub review_groups: Vec<String>,
    /// Within how many milliseconds.
    pub review_within_ms: u64,
}

impl BreakGlassTerms {
    pub(super) fn to_json(&self) -> Value {
        Value::object([
            ("groups", write_words(&self.groups)),
            ("review_groups", write_words(&self.review_groups)),
            ("review_within_ms", Value::Int(i64::try_from(self.review_within_ms).unwrap_or(i64::MAX))),
        ])
    }

    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let words = |key| -> Option<Vec<String>> {
            value.member(key)?.as_array()?.iter().map(|word| word.as_str().map(str::to_owned)).collect()
        };
        Some(Self {
            groups: words("groups")?,
            review_groups: words("review_groups")?,
            review_within_ms: value.member("review_within_ms")?.as_u64()?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    groups: Vec<String>,
    review_groups: Option<Vec<String>>,
    review_hours: Option<u64>,
}

impl Section {
    /// Who is asked for approvals reviews, unless told otherwise.
    pub(super) fn read(self, approvers: &[String]) -> Result<BreakGlassTerms, ValueFault> {
        let hours = self.review_hours.unwrap_or(REVIEW_HOURS);
        if hours == 0 || hours > REVIEW_HOURS_MAX {
            let message = format!("`review_hours` must lie between 1 and {REVIEW_HOURS_MAX}");
            return Err((SECTION, "review_hours", message));
        }
        Ok(BreakGlassTerms {
            groups: groups(SECTION, Some(self.groups), Vec::new())?,
            review_groups: groups_of((SECTION, "review_groups"), self.review_groups, approvers.to_vec())?,
            review_within_ms: hours * MS_PER_HOUR,
        })
    }
}
