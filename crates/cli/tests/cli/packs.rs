//! Compliance packs through the real binary: declared by a signed receipt, decided by, kept over a change of policy, missed
//! where they are gone, and given up.

use std::collections::BTreeSet;

use crate::site::{Done, Receipt, Site, finish};

const DEFAULT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/default");

/// A site whose policy names the programs that packs act on.
fn regulated(families: &str) -> Site {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.set("cp", &["-r", DEFAULT, "policy"]);
    let mut thresholds = std::fs::read_to_string(site.work("policy/thresholds.toml")).unwrap();
    thresholds.push_str(families);
    std::fs::write(site.work("policy/thresholds.toml"), thresholds).unwrap();
    site.run(&["policy", "activate", "policy", "--label", "own"]).expect(0);
    site
}

fn codes(done: &Done) -> BTreeSet<String> {
    let document = done.json();
    let reasons = document["reasons"].as_array().unwrap();
    let code = |reason: &serde_json::Value| {
        let id = reason["policy_id"].as_str().map(|id| format!("({id})")).unwrap_or_default();
        format!("{}{id}", reason["code"].as_str().unwrap())
    };
    reasons.iter().map(code).collect()
}

/// What a run of `true` is refused for.
fn refused(site: &Site) -> BTreeSet<String> {
    codes(&site.run(&["--json", "run", "--", "true"]).expect(3))
}

fn state(site: &Site, name: &str) -> String {
    let listed = site.run(&["--json", "pack", "list"]).expect(0).json();
    let packs = listed["packs"].as_array().unwrap();
    assert_eq!(packs.len(), 10);
    packs.iter().find(|pack| pack["name"] == name).unwrap()["state"].as_str().unwrap().to_owned()
}

fn activation(site: &Site) -> Receipt {
    let receipt = site.last();
    assert_eq!(receipt.kind(), "pack_activated");
    assert_eq!(receipt.content("signatures").as_array().unwrap().len(), 1);
    receipt
}

#[test]
fn a_declared_regime_decides_until_it_is_given_up() {
    let site = regulated("production = [\"true\"]\n");
    site.run(&["run", "--", "true"]).expect(0);
    assert_eq!(state(&site, "soc2"), "inactive");
    let done = site.run(&["--json", "pack", "activate", "soc2"]).expect(0).json();
    let receipt = activation(&site);
    assert_eq!(
        (receipt.id(), &done["policy_version"]),
        (done["receipt_id"].as_str().unwrap(), &"own+soc2".into())
    );
    let pack = receipt.content("pack");
    assert_eq!((&pack["name"], &pack["active"]), (&"soc2".into(), &true.into()));
    assert_eq!(receipt.content("activates")["policy_hash"], done["policy_hash"]);
    assert_eq!(state(&site, "soc2"), "active");
    site.run(&["pack", "activate", "soc2"]).expect_failure(1, "is active already");

    assert!(refused(&site).contains("policy.forbid(soc2.access)"));
    let denied = site.last();
    let gates = &denied.content("decision")["gates"];
    assert!(gates[4]["reasons"].to_string().contains("\"control\":\"CC6.3\""), "{gates}");
    let told = site.run(&["policy", "explain", denied.id()]).expect(0).stdout;
    assert!(told.contains("only people of the group production"), "{told}");
    assert_eq!(site.run(&["run", "--", "echo", "x"]).expect(0).stdout, "x\n");

    // No permit of the operator's lifts it, and no change of policy loses it.
    std::fs::write(site.work("policy/all.cedar"), "permit (principal, action, resource);\n").unwrap();
    site.run(&["policy", "activate", "policy", "--label", "open"]).expect(0);
    assert!(refused(&site).contains("policy.forbid(soc2.access)"));
    let mut thresholds = std::fs::read_to_string(site.work("policy/thresholds.toml")).unwrap();
    thresholds = thresholds.replace("production = [\"true\"]\n", "");
    std::fs::write(site.work("policy/thresholds.toml"), thresholds).unwrap();
    let done = site.run(&["policy", "activate", "policy"]).expect(1);
    assert!(done.stdout.contains("it acts on the family `production`"), "{} {}", done.stdout, done.stderr);

    let done = site.run(&["--json", "pack", "deactivate", "soc2"]).expect(0).json();
    assert_eq!(done["policy_version"], "open");
    assert_eq!(activation(&site).content("pack")["active"], false);
    site.run(&["run", "--", "true"]).expect(0);
    site.run(&["pack", "deactivate", "soc2"]).expect_failure(1, "is not active");
    site.run(&["pack", "activate", "sox"]).expect_failure(1, "there is no pack `sox`");
    site.assert_sound();
}

/// A document without the pack, signed as it may be, does not end the regime.
#[test]
fn a_policy_without_the_declared_pack_denies_everything() {
    let site = regulated("production = [\"nosuchctl\"]\n");
    site.run(&["pack", "activate", "soc2"]).expect(0);
    site.run(&["run", "--", "true"]).expect(0);
    let done = site.run(&["policy", "activate", "--to", "own"]).expect(0);
    assert!(done.stderr.contains("nothing will run until `cascade pack activate soc2`"), "{}", done.stderr);
    assert_eq!(refused(&site), BTreeSet::from(["standing.pack_missing(soc2)".to_owned()]));
    assert_eq!(site.last().kind(), "blocked");
    site.run(&["pack", "activate", "soc2"]).expect(0);
    site.run(&["run", "--", "true"]).expect(0);
    site.assert_sound();
}

#[test]
fn a_pack_is_signed_like_a_policy_and_once() {
    let site = regulated("production = [\"true\"]\n");
    let mut agent = site.cascade(&["pack", "activate", "soc2"]);
    agent.env("CLAUDECODE", "1");
    finish(agent, b"").expect(3);
    site.run(&["pack", "activate", "tcpa"]).expect_failure(1, "which has no programs");
    site.run(&["pack", "sign", "soc2", "--out", "ada.json"]).expect(0);
    // A signature for the policy with the pack is none for anything else.
    site.run(&["policy", "activate", "policy", "--signature", "ada.json"]).expect(1);
    site.run(&["pack", "activate", "soc2", "--signature", "ada.json"]).expect(0);
    assert_eq!(activation(&site).content("pack")["active"], true);
    site.run(&["pack", "sign", "soc2", "--deactivate", "--out", "bob.json"]).expect(0);
    site.run(&["pack", "deactivate", "soc2", "--signature", "ada.json"]).expect(1);
    site.run(&["pack", "deactivate", "soc2", "--signature", "bob.json"]).expect(0);
    site.run(&["pack", "activate", "soc2", "--signature", "ada.json"]).expect_failure(3, "used before");
    assert_eq!(state(&site, "soc2"), "inactive");
    site.assert_sound();
}

/// Limits of a pack count from the log: the eighth call within seven days.
#[test]
fn reg_f_counts_calls_about_a_debt() {
    let site = regulated("debt-calls = [\"true\"]\n");
    site.run(&["pack", "activate", "reg-f"]).expect(0);
    let zone = zone_of_day();
    site.run(&["subject", "zone", "debtor", &zone]).expect(0);
    let call = |whom: &str| site.run(&["--json", "run", "--subject", whom, "--", "true"]);
    for _ in 0..7 {
        call("debtor/debt-1").expect(0);
    }
    assert_eq!(
        codes(&call("debtor/debt-1").expect(3)),
        BTreeSet::from(["budget.exhausted(reg-f.calls)".to_owned()])
    );
    call("debtor/debt-2").expect(0);
    let nobody = refused(&site);
    assert!(nobody.contains("budget.no_subject(reg-f.calls)"), "{nobody:?}");
    site.assert_sound();
}

/// A zone in which it is between two and three in the afternoon, whenever the test runs.
fn zone_of_day() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    // The names count westwards.
    let ahead = 14 - i64::try_from(now / 3600 % 24).unwrap();
    if ahead >= 0 { format!("Etc/GMT-{ahead}") } else { format!("Etc/GMT+{}", -ahead) }
}

/// A directory is looked at as it would come into force; alone only where that is asked for.
#[test]
fn a_directory_is_looked_at_with_the_declared_packs() {
    let site = regulated("production = [\"true\"]\n");
    site.run(&["pack", "activate", "soc2"]).expect(0);
    let json = |args: &[&str]| site.run(&[&["--json"], args].concat());
    let hash = |done: &Done| done.json()["policy_hash"].as_str().unwrap().to_owned();

    // The same directory as is in force: nothing changes, and the hash is the one that activation gives.
    let diff = site.run(&["policy", "diff", "current", "policy", "--check"]).expect(0).stdout;
    assert!(diff.contains("the same policy"), "{diff}");
    let alone = site.run(&["policy", "diff", "current", "policy", "--alone", "--check"]).expect(6).stdout;
    assert!(alone.contains("soc2"), "{alone}");
    let checked = json(&["policy", "check", "policy"]).expect(0);
    assert_eq!(checked.json()["packs"], serde_json::json!(["soc2"]));
    let checked_alone = json(&["policy", "check", "policy", "--alone"]).expect(0);
    assert_eq!(checked_alone.json()["packs"], serde_json::json!([]));
    assert_ne!(hash(&checked), hash(&checked_alone));
    let text = site.run(&["policy", "check", "policy"]).expect(0).stdout;
    assert!(text.contains("with the packs soc2"), "{text}");

    // A row that the pack turns: the table holds for the directory, and not for what is in force.
    std::fs::write(site.work("policy/tests/own.table"), "person: true => admit\n").unwrap();
    site.run(&["policy", "test", "policy", "--alone"]).expect(0);
    let failed = site.run(&["policy", "test", "policy"]).expect(1).stdout;
    assert!(failed.contains("soc2"), "{failed}");
    let activated = json(&["policy", "activate", "policy", "--label", "again"]).expect(0);
    assert_eq!(hash(&activated), hash(&checked));

    // What the pack would not stand beside is a fault here already.
    std::fs::write(site.work("policy/thresholds.toml"), "").unwrap();
    let fault = site.run(&["policy", "check", "policy"]).expect(1).stdout;
    assert!(fault.contains("it acts on the family `production`"), "{fault}");
    site.run(&["policy", "check", "policy", "--alone"]).expect(0);
    // Where there is no chain, a directory is alone.
    site.run(&["--home", "nowhere", "policy", "check", "policy"]).expect(0);
    assert!(!site.work("nowhere").exists());
}

/// A pack of one's own, from its directory to its receipt: what it builds on must be there, and its promises hold.
#[test]
fn a_pack_of_ones_own() {
    let site = regulated("prod = [\"touch\"]\nproduction = [\"true\"]\n");
    let write = |name: &str, text: &str| std::fs::write(site.work(name), text).unwrap();
    std::fs::create_dir_all(site.work("acme/tests")).unwrap();
    write(
        "acme/pack.toml",
        "name = \"acme\"\ntitle = \"Acme\"\nsource = \"handbook\"\nfamilies = [\"prod\"]\nimports = [\"soc2\"]\n\n\
         [[rule]]\nid = \"acme.never\"\ncitation = \"section 4\"\ncontrol = \"A4\"\nlooks_at = \"touch\"\n\
         mode = \"preventive\"\neffective_from = \"2026-01-01\"\n",
    );
    write(
        "acme/gates.cedar",
        "@id(\"acme.never\") @control(\"A4\") @reason(\"handbook\")\nforbid (principal, action, resource in Family::\"prod\");\n",
    );
    write("acme/tests/acme.table", "person: touch x => admit\n");
    site.run(&["pack", "activate", "./acme"]).expect_failure(1, "it imports `soc2`, which is not active");
    site.run(&["pack", "activate", "soc2"]).expect(0);
    let shown = site.run(&["pack", "check", "./acme"]).expect(1).stdout;
    assert!(shown.contains("acme.table:1: person: touch x => admit"), "{shown}");
    site.run(&["pack", "activate", "./acme"]).expect_failure(1, "tests of the pack fail");
    write("acme/tests/acme.table", "person: touch x => deny policy.forbid(acme.never)\n");
    let checked = site.run(&["--json", "pack", "check", "./acme"]).expect(0).json();
    site.run(&["pack", "activate", "acme"]).expect_failure(1, "there is no pack `acme`");
    site.run(&["pack", "activate", "./acme"]).expect(0);
    assert_eq!(activation(&site).content("pack")["hash"], checked["hash"]);
    let done = site.run(&["--json", "run", "--", "touch", "effect"]).expect(3);
    assert!(codes(&done).contains("policy.forbid(acme.never)"));
    let listed = site.run(&["--json", "pack", "list"]).expect(0).json();
    let own = listed["packs"].as_array().unwrap().iter().find(|pack| pack["name"] == "acme").unwrap();
    assert_eq!((&own["state"], &own["imports"]), (&"active".into(), &serde_json::json!(["soc2"])));
    // What it builds on stays as long as it does, and it goes without its directory.
    site.run(&["pack", "deactivate", "soc2"]).expect_failure(1, "it imports `soc2`");
    std::fs::remove_dir_all(site.work("acme")).unwrap();
    site.run(&["pack", "deactivate", "acme"]).expect(0);
    site.run(&["run", "--", "touch", "effect"]).expect(0);
    site.assert_sound();
}
