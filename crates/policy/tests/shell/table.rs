//! One row per construct: the line, ` => `, and what it runs.
//!
//! Left: `↵` is a newline, `␍` a carriage return. Right: commands joined by ` ; `, each the
//! words, then redirects, then standard input. `…` is an unknown word, `*(…)` a pattern, `@x=` an
//! assignment; `<|0` reads from command 0, `<<"…"` from text. After `!!` come the reasons why the
//! line is opaque.

use std::fmt::Write as _;

use cascade_policy::shell::{Command, Input, Opaque, RedirectOp, Word, parse};

#[test]
fn every_row_of_the_table() {
    let mut wrong = String::new();
    let mut rows = 0;
    for row in include_str!("../shell.table").lines() {
        if row.is_empty() || row.starts_with("# ") {
            continue;
        }
        rows += 1;
        let (line, expected) = row.split_once("  =>  ").unwrap_or((row, ""));
        let actual = show(&line.replace('↵', "\n").replace('␍', "\r"));
        if actual != expected {
            writeln!(wrong, "{line}  =>  {actual}").unwrap();
        }
    }
    assert!(rows >= 120, "the table lost rows: {rows}");
    assert!(wrong.is_empty(), "rows as they are now:\n{wrong}");
}

/// Lines of daily work. An answer of "opaque" to one of these teaches people to ignore it.
#[test]
fn ordinary_lines_are_not_opaque() {
    let lines: Vec<&str> = include_str!("../shell.ordinary").trim_end().split("\n---\n").collect();
    assert!(lines.len() >= 50, "the list lost lines: {}", lines.len());
    for line in lines {
        let parsed = parse(line).unwrap();
        assert_eq!(parsed.opaque, vec![], "{line}");
        assert!(!parsed.commands.is_empty(), "{line}");
    }
}

fn show(line: &str) -> String {
    let line = match parse(line) {
        Ok(line) => line,
        Err(refusal) => return format!("refused {}", refusal.code()),
    };
    let mut all: Vec<String> = vec![line.commands.iter().map(command).collect::<Vec<_>>().join(" ; ")];
    if !line.opaque.is_empty() {
        let reasons: Vec<&str> =
            line.opaque.iter().map(Opaque::code).map(|code| code.trim_start_matches("shell.")).collect();
        all.push(format!("!! {}", reasons.join(", ")));
    }
    all.retain(|part| !part.is_empty());
    if all.is_empty() { "nothing".to_owned() } else { all.join(" ") }
}

fn command(command: &Command) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(command.assignments.iter().map(|a| format!("@{}={}", a.name, word(&a.value))));
    parts.extend(command.words.iter().map(word));
    for words in &command.also {
        parts.push("or".to_owned());
        parts.extend(words.iter().map(word));
    }
    for redirect in &command.redirects {
        let op = match redirect.op {
            RedirectOp::Read => "<",
            RedirectOp::Write => ">",
            RedirectOp::Append => ">>",
            RedirectOp::ReadWrite => "<>",
            RedirectOp::Duplicate => ">&",
        };
        parts.push(format!("{op}{}", word(&redirect.target)));
    }
    match &command.stdin {
        Input::Inherited => {}
        Input::Pipe(from) => {
            let from: Vec<String> = from.iter().map(ToString::to_string).collect();
            parts.push(format!("<|{}", from.join(",")));
        }
        Input::Text(text) => parts.push(format!("<<{}", word(text))),
    }
    if parts.is_empty() { "()".to_owned() } else { parts.join(" ") }
}

fn word(word: &Word) -> String {
    match word {
        Word::Known(text)
            if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c == ';' || c == '"') =>
        {
            format!("{text:?}")
        }
        Word::Known(text) => text.clone(),
        Word::Glob(text) => format!("*({text})"),
        Word::One { .. } | Word::Unknown => "…".to_owned(),
    }
}
