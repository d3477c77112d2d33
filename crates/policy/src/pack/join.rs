//! Packs beside the customer's own policies: what decisions see.

use std::collections::{BTreeMap, BTreeSet};

use super::Pack;
use crate::cedar::StoredPolicy;
use crate::snapshot::{PolicyFault, Thresholds};

/// Own policies and settings with those of the packs.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) policies: Vec<StoredPolicy>,
    /// With the limits of the packs.
    pub(crate) thresholds: Thresholds,
    /// Packs that decide.
    pub(crate) packs: BTreeSet<String>,
    /// Packs that are named and cannot decide, and why. Nothing runs beside one.
    pub(crate) unready: BTreeMap<String, PolicyFault>,
}

/// Adds packs to policies and settings.
pub(crate) fn join(
    policies: Vec<StoredPolicy>,
    thresholds: Thresholds,
    packs: impl IntoIterator<Item = (String, Result<Pack, PolicyFault>)>,
) -> Joined {
    let mut joined = Joined { policies, thresholds, packs: BTreeSet::new(), unready: BTreeMap::new() };
    for (name, pack) in packs {
        let added = pack.and_then(|pack| joined.add(&name, pack));
        match added {
            Ok(()) if joined.packs.insert(name.clone()) => {}
            Ok(()) => {
                let fault = PolicyFault::of_file(&format!("packs/{name}"), "pack.clash", "it is there twice");
                joined.unready.insert(name, fault);
            }
            Err(fault) => {
                joined.unready.insert(name, fault);
            }
        }
    }
    joined
}

impl Joined {
    fn add(&mut self, name: &str, pack: Pack) -> Result<(), PolicyFault> {
        let fault = |code, message: String| PolicyFault::of_file(&format!("packs/{name}"), code, message);
        let programs =
            |family: &String| self.thresholds.families.get(family).is_some_and(|all| !all.is_empty());
        if let Some(family) = pack.manifest.families.iter().find(|family| !programs(family)) {
            let fault =
                fault("pack.family", format!("it acts on the family `{family}`, which has no programs"));
            return Err(fault.suggest(format!("name them in thresholds.toml: [families] {family} = [\"…\"]")));
        }
        let limits = &mut self.thresholds.limits;
        let own = self.policies.iter().map(|policy| policy.id.as_str());
        let budgets = limits.budgets.iter().map(|budget| budget.name.as_str());
        let windows = limits.windows.iter().map(|window| window.name.as_str());
        let taken: BTreeSet<&str> = own.chain(budgets).chain(windows).collect();
        if let Some(id) = pack.enforced().iter().find(|id| taken.contains(*id)) {
            let fault = fault("pack.clash", format!("the policy has an own `{id}`"));
            return Err(fault.suggest("give your own another name"));
        }
        self.policies.extend(pack.policies);
        limits.budgets.extend(pack.limits.budgets);
        limits.windows.extend(pack.limits.windows);
        Ok(())
    }
}
