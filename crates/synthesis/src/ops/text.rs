//! Strings. What Python decides by Unicode tables is answered for ASCII only.

use super::Answer;
use super::list::{items, list};
use crate::limits::CHARS_MAX;
use crate::value::{Fail, Value};

/// The text of a string value.
pub(crate) fn string(value: &Value) -> Result<&str, Fail> {
    match value {
        Value::Str(s) => Ok(s),
        _ => Err(Fail::Raises),
    }
}

fn ascii(value: &Value) -> Result<&str, Fail> {
    let s = string(value)?;
    if s.is_ascii() { Ok(s) } else { Err(Fail::Unsupported) }
}

fn bounded(text: String) -> Answer {
    if text.len() > CHARS_MAX { Err(Fail::TooBig) } else { Ok(Value::Str(text.into())) }
}

pub(super) fn upper(a: &Value) -> Answer {
    Ok(Value::text(&ascii(a)?.to_ascii_uppercase()))
}

pub(super) fn lower(a: &Value) -> Answer {
    Ok(Value::text(&ascii(a)?.to_ascii_lowercase()))
}

pub(super) fn swapcase(a: &Value) -> Answer {
    let swap = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    Ok(Value::text(&ascii(a)?.chars().map(swap).collect::<String>()))
}

pub(super) fn capitalize(a: &Value) -> Answer {
    let s = ascii(a)?;
    let (first, rest) = s.split_at_checked(1).unwrap_or(("", ""));
    Ok(Value::text(&(first.to_ascii_uppercase() + &rest.to_ascii_lowercase())))
}

pub(super) fn title(a: &Value) -> Answer {
    let mut inside = false;
    let mut out = String::new();
    for c in ascii(a)?.chars() {
        out.push(if inside { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() });
        inside = c.is_ascii_alphabetic();
    }
    Ok(Value::text(&out))
}

/// Whether all characters are of a class and there is one at all.
pub(super) fn all_are(a: &Value, class: fn(char) -> bool) -> Answer {
    let s = ascii(a)?;
    Ok(Value::Bool(!s.is_empty() && s.chars().all(class)))
}

/// `isupper` and `islower`: no letter of the other case, at least one of this.
pub(super) fn cased(a: &Value, upper: bool) -> Answer {
    let s = ascii(a)?;
    let (ups, lows) = (s.chars().any(|c| c.is_ascii_uppercase()), s.chars().any(|c| c.is_ascii_lowercase()));
    Ok(Value::Bool(if upper { ups && !lows } else { lows && !ups }))
}

/// What `str.split()` takes as a gap.
pub(crate) fn gap(c: char) -> bool {
    c.is_ascii_whitespace() || matches!(c, '\x0b' | '\x1c'..='\x1f')
}

pub(super) fn words(a: &Value) -> Answer {
    list(ascii(a)?.split(gap).filter(|word| !word.is_empty()).map(Value::text).collect())
}

pub(super) fn split(a: &Value, separator: &Value) -> Answer {
    let separator = string(separator)?;
    if separator.is_empty() {
        return Err(Fail::Raises);
    }
    list(string(a)?.split(separator).map(Value::text).collect())
}

pub(super) fn strip(a: &Value) -> Answer {
    Ok(Value::text(ascii(a)?.trim_matches(gap)))
}

pub(super) fn join(separator: &Value, parts: &Value) -> Answer {
    let separator = string(separator)?;
    let mut out = String::new();
    for (at, part) in items(parts)?.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { separator });
        out.push_str(string(part)?);
        if out.len() > CHARS_MAX {
            return Err(Fail::TooBig);
        }
    }
    Ok(Value::text(&out))
}

pub(super) fn replace(a: &Value, old: &Value, new: &Value) -> Answer {
    let (s, new) = (string(a)?, string(new)?);
    if s.len().saturating_mul(new.len() + 1) > CHARS_MAX {
        return Err(Fail::TooBig);
    }
    bounded(s.replace(string(old)?, new))
}

pub(super) fn ord(a: &Value) -> Answer {
    let mut chars = string(a)?.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(Value::Int(i64::from(u32::from(c)))),
        _ => Err(Fail::Raises),
    }
}

pub(super) fn chr(code: i64) -> Answer {
    let code = u32::try_from(code).map_err(|_| Fail::Raises)?;
    // Python has lone surrogates, Rust has not.
    let c = char::from_u32(code).ok_or(if code > 0x0010_ffff { Fail::Raises } else { Fail::Unsupported })?;
    Ok(Value::text(c.encode_utf8(&mut [0; 4])))
}

/// `int(text)` and `int(text, 2)`.
pub(super) fn to_int(a: &Value, base: u32) -> Answer {
    let s = ascii(a)?.trim_matches(gap);
    if s.contains('_')
        || (base == 2 && s.trim_start_matches(['-', '+']).starts_with(['0']) && s.contains(['b', 'B']))
    {
        return Err(Fail::Unsupported);
    }
    match i64::from_str_radix(s, base) {
        Ok(i) => Ok(Value::Int(i)),
        Err(error) => Err(match error.kind() {
            std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => Fail::TooBig,
            _ => Fail::Raises,
        }),
    }
}

/// `float(text)` for plain decimal notation.
pub(super) fn to_float(a: &Value) -> Answer {
    let s = ascii(a)?.trim_matches(gap);
    if s.contains(|c: char| c == '_' || (c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E'))) {
        return Err(Fail::Unsupported);
    }
    let f: f64 = s.parse().map_err(|_| Fail::Raises)?;
    if f.is_finite() { Ok(Value::Float(f)) } else { Err(Fail::Unsupported) }
}

/// `str(value)`: the text itself, the `repr` of anything else.
pub(super) fn show(a: &Value) -> Answer {
    match a {
        Value::Str(s) => Ok(Value::Str(s.clone())),
        other => bounded(other.repr()),
    }
}

/// `bin(n)[2:]` and its likes for numbers that are not negative.
pub(super) fn binary(n: i64) -> Answer {
    if n < 0 { Err(Fail::Unsupported) } else { Ok(Value::text(&format!("{n:b}"))) }
}
