//! A service keeps what it knows of a chain, and what another process puts on record counts for its very next decision.

use serde_json::{Value, json};

use crate::service::{Server, token};
use crate::team::Team;

const ACTION: [&str; 2] = ["git", "status"];
const WHY: [&str; 2] = ["--reason", "drill"];

#[test]
fn what_another_process_changes_counts_for_the_very_next_decision() {
    let team = Team::with_thresholds("");
    let site = &team.site;
    team.joins("bob", &[]);
    let agent = token(site, &["--agent", "builder"]);
    let bobs = token(site, &["--for", "bob"]);
    let service = Server::start(site);
    let verdict = |shown: &str| -> Value { service.decide(shown, &ACTION).expect(200)["verdict"].clone() };
    let admitted = || {
        for shown in [&agent, &bobs, &agent] {
            assert_eq!(verdict(shown), "admit");
        }
    };
    let other = |args: &[&str]| site.run(args).expect(0);
    admitted();
    other(&[&["halt"], &WHY[..]].concat());
    assert_eq!(verdict(&agent), "deny");
    other(&[&["resume"], &WHY[..]].concat());
    admitted();
    other(&[&["tenant", "suspend", "default"], &WHY[..]].concat());
    service.decide(&agent, &ACTION).problem(403, "tenant.suspended");
    other(&[&["tenant", "resume", "default"], &WHY[..]].concat());
    admitted();
    let policy = site.path("policy");
    let rule = policy.join("all.cedar");
    for (text, expected) in [("forbid", "deny"), ("permit", "admit")] {
        std::fs::write(&rule, format!("{text} (principal, action, resource);\n")).unwrap();
        other(&["policy", "activate", policy.to_str().unwrap()]);
        assert_eq!(verdict(&agent), expected);
    }
    admitted();
    other(&["people", "remove", "bob"]);
    service.decide(&bobs, &ACTION).problem(401, "auth.unknown");
    assert_eq!(verdict(&agent), json!("admit"));
    let listed = other(&["--json", "token", "list"]).stdout;
    let holds = listed.lines().find(|line| line.contains("builder")).unwrap();
    let id = serde_json::from_str::<Value>(holds).unwrap()["token_id"].as_str().unwrap().to_owned();
    other(&["token", "revoke", &id]);
    service.decide(&agent, &ACTION).problem(401, "auth.unknown");
}
