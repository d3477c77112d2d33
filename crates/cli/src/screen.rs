//! The one door to the terminal. Texts come from governed commands, their output, names and reasons; none of them may
//! move the cursor, change the title, hide or turn around what stands beside it.
//!
//! Styles travel as noncharacters of Unicode, which no text has a use for. Here, and nowhere else, they become the
//! terminal's sequences, and whatever else could act on a terminal becomes visible.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

/// Ends a style.
pub(crate) const PLAIN: char = '\u{fdd0}';
/// Begins green.
pub(crate) const GREEN: char = '\u{fdd1}';
/// Begins yellow.
pub(crate) const YELLOW: char = '\u{fdd2}';
/// Begins red.
pub(crate) const RED: char = '\u{fdd3}';
/// Begins dim.
pub(crate) const DIM: char = '\u{fdd4}';
/// Begins bold.
pub(crate) const BOLD: char = '\u{fdd5}';

fn style(mark: char) -> Option<Style> {
    Some(match mark {
        GREEN => AnsiColor::Green.on_default(),
        YELLOW => AnsiColor::Yellow.on_default(),
        RED => AnsiColor::Red.on_default(),
        DIM => Style::new().dimmed(),
        BOLD => Style::new().bold(),
        _ => return None,
    })
}

/// What acts on a terminal, or is not seen there: controls, marks of direction, characters without width, separators
/// that some take for the end of a line, noncharacters.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{fdd0}'..='\u{fdef}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// One line in which everything can be seen.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        spell(&mut out, c, is_hidden(c));
    }
    out
}

/// A whole text as the terminal gets it: lines and tabs stay, marks become styles, what is hidden becomes visible.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut styled = None;
    for c in text.chars() {
        match (c, style(c)) {
            (_, Some(begun)) => {
                styled = Some(begun);
                push(&mut out, format_args!("{begun}"));
            }
            // An end without a beginning is somebody else's.
            (PLAIN, None) => {
                if let Some(ended) = styled.take() {
                    push(&mut out, format_args!("{ended:#}"));
                }
            }
            ('\n' | '\t', None) => out.push(c),
            (_, None) => spell(&mut out, c, is_hidden(c)),
        }
    }
    out
}

/// A JSON text that says the same and holds nothing hidden. JSON knows hidden characters inside strings only.
pub(crate) fn escaped_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                push(&mut out, format_args!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

fn spell(out: &mut String, c: char, hidden: bool) {
    if hidden {
        push(out, format_args!("\\u{{{:x}}}", u32::from(c)));
    } else {
        out.push(c);
    }
}

fn push(out: &mut String, piece: std::fmt::Arguments<'_>) {
    // Writing into a string does not fail.
    _ = out.write_fmt(piece);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_and_nothing_hides() {
        for hidden in
            ["\u{1b}[2J", "\u{9b}2J", "\r", "\u{7f}", "\u{202e}", "\u{200b}", "\u{2066}", "\u{2028}"]
        {
            for text in [visible(hidden), shown(hidden), escaped_json(hidden)] {
                assert!(text.is_ascii() && !text.chars().any(char::is_control), "{text:?}");
            }
        }
        assert_eq!(visible("Ådne 日本\n"), "Ådne 日本\\u{a}");
        assert_eq!(shown("a\n\tb"), "a\n\tb");
        assert_eq!(escaped_json("\"\u{e0001}\""), "\"\\udb40\\udc01\"");
    }

    #[test]
    fn styles_are_ours() {
        assert_eq!(shown("\u{fdd3}no\u{fdd0}"), "\u{1b}[31mno\u{1b}[0m");
        assert_eq!(visible("\u{fdd3}"), "\\u{fdd3}");
        assert_eq!(shown("\u{fdd0}"), "");
    }
}
