//! Questions to a model while it answers: whoever is no longer admitted gets nothing, and what was asked is paid for.

use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::approved::activate;
use crate::model::{Model, Says};
use crate::site::{Site, ended, kinds};
use crate::task::asked;

fn site_with(model: &Model, more: &str) -> Site {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    model.configure(&site, more);
    site
}

/// A question that is on its way.
fn asking(site: &Site, model: &Model) -> Child {
    let mut command = site.cascade(&["--json", "task", "why", "--kind", "ask"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    model.question();
    child
}

/// What ends a question.
type End<'a> = &'a dyn Fn(&Site);

#[test]
fn a_question_that_is_no_longer_admitted_ends() {
    let ends: [(&str, End<'_>); 2] = [
        ("revoked.policy", &|site: &Site| {
            activate(
                site,
                "@id(\"no\") forbid (principal, action == Action::\"exec\", resource == Program::\"model\");\n",
            );
        }),
        ("revoked.halted", &|site: &Site| {
            site.run(&["halt", "--reason", "stop"]).expect(0);
        }),
    ];
    for (reason, end) in ends {
        let model = Model::new(vec![Says::Nothing]);
        let site = site_with(&model, "");
        let child = asking(&site, &model);
        end(&site);
        let done = ended(child, b"").expect(1).json();
        model.wait_until_left();
        assert_eq!(done["answer"], Value::Null);
        assert!(done["declined"].to_string().contains(reason), "{done}");
        let receipts = site.receipts();
        let closer = receipts.iter().find(|one| one.kind() == "task_revoked").unwrap();
        assert!(closer.reasons().contains(&reason), "{:?}", closer.reasons());
        assert_eq!(closer.content("decision")["verdict"], "deny");
        // The question was taken; what it may have cost is counted.
        assert!(closer.content("tokens_in").as_u64().unwrap() > 0);
        site.run(&["resume", "--reason", "go"]);
        site.assert_sound();
    }
}

#[test]
fn a_change_that_changes_nothing_for_it_lets_a_question_go_on() {
    let model = Model::new(vec![Says::Nothing]);
    let site = site_with(&model, "timeout_s = 2");
    let child = asking(&site, &model);
    activate(
        &site,
        "@id(\"no-nc\") forbid (principal, action == Action::\"exec\", resource == Program::\"nc\");\n",
    );
    let done = ended(child, b"").expect(1).json();
    assert!(done["declined"].to_string().contains("model.timed_out"), "{done}");
    assert!(!kinds(&site.receipts()).contains(&"task_revoked"));
    site.assert_sound();
}

#[test]
fn the_beginning_of_an_answer_is_none() {
    for kind in ["ask", "code"] {
        let model = Model::new(vec![Says::Cut("def f(x):\n    return x\n")]);
        let site = site_with(&model, "");
        let done = asked(&site, "f, the identity", &["--kind", kind]).expect(1).json();
        assert_eq!(done["answer"], Value::Null);
        assert!(done["declined"].to_string().contains("model.cut"), "{done}");
        assert!(!done.to_string().contains("return x"));
        assert!(done["tokens"].as_u64().unwrap() > 0);
        site.assert_sound();
    }
}

#[test]
fn a_question_that_hangs_costs_its_budget() {
    let model = Model::new(vec![Says::Nothing]);
    let site = site_with(&model, "timeout_s = 1\nmax_output_tokens = 100");
    let budget =
        |tokens: u64| format!("[[budget]]\nname = \"words\"\nrolling = \"30d\"\ntokens = {tokens}\n");
    site.set("cp", &["-r", crate::approved::DEFAULT, "policy"]);
    std::fs::write(site.work("policy/limits.toml"), budget(1000)).unwrap();
    site.run(&["policy", "activate", "policy"]).expect(0);
    let child = asking(&site, &model);
    // While it runs, all that it may cost is spent.
    let intent = site.receipts().into_iter().rfind(|one| one.kind() == "task_started").unwrap();
    let held = intent.content("draws")[0]["tokens"].as_u64().unwrap();
    assert!(held >= 100, "{held}");
    ended(child, b"").expect(1);
    let spent = site.last().content("tokens_in").as_u64().unwrap();
    assert!(spent > 0 && spent < held, "{spent} of {held}");
    // What it took stays taken: as many as are left are not enough for the same question again.
    std::fs::write(site.work("policy/limits.toml"), budget(spent)).unwrap();
    site.run(&["policy", "activate", "policy"]).expect(0);
    let denied = asked(&site, "why", &["--kind", "ask"]).expect(3).json();
    assert!(denied["reasons"].to_string().contains("budget.exhausted"), "{denied}");
    assert_eq!(model.more_questions(), 0);
    site.assert_sound();
}

#[test]
fn what_a_model_did_not_answer_is_counted_as_unanswered() {
    let model = Model::new(vec![Says::Text(""), Says::Text("because")]);
    let site = site_with(&model, "");
    asked(&site, "why", &["--kind", "ask"]).expect(1);
    let stats = |site: &Site| site.run(&["--json", "stats"]).expect(0).json();
    let before = stats(&site);
    assert_eq!((&before["tasks"], &before["unanswered"]), (&json!(1), &json!(1)), "{before}");
    assert_eq!(before["cascade_decay_index"]["value"], json!(0.0));
    asked(&site, "why", &["--kind", "ask"]).expect(0);
    let after = stats(&site);
    assert_eq!((&after["tasks"], &after["unanswered"]), (&json!(2), &json!(1)), "{after}");
    assert_eq!(after["layers"]["L7"]["answers"], 1);
    assert_eq!(after["tokens"], 36);
    site.assert_sound();
}

#[test]
fn what_a_model_wants_called_is_an_action_of_its_own() {
    let command = |argv: Value| ("command", json!({"argv": argv}));
    let model = Model::new(vec![
        Says::Calls(vec![command(json!(["echo", "forty-two"])), ("browse", json!({"url": "x"}))]),
        Says::Calls(vec![
            command(json!(["git", "push", "--force"])),
            command(json!(["terraform", "apply"])),
            command(json!("echo pwned > pwned")),
        ]),
        Says::Text("it is 42"),
    ]);
    let site = site_with(&model, "");
    let ask = || asked(&site, "what is it", &["--tools", "command"]).expect(0).json();
    let done = ask();
    assert_eq!((&done["answer"], &done["evidence"]), (&json!("it is 42"), &json!("proposed")), "{done}");
    // What a model chooses is an agent's, whoever asked: a person may do the third.
    let verdicts: Vec<&Value> =
        done["calls"].as_array().unwrap().iter().map(|call| &call["verdict"]).collect();
    assert_eq!(verdicts, ["admit", "deny", "escalate"]);
    assert_eq!((&done["invented"], &done["tokens"]), (&json!(1), &json!(54)));

    let receipts = site.receipts();
    let of = receipts.iter().skip(1).map(|one| (one.kind(), one.content("task_type").as_str()));
    let of: Vec<_> = of.collect();
    let wanted = [
        ("task_started", Some("model")),
        ("task_started", Some("cli")),
        ("task_completed", None),
        ("blocked", Some("cli")),
        ("escalation", Some("cli")),
        ("task_completed", None),
    ];
    assert_eq!(of, wanted);
    assert_eq!(done["receipts"].as_array().unwrap().len(), wanted.len());
    assert_eq!(receipts[2].content("on_behalf_of"), receipts[1].content("principal"));

    let first = model.question();
    assert_eq!(first["tools"][0]["function"]["name"], "command");
    let told = |question: &Value| {
        let messages = question["messages"].as_array().unwrap().iter();
        messages.filter(|one| one["role"] == "tool").map(|one| one["content"].to_string()).collect::<Vec<_>>()
    };
    let (second, third) = (told(&model.question()), told(&model.question()));
    assert!(second[0].contains("forty-two") && second[1].contains("there is no such tool"), "{second:?}");
    assert_eq!((second.len(), third.len()), (2, 5));
    assert!(third[2].contains("it is denied") && third[3].contains("waits for a person"), "{third:?}");
    assert!(third[4].contains("the arguments are"), "{third:?}");
    assert!(!site.work("pwned").exists());
    // What was found out is so now, and is not remembered.
    assert_eq!(ask()["layer"], "L7");
    site.run(&["task", "x", "--tools", "command", "--kind", "code"])
        .expect_failure(2, "only with a question");
    site.run(&["task", "x", "--tools", "browse"]).expect(2);
    site.assert_sound();
}

#[test]
fn a_model_that_calls_tools_to_the_end_has_no_answer() {
    let model = Model::new(vec![Says::Calls(vec![("command", json!({"argv": ["true"]}))])]);
    let site = site_with(&model, "");
    let done = asked(&site, "what is it", &["--tools", "command"]).expect(1).json();
    assert!(done["declined"].to_string().contains("model.rounds"), "{done}");
    // Nobody runs what the last answer wants.
    assert_eq!((model.more_questions(), done["calls"].as_array().unwrap().len()), (8, 7));
    site.assert_sound();
}
