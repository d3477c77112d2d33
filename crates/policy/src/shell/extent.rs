//! Where the quotes and expansions of a text end.

use super::scan::Malformed;

/// Where the closing character of a construct opened before `at` stands.
pub(super) fn close(text: &str, at: usize, closing: char) -> Result<usize, Malformed> {
    let opening = match closing {
        ')' => '(',
        '}' => '{',
        _ => '[',
    };
    let mut depth = 1usize;
    let mut i = at;
    let mut documents = Vec::new();
    while let Some(c) = peek(text, i) {
        let next = i + c.len_utf8();
        i = match c {
            '<' if closing == ')' && rest(text, next).starts_with("<<") => next + 2,
            '<' if closing == ')' && rest(text, next).starts_with('<') => {
                let (document, after) = Document::announced(text, next + 1);
                documents.push(document);
                after
            }
            '\n' => documents.drain(..).fold(next, |at, document| document.skip(text, at)),
            '\\' => next + peek(text, next).map_or(0, char::len_utf8),
            '\'' if closing != '}' => next + rest(text, next).find('\'').ok_or(Malformed)? + 1,
            '"' => double_end(text, next)? + 1,
            '`' => backtick_end(text, next)? + 1,
            '$' => match peek(text, next) {
                Some('(') => close(text, next + 1, ')')? + 1,
                Some('{') => close(text, next + 1, '}')? + 1,
                Some('\'') if closing != '}' => ansi_end(text, next + 1)? + 1,
                _ => next,
            },
            c if c == closing => {
                depth -= 1;
                if depth == 0 {
                    return Ok(i);
                }
                next
            }
            c if c == opening && closing != '}' => {
                depth += 1;
                next
            }
            _ => next,
        };
    }
    Err(Malformed)
}

/// A here-document whose body lies inside a substitution: its quotes and brackets mean nothing.
struct Document {
    delimiter: String,
    tabs: bool,
}

impl Document {
    /// The here-document announced by the `<<` before `at`, and where its delimiter ends.
    fn announced(text: &str, at: usize) -> (Self, usize) {
        let tabs = rest(text, at).starts_with('-');
        let start = at + usize::from(tabs);
        let start = start + rest(text, start).len() - rest(text, start).trim_start_matches([' ', '\t']).len();
        let ends = |c: char| matches!(c, ' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')');
        let end = rest(text, start).find(ends).map_or(text.len(), |length| start + length);
        let delimiter = slice(text, start, end).chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect();
        (Self { delimiter, tabs }, end)
    }

    /// Where the line after the body starts.
    fn skip(&self, text: &str, mut at: usize) -> usize {
        while at < text.len() {
            let line = rest(text, at).split('\n').next().unwrap_or("");
            let shown = if self.tabs { line.trim_start_matches('\t') } else { line };
            let end = (at + line.len() + 1).min(text.len());
            if shown == self.delimiter {
                return end;
            }
            at = end;
        }
        at
    }
}

/// Where a double quote opened before `at` closes.
pub(super) fn double_end(text: &str, at: usize) -> Result<usize, Malformed> {
    let mut i = at;
    while let Some(c) = peek(text, i) {
        let next = i + c.len_utf8();
        i = match c {
            '"' => return Ok(i),
            '\\' => next + peek(text, next).map_or(0, char::len_utf8),
            '`' => backtick_end(text, next)? + 1,
            '$' => match peek(text, next) {
                Some('(') => close(text, next + 1, ')')? + 1,
                Some('{') => close(text, next + 1, '}')? + 1,
                _ => next,
            },
            _ => next,
        };
    }
    Err(Malformed)
}

pub(super) fn ansi_end(text: &str, at: usize) -> Result<usize, Malformed> {
    let mut escaped = false;
    for (i, c) in rest(text, at).char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return Ok(at + i),
            _ => {}
        }
    }
    Err(Malformed)
}

pub(super) fn backtick_end(text: &str, at: usize) -> Result<usize, Malformed> {
    let mut escaped = false;
    for (i, c) in rest(text, at).char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '`' => return Ok(at + i),
            _ => {}
        }
    }
    Err(Malformed)
}

pub(super) fn peek(text: &str, at: usize) -> Option<char> {
    text.get(at..)?.chars().next()
}

pub(super) fn rest(text: &str, at: usize) -> &str {
    text.get(at..).unwrap_or("")
}

pub(super) fn slice(text: &str, from: usize, to: usize) -> &str {
    text.get(from..to).unwrap_or("")
}
