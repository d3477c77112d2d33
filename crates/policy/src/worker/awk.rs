//! Whether an awk program only computes and prints.

/// True when the text starts no process and writes no file. What is not certain is false.
pub(super) fn is_harmless(program: &str) -> bool {
    let words = ["system", "getline", "@", "ENVIRON", "ARGV", "close", "fflush"];
    if words.iter().any(|word| program.contains(word)) {
        return false;
    }
    let Some(bare) = without_texts(program) else { return false };
    let pipes = bare.replace("||", "").contains('|');
    let redirects = bare
        .split([';', '{', '}', '\n'])
        .any(|statement| statement.contains("print") && statement.contains('>'));
    !pipes && !redirects
}

/// The program without the contents of strings and regular expressions; nothing where it is not clear whether a
/// `/` divides or starts an expression.
fn without_texts(program: &str) -> Option<String> {
    let mut bare = String::new();
    let mut chars = program.chars();
    while let Some(c) = chars.next() {
        let before = bare.trim_end().chars().next_back();
        let starts = before.is_none_or(|before| "{(;~!&|,\u{22}".contains(before) || bare.ends_with('\n'));
        if c == '"' || (c == '/' && starts) {
            skip(c, &mut chars)?;
            bare.push('"');
        } else if c == '#' || (c == '/' && program.contains(['|', '>'])) {
            return None;
        } else {
            bare.push(c);
        }
    }
    Some(bare)
}

fn skip(end: char, chars: &mut std::str::Chars<'_>) -> Option<()> {
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            c if c == end => return Some(()),
            '\n' => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::is_harmless;

    #[test]
    fn only_computing_and_printing_is_harmless() {
        for (program, expected) in [
            ("{print $1, $NF}", true),
            ("/error|warn/ {n++} END {print n}", true),
            ("$3 > 10 && $2 ~ /a|b/", true),
            ("NR==FNR {a[$1]=$2; next} $1 in a {print a[$1] / 2}", true),
            (r#"BEGIN {system("id")}"#, false),
            (r#"{print | "sh"}"#, false),
            (r#"{print > "f"}"#, false),
            (r#"{"date" | getline d}"#, false),
            (r#"{print /a;/ | "sh" ; x /b/}"#, false),
            (r#"{print "a#" > "f"}"#, false),
        ] {
            assert_eq!(is_harmless(program), expected, "{program}");
        }
    }
}
