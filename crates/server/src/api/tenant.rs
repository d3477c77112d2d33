//! `/v1/tenant`: how the caller's own tenant stands, and the switch that an administrator turns.

use std::cell::RefCell;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cascade_receipt::content::TokenScope;
use cascade_runtime::admin::AdminError;
use cascade_runtime::lease::REASON_BYTES_MAX;
use cascade_runtime::ssh::SshError;
use cascade_runtime::tenants::{self, Drawn, Turn};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::actions::read;
use super::events::LISTENERS_MAX;
use super::{Api, Caller, Credentials, Problem, TENANT_WORK_MAX, TenantHeader, Whole};

/// How the tenant stands.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct TenantOut {
    /// Its name here.
    tenant: String,
    /// The name of its chain, which says nothing of whose it is.
    log_origin: String,
    /// `active`, `halted` or `suspended`; a suspended one may be halted besides.
    state: String,
    /// Somebody pressed the stop button.
    halted: bool,
    /// How many receipts its chain has.
    receipts: u64,
    /// Actions whose outcome is not on record.
    open_actions: u64,
    /// Label of the policy in force.
    policy_version: String,
    /// Its hash.
    policy_hash: String,
    /// What this service lets it have at once.
    limits: LimitsOut,
}

/// What one tenant may have at once.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct LimitsOut {
    /// Requests that are worked on; more wait.
    requests_at_once: u64,
    /// Listeners to events.
    listeners: u64,
}

/// Why, and who says so.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct TurnRequest {
    /// Why, in the administrator's words; kept privately.
    #[schema(max_length = 16384)]
    reason: String,
    /// The administrator's signature over the statement: the armoured text of `ssh-keygen -Y sign -n cascade-admin@v1`.
    /// Without it the answer is a problem that holds the statement.
    sshsig: Option<String>,
}

/// The switch is turned.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct TurnOut {
    /// The receipt; absent where the tenant stood so already.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt_id: Option<String>,
    /// Whether it is suspended now.
    suspended: bool,
}

/// How the caller's own tenant stands.
#[utoipa::path(
    get,
    path = "/v1/tenant",
    tag = "tenant",
    operation_id = "show_tenant",
    params(TenantHeader),
    responses(
        (status = 200, description = "How it stands", body = TenantOut),
        (status = "4XX", description = "Not shown", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The ledger cannot be read now", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    shown: Credentials,
) -> Result<Json<TenantOut>, Problem> {
    api.work(shown, TokenScope::Read, |caller| {
        caller.may("stats")?;
        stands(caller).map(Json)
    })
    .await
}

fn stands(caller: &Caller) -> Result<TenantOut, Problem> {
    let ledger = &caller.tenant.ledger;
    let (halted, suspended) = (ledger.is_halted()?, ledger.is_suspended()?);
    let state = match (suspended, halted) {
        (true, _) => "suspended",
        (false, true) => "halted",
        (false, false) => "active",
    };
    let (policy, _) = ledger.policy_in_force()?;
    Ok(TenantOut {
        tenant: caller.tenant.id.to_string(),
        log_origin: ledger.log_origin().as_str().to_owned(),
        state: state.to_owned(),
        halted,
        receipts: ledger.head()?.next_seq,
        open_actions: ledger.open_actions()?.len() as u64,
        policy_version: policy.version,
        policy_hash: policy.hash.to_hex(),
        limits: LimitsOut { requests_at_once: TENANT_WORK_MAX as u64, listeners: LISTENERS_MAX as u64 },
    })
}

/// Suspend the tenant: what runs is ended, nothing begins until it is resumed.
///
/// Only an administrator of the chain, who signs it with the SSH key that the chain knows. Without `sshsig` the answer is
/// 409 `tenant.signature`, whose `detail` is the exact statement to sign; send the same reason with it.
#[utoipa::path(
    post,
    path = "/v1/tenant/suspend",
    tag = "tenant",
    operation_id = "suspend_tenant",
    request_body = TurnRequest,
    params(TenantHeader),
    responses(
        (status = 200, description = "It is suspended", body = TurnOut),
        (status = "4XX", description = "It is not", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing could be recorded", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn suspend(
    State(api): State<Arc<Api>>,
    shown: Credentials,
    body: Whole,
) -> Result<Json<TurnOut>, Problem> {
    api.work(shown, TokenScope::Admin, move |caller| turned(caller, true, read(&body)?).map(Json)).await
}

/// Let a suspended tenant go on.
///
/// Signed like the suspension.
#[utoipa::path(
    post,
    path = "/v1/tenant/resume",
    tag = "tenant",
    operation_id = "resume_tenant",
    request_body = TurnRequest,
    params(TenantHeader),
    responses(
        (status = 200, description = "It is active", body = TurnOut),
        (status = "4XX", description = "It is not", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing could be recorded", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn resume(
    State(api): State<Arc<Api>>,
    shown: Credentials,
    body: Whole,
) -> Result<Json<TurnOut>, Problem> {
    api.work(shown, TokenScope::Admin, move |caller| turned(caller, false, read(&body)?).map(Json)).await
}

fn turned(caller: &Caller, suspend: bool, request: TurnRequest) -> Result<TurnOut, Problem> {
    let TurnRequest { reason, sshsig } = request;
    if reason.len() > REASON_BYTES_MAX {
        return Err(Problem::bad("request.limit", format!("a reason has at most {REASON_BYTES_MAX} bytes")));
    }
    let (ledger, asker) = (&caller.tenant.ledger, &caller.asker);
    let statement = RefCell::new(None);
    let mut sign = |_: &str, _: &str, payload: &[u8]| {
        sshsig.clone().ok_or_else(|| {
            statement.replace(Some(String::from_utf8_lossy(payload).into_owned()));
            SshError::NoPrivateKey("administration".to_owned())
        })
    };
    let drawn = Some(Drawn::of_request(ledger, asker, suspend, &reason)?);
    let says = Turn { reason: &reason, drawn };
    let done = if suspend {
        tenants::suspend(ledger, asker, says, &mut sign)
    } else {
        tenants::resume(ledger, asker, says, &mut sign)
    };
    match done {
        Ok(appended) => {
            let receipt_id = appended.map(|one| one.receipt_id.to_string());
            Ok(TurnOut { receipt_id, suspended: suspend })
        }
        Err(AdminError::Sign(SshError::NoPrivateKey(_))) => {
            Err(Problem::conflict("tenant.signature", statement.into_inner().unwrap_or_default()))
        }
        Err(AdminError::Ledger(fault)) => Err(fault.into()),
        Err(AdminError::Append(error)) => Err(error.into()),
        Err(error) => Err(refused(caller, if suspend { "tenant suspend" } else { "tenant resume" }, &error)),
    }
}

/// Who may not, or does not prove to be who may, has tried: that is on record.
fn refused(caller: &Caller, verb: &str, error: &AdminError) -> Problem {
    let problem = match error {
        AdminError::Refused(_) => {
            Problem::forbidden("only an administrator of the chain turns this switch", Vec::new())
        }
        other => Problem::conflict("tenant.unusable", other.to_string()),
    };
    let Some(code) = error.refusal() else { return problem };
    let recorded = caller.refused_act(verb, code);
    recorded.map_or_else(|error| error, |receipt| problem.of(receipt.receipt_id))
}
