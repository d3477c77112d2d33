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
        assert!(matches!(code, Some(1..=3)), "{text}: {code:?} {}", done.stdout);
    }
    // A word that looks like an option stays the value that it was said to be.
    asked(&site, "show commits of --output=pwned", &["--kind", "cli"]);
    assert!(!site.work("pwned").exists());
    assert_eq!(site.set("git", &["branch", "--list", "main"]).stdout.trim(), "* main");
    site.assert_sound();
}

#[test]
fn what_kind_of_task_it_is_follows_from_its_words() {
    let site = repository();
    let done = asked(&site, "show the last 2 commits", &[]).expect(0).json();
    assert_eq!(done["layer"], "L6.5", "{done}");
    let started = site.receipts().into_iter().rfind(|one| one.kind() == "task_started").unwrap();
    assert_eq!(started.content("task_type"), "cli");
    // One word more than an intent knows, and it is a question.
    for text in ["why is the sky blue", "show the last 2 commits and why", "what does git log do"] {
        let done = asked(&site, text, &[]).expect(1).json();
        assert!(done["declined"].to_string().contains("model.none"), "{text}: {done}");
        assert!(done["command"].is_null());
        assert_eq!(site.last().kind(), "task_failed");
    }
    // What is said besides, and what the caller says it is, counts more.
    let code = asked(&site, "show the last 2 commits", &["--signature", "f(x)", "--max-layer", "L5"]);
    assert!(code.json()["command"].is_null());
    let question = asked(&site, "show the last 2 commits", &["--kind", "ask"]).expect(1).json();
    assert!(question["command"].is_null() && question["declined"].to_string().contains("model.none"));
    let mut batch = site.cascade(&["task", "--batch", "-"]);
    batch.arg("--max-layer=L6.5");
    let done = finish(batch, b"{\"text\": \"show the last 2 commits\"}\n").expect(0).json();
    assert_eq!(done["layer"], "L6.5", "{done}");
    site.assert_sound();
}

#[test]
fn a_search_without_hits_is_an_answer() {
    let site = repository();
    std::fs::write(site.work("a.txt"), "some words\n").unwrap();
    std::fs::write(site.work("b.txt"), "other words\n").unwrap();
    let answer = |text: &str| asked(&site, text, &[]).expect(0).json();
    let none = answer("search for nonsense in a.txt");
    assert_eq!((&none["answer"], &none["evidence"]), (&"no hits".into(), &"proposed".into()), "{none}");
    assert_eq!((&none["command"]["exit_code"], &none["command"]["stdout"]), (&1.into(), &"".into()));
    assert_eq!(none["declined"].as_array().unwrap().iter().filter(|one| one["layer"] == "L6.5").count(), 0);
    let closer = site.last();
    assert_eq!((closer.kind(), closer.reasons()), ("task_failed", vec!["run.answered"]));
    let told = site.run(&["task", "search for nonsense in a.txt"]).expect(0);
    assert!(told.stdout.is_empty() && told.stderr.contains("no hits"), "{}", told.stderr);
    // What differs is told in full.
    let differ = answer("compare a.txt with b.txt");
    assert!(differ["answer"].as_str().unwrap().contains("+other words"), "{differ}");
    // A search that could not look found out nothing.
    let failed = asked(&site, "search for nonsense in nowhere.txt", &[]).expect(1).json();
    assert!(failed["declined"].to_string().contains("cli.failed"), "{failed}");
    let stats = site.run(&["--json", "stats"]).expect(0).json();
    assert_eq!((&stats["tasks"], &stats["unanswered"]), (&4.into(), &1.into()), "{stats}");
    site.assert_sound();
}

#[test]
fn what_is_no_archive_is_not_written_over() {
    let site = Site::new();
    std::fs::create_dir(site.work("d")).unwrap();
    std::fs::write(site.work("f.txt"), "mine").unwrap();
    asked(&site, "pack d into f.txt", &["--kind", "cli"]).expect(1);
    assert_eq!(std::fs::read_to_string(site.work("f.txt")).unwrap(), "mine");
    asked(&site, "pack d into d.tar.gz", &[]).expect(0);
    assert!(site.work("d.tar.gz").exists());
    for pid in ["0", "1", "-1", "one"] {
        let done = asked(&site, &format!("kill process {pid}"), &["--kind", "cli"]).expect(1).json();
        assert!(done["declined"].to_string().contains("cli.no_intent"), "{pid}: {done}");
    }
    site.assert_sound();
}
