//! Check 4: which keys a chain has, and what they signed (format section 2.1).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use crate::checkpoint::SignedCheckpoint;
use crate::digest::Digest;
use crate::ed25519::PublicKey;
use crate::id::KeyId;
use crate::line::Receipt;
use crate::note::{Algorithm, VerifierKey};
use crate::reader::{Meaning, NewKey, Purpose, RawKey, Revocation};
use crate::statement;
use crate::time::Timestamp;
use crate::verify::anchors::signed_by_any;
use crate::verify::code::Code;

/// Most times that a chain takes a key back. Each may have to look at every key there was.
pub const REVOCATIONS_MAX: u64 = 1024;

/// The keys of a chain, as far as it was read. Whoever makes a chain chooses how many keys it has, so nothing
/// here may take time for each key and each receipt.
#[derive(Debug, Default)]
pub(super) struct Keys {
    keys: Vec<Key>,
    by_id: BTreeMap<String, usize>,
    raw: BTreeSet<[u8; 32]>,
    /// Those that are active, at most as many as [`Purpose::active_max`] allows together.
    active: BTreeSet<usize>,
    /// The log keys that the chain has ever had, by the id that lines of notes carry.
    logs: BTreeMap<[u8; 4], Vec<VerifierKey>>,
    revocations: u64,
}

#[derive(Debug)]
struct Key {
    key_id: String,
    public: PublicKey,
    purpose: Purpose,
    /// Taken back by `key_revoked`, or fallen with a key that was: since when it may have been stolen.
    fallen: Option<Timestamp>,
    /// The receipt keys that receipts signed by it have added, and when.
    added: Vec<(usize, Timestamp)>,
    /// The receipts it signed, as ranges of seq, ends included.
    signed: Vec<(u64, u64)>,
}

/// A signature that was checked ahead of its turn: by which key, and with which answer.
///
/// It counts only if the key turns out to be the one that must sign, so checking ahead cannot
/// change a verdict.
#[derive(Clone, Copy, Debug)]
pub(super) struct Precheck {
    key: PublicKey,
    digest: Digest,
    verifies: bool,
}

/// The receipt keys that were active at some moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Signers(BTreeMap<String, PublicKey>);

impl Signers {
    /// Checks a signature with the key that the receipt names, if it is known by now.
    pub(super) fn precheck(&self, receipt: &Receipt<'_>, digest: Digest) -> Option<Precheck> {
        let key = *self.0.get(receipt.content.key_id)?;
        Some(Precheck { key, digest, verifies: key.verifies(&digest, &receipt.signature) })
    }
}

/// A key that is about to enter.
#[derive(Clone, Copy)]
struct Entering<'a> {
    raw: &'a RawKey,
    purpose: Purpose,
    /// Who signed the receipt that adds it, and when. Keys of genesis and replacements have no parent.
    parent: Option<(usize, Timestamp)>,
    /// The key that the same receipt takes back.
    leaving: Option<usize>,
}

impl Keys {
    /// Those that may sign now.
    pub(super) fn signers(&self) -> Signers {
        let active = self.of(Purpose::Receipt);
        Signers(active.map(|key| (key.key_id.clone(), key.public)).collect())
    }

    /// Runs check 4 on one receipt and takes over what it says about keys.
    pub(super) fn check(
        &mut self,
        receipt: &Receipt<'_>,
        pinned: Option<&[u8; 32]>,
        ahead: Option<Precheck>,
    ) -> Result<(), Code> {
        let content = &receipt.content;
        if let Meaning::Genesis { receipt: signing, log, recovery, .. } = &content.meaning {
            for (key, purpose) in
                [(signing, Purpose::Receipt), (log, Purpose::Log), (recovery, Purpose::Recovery)]
            {
                let entering = Entering { raw: key, purpose, parent: None, leaving: None };
                self.add(content.log_origin, entering)?;
            }
            if pinned.is_some_and(|pinned| *pinned != signing.public_key) {
                return Err(Code::PinnedKey);
            }
        }
        if let Meaning::KeyRevoked(revocation) = &content.meaning {
            // The replacement enters first, because it may sign this very receipt.
            self.check_revocation(content.log_origin, revocation)?;
        }
        let signer = self.check_signature(receipt, ahead)?;
        match &content.meaning {
            Meaning::KeyAdded { key, retires, recovery_sig } => {
                if retires.as_ref().is_some_and(|id| id != content.key_id || key.purpose != Purpose::Receipt)
                {
                    return Err(Code::Retires);
                }
                check_new(key)?;
                match recovery_sig {
                    Some(signature) => self.check_recovery(&key.digest, signature)?,
                    None if key.purpose != Purpose::Receipt => return Err(Code::RecoverySig),
                    None => {}
                }
                if retires.is_some() {
                    self.active.remove(&signer);
                }
                let parent = Some((signer, content.timestamp));
                let entering = Entering { raw: &key.key, purpose: key.purpose, parent, leaving: None };
                self.add(content.log_origin, entering)
            }
            Meaning::KeyRevoked(revocation) => {
                self.fall(revocation);
                Ok(())
            }
            Meaning::ClockCorrected { from, to, recovery_sig } => {
                let digest = statement::clock(content.log_origin, content.seq, from, to);
                self.check_recovery(&digest, recovery_sig)
            }
            _ => Ok(()),
        }
    }

    /// The first receipt of a fallen key that nothing clears, with the key's id. `cleared(since)` is the
    /// number of receipts that were anchored before that time.
    pub(super) fn disputed(&self, cleared: impl Fn(Timestamp) -> u64) -> Option<(u64, &str)> {
        let first = |key: &Key, cleared: u64| {
            let range = key.signed.iter().find(|(_, last)| *last >= cleared);
            range.map(|(first, _)| (*first).max(cleared))
        };
        // There are as many moments as revocations; there may be more keys.
        let mut known: BTreeMap<Timestamp, u64> = BTreeMap::new();
        self.keys
            .iter()
            .filter_map(|key| {
                let since = key.fallen?;
                let cleared = *known.entry(since).or_insert_with(|| cleared(since));
                Some((first(key, cleared)?, key.key_id.as_str()))
            })
            .min()
    }

    /// Whether at least one of the log keys that the chain has ever had signed, and no line in the name of one of
    /// them is bad.
    pub(super) fn signed(&self, checkpoint: &SignedCheckpoint<'_>) -> bool {
        let ids: BTreeSet<[u8; 4]> = checkpoint.note().lines().iter().map(|line| line.id).collect();
        signed_by_any(checkpoint, ids.iter().filter_map(|id| self.logs.get(id)).flatten())
    }

    /// A key that may sign receipts after those that were read.
    pub(super) fn signing_key(&self, key_id: &str) -> Option<PublicKey> {
        let index = self.by_id.get(key_id).filter(|index| self.active.contains(index))?;
        self.keys.get(*index).filter(|key| key.purpose == Purpose::Receipt).map(|key| key.public)
    }

    /// The receipt key of genesis.
    pub(super) fn genesis_key(&self) -> Option<[u8; 32]> {
        self.keys.first().map(|key| *key.public.raw())
    }

    /// Gives the key that signed.
    fn check_signature(&mut self, receipt: &Receipt<'_>, ahead: Option<Precheck>) -> Result<usize, Code> {
        let index = *self.by_id.get(receipt.content.key_id).ok_or(Code::UnknownKey)?;
        let active = self.active.contains(&index);
        let key = self.keys.get_mut(index).ok_or(Code::UnknownKey)?;
        if !active || key.purpose != Purpose::Receipt {
            return Err(Code::InactiveKey);
        }
        let verifies = match ahead {
            Some(done) if done.key == key.public && done.digest == receipt.entry_hash => done.verifies,
            _ => key.public.verifies(&receipt.entry_hash, &receipt.signature),
        };
        if !verifies {
            return Err(Code::SignatureBad);
        }
        let seq = receipt.content.seq;
        match key.signed.last_mut() {
            Some((_, last)) if *last + 1 == seq => *last = seq,
            _ => key.signed.push((seq, seq)),
        }
        Ok(index)
    }

    fn check_revocation(&mut self, origin: &str, revocation: &Revocation) -> Result<(), Code> {
        self.check_recovery(&revocation.digest, &revocation.recovery_sig)?;
        let index = *self.by_id.get(&revocation.key_id).ok_or(Code::RevokedKey)?;
        let target = self.keys.get(index).filter(|key| key.fallen.is_none()).ok_or(Code::RevokedKey)?;
        let purpose = target.purpose;
        self.revocations += 1;
        if self.revocations > REVOCATIONS_MAX {
            return Err(Code::KeysMax);
        }
        let Some(new) = &revocation.replacement else { return Ok(()) };
        if new.purpose != purpose {
            return Err(Code::RevokedKey);
        }
        check_new(new)?;
        self.add(origin, Entering { raw: &new.key, purpose, parent: None, leaving: Some(index) })
    }

    /// Takes a key back, with every receipt key added under it since it may have been stolen.
    fn fall(&mut self, revocation: &Revocation) {
        let since = revocation.compromised_since;
        let mut falling: Vec<usize> = self.by_id.get(&revocation.key_id).copied().into_iter().collect();
        while let Some(index) = falling.pop() {
            let Some(key) = self.keys.get_mut(index) else { continue };
            // What fell since then or earlier took everything along that falls now: it added nothing afterwards.
            if key.fallen.is_some_and(|earlier| earlier <= since) {
                continue;
            }
            key.fallen = Some(since);
            falling.extend(key.added.iter().filter(|(_, added)| *added >= since).map(|(child, _)| *child));
            self.active.remove(&index);
        }
    }

    fn check_recovery(&self, digest: &Digest, signature: &[u8; 64]) -> Result<(), Code> {
        if self.of(Purpose::Recovery).any(|key| key.public.verifies(digest, signature)) {
            Ok(())
        } else {
            Err(Code::RecoverySig)
        }
    }

    fn add(&mut self, origin: &str, entering: Entering<'_>) -> Result<(), Code> {
        let Entering { raw, purpose, parent, leaving } = entering;
        let public = PublicKey::accept(&raw.public_key).ok_or(Code::KeyRefused)?;
        KeyId::parse_for(&raw.key_id, &raw.public_key).ok_or(Code::KeyId)?;
        if self.by_id.contains_key(&raw.key_id) || !self.raw.insert(raw.public_key) {
            return Err(Code::KeyRepeated);
        }
        let gone = leaving.and_then(|index| self.keys.get(index)).map(|key| key.public);
        let staying = self.of(purpose).filter(|key| Some(key.public) != gone);
        if staying.count() >= purpose.active_max() {
            return Err(Code::KeysMax);
        }
        let index = self.keys.len();
        self.by_id.insert(raw.key_id.clone(), index);
        self.active.insert(index);
        if let Some(log) =
            VerifierKey::new(origin, Algorithm::Ed25519, public).filter(|_| purpose == Purpose::Log)
        {
            self.logs.entry(log.id()).or_default().push(log);
        }
        if let Some((parent, at)) = parent.filter(|_| purpose == Purpose::Receipt)
            && let Some(parent) = self.keys.get_mut(parent)
        {
            parent.added.push((index, at));
        }
        let key_id = raw.key_id.clone();
        self.keys.push(Key { key_id, public, purpose, fallen: None, added: Vec::new(), signed: Vec::new() });
        Ok(())
    }

    /// The active keys of a purpose.
    fn of(&self, purpose: Purpose) -> impl Iterator<Item = &Key> {
        let active = self.active.iter().filter_map(|index| self.keys.get(*index));
        active.filter(move |key| key.purpose == purpose)
    }
}

/// A new key proves that its owner holds the private half.
fn check_new(new: &NewKey) -> Result<(), Code> {
    let public = PublicKey::accept(&new.key.public_key).ok_or(Code::KeyRefused)?;
    if public.verifies(&new.pop_digest, &new.pop) { Ok(()) } else { Err(Code::Pop) }
}
