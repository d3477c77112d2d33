//! The key that seals brokered credentials: random, one per tenant, in `keys/<id of the home's key>.secrets.key`.
//!
//! Where the home's receipt key is protected by a passphrase or a token, the file holds the sealing key sealed with
//! AES-256-GCM under a key derived from that receipt key: 12 bytes nonce ‖ 32 bytes ciphertext ‖ 16 bytes tag.
//! Otherwise it holds the bare 32 bytes; like the private key beside it, the file's mode is then all that protects it.
//!
//! When another key takes the home over, the sealing key is written for that key before the receipt that does it is
//! committed, so at every moment the key of the home has its file. The file of a key that has left is overwritten.
//! A file of a key that the chain does not know may belong to a change that is on its way, and stays.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use cascade_receipt::digest;
use cascade_receipt::id::KeyId;
use zeroize::Zeroizing;

use crate::fault::{At as _, Fault, OpenError};
use crate::files;
use crate::keys::{Key, Passphrase};
use crate::ledger::Ledger;
use crate::random;

const LABEL: &[u8] = b"cascade/secret-wrap/v1\n";
/// How often the key of a home that keeps changing is looked up.
const ATTEMPTS_MAX: u32 = 8;

type SealingKey = Zeroizing<[u8; 32]>;

impl Ledger {
    /// The tenant's sealing key; made when there is none.
    pub(crate) fn sealing_key(&self) -> Result<SealingKey, OpenError> {
        for _ in 0..ATTEMPTS_MAX {
            let home = self.signing_key_id()?;
            let (key, protected) = Key::open(self.dir(), &home, self.passphrase())?;
            let wrap = self.wrap_of(&key, protected)?;
            let path = self.sealing_file(&home);
            let found = match read(&path)? {
                Some(stored) => from_stored(&stored, wrap.as_deref()),
                None => {
                    let fresh = Zeroizing::new(random::bytes::<32>()?);
                    if write_new(&path, &fresh, wrap.as_deref())? {
                        Some(fresh)
                    } else {
                        continue;
                    }
                }
            };
            // A key that has left has no file any more, and must not get a new one.
            if self.signing_key_id()? == home {
                return Ok(found.ok_or_else(|| Fault::damaged(&path, "not the sealing key of this home"))?);
            }
        }
        Err(Fault::Busy { place: self.dir().join("keys").display().to_string() }.into())
    }

    /// Keeps the sealing key for a key that is about to take the home over.
    pub(crate) fn hand_on_sealing_key(
        &self,
        next: &Key,
        passphrase: Option<&Passphrase>,
    ) -> Result<(), Fault> {
        let sealing = match self.sealing_key() {
            Ok(sealing) => sealing,
            // What cannot be read is lost already; taking a key back must not wait for it.
            Err(OpenError::Fault(Fault::Damaged { .. })) => return Ok(()),
            Err(OpenError::Fault(fault)) => return Err(fault),
            Err(other) => {
                return Err(Fault::Io {
                    place: self.dir().join("keys").display().to_string(),
                    detail: other.to_string(),
                });
            }
        };
        let wrap =
            self.wrap_of(next, passphrase.is_some() || next.is_on_token()).map_err(|_| Fault::Random)?;
        write_new(&self.sealing_file(&next.id), &sealing, wrap.as_deref()).map(|_| ())
    }

    /// Overwrites and removes what is kept for keys that no longer sign.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn drop_old_sealing_keys(&self) -> Result<(), Fault> {
        let home = self.signing_key_id()?;
        for known in self.keys()?.into_iter().filter(|known| known.key_id != home) {
            let path = self.sealing_file(&known.key_id);
            let Some(stored) = read(&path)? else { continue };
            let mut file = OpenOptions::new().write(true).open(&path).at(&path)?;
            file.write_all(&vec![0; stored.len()]).and_then(|()| file.sync_all()).at(&path)?;
            std::fs::remove_file(&path).at(&path)?;
            files::sync_dir(&self.dir().join("keys"))?;
        }
        Ok(())
    }

    fn sealing_file(&self, id: &KeyId) -> PathBuf {
        self.dir().join(format!("keys/{id}.secrets.key"))
    }

    fn wrap_of(&self, key: &Key, protected: bool) -> Result<Option<SealingKey>, OpenError> {
        if !protected {
            return Ok(None);
        }
        let wrap = key.derived_key(LABEL, self.log_origin().as_str());
        Ok(Some(wrap.ok_or_else(|| OpenError::KeyMismatch(self.dir().join("keys")))?))
    }
}

fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Fault::io(path, &error)),
    }
}

/// Makes the file, whole or not at all; false when another process was faster.
fn write_new(path: &Path, key: &[u8; 32], wrap: Option<&[u8; 32]>) -> Result<bool, Fault> {
    let fresh = path.with_extension(format!("key-{}", digest::to_hex(&random::bytes::<8>()?)));
    let written = files::write_new_whole(path, &fresh, &to_stored(key, wrap)?);
    if written.is_err() {
        // Of a name that is taken the new bytes are still there.
        drop(std::fs::remove_file(&fresh));
        return if path.exists() { Ok(false) } else { written.map(|()| false) };
    }
    path.parent().map_or(Ok(()), files::sync_dir)?;
    Ok(true)
}

fn to_stored(key: &[u8; 32], wrap: Option<&[u8; 32]>) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut bytes = Zeroizing::new(key.to_vec());
    let Some(wrap) = wrap else { return Ok(bytes) };
    let nonce = random::bytes::<NONCE_LEN>()?;
    let key = UnboundKey::new(&AES_256_GCM, wrap).map(LessSafeKey::new).map_err(|_| Fault::Random)?;
    let tag = key
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(LABEL), &mut bytes)
        .map_err(|_| Fault::Random)?;
    Ok(Zeroizing::new([nonce.as_slice(), &bytes, tag.as_ref()].concat()))
}

fn from_stored(stored: &[u8], wrap: Option<&[u8; 32]>) -> Option<SealingKey> {
    let Some(wrap) = wrap else { return <[u8; 32]>::try_from(stored).ok().map(Zeroizing::new) };
    let (nonce, sealed) = stored.split_first_chunk::<NONCE_LEN>()?;
    let mut sealed = Zeroizing::new(sealed.to_vec());
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, wrap).ok()?);
    let plain =
        key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(LABEL), &mut sealed).ok()?;
    <[u8; 32]>::try_from(&*plain).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_key_opens_only_under_its_own_wrap() {
        let sealed = to_stored(&[7; 32], Some(&[1; 32])).unwrap();
        assert_eq!(from_stored(&sealed, Some(&[1; 32])).unwrap().as_slice(), [7; 32]);
        assert!(from_stored(&sealed, Some(&[2; 32])).is_none());
        // A bare key under a passphrase, or a sealed one without, is none.
        assert!(from_stored(&sealed, None).is_none());
        assert!(from_stored(&[7; 32], Some(&[1; 32])).is_none());
        assert_eq!(from_stored(&to_stored(&[7; 32], None).unwrap(), None).unwrap().as_slice(), [7; 32]);
    }
}
