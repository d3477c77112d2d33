//! A manifest to start from, made of a program's own help text. It vouches for nothing: every tier is HIGH.

use super::usage::{self, Takes, Usage};

/// A drafted manifest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draft {
    /// TOML.
    pub manifest: String,
    /// How many options the text lists.
    pub options: usize,
    /// How many subcommands.
    pub subcommands: usize,
}

/// Why nothing can be drafted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DraftError {
    /// The program's name cannot stand in a manifest.
    #[error("the program's name must be letters, digits, `.`, `_`, `+` and `-`, at most 64 of them")]
    Name,
    /// The text is longer than [`HELP_BYTES_MAX`].
    #[error("the help text is longer than {HELP_BYTES_MAX} bytes")]
    Long,
    /// No option and no subcommand was found.
    #[error("no option and no subcommand was found in the help text")]
    Nothing,
}

/// Most bytes of a help text.
pub const HELP_BYTES_MAX: usize = 1 << 20;
/// Most characters of a text for people.
const TEXT_CHARS_MAX: usize = 80;

/// Drafts a manifest for the program of that name.
///
/// # Errors
/// See [`DraftError`].
pub fn draft(program: &str, help: &str) -> Result<Draft, DraftError> {
    let name = program.rsplit('/').next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    if name.is_empty() || name.len() > 64 || name.starts_with('-') || !name.chars().all(plain) {
        return Err(DraftError::Name);
    }
    if help.len() > HELP_BYTES_MAX {
        return Err(DraftError::Long);
    }
    let usage = usage::read(&bare(help));
    if usage.options.is_empty() && usage.commands.is_empty() {
        return Err(DraftError::Nothing);
    }
    Ok(Draft {
        manifest: written(name, &usage),
        options: usage.options.len(),
        subcommands: usage.commands.len(),
    })
}

/// Without the sequences that colour a terminal, and the doubled letters of old manual pages.
fn bare(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.next_if_eq(&'[').is_some() => {
                while chars.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
            }
            '\u{8}' => drop(out.pop()),
            c if c == '\n' || c == '\t' || !c.is_control() => out.push(c),
            _ => {}
        }
    }
    out
}

fn written(name: &str, usage: &Usage) -> String {
    let mut out = format!(
        "programs = \"{name}\"\n\n# Drafted from the help text of `{name}`. Nothing here is vouched for: what a subcommand or option can harm has to be said\n\
         # by somebody who knows it (tiers LOW, MEDIUM, HIGH, CRITICAL), with rules for dangerous options, each with its tests.\n\n\
         [[worker]]\nnames = \"{name}\"\n"
    );
    let single = |name: &String| name.len() > 2 && !name.starts_with("--");
    if usage.options.keys().any(single) {
        out.push_str("style = \"go\"\n");
    }
    if usage.anywhere {
        out.push_str("globals = \"anywhere\"\n");
    }
    out.push_str("\n[worker.own]\n");
    if usage.commands.is_empty() {
        out.push_str("tier = \"HIGH\"\ntext = \"is not described yet\"\n");
    }
    for (member, takes) in [("flags", Takes::Nothing), ("optional", Takes::Perhaps), ("values", Takes::Value)]
    {
        let names = usage.options.iter().filter(|(_, own)| **own == takes).map(|(name, _)| name.as_str());
        let names: Vec<&str> = names.collect();
        if !names.is_empty() {
            out.push_str(&format!("{member} = \"\"\"{}\"\"\"\n", folded(&names)));
        }
    }
    for (command, text) in &usage.commands {
        let shows = matches!(command.as_str(), "help" | "version" | "completion" | "completions");
        let tier = if shows { "LOW" } else { "HIGH" };
        out.push_str(&format!("\n[[worker.command]]\npath = \"{command}\"\ntier = \"{tier}\"\n"));
        let text = one_line(text);
        if !text.is_empty() {
            out.push_str(&format!("text = \"{text}\"\n"));
        }
    }
    out.push_str(&format!("\n[tests]\nLOW = [\"{name} --help\"]\n"));
    let first = usage
        .commands
        .iter()
        .find(|(command, _)| !matches!(command.as_str(), "help" | "version" | "completion" | "completions"));
    let example = first.map_or_else(|| name.to_owned(), |(command, _)| format!("{name} {command}"));
    if first.is_some() || usage.commands.is_empty() {
        out.push_str(&format!("HIGH = [\"{example}\"]\n"));
    }
    out
}

/// Names with blanks between, in lines of a hundred or so.
fn folded(names: &[&str]) -> String {
    let mut out = String::new();
    let mut width = 0;
    for name in names {
        if width + name.len() > 100 {
            out.push_str("\n  ");
            width = 2;
        } else if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(name);
        width += name.len() + 1;
    }
    out
}

/// A description that can stand in quotes.
fn one_line(text: &str) -> String {
    let kept = text.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\'));
    kept.take(TEXT_CHARS_MAX).collect::<String>().trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::Registry;
    use super::{DraftError, HELP_BYTES_MAX, draft};

    const HELP: &str = "Bakes \"pies\"\n\nUsage: pie <COMMAND>\n\nCommands:\n  bake   Bake a \"big\" one \\o/.\n  help   Print this\n\n\
        Options:\n  -o, --out <FILE>   Where to\n  \u{1b}[1m-q\u{1b}[0m                 Quiet\n";

    #[test]
    fn a_draft_is_a_manifest_that_holds_its_own_tests() {
        for (program, help) in [
            ("pie", HELP),
            ("/usr/bin/pie", HELP),
            ("pie-2", "  -addr string\n    \taddress\n"),
            ("x", "  help  Print\n  -h\n"),
        ] {
            let draft = draft(program, help).unwrap();
            let name = program.rsplit('/').next().unwrap();
            let registry = Registry::new([(name.to_owned(), draft.manifest.clone())]);
            assert_eq!(registry.check(), [], "{}", draft.manifest);
        }
        let draft = draft("pie", HELP).unwrap();
        assert_eq!((draft.options, draft.subcommands), (3, 2));
        let registry = Registry::new([("pie".to_owned(), draft.manifest)]);
        let tier = |line: &str| registry.classify_line(line, &[]).tier.as_str();
        assert_eq!([tier("pie bake"), tier("pie --frob"), tier("pie help")], ["HIGH", "HIGH", "LOW"]);
    }

    #[test]
    fn what_cannot_be_drafted_is_refused() {
        assert_eq!(draft("pie", "no grammar"), Err(DraftError::Nothing));
        for name in ["", "a b", "-x", "a\"b", "x/"] {
            assert_eq!(draft(name, HELP), Err(DraftError::Name), "{name}");
        }
        let padded = |bytes: usize| format!("{HELP}{}", " ".repeat(bytes - HELP.len()));
        assert!(draft("pie", &padded(HELP_BYTES_MAX)).is_ok());
        assert_eq!(draft("pie", &padded(HELP_BYTES_MAX + 1)), Err(DraftError::Long));
    }
}
