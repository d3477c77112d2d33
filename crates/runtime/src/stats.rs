//! What the chain says of the router: who answered, how fast, at what price, and how much of it was verified.

use std::collections::{BTreeMap, BTreeSet};

use cascade_ledger::{Fault, Reader};
use cascade_receipt::content::{Evidence, Layer};
use cascade_receipt::json::{self, Value};
use cascade_receipt::kind::Kind;
use cascade_receipt::time::Timestamp;

use crate::govern::closing::ANSWERED;
use crate::task::ACTED;

/// Of how many standard deviations an interval is: 95 %.
const Z: f64 = 1.959_964;

/// What is counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Tasks that ended, answered or not.
    pub tasks: u64,
    /// Of these, tasks that nobody could answer.
    pub unanswered: u64,
    /// Answers of a layer that is no language model.
    pub without_model: u64,
    /// Of these, verified ones.
    pub verified_without_model: u64,
    /// By layer.
    pub layers: BTreeMap<Layer, PerLayer>,
    /// Tokens given to models and taken from them.
    pub tokens: u64,
    /// Millionths of a dollar.
    pub cost_microusd: u64,
    /// Tokens that answers from memory had cost when they were given.
    pub tokens_saved: u64,
}

/// One layer's share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerLayer {
    /// Answers, by [`Evidence`].
    pub answers: BTreeMap<Evidence, u64>,
    /// How long each took, sorted, in microseconds.
    pub durations_us: Vec<u64>,
}

/// A share of a whole, with the interval that holds the true one 95 times of 100 (Wilson, 1927).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// The share itself; 0 where there is nothing.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Stats {
    /// The published decay index: the share of tasks that needed no language model.
    #[must_use]
    pub fn decay_index(&self) -> Share {
        share(self.without_model, self.tasks)
    }

    /// The share of tasks that needed none and whose answer is verified.
    #[must_use]
    pub fn verified_decay_index(&self) -> Share {
        share(self.verified_without_model, self.tasks)
    }

    /// The share of answers that are verified.
    #[must_use]
    pub fn verified_share(&self) -> Share {
        let all = self.layers.values().map(PerLayer::total).sum();
        let verified = |layer: &PerLayer| layer.answers.get(&Evidence::Verified).copied().unwrap_or_default();
        share(self.layers.values().map(verified).sum(), all)
    }
}

impl PerLayer {
    /// All of its answers.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.answers.values().sum()
    }

    /// The duration below which this share of its answers lies.
    #[must_use]
    pub fn percentile_us(&self, percent: usize) -> Option<u64> {
        let last = self.durations_us.len().checked_sub(1)?;
        self.durations_us.get(last * percent.min(100) / 100).copied()
    }
}

/// Counts everything since a moment.
///
/// # Errors
/// When the ledger cannot be read.
pub fn count(reader: &Reader, since: Option<Timestamp>) -> Result<Stats, Fault> {
    let mut counting = Counting::default();
    for line in reader.lines(0..reader.head()?.next_seq) {
        let line = line?;
        // Most receipts are about commands; a look at the text costs less than reading them.
        let closes = line.text.contains("\"task_unknown\"") || line.text.contains("\"task_failed\"");
        if (closes || RELEVANT.iter().any(|word| line.text.contains(word)))
            && let Ok(receipt) = json::parse(line.text.as_bytes())
            && let Some(content) = receipt.member("content")
        {
            counting.take(content, since);
        }
    }
    let mut stats = counting.stats;
    stats.layers.values_mut().for_each(|layer| layer.durations_us.sort_unstable());
    Ok(stats)
}

/// Counts that follow a growing chain: each look reads what is new since the one before.
#[derive(Debug, Default)]
pub struct Running {
    next: u64,
    counting: Counting,
    kinds: BTreeMap<String, u64>,
}

impl Running {
    /// Counts what is new.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn follow(&mut self, reader: &Reader) -> Result<(), Fault> {
        for line in reader.lines(self.next..reader.head()?.next_seq) {
            let line = line?;
            self.next = line.seq.saturating_add(1);
            let Ok(receipt) = json::parse(line.text.as_bytes()) else { continue };
            let Some(content) = receipt.member("content") else { continue };
            if let Some(kind) = content.member("kind").and_then(Value::as_str) {
                // Extensions of others may be of any number of kinds.
                let kind = if Kind::parse(kind).is_some() { kind } else { "other" };
                *self.kinds.entry(kind.to_owned()).or_default() += 1;
            }
            self.counting.take(content, None);
        }
        Ok(())
    }

    /// Everything that was counted.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.counting.stats
    }

    /// How many receipts there are of each kind.
    #[must_use]
    pub const fn kinds(&self) -> &BTreeMap<String, u64> {
        &self.kinds
    }
}

/// What a receipt holds that is looked at.
const RELEVANT: [&str; 6] = [
    "\"layer_hit\"",
    "\"memory_learned\"",
    "\"route.unanswered\"",
    "\"task_type\":\"code\"",
    "\"task_type\":\"ask\"",
    "\"task_type\":\"model\"",
];

#[derive(Debug, Default)]
struct Counting {
    stats: Stats,
    /// What each answer cost in tokens.
    tokens: BTreeMap<String, u64>,
    /// The answer behind each `memory_learned`.
    answers: BTreeMap<String, String>,
    /// Intents of tasks whose closer has not come by.
    open: BTreeSet<String>,
}

impl Counting {
    fn take(&mut self, content: &Value, since: Option<Timestamp>) {
        let text = |key: &str| content.member(key).and_then(Value::as_str);
        let number = |key: &str| content.member(key).and_then(Value::as_u64);
        let (Some(id), Some(kind)) = (text("receipt_id"), text("kind").and_then(Kind::parse)) else { return };
        if kind == Kind::MemoryLearned {
            let answer = refs(content, "parent").next();
            self.answers.extend(answer.map(|answer| (id.to_owned(), answer.to_owned())));
            return;
        }
        if kind == Kind::TaskStarted {
            self.open.insert(id.to_owned());
            return;
        }
        let ours = refs(content, "intent").any(|intent| self.open.remove(intent));
        let tokens = number("tokens_in").unwrap_or_default() + number("tokens_out").unwrap_or_default();
        self.tokens.insert(id.to_owned(), tokens);
        let at = text("timestamp").and_then(Timestamp::parse);
        if since.is_some_and(|since| at.is_none_or(|at| at < since)) {
            return;
        }
        let stats = &mut self.stats;
        stats.tokens += tokens;
        stats.cost_microusd += number("cost_microusd").unwrap_or_default();
        let layer = text("layer_hit").and_then(Layer::parse);
        if has_code(content, ACTED) {
            // What a layer did for it has receipts of its own, which are counted.
            return;
        }
        let answered = kind == Kind::TaskCompleted || has_code(content, ANSWERED);
        if !answered || layer.is_none() {
            if kind.is_closer() && (ours || layer.is_some() || has_code(content, "route.unanswered")) {
                stats.tasks += 1;
                stats.unanswered += 1;
            }
            return;
        }
        let (Some(layer), Some(evidence)) = (layer, text("evidence").and_then(Evidence::parse)) else {
            return;
        };
        if kind == Kind::TaskCompleted && was_asked_before(content) {
            // The question to the model that failed before belongs to this very task.
            stats.unanswered = stats.unanswered.saturating_sub(1);
        } else {
            stats.tasks += 1;
        }
        if layer != Layer::L7 {
            stats.without_model += 1;
            stats.verified_without_model += u64::from(evidence == Evidence::Verified);
        }
        for learned in refs(content, "memory") {
            let cost = self.answers.get(learned).and_then(|answer| self.tokens.get(answer));
            stats.tokens_saved += cost.copied().unwrap_or_default();
        }
        let layer = stats.layers.entry(layer).or_default();
        *layer.answers.entry(evidence).or_default() += 1;
        layer.durations_us.extend(number("duration_us"));
    }
}

fn has_code(content: &Value, wanted: &str) -> bool {
    let reasons = content.member("reasons").and_then(Value::as_array).unwrap_or_default();
    reasons.iter().any(|reason| reason.member("code").and_then(Value::as_str) == Some(wanted))
}

/// Whether an answer came after a model had been asked in vain, with receipts of its own.
fn was_asked_before(content: &Value) -> bool {
    let declined = content.member("route").and_then(|route| route.member("declined")?.as_array());
    let asked = |one: &Value| {
        let text = |key: &str| one.member(key).and_then(Value::as_str);
        let unasked = ["model.none", "model.unchosen", "model.not_admitted"];
        text("layer") == Some("L7") && text("code").is_some_and(|code| !unasked.contains(&code))
    };
    content.member("decision").is_some() && declined.unwrap_or_default().iter().any(asked)
}

fn refs<'a>(content: &'a Value, rel: &'a str) -> impl Iterator<Item = &'a str> {
    let refs = content.member("refs").and_then(Value::as_array).unwrap_or_default();
    refs.iter()
        .filter(move |one| one.member("rel").and_then(Value::as_str) == Some(rel))
        .filter_map(|one| one.member("receipt_id")?.as_str())
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn share(part: u64, whole: u64) -> Share {
    if whole == 0 {
        return Share { value: 0.0, low: 0.0, high: 1.0 };
    }
    let (n, p) = (whole as f64, part as f64 / whole as f64);
    let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    Share { value: p, low: (middle - half).max(0.0), high: (middle + half).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_wide_where_little_is_known() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-3, "{a} {b}");
        // Values of Brown, Cai and DasGupta's formula, computed apart from this code.
        let few = share(9, 10);
        close(few.low, 0.5958);
        close(few.high, 0.9821);
        let many = share(900, 1000);
        close(many.low, 0.8799);
        close(many.high, 0.9171);
        assert_eq!(share(0, 0), Share { value: 0.0, low: 0.0, high: 1.0 });
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let layer = PerLayer { durations_us: (1..=100).collect(), ..PerLayer::default() };
        assert_eq!((layer.percentile_us(50), layer.percentile_us(99)), (Some(50), Some(99)));
        assert_eq!(PerLayer::default().percentile_us(50), None);
    }
}
