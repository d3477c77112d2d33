//! Controls of packs asked of real chains, by their owner and by outsiders.

use serde_json::Value;

use crate::site::Site;

fn audited(site: &Site, args: &[&str]) -> Value {
    site.run(&[&["--json", "audit"], args].concat()).expect(0).json()
}

/// Six forced pushes that never ran are six findings, each of which points at its receipt.
#[test]
fn six_forced_pushes_are_six_findings() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    for _ in 0..6 {
        site.run(&["run", "--", "git", "push", "--force", "origin", "main"]).expect(3);
    }
    site.run(&["run", "--", "true"]).expect(0);
    let blocked: Vec<String> = site
        .receipts()
        .iter()
        .filter(|receipt| receipt.kind() == "blocked")
        .map(|receipt| receipt.id().to_owned())
        .collect();
    let report = audited(&site, &["--pack", "soc2"]);
    let findings = report["findings"].as_array().unwrap();
    assert_eq!((report["pack"].as_str(), findings.len()), (Some("soc2"), 6));
    for (finding, id) in findings.iter().zip(&blocked) {
        assert_eq!(finding["receipt_ids"], serde_json::json!([id]));
        assert_eq!(finding["control"], "soc2.stopped-attempts");
        assert_eq!(finding["criteria"], serde_json::json!(["PI1.2", "CC8.1", "A1.2"]));
        assert_eq!(finding["severity"], "high");
        assert!(finding["summary"].as_str().unwrap().contains("git.push.force"), "{finding}");
    }
    site.run(&["audit", "--pack", "soc2", "--check"]).expect(6);
}

/// What an outsider has: the export with one byte changed, or torn, and the public key.
#[test]
fn a_planted_break_is_located_by_line_and_seq() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    for _ in 0..6 {
        site.run(&["run", "--", "git", "push", "--force", "origin", "main"]).expect(3);
        site.run(&["run", "--", "true"]).expect(0);
    }
    let (ledger, key) = site.hand_over();
    let text = std::fs::read_to_string(&ledger).unwrap();
    let args = ["--pack", "soc2", "--file", "planted", "--public-key", key.to_str().unwrap(), "--no-memory"];
    let found = |lines: &[String]| {
        std::fs::write(site.work("planted"), lines.concat()).unwrap();
        let report = audited(&site, &args);
        let findings = report["findings"].as_array().unwrap().clone();
        let (breaks, others): (Vec<Value>, Vec<Value>) =
            findings.into_iter().partition(|finding| finding["control"] == "chain-break");
        assert_eq!(breaks.len(), 1, "{breaks:?}");
        (breaks[0].clone(), others.len(), report["controls"][0]["outcome"].clone())
    };
    let whole: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    assert_eq!(whole.len(), 19);
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["receipt_id"].clone();

    let mut edited = whole.clone();
    let at = whole.iter().position(|line| line.contains("\"kind\":\"task_completed\"")).unwrap();
    edited[at] = whole[at].replace("\"exit_code\":0", "\"exit_code\":1");
    assert_ne!(edited[at], whole[at]);
    let (broken, others, outcome) = found(&edited);
    assert_eq!(
        (&broken["line"], &broken["seq"], &broken["cause"]),
        (&(at + 1).into(), &at.into(), &"edit".into())
    );
    assert_eq!(broken["receipt_ids"], serde_json::json!([id(&whole[at - 1]), id(&whole[at + 1])]));
    // Attempts before and behind the break are found all the same.
    assert_eq!((others, outcome), (6, "violated".into()));

    let mut torn = whole.clone();
    torn[9] = format!("{}\n", &torn[9][..torn[9].len() / 2]);
    let (broken, others, _) = found(&torn);
    assert_eq!(
        (&broken["line"], &broken["seq"], &broken["cause"]),
        (&10.into(), &9.into(), &"torn_write".into())
    );
    assert_eq!(others, 5 + usize::from(!whole[9].contains("\"kind\":\"blocked\"")));

    let checked = [&["audit"], args.as_slice(), &["--check"]].concat();
    let told = site.run(&checked).expect(6).stdout;
    assert!(told.contains("torn write at line 10, seq 9"), "{told}");
    std::fs::write(site.work("planted"), text).unwrap();
    let report = audited(&site, &args);
    assert_eq!(report["chain"]["valid"], true);
    assert_eq!(report["controls"][0]["outcome"], "satisfied");
}

/// Evidence in one step: what findings name goes to an outsider, who verifies and audits it alone.
#[test]
fn findings_become_a_bundle() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.run(&["run", "--", "git", "push", "--force", "origin", "main"]).expect(3);
    site.run(&["run", "--", "true"]).expect(0);
    let id = site.last_of("blocked");
    let done = site
        .run(&["audit", "--pack", "soc2", "--bundle", "evidence", "--oscal", "--out", "soc2.json"])
        .expect(0);
    assert!(done.stderr.contains("bundle of 1 receipts"), "{}", done.stderr);
    let oscal: Value = serde_json::from_slice(&std::fs::read(site.work("soc2.json")).unwrap()).unwrap();
    assert_eq!(oscal["assessment-results"]["metadata"]["oscal-version"], "1.2.3");
    let page = site.run(&["audit", "--pack", "soc2", "--html"]).expect(0).stdout;
    assert!(page.starts_with("<!doctype html>") && page.contains(&id), "{page}");

    site.run(&["verify", "evidence", "--no-memory"]).expect(0);
    let report = audited(&site, &["--pack", "soc2", "--file", "evidence", "--no-memory"]);
    assert_eq!(report["findings"].as_array().unwrap().len(), 1);
    assert_eq!(report["findings"][0]["receipt_ids"], serde_json::json!([id]));
    // What was not handed over may hold anything.
    let outcomes: std::collections::BTreeSet<&str> =
        report["controls"].as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), ["not_provable", "violated"]);
    let mut bytes = std::fs::read(site.work("evidence")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(site.work("forged"), bytes).unwrap();
    site.run(&["audit", "--pack", "soc2", "--file", "forged", "--no-memory"])
        .expect_failure(4, "the bundle is not valid");
}

/// What only the owner has makes an answer of what an outsider is told not provable.
#[test]
fn an_outsider_is_told_what_is_not_provable() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.run(&["run", "--", "true"]).expect(0);
    let outcome = |report: &Value, id: &str| {
        let all = report["controls"].as_array().unwrap();
        all.iter().find(|one| one["id"] == id).unwrap()["outcome"].as_str().unwrap().to_owned()
    };
    let own = audited(&site, &["--pack", "soc2"]);
    let (ledger, key) = site.hand_over();
    let (ledger, key) = (ledger.to_str().unwrap(), key.to_str().unwrap());
    let others = audited(&site, &["--pack", "soc2", "--file", ledger, "--public-key", key, "--no-memory"]);
    assert_eq!(
        (outcome(&own, "soc2.egress"), outcome(&own, "soc2.agents")),
        ("not_applicable".into(), "satisfied".into())
    );
    assert_eq!(
        (outcome(&others, "soc2.egress"), outcome(&others, "soc2.agents")),
        ("not_provable".into(), "not_provable".into())
    );
    assert_eq!(own["controls_hash"], others["controls_hash"]);
    // What is erased is no longer the owner's either.
    let ran = site.last_of("task_started");
    site.run(&["erase", &ran]).expect(0);
    assert_eq!(outcome(&audited(&site, &["--pack", "soc2"]), "soc2.agents"), "not_provable");
}

/// A pack of one's own, whose SQL is bad in each way that SQL can be.
#[test]
fn controls_of_ones_own() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.run(&["run", "--", "true"]).expect(0);
    std::fs::create_dir(site.work("acme")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(site.work(name), text).unwrap();
    write("acme/pack.toml", "name = \"acme\"\ntitle = \"Acme\"\nsource = \"handbook\"\nrule = []\n");
    site.run(&["audit", "--pack", "./acme"]).expect_failure(1, "controls.toml");
    let control = |id: &str, sql: &str| {
        format!(
            "[[control]]\nid = \"acme.{id}\"\ntitle = \"t\"\ncitation = \"c\"\ncriteria = [\"A1\"]\nseverity = \"low\"\n\
             effective_from = \"2020-01-01\"\nevidence = \"e\"\nnext = \"n\"\napplies = \"SELECT seq FROM receipts\"\n\
             violations = \"{sql}\"\n"
        )
    };
    let good = control("good", "SELECT seq, kind AS summary FROM receipts WHERE kind = 'blocked'");
    write("acme/controls.toml", &good);
    site.run(&["audit", "--pack", "./acme", "--check"]).expect(0);
    let bad = [
        control("writes", "DELETE FROM receipts"),
        control("attaches", "ATTACH 'stolen.db' AS stolen"),
        control(
            "loops",
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT NULL AS seq, count(x) AS summary FROM n",
        ),
        control("typo", "SELEKT"),
    ];
    write("acme/controls.toml", &format!("{good}{}", bad.concat()));
    let report = audited(&site, &["--pack", "./acme"]);
    let outcomes: Vec<&str> =
        report["controls"].as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["satisfied", "satisfied", "failed", "failed", "failed", "failed"]);
    let told = site.run(&["audit", "--pack", "./acme", "--check"]).expect(6).stdout;
    assert!(told.contains("failed to run") && told.contains("it may only read the view"), "{told}");
    assert!(!site.work("stolen.db").exists());
    // `pack check` tries them: a control that no case shows both ways is a fault, and so is a case that comes out otherwise.
    write("acme/controls.toml", &good);
    let unshown = site.run(&["pack", "check", "./acme"]).expect(1).stdout;
    assert!(unshown.contains("no case in controls/ shows `acme.good` come out violated"), "{unshown}");
    std::fs::create_dir(site.work("acme/controls")).unwrap();
    let cases = "control = \"acme.good\"\n[[case]]\ntitle = \"nothing\"\noutcome = \"satisfied\"\n\
                 [[case]]\ntitle = \"a denial\"\noutcome = \"violated\"\nreceipts = [\"no\"]\n\
                 add = [{ name = \"no\", kind = \"blocked\" }]\n";
    write("acme/controls/good.toml", &cases.replace("[\"no\"]", "[\"genesis\"]"));
    let wrong = site.run(&["pack", "check", "./acme"]).expect(1).stdout;
    assert!(wrong.contains("controls/good.toml:1:1") && wrong.contains("a denial: names"), "{wrong}");
    write("acme/controls/good.toml", cases);
    assert_eq!(site.run(&["--json", "pack", "check", "./acme"]).expect(0).json()["cases"], 2);
    write("acme/controls.toml", &good.replace("acme.good", "other.good"));
    site.run(&["audit", "--pack", "./acme"])
        .expect_failure(1, "controls.toml:2: `other.good` does not begin with");
    site.run(&["audit", "--pack", "nosuch"]).expect_failure(1, "no pack `nosuch`");
    site.run(&["audit", "--pack", "soc2", "--since", "2026-02-01", "--until", "2026-01-01"]).expect(2);
    site.assert_sound();
}

/// The owner's own database, damaged: the audit goes on, and says where.
#[test]
fn a_damaged_database_is_audited_on_both_sides() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    for _ in 0..4 {
        site.run(&["run", "--", "git", "push", "--force", "origin", "main"]).expect(3);
    }
    let database = site.home().join("tenants/default/ledger.db");
    let kept = site.path("kept.db");
    for (damage, line, seq, cause, attempts) in [
        ("delete from segments where first_seq = 2", 3, 2, "deletion", 3),
        ("delete from segments where first_seq > 3", 5, 4, "deletion", 3),
        ("update segments set bytes = x'00000a' where first_seq = 2", 3, 2, "torn_write", 3),
        ("update head set next_seq = next_seq - 1", 5, 4, "outside", 3),
    ] {
        // What was written last may still be beside the file.
        let code = format!(
            "import sqlite3, shutil, sys; d = sqlite3.connect(sys.argv[1]); d.execute('pragma wal_checkpoint(truncate)'); \
             shutil.copy(sys.argv[1], sys.argv[2]); d.execute(\"{damage}\"); d.commit(); d.execute('pragma wal_checkpoint(truncate)')"
        );
        site.set("python3", &["-c", &code, database.to_str().unwrap(), kept.to_str().unwrap()]);
        let report = audited(&site, &["--pack", "soc2", "--no-memory"]);
        let findings = report["findings"].as_array().unwrap();
        let broken = findings.iter().find(|finding| finding["control"] == "chain-break").unwrap();
        assert_eq!(
            (&broken["line"], &broken["seq"], &broken["cause"]),
            (&line.into(), &seq.into(), &cause.into()),
            "{damage}: {broken}"
        );
        assert_eq!(findings.len(), 1 + attempts, "{damage}: {findings:?}");
        std::fs::copy(&kept, &database).unwrap();
        for beside in ["ledger.db-wal", "ledger.db-shm"] {
            // Gone already where nobody has it open.
            drop(std::fs::remove_file(database.with_file_name(beside)));
        }
    }
    site.assert_sound();
}
