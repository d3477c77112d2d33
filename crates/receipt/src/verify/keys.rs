//! Check 4: which keys a chain has, and what they signed (format section 2.1).

use alloc::borrow::ToOwned as _;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use crate::digest::Digest;
use crate::ed25519::PublicKey;
use crate::id::KeyId;
use crate::line::Receipt;
use crate::note::{Algorithm, VerifierKey};
use crate::reader::{Meaning, NewKey, Purpose, RawKey, Revocation};
use crate::statement;
use crate::time::Timestamp;
use crate::verify::code::Code;

/// The keys of a chain, as far as it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    keys: Vec<Key>,
    /// Where a key id stands in `keys`: a chain with very many keys must not take quadratic time.
    by_id: BTreeMap<String, usize>,
    raw: BTreeSet<[u8; 32]>,
}

#[derive(Clone, Debug)]
struct Key {
    key_id: String,
    public: PublicKey,
    purpose: Purpose,
    active: bool,
    /// Taken back by `key_revoked`, or fallen with a key that was: since when it may have been stolen.
    fallen: Option<Timestamp>,
    /// Who signed the receipt that added it, and when. Genesis keys have no parent.
    parent: Option<(String, Timestamp)>,
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

impl Keys {
    /// Checks a signature with the key that the receipt names, if it is known by now.
    pub(super) fn precheck(&self, receipt: &Receipt<'_>, digest: Digest) -> Option<Precheck> {
        let key = self.find(receipt.content.key_id)?.public;
        Some(Precheck { key, digest, verifies: key.verifies(&digest, &receipt.signature) })
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
                self.add(key, purpose, None)?;
            }
            if pinned.is_some_and(|pinned| *pinned != signing.public_key) {
                return Err(Code::PinnedKey);
            }
        }
        if let Meaning::KeyRevoked(revocation) = &content.meaning {
            // The replacement enters first, because it may sign this very receipt.
            self.check_revocation(revocation)?;
        }
        self.check_signature(receipt, ahead)?;
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
                if let Some(retired) = retires.as_ref().and_then(|id| self.find_mut(id)) {
                    retired.active = false;
                }
                self.add(&key.key, key.purpose, Some((content.key_id.to_owned(), content.timestamp)))
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
        self.keys
            .iter()
            .filter_map(|key| Some((first(key, cleared(key.fallen?))?, key.key_id.as_str())))
            .min()
    }

    /// The log keys that the chain has ever had, as notes name them.
    pub(super) fn log_keys(&self, origin: &str) -> Vec<VerifierKey> {
        let logs = self.keys.iter().filter(|key| key.purpose == Purpose::Log);
        logs.filter_map(|key| VerifierKey::new(origin, Algorithm::Ed25519, key.public)).collect()
    }

    /// A key that may sign receipts after those that were read.
    pub(super) fn signing_key(&self, key_id: &str) -> Option<PublicKey> {
        let key = self.find(key_id)?;
        (key.active && key.purpose == Purpose::Receipt).then_some(key.public)
    }

    /// The receipt key of genesis.
    pub(super) fn genesis_key(&self) -> Option<[u8; 32]> {
        self.keys.first().map(|key| *key.public.raw())
    }

    fn check_signature(&mut self, receipt: &Receipt<'_>, ahead: Option<Precheck>) -> Result<(), Code> {
        let key = self.find_mut(receipt.content.key_id).ok_or(Code::UnknownKey)?;
        if !key.active || key.purpose != Purpose::Receipt {
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
        Ok(())
    }

    fn check_revocation(&mut self, revocation: &Revocation) -> Result<(), Code> {
        self.check_recovery(&revocation.digest, &revocation.recovery_sig)?;
        let target =
            self.find(&revocation.key_id).filter(|key| key.fallen.is_none()).ok_or(Code::RevokedKey)?;
        let Some(new) = &revocation.replacement else { return Ok(()) };
        if new.purpose != target.purpose {
            return Err(Code::RevokedKey);
        }
        check_new(new)?;
        self.add(&new.key, new.purpose, None)
    }

    /// Takes a key back, with every receipt key added under it since it may have been stolen.
    fn fall(&mut self, revocation: &Revocation) {
        for id in self.fallen_by(revocation) {
            if let Some(key) = self.find_mut(&id) {
                let since = revocation.compromised_since;
                key.fallen = Some(key.fallen.map_or(since, |earlier| earlier.min(since)));
                key.active = false;
            }
        }
    }

    /// The revoked key and the keys that fall with it.
    fn fallen_by(&self, revocation: &Revocation) -> Vec<String> {
        let mut fallen: Vec<String> = Vec::from([revocation.key_id.clone()]);
        let mut at = 0;
        while let Some(id) = fallen.get(at).cloned() {
            for key in &self.keys {
                let under = key
                    .parent
                    .as_ref()
                    .is_some_and(|(parent, added)| *parent == id && *added >= revocation.compromised_since);
                if under && key.purpose == Purpose::Receipt && !fallen.contains(&key.key_id) {
                    fallen.push(key.key_id.clone());
                }
            }
            at += 1;
        }
        fallen
    }

    fn check_recovery(&self, digest: &Digest, signature: &[u8; 64]) -> Result<(), Code> {
        let mut recovery = self.keys.iter().filter(|key| key.active && key.purpose == Purpose::Recovery);
        if recovery.any(|key| key.public.verifies(digest, signature)) {
            Ok(())
        } else {
            Err(Code::RecoverySig)
        }
    }

    fn add(
        &mut self,
        raw: &RawKey,
        purpose: Purpose,
        parent: Option<(String, Timestamp)>,
    ) -> Result<(), Code> {
        let public = PublicKey::accept(&raw.public_key).ok_or(Code::KeyRefused)?;
        KeyId::parse_for(&raw.key_id, &raw.public_key).ok_or(Code::KeyId)?;
        if self.by_id.contains_key(&raw.key_id) || !self.raw.insert(raw.public_key) {
            return Err(Code::KeyRepeated);
        }
        self.by_id.insert(raw.key_id.clone(), self.keys.len());
        self.keys.push(Key {
            key_id: raw.key_id.clone(),
            public,
            purpose,
            active: true,
            fallen: None,
            parent,
            signed: Vec::new(),
        });
        Ok(())
    }

    fn find(&self, key_id: &str) -> Option<&Key> {
        self.keys.get(*self.by_id.get(key_id)?)
    }

    fn find_mut(&mut self, key_id: &str) -> Option<&mut Key> {
        self.keys.get_mut(*self.by_id.get(key_id)?)
    }
}

/// A new key proves that its owner holds the private half.
fn check_new(new: &NewKey) -> Result<(), Code> {
    let public = PublicKey::accept(&new.key.public_key).ok_or(Code::KeyRefused)?;
    if public.verifies(&new.pop_digest, &new.pop) { Ok(()) } else { Err(Code::Pop) }
}
