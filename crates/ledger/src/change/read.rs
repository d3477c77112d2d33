//! Pieces of stored content.

use cascade_receipt::content::{PolicyRef, Rel};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::Value;

pub(super) fn policy_of(value: &Value) -> Option<PolicyRef> {
    Some(PolicyRef {
        version: value.member("policy_version")?.as_str()?.to_owned(),
        hash: Digest::from_hex(value.member("policy_hash")?.as_str()?)?,
    })
}

pub(super) fn admin_of(value: &Value) -> Option<(PrincipalId, String)> {
    let principal = PrincipalId::parse(value.member("principal")?.as_str()?)?;
    Some((principal, value.member("ssh_key")?.as_str()?.to_owned()))
}

pub(super) fn refs_of(content: &Value) -> Option<Vec<(Rel, ReceiptId)>> {
    let Some(refs) = content.member("refs") else { return Some(Vec::new()) };
    refs.as_array()?
        .iter()
        .map(|one| {
            let rel = Rel::parse(one.member("rel")?.as_str()?)?;
            Some((rel, ReceiptId::parse(one.member("receipt_id")?.as_str()?)?))
        })
        .collect()
}

pub(super) fn erased_of(content: &Value) -> Option<Vec<ReceiptId>> {
    let ids = content.member("erased")?.as_array()?.iter();
    ids.map(|one| ReceiptId::parse(one.member("receipt_id")?.as_str()?)).collect()
}
