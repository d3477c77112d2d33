//! The tree over a chain, and checkpoints of it signed by the log key behind the sign-once guard.

use std::path::{Path, PathBuf};

use cascade_receipt::checkpoint::{Checkpoint, Signed, SignedCheckpoint};
use cascade_receipt::digest::Digest;
use cascade_receipt::ed25519::PublicKey;
use cascade_receipt::merkle;
use cascade_receipt::note::{Algorithm, VerifierKey};
use cascade_receipt::reader::Purpose;
use rusqlite::params;

use crate::fault::{Fault, OpenError};
use crate::frontier::{self, TreeRow};
use crate::guard::{self, Guard, Guarded};
use crate::head::HeadRow;
use crate::home::{Home, TenantId};
use crate::keys::{Key, Passphrase};
use crate::ledger::Ledger;
use crate::reader::Reader;
use crate::segment;
use crate::store::{from_sql, to_sql};
use crate::tiles::{Source, TILE_WIDTH, Tiles};

/// Why no checkpoint was signed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Disk, file system or SQLite.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// There are fewer receipts than were signed for.
    #[error("a checkpoint of {signed} receipts was signed, and there are {here}: this is an older copy")]
    RolledBack {
        /// Receipts that the guard knows of.
        signed: u64,
        /// Receipts that are here.
        here: u64,
    },
    /// The receipts are not those that were signed for.
    #[error(
        "the first {signed} receipts are not those that a checkpoint was signed for: this is another history"
    )]
    Forked {
        /// Receipts that the guard knows of.
        signed: u64,
    },
    /// What guards checkpoints cannot be read.
    #[error("the guard of this chain's checkpoints is damaged: {0}")]
    GuardDamaged(String),
    /// Checkpoints were signed, but what guards them is gone.
    #[error("checkpoints were signed before, but their guard is missing from `{0}`")]
    GuardMissing(String),
    /// The cryptographic library could not sign.
    #[error("the log key could not sign")]
    Sign,
}

impl CheckpointError {
    /// What a person can do.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Fault(fault) => fault.hint(),
            Self::RolledBack { .. } | Self::Forked { .. } => Some(
                "put back the newest copy of the home; a second history must never be signed, witnesses and \
                 readers would find it",
            ),
            Self::GuardMissing(_) | Self::GuardDamaged(_) => Some(
                "put the guard back from a backup of the state directory; if it is lost, an administrator makes \
                 a new one with `cascade checkpoint --new-guard`, which is receipted",
            ),
            Self::Sign => None,
        }
    }
}

/// The key that signs checkpoints.
#[derive(Debug)]
pub struct LogKey {
    key: Key,
    vkey: VerifierKey,
}

impl LogKey {
    /// As readers and witnesses know it.
    #[must_use]
    pub const fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }
}

impl Home {
    /// Loads the log key of a tenant.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_log_key(
        &self,
        tenant: &TenantId,
        passphrase: Option<&Passphrase>,
    ) -> Result<LogKey, OpenError> {
        let reader = self.open_tenant_read_only(tenant)?;
        let known = reader.active_key(Purpose::Log)?;
        let known = known.ok_or_else(|| OpenError::KeyInactive("log".to_owned()))?;
        let mismatch = || OpenError::KeyMismatch(reader.dir().join("keys"));
        let (key, _) = Key::open(reader.dir(), &known.key_id, passphrase)?;
        let vkey = log_vkey(&reader, &key.public).ok_or_else(mismatch)?;
        Ok(LogKey { key, vkey })
    }
}

fn log_vkey(reader: &Reader, public: &[u8; 32]) -> Option<VerifierKey> {
    VerifierKey::new(reader.log_origin().as_str(), Algorithm::Ed25519, PublicKey::accept(public)?)
}

/// The tree over a chain at one moment. Nothing leaves it that was not checked against the root of then: tiles
/// may be lost, torn or of another chain, and are then made again.
#[derive(Debug)]
pub struct ChainTree<'a> {
    reader: &'a Reader,
    size: u64,
    root: Digest,
    source: Source,
    /// The last root that was found and checked.
    known: Option<(u64, Digest)>,
}

impl ChainTree<'_> {
    /// Number of receipts.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Root over all of them.
    #[must_use]
    pub const fn root(&self) -> Digest {
        self.root
    }

    /// The root at a size from 1 to [`ChainTree::size`].
    ///
    /// # Errors
    /// A size out of range, or [`Fault::Damaged`] when log and tree contradict each other.
    pub fn root_at(&mut self, size: u64) -> Result<Digest, Fault> {
        if size == 0 || size > self.size {
            return Err(out_of_range());
        }
        if let Some((_, root)) = self.known.filter(|(known, _)| *known == size) {
            return Ok(root);
        }
        let root = self.checked(|tree| {
            let root =
                merkle::range(0, size, &mut |height, index| tree.source.complete(height, index)).ok()?;
            let path = tree.path(size, tree.size)?;
            merkle::continues(size, &root, tree.size, &tree.root, &path).then_some(root)
        })?;
        self.known = Some((size, root));
        Ok(root)
    }

    /// The audit path of the receipt at `seq`, which has this hash, in the tree of `size`.
    ///
    /// # Errors
    /// As [`ChainTree::root_at`].
    pub fn inclusion(&mut self, seq: u64, entry_hash: &Digest, size: u64) -> Result<Vec<Digest>, Fault> {
        if seq >= size {
            return Err(out_of_range());
        }
        let root = self.root_at(size)?;
        let leaf = merkle::leaf(entry_hash);
        self.checked(|tree| {
            let complete = &mut |height, index| tree.source.complete(height, index);
            let path = merkle::inclusion(seq, size, complete).ok()?;
            merkle::includes(seq, size, &leaf, &path, &root).then_some(path)
        })
    }

    /// The consistency proof from `old` to `size`.
    ///
    /// # Errors
    /// As [`ChainTree::root_at`].
    pub fn consistency(&mut self, old: u64, size: u64) -> Result<Vec<Digest>, Fault> {
        if old > size {
            return Err(out_of_range());
        }
        let root = self.root_at(size)?;
        if old == 0 {
            return Ok(Vec::new());
        }
        let old_root = self.root_at(old)?;
        self.checked(|tree| {
            let path = tree.path(old, size)?;
            merkle::continues(old, &old_root, size, &root, &path).then_some(path)
        })
    }

    fn path(&mut self, old: u64, size: u64) -> Option<Vec<Digest>> {
        merkle::consistency(old, size, &mut |height, index| self.source.complete(height, index)).ok()
    }

    /// Tries twice, the second time with tiles made from the receipts.
    fn checked<T>(&mut self, attempt: impl Fn(&mut Self) -> Option<T>) -> Result<T, Fault> {
        if let Some(good) = attempt(self) {
            return Ok(good);
        }
        let mut tiles = Tiles::at(self.reader.dir());
        // Where nothing can be removed, nothing that is there is used either.
        drop(tiles.clear());
        self.source = self.reader.source(tiles, self.size, false)?;
        let place = self.reader.dir().join("ledger.db");
        attempt(self).ok_or_else(|| Fault::damaged(&place, "the tree does not fit the receipts"))
    }
}

fn out_of_range() -> Fault {
    Fault::Io { place: "tiles".to_owned(), detail: "the tree has no such size".to_owned() }
}

impl Reader {
    /// The tree over the chain as it is now. Tiles are brought up to date where they can be written.
    ///
    /// # Errors
    /// [`Fault`]; [`Fault::Damaged`] when log and tree contradict each other.
    pub fn tree(&self) -> Result<ChainTree<'_>, Fault> {
        let (size, root) = self.size_and_root()?;
        let source = self.source(Tiles::at(self.dir()), size, true)?;
        let mut tree = ChainTree { reader: self, size, root, source, known: None };
        tree.root_at(size)?;
        Ok(tree)
    }

    /// Size and root, both kept in the transaction of the last append.
    fn size_and_root(&self) -> Result<(u64, Digest), Fault> {
        let (head, tree) = self.ask(|conn| {
            let _one_moment = conn.unchecked_transaction()?;
            Ok((HeadRow::read(conn)?, TreeRow::read(conn)?))
        })?;
        let tree = tree.filter(|tree| tree.frontier.size() == head.head.next_seq);
        let root = tree.and_then(|tree| tree.frontier.root());
        let root = root.ok_or_else(|| {
            Fault::damaged(&self.dir().join("ledger.db"), "the tree is not that of the head")
        })?;
        Ok((head.head.next_seq, root))
    }

    fn source(&self, mut tiles: Tiles, size: u64, trusted: bool) -> Result<Source, Fault> {
        let mut full = if trusted { tiles.full(size / TILE_WIDTH) } else { 0 };
        let mut rest: Vec<Digest> = Vec::new();
        let mut writable = true;
        let mut next = full * TILE_WIDTH;
        while next < size
            && let Some(segment) = self.segment_from(next)?
        {
            for (seq, line) in (segment.first_seq..).zip(segment.lines()) {
                if seq < next || seq >= size {
                    continue;
                }
                let hash = segment::line_hash(line).ok_or_else(|| {
                    Fault::damaged(&self.dir().join("ledger.db"), &format!("receipt {seq} has no hash"))
                })?;
                rest.push(merkle::leaf(&hash));
                if writable && rest.len() as u64 == TILE_WIDTH {
                    // On a full or read-only disk the tree stays in memory.
                    writable = tiles.add(full, &rest).is_ok();
                    if writable {
                        full += 1;
                        rest.clear();
                    }
                }
            }
            next = (segment.first_seq + segment.count).max(next + 1);
        }
        Ok(Source { tiles, full, rest })
    }

    /// The log key as readers and witnesses know it.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn log_vkey(&self) -> Result<VerifierKey, Fault> {
        let key = self.active_key(Purpose::Log)?.and_then(|key| log_vkey(self, &key.public_key));
        key.ok_or_else(|| Fault::damaged(&self.dir().join("ledger.db"), "the chain has no log key"))
    }

    /// The newest checkpoint that was signed here, with the cosignatures it has; only one that has met the
    /// quorum of the chain's witnesses, if `cosigned`.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn newest_checkpoint(&self, cosigned: bool) -> Result<Option<(u64, String)>, Fault> {
        let kept = self.ask(|conn| {
            conn.prepare_cached("SELECT size, note FROM checkpoints WHERE cosigned >= ?1 ORDER BY size DESC")?
                .query_map([cosigned], |row| Ok((from_sql(row.get(0)?), row.get(1)?)))?
                .collect::<rusqlite::Result<Vec<(u64, String)>>>()
        })?;
        // What decayed on the disk is no checkpoint any more; nobody else would take it for one.
        let keys = self.log_vkeys()?;
        Ok(kept.into_iter().find(|(_, note)| is_signed(note, &keys)))
    }

    /// Every log key the chain has had.
    pub(crate) fn log_vkeys(&self) -> Result<Vec<VerifierKey>, Fault> {
        let logs = self.keys()?.into_iter().filter(|key| key.purpose == Purpose::Log);
        Ok(logs.filter_map(|key| log_vkey(self, &key.public_key)).collect())
    }

    /// The witness on whose word the chain is stopped, as [`VerifierKey`] writes it.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn stopped_by(&self) -> Result<Option<String>, Fault> {
        self.ask(frontier::stopped_by)
    }

    /// Where the sign-once guard of this chain lies in a directory of guards. Nothing is made or locked.
    #[must_use]
    pub fn guard_path(&self, guard_dir: &Path) -> PathBuf {
        guard::path(guard_dir, self.log_origin())
    }

    /// The largest checkpoint that is known to have been signed here: by the notes that are kept, or by the
    /// receipts of anchors, which whoever loses or clears those cannot clear.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn newest_signed(&self) -> Result<Option<Checkpoint>, Fault> {
        let kept = self.newest_checkpoint(false)?.map(|(_, note)| note);
        let anchored = self.newest_anchor()?;
        let known = [kept, anchored].into_iter().flatten();
        let read = |note: String| Some(SignedCheckpoint::parse(note.as_bytes())?.checkpoint().clone());
        Ok(known.filter_map(read).max_by_key(|checkpoint| checkpoint.size))
    }
}

impl Ledger {
    /// Signs a checkpoint of the chain as it is now. `guard_dir` lies outside every home. The same tree gives
    /// the same note again, with the cosignatures that it has got since.
    ///
    /// The order must not change: the receipts are durable, the guard is durable, then the key signs.
    ///
    /// # Errors
    /// See [`CheckpointError`]. Nothing was signed then.
    pub fn sign_checkpoint(&self, key: &LogKey, guard_dir: &Path) -> Result<String, CheckpointError> {
        let mut tree = self.tree()?;
        let guard = Guard::lock(guard_dir, self.log_origin())?;
        let newest = self.newest_checkpoint(false)?;
        match guard.read().map_err(damaged_guard)? {
            None if self.newest_signed()?.is_some() => {
                return Err(CheckpointError::GuardMissing(guard_dir.display().to_string()));
            }
            None => {}
            Some(signed) if signed.size > tree.size() => {
                // Another process may have appended and signed since this one looked.
                tree = self.tree()?;
                fits(&mut tree, signed)?;
            }
            Some(signed) => fits(&mut tree, signed)?,
        }
        let checkpoint = Checkpoint {
            origin: self.log_origin().as_str().to_owned(),
            size: tree.size(),
            root: tree.root(),
        };
        let text = checkpoint.text();
        let by_key = std::slice::from_ref(&key.vkey);
        let again =
            newest.filter(|(_, note)| note.starts_with(&format!("{text}\n")) && is_signed(note, by_key));
        if let Some((_, note)) = again {
            return Ok(note);
        }
        guard.write(Guarded { size: tree.size(), root: tree.root() })?;
        let signature = key.key.sign(text.as_bytes()).ok_or(CheckpointError::Sign)?;
        let note = format!("{text}\n{}", key.vkey.line(&signature));
        self.keep_checkpoint(&note, false)?;
        Ok(note)
    }

    /// Whether the guard is there and can be read.
    ///
    /// # Errors
    /// [`Fault`] when nobody could look.
    pub fn is_guarded(&self, guard_dir: &Path) -> Result<bool, Fault> {
        match Guard::lock(guard_dir, self.log_origin())?.read() {
            Err(Fault::Damaged { .. }) => Ok(false),
            other => Ok(other?.is_some()),
        }
    }

    /// Makes a guard where it was lost or damaged, at the newest checkpoint that the home knows of. The caller
    /// has receipted that.
    ///
    /// # Errors
    /// See [`CheckpointError`]; a guard that exists is left as it is.
    pub fn renew_guard(&self, guard_dir: &Path) -> Result<(), CheckpointError> {
        let guard = Guard::lock(guard_dir, self.log_origin())?;
        match guard.read() {
            Ok(None) | Err(Fault::Damaged { .. }) => {}
            Ok(Some(_)) => return Ok(()),
            Err(other) => return Err(other.into()),
        }
        if let Some(checkpoint) = self.newest_signed()? {
            let signed = Guarded { size: checkpoint.size, root: checkpoint.root };
            fits(&mut self.tree()?, signed)?;
            guard.write(signed)?;
        }
        Ok(())
    }

    /// Keeps a note that was signed here, with what others added. Older ones are kept only if they are
    /// cosigned.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn keep_checkpoint(&self, note: &str, cosigned: bool) -> Result<(), Fault> {
        let signed = SignedCheckpoint::parse(note.as_bytes());
        let size = signed.map(|signed| signed.checkpoint().size).ok_or_else(out_of_range)?;
        self.with_ledger(|database| {
            let tx = database.begin()?;
            let kept = tx
                .execute("DELETE FROM checkpoints WHERE cosigned = 0 AND size <= ?1", [to_sql(size)])
                .and_then(|_| {
                    tx.execute(
                        "INSERT OR REPLACE INTO checkpoints VALUES (?1, ?2, ?3)",
                        params![to_sql(size), note, cosigned],
                    )
                });
            database.at(kept.map(|_| ()))?;
            database.at(tx.commit())
        })
    }

    /// Stops every append, because a witness knows another history than the one here.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn stop_appends(&self, witness: &VerifierKey, why: &str) -> Result<(), Fault> {
        self.set_stopped(Some((why, &witness.to_string())))
    }

    /// Lets a stopped chain go on.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn resume_appends(&self) -> Result<(), Fault> {
        self.set_stopped(None)
    }

    fn set_stopped(&self, stop: Option<(&str, &str)>) -> Result<(), Fault> {
        self.with_ledger(|database| {
            let tx = database.begin()?;
            database.at(frontier::set_stopped(&tx, stop))?;
            database.at(tx.commit())
        })
    }
}

/// Whether one of these keys has signed the note.
pub(crate) fn is_signed(note: &str, keys: &[VerifierKey]) -> bool {
    let signed = SignedCheckpoint::parse(note.as_bytes());
    signed.is_some_and(|signed| keys.iter().any(|key| matches!(signed.signed_by(key), Signed::Good(()))))
}

fn damaged_guard(fault: Fault) -> CheckpointError {
    match fault {
        Fault::Damaged { place, .. } => CheckpointError::GuardDamaged(place),
        other => other.into(),
    }
}

/// Whether the tree of now contains what was signed.
fn fits(tree: &mut ChainTree<'_>, signed: Guarded) -> Result<(), CheckpointError> {
    if signed.size > tree.size() {
        return Err(CheckpointError::RolledBack { signed: signed.size, here: tree.size() });
    }
    if tree.root_at(signed.size)? != signed.root {
        return Err(CheckpointError::Forked { signed: signed.size });
    }
    Ok(())
}
