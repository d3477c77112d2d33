//! Requests that are passed on as they are, to providers on the wire that are no good.

use std::time::{Duration, Instant};

use super::super::*;
use super::kit::{self, Act, END, STREAM, act, chunk, events, good, hang, plain, write};

/// Longer than anything here takes, unless something hangs that should not.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

fn limits() -> CallLimits {
    CallLimits { deadline: LONG, first_byte: LONG, between: LONG, ..CallLimits::default() }
}

fn sent(dialect: Dialect, stream: bool) -> Sent {
    let body = format!(r#"{{"stream":{stream},"model":"some-model","messages":[],"x":[1.0]}}"#);
    Sent {
        dialect,
        body: body.into_bytes().into(),
        stream,
        hides_usage: false,
        version: None,
        beta: Some("tools-2024".to_owned()),
        tokens_out_max: 100,
    }
}

fn ask(wire: &kit::Wire, sent: &Sent, limits: &CallLimits) -> (Relayed, String) {
    let provider = if sent.dialect == Dialect::Chat { "openai_compatible" } else { "anthropic" };
    let model = wire.model(provider, "price_in = 1000000\nprice_out = 1000000\n");
    let mut out = Vec::new();
    let relayed = relay(&model, None, sent, limits, &mut |piece| {
        out.extend(piece);
        true
    });
    (relayed, String::from_utf8(out).unwrap())
}

fn fault(act: Act, stream: bool, limits: &CallLimits) -> ModelFault {
    let wire = kit::Wire::new(vec![act]);
    let started = Instant::now();
    let (relayed, _) = ask(&wire, &sent(Dialect::Chat, stream), limits);
    assert!(started.elapsed() < LONG / 2);
    assert_eq!(wire.asked().len(), 1, "asked once, whatever comes of it");
    relayed.fault.unwrap()
}

#[test]
fn the_request_leaves_as_it_came_and_the_answer_comes_as_it_left() {
    let body = format!("{}{END}", chunk("Because."));
    let wire = kit::Wire::new(vec![events(&body)]);
    let (relayed, out) = ask(&wire, &sent(Dialect::Chat, true), &limits());
    assert_eq!((relayed.fault, out), (None, body));
    assert_eq!((relayed.spent.tokens_in, relayed.spent.tokens_out, relayed.spent.cost_microusd), (11, 7, 18));
    let asked = wire.asked();
    let (head, body) = asked[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
    assert!(!head.contains("authorization") && !head.contains("anthropic"), "{head}");
    assert_eq!(body.as_bytes(), &*sent(Dialect::Chat, true).body);
}

#[test]
fn anthropics_answers_come_with_the_headers_that_they_want() {
    let whole =
        r#"{"type":"message","model":"claude-x","content":[],"usage":{"input_tokens":4,"output_tokens":2}}"#;
    let wire = kit::Wire::new(vec![plain("200 OK", "content-type: application/json\r\n", whole)]);
    let (relayed, out) = ask(&wire, &sent(Dialect::Messages, false), &limits());
    assert_eq!((relayed.fault, out.as_str()), (None, whole));
    assert_eq!(relayed.served_model.as_deref(), Some("claude-x"));
    let head = wire.asked().remove(0);
    for line in ["POST /v1/messages ", "anthropic-version: 2023-06-01", "anthropic-beta: tools-2024"] {
        assert!(head.contains(line), "{head}");
    }
}

#[test]
fn silence_ends_by_the_limit_that_it_breaks() {
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
        (act(hang), &first, Phase::FirstByte),
        (within(), &between, Phase::Between),
        (within(), &whole, Phase::Whole),
    ] {
        assert_eq!(fault(act, true, limits), ModelFault::TimedOut(phase));
    }
}

#[test]
fn what_is_no_answer_is_none() {
    let json = |body: &str| plain("200 OK", "content-type: application/json\r\n", body);
    for (act, stream) in [
        (plain("200 OK", "content-type: text/html\r\n", "<html>"), true),
        (json("{}"), true),
        (events("data: {}\n\n"), false),
        (json("{}"), false),
        (events("data: no\n\n"), true),
    ] {
        let fault = fault(act, stream, &limits());
        assert!(matches!(fault, ModelFault::Garbage(_)), "{fault:?}");
    }
    assert_eq!(fault(events(&chunk("cut")), true, &limits()), ModelFault::Cut);
    let elsewhere = plain("302 Found", "location: http://127.0.0.1:1/\r\n", "");
    assert_eq!(fault(elsewhere, true, &limits()), ModelFault::Redirected(302));
    let slower = plain("429 Too Many Requests", "retry-after: 7\r\n", "");
    let wait = Some(Duration::from_secs(7));
    assert_eq!(fault(slower, false, &limits()), ModelFault::RateLimited(wait));
}

#[test]
fn an_answer_has_a_longest_length() {
    let event = chunk(&"x".repeat(512 * 1024));
    let whole = (RESPONSE_BYTES_MAX - END.len()) / event.len();
    let flood = move |more: usize| {
        let (event, count) = (event.clone(), whole + more);
        act(move |stream| {
            write(stream, STREAM);
            (0..count).for_each(|_| write(stream, &event));
            write(stream, END);
        })
    };
    let wire = kit::Wire::new(vec![flood(0)]);
    assert_eq!(ask(&wire, &sent(Dialect::Chat, true), &limits()).0.fault, None);
    assert_eq!(fault(flood(1), true, &limits()), ModelFault::TooLong(RESPONSE_BYTES_MAX as u64));
}

#[test]
fn nothing_is_sent_that_is_not_what_was_configured() {
    let wire = kit::Wire::new(vec![good("no")]);
    for (body, stream) in [
        (r#"{"model":"another","messages":[]}"#, false),
        (r#"{"model":"some-model","stream":true}"#, false),
        (r#"{"model":"some-model"}"#, true),
        ("[]", false),
    ] {
        let sent = Sent { body: body.as_bytes().into(), ..sent(Dialect::Chat, stream) };
        let (relayed, _) = ask(&wire, &sent, &limits());
        assert!(matches!(relayed.fault, Some(ModelFault::Local(_))), "{body}");
        assert_eq!(relayed.spent.tokens_in, 0);
    }
    assert!(wire.asked().is_empty());
}
