use super::*;

fn events(text: &str) -> Result<String, ModelFault> {
    let mut frames = Frames::new(Form::Events);
    let mut out = Vec::new();
    // A byte at a time: no answer depends on how it was cut.
    for byte in text.as_bytes() {
        frames.push(&[*byte], &mut out)?;
    }
    frames.end(&mut out)?;
    let (mut whole, mut at_once) = (Frames::new(Form::Events), Vec::new());
    whole.push(text.as_bytes(), &mut at_once)?;
    whole.end(&mut at_once)?;
    assert_eq!(out, at_once);
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn events_are_written_again_in_one_form() {
    for text in [
        "data: {\"a\":1}\n\ndata: [DONE]\n\n",
        "data:{\"a\": 1}\r\n\r\ndata: [DONE]\r\n\r\n",
        "data:{\"a\": 1}\r\rdata: [DONE]\r\r",
        ": ping\n\n\u{feff}data: {\"a\":\ndata: 1}\nid: 7\nretry: 1\n\n\n\ndata: [DONE]",
    ] {
        assert_eq!(events(text).unwrap(), "data: {\"a\":1}\n\ndata: [DONE]\n\n", "{text:?}");
    }
    assert_eq!(events("event: x\ndata: {}\n\n").unwrap(), "event: x\ndata: {}\n\n");
    let (mut lines, mut out) = (Frames::new(Form::Lines), Vec::new());
    lines.push(b"{\"a\": 1}\n\n{\"b\"", &mut out).unwrap();
    assert_eq!(out, b"{\"a\":1}\n");
    lines.push(b":2}", &mut out).unwrap();
    lines.end(&mut out).unwrap();
    assert_eq!(out, b"{\"a\":1}\n{\"b\":2}\n");
}

#[test]
fn what_is_no_answer_is_named() {
    let call = |index: &str| {
        format!("data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{{\"index\":{index}}}]}}}}]}}\n\n")
    };
    assert!(events(&call("63")).is_ok());
    let garbage = ModelFault::Garbage;
    // What was good before a fault is not lost.
    let (mut frames, mut out) = (Frames::new(Form::Events), Vec::new());
    assert!(frames.push(b"data: {}\n\ndata: {\n\n", &mut out).is_err());
    assert_eq!(out, b"data: {}\n\n");
    for (text, expected) in [
        ("<html>", garbage("it is no stream of events")),
        ("data: {\n\n", garbage("a document in it is no JSON")),
        ("data: 1\n\n", garbage("a document in it is no object")),
        (&call("64"), garbage("more than 64 calls of tools")),
        (&call("4294967295"), garbage("more than 64 calls of tools")),
        (&call("-1"), garbage("more than 64 calls of tools")),
        (&call("64").replace("\"index\"", "\"\\u0069ndex\""), garbage("more than 64 calls of tools")),
        ("data: {\"error\":{\"message\":\"over\\u001bloaded\"}}\n\n", ModelFault::Broke("overloaded".into())),
        ("data: {\"error\":\"gone\"}\n\n", ModelFault::Broke("gone".into())),
        (
            "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"message\":\"m\"}}}\n\n",
            ModelFault::Broke("m".into()),
        ),
        ("data: {\"choices\":[{\"delta\":{\"refusal\":\"no\"}}]}\n\n", ModelFault::Refused),
        ("data: {\"type\":\"response.refusal.delta\"}\n\n", ModelFault::Refused),
        ("data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\n\n", ModelFault::Refused),
    ] {
        assert_eq!(events(text).unwrap_err(), expected, "{text:?}");
    }
    assert!(events("data: {\"error\":null}\n\n").is_ok());
    let mut frames = Frames::new(Form::Events);
    assert_eq!(frames.push(b"data: \xff\n", &mut Vec::new()), Err(garbage("it is no UTF-8 text")));
}

#[test]
fn lines_and_events_at_and_past_their_limits() {
    let (mut frames, mut out) = (Frames::new(Form::Lines), Vec::new());
    assert!(frames.push(&vec![b' '; LINE_BYTES_MAX], &mut out).is_ok());
    assert_eq!(frames.push(b" ", &mut out), Err(ModelFault::Garbage("a line has more than 1 MiB")));
    let mut frames = Frames::new(Form::Events);
    let half = format!("data: {}\n", "x".repeat(LINE_BYTES_MAX / 2));
    assert!(frames.push(half.as_bytes(), &mut out).is_ok());
    assert_eq!(
        frames.push(half.as_bytes(), &mut out),
        Err(ModelFault::Garbage("an event has more than 1 MiB"))
    );
    let named = |length: usize| events(&format!("event: {}\ndata: {{}}\n\n", "e".repeat(length)));
    assert!(named(EVENT_BYTES_MAX).is_ok());
    assert!(named(EVENT_BYTES_MAX + 1).is_err());
}
