//! People, what they were given, and by what they are known from afar.

use cascade_receipt::json::Value;
use cascade_runtime::tokens::TokenState;

use super::super::look::Look;
use super::super::sheet::{Row, Section, Tone, cell, dim, members, number, plain};
use crate::exit::Failure;
use crate::verb::{grant, token};

pub(super) fn people(look: &Look<'_>) -> Result<Section, Failure> {
    let mut rows = Vec::new();
    for person in look.moment.people()? {
        let name = look.name(person.principal)?;
        let groups = person.groups.iter().map(|group| Value::from(group.as_str())).collect();
        let document = members([
            ("groups", Value::Array(groups)),
            ("key_since", number(person.key_since)),
            ("name", name.as_str().into()),
            ("principal", person.principal.to_string().into()),
            ("registered", person.is_registered().into()),
            ("ssh_key", person.ssh_key.as_str().into()),
        ]);
        if !person.is_registered() {
            rows.push(Row::quiet(document));
            continue;
        }
        let since = format!("key since seq {}", person.key_since);
        let cells = vec![
            plain(person.principal.to_string()),
            cell(Tone::Bold, name),
            plain(person.groups.join(", ")),
            dim(since),
        ];
        rows.push(Row::new(document, cells));
    }
    Ok(Section::list("people", "people", "nobody", rows))
}

pub(super) fn grants(look: &Look<'_>) -> Result<Section, Failure> {
    let (mut rows, mut ended) = (Vec::new(), 0_u64);
    for one in look.moment.grants()? {
        let state = grant::state(&one, look.at);
        let document = grant::document(look.moment, &one, state)?;
        if state != "holds" {
            ended += 1;
            rows.push(Row::quiet(document));
            continue;
        }
        let up_to = one.scope.up_to.map(|tier| format!(", up to {tier}")).unwrap_or_default();
        let until = one.expires.map(|time| format!(", until {time}")).unwrap_or_default();
        let levels = if one.delegate > 0 { format!(", to hand on {}", one.delegate) } else { String::new() };
        let may = format!("may {}{up_to}{until}{levels}", grant::what(look.moment, &one)?);
        let by = format!("given by {}", look.name(one.principal)?);
        let id = plain(one.receipt_id.to_string());
        rows.push(Row::new(document, vec![id, cell(Tone::Bold, look.name(one.to)?), plain(may), dim(by)]));
    }
    if ended > 0 {
        rows.push(Row::told(vec![dim(format!("{ended} that no longer hold"))]));
    }
    Ok(Section::list("grants", "grants in force", "none", rows))
}

pub(super) fn tokens(look: &Look<'_>) -> Result<Section, Failure> {
    let (mut rows, mut ended) = (Vec::new(), 0_u64);
    for one in look.moment.tokens()? {
        let state = TokenState::of(look.moment, &one, look.at)?;
        let document = token::document(look.moment, &one, state)?;
        if state != TokenState::Holds {
            ended += 1;
            rows.push(Row::quiet(document));
            continue;
        }
        let scopes: Vec<&str> = one.scopes.iter().map(|scope| scope.as_str()).collect();
        let good_for = format!("for {}, until {}", scopes.join(", "), one.expires);
        let by = format!("issued by {}", look.name(one.principal)?);
        let id = plain(one.token_id.to_string());
        rows.push(Row::new(
            document,
            vec![id, cell(Tone::Bold, look.name(one.to)?), plain(good_for), dim(by)],
        ));
    }
    if ended > 0 {
        rows.push(Row::told(vec![dim(format!("{ended} that no longer count"))]));
    }
    Ok(Section::list("tokens", "tokens that count", "none", rows))
}
