//! People's signatures with the SSH keys they already have (format section 2.2).
//!
//! Signatures are SSHSIG over SHA-512, as `ssh-keygen -Y sign` makes them. Private keys are read, used and forgotten
//! here, or stay in the SSH agent.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rsa::signature::{SignatureEncoding as _, Signer as _};
use ssh_agent_client_rs::{Client, Identity};
use ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey, KeypairData};
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, HashAlg, LineEnding, Mpint, PrivateKey, PublicKey, SshSig};
use thiserror::Error;

/// Longest key file that is read.
const KEY_FILE_BYTES_MAX: u64 = 64 << 10;
/// Passphrases asked for before giving up.
const PASSPHRASE_TRIES_MAX: u32 = 3;

/// A public key that this person can probably sign with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicIdentity {
    /// The key; its text form is one line of an `authorized_keys` file.
    pub key: PublicKey,
    /// Where its private half is.
    pub source: Source,
}

/// Where a private key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the SSH agent behind this socket.
    Agent(PathBuf),
    /// In this private key file.
    File(PathBuf),
}

/// Why nothing was signed or made.
#[derive(Debug, Error)]
pub enum SshError {
    /// Neither the agent nor the directory has the private key.
    #[error("no private key for `{0}` in the SSH agent or the SSH directory; add it with `ssh-add`")]
    NoPrivateKey(String),
    /// The key file that was named holds another key.
    #[error("`{}` is not the key that the chain knows for this person", .0.display())]
    OtherKey(PathBuf),
    /// The key file is encrypted and no passphrase, or a wrong one, was given.
    #[error("couldn't unlock `{}`: no passphrase or a wrong one; `ssh-add` unlocks it in the SSH agent", .0.display())]
    Locked(PathBuf),
    /// The agent holds the key but refused, or answered with something that is not its signature.
    #[error("couldn't sign with the SSH agent: {0}")]
    Agent(String),
    /// The key cannot sign, or is damaged.
    #[error("couldn't sign with `{}`: {source}", .path.display())]
    Key {
        /// The private key file.
        path: PathBuf,
        /// What the library says.
        source: ssh_key::Error,
    },
    /// The signature could not be built: the namespace is empty, or the key is of no use for signatures.
    #[error("couldn't build the signature: {0}")]
    Signature(ssh_key::Error),
    /// The key file exists already.
    #[error("couldn't make a key: `{}` exists", .0.display())]
    Exists(PathBuf),
    /// A file could not be read or written.
    #[error("couldn't use `{}`: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The system gave no randomness.
    #[error("couldn't make a key: no randomness: {0}")]
    Randomness(getrandom::Error),
}

/// Public keys that can probably sign: those in the agent first, then `id_*.pub` files in `ssh_dir` that have a
/// private key file beside them. Files and agents that cannot be read count as empty; DSA keys are left out.
#[must_use]
pub fn candidates(ssh_dir: &Path, agent_sock: Option<&Path>) -> Vec<PublicIdentity> {
    let mut found: Vec<PublicIdentity> = Vec::new();
    let in_agent = agent_sock.map(|socket| (socket, agent_keys(socket).unwrap_or_default()));
    if let Some((socket, keys)) = in_agent {
        found
            .extend(keys.into_iter().map(|key| PublicIdentity { key, source: Source::Agent(socket.into()) }));
    }
    let mut files: Vec<PathBuf> =
        fs::read_dir(ssh_dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let private = file.with_extension("");
        if !(name.starts_with("id_") && name.ends_with(".pub") && private.is_file()) {
            continue;
        }
        let key = read(&file).ok().and_then(|text| PublicKey::from_openssh(text.trim()).ok());
        if let Some(key) = key.filter(|key| key.algorithm() != Algorithm::Dsa) {
            found.push(PublicIdentity { key, source: Source::File(private) });
        }
    }
    let mut unique: Vec<PublicIdentity> = Vec::new();
    for identity in found {
        if !unique.iter().any(|known| known.key.key_data() == identity.key.key_data()) {
            unique.push(identity);
        }
    }
    unique
}

/// Signs `payload` with the private half of `registered`, which the agent or a file of `ssh_dir` has, and returns
/// the armoured SSHSIG text.
///
/// `passphrase` is asked, with the path, only when an encrypted file has to be opened; `None` gives up.
///
/// # Errors
/// See [`SshError`].
pub fn sign(
    registered: &PublicKey,
    namespace: &str,
    payload: &[u8],
    ssh_dir: &Path,
    agent_sock: Option<&Path>,
    passphrase: &mut dyn FnMut(&Path) -> Option<String>,
) -> Result<String, SshError> {
    let has_key = |identity: &PublicIdentity| identity.key.key_data() == registered.key_data();
    let identity = candidates(ssh_dir, agent_sock).into_iter().find(has_key);
    let Some(identity) = identity else {
        return Err(SshError::NoPrivateKey(registered.fingerprint(HashAlg::Sha256).to_string()));
    };
    sign_with(&identity, namespace, payload, passphrase)
}

/// The identity of a private key file. Its public half can be read without unlocking it.
///
/// # Errors
/// See [`SshError`].
pub fn of_file(path: &Path) -> Result<PublicIdentity, SshError> {
    let text = read(path).map_err(|source| SshError::Io { path: path.to_owned(), source })?;
    let key =
        PrivateKey::from_openssh(&text).map_err(|source| SshError::Key { path: path.to_owned(), source })?;
    Ok(PublicIdentity { key: key.public_key().clone(), source: Source::File(path.to_owned()) })
}

/// Signs `payload` with this identity and returns the armoured SSHSIG text.
///
/// # Errors
/// See [`SshError`].
pub fn sign_with(
    identity: &PublicIdentity,
    namespace: &str,
    payload: &[u8],
    passphrase: &mut dyn FnMut(&Path) -> Option<String>,
) -> Result<String, SshError> {
    let signature = match &identity.source {
        Source::Agent(socket) => sign_by_agent(&identity.key, socket, namespace, payload)?,
        Source::File(path) => {
            let key = open(path, passphrase)?;
            // The .pub file beside it may belong to another key; a signature by that one would help nobody.
            if key.public_key().key_data() != identity.key.key_data() {
                return Err(SshError::OtherKey(path.clone()));
            }
            let signed = sign_by_key(&key, namespace, payload);
            signed.map_err(|source| SshError::Key { path: path.clone(), source })?
        }
    };
    signature.to_pem(LineEnding::LF).map_err(SshError::Signature)
}

/// Makes an Ed25519 key pair: the private key in `path` (0600, OpenSSH format, not encrypted), the public key in
/// `path` with `.pub` added. Returns the public key's line. Existing files are never touched.
///
/// # Errors
/// See [`SshError`].
pub fn generate(path: &Path, comment: &str) -> Result<String, SshError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(SshError::Randomness)?;
    let pair = Ed25519Keypair::from(Ed25519PrivateKey::from_bytes(&seed));
    let private = PrivateKey::new(KeypairData::Ed25519(pair), comment).map_err(SshError::Signature)?;
    let private_text = private.to_openssh(LineEnding::LF).map_err(SshError::Signature)?;
    let public_text = private.public_key().to_openssh().map_err(SshError::Signature)?;
    let mut public_path = path.as_os_str().to_owned();
    public_path.push(".pub");
    write_new(path, private_text.as_bytes(), 0o600)?;
    write_new(Path::new(&public_path), format!("{public_text}\n").as_bytes(), 0o644)?;
    Ok(public_text)
}

fn agent_keys(socket: &Path) -> Result<Vec<PublicKey>, ssh_agent_client_rs::Error> {
    let identities = Client::connect(socket)?.list_all_identities()?;
    Ok(identities
        .into_iter()
        .filter_map(|identity| match identity {
            Identity::PublicKey(key) => Some(key.into_owned()),
            // A certificate's key is listed on its own as well.
            Identity::Certificate(_) => None,
        })
        .collect())
}

fn sign_by_agent(
    key: &PublicKey,
    socket: &Path,
    namespace: &str,
    payload: &[u8],
) -> Result<SshSig, SshError> {
    let refused = |error: ssh_agent_client_rs::Error| match error {
        ssh_agent_client_rs::Error::RemoteFailure => {
            SshError::Agent("it refused; was the request confirmed?".to_owned())
        }
        other => SshError::Agent(other.to_string()),
    };
    let data = SshSig::signed_data(namespace, HashAlg::Sha512, payload).map_err(SshError::Signature)?;
    let mut client = Client::connect(socket).map_err(refused)?;
    let signature = client.sign(key, &data).map_err(refused)?;
    let signature = SshSig::new(key.key_data().clone(), namespace, HashAlg::Sha512, signature)
        .map_err(SshError::Signature)?;
    // Security keys without user presence, forgetful agents: better noticed here than by the ledger.
    if !matches!(key.key_data(), KeyData::Other(_)) {
        let verified = key.verify(namespace, payload, &signature);
        verified.map_err(|error| SshError::Agent(format!("it answered with a bad signature: {error}")))?;
    }
    Ok(signature)
}

fn sign_by_key(key: &PrivateKey, namespace: &str, payload: &[u8]) -> ssh_key::Result<SshSig> {
    let KeypairData::Rsa(pair) = key.key_data() else {
        return key.sign(namespace, HashAlg::Sha512, payload);
    };
    let data = SshSig::signed_data(namespace, HashAlg::Sha512, payload)?;
    let number = |value: &Mpint| value.as_positive_bytes().map(rsa::BigUint::from_bytes_be);
    let numbers =
        [&pair.public.n, &pair.public.e, &pair.private.d, &pair.private.p, &pair.private.q].map(number);
    let [Some(n), Some(e), Some(d), Some(p), Some(q)] = numbers else { return Err(ssh_key::Error::Crypto) };
    let private =
        rsa::RsaPrivateKey::from_components(n, e, d, vec![p, q]).map_err(|_| ssh_key::Error::Crypto)?;
    let signer = rsa::pkcs1v15::SigningKey::<rsa::sha2::Sha512>::new(private);
    let bytes = signer.try_sign(&data).map_err(|_| ssh_key::Error::Crypto)?.to_vec();
    let algorithm = Algorithm::Rsa { hash: Some(HashAlg::Sha512) };
    SshSig::new(
        KeyData::Rsa(pair.public.clone()),
        namespace,
        HashAlg::Sha512,
        ssh_key::Signature::new(algorithm, bytes)?,
    )
}

fn open(path: &Path, passphrase: &mut dyn FnMut(&Path) -> Option<String>) -> Result<PrivateKey, SshError> {
    let text = read(path).map_err(|source| SshError::Io { path: path.to_owned(), source })?;
    let damaged = |source| SshError::Key { path: path.to_owned(), source };
    let key = PrivateKey::from_openssh(&text).map_err(damaged)?;
    if !key.is_encrypted() {
        return Ok(key);
    }
    for _ in 0..PASSPHRASE_TRIES_MAX {
        let Some(words) = passphrase(path) else { break };
        if let Ok(key) = key.decrypt(words) {
            return Ok(key);
        }
    }
    Err(SshError::Locked(path.to_owned()))
}

fn read(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > KEY_FILE_BYTES_MAX {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    fs::read_to_string(path)
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), SshError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => SshError::Exists(path.to_owned()),
        _ => SshError::Io { path: path.to_owned(), source },
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)
}
