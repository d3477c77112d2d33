use super::*;

const AGENTS: [Agent; 3] = [Agent::ClaudeCode, Agent::Codex, Agent::Gemini];

fn hook(agent: Agent) -> Hook {
    Hook::new(agent, &["/opt/cascade".to_owned()], &[], true)
}

fn put(agent: Agent, text: &str) -> String {
    let Edit::Text(after) = hook(agent).put_into(Some(text)).unwrap() else { panic!("unchanged: {text}") };
    after
}

/// Settings as people have them, each laid out in another way.
const SETTINGS: &[&str] = &[
    "{}",
    "{}\n",
    "{ }",
    "{\n}\n",
    r#"{"model":"opus"}"#,
    "{\n  \"model\": \"opus\",\n  \"hooks\": {}\n}\n",
    "{\n  \"hooks\": {\n  }\n}\n",
    "{\n\t\"permissions\": {\n\t\t\"allow\": [\"Bash(git *)\", \"Read({a,b})\"]\n\t}\n}\n",
    "{\r\n    \"a\": \"\\\"}]\",\r\n    \"b\": [1.50, 1e3, null]\r\n}\r\n",
    "{\n  \"hooks\": {\n    \"PreToolUse\": [],\n    \"BeforeTool\": [ ]\n  },\n  \"z\": 1\n}",
    "{\n  \"hooks\": {\n    \"PreToolUse\": [\n      {\n        \"matcher\": \"Bash\",\n        \"hooks\": [{ \"type\": \"command\", \"command\": \"mine hook claude-code\" }]\n      }\n    ],\n    \"Stop\": [{ \"hooks\": [] }]\n  }\n}\n",
    r#"{"hooks":{"PostToolUse":[{"hooks":[{"type":"command","command":"x"}]}]},"hooks2":{}}"#,
];

#[test]
fn what_was_put_in_is_taken_out_to_the_byte() {
    for agent in AGENTS {
        for before in SETTINGS {
            let after = put(agent, before);
            let value: Value = serde_json::from_str(&after).unwrap();
            for event in events(agent) {
                let groups = value["hooks"][*event].as_array().unwrap();
                let command = groups.last().unwrap()["hooks"][0]["command"].as_str().unwrap();
                assert!(command.ends_with(&format!("hook {}", agent.name())), "{after}");
            }
            assert_eq!(hook(agent).put_into(Some(&after)).unwrap(), Edit::Unchanged, "{after}");
            let out = Hook::take_out(agent, &after, Some(before)).unwrap();
            assert_eq!(out, Edit::Text((*before).to_owned()), "{agent:?}\n{after}");
            assert_eq!(Hook::take_out(agent, before, None).unwrap(), Edit::Unchanged);
            // Without what was kept, an empty list or object of hooks may be taken for none.
            if !before.contains("[]") && !before.contains("\"hooks\": {}") {
                let out = Hook::take_out(agent, &after, Some("{\"other\": 1}")).unwrap();
                assert_eq!(out, Edit::Text((*before).to_owned()), "{agent:?}\n{after}");
            }
        }
        let Edit::Text(fresh) = hook(agent).put_into(None).unwrap() else { panic!("no text") };
        assert_eq!(Hook::take_out(agent, &fresh, None).unwrap(), Edit::Gone);
        assert_eq!(Hook::take_out(agent, &fresh, Some("{}\n")).unwrap(), Edit::Text("{}\n".to_owned()));
    }
}

#[test]
fn what_others_changed_since_stays() {
    let after = put(Agent::ClaudeCode, "{\n  \"model\": \"opus\"\n}\n");
    let changed =
        after.replace("\"opus\"", "\"sonnet\"").replace("[\n      {", "[\n      {\"hooks\": []},\n      {");
    let Edit::Text(out) = Hook::take_out(Agent::ClaudeCode, &changed, None).unwrap() else { panic!() };
    assert!(!out.contains("cascade"), "{out}");
    let value: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["model"], "sonnet");
    assert_eq!(value["hooks"]["PreToolUse"], serde_json::json!([{"hooks": []}]));
}

#[test]
fn one_that_is_there_in_another_spelling_is_replaced() {
    let before = "{\n  \"model\": \"opus\"\n}\n";
    let old = put(Agent::ClaudeCode, before);
    let new = Hook::new(Agent::ClaudeCode, &["/usr/bin/cascade".to_owned()], &["--decide".to_owned()], false);
    let Edit::Text(after) = new.put_into(Some(&old)).unwrap() else { panic!() };
    assert!(!after.contains("/opt/") && !after.contains("onFailure"), "{after}");
    assert_eq!(after.matches("/usr/bin/cascade hook claude-code --decide").count(), 3);
    assert_eq!(Hook::take_out(Agent::ClaudeCode, &after, Some("{}")).unwrap(), Edit::Text(before.to_owned()));
}

#[test]
fn what_cannot_be_edited_is_left_alone() {
    for bad in ["", "// x\n{}", "{\"a\":1,}", "[]", r#"{"hooks":[]}"#, r#"{"hooks":{"PreToolUse":{}}}"#] {
        assert!(hook(Agent::ClaudeCode).put_into(Some(bad)).is_err(), "{bad}");
    }
    let twice = r#"{"hooks":{},"hooks":{}}"#;
    assert!(matches!(hook(Agent::Codex).put_into(Some(twice)), Err(SettingsFault::Twice(_))));
    let at = |length: usize| format!("{{}}{}", " ".repeat(length - 2));
    assert!(hook(Agent::Codex).put_into(Some(&at(SETTINGS_BYTES_MAX))).is_ok());
    let past = hook(Agent::Codex).put_into(Some(&at(SETTINGS_BYTES_MAX + 1)));
    assert!(matches!(past, Err(SettingsFault::TooLong)));
}
