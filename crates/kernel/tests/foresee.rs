//! What is known of a run before there is one.
#![expect(clippy::expect_used, reason = "tests")]

use cascade_kernel::csl::{Command, Document, Step, Work};
use cascade_kernel::workflow::{Foresight, order};
use cascade_receipt::json::{self, Value};

const SPEC: &str = r#"csl: 1
name: known
version: "1"
inputs:
  tag: {type: string}
  hosts: {type: list<string>, default: [a, b]}
  dry: {type: bool, default: false}
steps:
  - {id: last, needs: [each, first, first], run: [echo, "${steps.first.stdout}"]}
  - {id: each, foreach: inputs.hosts, run: [ssh, "${item}", "x${index}"]}
  - {id: first, run: [git, tag, "${inputs.tag}"], cwd: "${inputs.tag}", env: {A: "${inputs.dry}"}, stdin: "in"}
  - {id: never, when: inputs.dry, run: [echo, fixed]}
  - {id: maybe, needs: [first], when: steps.first.ok, run: [echo, fixed]}
  - {id: about, run: [dial], subject: {person: ada, matter: "${inputs.tag}"}}
  - {id: keyed, run: [echo, "${run.key}"]}
  - {id: many, needs: [first], foreach: "[steps.first.stdout]", run: [echo, "${item}"]}
"#;

fn document(text: &str) -> Document {
    Document::read(text.as_bytes()).expect("a spec")
}

fn foresight(document: &Document, given: &str) -> Foresight {
    let given = json::parse(given.as_bytes()).expect("json");
    let (inputs, missing) = document.inputs_so_far(&given).expect("inputs");
    Foresight::new(&inputs, missing)
}

fn step<'a>(document: &'a Document, id: &str) -> &'a Step {
    document.spec.steps.iter().find(|step| step.id == id).expect("a step")
}

fn command(step: &Step) -> &Command {
    if let Work::Command(command) = &step.work { Some(command) } else { None }.expect("a command")
}

#[test]
fn what_a_step_needs_stands_before_it_and_all_else_as_in_the_text() {
    let document = document(SPEC);
    let ids: Vec<&str> =
        order(&document.spec).into_iter().map(|at| document.spec.steps[at].id.as_str()).collect();
    assert_eq!(ids, ["each", "first", "last", "never", "maybe", "about", "keyed", "many"]);
}

#[test]
fn words_are_known_where_they_hang_on_inputs_alone() {
    let document = document(SPEC);
    let known = |given: &str, id: &str| {
        let step = step(&document, id);
        foresight(&document, given).command(step, command(step)).expect("a value")
    };
    let first = known(r#"{"tag":"v1"}"#, "first").expect("known");
    assert_eq!(first.argv, ["git", "tag", "v1"]);
    assert_eq!((first.cwd.as_deref(), first.stdin.as_deref()), (Some("v1"), Some("in")));
    assert_eq!(first.env, [("A".to_owned(), "false".to_owned())]);
    assert_eq!(known("{}", "first"), None, "an input is missing");
    let about = known(r#"{"tag":"loan"}"#, "about").expect("known").subject.expect("somebody");
    assert_eq!((about.person(), about.matter()), ("ada", Some("ada/loan")));
    assert_eq!(known("{}", "about"), None, "nobody knows about what yet");
    for id in ["last", "keyed", "each"] {
        assert_eq!(known(r#"{"tag":"v1"}"#, id), None, "{id}");
    }
    assert!(known("{}", "never").is_some());
}

#[test]
fn conditions_and_lists_are_known_where_they_hang_on_inputs_alone() {
    let document = document(SPEC);
    let seen = foresight(&document, "{}");
    assert_eq!(seen.wants(step(&document, "never")), Ok(Some(false)));
    assert_eq!(seen.wants(step(&document, "first")), Ok(Some(true)));
    assert_eq!(seen.wants(step(&document, "maybe")), Ok(None));
    assert!(seen.items(step(&document, "many")).expect("a value").is_none());
    let each = step(&document, "each");
    let items = seen.items(each).expect("a value").expect("known");
    let words = |item: &Foresight| item.command(each, command(each)).expect("a value").expect("known").argv;
    assert_eq!(items.iter().map(words).collect::<Vec<_>>(), [["ssh", "a", "x0"], ["ssh", "b", "x1"]]);
}

#[test]
fn what_has_no_value_for_these_inputs_is_told() {
    let document = document(
        &SPEC
            .replace("inputs.hosts, run", "\"inputs.hosts[7]\", run")
            .replace("inputs.dry, run", "\"inputs.hosts[7] == 'x'\", run"),
    );
    let seen = foresight(&document, "{}");
    assert!(seen.items(step(&document, "each")).is_err());
    assert!(seen.wants(step(&document, "never")).is_err());
}

#[test]
fn inputs_so_far_are_checked_and_the_others_named() {
    let document = document(SPEC);
    let (bound, missing) = document.inputs_so_far(&Value::object([])).expect("inputs");
    assert_eq!(bound.to_canonical(), r#"{"dry":false,"hosts":["a","b"]}"#);
    assert_eq!(missing, ["tag"]);
    assert_eq!(document.inputs(&Value::object([])).unwrap_err(), ["input `tag` is missing"]);
    let wrong = Value::object([("dry", Value::Int(1))]);
    assert_eq!(document.inputs_so_far(&wrong).unwrap_err(), ["input `dry` is not of type bool"]);
    let all = document.inputs(&wrong).unwrap_err();
    assert_eq!(all, ["input `dry` is not of type bool", "input `tag` is missing"]);
}
