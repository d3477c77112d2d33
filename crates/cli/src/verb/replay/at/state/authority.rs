//! The policy in force, the stop button, keys and credentials.

use cascade_ledger::KeyState;
use cascade_policy::credential::Declaration;
use cascade_receipt::json::Value;

use super::super::look::{self, Look, short};
use super::super::sheet::{Row, Section, Tone, cell, dim, members, number, plain};
use crate::exit::Failure;
use crate::verb::key;
use cascade_runtime::record::ERASED;

pub(super) fn policy(look: &Look<'_>) -> Result<Section, Failure> {
    let (policy, _) = look.moment.policy_in_force()?;
    let since = look.moment.policy_history()?.last().map_or(0, |(seq, _)| *seq);
    let by = look::record(look.now, since)?;
    let by = by.as_ref().map(|record| record.text("receipt_id")).unwrap_or_default();
    let regimes = look.moment.regimes()?;
    let named = regimes.iter().map(|regime| {
        members([("hash", regime.hash.to_hex().into()), ("name", regime.name.as_str().into())])
    });
    let document = members([
        ("activated_by", by.into()),
        ("hash", policy.hash.to_hex().into()),
        ("regimes", Value::Array(named.collect())),
        ("since", number(since)),
        ("version", policy.version.as_str().into()),
    ]);
    let cells = vec![
        cell(Tone::Bold, &policy.version),
        short(&policy.hash),
        plain(format!("since seq {since}")),
        dim(by),
    ];
    let mut section = Section::list("policy", "policy in force", "", vec![Row::new(document, cells)]);
    section.single = true;
    for regime in &regimes {
        section.rows.push(Row::told(vec![plain(format!("regime {}", regime.name)), short(&regime.hash)]));
    }
    Ok(section)
}

pub(super) fn standing(look: &Look<'_>) -> Result<Section, Failure> {
    let halted = look.moment.is_halted()?;
    let says = if halted { cell(Tone::Bad, "yes: nothing starts") } else { plain("no") };
    let mut rows = vec![Row::new(members([("halted", halted.into())]), vec![dim("halted"), says])];
    if look.moment.is_suspended()? {
        let says = if look.moment.is_deleted()? { "and deleted" } else { "yes: nothing starts" };
        rows.push(Row::told(vec![dim("suspended"), cell(Tone::Bad, says)]));
    }
    let mut section = Section::list("standing", "standing", "", rows);
    section.single = true;
    Ok(section)
}

pub(super) fn keys(look: &Look<'_>) -> Result<Section, Failure> {
    let mut rows = Vec::new();
    for one in look.moment.keys()? {
        // Which key this home signs with today is no part of the chain.
        let mut document = key::document(&one, false);
        if let Value::Object(members) = &mut document {
            members.remove("signs_here");
        }
        if one.state != KeyState::Active {
            rows.push(Row::quiet(document));
            continue;
        }
        let since = format!("since seq {}", one.seq);
        rows.push(Row::new(
            document,
            vec![plain(one.key_id.as_str()), plain(one.purpose.as_str()), dim(since)],
        ));
    }
    Ok(Section::list("keys", "keys active", "none", rows))
}

pub(super) fn credentials(look: &Look<'_>) -> Result<Section, Failure> {
    let mut rows = Vec::new();
    for receipt in look.moment.secrets_set()? {
        // What was taken away since is gone for this moment, too.
        let declared = look.now.declared_by(receipt)?;
        let declared = declared.as_deref().and_then(Declaration::parse);
        let name = declared.as_ref().map_or(ERASED, |declared| declared.name());
        let document = members([("name", name.into()), ("receipt_id", receipt.to_string().into())]);
        rows.push(Row::new(document, vec![plain(name), dim(receipt.to_string())]));
    }
    Ok(Section::list("credentials", "credentials", "none", rows))
}
