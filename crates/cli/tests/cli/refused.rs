//! Who tries to govern and may not leaves a receipt of it, like everybody who tries to run what is not allowed.

use serde_json::json;

use crate::service::{Server, token};
use crate::site::{Done, Receipt, kinds};
use crate::team::Team;

/// Exit 3, and a `blocked` receipt under `principal` that names the act and the reason.
fn assert_on_record(team: &Team, done: Done, task_type: &str, code: &str) -> Receipt {
    let document = done.expect(3).json();
    assert_eq!(document["reasons"][0]["code"], code, "{document}");
    let last = team.site.last();
    assert_eq!((last.kind(), Some(last.id())), ("blocked", document["receipt_id"].as_str()));
    assert_eq!(last.content("task_type"), task_type);
    let decision = last.content("decision");
    assert_eq!(decision["verdict"], "deny");
    let denies = decision["gates"].as_array().unwrap().iter().find(|gate| gate["outcome"] == "deny").unwrap();
    assert_eq!(denies["reasons"][0]["code"], code);
    last
}

/// Bob is registered and no administrator; a policy lies ready.
fn team() -> (Team, String) {
    let team = Team::with_thresholds("[families]\nproduction = [\"kubectl\"]\n");
    team.joins("bob", &["sre"]);
    let dir = team.site.path("next");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("all.cedar"), "permit (principal, action, resource);\n").unwrap();
    let value = team.site.path("value");
    std::fs::write(value, "secret value").unwrap();
    (team, dir.to_str().unwrap().to_owned())
}

#[test]
fn a_person_without_the_right() {
    let (team, dir) = team();
    team.site.run(&["halt"]).expect(0);
    let public = team.public("eve");
    let public = public.to_str().unwrap();
    let value = team.site.path("value");
    let value = value.to_str().unwrap();
    let ineligible = "approval.not_eligible";
    for (args, act, code) in [
        (&["resume"][..], "control.resume", ineligible),
        (&["people", "add", "eve", "--admin", "--ssh-key", public], "control.people_add", ineligible),
        (&["people", "remove", "bob"], "control.people_remove", ineligible),
        (&["policy", "activate", &dir], "control.policy_activate", ineligible),
        (&["pack", "activate", "soc2"], "control.pack_activate", ineligible),
        (&["secret", "set", "t", "--for", "git", "--from-file", value], "control.secret_set", ineligible),
        (&["secret", "remove", "t"], "control.secret_remove", ineligible),
        (&["grant", "add", "--to", "bob", "--program", "git"], "control.grant_add", "authority.not_held"),
        (&["key", "rotate"], "control.key_rotate", ineligible),
        (&["subject", "zone", "customer", "UTC"], "control.subject", "identity.unauthenticated"),
    ] {
        let mut all = vec!["--json", "--as", "bob"];
        all.extend(args);
        let key = team.key("bob");
        if args[0] != "subject" {
            all.extend(["--key", key.to_str().unwrap()]);
        }
        assert_on_record(&team, team.site.run(&all), act, code);
    }
    assert!(!kinds(&team.site.receipts()).contains(&"resumed"));
    team.site.assert_sound();
}

/// The name that is given is not proven: the receipt is the asker's, and keeps what was typed in the vault.
#[test]
fn who_proves_nothing_is_on_record_all_the_same() {
    let (team, _) = team();
    let own = team.site.run(&["--json", "people", "list"]).expect(0).stdout;
    let people = own.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let own = people.into_iter().find(|person| person["name"] != "bob").unwrap();
    let args = ["--json", "--as", "bob", "grant", "add", "--to", "bob", "--program", "git"];
    let stranger = team.site.run(&["--json", "--as", "nobody", "people", "remove", "bob"]);
    let last = assert_on_record(&team, stranger, "control.people_remove", "approval.not_eligible");
    assert_eq!(last.content("principal"), &own["principal"]);
    // Bob's name with an administrator's key, and with none.
    let root = own["name"].as_str().unwrap();
    let forged = team.signed(root, "bob", &["people", "remove", "bob"]);
    assert_on_record(&team, forged, "control.people_remove", "approval.signature");
    team.site.run(&["grant", "add", "--to", "bob", "--program", "git", "--delegate", "1"]).expect(0);
    let last = assert_on_record(&team, team.site.run(&args), "control.grant_add", "identity.unsigned");
    let shown = team.site.run(&["--json", "show", last.id()]).expect(0).json();
    assert_eq!(shown["private"]["action"]["line"], format!("cascade {}", args.join(" ")));
    let log = team.site.run(&["log", "--kind", "blocked"]).expect(0).stdout;
    assert!(log.contains("cascade --json --as bob grant add"), "{log}");
    team.site.assert_sound();
}

#[test]
fn agents_and_those_beneath_a_run() {
    let (team, dir) = team();
    let agent = team.by_agent(&["--json", "resume"]);
    let last = assert_on_record(&team, agent, "control.resume", "approval.agent");
    assert!(last.content("on_behalf_of").is_string());
    let agent = team.by_agent(&["--json", "policy", "sign", &dir, "--out", "signed.json"]);
    assert_on_record(&team, agent, "control.policy_sign", "approval.agent");
    let beneath = team.site.run(&["run", "--", crate::site::CASCADE, "--json", "people", "remove", "bob"]);
    let document: serde_json::Value = beneath.expect(3).json();
    let receipts = team.site.receipts();
    let blocked = receipts.iter().rfind(|receipt| receipt.kind() == "blocked").unwrap();
    assert_eq!(document["receipt_id"], blocked.id());
    assert_eq!(document["reasons"][0]["code"], "approval.beneath_run");
    team.site.assert_sound();
}

/// What is no attempt at anything is not recorded.
#[test]
fn wrong_usage_is_no_attempt() {
    let (team, _) = team();
    let before = team.site.receipts().len();
    for args in [
        &["grant", "add", "--to", "bob"][..],
        &["people", "add", "a b"],
        &["subject", "zone", "customer", "Nowhere/Land"],
        &["grant", "add", "--to", "bob", "--for", "bob", "--program", "git"],
    ] {
        team.site.run(args).expect(2);
    }
    team.site.run(&["people", "remove", "nobody"]).expect(1);
    assert_eq!(team.site.receipts().len(), before);
}

#[test]
fn other_verbs_know_what_such_a_receipt_is() {
    let (team, dir) = team();
    let refused = team.by_agent(&["--json", "people", "remove", "bob"]).expect(3).json();
    let id = refused["receipt_id"].as_str().unwrap();
    let told = team.site.run(&["policy", "explain", id]).expect(0).stdout;
    assert!(told.contains("no policy decided this") && !told.contains("erased"), "{told}");
    let told = team.site.run(&["--json", "policy", "explain", id]).expect(0).json();
    assert_eq!(told["facts_state"], "none");
    // It is no decision that another policy could turn.
    let diff = team.site.run(&["policy", "diff", "current", &dir]).expect(0);
    assert!(!diff.stdout.contains("erased"), "{}", diff.stdout);
    let shown = team.site.run(&["show", id]).expect(0).stdout;
    assert!(shown.contains("an agent cannot answer for people"), "{shown}");
    team.site.run(&["erase", id]).expect(0);
    team.site.assert_sound();
}

#[test]
fn over_http_no_less() {
    let team = Team::new();
    team.joins("eve", &["auditors"]);
    let site = &team.site;
    let agent = token(site, &["--agent", "builder"]);
    let eve = token(site, &["--for", "eve", "--scope", "approve", "--scope", "admin"]);
    let service = Server::start(site);
    let waits = service.decide(&agent, &["terraform", "apply", "-auto-approve"]).expect(200);
    let id = waits["receipt_id"].as_str().unwrap();
    let (answer, why) = (json!({"verdict": "approve"}).to_string(), json!({"reason": "x"}).to_string());
    for (path, body, kind, task_type) in [
        (format!("/v1/approvals/{id}"), answer.as_str(), "approval_refused", None),
        ("/v1/tenant/suspend".to_owned(), &why, "blocked", Some("control.tenant_suspend")),
        ("/v1/tenant/resume".to_owned(), &why, "blocked", Some("control.tenant_resume")),
        ("/v1/checkpoints".to_owned(), "", "blocked", Some("control.checkpoint")),
    ] {
        let problem = service.ask(&eve, ("POST", &path), body).problem(403, "policy.denied");
        let last = site.last();
        assert_eq!((last.kind(), last.content("task_type").as_str()), (kind, task_type), "{path}");
        assert!(problem["detail"].as_str().unwrap().contains(last.id()), "{problem}");
    }
    // Whoever has the right and does not prove to be who has it.
    let me = token(site, &["--scope", "admin"]);
    let forged = json!({"reason": "x", "sshsig": "forged"}).to_string();
    service.ask(&me, ("POST", "/v1/tenant/suspend"), &forged).problem(409, "tenant.unusable");
    let last = site.last();
    assert_eq!(
        (last.kind(), last.content("task_type").as_str()),
        ("blocked", Some("control.tenant_suspend"))
    );
    assert!(last.content("decision").to_string().contains("approval.signature"), "{last:?}");
    drop(service);
    site.assert_sound();
}
