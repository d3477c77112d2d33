//! `cascade worker`: what is known, whether its tests hold, and a draft of what is not known yet.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::site::{Site, finish};

const HELP: &str = "Bakes pies\n\nUsage: pie <COMMAND>\n\nCommands:\n  bake   Bake one\n  eat    Eat one\n\nOptions:\n  -o, --out <FILE>  Where to\n";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_list_names_tiers_families_and_source() {
    let site = Site::new();
    let all = json(&site.run(&["--json", "worker", "list"]).expect(0).stdout);
    let workers = all["workers"].as_array().unwrap();
    let of = |name: &str| {
        let holds = |worker: &&Value| worker["names"].as_array().unwrap().iter().any(|own| own == name);
        workers.iter().find(holds).unwrap_or_else(|| panic!("no `{name}`"))
    };
    assert!(workers.len() > 200, "{}", workers.len());
    let gcloud = of("gcloud");
    assert_eq!(
        (&gcloud["families"][0], &gcloud["source"]),
        (&Value::from("cloud"), &Value::from("built-in"))
    );
    assert_eq!((&gcloud["lowest"], &gcloud["highest"]), (&Value::from("LOW"), &Value::from("CRITICAL")));
    let line = site.run(&["worker", "list", "terraf"]).expect(0).stdout;
    assert!(line.contains("terraform tofu") && line.contains("built-in terraform.toml"), "{line}");
    assert!(!site.home().exists(), "looking created a home");
}

#[test]
fn a_worker_is_shown_with_the_phrases_that_mean_a_call_of_it() {
    let site = Site::new();
    let shown = site.run(&["worker", "show", "git"]).expect(0).stdout;
    assert!(shown.contains("\ngit.log  git log --oneline -n {count}\n  "), "{shown}");
    let podman = json(&site.run(&["--json", "worker", "show", "podman"]).expect(0).stdout);
    let stop =
        podman["intents"].as_array().unwrap().iter().find(|intent| intent["id"] == "docker.stop").unwrap();
    assert_eq!((&stop["reads"], &stop["argv"][1]), (&Value::from(false), &Value::from("stop")));
    assert!(site.run(&["worker", "show", "unheard-of"]).expect(1).stderr.contains("hint"));
    assert!(!site.home().exists(), "looking created a home");
}

#[test]
fn tests_of_manifests_are_run_and_the_failing_one_is_named() {
    let site = Site::new();
    let own = json(&site.run(&["--json", "worker", "test"]).expect(0).stdout);
    assert!(own["tests"].as_u64().unwrap() > 1_500 && own["faults"].as_array().unwrap().is_empty());

    let dir = site.work("workers");
    std::fs::create_dir(&dir).unwrap();
    let manifest = |tier: &str| {
        format!(
            "programs = \"pie\"\n[[worker]]\nnames = \"pie\"\nown = {{ tier = \"MEDIUM\" }}\n[tests]\n{tier} = [\"sudo -V\", \"pie\"]\n"
        )
    };
    std::fs::write(dir.join("pie.toml"), manifest("MEDIUM")).unwrap();
    let failed = site.run(&["worker", "test", "workers"]).expect(1);
    assert!(failed.stdout.contains("pie: `sudo -V` is HIGH, expected MEDIUM"), "{}", failed.stdout);
    assert!(!failed.stdout.contains("`pie` is"), "{}", failed.stdout);

    std::fs::write(dir.join("pie.toml"), manifest("MEDIUM").replace("\"sudo -V\", ", "")).unwrap();
    for path in [".", "workers", "workers/pie.toml"] {
        let passed = json(&site.run(&["--json", "worker", "test", path]).expect(0).stdout);
        assert_eq!((passed["manifests"].as_u64(), passed["tests"].as_u64()), (Some(1), Some(1)), "{path}");
    }
    std::fs::write(
        dir.join("pie.toml"),
        "programs = \"git\"\n[[worker]]\nnames = \"git\"\nown = { tier = \"LOW\" }\n",
    )
    .unwrap();
    assert!(site.run(&["worker", "test", "workers"]).expect(1).stdout.contains("in more than one manifest"));
    site.run(&["worker", "test", "nowhere"]).expect(1);
}

#[test]
fn a_draft_is_made_under_receipts_and_passes_its_own_tests() {
    let site = Site::new();
    let pie = site.work("pie");
    std::fs::write(&pie, format!("#!/bin/sh\n[ \"$1\" = --help ] || exit 9\ncat <<'X'\n{HELP}X\n")).unwrap();
    std::fs::set_permissions(&pie, std::fs::Permissions::from_mode(0o755)).unwrap();

    let made = json(&site.run(&["--json", "worker", "new", "./pie"]).expect(0).stdout);
    assert_eq!((made["options"].as_u64(), made["subcommands"].as_u64()), (Some(2), Some(2)));
    let kinds =
        |site: &Site| site.receipts().iter().map(|receipt| receipt.kind().to_owned()).collect::<Vec<_>>();
    let fed = |args: &[&str], text: &str| finish(site.cascade(args), text.as_bytes());
    let written = kinds(&site);
    assert!(written.iter().any(|kind| kind == "task_started"), "{written:?}");
    assert!(written.iter().any(|kind| kind == "task_completed"), "{written:?}");
    std::fs::write(site.work("pie.toml"), made["manifest"].as_str().unwrap()).unwrap();
    site.run(&["worker", "test", "pie.toml"]).expect(0);

    // As an agent an unknown program waits for somebody, and nothing runs.
    let mut asked = site.cascade(&["--json", "worker", "new", "./pie"]);
    asked.env("CLAUDECODE", "1");
    assert_eq!(finish(asked, b"").expect(5).json()["verdict"], "escalate");
    assert_eq!(site.last().kind(), "escalation");

    let before = kinds(&site).len();
    let again = fed(&["worker", "new", "pie", "--from", "-"], HELP).expect(0);
    assert_eq!(again.stdout, made["manifest"].as_str().unwrap());
    assert_eq!(kinds(&site).len(), before, "a draft from a text left receipts");
    fed(&["worker", "new", "pie", "--from", "-"], "nothing here")
        .expect_failure(1, "no option and no subcommand");
    fed(&["worker", "new", "a b", "--from", "-"], HELP).expect(2);
}
