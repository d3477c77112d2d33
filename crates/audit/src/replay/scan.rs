//! A whole log made again, line by line: under the policies of then, or under another one.

use std::collections::VecDeque;
use std::sync::Arc;

use cascade_policy::facts::Facts;
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::content::CONTROL_PREFIX;
use cascade_receipt::decision::Verdict;
use cascade_receipt::digest::{Digest, Nonce};
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};
use cascade_receipt::kind::Kind;

use super::What;
use super::glance::Glance;
use super::judge::{self, Otherwise};
use super::memo::Memo;
use super::shown::{NotRead, Receipt};
use super::tally::Tally;
use super::turned::{By, Example, difference};

/// Policies of then that one scan holds at once; a log goes back to one that was in force long ago, if at all, for a
/// short while.
pub const SNAPSHOTS_MAX: usize = 8;

/// What a scan reads beside the lines.
pub trait Past {
    /// Why it cannot be read.
    type Fault;

    /// What a decision was made on and its salt, by the hash; nothing where it is no longer there. Asked in the order
    /// of the log, so that what comes next can be read ahead.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn facts(&mut self, hash: &Digest) -> Result<Option<(Nonce, Vec<u8>)>, Self::Fault>;

    /// Other private bytes.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn private(&mut self, hash: &Digest) -> Result<Option<(Nonce, Vec<u8>)>, Self::Fault>;

    /// A text kept by its plain hash: a policy snapshot or a part of one.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn text(&self, hash: &Digest) -> Result<Option<Vec<u8>>, Self::Fault>;

    /// Whether an `erasure` receipt of the log says that the private bytes of this one were erased.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn is_erased(&self, id: ReceiptId) -> Result<bool, Self::Fault>;
}

/// Under which policy decisions are made again.
#[derive(Clone, Debug)]
pub enum Under {
    /// The one that each was made under.
    Then,
    /// This one.
    Candidate(Arc<Snapshot>),
}

/// A scan of one thread's share of a log.
#[derive(Debug)]
pub struct Scan<P> {
    past: P,
    under: Under,
    snapshots: VecDeque<(Digest, Result<Arc<Snapshot>, String>)>,
    understood: Memo,
}

impl<P: Past> Scan<P> {
    /// A scan that reads from `past`.
    pub const fn new(past: P, under: Under) -> Self {
        Self { past, under, snapshots: VecDeque::new(), understood: Memo::new() }
    }

    /// Takes one line of the log, as it lies at this place. Lines that carry no decision are counted and no more.
    ///
    /// Needs [`STACK_BYTES`](cascade_policy::decide::STACK_BYTES) of stack.
    ///
    /// # Errors
    /// When the store cannot be read; what a receipt says is counted and never an error.
    pub fn line(&mut self, seq: u64, line: &[u8], tally: &mut Tally) -> Result<(), P::Fault> {
        tally.receipts += 1;
        if self.at_a_glance(line, tally)? {
            return Ok(());
        }
        let read = match Receipt::read(line) {
            Ok(read) => read,
            Err(NotRead::NoReceipt) => {
                tally.unreadable.add(seq);
                return Ok(());
            }
            Err(NotRead::UnknownKind) => {
                tally.unknown_kinds.add(seq);
                return Ok(());
            }
            Err(NotRead::Extension) => return Ok(()),
        };
        let Some(recorded) = judge::decision_of(&read) else { return Ok(()) };
        tally.decisions += 1;
        let Some(facts) = self.facts(&read, tally)? else { return Ok(()) };
        match self.under.clone() {
            Under::Then => self.then(&read, recorded, &facts, tally),
            Under::Candidate(candidate) => self.candidate(&read, recorded, &facts, &candidate, tally),
        }
    }

    /// Whether there is nothing to say of a line but that it carries no decision, or one that is the same to the byte.
    fn at_a_glance(&mut self, line: &[u8], tally: &mut Tally) -> Result<bool, P::Fault> {
        let Some(seen) = Glance::of(line) else { return Ok(false) };
        if seen.decision.is_empty() || seen.task_type.starts_with(CONTROL_PREFIX) {
            return Ok(Kind::parse(seen.kind).is_some());
        }
        let Under::Then = self.under else { return Ok(false) };
        let same = self.is_same(&seen)?;
        if same {
            tally.decisions += 1;
            tally.matches += 1;
        }
        Ok(same)
    }

    fn is_same(&mut self, seen: &Glance<'_>) -> Result<bool, P::Fault> {
        let [facts, action, policy] =
            [seen.facts_hash, seen.action_hash, seen.policy_hash].map(Digest::from_hex);
        let (Some(hash), Some(policy)) = (facts, policy) else { return Ok(false) };
        let Some((nonce, bytes)) = self.past.facts(&hash)? else { return Ok(false) };
        if Digest::salted(&nonce, &bytes) != hash {
            return Ok(false);
        }
        let Ok(snapshot) = self.snapshot(&policy)? else { return Ok(false) };
        let Some(read) = self.understood.read(policy, &snapshot, &bytes) else { return Ok(false) };
        if let Some(hash) = action {
            let Some((nonce, kept)) = self.past.private(&hash)? else { return Ok(false) };
            let about = |kept| judge::is_about(kept, read.spelled, &read.facts);
            if Digest::salted(&nonce, &kept) != hash || !std::str::from_utf8(&kept).is_ok_and(about) {
                return Ok(false);
            }
        }
        Ok(judge::is_same(seen, &read.facts, &snapshot, read.understood))
    }

    /// What the decision was made on, or why nobody can say.
    fn facts(&mut self, receipt: &Receipt, tally: &mut Tally) -> Result<Option<Facts>, P::Fault> {
        let hash = receipt.digest("facts_hash");
        let kept = match &hash {
            Some(hash) => self.past.facts(hash)?.map(|kept| (*hash, kept)),
            None => None,
        };
        let Some((hash, (nonce, bytes))) = kept else {
            if self.past.is_erased(receipt.id)? {
                tally.erased += 1;
            } else {
                diverge(receipt, None, &What::Missing, tally);
            }
            return Ok(None);
        };
        if Digest::salted(&nonce, &bytes) != hash {
            diverge(receipt, None, &What::Altered, tally);
            return Ok(None);
        }
        match judge::facts_of(&bytes) {
            Ok(facts) => Ok(Some(facts)),
            Err(what) => {
                diverge(receipt, None, &what, tally);
                Ok(None)
            }
        }
    }

    fn then(
        &mut self,
        receipt: &Receipt,
        recorded: &Value,
        facts: &Facts,
        tally: &mut Tally,
    ) -> Result<(), P::Fault> {
        let action = match receipt.digest("action_hash") {
            Some(hash) => match self.past.private(&hash)? {
                Some((nonce, kept)) if Digest::salted(&nonce, &kept) == hash => Ok(Some(kept)),
                Some(_) => Err(What::Altered),
                None => Err(What::ActionMissing),
            },
            None => Ok(None),
        };
        let judged = match (action, self.policy_of(receipt)?) {
            (Ok(action), Ok(snapshot)) => {
                judge::again(receipt, recorded, facts, action.as_deref(), &snapshot)
            }
            (Err(what), _) => Err(what),
            (_, Err(why)) => Err(What::Unreadable(why)),
        };
        match judged {
            Ok(()) => tally.matches += 1,
            Err(what) => diverge(receipt, Some(facts), &what, tally),
        }
        Ok(())
    }

    fn candidate(
        &mut self,
        receipt: &Receipt,
        recorded: &Value,
        facts: &Facts,
        candidate: &Snapshot,
        tally: &mut Tally,
    ) -> Result<(), P::Fault> {
        let then = self.policy_of(receipt)?.ok();
        let Otherwise { ruling, unknown } = judge::otherwise(recorded, facts, then.as_deref(), candidate);
        let before = recorded.member("verdict").and_then(Value::as_str).and_then(Verdict::parse);
        let after = ruling.decision.verdict;
        if !unknown.is_empty() {
            let codes = unknown.iter().cloned().collect();
            let example = Example { seq: receipt.seq, receipt_id: receipt.id, before, after: None, codes };
            tally.lacking(&unknown, example);
            return Ok(());
        }
        if before == Some(after) {
            tally.matches += 1;
            if judge::written(&ruling) != recorded.to_canonical() {
                tally.other_reasons += 1;
            }
            return Ok(());
        }
        let found = difference(recorded, &ruling);
        let example = Example {
            seq: receipt.seq,
            receipt_id: receipt.id,
            before,
            after: Some(after),
            codes: found.codes,
        };
        let keys = found.gates.into_iter().map(|gate| (By::Gate, gate));
        let keys = keys.chain(found.policies.into_iter().map(|policy| (By::Policy, policy)));
        let programs: std::collections::BTreeSet<_> =
            ruling.classification.commands.iter().map(|command| command.program.clone()).collect();
        let keys = keys.chain(programs.into_iter().map(|program| (By::Worker, program)));
        let keys = keys.chain([(By::Principal, facts.principal.id.to_string())]);
        tally.turned(keys, newly(after), example);
        Ok(())
    }

    /// The policy that a receipt was decided under.
    fn policy_of(&mut self, receipt: &Receipt) -> Result<Result<Arc<Snapshot>, String>, P::Fault> {
        match receipt.digest("policy_hash") {
            Some(hash) => self.snapshot(&hash),
            None => Ok(Err("it names no policy".to_owned())),
        }
    }

    fn snapshot(&mut self, hash: &Digest) -> Result<Result<Arc<Snapshot>, String>, P::Fault> {
        if let Some((_, known)) = self.snapshots.iter().find(|(known, _)| known == hash) {
            return Ok(known.clone());
        }
        let loaded = self.load(hash)?;
        if self.snapshots.len() >= SNAPSHOTS_MAX {
            self.snapshots.pop_back();
        }
        self.snapshots.push_front((*hash, loaded.clone()));
        Ok(loaded)
    }

    fn load(&self, hash: &Digest) -> Result<Result<Arc<Snapshot>, String>, P::Fault> {
        let Some(document) = self.past.text(hash)? else {
            return Ok(Err(format!("its policy {hash} is not stored")));
        };
        if Digest::of(&document) != *hash {
            return Ok(Err(format!("what is stored as its policy {hash} is another text")));
        }
        // A part that cannot be read is one that is not there.
        let part = |hash: &Digest| self.past.text(hash).ok().flatten();
        Ok(Snapshot::load(&document, part).map(Arc::new).map_err(|fault| fault.to_string()))
    }
}

const fn newly(after: Verdict) -> &'static str {
    match after {
        Verdict::Admit => "newly_allowed",
        Verdict::Escalate => "newly_escalated",
        Verdict::Deny => "newly_denied",
    }
}

/// Counts a receipt of which something does not follow.
fn diverge(receipt: &Receipt, facts: Option<&Facts>, what: &What, tally: &mut Tally) {
    let text = |key: &str| {
        receipt.content.member("decision").and_then(|one| one.member(key)).and_then(Value::as_str)
    };
    let (after, codes) = match what {
        What::Decision { again, .. } => (verdict_of(again), vec![what.code().to_owned()]),
        What::Unreadable(why) => (None, vec![format!("{}: {why}", what.code())]),
        _ => (None, vec![what.code().to_owned()]),
    };
    let before = text("verdict").and_then(Verdict::parse);
    let example = Example { seq: receipt.seq, receipt_id: receipt.id, before, after, codes };
    let principal = match facts {
        Some(facts) => Some(facts.principal.id.to_string()),
        None => receipt.text("principal").map(str::to_owned),
    };
    let keys = principal.into_iter().map(|id| (By::Principal, id));
    tally.turned(keys, what.code(), example);
}

fn verdict_of(decision: &str) -> Option<Verdict> {
    let value = json::parse(decision.as_bytes()).ok()?;
    value.member("verdict").and_then(Value::as_str).and_then(Verdict::parse)
}
