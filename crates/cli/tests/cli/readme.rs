//! The README is executed: its first command tells the tour, its console block prints what it says.

use std::path::Path;

use crate::site::{CASCADE, Site, finish};

const README: &str = include_str!("../../../../README.md");

/// The fenced blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    README.split(fence.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn the_two_commands_are_the_tour_and_the_tests() {
    assert_eq!(blocks("sh"), ["cargo run --quiet --bin cascade -- demo\n", "cargo xtask test\n"]);
    let done = Site::new().run(&["demo"]).expect(0);
    for scene in ["allowed", "dry run", "blocked", "waits for a person", "tampering", "not proven"] {
        assert!(done.stdout.contains(scene), "the tour has no `{scene}`: {}", done.stdout);
    }
}

#[test]
fn the_console_block_prints_what_it_says() {
    let site = Site::new();
    let shop = site.path("work").join("shop");
    site.set("git", &["init", "--quiet", "--bare", "remote.git"]);
    site.set("git", &["init", "--quiet", "--initial-branch=main", "shop"]);
    let in_shop = ["-C", "shop", "-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
    for args in [
        ["remote", "add", "origin", "../remote.git"].as_slice(),
        &["commit", "--quiet", "--allow-empty", "-m", "first"],
    ] {
        site.set("git", &[in_shop.as_slice(), args].concat());
    }
    site.run(&["init"]).expect(0);
    let block = blocks("console").concat();
    for step in block.split("$ ").skip(1) {
        let (line, expected) = step.split_once('\n').unwrap();
        let mut command = site.program("sh");
        let bin = Path::new(CASCADE).parent().unwrap().display().to_string();
        let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
        command.args(["-c", line]).current_dir(&shop).env("PATH", path);
        let done = finish(command, b"");
        let printed = format!("{}{}", done.stderr, done.stdout);
        assert_shown(line, printed.lines().map(without_ids), expected);
    }
}

/// The expected lines follow each other; `…` stands for lines left out.
fn assert_shown(command: &str, mut printed: impl Iterator<Item = String>, expected: &str) {
    let mut skipping = false;
    for want in expected.lines() {
        if want == "…" {
            skipping = true;
            continue;
        }
        let want = without_ids(want);
        let found = if skipping { printed.find(|line| *line == want) } else { printed.next() };
        assert_eq!(found.as_deref(), Some(want.as_str()), "{command}");
        skipping = false;
    }
    assert!(skipping || printed.next().is_none(), "{command} prints more than the README says");
}

/// A line with every random id made the same.
fn without_ids(line: &str) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for word in &mut words {
        if word.len() == 18 && word.starts_with("r_") {
            "r_".clone_into(word);
        }
    }
    words.join(" ")
}
