//! What is undone, in which order, and what is left.

#![cfg(test)]

use std::convert::Infallible;

use cascade_kernel::rollback::{Fate, Inverse, Outcome, Recorded, Source, Undoing, Wanted, Why, plan};
use cascade_receipt::id::ReceiptId;

fn id(text: &str) -> ReceiptId {
    ReceiptId::parse(&format!(
        "r_{:0>16}",
        text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>()
    ))
    .unwrap()
}

/// `NAME OUTCOME [of NAME]`, in the order in which they were completed. The closer of `a` is `a!`.
fn record(lines: &str) -> Vec<Recorded> {
    lines
        .split(", ")
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let outcome = match words[1] {
                "completed" => Outcome::Completed,
                "failed" => Outcome::Failed,
                "revoked" => Outcome::Revoked,
                "unknown" => Outcome::Unknown,
                "running" => Outcome::Running,
                other => panic!("{other}"),
            };
            let closer = (outcome != Outcome::Running).then(|| id(&format!("{}!", words[0])));
            let takes_back = words.get(3).map(|of| id(&format!("{of}!")));
            Recorded { intent: id(words[0]), closer, outcome, takes_back }
        })
        .collect()
}

/// The first letter says what there is to undo an action with: `r` it reads, `n` nothing, `s` its step, `q` only where
/// something was so before, any other the manifest.
fn inverse(one: &Recorded) -> Inverse<String> {
    let name = name(one.intent);
    let command = |source, assumes: Option<&str>| {
        let assumes = assumes.map(str::to_owned);
        Inverse::Command(Undoing { command: format!("undo {name}"), source, assumes })
    };
    match name.chars().next() {
        Some('r') => Inverse::Nothing,
        Some('n') => Inverse::None(Why::NoInverse("none".to_owned())),
        Some('s') => command(Source::Step, None),
        Some('q') => command(Source::Manifest, Some("so")),
        _ => command(Source::Manifest, None),
    }
}

fn name(id: ReceiptId) -> String {
    let text = id.to_string();
    let hex = text.trim_start_matches("r_");
    let pairs = (0..8).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap());
    pairs.filter(|byte| *byte != 0).map(char::from).collect()
}

fn told(fate: &Fate<String>) -> String {
    match fate {
        Fate::Undo(undoing) => undoing.command.clone(),
        Fate::Undone(by) => format!("undone by {}", name(*by)),
        Fate::Nothing => "nothing".to_owned(),
        Fate::Left(Why::BeingUndone(by)) => format!("left: being undone by {}", name(*by)),
        Fate::Left(Why::UndoingUnknown(by)) => format!("left: undoing unknown {}", name(*by)),
        Fate::Left(why) => format!("left: {why:?}").to_lowercase(),
    }
}

fn check(lines: &str, wanted: &str, expected: &[(&str, &str)]) {
    let mut given = Wanted::default();
    for word in wanted.split_whitespace() {
        match word {
            "+name" => given.by_name = true,
            "+assume" => given.assume = true,
            "+retry" => given.retry = true,
            name => {
                given.intents.insert(id(name));
            }
        }
    }
    let planned = plan(&record(lines), &given, |one| Ok::<_, Infallible>(inverse(one)));
    let planned = planned.unwrap_or_else(|never| match never {});
    let found: Vec<(String, String)> = planned.iter().map(|(id, fate)| (name(*id), told(fate))).collect();
    let expected: Vec<(String, String)> =
        expected.iter().map(|(one, told)| ((*one).to_owned(), (*told).to_owned())).collect();
    assert_eq!(found, expected, "{lines} / {wanted}");
}

#[test]
fn what_was_completed_last_is_undone_first() {
    check(
        "a completed, b completed, s completed",
        "a b s",
        &[("s", "undo s"), ("b", "undo b"), ("a", "undo a")],
    );
    check("a completed, b completed", "a", &[("a", "undo a")]);
}

#[test]
fn what_did_not_complete_is_left_to_people() {
    check(
        "a failed, b revoked, c unknown, d running",
        "a b c d",
        &[("d", "left: running"), ("c", "left: unknown"), ("b", "left: revoked"), ("a", "left: failed")],
    );
    // A search without hits has done nothing.
    check("r failed, ra unknown", "r ra", &[("ra", "nothing"), ("r", "nothing")]);
}

#[test]
fn what_has_no_inverse_says_why() {
    check("n completed, r completed", "n r", &[("r", "nothing"), ("n", "left: noinverse(\"none\")")]);
    check("q completed", "q", &[("q", "left: assumes(\"so\")")]);
    check("q completed", "q +assume", &[("q", "undo q")]);
}

#[test]
fn nothing_is_undone_twice() {
    check("a completed, u completed of a", "a u", &[("a", "undone by u!")]);
    check("a completed, u failed of a", "a", &[("a", "undo a")]);
    check("a completed, u failed of a, v completed of a", "a", &[("a", "undone by v!")]);
    check("a completed, u running of a", "a +retry", &[("a", "left: being undone by u")]);
    check("a completed, u unknown of a", "a", &[("a", "left: undoing unknown u!")]);
    check("a completed, u revoked of a", "a", &[("a", "left: undoing unknown u!")]);
    check("a completed, u unknown of a", "a +retry", &[("a", "undo a")]);
    check("a completed, u unknown of a, v completed of a", "a +retry", &[("a", "undone by v!")]);
}

#[test]
fn an_undoing_is_undone_only_by_name() {
    check("a completed, u completed of a", "u +name", &[("u", "undo u")]);
    check("a completed, u completed of a", "u", &[]);
    // Redone, it is there again; and so on.
    let redone = "a completed, u completed of a, v completed of u";
    check(redone, "a", &[("a", "undo a")]);
    check(redone, "u +name", &[("u", "undone by v!")]);
    check("a completed, u completed of a, v completed of u, w completed of v", "a", &[("a", "undone by u!")]);
    check("a completed, u completed of a, v failed of u", "a", &[("a", "undone by u!")]);
}

#[test]
fn the_inverse_is_asked_only_of_what_could_be_undone() {
    let lines = "a completed, b completed, u completed of b";
    let wanted = Wanted { intents: [id("b")].into(), ..Wanted::default() };
    let planned = plan(&record(lines), &wanted, |one| Err::<Inverse<String>, _>(name(one.intent)));
    assert_eq!(planned.unwrap().len(), 1);
}
