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
pub(super) fn only_prints(source: &str) -> bool {
    let mut chars = source.chars();
    let mut name = String::new();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' {
            name.push(c);
            continue;
        }
        let quote = matches!(c, '\'' | '"');
        if (quote && !name.is_empty()) || c == '`' || !is_plain(&name) {
            return false;
        }
        name.clear();
        if quote && !skip(c, &mut chars) {
            return false;
        }
    }
    is_plain(&name)
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
    items key value row line lines name path id result results out text obj startswith endswith sort reverse slice length \
    toString Object entries forEach reduce Math floor random pi sqrt read readlines readline write platform executable \
    isinstance type statistics mean median datetime date now today isoformat time";

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
