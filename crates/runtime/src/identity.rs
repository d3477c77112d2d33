//! Which program writes the receipts.

use std::path::Path;

use cascade_ledger::Reader;
use cascade_receipt::content::Runtime;

use crate::file_hash;

/// This node, this version, this very binary.
///
/// # Errors
/// When the running binary cannot be read; receipts must not name a hash that nobody checked.
pub fn runtime(reader: &Reader) -> std::io::Result<Runtime> {
    let binary = file_hash::of_file(reader, Path::new("/proc/self/exe"));
    let binary_sha256 = binary.ok_or_else(|| std::io::Error::other("couldn't hash the running binary"))?;
    Ok(Runtime { node: node_name(), version: env!("CARGO_PKG_VERSION").to_owned(), binary_sha256 })
}

/// The host's name.
#[must_use]
pub fn node_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "host".to_owned() } else { name }
}
