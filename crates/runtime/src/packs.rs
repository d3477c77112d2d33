//! The packs of the regimes that a tenant has declared, and a policy with one more or one fewer.

use cascade_ledger::{Fault, Reader, Regime};
use cascade_policy::pack;
use cascade_policy::snapshot::{LoadFault, Snapshot};
use cascade_receipt::content::PackChange;
use cascade_receipt::digest::Digest;

use crate::policy_store::{self, StoreError};

/// Why there is no policy with, or without, a pack.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// No pack of this name came with this program.
    #[error("there is no pack `{0}`")]
    Unknown(String),
    /// The regime is declared, and this very pack decides.
    #[error("`{0}` is active already")]
    Active(String),
    /// The regime is not declared.
    #[error("`{0}` is not active")]
    Inactive(String),
    /// The pack cannot decide beside the policy in force.
    #[error("the pack does not fit the policy in force: {0}")]
    Unfit(LoadFault),
    /// The policy in force could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Fault> for PackError {
    fn from(fault: Fault) -> Self {
        Self::Store(fault.into())
    }
}

/// Name and text of the packs that the tenant has declared, but for one.
///
/// # Errors
/// [`StoreError`], also where the text of one is nowhere to be found.
pub fn declared(reader: &Reader, but: Option<&str>) -> Result<Vec<(String, String)>, StoreError> {
    let regimes = reader.regimes()?;
    let others = regimes.into_iter().filter(|regime| Some(regime.name.as_str()) != but);
    others.map(|regime| Ok((regime.name.clone(), text(reader, &regime)?))).collect()
}

/// The text of a declared pack. One that came with this program needs no look-up.
///
/// # Errors
/// [`StoreError`], also where it is nowhere to be found.
pub fn text(reader: &Reader, regime: &Regime) -> Result<String, StoreError> {
    let builtin = text_of_builtin(&regime.name).filter(|text| Digest::of(text.as_bytes()) == regime.hash);
    if let Some(text) = builtin {
        return Ok(text.to_owned());
    }
    let bytes = reader.blob(&regime.hash)?.filter(|bytes| Digest::of(bytes) == regime.hash);
    let missing = || LoadFault::Missing { kind: "pack", name: regime.name.clone(), hash: regime.hash };
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| missing().into())
}

fn text_of_builtin(name: &str) -> Option<&'static str> {
    let found = pack::builtin_texts().iter().find(|(builtin, _)| *builtin == name);
    found.map(|(_, text)| text.as_str())
}

/// The policy that will be in force with a pack, or without it.
#[derive(Debug)]
pub struct Changed {
    /// What is declared or given up.
    pub pack: PackChange,
    /// The policy.
    pub snapshot: Snapshot,
    /// Its label.
    pub version: String,
    /// What has to be in the vault for it.
    pub blobs: Vec<(Digest, Vec<u8>)>,
}

/// A pack that somebody names: one that came with this program, or one of their own by its text.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Its name.
    pub name: String,
    /// The text of an own one, which [`cascade_policy::pack::Pack::of_files`] has accepted.
    pub text: Option<String>,
}

/// The policy in force with this pack, or without it.
///
/// # Errors
/// [`PackError`].
pub fn change(reader: &Reader, choice: &Choice, active: bool) -> Result<Changed, PackError> {
    let name = choice.name.as_str();
    let (policy, _) = reader.policy_in_force()?;
    let in_force = policy_store::load(reader, &policy)?;
    let before = reader.regimes()?.into_iter().find(|regime| regime.name == name);
    let mut packs = declared(reader, Some(name))?;
    let mut blobs = Vec::new();
    let hash = if active {
        let text = choice.text.as_deref().or_else(|| text_of_builtin(name));
        let text = text.ok_or_else(|| PackError::Unknown(name.to_owned()))?;
        let hash = Digest::of(text.as_bytes());
        if before.is_some_and(|regime| regime.hash == hash) && in_force.packs().contains(name) {
            return Err(PackError::Active(name.to_owned()));
        }
        packs.push((name.to_owned(), text.to_owned()));
        blobs.push((hash, text.as_bytes().to_vec()));
        hash
    } else {
        before.ok_or_else(|| PackError::Inactive(name.to_owned()))?.hash
    };
    let snapshot = policy_store::looking_up(reader, |blob| in_force.with_packs(&packs, blob));
    let snapshot = snapshot?.map_err(PackError::Unfit)?;
    blobs.push((snapshot.policy_hash(), snapshot.document().to_vec()));
    let pack = PackChange { active, hash, name: name.to_owned() };
    Ok(Changed { version: label(&policy.version, name, active), pack, snapshot, blobs })
}

/// The policy in force with this pack in place of one of its name, whether that is declared or not.
///
/// # Errors
/// [`PackError`].
pub fn tried(reader: &Reader, choice: &Choice) -> Result<Snapshot, PackError> {
    let (policy, _) = reader.policy_in_force()?;
    let in_force = policy_store::load(reader, &policy)?;
    let mut packs = declared(reader, Some(&choice.name))?;
    let text = choice.text.as_deref().or_else(|| text_of_builtin(&choice.name));
    let text = text.ok_or_else(|| PackError::Unknown(choice.name.clone()))?;
    packs.push((choice.name.clone(), text.to_owned()));
    policy_store::looking_up(reader, |blob| in_force.with_packs(&packs, blob))?.map_err(PackError::Unfit)
}

/// `default` becomes `default+soc2`, and again `default`.
fn label(before: &str, name: &str, active: bool) -> String {
    let others = before.split('+').filter(|part| *part != name);
    others.chain(active.then_some(name)).collect::<Vec<_>>().join("+")
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn labels_tell_the_packs() {
        assert_eq!(label("default", "soc2", true), "default+soc2");
        assert_eq!(label("default+soc2", "tcpa", true), "default+soc2+tcpa");
        assert_eq!(label("default+soc2+tcpa", "soc2", true), "default+tcpa+soc2");
        assert_eq!(label("default+tcpa+soc2", "tcpa", false), "default+soc2");
        assert_eq!(label("strict", "tcpa", false), "strict");
    }
}
