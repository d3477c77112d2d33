//! Tasks in words that become commands: governed like any other, and never more than the words say.

use serde_json::Value;

use crate::site::{Site, finish, kinds};
use crate::task::asked;

fn repository() -> Site {
    let site = Site::new();
    site.set("git", &["init", "-q", "-b", "main", "."]);
    for args in [["config", "user.name", "ada"], ["config", "user.email", "ada@example.org"]] {
        site.set("git", &args);
    }
    site.set("git", &["commit", "-q", "--allow-empty", "-m", "first words"]);
    site
}

#[test]
fn words_become_a_governed_command() {
    let site = repository();
    let done = asked(&site, "show the last 2 commits", &["--kind", "cli"]).expect(0).json();
    assert_eq!(
        (&done["layer"], &done["evidence"], &done["tokens"]),
        (&"L6.5".into(), &"proposed".into(), &0.into())
    );
    assert!(done["answer"].as_str().unwrap().contains("first words"), "{done}");
    let receipts = site.receipts();
    assert_eq!(kinds(&receipts).split_off(1), ["task_started", "task_completed"]);
    assert_eq!(receipts[2].content("layer_hit"), "L6.5");
    assert_eq!(receipts[1].content("task_type"), "cli");
    let told = site.run(&["task", "show the last 2 commits", "--kind", "cli"]).expect(0);
    assert!(told.stdout.contains("first words") && told.stderr.contains("ran: git "), "{}", told.stderr);
    site.assert_sound();
}

#[test]
fn a_command_that_may_not_run_does_not() {
    let site = repository();
    let mut agent = site.cascade(&["--json", "task", "drop the database shop", "--kind", "cli"]);
    agent.env("CLAUDECODE", "1");
    let done = finish(agent, b"").json();
    assert_eq!(done["answer"], Value::Null);
    assert!(
        ["deny", "escalate"].contains(&done["verdict"].as_str().unwrap())
            || done["declined"][1]["layer"] == "L6.5"
    );
    // No receipt of it says that something ran.
    let answered = site.receipts().iter().any(|receipt| receipt.content("layer_hit") == "L6.5");
    assert!(!answered);
    site.assert_sound();
}

#[test]
fn words_are_never_more_than_words() {
    let site = repository();
    for text in [
        "show the last 2 commits; touch pwned",
        "show the last $(touch pwned) commits",
        "show the last 2 commits && touch pwned",
        "do not show the last 2 commits",
        "show the last 2 commits and delete the branch main",
        "",
        "\u{202e}show commits",
    ] {
        let done = asked(&site, text, &["--kind", "cli", "--max-layer", "L6.5"]);
        let code = done.status.code();
        assert!(code == Some(1) || code == Some(2), "{text}: {code:?} {}", done.stdout);
    }
    // A word that looks like an option stays the value that it was said to be.
    asked(&site, "show commits of --output=pwned", &["--kind", "cli"]);
    assert!(!site.work("pwned").exists());
    assert_eq!(site.set("git", &["branch", "--list", "main"]).stdout.trim(), "* main");
    site.assert_sound();
}
