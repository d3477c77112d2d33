//! No text within the limits ends the process, and every answer is consistent with itself.

use cascade_policy::shell::{Input, LENGTH_MAX, parse};
use proptest::prelude::*;

const TOKENS: &[&str] = &[
    "a",
    "rm",
    "x=1",
    "a[1]=2",
    "x+=(",
    "1",
    "99999999999",
    "-rf",
    "~",
    "*",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "(",
    ")",
    "((",
    "))",
    "$(",
    "${",
    "$((",
    "$[",
    "`",
    "$x",
    "${x",
    "${x:-",
    "${x@P}",
    "${!x}",
    "'",
    "\"",
    "$'",
    "$\"",
    "\\",
    "\\\n",
    "\n",
    ";",
    ";;",
    ";&",
    "&",
    "&&",
    "|",
    "||",
    "|&",
    "!",
    "<",
    ">",
    ">>",
    "<<",
    "<<<",
    "<<-",
    "<&",
    ">&",
    "<>",
    ">|",
    "&>",
    "<(",
    ">(",
    "EOF",
    "\nEOF\n",
    "if",
    "then",
    "elif",
    "else",
    "fi",
    "while",
    "until",
    "do",
    "done",
    "for",
    "in",
    "case",
    "esac",
    "select",
    "function",
    "f()",
    "coproc",
    "time",
    "-p",
    "#",
    "=~",
    "==",
    "-eq",
    "-v",
    "=",
    "+=",
    ",",
    "..",
    "{a,b}",
    "{1..9}",
    "@(",
    "!(",
    "é",
    "\u{a0}",
    "\t",
    "\r",
    "0x1g",
    "10#",
];

fn consistent(text: &str) {
    let first = parse(text);
    assert_eq!(first, parse(text), "{text:?}");
    let Ok(line) = first else { return };
    for command in &line.commands {
        if let Input::Pipe(from) = &command.stdin {
            assert!(from.iter().all(|i| *i < line.commands.len()), "{text:?}");
        }
    }
    let mut sorted = line.opaque.clone();
    sorted.dedup();
    assert_eq!(sorted, line.opaque, "{text:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn token_soup(parts in prop::collection::vec((0..TOKENS.len(), any::<bool>()), 0..40)) {
        let text: String = parts
            .iter()
            .map(|(i, space)| format!("{}{}", TOKENS[*i], if *space { " " } else { "" }))
            .collect();
        consistent(&text);
    }

    #[test]
    fn any_text(text in "\\PC{0,60}") {
        consistent(&text);
    }
}

#[test]
fn long_runs_of_one_thing() {
    for (head, unit, tail) in [
        ("", "(", ""),
        ("", "( ", "a;b"),
        ("", "{ ", ""),
        ("", "if ", ""),
        ("", "case x in a) ", ""),
        ("", "f() ", ""),
        ("", "$(", ""),
        ("", "${a:-", ""),
        ("", "`", ""),
        ("", "\"$(", ""),
        ("echo ", "'\"$(", ""),
        ("", "! ", "a"),
        ("[[ ", "! ", "a ]]"),
        ("[[ a", " || a", " ]]"),
        ("[[ a =~ ", "( ", " ]]"),
        ("[ a", " -o a", " ]"),
        ("echo $((1", "+1", "))"),
        ("((1", "?1:1", "))"),
        ("a", " && a", ""),
        ("a", " | a", ""),
        ("a", " > f", ""),
        ("x", "=1 x", ""),
        ("a[", "a[", "]=1"),
        ("a[", "${a[", "]=1"),
        ("echo ", "{a,b}", ""),
        ("echo ", "{a,", "}"),
        ("echo ", "}", ""),
        ("echo ", "\\", ""),
        ("echo ", "\\\n", "a"),
        ("", "cat <<A\n", ""),
        ("cat <<A\n", "$(", "\nA"),
        ("", "99999999999>f ", ""),
        ("", "\n", "a"),
        ("", "#", ""),
        ("coproc ", "coproc ", "a"),
        ("time ", "time ", "a"),
        ("", "function f ", ""),
        ("for x in", " a", "; do a; done"),
        ("case x in ", "a|", "b) c;; esac"),
        ("echo ", "@(", ""),
        ("echo ", "a=~(", ""),
        ("((", "(", ""),
        ("((", "((", "a;b"),
        ("echo $((", "$((", ""),
        ("echo ", "$'", ""),
    ] {
        for bytes in [60, 600, 6_000, LENGTH_MAX] {
            let room = bytes.min(LENGTH_MAX - head.len() - tail.len());
            consistent(&format!("{head}{}{tail}", unit.repeat(room / unit.len())));
        }
    }
}

#[test]
fn nesting_that_doubles_the_work_of_a_grammar() {
    for (open, shut) in [("case x in a) ", "; esac"), ("( ", "; )"), ("((", "))"), ("[[ a =~ (", ") ]]")] {
        for levels in [8, 16, 24, 40, 60] {
            consistent(&format!("{}a;b{}", open.repeat(levels), shut.repeat(levels)));
        }
    }
}

/// `{` before a large character made the scanner of one parser read out of bounds and end the process.
#[test]
fn characters_beyond_ascii_harm_nobody() {
    for c in ['\u{e9}', '\u{a0}', '\u{2028}', '\u{1f600}', '\u{10ffff}'] {
        for line in [
            format!("{{{c}}}"),
            format!("{{{c}..{c}}}"),
            format!("echo ${{{c}}} ${c}"),
            format!("cat <<{c}\n{c}\n{c}\n"),
            format!("[[ {c} =~ {c} ]]"),
            format!("echo \"{c}\" '{c}' $'{c}' \\{c}"),
            format!("x={c}; $(({c}))"),
        ] {
            // Either answer is fine; that there is one is the promise.
            drop(parse(&line));
        }
        let line = parse(&format!("rm a{c} '{c} b'")).expect("within the limits");
        let words: Vec<String> = line.commands[0].words.iter().map(|word| format!("{word:?}")).collect();
        assert!(
            words[1].contains(&format!("{:?}", format!("a{c}")).trim_matches('"').to_owned()),
            "{words:?}"
        );
    }
}
