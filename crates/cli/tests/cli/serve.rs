//! `cascade serve`: decided, recorded, answered; and what it does with those who ask badly.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;

use crate::service::{Server, answer, token};
use crate::site::{Site, kinds};
use crate::team::Team;

#[test]
fn a_decision_is_on_record_before_it_is_answered_and_its_outcome_closes_it() {
    let site = Site::new();
    let agent = token(&site, &["--agent", "builder"]);
    let service = Server::start(&site);
    let decided = service.decide(&agent, &["git", "status"]).expect(200);
    assert_eq!((&decided["verdict"], &decided["may_perform"]), (&json!("admit"), &json!(true)));
    let id = decided["receipt_id"].as_str().unwrap();
    let intent = site.last();
    assert_eq!((intent.kind(), intent.id()), ("task_started", id));
    let path = format!("/v1/actions/{id}");
    assert_eq!(service.ask(&agent, ("GET", &path), "").expect(200)["state"], "open");

    let outcome = ("POST", format!("{path}/outcome"));
    let body =
        json!({"ending": "completed", "exit_code": 0, "duration_us": 1200, "output": "clean\n"}).to_string();
    let closed = service.ask(&agent, (outcome.0, &outcome.1), &body).expect(200);
    let closer = site.last();
    assert_eq!((closer.kind(), closer.id()), ("task_completed", closed["receipt_id"].as_str().unwrap()));
    assert_eq!(closer.reference("intent"), Some(id));
    assert!(closer.content("output_hash").is_string());
    // The same again is the same receipt; something else is none.
    let again = service.ask(&agent, (outcome.0, &outcome.1), &body).expect(200);
    assert_eq!((&again["receipt_id"], &again["repeated"]), (&closed["receipt_id"], &json!(true)));
    for other in [body.replace("clean", "wiped"), json!({"ending": "failed", "exit_code": 1}).to_string()] {
        service.ask(&agent, (outcome.0, &outcome.1), &other).problem(409, "action.not_open");
    }
    assert_eq!(service.ask(&agent, ("GET", &path), "").expect(200)["state"], "completed");

    // What a tool is called with is decided on as it was sent, to the digit.
    let called = r#"{"action":{"kind":"tool","server":"mcp:bank","name":"transfer","arguments":{"to":"a","n":[12345678901234567890.10,null]}},"dry_run":true}"#;
    let rehearsed = service.ask(&agent, ("POST", "/v1/decisions"), called).expect(200);
    assert_eq!((&rehearsed["verdict"], &rehearsed["may_perform"]), (&json!("escalate"), &json!(false)));
    let shown = site.run(&["--json", "show", rehearsed["receipt_id"].as_str().unwrap()]).expect(0).json();
    let tool = &shown["private"]["action"]["tool"];
    assert_eq!((&tool["server"], &tool["name"]), (&json!("mcp:bank"), &json!("transfer")));
    assert_eq!(tool["arguments"], r#"{"to":"a","n":[12345678901234567890.10,null]}"#);

    let denied = service.decide(&agent, &["git", "push", "--force"]).expect(200);
    assert_eq!((&denied["verdict"], &denied["may_perform"]), (&json!("deny"), &json!(false)));
    assert_eq!(site.last().kind(), "blocked");
    assert!(
        denied["reasons"].as_array().unwrap().iter().any(|reason| reason["gate"] == "failfast"),
        "{denied}"
    );
    let refused = format!("/v1/actions/{}/outcome", denied["receipt_id"].as_str().unwrap());
    service.ask(&agent, ("POST", &refused), &body).problem(409, "action.not_open");
    drop(service);
    site.assert_sound();
}

#[test]
fn a_person_approves_over_http_and_the_same_request_is_then_admitted() {
    let team = Team::new();
    team.joins("bob", &["admins"]);
    let site = &team.site;
    let agent = token(site, &["--agent", "builder"]);
    let bob = token(site, &["--for", "bob", "--scope", "approve", "--scope", "read"]);
    let service = Server::start(site);
    let asked = ["terraform", "apply", "-auto-approve"];
    let waits = service.decide(&agent, &asked).expect(200);
    assert_eq!(waits["verdict"], "escalate", "{waits}");
    assert_eq!(waits["escalation"]["groups"], json!(["admins"]));
    let id = waits["receipt_id"].as_str().unwrap();
    let pending = service.ask(&bob, ("GET", "/v1/approvals"), "").expect(200);
    assert_eq!(pending["approvals"][0]["receipt_id"], id);
    assert_eq!(pending["approvals"][0]["action"]["argv"], json!(asked));

    // Whoever is not asked is not told what it is, whatever the token is for.
    team.joins("carol", &["sre"]);
    let carol = token(site, &["--for", "carol", "--scope", "approve", "--scope", "read"]);
    let untold = service.ask(&carol, ("GET", "/v1/approvals"), "").expect(200);
    assert_eq!(
        (&untold["approvals"][0]["receipt_id"], untold["approvals"][0].get("action")),
        (&json!(id), None)
    );

    let route = ("POST", format!("/v1/approvals/{id}"));
    let route = (route.0, route.1.as_str());
    // Whoever is not meant to answer does not; an agent least of all.
    service.ask(&agent, route, &json!({"verdict": "approve"}).to_string()).problem(403, "auth.scope");
    // The statement comes first, then its signature.
    let unsigned = service.ask(&bob, route, &json!({"verdict": "approve"}).to_string());
    let statement = unsigned.problem(409, "approval.signature")["detail"].as_str().unwrap().to_owned();
    let signature = ssh_signature(site, &team.key("bob"), &statement);
    let forged = signature.replacen("\nA", "\nB", 1).replacen("\nQ", "\nR", 1);
    if forged != signature {
        let body = json!({"verdict": "approve", "sshsig": forged}).to_string();
        service.ask(&bob, route, &body).problem(409, "approval.refused");
    }
    let body = json!({"verdict": "approve", "sshsig": signature, "reason": "ticket 42"}).to_string();
    service.ask(&bob, route, &body).expect(200);
    assert_eq!(site.last().kind(), "approval");

    let admitted = service.decide(&agent, &asked).expect(200);
    assert_eq!((&admitted["verdict"], &admitted["may_perform"]), (&json!("admit"), &json!(true)));
    assert_eq!(site.last().reference("escalation"), Some(id));
    // An approval is used once.
    assert_eq!(service.decide(&agent, &asked).expect(200)["verdict"], "escalate");
    drop(service);
    site.assert_sound_but_for(1);
}

fn ssh_signature(site: &Site, key: &std::path::Path, statement: &str) -> String {
    let text = site.path("statement");
    std::fs::write(&text, statement).unwrap();
    let mut command = site.program("ssh-keygen");
    command.args(["-Y", "sign", "-n", "cascade-approval@v1", "-f"]).arg(key).arg(&text);
    assert!(command.output().unwrap().status.success());
    let path = site.path("statement.sig");
    let signature = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    signature
}

#[test]
fn a_request_with_a_key_is_answered_once_whatever_dies_in_between() {
    let site = Site::new();
    let agent = token(&site, &["--agent", "builder"]);
    let mut service = Server::start(&site);
    let bearer = format!("Bearer {agent}");
    let headers =
        |key: &'static str| [("Authorization", bearer.clone()), ("Idempotency-Key", key.to_owned())];
    let send = |service: &Server, key, argv: &[&str]| {
        let headers = headers(key);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = json!({"action": {"kind": "cli", "argv": argv}}).to_string();
        service.try_send(("POST", "/v1/decisions"), &headers, &body)
    };
    let first = send(&service, "one", &["git", "status"]).unwrap().expect(200);
    let again = send(&service, "one", &["git", "status"]).unwrap().expect(200);
    assert_eq!((&again["receipt_id"], &again["repeated"]), (&first["receipt_id"], &json!(true)));
    send(&service, "one", &["git", "log"]).unwrap().problem(409, "request.key_reused");
    // Another caller's key is another key.
    let other = token(&site, &["--agent", "deployer"]);
    let other = format!("Bearer {other}");
    let body = json!({"action": {"kind": "cli", "argv": ["git", "status"]}}).to_string();
    let theirs = service.send(
        ("POST", "/v1/decisions"),
        &[("Authorization", &other), ("Idempotency-Key", "one")],
        &body,
    );
    assert_ne!(theirs.expect(200)["receipt_id"], first["receipt_id"]);

    // Killed under load: every answer that came has its receipt, and whoever asks again adds none.
    let answered = Mutex::new(BTreeSet::new());
    let keys: Vec<String> = (0..200).map(|number| format!("k{number}")).collect();
    let shoot = |service: &Server, key: &str| {
        let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", key)];
        let answer = service.try_send(("POST", "/v1/decisions"), &headers, &body)?;
        Some((key.to_owned(), answer.expect(200)["receipt_id"].as_str().unwrap().to_owned()))
    };
    std::thread::scope(|scope| {
        for part in keys.chunks(25) {
            let (service, answered, shoot) = (&service, &answered, &shoot);
            scope.spawn(move || {
                for key in part {
                    let Some(got) = shoot(service, key) else { return };
                    answered.lock().unwrap().insert(got);
                }
            });
        }
        while answered.lock().unwrap().len() < 40 {
            std::thread::yield_now();
        }
        let pid = rustix::process::Pid::from_raw(i32::try_from(service.pid()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    });
    service.kill();
    let before = answered.into_inner().unwrap();
    assert!(before.len() < 200, "it died too late to show anything");
    let service = service.again(&site);
    let after: BTreeSet<_> = keys.iter().map(|key| shoot(&service, key).unwrap()).collect();
    assert!(before.is_subset(&after), "an answer that came has another receipt now");
    let started = site.receipts().iter().filter(|receipt| receipt.kind() == "task_started").count();
    assert_eq!(started, 202, "one for each key, and no second one");
    drop(service);
    site.assert_sound_but_for(202);
}

#[test]
fn whoever_shows_nothing_or_the_wrong_thing_learns_nothing() {
    let site = Site::new();
    let agent = token(&site, &["--agent", "builder"]);
    let reader = token(&site, &["--agent", "reader", "--scope", "read"]);
    let service = Server::start(&site);
    let decisions = ("POST", "/v1/decisions");
    let body = json!({"action": {"kind": "cli", "argv": ["git", "status"]}}).to_string();
    let before = site.receipts().len();
    service.send(decisions, &[], &body).problem(401, "auth.missing");
    service.send(decisions, &[("Authorization", "Basic YTpi")], &body).problem(401, "auth.scheme");
    service.ask("cascade_nonsense", decisions, &body).problem(401, "auth.unknown");
    service.ask(&reader, decisions, &body).problem(403, "auth.scope");
    // Another tenant, whether there is one or not, knows nobody from here.
    let bearer = format!("Bearer {agent}");
    let unknown = [("Authorization", bearer.as_str()), ("Cascade-Tenant", "other")];
    let missing = service.send(decisions, &unknown, &body).problem(401, "auth.unknown");
    let nonsense = [("Authorization", "Bearer x"), ("Cascade-Tenant", "other")];
    assert_eq!(service.send(decisions, &nonsense, &body).problem(401, "auth.unknown"), missing);
    site.run(&["--tenant", "other", "init"]).expect(0);
    let present = service.send(decisions, &unknown, &body).problem(401, "auth.unknown");
    assert_eq!(missing, present);
    let twice = [("Authorization", bearer.as_str()), ("Authorization", "Bearer x")];
    service.send(decisions, &twice, &body).problem(400, "request.header_repeated");
    let outside = [("Authorization", bearer.as_str()), ("Cascade-Tenant", "../default")];
    service.send(decisions, &outside, &body).problem(400, "request.tenant");
    assert_eq!(site.receipts().len(), before);
    service.decide(&agent, &["git", "status"]).expect(200);
    // What was taken back ends at once.
    let tokens = site.run(&["--json", "token", "list"]).expect(0).stdout;
    let id = tokens.lines().find(|line| line.contains("builder") || line.contains("actions")).unwrap();
    let id = serde_json::from_str::<serde_json::Value>(id).unwrap()["token_id"].as_str().unwrap().to_owned();
    site.run(&["token", "revoke", &id]).expect(0);
    service.decide(&agent, &["git", "status"]).problem(401, "auth.unknown");
    // Guessing is slowed down; a right token never is.
    for _ in 0..40 {
        service.ask("cascade_nonsense", decisions, &body);
    }
    service.ask("cascade_nonsense", decisions, &body).problem(429, "auth.too_many");
    service.ask(&reader, ("GET", "/v1/receipts"), "").expect(200);
}

#[test]
fn bad_requests_are_bounded_and_leave_nothing() {
    let site = Site::new();
    let agent = token(&site, &["--agent", "builder"]);
    let service = Server::start(&site);
    let before = site.receipts().len();
    let decide = |body: &str| service.ask(&agent, ("POST", "/v1/decisions"), body);
    for body in ["", "{", "null", "[]", "{\"action\": 1}", "{\"action\":{\"kind\":\"cli\",\"argv\":[]}}"] {
        assert_eq!(decide(body).status, 400, "{body}");
    }
    decide(&"[".repeat(100_000)).problem(400, "request.malformed");
    decide(&json!({"action": {"kind": "cli", "argv": ["git"]}, "surprise": 1}).to_string())
        .problem(400, "request.malformed");
    let long = json!({"action": {"kind": "cli", "argv": ["git"]}, "reason": "x".repeat(16 * 1024 + 1)});
    decide(&long.to_string()).problem(400, "request.limit");
    let huge = json!({"action": {"kind": "cli", "argv": ["x".repeat(3 << 20)]}});
    assert_eq!(decide(&huge.to_string()).status, 413);
    let own = json!({"action": {"kind": "tool", "server": "cascade", "name": "approve"}});
    decide(&own.to_string()).problem(400, "request.malformed");
    for path in [
        "/v1/actions/..%2f..%2fetc",
        "/v1/actions/r_00",
        "/v1/receipts/%00",
        "/v1/receipts/r_0000000000000000",
    ] {
        service.ask(&agent, ("GET", path), "").problem(404, "not_found");
    }
    service.ask(&agent, ("GET", "/v1/receipts?cursor=x"), "").problem(400, "request.cursor");
    service.ask(&agent, ("GET", "/v1/receipts?limit=501"), "").problem(400, "request.limit");
    service.ask(&agent, ("GET", "/v1/nothing"), "").problem(404, "not_found");
    service.ask(&agent, ("DELETE", "/v1/receipts"), "").problem(405, "method");
    // Two lengths, or a length and chunks: whichever a proxy before us believed.
    let smuggled = format!(
        "POST /v1/decisions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {agent}\r\nContent-Length: 3\r\nContent-Length: 30\r\n\r\nabc"
    );
    assert!(service.raw(smuggled.as_bytes()).is_none_or(|answer| answer.status == 400));
    let many: String = (0..100).map(|number| format!("X-{number}: a\r\n")).collect();
    let many = service.raw(format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{many}\r\n").as_bytes());
    assert!(many.is_none_or(|answer| answer.status == 431));
    assert!(service.raw(b"\x16\x03\x01\x02\x00\x01\x00").is_none_or(|answer| answer.status == 400));
    assert_eq!(site.receipts().len(), before);
    assert_eq!(service.send(("GET", "/healthz"), &[], "").body, "ok\n");
}

#[test]
fn a_request_says_once_whom_it_means() {
    let site = Site::new();
    let service = Server::start(&site);
    let status = |hosts: &str| {
        let request = format!("GET /healthz HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        service.raw(request.as_bytes()).unwrap().status
    };
    assert_eq!(["", "Host: a\r\n", "Host: a\r\nHost: b\r\n"].map(status), [400, 200, 400]);
}

#[test]
fn a_head_is_so_long_and_no_longer() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let server = Server::start(&site);
    let head = |bytes: usize| {
        let (before, after) =
            ("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Pad: ", "\r\n\r\n");
        let pad = "x".repeat(bytes - before.len() - after.len());
        server.raw(format!("{before}{pad}{after}").as_bytes()).unwrap()
    };
    assert_eq!(head(64 * 1024).status, 200);
    assert_eq!(head(64 * 1024 + 1).status, 431);
}

#[test]
fn a_halt_holds_for_those_who_ask_again_and_a_stop_for_those_who_listen() {
    let site = Site::new();
    let agent = token(&site, &["--agent", "builder"]);
    let mut server = Server::start(&site);
    let bearer = format!("Bearer {agent}");
    let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", "one")];
    let body = json!({"action": {"kind": "cli", "argv": ["git", "status"]}}).to_string();
    let first = server.send(("POST", "/v1/decisions"), &headers, &body).expect(200);
    assert_eq!(first["may_perform"], true);
    site.run(&["halt", "--reason", "drill"]).expect(0);
    let again = server.send(("POST", "/v1/decisions"), &headers, &body).expect(200);
    assert_eq!((&again["receipt_id"], &again["may_perform"]), (&first["receipt_id"], &json!(false)));
    // Who stopped it wants to see why; what was begun is still reported.
    server.ask(&agent, ("GET", "/v1/receipts"), "").expect(200);
    let path = format!("/v1/actions/{}/outcome", first["receipt_id"].as_str().unwrap());
    server.ask(&agent, ("POST", &path), &json!({"ending": "completed"}).to_string()).expect(200);
    let mut events = server.connect();
    let head = format!("GET /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: {bearer}\r\n\r\n");
    events.write_all(head.as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(events.try_clone().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("200"), "{line}");
    let began = std::time::Instant::now();
    assert_eq!(server.stop(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(25), "it waited for a stream that does not end");
}

#[test]
fn a_slow_body_is_told_so() {
    let site = Site::new();
    let agent = token(&site, &["--agent", "builder"]);
    let server = Server::start(&site);
    let head = format!(
        "POST /v1/decisions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {agent}\r\nContent-Length: 100\r\n\r\n{{"
    );
    server.raw(head.as_bytes()).expect("an answer").problem(408, "request.slow");
    // Nobody reads the body of somebody who shows no token.
    let stranger =
        "POST /v1/decisions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\nContent-Length: 100\r\n\r\n{";
    server.raw(stranger.as_bytes()).expect("an answer").problem(401, "auth.unknown");
}

#[test]
fn a_slow_head_is_cut_off_and_holds_nobody_up() {
    let site = Site::new();
    let service = Server::start(&site);
    let slow: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = service.connect();
            stream.write_all(b"GET /healthz HTTP/1.1\r\nX-").unwrap();
            stream
        })
        .collect();
    assert_eq!(service.send(("GET", "/healthz"), &[], "").status, 200);
    for stream in slow {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // The end of the connection, or a word before it; not silence.
        let told = answer(&mut BufReader::new(stream));
        assert!(told.is_none_or(|answer| answer.status == 408));
    }
}

#[test]
fn receipts_come_in_pages_and_as_they_happen() {
    let site = Site::new();
    let agent = token(&site, &["--agent", "builder"]);
    let service = Server::start(&site);
    let mut events = BufReader::new(service.connect());
    let head = format!("GET /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {agent}\r\n\r\n");
    events.get_mut().write_all(head.as_bytes()).unwrap();
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        events.read_line(&mut line).unwrap();
    }
    for _ in 0..5 {
        service.decide(&agent, &["git", "status"]).expect(200);
    }
    let all = site.receipts();
    // Whoever connects anew goes on, although it asks for the same address.
    let mut anew = BufReader::new(service.connect());
    let head = format!(
        "GET /v1/events?from=0 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {agent}\r\nLast-Event-ID: 3\r\n\r\n"
    );
    anew.get_mut().write_all(head.as_bytes()).unwrap();
    let first =
        anew.lines().map_while(Result::ok).find_map(|line| line.strip_prefix("id: ").map(str::to_owned));
    assert_eq!(first.as_deref(), Some("4"));
    let nowhere = [("Authorization", format!("Bearer {agent}")), ("Last-Event-ID", "3.0".to_owned())];
    let nowhere = nowhere.each_ref().map(|(name, value)| (*name, value.as_str()));
    service.send(("GET", "/v1/events"), &nowhere, "").problem(400, "request.malformed");
    let (mut told, mut line) = (0, String::new());
    while told < 5 {
        line.clear();
        assert_ne!(events.read_line(&mut line).unwrap(), 0);
        if let Some(data) = line.strip_prefix("data: ") {
            let receipt: serde_json::Value = serde_json::from_str(data).unwrap();
            assert_eq!(receipt["receipt_id"], all[all.len() - 5 + told].id());
            told += 1;
        }
    }
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = service.ask(&agent, ("GET", &format!("/v1/receipts?limit=3{cursor}")), "").expect(200);
        pages.extend(page["receipts"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let ids: Vec<_> =
        pages.iter().map(|receipt| receipt["receipt_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, all.iter().map(|receipt| receipt.id().to_owned()).collect::<Vec<_>>());
    let one = service.ask(&agent, ("GET", &format!("/v1/receipts/{}", ids[0])), "");
    assert_eq!(one.expect(200)["content"]["kind"], "genesis");
}

#[test]
fn outsiders_get_keys_and_checkpoints_and_this_machine_its_metrics() {
    let site = Site::new();
    let agent = token(&site, &["--agent", "builder"]);
    site.run(&["checkpoint"]).expect(0);
    let service = Server::start(&site);
    service.decide(&agent, &["git", "status"]).expect(200);
    let chains = service.send(("GET", "/v1/chains"), &[], "").expect(200);
    let chain = &chains["chains"][0];
    let pem = site.run(&["key", "export", "--public"]).expect(0).stdout;
    assert_eq!(chain["public_key"].as_str().unwrap().trim(), pem.trim());
    assert!(!chains.to_string().contains("default"), "a tenant's name is nobody's business");
    let id = chain["log_origin"].as_str().unwrap().rsplit('/').next().unwrap();
    let note = service.send(("GET", &format!("/v1/chains/{id}/checkpoint")), &[], "");
    assert_eq!((note.status, note.body.as_str()), (200, chain["checkpoint"].as_str().unwrap()));
    assert_eq!(service.send(("GET", "/readyz"), &[], "").body, "ready\n");
    let metrics = service.send(("GET", "/v1/metrics"), &[], "").body;
    for line in [
        "cascade_open_intents{tenant=\"default\"} 1",
        "cascade_receipts{tenant=\"default\",kind=\"task_started\"} 1",
        "cascade_gate_latency_seconds_count{tenant=\"default\"} 1",
        "cascade_decay_index{tenant=\"default\"} 0.0",
        "# EOF",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line} is missing in\n{metrics}");
    }
    // Neither a proxy nor a page in a browser is this machine, nor whoever was told another name for it.
    for (name, value) in [("Via", "1.1 proxy"), ("Origin", "https://evil.example")] {
        service.send(("GET", "/v1/metrics"), &[(name, value)], "").problem(401, "auth.missing");
    }
    let rebound = "GET /v1/metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    service.raw(rebound.as_bytes()).unwrap().problem(401, "auth.missing");
    let document = service.send(("GET", "/v1/openapi.json"), &[], "").expect(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let page = service.send(("GET", "/v1/docs"), &[], "").body;
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(page.contains(&path.replace('<', "&lt;")), "{path}");
    }
}

#[test]
fn a_lease_that_runs_out_is_closed_as_unknown_and_a_stop_is_in_order() {
    let site = Site::new();
    let agent = token(&site, &["--agent", "builder"]);
    let mut service = Server::start(&site);
    let body = json!({"action": {"kind": "cli", "argv": ["git", "status"]}, "lease_seconds": 1}).to_string();
    let decided = service.ask(&agent, ("POST", "/v1/decisions"), &body).expect(200);
    let id = decided["receipt_id"].as_str().unwrap().to_owned();
    let long = service.decide(&agent, &["git", "log"]).expect(200);
    // The service looks every few seconds, and whoever listens hears of it.
    let head = format!("GET /v1/events?from=0 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {agent}\r\n\r\n");
    let mut events = BufReader::new(service.connect());
    events.get_mut().write_all(head.as_bytes()).unwrap();
    let mut line = String::new();
    while line.trim_end() != "event: task_unknown" {
        line.clear();
        assert_ne!(events.read_line(&mut line).unwrap(), 0);
    }
    assert_eq!(
        service.ask(&agent, ("GET", &format!("/v1/actions/{id}")), "").expect(200)["state"],
        "unknown"
    );
    assert_eq!(site.last().reasons(), ["lease.expired"]);
    drop(events);
    assert_eq!(service.stop(), Some(0));
    // What is still leased stays open, whoever opens the chain, and is reported to the next service.
    site.run(&["run", "--", "true"]).expect(0);
    let service = service.again(&site);
    let path = format!("/v1/actions/{}/outcome", long["receipt_id"].as_str().unwrap());
    service
        .ask(&agent, ("POST", &path), &json!({"ending": "failed", "exit_code": 3}).to_string())
        .expect(200);
    assert_eq!(kinds(&site.receipts()).last(), Some(&"task_failed"));
    drop(service);
    site.assert_sound();
}

/// A certificate for `localhost` or a client, signed by the authority of this name.
fn certificate(site: &Site, name: &str, authority: Option<&str>) {
    let path = |end: &str| site.path(&format!("{name}{end}"));
    let mut command = site.program("openssl");
    command.args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    command.args(["-days", "2", "-subj", &format!("/CN={name}"), "-addext", "subjectAltName=DNS:localhost"]);
    command.arg("-keyout").arg(path(".key")).arg("-out").arg(path(".pem"));
    if let Some(authority) = authority {
        let of = |end: &str| site.path(&format!("{authority}{end}"));
        command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        command.arg("-CA").arg(of(".pem")).arg("-CAkey").arg(of(".key"));
    }
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn tls_is_spoken_and_a_clients_certificate_asked_for_beside_its_token() {
    let site = Site::new();
    let agent = token(&site, &["--agent", "builder"]);
    for (name, authority) in
        [("root", None), ("api", Some("root")), ("client", Some("root")), ("stranger", None)]
    {
        certificate(&site, name, authority);
    }
    let path = |name: &str| site.path(name).to_str().unwrap().to_owned();
    let (cert, key, roots) = (path("api.pem"), path("api.key"), path("root.pem"));
    let words =
        ["--listen", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &roots];
    let server = Server::with(&site, &words);
    let port = server.address().rsplit(':').next().unwrap();
    let curl = |client: Option<&str>, url: &str| {
        let mut command = site.program("curl");
        command.args(["--silent", "--max-time", "20", "--cacert", &roots]);
        command.args(["-H", &format!("Authorization: Bearer {agent}")]);
        if let Some(client) = client {
            command.args([
                "--cert",
                &path(&format!("{client}.pem")),
                "--key",
                &path(&format!("{client}.key")),
            ]);
        }
        let done = command.arg(url).output().unwrap();
        (done.status.success(), String::from_utf8(done.stdout).unwrap())
    };
    let url = format!("https://localhost:{port}/v1/receipts?limit=1");
    let (worked, body) = curl(Some("client"), &url);
    assert!(worked && body.contains("genesis"), "{body}");
    for nobody in [None, Some("stranger")] {
        let (worked, body) = curl(nobody, &url);
        assert!(!worked && body.is_empty(), "{nobody:?} {body}");
    }
    // Whoever speaks no TLS is not understood.
    assert!(server.raw(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").is_none());
    drop(server);
    let odd = ["serve", "--listen", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &path("client.key")];
    site.run(&odd).expect_failure(1, "couldn't set TLS up");
    assert!(site.run(&["serve", "--tls-cert", &cert]).expect(2).stderr.contains("--tls-key"));
}

#[test]
fn a_socket_in_the_file_system_is_for_its_owner_and_what_a_dead_service_left_is_cleared() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::new();
    let socket = site.path("api.sock");
    let place = format!("unix:{}", socket.display());
    let mut server = Server::with(&site, &["--listen", &place]);
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let healthy = || {
        let mut command = site.program("curl");
        command.args(["--silent", "--max-time", "20", "--unix-socket"]).arg(&socket).arg("http://x/healthz");
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert_eq!(healthy(), "ok\n");
    // What is no socket is somebody's file.
    let file = site.path("notes.txt");
    std::fs::write(&file, "mine").unwrap();
    site.run(&["serve", "--listen", &format!("unix:{}", file.display())]).expect_failure(1, "couldn't serve");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    // A living one is not pushed aside.
    site.run(&["serve", "--listen", &place]).expect_failure(1, "couldn't serve");
    server.kill();
    assert!(socket.exists());
    let mut server = Server::with(&site, &["--listen", &place]);
    assert_eq!(healthy(), "ok\n");
    assert_eq!(server.stop(), Some(0));
    assert!(!socket.exists());
}
