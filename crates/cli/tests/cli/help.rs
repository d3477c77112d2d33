//! Help is there for every verb, and completions are real.

use crate::site::{Site, finish};

/// The commands that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = commands
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn every_verb_explains_itself() {
    let site = Site::new();
    let top = site.run(&["--help"]).expect(0).stdout;
    assert!(top.contains("Examples:") && top.contains("Exit codes:"), "{top}");
    let verbs = listed(&top);
    for expected in [
        "init",
        "run",
        "shell",
        "shell-check",
        "approvals",
        "approve",
        "deny",
        "log",
        "show",
        "export",
        "verify",
        "fsck",
        "key",
        "people",
        "grant",
        "policy",
        "pack",
        "worker",
        "spec",
        "task",
        "memory",
        "cron",
        "stats",
        "doctor",
        "shim",
        "demo",
        "completions",
        "man",
    ] {
        assert!(verbs.iter().any(|verb| verb == expected), "no `{expected}` in {verbs:?}");
    }
    let mut todo: Vec<Vec<String>> = verbs.into_iter().map(|verb| vec![verb]).collect();
    while let Some(words) = todo.pop() {
        if words.last().is_some_and(|word| word == "help") {
            continue;
        }
        let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
        args.push("--help");
        let help = site.run(&args).expect(0).stdout;
        assert!(help.contains("Usage: cascade"), "{words:?}: {help}");
        assert!(help.lines().next().is_some_and(|line| line.len() > 10), "{words:?}: no first sentence");
        let inner = listed(&help);
        assert!(help.contains("Example"), "no example: cascade {}", words.join(" "));
        todo.extend(inner.into_iter().map(|word| [words.clone(), vec![word]].concat()));
    }
    assert!(site.run(&["--version"]).expect(0).stdout.starts_with("cascade "));
    assert!(!site.home().exists(), "help created a home");
}

/// Every example in a help text is a command line that the parser takes.
#[test]
fn examples_name_real_verbs_and_flags() {
    let site = Site::new();
    let top = site.run(&["--help"]).expect(0).stdout;
    let mut seen = 0;
    for verb in listed(&top) {
        let help = site.run(&[&verb, "--help"]).stdout;
        for line in help.lines().chain(top.lines()).filter_map(|line| line.strip_prefix("  cascade ")) {
            let named = line.split_whitespace().next().unwrap();
            assert!(listed(&top).iter().any(|verb| verb == named), "{line}");
            let known = site.run(&[named, "--help"]).expect(0).stdout;
            for flag in
                line.split(" -- ").next().unwrap().split_whitespace().filter(|word| word.starts_with("--"))
            {
                let flag = flag.split('=').next().unwrap();
                assert!(
                    flag == "--" || known.contains(flag) || nested(&site, line).contains(flag),
                    "{flag} in {line}"
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 20);
}

/// The help of a two-word verb such as `key export`.
fn nested(site: &Site, line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().take(2).collect();
    site.run(&[words[0], words.get(1).unwrap_or(&""), "--help"]).stdout
}

#[test]
fn completions_are_valid_bash() {
    let site = Site::new();
    let script = site.run(&["completions", "bash"]).expect(0).bytes;
    let mut bash = site.program("bash");
    bash.args(["-n"]);
    let checked = finish(bash, &script).expect(0);
    assert_eq!(checked.stderr, "");
    let mut bash = site.program("bash");
    bash.args(["-c", "source /dev/stdin; COMP_WORDS=(cascade shell); COMP_CWORD=1; _cascade cascade shell cascade; echo ${COMPREPLY[@]}"]);
    assert_eq!(finish(bash, &script).expect(0).stdout.trim(), "shell shell-check");
    for shell in ["zsh", "fish"] {
        assert!(site.run(&["completions", shell]).expect(0).stdout.contains("shell-check"));
    }
    site.run(&["completions", "nosuchshell"]).expect(2);
}

/// Every verb has a page, and every verb is completed.
#[test]
fn pages_and_completions_cover_every_verb() {
    let site = Site::new();
    let verbs = listed(&site.run(&["--help"]).expect(0).stdout);
    let told = site.run(&["--json", "man", "--out", "man/man1"]).expect(0).json();
    let pages: Vec<&str> =
        told["pages"].as_array().unwrap().iter().map(|page| page.as_str().unwrap()).collect();
    let bash = site.run(&["completions", "bash"]).expect(0).stdout;
    for verb in verbs.iter().filter(|verb| *verb != "help") {
        assert!(pages.contains(&format!("cascade-{verb}.1").as_str()), "no page of `{verb}`");
        assert!(bash.contains(&format!("cascade,{verb})")), "`{verb}` is not completed");
    }
    assert!(!pages.iter().any(|page| page.contains("help")), "{pages:?}");
    for page in pages {
        let text = std::fs::read_to_string(site.work("man/man1").join(page)).unwrap();
        assert!(text.contains(".SH NAME") && text.contains("Example"), "{page}");
    }
    assert!(site.run(&["man"]).expect(0).stdout.contains(".TH cascade 1"));
    assert!(site.run(&["man", "key", "rotate"]).expect(0).stdout.contains(".TH cascade-key-rotate 1"));
    site.run(&["man", "nonsense"]).expect_failure(2, "no verb `nonsense`");
    assert!(!site.home().exists());
}
