//! The members of a batch's line as they were written: an id goes back to whoever gave it, to the letter.

use serde::de::{DeserializeOwned, IgnoredAny};

/// A line's members.
#[derive(Debug, Default)]
pub(super) struct Members<'l>(Vec<(String, &'l str)>);

impl<'l> Members<'l> {
    /// Takes a line apart, or says what is wrong with it.
    pub(super) fn of(line: &'l [u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(line).map_err(|_| "the line is no UTF-8".to_owned())?;
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| format!("the line is no JSON: {error}"))?;
        let mut rest = text.trim_start().strip_prefix('{').ok_or("a line is a JSON object")?;
        let mut members = Vec::new();
        while !rest.trim_start().starts_with('}') {
            let (key, behind) = one::<String>(after(rest, ','))?;
            let value = after(behind, ':');
            let (_, behind) = one::<IgnoredAny>(value)?;
            members.push((key, value.get(..value.len() - behind.len()).unwrap_or_default().trim()));
            rest = behind;
        }
        Ok(Self(members))
    }

    /// A member that stands there more than once: nobody knows which is meant.
    pub(super) fn twice(&self) -> Option<&str> {
        let keys: Vec<&str> = self.0.iter().map(|(key, _)| key.as_str()).collect();
        keys.iter()
            .enumerate()
            .find(|(at, key)| keys.iter().take(*at).any(|other| other == *key))
            .map(|(_, key)| *key)
    }

    /// The text of a member, if it stands there once.
    pub(super) fn text(&self, wanted: &str) -> Option<&'l str> {
        let mut found = self.0.iter().filter(|(key, _)| key == wanted);
        found.next().filter(|_| found.next().is_none()).map(|(_, text)| *text)
    }

    /// Everything but `id`, as values.
    pub(super) fn values(&self) -> Result<serde_json::Map<String, serde_json::Value>, String> {
        let others = self.0.iter().filter(|(key, _)| key != "id");
        let value = |(key, text): &(String, &str)| Ok((key.clone(), serde_json::from_str(text)?));
        let values: Result<_, serde_json::Error> = others.map(value).collect();
        values.map_err(|error| format!("the line is no JSON: {error}"))
    }
}

/// What stands behind a mark that may be there.
fn after(text: &str, mark: char) -> &str {
    let text = text.trim_start();
    text.strip_prefix(mark).unwrap_or(text)
}

/// The value at the start of a text, and what stands behind it.
fn one<T: DeserializeOwned>(text: &str) -> Result<(T, &str), String> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    let value = values.next().and_then(Result::ok).ok_or("the line is no JSON")?;
    Ok((value, text.get(values.byte_offset()..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_kept_as_they_were_written() {
        let line =
            r#" { "id" : 123456789012345678901234567890 , "a,}" :[1,{"b":"}"}] ,"\u0069":1E400,"c":null}"#;
        let members = Members::of(line.as_bytes()).unwrap();
        let found: Vec<(&str, &str)> = members.0.iter().map(|(key, text)| (key.as_str(), *text)).collect();
        assert_eq!(
            found,
            [
                ("id", "123456789012345678901234567890"),
                ("a,}", r#"[1,{"b":"}"}]"#),
                ("i", "1E400"),
                ("c", "null")
            ]
        );
        assert_eq!(Members::of(b"{}").unwrap().0, []);
    }

    #[test]
    fn one_that_stands_there_twice_is_found_however_it_is_spelled() {
        let members = Members::of(br#"{"text":"a","id":1,"\u0074ext":"b"}"#).unwrap();
        assert_eq!(
            (members.twice(), members.text("text"), members.text("id")),
            (Some("text"), None, Some("1"))
        );
        assert_eq!(Members::of(br#"{"id":{"a":1,"a":2}}"#).unwrap().twice(), None);
        for wrong in ["[]", "1", "{", "{\"a\":1,}", "{\"a\" 1}", "{\"a\":1} x", "\u{0}"] {
            assert!(Members::of(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
