//! An action of this process whose output leaves while it goes on: each piece behind a heartbeat that commits to it, and
//! the gates asked again whenever what they saw has changed.

use std::time::{Duration, Instant};

use cascade_ledger::{AppendError, Appended, Draft, Ledger, PrivateItem};
use cascade_policy::decide;
use cascade_policy::facts::Principal;
use cascade_receipt::content::{Body, Closing, Ending, Heartbeat, Ref, Review};
use cascade_receipt::decision::{Decision, Reason, Verdict};
use cascade_receipt::digest::Nonce;
use cascade_receipt::id::ReceiptId;

use super::outcome::{Outcome, closing};
use super::{Asked, LeaseError, Open, Stands};
use crate::facts::{self, Asker};
use crate::govern::holds_until;
use crate::govern::running::revocations;
use crate::grants;
use crate::limits;
use crate::policy_store::PolicyInForce;
use crate::process::{Output, Stream, TICK_LONG, TRUST_INTERVAL};
use crate::run_lock::RunLock;

/// How often a heartbeat is tried anew whose governance changed in between.
const HEARTBEAT_ATTEMPTS_MAX: usize = 8;
/// Most bytes of output that the vault keeps whole; of more there is the hash alone.
const KEPT_BYTES_MAX: usize = 20 * 1024 * 1024;

/// An action that goes on, and what came out of it so far.
#[derive(Debug)]
pub struct Live {
    asked: Asked,
    intent: Ref,
    nonce: Nonce,
    /// Held until the closer is durable.
    _lock: Option<RunLock>,
    stands: Stands,
    output: Output,
    /// What was handed on, as it was hashed; `None` once that is more than is kept.
    kept: Option<Vec<u8>>,
    handed_on: bool,
    /// Something waits that is not for people alone.
    urgent: bool,
    /// When something left last.
    left: Option<Instant>,
    began: Instant,
    /// When the gates were asked last.
    reviewed: Instant,
    revoked: Vec<Reason>,
    review: Option<(Decision, PrivateItem)>,
}

/// What may leave, by where it goes.
#[derive(Debug, Default)]
pub struct Handed {
    /// Output.
    pub out: Vec<u8>,
    /// Words for people.
    pub errors: Vec<u8>,
}

/// Under what it goes on.
pub struct Under<'a> {
    /// The chain.
    pub ledger: &'a Ledger,
    /// The policy in force.
    pub policy: &'a PolicyInForce,
    /// Who asked for it.
    pub asker: &'a Asker,
    /// Why it may not go on for reasons of its own, such as a credential that is gone.
    pub also: &'a dyn Fn(&Principal) -> Option<Reason>,
}

impl std::fmt::Debug for Under<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Under").finish_non_exhaustive()
    }
}

impl Live {
    /// Goes on with what was admitted here.
    ///
    /// # Errors
    /// [`LeaseError::NotOpen`] where its decision was not made by this process.
    pub fn of(open: Open, asked: Asked) -> Result<Self, LeaseError> {
        let (intent, nonce, lock, stands) = open.into_parts();
        let now = Instant::now();
        Ok(Self {
            asked,
            stands: *stands.ok_or(LeaseError::NotOpen(intent.receipt_id))?,
            // Somebody reads along, however long it takes.
            output: Output::new(&nonce, true, None, now),
            intent,
            nonce,
            _lock: lock,
            kept: Some(Vec::new()),
            handed_on: false,
            urgent: false,
            left: None,
            began: now,
            reviewed: now,
            revoked: Vec::new(),
            review: None,
        })
    }

    /// The intent.
    #[must_use]
    pub const fn intent(&self) -> ReceiptId {
        self.intent.receipt_id
    }

    /// Who it is for, as its decision saw it.
    pub(crate) const fn principal(&self) -> &Principal {
        &self.stands.principal
    }

    /// Bytes that more may be pushed.
    #[must_use]
    pub fn room(&self) -> usize {
        self.output.room()
    }

    /// Takes in what came out of it. It waits until a heartbeat commits to it.
    pub fn push(&mut self, bytes: &[u8]) {
        self.urgent |= !bytes.is_empty();
        self.output.push(Stream::Out, bytes, Instant::now());
    }

    /// Takes in what it says to people. It waits as output does; of these alone a receipt a second is enough.
    pub fn push_errors(&mut self, bytes: &[u8]) {
        self.output.push(Stream::Err, bytes, Instant::now());
    }

    /// When what waits should leave; `None` while nothing does.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let due = self.output.due(false)?;
        let left = self.left.filter(|_| !self.urgent);
        Some(left.map_or(due, |left| due.max(left + TICK_LONG)))
    }

    /// Whether something was handed on.
    #[must_use]
    pub const fn handed_on(&self) -> bool {
        self.handed_on
    }

    /// Why it may not go on, as codes; nothing while it may.
    #[must_use]
    pub fn revoked(&self) -> &[Reason] {
        &self.revoked
    }

    /// Whether it is still admitted. The gates are asked where what they saw has changed.
    pub fn goes_on(&mut self, under: &Under<'_>) -> bool {
        if !self.revoked.is_empty() {
            return false;
        }
        // Time alone can end what a decision stood on; a mark that cannot be read is none that was seen.
        let due = self.reviewed.elapsed() >= TRUST_INTERVAL
            || under.ledger.mark().ok() != Some(self.stands.mark)
            || self.stands.holds_until.is_some_and(|until| facts::now() >= until);
        !due || self.reviewed_now(under)
    }

    /// Asks the gates now. What cannot be asked again is no longer admitted.
    fn reviewed_now(&mut self, under: &Under<'_>) -> bool {
        if self.look_again(under).is_err() {
            self.revoked = vec![Reason::code("revoked.unreadable")];
        }
        self.revoked.is_empty()
    }

    fn look_again(&mut self, under: &Under<'_>) -> Result<(), LeaseError> {
        let own = Some(self.intent.receipt_id);
        let present = under.ledger.present()?;
        let (snapshot, mark) = under.policy.look(&present)?;
        let asker = under.asker.at(&present)?;
        let mut facts = self.asked.look(&present, &snapshot, &asker)?;
        limits::count(under.ledger, &snapshot, &mut facts, own)?;
        if let Some(approved) = &self.stands.approved {
            approved.add_to(under.ledger, &mut facts, own)?;
        }
        if let Some(reason) = (under.also)(&facts.principal) {
            self.revoked = vec![reason];
            return Ok(());
        }
        let ruling = decide::decide(&snapshot, &facts);
        self.reviewed = Instant::now();
        if ruling.decision.verdict == Verdict::Admit {
            let grants = grants::used(under.ledger, &ruling.decision)?;
            self.stands.holds_until = holds_until(&ruling, &facts, &grants, &asker);
            self.stands.mark = mark;
            return Ok(());
        }
        self.revoked = revocations(&ruling.decision);
        let text = facts.to_json().to_canonical().into_bytes();
        self.review = Some((ruling.decision, PrivateItem::new("facts_hash", cascade_ledger::nonce()?, text)));
        Ok(())
    }

    /// What waits, once a heartbeat that commits to it is durable; `None` where it is no longer admitted.
    ///
    /// # Errors
    /// [`LeaseError`]; what waits is not to leave then.
    pub fn release(&mut self, under: &Under<'_>) -> Result<Option<Handed>, LeaseError> {
        let segment = self.output.commit();
        let body = Heartbeat {
            intent: self.intent.clone(),
            segment: segment.index,
            bytes: segment.bytes_total,
            running_hash: segment.running_hash,
            chain: None,
            spec: None,
        };
        for _ in 0..HEARTBEAT_ATTEMPTS_MAX {
            let mut draft = Draft::new(cascade_ledger::receipt_id()?, Body::Heartbeat(body.clone()));
            // It says that the action was still admitted, which is known of this mark alone.
            draft.seen = Some(self.stands.mark);
            match under.ledger.append(draft) {
                Ok(_) => return Ok(Some(self.outgoing())),
                Err(AppendError::Stale | AppendError::Halted) => {
                    if !self.reviewed_now(under) {
                        return Ok(None);
                    }
                }
                Err(AppendError::NotOpen { .. }) => return Err(LeaseError::NotOpen(self.intent.receipt_id)),
                Err(other) => return Err(LeaseError::Append(other)),
            }
        }
        self.revoked = vec![Reason::code("revoked.unsettled")];
        Ok(None)
    }

    /// Drops what waits: it couldn't be put on record.
    pub fn withhold(&mut self) {
        self.urgent = false;
        self.output.withhold();
    }

    /// What waits, for the closer to commit to: it may leave once that is durable.
    pub fn rest(&mut self) -> Handed {
        // The closer's hash is that of what was released so far, which this is part of from here on.
        self.output.commit();
        self.outgoing()
    }

    /// The bytes that may leave, which are kept as they were hashed.
    fn outgoing(&mut self) -> Handed {
        let now = Instant::now();
        self.output.released(now);
        (self.left, self.urgent) = (Some(now), false);
        let mut handed = Handed::default();
        while let Some(frame) = self.output.next_outgoing() {
            if let Some(kept) = &mut self.kept {
                kept.extend_from_slice(&frame.header());
                kept.extend_from_slice(&frame.bytes);
            }
            let to = if frame.stream == Stream::Err { &mut handed.errors } else { &mut handed.out };
            to.extend_from_slice(&frame.bytes);
            self.output.sent();
            self.handed_on = true;
        }
        if self.kept.as_ref().is_some_and(|kept| kept.len() > KEPT_BYTES_MAX) {
            self.kept = None;
        }
        handed
    }

    /// Puts on record how it ended. Where it was revoked, with what the gates said.
    ///
    /// # Errors
    /// [`LeaseError::NotOpen`] when the intent was closed meanwhile, or the ledger's.
    pub fn close(self, ledger: &Ledger, outcome: Outcome) -> Result<Appended, LeaseError> {
        self.close_with(ledger, outcome, |_| ())
    }

    pub(crate) fn close_with(
        self,
        ledger: &Ledger,
        outcome: Outcome,
        more: impl FnOnce(&mut Closing),
    ) -> Result<Appended, LeaseError> {
        let duration = outcome.duration.unwrap_or_else(|| self.began.elapsed());
        let outcome = Outcome { duration: Some(duration), ..outcome };
        let mut body = closing(self.intent.clone(), &outcome);
        body.output_hash = self.handed_on.then(|| self.output.released_hash());
        let review = self.review.filter(|_| outcome.ending == Ending::Revoked);
        body.review = review
            .as_ref()
            .map(|(decision, facts)| Review { decision: decision.clone(), facts_hash: facts.hash });
        more(&mut body);
        let kept = self.kept.filter(|_| self.handed_on);
        let kept = kept.map(|bytes| PrivateItem::new("output_hash", self.nonce, bytes));
        let mut draft = Draft::new(cascade_ledger::receipt_id()?, Body::Closing(body));
        draft.private.extend(kept);
        draft.private.extend(review.map(|(_, facts)| facts));
        ledger.append(draft).map_err(|error| match error {
            AppendError::NotOpen { .. } => LeaseError::NotOpen(self.intent.receipt_id),
            other => LeaseError::Append(other),
        })
    }

    /// How long it has gone on.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}
