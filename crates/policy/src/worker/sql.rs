//! What SQL statements do, by their first words. Not a parser: what is not recognised is HIGH.

use cascade_receipt::decision::RiskTier;

use super::judge::Judgement;

/// Judges a text of statements separated by semicolons, or a client's own command (`\d`). Servers do not agree on where
/// a comment starts, so the text is read both ways.
pub(super) fn judge(text: &str, judgement: &mut Judgement) {
    for mysql in [false, true] {
        let Some(bare) = without_texts(text, mysql) else {
            judgement.doubt("sql.unknown", "the statement does not end its quotes or comments");
            continue;
        };
        let bare = ended(&bare);
        for statement in bare.split(';').flat_map(dot_lines) {
            let lower = statement.to_ascii_lowercase();
            let words: Vec<&str> =
                lower.split(|c: char| !(c.is_alphanumeric() || "_\\!*.".contains(c))).collect();
            let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
            statement_of(&words, judgement);
        }
    }
}

/// MySQL's `\G` ends a statement as a semicolon does.
fn ended(bare: &str) -> String {
    let mut parts = bare.split("\\G");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let ends = part.chars().next().is_none_or(|c| c.is_whitespace() || c == ';');
        text + if ends { ";" } else { "\\G" } + part
    })
}

/// A command with a dot in front ends with its line, without a semicolon.
fn dot_lines(statement: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = statement.trim_start();
    while let Some((line, after)) = rest.split_once('\n').filter(|_| rest.starts_with('.')) {
        parts.push(line);
        rest = after.trim_start();
    }
    parts.push(rest);
    parts
}

fn statement_of(words: &[&str], judgement: &mut Judgement) {
    let has = |word: &str| words.contains(&word);
    // `where true` chooses nothing.
    let chooses = words.iter().rposition(|word| *word == "where").is_some_and(|at| {
        !matches!(words.get(at + 1..), Some(["true" | "1"] | ["1", "1"] | ["not", "false"] | []) | None)
    });
    let stop = |judgement: &mut Judgement, code: &str, text: &str| {
        judgement.push(super::Finding {
            code: code.to_owned(),
            tier: RiskTier::Critical,
            failfast: true,
            text: text.to_owned(),
        });
    };
    let changes =
        ["insert", "update", "delete", "drop", "truncate", "alter", "create", "grant", "into", "call"];
    match words {
        [] => {}
        ["drop", "database" | "schema" | "table" | "user" | "role" | "tablespace" | "keyspace", ..] => {
            stop(judgement, "sql.drop", "drops data");
        }
        ["truncate", ..] => stop(judgement, "sql.truncate", "removes every row"),
        ["delete", ..] if !chooses => stop(judgement, "sql.delete.all", "deletes every row"),
        ["update", ..] if !chooses => stop(judgement, "sql.update.all", "changes every row"),
        ["delete", ..] => judgement.find("sql.delete", RiskTier::High, "deletes rows"),
        ["insert" | "update", ..] if !["delete", "drop", "truncate", "merge"].into_iter().any(has) => {
            judgement.find("sql.write", RiskTier::Medium, "changes rows");
        }
        ["create", "table" | "index" | "view" | "unique" | "temp" | "temporary", ..] => {
            judgement.find("sql.create", RiskTier::Medium, "adds to the schema");
        }
        ["select" | "show" | "explain" | "describe" | "desc" | "values" | "with" | "use" | "table", ..]
            if !changes.into_iter().any(has) && !words.iter().any(|word| reaches_out(word)) => {}
        // The name of a statement that it shows the result of (`SHOW CREATE TABLE`) does nothing.
        ["show", ..] if !words.iter().any(|word| reaches_out(word)) && !has("into") => {}
        ["begin" | "commit" | "rollback" | "start" | "end" | "savepoint" | "release", ..] => {}
        ["pragma", name, ..] if !name.contains("writable") && words.len() < 4 => {}
        [command, rest @ ..] if harmless_meta(command) && !rest.iter().any(|word| word.contains('\\')) => {}
        _ => judgement.find(
            "sql.change",
            RiskTier::High,
            "a statement that changes more than rows, or is not known",
        ),
    }
}

/// A client's own commands that only show something.
fn harmless_meta(command: &str) -> bool {
    let named = [
        "\\d",
        "\\dt",
        "\\dn",
        "\\du",
        "\\di",
        "\\dv",
        "\\df",
        "\\l",
        "\\l+",
        "\\z",
        "\\conninfo",
        "\\x",
        "\\timing",
        "\\q",
        "\\dx",
        "\\d+",
        "\\dt+",
        "\\pset",
        "\\encoding",
        "\\?",
        "\\h",
        ".tables",
        ".schema",
        ".headers",
        ".mode",
        ".indexes",
        ".dump",
        ".databases",
        ".show",
        ".version",
        ".stats",
    ];
    named.contains(&command)
}

/// Functions that touch files, other hosts or the server.
fn reaches_out(word: &str) -> bool {
    const NAMES: &[&str] = &[
        "pg_read_",
        "pg_write_",
        "pg_ls_",
        "lo_",
        "dblink",
        "pg_terminate",
        "pg_cancel",
        "pg_reload",
        "pg_rotate",
        "load_file",
        "outfile",
        "dumpfile",
        "xp_",
        "sys_exec",
        "sys_eval",
        "load_extension",
        "writefile",
        "readfile",
        "query_to_xml",
        "set_config",
        "pg_sleep",
        "setval",
        "nextval",
        "pg_switch",
        "pg_promote",
        "program",
        "pg_authid",
        "pg_shadow",
        "pg_drop",
        "pg_create",
        "pg_advisory",
        "edit",
        "sleep",
        "benchmark",
    ];
    // `pg_catalog.pg_read_file` is the same function.
    let last = word.rsplit('.').next().unwrap_or(word);
    word.contains('\\') || NAMES.iter().any(|name| word.starts_with(name) || last.starts_with(name))
}

/// The text without comments and the contents of quotes; nothing where one of them does not end. Executable
/// comments (`/*! … */`) and dollar quotes are not taken apart. MySQL's `--` needs a blank after it, and its `#` starts
/// a comment too.
fn without_texts(text: &str, mysql: bool) -> Option<String> {
    let mut bare = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let dashes = rest.strip_prefix("--").is_some_and(|after| {
            !mysql || after.chars().next().is_none_or(|next| next.is_whitespace() || next.is_control())
        });
        if dashes || (mysql && c == '#') {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
            bare.push(' ');
        } else if rest.starts_with("/*!") || rest.starts_with("/*M!") || is_dollar_quote(rest) {
            return None;
        } else if rest.starts_with("/*") {
            rest = rest.split_once("*/")?.1;
            bare.push(' ');
        } else {
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            if matches!(c, '\'' | '"' | '`') {
                let (inside, after) = rest.split_once(c)?;
                if inside.contains('\\') {
                    return None;
                }
                rest = after;
                // A function's name may stand in quotes.
                let named = c != '\'' && reaches_out(&inside.to_ascii_lowercase());
                bare.push_str(if named { inside } else { " q " });
            } else {
                bare.push(c);
            }
        }
    }
    Some(bare)
}

/// `$$` or `$tag$`.
fn is_dollar_quote(text: &str) -> bool {
    text.strip_prefix('$').is_some_and(|rest| {
        rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').starts_with('$')
    })
}
