//! A tenant deleted, with proof: its chain says so and ends, what proves it lies outside before anything is destroyed,
//! and another chain says where it ended.
//!
//! Each step may be the last one of its process. Whoever calls again goes on: what a chain says already is not said again,
//! and a proof that is there with the very same bytes is taken as it is.

use std::path::{Path, PathBuf};

use cascade_ledger::{CheckpointError, Fault, Home, Ledger, LogKey, OpenError, PrivateItem, TenantId};
use cascade_receipt::content::{EndedChain, TenantChange};
use cascade_receipt::id::ReceiptId;

use super::export::{self, Contents, ExportError, Handed, lies_within};
use super::{Turn, What, draft};
use crate::admin::{self, AdminError};
use crate::consent::Sign;
use crate::facts::Asker;

/// The chain that records where another one ended.
#[derive(Debug)]
pub struct Recorder<'a> {
    /// The chain.
    pub ledger: &'a Ledger,
    /// Its administrator.
    pub asker: Asker,
}

/// What is to be deleted.
#[derive(Debug)]
pub struct Deletion<'a> {
    /// Where it lies.
    pub home: &'a Home,
    /// What it is called there.
    pub tenant: &'a TenantId,
    /// Who deletes it, as its own chain knows them.
    pub asker: &'a Asker,
    /// Why, in words that the vault of the recorder keeps.
    pub reason: &'a str,
    /// Signs its last checkpoint.
    pub log_key: &'a LogKey,
    /// Where the sign-once guards are.
    pub guard_dir: &'a Path,
    /// Directory of the proof, outside the home.
    pub out: &'a Path,
    /// Whose chain says so besides; `None` where there is no other.
    pub recorder: Option<Recorder<'a>>,
}

/// What is left of it.
#[derive(Debug)]
pub struct Deleted {
    /// The proof.
    pub proof: Handed,
    /// Name of the chain.
    pub log_origin: String,
    /// The receipt of the recorder.
    pub recorded: Option<ReceiptId>,
    /// Recovery files that were moved, and are for their owner to destroy.
    pub recovery_elsewhere: Vec<PathBuf>,
}

/// Why it was not deleted, or not wholly. Until the proof lies outside, nothing is destroyed.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// Somebody may not, or could not sign.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The directory of the proof lies inside the home.
    #[error("the proof must not lie inside the home: `{}`", .0.display())]
    Inside(PathBuf),
    /// No last checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// No proof.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The files.
    #[error(transparent)]
    Destroy(#[from] OpenError),
}

impl From<Fault> for DeleteError {
    fn from(fault: Fault) -> Self {
        Self::Admin(AdminError::Ledger(fault))
    }
}

/// A statement that is none of a receipt, to be signed and forgotten.
const PROBE: &str = r#"{"kind":"none"}"#;

impl Deletion<'_> {
    /// Does it, or goes on with it.
    ///
    /// # Errors
    /// [`DeleteError`].
    pub fn carry_out(self, ledger: Ledger, sign: Sign<'_>) -> Result<Deleted, DeleteError> {
        self.check_place()?;
        if let Some(recorder) = &self.recorder {
            self.check_recorder(&ledger, recorder, sign)?;
        }
        self.end(&ledger, sign)?;
        let note = ledger.sign_checkpoint(self.log_key, self.guard_dir)?;
        let contents = Contents { policies: false, private: false };
        let proof = export::export(&ledger, &note, contents, self.out, true)?;
        let ended = |tenant_hash| EndedChain {
            log_origin: ledger.log_origin().clone(),
            size: proof.receipts,
            head: proof.head,
            root: proof.root,
            tenant_hash,
        };
        let recorded =
            self.recorder.as_ref().map(|recorder| self.record(recorder, ended, sign)).transpose()?;
        let log_origin = ledger.log_origin().as_str().to_owned();
        // Its files are closed before they go.
        drop(ledger);
        let recovery_elsewhere = self.home.destroy_tenant(self.tenant)?;
        Ok(Deleted { proof, log_origin, recorded, recovery_elsewhere })
    }

    /// The other chain is told when this one has ended: whether that can be signed is found out before. Who signs for both
    /// with one key has signed for this one then.
    fn check_recorder(
        &self,
        ledger: &Ledger,
        recorder: &Recorder<'_>,
        sign: Sign<'_>,
    ) -> Result<(), AdminError> {
        let there = admin::may(recorder.ledger, &recorder.asker)?;
        if there.ssh_key != admin::may(ledger, self.asker)?.ssh_key {
            admin::signature(recorder.ledger, &recorder.asker, PROBE, sign)?;
        }
        Ok(())
    }

    /// A proof that goes with what it proves is none.
    fn check_place(&self) -> Result<(), DeleteError> {
        let within = lies_within(self.out, self.home.path())
            .map_err(|error| ExportError::Io { path: self.out.to_owned(), error })?;
        if within {
            return Err(DeleteError::Inside(self.out.to_owned()));
        }
        Ok(())
    }

    /// The last receipt of the chain.
    fn end(&self, ledger: &Ledger, sign: Sign<'_>) -> Result<(), DeleteError> {
        admin::may(ledger, self.asker)?;
        if ledger.is_deleted()? {
            return Ok(());
        }
        if self.out.symlink_metadata().is_ok() {
            return Err(ExportError::Exists(self.out.to_owned()).into());
        }
        if ledger.is_suspended()? {
            ledger.close_leases().map_err(AdminError::Append)?;
        }
        let private_items = Some(ledger.private_items()?);
        let what = What { change: TenantChange::Deleted, says: None, private_items, of: None };
        let last = draft(ledger, self.asker, what, sign)?;
        ledger.append(last).map_err(AdminError::Append)?;
        Ok(())
    }

    /// Says it in the other chain, once.
    fn record(
        &self,
        recorder: &Recorder<'_>,
        ended: impl FnOnce(cascade_receipt::digest::Digest) -> EndedChain,
        sign: Sign<'_>,
    ) -> Result<ReceiptId, DeleteError> {
        let nonce = cascade_ledger::nonce()?;
        let name = PrivateItem::new("tenant_hash", nonce, self.tenant.as_str().as_bytes().to_vec());
        let ended = ended(name.hash);
        let known = recorder.ledger.ended_tenants()?;
        if let Some(known) = known.into_iter().find(|known| known.ended.log_origin == ended.log_origin) {
            return Ok(known.receipt_id);
        }
        let of = Some((ended, name));
        let says = Some(Turn { reason: self.reason, drawn: None });
        let what = What { change: TenantChange::Deleted, says, private_items: None, of };
        let says = draft(recorder.ledger, &recorder.asker, what, sign)?;
        Ok(recorder.ledger.append(says).map_err(AdminError::Append)?.receipt_id)
    }
}
