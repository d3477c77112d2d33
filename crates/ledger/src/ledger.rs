//! An open tenant: everything a [`Reader`] can, and appending.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use cascade_receipt::content::{Body, Closing, Ending, Ref, Rel, Spent};
use cascade_receipt::decision::Reason;
use cascade_receipt::id::{KeyId, PrincipalId};
use cascade_receipt::time::Timestamp;

use crate::answer::Ticket;
use crate::draft::{AppendError, Appended, Draft};
use crate::fault::{At as _, Fault, OpenError};
use crate::keys::Passphrase;
use crate::reader::{OpenAction, Reader};
use crate::signer::Signer;
use crate::store::Access;
use crate::vault::{self, PrincipalKind};
use crate::writer::Writer;
use crate::{batch, files, random};

/// What there must be room for, in bytes: a few groups of receipts.
const PROBE_BYTES: usize = 256 * 1024;

/// One tenant, open for writing. Several threads may share it, and several processes may have the
/// same tenant open.
#[derive(Debug)]
pub struct Ledger {
    // Declared before `reader`: queued receipts are written while the tenant is still open.
    writer: Writer,
    reader: Reader,
    /// For keys that are made later.
    passphrase: Option<Passphrase>,
}

impl Deref for Ledger {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl Ledger {
    pub(crate) fn open(
        dir: &Path,
        wanted: Option<&KeyId>,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self, OpenError> {
        let reader = Reader::open(dir, Access::ReadWrite)?;
        let signer = Arc::new(Signer::load(&reader, wanted, passphrase)?);
        let writer = Writer::start(dir.to_owned(), signer)?;
        Ok(Self { writer, reader, passphrase: passphrase.cloned() })
    }

    pub(crate) const fn passphrase(&self) -> Option<&Passphrase> {
        self.passphrase.as_ref()
    }

    /// Makes a receipt durable. Waits for room in the queue, then for the commit; a lone caller
    /// waits for nothing else.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append(&self, draft: Draft) -> Result<Appended, AppendError> {
        self.start_append(draft).wait()
    }

    /// The same for a task that awaits the commit. What it does at once may block: it waits for room in the queue, and
    /// is the commit itself where nobody else writes.
    #[must_use]
    pub fn start_append(&self, draft: Draft) -> Ticket {
        self.writer.append_or_queue(draft)
    }

    /// Queues a receipt without waiting. A full queue refuses it.
    #[must_use]
    pub fn submit(&self, draft: Draft) -> Ticket {
        self.writer.submit(draft, false)
    }

    /// Whether a write has failed, after which nothing is appended until the tenant is opened again (invariant I5).
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.writer.has_stopped()
    }

    /// Whether bytes can be made durable where this tenant lies: opening needs none, recording does. What is written for it
    /// has no name, and is gone at once.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn takes_bytes(&self) -> Result<(), Fault> {
        files::probe(self.reader.dir(), PROBE_BYTES)
    }

    /// The principal of this kind and name; a random id is made on first use and stays, whichever
    /// process asks.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn principal_for(&self, kind: PrincipalKind, name: &str) -> Result<PrincipalId, Fault> {
        if let Some(known) = self.ask_vault(|conn| vault::principal(conn, kind, name))? {
            return Ok(known);
        }
        let fresh = random::principal_id()?;
        self.with_vault(|database| {
            let tx = database.begin()?;
            if let Some(known) = database.at(vault::principal(&tx, kind, name))? {
                return Ok(known);
            }
            database.at(vault::add_name(&tx, fresh, kind, name))?;
            database.at(tx.commit())?;
            Ok(fresh)
        })
    }

    /// Closes intents that no live process owns; see [`crate::home::Home::open_tenant`].
    pub(crate) fn close_orphans(
        &self,
        sweep: &dyn Fn(&OpenAction) -> bool,
    ) -> Result<Vec<Appended>, OpenError> {
        let mut closed = self.close_expired()?;
        for action in self.open_actions()? {
            if action.until.is_some() {
                continue;
            }
            let path = self.run_lock_path(action.receipt_id);
            // Held until the closer is durable, so that another opener waits its turn.
            let _lock = match files::open_lock(&path)? {
                None => None,
                Some(file) => {
                    if !files::try_lock(&file).at(&path)? {
                        continue;
                    }
                    Some(file)
                }
            };
            // What cannot be ended keeps its intent open: `task_unknown` never describes what still runs.
            if !sweep(&action) {
                continue;
            }
            match self.append(Draft::new(random::receipt_id()?, self.unknown(&action, "run.orphaned")?)) {
                Ok(appended) => closed.push(appended),
                // Another opener, or the run itself, was faster.
                Err(AppendError::NotOpen { .. }) => {}
                Err(other) => return Err(other.into()),
            }
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Fault::io(&path, &error).into());
                }
                _ => {}
            }
        }
        Ok(closed)
    }

    /// Closes as unknown what somebody else performs and has not reported in time. By the chain's own time, which is
    /// never behind the newest receipt.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn close_expired(&self) -> Result<Vec<Appended>, AppendError> {
        let head = self.head().map_err(AppendError::NotRecorded)?.timestamp;
        let now = Timestamp::from_ms(batch::now_ms()).max(head);
        self.close_leased("lease.expired", |until| until <= now)
    }

    /// Closes as unknown everything that somebody else performs, whatever its time: nobody can report it any more.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn close_leases(&self) -> Result<Vec<Appended>, AppendError> {
        self.close_leased("tenant.deleted", |_| true)
    }

    fn close_leased(
        &self,
        reason: &str,
        ends: impl Fn(Timestamp) -> bool,
    ) -> Result<Vec<Appended>, AppendError> {
        let mut closed = Vec::new();
        let open = self.open_actions().map_err(AppendError::NotRecorded)?;
        for action in open.into_iter().filter(|one| one.until.is_some_and(&ends)) {
            let body = self.unknown(&action, reason).map_err(AppendError::NotRecorded)?;
            let receipt_id = random::receipt_id().map_err(AppendError::NotRecorded)?;
            match self.append(Draft::new(receipt_id, body)) {
                Ok(appended) => closed.push(appended),
                // Its outcome came after all.
                Err(AppendError::NotOpen { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(closed)
    }

    fn unknown(&self, action: &OpenAction, reason: &str) -> Result<Body, Fault> {
        let (chain, spec) = self.step_of(action)?;
        Ok(Body::Closing(Closing {
            ending: Ending::Unknown,
            intent: Ref { rel: Rel::Intent, receipt_id: action.receipt_id, entry_hash: action.entry_hash },
            output_hash: None,
            truncated: false,
            exit_code: None,
            signal: None,
            duration_us: None,
            reasons: vec![Reason::code(reason)],
            spent: Spent::default(),
            served_model: None,
            routed: None,
            review: None,
            chain,
            spec,
        }))
    }
}
