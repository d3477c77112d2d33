//! What is told to whom: private words to those who look after a tenant, and everything that is approved to those who
//! approve it.

use serde_json::json;

use crate::service::{Server, token};
use crate::team::Team;

#[test]
fn private_words_are_shown_to_auditors_and_not_to_whoever_may_read() {
    let team = Team::new();
    team.joins("aud", &["auditors"]);
    let site = &team.site;
    site.run(&["cron", "add", "nightly", "--at", "@daily", "--", "git", "status", "secretword"]).expect(0);
    let auditor = token(site, &["--for", "aud", "--scope", "read"]);
    let agent = token(site, &["--agent", "builder", "--scope", "read", "--scope", "actions"]);
    let me = token(site, &["--scope", "read", "--scope", "admin", "--scope", "actions"]);
    team.joins("sam", &["sre"]);
    let theirs = token(site, &["--for", "sam", "--scope", "admin", "--scope", "read"]);
    let service = Server::start(site);
    let body =
        json!({"action": {"kind": "cli", "argv": ["git", "log", "secretword"]}, "reason": "secretword"});
    let decided = service.ask(&agent, ("POST", "/v1/decisions"), &body.to_string()).expect(200);
    let id = decided["receipt_id"].as_str().unwrap();
    let schedules = service.ask(&me, ("GET", "/v1/schedules"), "").expect(200);
    let schedule = schedules["schedules"][0]["schedule"].as_str().unwrap();
    for path in [format!("/v1/lineage/{id}"), "/v1/schedules".to_owned(), format!("/v1/schedules/{schedule}")]
    {
        for who in [&auditor, &me] {
            let told = service.ask(who, ("GET", &path), "");
            assert_eq!(told.status, 200, "{path}: {}", told.body);
            assert!(told.body.contains("secretword"), "{path}: {}", told.body);
        }
        let told = service.ask(&agent, ("GET", &path), "");
        assert_eq!(told.status, 200, "{path}: {}", told.body);
        assert!(!told.body.contains("secretword") && !told.body.contains("nightly"), "{path}: {}", told.body);
        // The same document but for them.
        assert!(told.body.contains(if path.contains("lineage") { id } else { schedule }), "{path}");
    }
    let against = r#"{"against":"current"}"#;
    assert!(!service.ask(&agent, ("POST", "/v1/replay"), against).body.contains("secretword"));

    let bundle = |token: &str, disclose: &[&str]| {
        let body = json!({"receipts": [id], "disclose": disclose}).to_string();
        service.ask(token, ("POST", "/v1/bundles"), &body)
    };
    assert_eq!(bundle(&me, &["action_hash"]).status, 200);
    assert_eq!(bundle(&theirs, &[]).status, 200);
    bundle(&theirs, &["action_hash"]).problem(403, "policy.denied");
}

#[test]
fn who_approves_sees_the_variables_that_come_with_an_action() {
    let team = Team::new();
    team.joins("bob", &["admins"]);
    let site = &team.site;
    let agent = token(site, &["--agent", "builder", "--scope", "actions", "--scope", "read"]);
    let bob = token(site, &["--for", "bob", "--scope", "approve", "--scope", "read"]);
    let service = Server::start(site);
    let env = json!({"GIT_SSH_COMMAND": "ssh -o ProxyCommand=evil"});
    let body =
        json!({"action": {"kind": "cli", "argv": ["git", "push", "--delete", "origin", "x"], "env": env}});
    let waits = service.ask(&agent, ("POST", "/v1/decisions"), &body.to_string()).expect(200);
    assert_eq!(waits["verdict"], "escalate", "{waits}");
    let id = waits["receipt_id"].as_str().unwrap();
    let told = "GIT_SSH_COMMAND='ssh -o ProxyCommand=evil'";
    for args in [&["approvals"][..], &["show", id]] {
        let shown = site.run(args).expect(0).stdout;
        assert!(shown.contains(told), "{args:?}: {shown}");
    }
    let listed = site.run(&["--json", "approvals"]).expect(0).json();
    assert_eq!(listed["variables"], json!([told]));
    let pending = service.ask(&bob, ("GET", "/v1/approvals"), "").expect(200);
    assert_eq!(
        pending["approvals"][0]["action"]["env"],
        json!([{"name": "GIT_SSH_COMMAND", "value": "ssh -o ProxyCommand=evil"}])
    );
    // Whoever neither approves nor looks after the tenant sees that something waits, and not what.
    let pending = service.ask(&agent, ("GET", "/v1/approvals"), "").expect(200);
    assert_eq!(pending["approvals"][0]["receipt_id"], id);
    assert!(!pending.to_string().contains("ProxyCommand"), "{pending}");
}
