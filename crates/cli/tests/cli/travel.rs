//! `replay --at`: the state as of any receipt is what the commands said then, wherever one comes from.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::runs::signed;
use crate::site::{Done, Site, finish};
use crate::task::{SUM, asked};
use crate::team::Team;

const THRESHOLDS: &str = "[risk]\nperson = \"HIGH\"\nagent = \"LOW\"\n[break_glass]\ngroups = [\"admins\"]\nreview_groups = [\"sre\"]\n";
const LIMITS: &str = "[[budget]]\nname = \"echoes\"\ncommands = [\"echo\"]\nrolling = \"24h\"\nactions = 3\n";
const STEPS: &str = "  - {id: hello, run: [echo, hello]}
  - {id: ask, needs: [hello], approval: {text: go on?, groups: [admins]}}
  - {id: make, needs: [ask], run: [touch, made]}
";

/// A chain in which everything happens that a state tells of.
struct Past {
    team: Team,
    /// Ids by what they were.
    ids: BTreeMap<&'static str, String>,
}

impl Past {
    fn shared() -> &'static Self {
        static PAST: OnceLock<Past> = OnceLock::new();
        PAST.get_or_init(Self::happen)
    }

    fn site(&self) -> &Site {
        &self.team.site
    }

    fn id(&self, what: &str) -> &str {
        self.ids.get(what).unwrap()
    }

    fn happen() -> Self {
        let team = Team::with_thresholds(THRESHOLDS);
        let mut past = Self { team, ids: BTreeMap::new() };
        past.authority();
        past.questions();
        past.work();
        past.end();
        past
    }

    fn note(&mut self, what: &'static str) {
        let last = self.site().last().id().to_owned();
        self.ids.insert(what, last);
    }

    fn run(&mut self, what: &'static str, args: &[&str], code: i32) {
        self.site().run(args).expect(code);
        self.note(what);
    }

    fn authority(&mut self) {
        self.note("first policy");
        self.team.joins("ada", &["sre", "admins"]);
        self.note("ada");
        self.team.joins("bob", &["staff"]);
        self.run("before grant", &["run", "--", "true"], 0);
        self.run("grant", &["grant", "add", "--to", "ada", "--command", "git push", "--expires", "8h"], 0);
        let grant = self.id("grant").to_owned();
        self.run("grant revoked", &["grant", "revoke", &grant], 0);
        self.run("token", &["token", "issue", "--for", "ada"], 0);
        let dir = self.site().path("policy");
        std::fs::write(dir.join("limits.toml"), LIMITS).unwrap();
        self.run("second policy", &["policy", "activate", dir.to_str().unwrap(), "--label", "second"], 0);
        self.run("echo", &["run", "--", "echo", "one"], 0);
        let set = self.site().cascade(&["secret", "set", "TOKEN", "--for", "./deploy.sh push"]);
        finish(set, b"tok_zq7-unmistakable/93x+A=").expect(0);
        self.note("secret");
        self.run("secret removed", &["secret", "remove", "TOKEN"], 0);
    }

    fn questions(&mut self) {
        let asked = self.team.ask("a");
        self.ids.insert("asked", asked.clone());
        self.team.by("ada", &["approve", &asked]).expect(0);
        self.note("approved");
        self.team.by_agent(&["run", "--approval", &asked]).expect(0);
        self.note("approved ran");
        let refused = self.team.ask("b");
        self.team.by("ada", &["deny", &refused]).expect(0);
        let unused = self.team.ask("c");
        self.team.by("ada", &["approve", &unused]).expect(0);
        self.note("unused approval");
        self.team.ask("d");
        self.note("still asked");
        let glass = ["run", "--break-glass", "--reason", "incident 4711", "--", "git", "push", "--force"];
        self.run("glass", &glass, 128);
        self.run("halted", &["halt", "--reason", "stop it"], 0);
        self.run("blocked", &["run", "--", "true"], 3);
        self.run("resumed", &["resume", "--reason", "go on"], 0);
    }

    fn work(&mut self) {
        self.run("cron", &["cron", "add", "nightly", "--at", "30 4 * * *", "--", "git", "gc"], 0);
        self.run("cron paused", &["cron", "pause", "nightly"], 0);
        for _ in 0..2 {
            asked(self.site(), "the sum of a list", &SUM).expect(0);
        }
        self.note("remembered");
        let head = "constraints: {workers: [echo, touch], max_tier: MEDIUM}\n";
        signed(self.site(), "first", head, STEPS);
        self.run("run waits", &["spec", "run", "first.yaml"], 5);
        self.run("zone", &["subject", "zone", "customer", "Europe/Berlin"], 0);
        self.run("rotated", &["key", "rotate"], 0);
    }

    fn end(&mut self) {
        let bob = self.site().run(&["people", "remove", "bob"]).expect(0);
        drop(bob);
        self.note("bob left");
        let asked = self.id("asked").to_owned();
        self.run("erased", &["erase", &asked], 0);
        self.run("last", &["run", "--", "true"], 0);
    }

    fn at(&self, id: &str) -> Value {
        at(self.site(), &[id])
    }
}

fn at(site: &Site, args: &[&str]) -> Value {
    site.run(&[&["--json", "replay", "--at"], args].concat()).expect(0).json()
}

fn lines(done: &Done) -> Vec<Value> {
    done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Members that hang on when one looks, not on what the chain says.
fn without(mut values: Vec<Value>, keys: &[&str]) -> Value {
    for value in &mut values {
        let members = value.as_object_mut().unwrap();
        members.retain(|key, _| !keys.contains(&key.as_str()));
    }
    Value::Array(values)
}

fn array(value: &Value) -> Vec<Value> {
    value.as_array().unwrap().clone()
}

#[test]
fn the_state_at_the_head_is_what_the_commands_say() {
    let past = Past::shared();
    let site = past.site();
    let state = past.at("head")["state"].clone();
    let live = |args: &[&str]| lines(&site.run(&[&["--json"], args].concat()).expect(0));
    assert_eq!(state["grants"], Value::Array(live(&["grant", "list"])));
    assert_eq!(state["tokens"], Value::Array(live(&["token", "list"])));
    assert_eq!(without(array(&state["people"]), &["key_since"]), Value::Array(live(&["people", "list"])));
    assert_eq!(state["memory"], Value::Array(live(&["memory", "list", "--all"])));
    assert_eq!(without(array(&state["keys"]), &[]), without(live(&["key", "list"]), &["signs_here"]));
    let asked = ["stdin", "stdin_b64", "stdin_bytes"];
    assert_eq!(without(array(&state["pending"]), &[]), without(live(&["approvals", "--expired"]), &asked));
    let timing = ["last", "next", "state"];
    assert_eq!(without(array(&state["schedules"]), &timing), without(live(&["cron", "list"]), &timing));
    let runs = array(&site.run(&["--json", "spec", "list"]).expect(0).json()["runs"]);
    assert_eq!(without(array(&state["runs"]), &["steps", "principal_name"]), Value::Array(runs));
    let history = live(&["policy", "history"]);
    assert!(history.iter().any(|one| one.to_string().contains(state["policy"]["hash"].as_str().unwrap())));
    let reviews = live(&["review"]);
    let ids = |all: &[Value]| all.iter().map(|one| one["receipt_id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&array(&state["unreviewed"])), ids(&reviews));
    assert_eq!(reviews.len(), 1);
    for empty in ["open_actions", "credentials"] {
        assert_eq!(state[empty], json!([]), "{empty}");
    }
    assert_eq!(state["standing"], json!({"halted": false}));
    site.assert_sound();
}

#[test]
fn each_moment_shows_what_stood_then() {
    let past = Past::shared();
    let state = |id: &str| past.at(past.id(id))["state"].clone();
    let held = |state: &Value| {
        array(&state["grants"])
            .iter()
            .map(|grant| grant["state"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(held(&state("before grant")), [""; 0]);
    assert_eq!(held(&state("grant")), ["holds"]);
    assert_eq!(held(&state("grant revoked")), ["revoked"]);

    let tokens = |id: &str| array(&state(id)["tokens"]).len();
    assert_eq!((tokens("grant revoked"), tokens("token")), (0, 1));

    let halted = |id: &str| state(id)["standing"]["halted"].clone();
    assert_eq!(
        (halted("glass"), halted("halted"), halted("blocked")),
        (json!(false), json!(true), json!(true))
    );
    assert_eq!(halted("resumed"), false);

    let policy = |id: &str| state(id)["policy"].clone();
    assert_eq!(policy("grant revoked")["activated_by"], past.id("first policy"));
    assert_eq!(policy("second policy")["activated_by"], past.id("second policy"));
    assert_eq!(policy("second policy")["version"], "second");
    assert_ne!(policy("grant revoked")["hash"], policy("second policy")["hash"]);

    // The budget came with the second policy; what was drawn stays within its hours.
    assert_eq!(state("second policy")["budgets"], json!([]));
    let drawn = &state("echo")["budgets"][0];
    assert_eq!(
        (&drawn["budget"], &drawn["actions"], &drawn["actions_max"]),
        (&json!("echoes"), &json!(1), &json!(3))
    );

    let names = |id: &str| without(array(&state(id)["credentials"]), &["receipt_id"]);
    assert_eq!(names("secret removed"), json!([]));
    // Its declaration went with it.
    assert_eq!(array(&names("secret")).len(), 1);

    let registered = |id: &str| {
        let people = array(&state(id)["people"]);
        people.iter().filter(|one| one["registered"] == true).count()
    };
    assert_eq!(
        (registered("first policy"), registered("ada"), registered("rotated"), registered("last")),
        (1, 2, 3, 2)
    );
    assert_eq!(state("cron")["schedules"][0]["state"], "active");
    assert_eq!(state("cron paused")["schedules"][0]["state"], "paused");
    assert_eq!(
        (array(&state("zone")["memory"]).is_empty(), state("cron")["memory"].clone()),
        (false, json!([]))
    );
    let active = |id: &str| array(&state(id)["keys"]).iter().filter(|key| key["state"] == "active").count();
    assert_eq!((active("zone"), active("rotated")), (3, 3));
    assert_eq!(array(&state("zone")["keys"]).len() + 1, array(&state("rotated")["keys"]).len());
}

#[test]
fn questions_and_answers_stand_as_they_stood() {
    let past = Past::shared();
    let asked = past.id("asked");
    let pending = |id: &str| {
        let all = array(&past.at(past.id(id))["state"]["pending"]);
        all.into_iter().find(|one| one["receipt_id"] == asked).map(|one| one["state"].clone())
    };
    assert_eq!(pending("asked"), Some(json!("waiting")));
    assert_eq!(pending("approved"), Some(json!("approved")));
    assert_eq!(pending("approved ran"), None);
    let usable = |id: &str| {
        let all = array(&past.at(past.id(id))["state"]["approvals"]);
        all.iter().filter(|one| one["state"] == "usable").count()
    };
    assert_eq!(
        (usable("asked"), usable("approved"), usable("approved ran"), usable("unused approval")),
        (0, 1, 0, 1)
    );
    // An intent is open at its own receipt and not at its closer.
    let receipts = past.site().receipts();
    let intent = receipts.iter().find(|one| one.reference("approval").is_some()).unwrap();
    let open = past.at(intent.id())["state"]["open_actions"].clone();
    assert_eq!(open[0]["receipt_id"], intent.id());
    assert_eq!(past.at(past.id("approved ran"))["state"]["open_actions"], json!([]));
}

#[test]
fn steps_of_a_run_stand_as_they_stood() {
    let past = Past::shared();
    let receipts = past.site().receipts();
    let start = receipts.iter().find(|one| one.kind() == "chain_started").unwrap();
    let steps = |id: &str| {
        let run = past.at(id)["state"]["runs"][0].clone();
        assert_eq!(run["chain"], start.id());
        let pair =
            |step: &Value| format!("{} {}", step["id"].as_str().unwrap(), step["state"].as_str().unwrap());
        array(&run["steps"]).iter().map(pair).collect::<Vec<_>>()
    };
    assert_eq!(steps(start.id()), ["hello not begun", "ask not begun", "make not begun"]);
    let of_run = |kind: &str| {
        let found =
            receipts.iter().find(|one| one.kind() == kind && one.reference("chain") == Some(start.id()));
        found.unwrap().id().to_owned()
    };
    assert_eq!(steps(&of_run("task_started")), ["hello running", "ask not begun", "make not begun"]);
    assert_eq!(steps(&of_run("task_completed")), ["hello completed", "ask not begun", "make not begun"]);
    assert_eq!(steps(past.id("run waits")), ["hello completed", "ask waiting", "make not begun"]);
}

/// What is gone from the vault is gone for every moment, and said to be.
#[test]
fn what_was_erased_is_told_as_erased_before_its_erasure() {
    let past = Past::shared();
    let document = past.at(past.id("asked"));
    assert_eq!(document["erased_by"], past.id("erased"));
    let pending = array(&document["state"]["pending"]);
    let asked = pending.iter().find(|one| one["receipt_id"] == past.id("asked")).unwrap();
    assert_eq!((&asked["command"], &document["decision"]["again"]), (&json!("(erased)"), &json!("erased")));
    let text = past.site().run(&["replay", "--at", past.id("asked"), "--plain"]).expect(0).stdout;
    assert!(text.contains("its facts are erased"), "{text}");
}

/// Whichever way one comes, the state is the same; and what was changed on the way is what each receipt changed.
#[test]
fn every_way_to_a_receipt_gives_the_same_state() {
    const FAR: usize = 7;
    let past = Past::shared();
    let site = past.site();
    let receipts = site.receipts();
    let built: Vec<Value> = receipts.iter().map(|one| past.at(one.id())).collect();
    for (seq, want) in built.iter().enumerate() {
        assert_eq!(want["as_of"]["seq"], seq);
        let (before, behind) = (seq.checked_sub(FAR), (seq + FAR < built.len()).then_some(seq + FAR));
        let steps = FAR.to_string();
        let forward = before.map(|from| at(site, &[&from.to_string(), "--steps", &steps]));
        let back = behind.map(|from| at(site, &[&from.to_string(), "--previous", "--steps", &steps]));
        for (way, mut got) in [("forward", forward), ("back", back)] {
            let Some(got) = &mut got else { continue };
            let passed = got.as_object_mut().unwrap().remove("passed").unwrap();
            assert!(*got == *want, "{way} to {seq}: {got}\n{want}");
            for one in passed.as_array().unwrap() {
                let place = usize::try_from(one["as_of"]["seq"].as_u64().unwrap()).unwrap();
                assert_eq!(one["changed"], built[place]["changed"], "{way} past {place}");
            }
            assert_eq!(passed.as_array().unwrap().len(), FAR);
        }
    }
    // At the ends there is nowhere to go.
    assert_eq!(at(site, &["head", "--next"])["as_of"]["seq"], built.len() - 1);
    assert_eq!(at(site, &["0", "--previous", "--steps", "9"])["as_of"]["seq"], 0);
}

/// Each file of the home, as it is on the disk; what SQLite shares between processes is none of the ledger's.
fn bytes_of(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(bytes_of(&path));
        } else if !path.to_str().unwrap().ends_with("-shm") {
            all.insert(path.display().to_string(), std::fs::read(&path).unwrap());
        }
    }
    all
}

#[test]
fn nothing_is_written() {
    let past = Past::happen();
    let before = bytes_of(&past.site().home());
    for args in
        [&["head"][..], &["0", "--steps", "40"], &["head", "--previous", "--steps", "40"], &["3", "--plain"]]
    {
        past.site().run(&[&["replay", "--at"], args].concat()).expect(0);
    }
    let after = bytes_of(&past.site().home());
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    assert!(before == after, "a file of the home has changed");
}

#[test]
fn text_tells_the_same_for_people() {
    let past = Past::shared();
    let text = |id: &str| past.site().run(&["replay", "--at", past.id(id)]).expect(0).stdout;
    let halted = text("blocked");
    for words in [
        "halted  yes: nothing starts",
        "verdict",
        "deny",
        "the tenant is halted",
        "the same, to the byte",
        "nightly",
    ] {
        assert_eq!(halted.contains(words), words != "nightly", "{words}: {halted}");
    }
    assert!(
        text("halted").contains("~  standing") && text("halted").contains("halted no -> yes"),
        "{}",
        text("halted")
    );
    assert!(text("echo").contains("1 of 3 action(s)"), "{}", text("echo"));
    let walked = past.site().run(&["replay", "--at", past.id("glass"), "--steps", "3"]).expect(0).stdout;
    let kinds: Vec<&str> = walked.lines().take_while(|line| !line.is_empty()).collect();
    assert!(kinds[0].contains("halted") && walked.contains("resumed"), "{walked}");
}

#[test]
fn a_damaged_chain_is_told_up_to_the_break() {
    let past = Past::happen();
    let site = past.site();
    let receipts = site.receipts();
    let at = receipts.iter().position(|one| one.id() == past.id("halted")).unwrap();
    let before = past.at(&(at - 1).to_string());
    let database = site.home().join("tenants/default/ledger.db");
    let code = "import sqlite3, sys\nd = sqlite3.connect(sys.argv[1])\n\
                for n, b in d.execute('select first_seq, bytes from segments').fetchall():\n \
                d.execute('update segments set bytes = ? where first_seq = ?', (b.replace(b'\"kind\":\"halted\"', b'\"kind\":\"x_lted\"'), n))\n\
                d.commit()";
    site.set("python3", &["-c", code, database.to_str().unwrap()]);
    for wanted in ["head", &at.to_string()] {
        let done = site.run(&["--json", "replay", "--at", wanted]).expect(4);
        let mut document = done.json();
        let broken = document.as_object_mut().unwrap().remove("broken").unwrap();
        assert_eq!((&broken["code"], &broken["seq"]), (&json!("log.hash"), &json!(at)));
        assert_eq!((&document["as_of"], &document["state"]), (&before["as_of"], &before["state"]));
        for words in
            [&format!("the chain is broken at seq {at}"), "what is behind it is not known", "cascade fsck"]
        {
            assert!(done.stderr.contains(words), "{words}: {}", done.stderr);
        }
    }
    assert_eq!(site.run(&["--json", "replay", "--at", "3"]).expect(0).json()["as_of"]["seq"], 3);
}

#[test]
fn what_is_not_there_is_said() {
    let past = Past::shared();
    let site = past.site();
    site.run(&["replay", "--at", "r_ffffffffffffffff"]).expect_failure(1, "r_ffffffffffffffff");
    site.run(&["replay", "--at", "99999"]).expect_failure(1, "there is no receipt 99999");
    site.run(&["replay", "--at", "head", "--interactive"]).expect_failure(2, "needs a terminal");
    for wrong in [
        &["replay", "--next"][..],
        &["replay", "--at", "head", "--next", "--previous"],
        &["replay", "--at", "head", "--steps", "0"],
        &["replay", "--at", "head", "--steps", "10001"],
        &["replay", "file", "--at", "head"],
        &["replay", "--at", "head", "--against", "current"],
    ] {
        site.run(wrong).expect(2);
    }
    assert_eq!(at(site, &["head", "--previous", "--steps", "10000"])["as_of"]["seq"], 0);
}
