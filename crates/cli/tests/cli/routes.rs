//! What a service does beside deciding: running, answering tasks, questions asked of a chain, what outsiders are handed.

use serde_json::{Value, json};

use crate::service::{Server, token};
use crate::site::{Receipt, Site, finish, kinds};

/// A token that may do everything the person of the site may.
fn all(site: &Site) -> String {
    token(site, &["--scope", "read", "--scope", "actions", "--scope", "admin"])
}

fn run(service: &Server, token: &str, body: &Value) -> Value {
    service.ask(token, ("POST", "/v1/actions"), &body.to_string()).expect(200)
}

fn performing(site: &Site) -> Server {
    Server::with(site, &["--listen", "127.0.0.1:0", "--perform"])
}

#[test]
fn a_command_is_run_here_once_for_each_key_and_only_where_the_operator_lets_it() {
    let site = Site::new();
    let me = all(&site);
    let body = json!({"argv": ["git", "--version"], "reason": "to see"});
    let service = Server::start(&site);
    service.ask(&me, ("POST", "/v1/actions"), &body.to_string()).problem(403, "not_performed_here");
    drop(service);
    assert!(site.receipts().iter().all(|one| one.kind() != "task_started"));

    let mut service = performing(&site);
    let bearer = format!("Bearer {me}");
    let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", "one")];
    let send = |body: &Value| service.send(("POST", "/v1/actions"), &headers, &body.to_string());
    let done = send(&body).expect(200);
    assert_eq!(
        (&done["verdict"], &done["ended"], &done["exit_code"]),
        (&json!("admit"), &json!("exited"), &json!(0))
    );
    assert!(done["stdout"].as_str().unwrap().starts_with("git version"), "{done}");
    let receipts = site.receipts();
    let (intent, closer) = (&receipts[receipts.len() - 2], &receipts[receipts.len() - 1]);
    assert_eq!((intent.kind(), closer.kind()), ("task_started", "task_completed"));
    assert_eq!(done["receipts"], json!([intent.id(), closer.id()]));
    let again = send(&body).expect(200);
    assert_eq!((&again["repeated"], &again["receipt_id"]), (&json!(true), &json!(intent.id())));
    assert!(again.get("stdout").is_none(), "{again}");
    send(&json!({"argv": ["git", "status"]})).problem(409, "request.key_reused");
    assert_eq!(site.receipts().len(), receipts.len(), "nothing ran again");

    let denied = run(&service, &me, &json!({"argv": ["rm", "-rf", "/"]}));
    assert_eq!((&denied["verdict"], denied.get("ended")), (&json!("deny"), None));
    assert_eq!(site.last().kind(), "blocked");
    let late = run(&service, &me, &json!({"argv": ["sleep", "600"], "timeout_seconds": 1}));
    assert_eq!(late["ended"], "timed_out", "{late}");
    let given = json!({"argv": ["sort"], "stdin": "b\na\n", "cwd": site.work("").to_str().unwrap()});
    assert_eq!(run(&service, &me, &given)["stdout"], "a\nb\n");
    // Variables are words like any other: decided on, recorded, shown to whoever approves.
    let set = run(&service, &me, &json!({"argv": ["printenv", "WHO"], "env": {"WHO": "given"}}));
    assert_eq!(set["stdout"], "given\n", "{set}");
    let shown = site.run(&["--json", "show", set["receipts"][0].as_str().unwrap()]).expect(0).json();
    assert_eq!(shown["private"]["action"]["argv"], json!(["env", "WHO=given", "printenv", "WHO"]));
    let agent = token(&site, &["--agent", "builder"]);
    for env in [json!({"LD_PRELOAD": "/tmp/x.so"}), json!({"HOME": "/tmp"}), json!({"PATH": "/tmp"})] {
        let asked = run(&service, &agent, &json!({"argv": ["git", "status"], "env": env}));
        assert_eq!(asked["verdict"], "escalate", "{asked}");
    }
    for bad in [
        json!({"argv": []}),
        json!({"argv": ["git"], "cwd": "here"}),
        json!({"argv": ["gi\u{0}t"]}),
        json!({"argv": ["ls"], "env": {"LD_PRELOAD=/tmp/x.so": "x"}}),
        json!({"argv": ["a=b"], "env": {"A": "x"}}),
        json!({"argv": ["git"], "approval": "r_0000000000000000"}),
    ] {
        service.ask(&me, ("POST", "/v1/actions"), &bad.to_string()).problem(400, "request.malformed");
    }
    service
        .ask(&me, ("POST", "/v1/actions"), r#"{"argv":["git"],"timeout_seconds":3601}"#)
        .problem(400, "request.limit");
    // Runs that are over leave the service its own way of ending.
    assert_eq!(service.stop(), Some(0));
    site.assert_sound();
}

/// The last receipt of the only run of `sleep`, once the service is gone.
fn closer(site: &Site) -> Receipt {
    // Whoever opens the chain closes what nobody holds any more.
    site.run(&["run", "--dry-run", "--", "true"]).expect(0);
    let receipts = site.receipts();
    let intent = receipts.iter().find(|one| one.kind() == "task_started").unwrap().id().to_owned();
    receipts.into_iter().rfind(|one| one.reference("intent") == Some(&intent)).unwrap()
}

#[test]
fn what_runs_is_ended_and_on_record_when_the_service_stops_or_dies() {
    for dies in [false, true] {
        let site = Site::new();
        let me = all(&site);
        let mut service = performing(&site);
        let asking = service.connect();
        let body = r#"{"argv":["sleep","600"]}"#;
        let request = format!(
            "POST /v1/actions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {me}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        std::io::Write::write_all(&mut &asking, request.as_bytes()).unwrap();
        while site.last().kind() != "task_started" {
            std::thread::yield_now();
        }
        if dies {
            service.kill();
        } else {
            assert_eq!(service.stop(), Some(0));
        }
        let closer = closer(&site);
        assert_eq!(closer.kind(), if dies { "task_unknown" } else { "task_failed" });
        site.assert_sound();
    }
}

#[test]
fn questions_get_the_same_documents_as_on_the_command_line() {
    let site = Site::new();
    let me = all(&site);
    let service = Server::start(&site);
    let asked = service.decide(&me, &["git", "status"]).expect(200);
    let id = asked["receipt_id"].as_str().unwrap();
    let get = |path: &str| service.ask(&me, ("GET", path), "").expect(200);
    let own = |args: &[&str]| site.run(&[&["--json"], args].concat()).expect(0).json();

    assert_eq!(get(&format!("/v1/lineage/{id}")), own(&["lineage", id]));
    let forward = get(&format!("/v1/lineage/{id}?forward=true&limit=5"));
    assert_eq!(forward, own(&["lineage", id, "--forward", "--limit", "5"]));
    service.ask(&me, ("GET", "/v1/lineage/r_0000000000000000"), "").problem(404, "not_found");
    service.ask(&me, ("GET", &format!("/v1/lineage/{id}?limit=0")), "").problem(400, "request.limit");
    service.ask(&me, ("GET", &format!("/v1/lineage/{id}?up=1")), "").problem(400, "request.query");

    let replayed = service.ask(&me, ("POST", "/v1/replay"), "{}").expect(200);
    assert_eq!(replayed, own(&["replay"]));
    assert_eq!((&replayed["divergences"], &replayed["outcome"]), (&json!(0), &json!("same")));
    let against = service.ask(&me, ("POST", "/v1/replay"), r#"{"against":"current"}"#).expect(200);
    assert_eq!(against, own(&["replay", "--against", "current"]));
    let nobody = format!(r#"{{"against":"{}"}}"#, "0".repeat(64));
    service.ask(&me, ("POST", "/v1/replay"), &nobody).problem(404, "not_found");
    service.ask(&me, ("POST", "/v1/replay"), r#"{"since":"yesterday"}"#).problem(400, "request.time");

    let audited = get("/v1/audit/soc2");
    assert_eq!(
        (&audited["pack"], &audited["chain"]),
        (&json!("soc2"), &own(&["audit", "--pack", "soc2"])["chain"])
    );
    service.ask(&me, ("GET", "/v1/audit/..%2Fsoc2"), "").problem(404, "not_found");

    let policies = get("/v1/policies");
    let policy = policies["policies"][0].clone();
    assert_eq!(
        (&policy["in_force"], &policy["policy_hash"]),
        (&json!(true), &site.last().content("policy_hash").clone())
    );
    let text = get("/v1/policies/current");
    assert_eq!(text["policy_hash"], policy["policy_hash"]);
    assert!(text["policies"]["auditors-only-read"].is_string(), "{text}");
    assert_eq!(get("/v1/specs"), own(&["spec", "list"]));
}

#[test]
fn a_bundle_made_over_http_convinces_an_outsider() {
    let site = Site::new();
    let (me, reader) = (all(&site), token(&site, &["--scope", "read"]));
    let service = Server::start(&site);
    let asked = service.decide(&me, &["git", "status"]).expect(200);
    service.ask(&me, ("GET", "/v1/checkpoints"), "").problem(404, "not_found");
    let body = json!({"receipts": [asked["receipt_id"]], "action": true, "replayable": true}).to_string();
    service.ask(&reader, ("POST", "/v1/bundles"), &body).problem(403, "auth.scope");
    service.ask(&reader, ("POST", "/v1/checkpoints"), "").problem(403, "auth.scope");
    let bundle = service.ask(&me, ("POST", "/v1/bundles"), &body);
    assert_eq!(bundle.status, 200, "{}", bundle.body);
    std::fs::write(site.work("run.bundle"), &bundle.body).unwrap();
    let (_, key) = site.hand_over();
    let key = key.to_str().unwrap();
    finish(site.cascade(&["verify", "run.bundle", "--public-key", key]), b"").expect(0);
    finish(site.cascade(&["replay", "run.bundle", "--public-key", key, "--check"]), b"").expect(0);
    let signed = service.ask(&me, ("POST", "/v1/checkpoints"), "");
    let newest = service.ask(&reader, ("GET", "/v1/checkpoints"), "");
    assert_eq!((signed.status, &signed.body), (200, &newest.body));
    for (body, code) in [(r#"{"receipts":[]}"#, 400), (r#"{"receipts":["r_0000000000000000"]}"#, 404)] {
        assert_eq!(service.ask(&me, ("POST", "/v1/bundles"), body).status, code);
    }
}

#[test]
fn tasks_are_answered_and_schedules_are_changed_on_record() {
    let site = Site::new();
    let added = site
        .run(&["--json", "cron", "add", "nightly", "--at", "30 4 * * *", "--", "git", "gc"])
        .expect(0)
        .json();
    let schedule = added["schedule"].as_str().unwrap().to_owned();
    let me = all(&site);
    let service = Server::start(&site);
    let task = json!({
        "text": "the sum of a list", "signature": "f(xs: list[int]) -> int", "max_layer": "L4",
        "examples": ["f([1, 2]) == 3", "f([]) == 0", "f([5, -1, 7]) == 11"],
    });
    let answered = service.ask(&me, ("POST", "/v1/tasks"), &task.to_string()).expect(200);
    let receipts = site.receipts();
    let last = receipts.iter().rfind(|one| one.kind() == "task_completed").unwrap();
    assert_eq!(answered["receipt_id"], last.id());
    assert!(answered["answer"].as_str().unwrap().contains("def f"), "{answered}");
    let command = json!({"text": "x", "kind": "cli"}).to_string();
    service.ask(&me, ("POST", "/v1/tasks"), &command).problem(403, "not_performed_here");
    let bearer = format!("Bearer {me}");
    let keyed = [("Authorization", bearer.as_str()), ("Idempotency-Key", "one")];
    service.send(("POST", "/v1/tasks"), &keyed, &task.to_string()).problem(400, "request.idempotency_key");
    service
        .ask(&me, ("POST", "/v1/tasks"), r#"{"text":"x","max_layer":"L9"}"#)
        .problem(400, "request.malformed");

    let path = format!("/v1/schedules/{schedule}");
    assert_eq!(service.ask(&me, ("GET", &path), "").expect(200)["state"], "active");
    let paused = service.ask(&me, ("POST", &path), r#"{"change":"pause","reason":"migration"}"#).expect(200);
    assert_eq!((paused["verdict"].as_str(), site.last().kind()), (Some("admit"), "schedule_changed"));
    assert_eq!(paused["receipt_id"], site.last().id());
    let listed = service.ask(&me, ("GET", "/v1/schedules"), "").expect(200);
    assert_eq!(listed["schedules"][0]["state"], "paused");
    service.ask(&me, ("POST", &path), r#"{"change":"pause"}"#);
    drop(service);
    assert!(kinds(&site.receipts()).contains(&"schedule_changed"));
    site.assert_sound();
}
