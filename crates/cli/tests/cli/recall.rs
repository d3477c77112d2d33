//! What the router remembers, and what keeps a remembered answer from whoever it is not for.

use serde_json::Value;

use crate::site::{Site, finish, kinds};
use crate::task::{SUM, asked};

const TESTS: &str = "def check(candidate):\n    assert candidate([2, 2]) == 4\n";

fn layer(site: &Site, more: &[&str]) -> (String, Value) {
    let answer = asked(site, "the sum of a list", &[&SUM[..], more].concat()).expect(0).json();
    (answer["layer"].as_str().unwrap().to_owned(), answer)
}

fn assert_learned(site: &Site, more: &[&str]) {
    assert_ne!(layer(site, more).0, "L6");
    assert_eq!(layer(site, more).0, "L6");
}

/// The same site with tests that verify.
fn verified() -> (Site, [&'static str; 2]) {
    let site = Site::new();
    std::fs::write(site.work("check.py"), TESTS).unwrap();
    let more = ["--tests", "check.py"];
    assert_learned(&site, &more);
    (site, more)
}

#[test]
fn the_same_task_is_answered_from_memory_with_its_verifier_run_again() {
    let (site, more) = verified();
    let (_, answer) = layer(&site, &more);
    assert_eq!((&answer["evidence"], answer["smoke"].is_string()), (&Value::from("verified"), true));
    let hit = site.receipts().into_iter().find(|receipt| receipt.id() == answer["receipt_id"]).unwrap();
    assert!(hit.reference("memory").is_some());
    assert_eq!(hit.content("decision")["gates"].as_array().unwrap().len(), 10);
    let learned = site.receipts().iter().filter(|receipt| receipt.kind() == "memory_learned").count();
    assert_eq!(learned, 2, "one of the task, one of the function");
    // Letters and their composition aside, blanks at the ends of lines mean nothing.
    let spelled = asked(&site, "\nthe sum of a list  \n", &[&SUM[..], &more[..]].concat()).expect(0).json();
    assert_eq!(spelled["layer"], "L6");
    let list = site.run(&["--json", "memory", "list"]).expect(0).stdout;
    assert_eq!(list.matches("\"state\":\"verified\"").count(), 2, "{list}");
    site.assert_sound();
}

#[test]
fn another_task_is_another_task() {
    let (site, more) = verified();
    for (text, more) in [
        ("the sum of a list!", &more[..]),
        ("The sum of a list", &more[..]),
        ("the sum of a list", &["--tests", "check.py", "--kind", "ask"][..]),
    ] {
        let answer = asked(&site, text, &[&SUM[..], more].concat()).json();
        assert_ne!(answer["layer"], "L6", "{text} {more:?}");
    }
    // A function of the same types and examples is known, whatever it is asked for and called.
    let known = |name: &str, more: &[&str]| {
        let examples =
            [(1, 4), (2, 10), (3, 18), (-1, -2)].map(|(n, m)| format!("--example={name}({n}) == {m}"));
        let signature = format!("--signature={name}(n: int) -> int");
        let words: Vec<&str> = examples.iter().chain([&signature]).map(String::as_str).collect();
        asked(&site, name, &[&words[..], more].concat()).expect(0).json()
    };
    std::fs::write(site.work("check.py"), "def check(f):\n    assert f(4) == 28\n    assert f(10) == 130\n")
        .unwrap();
    assert_eq!(known("g", &more)["evidence"], "verified");
    let answer = known("h", &[]);
    assert_eq!((&answer["layer"], &answer["evidence"]), (&"L2".into(), &"checked".into()), "{answer}");
    assert!(answer["answer"].as_str().unwrap().contains("h = g"), "{answer}");
    site.assert_sound();
}

#[test]
fn changed_tests_make_another_task() {
    let (site, more) = verified();
    std::fs::write(site.work("check.py"), TESTS.replace("== 4", "not in (4,)")).unwrap();
    let answer = asked(&site, "the sum of a list", &[&SUM[..], &more[..], &["--max-layer", "L6"]].concat());
    let answer = answer.expect(1).json();
    assert!(answer["declined"].to_string().contains("memory.unknown"), "{answer}");
}

#[test]
fn what_is_revoked_or_expired_is_not_used() {
    let (site, more) = verified();
    let list = site.run(&["--json", "memory", "list"]).expect(0).stdout;
    for line in list.lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        let id = entry["id"].as_str().unwrap();
        site.run(&["memory", "revoke", id, "--reason", "wrong"]).expect(0);
        assert!(site.run(&["memory", "revoke", id]).expect(0).stderr.contains("already"));
        assert!(site.run(&["memory", "show", id]).expect(0).stdout.contains("revoked"));
    }
    let (layer_hit, answer) = layer(&site, &more);
    assert!(layer_hit != "L6" && layer_hit != "L2", "{answer}");
    assert!(answer["declined"].to_string().contains("memory.forgotten"), "{answer}");
    assert_eq!(layer(&site, &more).0, "L6", "what is learned anew is used");
    assert!(site.run(&["memory", "stats"]).expect(0).stdout.contains("verified"));
    site.assert_sound();

    let site = Site::new();
    assert_learned(&site, &[]);
    // Nobody verified it: it is remembered for a week.
    let ahead = |times: usize| {
        let mut command = site.ahead(&[&["--json", "task", "the sum of a list"], &SUM[..]].concat());
        command.env("CASCADE_TEST_DAYS", (3 * times).to_string());
        finish(command, b"").expect(0).json()
    };
    assert_eq!(ahead(1)["layer"], "L6");
    assert_ne!(ahead(3)["layer"], "L6");
}

#[test]
fn a_policy_that_changed_asks_again() {
    let (site, more) = verified();
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/default");
    site.set("cp", &["-r", policy, "policy"]);
    let extra =
        "@id(\"no-nc\") forbid (principal, action == Action::\"exec\", resource == Program::\"nc\");\n";
    std::fs::write(site.work("policy/extra.cedar"), extra).unwrap();
    site.run(&["policy", "activate", "policy"]).expect(0);
    assert_learned(&site, &more);
    let forbid = extra.replace("resource == Program::\"nc\"", "resource == Program::\"cascade\"");
    let forbid = forbid.replace(");\n", ") when { context.kind == \"task\" };\n");
    std::fs::write(site.work("policy/extra.cedar"), forbid).unwrap();
    site.run(&["policy", "activate", "policy"]).expect(0);
    // A hit skips the search, never the gates.
    asked(&site, "the sum of a list", &[&SUM[..], &more[..]].concat()).expect(3);
    site.assert_sound();
}

#[test]
fn what_nobody_verified_is_only_for_whoever_was_given_it() {
    let site = Site::new();
    assert_learned(&site, &[]);
    let mut agent = site.cascade(&[&["--json", "task", "the sum of a list"], &SUM[..]].concat());
    agent.env("CLAUDECODE", "1");
    let answer = finish(agent, b"").expect(0).json();
    assert_ne!(answer["layer"], "L6");
    assert!(answer["declined"].to_string().contains("memory.others"), "{answer}");
    // What was verified is for everybody, and confirmed by somebody else it is trusted.
    let (site, more) = verified();
    let mut agent = site.cascade(&[&["--json", "task", "the sum of a list"], &SUM[..], &more[..]].concat());
    agent.env("CLAUDECODE", "1");
    assert_eq!(finish(agent, b"").expect(0).json()["layer"], "L6");
}

#[test]
fn one_tenant_remembers_nothing_of_another() {
    let (site, more) = verified();
    let args = [&["--tenant", "other", "--json", "task", "the sum of a list"], &SUM[..], &more[..]].concat();
    let first = finish(site.cascade(&args), b"").expect(0).json();
    assert!(first["layer"] != "L6" && first["layer"] != "L2", "{first}");
    let list = finish(site.cascade(&["--tenant", "other", "memory", "list"]), b"").expect(0).stdout;
    assert_eq!(list.lines().count(), 2, "its own alone: {list}");
}

#[test]
fn whoever_changes_the_vault_changes_no_answer() {
    let (site, more) = verified();
    let vault = site.home().join("tenants/default/vault.db");
    let poison = |what: &str| {
        let program = format!(
            "import sqlite3\ncon = sqlite3.connect({:?})\n{what}\ncon.commit()\n",
            vault.to_str().unwrap()
        );
        std::fs::write(site.work("poison.py"), program).unwrap();
        site.set("python3", &["poison.py"]);
    };
    // The answer's bytes.
    poison(
        "for i, b in con.execute(\"select id, bytes from items where field = 'output_hash'\").fetchall():\n    \
         con.execute('update items set bytes = ? where id = ?', (b.replace(b'sum', b'max'), i))",
    );
    let (layer_hit, answer) = layer(&site, &more);
    assert!(layer_hit != "L6" && layer_hit != "L2", "{answer}");
    assert!(answer["declined"].to_string().contains("memory.spoiled"), "{answer}");
    let receipts = site.receipts();
    assert!(kinds(&receipts).contains(&"memory_forgotten"));

    // The names that lead to it: another task's key is not answered by it.
    assert_eq!(layer(&site, &more).0, "L6");
    let other = ["--signature", "top(xs: list[int]) -> int", "--example", "top([1, 3, 2]) == 3"];
    asked(&site, "the largest", &other).expect(0);
    poison(
        "rows = con.execute(\"select principal, name from names where kind = 'memory'\").fetchall()\n\
         con.execute(\"delete from names where kind = 'memory'\")\n\
         for (p, _), (_, n) in zip(rows, rows[1:] + rows[:1]):\n    \
         con.execute('insert into names values (?, ?, ?)', (p, 'memory', n))",
    );
    let (layer_hit, answer) = layer(&site, &more);
    assert_ne!(layer_hit, "L6", "{answer}");
    assert!(answer["declined"].to_string().contains("memory.other_key"), "{answer}");
}

#[test]
fn an_erased_answer_takes_the_words_of_its_task_with_it() {
    let (site, more) = verified();
    let hit = layer(&site, &more).1;
    let first = site.receipts().into_iter().find(|receipt| receipt.kind() == "task_completed").unwrap();
    for id in [first.id(), hit["receipt_id"].as_str().unwrap()] {
        site.run(&["erase", id]).expect(0);
    }
    for receipt in site.receipts().iter().filter(|receipt| receipt.content("layer_hit") == "L6") {
        // Those that were asked in between have their own words.
        drop(site.run(&["erase", receipt.id()]));
    }
    let vault = std::fs::read(site.home().join("tenants/default/vault.db")).unwrap();
    let words = b"the sum of a list";
    assert!(!vault.windows(words.len()).any(|window| window == words));
    assert!(site.run(&["memory", "list", "--all"]).expect(0).stdout.contains("(erased)"));
    assert_ne!(layer(&site, &more).0, "L6");
    site.assert_sound();
}

#[test]
fn an_agent_neither_revokes_nor_reads_what_is_a_persons() {
    let site = Site::new();
    assert_learned(&site, &[]);
    let list = site.run(&["--json", "memory", "list"]).expect(0).stdout;
    let entry: Value = serde_json::from_str(list.lines().next().unwrap()).unwrap();
    let agent = |args: &[&str]| {
        let mut command = site.cascade(args);
        command.env("CLAUDECODE", "1");
        finish(command, b"")
    };
    let id = entry["id"].as_str().unwrap();
    agent(&["memory", "revoke", id]).expect(3);
    assert_eq!(site.last().kind(), "blocked");
    assert!(!agent(&["memory", "show", id]).expect(0).stdout.contains("def total"));
    assert!(site.run(&["memory", "show", id]).expect(0).stdout.contains("def total"));
}

#[test]
fn what_the_receipt_says_of_a_memory_holds_whatever_the_view_says() {
    let site = Site::new();
    assert_learned(&site, &[]);
    let ledger = site.home().join("tenants/default/ledger.db");
    for change in ["state = 'trusted'", "expires_ms = expires_ms + 1000000000"] {
        let program = format!(
            "import sqlite3\ncon = sqlite3.connect({:?})\ncon.execute(\"update memory set {change}\")\ncon.commit()\n",
            ledger.to_str().unwrap()
        );
        std::fs::write(site.work("edit.py"), program).unwrap();
        site.set("python3", &["edit.py"]);
        let (layer_hit, answer) = layer(&site, &[]);
        assert_ne!(layer_hit, "L6", "{change}");
        assert!(answer["declined"].to_string().contains("memory.spoiled"), "{change}: {answer}");
    }
}

/// Edits a database of the tenant as somebody with access to its files would.
fn edit(site: &Site, database: &str, sql: &str) {
    let path = site.home().join("tenants/default").join(database);
    let path = path.to_str().unwrap();
    let program = format!(
        "import sqlite3\ncon = sqlite3.connect({path:?})\ncon.executescript({sql:?})\ncon.commit()\n"
    );
    std::fs::write(site.work("edit.py"), program).unwrap();
    site.set("python3", &["edit.py"]);
}

fn entries(site: &Site) -> Vec<Value> {
    let list = site.run(&["--json", "memory", "list"]).expect(0).stdout;
    list.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn by_an_agent(site: &Site, args: &[&str]) -> crate::site::Done {
    let mut command = site.cascade(args);
    command.env("CLAUDECODE", "1");
    finish(command, b"")
}

#[test]
fn what_the_log_forgot_is_forgotten_whatever_the_view_says() {
    let (site, more) = verified();
    let entry = entries(&site).remove(0);
    edit(&site, "ledger.db", "create table kept as select * from memory;");
    site.run(&["memory", "revoke", entry["id"].as_str().unwrap()]).expect(0);
    assert!(entries(&site).is_empty(), "every key of a wrong answer is forgotten with it");
    let resurrect = "delete from memory; insert into memory select * from kept;";
    edit(&site, "ledger.db", resurrect);
    assert_eq!(entries(&site).len(), 2, "the view has them again");
    // Nor is it forgotten twice, which a verifier would refuse.
    site.run(&["memory", "revoke", entry["id"].as_str().unwrap()]).expect(1);
    let (layer_hit, answer) = layer(&site, &more);
    assert!(layer_hit != "L6" && layer_hit != "L2", "{answer}");
    assert!(answer["declined"].to_string().contains("memory.forgotten"), "{answer}");
    assert_eq!(layer(&site, &more).0, "L6", "it is learned anew");
    // What it took the place of does not come back either.
    edit(&site, "ledger.db", resurrect);
    assert_ne!(layer(&site, &more).0, "L6");
    edit(&site, "ledger.db", "drop table kept;");
    site.assert_sound();
}

#[test]
fn a_person_and_no_agent_lifts_a_quarantine() {
    let site = Site::new();
    let ask = |text: &str| asked(&site, text, &SUM).expect(0).json();
    let layers: Vec<Value> =
        ["sum it", "sum all", "sum up", "sum"].map(|text| ask(text)["layer"].clone()).into();
    assert!(layers.iter().all(|layer| *layer == layers[0]), "{layers:?}");
    let layer = layers[0].as_str().unwrap();
    // The newest comes first: "sum" stays.
    let wrong: Vec<Value> = entries(&site).into_iter().skip(1).collect();
    assert_eq!(ask("sum")["layer"], "L6");
    for (at, entry) in wrong.iter().enumerate() {
        let told = site.run(&["memory", "revoke", entry["id"].as_str().unwrap()]).expect(0);
        assert_eq!(told.stderr.contains("quarantine"), at == 2, "{}", told.stderr);
    }
    assert_eq!(entries(&site)[0]["state"], "quarantined");
    let stats = site.run(&["memory", "stats"]).expect(0).stdout;
    assert!(stats.contains("quarantined 1") && stats.contains(&format!("release {layer}`")), "{stats}");
    let stats = site.run(&["--json", "memory", "stats"]).expect(0).json();
    assert_eq!(
        (&stats["quarantines"][0]["layer"], &stats["quarantines"][0]["wrong"]),
        (&layer.into(), &3.into())
    );

    by_an_agent(&site, &["memory", "release", layer]).expect(3);
    assert_eq!(site.last().kind(), "blocked");
    assert_eq!(entries(&site)[0]["state"], "quarantined");
    site.run(&["memory", "release", "L9"]).expect_failure(1, "no layer");
    site.run(&["memory", "release", layer, "--reason", "looked into it"]).expect(0);
    assert_eq!(site.last().kind(), "memory_forgotten");
    assert_eq!(site.last().reasons(), ["memory.released"]);
    assert_eq!(entries(&site)[0]["state"], "observed");
    assert_eq!(ask("sum")["layer"], "L6");
    assert!(site.run(&["memory", "release", layer]).expect(0).stderr.contains("nothing counts"));
    site.assert_sound();
}

#[test]
fn the_agent_of_a_person_confirms_nothing_for_that_person() {
    let (site, more) = verified();
    let low =
        [&["--json", "task", "the sum of a list"], &SUM[..], &more[..], &["--max-layer", "L5"]].concat();
    let anew = by_an_agent(&site, &low).expect(0).json();
    assert_eq!((&anew["evidence"], anew["layer"] == "L2"), (&"verified".into(), false), "{anew}");
    assert!(entries(&site).iter().all(|entry| entry["state"] == "verified"), "{:?}", entries(&site));
    site.assert_sound();
}

#[test]
fn an_entry_tells_its_life() {
    let (site, more) = verified();
    assert_eq!(layer(&site, &more).0, "L6");
    let id = entries(&site).into_iter().map(|entry| entry["id"].as_str().unwrap().to_owned());
    let show = |id: &str| site.run(&["--json", "memory", "show", id]).expect(0).json();
    let own: Vec<Value> = id.map(|id| show(&id)).filter(|shown| shown["key"]["scope"] == "task").collect();
    let [shown] = own.as_slice() else { panic!("{own:?}") };
    let id = shown["id"].as_str().unwrap();
    assert_eq!(shown["hits"], 2, "{shown}");
    assert_eq!(shown["verifier"], "the tests of the task, and 3 examples");
    let receipts = site.receipts();
    let origin = receipts.iter().find(|receipt| receipt.id() == shown["answer_receipt"]).unwrap();
    assert_eq!(&shown["origin"]["layer"], origin.content("layer_hit"));
    let last = receipts.iter().rfind(|receipt| receipt.content("layer_hit") == "L6").unwrap();
    assert_eq!((shown["last_hit"].as_str(), &last.content("route")["hit"]), (Some(last.id()), &2.into()));
    site.run(&["memory", "revoke", id]).expect(0);
    assert_ne!(layer(&site, &more).0, "L6");
    let history = show(id)["history"].clone();
    let told: Vec<&str> =
        history.as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect();
    assert_eq!(told, ["learned, verified", "forgotten: somebody revoked it", "learned, verified"]);
    let receipts = site.receipts();
    for one in history.as_array().unwrap() {
        assert!(receipts.iter().any(|receipt| receipt.id() == one["receipt_id"]), "{one}");
    }
    let text = site.run(&["memory", "show", id]).expect(0).stdout;
    for word in ["origin", "verifier", "hits", "shadow", "history", "def total"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}
