//! Rust source with comments and the insides of literals blanked, so that braces and words can be
//! read off the text. Offsets and lines stay those of the source.

/// Blanks comments and literals. Every blanked byte becomes a space; line ends stay.
pub(super) fn mask(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    let mut in_word = false;
    while let Some(next) = rest.chars().next() {
        let blank = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if next == '\'' {
            character(rest)
        } else if in_word {
            0
        } else {
            string(rest)
        };
        let (head, tail) = rest.split_at(if blank == 0 { next.len_utf8() } else { blank });
        if blank == 0 {
            out.push_str(head);
        } else {
            out.extend(head.chars().flat_map(blanked));
        }
        // A raw string's prefix counts only at the start of a word: the `r` of `for"…"` is none.
        in_word = blank == 0 && (next.is_alphanumeric() || next == '_') && !tail.starts_with('"');
        rest = tail;
    }
    out
}

/// [`mask`], and every item under a test attribute blanked as well.
pub(super) fn outside_tests(source: &str) -> String {
    let mut text = mask(source);
    let attribute = "#[cfg(test)]";
    while let Some(start) = text.find(attribute) {
        let length = governed(text.get(start + attribute.len()..).unwrap_or_default());
        let end = start + attribute.len() + length;
        let blank: String = text.get(start..end).unwrap_or_default().chars().flat_map(blanked).collect();
        text.replace_range(start..end, &blank);
    }
    text
}

/// The length of what an attribute governs: an item through its block or semicolon, or else a field, arm or
/// statement through its comma or semicolon.
fn governed(masked: &str) -> usize {
    const ITEMS: &[&str] = &[
        "async",
        "const",
        "enum",
        "extern",
        "fn",
        "impl",
        "macro_rules",
        "mod",
        "static",
        "struct",
        "trait",
        "type",
        "unsafe",
        "use",
    ];
    let plain = |text: &'_ str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut first = plain(masked);
    if first == "pub" {
        let after = masked.trim_start().trim_start_matches("pub").trim_start();
        first = plain(
            after.strip_prefix('(').and_then(|text| text.split_once(')')).map_or(after, |(_, rest)| rest),
        );
    }
    let is_item = ITEMS.contains(&first.as_str());
    let mut depth = 0_usize;
    for (at, c) in masked.char_indices() {
        match c {
            '{' if depth == 0 && is_item => return at + braced(masked.get(at..).unwrap_or_default()),
            ';' if depth == 0 => return at + 1,
            ',' if depth == 0 && !is_item => return at + 1,
            '(' | '[' | '{' => depth += 1,
            // The end of what encloses a last field without a comma.
            ')' | ']' | '}' if depth == 0 => return at,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        // An arm or statement whose block ends it needs no comma.
        let rest = masked.get(at + c.len_utf8()..).unwrap_or_default().trim_start();
        if c == '}' && depth == 0 && !rest.starts_with([',', '.', '?', ';', ')']) {
            return at + 1;
        }
    }
    masked.len()
}

/// Whether a whole source file is test code.
pub(super) fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// The length of a braced block, from its opening brace through its closing one.
pub(super) fn braced(masked: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in masked.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    masked.len()
}

/// The line of a byte offset, from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn blanked(c: char) -> impl Iterator<Item = char> {
    let (blank, count) = if c == '\n' { ('\n', 1) } else { (' ', c.len_utf8()) };
    std::iter::repeat_n(blank, count)
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of a character literal; 0 for a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            // The escaped character itself may be a quote.
            chars.next();
            chars.find(|(_, c)| *c == '\'').map_or(rest.len(), |(at, _)| at + 1)
        }
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

/// The length of a string literal of any kind, prefix included; 0 when none starts here.
fn string(rest: &str) -> usize {
    let unprefixed = rest.strip_prefix(['b', 'c']).unwrap_or(rest);
    if let Some(raw) = unprefixed.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let Some(body) = raw.trim_start_matches('#').strip_prefix('"') else { return 0 };
        let end = format!("\"{}", "#".repeat(hashes));
        let start = rest.len() - body.len();
        return body.find(&end).map_or(rest.len(), |at| start + at + end.len());
    }
    let Some(body) = unprefixed.strip_prefix('"') else { return 0 };
    let start = rest.len() - body.len();
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return start + at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_code_is_blanked_and_offsets_stay() {
        let table = [
            ("a // }\nb", "a b"),
            ("a /* /* } */ { */ b", "a b"),
            ("f(\"}\\\"{\", x)", "f( , x)"),
            ("f(r#\"}\"{\"#, x)", "f( , x)"),
            ("f(b\"}\", br\"}\")", "f( , )"),
            ("m('{', '\\'', '\\u{7d}')", "m( , , )"),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("if a { \"ä}\" }", "if a { }"),
            ("for\"}\"{", "for {"),
            ("/* never closed }", ""),
            ("\"never closed }", ""),
        ];
        for (source, expected) in table {
            let masked = mask(source);
            assert_eq!(masked.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{source}");
            assert_eq!(masked.len(), source.len(), "{source}");
        }
    }

    #[test]
    fn test_modules_are_blanked_to_their_closing_brace() {
        let source = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { \"}\" }\n}\nfn c() {}\n";
        let text = outside_tests(source);
        assert!(text.contains("fn a") && text.contains("fn c") && !text.contains("fn b"), "{text}");
        assert_eq!(text.lines().count(), source.lines().count());
    }

    #[test]
    fn a_test_attribute_governs_one_field_or_item_and_no_more() {
        let table = [
            ("S { a, #[cfg(test)] b: f(1, 2), c }", "S { a, c }"),
            ("S { a, #[cfg(test)] b: 1 } d()", "S { a, } d()"),
            ("S { #[cfg(test)] pub(crate) b: [u8; 2], c: u8 }", "S { c: u8 }"),
            ("#[cfg(test)] pub(crate) fn a<T, U>(x: [u8; 2]) -> u8 { 1 } b", "b"),
            ("#[cfg(test)] mod tests; b", "b"),
            ("#[cfg(test)] const A: [u8; 2] = [1, 2]; b", "b"),
            ("match x { #[cfg(test)] A => { 1, } B => 2 }", "match x { B => 2 }"),
        ];
        for (source, expected) in table {
            let words = outside_tests(source);
            assert_eq!(words.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{source}");
        }
    }
}
