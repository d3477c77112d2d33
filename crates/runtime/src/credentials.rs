//! Brokered credentials: set and removed by administrators, handed to commands that were admitted.
//!
//! The value never meets the caller: the action names the credential where its environment would hold the value, the
//! decision and people's approvals are about that, and the value goes from the vault to the supervisor of the run in
//! the moment in which the command starts. The key of a language model never leaves this process but to the model.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use cascade_ledger::{
    Appended, Draft, Fault, Ledger, OpenError, PrivateItem, Reader, SECRETS_MAX, Secret, SecretValue, Wiped,
};
use cascade_policy::credential::endpoint::Endpoint;
use cascade_policy::credential::{self, Binding, CredentialFault, Declaration};
use cascade_policy::facts::{Executable, Facts, Invocation, Principal};
use cascade_receipt::content::{Body, SecretChanged};

use crate::admin::{self, AdminError};
use crate::consent::Sign;
use crate::erase::WAIT_MAX;
use crate::facts::{Asker, Command};
use crate::model::{Model, ModelKey, Provider};

/// Names and values.
type Variables = Vec<(Vec<u8>, Vec<u8>)>;

/// A credential in force.
#[derive(Clone, Debug)]
pub struct Credential {
    /// What the ledger keeps.
    pub secret: Secret,
    /// What was declared of it.
    pub declaration: Declaration,
}

/// A value on its way to a command.
#[derive(Clone, Debug)]
pub struct Brokered {
    /// The credential.
    pub name: String,
    /// The variable.
    pub variable: String,
    /// The value.
    pub value: SecretValue,
}

impl Brokered {
    /// Whether the command is started without the caller's own variable of this name.
    pub(crate) fn replaces(&self, variable: &OsStr) -> bool {
        variable.as_bytes() == self.variable.as_bytes() || credential::steers(variable.as_bytes())
    }
}

/// Why nothing was set or removed.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The declaration.
    #[error(transparent)]
    Declared(#[from] CredentialFault),
    /// No such program.
    #[error("no program `{0}` was found")]
    Program(String),
    /// As many as there may be.
    #[error("there are {SECRETS_MAX} credentials, and there may be no more")]
    TooMany,
    /// No credential has this name.
    #[error("no credential `{0}`")]
    Unknown(String),
    /// A key or the value.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It was not signed or not recorded.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// It is recorded, and the old value is not overwritten yet.
    #[error("it is recorded, but the old value is still on the disk: {0}")]
    Unfinished(Fault),
}

impl From<Fault> for CredentialError {
    fn from(fault: Fault) -> Self {
        Self::Admin(AdminError::Ledger(fault))
    }
}

/// Why a command was not handed what it was to get.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokerError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the credentials have changed since the decision")]
    Changed,
}

impl From<Fault> for BrokerError {
    fn from(fault: Fault) -> Self {
        Self::Open(fault.into())
    }
}

/// Why a model is asked without its key, which is to say not at all.
#[derive(Debug, thiserror::Error)]
pub enum ModelKeyError {
    /// The credentials cannot be read, or this one cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// No credential has this name.
    #[error("no credential `{0}`")]
    Unknown(String),
    /// It is for other endpoints, or for programs.
    #[error("the credential `{name}` is not for {endpoint}")]
    Elsewhere {
        /// The credential.
        name: String,
        /// Where the model is.
        endpoint: Endpoint,
    },
    /// It is for other people.
    #[error("the credential `{0}` is not for whoever asks")]
    Others(String),
}

impl ModelKeyError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Open(_) => "",
            Self::Unknown(_) | Self::Elsewhere { .. } => {
                "`cascade secret set NAME --for-model ENDPOINT` binds a key to an endpoint"
            }
            Self::Others(_) => "`cascade secret list` shows whom it is for; an administrator sets it anew",
        }
    }
}

impl From<Fault> for ModelKeyError {
    fn from(fault: Fault) -> Self {
        Self::Open(fault.into())
    }
}

/// What was recorded, and how far old bytes are gone.
#[derive(Debug)]
pub struct Changed {
    /// The receipt.
    pub appended: Appended,
    /// How far the value before it, if there was one, is gone from the disk.
    pub wiped: Wiped,
}

/// The credentials in force, by name.
///
/// # Errors
/// [`Fault`].
pub fn list(reader: &Reader) -> Result<Vec<Credential>, Fault> {
    let read = |secret: Secret| {
        let declaration = Declaration::parse(&secret.declaration).ok_or_else(|| Fault::Damaged {
            place: reader.dir().join("vault.db").display().to_string(),
            detail: "what was declared of a credential cannot be read".to_owned(),
        })?;
        Ok(Credential { secret, declaration })
    };
    let mut all = reader.secrets()?.into_iter().map(read).collect::<Result<Vec<_>, Fault>>()?;
    all.sort_by(|left, right| left.declaration.name().cmp(right.declaration.name()));
    Ok(all)
}

/// Reads `PROGRAM [WORD…]`. The program is looked up now, as `command`'s environment finds it, and it is that file which
/// is meant from then on.
///
/// # Errors
/// [`CredentialError::Program`].
pub fn binding(text: &str, command: &Command) -> Result<Binding, CredentialError> {
    let mut words = text.split_ascii_whitespace().map(str::to_owned);
    let program = words.next().unwrap_or_default();
    let missing = || CredentialError::Program(program.clone());
    let asked = Command { argv: vec![OsString::from(&program)], ..command.clone() };
    let path = asked.executable().and_then(|path| settled(&path)).ok_or_else(missing)?;
    Ok(Binding { path, words: words.collect() })
}

/// The file's path with its directory resolved. Not the file itself: a program of many names (busybox) would be all of
/// them.
fn settled(path: &Path) -> Option<String> {
    let dir = std::fs::canonicalize(path.parent()?).ok()?;
    dir.join(path.file_name()?).into_os_string().into_string().ok()
}

/// Reads where a language model is: an endpoint, or a provider that has one of its own.
///
/// # Errors
/// [`CredentialError::Declared`].
pub fn model_endpoint(text: &str) -> Result<Endpoint, CredentialError> {
    match Provider::parse(text).and_then(Provider::endpoint) {
        Some(endpoint) => Ok(endpoint),
        None => Ok(Endpoint::parse(text).map_err(CredentialFault::from)?),
    }
}

/// The key that a model's configuration names, if it names one. It goes to that model's endpoint and nowhere else.
///
/// # Errors
/// [`ModelKeyError`].
pub fn model_key(
    ledger: &Ledger,
    principal: &Principal,
    model: &Model,
) -> Result<Option<ModelKey>, ModelKeyError> {
    let Some(name) = model.secret() else { return Ok(None) };
    endpoint_key(ledger, principal, name, model.endpoint()).map(Some)
}

/// The credential of this name, for one endpoint.
///
/// # Errors
/// [`ModelKeyError`].
pub(crate) fn endpoint_key(
    ledger: &Ledger,
    principal: &Principal,
    name: &str,
    endpoint: &Endpoint,
) -> Result<ModelKey, ModelKeyError> {
    let found = list(ledger)?.into_iter().find(|one| one.declaration.name() == name);
    let found = found.ok_or_else(|| ModelKeyError::Unknown(name.to_owned()))?;
    let endpoint = endpoint.clone();
    if !found.declaration.endpoints().contains(&endpoint) {
        return Err(ModelKeyError::Elsewhere { name: name.to_owned(), endpoint });
    }
    if !found.declaration.is_for_model(principal, &endpoint) {
        return Err(ModelKeyError::Others(name.to_owned()));
    }
    Ok(ModelKey { endpoint, value: ledger.open_secret(&found.secret)? })
}

/// Sets a credential, or sets it anew, and overwrites what it was before.
///
/// # Errors
/// [`CredentialError`].
pub fn set(
    ledger: &Ledger,
    asker: &Asker,
    declaration: &Declaration,
    value: &SecretValue,
    sign: Sign<'_>,
) -> Result<Changed, CredentialError> {
    admin::may(ledger, asker)?;
    let mark = ledger.mark()?;
    let all = list(ledger)?;
    let before = all.iter().find(|one| one.declaration.name() == declaration.name());
    if before.is_none() && all.len() >= SECRETS_MAX {
        return Err(CredentialError::TooMany);
    }
    let id = before.map_or_else(|| cascade_ledger::receipt_id().map(|id| id.0), |one| Ok(one.secret.id))?;
    let declared = declaration.to_json().to_canonical().into_bytes();
    let mut draft = signed(ledger, asker, (id, true), declared.clone(), sign)?;
    draft.secret = Some(ledger.seal_secret(id, draft.receipt_id, declared, value)?);
    draft.seen = Some(mark);
    record(ledger, draft)
}

/// Removes a credential and overwrites its value.
///
/// # Errors
/// [`CredentialError`].
pub fn remove(
    ledger: &Ledger,
    asker: &Asker,
    name: &str,
    sign: Sign<'_>,
) -> Result<Changed, CredentialError> {
    admin::may(ledger, asker)?;
    let mark = ledger.mark()?;
    let all = list(ledger)?;
    let Some(found) = all.into_iter().find(|one| one.declaration.name() == name) else {
        // What an earlier removal could not overwrite.
        ledger.wipe_secrets(WAIT_MAX)?;
        return Err(CredentialError::Unknown(name.to_owned()));
    };
    let mut draft = signed(ledger, asker, (found.secret.id, false), found.secret.declaration, sign)?;
    draft.seen = Some(mark);
    record(ledger, draft)
}

fn signed(
    ledger: &Ledger,
    asker: &Asker,
    (secret, set): ([u8; 8], bool),
    declared: Vec<u8>,
    sign: Sign<'_>,
) -> Result<Draft, CredentialError> {
    let item = PrivateItem::new("secret_hash", cascade_ledger::nonce()?, declared);
    let mut changed = SecretChanged {
        principal: asker.person_id,
        secret,
        set,
        secret_hash: item.hash,
        statement_id: cascade_ledger::receipt_id()?.0,
        signatures: Vec::new(),
    };
    let own = Body::SecretChanged(changed.clone()).statement();
    changed.signatures.push(admin::signature(ledger, asker, &own, sign)?);
    let mut draft = Draft::new(cascade_ledger::receipt_id()?, Body::SecretChanged(changed));
    draft.private.push(item);
    Ok(draft)
}

fn record(ledger: &Ledger, draft: Draft) -> Result<Changed, CredentialError> {
    let appended = ledger.append(draft).map_err(AdminError::from)?;
    let wiped = ledger.wipe_secrets(WAIT_MAX).and_then(|wiped| {
        ledger.drop_old_sealing_keys()?;
        Ok(wiped)
    });
    Ok(Changed { appended, wiped: wiped.map_err(CredentialError::Unfinished)? })
}

/// The variables of an action, with the names of the credentials that it would be handed.
pub(crate) fn action_env(
    reader: &Reader,
    principal: &Principal,
    executable: Option<&Executable>,
    argv: &[Vec<u8>],
    env: Variables,
) -> Result<Variables, Fault> {
    let handed = handed(reader, principal, executable, argv)?;
    Ok(credential::brokered_env(env, handed.iter().map(|one| &one.declaration)))
}

fn handed(
    reader: &Reader,
    principal: &Principal,
    executable: Option<&Executable>,
    argv: &[Vec<u8>],
) -> Result<Vec<Credential>, Fault> {
    let mut all = list(reader)?;
    if all.is_empty() {
        return Ok(all);
    }
    let program = executable.and_then(|one| settled(&PathBuf::from(OsString::from_vec(one.path.clone()))));
    let Some(program) = program else { return Ok(Vec::new()) };
    let declared: Vec<_> = all.iter().map(|one| one.declaration.clone()).collect();
    let chosen = credential::chosen(&declared, principal, &program, argv);
    let mut place = 0;
    all.retain(|_| {
        place += 1;
        chosen.contains(&(place - 1))
    });
    Ok(all)
}

/// The values that the decided action names.
pub(crate) fn hand_out(ledger: &Ledger, facts: &Facts) -> Result<Vec<Brokered>, BrokerError> {
    let Invocation::Cli(argv) = &facts.action.invocation else { return Ok(Vec::new()) };
    let handed = handed(ledger, &facts.principal, facts.action.executable.as_ref(), argv)?;
    let names = credential::brokered_env(Vec::new(), handed.iter().map(|one| &one.declaration));
    if !names.iter().all(|pair| facts.action.env.contains(pair)) {
        return Err(BrokerError::Changed);
    }
    let open = |one: Credential| {
        let value = ledger.open_secret(&one.secret)?;
        let declaration = &one.declaration;
        let (name, variable) = (declaration.name().to_owned(), declaration.variable().to_owned());
        Ok(Brokered { name, variable, value })
    };
    handed.into_iter().map(open).collect()
}

/// Whether what a running action was handed is what it would be handed now.
pub(crate) fn still_brokered(then: &[(Vec<u8>, Vec<u8>)], now: &[(Vec<u8>, Vec<u8>)]) -> bool {
    let brokered = |(_, value): &&(Vec<u8>, Vec<u8>)| value.starts_with(credential::BROKERED.as_bytes());
    then.iter().filter(brokered).all(|pair| now.contains(pair))
}
