//! `POST /v1/actions`: a command that the service itself runs, where its operator lets it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use cascade_ledger::AppendError;
use cascade_receipt::content::{RequestTag, TokenScope};
use cascade_runtime::consent;
use cascade_runtime::facts::{Command, Input};
use cascade_runtime::govern::{self, GovernError, Governed, Request};
use cascade_runtime::lease::REASON_BYTES_MAX;
use cascade_runtime::process::{Status, StreamsPlan};
use cascade_runtime::subject::{self, Named};

use super::actions::read;
use super::decisions::{answered, tagged};
use super::wire::ReasonOut;
use super::wire::runs::{RunOut, RunRequest};
use super::{Api, Caller, Credentials, IdempotencyHeader, Problem, TenantHeader, Whole};

/// Output of one run that is answered; the rest is dropped, as its receipt says.
pub(crate) const OUTPUT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Longest time that a run may take, and what it gets unless something else is asked for.
pub(crate) const RUN_TIME_MAX: Duration = Duration::from_secs(3600);
const RUN_TIME: Duration = Duration::from_secs(300);
/// What a run gets of the service's own environment. Nothing else of it is anybody's who asks.
const INHERITED: [&str; 5] = ["PATH", "HOME", "USER", "LANG", "TZ"];

/// Have a command decided, run here, and put on record.
///
/// Only where the service was started with `--perform`. It runs as the user of the service, in `cwd`, with the variables
/// that are given and its `PATH`, `HOME`, `USER`, `LANG` and `TZ`; never through a shell. The answer comes when the command has ended and its
/// receipt is durable. With an `Idempotency-Key` the request can be sent again after a lost answer: what ran is not run
/// again, and its output, which is not kept, does not come again either.
#[utoipa::path(
    post,
    path = "/v1/actions",
    tag = "decisions",
    operation_id = "perform_action",
    request_body = RunRequest,
    params(TenantHeader, IdempotencyHeader),
    responses(
        (status = 200, description = "Decided, and on record; run where it was admitted", body = RunOut),
        (status = "4XX", description = "Nothing ran", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing could be recorded", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn perform(
    State(api): State<Arc<Api>>,
    shown: Credentials,
    body: Whole,
) -> Result<Json<RunOut>, Problem> {
    let performs = api.performs();
    api.run_work(shown, TokenScope::Actions, move |caller| {
        let request: RunRequest = read(&body)?;
        if !performs {
            return Err(Problem::not_here(
                "this service runs nothing itself; ask `/v1/decisions`, and act where you are",
            ));
        }
        let tag = tagged(caller, &body)?;
        performed(caller, request, tag).map(Json)
    })
    .await
}

fn performed(caller: &Caller, request: RunRequest, tag: Option<RequestTag>) -> Result<RunOut, Problem> {
    if let Some(tag) = &tag
        && let Some(known) = answered(caller, tag)?
    {
        return Ok(RunOut::repeated(known));
    }
    let governed = govern::govern(&caller.tenant.ledger, asked(caller, request, tag)?);
    match governed {
        Ok(governed) => {
            caller.began(governed.receipts.iter().map(|receipt| receipt.receipt_id));
            Ok(told(&governed))
        }
        // The same request, at the same moment, on another thread or in another process.
        Err(GovernError::Append(AppendError::Repeated { .. })) => {
            let known = tag.map(|tag| answered(caller, &tag)).transpose()?.flatten();
            known.map(RunOut::repeated).ok_or_else(Problem::busy)
        }
        Err(error) => Err(error.into()),
    }
}

fn asked(caller: &Caller, request: RunRequest, tag: Option<RequestTag>) -> Result<Request, Problem> {
    let ledger = &caller.tenant.ledger;
    let timeout = request.timeout_seconds.map_or(RUN_TIME, |seconds| Duration::from_secs(seconds.into()));
    if timeout.is_zero() || timeout > RUN_TIME_MAX {
        let most = RUN_TIME_MAX.as_secs();
        return Err(Problem::bad("request.limit", format!("`timeout_seconds` is 1 to {most}")));
    }
    if request.reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
        return Err(Problem::bad("request.limit", format!("a reason has at most {REASON_BYTES_MAX} bytes")));
    }
    let (reason, dry_run) = (request.reason.clone(), request.dry_run);
    let (command, approved) = match &request.approval {
        Some(id) => {
            if request.argv.is_some()
                || request.cwd.is_some()
                || request.env.is_some()
                || request.stdin.is_some()
            {
                let detail =
                    "with `approval` exactly what was approved is run: give nothing else of the command";
                return Err(Problem::bad("request.malformed", detail));
            }
            let (approved, mut command) = consent::approved(ledger, id)?;
            let against = consent::run_objections(ledger, &caller.asker, &approved, &command)?;
            if !against.reasons.is_empty() {
                let (_, reasons) = consent::refuse(ledger, &caller.asker, approved.refs, against.reasons)?;
                return Err(Problem::refused(&reasons));
            }
            // What people approved stands in its words; of the service's own variables it gets what every run gets.
            command.env.retain(|(name, _)| INHERITED.iter().any(|known| name == known));
            (command, Some(approved))
        }
        None => (command(caller, request)?, None),
    };
    Ok(Request {
        command,
        asker: caller.asker.clone(),
        dry_run,
        approved,
        reason,
        timeout: Some(timeout),
        streams: StreamsPlan::Capture { cap_bytes: OUTPUT_BYTES_MAX },
        runtime: caller.tenant.runtime.clone(),
        task: None,
        step: None,
        cron: None,
        takes_back: None,
        request: tag,
    })
}

/// What a run gets of the service's own environment.
fn inherited() -> Vec<(OsString, OsString)> {
    let own = |name: &str| Some((OsString::from(name), std::env::var_os(name)?));
    INHERITED.into_iter().filter_map(own).collect()
}

/// The command with its variables as words of it, set by `env`. They come from whoever asks and may make any program do
/// anything, so they are decided on, recorded and shown to people like every other word; an environment that was there
/// before is trusted more.
fn set_by_words(argv: Vec<String>, given: BTreeMap<String, String>) -> Result<Vec<String>, Problem> {
    if given.is_empty() {
        return Ok(argv);
    }
    if argv.first().is_some_and(|program| program.contains('=')) {
        return Err(Problem::bad("request.malformed", "with variables, no program has a `=` in its name"));
    }
    let set = given.into_iter().map(|(name, value)| format!("{name}={value}"));
    Ok(std::iter::once("env".to_owned()).chain(set).chain(argv).collect())
}

fn command(caller: &Caller, request: RunRequest) -> Result<Command, Problem> {
    let limited = |given: usize, most: usize, what: &str| {
        if given > most {
            return Err(Problem::bad("request.limit", format!("more than {most} {what}")));
        }
        Ok(())
    };
    let argv = request.argv.unwrap_or_default();
    if argv.is_empty() {
        return Err(Problem::bad("request.malformed", "give `argv`, or `approval`"));
    }
    limited(argv.len(), super::wire::ARGV_MAX, "words")?;
    let given = request.env.unwrap_or_default();
    limited(given.len(), super::wire::ENV_MAX, "variables")?;
    super::wire::named(given.keys().map(String::as_str))?;
    let argv = set_by_words(argv, given)?;
    let env = inherited();
    let cwd = PathBuf::from(request.cwd.unwrap_or_else(|| "/".to_owned()));
    if !cwd.is_absolute() {
        return Err(Problem::bad("request.malformed", "`cwd` is an absolute path"));
    }
    let text = |text: &str| text.contains('\0');
    let nul = argv.iter().any(|word| text(word))
        || env
            .iter()
            .any(|(name, value)| [name, value].iter().any(|one| one.as_encoded_bytes().contains(&0)))
        || text(&cwd.to_string_lossy());
    if nul {
        return Err(Problem::bad("request.malformed", "no word, variable or path has a NUL"));
    }
    let subject = match &request.subject {
        None => None,
        Some(text) => {
            let named = Named::parse(text).map_err(|fault| Problem::bad("request.subject", fault))?;
            Some(subject::concerned(&caller.tenant.ledger, &named)?)
        }
    };
    let input = request.stdin.map_or(Input::None, |text| Input::Captured(text.into_bytes()));
    Ok(Command { argv: argv.into_iter().map(OsString::from).collect(), cwd, env, input, subject })
}

fn told(governed: &Governed) -> RunOut {
    let receipts: Vec<String> =
        governed.receipts.iter().map(|receipt| receipt.receipt_id.to_string()).collect();
    let mut out = RunOut {
        verdict: governed.ruling.decision.verdict.into(),
        receipt_id: receipts.last().cloned().unwrap_or_default(),
        receipts,
        risk_tier: governed.ruling.risk_tier.as_str().to_owned(),
        reasons: ReasonOut::all(&governed.ruling),
        ended: None,
        exit_code: governed.exit_code(),
        signal: None,
        truncated: governed.truncated,
        repeated: false,
        ..RunOut::default()
    };
    out.ended = governed.ended().map(str::to_owned);
    if let Some(Status::Signaled(signal) | Status::Interrupted(signal)) = governed.status {
        out.signal = Some(signal);
    }
    if let Some(captured) = &governed.captured {
        out.write(&captured.stdout, &captured.stderr);
    }
    out
}
