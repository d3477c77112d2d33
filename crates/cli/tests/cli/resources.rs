//! What commands act on, through the real binary.

use crate::site::{Done, Site, finish, script};

/// An agent's call with a stand-in for `kubectl` first on the path, and a kubeconfig of its own.
pub(crate) fn with_kubectl(site: &Site, args: &[&str]) -> Done {
    let bin = site.path("bin");
    if !bin.exists() {
        std::fs::create_dir(&bin).unwrap();
        script(&bin.join("kubectl"), "#!/bin/sh\necho \"$@\" >> ran\n");
    }
    let mut command = site.cascade(args);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::iter::once(bin).chain(std::env::split_paths(&path));
    command.env("CLAUDECODE", "1").env("PATH", std::env::join_paths(dirs).unwrap());
    command.env("KUBECONFIG", site.path("kubeconfig"));
    finish(command, b"")
}

const ENVIRONMENTS: &str = "[environments]\nproduction = [\"cluster:prod-*\", \"host:*.prod.example.org\"]\n";
const NOT_PRODUCTION: &str = "permit (principal, action, resource);
@id(\"not-production\")
forbid (principal is Agent, action == Action::\"exec\", resource)
when { context.environments.contains(Environment::\"production\") };
";

/// What a command acts on is shown, decided by, explained, and told where the policy changes.
#[test]
fn a_policy_speaks_of_what_is_acted_on() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let dir = site.path("environments");
    std::fs::create_dir(&dir).unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).unwrap();
    write("all.cedar", NOT_PRODUCTION);
    write("thresholds.toml", &ENVIRONMENTS.replace("cluster:", "clutser:"));
    let told = site.run(&["policy", "check", dir.to_str().unwrap()]).expect(1).stdout;
    assert!(
        told.contains("thresholds.toml:2:15") && told.contains("`clutser` is no kind of resource"),
        "{told}"
    );
    write("thresholds.toml", ENVIRONMENTS);
    let told = site.run(&["policy", "diff", "current", dir.to_str().unwrap()]).expect(0).stdout;
    assert!(told.contains("environments.production") && told.contains("cluster:prod-*"), "{told}");
    site.run(&["policy", "activate", dir.to_str().unwrap()]).expect(0);

    let line = "kubectl --context prod-eu -n a get pods | wc -l";
    let mut agent = site.cascade(&["--json", "shell-check", "--", line]);
    agent.env("CLAUDECODE", "1");
    let told = finish(agent, b"").expect(3).json();
    assert_eq!(told["commands"][0]["resources"].to_string(), r#"["cluster:prod-eu","namespace:a"]"#);
    assert_eq!(told["commands"][1]["resources"].to_string(), "[]");
    assert_eq!(told["reasons"][0]["policy_id"], "not-production");
    let shown = site.run(&["shell-check", "--", "psql postgres://ann:secret@db1/shop"]).expect(5).stdout;
    assert!(shown.contains("on database:db1/shop, host:db1"), "{shown}");

    let mut agent = site.cascade(&["--json", "run", "--", "ssh", "ann@web1.prod.example.org", "uptime"]);
    agent.env("CLAUDECODE", "1");
    let denied = finish(agent, b"").expect(3).json()["receipt_id"].as_str().unwrap().to_owned();
    let words = site.run(&["policy", "explain", &denied]).expect(0).stdout;
    assert!(words.contains("on host:web1.prod.example.org"), "{words}");
    assert!(words.contains("Environment::\"production\""), "{words}");
}

/// Which context is the current one belongs to the action: it decides, and what was approved for one is not run in another.
#[test]
fn the_current_context_is_part_of_the_action() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let dir = site.path("environments");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("all.cedar"), NOT_PRODUCTION).unwrap();
    std::fs::write(dir.join("thresholds.toml"), ENVIRONMENTS).unwrap();
    site.run(&["policy", "activate", dir.to_str().unwrap()]).expect(0);
    let context = |name: &str| {
        let text = format!("apiVersion: v1\ncurrent-context: {name}\nkind: Config\n");
        std::fs::write(site.path("kubeconfig"), text).unwrap();
    };
    let delete = ["--json", "run", "--", "kubectl", "-n", "a", "delete", "pod", "web"];
    context("prod-eu");
    let denied = with_kubectl(&site, &delete).expect(3).json();
    assert_eq!(denied["reasons"][0]["policy_id"], "not-production");
    let words = site.run(&["policy", "explain", denied["receipt_id"].as_str().unwrap()]).expect(0).stdout;
    assert!(words.contains("on cluster:prod-eu, namespace:a"), "{words}");

    context("dev");
    let waits = with_kubectl(&site, &delete).expect(5).json();
    let id = waits["receipt_id"].as_str().unwrap();
    site.run(&["approve", id]).expect(0);
    context("test");
    with_kubectl(&site, &["run", "--approval", id]).expect(3);
    assert_eq!(site.last().kind(), "approval_refused");
    assert!(!site.work("ran").exists());
    context("dev");
    with_kubectl(&site, &["run", "--approval", id]).expect(0);
    assert!(site.work("ran").exists());
    site.assert_sound();
}
