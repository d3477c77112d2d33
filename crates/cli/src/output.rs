//! What is printed where.
//!
//! Results go to stdout, messages for people to stderr. With `--json` stdout holds one JSON document
//! or JSON lines and nothing else. Colour appears only on a terminal and never with `NO_COLOR`.
//! Messages begin lower-case and end without a period; an id ends a line so that it can be copied.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write as _};

use cascade_receipt::decision::{RiskTier, Verdict};
use cascade_receipt::json::Value;

use crate::again;
use crate::exit::Failure;
use crate::reasons;
use crate::screen;

/// A way to print a text, as the mark that [`screen`] turns into the terminal's own.
#[derive(Clone, Copy)]
pub(crate) struct Style(char);

/// Green.
pub(crate) const GOOD: Style = Style(screen::GREEN);
/// Yellow.
pub(crate) const CARE: Style = Style(screen::YELLOW);
/// Red.
pub(crate) const BAD: Style = Style(screen::RED);
/// Dim.
pub(crate) const DIM: Style = Style(screen::DIM);
/// Bold.
pub(crate) const BOLD: Style = Style(screen::BOLD);

/// A text in a style; the stream strips the style where it does not belong.
pub(crate) struct Painted<T>(pub(crate) Style, pub(crate) T);

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        // The inner text takes the width, so that columns stay aligned with and without colour.
        f.write_char(self.0.0)?;
        self.1.fmt(f)?;
        f.write_char(screen::PLAIN)
    }
}

/// The style of a verdict.
pub(crate) const fn verdict_style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Admit => GOOD,
        Verdict::Escalate => CARE,
        Verdict::Deny => BAD,
    }
}

/// The style of a tier.
pub(crate) const fn tier_style(tier: RiskTier) -> Style {
    match tier {
        RiskTier::Low => GOOD,
        RiskTier::Medium => BOLD,
        RiskTier::High => CARE,
        RiskTier::Critical => BAD,
    }
}

/// Writes a result. A reader that went away (`| head`) is a normal ending, not an error.
pub(crate) fn result(text: impl fmt::Display) -> io::Result<()> {
    finish(write!(anstream::stdout().lock(), "{}", screen::shown(&text.to_string())))
}

/// Writes a result line.
pub(crate) fn line(text: impl fmt::Display) -> io::Result<()> {
    result(format_args!("{text}\n"))
}

/// Writes one JSON document. It may be read on a terminal, too: what could act there stands as `\u…`.
pub(crate) fn json(value: &Value) -> io::Result<()> {
    json_text(&value.to_canonical())
}

/// The same of a document that is written already.
pub(crate) fn json_text(text: &str) -> io::Result<()> {
    let mut text = screen::escaped_json(text);
    text.push('\n');
    bytes(text.as_bytes())
}

/// The same of one line of several; false when nobody reads them any more.
pub(crate) fn json_line(text: &str) -> io::Result<bool> {
    let mut text = screen::escaped_json(text);
    text.push('\n');
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes bytes as they are.
pub(crate) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    finish(out.write_all(bytes).and_then(|()| out.flush()))
}

fn finish(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Tells a person something on stderr.
pub(crate) fn say(text: impl fmt::Display) {
    say_raw(format_args!("{}: {}\n", Painted(DIM, "cascade"), indented(&text.to_string())));
}

/// The same for somebody else to write, without colour.
pub(crate) fn said(text: impl fmt::Display) -> String {
    screen::shown(&format!("cascade: {}\n", indented(&text.to_string())))
}

/// What follows the first line begins with a space: no text of others can look like a message of ours.
fn indented(text: &str) -> String {
    text.replace('\n', "\n  ")
}

/// Writes to stderr without a prefix.
pub(crate) fn say_raw(text: impl fmt::Display) {
    // There is nobody left to tell when stderr is gone.
    drop(write!(anstream::stderr().lock(), "{}", screen::shown(&text.to_string())));
}

/// Tells a person what failed, and what to do.
pub(crate) fn complain(failure: &Failure) {
    say_raw(format_args!("cascade: {}: {}\n", Painted(BAD, "error"), indented(&causes(&failure.cause))));
    if let Some(hint) = &failure.hint {
        hint_line(hint);
    }
    if let Some(receipt) = failure.receipt {
        say(format_args!("receipt {receipt}"));
    }
}

/// The causes, outermost first. Many a layer below repeats its cause in its own words; that is said once.
pub(crate) fn causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.ends_with(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text
}

/// Tells a program what failed, on stdout, where it expects one document.
pub(crate) fn complain_json(failure: &Failure) {
    let hint = failure.hint.as_deref().map(again::runnable).unwrap_or_default();
    let error = Value::object([
        ("exit_code", u32::from(failure.code).into()),
        ("hint", hint.into()),
        ("message", causes(&failure.cause).into()),
    ]);
    let mut members = BTreeMap::from([("error".to_owned(), error)]);
    if let Some(reason) = failure.reason {
        let reason = Value::object([("code", reason.into()), ("text", reasons::code_text(reason).into())]);
        members.insert("reasons".to_owned(), Value::Array(vec![reason]));
    }
    if !failure.faults.is_empty() {
        members.insert("faults".to_owned(), Value::Array(failure.faults.clone()));
    }
    if let Some(receipt) = failure.receipt {
        members.insert("receipt_id".to_owned(), receipt.to_string().into());
    }
    // With stdout gone there is nobody to tell; the exit code still says it.
    drop(json(&Value::Object(members)));
}

/// Tells a person what to do next.
pub(crate) fn hint_line(hint: impl fmt::Display) {
    let hint = again::runnable(&hint.to_string());
    say_raw(format_args!("cascade: {}: {hint}\n", Painted(BOLD, "hint")));
}

/// `text` on one line with all that is hidden made visible: what a governed command was called must not move
/// the cursor or forge a line of ours.
pub(crate) fn safe(text: &str) -> String {
    screen::visible(text)
}

/// [`safe`] text cut to `width` characters, with a mark where something is missing.
pub(crate) fn shortened(text: &str, width: usize) -> String {
    let text = safe(text);
    match text.char_indices().nth(width) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
