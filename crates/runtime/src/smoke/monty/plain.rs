//! Plain data: what passes between the two sessions, and how it is written.

use monty_types::MontyObject;

use super::super::limits::VALUE_BYTES_MAX;
use super::Stop;

/// Says what is not plain in a value.
pub(super) fn check(value: &MontyObject) -> Result<(), String> {
    match value {
        MontyObject::None
        | MontyObject::Ellipsis
        | MontyObject::Bool(_)
        | MontyObject::Int(_)
        | MontyObject::BigInt(_)
        | MontyObject::Float(_)
        | MontyObject::String(_)
        | MontyObject::Bytes(_)
        | MontyObject::Date(_)
        | MontyObject::DateTime(_)
        | MontyObject::Time(_)
        | MontyObject::TimeDelta(_)
        | MontyObject::TimeZone(_) => Ok(()),
        MontyObject::List(items)
        | MontyObject::Tuple(items)
        | MontyObject::Set(items)
        | MontyObject::FrozenSet(items)
        | MontyObject::NamedTuple { values: items, .. } => items.iter().try_for_each(check),
        MontyObject::Dict(pairs) => {
            pairs.iter().try_for_each(|(key, value)| check(key).and_then(|()| check(value)))
        }
        other => Err(format!("a value of type {}", other.type_name())),
    }
}

/// Whether a callee cannot change it.
pub(super) fn is_immutable(value: &MontyObject) -> bool {
    match value {
        MontyObject::List(_) | MontyObject::Set(_) | MontyObject::Dict(_) => false,
        MontyObject::Tuple(items) | MontyObject::FrozenSet(items) => items.iter().all(is_immutable),
        MontyObject::NamedTuple { values, .. } => values.iter().all(is_immutable),
        _ => true,
    }
}

/// As `repr` writes it, except that the members of a set come in the order of their text: they have none of their own.
pub(super) fn show(value: &MontyObject) -> Result<String, Stop> {
    check(value).map_err(|what| Stop::Unsupported(format!("{what} as the value of a call")))?;
    let mut out = String::new();
    write(value, &mut out)?;
    if out.len() > VALUE_BYTES_MAX { Err(Stop::OutputExceeded) } else { Ok(out) }
}

fn write(value: &MontyObject, out: &mut String) -> Result<(), Stop> {
    if out.len() > VALUE_BYTES_MAX {
        return Err(Stop::OutputExceeded);
    }
    match value {
        MontyObject::List(items) => return list(items, ["[", "]"], out),
        MontyObject::Tuple(items) => {
            return list(items, if items.len() == 1 { ["(", ",)"] } else { ["(", ")"] }, out);
        }
        MontyObject::Set(items) if !items.is_empty() => return sorted(items, ["{", "}"], out),
        MontyObject::FrozenSet(items) if !items.is_empty() => {
            return sorted(items, ["frozenset({", "})"], out);
        }
        MontyObject::Dict(pairs) => {
            out.push('{');
            for (index, (key, value)) in pairs.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write(key, out)?;
                out.push_str(": ");
                write(value, out)?;
            }
            out.push('}');
        }
        other => out.push_str(&other.py_repr()),
    }
    Ok(())
}

fn list(items: &[MontyObject], [open, close]: [&str; 2], out: &mut String) -> Result<(), Stop> {
    out.push_str(open);
    for (index, item) in items.iter().enumerate() {
        out.push_str(if index > 0 { ", " } else { "" });
        write(item, out)?;
    }
    out.push_str(close);
    Ok(())
}

fn sorted(items: &[MontyObject], [open, close]: [&str; 2], out: &mut String) -> Result<(), Stop> {
    let mut texts = Vec::new();
    let mut bytes = 0;
    for item in items {
        let mut text = String::new();
        write(item, &mut text)?;
        bytes += text.len();
        if bytes > VALUE_BYTES_MAX {
            return Err(Stop::OutputExceeded);
        }
        texts.push(text);
    }
    texts.sort_unstable();
    out.push_str(open);
    out.push_str(&texts.join(", "));
    out.push_str(close);
    Ok(())
}
