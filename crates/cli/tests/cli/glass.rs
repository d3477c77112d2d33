//! Breaking the glass: signed by who does it, good for one run, reviewed by somebody else or paid for.

use serde_json::Value;

use crate::site::{Done, finish, kinds};
use crate::team::Team;

const TERMS: &str = "[break_glass]\ngroups = [\"admins\"]\nreview_groups = [\"sre\"]\n";

fn breaking<'a>(command: &[&'a str]) -> Vec<&'a str> {
    [&["--json", "run", "--break-glass", "--reason", "incident 4711", "--"], command].concat()
}

/// What waits for a review.
fn unreviewed(team: &Team) -> Vec<Value> {
    let listed = team.site.run(&["--json", "review"]).expect(0).stdout;
    listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn codes(done: &Done) -> String {
    done.json()["reasons"].to_string()
}

#[test]
fn signed_for_one_run_and_reviewed_by_somebody_else() {
    let team = Team::with_thresholds(&format!("[risk]\nperson = \"LOW\"\n{TERMS}"));
    team.joins("ada", &["sre"]);
    team.joins("bob", &["staff"]);
    team.site.run(&["run", "--", "./deploy.sh", "a"]).expect(5);
    let done = team.site.run(&breaking(&["./deploy.sh", "b"])).expect(0).json();
    assert_eq!((&done["verdict"], &done["glass_broken"]), (&"admit".into(), &true.into()));
    assert_eq!(done["glass"], done["receipts"][0]);
    assert_eq!(team.deployed(), "deployed b\n");
    let receipts = team.site.receipts();
    let last = &receipts[receipts.len() - 3..];
    assert_eq!(kinds(last), ["break_glass", "task_started", "task_completed"]);
    assert_eq!(last[1].reference("parent"), Some(last[0].id()));
    let glass = last[0].id().to_owned();

    // Also what is stopped for everyone; there is no repository here that it could harm.
    team.site.run(&["run", "--", "git", "push", "--force"]).expect(3);
    team.site.run(&breaking(&["git", "push", "--force"])).expect(128);
    // Where nothing stands in the way, none is broken.
    let free = team.site.run(&breaking(&["true"])).expect(0).json();
    assert_eq!((&free["glass_broken"], free["receipts"].as_array().unwrap().len()), (&Value::Null, 2));

    let waiting = unreviewed(&team);
    assert_eq!(waiting.len(), 2);
    assert_eq!(
        (&waiting[0]["receipt_id"], &waiting[0]["reason"]),
        (&glass.as_str().into(), &"incident 4711".into())
    );
    let review = |id| ["review", id, "--justified", "--reason", "it was needed"];
    team.assert_refused(team.site.run(&[&["--json"][..], &review(&glass)].concat()), "review.own");
    team.assert_refused(team.by("bob", &review(&glass)), "approval.not_eligible");
    team.assert_refused(team.signed("ada", "bob", &review(&glass)), "approval.signature");
    team.by("ada", &review(&glass)).expect(0);
    assert_eq!(team.site.last().kind(), "x_break_glass_review");
    team.assert_refused(team.by("ada", &review(&glass)), "review.done");

    // Erased or not, it is looked at; the words are gone.
    let other = unreviewed(&team)[0]["receipt_id"].as_str().unwrap().to_owned();
    team.site.run(&["erase", &other]).expect(0);
    assert_eq!(unreviewed(&team)[0]["reason"], "");
    team.by("ada", &["review", &other, "--unjustified"]).expect(0);
    assert!(unreviewed(&team).is_empty());
    team.site.assert_sound();
}

#[test]
fn nobody_else_and_nothing_else() {
    let team = Team::with_thresholds(&format!("[risk]\nperson = \"LOW\"\n{TERMS}"));
    let agent = team.by_agent(&breaking(&["./deploy.sh", "a"]));
    team.assert_denied(agent, "failfast.break_glass_not_a_person");
    // A person beneath a governed run may be an agent that poses as one.
    let binary = env!("CARGO_BIN_EXE_cascade");
    let inner = format!("{binary} run --break-glass --reason x -- ./deploy.sh a");
    team.site.run(&breaking(&["sh", "-c", &inner])).expect(3);
    assert!(team.site.receipts().iter().any(|receipt| {
        receipt.kind() == "blocked"
            && receipt.content("decision").to_string().contains("failfast.break_glass_not_eligible")
    }));
    team.site.run(&["run", "--break-glass", "--", "./deploy.sh", "a"]).expect(2);
    let key = team.key("bob");
    let with_key =
        ["run", "--break-glass", "--reason", "x", "--key", key.to_str().unwrap(), "--", "./deploy.sh", "a"];
    team.site.run(&with_key).expect_failure(3, "couldn't sign");
    assert_eq!(team.site.last().content("task_type"), "control.break_glass");
    team.site.run(&["halt"]).expect(0);
    team.assert_denied(team.site.run(&breaking(&["./deploy.sh", "a"])), "standing.halted");
    assert_eq!(team.deployed(), "");
    team.site.assert_sound();

    let team = Team::new();
    let done = team.site.run(&breaking(&["git", "push", "--force"]));
    team.assert_denied(done, "failfast.break_glass_undefined");
}

/// Who broke the glass does not come back under another name to review it.
#[test]
fn the_key_that_broke_the_glass_reviews_nothing() {
    let team = Team::with_thresholds(&format!("[risk]\nperson = \"LOW\"\n{TERMS}"));
    team.joins("ada", &["admins"]);
    let me = team.site.run(&["--json", "people", "list"]).expect(0).stdout;
    let people = me.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let names = people.map(|person| person["name"].as_str().unwrap().to_owned());
    let name = names.into_iter().find(|name| name != "ada").unwrap();
    let name = name.as_str();
    let old = team.public("old");
    let rekey = ["people", "add", name, "--admin", "--ssh-key", old.to_str().unwrap()];
    team.by("ada", &rekey).expect(0);
    let key = team.key("old");
    let break_it =
        ["run", "--break-glass", "--reason", "x", "--key", key.to_str().unwrap(), "--", "./deploy.sh", "a"];
    team.site.run(&break_it).expect(0);
    let glass = unreviewed(&team)[0]["receipt_id"].as_str().unwrap().to_owned();
    let new = team.public("new");
    team.by("ada", &["people", "add", name, "--admin", "--ssh-key", new.to_str().unwrap()]).expect(0);
    let other = ["people", "add", "mallory", "--group", "sre", "--ssh-key", old.to_str().unwrap()];
    team.by("ada", &other).expect(0);
    team.assert_refused(team.signed("mallory", "old", &["review", &glass, "--justified"]), "review.own");
    team.by("ada", &["review", &glass, "--unjustified"]).expect(0);
    team.site.assert_sound();
}

/// Eight people at once, or one person eight times: each glass that is broken is one that ran.
#[test]
fn eight_at_once() {
    let team = Team::with_thresholds(&format!("[risk]\nperson = \"LOW\"\n{TERMS}"));
    let words: Vec<String> = (0..8).map(|number| number.to_string()).collect();
    std::thread::scope(|scope| {
        for word in &words {
            scope.spawn(|| team.site.run(&breaking(&["./deploy.sh", word])).expect(0));
        }
    });
    assert_eq!(team.deployed().lines().count(), 8);
    assert!(unreviewed(&team).iter().all(|one| one["ran"] != ""), "{:?}", unreviewed(&team));
    // A slip of the fingers breaks none, and past the limit nobody does.
    team.site.run(&breaking(&["./deplyo.sh", "a"])).expect(1);
    team.site.run(&["run", "--break-glass", "--reason", " ", "--", "./deploy.sh", "a"]).expect(2);
    for _ in 0..8 {
        team.site.run(&breaking(&["./deploy.sh", "a"])).expect(0);
    }
    let done = team.site.run(&breaking(&["./deploy.sh", "a"])).expect(3);
    assert!(codes(&done).contains("failfast.break_glass_unreviewed"), "{}", codes(&done));
    assert_eq!((unreviewed(&team).len(), team.deployed().lines().count()), (16, 16));
    team.site.assert_sound();
}

#[test]
fn an_overdue_review_costs_the_right_to_act_alone() {
    let team = Team::with_thresholds(TERMS);
    team.joins("ada", &["sre"]);
    team.site.run(&breaking(&["git", "push", "--force"])).expect(128);
    let glass = unreviewed(&team)[0]["receipt_id"].as_str().unwrap().to_owned();
    team.site.run(&["run", "--", "./deploy.sh", "before"]).expect(0);
    let late = |args: &[&str]| finish(team.site.ahead(args), b"");
    let done = late(&["--json", "run", "--", "./deploy.sh", "late"]).expect(5);
    assert!(codes(&done).contains("authority.review_overdue"), "{}", codes(&done));
    // Nor does the debtor lift it for an agent of theirs.
    let done = late(&["--json", "--as", "agent:x", "run", "--", "./deploy.sh", "late"]).expect(5);
    let asked = done.json()["receipt_id"].as_str().unwrap().to_owned();
    team.assert_refused(late(&["--json", "approve", &asked]), "approval.debtor");
    let done = late(&breaking(&["git", "push", "--force"])).expect(3);
    assert!(codes(&done).contains("failfast.break_glass_review_overdue"), "{}", codes(&done));
    team.by("ada", &["review", &glass, "--justified"]).expect(0);
    late(&["run", "--", "./deploy.sh", "after"]).expect(0);
    assert_eq!(team.deployed(), "deployed before\ndeployed after\n");
    team.site.assert_sound();
}
