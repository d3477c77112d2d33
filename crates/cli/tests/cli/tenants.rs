//! Tenants as wholes: suspended on every surface, handed over, deleted with proof, whatever dies in between.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::service::{Answer, Server, token};
use crate::site::{CASCADE, Done, Receipt, Site, ended, finish, kinds};
use crate::team::Team;

const WHY: [&str; 2] = ["--reason", "the contract has ended"];

const TOUCHES: &str =
    "csl: 1\nname: touches\nversion: \"1.0\"\nsteps:\n  - id: touch\n    run: [touch, made]\n";

fn suspend(site: &Site, tenant: &str) -> Done {
    site.run(&[&["--json", "tenant", "suspend", tenant], &WHY[..]].concat()).expect(0)
}

fn resume(site: &Site, tenant: &str) -> Done {
    site.run(&[&["tenant", "resume", tenant], &WHY[..]].concat()).expect(0)
}

fn receipts(site: &Site, tenant: &str) -> Vec<Receipt> {
    let lines = site.run(&["--tenant", tenant, "export"]).expect(0).stdout;
    lines.lines().map(|line| Receipt(serde_json::from_str(line).unwrap())).collect()
}

fn listed(site: &Site) -> Vec<Value> {
    let lines = site.run(&["--json", "tenant", "list"]).expect(0).stdout;
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What an outsider sees of a directory that was handed over.
fn verifies(site: &Site, folder: &Path) -> Value {
    let name = |file: &str| folder.join(file).to_str().unwrap().to_owned();
    let [receipts, key, checkpoint] = ["chain.receipts.jsonl", "receipt-key.pem", "checkpoint"].map(name);
    let words =
        ["--json", "verify", &receipts, "--public-key", &key, "--checkpoint", &checkpoint, "--no-memory"];
    site.run(&words).expect(0).json()
}

fn ask(server: &Server, token: &str, route: (&str, &str), body: &Value) -> Answer {
    server.send(route, &[("Authorization", &format!("Bearer {token}"))], &body.to_string())
}

#[test]
fn a_suspended_tenant_acts_on_no_surface_and_can_still_be_looked_at() {
    let site = Site::new();
    let all = token(&site, &["--scope", "actions", "--scope", "read", "--scope", "approve"]);
    let server = Server::start(&site);
    let action = json!({"action": {"kind": "cli", "argv": ["git", "status"]}});
    let leased = ask(&server, &all, ("POST", "/v1/decisions"), &action).expect(200);
    site.run(&["cron", "add", "nightly", "--at", "@daily", "--", "touch", "made"]).expect(0);
    let mut running = site.cascade(&["run", "--", "sh", "-c", "echo here; sleep 600"]);
    let mut running = running.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = [0; 5];
    std::io::Read::read_exact(running.stdout.as_mut().unwrap(), &mut line).unwrap();

    std::fs::write(site.work("touches.yaml"), TOUCHES).unwrap();
    site.run(&["spec", "sign", "touches.yaml"]).expect(0);
    site.run(&["shim", "install", "touch"]).expect(0);

    let document = suspend(&site, "default").json();
    assert_eq!((&document["suspended"], &document["still_running"]), (&json!(true), &json!([])));
    let stopped = ended(running, b"").expect(3);
    assert!(stopped.stderr.contains("suspended"), "{}", stopped.stderr);
    let revoked = site.receipts().into_iter().rfind(|one| one.kind() == "task_revoked").unwrap();
    assert_eq!(revoked.reasons(), ["revoked.suspended"]);

    // Nobody acts: commands, dry runs, schedules, servers of tools, agents' hooks, HTTP.
    let refused: [(&[&str], i32); 8] = [
        (&["run", "--", "touch", "made"], 3),
        (&["run", "--dry-run", "--", "true"], 3),
        (&["shell-check", "--", "true"], 3),
        (&["mcp", "--name", "x", "--", "touch", "made"], 3),
        (&["cron", "run", "nightly"], 1),
        (&["task", "reverse a list"], 3),
        (&["spec", "run", "touches.yaml"], 3),
        (&["init"], 3),
    ];
    for (words, code) in refused {
        let done = site.run(words);
        assert_eq!(done.status.code(), Some(code), "{words:?}: {}{}", done.stdout, done.stderr);
    }
    let mut typed = site.program(site.path("user/.local/share/cascade-shims/touch"));
    typed.arg("made");
    let told = finish(typed, b"").expect(3).stderr;
    assert!(told.contains("suspended"), "{told}");
    let event = json!({
        "session_id": "s", "transcript_path": "/t", "cwd": site.path("work"), "permission_mode": "default",
        "hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {"command": "git status"},
        "tool_use_id": "toolu_1",
    });
    let told = finish(site.cascade(&["hook", "claude-code"]), event.to_string().as_bytes()).expect(0).stdout;
    assert!(told.contains("\"deny\"") && told.contains("suspended"), "{told}");
    ask(&server, &all, ("POST", "/v1/decisions"), &action).problem(403, "tenant.suspended");
    ask(&server, &all, ("POST", "/v1/approvals/r_00"), &json!({"verdict": "approve"}))
        .problem(403, "tenant.suspended");
    assert!(!site.work("made").exists());

    // What has begun is reported; reading goes on.
    let route = format!("/v1/actions/{}/outcome", leased["receipt_id"].as_str().unwrap());
    ask(&server, &all, ("POST", &route), &json!({"ending": "completed"})).expect(200);
    let state = ask(&server, &all, ("GET", "/v1/tenant"), &json!({})).expect(200);
    assert_eq!((&state["state"], &state["halted"]), (&json!("suspended"), &json!(false)));
    ask(&server, &all, ("GET", "/v1/receipts"), &json!({})).expect(200);
    for words in [&["log"][..], &["verify", "--no-memory"], &["export"], &["fsck"], &["tenant", "list"]] {
        site.run(words).expect(0);
    }

    resume(&site, "default");
    ask(&server, &all, ("POST", "/v1/decisions"), &action).expect(200);
    site.run(&["cron", "run", "nightly"]).expect(0);
    assert!(site.work("made").exists());
    drop(server);
    site.assert_sound_but_for(1);
}

#[test]
fn only_an_administrator_turns_the_switch_also_over_http() {
    let site = Site::new();
    let admin = token(&site, &["--scope", "admin", "--scope", "read"]);
    let mut agent = site.cascade(&[&["tenant", "suspend", "default"], &WHY[..]].concat());
    agent.env("CLAUDECODE", "1");
    finish(agent, b"").expect(3);
    assert_eq!(site.last().kind(), "blocked");

    let server = Server::start(&site);
    let key = site.home().join("admin/id_ed25519");
    let reader = token(&site, &["--scope", "read"]);
    let body = json!({"reason": "over"});
    ask(&server, &reader, ("POST", "/v1/tenant/suspend"), &body).problem(403, "auth.scope");
    for (route, state) in [("/v1/tenant/suspend", "suspended"), ("/v1/tenant/resume", "active")] {
        let unsigned = ask(&server, &admin, ("POST", route), &body);
        let statement = unsigned.problem(409, "tenant.signature")["detail"].as_str().unwrap().to_owned();
        let again = ask(&server, &admin, ("POST", route), &body).problem(409, "tenant.signature");
        assert_eq!(again["detail"], statement.as_str(), "asked twice, the same is to be signed");
        let signature = sign(&site, &key, &statement);
        let other = json!({"reason": "another", "sshsig": signature});
        ask(&server, &admin, ("POST", route), &other).problem(409, "tenant.unusable");
        let signed = json!({"reason": "over", "sshsig": signature});
        let turned = ask(&server, &admin, ("POST", route), &signed).expect(200);
        assert_eq!(site.last_of("tenant_changed"), turned["receipt_id"].as_str().unwrap());
        let stands = ask(&server, &admin, ("GET", "/v1/tenant"), &json!({})).expect(200);
        assert_eq!(stands["state"], state);
        // Once more changes nothing, and leaves no receipt.
        let once_more = ask(&server, &admin, ("POST", route), &signed).expect(200);
        assert_eq!(once_more["receipt_id"], Value::Null);
    }
    drop(server);
    site.assert_sound();
}

fn sign(site: &Site, key: &Path, statement: &str) -> String {
    let text = site.path("statement");
    std::fs::write(&text, statement).unwrap();
    let mut command = site.program("ssh-keygen");
    command.args(["-Y", "sign", "-n", "cascade-admin@v1", "-f"]).arg(key).arg(&text);
    assert!(command.output().unwrap().status.success());
    let path = site.path("statement.sig");
    let signature = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    signature
}

#[test]
fn a_tenant_is_handed_over_whole_and_nothing_is_overwritten() {
    let site = Site::new();
    site.run(&["tenant", "create", "acme"]).expect(0);
    site.run(&["tenant", "create", "acme"]).expect(1);
    site.run(&["--tenant", "acme", "run", "--", "echo", "kept to itself"]).expect(0);
    let out = site.path("handed");
    let words = ["--json", "tenant", "export", "acme", "--out", out.to_str().unwrap()];
    let told = site.run(&words).expect(0).json();
    assert_eq!(verifies(&site, &out)["receipts"], told["receipts"]);
    let manifest: Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("manifest.json")).unwrap()).unwrap();
    assert_eq!((&manifest["deleted"], &manifest["private"]), (&json!(false), &json!(false)));
    let mut names = Vec::new();
    for file in manifest["files"].as_array().unwrap() {
        let name = file["name"].as_str().unwrap();
        let sum = site.set("sha256sum", &[out.join(name).to_str().unwrap()]).stdout;
        assert!(sum.starts_with(file["sha256"].as_str().unwrap()), "{name}: {sum}");
        let bytes = std::fs::read(out.join(name)).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("kept to itself"), "{name}");
        names.push(name.to_owned());
    }
    assert!(names.iter().any(|name| name.starts_with("policies/")), "{names:?}");
    site.run(&words).expect(1);
    // A home holds tenants and nothing else.
    let within = site.home().join("tenants/other");
    let words = ["tenant", "export", "acme", "--out", within.to_str().unwrap()];
    site.run(&words).expect_failure(1, "outside the home");

    let private = site.path("private");
    let words = ["tenant", "export", "acme", "--private", "--out", private.to_str().unwrap()];
    site.run(&words).expect(0);
    let items = std::fs::read_to_string(private.join("private.jsonl")).unwrap();
    assert!(items.lines().count() >= 2, "{items}");
    for secret in ["BEGIN PRIVATE KEY", "hmac-master"] {
        assert!(!items.contains(secret));
    }
}

#[test]
fn a_service_notices_what_other_processes_do_to_its_tenants() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.run(&["tenant", "create", "acme"]).expect(0);
    let issue = || {
        let words = ["--tenant", "acme", "--json", "token", "issue", "--scope", "actions", "--scope", "read"];
        site.run(&words).expect(0).json()["token"].as_str().unwrap().to_owned()
    };
    let shown = issue();
    let server = Server::start(&site);
    let action = json!({"action": {"kind": "cli", "argv": ["git", "status"]}}).to_string();
    let as_acme = |token: &str, route: (&str, &str), body: &str| {
        let bearer = format!("Bearer {token}");
        server.send(route, &[("Authorization", &bearer), ("Cascade-Tenant", "acme")], body)
    };
    as_acme(&shown, ("POST", "/v1/decisions"), &action).expect(200);
    suspend(&site, "acme");
    as_acme(&shown, ("POST", "/v1/decisions"), &action).problem(403, "tenant.suspended");
    let proof = site.path("proof");
    let words = ["--json", "tenant", "delete", "acme", "--reason", "over", "--out", proof.to_str().unwrap()];
    site.run(&words).expect(0);
    as_acme(&shown, ("POST", "/v1/decisions"), &action).problem(401, "auth.unknown");
    as_acme(&shown, ("GET", "/v1/receipts"), "").problem(401, "auth.unknown");
    // The lease of the service was closed as unknown before the end.
    let lines = std::fs::read_to_string(proof.join("chain.receipts.jsonl")).unwrap();
    let chain: Vec<Receipt> =
        lines.lines().map(|line| Receipt(serde_json::from_str(line).unwrap())).collect();
    let unknown = chain.iter().find(|one| one.kind() == "task_unknown").unwrap();
    assert_eq!(unknown.reasons(), ["tenant.deleted"]);

    // Nobody founds it anew by accident; somebody may on purpose, and that is another chain.
    site.run(&["--tenant", "acme", "run", "--", "true"]).expect(1);
    site.run(&["tenant", "create", "acme"]).expect(0);
    as_acme(&shown, ("GET", "/v1/receipts"), "").problem(401, "auth.unknown");
    let fresh = issue();
    as_acme(&fresh, ("POST", "/v1/decisions"), &action).expect(200);
    assert_ne!(receipts(&site, "acme")[0].content("log_origin"), chain[0].content("log_origin"));
    drop(server);
}

#[test]
fn a_chain_does_not_end_before_the_other_one_can_be_told() {
    let team = Team::new();
    let site = &team.site;
    site.run(&["tenant", "create", "acme"]).expect(0);
    let public = team.public("acme");
    let (user, public) = (team.user(), public.to_str().unwrap());
    site.run(&["--tenant", "acme", "people", "add", &user, "--ssh-key", public, "--group", "admins"])
        .expect(0);
    let (key, proof) = (team.key("acme"), site.path("proof"));
    let key = key.to_str().unwrap();
    site.run(&["tenant", "suspend", "acme", "--reason", "over", "--key", key]).expect(0);
    // With that key alone nobody signs for the chain that says so.
    let words = ["tenant", "delete", "acme", "--reason", "over", "--out", proof.to_str().unwrap()];
    site.run(&[&words[..], &["--key", key]].concat()).expect(3);
    let acme = listed(site).into_iter().find(|one| one["tenant"] == "acme").unwrap();
    assert_eq!(acme["state"], "suspended");
    assert!(!proof.exists());
}

#[test]
fn what_is_refused_before_a_deletion_destroys_nothing() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.run(&["tenant", "create", "acme"]).expect(0);
    let (proof, inside) = (site.path("proof"), site.home().join("proof"));
    let delete = |tenant: &str, out: &Path| {
        site.run(&["tenant", "delete", tenant, "--reason", "over", "--out", out.to_str().unwrap()])
    };
    delete("acme", &proof).expect_failure(1, "suspended");
    suspend(&site, "acme");
    delete("acme", &inside).expect_failure(2, "inside");
    std::fs::create_dir(&proof).unwrap();
    delete("acme", &proof).expect_failure(1, "not overwritten");
    suspend(&site, "default");
    delete("default", &site.path("other")).expect_failure(1, "goes last");
    resume(&site, "default");
    let chain = receipts(&site, "acme");
    assert_eq!(kinds(&chain).last(), Some(&"tenant_changed"));
    assert_eq!(chain.last().unwrap().content("change"), "suspended");
    resume(&site, "acme");
    site.run(&["--tenant", "acme", "run", "--", "true"]).expect(0);
}

/// System calls that change the disk.
const CALLS: &str = "write,pwrite64,fsync,fdatasync,rename,renameat2,unlink,unlinkat,mkdir,rmdir,linkat";
/// How many moments of a deletion are tried.
const TRIALS: usize = 24;

/// A home with a suspended tenant, and what its deletion leaves.
struct Doomed {
    site: Site,
    proof: PathBuf,
}

impl Doomed {
    fn new() -> Self {
        let site = Site::new();
        site.run(&["init"]).expect(0);
        site.run(&["tenant", "create", "acme"]).expect(0);
        site.run(&["--tenant", "acme", "run", "--", "echo", "private"]).expect(0);
        suspend(&site, "acme");
        let proof = site.path("proof");
        std::fs::create_dir(site.path("kept")).unwrap();
        for name in ["home", "home-recovery", "user"] {
            copy(&site.path(name), &site.path("kept").join(name));
        }
        Self { site, proof }
    }

    fn reset(&self) {
        for name in ["home", "home-recovery", "user"] {
            let place = self.site.path(name);
            drop(std::fs::remove_dir_all(&place));
            copy(&self.site.path("kept").join(name), &place);
        }
        drop(std::fs::remove_dir_all(&self.proof));
    }

    fn words(&self) -> [&str; 7] {
        ["tenant", "delete", "acme", "--reason", "over", "--out", self.proof.to_str().unwrap()]
    }

    fn traced(&self, options: &[&str]) -> Done {
        let mut command = self.site.program("strace");
        command.args(["--follow-forks", "--quiet=all"]).args(options).arg(format!("--trace={CALLS}"));
        command.arg(CASCADE).args(self.words());
        finish(command, b"")
    }

    fn tenant(&self) -> PathBuf {
        self.site.home().join("tenants/acme")
    }

    /// Whatever died: nothing is gone before its proof is whole, and the same command brings it to its end.
    fn assert_goes_on(&self, name: &str) {
        let there = self.tenant().exists();
        if there {
            assert!(self.tenant().join("keys/receipt.pem").exists(), "{name}: half destroyed");
        } else {
            let seen = verifies(&self.site, &self.proof);
            assert_eq!(seen["valid"], true, "{name}");
        }
        let again = self.site.run(&self.words());
        let code = again.status.code();
        assert_eq!(code, Some(i32::from(!there)), "{name}: {}", again.stderr);
        // Whoever opens a tenant next removes what is left of this one.
        self.site.run(&["run", "--", "true"]).expect(0);
        let left: Vec<_> = std::fs::read_dir(self.site.home().join("tenants")).unwrap().collect();
        let left = left.iter().map(|entry| entry.as_ref().unwrap().file_name().into_string().unwrap());
        let left: Vec<String> = left.filter(|name| name.contains("acme")).collect();
        assert!(left.iter().all(|name| name == ".acme.lock" || name == ".acme.deleted"), "{name}: {left:?}");
        assert!(!self.site.path("home-recovery/acme/recovery.pem").exists(), "{name}: a key is left");
        self.assert_proven(name);
    }

    fn assert_proven(&self, name: &str) {
        verifies(&self.site, &self.proof);
        let lines = std::fs::read_to_string(self.proof.join("chain.receipts.jsonl")).unwrap();
        let last = Receipt(serde_json::from_str(lines.lines().next_back().unwrap()).unwrap());
        assert_eq!((last.kind(), last.content("change")), ("tenant_changed", &json!("deleted")), "{name}");
        let told: Vec<Receipt> =
            self.site.receipts().into_iter().filter(|one| one.kind() == "tenant_changed").collect();
        assert_eq!(told.len(), 1, "{name}: recorded once");
        let of = told[0].content("of");
        assert_eq!((&of["head"], &of["log_origin"]), (&last.0["entry_hash"], last.content("log_origin")));
        let listed = listed(&self.site);
        let gone = listed.iter().find(|one| one["state"] == "deleted").unwrap();
        assert_eq!((&gone["tenant"], &gone["root"]), (&json!("acme"), &of["root"]), "{name}");
        self.site.run(&["verify", "--no-memory"]).expect(0);
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

#[test]
fn a_deletion_that_is_killed_at_any_moment_is_finished_and_proven() {
    let doomed = Doomed::new();
    let trace = doomed.site.path("trace");
    doomed.traced(&[&format!("--output={}", trace.display())]).expect(0);
    doomed.site.run(&["run", "--", "true"]).expect(0);
    doomed.assert_proven("without a fault");
    let text = std::fs::read_to_string(trace).unwrap();
    let called = |call: &str| text.lines().filter(|line| line.contains(&format!(" {call}("))).count();
    let moments: Vec<(&str, usize)> =
        CALLS.split(',').flat_map(|call| (1..=called(call)).map(move |nth| (call, nth))).collect();
    let step = if std::env::var_os("CASCADE_INJECT").is_some() { 1 } else { moments.len().div_ceil(TRIALS) };
    let mut killed = 0;
    for (call, nth) in moments.iter().step_by(step) {
        doomed.reset();
        let inject = format!("--inject={call}:signal=KILL:when={nth}");
        let done = doomed.traced(&["--output=/dev/null", &inject]);
        if done.status.success() {
            continue;
        }
        killed += 1;
        doomed.assert_goes_on(&format!("{call} {nth}"));
    }
    assert!(killed > TRIALS / 3, "{killed} of {}", moments.len());
}
