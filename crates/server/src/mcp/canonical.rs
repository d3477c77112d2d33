//! The one text of a definition: members sorted, no blanks, so that its hash hangs on what it says alone.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A definition, canonical. One with a member twice, of which readers may take either, stays as it is written and is
/// the same only to the byte.
pub(super) fn text(raw: &RawValue) -> String {
    serde_json::from_str::<Canonical>(raw.get()).map_or_else(|_| raw.get().to_owned(), |one| one.0)
}

/// Read strictly and written again at once.
struct Canonical(String);

impl<'de> Deserialize<'de> for Canonical {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reading).map(Self)
    }
}

struct Reading;

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl<'de> Visitor<'de> for Reading {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<String, E> {
        Ok(serde_json::Value::from(value).to_string())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<String, E> {
        Ok(quoted(value))
    }

    fn visit_unit<E: Error>(self) -> Result<String, E> {
        Ok("null".to_owned())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<String, A::Error> {
        let mut all = Vec::new();
        while let Some(Canonical(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(format!("[{}]", all.join(",")))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<String, A::Error> {
        let mut all = BTreeMap::new();
        while let Some((key, Canonical(value))) = members.next_entry::<String, Canonical>()? {
            if all.insert(key, value).is_some() {
                return Err(Error::custom("a member stands there twice"));
            }
        }
        let member = |(key, value): (&String, &String)| format!("{}:{value}", quoted(key));
        Ok(format!("{{{}}}", all.iter().map(member).collect::<Vec<_>>().join(",")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_the_same_has_one_text() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let one = raw(r#"{"name":"a", "inputSchema": {"x": [1, 2.50, true, null, "\u00e9\n"]}}"#);
        let same = raw(r#"{"inputSchema":{"x":[1,2.5,true,null,"é\n"]},"name":"a"}"#);
        assert_eq!(text(&one), text(&same));
        assert_eq!(text(&one), r#"{"inputSchema":{"x":[1,2.5,true,null,"é\n"]},"name":"a"}"#);
        for other in [r#"{"name":"b"}"#, r#"{"name":"a","name":"b"}"#, r#"{"name":"a","x":{"y":1,"y":2}}"#] {
            assert_eq!(text(&raw(other)), other);
        }
    }
}
