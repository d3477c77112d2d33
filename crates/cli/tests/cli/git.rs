//! A real repository with a bare remote: what may be pushed arrives, what may not never does.

use crate::site::{Done, Receipt, Site, finish, kinds};

/// A repository whose last commit replaces the one its remote has: a plain push is refused by git
/// itself, and any force that gets through changes the remote.
struct Shop {
    site: Site,
}

impl Shop {
    fn new() -> Self {
        let site = Site::new();
        site.set("git", &["init", "--quiet", "--bare", "--initial-branch=main", "../remote.git"]);
        site.set("git", &["init", "--quiet", "--initial-branch=main", "."]);
        site.set("git", &["remote", "add", "origin", "../remote.git"]);
        site.set("git", &["config", "user.name", "Ada"]);
        site.set("git", &["config", "user.email", "ada@example.org"]);
        let shop = Self { site };
        shop.commit(&["--message=first"]);
        shop.site.set("git", &["push", "--quiet", "--set-upstream", "origin", "main"]);
        shop
    }

    fn commit(&self, options: &[&str]) {
        std::fs::write(self.site.work("stock"), format!("{options:?}\n")).unwrap();
        self.site.set("git", &["add", "stock"]);
        self.site.set("git", &[&["commit", "--quiet"], options].concat());
    }

    fn local(&self) -> String {
        self.site.set("git", &["rev-parse", "main"]).stdout
    }

    /// Every ref of the remote and what it points to.
    fn remote(&self) -> String {
        self.site.set("git", &["-C", "../remote.git", "for-each-ref"]).stdout
    }

    fn govern(&self, argv: &[&str]) -> Done {
        self.site.run(&[&["run", "--"], argv].concat())
    }
}

/// The spellings of a forced push that must all be stopped.
const FORCED: &[&[&str]] = &[
    &["git", "push", "--force"],
    &["git", "push", "-f"],
    &["git", "push", "-qf"],
    &["git", "push", "origin", "+main"],
    &["git", "push", "--mirror"],
    &["git", "-C", ".", "push", "-f"],
    &["env", "X=1", "git", "push", "--force"],
    &["bash", "-c", "git push --force"],
    &["sh", "-c", "cd . && git push -f"],
    &["git", "push", "origin", "+refs/heads/main:refs/heads/main"],
    &["git", "-c", "push.default=current", "push", "-uf", "origin"],
    &["timeout", "60", "git", "push", "--force-with-lease", "-f"],
    &["bash", "-c", "bash -c 'git push --force'"],
    &["sh", "-c", "g=git; $g push --force || (git push origin +main)"],
    &["sh", "-c", "echo $(git push -f)"],
    &["nohup", "sh", "-c", "true | xargs git push --force"],
];

#[test]
fn a_push_works_and_leaves_intent_and_outcome() {
    let shop = Shop::new();
    shop.commit(&["--message=second"]);
    shop.govern(&["git", "push", "--quiet"]).expect(0);
    assert!(shop.remote().starts_with(shop.local().trim_end()));
    let receipts = shop.site.receipts();
    assert_eq!(kinds(&receipts), ["genesis", "task_started", "task_completed"]);
    assert_eq!(receipts[1].content("decision")["verdict"], "admit");
    assert_eq!(receipts[2].reference("intent"), Some(receipts[1].id()));
    assert_eq!(receipts[2].content("exit_code"), 0);
    assert_eq!(receipts[2].content("effect_status"), "confirmed");
    // git's own refusal is the command's failure, told by its own exit code.
    shop.commit(&["--amend", "--message=other"]);
    let refused = shop.govern(&["git", "push", "--quiet"]).expect(1);
    assert!(refused.stderr.contains("rejected"), "{}", refused.stderr);
    assert_eq!(shop.site.last().kind(), "task_failed");
    shop.site.assert_sound();
}

#[test]
fn no_spelling_of_a_forced_push_reaches_the_remote() {
    let shop = Shop::new();
    shop.commit(&["--amend", "--message=other"]);
    let before = shop.remote();
    shop.site.run(&["init"]).expect(0);
    for argv in FORCED {
        let done = shop.govern(argv);
        assert_eq!(done.status.code(), Some(3), "{argv:?}: {}", done.stderr);
        assert!(done.stderr.contains("deny  CRITICAL"), "{argv:?}: {}", done.stderr);
        assert_eq!(shop.remote(), before, "{argv:?}");
    }
    let receipts = shop.site.receipts();
    assert_eq!(receipts.len(), 1 + FORCED.len());
    for receipt in &receipts[1..] {
        assert_full_weight(receipt);
    }
    shop.site.assert_sound();
    // The remote would have taken it: what kept it unchanged is Cascade.
    shop.site.set("git", &["push", "--quiet", "--force"]);
    assert_ne!(shop.remote(), before);
}

/// A denial carries everything that the receipt of a success carries about its decision.
fn assert_full_weight(blocked: &Receipt) {
    assert_eq!(blocked.kind(), "blocked");
    assert_eq!(blocked.content("risk_tier"), "CRITICAL");
    assert_eq!(blocked.content("decision")["verdict"], "deny");
    let gates = blocked.content("decision")["gates"].as_array().unwrap();
    assert_eq!(gates.len(), 10);
    let failfast = gates.iter().find(|gate| gate["gate"] == "failfast").unwrap();
    assert_eq!(failfast["outcome"], "deny");
    for member in ["action_hash", "facts_hash", "principal", "policy_hash", "runtime"] {
        assert!(!blocked.content(member).is_null(), "no {member}");
    }
}

#[test]
fn an_agent_is_denied_as_a_person_is() {
    let shop = Shop::new();
    shop.commit(&["--amend", "--message=other"]);
    let before = shop.remote();
    let mut marked = shop.site.cascade(&["run", "--", "git", "push", "--force"]);
    marked.env("CLAUDECODE", "1");
    finish(marked, b"").expect(3);
    shop.site.run(&["--as", "agent", "run", "--", "git", "push", "--force"]).expect(3);
    assert_eq!(shop.remote(), before);
    assert_eq!(kinds(&shop.site.receipts()), ["genesis", "blocked", "blocked"]);
    // Nothing can be approved that nobody may do.
    let id = shop.site.last().id().to_owned();
    shop.site.run(&["approve", &id]).expect_failure(1, "only an escalation or a dry run");
    shop.site.assert_sound();
}

#[test]
fn a_dry_run_needs_no_program() {
    let site = Site::new();
    for (whom, code, verdict) in [("person", 0, "admit"), ("agent", 5, "escalate")] {
        let mut command =
            site.cascade(&["--json", "--as", whom, "run", "--dry-run", "--", "terraform", "apply"]);
        // Nothing at all on this PATH.
        let done = finish(
            {
                command.env("PATH", site.path("user"));
                command
            },
            b"",
        )
        .expect(code);
        let document = done.json();
        assert_eq!(document["verdict"], verdict);
        let receipt = site.last();
        assert_eq!(document["receipt_id"], receipt.id());
        assert_eq!(document["receipts"].as_array().unwrap().len(), 1);
        assert_eq!(receipt.kind(), "dry_run");
        assert_eq!(receipt.content("risk_tier"), "HIGH");
        assert_eq!(receipt.content("decision")["verdict"], verdict);
        assert_eq!(receipt.content("decision")["gates"].as_array().unwrap().len(), 10);
        // The intent: the action itself is behind this hash, and its owner can read it.
        assert_eq!(receipt.content("action_hash").as_str().unwrap().len(), 64);
        let shown = site.run(&["--json", "show", receipt.id()]).expect(0).json();
        assert_eq!(shown["private"]["action"]["argv"], serde_json::json!(["terraform", "apply"]));
    }
    site.run(&["run", "--dry-run", "--", "git", "push", "--force"]).expect(3);
    assert_eq!(kinds(&site.receipts()), ["genesis", "dry_run", "dry_run", "dry_run"]);
    site.assert_sound();
}
