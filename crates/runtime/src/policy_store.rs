//! Policy snapshots in the ledger: load the one in force, keep a new one.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

use cascade_ledger::Fault;
use cascade_ledger::{Mark, Present, Reader};
use cascade_policy::snapshot::{LoadFault, Snapshot, SnapshotSource};
use cascade_receipt::content::PolicyRef;
use cascade_receipt::digest::Digest;

/// Why the policy in force cannot be used. Nothing is decided without it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] Fault),
    /// A snapshot is not in the vault.
    #[error("policy snapshot {0} is missing from the vault")]
    Missing(Digest),
    /// The stored bytes are no snapshot.
    #[error("couldn't load the policy in force: {0}")]
    Load(#[from] LoadFault),
}

/// The snapshot that decides now, and the mark of the look that found it.
///
/// # Errors
/// [`StoreError`].
pub fn in_force(reader: &Reader) -> Result<(Snapshot, Mark), StoreError> {
    let (policy, mark) = reader.policy_in_force()?;
    Ok((load(reader, &policy)?, mark))
}

/// The policy in force, kept loaded by a process that decides often.
#[derive(Debug, Default)]
pub struct PolicyInForce(Mutex<Option<Arc<Snapshot>>>);

impl PolicyInForce {
    /// As [`in_force`]; loaded again only when another policy has come into force.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn look(&self, present: &Present<'_>) -> Result<(Arc<Snapshot>, Mark), StoreError> {
        let (policy, mark) = present.policy_in_force();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(snapshot) = known.as_ref().filter(|known| known.policy_hash() == policy.hash) {
            return Ok((Arc::clone(snapshot), mark));
        }
        let snapshot = Arc::new(load(present, policy)?);
        *known = Some(Arc::clone(&snapshot));
        Ok((snapshot, mark))
    }
}

/// A snapshot by its address.
///
/// # Errors
/// [`StoreError`].
pub fn load(reader: &Reader, policy: &PolicyRef) -> Result<Snapshot, StoreError> {
    let document = reader.blob(&policy.hash)?.ok_or(StoreError::Missing(policy.hash))?;
    if Digest::of(&document) != policy.hash {
        return Err(StoreError::Missing(policy.hash));
    }
    Ok(looking_up(reader, |blob| Snapshot::load(&document, blob))??)
}

/// What `make` makes of texts of the vault.
pub(crate) fn looking_up<T>(
    reader: &Reader,
    make: impl FnOnce(&dyn Fn(&Digest) -> Option<Vec<u8>>) -> T,
) -> Result<T, Fault> {
    let fault = RefCell::new(None);
    let made = make(&|hash| match reader.blob(hash) {
        Ok(found) => found,
        Err(error) => {
            fault.replace(Some(error));
            None
        }
    });
    match fault.into_inner() {
        Some(fault) => Err(fault),
        None => Ok(made),
    }
}

/// What has to be in the vault for `snapshot` to be loaded again: its document and the texts it names.
#[must_use]
pub fn blobs(source: &SnapshotSource, snapshot: &Snapshot) -> Vec<(Digest, Vec<u8>)> {
    let mut blobs: Vec<_> = source.blobs().map(|(hash, text)| (hash, text.as_bytes().to_vec())).collect();
    blobs.push((snapshot.policy_hash(), snapshot.document().to_vec()));
    blobs
}
