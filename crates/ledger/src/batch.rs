//! One commit: many drafts become one segment.
//!
//! The order must not change:
//! 1. Under the write lock of the log the head is read again, each draft is checked against the
//!    views and linked, and the views follow.
//! 2. Private bytes of the drafts that were not refused are committed to the vault, still under the
//!    lock of the log: whoever holds that lock sees no bytes whose receipt is on its way, which is
//!    what an erasure relies on. If the process dies here, the vault holds bytes that no receipt
//!    names, and nothing has happened; the next erasure overwrites them.
//! 3. All lines are signed and stored, the head moves, and `COMMIT` returns. This is the commit
//!    point: before it nothing of the batch is in the chain, after it all of it is. A failure of
//!    `COMMIT` itself leaves open which, until the ledger is opened again.
//! 4. The files are still those that lie under their names: a home that was removed or replaced takes nothing on record.
//! 5. Only then is anyone answered.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cascade_receipt::chain::{EPOCH_RECEIPTS_MAX, LINE_BYTES_MAX};
use cascade_receipt::content::{Body, Envelope};
use cascade_receipt::merkle::Frontier;
use cascade_receipt::time::Timestamp;
use rusqlite::{Connection, params};
use zeroize::Zeroizing;

use crate::ahead::{AGE_MS_MAX, Footing, Sealed};
use crate::change::Change;
use crate::draft::{AppendError, Appended, Draft};
use crate::epoch::{EPOCH_MS_MAX, EpochKey};
use crate::erasure::pending;
use crate::extent::{Extent, Part};
use crate::fault::{At as _, Fault, OpenError};
use crate::frontier::{self, TreeRow};
use crate::head::HeadRow;
use crate::refusal;
use crate::seal::{self, Linked, Slots};
use crate::segment::{self, Segment};
use crate::signer::Signer;
use crate::statements;
use crate::store::{Database, to_sql};
use crate::tail::Tail;
use crate::views::{self, Entry, Standing};
use crate::{chain_views, key_views, limit_views, requests, schedule_views};

/// Writes batches. One thread at a time has it.
#[derive(Debug)]
pub(crate) struct Scribe {
    ledger: Database,
    vault: Database,
    signer: Arc<Signer>,
    /// The epoch key read last; another process may have moved on.
    epoch: Option<Arc<EpochKey>>,
    tail: Tail,
    ratcheted: bool,
    epoch_receipts_max: u64,
    #[cfg(test)]
    fault: Option<tests::Point>,
}

/// Why a whole batch failed.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// Nothing was recorded and the writer can go on: the lock was not to be had.
    Busy(Fault),
    /// Nothing was recorded; the writer stops.
    NotRecorded(Fault),
    /// The commit itself failed; the writer stops.
    Unsettled(Fault),
}

impl Failure {
    /// What every caller of the batch is told, and whether the writer can go on.
    pub(crate) fn answer(self) -> (Result<Appended, AppendError>, bool) {
        match self {
            Self::Busy(fault) => (Err(AppendError::NotRecorded(fault)), true),
            Self::NotRecorded(fault) => (Err(AppendError::NotRecorded(fault)), false),
            Self::Unsettled(fault) => (Err(AppendError::Unsettled(fault)), false),
        }
    }
}

/// One answer per draft, in order.
pub(crate) type Answers = Vec<Result<Appended, AppendError>>;

impl Scribe {
    pub(crate) fn new(ledger: Database, vault: Database, signer: Arc<Signer>) -> Self {
        Self {
            ledger,
            vault,
            signer,
            epoch: None,
            tail: Tail::default(),
            ratcheted: false,
            epoch_receipts_max: EPOCH_RECEIPTS_MAX,
            #[cfg(test)]
            fault: None,
        }
    }

    /// Makes the drafts durable. Refused drafts do not hold up the others.
    ///
    /// `ahead` holds nothing, or what was sealed for each draft before. Where that was not right for all of them,
    /// `linked` learns what comes next, while this commit is on its way.
    pub(crate) fn commit(
        &mut self,
        drafts: &[&Draft],
        ahead: Vec<Option<Sealed>>,
        linked: impl FnOnce(Footing),
    ) -> Result<Answers, Failure> {
        let tx = self.ledger.begin().map_err(|fault| match fault {
            Fault::Busy { .. } => Failure::Busy(fault),
            other => Failure::NotRecorded(other),
        })?;
        let lost = Failure::NotRecorded;
        if !self.signer.is_current(&tx).at(&self.ledger.path).map_err(lost)? {
            // Another process changed the home's key.
            let fresh = self.signer.reload(&self.dir()).map_err(|error| lost(unsigned(&error)))?;
            (self.signer, self.epoch) = (Arc::new(fresh), None);
        }
        let mut run =
            Run::start(&tx, &self.ledger, &self.signer, self.epoch.take(), &mut self.tail).map_err(lost)?;
        run.epoch_receipts_max = self.epoch_receipts_max;
        let mut answers: Vec<Option<AppendError>> = Vec::with_capacity(drafts.len());
        let mut ahead = ahead.into_iter();
        for draft in drafts {
            answers.push(run.admit(draft, ahead.next().flatten(), &self.vault).map_err(lost)?);
        }
        if run.foretold < drafts.len()
            && let Some(footing) = run.footing()
        {
            linked(footing);
        }
        let kept: Vec<&Draft> = drafts
            .iter()
            .zip(&answers)
            .filter(|(_, refusal)| refusal.is_none())
            .map(|(draft, _)| *draft)
            .collect();
        keep_private(&self.vault, &kept)?;
        #[cfg(test)]
        tests::fail_at(self.fault, tests::Point::AfterVault)?;
        let lines = run.store().map_err(lost)?;
        let Run { linked, epochs, signers, ratcheted, .. } = run;
        #[cfg(test)]
        tests::fail_at(self.fault, tests::Point::BeforeCommit)?;
        if linked.is_empty() {
            tx.rollback().at(&self.ledger.path).map_err(lost)?;
        } else {
            tx.commit().at(&self.ledger.path).map_err(Failure::Unsettled)?;
            self.ratcheted |= ratcheted;
            // What is durable where nobody will ever look is not on record.
            if !self.ledger.is_in_place() || !self.vault.is_in_place() {
                return Err(Failure::Unsettled(Fault::gone(&self.ledger.path)));
            }
        }
        #[cfg(test)]
        tests::fail_at(self.fault, tests::Point::AfterCommit)?;
        self.epoch = epochs.last().cloned();
        self.signer = signers.into_iter().next_back().unwrap_or_else(|| Arc::clone(&self.signer));
        Ok(answered(answers, linked, lines))
    }

    fn dir(&self) -> PathBuf {
        self.ledger.path.parent().map(Path::to_owned).unwrap_or_default()
    }

    /// After a ratchet, folds the write-ahead log so that no copy of the old epoch key stays in it.
    /// An open reader can prevent it; the next ratchet tries again.
    ///
    /// # Errors
    /// A failed write: the writer stops.
    pub(crate) fn wipe_if_ratcheted(&mut self) -> Result<(), Fault> {
        if std::mem::take(&mut self.ratcheted) {
            self.ratcheted = !self.ledger.truncate_log(Duration::ZERO)?;
        }
        Ok(())
    }

    /// The last thing before the connections close.
    pub(crate) fn finish(mut self) {
        // There is nobody left to tell.
        drop(self.wipe_if_ratcheted());
        self.ledger.fold_if_long();
        self.vault.fold_if_long();
    }
}

/// Step 2. Items already there (an action that follows its dry run) stay as they are.
fn keep_private(vault: &Database, drafts: &[&Draft]) -> Result<(), Failure> {
    if drafts.iter().all(|draft| draft.private.is_empty() && draft.blobs.is_empty() && draft.secret.is_none())
    {
        return Ok(());
    }
    let tx = vault.begin().map_err(|fault| match fault {
        Fault::Busy { .. } => Failure::Busy(fault),
        other => Failure::NotRecorded(other),
    })?;
    let kept = drafts.iter().try_for_each(|draft| keep(&tx, draft)).and_then(|()| tx.commit());
    kept.at(&vault.path).map_err(Failure::NotRecorded)
}

fn keep(conn: &Connection, draft: &Draft) -> rusqlite::Result<()> {
    for item in &draft.private {
        conn.prepare_cached(
            "INSERT OR IGNORE INTO items (hash, nonce, receipt_id, field, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![item.hash.0, item.nonce.0, draft.receipt_id.0, item.field, item.bytes])?;
    }
    for (hash, bytes) in &draft.blobs {
        conn.prepare_cached("INSERT OR IGNORE INTO blobs (hash, bytes) VALUES (?1, ?2)")?
            .execute(params![hash.0, bytes])?;
    }
    draft.secret.as_ref().map_or(Ok(()), |secret| crate::secrets::keep(conn, draft.receipt_id, secret))
}

fn answered(refusals: Vec<Option<AppendError>>, linked: Vec<Linked>, lines: Vec<String>) -> Answers {
    let mut done = linked.into_iter().zip(lines);
    refusals
        .into_iter()
        .map(|refusal| match refusal {
            Some(refusal) => Err(refusal),
            None => done.next().ok_or(AppendError::Stopped).map(|(one, mut line)| {
                line.pop();
                Appended {
                    receipt_id: one.receipt_id,
                    seq: one.seq,
                    entry_hash: one.entry_hash,
                    timestamp: one.timestamp,
                    line,
                }
            }),
        })
        .collect()
}

/// The state of one transaction on the log.
struct Run<'a> {
    conn: &'a Connection,
    place: &'a Database,
    /// Those that sign receipts of the batch; the last one signs the next.
    signers: Vec<Arc<Signer>>,
    row: HeadRow,
    frontier: Frontier,
    first_seq: u64,
    standing: Standing,
    epochs: Vec<Arc<EpochKey>>,
    epoch_receipts_max: u64,
    ratcheted: bool,
    now_ms: u64,
    tail: &'a mut Tail,
    linked: Vec<Linked>,
    /// How many of them had been sealed ahead.
    foretold: usize,
}

impl<'a> Run<'a> {
    fn start(
        conn: &'a Connection,
        place: &'a Database,
        signer: &Arc<Signer>,
        cached: Option<Arc<EpochKey>>,
        tail: &'a mut Tail,
    ) -> Result<Self, Fault> {
        let row = place.at(HeadRow::read(conn))?;
        place.at(tail.follow(conn, &row))?;
        let frontier = frontier_of(conn, place, &row)?;
        if cached.is_none() {
            check_newest(conn, place, &row)?;
        }
        let epoch = match cached {
            Some(key) if key.epoch == row.epoch => key,
            _ => Arc::new(read_epoch(conn, place, signer, row.epoch)?),
        };
        let standing = place.at(views::standing(conn))?;
        let now_ms = now_ms();
        Ok(Self {
            conn,
            place,
            signers: vec![Arc::clone(signer)],
            first_seq: row.head.next_seq,
            row,
            frontier,
            standing,
            epochs: vec![epoch],
            epoch_receipts_max: EPOCH_RECEIPTS_MAX,
            ratcheted: false,
            now_ms,
            tail,
            linked: Vec::new(),
            foretold: 0,
        })
    }

    /// What the receipt after this batch is linked to.
    fn footing(&self) -> Option<Footing> {
        Some(Footing {
            head: self.row.head,
            policy: self.standing.policy.clone(),
            signer: Arc::clone(self.signers.last()?),
            epoch: Arc::clone(self.epochs.last()?),
            epoch_left: self.epoch_receipts_max.saturating_sub(self.row.epoch_receipts),
            epoch_ends_ms: self.row.epoch_since_ms.saturating_add(EPOCH_MS_MAX),
        })
    }

    /// Now, or when the receipt was sealed ahead, if that was a moment ago and is no step back.
    fn time_of(&self, ahead: Option<&Sealed>) -> Timestamp {
        let (newest, now) = (self.row.head.timestamp, Timestamp::from_ms(self.now_ms));
        let oldest = newest.max(Timestamp::from_ms(self.now_ms.saturating_sub(AGE_MS_MAX)));
        ahead.map(Sealed::timestamp).filter(|at| (oldest..=now).contains(at)).unwrap_or(newest.max(now))
    }

    /// Checks one draft and links it, or says why it is refused.
    fn admit(
        &mut self,
        draft: &Draft,
        ahead: Option<Sealed>,
        vault: &Database,
    ) -> Result<Option<AppendError>, Fault> {
        let timestamp = self.time_of(ahead.as_ref());
        if self.standing.deleted {
            return Ok(Some(AppendError::Deleted));
        }
        if draft.seen.is_some_and(|mark| mark.0 != self.standing.mark) {
            return Ok(Some(AppendError::Stale));
        }
        if let Some(about) = &draft.about
            && self.place.at(limit_views::is_outdated(self.conn, about))?
        {
            return Ok(Some(AppendError::Stale));
        }
        if draft.holds_until.is_some_and(|until| timestamp >= until)
            || self.place.at(limit_views::is_overdrawn(self.conn, &draft.body, &draft.caps))?
        {
            return Ok(Some(AppendError::Stale));
        }
        if self.tail.contains(draft.receipt_id) {
            return Ok(Some(AppendError::IdTaken(draft.receipt_id)));
        }
        if let Some(refusal) =
            self.place.at(refusal::refusal(self.conn, draft.receipt_id, &draft.body, timestamp))?
        {
            return Ok(Some(refusal));
        }
        let signer = self.signer()?;
        if let Some(refusal) =
            self.place.at(statements::refusal(self.conn, &draft.body, &signer.log_origin))?
        {
            return Ok(Some(refusal));
        }
        if self.place.at(key_views::is_stale(self.conn, &draft.body, &signer.key.id))? {
            return Ok(Some(AppendError::Stale));
        }
        if let Some(refusal) = self.place.at(key_views::refusal(self.conn, &draft.body))? {
            return Ok(Some(refusal));
        }
        if let Body::PolicyActivated(activated) = &draft.body {
            let hash = activated.activates.hash;
            let brought = draft.blobs.iter().any(|(blob, _)| *blob == hash);
            if !brought && !vault.at(crate::vault::has_blob(&vault.conn, &hash))? {
                return Ok(Some(AppendError::SnapshotMissing { hash }));
            }
        }
        if let Some(extent) = &draft.extent
            && self.grew(extent)?
        {
            return Ok(Some(AppendError::Stale));
        }
        self.link(draft, ahead, timestamp)
    }

    fn link(
        &mut self,
        draft: &Draft,
        ahead: Option<Sealed>,
        timestamp: Timestamp,
    ) -> Result<Option<AppendError>, Fault> {
        let new_epoch = self.row.epoch_receipts >= self.epoch_receipts_max
            || (self.row.epoch_receipts > 0
                && timestamp.ms() - self.row.epoch_since_ms.min(timestamp.ms()) >= EPOCH_MS_MAX);
        let successor = draft.successor.as_ref();
        // A replacement signs the receipt that takes the home's key back; a rotation is signed by the old key.
        let replacement = successor.filter(|_| matches!(draft.body, Body::KeyRevoked(_)));
        let signer = replacement.map_or_else(|| self.signer(), |next| Ok(Arc::clone(next)))?;
        let envelope = Envelope {
            log_origin: signer.log_origin.clone(),
            seq: self.row.head.next_seq,
            receipt_id: draft.receipt_id,
            timestamp,
            clock_stepped: self.now_ms < self.row.head.timestamp.ms(),
            key_id: signer.key.id.clone(),
            hmac_epoch: self.row.epoch + u64::from(new_epoch),
            policy: self.standing.policy.clone(),
        };
        let slots = Slots {
            epoch: self.epochs.len() - 1 + usize::from(new_epoch),
            signer: self.signers.len() - 1 + usize::from(replacement.is_some()),
        };
        let prev_hash = self.row.head.entry_hash;
        let foretold = ahead.and_then(|sealed| sealed.for_place(&envelope, &prev_hash));
        let is_foretold = foretold.is_some();
        let linked = foretold.unwrap_or_else(|| Linked::new(&envelope, &draft.body, prev_hash, slots));
        let bytes = linked.bytes();
        if bytes > LINE_BYTES_MAX {
            return Ok(Some(AppendError::TooLong { bytes }));
        }
        if new_epoch {
            self.ratchet(timestamp)?;
        }
        let entry = Entry {
            receipt_id: linked.receipt_id,
            seq: linked.seq,
            entry_hash: linked.entry_hash,
            chain: chain_views::of_body(&draft.body),
            cron: schedule_views::of_body(&draft.body),
            request: requests::of_body(&draft.body),
        };
        let change = Change::of_body(&draft.body, &envelope);
        self.place.at(views::apply(self.conn, &entry, &change))?;
        if matches!(draft.body, Body::Erasure(_)) {
            self.place.at(pending::add(self.conn, draft.receipt_id))?;
        }
        if let Some(next) = successor {
            self.succeed(next)?;
        }
        if change.moves_mark() {
            self.standing = self.place.at(views::standing(self.conn))?;
        }
        self.row.head.next_seq += 1;
        self.row.head.entry_hash = linked.entry_hash;
        self.row.head.timestamp = timestamp;
        if self.row.epoch_receipts == 0 {
            self.row.epoch_since_ms = timestamp.ms();
        }
        self.row.epoch_receipts += 1;
        self.frontier.push(&linked.entry_hash);
        self.tail.push(draft.receipt_id, linked.seq);
        self.linked.push(linked);
        self.foretold += usize::from(is_foretold);
        Ok(None)
    }

    /// Whether the action got another receipt since its extent was looked up.
    fn grew(&self, extent: &Extent) -> Result<bool, Fault> {
        let mut next = extent.through;
        while let Some(segment) = self.place.at(Segment::at_or_after(self.conn, next))? {
            let new = (segment.first_seq..).zip(segment.lines()).filter(|(seq, _)| *seq >= extent.through);
            if new.filter_map(|(_, line)| Part::of_line(line)).any(|part| extent.holds(&part)) {
                return Ok(true);
            }
            next = segment.first_seq + segment.count.max(1);
        }
        let mut in_batch = self.linked.iter().filter_map(|one| Part::of_content(one.content()));
        Ok(in_batch.any(|part| extent.holds(&part)))
    }

    fn signer(&self) -> Result<Arc<Signer>, Fault> {
        let last = self.signers.last().map(Arc::clone);
        last.ok_or_else(|| Fault::damaged(&self.place.path, "no signing key"))
    }

    /// From here on another key signs, and its secret seals the epoch key.
    fn succeed(&mut self, next: &Arc<Signer>) -> Result<(), Fault> {
        self.place.at(self.conn.execute("UPDATE chain SET key_id = ?1", [next.key.id.as_str()]))?;
        self.signers.push(Arc::clone(next));
        let epoch = self.epochs.last().ok_or_else(|| Fault::damaged(&self.place.path, "no epoch key"))?;
        // Sealed under the old key it would lie in the write-ahead log for as long as that is not folded.
        self.ratcheted = true;
        write_epoch(self.conn, self.place, next, epoch)
    }

    /// Moves to the next epoch; the old key is overwritten in this transaction.
    fn ratchet(&mut self, timestamp: Timestamp) -> Result<(), Fault> {
        let next = self.epochs.last().map(|key| key.ratchet());
        let next = next.ok_or_else(|| Fault::damaged(&self.place.path, "no epoch key"))?;
        write_epoch(self.conn, self.place, &*self.signer()?, &next)?;
        self.row.epoch = next.epoch;
        self.row.epoch_since_ms = timestamp.ms();
        self.row.epoch_receipts = 0;
        self.epochs.push(Arc::new(next));
        self.ratcheted = true;
        Ok(())
    }

    /// Signs, stores the segment and moves the head. Gives the lines.
    fn store(&mut self) -> Result<Vec<String>, Fault> {
        if self.linked.is_empty() {
            return Ok(Vec::new());
        }
        seal::all(&mut self.linked, &self.signers, &self.epochs, seal::cores())?;
        let lines: Vec<String> = self.linked.iter_mut().map(Linked::take_line).collect();
        self.place.at(Segment::insert(self.conn, self.first_seq, &lines))?;
        self.row.segments_unindexed += 1;
        self.place.at(segment::index_if_due(self.conn, &mut self.row, self.tail))?;
        self.place.at(self.row.write(self.conn))?;
        self.place.at(frontier::write(self.conn, &self.frontier))?;
        Ok(lines)
    }
}

/// Why nothing can be signed any more.
fn unsigned(error: &OpenError) -> Fault {
    match error {
        OpenError::Fault(fault) => fault.clone(),
        other => {
            Fault::Io { place: "keys".to_owned(), detail: format!("the signing key was changed: {other}") }
        }
    }
}

/// Looks once per process whether the head is that of the newest stored line. Somebody who edits the head alone
/// would otherwise make the next receipt an invalid one.
fn check_newest(conn: &Connection, place: &Database, row: &HeadRow) -> Result<(), Fault> {
    let newest = row.head.next_seq.saturating_sub(1);
    let segment = place.at(Segment::at_or_after(conn, newest))?;
    let line = segment.as_ref().and_then(|segment| segment.lines().last());
    let time = line.and_then(segment::line_time);
    let hash = line.and_then(segment::line_hash);
    if time == Some(row.head.timestamp) && hash == Some(row.head.entry_hash) {
        return Ok(());
    }
    Err(Fault::damaged(&place.path, "the head is not that of the newest receipt"))
}

/// The tree over what is there, unless the chain was stopped.
fn frontier_of(conn: &Connection, place: &Database, row: &HeadRow) -> Result<Frontier, Fault> {
    let tree = place.at(TreeRow::read(conn))?;
    let tree = tree.filter(|tree| tree.frontier.size() == row.head.next_seq);
    let tree = tree.ok_or_else(|| Fault::damaged(&place.path, "the tree is not that of the head"))?;
    match tree.stopped {
        Some(why) => Err(Fault::Stopped { why }),
        None => Ok(tree.frontier),
    }
}

/// Milliseconds since 1970 by the system clock; a clock before 1970 counts as 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn read_epoch(conn: &Connection, place: &Database, signer: &Signer, epoch: u64) -> Result<EpochKey, Fault> {
    let stored: Zeroizing<Vec<u8>> = place
        .at(conn.query_row("SELECT key FROM epoch WHERE epoch = ?1", [to_sql(epoch)], |row| row.get(0)))
        .map(Zeroizing::new)?;
    EpochKey::from_stored(epoch, &stored, signer.wrap.as_deref())
        .ok_or_else(|| Fault::damaged(&place.path, "the HMAC epoch key cannot be read"))
}

/// Stores the key of the current epoch over the one before.
pub(crate) fn write_epoch(
    conn: &Connection,
    place: &Database,
    signer: &Signer,
    key: &EpochKey,
) -> Result<(), Fault> {
    let stored = key.to_stored(signer.wrap.as_deref())?;
    place.at(
        conn.execute("INSERT OR REPLACE INTO epoch VALUES (0, ?1, ?2)", params![to_sql(key.epoch), *stored])
    )?;
    Ok(())
}

#[cfg(test)]
mod tests;
