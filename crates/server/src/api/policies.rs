//! `/v1/policies`: what decides, and what decided before. Another one is put into force on the command line, by the people
//! whom the policy in force wants for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::content::{PolicyRef, TokenScope};
use cascade_receipt::digest::Digest;
use cascade_runtime::policy_store;
use cascade_runtime::record::Record;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, Caller, Credentials, Problem, TenantHeader};

/// One policy that came into force.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct PolicyOut {
    /// SHA-256 of its snapshot: `policy_hash` of receipts.
    policy_hash: String,
    /// What it was called.
    policy_version: String,
    /// Whether it decides now.
    in_force: bool,
    /// The receipt that put it into force.
    #[schema(pattern = "^r_[0-9a-f]{16}$")]
    receipt_id: String,
    /// When, RFC 3339.
    timestamp: String,
}

/// All of them, oldest first.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct PoliciesOut {
    policies: Vec<PolicyOut>,
}

/// What a policy says.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct PolicyTextOut {
    policy_hash: String,
    policy_version: String,
    /// Its snapshot: canonical JSON whose SHA-256 is the hash. It names the texts that it was compiled from by theirs.
    snapshot: String,
    /// The Cedar policies, by id: their texts.
    policies: BTreeMap<String, String>,
}

/// The policies that have been in force, oldest first.
#[utoipa::path(
    get,
    path = "/v1/policies",
    tag = "policies",
    operation_id = "list_policies",
    params(TenantHeader),
    responses(
        (status = 200, description = "The policies", body = PoliciesOut),
        (status = "4XX", description = "Not shown", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The ledger cannot be read now", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    shown: Credentials,
) -> Result<Json<PoliciesOut>, Problem> {
    api.work(shown, TokenScope::Read, |caller| {
        caller.may("policy history")?;
        history(caller).map(Json)
    })
    .await
}

fn history(caller: &Caller) -> Result<PoliciesOut, Problem> {
    let ledger = &caller.tenant.ledger;
    let history = ledger.policy_history()?;
    let newest = history.last().map(|(seq, _)| *seq);
    let mut policies = Vec::new();
    for (seq, policy) in history {
        let line = ledger.lines(seq..seq.saturating_add(1)).next().transpose()?;
        let Some(record) = line.and_then(|line| Record::parse(line.seq, &line.text)) else { continue };
        policies.push(PolicyOut {
            policy_hash: policy.hash.to_hex(),
            policy_version: policy.version,
            in_force: newest == Some(seq),
            receipt_id: record.text("receipt_id").to_owned(),
            timestamp: record.text("timestamp").to_owned(),
        });
    }
    Ok(PoliciesOut { policies })
}

/// One of them: its snapshot and its texts.
#[utoipa::path(
    get,
    path = "/v1/policies/{hash}",
    tag = "policies",
    operation_id = "show_policy",
    params(
        ("hash" = String, Path, description = "Its hash, or `current`"),
        TenantHeader,
    ),
    responses(
        (status = 200, description = "The policy", body = PolicyTextOut),
        (status = "4XX", description = "Not shown", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The ledger cannot be read now", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    shown: Credentials,
    Path(hash): Path<String>,
) -> Result<Json<PolicyTextOut>, Problem> {
    api.work(shown, TokenScope::Read, move |caller| {
        caller.may("policy explain")?;
        let policy = named(caller, &hash)?;
        let snapshot = policy_store::load(&caller.tenant.ledger, &policy)?;
        Ok(Json(PolicyTextOut {
            policy_hash: policy.hash.to_hex(),
            policy_version: policy.version,
            snapshot: String::from_utf8_lossy(snapshot.document()).into_owned(),
            policies: texts(&snapshot),
        }))
    })
    .await
}

/// `current`, or one that was in force, by its hash.
pub(super) fn named(caller: &Caller, word: &str) -> Result<PolicyRef, Problem> {
    let ledger = &caller.tenant.ledger;
    if word == "current" {
        return Ok(ledger.policy_in_force()?.0);
    }
    let missing = || Problem::not_found("no policy of this hash was ever in force");
    let hash = Digest::from_hex(word).ok_or_else(missing)?;
    let mut history = ledger.policy_history()?.into_iter().map(|(_, policy)| policy);
    history.find(|policy| policy.hash == hash).ok_or_else(missing)
}

fn texts(snapshot: &Snapshot) -> BTreeMap<String, String> {
    snapshot.policies().map(|(id, _, text)| (id.to_owned(), text.to_owned())).collect()
}
