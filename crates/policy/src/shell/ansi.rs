//! `$'…'`: ANSI-C quoting (bash manual, section 3.1.2.4).

/// Decodes the text between the quotes; `None` when a byte escape does not end up as UTF-8 or as
/// an ordinary character, so that nobody mistakes the outcome for the real bytes.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes: Vec<u8> = Vec::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            push(&mut bytes, c);
            continue;
        }
        let Some(escape) = rest.next() else {
            bytes.push(b'\\');
            break;
        };
        match escape {
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'e' | 'E' => bytes.push(27),
            'f' => bytes.push(12),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(11),
            '\\' | '\'' | '"' | '?' => push(&mut bytes, escape),
            '0'..='7' => {
                let mut value = escape.to_digit(8)?;
                for _ in 0..2 {
                    let Some(digit) = rest.peek().and_then(|d| d.to_digit(8)) else { break };
                    value = value * 8 + digit;
                    rest.next();
                }
                bytes.push(u8::try_from(value & 0xff).ok()?);
            }
            'x' => match number(&mut rest, 2) {
                Some(value) => bytes.push(u8::try_from(value).ok()?),
                None => bytes.extend_from_slice(b"\\x"),
            },
            'u' | 'U' => match number(&mut rest, if escape == 'u' { 4 } else { 8 }) {
                Some(value) => push(&mut bytes, char::from_u32(value)?),
                None => {
                    bytes.push(b'\\');
                    push(&mut bytes, escape);
                }
            },
            'c' => {
                let control = u8::try_from(rest.next()?).ok()?;
                bytes.push(control.to_ascii_uppercase() & 0x1f);
            }
            other => {
                bytes.push(b'\\');
                push(&mut bytes, other);
            }
        }
    }
    // A NUL ends the string in bash, and what follows is silently dropped.
    if bytes.contains(&0) {
        return None;
    }
    String::from_utf8(bytes).ok()
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn number(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, digits: usize) -> Option<u32> {
    let mut value = None;
    for _ in 0..digits {
        let Some(digit) = rest.peek().and_then(|d| d.to_digit(16)) else { break };
        value = Some(value.unwrap_or(0u32).checked_mul(16)? + digit);
        rest.next();
    }
    value
}
