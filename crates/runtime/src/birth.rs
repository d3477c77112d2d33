//! First use: a tenant with its keys, its first administrator and the default policy.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use cascade_ledger::Ledger;
use cascade_ledger::Passphrase;
use cascade_ledger::PrincipalKind;
use cascade_ledger::{Birth, RecoveryFiles};
use cascade_ledger::{Fault, OpenError};
use cascade_ledger::{Home, TenantId};
use cascade_policy::snapshot::{PolicyFault, Snapshot, SnapshotSource};
use cascade_receipt::content::{Admin, PolicyRef};
use cascade_receipt::sshsig::{self, SshFault};
use ssh_key::PublicKey;

use crate::facts;
use crate::identity;
use crate::people::Person;
use crate::policy_store;
use crate::ssh::{self, Source, SshError};

/// Label of the policy that Cascade ships.
pub const DEFAULT_POLICY: &str = "default";

/// What the person who creates a tenant may choose.
#[derive(Debug, Default)]
pub struct Wishes {
    /// Where the recovery key and the HMAC master go.
    pub recovery_out: Option<PathBuf>,
    /// Encrypts the keys in the home.
    pub passphrase: Option<Passphrase>,
    /// Public key of the first administrator.
    pub ssh_key: Option<PathBuf>,
    /// Host or organisation in the chain's name.
    pub host: Option<String>,
}

/// Where the first administrator's key comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AdminKey {
    /// A public key file of the user, or the one that was named.
    File(PathBuf),
    /// The SSH agent.
    Agent,
    /// Made for Cascade, because the user had none.
    Made(PathBuf),
}

/// What was created.
#[derive(Debug)]
pub struct Created {
    /// The open ledger.
    pub ledger: Ledger,
    /// Secrets to be moved off this machine.
    pub recovery: RecoveryFiles,
    /// The first administrator.
    pub person: Person,
    /// That person's SSH key.
    pub admin_key: AdminKey,
}

/// Why a tenant could not be created. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum BirthError {
    /// The ledger.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// No random bytes.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The user's SSH keys.
    #[error("couldn't use an SSH key for the first administrator: {0}")]
    Ssh(#[from] SshError),
    /// The key named is no public key that may sign approvals.
    #[error("`{}` is no SSH public key that can be an administrator's: {fault}", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: SshFault,
    },
    /// The key file could not be read.
    #[error("couldn't read `{}`: {error}", .path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// The shipped policy does not compile: a defect.
    #[error("the default policy has faults: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Policy(Vec<PolicyFault>),
}

/// Creates `tenant` in the home at `dir`.
///
/// # Errors
/// [`BirthError`].
pub fn create(dir: &Path, tenant: &TenantId, wishes: &Wishes) -> Result<Created, BirthError> {
    let source = SnapshotSource::bundled();
    let snapshot = Snapshot::compile(&source).map_err(BirthError::Policy)?;
    let home = Home::open_or_create(dir)?;
    let person = Person::current();
    let (admin_key, public) = admin_key(&home, wishes)?;
    let principal = cascade_ledger::principal_id()?;
    let host = wishes.host.clone().unwrap_or_else(identity::node_name);
    let birth = Birth {
        host: &host,
        admins: vec![Admin { principal, ssh_key: public }],
        names: vec![(principal, PrincipalKind::Person, person.name.clone())],
        policy: PolicyRef { version: DEFAULT_POLICY.to_owned(), hash: snapshot.policy_hash() },
        blobs: policy_store::blobs(&source, &snapshot),
        recovery_out: wishes.recovery_out.clone(),
        passphrase: wishes.passphrase.as_ref(),
        now: facts::now(),
    };
    let (ledger, recovery) = home.create_tenant(tenant, &birth)?;
    Ok(Created { ledger, recovery, person, admin_key })
}

/// The key named, else the user's own (agent first: what it holds can sign without a passphrase), else a
/// new one inside the home.
fn admin_key(home: &Home, wishes: &Wishes) -> Result<(AdminKey, String), BirthError> {
    if let Some(path) = &wishes.ssh_key {
        let text = std::fs::read_to_string(path)
            .map_err(|error| BirthError::KeyFile { path: path.clone(), error })?;
        let public = public_text(&text).map_err(|fault| BirthError::Key { path: path.clone(), fault })?;
        return Ok((AdminKey::File(path.clone()), public));
    }
    let ssh_dir = ssh_dir().unwrap_or_default();
    for candidate in ssh::candidates(&ssh_dir, agent_socket().as_deref()) {
        if let Ok(public) = sshsig::without_comment(&candidate.key) {
            let source = match candidate.source {
                Source::Agent(_) => AdminKey::Agent,
                Source::File(path) => AdminKey::File(path),
            };
            return Ok((source, public));
        }
    }
    make_admin_key(&own_key_dir(home.path()))
}

/// Where Cascade keeps the administrator's key that it made itself.
#[must_use]
pub fn own_key_dir(home: &Path) -> PathBuf {
    home.join("admin")
}

/// `~/.ssh`.
#[must_use]
pub fn ssh_dir() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|home| !home.is_empty()).map(|home| PathBuf::from(home).join(".ssh"))
}

/// The SSH agent's socket.
#[must_use]
pub fn agent_socket() -> Option<PathBuf> {
    std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// A key that is there already, from another tenant or another process that creates right now, is taken as it
/// is. Both halves appear at once, by renaming their directory: nobody sees one without the other.
fn make_admin_key(dir: &Path) -> Result<(AdminKey, String), BirthError> {
    let path = dir.join("id_ed25519");
    let failed = |error| BirthError::KeyFile { path: path.clone(), error };
    if !path.exists() {
        let suffix = cascade_ledger::receipt_id()?;
        let fresh = dir.with_extension(suffix.to_string());
        DirBuilder::new().mode(0o700).create(&fresh).map_err(failed)?;
        ssh::generate(&fresh.join("id_ed25519"), "cascade")?;
        // Both names are durable before their directory has its own, and that before genesis names the key.
        sync_dir(&fresh).map_err(failed)?;
        if std::fs::rename(&fresh, dir).is_err() {
            std::fs::remove_dir_all(&fresh).map_err(failed)?;
        }
        sync_dir(dir.parent().unwrap_or(dir)).map_err(failed)?;
    }
    let text = std::fs::read_to_string(path.with_extension("pub")).map_err(failed)?;
    let public = public_text(&text).map_err(|fault| BirthError::Key { path: path.clone(), fault })?;
    Ok((AdminKey::Made(path), public))
}

fn sync_dir(dir: &Path) -> std::io::Result<()> {
    std::fs::File::open(dir)?.sync_all()
}

/// The text of a public key file as receipts carry it.
fn public_text(text: &str) -> Result<String, SshFault> {
    let key = PublicKey::from_openssh(text.trim()).map_err(|_| SshFault::Key)?;
    sshsig::without_comment(&key)
}
