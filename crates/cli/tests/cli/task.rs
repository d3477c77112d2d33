//! Tasks through the real binary: from the words on the command line to an outsider's verifier.

use serde_json::{Value, json};

use crate::site::{Done, Site, finish, kinds};

/// A function that enumeration finds at once.
pub(crate) const SUM: [&str; 8] = [
    "--signature",
    "total(xs: list[int]) -> int",
    "--example",
    "total([1, 2, 3]) == 6",
    "--example",
    "total([]) == 0",
    "--example",
    "total([5, -7]) == -2",
];

/// `cascade --json task TEXT …`.
pub(crate) fn asked(site: &Site, text: &str, more: &[&str]) -> Done {
    finish(site.cascade(&[&["--json", "task", text], more].concat()), b"")
}

/// What a Python program gives when this source stands before it.
fn python(site: &Site, source: &str, rest: &str) -> String {
    std::fs::write(site.work("answer.py"), format!("{source}\n{rest}\n")).unwrap();
    site.set("python3", &["answer.py"]).stdout
}

#[test]
fn a_function_is_found_run_receipted_and_verified_by_a_stranger() {
    let site = Site::new();
    let done = asked(&site, "the sum of a list", &SUM).expect(0);
    let answer = done.json();
    assert_eq!(answer["evidence"], "checked", "{answer}");
    assert_eq!((&answer["tokens"], &answer["cost_microusd"]), (&json!(0), &json!(0)));
    let source = answer["answer"].as_str().unwrap();
    assert_eq!(python(&site, source, "print(total([2, 40]))"), "42\n");

    let receipts = site.receipts();
    let receipt = receipts.iter().find(|receipt| receipt.id() == answer["receipt_id"]).unwrap();
    assert_eq!(answer["receipts"], json!([receipt.id()]));
    assert_eq!((receipt.kind(), receipt.content("layer_hit")), ("task_completed", &answer["layer"]));
    assert_eq!(
        (receipt.content("evidence"), receipt.content("task_type")),
        (&json!("checked"), &json!("code"))
    );
    assert_eq!(receipt.content("decision")["verdict"], "admit");
    assert!(receipt.content("route")["smoke"].is_string());
    // Nothing of the task or its answer stands in the chain.
    let text = receipts.iter().map(|receipt| receipt.0.to_string()).collect::<String>();
    assert!(!text.contains("total") && !text.contains("sum of"), "{text}");
    let shown = site.run(&["log"]).expect(0).stdout;
    assert!(shown.contains("task: the sum of a list"), "{shown}");
    site.assert_sound();
}

#[test]
fn only_the_callers_tests_verify() {
    let site = Site::new();
    let tests = |text: &str| {
        std::fs::write(site.work("check.py"), text).unwrap();
        asked(&site, "the sum", &[&SUM[..], &["--tests", "check.py", "--max-layer", "L5"]].concat())
    };
    let verified = tests("def check(candidate):\n    assert candidate([2, 2]) == 4\n").expect(0).json();
    assert_eq!(verified["evidence"], "verified", "{verified}");
    let plain = tests("assert total([9]) == 9\nassert total([1] * 100) == 100\n").expect(0).json();
    assert_eq!(plain["evidence"], "verified", "{plain}");
    // What asserts nothing that is run proves nothing.
    for text in [
        "total([1])",
        "total([3]) == 1000",
        "assert (total([3]) == 1000, 'three')",
        "x = total([3]) == 1000",
        "def test_three():\n    assert total([3]) == 3\ntotal([1])",
        "class TestTotal:\n    def test(self):\n        assert total([3]) == 3\ntotal([1])",
        "async def check(candidate):\n    assert candidate([3]) == 1000\ntotal([1])",
        "def check(candidate):\n    yield\n    assert candidate([3]) == 1000\ntotal([1])",
        "def check(candidate):\n    assert candidate([3]) == 1000\ndef check(c):\n    c([1])",
        "try:\n    total()\nexcept Exception:\n    pass",
    ] {
        let done = tests(text).expect(1).json();
        assert!(done["declined"].to_string().contains("assert nothing that is run"), "{text}: {done}");
    }
    // Tests that no program passes which reproduces the examples.
    let failed = tests("assert total([9]) not in (9,)\n").expect(1).json();
    assert_eq!((&failed["answer"], &failed["evidence"]), (&Value::Null, &Value::Null));
    let declined = failed["declined"].to_string();
    assert!(declined.contains("smoke.tests"), "{declined}");
    let receipts = site.receipts();
    let last: Vec<&str> = kinds(&receipts).into_iter().rev().take(2).collect();
    assert_eq!(last, ["task_failed", "task_started"]);
    let reasons = receipts.last().unwrap().reasons();
    assert!(reasons.contains(&"route.unanswered") && reasons.contains(&"smoke.tests"), "{reasons:?}");
    site.assert_sound();
}

#[test]
fn literal_asserts_are_examples_and_the_tests_still_verify() {
    let site = Site::new();
    let asked = |tests: &str| {
        std::fs::write(site.work("check.py"), tests).unwrap();
        let args = ["--signature", "total(xs: list[int]) -> int", "--tests", "check.py", "--max-layer", "L5"];
        asked(&site, "a number", &args)
    };
    // No example but these.
    let literal = "def check(candidate):\n    assert candidate([1, 2, 3]) == 6\n    assert candidate([]) == 0\n    assert candidate([5, -7]) == -2\n    assert candidate([4]) == 4\n    assert candidate([10, 20, 30, 40]) == 100\n";
    let found = asked(literal).expect(0).json();
    assert_eq!((&found["evidence"], &found["tokens"]), (&json!("verified"), &json!(0)), "{found}");
    // What is made to fit one assert is not verified by it.
    let found = asked("assert total([7, 1]) == 8\n").json();
    assert_ne!(found["evidence"], "verified", "{found}");
    // What holds beside the asserts must hold.
    let more = format!("{literal}    for n in range(9):\n        assert candidate([n] * 3) == 3 * n + 1\n");
    let failed = asked(&more).expect(1).json();
    assert!(failed["declined"].to_string().contains("smoke.tests"), "{failed}");
    let unread = asked("for n in range(9):\n    assert total([n]) == n\n").expect(1).json();
    assert!(unread["declined"].to_string().contains("spec.unread"), "{unread}");
    site.assert_sound();
}

#[test]
fn what_nobody_can_answer_is_named_bounded_and_receipted() {
    let site = Site::new();
    let contradiction =
        ["--signature", "f(x: int) -> int", "--example", "f(1) == 2", "--example", "f(1) == 3"];
    let done = asked(&site, "", &contradiction).expect(1).json();
    assert!(done["declined"].to_string().contains("task.contradiction"), "{done}");
    assert_eq!(site.last().kind(), "task_failed");

    let unread = asked(&site, "make it so", &["--kind", "code", "--max-layer", "L5"]).expect(1).json();
    assert!(unread["declined"].to_string().contains("spec.unread"), "{unread}");

    // A megabyte of words is a task like any other; a byte more than a task may have is none.
    let file = site.work("long.jsonl");
    let line = |bytes: usize| json!({"id": bytes, "text": "x ".repeat(bytes / 2), "kind": "code", "max_layer": "L5"});
    let lines = [line(1_000_000), line(1 << 20), line((1 << 20) + 2)];
    std::fs::write(&file, lines.map(|line| line.to_string()).join("\n")).unwrap();
    let before = site.receipts().len();
    let done = site.run(&["task", "--batch", "long.jsonl"]).expect(0);
    let results: Vec<Value> = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(results.len(), 3);
    let codes = |result: &Value| result["reasons"].to_string();
    assert!(results.iter().all(|result| result["receipt_id"].is_string() && result["answer"].is_null()));
    assert!(codes(&results[2]).contains("risk.limit") && !codes(&results[1]).contains("risk.limit"));
    assert_eq!(site.receipts().len(), before + 5);
    let last = site.last();
    assert_eq!((last.kind(), last.content("task_type")), ("blocked", &json!("code")));
    site.assert_sound();

    // Whoever asks for nothing has asked; whoever gives no words at all has mistyped.
    let nothing = site.run(&["task", "  "]).expect_failure(3, "hint: a task says something");
    assert!(nothing.stderr.contains(site.last().id()));
    assert_eq!(site.last().kind(), "blocked");
    site.run(&["task"]).expect_failure(2, "say what is wanted");
    let many = site.work("many.jsonl");
    let examples = vec!["f(1) == 1"; 257];
    std::fs::write(&many, json!({"signature": "f(x)", "examples": examples}).to_string()).unwrap();
    let done = site.run(&["task", "--batch", "many.jsonl"]).expect(0).json();
    assert!(codes(&done).contains("risk.limit"), "{done}");
    site.run(&["task", "x", "--example", "f(1)"]).expect(2);
    site.run(&["task", "x", "--max-layer", "L9"]).expect(2);
    site.run(&["task", "x", "--tests", "nosuch.py"]).expect(1);
}

#[test]
fn the_gates_come_first() {
    let site = Site::new();
    asked(&site, "the sum", &[&SUM[..], &["--dry-run"]].concat()).expect(0);
    assert_eq!(site.last().kind(), "dry_run");
    site.run(&["halt", "--reason", "stop"]).expect(0);
    let denied = asked(&site, "the sum", &SUM).expect(3).json();
    assert_eq!((&denied["verdict"], &denied["answer"]), (&json!("deny"), &Value::Null));
    assert_eq!(site.last().kind(), "blocked");
    let told = site.run(&[&["task", "the sum"], &SUM[..]].concat()).expect(3);
    assert_eq!(told.stdout, "");
    site.assert_sound();
}

#[test]
fn a_batch_gives_one_result_for_each_line_in_order() {
    let site = Site::new();
    let task = |id: Value, k: i64| {
        json!({"id": id, "signature": "f(x: int) -> int", "max_layer": "L5",
               "examples": [format!("f(1) == {}", 1 + k), format!("f(5) == {}", 5 + k), format!("f(-3) == {}", k - 3)]})
    };
    let lines = [
        task(json!("a"), 1).to_string(),
        "not json".to_owned(),
        String::new(),
        json!({"id": 7, "signature": "f(x)", "exmaples": []}).to_string(),
        task(json!({"n": 1.5}), 2).to_string(),
        json!({"id": null}).to_string(),
    ];
    for jobs in ["1", "4"] {
        let done =
            finish(site.cascade(&["task", "--batch", "-", "--jobs", jobs]), lines.join("\n").as_bytes());
        let done = done.expect(1);
        let results: Vec<Value> =
            done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let ids: Vec<&Value> = results.iter().map(|result| &result["id"]).collect();
        assert_eq!(ids, [&json!("a"), &Value::Null, &json!(7), &json!({"n": 1.5}), &Value::Null]);
        let answered: Vec<bool> = results.iter().map(|result| result["answer"].is_string()).collect();
        assert_eq!(answered, [true, false, false, true, false], "{}", done.stdout);
        assert!(results[2]["error"]["message"].as_str().unwrap().contains("`exmaples` is not known"));
    }
    site.assert_sound();
}

#[test]
fn the_id_of_a_line_comes_back_to_the_letter() {
    let site = Site::new();
    let ids = [
        "9007199254740993",
        "123456789012345678901234567890",
        "1.0",
        "1E2",
        r#""\u0041""#,
        r#"{"b":1,"a":2}"#,
    ];
    let line = |id: &str| format!(r#"{{"id": {id}, "text": "x", "kind": "code", "max_layer": "L1"}}"#);
    let lines: Vec<String> = ids.iter().map(|id| line(id)).collect();
    let batch = |input: &str| finish(site.cascade(&["task", "--batch", "-"]), input.as_bytes());
    let done = batch(&lines.join("\n")).expect(0);
    for (result, id) in done.stdout.lines().zip(ids) {
        assert!(result.starts_with(&format!(r#"{{"id":{id},"#)), "{result}");
    }
    assert_eq!(done.stdout.lines().count(), ids.len());
    // A member that stands there twice says two things.
    let before = site.receipts().len();
    for (line, id) in
        [(r#"{"id":1,"text":"a","text":"b"}"#, json!(1)), (r#"{"id":1,"id":2,"text":"a"}"#, Value::Null)]
    {
        let told = batch(line).expect(1).json();
        assert_eq!(told["id"], id);
        assert!(told["error"]["message"].as_str().unwrap().ends_with("stands there twice"), "{told}");
    }
    assert_eq!(site.receipts().len(), before);
    site.run(&["task", "x", "--jobs", "2"]).expect_failure(2, "for many tasks");
}

#[test]
fn what_could_not_be_told_is_on_record() {
    let site = Site::new();
    for args in [&["task", "x", "--kind", "code"][..], &SUM_TASK, &["task", "--batch", "tasks.jsonl"]] {
        std::fs::write(site.work("tasks.jsonl"), r#"{"text": "x", "kind": "code", "max_layer": "L1"}"#)
            .unwrap();
        for json in [false, true] {
            if args.len() == 4 && !json {
                // Nothing of it goes to stdout.
                continue;
            }
            let mut command = site.cascade(if json { &["--json"] } else { &[] });
            command.args(args).stdout(std::fs::File::create("/dev/full").unwrap());
            let child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
            let done = crate::site::ended(child, b"").expect(1);
            let last = site.receipts().into_iter().rfind(|one| one.kind().starts_with("task_")).unwrap();
            assert!(done.stderr.contains(last.id()), "{args:?} {json}: {}", done.stderr);
        }
    }
    site.assert_sound();
}

/// A task whose answer is told without `--json`.
const SUM_TASK: [&str; 10] =
    ["task", "the sum of a list", SUM[0], SUM[1], SUM[2], SUM[3], SUM[4], SUM[5], SUM[6], SUM[7]];

#[test]
fn a_batch_whose_reader_is_gone_asks_no_further_task() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let mut command = site.cascade(&["task", "--batch", "-"]);
    let mut child =
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut lines = child.stdin.take().unwrap();
    let line = "{\"text\": \"x\", \"kind\": \"code\", \"max_layer\": \"L1\"}\n";
    let mut written = 0;
    // It stops reading at the first line that nobody takes; a pipe holds no more than 64 KiB.
    while written < 10_000 && std::io::Write::write_all(&mut lines, line.as_bytes()).is_ok() {
        written += 1;
    }
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let decided = site.receipts().iter().filter(|one| one.kind() == "task_started").count();
    assert!((1..=8).contains(&decided), "{decided} tasks were decided for nobody");
    assert!(written < 10_000, "it read {written} lines for nobody");
    site.assert_sound();
}

#[test]
fn a_models_file_that_is_none_is_told() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let file = site.home().join("models.toml");
    let ask = || site.run(&["task", "why", "--kind", "ask"]);
    let two = "[models.b]\nprovider = \"ollama\"\nmodel = \"x\"\n[models.a]\nprovider = \"ollama\"\nmodel = \"y\"\n";
    std::fs::write(&file, two).unwrap();
    let told = ask().expect(1).stderr;
    assert!(told.contains("of `a`, `b`; write `use = \"a\"` at the top of models.toml"), "{told}");
    std::fs::write(&file, "# é\n".repeat(20_000)).unwrap();
    ask().expect_failure(1, "longer than 64 KiB");
    std::fs::remove_file(&file).unwrap();
    site.set("mkfifo", &[file.to_str().unwrap()]);
    ask().expect_failure(1, "it is no file");
    site.assert_sound();
}

#[test]
fn a_question_tells_two_programs_apart() {
    let site = Site::new();
    // One example fits far too much.
    let args = ["--signature", "f(x: int) -> int", "--example", "f(2) == 4"];
    let answer = asked(&site, "", &args).expect(0).json();
    assert_eq!(answer["evidence"], "proposed", "{answer}");
    let question = &answer["question"];
    let call = question["call"].as_str().unwrap();
    let outputs = question["outputs"].as_array().unwrap();
    assert_ne!(outputs[0], outputs[1]);
    // The other answer, given as an example, rules the first program out.
    let told = format!("{call} == {}", outputs[1].as_str().unwrap_or("0"));
    let next = asked(&site, "", &[&args[..], &["--example", &told]].concat()).json();
    assert_ne!(next["answer"], answer["answer"], "{told}");
    let told = site.run(&[&["task"], &args[..]].concat()).expect(0).stderr;
    assert!(told.contains("another program that fits gives") && told.contains("--example '"), "{told}");
}

#[test]
fn what_the_chain_says_of_the_router() {
    let site = Site::new();
    assert!(site.run(&["init"]).status.success());
    assert!(site.run(&["stats"]).expect(0).stderr.contains("no task yet"));
    asked(&site, "the sum", &SUM).expect(0);
    asked(&site, "the sum", &SUM).expect(0);
    asked(&site, "nothing", &["--kind", "code", "--max-layer", "L5"]).expect(1);
    let stats = site.run(&["--json", "stats"]).expect(0).json();
    assert_eq!((&stats["tasks"], &stats["unanswered"]), (&json!(3), &json!(1)));
    let index = &stats["cascade_decay_index"];
    assert!((index["value"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9, "{stats}");
    assert!(
        index["low"].as_f64() < index["value"].as_f64() && index["value"].as_f64() < index["high"].as_f64()
    );
    assert_eq!(stats["cascade_verified_decay_index"]["value"], json!(0.0));
    assert_eq!(stats["layers"]["L6"]["answers"], json!(1), "{stats}");
    let told = site.run(&["stats"]).expect(0).stdout;
    assert!(told.contains("decay index") && told.contains("L6"), "{told}");
    assert!(site.run(&["stats", "--since", "1ms"]).expect(0).stderr.contains("no task yet"));
}

#[test]
fn nothing_of_a_rejected_answer_leaves() {
    let site = Site::new();
    std::fs::write(site.work("check.py"), "assert total([9]) == 'no number at all'\n").unwrap();
    let done = asked(&site, "the sum", &[&SUM[..], &["--tests", "check.py", "--max-layer", "L5"]].concat());
    let declined = done.expect(1).json()["declined"].to_string();
    // What an engine's program gave instead is nobody's business; what the caller wanted is the caller's own.
    assert!(declined.contains("smoke.tests") && !declined.contains("gives"), "{declined}");
}

#[test]
fn a_table_is_checked_and_named_as_asked() {
    let site = Site::new();
    let table = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);";
    std::fs::write(site.work("users.sql"), table).unwrap();
    let args = ["--schema", "users.sql", "--max-layer", "L1"];
    let answer = asked(&site, "the rows of users", &args).expect(0).json();
    assert_eq!(answer["layer"], "L1", "{answer}");
    let program = "print(parse_csv('id,name\\n1,\"a\\nb\"\\n')[0])";
    let read = python(&site, answer["answer"].as_str().unwrap(), program);
    assert_eq!(read, "[{'id': 1, 'name': 'a\\nb'}]\n");

    std::fs::write(site.work("s.json"), r#"{"type": "integer"}"#).unwrap();
    let args = ["--schema", "s.json", "--signature", "faults(value) -> list", "--example", "faults(3) == []"];
    let answer = asked(&site, "whole numbers", &args).expect(0).json();
    assert_eq!((&answer["layer"], &answer["evidence"]), (&json!("L1"), &json!("checked")), "{answer}");
}

#[test]
fn a_dry_run_of_what_acts_decides_the_act() {
    let site = Site::new();
    let dry = |text: &str| {
        let mut agent = site.cascade(&["--json", "task", text, "--kind", "cli", "--dry-run"]);
        agent.env("CLAUDECODE", "1");
        finish(agent, b"")
    };
    dry("restart the service nginx-none").expect(5);
    assert_eq!((site.last().kind(), site.last().content("task_type")), ("dry_run", &json!("cli")));
    dry("show the git status").expect(0);
    assert_eq!(site.last().kind(), "dry_run");
    site.assert_sound();
}

#[test]
fn what_a_command_writes_leaves_as_it_is() {
    let site = Site::new();
    std::fs::write(site.work("bytes.dat"), b"\xff\xfe\0no newline").unwrap();
    let done = site.run(&["task", "show the file bytes.dat", "--kind", "cli"]).expect(0);
    assert_eq!(done.bytes, b"\xff\xfe\0no newline");
    let told = site.run(&["--json", "task", "show the file bytes.dat", "--kind", "cli"]).expect(0).json();
    assert!(
        told["command"]["stdout_b64"].is_string() && told["command"]["truncated"] == json!(false),
        "{told}"
    );
}
