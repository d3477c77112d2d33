use super::*;

fn sent(dialect: Dialect, hides_usage: bool) -> Sent {
    Sent {
        dialect,
        body: [].into(),
        stream: true,
        hides_usage,
        version: None,
        beta: None,
        tokens_out_max: 10,
    }
}

/// What is handed on of a stream that comes in pieces of so many bytes, and what is known then.
fn through(sent: &Sent, text: &str, step: usize) -> (String, Told, Option<ModelFault>) {
    let (mut told, mut out, mut fault) = (Told::default(), Vec::new(), None);
    let mut events = Events::new(sent, Some(b"sk-secret-of-ours"));
    for piece in text.as_bytes().chunks(step) {
        if let Err(why) = events.push(piece, &mut told, &mut out) {
            fault = Some(why);
            break;
        }
    }
    (String::from_utf8(out).unwrap(), told, fault)
}

const CHAT: &str = ": ping\r\n\r\ndata: {\"model\":\"m-1\",\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\r\n\r\n\
    data: {\"model\":\"m-1\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7}}\n\ndata: [DONE]\n\n";

const MESSAGES: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"c-1\",\"usage\":\
    {\"input_tokens\":5,\"cache_read_input_tokens\":20,\"output_tokens\":1}}}\n\n\
    event: ping\ndata: {\"type\": \"ping\"}\n\n\
    event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":9}}\n\n\
    event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

#[test]
fn what_is_good_goes_on_byte_for_byte_however_it_is_cut() {
    for (dialect, text, model, tokens) in
        [(Dialect::Chat, CHAT, "m-1", (11, 7)), (Dialect::Messages, MESSAGES, "c-1", (25, 9))]
    {
        for step in [1, 2, 7, 4096] {
            let (out, told, fault) = through(&sent(dialect, false), text, step);
            assert_eq!((out.as_str(), fault), (text, None));
            assert_eq!(told.model.as_deref(), Some(model));
            assert_eq!((told.tokens_in, told.tokens_out), (Some(tokens.0), Some(tokens.1)));
            assert!(told.ended);
        }
    }
}

#[test]
fn tokens_that_the_client_did_not_ask_for_are_read_and_kept_here() {
    let (out, told, _) = through(&sent(Dialect::Chat, true), CHAT, 64);
    assert!(!out.contains("prompt_tokens") && out.ends_with("data: [DONE]\n\n"), "{out}");
    assert_eq!((told.tokens_in, told.tokens_out), (Some(11), Some(7)));
}

#[test]
fn nothing_leaves_from_a_fault_on() {
    let good = "data: {\"choices\":[]}\n\n";
    for bad in [
        "data: {\"choices\":\n\n",
        "data: {\"error\":{\"message\":\"overloaded\"}}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"sk-secret-of-ours\"}}]}\n\n",
        "data: {\"a\":1}\rdata: {\"b\":2}\n\n",
        ": a comment\rdata: {\"b\":2}\n\n",
        "<html>\n\n",
    ] {
        let (out, told, fault) = through(&sent(Dialect::Chat, false), &format!("{good}{bad}{good}"), 4096);
        assert!(fault.is_some() && !told.ended, "{bad}");
        assert_eq!(out, good, "{bad}");
    }
}

#[test]
fn what_follows_the_end_is_not_handed_on() {
    let (out, told, fault) =
        through(&sent(Dialect::Chat, false), &format!("{CHAT}data: {{\"x\":1}}\n\n"), 4096);
    assert_eq!((out.as_str(), fault, told.ended), (CHAT, None, true));
}

#[test]
fn a_line_has_a_longest_length() {
    let line = |length: usize| format!("data: \"{}\"\n", "x".repeat(length - "data: \"\"\n".len()));
    let at =
        through(&sent(Dialect::Messages, false), &format!(": {}\n\n", "x".repeat(LINE_BYTES_MAX - 3)), 4096);
    assert_eq!((at.0.len(), at.2), (LINE_BYTES_MAX + 1, None));
    let past = through(&sent(Dialect::Chat, false), &line(LINE_BYTES_MAX + 1), 4096);
    assert_eq!(past.2, Some(ModelFault::Garbage("a line has more than 1 MiB")));
}

#[test]
fn a_whole_answer_is_looked_through_as_well() {
    let read = |dialect, text: &str| {
        let mut told = Told::default();
        whole(dialect, text.as_bytes(), Some(b"sk-secret-of-ours"), &mut told).map(|()| told)
    };
    let told = read(
        Dialect::Chat,
        r#"{"model":"m","choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":3,"completion_tokens":18446744073709551615}}"#,
    );
    let told = told.unwrap();
    assert_eq!((told.tokens_in, told.tokens_out), (Some(3), Some(COUNT_MAX)));
    for bad in ["[]", "{}", "no", r#"{"choices":[]}"#, r#"{"choices":[1],"x":"sk-secret-of-ours"}"#] {
        assert!(read(Dialect::Chat, bad).is_err(), "{bad}");
    }
    assert!(read(Dialect::Messages, r#"{"type":"message","content":[],"usage":{}}"#).is_ok());
    assert!(read(Dialect::Messages, r#"{"type":"error","error":{"type":"x","message":"y"}}"#).is_err());
}
