//! String literals in source text of any language. They show what the code may hand to a shell; finding nothing
//! proves nothing, so inline code stays unclassified either way.

/// The literals, and runs of literals separated by commas joined by blanks (`["rm", "-rf", "/"]`).
pub(super) fn literals(source: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut run: Vec<String> = Vec::new();
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' | '`' => {
                let mut text = String::new();
                while let Some(inner) = chars.next() {
                    match inner {
                        '\\' => text.extend(chars.next()),
                        end if end == c => break,
                        other => text.push(other),
                    }
                }
                run.push(text);
            }
            c if c == ',' || c.is_whitespace() => {}
            _ => close(&mut run, &mut found),
        }
        if found.len() >= LITERALS_MAX {
            break;
        }
    }
    close(&mut run, &mut found);
    found.truncate(LITERALS_MAX);
    found
}

fn close(run: &mut Vec<String>, found: &mut Vec<String>) {
    if run.len() > 1 {
        found.push(run.join(" "));
    }
    found.extend(run.drain(..).filter(|text| text.len() > 2));
}

/// True when Python or JavaScript text only computes and prints: every name in it is on a short list. What is in
/// quotes does not count, so texts that are evaluated (template and format strings) are refused.
///
/// What could make the quotes seen here differ from those of the language is refused: comments, regular expressions,
/// escapes outside quotes, triple quotes.
pub(super) fn only_prints(source: &str) -> bool {
    if ["'''", "\"\"\"", "<!--", "-->"].into_iter().any(|text| source.contains(text)) {
        return false;
    }
    // In JavaScript a subscript reaches any member by its name; these texts are not JavaScript that runs.
    let start = source.trim_start();
    let python = (start.starts_with("import ") || start.starts_with("print("))
        && !["function", "var", "let", "const"].into_iter().any(|word| source.contains(word));
    let mut chars = source.chars();
    let mut name = String::new();
    let mut last = ' ';
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' {
            name.push(c);
            last = c;
            continue;
        }
        let quote = matches!(c, '\'' | '"');
        let rest = chars.as_str();
        let divides =
            last.is_ascii_digit() && rest.trim_start().starts_with(|next: char| next.is_ascii_digit());
        let strange = matches!(c, '`' | '#' | '\\') || (c == '[' && !python) || (c == '/' && !divides);
        if (quote && !name.is_empty()) || strange || !is_plain(&name) || !is_used_plainly(&name, c, rest) {
            return false;
        }
        name.clear();
        if quote && !skip(c, &mut chars) {
            return false;
        }
        if !c.is_whitespace() {
            last = c;
        }
    }
    is_plain(&name) && !matches!(name.as_str(), "import" | "process")
}

/// Some names are harmless only with what follows them.
fn is_used_plainly(name: &str, next: char, rest: &str) -> bool {
    match name {
        "process" => next == '.',
        "import" => {
            let list = rest.split([';', '\n']).next().unwrap_or_default();
            let module = |item: &str| {
                let mut words = item.split_whitespace();
                words.next().is_some_and(|name| MODULES.contains(&name))
                    && matches!(
                        (words.next(), words.next(), words.next()),
                        (None, ..) | (Some("as"), Some(_), None)
                    )
            };
            next == ' ' && list.split(',').all(module)
        }
        _ => true,
    }
}

/// Passes over a text in quotes; false where it does not end.
fn skip(quote: char, chars: &mut std::str::Chars<'_>) -> bool {
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            end if end == quote => return true,
            _ => {}
        }
    }
    false
}

fn is_plain(name: &str) -> bool {
    name.len() < 2
        || name.starts_with(|c: char| c.is_ascii_digit())
        || PLAIN.split_whitespace().any(|own| own == name)
}

/// Names that compute, read standard input and print.
const PLAIN: &str = "print import as json sys math stdin stdout load loads dump dumps indent console log JSON stringify parse \
    process version versions version_info len str int float bool range sum min max abs round sorted list dict set tuple \
    enumerate zip map filter join split strip replace lower upper keys values items get append for in if else elif and or \
    not is while break continue None True False null undefined true false const let var function return lambda data item \
    items key value row line lines name id result results out text obj startswith endswith sort reverse slice length \
    toString Object entries forEach reduce Math floor random pi sqrt read readlines readline write platform executable \
    isinstance type statistics mean median datetime date now today isoformat time";

/// Modules that only compute.
const MODULES: &[&str] = &["json", "sys", "math", "statistics", "datetime", "time"];

/// More than this many are not looked at.
const LITERALS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::literals;

    #[test]
    fn only_short_listed_names_are_plain() {
        use super::only_prints;
        for (source, expected) in [
            ("print('rm -rf /')", true),
            ("import json,sys; print(json.load(sys.stdin)['a'])", true),
            ("console.log(1+1)", true),
            ("import os", false),
            ("print(f'{x}')", false),
            ("print(`x`)", false),
            ("__import__('os')", false),
            ("open('x')", false),
            ("print('open", false),
            ("print(10/3)", true),
            ("print(1) # '\nimport os; os.system(\"rm -rf /\")\n# '", false),
            ("/'/;require(\"fs\").rmSync(\"src\");/'/", false),
            ("process['getBuiltinModule']('child_process')['execSync']('rm -rf src')", false),
            ("k='getBuiltinModule';process[k]('child_process')[x]('id')", false),
            ("Object.values(process).filter(f => f.name == 'x')", false),
            ("import sys; sys.path.append('/tmp/evil'); import data", false),
            ("import('./x.js')", false),
            ("import data", false),
            ("\\u{65}\\u{76}('x')", false),
            ("print(''' ' '''); os.x(); print(''' ' ''')", false),
        ] {
            assert_eq!(only_prints(source), expected, "{source}");
        }
    }

    #[test]
    fn literals_and_lists_are_found() {
        assert_eq!(literals(r#"f("rm -r x"); g('it\'s')"#), ["rm -r x", "it's"]);
        assert_eq!(literals("run(['rm', '-rf', '/'])"), ["rm -rf /", "-rf"]);
        assert!(literals("print(1)").is_empty());
    }
}
