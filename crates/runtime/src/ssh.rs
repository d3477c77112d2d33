//! People sign with their SSH keys: with the agent, or with a key file.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use cascade_receipt::sshsig::{self, SshFault, SshKey};
use ssh_agent_client_rs::{Client, Identity};
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey};

/// Most public key files that are looked at in one directory.
const KEY_FILES_MAX: usize = 64;
/// Longest key file, in bytes.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// A file could not be read or written.
    #[error("couldn't use `{}`: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// A file holds no key.
    #[error("`{}` holds no SSH key", .0.display())]
    NoKey(PathBuf),
    /// The private key is not there, neither in the agent nor as a file.
    #[error("the private key of `{0}` is neither in the SSH agent nor in a key file")]
    NotFound(String),
    /// The file holds another key than the one that must sign.
    #[error("`{}` is not the key that the chain knows", .0.display())]
    OtherKey(PathBuf),
    /// The passphrase does not open the key.
    #[error("wrong passphrase for `{}`", .0.display())]
    Passphrase(PathBuf),
    /// The key must not count, or the signature could not be formed.
    #[error(transparent)]
    Refused(#[from] SshFault),
    /// Signing failed.
    #[error("couldn't sign: {0}")]
    Sign(ssh_key::Error),
    /// The agent failed.
    #[error("the SSH agent failed: {0}")]
    Agent(String),
}

/// A public key of the user and where its private half is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicIdentity {
    /// `<algorithm> <base64>`, without comment.
    pub public: String,
    /// The private key file; `None` when the agent has it.
    pub private_path: Option<PathBuf>,
}

/// `~/.ssh`.
#[must_use]
pub fn user_dir() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|home| !home.is_empty()).map(|home| PathBuf::from(home).join(".ssh"))
}

/// The agent's socket.
#[must_use]
pub fn agent_socket() -> Option<PathBuf> {
    std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// The user's keys that may sign: the agent's first, as it signs without asking for a passphrase, then
/// `id_*.pub` with a private file beside it, by name.
#[must_use]
pub fn candidates(ssh_dir: Option<&Path>, agent: Option<&Path>) -> Vec<PublicIdentity> {
    let mut found: Vec<PublicIdentity> = agent_keys(agent)
        .iter()
        .filter_map(|key| sshsig::without_comment(key).ok())
        .map(|public| PublicIdentity { public, private_path: None })
        .collect();
    for path in ssh_dir.map(public_files).unwrap_or_default() {
        let private_path = path.with_extension("");
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if let (Ok(public), true) = (public_text(&text), private_path.is_file()) {
            found.push(PublicIdentity { public, private_path: Some(private_path) });
        }
    }
    found
}

fn public_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_public = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("id_") && path.extension().is_some_and(|extension| extension == "pub")
    };
    let mut paths: Vec<PathBuf> = entries.filter(is_public).take(KEY_FILES_MAX).collect();
    paths.sort();
    paths
}

/// The text of a public key file as receipts carry it.
///
/// # Errors
/// When it is no key, or a key that must not count.
pub fn public_text(text: &str) -> Result<String, SshFault> {
    let key = PublicKey::from_openssh(text.trim()).map_err(|_| SshFault::Key)?;
    sshsig::without_comment(&key)
}

/// Makes an Ed25519 key pair in OpenSSH's format (0600, in a directory of its own), and gives the public
/// key. A key that is there already is taken as it is.
///
/// # Errors
/// When the files cannot be written.
pub fn generate(path: &Path) -> Result<String, SshError> {
    let failed = |error: io::Error| SshError::File { path: path.to_owned(), error };
    if path.exists() {
        let key = load(path)?;
        return Ok(sshsig::without_comment(key.public_key())?);
    }
    if let Some(dir) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    }
    let key =
        PrivateKey::random(&mut ssh_key::rand_core::OsRng, Algorithm::Ed25519).map_err(SshError::Sign)?;
    let text = key.to_openssh(LineEnding::LF).map_err(SshError::Sign)?;
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    io::Write::write_all(&mut file, text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    let public = sshsig::without_comment(key.public_key())?;
    fs::write(path.with_extension("pub"), format!("{public}\n")).map_err(failed)?;
    Ok(public)
}

/// Where to look for the private half of a key.
#[derive(Debug, Default)]
pub struct Places {
    /// The one file that must be it.
    pub file: Option<PathBuf>,
    /// The agent's socket.
    pub agent: Option<PathBuf>,
    /// Files that may be it.
    pub files: Vec<PathBuf>,
}

/// Signs `payload` with the private half of `public`; gives the armoured SSHSIG, hash SHA-512.
///
/// `passphrase` is asked for a key file that is encrypted.
///
/// # Errors
/// [`SshError`].
pub fn sign(
    public: &str,
    places: &Places,
    namespace: &str,
    payload: &[u8],
    passphrase: &mut dyn FnMut(&Path) -> Option<Vec<u8>>,
) -> Result<String, SshError> {
    let wanted =
        SshKey::accept(public).and_then(|_| PublicKey::from_openssh(public).map_err(|_| SshFault::Key))?;
    if let Some(path) = &places.file {
        let key = load(path)?;
        if key.public_key().key_data() != wanted.key_data() {
            return Err(SshError::OtherKey(path.clone()));
        }
        return sign_with_file(key, path, namespace, payload, passphrase);
    }
    if let Some(socket) = &places.agent
        && agent_keys(Some(socket)).iter().any(|key| key.key_data() == wanted.key_data())
    {
        return sign_with_agent(socket, &wanted, namespace, payload);
    }
    for path in places.files.iter().filter(|path| path.is_file()) {
        match load(path) {
            Ok(key) if key.public_key().key_data() == wanted.key_data() => {
                return sign_with_file(key, path, namespace, payload, passphrase);
            }
            _ => {}
        }
    }
    Err(SshError::NotFound(public.to_owned()))
}

fn agent_keys(socket: Option<&Path>) -> Vec<PublicKey> {
    let Some(mut client) = socket.and_then(|socket| Client::connect(socket).ok()) else {
        return Vec::new();
    };
    let identities = client.list_all_identities().unwrap_or_default();
    let plain = |identity| match identity {
        Identity::PublicKey(key) => Some(key.into_owned()),
        Identity::Certificate(_) => None,
    };
    identities.into_iter().filter_map(plain).collect()
}

fn sign_with_agent(
    socket: &Path,
    key: &PublicKey,
    namespace: &str,
    payload: &[u8],
) -> Result<String, SshError> {
    let failed = |error: ssh_agent_client_rs::Error| SshError::Agent(error.to_string());
    let mut client = Client::connect(socket).map_err(failed)?;
    let data = sshsig::signed_data(namespace, payload)?;
    let signature = client.sign(key, &data).map_err(failed)?;
    Ok(sshsig::armour(key.key_data(), namespace, signature)?)
}

fn sign_with_file(
    key: PrivateKey,
    path: &Path,
    namespace: &str,
    payload: &[u8],
    passphrase: &mut dyn FnMut(&Path) -> Option<Vec<u8>>,
) -> Result<String, SshError> {
    let wrong = || SshError::Passphrase(path.to_owned());
    let key = if key.is_encrypted() {
        let passphrase = passphrase(path).ok_or_else(wrong)?;
        key.decrypt(passphrase).map_err(|_| wrong())?
    } else {
        key
    };
    let signature = key.sign(namespace, HashAlg::Sha512, payload).map_err(SshError::Sign)?;
    signature.to_pem(LineEnding::LF).map_err(SshError::Sign)
}

fn load(path: &Path) -> Result<PrivateKey, SshError> {
    let failed = |error| SshError::File { path: path.to_owned(), error };
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > KEY_FILE_BYTES_MAX {
        return Err(SshError::NoKey(path.to_owned()));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    PrivateKey::from_openssh(&text).map_err(|_| SshError::NoKey(path.to_owned()))
}
