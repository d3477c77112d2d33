//! Traces of a service, held against a collector that was not written here: what spans say is what receipts say.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use cascade_receipt::digest::Digest;
use serde_json::{Value, json};

use crate::mcp::http::{Web, add, call_with};
use crate::mcp::python;
use crate::model::{Model, Says};
use crate::proxy::{ask, question};
use crate::service::{Server, token};
use crate::site::{Receipt, Site, finish};

/// The context of W3C's own example.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

struct Collector {
    child: Child,
    url: String,
    file: PathBuf,
}

impl Drop for Collector {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Collector {
    fn start(site: &Site) -> Self {
        let library = Path::new(env!("CARGO_BIN_EXE_cascade")).ancestors().nth(2).unwrap().join("telemetry");
        assert!(library.join("oteltest").is_dir(), "`cargo xtask tools` installs what this test looks with");
        let file = site.path("spans.jsonl");
        let mut command = site.program(python(site));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/spans/collector.py");
        let mut child =
            command.env("PYTHONPATH", library).arg(script).arg(&file).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, url: format!("http://127.0.0.1:{}", line.trim()), file }
    }

    fn serve(&self, site: &Site, more: &[(&str, &str)]) -> Server {
        let endpoint = [("OTEL_EXPORTER_OTLP_ENDPOINT", self.url.as_str())];
        Server::with_env(site, &["--listen", "127.0.0.1:0", "--perform"], &[&endpoint, more].concat())
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap_or_default()
    }

    fn spans(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn span_of<'a>(spans: &'a [Value], receipt: &str) -> &'a Value {
    let found: Vec<&Value> = spans.iter().filter(|span| span["id"] == receipt[2..]).collect();
    assert_eq!(found.len(), 1, "{receipt}: {spans:#?}");
    found[0]
}

fn has(span: &Value, attributes: &Value) {
    for (name, value) in attributes.as_object().unwrap() {
        assert_eq!(&span["attributes"][name], value, "{name}: {span:#}");
    }
}

/// The trace of what no request began.
fn own_trace(receipt: &Receipt) -> String {
    let root = format!("{}/{}", receipt.content("log_origin").as_str().unwrap(), receipt.id());
    Digest::of(root.as_bytes()).to_hex()[..32].to_owned()
}

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flags}")
}

/// A request below W3C's own example, and its answer.
fn send(server: &Server, shown: &str, path: &str, body: &Value) -> Value {
    let bearer = format!("Bearer {shown}");
    let headers = [("Authorization", bearer.as_str()), ("traceparent", &traceparent("01"))];
    server.send(("POST", path), &headers, &body.to_string()).expect(200)
}

/// Asks for a decision; its receipt.
fn decided(server: &Server, shown: &str, argv: &[&str]) -> String {
    let body = json!({"action": {"kind": "cli", "argv": argv}});
    send(server, shown, "/v1/decisions", &body)["receipt_id"].as_str().unwrap().to_owned()
}

/// The span lies below that of its request, and that below its caller's.
fn below_request(spans: &[Value], receipt: &str, route: &str) {
    let span = span_of(spans, receipt);
    let request = spans.iter().find(|one| one["id"] == span["parent"]).unwrap_or_else(|| panic!("{span:#}"));
    assert_eq!(request["name"], format!("POST {route}"));
    has(
        request,
        &json!({"http.request.method": "POST", "http.route": route, "http.response.status_code": 200}),
    );
    let (trace, parent) = (json!(TRACE), json!(PARENT));
    assert_eq!((&request["trace"], &request["parent"], &span["trace"]), (&trace, &parent, &trace));
}

#[test]
fn what_spans_say_is_what_receipts_say() {
    let site = Site::new();
    let (me, agent) = (token(&site, &[]), token(&site, &["--agent", "builder"]));
    let collector = Collector::start(&site);
    let mut server = collector.serve(&site, &[]);
    let leased = decided(&server, &me, &["/usr/bin/git", "status", "kl3in"]);
    let outcome = json!({"ending": "completed", "exit_code": 0});
    send(&server, &me, &format!("/v1/actions/{leased}/outcome"), &outcome);
    let denied = decided(&server, &me, &["rm", "-rf", "/"]);
    let waits = decided(&server, &agent, &["./deploy.sh", "kl3in"]);
    let ran = send(&server, &me, "/v1/actions", &json!({"argv": ["false"]}));
    let ran = ran["receipts"][0].as_str().unwrap();
    let task = json!({"kind": "code", "signature": "f(a: int, b: int) -> int", "text": "kl3in",
        "examples": ["f(1, 2) == 3", "f(2, 5) == 7"]});
    let task = send(&server, &me, "/v1/tasks", &task);
    let task = task["receipt_id"].as_str().unwrap();
    site.run(&["run", "--", "echo", "kl3in"]).expect(0);
    let by_hand = site.receipts().into_iter().rfind(|one| one.kind() == "task_started").unwrap();
    assert_eq!(server.stop(), Some(0));

    let spans = collector.spans();
    assert!(spans.iter().all(|span| span["of"]["service.name"]["stringValue"] == "cascade"), "{spans:#?}");
    for (receipt, route) in [
        (leased.as_str(), "/v1/decisions"),
        (&denied, "/v1/decisions"),
        (&waits, "/v1/decisions"),
        (ran, "/v1/actions"),
        (task, "/v1/tasks"),
    ] {
        below_request(&spans, receipt, route);
    }
    let git = span_of(&spans, &leased);
    assert_eq!(git["name"], "execute_tool git");
    let said = json!({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "git", "cascade.tenant": "default",
        "cascade.intent.id": leased, "cascade.receipt.kind": "task_completed", "cascade.decision.verdict": "admit",
        "cascade.gate.policy": "pass", "cascade.risk.tier": "LOW", "cascade.effect.status": "confirmed"});
    has(git, &said);
    let no = span_of(&spans, &denied);
    has(no, &json!({"cascade.decision.verdict": "deny", "cascade.receipt.kind": "blocked"}));
    assert_eq!(no["status"], 2);
    has(span_of(&spans, &waits), &json!({"cascade.decision.verdict": "escalate"}));
    has(span_of(&spans, ran), &json!({"process.exit.code": 1, "error.type": "task_failed"}));
    // A busy machine may leave a search to the next layer: what is told is what the receipt says.
    let receipts = site.receipts();
    let done = receipts.iter().find(|one| one.id() == task).unwrap();
    let declined: Vec<_> =
        done.content("route")["declined"].as_array().unwrap().iter().map(|one| &one["layer"]).collect();
    assert!(declined.len() >= 3, "{done:?}");
    let said = json!({"gen_ai.operation.name": "invoke_agent", "cascade.layer": done.content("layer_hit"),
        "cascade.evidence": done.content("evidence"), "cascade.router.declined_layers": declined});
    has(span_of(&spans, task), &said);
    // What nobody's request began is a trace of its own, which whoever has the chain can name.
    let alone = span_of(&spans, by_hand.id());
    assert_eq!((&alone["trace"], &alone["parent"]), (&json!(own_trace(&by_hand)), &json!("")));
    // Arguments, questions and tokens are nobody's business there.
    for private in ["kl3in", me.as_str()] {
        assert!(!collector.text().contains(private), "{private}");
    }
}

#[test]
fn models_and_tools_are_spans_of_their_conventions() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let model = Model::new(vec![Says::Text("because")]);
    model.configure(&site, "price_out = 1000000");
    let web = Web::hostile(&site, "notes");
    add(&site, "web", &web, &[]);
    let me = token(&site, &["--scope", "actions", "--scope", "mcp"]);
    let collector = Collector::start(&site);
    let mut server = collector.serve(&site, &[]);
    assert_eq!(ask(&server, &me, &question(true)).status, 200);
    let chat = site.last_of("task_started");
    let meta = json!({"traceparent": format!("00-{TRACE}-{:016x}-01", 7)});
    call_with(&server, &me, ("/v1/mcp/web", "t"), &meta);
    let tool = site.last_of("task_started");
    assert_eq!(server.stop(), Some(0));

    let spans = collector.spans();
    let said = span_of(&spans, &chat);
    assert_eq!((&said["name"], &said["kind"]), (&json!("chat some-model"), &json!(3)));
    has(said, &json!({"gen_ai.provider.name": "openai_compatible", "gen_ai.request.model": "some-model"}));
    assert!(said["attributes"]["gen_ai.usage.output_tokens"].as_u64().unwrap() > 0, "{said:#}");
    // Who names no trace gets one.
    let request = spans.iter().find(|one| one["id"] == said["parent"]).unwrap();
    assert_eq!((&request["trace"], &request["parent"]), (&said["trace"], &json!("")));
    assert_ne!(request["trace"], TRACE);
    // A message of MCP names its own parent, and its server hears of the span that it is below.
    let called = span_of(&spans, &tool);
    assert_eq!((&called["trace"], &called["parent"]), (&json!(TRACE), &json!(format!("{:016x}", 7))));
    let said =
        json!({"gen_ai.tool.name": "t", "cascade.tool.server": "mcp:web", "gen_ai.tool.type": "function"});
    has(called, &said);
    let heard = std::fs::read_to_string(site.work("traced")).unwrap();
    assert_eq!(heard, format!("00-{TRACE}-{}-01\n", &tool[2..]));
    for private in [me.as_str(), "because", "why?"] {
        assert!(!collector.text().contains(private), "{private}");
    }
}

#[test]
fn an_action_that_outlives_its_service_and_a_caller_who_wants_no_trace() {
    let site = Site::new();
    let me = token(&site, &[]);
    let collector = Collector::start(&site);
    let mut server = collector.serve(&site, &[]);
    let receipt = |answer: &Value| answer["receipt_id"].as_str().unwrap().to_owned();
    let long = receipt(&server.decide(&me, &["git", "fetch"]).expect(200));
    let bearer = format!("Bearer {me}");
    let headers = [("Authorization", bearer.as_str()), ("traceparent", &traceparent("00"))];
    let body = json!({"action": {"kind": "cli", "argv": ["rm", "-rf", "/"]}}).to_string();
    let quiet = receipt(&server.send(("POST", "/v1/decisions"), &headers, &body).expect(200));
    server.stop();
    let mut next = collector.serve(&site, &[]);
    next.ask(&me, ("POST", &format!("/v1/actions/{long}/outcome")), r#"{"ending":"completed"}"#).expect(200);
    assert_eq!(next.send(("GET", "/healthz"), &[], "").status, 200);
    next.stop();
    let spans = collector.spans();
    // Its request is forgotten; what it did is not.
    let began = site.receipts().into_iter().find(|one| one.id() == long).unwrap();
    assert_eq!(span_of(&spans, &long)["trace"], own_trace(&began));
    assert!(spans.iter().all(|span| span["id"] != quiet[2..] && span["trace"] != TRACE), "{spans:#?}");
    let names: Vec<&Value> = spans.iter().map(|span| &span["name"]).collect();
    assert_eq!(names.len(), 3, "two requests and an action: {names:?}");
}

#[test]
fn a_run_of_a_workflow_is_one_trace() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let collector = Collector::start(&site);
    let mut server = collector.serve(&site, &[]);
    let spec = "csl: 1\nname: two\nversion: \"1\"\nsteps:\n  - id: a\n    run: [echo, a]\n  - id: b\n    needs: [a]\n    run: [echo, b]\n";
    std::fs::write(site.work("two.yaml"), spec).unwrap();
    site.run(&["spec", "sign", "two.yaml"]).expect(0);
    site.run(&["spec", "run", "two.yaml"]).expect(0);
    server.stop();
    let receipts = site.receipts();
    let run = receipts.iter().find(|one| one.kind() == "chain_started").unwrap();
    let spans = collector.spans();
    let whole = span_of(&spans, run.id());
    assert_eq!(whole["name"], "invoke_workflow two");
    has(
        whole,
        &json!({"gen_ai.operation.name": "invoke_workflow", "cascade.receipt.kind": "chain_completed"}),
    );
    for step in receipts.iter().filter(|one| one.kind() == "task_started") {
        let span = span_of(&spans, step.id());
        assert_eq!((&span["parent"], &span["trace"]), (&whole["id"], &whole["trace"]));
    }
    assert_eq!(spans.len(), 3, "{spans:#?}");
}

#[test]
fn a_collector_that_is_gone_or_hangs_holds_nobody_up() {
    let site = Site::new();
    let me = token(&site, &[]);
    let hung = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [hung.local_addr().unwrap(), gone] {
        let url = format!("http://{address}/v1/traces");
        let variables =
            [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "50")];
        let mut server = Server::with_env(&site, &["--listen", "127.0.0.1:0"], &variables);
        for _ in 0..20 {
            assert_eq!(server.decide(&me, &["git", "status"]).expect(200)["verdict"], "admit");
        }
        assert_eq!(server.stop(), Some(0));
    }
}

#[test]
fn what_is_not_understood_of_the_variables_is_said_before_anything_is_served() {
    let site = Site::new();
    for (name, value) in [
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "not a url"),
    ] {
        let mut command = site.cascade(&["serve", "--listen", "127.0.0.1:0"]);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9").env(name, value);
        let done = finish(command, b"").expect(2);
        assert!(done.stderr.contains("OTEL_") && done.stderr.contains("no traces"), "{}", done.stderr);
    }
}
