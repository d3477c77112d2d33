//! Tenants of one service know nothing of each other: every route, with another one's token and another one's ids.

use serde_json::{Value, json};

use crate::service::{Server, token};
use crate::site::Site;

/// What may not be seen from another tenant: ids of receipts and principals, hashes, secrets.
fn marks(site: &Site, tenant: &str) -> Vec<String> {
    let lines = site.run(&["--tenant", tenant, "export"]).expect(0).stdout;
    let receipts = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut marks: Vec<String> = receipts
        .flat_map(|receipt| {
            let texts =
                ["receipt_id", "entry_hash", "hmac"].map(|key| receipt[key].as_str().map(str::to_owned));
            texts.into_iter().flatten().collect::<Vec<_>>()
        })
        .collect();
    assert!(marks.len() > 6, "{marks:?}");
    marks.push("the-other-ones-words".to_owned());
    marks
}

#[test]
fn no_route_shows_one_tenant_to_another() {
    let site = Site::new();
    site.run(&["--tenant", "theirs", "init"]).expect(0);
    let issue = |tenant: &str| {
        let words = ["--tenant", tenant, "--json", "token", "issue", "--scope", "read", "--scope", "actions"];
        let issued = site
            .run(&[&words[..], &["--scope", "approve", "--scope", "admin", "--scope", "mcp"]].concat())
            .expect(0)
            .json();
        issued["token"].as_str().unwrap().to_owned()
    };
    let (ours, theirs) = (
        token(&site, &["--scope", "read", "--scope", "actions", "--scope", "approve", "--scope", "mcp"]),
        issue("theirs"),
    );
    let place = "https://the-other-ones-words.example/mcp";
    site.run(&["--tenant", "theirs", "mcp", "upstream", "add", "bank", place]).expect(0);
    let server = Server::start(&site);
    let as_them = [("Authorization", format!("Bearer {theirs}")), ("Cascade-Tenant", "theirs".to_owned())];
    let as_them: Vec<_> = as_them.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let action =
        json!({"action": {"kind": "cli", "argv": ["git", "status"]}, "reason": "the-other-ones-words"});
    let open = server.send(("POST", "/v1/decisions"), &as_them, &action.to_string()).expect(200);
    let waits = json!({"action": {"kind": "tool", "server": "mcp:bank", "name": "transfer"}});
    // What an agent asks for waits for people.
    let words = ["--tenant", "theirs", "--json", "token", "issue", "--agent", "bot"];
    let bot = site.run(&words).expect(0).json();
    let bot = format!("Bearer {}", bot["token"].as_str().unwrap());
    let as_bot = [("Authorization", bot.as_str()), ("Cascade-Tenant", "theirs")];
    let waits = server.send(("POST", "/v1/decisions"), &as_bot, &waits.to_string()).expect(200);
    assert_eq!(waits["verdict"], "escalate");
    let ids = [&open["receipt_id"], &waits["receipt_id"]].map(|id| id.as_str().unwrap().to_owned());
    let marks = marks(&site, "theirs");

    let document = server.send(("GET", "/v1/openapi.json"), &[], "").expect(200);
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        // A stream is tried below; the public ones are public, and say nothing that a mark is of.
        if path == "/v1/events" {
            continue;
        }
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_uppercase();
            for id in &ids {
                let path = path.replace("{id}", id);
                for body in [r#"{"verdict":"deny"}"#, r#"{"ending":"completed"}"#, &action.to_string()] {
                    for (token, tenant) in [(&ours, "default"), (&ours, "theirs"), (&theirs, "default")] {
                        let bearer = format!("Bearer {token}");
                        let headers = [("Authorization", bearer.as_str()), ("Cascade-Tenant", tenant)];
                        let answer = server.send((&method, &path), &headers, body);
                        // What was asked with is no news.
                        for mark in marks.iter().filter(|mark| !path.contains(mark.as_str())) {
                            assert!(
                                !answer.body.contains(mark),
                                "{method} {path} as {tenant}: {}",
                                answer.body
                            );
                        }
                        let crossed = (token == &ours) != (tenant == "default");
                        if operation["security"].is_array() && crossed {
                            assert!([401, 429].contains(&answer.status), "{method} {path}: {}", answer.body);
                        } else if path.contains(id.as_str()) && operation["security"].is_array() {
                            assert!(![200, 503].contains(&answer.status), "{method} {path}: {}", answer.body);
                        }
                        asked += 1;
                    }
                }
            }
        }
    }
    assert!(asked > 200, "{asked}");
    gateway(&server, (&ours, &theirs), &marks);
    untouched(&server, &ours, &as_them, &ids[0]);
}

/// The gateway for tools is not in that document: neither servers nor tools of another tenant are to be had there.
fn gateway(server: &Server, (ours, theirs): (&str, &str), marks: &[String]) {
    for method in ["initialize", "tools/list", "tools/call", "ping"] {
        let message =
            json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"name": "bank__transfer"}});
        for path in ["/v1/mcp", "/v1/mcp/bank"] {
            for (token, tenant) in [(ours, "default"), (ours, "theirs"), (theirs, "default")] {
                let bearer = format!("Bearer {token}");
                let headers = [("Authorization", bearer.as_str()), ("Cascade-Tenant", tenant)];
                let answer = server.send(("POST", path), &headers, &message.to_string());
                assert!(marks.iter().all(|mark| !answer.body.contains(mark.as_str())), "{}", answer.body);
                let expected: &[u16] = match (token == ours, tenant, path) {
                    (true, "default", "/v1/mcp") => &[200],
                    (true, "default", _) => &[404],
                    _ => &[401, 429],
                };
                assert!(expected.contains(&answer.status), "{method} {path} as {tenant}: {}", answer.body);
            }
        }
    }
}

/// What was tried on the other tenant did nothing: the action is open, and nobody answered.
fn untouched(server: &Server, ours: &str, as_them: &[(&str, &str)], open: &str) {
    let stream = server.send(
        ("GET", "/v1/events?from=0"),
        &[("Authorization", &format!("Bearer {ours}")), ("Cascade-Tenant", "theirs")],
        "",
    );
    assert_eq!(stream.status, 429);
    let state = server.send(("GET", &format!("/v1/actions/{open}")), as_them, "").expect(200);
    assert_eq!(state["state"], "open");
    let pending = server.send(("GET", "/v1/approvals"), as_them, "").expect(200);
    assert_eq!(pending["approvals"].as_array().unwrap().len(), 1);
    // Metrics by token are one's own.
    let own = server.send(("GET", "/v1/metrics"), as_them, "").body;
    assert!(own.contains("tenant=\"theirs\"") && !own.contains("tenant=\"default\""), "{own}");
}
