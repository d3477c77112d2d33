//! Providers that hang, lie, flood, refuse and forget, each on the wire.

use std::io::Write as _;
use std::time::{Duration, Instant};

use cascade_ledger::SecretValue;
use cascade_policy::credential::endpoint::Endpoint;

use super::super::*;
use super::kit::*;

/// Longer than anything here takes, unless something hangs that should not.
const LONG: Duration = Duration::from_secs(60);
/// The limit that a test runs into.
const SHORT: Duration = Duration::from_millis(300);

fn limits() -> CallLimits {
    CallLimits { deadline: LONG, first_byte: LONG, between: LONG, bytes: 1000, ..CallLimits::default() }
}

fn prompt() -> Prompt {
    let tool = |name: &str| ToolSpec {
        name: name.to_owned(),
        description: "a tool".to_owned(),
        schema: serde_json::json!({"type": "object", "properties": {}}),
    };
    Prompt {
        system: "Be brief.".to_owned(),
        user: "Why?".to_owned(),
        tools: vec![tool("look_up")],
        ..Prompt::default()
    }
}

fn ask(wire: &Wire, limits: &CallLimits) -> Result<Reply, ModelError> {
    call(
        &wire.model("openai_compatible", "price_in = 1000000\nprice_out = 1000000\n"),
        None,
        &prompt(),
        limits,
        &mut |_| {},
    )
}

fn fault(act: Act) -> ModelFault {
    let wire = Wire::new(vec![act]);
    ask(&wire, &limits()).unwrap_err().fault
}

#[test]
fn a_good_answer_to_begin_with() {
    let wire = Wire::new(vec![good("Because.")]);
    let reply = ask(&wire, &limits()).unwrap();
    assert_eq!((reply.text.as_str(), reply.finish), ("Because.", Finish::Stop));
    assert_eq!((reply.tokens_in, reply.tokens_out, reply.tokens_counted), (11, 7, true));
    assert_eq!((reply.cost_microusd, reply.attempts), (18, 1));
    let asked = wire.asked();
    let (head, body) = asked[0].split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: {}", wire.address)), "{head}");
    assert!(!head.contains("authorization") && !head.contains("none"), "{head}");
    assert_eq!((&body["model"], &body["stream"]), (&Value::from("some-model"), &Value::from(true)));
    assert_eq!(body["tools"][0]["function"]["name"], "look_up");
}

#[test]
fn silence_ends_by_the_limit_that_it_breaks() {
    let before = || act(hang);
    let head_only = || {
        act(|stream| {
            write(stream, STREAM);
            hang(stream);
        })
    };
    let within = || {
        act(|stream| {
            write(stream, &format!("{STREAM}{}", chunk("Be")));
            hang(stream);
        })
    };
    let first = CallLimits { first_byte: SHORT, ..limits() };
    let between = CallLimits { between: SHORT, ..limits() };
    let whole = CallLimits { deadline: SHORT, ..limits() };
    for (act, limits, phase) in [
        (before(), &first, Phase::FirstByte),
        (head_only(), &first, Phase::FirstByte),
        (within(), &between, Phase::Between),
        (before(), &whole, Phase::Whole),
        (within(), &whole, Phase::Whole),
    ] {
        let wire = Wire::new(vec![act]);
        let started = Instant::now();
        let error = ask(&wire, limits).unwrap_err();
        assert_eq!(error.fault, ModelFault::TimedOut(phase));
        assert!(started.elapsed() < LONG / 2, "{phase:?}");
        // Not asked again: it may have been charged.
        assert_eq!(error.spent.attempts, 1);
    }
}

#[test]
fn drops_that_never_cease_end_with_the_whole_time() {
    let wire = Wire::new(vec![act(|stream| {
        write(stream, STREAM);
        while stream.write_all(b": still here\n\n").is_ok() {
            std::thread::yield_now();
        }
    })]);
    let limits = CallLimits { deadline: SHORT, between: SHORT, bytes: ANSWER_BYTES_MAX, ..limits() };
    assert_eq!(ask(&wire, &limits).unwrap_err().fault, ModelFault::TimedOut(Phase::Whole));
}

#[test]
fn an_attempt_has_its_own_time() {
    let wire = Wire::new(vec![act(hang)]);
    let model = wire.model("openai_compatible", "timeout_s = 1\n");
    let started = Instant::now();
    let error = call(&model, None, &prompt(), &limits(), &mut |_| {}).unwrap_err();
    assert_eq!(error.fault, ModelFault::TimedOut(Phase::Whole));
    assert!(started.elapsed() < LONG / 2);
}

#[test]
fn a_flood_is_cut_off_in_text_in_arguments_and_on_the_wire() {
    let exactly = good(&"x".repeat(1000));
    assert_eq!(ask(&Wire::new(vec![exactly]), &limits()).unwrap().text.len(), 1000);
    assert_eq!(fault(good(&"x".repeat(1001))), ModelFault::TooLong(1000));
    let called = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{{\"index\":0,\"id\":\"1\",\"function\":{{\"name\":\"look_up\",\"arguments\":\"{}\"}}}}]}}}}]}}\n\n",
        "x".repeat(1001)
    );
    assert_eq!(fault(events(&called)), ModelFault::TooLong(1000));
    // A gigabyte of what means nothing, as fast as it is read.
    let wire = Wire::new(vec![act(|stream| {
        write(stream, STREAM);
        let line = format!(": {}\n", "x".repeat(64 * 1024));
        let mut left = 1 << 30;
        while left > 0 && stream.write_all(line.as_bytes()).is_ok() {
            left -= line.len().min(left);
        }
        assert!(left > 0, "all of it was taken");
    })]);
    assert_eq!(ask(&wire, &limits()).unwrap_err().fault, ModelFault::TooLong(1000));
    // The same without a single line end.
    let wire = Wire::new(vec![act(|stream| {
        write(stream, STREAM);
        while stream.write_all(&[b'x'; 64 * 1024]).is_ok() {}
    })]);
    let many = CallLimits { bytes: ANSWER_BYTES_MAX, ..limits() };
    assert_eq!(ask(&wire, &many).unwrap_err().fault, ModelFault::Garbage("a line has more than 1 MiB"));
}

#[test]
fn garbage_is_called_garbage() {
    let kind = ModelFault::Garbage("it is of another content type than the provider's answers");
    let whole = "{\"choices\":[{\"message\":{\"content\":\"Because.\"}}]}";
    for (act, expected) in [
        (plain("200 OK", "content-type: text/html\r\n", "<html>"), kind.clone()),
        (plain("200 OK", "content-type: application/json\r\n", whole), kind.clone()),
        (plain("200 OK", "", ""), kind),
        (
            plain("200 OK", "content-type: text/event-stream\r\ncontent-encoding: gzip\r\n", "x"),
            ModelFault::Garbage("it is compressed, which was not asked for"),
        ),
        (act(|stream| write(stream, "SSH-2.0-OpenSSH_9.2\r\n")), ModelFault::Garbage("it is no HTTP")),
        (
            act(|stream| write(stream, &format!("HTTP/1.1 200 OK\r\nx: {}\r\n", "x".repeat(1 << 20)))),
            ModelFault::Garbage("it is no HTTP"),
        ),
        (events("data: {\n\n"), ModelFault::Garbage("a document in it is no JSON")),
        (
            events(&format!("{}data: {{\"error\":{{\"message\":\"overloaded\"}}}}\n\n", chunk("Be"))),
            ModelFault::Broke("overloaded".to_owned()),
        ),
    ] {
        assert_eq!(fault(act), expected);
    }
}

#[test]
fn an_answer_without_its_end_is_no_answer() {
    let length = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\n{}",
        chunk("Be")
    );
    for act in [act(|_| {}), events(""), events(&chunk("Be")), act(move |stream| write(stream, &length))] {
        let wire = Wire::new(vec![act]);
        let error = ask(&wire, &limits()).unwrap_err();
        assert_eq!((error.fault, error.spent.attempts), (ModelFault::Cut, 1));
    }
    let gemini =
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Be\"}]}}],\"usageMetadata\":{}}\n\n";
    let responses = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Be\",\"output_index\":0,\"content_index\":0}\n\n";
    let line =
        "{\"model\":\"some-model\",\"message\":{\"role\":\"assistant\",\"content\":\"Be\"},\"done\":false}\n";
    for (provider, act) in [
        ("gemini", events(gemini)),
        ("openai_responses", events(responses)),
        ("anthropic", events("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n")),
        ("ollama", plain("200 OK", "content-type: application/x-ndjson\r\n", line)),
    ] {
        let wire = Wire::new(vec![act]);
        let done = call(&wire.model(provider, ""), None, &prompt(), &limits(), &mut |_| {});
        assert_eq!(done.unwrap_err().fault, ModelFault::Cut, "{provider}");
    }
}

#[test]
fn refusals_are_refusals_in_every_providers_words() {
    let openai =
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"content_filter\"}]}\n\ndata: [DONE]\n\n";
    let spoken = "data: {\"choices\":[{\"delta\":{\"refusal\":\"I cannot\"}}]}\n\n";
    let anthropic = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":0}}}\n\n\
        event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"refusal\"},\"usage\":{\"output_tokens\":1}}\n\n\
        event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let gemini = "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\n\n";
    let safety = "data: {\"candidates\":[{\"content\":{\"parts\":[]},\"finishReason\":\"SAFETY\"}],\"usageMetadata\":{}}\n\n";
    let filtered = "event: response.incomplete\ndata: {\"type\":\"response.incomplete\",\"response\":{\"id\":\"r\",\"model\":\"m\",\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"content_filter\"}}}\n\n";
    for (provider, body) in [
        ("openai", openai),
        ("openai_compatible", spoken),
        ("anthropic", anthropic),
        ("gemini", gemini),
        ("gemini", safety),
        ("openai_responses", filtered),
    ] {
        let wire = Wire::new(vec![events(body)]);
        let done = call(&wire.model(provider, ""), None, &prompt(), &limits(), &mut |_| {});
        let error = done.unwrap_err();
        assert_eq!(error.fault, ModelFault::Refused, "{provider}");
        assert!(error.spent.tokens_in > 0, "{provider}");
    }
}

#[test]
fn too_many_requests_and_faults_are_waited_out() {
    let wire = Wire::new(vec![
        plain("429 Too Many Requests", "retry-after: 1\r\n", "slow down"),
        plain("500 Internal Server Error", "", "oh no"),
        good("Because."),
    ]);
    let started = Instant::now();
    let reply = ask(&wire, &limits()).unwrap();
    assert_eq!((reply.attempts, wire.asked().len()), (3, 3));
    assert!(started.elapsed() >= Duration::from_millis(1500), "{:?}", started.elapsed());
    assert_eq!(reply.tokens_in, 11);
}

#[test]
fn attempts_end_and_a_wait_beyond_the_deadline_is_not_begun() {
    let wire = Wire::new(vec![plain("503 Service Unavailable", "", "")]);
    let error = ask(&wire, &limits()).unwrap_err();
    assert_eq!((error.fault, error.spent.attempts, wire.asked().len()), (ModelFault::Failed(503), 3, 3));
    // An error is not charged.
    assert_eq!((error.spent.tokens_in, error.spent.cost_microusd), (0, 0));
    let wire = Wire::new(vec![plain("429 Too Many Requests", "retry-after: 3600\r\n", "")]);
    let started = Instant::now();
    let error = ask(&wire, &limits()).unwrap_err();
    assert_eq!(error.fault, ModelFault::RateLimited(Some(Duration::from_secs(3600))));
    assert_eq!(error.spent.attempts, 1);
    assert!(started.elapsed() < LONG / 2);
}

#[test]
fn what_asking_again_does_not_help_is_not_asked_again() {
    let moved = Wire::new(vec![good("stolen")]);
    let to = format!("location: http://{}/v1/chat/completions\r\n", moved.address);
    for (act, expected) in [
        (plain("307 Temporary Redirect", &to, ""), ModelFault::Redirected(307)),
        (plain("401 Unauthorized", "", "no"), ModelFault::Unauthorized(401)),
        (
            plain("400 Bad Request", "", "{\"error\":{\"message\":\"too\\u001b[31m long\"}}"),
            ModelFault::Rejected { status: 400, words: "too[31m long".to_owned() },
        ),
    ] {
        let wire = Wire::new(vec![act]);
        let error = ask(&wire, &limits()).unwrap_err();
        assert_eq!((error.fault, wire.asked().len()), (expected, 1));
    }
    assert_eq!(moved.asked(), [] as [String; 0]);
    // Nobody there: nothing was sent, so it is tried again.
    let gone = Wire::new(vec![good("")]);
    let model = gone.model("openai_compatible", "attempts = 2\n");
    drop(gone);
    let error = call(&model, None, &prompt(), &limits(), &mut |_| {}).unwrap_err();
    assert!(matches!(error.fault, ModelFault::Unreachable(_)), "{error}");
    assert_eq!(error.spent.attempts, 2);
}

#[test]
fn text_that_was_handed_on_is_not_handed_on_again() {
    let broken = events(&format!("{}data: {{\"error\":\"gone\"}}\n\n", chunk("Be")));
    let wire = Wire::new(vec![broken, good("Because.")]);
    let mut told = String::new();
    let model = wire.model("openai_compatible", "");
    let error = call(&model, None, &prompt(), &limits(), &mut |text| told.push_str(text)).unwrap_err();
    assert_eq!((error.fault, told.as_str()), (ModelFault::Broke("gone".to_owned()), "Be"));
    assert!(error.spent.tokens_in > 0 && error.spent.tokens_out == 1 && !error.spent.tokens_counted);
}

fn called(name: &str) -> Act {
    events(&format!(
        "data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{{\"index\":0,\"id\":\"c1\",\"function\":{{\"name\":\"{name}\",\"arguments\":\"{{\\\"q\\\":1}}\"}}}}]}},\"finish_reason\":\"tool_calls\"}}]}}\n\ndata: [DONE]\n\n"
    ))
}

#[test]
fn tools_are_those_that_were_offered() {
    let reply = ask(&Wire::new(vec![called("look_up")]), &limits()).unwrap();
    let call = ToolCall { id: "c1".into(), name: "look_up".into(), arguments: serde_json::json!({"q": 1}) };
    assert_eq!((reply.tool_calls, reply.finish), (vec![call], Finish::Tools));
    // Usage is missing: it is estimated, and said to be.
    assert!(!reply.tokens_counted && reply.tokens_in > 0 && reply.tokens_out > 0 && reply.cost_microusd > 0);
    assert_eq!(fault(called("rm_rf")), ModelFault::InventedTool("rm_rf".to_owned()));
    let high =
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":4294967295,\"function\":{}}]}}]}\n\n";
    assert_eq!(fault(events(high)), ModelFault::Garbage("more than 64 calls of tools"));
}

#[test]
fn numbers_that_cannot_be_are_not_counted() {
    for usage in ["-1", "99999999999999999999", "\"many\""] {
        let body = format!(
            "{}data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"stop\"}}],\"usage\":{{\"prompt_tokens\":{usage},\"completion_tokens\":{usage}}}}}\n\ndata: [DONE]\n\n",
            chunk("Because.")
        );
        let reply = ask(&Wire::new(vec![events(&body)]), &limits()).unwrap();
        assert!(!reply.tokens_counted && (1..1000).contains(&reply.tokens_out), "{usage}");
    }
}

#[test]
fn what_cannot_be_asked_is_not_sent() {
    let wire = Wire::new(vec![good("")]);
    let model = wire.model("openai_compatible", "");
    let fault = |prompt: &Prompt| call(&model, None, prompt, &limits(), &mut |_| {}).unwrap_err().fault;
    let long = |bytes: usize| Prompt { user: "x".repeat(bytes), ..Prompt::default() };
    assert!(call(&model, None, &long(PROMPT_BYTES_MAX), &limits(), &mut |_| {}).is_ok());
    assert_eq!(fault(&long(PROMPT_BYTES_MAX + 1)), ModelFault::PromptTooLong(PROMPT_BYTES_MAX + 1));
    let tool = prompt().tools[0].clone();
    let tools = |tools: Vec<ToolSpec>| Prompt { tools, ..Prompt::default() };
    let many =
        |count: usize| (0..count).map(|n| ToolSpec { name: format!("t{n}"), ..tool.clone() }).collect();
    assert!(call(&model, None, &tools(many(TOOLS_MAX)), &limits(), &mut |_| {}).is_ok());
    assert_eq!(fault(&tools(many(TOOLS_MAX + 1))), ModelFault::Tools("there are more than 64"));
    assert_eq!(fault(&tools(vec![tool.clone(), tool.clone()])), ModelFault::Tools("two have the same name"));
    let odd = ToolSpec { name: "a b".to_owned(), ..tool };
    assert_eq!(fault(&tools(vec![odd])), ModelFault::Tools("one has no proper name"));
    assert_eq!(wire.asked().len(), 2);
}

const KEY: &str = "sk-0123456789-unmistakable";

fn key(endpoint: &str) -> ModelKey {
    ModelKey {
        endpoint: Endpoint::parse(endpoint).unwrap(),
        value: SecretValue::new(KEY.as_bytes().to_vec()).unwrap(),
    }
}

#[test]
fn a_key_goes_where_it_belongs_and_nowhere_else() {
    for (provider, header) in [
        ("openai_compatible", format!("authorization: Bearer {KEY}")),
        ("openai", format!("authorization: Bearer {KEY}")),
        ("anthropic", format!("x-api-key: {KEY}")),
        ("gemini", format!("x-goog-api-key: {KEY}")),
        ("ollama", format!("authorization: Bearer {KEY}")),
    ] {
        let wire = Wire::new(vec![plain("400 Bad Request", "", &format!("your key is {KEY}"))]);
        let model = wire.model(provider, "secret = \"KEY\"\n");
        let own = key(&format!("http://{}", wire.address));
        let error = call(&model, Some(&own), &prompt(), &limits(), &mut |_| {}).unwrap_err();
        let asked = wire.asked();
        assert_eq!(asked.len(), 1, "{provider}: {error}");
        assert_eq!(asked[0].matches(KEY).count(), 1);
        assert!(asked[0].contains(&header), "{provider}: {}", asked[0]);
        // A stranger's words are not repeated when they repeat the key.
        let shown = format!("{error} {error:?} {own:?} {model:?}");
        assert!(!shown.contains("unmistakable"), "{shown}");
    }
    let told = format!("data: {{\"error\":\"{KEY}\"}}\n\n");
    let wire = Wire::new(vec![events(&told)]);
    let own = key(&format!("http://{}", wire.address));
    let done = call(&wire.model("openai", ""), Some(&own), &prompt(), &limits(), &mut |_| {});
    assert_eq!(done.unwrap_err().fault, ModelFault::Broke("(its words repeat the key)".to_owned()));
    let wire = Wire::new(vec![good("")]);
    let model = wire.model("openai_compatible", "secret = \"KEY\"\n");
    let with =
        |key: Option<&ModelKey>| call(&model, key, &prompt(), &limits(), &mut |_| {}).unwrap_err().fault;
    let elsewhere = ModelFault::KeyElsewhere(format!("http://{}", wire.address));
    assert_eq!(with(Some(&key("https://api.example.com"))), elsewhere);
    assert_eq!(with(None), ModelFault::NoKey);
    assert_eq!(wire.asked(), [] as [String; 0]);
}

#[test]
fn a_key_that_would_be_a_header_more_is_not_sent() {
    let wire = Wire::new(vec![good("")]);
    let endpoint = Endpoint::parse(&format!("http://{}", wire.address)).unwrap();
    let value = SecretValue::new(b"0123456789\r\nx-evil: 1".to_vec()).unwrap();
    let done = call(
        &wire.model("openai_compatible", ""),
        Some(&ModelKey { endpoint, value }),
        &prompt(),
        &limits(),
        &mut |_| {},
    );
    assert!(matches!(done.unwrap_err().fault, ModelFault::Local(_)));
    assert_eq!(wire.asked(), [] as [String; 0]);
}

#[test]
fn every_provider_is_asked_in_its_own_words_and_understood() {
    let gemini = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Because.\"}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":11,\"candidatesTokenCount\":7,\"totalTokenCount\":18}}\n\n";
    let ollama = "{\"model\":\"some-model\",\"message\":{\"role\":\"assistant\",\"content\":\"Because.\"},\"done\":false}\n{\"model\":\"some-model\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":11,\"eval_count\":7}\n";
    let responses = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Because.\",\"output_index\":0,\"content_index\":0}\n\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"model\":\"some-model\",\"status\":\"completed\",\"output\":[],\"usage\":{\"input_tokens\":11,\"output_tokens\":7,\"total_tokens\":18}}}\n\n";
    let lines = plain("200 OK", "content-type: application/x-ndjson\r\n", ollama);
    for (provider, act, path) in [
        ("gemini", events(gemini), "/v1/models/some-model:streamGenerateContent?alt=sse"),
        ("ollama", lines, "/v1/api/chat"),
        ("openai_responses", events(responses), "/v1/responses"),
    ] {
        let wire = Wire::new(vec![act]);
        let done = call(&wire.model(provider, ""), None, &prompt(), &limits(), &mut |_| {});
        let reply = done.unwrap_or_else(|error| panic!("{provider}: {error}"));
        assert_eq!((reply.text.as_str(), reply.finish), ("Because.", Finish::Stop), "{provider}");
        assert_eq!((reply.tokens_in, reply.tokens_out, reply.tokens_counted), (11, 7, true), "{provider}");
        assert!(wire.asked()[0].starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{}", wire.asked()[0]);
    }
}
