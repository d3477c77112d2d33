//! The home of Cascade itself is not written to, or read, by whoever it governs, without somebody being asked.

use serde_json::{Value, json};

use crate::service::{Server, token};
use crate::site::{Done, finish};
use crate::team::Team;

fn codes(decided: &Value) -> String {
    decided["reasons"].to_string()
}

#[test]
fn an_agent_that_names_the_home_waits_for_people_however_it_is_spelled() {
    let team = Team::new();
    let site = &team.site;
    std::fs::write(site.work("x"), "x").unwrap();
    let home = site.home();
    let home = home.to_str().unwrap();
    std::os::unix::fs::symlink(home, site.work("link")).unwrap();
    std::os::unix::fs::symlink(format!("{home}/new"), site.work("dangling")).unwrap();
    let asked =
        |argv: &[&str]| -> Done { team.by_agent(&[&["--json", "run", "--dry-run", "--"], argv].concat()) };
    let below = |name: &str| format!("{home}/{name}");
    for argv in [
        &["cp", "x", &below("models.toml")][..],
        &["cp", "x", "../home/models.toml"],
        &["cp", "x", "link/models.toml"],
        &["cp", "x", "dangling"],
        &["cp", "x", &format!("{home}/../work/../home/models.toml")],
        &["tee", &below("models.toml")],
        &["ln", "x", &below("keys")],
        &["cat", &below("models.toml")],
        &["cat", &format!("{home}-recovery/default/x")],
        &["dd", "if=x", &format!("of={}", below("ledger.db"))],
        &["bash", "-c", &format!("cd {home} && cp a b")],
    ] {
        let decided = asked(argv).expect(5).json();
        assert!(codes(&decided).contains("risk.above_threshold"), "{argv:?}: {decided}");
    }
    asked(&["cp", "x", "y"]).expect(0);
    asked(&["cat", "x"]).expect(0);
    // Where somebody works in it, every name is one of its files.
    let mut inside = team.agent(&["run", "--dry-run", "--", "cp", "a", "b"]);
    inside.current_dir(home);
    finish(inside, b"").expect(5);
}

#[test]
fn a_service_sees_it_in_every_kind_of_action() {
    let team = Team::new();
    let site = &team.site;
    let agent = token(site, &["--agent", "builder"]);
    let service = Server::start(site);
    let home = site.home().to_str().unwrap().to_owned();
    let keys = format!("{home}/tenants/default/keys");
    let decide = |action: Value| {
        let body = json!({"action": action, "dry_run": true}).to_string();
        service.ask(&agent, ("POST", "/v1/decisions"), &body).expect(200)
    };
    for action in [
        json!({"kind": "cli", "argv": ["cp", "x", keys]}),
        json!({"kind": "cli", "argv": ["cp", "x", "keys"], "cwd": format!("{home}/tenants/default")}),
        json!({"kind": "shell", "line": format!("echo x > {keys}/a")}),
        json!({"kind": "tool", "server": "agent:claude-code", "name": "Read", "arguments": {"file_path": keys}}),
    ] {
        let decided = decide(action.clone());
        assert_eq!(
            (&decided["verdict"], &decided["risk_tier"]),
            (&json!("escalate"), &json!("HIGH")),
            "{action}"
        );
    }
    let elsewhere = decide(json!({"kind": "cli", "argv": ["cp", "x", "y"], "cwd": "/srv/app"}));
    assert_eq!(elsewhere["verdict"], "admit", "{elsewhere}");
}
