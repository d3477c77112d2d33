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

/// More than this many are not looked at.
const LITERALS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::literals;

    #[test]
    fn literals_and_lists_are_found() {
        assert_eq!(literals(r#"f("rm -r x"); g('it\'s')"#), ["rm -r x", "it's"]);
        assert_eq!(literals("run(['rm', '-rf', '/'])"), ["rm -rf /", "-rf"]);
        assert!(literals("print(1)").is_empty());
    }
}
