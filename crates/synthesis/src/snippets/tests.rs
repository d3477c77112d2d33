use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;
use crate::types::Signature;
use crate::value::parse;

const JUDGE: &str = "
import doctest, json, sys
ran = 0
for line in sys.stdin:
    case = json.loads(line)
    scope = {}
    exec(case['python'], scope)
    test = doctest.DocTestParser().get_doctest(case['examples'], scope, case['name'], None, 0)
    runner = doctest.DocTestRunner()
    runner.run(test, clear_globs=False)
    ran += runner.tries
    if runner.failures or not runner.tries:
        print('failed', case['name'])
print('ran', ran)
";

#[expect(clippy::disallowed_methods, reason = "the reference is CPython itself")]
fn judged(judge: &str, cases: &str) -> String {
    let mut python = Command::new("python3")
        .args(["-W", "error", "-c", judge])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(cases.as_bytes()).unwrap();
    String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap()
}

fn task(text: &str) -> Task {
    Task::parse(text, None).unwrap()
}

#[test]
fn every_function_of_every_file_is_a_snippet() {
    let written: usize = FILES.iter().map(|file| file.matches("\ndef ").count()).sum();
    assert_eq!(all().len(), written);
    assert!(written >= 150);
    let names: BTreeSet<&str> = all().iter().map(|snippet| snippet.name.as_str()).collect();
    let hashes: BTreeSet<&str> = all().iter().map(|snippet| snippet.hash.as_str()).collect();
    assert_eq!((names.len(), hashes.len()), (written, written), "two have the same name or text");
}

#[test]
fn each_does_in_cpython_what_its_examples_say() {
    let cases: String = all()
        .iter()
        .map(|snippet| {
            serde_json::json!({"name": snippet.name, "python": snippet.python, "examples": snippet.examples})
                .to_string()
                + "\n"
        })
        .collect();
    let verdict = judged(JUDGE, &cases);
    let ran: usize =
        verdict.trim().strip_prefix("ran ").unwrap_or_else(|| panic!("{verdict}")).parse().unwrap();
    assert!(ran >= all().len());
}

#[test]
fn each_gives_what_its_signature_says() {
    for snippet in all() {
        let Some((call, result)) =
            snippet.examples.trim().strip_prefix(">>> ").and_then(|rest| rest.split_once('\n'))
        else {
            panic!("{}", snippet.name)
        };
        let (Ok(value), true) = (
            parse(result.lines().next().unwrap().trim()),
            call.starts_with(&snippet.name) && !call.contains(")."),
        ) else {
            continue;
        };
        let of = Type::of(&value).closed();
        // What the variables stand for is not known here.
        let fits = snippet.returns.join(&of).is_some() || snippet.returns.unify(&of, &mut Bindings::new());
        assert!(fits, "{} gives {result}", snippet.name);
    }
    assert!(Signature::parse("n -> n").is_some());
}

#[test]
fn types_decide_and_words_rank() {
    let found = matching(&task(
        "def steps(n: int) -> int:\n '''Steps of the Collatz sequence down to one.'''\nsteps(6) == 8\n",
    ));
    assert_eq!(found[0].name, "collatz_steps");
    assert!(
        found.iter().all(
            |snippet| snippet.parameters.len() == 1 && !matches!(snippet.returns, Type::Str | Type::Bool)
        )
    );
    let found =
        matching(&task("def f(text: str, places: int) -> str:\n '''Caesar cipher.'''\nf('a', 1) == 'b'\n"));
    assert_eq!(found[0].name, "caesar_shift");
    let found = matching(&task(
        "def f(xs: list[str]) -> list[str]:\n '''Remove duplicates, keep the order.'''\nf(['a', 'a']) == ['a']\n",
    ));
    assert_eq!(found[0].name, "unique_in_order");
    assert!(found.iter().all(|snippet| snippet.name != "running_totals"), "texts are no numbers");
    assert!(
        matching(&task(
            "def f(a: bool, b: bool, c: bool, d: bool) -> bool:\nf(True, True, True, True) == True\n"
        ))
        .is_empty()
    );
}

#[test]
fn answers_have_the_name_and_the_order_of_the_task() {
    let text = "def caesar_shift(k: int, words: str) -> Optional[str]:\n '''Caesar.'''\ncaesar_shift(1, 'ab') == 'bc'\n";
    let other = "def f(number_to_words: int) -> str:\n '''A number in words.'''\nf(21) == 'twenty-one'\n";
    let calls = [("caesar_shift", text, "caesar_shift(1, 'ab')"), ("number_to_words", other, "f(342001)")];
    let cases: String = calls
        .iter()
        .map(|(name, text, call)| {
            let task = task(text);
            let snippet = matching(&task).into_iter().find(|snippet| snippet.name == *name).unwrap();
            serde_json::json!({"python": snippet.answer(&task).unwrap(), "call": call}).to_string() + "\n"
        })
        .collect();
    let judge = "
import json, sys
for line in sys.stdin:
    case, scope = json.loads(line), {}
    exec(case['python'], scope)
    print(eval(case['call'], scope))
";
    assert_eq!(judged(judge, &cases), "bc\nthree hundred forty-two thousand one\n");
}

#[test]
fn the_digest_is_sha256_and_stays() {
    assert_eq!((digest().len(), digest() == digest()), (64, true));
}
