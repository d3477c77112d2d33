//! The contact campaign of the repository under Regulation F and the TCPA: each person of a file is decided about alone, and
//! calls reach a server on the loopback interface as they would reach a dialer.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::limits::{limited, zone_at};
use crate::runs::server;
use crate::site::{Receipt, Site, finish};
use crate::stage::Stage;

const DEFAULT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/default");
const PEOPLE: [&str; 7] = ["ada-k", "bob-k", "carol-k", "dave-k", "erin-k", "frank-k", "grace-k"];

/// A tenant that is under both regimes, with people in a zone where it is noon, who have all consented.
fn regulated() -> Stage {
    let stage = Stage::new("campaign");
    let site = stage.site();
    site.set("cp", &["-r", DEFAULT, "policy"]);
    let mut thresholds = std::fs::read_to_string(site.work("policy/thresholds.toml")).unwrap();
    thresholds.push_str("calls = [\"curl\"]\ndebt-calls = [\"curl\"]\n");
    std::fs::write(site.work("policy/thresholds.toml"), thresholds).unwrap();
    site.run(&["policy", "activate", "policy"]).expect(0);
    for pack in ["reg-f", "tcpa"] {
        site.run(&["pack", "activate", pack]).expect(0);
    }
    for person in PEOPLE {
        site.run(&["subject", "zone", person, &zone_at(12)]).expect(0);
        site.run(&["subject", "consent", person, "--scope", "calls"]).expect(0);
    }
    stage
}

/// Lets the campaign call these people, each about a loan, once another person has agreed.
fn call(stage: &mut Stage, port: u16, people: &[&str]) -> Value {
    let contact = |(at, person): (usize, &&str)| json!({"person": person, "debt": "loan", "number": format!("+1555010{at}")});
    let contacts: Vec<Value> = people.iter().enumerate().map(contact).collect();
    std::fs::write(stage.site().work("today.json"), json!(contacts).to_string()).unwrap();
    stage.give(&["contacts=today.json", &format!("dialer=http://127.0.0.1:{port}")]);
    let chain = stage.run_to_question();
    let asked = stage.site().run(&["approvals"]).expect(0).stdout;
    assert!(asked.contains(&format!("Call {} people of today.json?", people.len())), "{asked}");
    stage.ada("approve");
    stage.resume(&chain).expect(0).json()
}

/// The codes for which each refused item was refused, by its place in the file.
fn refusals(receipts: &[Receipt], chain: &str) -> BTreeMap<u64, Vec<String>> {
    let mut all = BTreeMap::new();
    for one in receipts.iter().filter(|one| one.kind() == "blocked" && one.reference("chain") == Some(chain))
    {
        let gates = one.content("decision")["gates"].as_array().unwrap();
        let reasons = gates.iter().filter_map(|gate| gate["reasons"].as_array()).flatten();
        let code = |reason: &Value| {
            let rule = reason["policy_id"].as_str()?;
            Some(format!("{}({rule})", reason["code"].as_str()?))
        };
        let item = one.content("step")["item"].as_u64().unwrap();
        all.insert(item, reasons.filter_map(code).collect());
    }
    all
}

#[test]
fn who_may_not_be_called_is_not_and_everybody_else_is() {
    let mut stage = regulated();
    // Bob stands in the file eight times: seven calls in seven days, also when they are placed at once.
    let (port, served) = server(vec![201; 7]);
    let told = call(&mut stage, port, &["bob-k"; 8]);
    assert_eq!(told["outputs"], json!({"called": "7", "refused": "1"}));
    assert_eq!(served.join().unwrap().len(), 7);

    let site = stage.site();
    site.run(&["subject", "zone", "carol-k", &zone_at(3)]).expect(0);
    site.run(&["subject", "consent", "erin-k", "--scope", "calls", "--revoke"]).expect(0);
    site.run(&["subject", "conversation", "frank-k/loan"]).expect(0);
    // Nobody has recorded anything of a stranger.
    let (port, served) = server(vec![201; 3]);
    let told = call(
        &mut stage,
        port,
        &["ada-k", "bob-k", "carol-k", "stranger", "erin-k", "frank-k", "dave-k", "grace-k"],
    );
    assert_eq!(told["outputs"], json!({"called": "3", "refused": "5"}));
    let calls = served.join().unwrap();
    let mut numbers: Vec<&str> = calls.iter().filter_map(|call| call.lines().last()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, ["+15550100", "+15550106", "+15550107"], "{calls:?}");

    let refused = refusals(&stage.site().receipts(), told["chain"].as_str().unwrap());
    let has = |item: u64, code: &str| {
        assert!(refused[&item].iter().any(|one| one == code), "{item} {code}: {refused:?}");
    };
    has(1, "budget.exhausted(reg-f.calls)");
    has(2, "window.closed(reg-f.hours)");
    has(2, "window.closed(tcpa.hours)");
    has(3, "window.no_zone(tcpa.hours)");
    has(3, "window.no_consent(tcpa.consent)");
    has(4, "window.no_consent(tcpa.consent)");
    has(5, "window.quiet(reg-f.conversation)");
    assert_eq!(refused.len(), 5);
    // No name leaves the vault. (Nothing else in an export is spelled with a hyphen and a `k`.)
    let export = stage.site().run(&["export"]).expect(0).stdout;
    assert!(!PEOPLE.iter().any(|person| export.contains(person)));
    stage.site().assert_sound();
}

#[test]
fn no_campaign_runs_without_its_regimes_and_no_call_without_somebody() {
    let mut stage = regulated();
    let site = stage.site();
    std::fs::write(site.work("today.json"), r#"[{"person": "ada-k/loan", "debt": "x", "number": "1"}]"#)
        .unwrap();
    // Who stands in the file as somebody else's matter is nobody: no call, and no receipt of one.
    stage.give(&["contacts=today.json", "dialer=http://127.0.0.1:9"]);
    let chain = stage.run_to_question();
    stage.ada("approve");
    let told = stage.resume(&chain).expect(0).json();
    assert_eq!(told["outputs"], json!({"called": "0", "refused": "0"}));
    let site = stage.site();
    assert!(!site.receipts().iter().any(|one| one.content("step")["at"] == 2));

    site.run(&["pack", "deactivate", "tcpa"]).expect(0);
    let told = stage.run().expect(3).json();
    assert_eq!(told["decision_reasons"][0]["code"], "specification.pack", "{told}");
    assert_eq!(site.last().kind(), "blocked");
    // An agent may not make up what opens the way to people.
    let mut command = site.cascade(&["subject", "consent", "stranger", "--scope", "calls"]);
    command.env("CLAUDECODE", "1");
    finish(command, b"").expect(3);
    site.assert_sound();
}

/// A site on which `touch` and `rm` need the consent of whom they concern, and a spec that does both.
fn with_consent() -> Site {
    let site =
        limited("[[window]]\nname = \"agreed\"\ncommands = [\"touch\", \"rm\"]\nconsent = \"calls\"\n");
    let steps = "steps:\n  - {id: each, foreach: inputs.people, run: [touch, \"${item}\"], subject: {person: \"${item}\"}, on_failure: continue}\n  - {id: drop, needs: [each], run: [rm, -rf, d], subject: {person: ada-k}}\n";
    let head = "csl: 1\nname: agreed\nversion: \"1\"\ninputs: {people: {type: list<string>, default: [ada-k, bob-k]}}\n";
    std::fs::write(site.work("agreed.yaml"), format!("{head}{steps}")).unwrap();
    site.run(&["spec", "sign", "agreed.yaml"]).expect(0);
    std::fs::create_dir(site.work("d")).unwrap();
    site
}

#[test]
fn plan_rehearsal_and_run_decide_for_whom_a_step_concerns() {
    let site = with_consent();
    let planned = |people: &str| {
        let input = format!("people={people}");
        let args = ["--json", "--as", "person", "spec", "plan", "agreed.yaml", "--input", &input];
        site.run(&args).expect(0).json()["steps"][0]["commands"][0]["verdict"].clone()
    };
    assert_eq!(planned("[\"ada-k\"]"), "deny");
    // Looking makes nobody known.
    site.run(&["subject", "show", "ada-k"]).expect_failure(1, "no subject");
    site.run(&["subject", "consent", "ada-k", "--scope", "calls"]).expect(0);
    assert_eq!((planned("[\"ada-k\"]"), planned("[\"ada-k\", \"bob-k\"]")), (json!("admit"), json!("deny")));

    let told = site.run(&["--json", "spec", "run", "--dry-run", "agreed.yaml"]).expect(3).json();
    let decided: Vec<&Value> = told["steps"].as_array().unwrap().iter().map(|step| &step["status"]).collect();
    assert_eq!(decided, ["admit", "deny", "admit"]);
    site.assert_sound();
}

#[test]
fn what_was_approved_for_somebody_runs_for_that_person() {
    let site = with_consent();
    site.run(&["subject", "consent", "ada-k", "--scope", "calls"]).expect(0);
    let agent = |args: &[&str]| {
        let mut command = site.cascade(args);
        command.env("CLAUDECODE", "1");
        finish(command, b"")
    };
    let told = agent(&["--json", "spec", "run", "agreed.yaml"]).expect(5).json();
    assert!(site.work("ada-k").exists() && !site.work("bob-k").exists());
    let chain = told["chain"].as_str().unwrap();
    site.run(&["approve", &site.last_of("escalation")]).expect(0);
    // Consent taken back meanwhile is stronger than the approval.
    site.run(&["subject", "consent", "ada-k", "--scope", "calls", "--revoke"]).expect(0);
    agent(&["spec", "resume", chain]).expect(3);
    assert!(site.work("d").exists());

    site.run(&["subject", "consent", "ada-k", "--scope", "calls"]).expect(0);
    let told = agent(&["--json", "spec", "run", "agreed.yaml"]).expect(5).json();
    site.run(&["approve", &site.last_of("escalation")]).expect(0);
    agent(&["spec", "resume", told["chain"].as_str().unwrap()]).expect(0);
    assert!(!site.work("d").exists());
    site.assert_sound();
}
