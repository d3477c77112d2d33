//! JSON in the style of the file that it goes into.

use std::fmt::Write as _;

/// A value to be written, its members in this order.
#[derive(Debug)]
pub(super) enum Node<'a> {
    Object(Vec<(&'a str, Self)>),
    Array(Vec<Self>),
    Text(&'a str),
    Number(u128),
}

/// How a file is laid out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Style {
    /// What one level is indented by.
    unit: String,
    /// Empty where everything stands on one line.
    newline: &'static str,
}

impl Default for Style {
    fn default() -> Self {
        Self { unit: "  ".to_owned(), newline: "\n" }
    }
}

impl Style {
    pub(super) fn of(text: &str) -> Self {
        // A file that only ends with a line feed stands on one line.
        let Some(at) = text.trim_end().find('\n') else {
            let empty = text.trim().len() <= 2;
            return if empty { Self::default() } else { Self { unit: String::new(), newline: "" } };
        };
        let newline = if text.get(..at).is_some_and(|before| before.ends_with('\r')) { "\r\n" } else { "\n" };
        let rest = text.get(at + 1..).unwrap_or_default();
        let unit: String = rest.chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
        if unit.is_empty() { Self { newline, ..Self::default() } } else { Self { unit, newline } }
    }

    /// The begin of a line at this depth.
    pub(super) fn line(&self, depth: usize) -> String {
        format!("{}{}", self.newline, self.unit.repeat(depth))
    }

    /// A member of an object at this depth.
    pub(super) fn member(&self, name: &str, value: &Node<'_>, depth: usize) -> String {
        let blank = if self.newline.is_empty() { "" } else { " " };
        format!("{}:{blank}{}", quoted(name), value.print(self, depth))
    }
}

impl Node<'_> {
    /// At this depth, without a line feed before and after.
    pub(super) fn print(&self, style: &Style, depth: usize) -> String {
        let items: Vec<String> = match self {
            Self::Text(text) => return quoted(text),
            Self::Number(number) => return number.to_string(),
            Self::Object(members) => {
                members.iter().map(|(name, value)| style.member(name, value, depth + 1)).collect()
            }
            Self::Array(items) => items.iter().map(|item| item.print(style, depth + 1)).collect(),
        };
        let (open, close) = if matches!(self, Self::Object(_)) { ('{', '}') } else { ('[', ']') };
        let mut out = String::from(open);
        for (index, item) in items.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            // Writing to a text cannot fail.
            _ = write!(out, "{comma}{}{item}", style.line(depth + 1));
        }
        out.push_str(&style.line(depth));
        out.push(close);
        out
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
