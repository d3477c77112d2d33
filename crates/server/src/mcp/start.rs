//! The server that a gateway stands in front of: its start is an action like any other.

use cascade_ledger::Ledger;
use cascade_receipt::content::{Ending, Runtime};
use cascade_receipt::decision::Reason;
use cascade_runtime::facts::{Asker, Command};
use cascade_runtime::lease::{self, Asked, Begun, Held, LeaseError, Live, Outcome, Request};
use cascade_runtime::policy_store::PolicyInForce;
use cascade_runtime::process::{Companion, CompanionPlan, PrepareError};

/// A server that runs, and the intent that says so.
#[derive(Debug)]
pub struct Serving {
    pub(super) companion: Companion,
    pub(super) live: Live,
}

/// What came of asking for a server.
#[derive(Debug)]
pub enum Started {
    /// It runs.
    Serving(Box<Serving>),
    /// It was denied or waits for people: nothing was started.
    Refused(Box<Begun>),
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No such program.
    #[error("there is no program `{0}` to be started")]
    NoProgram(String),
    /// Nothing could be decided or recorded.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// It could not be started; that is on record.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
}

/// Has the start of a server decided, and starts it.
///
/// # Errors
/// [`StartError`]; a denial is none.
pub fn start(
    ledger: &Ledger,
    asker: &Asker,
    (runtime, policy): (&Runtime, &PolicyInForce),
    command: Command,
) -> Result<Started, StartError> {
    let program = command.argv.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(executable) = command.executable() else { return Err(StartError::NoProgram(program)) };
    let asked = Asked::Command(command.clone());
    let begun = lease::begin(
        ledger,
        &Request {
            asked: &asked,
            asker,
            approval: None,
            dry_run: false,
            reason: None,
            subject: None,
            runtime,
            request: None,
            held: Held::Process,
            policy: Some(policy),
        },
    )?;
    let Begun { open: Some(open), .. } = begun else { return Ok(Started::Refused(Box::new(begun))) };
    let receipt_id = open.intent();
    let started = Companion::start(CompanionPlan {
        receipt_id,
        agent: asker.agent.as_ref().map(|(name, _)| name.clone()),
        lock_path: ledger.run_lock_path(receipt_id).with_extension("server"),
        executable,
        argv: command.argv,
        env: command.env,
        cwd: command.cwd,
    });
    match started {
        Ok(companion) => Ok(Started::Serving(Box::new(Serving { companion, live: Live::of(open, asked)? }))),
        Err(error) => {
            let reasons = vec![Reason::code("mcp.not_started")];
            lease::settle(ledger, open, &Outcome { reasons, ..Outcome::of(Ending::Failed) })?;
            Err(error.into())
        }
    }
}
