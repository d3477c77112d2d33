//! A policy by the word that names it: a directory, `current`, or one of the history by hash or label.

use std::path::Path;

use cascade_ledger::Reader;
use cascade_policy::snapshot::{PolicyFault, Snapshot};
use cascade_receipt::content::PolicyRef;
use cascade_runtime::policy_store;

use super::directory;
use crate::exit::Failure;

/// The policy in force.
const CURRENT: &str = "current";
/// Fewest digits of a hash that name it.
const HASH_DIGITS_MIN: usize = 6;

/// A policy to look at.
pub(in crate::verb) struct Side {
    /// What it is called: a directory's path, or a label.
    pub(in crate::verb) name: String,
    pub(in crate::verb) snapshot: Snapshot,
    /// The tables beside it, where it is a directory.
    pub(super) tests: Vec<(String, String)>,
}

/// Finds a policy. A directory is taken with the packs of `beside`; `reader` opens the chain when it is needed.
pub(in crate::verb) fn find(
    text: &str,
    beside: Option<&Reader>,
    reader: &mut dyn FnMut() -> Result<Reader, Failure>,
) -> Result<Result<Side, Vec<PolicyFault>>, Failure> {
    if text != CURRENT && Path::new(text).is_dir() {
        let side = directory::beside(Path::new(text), beside)?.map(|looked| Side {
            name: text.to_owned(),
            snapshot: looked.snapshot,
            tests: looked.directory.tests,
        });
        return Ok(side);
    }
    let reader = reader()?;
    let policy = if text == CURRENT { reader.policy_in_force()?.0 } else { in_history(&reader, text)? };
    let snapshot = policy_store::load(&reader, &policy)?;
    Ok(Ok(Side { name: policy.version, snapshot, tests: Vec::new() }))
}

/// The policy that was in force under this label or hash.
pub(super) fn in_history(reader: &Reader, text: &str) -> Result<PolicyRef, Failure> {
    let named = |policy: &PolicyRef| {
        let by_hash = text.len() >= HASH_DIGITS_MIN && policy.hash.to_hex().starts_with(text);
        policy.version == text || by_hash
    };
    let mut found: Vec<PolicyRef> =
        reader.policy_history()?.into_iter().map(|(_, policy)| policy).filter(named).collect();
    let Some(newest) = found.pop() else {
        let failure =
            Failure::could_not(anyhow::anyhow!("no directory and no policy of the history is `{text}`"));
        return Err(failure.hint("`cascade policy history` lists them"));
    };
    if found.iter().any(|other| other.hash != newest.hash) {
        let failure = Failure::could_not(anyhow::anyhow!("more than one policy is called `{text}`"));
        return Err(failure.hint("give the hash: `cascade policy history` lists them"));
    }
    Ok(newest)
}
