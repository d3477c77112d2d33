//! Private keys: PKCS#8 files of mode 0600, encrypted when a passphrase is set; or on a token ([`crate::token`]).
//!
//! A key lies in `keys/<key id>.pem` or is described by `keys/<key id>.p11`; those of genesis in `receipt.pem`
//! and `log.pem`.
//!
//! The encrypted form is PBES2 with scrypt (N 2^14, r 8, p 5) and AES-256-CBC. N is held at 2^14
//! because OpenSSL refuses more than 32 MiB; p makes up for it. `openssl pkey -in F` reads both
//! forms.

use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::hkdf;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use cascade_receipt::base64;
use cascade_receipt::id::KeyId;
use pkcs8::der::{Decode as _, pem::PemLabel as _};
use pkcs8::pkcs5::{pbes2, scrypt};
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

use crate::fault::{At as _, Fault, OpenError};
use crate::token::{TokenKey, TokenPlace};
use crate::{files, random};

const SCRYPT_LOG_N: u8 = 14;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 5;

/// A passphrase; wiped from memory when dropped.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Takes the bytes as typed; no normalisation.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// One Ed25519 key pair with its id in the chain.
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) public: [u8; 32],
    half: Half,
}

/// The private half.
enum Half {
    File(Ed25519KeyPair),
    Token(TokenKey),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Key {
    /// A new random key. `name` is the readable half of its id.
    pub(crate) fn generate(name: &str) -> Result<Self, Fault> {
        let pair = Ed25519KeyPair::generate().map_err(|_| Fault::Random)?;
        Self::of(name, pair).ok_or(Fault::Random)
    }

    fn of(name: &str, pair: Ed25519KeyPair) -> Option<Self> {
        let public = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { id: KeyId::of(name, &public), public, half: Half::File(pair) })
    }

    /// A new key on a token.
    pub(crate) fn generate_on(place: &TokenPlace, name: &str, pin: &Passphrase) -> Result<Self, OpenError> {
        let (key, public) = TokenKey::generate(place, pin)?;
        Ok(Self { id: KeyId::of(name, &public), public, half: Half::Token(key) })
    }

    /// The key of this id, wherever its private half is. Says also whether that is protected by a passphrase or
    /// PIN.
    pub(crate) fn open(
        dir: &Path,
        id: &KeyId,
        passphrase: Option<&Passphrase>,
    ) -> Result<(Self, bool), OpenError> {
        let token = dir.join(format!("keys/{id}.p11"));
        if token.exists() {
            let (key, public) = TokenKey::load(&token, passphrase)?;
            let id = KeyId::parse_for(id.as_str(), &public).ok_or(OpenError::KeyMismatch(token))?;
            return Ok((Self { id, public, half: Half::Token(key) }, true));
        }
        Self::load(&file(dir, id), id, passphrase)
    }

    pub(crate) const fn is_on_token(&self) -> bool {
        matches!(self.half, Half::Token(_))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Option<[u8; 64]> {
        match &self.half {
            Half::File(pair) => pair.try_sign(message).ok()?.as_ref().try_into().ok(),
            Half::Token(key) => key.sign(message),
        }
    }

    /// The key that seals the HMAC epoch key on disk when a passphrase protects this one.
    ///
    /// HKDF with a label of its own keeps it independent of what Ed25519 derives from the seed. A token gives no
    /// seed; there a signature over the label takes its place, which only the token can make, always the same.
    pub(crate) fn wrapping_key(&self, log_origin: &str) -> Option<Zeroizing<[u8; 32]>> {
        self.derived_key(b"cascade/epoch-wrap/v1\n", log_origin)
    }

    /// A key of its own for each label.
    pub(crate) fn derived_key(&self, label: &[u8], log_origin: &str) -> Option<Zeroizing<[u8; 32]>> {
        let secret = match &self.half {
            Half::File(pair) => Zeroizing::new(pair.seed().ok()?.as_be_bytes().ok()?.as_ref().to_vec()),
            Half::Token(key) => Zeroizing::new(key.sign(&[label, log_origin.as_bytes()].concat())?.to_vec()),
        };
        let mut out = Zeroizing::new([0; 32]);
        hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
            .extract(&secret)
            .expand(&[label, log_origin.as_bytes()], hkdf::HKDF_SHA256)
            .ok()?
            .fill(out.as_mut())
            .ok()?;
        Some(out)
    }

    /// The PKCS#8 v1 PEM text, encrypted if there is a passphrase.
    pub(crate) fn to_pem(&self, passphrase: Option<&Passphrase>) -> Result<Zeroizing<String>, Fault> {
        let Half::File(pair) = &self.half else { return Err(Fault::Random) };
        let plain = pair.to_pkcs8v1().map_err(|_| Fault::Random)?;
        let (label, document) = match passphrase {
            None => (PrivateKeyInfoRef::PEM_LABEL, SecretDocument::try_from(plain.as_ref()).ok()),
            Some(passphrase) => (EncryptedPrivateKeyInfoRef::PEM_LABEL, encrypt(plain.as_ref(), passphrase)?),
        };
        document.and_then(|document| document.to_pem(label, LineEnding::LF).ok()).ok_or(Fault::Random)
    }

    /// Writes a new key file and syncs it.
    pub(crate) fn write_new(&self, path: &Path, passphrase: Option<&Passphrase>) -> Result<(), Fault> {
        files::write_new(path, self.to_pem(passphrase)?.as_bytes())
    }

    /// Keeps a key of this id in a tenant's directory: its file, or the description of its token.
    pub(crate) fn keep(&self, dir: &Path, passphrase: Option<&Passphrase>) -> Result<(), OpenError> {
        let keys = dir.join("keys");
        match &self.half {
            Half::File(_) => self.write_new(&keys.join(format!("{}.pem", self.id)), passphrase)?,
            Half::Token(key) => key.write_new(&keys.join(format!("{}.p11", self.id)))?,
        }
        Ok(files::sync_dir(&keys)?)
    }

    /// Loads a key file and checks that it is `expected`. Says also whether it was encrypted.
    pub(crate) fn load(
        path: &Path,
        expected: &KeyId,
        passphrase: Option<&Passphrase>,
    ) -> Result<(Self, bool), OpenError> {
        let mismatch = || OpenError::KeyMismatch(path.to_owned());
        let mode = files::mode(path)?;
        if mode & 0o077 != 0 {
            return Err(OpenError::KeyExposed { path: path.to_owned(), mode });
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).at(path)?);
        let (label, document) = SecretDocument::from_pem(&text).map_err(|_| mismatch())?;
        let encrypted = label == EncryptedPrivateKeyInfoRef::PEM_LABEL;
        let pair = if encrypted {
            let passphrase = passphrase.ok_or(OpenError::PassphraseNeeded)?;
            let info = EncryptedPrivateKeyInfoRef::from_der(document.as_bytes()).map_err(|_| mismatch())?;
            // With a wrong passphrase CBC padding fails, or once in about 256 times the result is
            // no PKCS#8: both mean the same to the person who typed it.
            let plain = info.decrypt(passphrase.0.as_slice()).map_err(|_| OpenError::WrongPassphrase)?;
            Ed25519KeyPair::from_pkcs8(plain.as_bytes()).map_err(|_| OpenError::WrongPassphrase)?
        } else {
            Ed25519KeyPair::from_pkcs8(document.as_bytes()).map_err(|_| mismatch())?
        };
        let name = expected.as_str().rsplit_once('+').map_or("", |(name, _)| name);
        let key = Self::of(name, pair).filter(|key| key.id == *expected).ok_or_else(mismatch)?;
        Ok((key, encrypted))
    }
}

/// The file of a key that is not on a token.
pub(crate) fn file(dir: &Path, id: &KeyId) -> PathBuf {
    let own = dir.join(format!("keys/{id}.pem"));
    let name = id.as_str().rsplit_once('+').map_or("", |(name, _)| name);
    if own.exists() { own } else { dir.join(format!("keys/{name}.pem")) }
}

/// Whether whoever reads the files of a tenant still needs a passphrase or PIN for the key of this id; looks at the
/// label of the file alone.
pub(crate) fn is_protected(dir: &Path, id: &KeyId) -> Result<bool, Fault> {
    if dir.join(format!("keys/{id}.p11")).exists() {
        return Ok(true);
    }
    let path = file(dir, id);
    let text = Zeroizing::new(std::fs::read_to_string(&path).at(&path)?);
    Ok(text.lines().next().is_some_and(|line| line.contains(EncryptedPrivateKeyInfoRef::PEM_LABEL)))
}

fn encrypt(plain: &[u8], passphrase: &Passphrase) -> Result<Option<SecretDocument>, Fault> {
    let (salt, iv) = (random::bytes::<16>()?, random::bytes::<16>()?);
    let sealed = || {
        let scrypt = scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P).ok()?;
        let parameters = pbes2::Parameters::generate_scrypt_aes256cbc(scrypt, &salt, iv).ok()?;
        PrivateKeyInfoRef::from_der(plain).ok()?.encrypt_with_params(parameters, passphrase.0.as_slice()).ok()
    };
    Ok(sealed())
}

/// An Ed25519 public key as PEM SubjectPublicKeyInfo (RFC 8410).
#[must_use]
pub fn public_key_pem(public: &[u8; 32]) -> String {
    const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let der: Vec<u8> = PREFIX.iter().chain(public).copied().collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", base64::encode(&der))
}
