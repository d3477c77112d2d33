//! Tasks that people must approve: the task itself, a question to a model, a command that words became. Each is done
//! once, and exactly as approved.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::model::{Model, Says};
use crate::site::{Done, Site, ended, finish, kinds};
use crate::task::SUM;

pub(crate) const DEFAULT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/default");

/// Makes the default policy with this rule the one in force.
pub(crate) fn activate(site: &Site, rule: &str) {
    if !site.work("policy").exists() {
        site.set("cp", &["-r", DEFAULT, "policy"]);
        // Its own tests are about a policy without the rule.
        site.set("rm", &["-r", "policy/tests"]);
    }
    std::fs::write(site.work("policy/extra.cedar"), rule).unwrap();
    site.run(&["policy", "activate", "policy"]).expect(0);
}

/// A site where this must be approved when an agent does it.
fn held(what: &str) -> Site {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let rule = format!(
        "@id(\"held\") @escalate(\"admins\") forbid (principal is Agent, action == Action::\"exec\", resource)\nwhen {{ {what} }};\n"
    );
    activate(&site, &rule);
    site
}

fn by_agent(site: &Site, args: &[&str]) -> Done {
    let mut command = site.cascade(args);
    command.env("CLAUDECODE", "1");
    finish(command, b"")
}

/// Asks as an agent, and gives the id of what waits.
fn waiting(site: &Site, args: &[&str]) -> String {
    let done = by_agent(site, &[&["--json", "task"], args].concat()).expect(5).json();
    assert_eq!((&done["verdict"], &done["answer"]), (&json!("escalate"), &Value::Null), "{done}");
    assert_eq!(site.last().kind(), "escalation");
    assert_eq!(done["waits_for"], done["receipt_id"]);
    done["receipt_id"].as_str().unwrap().to_owned()
}

fn approved(site: &Site, id: &str) -> Value {
    by_agent(site, &["--json", "task", "--approval", id]).expect(0).json()
}

fn assert_refused(site: &Site, done: Done, reason: &str) {
    let id = done.expect(3).json()["receipt_id"].as_str().unwrap().to_owned();
    let last = site.last();
    assert_eq!((last.kind(), last.id()), ("approval_refused", id.as_str()));
    assert!(last.reasons().contains(&reason), "{:?}", last.reasons());
}

#[test]
fn an_approved_task_is_done_once() {
    let site = held("context.kind == \"task\"");
    let id = waiting(&site, &[&["the sum of a list"], &SUM[..]].concat());
    by_agent(&site, &["task", "--approval", &id]).expect(5);
    let told = site.run(&["approve", &id]).expect(0).stderr;
    assert!(told.contains("task --approval r_"), "{told}");

    // Whoever else asks, asks for something else; and a task is no command.
    let other = site.run(&["--json", "task", "--approval", &id]);
    assert_refused(&site, other, "approval.changed_action");
    let told = site.run(&["task", "--approval", &id]).expect(3).stderr;
    assert!(told.contains("hint: ask as whoever asked"), "{told}");
    by_agent(&site, &["run", "--approval", &id]).expect_failure(1, "is about a task");
    for more in [&["other words"][..], &["--signature", "f(x)"], &["--max-layer", "L7"], &["--kind", "ask"]] {
        by_agent(&site, &[&["task", "--approval", &id], more].concat()).expect(2);
    }

    let answer = approved(&site, &id);
    assert!(answer["answer"].as_str().unwrap().contains("total"), "{answer}");
    let receipts = site.receipts();
    let find = |kind: &str| receipts.iter().rfind(|receipt| receipt.kind() == kind).unwrap();
    let (asked, done) = (find("escalation"), find("task_completed"));
    assert_eq!(done.reference("escalation"), Some(asked.id()));
    assert_eq!(done.reference("approval"), Some(find("approval").id()));
    assert_eq!(done.content("action_hash"), asked.content("action_hash"));
    assert_refused(&site, by_agent(&site, &["--json", "task", "--approval", &id]), "approval.used");
    site.assert_sound();
}

#[test]
fn an_approval_is_used_up_before_a_model_is_asked() {
    let site = held("context.kind == \"task\"");
    let model = Model::new(vec![Says::Text("because")]);
    model.configure(&site, "");
    let id = waiting(&site, &["why", "--kind", "ask"]);
    site.run(&["approve", &id]).expect(0);
    assert_eq!(approved(&site, &id)["answer"], "because");
    let receipts = site.receipts();
    let of = |from: usize| kinds(&receipts).split_off(from);
    let first = receipts.iter().position(|one| one.id() == id).unwrap();
    let learned = ["memory_learned"];
    let wanted =
        ["escalation", "approval", "task_started", "task_started", "task_completed", "task_completed"];
    assert_eq!(of(first), [&wanted[..], &learned].concat());
    let (intent, closer) = (&receipts[first + 2], &receipts[first + 5]);
    assert_eq!(intent.reference("escalation"), Some(id.as_str()));
    assert_eq!(closer.reference("intent"), Some(intent.id()));
    assert_eq!(closer.reasons(), ["route.acted"]);
    // It is one task, whoever did it.
    assert_eq!(site.run(&["--json", "stats"]).expect(0).json()["tasks"], 1);
    assert_refused(&site, by_agent(&site, &["--json", "task", "--approval", &id]), "approval.used");
    assert_eq!((model.question()["model"].as_str(), model.more_questions()), (Some("some-model"), 0));
    site.assert_sound();
}

#[test]
fn an_approved_question_goes_to_the_model_that_was_approved() {
    let site = held("resource == Program::\"model\"");
    let model = Model::new(vec![Says::Text("because")]);
    model.configure(&site, "");
    let id = waiting(&site, &["why", "--kind", "ask"]);
    site.run(&["approve", &id]).expect(0);
    // A longer answer may cost more; another model, or none, is another question.
    model.configure(&site, "max_output_tokens = 4000");
    assert_refused(&site, by_agent(&site, &["--json", "task", "--approval", &id]), "approval.changed_action");
    std::fs::write(site.home().join("models.toml"), "").unwrap();
    assert_refused(&site, by_agent(&site, &["--json", "task", "--approval", &id]), "approval.changed_action");
    assert_eq!(model.more_questions(), 0);

    model.configure(&site, "");
    let answer = approved(&site, &id);
    assert_eq!((&answer["answer"], &answer["layer"]), (&json!("because"), &json!("L7")), "{answer}");
    let receipts = site.receipts();
    let started = receipts.iter().find(|one| one.kind() == "task_started").unwrap();
    assert_eq!(started.reference("escalation"), Some(id.as_str()));
    assert!(started.reference("approval").is_some());
    assert_refused(&site, by_agent(&site, &["--json", "task", "--approval", &id]), "approval.used");
    site.assert_sound();
}

#[test]
fn an_approved_command_is_the_one_that_the_words_became() {
    let site = held("resource == Program::\"git\"");
    site.set("git", &["init", "-q", "-b", "main", "."]);
    let id = waiting(&site, &["show the git status", "--kind", "cli"]);
    site.run(&["approve", &id]).expect(0);
    let answer = approved(&site, &id);
    assert_eq!(
        (&answer["layer"], &answer["command"]["argv"][0]),
        (&json!("L6.5"), &json!("git")),
        "{answer}"
    );
    let started = site.receipts().into_iter().rfind(|one| one.kind() == "task_started").unwrap();
    assert_eq!(started.reference("escalation"), Some(id.as_str()));
    assert_refused(&site, by_agent(&site, &["--json", "task", "--approval", &id]), "approval.used");

    // A dry run is approved in advance.
    let dry = by_agent(&site, &["--json", "task", "show the git status", "--kind", "cli", "--dry-run"]);
    let id = dry.expect(5).json()["receipt_id"].as_str().unwrap().to_owned();
    site.run(&["approve", &id]).expect(0);
    assert_eq!(approved(&site, &id)["layer"], "L6.5");
    // What no words asked for is no task.
    let done = by_agent(&site, &["--json", "run", "--", "git", "status"]).expect(5).json();
    let id = done["receipt_id"].as_str().unwrap();
    site.run(&["approve", id]).expect(0);
    by_agent(&site, &["task", "--approval", id]).expect_failure(1, "is about a command");
    site.assert_sound();
}

#[test]
fn a_task_that_waits_goes_on_when_it_is_approved() {
    let site = held("context.kind == \"task\" || resource == Program::\"model\"");
    let model = Model::new(vec![Says::Text("because")]);
    model.configure(&site, "");
    let mut command = site.cascade(&["--json", "task", "why", "--kind", "ask", "--wait"]);
    command.env("CLAUDECODE", "1");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    // The task first, and then the question that it comes to.
    for _ in 0..2 {
        let line = told.find_map(|line| line.ok().filter(|line| line.contains("cascade approve "))).unwrap();
        site.run(&["approve", line.trim().rsplit(' ').next().unwrap()]).expect(0);
    }
    let answer = ended(child, b"").expect(0).json();
    assert_eq!(answer["answer"], "because");
    assert_eq!(answer["receipts"].as_array().unwrap().len(), 6, "{answer}");
    let late =
        by_agent(&site, &["task", "why not", "--kind", "ask", "--wait", "--timeout", "10ms"]).expect(5);
    assert!(late.stderr.contains("nobody answered in time"), "{}", late.stderr);
    site.assert_sound();
}
