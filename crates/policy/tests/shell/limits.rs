//! Each named limit at the limit and one past it.

use cascade_policy::shell::{COMMANDS_MAX, DEPTH_MAX, LENGTH_MAX, Opaque, Refusal, parse};

#[test]
fn length() {
    let longest = format!("echo {}", "a".repeat(LENGTH_MAX - 5));
    assert_eq!(parse(&longest).map(|line| line.commands.len()), Ok(1));
    assert_eq!(parse(&format!("{longest}a")), Err(Refusal::Length));
}

#[test]
fn commands() {
    let most = "a; ".repeat(COMMANDS_MAX);
    assert_eq!(parse(&most).map(|line| line.commands.len()), Ok(COMMANDS_MAX));
    assert_eq!(parse(&format!("{most}a")), Err(Refusal::Commands));
    // A redirect on a group counts: it is listed.
    let most = "a; ".repeat(COMMANDS_MAX - 2);
    assert_eq!(parse(&format!("{most} {{ a; }} > f")).map(|line| line.commands.len()), Ok(COMMANDS_MAX));
    assert_eq!(parse(&format!("{most} {{ a; a; }} > f")), Err(Refusal::Commands));
}

#[test]
fn a_document_and_an_open_bracket_are_no_panic() {
    for line in [
        "cat <<E ${x$(a)\nE",
        "cat <<E ${!$(a)\nE\n",
        "cat <<EOF > f ${![p$(rat <m 2x)\nEOF",
        "a${!$(b)\n<<E c$(d)\nE <<E\nE",
        "cat <<E $(a$(b)\nE",
        "a$(b <<E c$(d)\nE",
        "${a ${b} <<E x$(c)\nE",
    ] {
        let found = parse(line).expect("within every limit");
        assert!(found.opaque.contains(&Opaque::NotParsed), "{line}: {found:?}");
    }
    let body = parse("cat <<E > f\n${x:-$(b)} $(c)\nE\n").expect("within every limit");
    assert_eq!(body.opaque, [], "in the body braces may nest");
}

#[test]
fn depth() {
    for (open, shut) in [
        ("{ ", " ; }"),
        ("( ", " )"),
        ("$(", ")"),
        ("\"$(", ")\""),
        ("${a:-", "}"),
        ("if ", " ; then a; fi"),
        ("while ", " ; do a; done"),
        ("case x in a) ", " ;; esac"),
    ] {
        let at = |levels: usize| parse(&format!("{}a{}", open.repeat(levels), shut.repeat(levels)));
        // A substitution in each is a command in each, and passes that limit instead.
        let within = if open.contains("$(") { Err(Refusal::Commands) } else { at(DEPTH_MAX) };
        assert_eq!(at(DEPTH_MAX), within, "{open}");
        assert_ne!(within, Err(Refusal::Depth), "{open}");
        assert_eq!(at(DEPTH_MAX + 1), Err(Refusal::Depth), "{open}");
    }
}

#[test]
fn depth_of_every_kind_of_nesting() {
    for (open, shut) in [
        ("( ", " )"),
        ("{ ", " ; }"),
        ("$(", ")"),
        ("\"$(", ")\""),
        ("${a:-", "}"),
        ("\"${a:-", "}\""),
        ("if ", " ; then a; fi"),
        ("if if if a; then a; fi; then ", " ; fi"),
        ("while ", " ; do a; done"),
        ("until a; do ", " ; done"),
        ("for x in a; do ", " ; done"),
        ("case x in a) ", " ;; esac"),
        ("f() { ", " ; }"),
        ("<(", ")"),
        ("[[ ( ", " ) ]]"),
        ("echo $(( ( ", " ) ))"),
    ] {
        let at = |levels: usize| format!("{}a{}", open.repeat(levels), shut.repeat(levels));
        // Some of these openers are more than one level each.
        let per = (1..=DEPTH_MAX).take_while(|n| parse(&at(*n)) != Err(Refusal::Depth)).count();
        assert!(per > 0 && DEPTH_MAX / per <= 4, "{open}: refused from {per}");
        if DEPTH_MAX == per {
            assert_eq!(parse(&at(DEPTH_MAX + 1)), Err(Refusal::Depth), "{open}");
        }
    }
}

#[test]
fn brackets_in_quotes_and_documents_are_not_nesting() {
    let many = "({[`".repeat(100);
    for line in [
        format!("echo '{many}'"),
        format!("cat <<'EOF'\n{many} if if case\nEOF"),
        format!("a # {many}"),
        "echo \\(".repeat(100),
    ] {
        assert_ne!(parse(&line), Err(Refusal::Depth), "{line}");
    }
}

#[test]
fn control_characters() {
    for refused in ["a\0b", "\u{1b}[0m", "a \u{7f}", "a\u{0b}b", "a\u{0c}b", "a\u{85}b"] {
        assert_eq!(parse(refused), Err(Refusal::Control), "{refused:?}");
    }
    for accepted in ["a\tb", "a\nb", "a\r\nb"] {
        assert!(parse(accepted).is_ok(), "{accepted:?}");
    }
}
