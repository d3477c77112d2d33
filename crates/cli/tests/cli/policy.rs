//! The life of a policy through the real binary: checked, compared, signed by as many as it takes, in force, explained,
//! and taken back.

use std::path::PathBuf;

use cascade_ledger::{Birth, Home, PrincipalKind, TenantId};
use cascade_policy::snapshot::{Snapshot, SnapshotSource};
use cascade_receipt::content::{Admin, PolicyRef};
use cascade_receipt::id::PrincipalId;
use cascade_runtime::people::Person;
use cascade_runtime::{facts, policy_store, ssh};
use serde_json::Value;

use crate::site::{Done, Site, finish};

/// Largest file of a policy directory.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

const PLAN_ONLY: &str = "// Agents may plan, not apply.
@id(\"agents-only-plan\")
@reason(\"apply changes production\")
forbid (principal is Agent, action == Action::\"exec\", resource == Program::\"terraform\")
unless { context.subcommand == \"plan\" };
";

/// A policy directory in the work directory: the default's permits, and these files.
fn directory(site: &Site, name: &str, files: &[(&str, &str)]) {
    let base = include_str!("../../../../policies/default/base.cedar");
    for (file, text) in [("base.cedar", base)].iter().chain(files) {
        let path = site.work(name).join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn by_agent(site: &Site, args: &[&str]) -> Done {
    let mut command = site.cascade(args);
    command.env("CLAUDECODE", "1");
    finish(command, b"")
}

fn receipt_id(done: &Done) -> String {
    done.json()["receipt_id"].as_str().unwrap().to_owned()
}

/// `policy history`, oldest first.
fn history(site: &Site) -> Vec<Value> {
    let lines = site.run(&["--json", "policy", "history"]).expect(0).stdout;
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn check_places_faults_and_lets_warnings_pass() {
    let site = Site::new();
    directory(&site, "bad", &[("x.cedar", "\n@escalte(\"sre\")\nforbid (principal, action, resource);\n")]);
    let faults = site.run(&["--json", "policy", "check", "bad"]).expect(1).json();
    let fault = &faults["faults"][0];
    assert_eq!((&fault["file"], &fault["line"], &fault["column"]), (&"x.cedar".into(), &2.into(), &1.into()));
    assert_eq!(fault["suggestion"], "did you mean @escalate?");
    let told = site.run(&["policy", "check", "bad"]).expect(1).stdout;
    assert!(told.starts_with("x.cedar:2:1: "), "{told}");

    directory(&site, "odd", &[("x.cedar", "@id(\"idle\") permit (principal is Agent, action, resource);\n")]);
    let told = site.run(&["policy", "check", "odd"]).expect(0).stdout;
    assert!(
        told.contains("x.cedar:1:1: warning: it adds nothing: `agents-may-act` permits all of it"),
        "{told}"
    );
    let told = site.run(&["--json", "policy", "check", "odd"]).expect(0).json();
    assert_eq!(
        (&told["warnings"][0]["code"], &told["faults"]),
        (&"policy.shadowed".into(), &Value::Array(vec![]))
    );
    site.run(&["policy", "check", "--strict", "odd"]).expect(1);
    assert!(!site.home().exists(), "a check made a home");
}

/// What is far too much is refused with its place, in time and without a crash.
#[test]
fn check_survives_what_is_thrown_at_it() {
    let site = Site::new();
    let ten_megabytes = "permit(principal,action,resource);\n".repeat(300_000);
    let deep = format!(
        "forbid (principal, action, resource) when {{ {}true{} }};",
        "(".repeat(50_000),
        ")".repeat(50_000)
    );
    let overflow = "forbid (principal, action, resource) when { context.hour * 9223372036854775807 > 0 };";
    let unknown = "forbid (principal in Team::\"sre\", action, resource);";
    let loops = "programs = \"own\"\n[[worker]]\nnames = \"own\"\nown = { tier = \"LOW\", text = \"x\" }\n[tests]\nLOW = [\"$(own $(own $(own\"]\n";
    let glob = format!(
        "programs = \"own\"\n[[worker]]\nnames = \"own\"\nown = {{ tier = {}\"LOW\" }}\n",
        "[".repeat(100_000)
    );
    for (name, file, text, place) in [
        ("large", "x.cedar", ten_megabytes.as_str(), "policies have "),
        ("deep", "x.cedar", &deep, "x.cedar:1:"),
        ("overflow", "x.cedar", overflow, "x.cedar:1:1: `*` can overflow"),
        ("unknown", "x.cedar", unknown, "x.cedar:1:22: "),
        ("loops", "workers/own.toml", loops, "workers/own.toml:6:"),
        ("glob", "workers/own.toml", &glob, "workers/own.toml:4:"),
        ("utf8", "x.cedar", "permit (principal, action, resource);\u{0}", "x.cedar:1:"),
    ] {
        directory(&site, name, &[(file, text)]);
        let done = site.run(&["policy", "check", name]).expect(1);
        assert!(done.stdout.contains(place), "{name}: {} {}", done.stdout, done.stderr);
        let shown: Vec<&str> = done.stdout.lines().collect();
        assert!(
            shown.iter().all(|line| line.len() < 2000) && shown.len() < 20,
            "{name}: {} lines",
            shown.len()
        );
    }
    // A directory that leads back to itself, a pipe, and a file that is too long to be read.
    directory(&site, "ring", &[]);
    std::os::unix::fs::symlink(site.work("ring"), site.work("ring").join("tests")).unwrap();
    site.run(&["policy", "check", "ring"]).expect(1);
    directory(&site, "pipe", &[]);
    site.set("mkfifo", &["pipe/x.cedar"]);
    let done = site.run(&["policy", "check", "pipe"]).expect(1);
    assert!(done.stderr.contains("no regular file"), "{}", done.stderr);
    directory(&site, "long", &[]);
    let sized = |name: &str, bytes| {
        std::fs::File::create(site.work("long").join(name)).unwrap().set_len(bytes).unwrap();
    };
    sized("x.cedar", FILE_BYTES_MAX);
    let done = site.run(&["policy", "check", "long"]).expect(1);
    assert!(done.stdout.contains("policies have "), "{} {}", done.stdout, done.stderr);
    sized("x.cedar", FILE_BYTES_MAX + 1);
    let done = site.run(&["policy", "check", "long"]).expect(1);
    assert!(done.stderr.contains("is longer than"), "{}", done.stderr);
    // Many that are short enough, at most 64 MiB with base.cedar.
    let base = std::fs::metadata(site.work("long").join("base.cedar")).unwrap().len();
    for name in ["w.cedar", "x.cedar", "y.cedar"] {
        sized(name, FILE_BYTES_MAX);
    }
    sized("z.cedar", FILE_BYTES_MAX - base);
    let done = site.run(&["policy", "check", "long"]).expect(1);
    assert!(done.stdout.contains("policies have "), "{} {}", done.stdout, done.stderr);
    sized("z.cedar", FILE_BYTES_MAX - base + 1);
    site.run(&["policy", "check", "long"]).expect_failure(1, "too long, for a policy");
}

#[test]
fn diff_says_what_changes_and_which_decisions_turn() {
    let site = Site::new();
    directory(&site, "one", &[("tests/a.table", "agent: terraform apply => escalate\nagent: ls => admit\n")]);
    directory(
        &site,
        "two",
        &[
            ("infra.cedar", PLAN_ONLY),
            ("thresholds.toml", "[risk]\nagent = \"LOW\"\n"),
            ("tests/a.table", "agent: terraform apply => deny\n"),
        ],
    );
    // Two directories need no chain, and make none.
    let told = site.run(&["--json", "policy", "diff", "one", "two"]).expect(0).json();
    assert!(!site.home().exists(), "a comparison made a home");
    let parts: Vec<String> = told["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            format!(
                "{} {} {}",
                one["change"].as_str().unwrap(),
                one["part"].as_str().unwrap(),
                one["name"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(parts, ["added policy agents-only-plan", "changed threshold risk.agent"]);
    assert_eq!((&told["rows"]["asked"], &told["rows"]["changed"]), (&2.into(), &1.into()));
    let example = &told["rows"]["examples"][0];
    assert_eq!((&example["before"], &example["after"]), (&"escalate".into(), &"deny".into()));
    assert_eq!(example["what"], "agent: terraform apply");

    site.run(&["init"]).expect(0);
    let apply =
        receipt_id(&by_agent(&site, &["--json", "run", "--dry-run", "--", "terraform", "apply"]).expect(5));
    let gone =
        receipt_id(&by_agent(&site, &["--json", "run", "--dry-run", "--", "terraform", "destroy"]).expect(5));
    by_agent(&site, &["run", "--dry-run", "--", "terraform", "plan"]).expect(0);
    site.run(&["erase", &gone]).expect(0);
    let told = site.run(&["--json", "policy", "diff", "current", "two", "--check"]).expect(6).json();
    let actions = &told["actions"];
    assert_eq!(
        (&actions["asked"], &actions["changed"], &actions["erased"]),
        (&2.into(), &1.into(), &1.into())
    );
    assert_eq!(
        (&actions["examples"][0]["place"], &actions["examples"][0]["what"]),
        (&apply.into(), &"terraform apply".into())
    );
    let words = site.run(&["policy", "diff", "current", "two"]).expect(0).stdout;
    assert!(words.contains("+ policy agents-only-plan: forbid principal is Agent"), "{words}");
    assert!(words.contains("1 of 2 recorded decisions come out differently (1 more are erased)"), "{words}");
    let same = site.run(&["policy", "diff", "current", "default", "--check"]).expect(0).stdout;
    assert!(same.contains("the same policy"), "{same}");
    site.run(&["policy", "diff", "current", "two", "--actions", "100000"]).expect(0);
    site.run(&["policy", "diff", "current", "two", "--actions", "100001"]).expect(2);
    site.run(&["policy", "diff", "current", "nosuch"])
        .expect_failure(1, "no directory and no policy of the history");
}

#[test]
fn an_earlier_policy_comes_back_byte_for_byte() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    directory(&site, "strict", &[("infra.cedar", PLAN_ONLY)]);
    let agent = || by_agent(&site, &["run", "--dry-run", "--", "terraform", "apply"]);
    agent().expect(5);
    let strict =
        site.run(&["--json", "policy", "activate", "strict", "--label", "strict-1"]).expect(0).json();
    agent().expect(3);
    // The directory is gone; the vault is not.
    std::fs::remove_dir_all(site.work("strict")).unwrap();
    let default = history(&site)[0]["policy_hash"].as_str().unwrap().to_owned();
    let back = site.run(&["--json", "policy", "activate", "--to", &default[..8]]).expect(0).json();
    assert_eq!(
        (back["policy_hash"].as_str(), back["policy_version"].as_str()),
        (Some(&*default), Some("default"))
    );
    agent().expect(5);
    site.run(&["policy", "activate", "--to", "default"]).expect_failure(1, "is in force already");
    site.run(&["policy", "activate", "--to", "strict-1"]).expect(0);
    agent().expect(3);
    let history = history(&site);
    let versions: Vec<&str> = history.iter().map(|one| one["policy_version"].as_str().unwrap()).collect();
    assert_eq!(versions, ["default", "strict-1", "default", "strict-1"]);
    assert_eq!(history[1]["receipt_id"], strict["receipt_id"]);
    assert_eq!(
        (&history[1]["policy_hash"], &history[3]["policy_hash"]),
        (&strict["policy_hash"], &strict["policy_hash"])
    );
    let marks: Vec<bool> = history.iter().map(|one| one["in_force"].as_bool().unwrap()).collect();
    assert_eq!(marks, [false, false, false, true]);
    let receipts = site.receipts();
    for one in &history[1..] {
        let receipt = receipts.iter().find(|receipt| receipt.id() == one["receipt_id"]).unwrap();
        assert_eq!(receipt.kind(), "policy_activated");
        assert_eq!(receipt.content("activates")["policy_hash"], one["policy_hash"]);
        assert_eq!(one["signed_by"].as_array().unwrap().len(), 1);
    }
    // Nobody governs on an agent's behalf.
    by_agent(&site, &["policy", "activate", "--to", "default"]).expect(3);
    by_agent(&site, &["policy", "sign", "--to", "default", "--out", "x"]).expect(3);
    site.assert_sound();
}

#[test]
fn explain_names_policies_facts_and_what_would_lift_it() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    directory(&site, "strict", &[("infra.cedar", PLAN_ONLY)]);
    site.run(&["policy", "activate", "strict"]).expect(0);
    let denied = receipt_id(&by_agent(&site, &["--json", "run", "--", "terraform", "apply"]).expect(3));
    let told = site.run(&["--json", "policy", "explain", &denied]).expect(0).json();
    let policy = &told["policies"][0];
    assert_eq!((&told["verdict"], &told["decided_again"]), (&"deny".into(), &"same".into()));
    assert_eq!((&policy["policy_id"], &policy["effect"]), (&"agents-only-plan".into(), &"forbid".into()));
    assert_eq!(
        (&policy["reason"], &policy["text"]),
        (&"apply changes production".into(), &PLAN_ONLY.trim().into())
    );
    assert_eq!(policy["saw"][0]["members"]["subcommand"], "\"apply\"");
    assert!(told["lifts"].to_string().contains("a policy without `agents-only-plan`"), "{told}");
    assert_eq!(told["gates"].as_array().unwrap().len(), 10);

    // It is the policy of then, whatever is in force now.
    site.run(&["policy", "activate", "--to", "default"]).expect(0);
    let words = site.run(&["policy", "explain", &denied]).expect(0).stdout;
    for part in [
        "agents-only-plan forbids it",
        "because: apply changes production",
        "unless { context.subcommand",
        "subcommand = \"apply\"",
        "what would lift it",
        "it comes out the same",
    ] {
        assert!(words.contains(part), "no `{part}` in {words}");
    }
    let waits = receipt_id(&by_agent(&site, &["--json", "run", "--", "terraform", "apply"]).expect(5));
    let told = site.run(&["--json", "policy", "explain", &waits]).expect(0).json();
    assert!(told["lifts"][0].as_str().unwrap().contains(&format!("`cascade approve {waits}`")), "{told}");

    // From what followed back to what was decided.
    site.run(&["run", "--", "true"]).expect(0);
    let closer = site.last();
    assert_eq!(closer.kind(), "task_completed");
    let told = site.run(&["--json", "policy", "explain", closer.id()]).expect(0).json();
    assert_eq!((&told["kind"], &told["verdict"]), (&"task_started".into(), &"admit".into()));
    let genesis = site.receipts()[0].id().to_owned();
    site.run(&["policy", "explain", &genesis]).expect_failure(1, "is about no decision");

    site.run(&["erase", &denied]).expect(0);
    let told = site.run(&["--json", "policy", "explain", &denied]).expect(0).json();
    assert_eq!((&told["facts_state"], &told["decided_again"]), (&"erased".into(), &"unknown".into()));
    assert_eq!(told["policies"][0]["policy_id"], "agents-only-plan");
    let words = site.run(&["policy", "explain", &denied]).expect(0).stdout;
    assert!(words.contains("(erased)") && words.contains("the facts are erased"), "{words}");
}

/// What runs under the first approval must stay valid, whatever was asked in between.
#[test]
fn a_stricter_policy_in_between_breaks_no_approval() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let sre = "@id(\"two\")\n@escalate(\"sre\")\n\
               forbid (principal, action == Action::\"exec\", resource == Program::\"touch\");\n";
    directory(&site, "strict", &[("infra.cedar", sre)]);
    let agent = |args: &[&str]| site.run(&[&["--as", "agent:k", "--json", "run"], args].concat());
    let dry = agent(&["--dry-run", "--", "touch", "z"]).expect(0).json();
    let dry = dry["receipt_id"].as_str().unwrap();
    site.run(&["approve", dry]).expect(0);
    site.run(&["policy", "activate", "strict"]).expect(0);
    agent(&["--approval", dry]).expect(5);
    let waiting = site.last();
    assert_eq!(waiting.kind(), "escalation");
    assert!(waiting.content("refs").is_null(), "a matter of its own");
    site.run(&["policy", "activate", "--to", "default"]).expect(0);
    agent(&["--approval", dry]).expect(0);
    site.assert_sound();
}

/// What is said beforehand is what would be done.
#[test]
fn a_shell_line_is_checked_as_one_of_this_chain() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let real = "@id(\"real\")\nforbid (principal, action == Action::\"exec\", resource == Program::\"ls\")\n\
                when { !context.dry_run };\n";
    directory(&site, "real", &[("infra.cedar", real)]);
    site.run(&["shell-check", "--", "ls"]).expect(0);
    site.run(&["halt"]).expect(0);
    let halted = site.run(&["--json", "shell-check", "--", "ls"]).expect(3).json();
    assert!(halted["reasons"].to_string().contains("standing.halted"), "{halted}");
    site.run(&["resume"]).expect(0);
    site.run(&["policy", "activate", "real"]).expect(0);
    site.run(&["shell-check", "--", "ls"]).expect(3);
}

const FOUR_EYES: &str = "[activation]\nrequired = 2\n";

/// A chain with two administrators, who is at the keyboard and somebody else; their keys lie outside of `~/.ssh`.
struct Office {
    site: Site,
    ids: [PrincipalId; 2],
}

impl Office {
    fn new() -> Self {
        let site = Site::new();
        let source = SnapshotSource::bundled();
        let snapshot = Snapshot::compile(&source).unwrap();
        let key = |name: &str| {
            let line = ssh::generate(&site.work(name), "").unwrap();
            line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
        };
        let keys = ["ada", "bob"].map(key);
        let ids = [1, 2].map(|_| cascade_ledger::principal_id().unwrap());
        let admins = ids.into_iter().zip(keys).map(|(principal, ssh_key)| Admin { principal, ssh_key });
        let person = |name: &str| (PrincipalKind::Person, name.to_owned());
        let names = [person(&Person::current().name), person("bob")];
        let birth = Birth {
            host: "example.org",
            admins: admins.collect(),
            names: ids.into_iter().zip(names).map(|(id, (kind, name))| (id, kind, name)).collect(),
            policy: PolicyRef { version: "default".to_owned(), hash: snapshot.policy_hash() },
            blobs: policy_store::blobs(&source, &snapshot),
            recovery_out: None::<PathBuf>,
            passphrase: None,
            now: facts::now(),
        };
        let home = Home::open_or_create(&site.home()).unwrap();
        drop(home.create_tenant(&TenantId::parse("default").unwrap(), &birth).unwrap());
        std::fs::create_dir_all(site.work("x")).unwrap();
        Self { site, ids }
    }

    fn sign(&self, args: &[&str], key: &str, out: &str) -> Done {
        self.site.run(&[&["policy", "sign"], args, &["--key", key, "--out", out]].concat())
    }

    fn activate(&self, args: &[&str]) -> Done {
        self.site.run(&[&["policy", "activate"], args].concat())
    }
}

#[test]
fn what_two_must_sign_two_sign() {
    let office = Office::new();
    let site = &office.site;
    directory(site, "guarded", &[("thresholds.toml", FOUR_EYES)]);
    directory(site, "next", &[("thresholds.toml", FOUR_EYES), ("infra.cedar", PLAN_ONLY)]);
    // One suffices as long as the policy in force demands no more.
    office.activate(&["guarded", "--key", "ada"]).expect(0);

    // Nor do so few stay that nobody could replace it.
    for leaving in [&["people", "remove", "bob"][..], &["people", "add", "bob", "--group", "sre"]] {
        let done = site.run(&[leaving, &["--key", "ada"]].concat());
        done.expect_failure(1, "could never be replaced (1 of 2)");
    }
    let alone = office.activate(&["next", "--key", "ada"]).expect(5);
    assert!(alone.stderr.contains("demands more signatures: 1 of 2"), "{}", alone.stderr);
    office.sign(&["next", "--label", "n-1"], "ada", "ada.json").expect(0);
    office.activate(&["next", "--signature", "ada.json", "--key", "ada"]).expect(5);
    // The same person again, whoever the file says it is.
    office.sign(&["next", "--onto", "ada.json"], "ada", "again.json").expect(3);
    let text = std::fs::read_to_string(site.work("ada.json")).unwrap();
    let [ada, bob] = office.ids.map(|id| id.to_string());
    let mut file: Value = serde_json::from_str(&text).unwrap();
    file["signatures"][0]["principal"] = bob.clone().into();
    std::fs::write(site.work("forged.json"), file.to_string()).unwrap();
    let done = office.activate(&["next", "--signature", "ada.json", "--signature", "forged.json"]).expect(3);
    assert!(done.stderr.contains("does not verify"), "{}", done.stderr);
    // Bytes of another policy, of another proposal, of nobody.
    office
        .sign(&["guarded", "--onto", "ada.json"], "bob", "other.json")
        .expect_failure(1, "was signed for the policy");
    office.sign(&["next"], "bob", "alone.json").expect(0);
    office.activate(&["next", "--signature", "ada.json", "--signature", "alone.json"]).expect(1);
    let mut file: Value =
        serde_json::from_str(&std::fs::read_to_string(site.work("alone.json")).unwrap()).unwrap();
    assert_eq!(file["statement"]["principal"], bob.as_str());
    file["signatures"] = Value::Array(Vec::new());
    std::fs::write(site.work("unsigned.json"), file.to_string()).unwrap();
    office
        .activate(&["next", "--signature", "unsigned.json", "--key", "ada"])
        .expect_failure(1, "whoever proposed it has not signed it");
    site.set("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "eve"]);
    office.sign(&["next", "--onto", "ada.json"], "eve", "eve.json").expect(3);
    std::fs::write(site.work("noise.json"), "{}").unwrap();
    office.activate(&["next", "--signature", "noise.json"]).expect_failure(1, "couldn't use `noise.json`");

    office.sign(&["next", "--onto", "ada.json"], "bob", "both.json").expect(0);
    // Nothing can be slipped in after the signing.
    std::fs::write(site.work("next/late.cedar"), "permit (principal, action, resource);").unwrap();
    office.activate(&["next", "--signature", "both.json"]).expect_failure(1, "was signed for the policy");
    std::fs::remove_file(site.work("next/late.cedar")).unwrap();
    office.activate(&["next", "--signature", "both.json"]).expect(0);
    let receipt = site.last();
    let signers: Vec<&str> = receipt
        .content("signatures")
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["principal"].as_str().unwrap())
        .collect();
    assert_eq!(signers, [ada.as_str(), bob.as_str()]);
    assert_eq!(receipt.content("activates")["policy_version"], "n-1");
    let newest = history(site).pop().unwrap();
    assert_eq!((newest["signed_by"].as_array().unwrap().len(), &newest["required"]), (2, &2.into()));

    // A signature is good for one activation; going back takes two as well.
    let again = office.activate(&["next", "--signature", "both.json"]).expect(3);
    assert!(again.stderr.contains("used before"), "{}", again.stderr);
    office.activate(&["--to", "default", "--key", "bob"]).expect(3);
    office.activate(&["--to", "default", "--key", "ada"]).expect(5);
    office.sign(&["--to", "default"], "bob", "back.json").expect(0);
    // Who activates signs where a signature is missing.
    office.activate(&["--to", "default", "--signature", "back.json", "--key", "ada"]).expect(0);
    // What nobody could replace does not come into force.
    directory(site, "locked", &[("thresholds.toml", "[activation]\nrequired = 3\n")]);
    office.activate(&["locked", "--key", "ada"]).expect_failure(1, "could never be replaced: 2 of 3");
    directory(site, "strangers", &[("thresholds.toml", "[activation]\ngroups = [\"security\"]\n")]);
    office.activate(&["strangers", "--key", "ada"]).expect_failure(1, "nobody of security");
    assert_eq!(history(site).len(), 4);
    site.assert_sound();
}

/// Whom a policy asks must be somebody: no impossible group, and no empty one without a word.
#[test]
fn groups_that_nobody_can_answer_for() {
    let site = Site::new();
    let policy = |group: &str| {
        let text = format!(
            "permit (principal, action, resource);\n@id(\"ask\")\n  @escalate(\"{group}\")\nforbid (principal, action, resource);\n"
        );
        directory(&site, "asking", &[("base.cedar", &text)]);
    };
    for (group, words) in
        [("s re", "holds no space"), ("sr\u{435}", "several scripts"), ("-sre", "does not begin")]
    {
        policy(group);
        let fault = site.run(&["policy", "check", "asking"]).expect(1).stdout;
        assert!(fault.contains("base.cedar:3:3: ") && fault.contains(words), "{fault}");
    }
    policy("sre");
    // Nobody knows who is in a group where there is no chain.
    assert!(!site.run(&["policy", "check", "asking"]).expect(0).stdout.contains("nobody"));
    site.run(&["init"]).expect(0);
    let warned = site.run(&["policy", "check", "asking"]).expect(0).stdout;
    assert!(warned.contains("base.cedar:3:3: warning: nobody is in the group `sre`"), "{warned}");
    site.run(&["policy", "check", "asking", "--strict"]).expect(1);
    site.run(&["policy", "check", "asking", "--strict", "--alone"]).expect(0);
    let user = site.set("id", &["-un"]).stdout.trim().to_owned();
    site.run(&["people", "add", &user, "--admin", "--group", "sre"]).expect(0);
    site.run(&["policy", "check", "asking", "--strict"]).expect(0);

    directory(&site, "asking", &[("thresholds.toml", "[escalation]\ngroups = [\"dba\"]\n")]);
    let warned = site.run(&["policy", "check", "asking"]).expect(0).stdout;
    assert!(warned.contains("nobody is in the group `dba`, which [escalation] asks"), "{warned}");
    directory(&site, "asking", &[("thresholds.toml", "[escalation]\ngroups = [\"d b a\"]\n")]);
    let fault = site.run(&["policy", "check", "asking"]).expect(1).stdout;
    assert!(fault.contains("thresholds.toml:2:") && fault.contains("holds no space"), "{fault}");
}
