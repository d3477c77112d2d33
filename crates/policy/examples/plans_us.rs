//! How long it takes to find out what a task in words means, in microseconds, over all built-in manifests.
//!
//! `cargo run --release -p cascade-policy --example plans_us`
#![expect(clippy::print_stdout, reason = "a program for people")]
#![expect(clippy::disallowed_methods, reason = "it measures time, it does not decide by it")]

use std::hint::black_box;
use std::time::Instant;

use cascade_policy::worker::Registry;

const ROUNDS: usize = 2_000;

const NO_PLAN: &[&str] = &[
    "write a function that returns the n-th prime number",
    "show me the money in my other account and then some",
    "delete everything except the last three branches",
    "list the files in src that nobody has looked at since the summer",
    "what is the capital of France",
];

const PLANS: &[&str] = &[
    "show the last 5 commits",
    "search for \"unwrap()\" in src",
    "list the pods in kube-system",
    "push my commits",
];

fn main() {
    println!(
        "first `git status`: {:.2} ms, {:.2} ms without intents",
        first_look(|_| true),
        first_look(is_no_intent)
    );
    let (mut starts, mut checks) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let registry = Registry::builtin();
        let start = Instant::now();
        black_box(registry.listed());
        let parsed = start.elapsed();
        black_box(registry.plans("push"));
        starts.push((start.elapsed() - parsed).as_secs_f64() * 1e3);
        let start = Instant::now();
        black_box(registry.check());
        checks.push(start.elapsed().as_secs_f64() * 1e3);
    }
    starts.sort_by(f64::total_cmp);
    checks.sort_by(f64::total_cmp);
    println!("first task, manifests parsed: {:.1} ms", starts.first().copied().unwrap_or_default());
    println!("all tests of all manifests: {:.1} ms", checks.first().copied().unwrap_or_default());
    let registry = Registry::builtin();
    println!("a text of 1 MB: {:.2} us", median(&registry, &"x ".repeat(1 << 19)));
    for (kind, texts) in [("no plan", NO_PLAN), ("planned", PLANS)] {
        for text in texts {
            println!("{kind}: {:.2} us  {text}", median(&registry, text));
        }
    }
}

/// What the manifest of git costs a process that starts, with those of its tables that count.
fn first_look(counts: impl Fn(&str) -> bool) -> f64 {
    let git = Registry::builtin_texts().iter().find(|(name, _)| *name == "git").map_or("", |(_, text)| text);
    let text = git.split_inclusive("\n[").filter(|table| counts(table)).collect::<String>();
    let argv = ["git", "status"].map(|word| word.as_bytes().to_vec());
    let mut took: Vec<f64> = (0..50)
        .map(|_| {
            let registry = Registry::new([("git".to_owned(), text.clone())]);
            let start = Instant::now();
            black_box(registry.classify_argv(&argv, &[]));
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took.get(5).copied().unwrap_or_default()
}

fn is_no_intent(table: &str) -> bool {
    !table.starts_with("[worker.intent]]")
}

fn median(registry: &Registry, text: &str) -> f64 {
    let mut took: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            black_box(registry.plans(black_box(text)));
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took.get(ROUNDS / 2).copied().unwrap_or_default()
}
