//! Grants and tokens as they are read (format section 2.1).

use alloc::string::String;
use alloc::vec::Vec;

use crate::content::{DELEGATION_MAX, GRANT_COMMANDS_MAX, Right, Scope};
use crate::decision::RiskTier;
use crate::reader::fields::{self, Fields, missing};
use crate::reader::kinds::{groups, texts};
use crate::reader::{ContentFault, Given, Meaning};
use crate::resource::{PATTERNS_MAX, Pattern};
use crate::tree::View;

pub(super) fn given(fields: &Fields<'_, '_>) -> Result<Given, ContentFault> {
    fields.req("statement_id", fields::statement_id)?;
    Ok(Given {
        principal: fields.req("principal", fields::principal)?,
        to: fields.req("to", fields::principal)?,
        on_behalf_of: fields.opt("on_behalf_of", fields::principal)?,
        scope: scope(&fields.object("scope")?)?,
        expires: fields.opt("expires", fields::timestamp)?,
        delegate: fields.req("delegate", |view| view.uint().filter(|levels| *levels <= DELEGATION_MAX))?,
    })
}

pub(super) fn revoked(fields: &Fields<'_, '_>) -> Result<Meaning, ContentFault> {
    fields.req("statement_id", fields::statement_id)?;
    Ok(Meaning::GrantRevoked(fields.req("principal", fields::principal)?))
}

pub(super) fn token_issued(fields: &Fields<'_, '_>) -> Result<Meaning, ContentFault> {
    fields.req("expires", fields::timestamp)?;
    // Words of a later version stay readable; whoever does not know one gives nothing for it.
    fields.req("scopes", groups)?;
    fields.req("statement_id", fields::statement_id)?;
    fields.req("to", fields::principal)?;
    fields.req("token_hash", fields::digest)?;
    fields.req("token_id", fields::token_id)?;
    Ok(Meaning::TokenIssued(fields.req("principal", fields::principal)?))
}

pub(super) fn token_revoked(fields: &Fields<'_, '_>) -> Result<Meaning, ContentFault> {
    fields.req("statement_id", fields::statement_id)?;
    fields.req("token_id", fields::token_id)?;
    Ok(Meaning::TokenRevoked(fields.req("principal", fields::principal)?))
}

/// `assume` or `commands`, never both; `resources` beside `commands` only.
fn scope(scope: &Fields<'_, '_>) -> Result<Scope, ContentFault> {
    let right = match scope.opt("assume", fields::principal)? {
        Some(_) if scope.has("commands") => return Err(missing("scope")),
        Some(principal) => Right::Assume(principal),
        None => Right::Commands(scope.req("commands", commands)?),
    };
    let up_to = scope.opt("up_to", |view: View<'_, '_>| RiskTier::parse(view.plain()?))?;
    let resources = match right {
        Right::Assume(_) if scope.has("resources") => return Err(missing("scope")),
        _ => scope.opt("resources", resources)?.unwrap_or_default(),
    };
    Ok(Scope { right, resources, up_to })
}

/// At least one, each of a shape that can be compared.
fn resources(view: View<'_, '_>) -> Option<Vec<String>> {
    let fits = |patterns: &Vec<String>| {
        (1..=PATTERNS_MAX).contains(&patterns.len())
            && patterns.iter().all(|pattern| Pattern::parse(pattern).is_some())
    };
    texts(view).filter(fits)
}

/// Each of them is compared with what the grant stands on.
fn commands(view: View<'_, '_>) -> Option<Vec<String>> {
    texts(view).filter(|commands| commands.len() <= GRANT_COMMANDS_MAX)
}
