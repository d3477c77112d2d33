//! The birth of a tenant: keys, databases and `genesis`, built beside and moved into place whole.
//!
//! Order, under a lock that only creators of this tenant take:
//! 1. Build everything in `tenants/.<tenant>.creating`, genesis included. If the process dies here,
//!    the next creator removes it; no receipt of it was ever seen.
//! 2. Write into it which recovery files come next, then write those files outside the home. If the
//!    process dies here, the next creator removes exactly those files: their chain was never born.
//! 3. Rename the directory and sync its parent. This is the commit point: the tenant exists.

use std::fs::File;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cascade_receipt::chain::{GENESIS_PREV, LINE_BYTES_MAX};
use cascade_receipt::content::{Admin, Body, Envelope, Genesis, GenesisKey, PolicyRef};
use cascade_receipt::digest::{self, Digest};
use cascade_receipt::id::{LogOrigin, PrincipalId};
use cascade_receipt::merkle::Frontier;
use cascade_receipt::time::Timestamp;
use rusqlite::params;
use zeroize::Zeroizing;

use crate::batch;
use crate::change::Change;
use crate::epoch::EpochKey;
use crate::fault::{At as _, Fault, OpenError};
use crate::head::{Head, HeadRow};
use crate::home::{Home, TenantId};
use crate::keys::{Key, Passphrase};
use crate::ledger::Ledger;
use crate::reader::Reader;
use crate::seal::{Linked, Slots};
use crate::segment::Segment;
use crate::signer::Signer;
use crate::store::{BUSY_WAIT_MAX, Database};
use crate::vault::PrincipalKind;
use crate::views::Entry;
use crate::{files, frontier, random, schema, vault, views};

/// What a new tenant begins with.
#[derive(Debug)]
pub struct Birth<'a> {
    /// Host or organisation, the readable half of the chain's name. Never the tenant's name.
    pub host: &'a str,
    /// The first administrators: ids and public SSH keys without comments.
    pub admins: Vec<Admin>,
    /// Names behind principal ids, for the vault.
    pub names: Vec<(PrincipalId, PrincipalKind, String)>,
    /// The policy in force from the first receipt on.
    pub policy: PolicyRef,
    /// Its snapshot and what the snapshot names, by hash; must hold `policy.hash`.
    pub blobs: Vec<(Digest, Vec<u8>)>,
    /// Directory outside the home for `recovery.pem` and `hmac-master.hex`; by default
    /// [`Home::recovery_dir`].
    pub recovery_out: Option<PathBuf>,
    /// Encrypts the private keys inside the home. The recovery files are written plain: they are
    /// meant to leave this machine.
    pub passphrase: Option<&'a Passphrase>,
    /// Time of genesis.
    pub now: Timestamp,
}

/// Where the secrets went that must leave this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecoveryFiles {
    /// The recovery private key, PKCS#8 PEM.
    pub key: PathBuf,
    /// The HMAC master, 64 hex digits.
    pub master: PathBuf,
}

impl RecoveryFiles {
    /// The files inside `dir`.
    #[must_use]
    pub fn in_dir(dir: &Path) -> Self {
        Self { key: dir.join("recovery.pem"), master: dir.join("hmac-master.hex") }
    }
}

impl Home {
    /// Creates a tenant and opens it. Of several processes that create the same one at once, one
    /// succeeds and the others get [`OpenError::TenantExists`], after which they can open it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn create_tenant(
        &self,
        tenant: &TenantId,
        birth: &Birth<'_>,
    ) -> Result<(Ledger, RecoveryFiles), OpenError> {
        if !birth.blobs.iter().any(|(hash, bytes)| *hash == birth.policy.hash && Digest::of(bytes) == *hash) {
            return Err(OpenError::SnapshotMissing);
        }
        let tenants = self.path().join("tenants");
        files::make_dirs(&tenants)?;
        let _lock = creation_lock(&tenants.join(format!(".{tenant}.lock")))?;
        let dir = self.tenant_dir(tenant);
        if dir.exists() {
            return Err(OpenError::TenantExists(tenant.to_string()));
        }
        self.finish_removals()?;
        let building = tenants.join(format!(".{tenant}.creating"));
        clear_leftover(&building)?;
        let recovery_dir = birth.recovery_out.clone().unwrap_or_else(|| self.recovery_dir(tenant));
        let recovery = claim_recovery(self.path(), &recovery_dir)?;
        let built = build(&building, birth, &recovery).and_then(|()| {
            std::fs::rename(&building, &dir).at(&dir)?;
            Ok(files::sync_dir(&tenants)?)
        });
        if let Err(error) = built {
            // The next creator clears what this removal cannot.
            drop(clear_leftover(&building));
            return Err(error);
        }
        // Of one that had the name before, nothing need be noted any more.
        drop(std::fs::remove_file(self.note(tenant)));
        Ok((Ledger::open(&dir, None, birth.passphrase)?, recovery))
    }
}

/// Names the recovery files: one line each, SHA-256 of the file and its path, both in hex. An
/// unfinished creation is cleared by it, a finished one reminds its owner by it.
const CLAIM: &str = "recovery-files";

pub(crate) fn creation_lock(path: &Path) -> Result<File, Fault> {
    let file = files::lock_file(path)?;
    let started = Instant::now();
    while !files::try_lock(&file).at(path)? {
        if started.elapsed() > BUSY_WAIT_MAX {
            return Err(Fault::Busy { place: path.display().to_string() });
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(file)
}

/// Removes what a creation left that died before its commit point.
fn clear_leftover(building: &Path) -> Result<(), Fault> {
    if !building.exists() {
        return Ok(());
    }
    for Claimed { path, fresh, whole } in claims(building) {
        if whole {
            std::fs::remove_file(&path).at(&path)?;
        }
        if fresh.symlink_metadata().is_ok() {
            std::fs::remove_file(&fresh).at(&fresh)?;
        }
    }
    std::fs::remove_dir_all(building).at(building)
}

/// A recovery file that a creation names as its own.
pub(crate) struct Claimed {
    pub(crate) path: PathBuf,
    /// Where its bytes are until they are all there. The name has their hash in it, so no other chain's is meant.
    fresh: PathBuf,
    /// Whether it is there with the very bytes that were claimed: never a file of another chain.
    pub(crate) whole: bool,
}

pub(crate) fn claims(dir: &Path) -> Vec<Claimed> {
    let claims = std::fs::read_to_string(dir.join(CLAIM)).unwrap_or_default();
    let one = |line: &str| {
        let (sha256, path) = line.split_once(' ')?;
        let path = PathBuf::from(std::ffi::OsString::from_vec(unhex(path)?));
        let bytes = Zeroizing::new(std::fs::read(&path).unwrap_or_default());
        Some(Claimed { fresh: fresh(&path, sha256), whole: Digest::of(&bytes).to_hex() == sha256, path })
    };
    claims.lines().filter_map(one).collect()
}

fn fresh(path: &Path, sha256: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(sha256);
    PathBuf::from(name)
}

impl Reader {
    /// Recovery key and HMAC master that still lie where creation put them, readable to this user:
    /// worth a reminder until they are moved offline.
    #[must_use]
    pub fn recovery_files_left(&self) -> Vec<PathBuf> {
        claims(self.dir()).into_iter().filter(|claim| claim.whole).map(|claim| claim.path).collect()
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|pair| digest::from_hex::<1>(std::str::from_utf8(pair).ok()?).map(|[byte]| byte))
        .collect()
}

fn claim_recovery(home: &Path, dir: &Path) -> Result<RecoveryFiles, OpenError> {
    let absolute = std::path::absolute(dir).at(dir)?;
    let inside = |path: &Path| path.starts_with(home);
    // Symbolic links are resolved as far as the path exists.
    let resolved = absolute.ancestors().find_map(|part| std::fs::canonicalize(part).ok());
    if inside(&absolute) || resolved.as_deref().is_some_and(inside) {
        return Err(OpenError::RecoveryInside(dir.to_owned()));
    }
    let recovery = RecoveryFiles::in_dir(&absolute);
    for path in [&recovery.key, &recovery.master] {
        if path.symlink_metadata().is_ok() {
            return Err(OpenError::RecoveryExists(path.clone()));
        }
    }
    Ok(recovery)
}

fn build(dir: &Path, birth: &Birth<'_>, recovery: &RecoveryFiles) -> Result<(), OpenError> {
    for part in [dir.to_owned(), dir.join("keys"), dir.join("runs")] {
        files::make_dirs(&part)?;
    }
    let log_origin = LogOrigin::of(birth.host, &random::bytes()?);
    let (log, recovery_key) = (Key::generate("log")?, Key::generate("recovery")?);
    let key = Key::generate("receipt")?;
    key.write_new(&dir.join("keys/receipt.pem"), birth.passphrase)?;
    log.write_new(&dir.join("keys/log.pem"), birth.passphrase)?;
    files::sync_dir(&dir.join("keys"))?;

    let genesis = Genesis {
        receipt: named(&key),
        log: named(&log),
        recovery: named(&recovery_key),
        admins: birth.admins.clone(),
    };
    let signer = Signer::of_home(log_origin, key, birth.passphrase);
    let master = Zeroizing::new(random::bytes::<32>()?);
    write_ledger(dir, birth, &Arc::new(signer), genesis, &master)?;
    write_vault(dir, birth)?;

    let pem = recovery_key.to_pem(None)?;
    let hex = Zeroizing::new(format!("{}\n", digest::to_hex(master.as_slice())));
    let mut claim = String::new();
    for (path, bytes) in [(&recovery.key, pem.as_bytes()), (&recovery.master, hex.as_bytes())] {
        let path = digest::to_hex(path.as_os_str().as_bytes());
        claim.push_str(&format!("{} {path}\n", Digest::of(bytes)));
    }
    files::write_new(&dir.join(CLAIM), claim.as_bytes())?;
    files::sync_dir(dir)?;
    if let Some(outside) = recovery.key.parent() {
        files::make_dirs(outside)?;
        for (path, bytes) in [(&recovery.key, pem.as_bytes()), (&recovery.master, hex.as_bytes())] {
            files::write_new_whole(path, &fresh(path, &Digest::of(bytes).to_hex()), bytes)?;
        }
        files::sync_dir(outside)?;
    }
    Ok(())
}

fn named(key: &Key) -> GenesisKey {
    GenesisKey { key_id: key.id.clone(), public_key: key.public }
}

fn write_ledger(
    dir: &Path,
    birth: &Birth<'_>,
    signer: &Signer,
    genesis: Genesis,
    master: &[u8; 32],
) -> Result<(), OpenError> {
    let database = Database::create(&dir.join("ledger.db"), schema::LEDGER)?;
    database.at(database.conn.pragma_update(None, "user_version", schema::VIEWS_VERSION))?;
    let failed = || Fault::damaged(&database.path, "the cryptographic library failed");
    database.at(database.conn.execute_batch(schema::VIEWS))?;
    let epoch = EpochKey::first(master, &signer.log_origin);
    let envelope = Envelope {
        log_origin: signer.log_origin.clone(),
        seq: 0,
        receipt_id: random::receipt_id()?,
        timestamp: birth.now,
        clock_stepped: false,
        key_id: signer.key.id.clone(),
        hmac_epoch: 0,
        policy: birth.policy.clone(),
    };
    let body = Body::Genesis(genesis);
    let mut linked = Linked::new(&envelope, &body, GENESIS_PREV, Slots::default());
    linked.seal(&signer.key, &epoch).ok_or_else(failed)?;
    let line = linked.take_line();
    if line.len() > LINE_BYTES_MAX {
        return Err(OpenError::GenesisTooLong);
    }
    let tx = database.begin()?;
    database.at(tx.execute(
        "INSERT INTO chain VALUES (0, ?1, ?2, ?3)",
        params![signer.log_origin.as_str(), signer.key.id.as_str(), signer.key.public],
    ))?;
    batch::write_epoch(&tx, &database, signer, &epoch)?;
    let entry = Entry {
        receipt_id: linked.receipt_id,
        seq: 0,
        entry_hash: linked.entry_hash,
        chain: None,
        cron: None,
        request: None,
    };
    database.at(views::apply(&tx, &entry, &Change::of_body(&body, &envelope)))?;
    database.at(Segment::insert(&tx, 0, &[line]))?;
    let row = HeadRow {
        head: Head { next_seq: 1, entry_hash: linked.entry_hash, timestamp: birth.now },
        epoch: 0,
        epoch_since_ms: birth.now.ms(),
        epoch_receipts: 1,
        indexed_through: 0,
        segments_unindexed: 1,
    };
    database.at(row.write(&tx))?;
    let mut tree = Frontier::default();
    tree.push(&linked.entry_hash);
    database.at(frontier::write(&tx, &tree))?;
    Ok(database.at(tx.commit())?)
}

fn write_vault(dir: &Path, birth: &Birth<'_>) -> Result<(), Fault> {
    let database = Database::create(&dir.join("vault.db"), schema::VAULT)?;
    let tx = database.begin()?;
    for (hash, bytes) in &birth.blobs {
        database.at(vault::add_blob(&tx, hash, bytes))?;
    }
    for (principal, kind, name) in &birth.names {
        database.at(vault::add_name(&tx, *principal, *kind, name))?;
    }
    database.at(tx.commit())
}
