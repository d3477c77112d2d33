//! Specs: what is read, what is refused and where, and that the schema for editors says the same.
#![expect(clippy::expect_used, reason = "tests")]

use cascade_kernel::csl::{Document, schema};
use cascade_receipt::json::Value;

const WHOLE: &str = r#"csl: 1
name: release
version: "1.0"
description: everything that a spec can say
authority: {groups: [release]}
constraints:
  max_tier: HIGH
  workers: [git, tar, curl]
  packs: [soc2]
  max_parallel: 8
  max_attempts: 100
  duration: 2h
  tokens: 1000
  cost_microusd: 50
  window: {days: [mon, fri], from: "09:00", to: "17:30", zone: Europe/Berlin}
inputs:
  tag: {type: string, pattern: 'v[0-9.]+', description: what is released}
  hosts: {type: list<string>, default: [a, b], max_length: 20}
  count: {type: int, min: 1, max: 9, default: 3}
  mode: {type: string, enum: [fast, safe], default: safe}
  dry: {type: bool, default: false}
steps:
  - id: fetch
    title: get it
    run: [git, fetch, "--tags=${inputs.tag}"]
    cwd: work
    env: {GIT_TERMINAL_PROMPT: 0}
    stdin: "${inputs.mode}"
    timeout: 5m
    retry: {attempts: 3, backoff: 2s, factor: 3, backoff_max: 10s}
    compensate: {run: [git, tag, "-d", "${inputs.tag}"]}
    reconcile: {run: [git, rev-parse, "${inputs.tag}"]}
  - id: each
    needs: [fetch]
    when: inputs.dry == false && steps.fetch.exit_code == 0
    foreach: inputs.hosts
    run: [tar, "-cf", "${item}-${index}.tar", x]
    subject: {person: "${item}", matter: loan}
    on_failure: continue
  - id: ask
    needs: [each]
    approval: {text: "ship ${inputs.tag}?", groups: [release], required: 2, expires: 1h, signature: true}
  - id: think
    task: {text: "sum of a list", signature: "f(xs: list[int]) -> int", examples: ["f([1]) == 1"], kind: code, max_layer: L5, evidence: checked}
  - id: pause
    wait: 10s
  - id: later
    wait: {until: "2026-12-31T09:00:00.000Z"}
  - id: call
    needs: [ask, think]
    http: {method: POST, url: "https://example.org/${inputs.tag}", headers: {idempotency-key: "${run.key}"}, body: "${steps.think.answer}", status: [201]}
  - id: sub
    needs: [call]
    workflow: {file: other.yaml, spec_hash: "0000000000000000000000000000000000000000000000000000000000000000", inputs: {n: inputs.count + 1}}
outputs:
  shipped: "${steps.each.items.size()}"
"#;

fn faults(text: &str) -> String {
    Document::read(text.as_bytes()).map(|_| ()).expect_err(text).to_string()
}

/// A spec with one step that has these members beside its id.
fn with_step(members: &str) -> String {
    format!(
        "csl: 1\nname: a\nversion: \"1\"\ninputs: {{n: {{type: int}}, s: {{type: string}}}}\nsteps:\n  - id: one\n    {members}\n"
    )
}

#[test]
fn everything_that_a_spec_can_say_is_read_and_allowed_by_the_schema() {
    let document = Document::read(WHOLE.as_bytes()).map_err(|faults| faults.to_string()).unwrap();
    assert_eq!(document.spec.steps.len(), 8);
    assert_eq!(document.spec.steps.first().unwrap().retry.wait_ms(4), 10_000, "2 s, 6 s, then the most");
    let schema: serde_json::Value = serde_json::from_str(schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let data: serde_json::Value = serde_json::from_str(&document.canonical()).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&data).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_schema_knows_every_member_that_the_reader_knows_and_no_other() {
    let schema: serde_json::Value = serde_json::from_str(schema()).unwrap();
    // Sorted here: whether serde_json keeps a file's order depends on who else is built with it.
    let at = |pointer: &str| {
        let members = schema.pointer(pointer).expect(pointer).as_object().unwrap();
        members.keys().cloned().collect::<std::collections::BTreeSet<_>>()
    };
    // The reader names all members it knows when it meets one that it does not.
    for (text, pointer) in [
        ("csl: 1\nnope: 1\n".to_owned(), "/properties"),
        (with_step("run: [x]\n    nope: 1"), "/$defs/step/properties"),
        (with_step("run: [x]\n    retry: {attempts: 1, nope: 1}"), "/$defs/step/properties/retry/properties"),
        (with_step("task: {text: x, nope: 1}"), "/$defs/step/properties/task/properties"),
        (
            with_step("approval: {text: x, groups: [a], nope: 1}"),
            "/$defs/step/properties/approval/properties",
        ),
        (with_step("workflow: {nope: 1}"), "/$defs/step/properties/workflow/properties"),
        (with_step("http: {url: 'http://a', nope: 1}"), "/$defs/step/properties/http/properties"),
        (
            with_step("run: [x]\n    subject: {person: a, nope: 1}"),
            "/$defs/step/properties/subject/properties",
        ),
        (with_step("run: [x]\n    compensate: {run: [x], nope: 1}"), "/$defs/command/properties"),
        ("csl: 1\nconstraints: {nope: 1}\n".to_owned(), "/$defs/constraints/properties"),
        (
            "csl: 1\nconstraints: {window: {nope: 1}}\n".to_owned(),
            "/$defs/constraints/properties/window/properties",
        ),
        ("csl: 1\ninputs: {a: {type: int, nope: 1}}\n".to_owned(), "/$defs/input/properties"),
        ("csl: 1\nauthority: {nope: 1}\n".to_owned(), "/properties/authority/properties"),
    ] {
        let told = faults(&text);
        let line = told.lines().find(|line| line.contains("`nope`")).expect(&told);
        let (_, known) = line.split_once("it has ").unwrap();
        let known: std::collections::BTreeSet<_> = known.split(", ").map(str::to_owned).collect();
        assert_eq!(known, at(pointer), "{pointer}");
    }
}

#[test]
fn the_same_data_has_the_same_hash_and_any_other_another() {
    let document = Document::read(WHOLE.as_bytes()).unwrap();
    let json = Document::read(document.canonical().as_bytes()).unwrap();
    assert_eq!(document.hash(), json.hash(), "its canonical JSON is the same spec");
    let other = Document::read(WHOLE.replace("max_tier: HIGH", "max_tier: CRITICAL").as_bytes()).unwrap();
    assert_ne!(document.hash(), other.hash());
    let spaced = WHOLE.replace("max_tier: HIGH", "max_tier:    \"HIGH\" # as before");
    assert_eq!(document.hash(), Document::read(spaced.as_bytes()).unwrap().hash());
    // Fixed for ever: what was signed last year must be found again.
    let tiny =
        Document::read(b"csl: 1\nname: a\nversion: '1'\nsteps: [{id: one, run: [git, status]}]\n").unwrap();
    let canonical = r#"{"csl":1,"name":"a","steps":[{"id":"one","run":["git","status"]}],"version":"1"}"#;
    assert_eq!(tiny.canonical(), canonical);
}

#[test]
fn what_is_wrong_is_told_with_line_and_column() {
    for (members, said) in [
        (
            "run: git push",
            "7:10: a command is a list of words, never a line for a shell: [\"git\", \"push\"]",
        ),
        ("run: []", "7:10: a command has at least a program"),
        ("run: [x]\n    wait: 1s", "8:11: a step does one thing, not `run` and `wait`"),
        ("title: x", "6:5: a step needs one of run, task"),
        ("run: [x]\n    needs: [two]", "8:13: there is no step `two`"),
        ("run: [x]\n    needs: [one]", "6:5: the steps wait for each other: one needs one"),
        ("run: [x, '${steps.two.stdout}']", "7:14: `steps.two.stdout`: there is no step `two`"),
        ("run: [x, '${steps.one.stdout}']", "a step has no result of its own"),
        ("run: [x, '${inputs.none}']", "there is no input `none`"),
        ("run: [x, '${item}']", "`item` is there in a step with `foreach` alone"),
        ("run: [x, '${nobody}']", "there is no `nobody`"),
        ("run: [x, '${inputs.n + inputs.s}']", "7:14: `inputs.n + inputs.s`: the types do not fit"),
        ("run: [x]\n    when: inputs.n", "8:11: `when` is true or false"),
        ("run: [x]\n    when: inputs.n ==", "8:11: `inputs.n ==` is no expression"),
        ("run: [x]\n    when: inputs.n < 'a'", "the types do not fit"),
        ("run: [x]\n    foreach: inputs.s", "8:14: `foreach` goes over a list"),
        ("run: [x]\n    timeout: soon", "8:14: `soon` is no span of time"),
        ("run: [x]\n    timeout: 0s", "8:14: a time is longer than nothing"),
        ("run: [x]\n    timeout: 500d", "at most a year"),
        ("run: [x]\n    retry: {attempts: 101}", "`attempts` is a number from 1 to 100"),
        ("run: [x]\n    on_failure: ignore", "`ignore`: after a failure comes `abort` or `continue`"),
        ("run: [x]\n    env: {1A: x}", "8:11: `1A` cannot be a name in `env`"),
        ("wait: 1s\n    retry: {attempts: 2}", "a step of kind `wait` has no `retry`"),
        ("wait: 1s\n    cwd: x", "`cwd`, `env` and `stdin` belong to `run`"),
        ("run: [x]\n    subject: ada", "8:14: `subject` is a map, not"),
        ("run: [x]\n    subject: {matter: loan}", "8:14: `subject` needs `person`"),
        ("run: [x]\n    subject: {person: '${item}'}", "`item` is there in a step with `foreach` alone"),
        ("task: {text: x}\n    subject: {person: ada}", "a step of kind `task` has no `subject`"),
        ("wait: {until: tomorrow}", "a moment is written 2026-12-31T09:00:00.000Z"),
        ("approval: {text: x}", "`approval` names the groups"),
        ("http: {url: 'ftp://x'}", "`url` begins with http:// or https://"),
        ("http: {url: 'http://x', method: get}", "`get` is no method"),
        ("http: {url: 'http://x', headers: {'a b': x}}", "`a b` cannot be a name in `headers`"),
        ("workflow: {file: x, spec_hash: abc}", "`spec_hash` is what `cascade spec hash FILE` prints"),
        ("task: {text: x, kind: sing}", "`sing` is no kind; there are code, cli, ask"),
    ] {
        let told = faults(&with_step(members));
        assert!(told.contains(said), "{members}\n{told}");
    }
}

#[test]
fn what_is_wrong_around_the_steps_is_told_too() {
    for (text, said) in [
        (
            "csl: 2\nname: a\nversion: '1'\nsteps: [{id: a, run: [x]}]\n",
            "1:6: this version of Cascade reads `csl: 1`",
        ),
        ("csl: 1\nname: A\nversion: '1'\nsteps: [{id: a, run: [x]}]\n", "`name` is lower-case letters"),
        (
            "csl: 1\nname: a\nversion: 1\nsteps: [{id: a, run: [x]}]\n",
            "3:10: a text belongs here, not a number; put it in quotes",
        ),
        (
            "csl: 1\nname: a\nversion: '1'\nsteps: [{id: a, run: [x]}, {id: a, run: [x]}]\n",
            "4:28: there is another step `a`",
        ),
        ("csl: 1\nname: a\nversion: '1'\nsteps: [{id: in, run: [x]}]\n", "`in` is no id"),
        ("csl: 1\nname: a\nversion: '1'\nsteps: []\n", "a spec has at least one step"),
        ("[1]\n", "1:1: a spec is a map, not a list"),
        (
            "csl: 1\nname: a\nversion: '1'\nconstraints: {window: {from: \"09:00\", to: \"17:00\", zone: Mars/Olympus}}\nsteps: [{id: a, run: [x]}]\n",
            "4:23: there is no time zone `Mars/Olympus`",
        ),
        (
            "csl: 1\nname: a\nversion: '1'\nconstraints: {window: {from: \"17:00\", to: \"09:00\", zone: UTC}}\nsteps: [{id: a, run: [x]}]\n",
            "a window opens before it closes",
        ),
        (
            "csl: 1\nname: a\nversion: '1'\ninputs: {n: {type: int, default: x}}\nsteps: [{id: a, run: [x]}]\n",
            "the default of `n` is not of type int",
        ),
        (
            "csl: 1\nname: a\nversion: '1'\ninputs: {n: {type: float}}\nsteps: [{id: a, run: [x]}]\n",
            "`float` is no type",
        ),
        (
            "csl: 1\nname: a\nversion: '1'\ninputs: {n: {type: string, pattern: '('}}\nsteps: [{id: a, run: [x]}]\n",
            "`(` is no pattern",
        ),
    ] {
        let told = faults(text);
        assert!(told.contains(said), "{text}\n{told}");
    }
}

#[test]
fn a_circle_is_told_as_one() {
    let text = "csl: 1\nname: a\nversion: '1'\nsteps:\n  - {id: a, run: [x]}\n  - {id: b, run: [x], needs: [d, a]}\n  - {id: c, run: [x], needs: [b]}\n  - {id: d, run: [x], needs: [c]}\n  - {id: e, run: [x], needs: [d]}\n";
    assert_eq!(faults(text), "6:5: the steps wait for each other: b needs d needs c needs b");
}

#[test]
fn only_what_is_over_by_then_can_be_named() {
    let text = |needs: &str| {
        format!(
            "csl: 1\nname: a\nversion: '1'\nsteps:\n  - {{id: a, run: [x]}}\n  - {{id: b, run: [x], needs: [a]}}\n  - {{id: c, run: [x, '${{steps.a.stdout}}']{needs}}}\n"
        )
    };
    assert!(
        faults(&text("")).contains("7:22: `steps.a.stdout`: `a` may not be over by then: add it to `needs`"),
        "{}",
        faults(&text(""))
    );
    assert!(Document::read(text(", needs: [b]").as_bytes()).is_ok(), "what b needs is over as well");
}

#[test]
fn inputs_are_taken_by_type() {
    let document = Document::read(WHOLE.as_bytes()).unwrap();
    let value = |json: &str| cascade_receipt::json::parse(json.as_bytes()).unwrap();
    let bound = document.inputs(&value(r#"{"tag":"v1.2"}"#)).unwrap();
    assert_eq!(
        bound.to_canonical(),
        r#"{"count":3,"dry":false,"hosts":["a","b"],"mode":"safe","tag":"v1.2"}"#
    );
    for (given, said) in [
        ("{}", "input `tag` is missing"),
        (r#"{"tag":"v1 && rm"}"#, "input `tag` does not match"),
        (r#"{"tag":1}"#, "input `tag` is not of type string"),
        (r#"{"tag":"v1","count":10}"#, "input `count` is above 9"),
        (r#"{"tag":"v1","count":0}"#, "input `count` is below 1"),
        (r#"{"tag":"v1","mode":"wild"}"#, "input `mode` is none of \"fast\", \"safe\""),
        (r#"{"tag":"v1","hosts":[1]}"#, "input `hosts` is not of type list<string>"),
        (r#"{"tag":"v1","hosts":["aaaaaaaaaaaaaaaaaaaaa"]}"#, "input `hosts` has more than 20 characters"),
        (r#"{"tag":"v1","more":1}"#, "there is no input `more`"),
    ] {
        let wrong = document.inputs(&value(given)).unwrap_err().join("; ");
        assert!(wrong.contains(said), "{given}: {wrong}");
    }
    assert!(document.inputs(&Value::Int(1)).is_err());
}
