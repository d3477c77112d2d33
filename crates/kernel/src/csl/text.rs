//! YAML and JSON to data. What one reader would take for this and another for that is refused: anchors and aliases
//! (which also multiply), tags, documents in a row, merge keys, words such as `yes`, numbers that are not whole.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput};

use super::fault::Fault;
use super::node::{DEPTH_MAX, Data, Key, NODES_MAX, Node, Place, SPEC_BYTES_MAX};
use cascade_receipt::json::INT_MAX;

/// Words that some YAML readers take for truth values and others for texts.
const TRUTHS_OF_OTHERS: [&str; 6] = ["yes", "no", "on", "off", "y", "n"];

/// Reads one document.
pub(super) fn parse(bytes: &[u8]) -> Result<Node, Fault> {
    if bytes.len() > SPEC_BYTES_MAX {
        return Err(fault((1, 1), format!("the spec has more than {} KiB", SPEC_BYTES_MAX >> 10)));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        fault(end_of(&String::from_utf8_lossy(before)), "the text is not UTF-8 from here on")
    })?;
    if let Some((index, character)) = text.char_indices().find(|(_, character)| is_unreadable(*character)) {
        let before = text.get(..index).unwrap_or_default();
        let code = u32::from(character);
        return Err(fault(end_of(before), format!("the character U+{code:04X} cannot stand here")));
    }
    // Whoever reads only a part of a spec would see other steps than are run.
    let mut reader = Reader { events: Parser::new_from_str(text), nodes: 0 };
    let (event, place) = reader.next()?;
    let node = match event {
        Event::StreamEnd => {
            Err(fault((1, 1), "the spec is empty; `cascade spec new` writes one to start from"))
        }
        event => reader.node(event, place, 0),
    }?;
    match reader.next()? {
        (Event::StreamEnd, _) => Ok(node),
        (_, place) => Err(fault(place, "a file holds one spec; a second document begins here")),
    }
}

/// What hides text from a reader, or turns it around on the screen.
fn is_unreadable(character: char) -> bool {
    let is_blank = matches!(character, '\n' | '\r' | '\t');
    let turns = matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}');
    (character.is_control() && !is_blank) || turns
}

/// The place behind a text.
fn end_of(text: &str) -> Place {
    let last = text.rsplit('\n').next().unwrap_or_default();
    (text.matches('\n').count() + 1, last.chars().count() + 1)
}

fn fault((line, column): Place, message: impl Into<String>) -> Fault {
    Fault { line, column, message: message.into() }
}

fn place_of(marker: &Marker) -> Place {
    (marker.line(), marker.col() + 1)
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    /// The next event that is part of the data, and where it begins.
    fn next(&mut self) -> Result<(Event<'a>, Place), Fault> {
        loop {
            let Some(next) = self.events.next() else { return Ok((Event::StreamEnd, (1, 1))) };
            let (event, span) = next.map_err(|error| fault(place_of(error.marker()), error.info()))?;
            match event {
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                event => return Ok((event, place_of(&span.start))),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Node, Fault> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(fault(place, format!("the spec holds more than {NODES_MAX} values")));
        }
        if depth > DEPTH_MAX {
            return Err(fault(place, format!("nested deeper than {DEPTH_MAX}")));
        }
        let data = match event {
            Event::Scalar(text, style, anchor, tag) => {
                is_plainly_written(place, anchor, tag.is_some())?;
                scalar(&text, style, place)?
            }
            Event::SequenceStart(anchor, tag) => {
                is_plainly_written(place, anchor, tag.is_some())?;
                self.list(depth)?
            }
            Event::MappingStart(anchor, tag) => {
                is_plainly_written(place, anchor, tag.is_some())?;
                self.map(depth)?
            }
            Event::Alias(_) => return Err(fault(place, "aliases (`*name`) are not allowed; write it out")),
            _ => return Err(fault(place, "a value is missing here")),
        };
        Ok(Node { place, data })
    }

    fn list(&mut self, depth: usize) -> Result<Data, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Data::List(items)),
                (event, place) => items.push(self.node(event, place, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Data, Fault> {
        let mut members: Vec<(Key, Node)> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        loop {
            let (name, place) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Data::Map(members)),
                (Event::Scalar(text, _, anchor, tag), place) => {
                    is_plainly_written(place, anchor, tag.is_some())?;
                    (text.into_owned(), place)
                }
                (_, place) => return Err(fault(place, "a key is a text")),
            };
            if name == "<<" {
                return Err(fault(place, "merge keys (`<<`) are not allowed; write the members out"));
            }
            if !seen.insert(name.clone()) {
                return Err(fault(place, format!("`{name}` stands here twice")));
            }
            let (event, at) = self.next()?;
            let value = self.node(event, at, depth + 1)?;
            members.push((Key { place, name }, value));
        }
    }
}

fn is_plainly_written(place: Place, anchor: usize, is_tagged: bool) -> Result<(), Fault> {
    if anchor != 0 {
        return Err(fault(
            place,
            "anchors (`&name`) are not allowed; write the value out where it is needed",
        ));
    }
    if is_tagged {
        return Err(fault(place, "tags (`!name`) are not allowed"));
    }
    Ok(())
}

/// A scalar by the core schema of YAML 1.2, less what readers of 1.1 see differently.
fn scalar(text: &str, style: ScalarStyle, place: Place) -> Result<Data, Fault> {
    if style != ScalarStyle::Plain {
        return Ok(Data::Str(text.to_owned()));
    }
    let quoted = |what: &str| Err(fault(place, format!("{what}; write \"{text}\" if it is meant as a text")));
    match text {
        "true" => return Ok(Data::Bool(true)),
        "false" => return Ok(Data::Bool(false)),
        "" | "~" => return Err(fault(place, "a value is missing here; leave the key out, or write \"\"")),
        _ => {}
    }
    let lower = text.to_ascii_lowercase();
    if TRUTHS_OF_OTHERS.contains(&lower.as_str()) || matches!(lower.as_str(), "true" | "false") {
        return quoted("truth values are `true` and `false`");
    }
    if lower == "null" {
        return quoted("there is no null: leave the key out");
    }
    if is_whole(text) {
        return match text.parse() {
            Ok(number) if (-INT_MAX..=INT_MAX).contains(&number) => Ok(Data::Int(number)),
            _ => quoted("numbers lie within ±(2^53 − 1)"),
        };
    }
    if is_like_a_number(&lower) {
        return quoted("numbers are whole and decimal");
    }
    Ok(Data::Str(text.to_owned()))
}

fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all && (digits == "0" || !digits.starts_with('0'))
}

/// What some reader takes for a number: `1.0`, `1e3`, `0x1f`, `0o7`, `007`, `+1`, `1_000`, `.inf`, `12:30:45`.
fn is_like_a_number(lower: &str) -> bool {
    let digits = lower.trim_start_matches(['+', '-']);
    if matches!(digits, ".inf" | ".nan") {
        return true;
    }
    let has_prefix = ["0x", "0o", "0b"].iter().any(|prefix| digits.starts_with(prefix));
    let body = if has_prefix { digits.get(2..).unwrap_or_default() } else { digits };
    let allowed = |byte: u8| {
        byte.is_ascii_digit()
            || matches!(byte, b'.' | b'_' | b':')
            || (has_prefix && byte.is_ascii_hexdigit())
    };
    let (mantissa, exponent) = body.split_once('e').filter(|_| !has_prefix).unwrap_or((body, "0"));
    let exponent = exponent.trim_start_matches(['+', '-']);
    let is_number =
        |part: &str| part.bytes().all(allowed) && part.bytes().any(|byte| byte.is_ascii_hexdigit());
    // A version such as 1.2.3 or a time of day such as 12:30 is read as a text by everybody.
    let dots = mantissa.matches('.').count();
    let colons = mantissa.matches(':').count();
    let is_text_for_all = dots > 1 || (colons == 1 && mantissa.starts_with('0')) || (colons > 0 && dots > 0);
    is_number(mantissa) && is_number(exponent) && !is_text_for_all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        parse(text.as_bytes()).map(|node| node.to_value().to_canonical()).map_err(|fault| fault.to_string())
    }

    #[test]
    fn yaml_and_json_of_the_same_data_are_the_same() {
        let yaml = "name: a\nsteps:\n  - id: one\n    run: [echo, \"x y\", 'z']\n    more: |\n      two\n      lines\n";
        let json = r#"{"steps":[{"run":["echo","x y","z"],"id":"one","more":"two\nlines\n"}],"name":"a"}"#;
        let pretty = "{\n\t\"name\": \"a\",\n\t\"steps\": [\n\t\t{\"id\": \"one\", \"run\": [\"echo\", \"x y\", \"z\"],\n\t\t\"more\": \"two\\nlines\\n\"}]\n}\n";
        assert_eq!(read(yaml), read(json));
        assert_eq!(read(yaml), read(pretty));
        assert_eq!(
            read(json).unwrap(),
            r#"{"name":"a","steps":[{"id":"one","more":"two\nlines\n","run":["echo","x y","z"]}]}"#
        );
    }

    #[test]
    fn what_readers_disagree_on_is_refused_where_it_stands() {
        for (text, said) in [
            ("a: &x 1\nb: *x\n", "1:4: anchors"),
            ("a: 1\nb: *x\n", "2:4: "),
            ("a: !!str 1\n", "1:4: tags"),
            ("a: yes\n", "1:4: truth values"),
            ("a: True\n", "1:4: truth values"),
            ("a: null\n", "1:4: there is no null"),
            ("a:\nb: 1\n", "a value is missing here"),
            ("a: 1.5\n", "1:4: numbers are whole"),
            ("a: 1e3\n", "1:4: numbers are whole"),
            ("a: 0x1f\n", "1:4: numbers are whole"),
            ("a: 007\n", "1:4: numbers are whole"),
            ("a: +1\n", "1:4: numbers are whole"),
            ("a: .inf\n", "1:4: numbers are whole"),
            ("a: 12:30:45\n", "1:4: numbers are whole"),
            ("a: 9007199254740992\n", "1:4: numbers lie within"),
            ("a: 1\na: 2\n", "2:1: `a` stands here twice"),
            ("<<: {b: 1}\n", "1:1: merge keys"),
            ("a: 1\n---\nb: 2\n", "a second document begins here"),
            ("", "1:1: the spec is empty"),
            ("[a]: 1\n", "1:1: a key is a text"),
            ("a: \"x\u{0}\"\n", "1:6: the character U+0000"),
            ("a: \"x\u{202E}y\"\n", "1:6: the character U+202E"),
            ("a: [1, 2\n", ":"),
        ] {
            let told = read(text).expect_err(text);
            assert!(told.contains(said), "{text:?}: {told}");
        }
        assert!(parse(b"a: b\nc: \xff\n").unwrap_err().to_string().starts_with("2:4: the text is not UTF-8"));
    }

    #[test]
    fn texts_that_everybody_reads_as_texts_need_no_quotes() {
        for text in ["1.2.3", "v1.0", "09:00", "2026-01-02", "a.b", "e", "1h", "10m", "x: y", "--tag=1", "ε"]
        {
            let quoted = text.contains(": ");
            let written = if quoted { format!("a: '{text}'") } else { format!("a: {text}") };
            assert_eq!(read(&written).unwrap(), format!("{{\"a\":\"{text}\"}}"), "{text}");
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_unfolded() {
        let mut bomb = String::from("a: &a [x,x,x,x,x,x,x,x,x]\n");
        for pair in ["ab", "bc", "cd", "de", "ef"] {
            let (from, to) = pair.split_at(1);
            bomb.push_str(&format!(
                "{to}: &{to} [*{from},*{from},*{from},*{from},*{from},*{from},*{from}]\n"
            ));
        }
        assert!(read(&bomb).unwrap_err().starts_with("1:4: anchors"));
        let deep = format!("a: {}1{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        assert!(read(&deep).unwrap_err().contains("nested deeper"), "{:?}", read(&deep));
        let fits = format!("a: {}1{}", "[".repeat(DEPTH_MAX - 1), "]".repeat(DEPTH_MAX - 1));
        assert!(read(&fits).is_ok());
        let wide = format!("a: [{}]", "1,".repeat(NODES_MAX));
        assert!(read(&wide).unwrap_err().contains("more than 50000 values"));
        let long = format!("a: \"{}\"", "x".repeat(SPEC_BYTES_MAX));
        assert!(read(&long).unwrap_err().contains("more than 256 KiB"));
        // Far deeper than any stack: refused by the depth, not by a crash.
        assert!(read(&"[".repeat(100_000)).is_err());
    }
}
