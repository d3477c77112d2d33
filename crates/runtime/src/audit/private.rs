//! Private bytes, from wherever whoever audits has them.

use std::collections::BTreeMap;

use crate::policy_store;
use cascade_audit::control::Private;
use cascade_ledger::{Fault, Reader};
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::bundle::Bundle;
use cascade_receipt::content::PolicyRef;
use cascade_receipt::digest::Digest;
use cascade_receipt::json::{self, Value};

/// Where private bytes are.
#[derive(Debug)]
pub enum Held<'s> {
    /// Nowhere: an export has none.
    Nowhere,
    /// In the vault.
    Vault(&'s Reader),
    /// Disclosed in a bundle, which was verified.
    Bundle(&'s Bundle),
}

/// The private bytes of receipts, and the policies that they are read by.
#[derive(Debug)]
pub struct Disclosed<'s> {
    held: Held<'s>,
    policies: BTreeMap<Digest, Option<Snapshot>>,
}

impl<'s> Disclosed<'s> {
    /// Nothing read yet.
    #[must_use]
    pub const fn new(held: Held<'s>) -> Self {
        Self { held, policies: BTreeMap::new() }
    }

    /// What is known beyond a line; nothing where it is erased, not disclosed, or was decided by a policy that is gone.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn of(&mut self, line: &[u8]) -> Result<Option<Private>, Fault> {
        if matches!(self.held, Held::Nowhere) {
            return Ok(None);
        }
        let Ok(receipt) = json::parse(line) else { return Ok(None) };
        let word = |key: &str| receipt.member("content")?.member(key)?.as_str();
        let hashes =
            (word("facts_hash").and_then(Digest::from_hex), word("policy_hash").and_then(Digest::from_hex));
        let (Some(facts_hash), Some(policy_hash)) = hashes else { return Ok(None) };
        let Some(facts) = self.facts(&receipt, &facts_hash)? else { return Ok(None) };
        let policy =
            PolicyRef { version: word("policy_version").unwrap_or_default().to_owned(), hash: policy_hash };
        Ok(self.policy(&policy).and_then(|snapshot| Private::of(&facts, snapshot)))
    }

    fn facts(&self, receipt: &Value, hash: &Digest) -> Result<Option<Vec<u8>>, Fault> {
        Ok(match &self.held {
            Held::Nowhere => None,
            Held::Vault(reader) => {
                let found = reader.private(hash)?;
                found.filter(|(nonce, bytes)| Digest::salted(nonce, bytes) == *hash).map(|(_, bytes)| bytes)
            }
            Held::Bundle(bundle) => {
                let id = receipt.member("receipt_id").and_then(Value::as_str).unwrap_or_default();
                let mut all = bundle.statement.disclosures.iter();
                let one = all.find(|one| one.field == "facts_hash" && one.receipt_id.to_string() == id);
                one.map(|one| one.bytes.clone())
            }
        })
    }

    fn policy(&mut self, policy: &PolicyRef) -> Option<&Snapshot> {
        let held = &self.held;
        let loaded = self.policies.entry(policy.hash).or_insert_with(|| match held {
            Held::Nowhere => None,
            Held::Vault(reader) => policy_store::load(reader, policy).ok(),
            Held::Bundle(bundle) => of_bundle(bundle, &policy.hash),
        });
        loaded.as_ref()
    }
}

fn of_bundle(bundle: &Bundle, hash: &Digest) -> Option<Snapshot> {
    let text = |hash: &Digest| {
        let all = bundle.statement.snapshots.iter();
        all.into_iter().find(|text| Digest::of(text) == *hash).cloned()
    };
    Snapshot::load(&text(hash)?, text).ok()
}
