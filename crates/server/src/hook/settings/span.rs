//! Where the members and items of a JSON text stand. Only of texts that a parser has taken.

/// From the first byte to the one after the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    /// Without the brackets.
    pub(super) const fn inside(self) -> Self {
        Self { start: self.start + 1, end: self.end.saturating_sub(1) }
    }
}

/// The value of the whole text.
pub(super) fn root(text: &str) -> Span {
    let start = skip(text.as_bytes(), 0);
    Span { start, end: value_end(text.as_bytes(), start) }
}

/// The items of an array, or the members of an object with their names.
pub(super) fn items(text: &str, container: Span) -> Vec<Span> {
    let bytes = text.as_bytes();
    let end = container.inside().end;
    let (mut found, mut at) = (Vec::new(), skip(bytes, container.inside().start));
    while at < end {
        let mut stop = value_end(bytes, at);
        let colon = skip(bytes, stop);
        if bytes.get(colon) == Some(&b':') {
            stop = value_end(bytes, skip(bytes, colon + 1));
        }
        // Nothing that a parser took stands still; without this, what it did not take would never end.
        if stop <= at {
            break;
        }
        found.push(Span { start: at, end: stop });
        let comma = skip(bytes, stop);
        at = skip(bytes, if bytes.get(comma) == Some(&b',') { comma + 1 } else { comma });
    }
    found
}

/// The members of an object: name, and the span of the value.
pub(super) fn members(text: &str, object: Span) -> Vec<(String, Span)> {
    let bytes = text.as_bytes();
    let member = |item: Span| {
        let name_end = value_end(bytes, item.start);
        let name: String = serde_json::from_str(text.get(item.start..name_end)?).ok()?;
        let start = skip(bytes, skip(bytes, name_end) + 1);
        Some((name, Span { start, end: item.end }))
    };
    items(text, object).into_iter().filter_map(member).collect()
}

/// The value of a member.
pub(super) fn member(text: &str, object: Span, name: &str) -> Option<Span> {
    members(text, object).into_iter().find(|(own, _)| own == name).map(|(_, span)| span)
}

/// Every member has a name of its own; else the name that two have.
pub(super) fn once(text: &str, object: Span) -> Result<(), String> {
    let mut names: Vec<String> = members(text, object).into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair.first() == pair.last());
    twice.and_then(|pair| pair.first()).map_or(Ok(()), |name| Err(name.clone()))
}

fn skip(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

fn value_end(bytes: &[u8], start: usize) -> usize {
    match bytes.get(start) {
        Some(b'"') => text_end(bytes, start),
        Some(b'{' | b'[') => {
            let (mut at, mut depth) = (start, 0_usize);
            while let Some(byte) = bytes.get(at) {
                match byte {
                    b'"' => at = text_end(bytes, at) - 1,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    break;
                }
            }
            at
        }
        _ => {
            let rest = bytes.get(start..).unwrap_or_default();
            let ends = |byte: &u8| byte.is_ascii_whitespace() || b",:]}".contains(byte);
            start + rest.iter().position(ends).unwrap_or(rest.len())
        }
    }
}

fn text_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}
