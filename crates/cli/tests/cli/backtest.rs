//! The local chain decided again: as it was, under the policy in force, and under one that is only considered.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::limits::limited;
use crate::runs::{by_agent, run, signed};
use crate::site::Site;

/// A rule that nobody had when the past was made.
const NO_ECHO: &str =
    "@id(\"no-echo\") forbid (principal, action == Action::\"exec\", resource == Program::\"echo\");\n";

/// Many kinds of decisions: admitted, blocked, asked for and approved, rehearsed, routed, of a run, and a refused
/// act of governing, which no policy decides.
fn past(site: &Site) {
    site.run(&["run", "--", "echo", "a"]).expect(0);
    by_agent(site, &["run", "--", "echo", "b"]).expect(0);
    site.run(&["run", "--", "sh", "-c", "echo c; ls"]).expect(0);
    site.run(&["run", "--dry-run", "--", "terraform", "apply"]);
    for _ in 0..3 {
        site.run(&["run", "--", "git", "push", "--force"]).expect(3);
    }
    let asked = by_agent(site, &["--json", "run", "--", "latertool"]).expect(5).json();
    site.run(&["approve", asked["receipt_id"].as_str().unwrap()]).expect(0);
    by_agent(site, &["grant", "add", "--to", "agent", "--commands", "*", "--tier", "HIGH"]);
    signed(site, "ship", "", "  - {id: a, run: [echo, d]}\n  - {id: b, needs: [a], run: [mkdir, e]}\n");
    run(site, "ship", 0);
}

fn replay(site: &Site, args: &[&str], code: i32) -> Value {
    site.run(&[&["--json", "replay"], args].concat()).expect(code).json()
}

/// Counts of one grouping: value and change to how many.
fn grouped(told: &Value, by: &str) -> BTreeMap<String, u64> {
    let groups = told["groups"].as_array().unwrap().iter().filter(|group| group["by"] == by);
    let text = |group: &Value, key: &str| group[key].as_str().unwrap().to_owned();
    groups
        .map(|group| {
            let key = format!("{} {}", text(group, "value"), text(group, "change"));
            (key, group["count"].as_u64().unwrap())
        })
        .collect()
}

/// What lies in the tenant's directory, but for what SQLite keeps beside a database that is open.
fn stored(site: &Site) -> BTreeMap<String, Vec<u8>> {
    let dir = site.home().join("tenants/default");
    ["ledger.db", "vault.db"].map(|name| (name.to_owned(), std::fs::read(dir.join(name)).unwrap())).into()
}

#[test]
fn the_past_comes_out_the_same_and_nothing_is_written() {
    let site = Site::new();
    past(&site);
    let decided = |receipt: &&crate::site::Receipt| {
        let governs = receipt.content("task_type").as_str().is_some_and(|task| task.starts_with("control."));
        receipt.content("decision").is_object() && !governs
    };
    let decisions = site.receipts().iter().filter(decided).count();
    let before = stored(&site);
    let told = replay(&site, &["--check"], 0);
    assert!(decisions >= 11, "{decisions}");
    assert_eq!(
        (&told["decisions"], &told["matches"], &told["outcome"]),
        (&decisions.into(), &decisions.into(), &"same".into()),
        "{told}"
    );
    assert_eq!(told["receipts"], site.receipts().len());
    assert!(stored(&site) == before, "replay wrote something");
    // Today's policy is that of then.
    let told = replay(&site, &["--against", "current", "--fail-on", "any"], 0);
    assert_eq!((&told["matches"], &told["other_reasons"]), (&decisions.into(), &0.into()));
    // What was erased is neither the same nor different.
    let done = site.last_of("task_completed");
    site.run(&["erase", &done]).expect(0);
    let told = replay(&site, &["--check"], 0);
    assert_eq!((&told["outcome"], &told["divergences"]), (&"incomplete".into(), &0.into()));
    assert!(told["erased"].as_u64().unwrap() > 0);
    assert_eq!(
        told["matches"].as_u64().unwrap() + told["erased"].as_u64().unwrap(),
        u64::try_from(decisions).unwrap()
    );
    let text = site.run(&["replay"]).expect(0).stdout;
    assert!(
        text.starts_with("incomplete: ") && text.contains("are erased and cannot be made again"),
        "{text}"
    );
}

#[test]
fn a_candidate_is_held_against_the_past() {
    let site = Site::new();
    past(&site);
    site.set("cp", &["-r", crate::limits::DEFAULT, "policy"]);
    std::fs::write(site.work("policy/no-echo.cedar"), NO_ECHO).unwrap();
    let told = replay(&site, &["--policy", "policy", "--fail-on", "newly-denied"], 6);
    // Two commands of echo, the shell line that ends in one, and the step.
    assert_eq!(
        (&told["divergences"], &told["newly_denied"], &told["newly_allowed"], &told["unknown"]),
        (&4.into(), &4.into(), &0.into(), &0.into()),
        "{told}"
    );
    assert_eq!(grouped(&told, "policy"), BTreeMap::from([("no-echo newly_denied".to_owned(), 4)]));
    assert_eq!(grouped(&told, "gate"), BTreeMap::from([("policy newly_denied".to_owned(), 4)]));
    assert_eq!(grouped(&told, "worker")["echo newly_denied"], 4);
    assert_eq!(grouped(&told, "principal").len(), 2);
    let first = &told["differences"][0];
    assert_eq!(
        (&first["command"], &first["before"], &first["after"], &first["codes"][0]),
        (&"echo a".into(), &"admit".into(), &"deny".into(), &"policy.forbid(no-echo)".into())
    );
    let text = site.run(&["replay", "--policy", "policy"]).expect(0).stdout;
    assert!(text.starts_with("differs: ") && text.contains("4 differ: 4 newly denied"), "{text}");
    replay(&site, &["--policy", "policy", "--fail-on", "newly-allowed"], 0);
    // Once in force it has drifted from the past, and the past under the policies of then has not.
    site.run(&["policy", "activate", "policy"]).expect(0);
    let told = replay(&site, &["--against", "current"], 0);
    assert_eq!(told["newly_denied"], 4);
    assert_eq!(replay(&site, &["--check"], 0)["outcome"], "same");
    // What is decided from here on is of this policy.
    let since = site.receipts().last().unwrap().content("timestamp").as_str().unwrap().to_owned();
    site.run(&["run", "--", "echo", "a"]).expect(3);
    let told = replay(&site, &["--against", "current", "--since", &since, "--check"], 0);
    assert_eq!((&told["decisions"], &told["matches"]), (&1.into(), &1.into()), "{told}");
    assert_eq!(replay(&site, &["--until", &since], 0)["through"], told["from"]);
}

#[test]
fn what_nobody_noted_is_not_guessed() {
    let site = limited("[[budget]]\nname = \"all\"\nrolling = \"30d\"\nactions = 100\n");
    for word in ["a", "b", "c"] {
        site.run(&["run", "--", "echo", word]).expect(0);
    }
    site.run(&["run", "--", "ls"]).expect(0);
    // The same budget under another end was counted, a budget of another name was not.
    let candidate = |limits: &str| std::fs::write(site.work("policy/limits.toml"), limits).unwrap();
    candidate("[[budget]]\nname = \"all\"\nrolling = \"30d\"\nactions = 2\n");
    let told = replay(&site, &["--policy", "policy"], 0);
    assert_eq!((&told["unknown"], &told["newly_denied"]), (&0.into(), &2.into()), "{told}");
    assert_eq!(grouped(&told, "policy"), BTreeMap::from([("all newly_denied".to_owned(), 2)]));
    candidate("[[budget]]\nname = \"echoes\"\ncommands = [\"echo\"]\nrolling = \"30d\"\nactions = 2\n");
    let told = replay(&site, &["--policy", "policy", "--fail-on", "unknown"], 6);
    assert_eq!(
        (&told["unknown"], &told["divergences"], &told["matches"], &told["lacks"]),
        (&3.into(), &0.into(), &1.into(), &serde_json::json!(["budget echoes"])),
        "{told}"
    );
    // The counter was one of every command, and says nothing of one program.
    candidate("[[budget]]\nname = \"all\"\ncommands = [\"echo\"]\nrolling = \"30d\"\nactions = 2\n");
    let told = replay(&site, &["--policy", "policy"], 0);
    assert_eq!((&told["unknown"], &told["lacks"]), (&3.into(), &serde_json::json!(["budget all"])), "{told}");
    // A variable that no manifest named was not looked at.
    candidate("");
    std::fs::create_dir_all(site.work("policy/workers")).unwrap();
    let manifest =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../workers/git.toml")).unwrap();
    let (before, after) = manifest.split_once("[[worker.setting]]\nenv = \"").unwrap();
    std::fs::write(
        site.work("policy/workers/git.toml"),
        format!("{before}[[worker.setting]]\nenv = \"GIT_NOSUCH {after}"),
    )
    .unwrap();
    site.run(&["run", "--", "git", "status"]);
    let told = replay(&site, &["--policy", "policy"], 0);
    assert_eq!(told["lacks"], serde_json::json!(["variable GIT_NOSUCH"]), "{told}");
}

/// Facts that somebody takes away or changes in the vault are told, and are no erasure.
#[test]
fn a_vault_that_was_edited_is_no_match() {
    let site = Site::new();
    for word in ["a", "b", "c"] {
        site.run(&["run", "--", "echo", word]).expect(0);
    }
    let vault = site.home().join("tenants/default/vault.db");
    let edit = "import sqlite3, sys\nd = sqlite3.connect(sys.argv[1])\n\
        a, b = [row[0] for row in d.execute(\"select id from items where field = 'facts_hash' order by id\")][:2]\n\
        d.execute('delete from items where id = ?', (a,))\n\
        d.execute(\"update items set bytes = cast(replace(bytes, 'echo', 'ecko') as blob) where id = ?\", (b,))\nd.commit()";
    site.set("python3", &["-c", edit, vault.to_str().unwrap()]);
    let told = replay(&site, &["--check"], 6);
    assert_eq!((&told["divergences"], &told["matches"], &told["erased"]), (&2.into(), &1.into(), &0.into()));
    let changes: Vec<&str> =
        told["groups"].as_array().unwrap().iter().map(|one| one["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["facts.altered", "facts.missing"]);
    // A row of a view is no erasure, and an action that is gone is no match.
    let ledger = site.home().join("tenants/default/ledger.db");
    let edit = "import sqlite3, sys\nv, l = sqlite3.connect(sys.argv[1]), sqlite3.connect(sys.argv[2])\n\
        ids = [row[0] for row in v.execute(\"select receipt_id from items where field = 'action_hash' order by id\")]\n\
        l.execute('insert into erased values (?, ?)', (ids[0], ids[0]))\nl.commit()\n\
        v.execute(\"delete from items where field = 'action_hash' and receipt_id = ?\", (ids[2],))\nv.commit()";
    site.set("python3", &["-c", edit, vault.to_str().unwrap(), ledger.to_str().unwrap()]);
    let told = replay(&site, &["--check"], 6);
    let changes: Vec<&str> =
        told["groups"].as_array().unwrap().iter().map(|one| one["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["action.missing", "facts.altered", "facts.missing"]);
    assert_eq!(told["erased"], 0);
}

/// What is left of a damaged chain is decided again, and what is not is named by its place.
#[test]
fn a_damaged_chain_is_replayed_around_its_damage() {
    let site = Site::new();
    for word in ["a", "b", "c", "d", "e"] {
        site.run(&["run", "--", "echo", word]).expect(0);
    }
    let receipts = site.receipts();
    let starts: Vec<usize> =
        (0..receipts.len()).filter(|at| receipts[*at].kind() == "task_started").collect();
    let [gone, torn, other, ..] = starts[..] else { panic!("no five starts") };
    let edit = format!(
        "import sqlite3, sys\nd = sqlite3.connect(sys.argv[1])\n\
         d.execute('delete from segments where first_seq = ?', ({gone},))\n\
         d.execute(\"update segments set bytes = cast('{{\\\"content\\\":{{\\n' as blob) where first_seq = ?\", ({torn},))\n\
         b, = d.execute('select bytes from segments where first_seq = ?', ({other},)).fetchone()\n\
         d.execute('update segments set bytes = ? where first_seq = ?', (b.replace(b'task_started', b'task_stopped'), {other}))\n\
         d.commit()"
    );
    let ledger = site.home().join("tenants/default/ledger.db");
    site.set("python3", &["-c", &edit, ledger.to_str().unwrap()]);
    let told = replay(&site, &["--check"], 6);
    let place = |seq: usize| serde_json::json!({"count": 1, "first": [seq]});
    assert_eq!(
        (&told["gaps"], &told["unreadable"], &told["unknown_kinds"]),
        (&place(gone), &place(torn), &place(other)),
        "{told}"
    );
    assert_eq!((&told["decisions"], &told["matches"]), (&2.into(), &2.into()));
    let text = site.run(&["replay"]).expect(0).stdout;
    assert!(text.contains(&format!("1 places are empty: {gone}")), "{text}");
    // Whoever asks for a part that begins before the damage gets all of it.
    let told = replay(&site, &["--since", "1h", "--check"], 6);
    assert_eq!((&told["from"], &told["decisions"]), (&0.into(), &2.into()), "{told}");
    // A gap longer than any chain is told and not walked.
    let edit = "import sqlite3, sys\nd = sqlite3.connect(sys.argv[1])\n\
        d.execute('update segments set first_seq = first_seq + 100000000000 where first_seq = (select max(first_seq) from segments)')\n\
        d.execute('update head set next_seq = next_seq + 100000000000')\nd.commit()";
    site.set("python3", &["-c", edit, ledger.to_str().unwrap()]);
    let told = replay(&site, &["--check"], 6);
    assert_eq!(told["gaps"]["count"], 100_000_000_001_u64, "{told}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    site.run(&["replay", "--policy", "nowhere"]).expect_failure(1, "is no directory");
    site.run(&["replay", "--against", "nosuch"]).expect_failure(1, "policy history");
    assert!(site.run(&["replay", "--since", "yesterday"]).expect(2).stderr.contains("how long ago"));
    site.run(&["replay", "--policy", ".", "--against", "current"]).expect(2);
    std::fs::create_dir(site.work("bad")).unwrap();
    std::fs::write(site.work("bad/x.cedar"), "forbid (principal").unwrap();
    site.run(&["replay", "--policy", "bad"]).expect(1);
    // What could never fail is no check.
    site.run(&["replay", "--fail-on", "newly-allowed"]).expect(2);
    site.run(&["export", "--out", "ledger.jsonl"]).expect(0);
    site.run(&["replay", "ledger.jsonl"]).expect_failure(4, "bundle create");
    // Nothing was decided since.
    let told = replay(&site, &["--since", "2999-01-01"], 0);
    assert_eq!((&told["decisions"], &told["outcome"]), (&0.into(), &"incomplete".into()));
}
