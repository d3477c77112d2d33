//! What a help text says of options and subcommands, in the styles that are common: clap, cobra, argparse, getopt and
//! GNU, Go's flag package, and git.

use std::collections::BTreeMap;

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Usage {
    pub(super) options: BTreeMap<String, Takes>,
    /// Subcommands and what the text says of them, in its order.
    pub(super) commands: Vec<(String, String)>,
    /// A section of options that stand anywhere.
    pub(super) anywhere: bool,
}

/// Whether an option takes a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Takes {
    Nothing,
    /// In the same word only.
    Perhaps,
    Value,
}

/// More options or subcommands than this are not taken over.
pub(super) const NAMES_MAX: usize = 2_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Other,
    Commands,
    Options,
}

/// Reads a help text.
pub(super) fn read(text: &str) -> Usage {
    let mut usage = Usage::default();
    let mut section = Section::Other;
    let mut in_usage = false;
    for line in text.lines() {
        let trimmed = line.trim();
        let indented = line.starts_with([' ', '\t']);
        let first = trimmed.split_whitespace().next().unwrap_or_default();
        if trimmed.is_empty() {
            in_usage = false;
            continue;
        }
        if !indented || trimmed.ends_with(':') && !trimmed.starts_with('-') {
            let lower = trimmed.to_ascii_lowercase();
            in_usage = lower.starts_with("usage");
            section = heading(&lower).unwrap_or(section);
            usage.anywhere |= lower.starts_with("global") && section == Section::Options;
        }
        if first.starts_with('-') && indented {
            option_line(trimmed, &mut usage);
        } else if in_usage {
            brackets(trimmed, &mut usage);
        } else if indented && section == Section::Commands {
            command_line(trimmed, &mut usage);
        }
        if usage.options.len() + usage.commands.len() > NAMES_MAX {
            break;
        }
    }
    usage
}

/// Which section a heading begins; nothing for a line that is none, such as the title of a group.
fn heading(lower: &str) -> Option<Section> {
    let word = |text: &str| lower.contains(text);
    let title = lower.ends_with(':') || lower.ends_with("commands");
    match () {
        () if lower.starts_with("usage") => Some(Section::Other),
        () if title && word("command") || lower.starts_with("positional arguments") => {
            Some(Section::Commands)
        }
        () if title && ["option", "flag", "argument"].into_iter().any(word) => Some(Section::Options),
        () if lower.ends_with(':') => Some(Section::Other),
        () => None,
    }
}

/// `-o, --out <FILE>   where to`: the names, and whether a value follows.
fn option_line(line: &str, usage: &mut Usage) {
    let spec = match line.find("  ").into_iter().chain(line.find('\t')).min() {
        Some(end) => line.get(..end).unwrap_or(line),
        None => line,
    };
    let (mut names, mut takes) = (Vec::new(), Takes::Nothing);
    let mut spoken = false;
    for word in spec.replace([',', '|'], " ").split_whitespace() {
        if word.starts_with('-') && !spoken {
            let (name, own) = named(word);
            takes = stronger(takes, own);
            names.extend(both(&name));
        } else if !names.is_empty() && is_value(word) && !spoken {
            // `--color [WHEN]` of argparse still takes the next word.
            takes = Takes::Value;
        } else if !word.starts_with('-') {
            spoken = true;
        }
    }
    // A sentence that begins with a dash is no option.
    for name in names.into_iter().filter(|name| is_option(name)) {
        usage.options.entry(name).or_insert(takes);
    }
}

/// `--out=FILE`, `--color[=WHEN]`, `-o<file>`.
fn named(word: &str) -> (String, Takes) {
    let negated = word.trim_end_matches("...").replace("[no-]", "");
    let end = negated.find(['=', '[', '<', '(']).unwrap_or(negated.len());
    let (name, rest) = negated.split_at(end);
    let takes = match rest {
        "" => Takes::Nothing,
        rest if rest.starts_with("[=") || rest.starts_with("[<") => Takes::Perhaps,
        _ => Takes::Value,
    };
    let name = if word.contains("[no-]") { format!("{name}[no-]") } else { name.to_owned() };
    (name, takes)
}

/// `--[no-]color` is two options.
fn both(name: &str) -> Vec<String> {
    match name.strip_suffix("[no-]") {
        Some(name) => vec![name.to_owned(), name.replacen("--", "--no-", 1)],
        None => vec![name.to_owned()],
    }
}

const fn stronger(one: Takes, other: Takes) -> Takes {
    match (one, other) {
        (Takes::Value, _) | (_, Takes::Value) => Takes::Value,
        (Takes::Perhaps, _) | (_, Takes::Perhaps) => Takes::Perhaps,
        _ => Takes::Nothing,
    }
}

/// `FILE`, `<file>`, `[N]`, or the name of a type as cobra and Go write it.
fn is_value(word: &str) -> bool {
    let types = [
        "string",
        "strings",
        "stringArray",
        "stringToString",
        "int",
        "ints",
        "int32",
        "int64",
        "uint",
        "uint32",
        "uint64",
        "float",
        "float64",
        "duration",
        "file",
        "path",
        "value",
        "list",
        "bytes",
        "ip",
        "ipNet",
        "count",
        "name",
    ];
    let shouted = word.len() > 1 || word.chars().all(|c| c.is_ascii_uppercase());
    let shouted = shouted
        && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "_-.:=[]".contains(c));
    word.starts_with(['<', '[', '{']) || shouted || types.contains(&word)
}

fn is_option(name: &str) -> bool {
    let bare = name.trim_start_matches('-');
    let dashes = name.len() - bare.len();
    (1..=2).contains(&dashes)
        && bare.starts_with(|c: char| c.is_ascii_alphanumeric() || "?#@".contains(c))
        && bare.chars().all(|c| c.is_ascii_alphanumeric() || "-_.?#@".contains(c))
}

/// A line of a usage text: `[-C <path>] [-p | --paginate] [--exec-path[=<path>]]`.
fn brackets(line: &str, usage: &mut Usage) {
    let mut depth = 0_usize;
    let mut inside = String::new();
    for c in line.chars() {
        if c == ']' {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                group(&inside, usage);
                inside.clear();
                continue;
            }
        }
        if depth > 0 {
            inside.push(c);
        }
        depth += usize::from(c == '[');
    }
}

fn group(inside: &str, usage: &mut Usage) {
    for choice in inside.split('|') {
        let mut words = choice.split_whitespace();
        let Some(first) = words.next().filter(|word| word.starts_with('-')) else { continue };
        let (name, own) = named(first);
        let takes = if words.next().is_some_and(|word| !word.starts_with('-')) { Takes::Value } else { own };
        for name in both(&name).into_iter().filter(|name| is_option(name)) {
            usage.options.entry(name).or_insert(takes);
        }
    }
}

/// `  apply, a    Apply a change`, or argparse's `{apply,plan}`.
fn command_line(line: &str, usage: &mut Usage) {
    if let Some(list) = line.strip_prefix('{').and_then(|rest| rest.split('}').next()) {
        list.split(',').for_each(|name| command(name.trim(), "", usage));
        return;
    }
    let split = line.find("  ").into_iter().chain(line.find('\t')).min();
    let (names, text) = line.split_at(split.unwrap_or(line.len()));
    let alone = split.is_none() && names.contains(' ');
    let words: Vec<&str> = names.split([',', ' ', '|']).filter(|name| !name.is_empty()).collect();
    let value = |word: &&str| {
        word.starts_with(['<', '[', '(']) || word.chars().all(|c| c.is_ascii_uppercase() || c == '.')
    };
    let plain = words.iter().take_while(|word| !value(word));
    if !alone && plain.clone().all(|name| is_command(name)) {
        plain.for_each(|name| command(name.trim_end_matches('*'), text.trim(), usage));
    }
}

fn command(name: &str, text: &str, usage: &mut Usage) {
    if !is_command(name) {
        return;
    }
    match usage.commands.iter_mut().find(|(known, _)| known == name) {
        Some((_, known)) if known.is_empty() => text.clone_into(known),
        Some(_) => {}
        None => usage.commands.push((name.to_owned(), text.to_owned())),
    }
}

fn is_command(name: &str) -> bool {
    let name = name.trim_end_matches('*');
    name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.len() <= 64
        && name.chars().all(|c| {
            c.is_ascii_lowercase() || c.is_ascii_uppercase() || c.is_ascii_digit() || "-_:.".contains(c)
        })
}

#[cfg(test)]
mod tests {
    use super::{Takes, read};

    fn found(text: &str) -> (String, String) {
        let usage = read(text);
        let mark = |takes: &Takes| match takes {
            Takes::Nothing => "",
            Takes::Perhaps => "?",
            Takes::Value => "=",
        };
        let options = usage.options.iter().map(|(name, takes)| format!("{name}{}", mark(takes)));
        let commands: Vec<&str> = usage.commands.iter().map(|(name, _)| name.as_str()).collect();
        (options.collect::<Vec<_>>().join(" "), commands.join(" "))
    }

    #[test]
    fn every_common_style_is_read() {
        for (style, text, options, commands) in [
            (
                "clap",
                "Serves pies\n\nUsage: pie [OPTIONS] <COMMAND>\n\nCommands:\n  bake   Bake one\n  eat    Eat one [aliases: e]\n\nOptions:\n  -o, --out <FILE>     Where to\n      --color <WHEN>   Colour [default: auto]\n  -v, --verbose...     More\n  -h, --help           Print help\n",
                "--color= --help --out= --verbose -h -o= -v",
                "bake eat",
            ),
            (
                "cobra",
                "Pies.\n\nUsage:\n  pie [command]\n\nAvailable Commands:\n  bake        Bake one\n  completion  Generate the completion script\n\nFlags:\n  -n, --name string    a name (default \"x\")\n      --wait           wait\n\nGlobal Flags:\n      --cluster string   which\n",
                "--cluster= --name= --wait -n=",
                "bake completion",
            ),
            (
                "argparse",
                "usage: pie [-h] [--out OUT] {bake,eat} ...\n\npositional arguments:\n  {bake,eat}\n    bake          bake one\n    eat           eat one\n\noptions:\n  -h, --help      show this help\n  --out OUT       where to\n  -j [N], --jobs [N]  how many\n",
                "--help --jobs= --out= -h -j=",
                "bake eat",
            ),
            (
                "gnu",
                "Usage: pie [OPTION]... [FILE]...\nBake.\n\n  -C, --directory=DIR        change to DIR\n      --color[=WHEN]         colour\n  -z                         zip\n      --[no-]cream           with cream\n",
                "--color? --cream --directory= --no-cream -C= -z",
                "",
            ),
            (
                "go",
                "Usage of pie:\n  -addr string\n    \taddress to listen on (default \":80\")\n  -dry\n    \tdo nothing\n",
                "-addr= -dry",
                "",
            ),
            (
                "git",
                "usage: pie [-v | --version] [-C <path>] [--exec-path[=<path>]]\n           [-p | --paginate] <command> [<args>]\n\nThese are common Pie commands used in various situations:\n\nstart a pie\n   bake      Bake one\n   eat       Eat one\n\n'pie help -a' lists more.\n",
                "--exec-path? --paginate --version -C= -p -v",
                "bake eat",
            ),
        ] {
            let (found_options, found_commands) = found(text);
            assert_eq!(found_options, options, "{style}");
            assert_eq!(found_commands, commands, "{style}");
        }
    }

    #[test]
    fn prose_is_no_grammar() {
        assert_eq!(found("- a list\n  -- of things\n  a command is  here\n"), (String::new(), String::new()));
        assert_eq!(found(""), (String::new(), String::new()));
    }
}
