//! Packs beside the customer's own policies: what decisions see.

use std::collections::{BTreeMap, BTreeSet};

use super::{PACK_FILE, Pack};
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
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, pack) in packs {
        if let Ok(pack) = &pack {
            imports.insert(name.clone(), pack.manifest.imports.clone());
        }
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
    joined.without_what_builds_on_nothing(imports);
    joined
}

/// Whether a pack imports itself in the end.
fn comes_round(name: &str, imports: &BTreeMap<String, BTreeSet<String>>) -> bool {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&String> = imports.get(name).into_iter().flatten().collect();
    while let Some(want) = next.pop() {
        if want == name {
            return true;
        }
        if seen.insert(want) {
            next.extend(imports.get(want).into_iter().flatten());
        }
    }
    false
}

impl Joined {
    /// A pack is ready when everything it builds on is. What never becomes so lacks something, or builds on itself in
    /// the end.
    fn without_what_builds_on_nothing(&mut self, mut imports: BTreeMap<String, BTreeSet<String>>) {
        imports.retain(|name, _| self.packs.contains(name));
        let mut ready: BTreeSet<String> = BTreeSet::new();
        while let Some(next) = imports.iter().find(|(_, wants)| wants.is_subset(&ready)) {
            let name = next.0.clone();
            imports.remove(&name);
            ready.insert(name);
        }
        for (name, wants) in &imports {
            let fault =
                |code, message| PolicyFault::of_file(&format!("packs/{name}/{PACK_FILE}"), code, message);
            let unready = wants.iter().find(|want| !ready.contains(*want));
            let fault = match unready {
                Some(want) if !self.packs.contains(want) => {
                    fault("pack.import", format!("it imports `{want}`, which is not active"))
                        .suggest(format!("first: cascade pack activate {want}"))
                }
                Some(want) if !comes_round(name, &imports) => {
                    fault("pack.import", format!("it imports `{want}`, which cannot decide"))
                }
                _ => fault("pack.import_loop", "what it imports imports it in turn".to_owned()),
            };
            self.unready.insert(name.clone(), fault);
        }
        self.packs = ready;
    }

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
