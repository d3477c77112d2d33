//! Nobody takes from a service what others need: without a credential nothing, with one no more than a tenant's share.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::service::{Answer, Server, answer, token};
use crate::site::{PATIENCE, Site};

/// Well below the ten seconds that a body has to come, and that somebody waits for room.
const AT_ONCE: Duration = Duration::from_secs(5);

const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// A token of another tenant.
fn of_tenant(site: &Site, tenant: &str) -> String {
    site.run(&["--tenant", tenant, "init"]).expect(0);
    let words = ["--tenant", tenant, "--json", "token", "issue", "--scope", "actions", "--scope", "read"];
    site.run(&words).expect(0).json()["token"].as_str().unwrap().to_owned()
}

/// A connection on which a long body is announced and does not come.
fn announces(service: &Server, bearer: Option<(&str, &str)>, path: &str) -> TcpStream {
    let mut stream = service.connect();
    let shown = bearer.map_or(String::new(), |(tenant, token)| {
        format!("Cascade-Tenant: {tenant}\r\nAuthorization: Bearer {token}\r\n")
    });
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{shown}Content-Length: 2000000\r\n\r\n{{");
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

fn as_tenant(service: &Server, tenant: &str, token: &str, route: (&str, &str), body: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    service.send(route, &[("Authorization", &bearer), ("Cascade-Tenant", tenant)], &body.to_string())
}

fn deciding() -> Value {
    json!({"action": {"kind": "cli", "argv": ["git", "status"]}})
}

#[test]
fn who_shows_nothing_that_counts_is_given_no_room_for_a_body() {
    let (site, stranger) = (Site::new(), Site::new());
    let mine = token(&site, &["--scope", "actions"]);
    let unknown = token(&stranger, &["--scope", "actions"]);
    let service = Server::start(&site);
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(announces(&service, None, "/v1/decisions"));
        idle.push(announces(&service, Some(("default", &unknown)), "/v1/decisions"));
        idle.push(announces(&service, Some(("default", &unknown)), "/v1/chat/completions"));
    }
    let began = Instant::now();
    let mut long = deciding();
    long["reason"] = "x".repeat(16 * 1024).into();
    service.ask(&mine, ("POST", "/v1/decisions"), &long.to_string()).expect(200);
    // Nobody waited for those bodies: their senders are told at once.
    for stream in idle {
        let told = answer(&mut BufReader::new(stream)).expect("an answer");
        assert!([401, 429].contains(&told.status), "{}", told.head);
    }
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
}

#[test]
fn a_tenant_holds_half_of_the_room_for_bodies_and_no_more() {
    let site = Site::new();
    let mine = token(&site, &["--scope", "actions"]);
    let theirs = of_tenant(&site, "theirs");
    let service = Server::start(&site);
    let idle: Vec<_> =
        (0..60).map(|_| announces(&service, Some(("theirs", &theirs)), "/v1/decisions")).collect();
    let began = Instant::now();
    let long = format!("{}{}", deciding(), " ".repeat(1 << 20));
    let decided = service.ask(&mine, ("POST", "/v1/decisions"), &long);
    assert_eq!(decided.status, 200, "{}", decided.body);
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    drop(idle);
}

#[test]
fn who_asks_too_fast_is_told_when_to_come_again_and_slows_nobody_else() {
    let site = Site::new();
    let mine = token(&site, &["--scope", "read"]);
    let theirs = of_tenant(&site, "theirs");
    let service = Server::with(&site, &[&LISTEN[..], &["--tenant-requests-per-second", "1"]].concat());
    let mut told =
        (0..50).map(|_| as_tenant(&service, "theirs", &theirs, ("GET", "/v1/tenant"), &Value::Null));
    let refused = told.find(|answer| answer.status != 200).expect("one that is refused");
    refused.problem(429, "tenant.too_fast");
    assert!(refused.head.to_ascii_lowercase().contains("retry-after: 1"), "{}", refused.head);
    service.ask(&mine, ("GET", "/v1/tenant"), "").expect(200);
}

#[test]
fn so_many_actions_may_wait_for_their_outcome_and_one_more_is_not_admitted() {
    let site = Site::new();
    let mine = token(&site, &["--scope", "actions"]);
    let theirs = of_tenant(&site, "theirs");
    let service = Server::with(&site, &[&LISTEN[..], &["--tenant-open-actions", "4"]].concat());
    let decide = |body: &Value| service.ask(&mine, ("POST", "/v1/decisions"), &body.to_string());
    let first = decide(&deciding()).expect(200);
    decide(&deciding()).expect(200);
    decide(&deciding()).problem(429, "tenant.too_many_open");
    // What is only asked begins nothing, and others have room of their own: of one tenant half is for others.
    let other = token(&site, &["--agent", "other"]);
    service.ask(&other, ("POST", "/v1/decisions"), &deciding().to_string()).expect(200);
    decide(&json!({"action": {"kind": "cli", "argv": ["git", "status"]}, "dry_run": true})).expect(200);
    as_tenant(&service, "theirs", &theirs, ("POST", "/v1/decisions"), &deciding()).expect(200);
    let path = format!("/v1/actions/{}/outcome", first["receipt_id"].as_str().unwrap());
    service.ask(&mine, ("POST", &path), &json!({"ending": "completed"}).to_string()).expect(200);
    decide(&deciding()).expect(200);
    decide(&deciding()).problem(429, "tenant.too_many_open");
    drop(service);
    site.assert_sound_but_for(3);
}

#[test]
fn a_tenant_has_so_many_runs_at_once_and_one_more_is_not_begun() {
    const TENANT_RUNS: usize = 16;
    let site = Site::new();
    let mine = token(&site, &["--scope", "actions", "--scope", "read"]);
    let theirs = of_tenant(&site, "theirs");
    let service = Server::with(&site, &[&LISTEN[..], &["--perform"]].concat());
    let gate = site.work("gate");
    site.set("mkfifo", &[gate.to_str().unwrap()]);
    let body = json!({"argv": ["cat", gate.to_str().unwrap()]}).to_string();
    let head = |body: &str| {
        format!(
            "POST /v1/actions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {mine}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let running: Vec<TcpStream> = (0..TENANT_RUNS)
        .map(|_| {
            let mut stream = service.connect();
            stream.write_all(head(&body).as_bytes()).unwrap();
            stream
        })
        .collect();
    let began = Instant::now();
    while service.ask(&mine, ("GET", "/v1/tenant"), "").expect(200)["open_actions"] != TENANT_RUNS {
        assert!(began.elapsed() < PATIENCE, "they do not all run");
    }
    service.ask(&mine, ("POST", "/v1/actions"), &body).problem(503, "busy");
    let other = json!({"argv": ["git", "--version"]});
    as_tenant(&service, "theirs", &theirs, ("POST", "/v1/actions"), &other).expect(200);
    // The end of what each of them reads.
    drop(std::fs::OpenOptions::new().write(true).open(&gate).unwrap());
    for stream in running {
        assert_eq!(answer(&mut BufReader::new(stream)).unwrap().expect(200)["ended"], "exited");
    }
    drop(service);
    site.assert_sound();
}

#[test]
fn a_tenant_whose_every_turn_waits_keeps_nobody_else_waiting() {
    const TENANT_WORK: usize = 64;
    let site = Site::new();
    let mine = token(&site, &["--scope", "actions", "--scope", "read"]);
    let theirs = of_tenant(&site, "theirs");
    let service = Server::start(&site);
    // Warm: both chains are open.
    service.ask(&mine, ("POST", "/v1/decisions"), &deciding().to_string()).expect(200);
    as_tenant(&service, "theirs", &theirs, ("POST", "/v1/decisions"), &deciding()).expect(200);
    let ledger = site.home().join("tenants/default/ledger.db");
    let holds = "import sqlite3, sys\nd = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\n\
                 d.execute('begin immediate'); print('held', flush=True); sys.stdin.read(); d.execute('rollback')";
    let mut holder = site.program("python3");
    holder.args(["-c", holds, ledger.to_str().unwrap()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut holder = holder.spawn().unwrap();
    holder.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
    let body = deciding().to_string();
    let head = format!(
        "POST /v1/decisions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {mine}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let send = || {
        let mut stream = service.connect();
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    // As many as have a turn, and more that wait for one.
    let waiting: Vec<TcpStream> = (0..TENANT_WORK + 8).map(|_| send()).collect();
    let began = Instant::now();
    for _ in 0..8 {
        as_tenant(&service, "theirs", &theirs, ("POST", "/v1/decisions"), &deciding()).expect(200);
    }
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    for stream in waiting {
        answer(&mut BufReader::new(stream)).unwrap().expect(200);
    }
    drop(service);
    site.assert_sound_but_for(1 + TENANT_WORK + 8);
}
