//! Check 7: what the receipts tell may have happened in this order (format section 3).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::chain::EPOCH_RECEIPTS_MAX;
use crate::content::{PolicyRef, Rel, TenantChange};
use crate::decision::Verdict;
use crate::digest::Digest;
use crate::id::ReceiptId;
use crate::kind::Kind;
use crate::line::Receipt;
use crate::reader::{Action, Content, EffectStatus, Meaning};
use crate::statement;
use crate::verify::approvals::Approvals;
use crate::verify::code::Code;
use crate::verify::glass::Glass;
use crate::verify::grants::Grants;
use crate::verify::people::{self, People};
use crate::verify::remembered::Memories;
use crate::verify::schedules::{self, Schedules};
use crate::verify::standing::Standing;
use crate::verify::workflows::Workflows;

/// What a later receipt may need to know about an earlier one.
#[derive(Clone, Debug, Default)]
pub(super) struct Lifecycle {
    seen: BTreeMap<ReceiptId, (Digest, Option<Kind>)>,
    open: BTreeMap<ReceiptId, OpenIntent>,
    approvals: Approvals,
    people: People,
    grants: Grants,
    glass: Glass,
    memories: Memories,
    schedules: Schedules,
    workflows: Workflows,
    /// Label and hash of the policy that the next receipt must name; unknown before genesis.
    policy: Option<PolicyRef>,
    standing: Standing,
    epoch: u64,
    epoch_receipts: u64,
}

/// A `task_started` without a closer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenIntent {
    /// Its position.
    pub seq: u64,
    /// The next heartbeat's segment.
    next_segment: u64,
    /// Output bytes that the last heartbeat counted.
    bytes: u64,
    /// The run of a workflow that it belongs to.
    chain: Option<ReceiptId>,
}

impl Lifecycle {
    /// Whether a receipt of this id was seen.
    pub(super) fn knows(&self, id: ReceiptId) -> bool {
        self.seen.contains_key(&id)
    }

    /// Intents in flight at the end, in the order of the chain.
    pub(super) fn open(&self) -> Vec<(u64, ReceiptId)> {
        let mut open: Vec<_> = self.open.iter().map(|(id, intent)| (intent.seq, *id)).collect();
        open.sort_unstable();
        open
    }

    /// Runs of workflows without an end, in the order of the chain.
    pub(super) fn open_chains(&self) -> Vec<(u64, ReceiptId)> {
        self.workflows.open()
    }

    /// Runs check 7 on one receipt and takes over what it says.
    pub(super) fn check(&mut self, receipt: &Receipt<'_>) -> Result<(), Code> {
        let content = &receipt.content;
        self.standing.check_goes_on()?;
        self.check_epoch(content.hmac_epoch)?;
        self.check_policy(content)?;
        self.check_refs(receipt)?;
        let chain = self.workflows.named(content)?;
        self.check_meaning(receipt, chain)?;
        if !people::is_answer(content.kind) {
            self.people.check_statement(content)?;
        }
        self.people.take_over(&content.meaning)?;
        self.seen.insert(content.receipt_id, (receipt.entry_hash, content.kind));
        Ok(())
    }

    fn check_epoch(&mut self, epoch: u64) -> Result<(), Code> {
        if epoch == self.epoch + 1 && !self.seen.is_empty() {
            self.epoch = epoch;
            self.epoch_receipts = 0;
        }
        if epoch != self.epoch {
            return Err(Code::EpochStep);
        }
        self.epoch_receipts += 1;
        if self.epoch_receipts > EPOCH_RECEIPTS_MAX { Err(Code::EpochFull) } else { Ok(()) }
    }

    /// Nothing is decided under a policy that no receipt put in force.
    fn check_policy(&mut self, content: &Content<'_>) -> Result<(), Code> {
        let (version, hash) = (&content.policy_version, content.policy_hash);
        if self.policy.as_ref().is_some_and(|policy| policy.version != *version || policy.hash != hash) {
            return Err(Code::Policy);
        }
        match &content.meaning {
            Meaning::PolicyActivated { activates, .. } => self.policy = Some(activates.clone()),
            _ if self.policy.is_none() => {
                self.policy = Some(PolicyRef { version: version.clone().into_owned(), hash });
            }
            _ => {}
        }
        Ok(())
    }

    /// Every reference names an earlier receipt by id and hash; seven relations also demand a kind.
    fn check_refs(&self, receipt: &Receipt<'_>) -> Result<(), Code> {
        for one in &receipt.content.refs {
            let (hash, kind) = self.seen.get(&one.receipt_id).ok_or(Code::Ref)?;
            if *hash != one.entry_hash {
                return Err(Code::Ref);
            }
            let wanted = match one.rel {
                Rel::Intent => Kind::TaskStarted,
                Rel::DryRun => Kind::DryRun,
                Rel::Escalation => Kind::Escalation,
                Rel::Approval => Kind::Approval,
                Rel::Grant => Kind::Grant,
                Rel::Memory => Kind::MemoryLearned,
                Rel::Chain => Kind::ChainStarted,
                // It leads from a schedule to its invocations, and from one of those to what runs.
                Rel::Cron if schedules::is_of_schedule(receipt.content.kind) => Kind::ScheduleChanged,
                Rel::Cron => Kind::CronInvocation,
                Rel::Parent | Rel::Supersedes => continue,
            };
            if *kind != Some(wanted) {
                return Err(Code::RefKind);
            }
            if one.rel == Rel::Memory {
                self.memories.check_use(one.receipt_id)?;
            }
            if one.rel == Rel::Cron {
                self.schedules.check_ref(wanted, one.receipt_id)?;
            }
        }
        if let Meaning::Erasure(erased) = &receipt.content.meaning
            && !erased.iter().all(|id| self.seen.contains_key(id))
        {
            return Err(Code::Ref);
        }
        Ok(())
    }

    fn check_meaning(&mut self, receipt: &Receipt<'_>, chain: Option<ReceiptId>) -> Result<(), Code> {
        let content = &receipt.content;
        self.memories.follow(content)?;
        match &content.meaning {
            Meaning::Genesis { admins, .. } => self.people.found(admins),
            Meaning::DryRun(action) => {
                check_decision(action, None)?;
                self.approvals.dry_run(receipt, action);
                Ok(())
            }
            Meaning::Blocked(action) => check_decision(action, Some(Verdict::Deny)),
            Meaning::Escalation { action, .. } => {
                check_decision(action, Some(Verdict::Escalate))?;
                self.approvals.escalation(receipt);
                Ok(())
            }
            Meaning::Started(action) => {
                self.check_run(receipt, action, chain)?;
                let intent = OpenIntent { seq: content.seq, next_segment: 0, bytes: 0, chain };
                self.open.insert(content.receipt_id, intent);
                self.workflows.intent_opened(chain);
                Ok(())
            }
            Meaning::Pure(action) => self.check_run(receipt, action, chain),
            Meaning::ChainStarted(action) => {
                self.check_run(receipt, action, chain)?;
                self.workflows.start(content);
                Ok(())
            }
            Meaning::ScheduleChanged { action, change } => {
                self.check_action(receipt, action, chain)?;
                self.schedules.change(content, *change)
            }
            Meaning::CronInvocation { runs, .. } => {
                if *runs {
                    self.standing.check_start()?;
                }
                self.schedules.fire(content)
            }
            Meaning::ChainClosed { completed, .. } => self.workflows.close(chain, *completed),
            Meaning::Answer { .. } => self.check_answer(receipt),
            Meaning::GlassBroken { action, .. } => {
                check_decision(action, None)?;
                self.standing.check_start()?;
                self.glass.take(receipt, &self.people)
            }
            Meaning::Reviewed(principal) => self.glass.review(receipt, *principal, &self.people),
            Meaning::Expired => self.approvals.expire(receipt),
            Meaning::Halted | Meaning::Resumed => {
                self.standing.halt(matches!(content.meaning, Meaning::Halted));
                Ok(())
            }
            Meaning::TenantChanged { change, of } => self.check_tenant(content, *change, of.as_deref()),
            Meaning::Heartbeat { segment, bytes, .. } => {
                self.check_heartbeat(receipt, chain, *segment, *bytes)
            }
            Meaning::Closing { .. } => self.check_closer(receipt, chain),
            Meaning::Granted(given) => self.grants.give(receipt, given, &self.people),
            Meaning::GrantRevoked(principal) => self.grants.revoke(receipt, *principal, &self.people),
            Meaning::TokenIssued(principal) | Meaning::ToolPinned { principal, supersedes: true } => {
                self.people.check_admin(*principal)
            }
            Meaning::Anchor { checkpoint, checkpoint_sha256, .. } => {
                let fits = Digest::of(checkpoint.as_bytes()) == *checkpoint_sha256;
                if fits { Ok(()) } else { Err(Code::Anchor) }
            }
            _ => Ok(()),
        }
    }

    /// What this tenant becomes, or that another one's chain has ended.
    fn check_tenant(
        &mut self,
        content: &Content<'_>,
        change: TenantChange,
        of: Option<&str>,
    ) -> Result<(), Code> {
        match of {
            None => self.standing.change(change, !self.open.is_empty()),
            Some(of) if change == TenantChange::Deleted && of != content.log_origin => Ok(()),
            Some(_) => Err(Code::Tenant),
        }
    }

    /// Something ran: beside its own decision, nothing else ran for the invocation that it stands on.
    fn check_run(
        &mut self,
        receipt: &Receipt<'_>,
        action: &Action,
        chain: Option<ReceiptId>,
    ) -> Result<(), Code> {
        self.check_action(receipt, action, chain)?;
        self.schedules.use_up(&receipt.content)
    }

    /// Its own decision admits it, and what it followed was approved.
    fn check_action(
        &mut self,
        receipt: &Receipt<'_>,
        action: &Action,
        chain: Option<ReceiptId>,
    ) -> Result<(), Code> {
        check_decision(action, None)?;
        if action.verdict != Verdict::Admit {
            return Err(Code::Denied);
        }
        self.standing.check_start()?;
        self.workflows.check_run(chain)?;
        self.grants.check_run(receipt, action, &self.people)?;
        self.glass.check_run(receipt, action)?;
        self.approvals.check_run(receipt, action)
    }

    fn check_answer(&mut self, receipt: &Receipt<'_>) -> Result<(), Code> {
        let content = &receipt.content;
        let Meaning::Answer { approve, principal, action_hash, expires } = &content.meaning else {
            return Ok(());
        };
        let subject = self.approvals.subject_of(receipt)?;
        let text = statement::Approval {
            log_origin: content.log_origin,
            subject: &subject.entry_hash,
            action_hash,
            approve: *approve,
            approver: principal,
            expires,
        };
        self.people.check_answer(&text, &content.signatures, *approve && subject.signature_required)?;
        let eligible = self.people.eligible(*principal, &subject.groups);
        self.approvals.answer(receipt, eligible);
        Ok(())
    }

    fn check_heartbeat(
        &mut self,
        receipt: &Receipt<'_>,
        chain: Option<ReceiptId>,
        segment: u64,
        bytes: u64,
    ) -> Result<(), Code> {
        let id = intent_of(receipt)?;
        let intent = self.open.get_mut(&id).ok_or(Code::HeartbeatClosed)?;
        if intent.chain != chain {
            return Err(Code::ChainRef);
        }
        if segment != intent.next_segment || bytes < intent.bytes {
            return Err(Code::Segment);
        }
        (intent.next_segment, intent.bytes) = (segment + 1, bytes);
        Ok(())
    }

    fn check_closer(&mut self, receipt: &Receipt<'_>, chain: Option<ReceiptId>) -> Result<(), Code> {
        let id = intent_of(receipt)?;
        let intent = self.open.remove(&id).ok_or(Code::TwoClosers)?;
        if intent.chain != chain {
            return Err(Code::ChainRef);
        }
        self.workflows.intent_closed(chain);
        check_effect(receipt.content.kind, &receipt.content.meaning)
    }
}

/// A closer's members agree with its kind.
fn check_effect(kind: Option<Kind>, meaning: &Meaning) -> Result<(), Code> {
    let Meaning::Closing { effect_status, exit_code, signal, .. } = meaning else { return Ok(()) };
    let wanted = match kind {
        Some(Kind::TaskCompleted) => EffectStatus::Confirmed,
        Some(Kind::TaskFailed) => EffectStatus::Failed,
        Some(Kind::TaskRevoked) => EffectStatus::Revoked,
        _ => EffectStatus::Unknown,
    };
    let status_fits = effect_status.is_none_or(|status| status == wanted);
    let clean = exit_code.is_none_or(|code| code == 0) && signal.is_none();
    if status_fits && (kind != Some(Kind::TaskCompleted) || clean) { Ok(()) } else { Err(Code::Effect) }
}

fn check_decision(action: &Action, wanted: Option<Verdict>) -> Result<(), Code> {
    if action.verdict != action.from_gates {
        return Err(Code::Decision);
    }
    if wanted.is_some_and(|wanted| wanted != action.verdict) { Err(Code::Verdict) } else { Ok(()) }
}

fn intent_of(receipt: &Receipt<'_>) -> Result<ReceiptId, Code> {
    let mut intents = receipt.content.refs_of(Rel::Intent);
    match (intents.next(), intents.next()) {
        (Some(one), None) => Ok(one.receipt_id),
        _ => Err(Code::NoIntent),
    }
}
