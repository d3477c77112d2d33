//! Reading a tenant: lines, views, vault. Nothing here writes, and nothing holds a read
//! transaction open between calls, so that folding the write-ahead log is never kept waiting long.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cascade_receipt::content::PolicyRef;
use cascade_receipt::digest::{Digest, Nonce};
use cascade_receipt::id::{LogOrigin, PrincipalId, ReceiptId};
use cascade_receipt::json::{self, Value};
use cascade_receipt::kind::Kind;
use cascade_receipt::time::Timestamp;
use rusqlite::Row;

use crate::fault::Fault;
use crate::head::{Head, HeadRow};
use crate::lines::{Lines, Named};
use crate::present::Known;
use crate::segment::{self, Segment};
use crate::store::{Access, Database, from_sql};
use crate::tail::Tail;
use crate::vault::{self, Item, Kept, Name, PrincipalKind};
use crate::{keys, views};

/// A counter that moves when something changes that decisions read: policy, approvals, grants,
/// halt. Ordinary runs leave it where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark(pub u64);

/// An intent without a closer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenAction {
    /// The intent.
    pub receipt_id: ReceiptId,
    /// Its hash.
    pub entry_hash: Digest,
    /// Its place.
    pub seq: u64,
    /// Who asked.
    pub principal: PrincipalId,
    /// Salted hash of the action.
    pub action_hash: Digest,
    /// Somebody else performs it, and its outcome is waited for until then.
    pub until: Option<Timestamp>,
}

/// Where an escalation or dry run stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SubjectState {
    /// Nobody, or not enough people, answered.
    Open,
    /// As many people as required approved.
    Approved,
    /// Somebody denied.
    Denied,
    /// It ran out.
    Expired,
    /// An action ran on it.
    Used,
    /// Its private bytes are gone.
    Erased,
}

/// An escalation or a dry run: something that people can answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subject {
    /// Its id.
    pub receipt_id: ReceiptId,
    /// Its place.
    pub seq: u64,
    /// `escalation` or `dry_run`.
    pub kind: Kind,
    /// Its hash.
    pub entry_hash: Digest,
    /// The exact action.
    pub action_hash: Digest,
    /// Who asked.
    pub principal: PrincipalId,
    /// How many people must approve; 1 for a dry run.
    pub required: u32,
    /// From which groups; empty for a dry run.
    pub groups: Vec<String>,
    /// Until when; `None` for a dry run.
    pub expires: Option<Timestamp>,
    /// Whether answers must carry an SSH signature.
    pub signature_required: bool,
    /// Where it stands. An escalation past `expires` stays as it was until a receipt says so.
    pub state: SubjectState,
}

/// An approval or denial.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Approval {
    /// Its id.
    pub receipt_id: ReceiptId,
    /// Its place.
    pub seq: u64,
    /// Its hash.
    pub entry_hash: Digest,
    /// The escalation or dry run.
    pub subject: ReceiptId,
    /// The exact action.
    pub action_hash: Digest,
    /// Who answered.
    pub principal: PrincipalId,
    /// False for a denial.
    pub approve: bool,
    /// Until when it may be used.
    pub expires: Timestamp,
    /// Whether it carries an SSH signature.
    pub signed: bool,
    /// The intent that used it.
    pub used_by: Option<ReceiptId>,
}

/// A receipt found by id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// No receipt begins so.
    Nothing,
    /// Its id, place and exact line without LF.
    One(ReceiptId, u64, String),
    /// More than one receipt begins so.
    Several,
}

/// Read access to one tenant.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    access: Access,
    log_origin: LogOrigin,
    genesis_public_key: [u8; 32],
    ledger: Mutex<Database>,
    vault: Mutex<Option<Database>>,
    pub(crate) named: Mutex<HashMap<ReceiptId, Named>>,
    tail: Mutex<Tail>,
    /// Names that were looked up: the vault never changes one that it has ([`crate::names`]).
    pub(crate) names: Mutex<HashMap<PrincipalId, Name>>,
    /// What was found when somebody last asked how the tenant stands.
    pub(crate) present: Mutex<Option<Arc<Known>>>,
    /// It answers as of a moment of the past, and gives no line that came later ([`crate::timeline`]).
    pub(crate) past: bool,
}

impl Reader {
    pub(crate) fn open(dir: &Path, access: Access) -> Result<Self, Fault> {
        let ledger = Database::open(&dir.join("ledger.db"), access)?;
        let (origin, public): (String, [u8; 32]) = ledger.at(ledger.conn.query_row(
            "SELECT log_origin, genesis_public_key FROM chain",
            (),
            |row| Ok((row.get(0)?, row.get(1)?)),
        ))?;
        let damaged = |what| Fault::damaged(&ledger.path, what);
        Ok(Self {
            dir: dir.to_owned(),
            access,
            log_origin: LogOrigin::parse(&origin).ok_or_else(|| damaged("no log origin"))?,
            genesis_public_key: public,
            ledger: Mutex::new(ledger),
            vault: Mutex::new(None),
            named: Mutex::default(),
            tail: Mutex::default(),
            names: Mutex::default(),
            present: Mutex::default(),
            past: false,
        })
    }

    /// The same tenant as of a moment, whose views are in `views`. The vault is the one of today.
    pub(crate) fn of_past(&self, views: Database) -> Self {
        Self {
            dir: self.dir.clone(),
            access: Access::ReadOnly,
            log_origin: self.log_origin.clone(),
            genesis_public_key: self.genesis_public_key,
            ledger: Mutex::new(views),
            vault: Mutex::new(None),
            named: Mutex::default(),
            tail: Mutex::default(),
            names: Mutex::default(),
            present: Mutex::default(),
            past: true,
        }
    }

    /// Goes to another moment: `f` changes the views, and what was learned of the log is forgotten.
    pub(crate) fn move_to<T>(&self, f: impl FnOnce(&mut Database) -> Result<T, Fault>) -> Result<T, Fault> {
        lock(&self.named).clear();
        *lock(&self.tail) = Tail::default();
        *lock(&self.present) = None;
        f(&mut lock(&self.ledger))
    }

    /// Another reader of the same tenant, with connections of its own, for another thread.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn another(&self) -> Result<Self, Fault> {
        Self::open(&self.dir, self.access)
    }

    /// Whether the chain that is open is the one that others find under its name: a home can be removed, moved, or
    /// replaced by a copy, beneath whoever has it open.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        lock(&self.ledger).is_in_place()
    }

    /// The tenant's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The chain's name.
    #[must_use]
    pub const fn log_origin(&self) -> &LogOrigin {
        &self.log_origin
    }

    /// The genesis receipt key, raw: what a stranger pins.
    #[must_use]
    pub const fn genesis_public_key(&self) -> &[u8; 32] {
        &self.genesis_public_key
    }

    /// The genesis receipt key as PEM (SubjectPublicKeyInfo).
    #[must_use]
    pub fn public_key_pem(&self) -> String {
        keys::public_key_pem(&self.genesis_public_key)
    }

    /// Where a run's lock lies. Its supervisor holds it from before the intent is durable until the
    /// whole process tree is gone.
    #[must_use]
    pub fn run_lock_path(&self, intent: ReceiptId) -> PathBuf {
        self.dir.join("runs").join(format!("{intent}.lock"))
    }

    /// The newest receipt.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn head(&self) -> Result<Head, Fault> {
        self.ask(HeadRow::read).map(|row| row.head)
    }

    /// The newest receipt, if what is stored ends with it.
    ///
    /// # Errors
    /// [`Fault::Damaged`] when receipts are missing at the end, or are there that the head does not count.
    pub fn sound_head(&self) -> Result<Head, Fault> {
        let (head, last) = self.ask(|conn| {
            let _one_moment = conn.unchecked_transaction()?;
            Ok((HeadRow::read(conn)?.head, Segment::newest(conn)?))
        })?;
        let place = self.dir().join("ledger.db");
        let end = last.as_ref().map_or(0, |segment| segment.first_seq + segment.count);
        if end != head.next_seq {
            let what =
                format!("the head counts {} receipts, and what is stored ends with {end}", head.next_seq);
            return Err(Fault::damaged(&place, &what));
        }
        let hash = last.as_ref().and_then(|segment| segment.lines().last().and_then(segment::line_hash));
        if hash != Some(head.entry_hash) {
            return Err(Fault::damaged(&place, "the head is not that of the newest receipt"));
        }
        Ok(head)
    }

    /// What decisions made now must be appended with.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn mark(&self) -> Result<Mark, Fault> {
        self.ask(views::standing).map(|standing| Mark(standing.mark))
    }

    /// The policy in force and the mark, from one look.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn policy_in_force(&self) -> Result<(PolicyRef, Mark), Fault> {
        self.ask(views::standing).map(|standing| (standing.policy, Mark(standing.mark)))
    }

    /// Whether the tenant was stopped.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn is_halted(&self) -> Result<bool, Fault> {
        self.ask(views::standing).map(|standing| standing.halted)
    }

    /// Every policy that was in force, oldest first, with the seq of the receipt that activated it.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn policy_history(&self) -> Result<Vec<(u64, PolicyRef)>, Fault> {
        self.all("SELECT seq, version, hash FROM policies ORDER BY seq", (), |row| {
            Ok((from_sql(row.get(0)?), PolicyRef { version: row.get(1)?, hash: Digest(row.get(2)?) }))
        })
    }

    /// How many admitted actions wait for their outcome until some moment, of this principal or of all.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn open_lease_count(&self, whose: Option<PrincipalId>) -> Result<u64, Fault> {
        let sql = "SELECT count(*) FROM open_actions
                   WHERE until_ms IS NOT NULL AND (?1 IS NULL OR principal = ?1)";
        let whose = whose.map(|principal| principal.0);
        let counts = self.all(sql, [whose], |row| Ok(from_sql(row.get(0)?)))?;
        Ok(counts.first().copied().unwrap_or(0))
    }

    /// Intents without a closer, oldest first.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn open_actions(&self) -> Result<Vec<OpenAction>, Fault> {
        self.all(&format!("SELECT {OPEN} FROM open_actions ORDER BY seq"), (), open_of)
    }

    /// The intent of this id, while nothing has closed it.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn open_action(&self, intent: ReceiptId) -> Result<Option<OpenAction>, Fault> {
        let sql = format!("SELECT {OPEN} FROM open_actions WHERE receipt_id = ?1");
        Ok(self.all(&sql, [intent.0], open_of)?.into_iter().next())
    }

    /// An escalation or dry run.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn subject(&self, id: ReceiptId) -> Result<Option<Subject>, Fault> {
        let sql = format!("SELECT {SUBJECT} FROM subjects WHERE receipt_id = ?1");
        Ok(self.all(&sql, [id.0], subject_of)?.into_iter().next())
    }

    /// Escalations that wait for people or for their run, oldest first; expired ones included.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn pending_escalations(&self) -> Result<Vec<Subject>, Fault> {
        let sql = format!(
            "SELECT {SUBJECT} FROM subjects WHERE kind = 'escalation' AND state IN ('open', 'approved') ORDER BY seq"
        );
        self.all(&sql, (), subject_of)
    }

    /// Escalations that people approved and no action has used, oldest first; those that have run out included.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn approved_escalations(&self) -> Result<Vec<Subject>, Fault> {
        let sql = format!(
            "SELECT {SUBJECT} FROM subjects WHERE kind = 'escalation' AND state IN ('open', 'approved')
             AND state = 'approved' ORDER BY seq"
        );
        self.all(&sql, (), subject_of)
    }

    /// Answers to an escalation or dry run, oldest first.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn approvals_of(&self, subject: ReceiptId) -> Result<Vec<Approval>, Fault> {
        self.all(&format!("{APPROVAL} WHERE subject = ?1 ORDER BY seq"), [subject.0], approval_of)
    }

    /// Approvals that no action has used yet, oldest first; those that have run out included.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn unused_approvals(&self) -> Result<Vec<Approval>, Fault> {
        self.all(&format!("{APPROVAL} WHERE approve = 1 AND used_by IS NULL ORDER BY seq"), (), approval_of)
    }

    /// The exact lines of `seqs` in order; ends early at the head.
    #[must_use]
    pub fn lines(&self, seqs: std::ops::Range<u64>) -> Lines<'_> {
        Lines::new(self, seqs)
    }

    /// Where this reader's log ends, where that is not where what is stored ends.
    pub(crate) fn end(&self) -> Result<Option<u64>, Fault> {
        if self.past { self.head().map(|head| Some(head.next_seq)) } else { Ok(None) }
    }

    /// A receipt by its id or the beginning of one (`r_` and at least one digit).
    ///
    /// # Errors
    /// [`Fault`].
    pub fn find(&self, prefix: &str) -> Result<Found, Fault> {
        let found = match ReceiptId::parse(prefix) {
            Some(whole) => self.place_of(whole)?.map(|seq| (whole, seq)).into_iter().collect(),
            None => self.ask(|conn| segment::find(conn, prefix))?,
        };
        match found.as_slice() {
            [] => Ok(Found::Nothing),
            [(id, seq)] => match self.lines(*seq..*seq + 1).next() {
                Some(line) => Ok(Found::One(*id, *seq, line?.text)),
                None => Ok(Found::Nothing),
            },
            _ => Ok(Found::Several),
        }
    }

    /// Where a receipt stands. What the index does not hold yet is read once, however often is asked.
    fn place_of(&self, id: ReceiptId) -> Result<Option<u64>, Fault> {
        self.ask(|conn| {
            if let Some(seq) = segment::indexed(conn, id)? {
                return Ok(Some(seq));
            }
            let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
            tail.follow(conn, &HeadRow::read(conn)?)?;
            // It may have been indexed between the two looks.
            match tail.place_of(id) {
                Some(seq) => Ok(Some(seq)),
                None => segment::indexed(conn, id),
            }
        })
    }

    /// Private bytes and their salt; `None` once erased.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn private(&self, hash: &Digest) -> Result<Option<(Nonce, Vec<u8>)>, Fault> {
        self.ask_vault(|conn| vault::item(conn, hash))
    }

    /// What decisions were made of, as it was stored from the item with this hash on: actions and facts with their
    /// hashes and salts, at most `count` of them and little more than `bytes`. Whoever goes through a stretch of the log
    /// wants them in about this order. Nothing where no such item is.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn private_from(&self, hash: &Digest, count: usize, bytes: usize) -> Result<Vec<Kept>, Fault> {
        self.ask_vault(|conn| vault::items_from(conn, hash, count, bytes))
    }

    /// Private bytes that first came with this receipt. An action that follows an escalation or dry run
    /// shares the action of that one, where it is kept.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn private_of(&self, receipt_id: ReceiptId) -> Result<Vec<Item>, Fault> {
        self.ask_vault(|conn| vault::items_of(conn, receipt_id))
    }

    /// Bytes kept by their plain hash, such as a policy snapshot.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn blob(&self, hash: &Digest) -> Result<Option<Vec<u8>>, Fault> {
        self.ask_vault(|conn| vault::blob(conn, hash))
    }

    /// The principal of this kind and name, if somebody has given it one.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn principal(&self, kind: PrincipalKind, name: &str) -> Result<Option<PrincipalId>, Fault> {
        self.ask_vault(|conn| vault::principal(conn, kind, name))
    }

    /// Every principal with its name.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn names(&self) -> Result<Vec<(PrincipalId, Name)>, Fault> {
        self.ask_vault(vault::names)
    }

    pub(crate) fn segment_from(&self, seq: u64) -> Result<Option<Segment>, Fault> {
        self.ask(|conn| Segment::at_or_after(conn, seq))
    }

    pub(crate) fn with_ledger<T>(&self, f: impl FnOnce(&Database) -> Result<T, Fault>) -> Result<T, Fault> {
        f(&lock(&self.ledger))
    }

    pub(crate) fn ask<T>(
        &self,
        f: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Fault> {
        self.with_ledger(|database| database.at(f(&database.conn)))
    }

    pub(crate) fn ask_vault<T>(
        &self,
        f: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Fault> {
        self.with_vault(|database| database.at(f(&database.conn)))
    }

    /// Runs `f` on the vault, opened on first use: many readers never need it.
    pub(crate) fn with_vault<T>(&self, f: impl FnOnce(&Database) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut vault = lock(&self.vault);
        let database = match vault.take() {
            Some(open) => open,
            None => Database::open(&self.dir.join("vault.db"), self.access)?,
        };
        f(vault.insert(database))
    }

    /// Empties the write-ahead log of the vault; false when somebody is in the way for longer than `patience`.
    pub(crate) fn truncate_vault_log(&self, patience: Duration) -> Result<bool, Fault> {
        self.with_vault(|_| Ok(()))?;
        lock(&self.vault).as_mut().map_or(Ok(false), |vault| vault.truncate_log(patience))
    }

    pub(crate) fn all<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Fault> {
        self.ask(|conn| conn.prepare_cached(sql)?.query_map(params, read)?.collect())
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const APPROVAL: &str = "SELECT receipt_id, seq, entry_hash, subject, action_hash, principal, approve, expires_ms, \
                        signed, used_by FROM approvals";

fn approval_of(row: &Row<'_>) -> rusqlite::Result<Approval> {
    Ok(Approval {
        receipt_id: ReceiptId(row.get(0)?),
        seq: from_sql(row.get(1)?),
        entry_hash: Digest(row.get(2)?),
        subject: ReceiptId(row.get(3)?),
        action_hash: Digest(row.get(4)?),
        principal: PrincipalId(row.get(5)?),
        approve: row.get(6)?,
        expires: Timestamp::from_ms(from_sql(row.get(7)?)),
        signed: row.get(8)?,
        used_by: row.get::<_, Option<[u8; 8]>>(9)?.map(ReceiptId),
    })
}

const OPEN: &str = "receipt_id, entry_hash, seq, principal, action_hash, until_ms";

fn open_of(row: &Row<'_>) -> rusqlite::Result<OpenAction> {
    Ok(OpenAction {
        receipt_id: ReceiptId(row.get(0)?),
        entry_hash: Digest(row.get(1)?),
        seq: from_sql(row.get(2)?),
        principal: PrincipalId(row.get(3)?),
        action_hash: Digest(row.get(4)?),
        until: row.get::<_, Option<i64>>(5)?.map(|ms| Timestamp::from_ms(from_sql(ms))),
    })
}

const SUBJECT: &str = "receipt_id, seq, kind, entry_hash, action_hash, principal, required, groups, expires_ms, \
                       signature_required, state";

fn subject_of(row: &Row<'_>) -> rusqlite::Result<Subject> {
    let kind: String = row.get(2)?;
    let groups: String = row.get(7)?;
    let groups = json::parse_canonical(groups.as_bytes()).ok();
    let groups = groups.as_ref().and_then(Value::as_array).unwrap_or_default();
    let state: String = row.get(10)?;
    Ok(Subject {
        receipt_id: ReceiptId(row.get(0)?),
        seq: from_sql(row.get(1)?),
        kind: if kind == Kind::DryRun.as_str() { Kind::DryRun } else { Kind::Escalation },
        entry_hash: Digest(row.get(3)?),
        action_hash: Digest(row.get(4)?),
        principal: PrincipalId(row.get(5)?),
        required: row.get(6)?,
        groups: groups.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        expires: row.get::<_, Option<i64>>(8)?.map(|ms| Timestamp::from_ms(from_sql(ms))),
        signature_required: row.get(9)?,
        state: match state.as_str() {
            "open" => SubjectState::Open,
            "approved" => SubjectState::Approved,
            "denied" => SubjectState::Denied,
            "expired" => SubjectState::Expired,
            "erased" => SubjectState::Erased,
            // The word nobody can use again: an unknown one must not open anything.
            _ => SubjectState::Used,
        },
    })
}
