//! Random ids and nonces from the system.

use cascade_receipt::digest::Nonce;
use cascade_receipt::id::{PrincipalId, ReceiptId};

use crate::fault::Fault;

/// Random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Fault::Random)?;
    Ok(bytes)
}

/// A new receipt id.
///
/// # Errors
/// [`Fault::Random`] when the system gives no random bytes.
pub fn receipt_id() -> Result<ReceiptId, Fault> {
    bytes().map(ReceiptId)
}

/// A new principal id.
///
/// # Errors
/// [`Fault::Random`] when the system gives no random bytes.
pub fn principal_id() -> Result<PrincipalId, Fault> {
    bytes().map(PrincipalId)
}

/// A new nonce for a salted hash.
///
/// # Errors
/// [`Fault::Random`] when the system gives no random bytes.
pub fn nonce() -> Result<Nonce, Fault> {
    bytes().map(Nonce)
}
