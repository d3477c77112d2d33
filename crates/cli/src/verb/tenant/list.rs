//! The tenants of a home.

use cascade_ledger::{EndedTenant, Home, OpenError, Reader, TenantId};
use cascade_receipt::json::Value;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{self, BAD, BOLD, CARE, DIM, GOOD, Painted};
use crate::place;

pub(super) fn list(global: &Global) -> Exit {
    let home = match Home::open(&place::home_dir(global)?) {
        Err(OpenError::NoHome(_)) => return Ok(exit::DONE),
        other => other.map_err(place::opening)?,
    };
    let mut ended = Vec::new();
    for tenant in home.tenants().map_err(place::opening)? {
        let reader = home.open_tenant_read_only(&tenant).map_err(place::opening)?;
        one(global, &tenant, &reader)?;
        for one in reader.ended_tenants()? {
            let name = reader.private(&one.ended.tenant_hash)?;
            let name = name.and_then(|(_, bytes)| String::from_utf8(bytes).ok());
            ended.push((tenant.clone(), name, one));
        }
    }
    for (by, name, one) in &ended {
        gone(global, by, name.as_deref(), one)?;
    }
    Ok(exit::DONE)
}

/// In one word; a tenant that is suspended and halted is suspended first of all.
fn state(reader: &Reader) -> Result<&'static str, Failure> {
    Ok(if reader.is_deleted()? {
        "deleted"
    } else if reader.is_suspended()? {
        "suspended"
    } else if reader.is_halted()? {
        "halted"
    } else {
        "active"
    })
}

fn one(global: &Global, tenant: &TenantId, reader: &Reader) -> Result<(), Failure> {
    let (state, receipts) = (state(reader)?, reader.head()?.next_seq);
    let (policy, _) = reader.policy_in_force()?;
    if global.json {
        output::json(&Value::object([
            ("halted", reader.is_halted()?.into()),
            ("log_origin", reader.log_origin().as_str().into()),
            ("policy", policy.version.as_str().into()),
            ("receipts", Value::Int(i64::try_from(receipts).unwrap_or(i64::MAX))),
            ("state", state.into()),
            ("tenant", tenant.as_str().into()),
        ]))?;
        return Ok(());
    }
    let style = match state {
        "active" => GOOD,
        "suspended" => CARE,
        _ => BAD,
    };
    output::line(format_args!(
        "{}  {}  {receipts} receipt(s), policy {}  {}",
        Painted(BOLD, tenant),
        Painted(style, state),
        output::safe(&policy.version),
        Painted(DIM, reader.log_origin()),
    ))?;
    Ok(())
}

fn gone(global: &Global, by: &TenantId, name: Option<&str>, one: &EndedTenant) -> Result<(), Failure> {
    if global.json {
        let mut members = vec![
            ("head", one.ended.head.to_hex().into()),
            ("log_origin", one.ended.log_origin.as_str().into()),
            ("receipt_id", one.receipt_id.to_string().into()),
            ("receipts", Value::Int(i64::try_from(one.ended.size).unwrap_or(i64::MAX))),
            ("recorded_by", by.as_str().into()),
            ("root", one.ended.root.to_hex().into()),
            ("state", "deleted".into()),
        ];
        members.extend(name.map(|name| ("tenant", name.into())));
        output::json(&Value::Object(
            members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        ))?;
        return Ok(());
    }
    output::line(format_args!(
        "{}  {}  {} receipt(s), recorded by {by} as {}  {}",
        Painted(BOLD, output::safe(name.unwrap_or("(erased)"))),
        Painted(DIM, "deleted"),
        one.ended.size,
        one.receipt_id,
        Painted(DIM, &one.ended.log_origin),
    ))?;
    Ok(())
}
