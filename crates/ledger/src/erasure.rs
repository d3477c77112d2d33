//! Erasing the private bytes of one action, in an order that leaves nothing vanished without its receipt:
//!
//! 1. The `erasure` receipt is committed; the same transaction notes it in `erasing`. It is refused if the
//!    action got another receipt since its extent was looked up. *Dies before: nothing happened. Dies after: the
//!    next opening goes on with step 2.*
//! 2. Under the write lock of the log, which every append holds while it keeps private bytes, nonce and bytes are
//!    overwritten in place in the vault, and so are bytes that no receipt names. *Dies here or later: again.*
//! 3. The write-ahead log of the vault is folded, emptied and synced. A reader of older pages prevents that: the erasure
//!    is then pending.
//! 4. The note in `erasing` goes.
//!
//! docs/design/0004-erasure.md says why it is so.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use cascade_receipt::content::{Body, Erased, Erasure};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::kind::Kind;
use rusqlite::{Connection, OptionalExtension as _};

use crate::draft::Draft;
use crate::extent::{Extent, Part};
use crate::fault::Fault;
use crate::head::HeadRow;
use crate::holders::{self, Holder};
use crate::ledger::Ledger;
use crate::reader::{Mark, Reader};
use crate::store::Database;
use crate::tail::Tail;
use crate::{segment, vault};

/// Length of a try to empty the write-ahead log, and of the pause after it: the short looks of a busy home are
/// not in the way.
const RETRY: Duration = Duration::from_millis(25);

/// The erasure that a receipt's private bytes fell to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErasedBy {
    /// The `erasure` receipt.
    pub receipt_id: ReceiptId,
    /// Whether the bytes may still be on the disk.
    pub pending: bool,
}

/// What there is to erase of an action.
#[derive(Debug)]
pub struct Erasable {
    /// Its receipts that have private bytes, and which; empty when there are none.
    pub erased: Vec<Erased>,
    /// The erasures that took some already.
    pub before: Vec<ErasedBy>,
    seen: Mark,
    extent: Extent,
}

impl Erasable {
    /// The receipt that says so.
    #[must_use]
    pub fn draft(self, receipt_id: ReceiptId, erasure: Erasure) -> Draft {
        let mut draft = Draft::new(receipt_id, Body::Erasure(erasure));
        draft.seen = Some(self.seen);
        draft.extent = Some(self.extent);
        draft
    }
}

/// Why nothing can be erased.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EraseError {
    /// Genesis, a policy, an erasure: no private bytes are its own.
    #[error("{0} belongs to no action")]
    NoAction(ReceiptId),
    /// The run may still record something.
    #[error("the action is still running ({0})")]
    Running(ReceiptId),
    /// The ledger could not be read.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// How far the bytes of every erasure are gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wiped {
    /// From every file.
    Everywhere,
    /// Overwritten, but pages with the old bytes stay in the write-ahead log while these processes read.
    Pending(Vec<Holder>),
}

impl Reader {
    /// The erasure that took a receipt's private bytes, if one did.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn erased_by(&self, receipt_id: ReceiptId) -> Result<Option<ErasedBy>, Fault> {
        self.ask(|conn| {
            conn.prepare_cached(
                "SELECT erasure, erasure IN (SELECT receipt_id FROM erasing) FROM erased WHERE receipt_id = ?1",
            )?
            .query_row([receipt_id.0], |row| {
                Ok(ErasedBy { receipt_id: ReceiptId(row.get(0)?), pending: row.get(1)? })
            })
            .optional()
        })
    }

    /// Erasures whose bytes may still be on the disk.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn pending_erasures(&self) -> Result<Vec<ReceiptId>, Fault> {
        self.ask(pending::all)
    }

    /// What there is to erase of the action that the receipt at `seq` belongs to; of an erasure nothing more. `progress` is called with the
    /// receipts looked at and those there are.
    ///
    /// # Errors
    /// See [`EraseError`].
    pub fn erasable(&self, seq: u64, progress: &mut dyn FnMut(u64, u64)) -> Result<Erasable, EraseError> {
        let seen = self.mark()?;
        let part = self.part_at(seq)?;
        if let Some(erasure) = part.as_ref().filter(|part| part.kind == Some(Kind::Erasure)) {
            let receipt_id = erasure.receipt_id;
            let pending = self.pending_erasures()?.contains(&receipt_id);
            let before = vec![ErasedBy { receipt_id, pending }];
            return Ok(Erasable { erased: Vec::new(), before, seen, extent: Extent::default() });
        }
        let first = part.filter(Part::is_of_an_action);
        let Some(part) = first else { return Err(self.no_action(seq)?) };
        let extent = self.extent(seq, part, progress)?;
        self.sort_out(extent, seen)
    }

    /// Every receipt of the action that the one at `seq` belongs to.
    pub(crate) fn extent(
        &self,
        seq: u64,
        part: Part,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Extent, Fault> {
        let mut extent = Extent::default();
        let mut from = seq;
        let mut waiting = vec![(seq, part)];
        while let Some((seq, part)) = waiting.pop() {
            from = from.min(seq);
            for id in part.refs() {
                let Some(seq) = self.seq_of(*id)?.filter(|_| !extent.knows(*id)) else { continue };
                waiting.extend(self.part_at(seq)?.map(|part| (seq, part)));
            }
            extent.begin(&part);
        }
        extent.through = self.head()?.next_seq;
        for line in self.lines(from..extent.through) {
            let line = line?;
            Part::of_line(line.text.as_bytes()).into_iter().for_each(|part| extent.follow(part));
            if line.seq.is_multiple_of(1024) {
                progress(line.seq - from, extent.through - from);
            }
        }
        Ok(extent)
    }

    /// Which receipts of the action have private bytes.
    fn sort_out(&self, extent: Extent, seen: Mark) -> Result<Erasable, EraseError> {
        let open = self.open_actions()?.into_iter().find(|action| extent.knows(action.receipt_id));
        if let Some(action) = open {
            return Err(EraseError::Running(action.receipt_id));
        }
        // What a workflow was started with is needed until it has ended.
        let open = self.open_chains()?.into_iter().find(|chain| extent.knows(chain.receipt_id));
        if let Some(chain) = open {
            return Err(EraseError::Running(chain.receipt_id));
        }
        let (mut erased, mut before) = (Vec::new(), Vec::new());
        for part in &extent.parts {
            if let Some(by) = self.erased_by(part.receipt_id)? {
                before.push(by);
                continue;
            }
            let mut fields: Vec<String> =
                self.private_of(part.receipt_id)?.into_iter().map(|item| item.field).collect();
            for (member, hash) in &part.hashes {
                if self.ask_vault(|conn| vault::has_item(conn, hash))? {
                    fields.push((*member).to_owned());
                }
            }
            fields.sort_unstable();
            fields.dedup();
            if !fields.is_empty() {
                erased.push(Erased { receipt_id: part.receipt_id, fields });
            }
        }
        Ok(Erasable { erased, before, seen, extent })
    }

    pub(crate) fn part_at(&self, seq: u64) -> Result<Option<Part>, Fault> {
        let line = self.lines(seq..seq + 1).next().transpose()?;
        Ok(line.and_then(|line| Part::of_line(line.text.as_bytes())))
    }

    /// Where the receipt of this id is; `None` when there is none.
    pub(crate) fn seq_of(&self, id: ReceiptId) -> Result<Option<u64>, Fault> {
        let found = self.ask(|conn| segment::find(conn, &id.to_string()))?;
        Ok(found.first().map(|(_, seq)| *seq))
    }

    fn no_action(&self, seq: u64) -> Result<EraseError, Fault> {
        let id = self.part_at(seq)?.map(|part| part.receipt_id);
        Ok(match id {
            Some(id) => EraseError::NoAction(id),
            None => Fault::damaged(&self.dir().join("ledger.db"), "the receipt cannot be read").into(),
        })
    }
}

impl Ledger {
    /// Carries out every erasure that is receipted and not done. Waits at most `patience` for readers in the way;
    /// `waiting` is called with them before each pause.
    ///
    /// # Errors
    /// [`Fault`]; what was not done stays noted.
    pub fn wipe_erased(
        &self,
        patience: Duration,
        waiting: &mut dyn FnMut(&[Holder]),
    ) -> Result<Wiped, Fault> {
        if self.pending_erasures()?.is_empty() {
            return Ok(Wiped::Everywhere);
        }
        let strays = self.strays()?;
        let done = self.with_ledger(|log| self.with_vault(|vault| overwrite(log, vault, &strays)))?;
        self.forget_hashes();
        if let pending @ Wiped::Pending(_) = self.fold_vault(patience, waiting)? {
            return Ok(pending);
        }
        self.with_ledger(|log| {
            let tx = log.begin()?;
            log.at(done.iter().try_for_each(|erasure| pending::remove(&tx, *erasure)))?;
            log.at(tx.commit())
        })?;
        Ok(Wiped::Everywhere)
    }

    /// Folds the log of the vault, so that no old page is left in it. Waits at most `patience` for readers in the way.
    pub(crate) fn fold_vault(
        &self,
        patience: Duration,
        waiting: &mut dyn FnMut(&[Holder]),
    ) -> Result<Wiped, Fault> {
        let started = Instant::now();
        while !self.truncate_vault_log(RETRY.min(patience))? {
            let holders = holders::of(&self.dir().join("vault.db"));
            if started.elapsed() >= patience {
                return Ok(Wiped::Pending(holders));
            }
            waiting(&holders);
            std::thread::sleep(RETRY);
        }
        Ok(Wiped::Everywhere)
    }

    /// Private bytes that came with a receipt that never was, because Cascade died between vault and log. Those
    /// that another receipt names are left out: they are that one's.
    fn strays(&self) -> Result<Vec<(ReceiptId, Digest)>, Fault> {
        let mut unknown = Vec::new();
        let bringers = self.ask_vault(vault::bringers)?;
        let tail = self.ask(known_tail)?;
        for id in bringers {
            if !self.ask(|conn| is_known(conn, &tail, id))? {
                let hashes = self.ask_vault(|conn| vault::hashes_of(conn, id))?;
                unknown.extend(hashes.into_iter().map(|hash| (id, hash)));
            }
        }
        if unknown.is_empty() {
            return Ok(unknown);
        }
        let mut named = HashSet::new();
        for line in self.lines(0..self.head()?.next_seq) {
            if let Some(part) = Part::of_line(line?.text.as_bytes())
                && self.erased_by(part.receipt_id)?.is_none()
            {
                named.extend(part.hashes.into_iter().map(|(_, hash)| hash));
            }
        }
        unknown.retain(|(_, hash)| !named.contains(hash));
        Ok(unknown)
    }
}

/// Step 2. Gives the erasures that are carried out by it.
fn overwrite(
    log: &Database,
    vault: &Database,
    strays: &[(ReceiptId, Digest)],
) -> Result<Vec<ReceiptId>, Fault> {
    let locked = log.begin()?;
    let erasures = log.at(pending::all(&locked))?;
    let mut receipts = Vec::new();
    for erasure in &erasures {
        receipts.extend(log.at(pending::receipts(&locked, *erasure))?);
    }
    let tail = log.at(known_tail(&locked))?;
    let mut hashes = Vec::new();
    for (bringer, hash) in strays {
        // Its receipt may have been on its way a moment ago.
        if !log.at(is_known(&locked, &tail, *bringer))? {
            hashes.push(*hash);
        }
    }
    let tx = vault.begin()?;
    vault.at(vault::wipe(&tx, &receipts, &hashes))?;
    vault.at(tx.commit())?;
    Ok(erasures)
}

fn known_tail(conn: &Connection) -> rusqlite::Result<Tail> {
    let mut tail = Tail::default();
    tail.follow(conn, &HeadRow::read(conn)?)?;
    Ok(tail)
}

fn is_known(conn: &Connection, tail: &Tail, id: ReceiptId) -> rusqlite::Result<bool> {
    Ok(tail.contains(id) || segment::is_indexed(conn, id)?)
}

/// The table `erasing`.
pub(crate) mod pending {
    use cascade_receipt::id::ReceiptId;
    use rusqlite::Connection;

    pub(crate) fn add(conn: &Connection, erasure: ReceiptId) -> rusqlite::Result<()> {
        conn.prepare_cached("INSERT INTO erasing VALUES (?1)")?.execute([erasure.0])?;
        Ok(())
    }

    pub(crate) fn remove(conn: &Connection, erasure: ReceiptId) -> rusqlite::Result<()> {
        conn.prepare_cached("DELETE FROM erasing WHERE receipt_id = ?1")?.execute([erasure.0])?;
        Ok(())
    }

    pub(crate) fn all(conn: &Connection) -> rusqlite::Result<Vec<ReceiptId>> {
        let mut query = conn.prepare_cached("SELECT receipt_id FROM erasing")?;
        query.query_map((), |row| Ok(ReceiptId(row.get(0)?)))?.collect()
    }

    /// What an erasure took.
    pub(crate) fn receipts(conn: &Connection, erasure: ReceiptId) -> rusqlite::Result<Vec<ReceiptId>> {
        let mut query = conn.prepare_cached("SELECT receipt_id FROM erased WHERE erasure = ?1")?;
        query.query_map([erasure.0], |row| Ok(ReceiptId(row.get(0)?)))?.collect()
    }
}
