use axum::http::HeaderValue;
use cascade_runtime::model::Models;

use super::*;

fn model(provider: &str) -> Model {
    let text = format!(
        "[models.m]\nprovider = \"{provider}\"\nmodel = \"their-name\"\nendpoint = \"http://127.0.0.1:9/v1/\"\n\
         max_output_tokens = 100\n"
    );
    Models::parse(&text).unwrap().pick(None).unwrap().clone()
}

fn sent(dialect: Dialect, provider: &str, body: &str) -> Result<(Sent, String), String> {
    let read =
        Read::of(dialect, body.as_bytes()).and_then(|read| read.sent(&model(provider), &HeaderMap::new()));
    read.map_err(|refusal| format!("{refusal:?}"))
}

fn text(sent: &Sent) -> &str {
    str::from_utf8(&sent.body).unwrap()
}

#[test]
fn a_request_goes_on_as_it_came() {
    let body = r#"{"zeta": 1.50, "model":"their-name","max_tokens":7,"n":3,"messages":[{"role":"user","content":"é\u00e9"}],"a":{"b" : [1e3]}}"#;
    let (sent, shown) = sent(Dialect::Chat, "openai_compatible", body).unwrap();
    // Only the blanks between its members are gone.
    assert_eq!(text(&sent), body.replace(": 1.50, ", ":1.50,"));
    assert_eq!(
        (shown.as_str(), sent.stream, sent.hides_usage, sent.tokens_out_max),
        ("éé", false, false, 21)
    );
}

#[test]
fn what_no_budget_could_hold_is_said_for_the_client() {
    let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":[{"type":"text","text":"one"},{"type":"image_url"},{"type":"text","text":"two"}]}]}"#;
    for (provider, name) in [("openai", "max_completion_tokens"), ("openai_compatible", "max_tokens")] {
        let (sent, shown) = sent(Dialect::Chat, provider, body).unwrap();
        let value: Value = serde_json::from_slice(&sent.body).unwrap();
        assert_eq!((&value["model"], &value[name]), (&"their-name".into(), &100.into()));
        assert_eq!(value["stream_options"]["include_usage"], true);
        assert!(sent.hides_usage && sent.stream);
        assert_eq!((shown.as_str(), sent.tokens_out_max), ("one\ntwo", 100));
    }
    let asked = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{}]}"#;
    assert!(!sent(Dialect::Chat, "openai_compatible", asked).unwrap().0.hides_usage);
}

#[test]
fn what_two_readers_could_understand_in_two_ways_is_refused() {
    let messages = r#""messages":[{"role":"user","content":"x"}]"#;
    for (bad, why) in [
        (format!(r#"{{"model":"m","model":"other",{messages}}}"#), "comes twice"),
        (format!(r#"{{"model":"m","mod\u0065l":"other",{messages}}}"#), "comes twice"),
        (format!(r#"{{"model":7,{messages}}}"#), "names no model"),
        (format!(r#"{{"model":"m","stream":"yes",{messages}}}"#), "neither true nor false"),
        (format!(r#"{{"model":"m","n":129,{messages}}}"#), "more than 128"),
        (format!(r#"{{"model":"m","max_tokens":0,{messages}}}"#), "no whole number"),
        (format!(r#"{{"model":"m","max_tokens":101,{messages}}}"#), "at most 100 tokens"),
        (r#"{"model":"m","messages":[]}"#.to_owned(), "no list of messages"),
        (r#"{"model":"m","messages":[1]}"#.to_owned(), "no list of messages"),
        ("[]".to_owned(), "expected an object"),
        (format!(r#"{{"model":"m",{messages}}} x"#), "trailing"),
    ] {
        let refused = sent(Dialect::Chat, "openai_compatible", &bad).unwrap_err();
        assert!(refused.contains(why), "{bad}: {refused}");
    }
    let lacking = format!(r#"{{"model":"m",{messages}}}"#);
    assert!(sent(Dialect::Messages, "anthropic", &lacking).unwrap_err().contains("max_tokens"));
}

#[test]
fn limits_hold_at_their_number() {
    let body = |extra: &str| format!(r#"{{"model":"m","messages":[{{}}],{extra}}}"#);
    let of = |extra: &str| sent(Dialect::Chat, "openai_compatible", &body(extra)).unwrap().0.tokens_out_max;
    assert_eq!(of(r#""max_tokens":100.0"#), 100);
    assert_eq!(of(r#""max_tokens":5,"max_completion_tokens":9"#), 9);
    assert_eq!(of(r#""n":128"#), 12_800);
    let mut headers = HeaderMap::new();
    for (length, fits) in [(HEADER_BYTES_MAX, true), (HEADER_BYTES_MAX + 1, false)] {
        headers.insert("anthropic-beta", HeaderValue::from_str(&"b".repeat(length)).unwrap());
        assert_eq!(passed(&headers, "anthropic-beta").is_ok(), fits);
    }
}
