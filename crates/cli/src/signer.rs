//! Signs for the person who answers: agent, named key file, or the usual files.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use cascade_runtime::ssh::{self, Places, SshError};

use crate::args::Global;
use crate::exit::Failure;
use crate::place;

/// Where this person's private keys may be.
pub(crate) struct Signer {
    places: Places,
}

impl Signer {
    /// `key` when it was named, else the agent, `~/.ssh`, and the key Cascade made at `init`.
    pub(crate) fn new(global: &Global, key: Option<PathBuf>) -> Result<Self, Failure> {
        let user = ssh::user_dir();
        let mut files: Vec<PathBuf> = ssh::candidates(user.as_deref(), None)
            .into_iter()
            .filter_map(|identity| identity.private_path)
            .collect();
        files.push(place::home_dir(global)?.join("admin").join("id_ed25519"));
        Ok(Self { places: Places { file: key, agent: ssh::agent_socket(), files } })
    }

    /// The armoured signature of `payload` by the private half of `public`.
    pub(crate) fn sign(&self, public: &str, namespace: &str, payload: &[u8]) -> Result<String, SshError> {
        ssh::sign(public, &self.places, namespace, payload, &mut ask)
    }
}

fn ask(path: &Path) -> Option<Vec<u8>> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    rpassword::prompt_password(format!("passphrase of {}: ", path.display())).ok().map(String::into_bytes)
}
