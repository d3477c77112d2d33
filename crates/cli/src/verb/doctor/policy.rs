//! The policy in force can be loaded, and every declared regime has its pack in it.

use cascade_ledger::Reader;
use cascade_runtime::{packs, policy_store};

use super::Finding;
use crate::exit::Failure;

pub(super) fn look(reader: &Reader) -> Result<Vec<Finding>, Failure> {
    const CHECK: &str = "policy";
    let (named, _) = reader.policy_in_force()?;
    let snapshot = match policy_store::load(reader, &named) {
        Ok(snapshot) => snapshot,
        Err(error) => {
            let next =
                "`cascade fsck` says what is missing; `cascade policy activate DIR` puts another in force";
            return Ok(vec![Finding::wrong(CHECK, error.to_string(), next)]);
        }
    };
    let regimes = reader.regimes()?;
    let mut findings = vec![Finding::fine(CHECK, format!("`{}` is in force and loads", named.version))];
    for regime in &regimes {
        let name = &regime.name;
        let next =
            format!("`cascade pack activate {name}` brings it back, or `cascade pack deactivate {name}`");
        let fault = match (snapshot.unready().get(name), packs::text(reader, regime)) {
            (Some(fault), _) => Some(fault.to_string()),
            (None, Err(error)) => Some(error.to_string()),
            (None, Ok(_)) if !snapshot.packs().contains(name) => {
                Some("it is not part of the policy in force".to_owned())
            }
            (None, Ok(_)) => None,
        };
        findings.extend(
            fault.map(|fault| Finding::wrong("policy.pack", format!("the pack `{name}`: {fault}"), next)),
        );
    }
    if findings.len() == 1 {
        let seen = format!("{} declared, each with its pack", regimes.len());
        findings.push(Finding::fine("policy.pack", seen));
    }
    Ok(findings)
}
