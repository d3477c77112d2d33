//! What a receipt of each kind has when nothing else is written down.

use cascade_receipt::decision::{GateName, GateOutcome};
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;
use toml::Value as Written;

use super::anchor;
use super::build::{Chain, FOUNDER, Made, principal};
use super::keys;
use super::members::{Members, activates, later, public_key, word, words};

/// Kinds that are decided actions.
const ACTIONS: [&str; 7] =
    ["blocked", "break_glass", "chain_started", "dry_run", "escalation", "schedule_changed", "task_started"];

/// The first receipt.
pub(super) fn genesis(chain: &Chain) -> Members {
    let key = |key: &keys::Key| {
        Value::object([("key_id", key.id.as_str().into()), ("public_key", public_key(&key.public()))])
    };
    let [receipt, log, recovery] = &chain.founding;
    let admin =
        Value::object([("principal", principal(FOUNDER)), ("ssh_key", keys::ssh_key(FOUNDER).into())]);
    let keys = Value::object([("log", key(log)), ("receipt", key(receipt)), ("recovery", key(recovery))]);
    members([("admins", Value::Array(vec![admin])), ("keys", keys), ("kind", "genesis".into())])
}

fn members<const N: usize>(members: [(&str, Value); N]) -> Members {
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Members of a receipt of this kind. What is written down replaces them.
pub(super) fn of(
    kind: &str,
    chain: &Chain,
    written: &toml::Table,
    refs: &[(String, Made)],
) -> Result<Members, String> {
    let pure = kind == "task_completed" && refs.iter().all(|(rel, _)| rel != "intent");
    let mut members = if ACTIONS.contains(&kind) || pure {
        action(kind, written, refs)?
    } else {
        others(kind, chain, written, refs)?
    };
    if let Some(spec) = word(written, "spec")? {
        members.insert("spec_hash".to_owned(), hash_of("spec", spec));
    } else if let Some(spec) = refs.iter().find_map(|(_, made)| made.spec_hash.clone()) {
        members.insert("spec_hash".to_owned(), spec.into());
    }
    for (key, value) in additions(kind, chain)? {
        members.insert(key.to_owned(), value);
    }
    Ok(members)
}

/// What an action has beside what every action has.
fn additions(kind: &str, chain: &Chain) -> Result<Vec<(&'static str, Value)>, String> {
    Ok(match kind {
        "escalation" => vec![
            ("required", Value::Int(1)),
            ("groups", Value::Array(vec![])),
            ("expires", later(chain, "+1d")?),
            ("signature_required", false.into()),
        ],
        "break_glass" => {
            vec![("groups", Value::Array(vec!["admins".into()])), ("review_due", later(chain, "+1d")?)]
        }
        "schedule_changed" => vec![
            ("change", "added".into()),
            ("schedule", short_hash("schedule", "nightly")),
            ("schedule_hash", hash_of("schedule", "nightly")),
        ],
        _ => vec![],
    })
}

fn action(kind: &str, written: &toml::Table, refs: &[(String, Made)]) -> Result<Members, String> {
    let runtime = Value::object([
        ("binary_sha256", hash_of("binary", "cascade")),
        ("node", "node-1".into()),
        ("version", "1.0.0".into()),
    ]);
    // What follows an escalation or a dry run is that action.
    let followed = refs.iter().find_map(|(_, made)| made.action_hash.clone().map(Value::from));
    let action_hash = match word(written, "action")? {
        Some(name) => hash_of("action", name),
        None => followed.unwrap_or_else(|| hash_of("action", kind)),
    };
    Ok(members([
        ("action_hash", action_hash),
        ("decision", decision(kind, written)?),
        ("facts_hash", hash_of("facts", kind)),
        ("principal", principal(FOUNDER)),
        ("risk_tier", "LOW".into()),
        ("runtime", runtime),
        ("task_type", "cli".into()),
    ]))
}

/// `gates = { failfast = "deny failfast.pattern(git.push.force)" }`; what is not named passes.
fn decision(kind: &str, written: &toml::Table) -> Result<Value, String> {
    let mut says: toml::Table = match written.get("gates") {
        Some(gates) => gates.as_table().ok_or("`gates` is a table from gates to what they say")?.clone(),
        None => match kind {
            "blocked" => [("policy".to_owned(), "deny policy.no_permit".into())].into_iter().collect(),
            "escalation" => {
                [("risk".to_owned(), "escalate risk.above_threshold".into())].into_iter().collect()
            }
            _ => toml::Table::new(),
        },
    };
    let mut verdict = 0;
    let mut gates = Vec::new();
    for gate in GateName::ALL {
        let text = match says.remove(gate.as_str()) {
            Some(Written::String(text)) => text,
            Some(_) => return Err(format!("what `{gate}` says is no text")),
            None if *gate == GateName::Specification => "not_applicable".to_owned(),
            None => "pass".to_owned(),
        };
        let (outcome, reasons) = text.split_once(' ').unwrap_or((&text, ""));
        let outcome =
            GateOutcome::parse(outcome).ok_or_else(|| format!("`{outcome}` is no outcome of a gate"))?;
        verdict = verdict.max(match outcome {
            GateOutcome::Pass | GateOutcome::NotApplicable => 0,
            GateOutcome::Escalate => 1,
            GateOutcome::Deny => 2,
        });
        gates.push(Value::object([
            ("gate", gate.as_str().into()),
            ("outcome", outcome.as_str().into()),
            ("reasons", Value::Array(reasons.split_whitespace().map(reason).collect())),
        ]));
    }
    if let Some((name, _)) = says.iter().next() {
        return Err(format!("there is no gate `{name}`"));
    }
    let verdict = ["admit", "escalate", "deny"].get(verdict).copied().unwrap_or("deny");
    Ok(Value::object([("gates", Value::Array(gates)), ("verdict", verdict.into())]))
}

/// `code(policy_id)[control]`, the last two as they are needed.
fn reason(text: &str) -> Value {
    let (text, control) = cut(text, '[', ']');
    let (code, policy_id) = cut(text, '(', ')');
    let mut members = members([("code", code.into())]);
    for (key, value) in [("control", control), ("policy_id", policy_id)] {
        if let Some(value) = value {
            members.insert(key.to_owned(), value.into());
        }
    }
    Value::Object(members)
}

fn cut(text: &str, open: char, close: char) -> (&str, Option<&str>) {
    let inside = text.strip_suffix(close).and_then(|text| text.split_once(open));
    inside.map_or((text, None), |(before, inside)| (before, Some(inside)))
}

fn others(
    kind: &str,
    chain: &Chain,
    written: &toml::Table,
    refs: &[(String, Made)],
) -> Result<Members, String> {
    let founder = || principal(FOUNDER);
    Ok(match kind {
        "task_completed" => members([("effect_status", "confirmed".into()), ("exit_code", Value::Int(0))]),
        "task_failed" => members([("effect_status", "failed".into()), ("exit_code", Value::Int(1))]),
        "task_revoked" => members([("effect_status", "revoked".into())]),
        "task_unknown" => members([("effect_status", "unknown".into())]),
        "heartbeat" => members([
            ("bytes", Value::Int(0)),
            ("running_hash", hash_of("output", "")),
            ("segment", Value::Int(0)),
        ]),
        "approval" | "denial" => {
            let action = refs.first().and_then(|(_, made)| made.action_hash.clone());
            members([
                ("action_hash", action.ok_or("an answer refers to an escalation or a dry run")?.into()),
                ("expires", later(chain, "+1d")?),
                ("principal", principal("bob")),
            ])
        }
        "approval_refused" => members([
            ("principal", principal("bob")),
            ("reasons", Value::Array(vec![reason("approval.requester")])),
        ]),
        "principal_added" => {
            let name = word(written, "principal")?.ok_or("it says no `principal`")?;
            members([("groups", Value::Array(vec![])), ("ssh_key", keys::ssh_key(name).into())])
        }
        "grant" => {
            let all = Value::object([("commands", Value::Array(vec!["*".into()]))]);
            members([("delegate", Value::Int(0)), ("principal", founder()), ("scope", all)])
        }
        "policy_activated" | "pack_activated" => members([
            ("activates", activates(word(written, "label")?.unwrap_or("next"))),
            ("principal", founder()),
        ]),
        "chain_completed" | "chain_aborted" => {
            let steps = ["completed", "failed", "skipped", "unknown"].map(|key| (key, Value::Int(0)));
            members([("principal", founder()), ("steps", Value::object(steps))])
        }
        "cron_invocation" => members([("outcome", "run".into()), ("principal", founder())]),
        "secret_changed" => members([
            ("change", "set".into()),
            ("principal", founder()),
            ("secret", short_hash("secret", "token")),
            ("secret_hash", hash_of("secret", "token")),
        ]),
        "token_issued" => members([
            ("expires", later(chain, "+30d")?),
            ("principal", founder()),
            ("scopes", Value::Array(vec!["read".into()])),
            ("to", founder()),
            ("token_hash", hash_of("token", "bearer")),
            ("token_id", token_id()),
        ]),
        "token_revoked" => members([
            ("principal", founder()),
            ("statement_id", short_hash("statement", "token")),
            ("token_id", token_id()),
        ]),
        "tool_pinned" => tool(founder()),
        "anchor" => {
            let witnesses = written.get("witnesses").map_or(Some(vec![]), words);
            let witnesses = witnesses.ok_or("`witnesses` is a name, or a list of names")?;
            let note = anchor::note(chain, &witnesses).ok_or("it has no checkpoint")?;
            let hash = Digest::of(note.as_bytes()).to_hex();
            members([("checkpoint", note.into()), ("checkpoint_sha256", hash.into())])
        }
        "x_break_glass_review" => members([("justified", true.into()), ("principal", founder())]),
        _ => members([("principal", founder())]),
    })
}

fn tool(founder: Value) -> Members {
    members([
        ("definition_hash", hash_of("tool", "definition")),
        ("principal", founder),
        ("server", "mcp:trial".into()),
        ("statement_id", short_hash("statement", "tool")),
        ("tool", "trial".into()),
    ])
}

/// Who signs a receipt of this kind where nothing is said of it.
pub(super) fn signers<'w>(kind: &str, written: &'w toml::Table) -> Result<Vec<&'w str>, String> {
    Ok(match kind {
        "grant" | "grant_revoked" | "token_issued" | "break_glass" | "x_break_glass_review" => {
            vec![word(written, "principal")?.unwrap_or(FOUNDER)]
        }
        "principal_added" | "principal_removed" | "policy_activated" | "pack_activated" | "resumed"
        | "erasure" | "secret_changed" => vec![FOUNDER],
        _ => vec![],
    })
}

fn hash_of(what: &str, name: &str) -> Value {
    Digest::of(format!("trial {what} {name}").as_bytes()).to_hex().into()
}

fn token_id() -> Value {
    let hash = Digest::of(b"trial token bearer").to_hex();
    format!("t_{}", hash.get(..16).unwrap_or_default()).into()
}

fn short_hash(what: &str, name: &str) -> Value {
    let hash = Digest::of(format!("trial {what} {name}").as_bytes()).to_hex();
    hash.get(..16).unwrap_or_default().into()
}
