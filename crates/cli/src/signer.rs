//! Signs for the person who answers: agent, named key file, or the usual files.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use cascade_runtime::birth::{agent_socket, own_key_dir, ssh_dir};
use cascade_runtime::ssh::{self, PublicIdentity, Source, SshError};
use ssh_key::PublicKey;

use crate::args::Global;
use crate::exit::Failure;
use crate::place;
use crate::secret;

/// Where this person's private keys may be.
pub(crate) struct Signer {
    /// The one file that was named.
    key: Option<PathBuf>,
    /// The directory of the key that Cascade made at `init`.
    own: PathBuf,
}

impl Signer {
    /// `key` when it was named, else the agent, `~/.ssh`, and the key Cascade made at `init`.
    pub(crate) fn new(global: &Global, key: Option<PathBuf>) -> Result<Self, Failure> {
        Ok(Self { key, own: own_key_dir(&place::home_dir(global)?) })
    }

    /// The armoured signature of `payload` by the private half of `public`.
    pub(crate) fn sign(&self, public: &str, namespace: &str, payload: &[u8]) -> Result<String, SshError> {
        let registered = PublicKey::from_openssh(public).map_err(SshError::Signature)?;
        if let Some(path) = &self.key {
            let identity = PublicIdentity { key: registered, source: Source::File(path.clone()) };
            return ssh::sign_with(&identity, namespace, payload, &mut ask);
        }
        let theirs = ssh_dir().unwrap_or_default();
        let agent = agent_socket();
        match ssh::sign(&registered, namespace, payload, &theirs, agent.as_deref(), &mut ask) {
            Err(SshError::NoPrivateKey(_)) => {
                ssh::sign(&registered, namespace, payload, &self.own, None, &mut ask)
            }
            other => other,
        }
    }
}

/// The public key of a private key file, and its armoured signature of `payload`.
pub(crate) fn sign_by_file(
    path: &Path,
    namespace: &str,
    payload: &[u8],
) -> Result<(PublicKey, String), SshError> {
    let identity = ssh::of_file(path)?;
    let sshsig = ssh::sign_with(&identity, namespace, payload, &mut ask)?;
    Ok((identity.key, sshsig))
}

fn ask(path: &Path) -> Option<String> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    secret::ask(&format!("passphrase of {}: ", path.display())).ok()
}
