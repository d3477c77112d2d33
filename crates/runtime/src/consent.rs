//! What people answer: approvals and denials, and running exactly what was approved.
//!
//! Every answer that is not accepted leaves an `approval_refused` receipt with its reasons; an attempt
//! to approve what one may not approve is as much part of the history as an approval.

mod answering;
mod asked;
mod needed;
mod objections;
mod tasks;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cascade_ledger::Fault;
use cascade_ledger::Ledger;
use cascade_ledger::{AppendError, Appended, Draft, PrivateItem};
use cascade_ledger::{Approval, Found, Person, Reader, Subject, SubjectState};
use cascade_policy::decide::EscalationTerms;
use cascade_policy::facts::{self as policy_facts, Facts, FactsFault, Invocation, Stdin};
use cascade_receipt::content::{Answer, AnswerRefused, Body, Ref, Rel, Signature};
use cascade_receipt::decision::Reason;
use cascade_receipt::digest::{Digest, Nonce};
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::{self, Value};
use cascade_receipt::kind::Kind;
use cascade_receipt::sshsig::SshKey;
use cascade_receipt::statement;
use cascade_receipt::time::Timestamp;

use crate::facts::{self, Asker, Command, Input, LookError};
use crate::policy_store::{self, StoreError};
use crate::recorded::refs_of;
use crate::ssh::SshError;
use crate::subject::Concerned;

use answering::{groups_asked, is_denied, is_eligible, objections};
use asked::captured;
pub use asked::{asked_as, stdin_of};
use needed::groups_of;
pub use needed::{Needed, needed};
pub(crate) use objections::objections_to;
pub use objections::{Objections, run_objections};
pub use tasks::{
    Of, OfWorkflow, Standing, approved_task, is_task, of_schedule, of_workflow, task_objections,
};

/// How long an approval of a dry run may be used, unless told otherwise.
pub const DRY_RUN_APPROVAL_MS: u64 = 60 * 60 * 1000;
/// How often an answer is looked at again because another came in between.
pub const REPLY_ATTEMPTS_MAX: u32 = 16;
/// How often a run that waits looks for an answer.
pub const ANSWER_POLL: Duration = Duration::from_millis(250);
/// Longest time an approval may be used.
pub const APPROVAL_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1000;

/// Why an answer or an approved run could not be looked at, as opposed to being refused.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// No receipt has this id.
    #[error("no receipt `{0}`")]
    NotFound(String),
    /// The beginning of an id fits several.
    #[error("more than one receipt begins with `{0}`")]
    Ambiguous(String),
    /// The receipt is of a kind that people do not answer.
    #[error("{0} is a `{1}`: only an escalation or a dry run can be answered")]
    NotAnswerable(ReceiptId, String),
    /// The receipt is of a kind that nobody reviews.
    #[error("{0} is a `{1}`: only a `break_glass` is reviewed")]
    NotReviewable(ReceiptId, String),
    /// What was approved is a task in words, or a question to a model, not a command.
    #[error("{0} is about a task, not about a command")]
    IsTask(ReceiptId),
    /// What was approved is what a workflow does by itself, not a command.
    #[error("{0} is about a workflow, not about a command")]
    IsWorkflow(ReceiptId),
    /// What was approved is a change of a schedule, not a command.
    #[error("{0} is about a schedule, not about a command")]
    IsSchedule(ReceiptId),
    /// What was approved is performed by whoever asked for it: a tool, or a line of an agent's own shell.
    #[error("{0} is performed by whoever asked for it; it goes on there")]
    IsElsewhere(ReceiptId),
    /// What was approved is a command that no task in words asked for.
    #[error("{0} is about a command, not about a task")]
    IsNoTask(ReceiptId),
    /// Its private bytes were erased.
    #[error("the action of {0} is erased; it can no longer be run or approved")]
    Erased(ReceiptId),
    /// Stored facts that cannot be read.
    #[error("the stored facts of {0} cannot be read: {1}")]
    Facts(ReceiptId, FactsFault),
    /// Stored bytes that are not what they should be.
    #[error("the stored action of {0} is damaged")]
    Damaged(ReceiptId),
    /// The policy in force could not be loaded.
    #[error(transparent)]
    Policy(#[from] StoreError),
    /// The world could not be looked at.
    #[error(transparent)]
    Look(#[from] LookError),
    /// The signature could not be made.
    #[error("couldn't sign: {0}")]
    Sign(#[from] SshError),
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] Fault),
    /// The answer could not be recorded.
    #[error("couldn't record the answer: {0}")]
    Append(#[from] AppendError),
}

/// A receipt by id or beginning of one.
///
/// # Errors
/// [`ConsentError::NotFound`] and [`ConsentError::Ambiguous`].
pub fn find(reader: &Reader, id: &str) -> Result<(ReceiptId, Value), ConsentError> {
    match reader.find(id)? {
        Found::Nothing => Err(ConsentError::NotFound(id.to_owned())),
        Found::Several => Err(ConsentError::Ambiguous(id.to_owned())),
        Found::One(id, _, line) => {
            let receipt = json::parse(line.as_bytes()).map_err(|_| ConsentError::Damaged(id))?;
            let content = receipt.member("content").cloned().ok_or(ConsentError::Damaged(id))?;
            Ok((id, content))
        }
    }
}

/// The escalation or dry run that `id` names, or that the approval `id` answers.
///
/// # Errors
/// [`ConsentError`].
pub fn subject_of(reader: &Reader, id: &str) -> Result<(Subject, Value), ConsentError> {
    let (id, content) = find(reader, id)?;
    let kind = content.member("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (id, content) = match Kind::parse(&kind) {
        Some(Kind::Escalation | Kind::DryRun) => (id, content),
        Some(Kind::Approval | Kind::Denial) => {
            let answered = content
                .member("refs")
                .and_then(Value::as_array)
                .and_then(|refs| refs.first()?.member("receipt_id")?.as_str())
                .ok_or(ConsentError::Damaged(id))?;
            find(reader, answered)?
        }
        _ => return Err(ConsentError::NotAnswerable(id, kind)),
    };
    let subject = reader.subject(id)?.ok_or(ConsentError::Damaged(id))?;
    Ok((subject, content))
}

/// An action that people answered, with all it takes to run exactly that.
#[derive(Clone, Debug)]
pub struct Approved {
    /// The escalation or dry run.
    pub subject: Subject,
    /// It, and every approval of it.
    pub refs: Vec<Ref>,
    /// The nonce of `action_hash`, inherited so that the hash is the same.
    pub action_nonce: Nonce,
    /// The closer of the action that it undoes.
    pub takes_back: Option<Ref>,
    approvals: Vec<Approval>,
    terms: Option<EscalationTerms>,
    action: policy_facts::Action,
}

/// The approved action and the command that repeats it in this process's environment, with the
/// variables that govern the program as they were then.
///
/// # Errors
/// [`ConsentError`].
pub fn approved(ledger: &Reader, id: &str) -> Result<(Approved, Command), ConsentError> {
    let (approved, facts) = answered(ledger, id)?;
    // A step runs as a step of its run, or not at all.
    if facts.spec.is_some() {
        return Err(ConsentError::IsWorkflow(approved.subject.receipt_id));
    }
    let command = repeat(ledger, &approved.subject, &facts)?;
    Ok((approved, command))
}

/// What was approved, and the facts it was decided on.
pub(crate) fn answered(ledger: &Reader, id: &str) -> Result<(Approved, Facts), ConsentError> {
    let (subject, content) = subject_of(ledger, id)?;
    let (action_nonce, _) =
        ledger.private(&subject.action_hash)?.ok_or(ConsentError::Erased(subject.receipt_id))?;
    let facts = stored_facts(ledger, subject.receipt_id, &content)?;
    let approvals: Vec<_> = ledger.approvals_of(subject.receipt_id)?;
    let rel = if subject.kind == Kind::DryRun { Rel::DryRun } else { Rel::Escalation };
    let mut refs = vec![Ref { rel, receipt_id: subject.receipt_id, entry_hash: subject.entry_hash }];
    refs.extend(approvals.iter().filter(|answer| answer.approve).map(|answer| Ref {
        rel: Rel::Approval,
        receipt_id: answer.receipt_id,
        entry_hash: answer.entry_hash,
    }));
    let terms = subject.expires.map(|_| EscalationTerms {
        required: subject.required,
        groups: subject.groups.clone(),
        expires_after_ms: 0,
        signature_required: subject.signature_required,
    });
    let action = facts.action.clone();
    let takes_back = refs_of(&content).find(|one| one.rel == Rel::Supersedes);
    Ok((Approved { subject, refs, action_nonce, takes_back, approvals, terms, action }, facts))
}

impl Approved {
    /// Adds the answers to the facts of the run that stands on them. What `run` has used counts for it, and goes on
    /// counting: an approval says until when it may be used, not how long a run may take.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn add_to(&self, ledger: &Reader, facts: &mut Facts, run: Option<ReceiptId>) -> Result<(), Fault> {
        let action_hash = Digest::salted(&self.action_nonce, facts.action().to_canonical().as_bytes());
        let people = ledger.people()?;
        let own = |answer: &Approval| run.is_some() && answer.used_by == run;
        let soon = Timestamp::from_ms(facts.at.ms().saturating_add(1));
        facts.answers.clone_from(&self.terms);
        facts.approvals = ledger
            .approvals_of(self.subject.receipt_id)?
            .into_iter()
            .map(|answer| policy_facts::Approval {
                receipt_id: answer.receipt_id,
                principal: answer.principal,
                // An approval that was used counts for nothing.
                action_matches: answer.action_hash == action_hash
                    && (answer.used_by.is_none() || own(&answer)),
                expires: if own(&answer) { answer.expires.max(soon) } else { answer.expires },
                groups: groups_of(&people, &answer),
                approve: answer.approve,
                signed: answer.signed,
            })
            .collect();
        Ok(())
    }

    /// What a run on these facts refers to: the escalation or dry run, and one approval of each person who counts.
    #[must_use]
    pub fn counted(&self, facts: &Facts) -> Vec<Ref> {
        let eligible = |approval: &policy_facts::Approval| {
            let wanted = &self.subject.groups;
            let mut own = approval.groups.iter();
            if wanted.is_empty() { own.len() > 0 } else { own.any(|group| wanted.contains(group)) }
        };
        let mut people = BTreeSet::new();
        let counts = |approval: &&policy_facts::Approval| {
            approval.approve
                && approval.action_matches
                && approval.expires > facts.at
                && approval.principal != facts.principal.id
                && eligible(approval)
                && people.insert(approval.principal)
        };
        let counted: BTreeSet<_> =
            facts.approvals.iter().filter(counts).map(|approval| approval.receipt_id).collect();
        let named = |one: &&Ref| one.rel != Rel::Approval || counted.contains(&one.receipt_id);
        self.refs.iter().filter(named).cloned().collect()
    }

    /// Why nothing can stand on this any more, by a fresh look; empty when the gates can be asked.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn gone(&self, ledger: &Reader) -> Result<Vec<Reason>, Fault> {
        let state = ledger.subject(self.subject.receipt_id)?.map(|subject| subject.state);
        let code = match state {
            Some(SubjectState::Open | SubjectState::Approved) => return Ok(Vec::new()),
            Some(SubjectState::Used) => "approval.used",
            Some(SubjectState::Denied) => "approval.denied",
            Some(SubjectState::Erased) => "approval.erased",
            Some(SubjectState::Expired) | None => "approval.expired",
        };
        Ok(vec![Reason::code(code)])
    }

    /// Why this may not run now, before the gates are even asked; empty when it may.
    #[must_use]
    pub fn refusals(&self, now: Timestamp, action_hash: &Digest) -> Vec<Reason> {
        let mut codes = Vec::new();
        match self.subject.state {
            SubjectState::Used => codes.push("approval.used"),
            SubjectState::Denied => codes.push("approval.denied"),
            SubjectState::Erased => codes.push("approval.erased"),
            SubjectState::Expired => codes.push("approval.expired"),
            SubjectState::Open => {
                let late = self.subject.expires.is_some_and(|expires| expires <= now);
                let nobody = !self.approvals.iter().any(|answer| answer.approve);
                codes.push(match (late, nobody) {
                    (true, _) => "approval.expired",
                    (false, true) => "approval.missing",
                    (false, false) => "approval.too_few",
                });
            }
            SubjectState::Approved => {}
        }
        let live = |answer: &&Approval| answer.approve && answer.expires > now;
        if self.approvals.iter().any(|answer| answer.approve) && !self.approvals.iter().any(|a| live(&a)) {
            codes.push("approval.expired");
        }
        if *action_hash != self.subject.action_hash {
            codes.push("approval.changed_action");
        }
        codes.dedup();
        codes.into_iter().map(Reason::code).collect()
    }
}

pub(crate) fn stored_facts(ledger: &Reader, id: ReceiptId, content: &Value) -> Result<Facts, ConsentError> {
    let hash = content
        .member("facts_hash")
        .and_then(Value::as_str)
        .and_then(Digest::from_hex)
        .ok_or(ConsentError::Damaged(id))?;
    let (_, bytes) = ledger.private(&hash)?.ok_or(ConsentError::Erased(id))?;
    let value = json::parse_canonical(&bytes).map_err(|_| ConsentError::Damaged(id))?;
    Facts::from_json(&value).map_err(|fault| ConsentError::Facts(id, fault))
}

/// The command of stored facts. The governing variables are set as they were; the rest of the
/// environment is this process's own, which by definition does not change what the program does.
fn repeat(ledger: &Reader, subject: &Subject, facts: &Facts) -> Result<Command, ConsentError> {
    let argv = match &facts.action.invocation {
        Invocation::Cli(argv) => argv,
        Invocation::Task(_) => return Err(ConsentError::IsTask(subject.receipt_id)),
        Invocation::Workflow(_) => return Err(ConsentError::IsWorkflow(subject.receipt_id)),
        Invocation::Schedule(_) => return Err(ConsentError::IsSchedule(subject.receipt_id)),
        Invocation::Shell(_) | Invocation::Tool(_) => {
            return Err(ConsentError::IsElsewhere(subject.receipt_id));
        }
    };
    let (snapshot, _) = policy_store::in_force(ledger)?;
    let patterns = snapshot.registry().governing_env(argv);
    let mut env: Vec<(OsString, OsString)> =
        std::env::vars_os().filter(|(name, _)| !facts::governs(&patterns, name)).collect();
    let owned = |bytes: &Vec<u8>| OsString::from_vec(bytes.clone());
    env.extend(facts.action.env.iter().map(|(name, value)| (owned(name), owned(value))));
    let input = match facts.action.stdin {
        Stdin::None => Input::None,
        Stdin::Terminal => Input::Terminal,
        Stdin::Stream => Input::Stream,
        Stdin::Captured(hash) => {
            let stdin = captured(ledger, subject.receipt_id, hash)?;
            Input::Captured(stdin.ok_or(ConsentError::Erased(subject.receipt_id))?)
        }
    };
    Ok(Command {
        argv: argv.iter().map(owned).collect(),
        cwd: PathBuf::from(owned(&facts.action.cwd)),
        env,
        input,
        subject: facts.subject.as_ref().map(|one| Concerned { subject: one.id, matter: one.matter }),
    })
}

/// Waits until people have answered the escalation `id`, or its time has run out; false when `until` came first.
///
/// # Errors
/// When the ledger cannot be read.
pub fn wait(reader: &Reader, id: ReceiptId, until: Option<Instant>) -> Result<bool, Fault> {
    loop {
        let now = facts::chain_now(reader)?;
        let open = |subject: &Subject| {
            matches!(subject.state, SubjectState::Open | SubjectState::Approved)
                && subject.expires.is_none_or(|expires| expires > now)
        };
        let Some(subject) = reader.subject(id)?.filter(open) else { return Ok(true) };
        if needed(reader, &subject, now)?.is_met() {
            return Ok(true);
        }
        let left = until.map_or(ANSWER_POLL, |until| until.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Ok(false);
        }
        // Nobody tells one process what another one has committed.
        std::thread::sleep(left.min(ANSWER_POLL));
    }
}

/// A person's answer.
#[derive(Debug)]
pub struct Reply {
    /// The escalation, the dry run, or one of their answers.
    pub id: String,
    /// Yes or no.
    pub approve: bool,
    /// Why, in the person's words; kept in the vault.
    pub reason: Option<String>,
    /// Until when an approval of a dry run may be used.
    pub expires_after_ms: Option<u64>,
    /// The moment that was signed for, where the statement was handed out before; it counts within what it may be.
    pub expires: Option<Timestamp>,
}

/// What became of an answer.
#[derive(Debug)]
pub enum Replied {
    /// It stands.
    Accepted(Appended),
    /// It does not count, and a receipt says why.
    Refused(Appended, Vec<Reason>),
}

impl Replied {
    fn refused((receipt, reasons): (Appended, Vec<Reason>)) -> Self {
        Self::Refused(receipt, reasons)
    }
}

/// Signs the statement of an answer with the key the chain knows; given the public key, the namespace and
/// the exact bytes.
pub type Sign<'a> = &'a mut dyn FnMut(&str, &str, &[u8]) -> Result<String, SshError>;

/// Records a person's answer to an escalation or a dry run.
///
/// # Errors
/// [`ConsentError`]; an answer that does not count is no error but [`Replied::Refused`].
pub fn reply(ledger: &Ledger, asker: &Asker, reply: &Reply, sign: Sign<'_>) -> Result<Replied, ConsentError> {
    // Another answer in between makes this one stale; it is looked at again, not lost.
    for _ in 1..REPLY_ATTEMPTS_MAX {
        match reply_once(ledger, asker, reply, sign) {
            Err(ConsentError::Append(AppendError::Stale)) => {}
            other => return other,
        }
    }
    reply_once(ledger, asker, reply, sign)
}

/// The registered person who could answer, if it is one who asks.
///
/// # Errors
/// [`Fault`].
pub fn who_answers(ledger: &Ledger, asker: &Asker) -> Result<Option<Person>, Fault> {
    if asker.agent.is_some() || asker.has_ended() {
        return Ok(None);
    }
    Ok(ledger.person(asker.speaker())?.filter(Person::is_registered))
}

/// Whether this person is one of those whom an escalation asks.
#[must_use]
pub fn is_asked(subject: &Subject, person: &Person) -> bool {
    is_eligible(&subject.groups, person)
}

/// Puts on record that the policy in force lets somebody answer nothing, who answered this.
///
/// # Errors
/// [`ConsentError`].
pub fn not_let(ledger: &Ledger, asker: &Asker, id: &str) -> Result<Appended, ConsentError> {
    let (subject, _) = subject_of(ledger, id)?;
    let reasons = vec![Reason::code("approval.not_eligible")];
    refuse(ledger, asker, vec![about(&subject)], reasons).map(|(receipt, _)| receipt)
}

const fn about(subject: &Subject) -> Ref {
    let rel = if matches!(subject.kind, Kind::DryRun) { Rel::DryRun } else { Rel::Escalation };
    Ref { rel, receipt_id: subject.receipt_id, entry_hash: subject.entry_hash }
}

fn reply_once(
    ledger: &Ledger,
    asker: &Asker,
    reply: &Reply,
    sign: Sign<'_>,
) -> Result<Replied, ConsentError> {
    let (_, mark) = ledger.policy_in_force()?;
    let (subject, content) = subject_of(ledger, &reply.id)?;
    if subject.state == SubjectState::Erased {
        return Err(ConsentError::Erased(subject.receipt_id));
    }
    let speaker = ledger.person(asker.speaker())?.filter(Person::is_registered);
    let now = facts::chain_now(ledger)?;
    let about = about(&subject);
    let answers = ledger.approvals_of(subject.receipt_id)?;
    let facts = stored_facts(ledger, subject.receipt_id, &content)?;
    let groups = groups_asked(ledger, &subject, &facts)?;
    let eligible = speaker.as_ref().is_some_and(|person| is_eligible(&groups, person));
    let people = ledger.people()?;
    let counts = |answer: &Approval| answer.expires > now && !groups_of(&people, answer).is_empty();
    // Whoever has approved may still deny: that takes the approval back, for good.
    let answered = |answer: &&Approval| {
        answer.principal == asker.speaker() && (!answer.approve || reply.approve && counts(answer))
    };
    let mut reasons = objections(&subject, asker, eligible, answers.iter().any(|one| answered(&one)), now);
    if facts.assumed == Some(asker.speaker()) {
        reasons.push(Reason::code("approval.requester"));
    }
    if reply.approve && facts.own_overdue().any(|one| one.principal == asker.speaker()) {
        reasons.push(Reason::code("approval.debtor"));
    }
    if reply.approve && is_denied(&content) {
        reasons.push(Reason::code("approval.stays_denied"));
    }
    let Some(speaker) = speaker.filter(|_| reasons.is_empty()) else {
        return refuse(ledger, asker, vec![about], reasons).map(Replied::refused);
    };
    let expires = unused(until(&subject, reply, now), &answers, speaker.principal);
    let payload = statement::Approval {
        log_origin: ledger.log_origin().as_str(),
        subject: &subject.entry_hash,
        action_hash: &subject.action_hash,
        approve: reply.approve,
        approver: &speaker.principal,
        expires: &expires,
    }
    .text();
    let forged = |ledger| {
        let reasons = vec![Reason::code("approval.signature")];
        refuse(ledger, asker, vec![about.clone()], reasons).map(Replied::refused)
    };
    let sshsig = match sign(&speaker.ssh_key, statement::APPROVAL, payload.as_bytes()) {
        // A key that is not this person's was offered.
        Err(SshError::OtherKey(_)) => return forged(ledger),
        signed => signed?,
    };
    // Never record what a stranger would refuse.
    let checked = SshKey::accept(&speaker.ssh_key)
        .and_then(|key| key.verify(statement::APPROVAL, payload.as_bytes(), &sshsig));
    if checked.is_err() {
        return forged(ledger);
    }
    let body = Body::Answer(Answer {
        approve: reply.approve,
        subject: about,
        principal: speaker.principal,
        action_hash: subject.action_hash,
        expires,
        signatures: vec![Signature { principal: speaker.principal, sshsig }],
    });
    let mut draft = Draft::new(cascade_ledger::receipt_id()?, body);
    draft.seen = Some(mark);
    if let Some(reason) = &reply.reason {
        let nonce = cascade_ledger::nonce()?;
        draft.private.push(PrivateItem::new("reason", nonce, reason.clone().into_bytes()));
    }
    Ok(Replied::Accepted(ledger.append(draft)?))
}

/// Until when an answer is to count.
fn until(subject: &Subject, reply: &Reply, now: Timestamp) -> Timestamp {
    let after = |ms: u64| Timestamp::from_ms(now.ms().saturating_add(ms));
    let signed =
        reply.expires.filter(|signed| *signed > now).map(|signed| signed.min(after(DRY_RUN_APPROVAL_MS)));
    match (subject.expires, signed.or(reply.expires_after_ms.map(after))) {
        // An answer may end before its escalation does, never after.
        (Some(latest), Some(wished)) => latest.min(wished),
        (Some(latest), None) => latest,
        (None, Some(wished)) => wished,
        (None, None) => after(DRY_RUN_APPROVAL_MS),
    }
}

/// The moment, or one just before it: whoever approves again, because the approval before counts no longer, must not
/// sign the same text twice.
fn unused(expires: Timestamp, answers: &[Approval], who: PrincipalId) -> Timestamp {
    let mut expires = expires;
    while answers.iter().any(|answer| answer.principal == who && answer.expires == expires) {
        expires = Timestamp::from_ms(expires.ms().saturating_sub(1));
    }
    expires
}

/// Leaves an `approval_refused` receipt, and gives the reasons back for telling them.
///
/// # Errors
/// [`ConsentError`].
pub fn refuse(
    ledger: &Ledger,
    asker: &Asker,
    refs: Vec<Ref>,
    reasons: Vec<Reason>,
) -> Result<(Appended, Vec<Reason>), ConsentError> {
    let body = Body::AnswerRefused(AnswerRefused {
        refs,
        // Whose name was given is not proven; who gave it is.
        principal: asker.principal_id(),
        reasons: reasons.clone(),
    });
    let appended = ledger.append(Draft::new(cascade_ledger::receipt_id()?, body))?;
    Ok((appended, reasons))
}
