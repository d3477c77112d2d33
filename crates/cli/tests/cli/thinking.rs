//! Steps of workflows that are tasks for the router: under the gates of the run, receipted as its steps, gone on with.

use serde_json::{Value, json};

use crate::approved::activate;
use crate::model::{Model, Says};
use crate::runs::{by_agent, ids, run, signed, statuses};
use crate::site::{Receipt, Site, kinds};

/// A program that the search makes from its examples.
const SUM: &str = "text: \"the sum of a list\", signature: \"total(xs: list[int]) -> int\", examples: [\"total([1, 2, 3]) == 6\", \"total([]) == 0\", \"total([5, -7]) == -2\"]";

/// Everything but what was remembered names the run.
fn assert_of_run(receipts: &[Receipt], chain: &str) {
    let start = receipts.iter().position(|one| one.id() == chain).unwrap();
    for one in &receipts[start + 1..] {
        if ["approval", "memory_learned"].contains(&one.kind()) {
            continue;
        }
        assert_eq!(one.reference("chain"), Some(chain), "{}", one.kind());
        assert_eq!(one.content("spec_hash"), receipts[start].content("spec_hash"), "{}", one.kind());
    }
}

fn chain(told: &Value) -> String {
    told["chain"].as_str().unwrap().to_owned()
}

#[test]
fn a_step_may_be_a_task_and_its_answer_a_value() {
    let site = Site::new();
    let steps = format!(
        "  - {{id: sum, task: {{{SUM}, evidence: checked}}}}\n  - {{id: keep, needs: [sum], run: [tee, sum.py], stdin: \"${{steps.sum.answer}}\"}}\n  - {{id: words, needs: [keep], task: {{text: \"search for def in sum.py\"}}}}\noutputs: {{by: \"${{steps.sum.layer}} ${{steps.sum.evidence}} ${{steps.sum.tokens}}\", found: \"${{steps.words.answer}}\"}}\n"
    );
    signed(&site, "think", "", &steps);
    let told = run(&site, "think", 0);
    assert!(std::fs::read_to_string(site.work("sum.py")).unwrap().contains("def total"));
    assert_eq!(told["outputs"]["by"], "L4 checked 0");
    assert!(told["outputs"]["found"].as_str().unwrap().contains("def total"), "{told}");
    let chain = chain(&told);
    assert_of_run(&site.receipts(), &chain);
    // What it gave is read back from the record.
    let again = site.run(&["--json", "spec", "show", &chain]).expect(0).json();
    assert_eq!(again["outputs"], told["outputs"]);
    // Decided beforehand as far as it is known, and nobody is asked.
    let told = site.run(&["--json", "spec", "run", "--dry-run", "think.yaml"]).expect(0).json();
    assert_eq!(statuses(&told)["sum"], "admit");
    assert_eq!(site.last().kind(), "dry_run");
    site.assert_sound();
}

#[test]
fn less_evidence_than_demanded_is_a_failure_that_is_tried_again() {
    let site = Site::new();
    let steps = format!(
        "  - {{id: sum, task: {{{SUM}, evidence: verified}}, retry: {{attempts: 2, backoff: 10ms}}, on_failure: continue}}\n  - {{id: after, needs: [sum], run: [echo, \"${{steps.sum.status}} ${{steps.sum.evidence}}\"]}}\noutputs: {{said: \"${{steps.after.stdout}}\"}}\n"
    );
    signed(&site, "sure", "", &steps);
    let told = run(&site, "sure", 0);
    assert_eq!(told["outputs"]["said"], "failed checked");
    let answers = site.receipts();
    let answers = answers.iter().filter(|one| !one.content("layer_hit").is_null());
    assert_eq!(answers.count(), 2);
    let again = site.run(&["--json", "spec", "show", &chain(&told)]).expect(0).json();
    assert_eq!(again["outputs"], told["outputs"]);
    site.assert_sound();
}

#[test]
fn a_task_goes_no_further_than_its_spec_and_is_nobody_elses() {
    let site = Site::new();
    let model = Model::new(vec![Says::Text("because")]);
    let steps = "  - {id: why, task: {text: why, kind: ask}}\n";
    signed(&site, "asks", "constraints: {workers: [echo]}\n", steps);
    model.configure(&site, "");
    // Whoever may be asked is a worker like any other.
    let told = run(&site, "asks", 3);
    assert_eq!(told["steps"][0]["reasons"], json!(["specification.worker"]));
    assert_eq!(model.more_questions(), 0);
    signed(&site, "asks", "constraints: {workers: [model]}\n", steps);
    assert_eq!(run(&site, "asks", 0)["outcome"], "completed");
    // Tokens that are spent start no further task.
    let steps = "  - {id: a, task: {text: how, kind: ask}}\n  - {id: b, needs: [a], task: {text: how come, kind: ask}}\n";
    signed(&site, "spends", "constraints: {tokens: 1}\n", steps);
    let told = run(&site, "spends", 1);
    assert_eq!(told["reasons"], json!(["tokens"]));
    site.assert_sound();
}

#[test]
fn what_people_agree_to_is_asked_once_and_the_run_goes_on() {
    for (held, wanted) in [
        // The question: one action. The task itself: the question is asked within it.
        ("context.kind == \"model\"", 1),
        ("context.kind == \"task\"", 2),
    ] {
        let site = Site::new();
        let model = Model::new(vec![Says::Text("because")]);
        let steps = "  - {id: why, task: {text: why, kind: ask}}\n  - {id: then, needs: [why], run: [echo, \"${steps.why.answer}\"]}\noutputs: {said: \"${steps.then.stdout}\"}\n";
        signed(&site, "asks", "", steps);
        model.configure(&site, "");
        let rule = format!(
            "@id(\"held\") @escalate(\"admins\") forbid (principal is Agent, action == Action::\"exec\", resource)\nwhen {{ {held} }};\n"
        );
        activate(&site, &rule);
        let told = by_agent(&site, &["--json", "spec", "run", "asks.yaml"]).expect(5).json();
        let (chain, asked) = (chain(&told), told["steps"][0]["receipt_id"].as_str().unwrap().to_owned());
        assert_eq!(statuses(&told)["why"], "waiting", "{told}");
        assert_eq!(site.last().id(), asked);
        // Asked again, it is the same question; outside the run nobody does it.
        by_agent(&site, &["spec", "resume", &chain]).expect(5);
        assert_eq!(ids(&site.receipts(), "escalation"), [asked.as_str()]);
        site.run(&["approve", &asked]).expect(0);
        by_agent(&site, &["task", "--approval", &asked]).expect_failure(1, "is a step of a workflow");
        let told = by_agent(&site, &["--json", "spec", "resume", &chain]).expect(0).json();
        assert_eq!(told["outputs"]["said"], "because");
        let receipts = site.receipts();
        let questions = receipts
            .iter()
            .filter(|one| one.content("task_type") == "model" || one.content("task_type") == "ask");
        assert_eq!(questions.filter(|one| one.kind() == "task_started").count(), wanted);
        assert_eq!(kinds(&receipts).last(), Some(&"chain_completed"));
        assert_of_run(&receipts, &chain);
        let again = site.run(&["--json", "spec", "show", &chain]).expect(0).json();
        assert_eq!(again["outputs"], told["outputs"]);
        site.assert_sound();
    }
}

#[test]
fn a_question_that_nobody_heard_the_answer_of_is_asked_anew() {
    let site = Site::new();
    let model = Model::new(vec![Says::Nothing, Says::Text("because")]);
    let steps = "  - {id: why, task: {text: why, kind: ask}, retry: {attempts: 2, backoff: 10ms}}\noutputs: {said: \"${steps.why.answer}\"}\n";
    signed(&site, "asks", "", steps);
    model.configure(&site, "");
    let child =
        site.cascade(&["spec", "run", "asks.yaml"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    model.question();
    let pid = rustix::process::Pid::from_child(&child);
    _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    crate::site::ended(child, b"");
    let runs = site.run(&["--json", "spec", "list"]).expect(0).json();
    let chain = runs["runs"][0]["chain"].as_str().unwrap();
    // Nothing has happened in the world: no person has to say what became of it.
    let told = site.run(&["--json", "spec", "resume", chain]).expect(0).json();
    assert_eq!(told["outputs"]["said"], "because");
    assert_eq!(ids(&site.receipts(), "task_unknown").len(), 1);
    site.assert_sound();
}

#[test]
fn an_approved_task_that_died_within_its_command_waits_for_a_person() {
    let site = Site::new();
    std::fs::write(site.work("Makefile"), "all:\n\techo paid >> paid; sleep 30\n").unwrap();
    let steps = "  - {id: make, task: {text: run make, kind: cli}, retry: {attempts: 4, backoff: 10ms}}\n";
    signed(&site, "makes", "", steps);
    let rule = "@id(\"held\") @escalate(\"admins\") forbid (principal is Agent, action == Action::\"exec\", resource)\nwhen { context.kind == \"task\" };\n";
    activate(&site, rule);
    let told = by_agent(&site, &["--json", "spec", "run", "makes.yaml"]).expect(5).json();
    let (chain, asked) = (chain(&told), told["steps"][0]["receipt_id"].as_str().unwrap().to_owned());
    site.run(&["approve", &asked]).expect(0);
    let mut again = site.cascade(&["spec", "resume", &chain]);
    again.env("CLAUDECODE", "1").stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    let child = again.spawn().unwrap();
    while !site.work("paid").exists() {
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_child(&child);
    _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    crate::site::ended(child, b"");
    let told = by_agent(&site, &["--json", "spec", "resume", &chain]).expect(5).json();
    assert_eq!(told["unknown"], json!([{"id": "make", "item": 0}]), "{told}");
    assert_eq!(std::fs::read_to_string(site.work("paid")).unwrap(), "paid\n");
    site.run(&["spec", "settle", &chain, "make", "--happened"]).expect(0);
    assert_eq!(site.run(&["--json", "spec", "resume", &chain]).expect(0).json()["outcome"], "completed");
    site.assert_sound();
}

#[test]
fn evidence_is_demanded_of_code_alone() {
    let site = Site::new();
    for (task, allowed) in [
        ("{text: run make, kind: cli, evidence: checked}", false),
        ("{text: why, kind: ask, evidence: verified}", false),
        ("{text: why, evidence: proposed}", true),
        ("{text: why, kind: code, evidence: verified}", true),
    ] {
        std::fs::write(
            site.work("e.yaml"),
            format!("csl: 1\nname: e\nversion: \"1\"\nsteps:\n  - {{id: a, task: {task}}}\n"),
        )
        .unwrap();
        let told = site.run(&["spec", "hash", "e.yaml"]);
        if allowed {
            told.expect(0);
        } else {
            told.expect_failure(2, "only code is ever more than proposed");
        }
    }
}
