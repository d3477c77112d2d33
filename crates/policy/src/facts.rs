//! Everything a decision depends on, as plain data.
//!
//! Whoever asks for a decision (the kernel, a back-test, an outsider with a replayable bundle)
//! fills in [`Facts`]; [`decide`](crate::decide::decide) looks at nothing else but the snapshot.
//! The canonical JSON of the facts is kept in the vault and its salted hash stands in the receipt,
//! so that the same question can be asked again years later.

mod action;
mod read;
mod schedule;
mod task;
mod tool;
mod workflow;
mod write;

use cascade_receipt::decision::RiskTier;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;

use crate::decide::EscalationTerms;
use crate::limits::Amounts;
use crate::resource::Place;

pub(crate) use self::read::terms as read_terms;
pub(crate) use self::write::{terms as write_terms, words as write_words};

pub use self::read::FactsFault;
pub use self::schedule::{CronAct, ScheduleAct};
pub use self::task::{AskedModel, TASK_BYTES_MAX, TASK_EXAMPLES_MAX, Task, TaskKind};
pub use self::tool::{MCP_PREFIX, MCP_REQUESTS, TOOL_BYTES_MAX, TOOL_NAME_BYTES_MAX, ToolCall};
pub use self::workflow::{Act, Caller, Signer, Spec, SpecLimits, WorkflowAct};

/// The `_type` of the JSON form. Another one is refused: facts of a later version may hold
/// something that forbids the action.
pub const FACTS_TYPE: &str = "cascade/facts/v1";

/// All inputs of one decision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// The moment of the decision. The crate never looks at a clock.
    pub at: Timestamp,
    /// The tenant whose chain will hold the receipt.
    pub tenant: Tenant,
    /// Who is really there.
    pub principal: Principal,
    /// The person an agent acts for.
    pub on_behalf_of: Option<Delegator>,
    /// Whom the principal asked to be taken for (`--as`). Needs a grant of kind assume; it never
    /// widens what the principal itself may do.
    pub assumed: Option<PrincipalId>,
    /// What is to be done.
    pub action: Action,
    /// The specification of the workflow that this action claims to be a part of.
    pub spec: Option<Spec>,
    /// The terms of the escalation receipt that `approvals` answer. They hold together with the
    /// terms that today's policy asks for, so neither an old nor a new policy can be undercut.
    pub answers: Option<EscalationTerms>,
    /// Answers of people.
    pub approvals: Vec<Approval>,
    /// Grants in force for this principal, the principal assumed and the delegator.
    pub grants: Vec<Grant>,
    /// Budgets this action would draw on.
    pub budgets: Vec<Budget>,
    /// Freezes and opening windows that concern this action.
    pub windows: Vec<Window>,
    /// What the log says was used of the budgets that the policy declares for this action.
    pub counters: Vec<Counter>,
    /// Whom the action is about, where it concerns a person outside.
    pub subject: Option<Subject>,
    /// The principal asks to go past the gates, or did, for this very action.
    pub break_glass: Option<BreakGlass>,
    /// What was done past the gates and that nobody has reviewed yet, oldest first.
    pub unreviewed: Vec<Unreviewed>,
    /// Only the decision is wanted. Policies see it; no gate is lifted by it.
    pub dry_run: bool,
}

/// An emergency that somebody answers for: the gates are to let this action pass without an approval.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BreakGlass {
    /// The `break_glass` receipt, once there is one.
    pub receipt_id: Option<ReceiptId>,
    /// It names the `action_hash` of this very action, and no other run has used it.
    pub action_matches: bool,
    /// The groups of the registered person who asks (`admins` included for an admin); nobody else has any.
    pub groups: Vec<String>,
}

/// Something done past the gates that waits for its review.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreviewed {
    /// The `break_glass` receipt.
    pub receipt_id: ReceiptId,
    /// Who did it.
    pub principal: PrincipalId,
    /// When it must have been reviewed.
    pub due: Timestamp,
}

/// State of the tenant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tenant {
    /// Exists and is not suspended.
    pub active: bool,
    /// The stop button is pressed.
    pub halted: bool,
    /// The last check of the chain found nothing.
    pub chain_healthy: bool,
    /// Declared regimes; the snapshot must hold a pack of each name.
    pub regimes: Vec<String>,
}

/// What kind of being a principal is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PrincipalKind {
    /// A human being.
    Person,
    /// A program that chooses its own actions.
    Agent,
    /// A machine of the deployment acting for itself (scheduled jobs).
    Node,
}

impl PrincipalKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Person, Self::Agent, Self::Node];

    /// The word in JSON and in threshold files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Agent => "agent",
            Self::Node => "node",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// How we know who it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authentication {
    /// The operating system's user.
    OsUser,
    /// Variables that known coding agents set. They can be hidden, so they only ever lower
    /// somebody from person to agent.
    EnvironmentMarker,
    /// A bearer token that Cascade issued.
    Token,
    /// A signed statement of an issuer that the tenant trusts.
    Jwt,
    /// A certificate shown when the connection was made.
    Mtls,
    /// Not at all.
    None,
}

impl Authentication {
    /// Every way.
    pub const ALL: [Self; 6] =
        [Self::OsUser, Self::EnvironmentMarker, Self::Token, Self::Jwt, Self::Mtls, Self::None];

    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OsUser => "os_user",
            Self::EnvironmentMarker => "environment_marker",
            Self::Token => "token",
            Self::Jwt => "jwt",
            Self::Mtls => "mtls",
            Self::None => "none",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.as_str() == text)
    }
}

/// Who acts. Names live in the vault, never here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Principal {
    /// Its id in this chain.
    pub id: PrincipalId,
    /// Person, agent or node.
    pub kind: PrincipalKind,
    /// How we know.
    pub authentication: Authentication,
    /// The credential is neither revoked nor expired.
    pub alive: bool,
    /// Belongs to the group `admins` as well.
    pub admin: bool,
    /// Groups, by name.
    pub groups: Vec<String>,
}

/// The person behind an agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delegator {
    /// That person's id in this chain.
    pub id: PrincipalId,
    /// Groups, by name.
    pub groups: Vec<String>,
    /// Belongs to the group `admins` as well.
    pub admin: bool,
    /// That person may still act; otherwise the delegation is broken.
    pub alive: bool,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Action {
    /// The command.
    pub invocation: Invocation,
    /// What the first word was resolved to.
    pub executable: Option<Executable>,
    /// Working directory.
    pub cwd: Vec<u8>,
    /// The variables that can change what the program does, PATH and `LD_*` included; no others.
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// Standard input.
    pub stdin: Stdin,
    /// What was captured on standard input, where the program is a shell that will execute it and it is
    /// short enough to be read as a line. `stdin` holds the hash of the same bytes.
    pub script: Option<Vec<u8>>,
    /// Files whose bytes say what is done beside the executable: scripts, build files, manifests; sorted by path.
    pub files: Vec<ObeyedFile>,
    /// Names that stand in files and that the command leaves to them, sorted by place.
    pub defaults: Vec<(Place, String)>,
    /// Words that lead into the home of Cascade itself, sorted, as far as they are known.
    pub home: Vec<String>,
    /// What is acted on, where the surface knows it.
    pub resource: Option<String>,
}

/// The command in the form in which it was handed over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Invocation {
    /// Argument vector; never goes through a shell.
    Cli(Vec<Vec<u8>>),
    /// A line for a shell.
    Shell(Vec<u8>),
    /// A task in words for the router, or a question to a model about it.
    Task(Box<Task>),
    /// What a workflow does by itself.
    Workflow(Box<WorkflowAct>),
    /// A schedule is changed.
    Schedule(Box<ScheduleAct>),
    /// A tool is called.
    Tool(Box<ToolCall>),
}

impl Invocation {
    /// The member `kind`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cli(_) => "cli",
            Self::Shell(_) => "shell",
            Self::Task(task) => task.action_kind(),
            Self::Workflow(_) => WorkflowAct::action_kind(),
            Self::Schedule(_) => ScheduleAct::action_kind(),
            Self::Tool(_) => ToolCall::action_kind(),
        }
    }
}

/// The file that will be executed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Executable {
    /// Absolute path.
    pub path: Vec<u8>,
    /// SHA-256 of the file's bytes.
    pub sha256: Digest,
}

/// A file whose bytes say what is done.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ObeyedFile {
    /// Absolute path.
    pub path: Vec<u8>,
    /// What stands there.
    pub found: Found,
}

/// What stands at the path of an obeyed file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Found {
    /// A file of these bytes, by their SHA-256.
    Bytes(Digest),
    /// Nothing.
    Absent,
    /// A directory. What lies in it is not looked at.
    Directory,
    /// Something that is not a file of bytes: a pipe, a device, a descriptor, an entry of `/proc`. It is never opened.
    Special,
    /// A file longer than what is hashed; the digest is of what the system says of it, which changes with the file.
    TooLarge(Digest),
    /// A file that could not be read; the digest as above.
    Unreadable(Digest),
}

impl Found {
    /// The word in JSON, where there is one, and the digest.
    #[must_use]
    pub const fn parts(&self) -> (Option<&'static str>, Option<Digest>) {
        match self {
            Self::Bytes(digest) => (None, Some(*digest)),
            Self::Absent => (Some("absent"), None),
            Self::Directory => (Some("directory"), None),
            Self::Special => (Some("special"), None),
            Self::TooLarge(digest) => (Some("too_large"), Some(*digest)),
            Self::Unreadable(digest) => (Some("unreadable"), Some(*digest)),
        }
    }
}

/// Where standard input comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stdin {
    /// Closed or /dev/null.
    None,
    /// A person types.
    Terminal,
    /// Bytes nobody has seen yet.
    Stream,
    /// Bytes that were read beforehand; their SHA-256.
    Captured(Digest),
}

/// One person's answer to an escalation or a dry run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Approval {
    /// The `approval` or `denial` receipt.
    pub receipt_id: ReceiptId,
    /// Who answered.
    pub principal: PrincipalId,
    /// The answer names the `action_hash` of this very action.
    pub action_matches: bool,
    /// Until when it counts; at that moment it no longer does.
    pub expires: Timestamp,
    /// The groups the person belongs to (`admins` included for an admin).
    pub groups: Vec<String>,
    /// Yes or no.
    pub approve: bool,
    /// Carries a signature that was verified.
    pub signed: bool,
}

/// A right that somebody was given by a receipt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// The `grant` receipt.
    pub receipt_id: ReceiptId,
    /// Who holds the right.
    pub to: PrincipalId,
    /// Whoever gave it may still give it; a broken delegation covers nothing.
    pub grantor_alive: bool,
    /// Until when, if it ends.
    pub expires: Option<Timestamp>,
    /// What it covers.
    pub covers: Covers,
    /// On what its commands may act, as `kind:glob`; a kind that is not named is not limited.
    pub resources: Vec<String>,
    /// The highest tier it reaches, if it has a ceiling.
    pub up_to: Option<RiskTier>,
}

/// What a grant covers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Covers {
    /// Commands: a program (`git`), a program and its subcommand (`git push`), or `*`.
    Commands(Vec<String>),
    /// To be taken for this principal.
    Assume(PrincipalId),
}

/// A count, amount or rate with an end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Budget {
    /// The operator's name of it.
    pub name: String,
    /// Used so far in the current period, this action not included.
    pub used: u64,
    /// The action may run while `used` is below.
    pub limit: u64,
}

/// What was used of a declared budget, as the log says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counter {
    /// Its name in limits.toml.
    pub budget: String,
    /// Whose counter it is, where there is more than one.
    pub of: Option<PrincipalId>,
    /// The first moment that was counted. A rule that counts from another one does not believe the counter;
    /// absent in test tables.
    pub since: Option<Timestamp>,
    /// What was used, this action not included.
    pub used: Amounts<u64>,
    /// When the first of it was taken.
    pub oldest: Option<Timestamp>,
}

/// A person outside whom an action is about: a debtor, a customer, a patient. The name lives in the vault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subject {
    /// The subject's id in this chain.
    pub id: PrincipalId,
    /// The id of the debt or case, where one is named.
    pub matter: Option<PrincipalId>,
    /// Where the subject is, as recorded: `America/New_York`.
    pub zone: Option<String>,
    /// Scopes of consents that were given and not taken back.
    pub consents: Vec<String>,
    /// The last conversation with the subject.
    pub conversed: Option<Timestamp>,
    /// The last one about this matter, or about none in particular.
    pub conversed_matter: Option<Timestamp>,
}

/// A span of time, `from` included, `to` not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Window {
    /// First moment.
    pub from: Timestamp,
    /// First moment after.
    pub to: Timestamp,
    /// What the span means.
    pub kind: WindowKind,
}

/// What a span of time means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WindowKind {
    /// Nothing may run inside.
    Freeze,
    /// Where such windows exist, things run inside one of them only.
    Open,
}

impl Facts {
    /// What the principal, or the person behind it, did past the gates and nobody has reviewed.
    pub fn own_unreviewed(&self) -> impl Iterator<Item = &Unreviewed> {
        let own = [Some(self.principal.id), self.assumed, self.on_behalf_of.as_ref().map(|person| person.id)];
        self.unreviewed.iter().filter(move |one| own.contains(&Some(one.principal)))
    }

    /// Of [`Facts::own_unreviewed`], what is past due.
    pub fn own_overdue(&self) -> impl Iterator<Item = &Unreviewed> {
        self.own_unreviewed().filter(|one| one.due <= self.at)
    }

    /// The canonical JSON value; [`Value::to_canonical`] gives the bytes that are hashed.
    #[must_use]
    pub fn to_json(&self) -> Value {
        write::facts(self)
    }

    /// Reads what [`Facts::to_json`] wrote.
    ///
    /// # Errors
    /// A missing, unknown or ill-formed member. Unknown members are refused because they may hold
    /// a reason to deny.
    pub fn from_json(value: &Value) -> Result<Self, FactsFault> {
        read::facts(value)
    }

    /// Reads what [`Facts::to_json`] wrote but for the member `action`, which was read before.
    ///
    /// # Errors
    /// As of [`Facts::from_json`].
    pub fn about(value: &Value, action: Action) -> Result<Self, FactsFault> {
        read::facts_about(value, action)
    }

    /// The normalised action of format section 2.2; its salted hash is `action_hash`.
    ///
    /// Approval, dry run and run of the same thing give the same value: nothing in it depends on
    /// the moment, on approvals or on whether it is a dry run.
    #[must_use]
    pub fn action(&self) -> Value {
        action::normalised(self)
    }
}
