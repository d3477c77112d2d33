//! Names of principals, looked up once: an id gets its name when it is made, and keeps it as long as the vault is there.

use std::collections::HashMap;

use cascade_receipt::id::PrincipalId;

use crate::fault::Fault;
use crate::reader::{Reader, lock};
use crate::vault::{self, Name};

/// Names that are kept; more are looked up each time.
const NAMES_KEPT_MAX: usize = 4096;

impl Reader {
    /// The name behind a principal id.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn name(&self, principal: PrincipalId) -> Result<Option<Name>, Fault> {
        if let Some(known) = lock(&self.names).get(&principal) {
            return Ok(Some(known.clone()));
        }
        let found = self.ask_vault(|conn| vault::name(conn, principal))?;
        if let Some(name) = &found {
            keep(&mut lock(&self.names), principal, name);
        }
        Ok(found)
    }
}

fn keep(known: &mut HashMap<PrincipalId, Name>, principal: PrincipalId, name: &Name) {
    if known.len() < NAMES_KEPT_MAX {
        known.insert(principal, name.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::PrincipalKind;

    #[test]
    fn as_many_names_are_kept_as_the_limit_says() {
        let mut known = HashMap::new();
        let name = Name { kind: PrincipalKind::Person, name: "ada".to_owned() };
        for number in 0..=NAMES_KEPT_MAX as u64 {
            keep(&mut known, PrincipalId(number.to_be_bytes()), &name);
        }
        assert_eq!(known.len(), NAMES_KEPT_MAX);
    }
}
