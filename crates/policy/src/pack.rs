//! Compliance packs: what a regime asks for, as data that can only tighten a policy.
//!
//! A pack is one text: its files, in one canonical JSON value. A snapshot names it by hash; its forbids and limits
//! then stand beside the customer's own, and nothing the customer writes can lift them. What a pack lists as
//! detective is a citation and no gate: nothing here enforces it.

mod builtin;
mod check;
mod join;
mod manifest;
mod text;

use std::collections::BTreeSet;

use crate::cedar::StoredPolicy;
use crate::limits::Limits;

pub use self::builtin::{builtin, builtin_texts};
pub use self::manifest::{Manifest, Mode, PACK_FILE, Rule};
pub use self::text::{PACK_BYTES_MAX, PACK_TYPE, text_of};

pub(crate) use self::join::{Joined, join};

/// A pack that was read and whose rules and gates agree.
#[derive(Clone, Debug)]
pub struct Pack {
    /// What pack.toml says.
    pub manifest: Manifest,
    /// `tests/*.table`: name and text.
    pub tests: Vec<(String, String)>,
    /// The Cedar files: name and text.
    pub cedar: Vec<(String, String)>,
    /// What limits.toml says.
    pub limits: Limits,
    pub(crate) policies: Vec<StoredPolicy>,
}

impl Pack {
    /// Ids of the policies and names of the limits: everything the pack enforces.
    #[must_use]
    pub fn enforced(&self) -> BTreeSet<&str> {
        let policies = self.policies.iter().map(|policy| policy.id.as_str());
        let budgets = self.limits.budgets.iter().map(|budget| budget.name.as_str());
        let windows = self.limits.windows.iter().map(|window| window.name.as_str());
        policies.chain(budgets).chain(windows).collect()
    }
}
