//! Servers over HTTP that lie, flood, hang, redirect or go away: what each can do is bounded, others go on, and nothing
//! stays open.

use std::io::Write as _;
use std::time::Instant;

use serde_json::{Value, json};

use super::{Web, add, call, mcp_token, say, text};
use crate::approved::activate;
use crate::mcp::{asked, of_kind};
use crate::service::Server;
use crate::site::{PATIENCE, Site, finish};

#[test]
fn whatever_a_server_does_its_call_is_closed_and_the_others_go_on() {
    let ways = [
        ("hangs", "task_unknown", "mcp.timeout"),
        ("lies", "task_unknown", "mcp.no_answer"),
        ("page", "task_unknown", "mcp.no_answer"),
        ("huge", "task_unknown", "mcp.server_floods"),
        ("floods", "task_unknown", "mcp.server_floods"),
        ("cut", "task_unknown", "mcp.no_answer"),
        ("pesters", "task_unknown", "mcp.no_answer"),
        ("fails", "task_unknown", "mcp.refused_by_server"),
        ("redirects", "task_failed", "mcp.refused_by_server"),
        ("forbids", "task_failed", "mcp.refused_by_server"),
    ];
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let shown = mcp_token(&site);
    let webs: Vec<Web> = ways.iter().map(|(way, ..)| Web::hostile(&site, way)).collect();
    for ((way, ..), web) in ways.iter().zip(&webs) {
        add(&site, way, web, &["--timeout", "3s"]);
    }
    let (good, asks) = (Web::hostile(&site, "answers"), Web::hostile(&site, "asks"));
    add(&site, "good", &good, &[]);
    add(&site, "asks", &asks, &[]);
    let server = Server::start(&site);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for (way, ..) in ways {
            let (server, shown) = (&server, &shown);
            scope.spawn(move || {
                let said = call(server, shown, (&format!("/v1/mcp/{way}"), "t"));
                assert_eq!(said["error"]["code"], -32000, "{way} {said}");
            });
        }
        let said = call(&server, &shown, ("/v1/mcp", "good__t"));
        assert_eq!(text(&said["result"]), "answer");
    });
    // Nobody can be asked through the gateway, and the server is told so.
    let said = call(&server, &shown, ("/v1/mcp/asks", "t"));
    assert_eq!(text(&said["result"]), "asked");
    let refused = std::fs::read_to_string(site.work("refused")).unwrap();
    let refused = refused.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let codes: Vec<Value> =
        refused.filter(|one| one["id"] == "q").map(|one| one["error"]["code"].clone()).collect();
    assert_eq!(codes, [json!(-32601)]);
    assert!(began.elapsed() < PATIENCE);
    assert!(!site.work("redirected").exists(), "a redirect is not followed");
    drop(server);
    let receipts = site.receipts();
    for (way, kind, code) in ways {
        let intent = asked(&site, &receipts, "t").into_iter().find(|one| {
            let shown = site.run(&["--json", "show", one.id()]).expect(0).stdout;
            shown.contains(&format!("mcp:{way}"))
        });
        let intent = intent.unwrap_or_else(|| panic!("{way}"));
        let closer = receipts.iter().find(|one| one.reference("intent") == Some(intent.id())).unwrap();
        assert_eq!(closer.kind(), kind, "{way}");
        assert_eq!(closer.content("reasons")[0]["code"], code, "{way}");
    }
    site.assert_sound();
}

#[test]
fn a_call_that_is_sent_again_is_not_made_again() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let shown = mcp_token(&site);
    let (good, hangs) = (Web::hostile(&site, "answers"), Web::hostile(&site, "hangs"));
    add(&site, "good", &good, &[]);
    add(&site, "hangs", &hangs, &[]);
    let mut server = Server::start(&site);
    let bearer = format!("Bearer {shown}");
    let message = |id: u32, n: u32| {
        let params = json!({"name": "t", "arguments": {"n": n}});
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string()
    };
    let keyed = |server: &Server, (face, key): (&str, &str), body: &str| {
        let head = [("Authorization", bearer.as_str()), ("Idempotency-Key", key)];
        server.try_send(("POST", face), &head, body)
    };
    let first = keyed(&server, ("/v1/mcp/good", "k"), &message(1, 1)).unwrap().expect(200);
    let again = keyed(&server, ("/v1/mcp/good", "k"), &message(2, 1)).unwrap().expect(200);
    assert_eq!((&first["result"], &again["id"]), (&again["result"], &json!(2)));
    keyed(&server, ("/v1/mcp/good", "k"), &message(3, 2)).unwrap().problem(409, "request.key_reused");

    // Killed in the middle: the intent is closed as unknown, and whoever asks again under the key is told.
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| keyed(&server, ("/v1/mcp/hangs", "h"), &message(1, 1)));
        let calls = || std::fs::read_to_string(site.work("called")).unwrap_or_default().lines().count();
        let deadline = Instant::now() + PATIENCE;
        while calls() < 2 {
            assert!(Instant::now() < deadline);
        }
        let pid = rustix::process::Pid::from_raw(i32::try_from(server.pid()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        assert!(asking.join().unwrap().is_none());
    });
    server.kill();
    let server = server.again(&site);
    let told = keyed(&server, ("/v1/mcp/hangs", "h"), &message(2, 1)).unwrap().expect(200);
    assert!(text(&told["result"]).contains("not called again"), "{told}");
    assert_eq!(of_kind(&site.receipts(), "task_unknown").len(), 1);
    assert_eq!(std::fs::read_to_string(site.work("called")).unwrap().lines().count(), 2);
    drop(server);
    site.assert_sound();
}

#[test]
fn so_many_calls_of_a_server_are_in_flight_and_no_more() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let shown = mcp_token(&site);
    let web = Web::hostile(&site, "hangs");
    add(&site, "hangs", &web, &["--timeout", "20s"]);
    let server = Server::start(&site);
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    say(&server, &shown, "/v1/mcp/hangs", &list).expect(200);
    std::thread::scope(|scope| {
        let busy: Vec<_> = (0..257)
            .map(|_| {
                let (server, shown) = (&server, &shown);
                scope.spawn(move || call(server, shown, ("/v1/mcp/hangs", "t"))["error"]["message"].clone())
            })
            .collect();
        let said: Vec<Value> = busy.into_iter().map(|one| one.join().unwrap()).collect();
        let turned_away = said.iter().filter(|text| *text == "too many requests are in flight").count();
        assert_eq!(turned_away, 1, "{said:?}");
    });
    drop(server);
    assert_eq!(of_kind(&site.receipts(), "task_unknown").len(), 256);
    site.assert_sound();
}

#[test]
fn a_credential_that_a_server_repeats_goes_nowhere() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let shown = mcp_token(&site);
    let web = Web::hostile(&site, "repeats");
    let set = site.cascade(&["secret", "set", "w", "--for-model", web.origin()]);
    finish(set, b"hidden-of-w").expect(0);
    add(&site, "w", &web, &["--header", "Authorization=Bearer secret:w"]);
    let server = Server::start(&site);
    let said = call(&server, &shown, ("/v1/mcp/w", "t")).to_string();
    assert!(said.contains("repeats the credential") && !said.contains("hidden-of-w"), "{said}");
    drop(server);
    let receipts = site.receipts();
    let call = asked(&site, &receipts, "t")[0];
    let closer = receipts.iter().find(|one| one.reference("intent") == Some(call.id())).unwrap();
    assert_eq!((closer.kind(), closer.reasons()), ("task_unknown", vec!["mcp.no_answer"]));
    assert!(!site.run(&["--json", "show", closer.id()]).expect(0).stdout.contains("hidden-of-w"));
    site.assert_sound();
}

#[test]
fn a_call_ends_with_what_admitted_it() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let hangs = Web::hostile(&site, "hangs");
    add(&site, "hangs", &hangs, &[]);
    let server = Server::start(&site);
    let issued = site.run(&["--json", "token", "issue", "--scope", "mcp"]).expect(0).json();
    let (id, shown) = (issued["token_id"].as_str().unwrap(), issued["token"].as_str().unwrap());
    for (what, code) in [
        (vec!["token", "revoke", id], "revoked.identity"),
        (vec!["halt", "--reason", "stop"], "revoked.halted"),
    ] {
        let fresh = mcp_token(&site);
        let shown = if code == "revoked.identity" { shown } else { &fresh };
        let called = || std::fs::read_to_string(site.work("called")).unwrap_or_default().lines().count();
        let before = called();
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| call(&server, shown, ("/v1/mcp/hangs", "t")));
            let deadline = Instant::now() + PATIENCE;
            while called() == before {
                assert!(Instant::now() < deadline);
            }
            site.run(&what).expect(0);
            assert_eq!(asking.join().unwrap()["error"]["code"], -32001, "{code}");
        });
        let receipts = site.receipts();
        let closer = of_kind(&receipts, "task_revoked").pop().unwrap();
        assert_eq!(closer.reasons(), [code]);
    }
    site.run(&["resume", "--reason", "go"]).expect(0);
    drop(server);
    site.assert_sound();
}

#[test]
fn nothing_is_said_to_a_server_that_may_not_be_spoken_to() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let shown = mcp_token(&site);
    let web = Web::hostile(&site, "answers");
    add(&site, "w", &web, &[]);
    let rule = "@id(\"no\") forbid (principal, action, resource == Program::\"mcp:w\") \
                when { context.subcommand == \"initialize\" };\n";
    activate(&site, rule);
    let server = Server::start(&site);
    for face in [("/v1/mcp/w", "t"), ("/v1/mcp", "w__t")] {
        let said = call(&server, &shown, face).to_string();
        assert!(said.contains("Denied: policy"), "{said}");
    }
    assert!(!site.work("heard").exists());
    drop(server);
    assert_eq!(of_kind(&site.receipts(), "blocked").len(), 2);
    site.assert_sound();
}

#[test]
fn a_service_that_stops_waits_for_calls_whose_clients_have_gone() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let shown = mcp_token(&site);
    let web = Web::hostile(&site, "slow");
    add(&site, "w", &web, &[]);
    let mut server = Server::start(&site);
    let address = server.address().to_owned();
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "t"}}).to_string();
    let mut client = server.connect();
    let head = format!(
        "POST /v1/mcp/w HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {shown}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(head.as_bytes()).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !site.work("called").exists() {
        assert!(Instant::now() < deadline);
    }
    drop(client);
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| server.stop());
        // Nothing listens any more: the service is on its way out.
        while std::net::TcpStream::connect(&address).is_ok() {
            assert!(Instant::now() < deadline);
        }
        std::fs::write(site.work("go"), "").unwrap();
        assert_eq!(stopping.join().unwrap(), Some(0));
    });
    let receipts = site.receipts();
    let call = asked(&site, &receipts, "t")[0];
    let closer = receipts.iter().find(|one| one.reference("intent") == Some(call.id())).unwrap();
    assert_eq!(closer.kind(), "task_completed");
    site.assert_sound();
}
