//! Language models asked through `cascade serve`, in their providers' words.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use xtask::local_model::{LocalModel, Weights};

use crate::approved::activate;
use crate::model::{Model, Says};
use crate::service::{Answer, Server, token};
use crate::site::{Receipt, Site, finish, kinds};

/// A home with a model that is configured, and somebody's token.
fn site_with(model: &Model, more: &str) -> (Site, String) {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    model.configure(&site, more);
    let token = token(&site, &[]);
    (site, token)
}

pub(crate) fn question(stream: bool) -> String {
    json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": "why?"}]}).to_string()
}

/// A request that is on its way.
fn asking(server: &Server, token: &str, path: &str, body: &str) -> BufReader<TcpStream> {
    let mut stream = server.connect();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\nAuthorization: Bearer {token}\r\n",
        body.len()
    );
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
    BufReader::new(stream)
}

/// Everything up to the end of the connection: head, and what the chunks held.
fn rest(mut stream: BufReader<TcpStream>) -> Answer {
    let (mut head, mut body) = (String::new(), String::new());
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).unwrap() > 0, "{head}");
    }
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    if head.contains("transfer-encoding: chunked") {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            let length = usize::from_str_radix(line.trim(), 16).unwrap();
            let mut piece = vec![0; length + 2];
            stream.read_exact(&mut piece).unwrap();
            if length == 0 {
                break;
            }
            body.push_str(str::from_utf8(&piece[..length]).unwrap());
        }
    } else {
        stream.read_to_string(&mut body).unwrap();
    }
    Answer { status, head, body }
}

pub(crate) fn ask(server: &Server, token: &str, body: &str) -> Answer {
    rest(asking(server, token, "/v1/chat/completions", body))
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let line = answer.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("{name}: {}", answer.head))
}

fn closer(site: &Site) -> Receipt {
    site.receipts().into_iter().rfind(|one| one.reference("intent").is_some()).unwrap()
}

#[test]
fn clients_that_were_not_written_here_work_unchanged() {
    let local = LocalModel::start(Weights::Small).unwrap();
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let claude = format!(
        "[models.claude]\nprovider = \"anthropic\"\nmodel = \"{}\"\nendpoint = \"{}/v1/\"\ntimeout_s = 300\n",
        Weights::Small.name(),
        local.address()
    );
    let text = format!("{}timeout_s = 300\nprice_out = 1000000\n{claude}", local.models_toml());
    std::fs::write(site.home().join("models.toml"), text).unwrap();
    let token = token(&site, &[]);
    let server = Server::start(&site);
    let library = Path::new(env!("CARGO_BIN_EXE_cascade")).ancestors().nth(2).unwrap().join("sdk");
    assert!(library.join("openai").is_dir(), "`cargo xtask tools` installs what this test looks with");
    let steps = [
        "models",
        "chat_whole",
        "chat_stream",
        "chat_stream_usage",
        "messages_whole",
        "messages_stream",
        "unknown",
        "unknown_messages",
        "stranger",
        "stranger_messages",
    ];
    let mut command = Command::new("python3");
    command
        .env("PYTHONPATH", library)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/proxy/client.py"))
        .args([&format!("http://{}", server.address()), &token, &json!(steps).to_string()]);
    let told = finish(command, b"").expect(0).stdout;
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [models, whole, stream, counted, said, flowed, unknown, unknown_messages, stranger, strange] =
        &told[..]
    else {
        panic!("{told:?}");
    };
    // The provider's own name means one model to each of the two clients.
    assert_eq!(models["models"], json!(["claude", "local", Weights::Small.name()]));
    assert!(whole["tokens"][1].as_u64().unwrap() > 3, "{whole}");
    assert!(stream["pieces"].as_u64().unwrap() > 3 && stream["usage"].is_null(), "{stream}");
    assert!(counted["usage"].as_u64().unwrap() > 3, "{counted}");
    assert!(said["tokens"].as_u64().unwrap() > 3 && said["stop"].is_string(), "{said}");
    assert!(flowed["pieces"].as_u64().unwrap() > 3 && flowed["stop"].is_string(), "{flowed}");
    for (error, raised, status) in [
        (unknown, "NotFoundError", 404),
        (unknown_messages, "NotFoundError", 404),
        (stranger, "AuthenticationError", 401),
        (strange, "AuthenticationError", 401),
    ] {
        assert_eq!((&error["raised"], &error["status"]), (&json!(raised), &json!(status)), "{error}");
    }

    drop(server);
    let receipts = site.receipts();
    let closers: Vec<&Receipt> = receipts.iter().filter(|one| one.kind() == "task_completed").collect();
    assert_eq!(closers.len(), 5, "{:?}", kinds(&receipts));
    for one in &closers {
        assert!(
            one.content("tokens_in").as_u64().unwrap() > 5 && one.content("tokens_out").as_u64().unwrap() > 3
        );
        assert_eq!(one.content("served_model"), Weights::Small.name());
        assert_eq!(one.content("layer_hit"), "L7");
    }
    assert_eq!(closers[0].id(), whole["receipt"]);
    assert_eq!(closers[0].content("cost_microusd"), closers[0].content("tokens_out"));
    // What was said is kept with the receipts, and in the chain there is nothing of it.
    let chain = site.run(&["export"]).expect(0).stdout;
    assert!(!chain.contains("capital") && !chain.contains(whole["text"].as_str().unwrap()), "{chain}");
    site.assert_sound();
}

#[test]
fn a_stream_stays_one_and_what_left_is_on_record() {
    let model = Model::new(vec![
        Says::Text("because"),
        Says::Text("because"),
        Says::Begins("be"),
        Says::Rejects("too warm"),
    ]);
    let (site, token) = site_with(&model, "timeout_s = 1\nmax_output_tokens = 50");
    let server = Server::start(&site);
    let answer = ask(&server, &token, &question(true));
    assert_eq!((answer.status, header(&answer, "content-type")), (200, "text/event-stream"));
    assert!(answer.body.contains("because") && answer.body.ends_with("data: [DONE]\n\n"), "{}", answer.body);
    // The client did not ask for the tokens; the receipt has them.
    assert!(!answer.body.contains("prompt_tokens"), "{}", answer.body);
    let sent = model.question();
    assert_eq!((&sent["model"], &sent["max_tokens"]), (&json!("some-model"), &json!(50)));
    let receipts = site.receipts();
    let (intent, closed) = (receipts.iter().find(|one| one.kind() == "task_started").unwrap(), closer(&site));
    assert!([intent.id(), closed.id()].contains(&header(&answer, "cascade-receipt")));
    assert_eq!((closed.kind(), closed.content("tokens_in")), ("task_completed", &json!(11)));
    assert_eq!(intent.content("task_type"), "model");
    // To the byte, and what comes whole no less.
    let kept = || site.kept_output(&closer(&site)).into_iter().map(|(_, text)| text).collect::<String>();
    assert_eq!(kept(), answer.body);
    let whole = ask(&server, &token, &question(false));
    assert_eq!(whole.status, 200, "{}", whole.body);
    assert_eq!(whole.body, kept());
    // What has begun and is not ended is no answer, and the client is told so where it reads.
    let cut = ask(&server, &token, &question(true));
    let closed = closer(&site);
    assert_eq!((closed.kind(), closed.reasons()), ("task_failed", vec!["model.timed_out"]));
    assert!(cut.body.contains("\"be\"") && !cut.body.contains("[DONE]"), "{}", cut.body);
    let last = cut.body.trim_end().rsplit("data: ").next().unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(
        (&last["error"]["code"], &last["error"]["receipt_id"]),
        (&json!("model.timed_out"), &json!(closed.id()))
    );
    assert_eq!(header(&cut, "cascade-receipt"), closed.reference("intent").unwrap());
    // Why there is no answer is told in the provider's words, and they are on record like those of one.
    let rejected = ask(&server, &token, &question(true)).expect(400);
    assert!(rejected["error"]["message"].as_str().unwrap().contains("too warm"), "{rejected}");
    let closed = closer(&site);
    assert_eq!(closed.reasons(), ["model.rejected"]);
    assert_eq!(closed.content("output_hash").as_str().map(str::len), Some(64));
    drop(server);
    site.assert_sound();
}

#[test]
fn who_is_not_admitted_is_told_in_the_providers_words_and_nothing_leaves() {
    let model = Model::new(vec![Says::Text("because")]);
    let (site, token) = site_with(&model, "");
    let server = Server::start(&site);
    let forbid = |more: &str| {
        let policy = format!(
            "@id(\"no\") {more} forbid (principal, action == Action::\"exec\", resource == Program::\"model\");\n"
        );
        activate(&site, &policy);
    };
    forbid("");
    let denied = ask(&server, &token, &question(true)).expect(403);
    assert_eq!(
        (&denied["error"]["type"], &denied["error"]["code"]),
        (&json!("permission_error"), &json!("policy.denied"))
    );
    let last = site.last();
    assert_eq!((last.kind(), last.id()), ("blocked", denied["error"]["receipt_id"].as_str().unwrap()));
    // People lift what names them; the very same request is then admitted, once.
    forbid("@escalate(\"admins\")");
    let agent = crate::service::token(&site, &["--agent", "bot"]);
    let waits = ask(&server, &agent, &question(true));
    assert_eq!(header(&waits, "x-should-retry"), "false");
    let waits = waits.expect(403);
    assert_eq!(waits["error"]["code"], "approval.needed");
    let id = waits["error"]["receipt_id"].as_str().unwrap();
    assert_eq!(model.more_questions(), 0);
    site.run(&["approve", id]).expect(0);
    let other = json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "else?"}]});
    assert_eq!(ask(&server, &agent, &other.to_string()).status, 403);
    assert_eq!(ask(&server, &agent, &question(true)).status, 200);
    assert_eq!(model.more_questions(), 1);
    assert_eq!(ask(&server, &agent, &question(true)).status, 403);
    drop(server);
    // Each of these decisions comes out the same again.
    site.run(&["replay", "--check"]).expect(0);
    site.assert_sound();
}

#[test]
fn a_budget_ends_at_its_limit() {
    let model = Model::new(vec![Says::Text("because")]);
    let (site, token) = site_with(&model, "max_output_tokens = 100");
    site.set("cp", &["-r", crate::approved::DEFAULT, "policy"]);
    let budget = |tokens: u64| {
        let text = format!("[[budget]]\nname = \"words\"\nrolling = \"30d\"\ntokens = {tokens}\n");
        std::fs::write(site.work("policy/limits.toml"), text).unwrap();
        site.run(&["policy", "activate", "policy"]).expect(0);
    };
    budget(1000);
    let server = Server::start(&site);
    assert_eq!(ask(&server, &token, &question(true)).status, 200);
    let held = site.receipts().into_iter().rfind(|one| one.kind() == "task_started").unwrap();
    let held = held.content("draws")[0]["tokens"].as_u64().unwrap();
    assert!(held > 100, "{held}");
    // 18 tokens were used: as many as the next one may take are there, and with one less they are not.
    budget(18 + held);
    assert_eq!(ask(&server, &token, &question(true)).status, 200);
    budget(36 + held - 1);
    let used_up = ask(&server, &token, &question(true)).expect(429);
    assert_eq!(
        (&used_up["error"]["type"], &used_up["error"]["code"]),
        (&json!("insufficient_quota"), &json!("budget.exhausted"))
    );
    assert_eq!(model.more_questions(), 2);
    drop(server);
    site.assert_sound();
}

#[test]
fn whoever_leaves_ends_the_call() {
    for says in [Says::Nothing, Says::Begins("be")] {
        let model = Model::new(vec![says]);
        let (site, token) = site_with(&model, "");
        let mut server = Server::start(&site);
        let stream = asking(&server, &token, "/v1/chat/completions", &question(true));
        model.question();
        stream.get_ref().shutdown(Shutdown::Both).unwrap();
        drop(stream);
        model.wait_until_left();
        assert_eq!(server.stop(), Some(0));
        let closed = closer(&site);
        assert_eq!((closed.kind(), closed.reasons()), ("task_failed", vec!["client.gone"]));
        assert!(closed.content("tokens_in").as_u64().is_some_and(|tokens| tokens > 0));
        site.assert_sound();
    }
}

#[test]
fn nothing_is_with_a_client_that_no_receipt_is_of_however_the_service_ends() {
    let model = Model::new(vec![Says::Begins("be")]);
    let (site, token) = site_with(&model, "");
    let mut server = Server::start(&site);
    let mut stream = asking(&server, &token, "/v1/chat/completions", &question(true));
    let mut came = String::new();
    while !came.contains("\"be\"") {
        assert!(stream.read_line(&mut came).unwrap() > 0, "{came}");
    }
    server.kill();
    let before = site.receipts();
    assert!(kinds(&before).ends_with(&["task_started", "heartbeat"]), "{:?}", kinds(&before));
    assert!(before.last().unwrap().content("bytes").as_u64().unwrap() > 10);
    // Whoever opens the chain next finds nobody at it.
    site.run(&["run", "--", "true"]).expect(0);
    let closed = site.receipts().into_iter().find(|one| one.kind() == "task_unknown").unwrap();
    assert_eq!(closed.reference("intent"), Some(before[before.len() - 2].id()));
    site.assert_sound();
}

#[test]
fn what_is_no_longer_admitted_ends_where_it_is() {
    let model = Model::new(vec![Says::Begins("be")]);
    let (site, token) = site_with(&model, "");
    let server = Server::start(&site);
    let stream = asking(&server, &token, "/v1/chat/completions", &question(true));
    model.question();
    site.run(&["halt", "--reason", "stop"]).expect(0);
    let ended = rest(stream);
    model.wait_until_left();
    assert!(ended.body.contains("revoked") && !ended.body.contains("[DONE]"), "{}", ended.body);
    let closed = closer(&site);
    assert_eq!((closed.kind(), closed.reasons()), ("task_revoked", vec!["revoked.halted"]));
    let halted = ask(&server, &token, &question(true)).expect(403);
    assert_eq!(halted["error"]["type"], "permission_error");
    drop(server);
    site.run(&["resume", "--reason", "go"]).expect(0);
    site.assert_sound();
}

#[test]
fn requests_are_bounded_one_by_one_and_together() {
    let model = Model::new(vec![Says::Nothing]);
    let (site, token) = site_with(&model, "");
    let mut server = Server::start(&site);
    let of = |bytes: usize| {
        let body = json!({"model": "none", "messages": [{}], "x": ""}).to_string();
        body.replace("\"x\":\"\"", &format!("\"x\":\"{}\"", "x".repeat(bytes - body.len())))
    };
    assert_eq!(ask(&server, &token, &of(4 << 20)).expect(404)["error"]["code"], "model_not_found");
    let past = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\nx-api-key: {token}\r\n\r\n",
        (4 << 20) + 1
    );
    let past = server.raw(past.as_bytes()).unwrap().expect(413);
    assert_eq!(
        (&past["error"]["type"], &past["error"]["code"]),
        (&json!("request_too_large"), &json!("request.too_long"))
    );
    // As many as a tenant may have with models, and one more.
    let asked: Vec<_> =
        (0..32).map(|_| asking(&server, &token, "/v1/chat/completions", &question(true))).collect();
    asked.iter().for_each(|_| drop(model.question()));
    let busy = ask(&server, &token, &question(true));
    assert_eq!(header(&busy, "retry-after"), "1");
    assert_eq!(busy.expect(429)["error"]["code"], "busy");
    drop(asked);
    (0..32).for_each(|_| model.wait_until_left());
    assert_eq!(server.stop(), Some(0));
    site.assert_sound();
}

#[test]
fn what_needs_no_model_is_answered_without_one_where_that_is_wanted() {
    let words = "def total(xs: list[int]) -> int:\n    \"\"\"the sum of a list\n    total([1, 2, 3]) == 6\n    \
                 total([]) == 0\n    total([5, -7]) == -2\n    \"\"\"\n";
    let asked = |more: Value| {
        let mut body =
            json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": words}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body.to_string()
    };
    let model = Model::new(vec![Says::Text("because")]);
    let (site, token) = site_with(&model, "");
    let server = Server::start(&site);
    // Nobody said so yet.
    assert!(ask(&server, &token, &asked(json!({}))).body.contains("because"));
    model.question();
    model.configure(&site, "[proxy]\nlower_layers = \"checked\"");
    let whole = ask(&server, &token, &asked(json!({"stream": false, "temperature": 0})));
    let made = whole.expect(200);
    assert!(made["model"].as_str().unwrap().starts_with("cascade/L"), "{made}");
    assert!(made["choices"][0]["message"]["content"].as_str().unwrap().contains("def total"), "{made}");
    assert_eq!(
        (&made["usage"]["total_tokens"], &made["metadata"]["cascade_evidence"]),
        (&json!(0), &json!("checked"))
    );
    let receipts = site.receipts();
    let receipt = receipts.iter().find(|one| one.id() == header(&whole, "cascade-receipt")).unwrap();
    assert_eq!((receipt.kind(), &made["id"]), ("task_completed", &json!(receipt.id())));
    assert!(receipt.content("tokens_in").is_null() && receipt.content("layer_hit") != "L7");
    let stream = ask(&server, &token, &asked(json!({})));
    assert!(
        stream.body.contains("cascade/L") && stream.body.ends_with("data: [DONE]\n\n"),
        "{}",
        stream.body
    );
    assert_eq!(model.more_questions(), 0);
    // Wherever more is asked for than one answer to one question, the model is.
    let tool = json!({"type": "function", "function": {"name": "f"}});
    let two = json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": words}]);
    let others = [
        json!({"temperature": 0.5}),
        json!({"n": 2}),
        json!({"tools": [tool]}),
        json!({"messages": two}),
        json!({"response_format": {"type": "json_object"}}),
        json!({"max_tokens": 5}),
        json!({"messages": [{"role": "user", "content": "why?"}]}),
    ];
    for other in others {
        assert!(ask(&server, &token, &asked(other.clone())).body.contains("because"), "{other}");
        model.question();
    }
    drop(server);
    site.assert_sound();
}

#[test]
fn a_token_comes_in_either_providers_header_and_nothing_of_it_goes_on() {
    let model = Model::new(vec![Says::Text("because")]);
    let (site, token) = site_with(&model, "");
    let server = Server::start(&site);
    let body =
        json!({"model": "some-model", "max_tokens": 5, "messages": [{"role": "user", "content": "why?"}]});
    let by_key = server.send(("POST", "/v1/messages"), &[("x-api-key", &token)], &body.to_string());
    let error = by_key.expect(404);
    assert_eq!((&error["type"], &error["error"]["type"]), (&json!("error"), &json!("not_found_error")));
    let bearer = format!("Bearer {token}");
    let both = [("x-api-key", "another"), ("Authorization", bearer.as_str())];
    let two = server.send(("POST", "/v1/messages"), &both, &body.to_string()).expect(400);
    assert_eq!(two["error"]["type"], "invalid_request_error");
    let reader = crate::service::token(&site, &["--scope", "read"]);
    let scope = server.ask(&reader, ("POST", "/v1/chat/completions"), &question(false)).expect(403);
    assert_eq!(scope["error"]["code"], "auth.scope");
    let listed = server.ask(&token, ("GET", "/v1/models"), "").expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 2, "by both its names: {listed}");
    assert_eq!(model.more_questions(), 0);
    drop(server);
    site.assert_sound();
}
