//! Nothing private acts on the terminal of whoever looks at it.

use std::process::Command;

use crate::site::{Done, Site, finish};
use crate::team::Team;

/// Moves, titles, conceals, turns around, hides, forges a line.
const NASTY: &str = "x\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}8m\r\u{202e}\u{200b}\u{2028}\ncascade: forged\u{fdd3}";

fn painted(mut command: Command) -> Done {
    // Colour as on a terminal, so that nothing is stripped on the way.
    command.env("CLICOLOR_FORCE", "1");
    finish(command, b"")
}

/// Only what Cascade paints with, only what can be seen.
fn assert_harmless(text: &str, what: &[&str]) {
    let mut rest = text.to_owned();
    for own in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m"] {
        rest = rest.replace(own, "");
    }
    let hidden = |c: char| c.is_control() && c != '\n' || "\u{202e}\u{200b}\u{2028}\u{fdd3}".contains(c);
    assert!(!rest.contains(hidden), "{what:?}: {rest:?}");
    assert!(!rest.lines().any(|line| line.starts_with("cascade: forged")), "{what:?}: {rest}");
}

#[test]
fn private_texts_stay_texts() {
    let team = Team::new();
    let site = &team.site;
    let mut asked = team.agent(&["--json", "run", "--reason", NASTY, "--", "bash", "-s", NASTY]);
    asked.env("PAGER", NASTY);
    let asked = finish(asked, format!("echo {NASTY}\n").as_bytes()).expect(5).json();
    let id = asked["receipt_id"].as_str().unwrap();
    site.run(&["subject", "consent", "customer\u{202e}", "--scope", "calls\u{202e}"]).expect(0);
    site.run(&["halt", "--reason", NASTY]).expect(0);
    site.run(&["run", "--reason", NASTY, "--", NASTY]).expect(3);
    let dir = site.path("policy");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(
        dir.join("p.cedar"),
        "@id(\"ab\")\n@reason(\"c\u{1b}[2Jd\")\npermit (principal, action, resource);\n",
    )
    .unwrap();
    site.run(&["policy", "activate", dir.to_str().unwrap(), "--label", "v\u{1b}[8m1"]).expect(0);

    let (blocked, halted) = (site.last_of("blocked"), site.last_of("halted"));
    for args in [
        &["log"][..],
        &["approvals"],
        &["show", id],
        &["show", &blocked],
        &["show", &halted],
        &["policy", "explain", id],
        &["policy", "explain", &blocked],
        &["policy", "history"],
        &["policy", "diff", "current", dir.to_str().unwrap()],
        &["subject", "show", "customer\u{202e}"],
        &["people", "list"],
        &["grant", "list"],
        &["shell-check", "--", NASTY],
        &["--as", "agent", "run", "--dry-run", "--", NASTY],
        &["run", "--", NASTY],
        &["show", NASTY],
        &["erase", NASTY],
        &["subject", "show", NASTY],
        &["policy", "check", NASTY],
        &["approve", NASTY],
    ] {
        let done = painted(site.cascade(args));
        assert_harmless(&done.stdout, args);
        assert_harmless(&done.stderr, args);
        let document = painted(site.cascade(&[&["--json"], args].concat()));
        assert_harmless(&document.stdout, args);
    }
}

/// An agent's standard input is part of what it asks for: whoever approves sees it.
#[test]
fn the_input_that_is_approved_is_shown() {
    let team = Team::new();
    let site = &team.site;
    let ask = |input: &[u8]| {
        finish(team.agent(&["--json", "run", "--", "bash", "-s"]), input).expect(5);
        let document = site.run(&["--json", "approvals"]).expect(0).stdout;
        let last: serde_json::Value = serde_json::from_str(document.lines().last().unwrap()).unwrap();
        (site.run(&["approvals"]).expect(0).stdout, last)
    };
    let lines: String = (0..20).map(|n| format!("echo line-{n}\n")).collect();
    let (text, document) = ask(lines.as_bytes());
    assert!(text.contains(&format!("standard input, {} bytes:", lines.len())), "{text}");
    assert!(text.contains("    | echo line-0\n") && text.contains("    12 more line(s)"), "{text}");
    assert!(!text.contains("line-8"), "{text}");
    assert_eq!(document["stdin"], lines.as_str());

    let (text, document) = ask(b"rm \x1b[8m\xff\n");
    assert!(text.contains("    | rm \\u{1b}[8m\u{fffd}\n"), "{text}");
    assert_eq!(
        (&document["stdin"], &document["stdin_b64"]),
        (&serde_json::Value::Null, &"cm0gG1s4bf8K".into())
    );
    assert_eq!(document["stdin_bytes"], 9);
}

/// Of a long command nothing is approved unseen.
#[test]
fn a_long_command_is_shown_in_full() {
    let team = Team::new();
    let long = format!("{}; the end", "a".repeat(200));
    team.by_agent(&["run", "--", "./deploy.sh", &long]).expect(5);
    let text = team.site.run(&["approvals"]).expect(0).stdout;
    assert!(text.contains("in full: ") && text.contains("; the end"), "{text}");
    Site::assert_sound(&team.site);
}
