//! Takes one task through the layers: performs the effects of `cascade_kernel::route` in the order given. Which layer
//! is asked, what is taken and what must precede what is decided there, not here.

mod acting;
mod asking;
mod document;
mod drafts;
mod perform;
mod question;
mod remembered;
mod shadow;
mod spec;
mod trial;

use std::fmt;
use std::io;
use std::sync::Arc;

use cascade_kernel::route::{Outcome, Unexpected};
use cascade_ledger::{AppendError, Appended, Fault, Ledger, Mark};
use cascade_policy::decide::Ruling;
use cascade_policy::facts::{Task, TaskKind};
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::content::{Evidence, Layer as LayerName, Runtime};
use cascade_receipt::decision::{Reason, Verdict};
use cascade_receipt::id::ReceiptId;

use crate::consent::{Approved, Of, Standing};
use crate::facts::{Asker, LookError};
use crate::govern::GovernError;
use crate::layer::{Layer, Question, Retrieval, Search, Templates};
use crate::model::{Model, Models};
use crate::policy_store::{PolicyInForce, StoreError};
use crate::smoke::{Options, Smoke, SmokeError};
use crate::workflow::OfStep;

pub use document::document;
pub(crate) use drafts::{ACTED, frame};
pub use question::tools;
pub use shadow::SHADOW_MAX;
pub use spec::{Call, Spec};
pub use trial::{TRIAL_MAX, Trial};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The task.
    pub task: Task,
    /// Who asks.
    pub asker: Asker,
    /// What people answered that it stands on.
    pub approved: Option<Standing>,
    /// Only the decision is wanted.
    pub dry_run: bool,
    /// Tokens may be spent before a question to the caller.
    pub spend: bool,
    /// Why, in the asker's words; kept in the vault.
    pub reason: Option<String>,
    /// Which program writes the receipts.
    pub runtime: Runtime,
    /// The step of a workflow that it is.
    pub step: Option<OfStep>,
}

impl Request {
    /// A dry run of a task that only an action can answer: the decision that is wanted is that of the action.
    pub(crate) fn rehearses_an_act(&self) -> bool {
        self.dry_run && self.task.kind != TaskKind::Code
    }

    /// What people answered about the task itself, not about an action for it.
    pub(crate) fn approved_itself(&self) -> Option<&Approved> {
        let standing = self.approved.as_ref()?;
        matches!(standing.of, Of::Task).then_some(&standing.approved)
    }
}

/// A layer that had no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Declined {
    /// Which.
    pub layer: LayerName,
    /// Why: a code.
    pub code: String,
    /// For people.
    pub detail: Option<String>,
}

/// An answer whose receipt is durable.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// The answer.
    pub text: String,
    /// The layer it comes from.
    pub layer: LayerName,
    /// What stands behind it.
    pub evidence: Evidence,
    /// 0–100.
    pub grade: u8,
    /// What ran it.
    pub smoke: Option<String>,
    /// What would tell it apart from the next best one.
    pub question: Option<Question>,
}

/// How it went.
#[derive(Debug)]
pub struct Tasked {
    /// The end.
    pub outcome: Outcome,
    /// What the gates said.
    pub ruling: Ruling,
    /// Every receipt of this task, in order.
    pub receipts: Vec<Appended>,
    /// The escalation that people must answer first, where there is one.
    pub waits_for: Option<ReceiptId>,
    /// The answer, where there is one.
    pub answer: Option<Answer>,
    /// Layers that were asked and had none.
    pub declined: Vec<Declined>,
    /// What a layer wants to know first, in words.
    pub asks: Option<String>,
    /// What was remembered of it; these receipts follow the answer.
    pub learned: Vec<Appended>,
    /// Why it was not remembered, where that went wrong.
    pub unlearned: Option<String>,
    /// The command that ran for it.
    pub ran: Option<Ran>,
    /// Commands that a model had run.
    pub calls: Vec<Called>,
    /// How often a model wanted a tool called that there is not.
    pub invented: u64,
    /// Tokens given to a model and taken from it.
    pub tokens: u64,
    /// What they cost, in millionths of a dollar.
    pub cost_microusd: u64,
}

/// A command that a model wanted run. What it wrote went back to the model alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Called {
    /// The command.
    pub argv: Vec<String>,
    /// What the gates said.
    pub verdict: Verdict,
    /// Its exit code, when it ran and ended by itself.
    pub exit_code: Option<u8>,
    /// The last receipt of it.
    pub receipt_id: ReceiptId,
}

/// A command that ran for a task. Its output left behind its closer, as every output does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ran {
    /// The command.
    pub argv: Vec<String>,
    /// The intent of the worker's manifest that it came from.
    pub intent: String,
    /// Its exit code, when it ended by itself.
    pub exit_code: Option<u8>,
    /// What that exit code says, where it is an answer though it is not 0.
    pub says: Option<String>,
    /// What it wrote.
    pub stdout: Vec<u8>,
    /// What it complained of.
    pub stderr: Vec<u8>,
    /// It wrote more than is kept; the rest was dropped, as its receipt says.
    pub truncated: bool,
}

/// Why a task has no end. No answer left.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The policy in force could not be loaded.
    #[error(transparent)]
    Policy(#[from] StoreError),
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] Fault),
    /// The lock of a task that nobody can answer could not be taken.
    #[error("couldn't take the lock of the task: {0}")]
    Lock(#[from] io::Error),
    /// The working directory could not be looked at.
    #[error(transparent)]
    Look(#[from] LookError),
    /// A command that ran for the task has no end.
    #[error(transparent)]
    Govern(GovernError),
    /// Another run used the approval, or somebody took it back, in the meantime.
    #[error("the approval is gone: {}", .0.iter().map(|reason| reason.code.as_str()).collect::<Vec<_>>().join(", "))]
    ApprovalGone(Vec<Reason>),
    /// A receipt could not be made durable.
    #[error("couldn't record the task: {0}")]
    Append(AppendError),
    /// Governance kept changing while the task was being decided.
    #[error("policy or approvals kept changing while the task was decided")]
    Unsettled,
    /// What was recalled does not hold any more; never told to a caller.
    #[error("what was remembered changed while the task was decided")]
    Outdated,
    /// A defect in Cascade.
    #[error("internal defect: {0}")]
    Defect(String),
}

impl From<GovernError> for TaskError {
    fn from(error: GovernError) -> Self {
        match error {
            GovernError::ApprovalGone(reasons) => Self::ApprovalGone(reasons),
            other => Self::Govern(other),
        }
    }
}

impl From<Unexpected> for TaskError {
    fn from(defect: Unexpected) -> Self {
        Self::Defect(defect.to_string())
    }
}

/// The layers, and the gate that everything they answer goes through. One serves many tasks at once.
pub struct Router {
    layers: Vec<Box<dyn Layer>>,
    smoke: Smoke,
    models: Models,
    /// The policy that decided last: loading it costs more than everything else about a task from memory.
    policy: PolicyInForce,
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.layers.iter().map(|layer| layer.manifest().layer.to_string()).collect();
        f.debug_struct("Router").field("layers", &names).finish_non_exhaustive()
    }
}

impl Router {
    /// Cascade's own layers. `workers` is how many answers can be run at once; without models nobody is asked at L7.
    ///
    /// # Errors
    /// When the smoke gate cannot be set up.
    pub fn new(workers: usize, models: Models) -> Result<Self, SmokeError> {
        let layers: Vec<Box<dyn Layer>> = vec![
            Box::new(Templates::new()),
            Box::new(Retrieval::new()),
            Box::new(Search::enumerate()),
            Box::new(Search::forge()),
        ];
        Ok(Self {
            layers,
            smoke: Smoke::start(&Options { workers, ..Options::default() })?,
            models,
            policy: PolicyInForce::default(),
        })
    }

    /// With one more layer, behind the one that its manifest names.
    #[must_use]
    pub fn with(mut self, layer: Box<dyn Layer>) -> Self {
        let behind = |layer: &dyn Layer| layer.manifest().behind.clone();
        let place = self.layers.iter().take_while(|known| behind(known.as_ref()) <= behind(layer.as_ref()));
        let place = place.count();
        self.layers.insert(place, layer);
        self
    }

    /// The policy in force, and the mark of the look that found it.
    fn policy(&self, ledger: &Ledger) -> Result<(Arc<Snapshot>, Mark), StoreError> {
        self.policy.look(&ledger.present()?)
    }

    /// The model that would be asked, with everything of its configuration that an answer depends on.
    fn asked(&self) -> Option<String> {
        self.models.pick(None).map(Model::identity)
    }

    /// What kind of task this is, where the caller does not say. With a signature, examples, tests or a schema it is
    /// code, and so are words that define a function; words that an intent of a worker accounts for, every one of them,
    /// are a command; anything else is a question.
    ///
    /// # Errors
    /// When the policy in force cannot be loaded.
    pub fn kind_of(&self, ledger: &Ledger, task: &Task) -> Result<TaskKind, StoreError> {
        let Task { signature, examples, tests, schema, .. } = task;
        let structured = signature.is_some() || !examples.is_empty() || tests.is_some() || schema.is_some();
        if structured || spec::defines(&task.text) {
            return Ok(TaskKind::Code);
        }
        let (snapshot, _) = self.policy(ledger)?;
        let is_command = !snapshot.registry().plans(&task.text).is_empty();
        Ok(if is_command { TaskKind::Cli } else { TaskKind::Ask })
    }

    /// Answers one task.
    ///
    /// # Errors
    /// See [`TaskError`].
    pub fn answer(&self, ledger: &Ledger, request: &Request) -> Result<Tasked, TaskError> {
        perform::perform(self, ledger, request)
    }
}
