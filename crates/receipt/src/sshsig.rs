//! People's signatures: SSHSIG as `ssh-keygen -Y sign` makes it (format section 2.2).

use alloc::string::{String, ToString as _};

use ssh_key::public::KeyData;
use ssh_key::{Algorithm, HashAlg, LineEnding, PublicKey, Signature, SshSig};

/// Fewest bits of an RSA modulus.
pub const RSA_BITS_MIN: usize = 2048;
/// Bit of a security key's flags that says somebody touched it.
const USER_PRESENT: u8 = 1;
/// A security key's signature ends in its flags and a counter of four bytes.
const SK_TRAILER_BYTES: usize = 5;

/// Why an SSH key or signature is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SshFault {
    /// Not `<algorithm> <base64>`, or spelled otherwise than OpenSSH writes it.
    #[error("not an SSH public key in its one-line form without comment")]
    Key,
    /// DSA, an unknown algorithm or a certificate.
    #[error("SSH key algorithm is not accepted")]
    Algorithm,
    /// RSA below [`RSA_BITS_MIN`], or an Ed25519 point that proves nothing.
    #[error("SSH key is too weak")]
    Weak,
    /// The armour or what is in it cannot be read.
    #[error("not an SSH signature")]
    Malformed,
    /// Made for another purpose.
    #[error("SSH signature is for another namespace")]
    Namespace,
    /// Not over a SHA-512 of the message.
    #[error("SSH signature does not use sha512")]
    Hash,
    /// Made by another key.
    #[error("SSH signature is by another key")]
    OtherKey,
    /// A security key signed without anybody touching it.
    #[error("security key signed without user presence")]
    Presence,
    /// The signature does not fit the message.
    #[error("SSH signature does not verify")]
    Bad,
}

/// A registered SSH key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SshKey(PublicKey);

impl SshKey {
    /// Reads `<algorithm> <base64>` as it stands in a receipt, in its one spelling.
    ///
    /// # Errors
    /// When the text is no key, or a key that must not count.
    pub fn accept(text: &str) -> Result<Self, SshFault> {
        let key = PublicKey::from_openssh(text).map_err(|_| SshFault::Key)?;
        if !key.comment().is_empty() || key.to_openssh().ok().as_deref() != Some(text) {
            return Err(SshFault::Key);
        }
        match key.key_data() {
            KeyData::Ed25519(point) => strong_point(&point.0)?,
            KeyData::SkEd25519(sk) => strong_point(&sk.public_key().0)?,
            KeyData::Ecdsa(_) | KeyData::SkEcdsaSha2NistP256(_) => {}
            KeyData::Rsa(rsa) => {
                let modulus = rsa.n.as_positive_bytes().ok_or(SshFault::Key)?;
                let unused = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
                if modulus.len() * 8 - unused.min(modulus.len() * 8) < RSA_BITS_MIN {
                    return Err(SshFault::Weak);
                }
            }
            _ => return Err(SshFault::Algorithm),
        }
        Ok(Self(key))
    }

    /// Checks that the armoured `sshsig` is this key's over `message` in `namespace`.
    ///
    /// # Errors
    /// What is wrong with the signature.
    pub fn verify(&self, namespace: &str, message: &[u8], sshsig: &str) -> Result<(), SshFault> {
        let signature = SshSig::from_pem(sshsig).map_err(|_| SshFault::Malformed)?;
        if signature.version() != SshSig::VERSION || !signature.reserved().is_empty() {
            return Err(SshFault::Malformed);
        }
        if signature.namespace() != namespace {
            return Err(SshFault::Namespace);
        }
        if signature.hash_alg() != HashAlg::Sha512 {
            return Err(SshFault::Hash);
        }
        if signature.public_key() != self.0.key_data() {
            return Err(SshFault::OtherKey);
        }
        // The libraries verify a security key's signature whether or not it was touched.
        if is_security_key(&signature) && !user_present(signature.signature()) {
            return Err(SshFault::Presence);
        }
        self.0.verify(namespace, message, &signature).map_err(|_| SshFault::Bad)
    }
}

/// The armoured signature from the raw signature that an agent or key made over [`signed_data`].
///
/// # Errors
/// When the parts do not form a signature.
pub fn armour(key: &KeyData, namespace: &str, signature: Signature) -> Result<String, SshFault> {
    SshSig::new(key.clone(), namespace, HashAlg::Sha512, signature)
        .and_then(|sig| sig.to_pem(LineEnding::LF))
        .map_err(|_| SshFault::Malformed)
}

/// The bytes that an agent or key signs for `message` in `namespace`.
///
/// # Errors
/// When `namespace` is empty.
pub fn signed_data(namespace: &str, message: &[u8]) -> Result<alloc::vec::Vec<u8>, SshFault> {
    SshSig::signed_data(namespace, HashAlg::Sha512, message).map_err(|_| SshFault::Namespace)
}

/// The text of a public key as receipts carry it: without its comment, which may be a name.
///
/// # Errors
/// When the key cannot be written or must not count.
pub fn without_comment(key: &PublicKey) -> Result<String, SshFault> {
    let text = PublicKey::new(key.key_data().clone(), "").to_openssh().map_err(|_| SshFault::Key)?;
    SshKey::accept(&text).map(|_| text.to_string())
}

fn strong_point(raw: &[u8; 32]) -> Result<(), SshFault> {
    crate::ed25519::PublicKey::accept(raw).map(|_| ()).ok_or(SshFault::Weak)
}

fn is_security_key(signature: &SshSig) -> bool {
    matches!(signature.algorithm(), Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256)
        || matches!(signature.public_key(), KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_))
}

fn user_present(signature: &Signature) -> bool {
    let bytes = signature.as_bytes();
    let flags = bytes.len().checked_sub(SK_TRAILER_BYTES).and_then(|at| bytes.get(at));
    flags.is_some_and(|flags| flags & USER_PRESENT != 0)
}
