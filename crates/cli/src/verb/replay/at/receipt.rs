//! The receipt of the place: what it says, and how its decision came about.

use cascade_audit::replay::{Tally, Under};
use cascade_receipt::decision::{GateOutcome, RiskTier, Verdict};
use cascade_receipt::json::Value;
use cascade_runtime::replay;

use super::look::{self, Look};
use super::sheet::{Cell, Row, Section, Tone, cell, dim, members, plain};
use crate::exit::Failure;
use crate::reasons;

/// Members of content that are told one to a line, with what people call them.
const TOLD: [(&str, &str); 22] = [
    ("task_type", "type"),
    ("effect_status", "effect"),
    ("exit_code", "exit code"),
    ("signal", "signal"),
    ("duration_us", "took (us)"),
    ("expires", "expires"),
    ("policy_version", "policy"),
    ("layer_hit", "layer"),
    ("output_hash", "output hash"),
    ("groups", "groups"),
    ("scope", "scope"),
    ("delegate", "may hand on"),
    ("review_due", "review due"),
    ("due", "due"),
    ("outcome", "outcome"),
    ("activates", "activates"),
    ("pack", "pack"),
    ("change", "change"),
    ("given", "given"),
    ("zone", "zone"),
    ("key", "key"),
    ("spec_hash", "spec hash"),
];

/// What the receipt says.
pub(super) fn section(look: &Look<'_>) -> Result<Section, Failure> {
    let record = &look.record;
    let mut rows = Vec::new();
    let mut add = |name: &str, value: Cell| rows.push(Row::told(vec![dim(name), value]));
    add("kind", cell(Tone::Bold, record.text("kind")));
    add("time", plain(record.text("timestamp")));
    if let Some(command) = look::command(look.now, record)? {
        add("command", plain(command));
    }
    if let Some(by) = record.erased_by(look.now)? {
        add("erased", plain(format!("by {}, which may have come later", by.receipt_id)));
    }
    for (key, name) in
        [("principal", "principal"), ("on_behalf_of", "on behalf of"), ("to", "to"), ("subject", "subject")]
    {
        if !record.text(key).is_empty() {
            let named = record.name(look.now, key)?.unwrap_or_default();
            add(name, plain(format!("{} {named}", record.text(key)).trim_end()));
        }
    }
    if let Some(reason) = record.reason(look.now)? {
        add("reason", plain(reason));
    }
    if let Some(tier) = RiskTier::parse(record.text("risk_tier")) {
        add("tier", cell(tier_tone(tier), tier.as_str()));
    }
    for (key, name) in TOLD {
        if let Some(value) = record.content(key) {
            add(name, plain(value.as_str().map_or_else(|| value.to_canonical(), str::to_owned)));
        }
    }
    for code in record.codes() {
        add("because", plain(format!("{code}: {}", reasons::code_text(code))));
    }
    for (rel, id) in record.refs() {
        add(rel, plain(id));
    }
    Ok(Section::list("fields", "receipt", "", rows))
}

pub(super) const fn tier_tone(tier: RiskTier) -> Tone {
    match tier {
        RiskTier::Low => Tone::Good,
        RiskTier::Medium => Tone::Bold,
        RiskTier::High => Tone::Care,
        RiskTier::Critical => Tone::Bad,
    }
}

const fn verdict_tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Admit => Tone::Good,
        Verdict::Escalate => Tone::Care,
        Verdict::Deny => Tone::Bad,
    }
}

/// Its decision gate by gate, and whether it comes out the same today.
pub(super) fn decision(look: &Look<'_>) -> Result<Section, Failure> {
    let mut section = Section::list("decision", "decision", "it carries no decision", Vec::new());
    section.single = true;
    let Some(decision) = look.record.content("decision") else { return Ok(section) };
    let (word, tone) = again(look)?;
    let mut parts = vec![("again", word.into()), ("recorded", decision.clone())];
    if let Some(verdict) = Verdict::parse(look.record.verdict()) {
        let cells = vec![dim("verdict"), cell(verdict_tone(verdict), verdict.as_str())];
        section.rows.push(Row::told(cells));
        parts.push(("verdict", verdict.as_str().into()));
    }
    section.rows.push(Row::new(members(parts), vec![dim("decided again"), cell(tone, told_again(word))]));
    for gate in decision.member("gates").and_then(Value::as_array).unwrap_or_default() {
        section.rows.push(Row::told(gate_cells(gate)));
    }
    Ok(section)
}

fn gate_cells(gate: &Value) -> Vec<Cell> {
    let text = |key: &str| gate.member(key).and_then(Value::as_str).unwrap_or_default();
    let tone = match GateOutcome::parse(text("outcome")) {
        Some(GateOutcome::Pass) => Tone::Good,
        Some(GateOutcome::Escalate) => Tone::Care,
        Some(GateOutcome::Deny) => Tone::Bad,
        _ => Tone::Dim,
    };
    let reason = |reason: &Value| {
        let by = reason.member("policy_id").and_then(Value::as_str).map(|id| format!(" ({id})"));
        let code = reason.member("code")?.as_str()?;
        Some(format!("{}{}", reasons::code_text(code), by.unwrap_or_default()))
    };
    let reasons = gate.member("reasons").and_then(Value::as_array).unwrap_or_default();
    let reasons: Vec<String> = reasons.iter().filter_map(reason).collect();
    vec![plain(text("gate")), cell(tone, text("outcome")), dim(reasons.join("; "))]
}

/// The decision made again from its facts under the policy of then, in a word.
fn again(look: &Look<'_>) -> Result<(&'static str, Tone), Failure> {
    let seq = look.record.seq;
    let tally: Tally = replay::scan(look.now, seq..seq + 1, &Under::Then, |_| ())?;
    Ok(match tally {
        Tally { matches: 1.., .. } => ("same", Tone::Good),
        Tally { divergences: 1.., .. } => ("differs", Tone::Bad),
        Tally { erased: 1.., .. } => ("erased", Tone::Dim),
        // Nobody's policy made it: what time or a person brought about.
        _ => ("none", Tone::Dim),
    })
}

fn told_again(word: &str) -> &'static str {
    match word {
        "same" => "the same, to the byte",
        "differs" => "it comes out differently, or cannot be made again: see `cascade replay`",
        "erased" => "its facts are erased",
        _ => "no policy made it",
    }
}
