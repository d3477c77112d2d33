//! Steps of workflows that run other specs: runs of their own, within the one that they belong to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::runs::{by_agent, ids, killed_at, run, signed, statuses};
use crate::site::{Site, kinds};

/// A step of this id that runs the spec `name` as it is now.
fn calls(site: &Site, id: &str, name: &str, more: &str) -> String {
    let hash = site.run(&["spec", "hash", &format!("{name}.yaml")]).expect(0).stdout.trim().to_owned();
    format!("  - {{id: {id}, workflow: {{file: {name}.yaml, spec_hash: \"{hash}\"{more}}}}}\n")
}

fn chain(told: &Value) -> String {
    told["chain"].as_str().unwrap().to_owned()
}

const GREET: &str = "inputs: {who: {type: string}}\n";

#[test]
fn a_step_may_run_a_spec_and_its_outputs_are_values() {
    let site = Site::new();
    let steps =
        "  - {id: say, run: [echo, \"hello ${inputs.who}\"]}\noutputs: {said: \"${steps.say.stdout}\"}\n";
    signed(&site, "greet", GREET, steps);
    let steps = calls(&site, "greet", "greet", ", inputs: {who: \"item\"}")
        .replace("{id: greet", "{id: greet, foreach: \"['a', 'b']\"");
    let outer = format!("{steps}outputs: {{said: \"${{steps.greet.items.map(i, i.outputs.said)[1]}}\"}}\n");
    signed(&site, "outer", "", &outer);
    let told = run(&site, "outer", 0);
    assert_eq!(told["outputs"]["said"], "hello b");
    let receipts = site.receipts();
    let starts: Vec<_> = receipts.iter().filter(|one| one.kind() == "chain_started").collect();
    assert_eq!(starts.len(), 3);
    for child in &starts[1..] {
        assert_eq!(child.reference("parent"), Some(starts[0].id()));
        let own = receipts.iter().filter(|one| one.reference("chain") == Some(child.id()));
        assert_eq!(
            own.map(|one| one.kind()).collect::<Vec<_>>(),
            ["task_started", "task_completed", "chain_completed"]
        );
    }
    let again = site.run(&["--json", "spec", "show", &chain(&told)]).expect(0).json();
    assert_eq!((&again["outputs"], statuses(&again)), (&told["outputs"], statuses(&told)));
    site.assert_sound();
    // What was signed for is what runs: a spec that has changed since is not it.
    let text = std::fs::read_to_string(site.work("greet.yaml")).unwrap();
    std::fs::write(site.work("greet.yaml"), text.replace("hello", "HELLO")).unwrap();
    site.run(&["spec", "run", "outer.yaml"]).expect_failure(2, "is not the spec that was meant");
    // Inputs are looked at before anything starts.
    std::fs::write(site.work("greet.yaml"), text).unwrap();
    for (inputs, why) in
        [("", "needs the input `who`"), (", inputs: {who: \"'a'\", when: \"'b'\"}", "has no input `when`")]
    {
        signed(&site, "wrong", "", &calls(&site, "greet", "greet", inputs));
        site.run(&["spec", "run", "wrong.yaml"]).expect_failure(1, why);
    }
    assert_eq!(ids(&site.receipts(), "chain_started").len(), 3);
}

#[test]
fn a_nested_run_is_signed_by_itself_and_goes_no_further_than_its_caller() {
    let site = Site::new();
    signed(&site, "inner", "", "  - {id: make, run: [touch, made]}\n");
    signed(&site, "outer", "constraints: {workers: [echo]}\n", &calls(&site, "inner", "inner", ""));
    // It may touch by itself, and not for whoever may only echo.
    let told = run(&site, "outer", 3);
    assert_eq!(statuses(&told)["inner"], "refused");
    let refused = site.receipts();
    let refused = refused.iter().find(|one| one.kind() == "blocked").unwrap();
    let gates = refused.content("decision")["gates"].as_array().unwrap().clone();
    let own = gates.iter().find(|gate| gate["gate"] == "specification").unwrap();
    assert_eq!(own["reasons"], json!([{"code": "specification.worker"}]));
    assert!(!site.work("made").exists());
    std::fs::remove_file(site.work("inner.yaml.sig")).unwrap();
    signed(&site, "outer", "", &calls(&site, "inner", "inner", ""));
    let told = run(&site, "outer", 3);
    assert_eq!(told["steps"][0]["reasons"], json!(["specification.unsigned"]));
    assert!(!site.work("made").exists());
    site.assert_sound();
}

/// A spec that asks people, and one that runs it.
fn asking(site: &Site) {
    let steps = "  - {id: first, run: [sh, -c, \"echo x >> first\"]}\n  - {id: ask, needs: [first], approval: {text: \"go?\", groups: [admins]}}\n  - {id: last, needs: [ask], run: [sh, -c, \"echo x >> last\"]}\n";
    signed(site, "inner", "", steps);
    signed(site, "outer", "", &calls(site, "inner", "inner", ""));
}

#[test]
fn what_a_nested_run_waits_for_its_caller_waits_for() {
    let site = Site::new();
    asking(&site);
    let told = by_agent(&site, &["--json", "spec", "run", "outer.yaml"]).expect(5).json();
    let (outer, asked) = (chain(&told), told["steps"][0]["receipt_id"].as_str().unwrap().to_owned());
    assert_eq!(site.last().id(), asked);
    let told = site.run(&["approve", &asked]).expect(0).stderr;
    assert!(told.contains(&format!("spec resume {outer}")), "{told}");
    let told = by_agent(&site, &["--json", "spec", "resume", &outer]).expect(0).json();
    assert_eq!(statuses(&told), BTreeMap::from([("inner".to_owned(), "completed".to_owned())]));
    for file in ["first", "last"] {
        assert_eq!(std::fs::read_to_string(site.work(file)).unwrap(), "x\n");
    }
    assert_eq!(kinds(&site.receipts())[..].iter().filter(|kind| **kind == "chain_started").count(), 2);
    site.assert_sound();
}

#[test]
fn ending_a_run_ends_those_that_its_steps_have_started() {
    let site = Site::new();
    asking(&site);
    let told = by_agent(&site, &["--json", "spec", "run", "outer.yaml"]).expect(5).json();
    site.run(&["spec", "cancel", &chain(&told)]).expect(0);
    assert_eq!(ids(&site.receipts(), "chain_aborted").len(), 2);
    assert_eq!(site.run(&["--json", "spec", "list"]).expect(0).json()["runs"], json!([]));
    site.assert_sound();
}

#[test]
fn a_nested_run_goes_on_where_it_was_killed() {
    let site = Site::new();
    let steps = "  - {id: first, run: [sh, -c, \"echo x >> first\"], reconcile: {run: [test, -s, first]}}\n  - {id: pause, needs: [first], wait: 2s}\n  - {id: last, needs: [pause], run: [sh, -c, \"echo x >> last\"]}\noutputs: {said: done}\n";
    signed(&site, "inner", "", steps);
    let steps = calls(&site, "inner", "inner", "") + "outputs: {said: \"${steps.inner.outputs.said}\"}\n";
    signed(&site, "outer", "", &steps);
    let listed = killed_at(&site, &["spec", "run", "outer.yaml"], "first");
    let start = |id: &str| site.receipts().into_iter().find(|one| one.id() == id).unwrap();
    let outer = start(&listed).reference("parent").map_or(listed, str::to_owned);
    let told = site.run(&["--json", "spec", "resume", &outer]).expect(0).json();
    assert_eq!(told["outputs"]["said"], "done", "{told}");
    for file in ["first", "last"] {
        assert_eq!(std::fs::read_to_string(site.work(file)).unwrap(), "x\n", "{file}");
    }
    assert_eq!(ids(&site.receipts(), "chain_started").len(), 2);
    site.assert_sound();
}

/// Kills a run of `outer` once `file` is there, and gives the ids of the outer run and of the one it has started.
fn killed(site: &Site, file: &str) -> (String, String) {
    let listed = killed_at(site, &["spec", "run", "outer.yaml"], file);
    let starts = site.receipts();
    let starts = starts.iter().filter(|one| one.kind() == "chain_started");
    let of =
        |child: &crate::site::Receipt| Some((child.reference("parent")?.to_owned(), child.id().to_owned()));
    starts.filter_map(of).next().unwrap_or((listed, String::new()))
}

#[test]
fn what_nobody_knows_of_a_nested_run_is_not_tried_again_unseen() {
    for by in ["a step after it", "somebody"] {
        let site = Site::new();
        let more = if by == "somebody" {
            ""
        } else {
            "  - {id: bad, run: [sh, -c, \"test -e go && ls nowhere\"]}\n"
        };
        let steps = format!("  - {{id: pay, run: [sh, -c, \"echo pay >> paid; sleep 30\"]}}\n{more}");
        signed(&site, "inner", "", &steps);
        let steps = calls(&site, "inner", "inner", "")
            .replace("{id: inner", "{id: inner, retry: {attempts: 3, backoff: 10ms}");
        signed(&site, "outer", "", &steps);
        let (outer, inner) = killed(&site, "paid");
        std::fs::write(site.work("go"), "").unwrap();
        if by == "somebody" {
            // What the dead driver had running is ended by then.
            by_agent(&site, &["spec", "resume", &outer]).expect(5);
            by_agent(&site, &["spec", "settle", &inner, "pay", "--did-not-happen"]).expect(3);
            by_agent(&site, &["spec", "cancel", &inner]).expect(0);
        }
        let told = by_agent(&site, &["--json", "spec", "resume", &outer]).expect(5).json();
        assert_eq!(told["outcome"], "waiting", "{by}: {told}");
        assert_eq!(std::fs::read_to_string(site.work("paid")).unwrap(), "pay\n", "{by}");
        if by == "somebody" {
            // That is for a person to say, of the step that is not known.
            assert_eq!(told["unknown"], json!([{"id": "inner", "item": 0}]));
            by_agent(&site, &["spec", "settle", &outer, "inner", "--happened"]).expect(3);
            site.run(&["spec", "settle", &outer, "inner", "--happened"]).expect(0);
            assert_eq!(
                site.run(&["--json", "spec", "resume", &outer]).expect(0).json()["outcome"],
                "completed"
            );
        } else {
            site.run(&["spec", "cancel", &outer]).expect(0);
            let ends = site.receipts();
            let ends = ends.iter().filter(|one| one.kind() == "chain_aborted");
            let unknown: Vec<_> = ends.map(|one| one.content("steps")["unknown"].clone()).collect();
            assert!(unknown.len() == 2 && !unknown.contains(&json!(0)), "both ends say so: {unknown:?}");
        }
        site.assert_sound();
    }
}

#[test]
fn a_nested_run_that_was_refused_is_not_tried_again() {
    let site = Site::new();
    signed(
        &site,
        "inner",
        "",
        "  - {id: pay, run: [sh, -c, \"echo pay >> paid\"]}\n  - {id: look, needs: [pay], run: [ls]}\n",
    );
    let steps = calls(&site, "inner", "inner", "")
        .replace("{id: inner", "{id: inner, retry: {attempts: 3, backoff: 10ms}");
    signed(&site, "outer", "constraints: {workers: [sh, echo]}\n", &steps);
    let told = run(&site, "outer", 3);
    assert_eq!((&told["outcome"], &statuses(&told)["inner"]), (&json!("aborted"), &"refused".to_owned()));
    assert_eq!(std::fs::read_to_string(site.work("paid")).unwrap(), "pay\n");
    site.assert_sound();
}

#[test]
fn limits_of_a_run_are_those_of_the_runs_that_it_starts() {
    let site = Site::new();
    let steps = "  - {id: a, run: [echo, a]}\n  - {id: pause, needs: [a], wait: 2s}\n  - {id: late, needs: [pause], run: [touch, late]}\n";
    signed(&site, "inner", "", steps);
    for (limit, reason) in [("duration: 1s", "duration"), ("max_attempts: 1", "attempts")] {
        signed(&site, "outer", &format!("constraints: {{{limit}}}\n"), &calls(&site, "inner", "inner", ""));
        let told = run(&site, "outer", 1);
        let ends = site.receipts();
        let first = ends.iter().rev().filter(|one| one.kind() == "chain_aborted").nth(1).unwrap();
        assert_eq!(first.reasons(), [reason], "{told}");
        assert!(!site.work("late").exists(), "{limit}");
    }
    site.assert_sound();
}

#[test]
fn whoever_signed_the_outer_spec_must_be_trusted_as_long_as_it_runs() {
    let site = Site::new();
    let inner = "inputs: {n: {type: string}}\n";
    signed(&site, "inner", inner, "  - {id: a, run: [touch, \"f-${inputs.n}\"]}\n");
    let waits = "  - {id: ask, approval: {text: \"go?\", groups: [admins]}}\n";
    let steps = format!(
        "{waits}{}",
        calls(&site, "inner", "inner", ", inputs: {n: \"'x'\"}")
            .replace("{id: inner", "{id: inner, needs: [ask]")
    );
    signed(&site, "outer", "", &steps);
    site.set("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "bob"]);
    site.run(&["people", "add", "bob", "--ssh-key", "bob.pub", "--group", "admins"]).expect(0);
    site.run(&["spec", "sign", "outer.yaml", "--key", "bob"]).expect(0);
    let told = by_agent(&site, &["--json", "spec", "run", "outer.yaml"]).expect(5).json();
    let asked = told["steps"][0]["receipt_id"].as_str().unwrap().to_owned();
    site.run(&["approve", &asked]).expect(0);
    site.run(&["people", "remove", "bob"]).expect(0);
    by_agent(&site, &["spec", "resume", &chain(&told)]).expect(3);
    assert!(!site.work("f-x").exists());
    site.assert_sound();
}

#[test]
fn an_aborted_run_undoes_what_its_nested_runs_have_done() {
    let site = Site::new();
    let steps = "  - {id: make, run: [mkdir, d1], compensate: {run: [rmdir, d1]}}\n  - {id: ask, needs: [make], approval: {text: \"go?\", groups: [admins]}}\n";
    signed(&site, "inner", "", steps);
    let steps = calls(&site, "inner", "inner", "")
        + "  - {id: pause, wait: 1s}\n  - {id: bad, needs: [pause], run: [ls, nowhere]}\n";
    signed(&site, "outer", "", &steps);
    let told = run(&site, "outer", 1);
    assert_eq!(told["outcome"], "aborted");
    assert!(!site.work("d1").exists());
    let ends = ids(&site.receipts(), "chain_aborted").len();
    assert_eq!(ends, 2);
    site.assert_sound();
}
