//! The hooks in the agents' own settings, put in and taken out.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::site::{Site, finish, script};

const AGENTS: [(&str, &str); 3] = [
    ("claude-code", ".claude/settings.json"),
    ("codex", ".codex/hooks.json"),
    ("gemini", ".gemini/settings.json"),
];

/// Settings as somebody has them, with a hook of another tool.
const SETTINGS: &str = "{\n    \"$schema\": \"https://json.schemastore.org/claude-code-settings.json\",\n    \
    \"permissions\": {\"allow\": [\"Bash(npm run test:*)\"], \"deny\": [\"Read(./.env)\"]},\n    \"hooks\": {\n        \
    \"PreToolUse\": [\n            {\n                \"matcher\": \"Edit|Write\",\n                \"hooks\": \
    [{\"type\": \"command\", \"command\": \"prettier --check\"}]\n            }\n        ]\n    },\n    \
    \"zeta\": 1.50\n}\n";

fn settings(site: &Site, file: &str) -> PathBuf {
    let path = site.path("user").join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}

#[test]
fn settings_are_edited_and_given_back_to_the_byte() {
    let site = Site::new();
    for (agent, file) in AGENTS {
        let path = settings(&site, file);
        std::fs::write(&path, SETTINGS).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let dry = site.run(&["hook", "install", agent, "--dry-run"]).expect(0);
        assert!(dry.stdout.contains("+ ") && dry.stdout.contains(&format!("hook {agent}")), "{}", dry.stdout);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), SETTINGS);

        site.run(&["hook", "install", agent]).expect(0);
        let after = std::fs::read_to_string(&path).unwrap();
        assert!(after.contains("\"zeta\": 1.50\n") && after.contains("prettier --check"), "{after}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        let backup = PathBuf::from(format!("{}.before-cascade", path.display()));
        assert_eq!(std::fs::read_to_string(&backup).unwrap(), SETTINGS);
        site.run(&["hook", "install", agent]).expect(0);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), after, "not the same twice");

        site.run(&["hook", "remove", agent]).expect(0);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), SETTINGS);
        assert!(!backup.exists());
        site.run(&["hook", "remove", agent]).expect(0);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), SETTINGS);

        // What is not JSON is left alone.
        std::fs::write(&path, "{ // mine\n}").unwrap();
        site.run(&["hook", "install", agent]).expect_failure(1, "is not JSON");
        site.run(&["hook", "remove", agent]).expect_failure(1, "is not JSON");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{ // mine\n}");
    }
    assert!(!site.home().exists(), "settings need no ledger");
}

#[test]
fn where_there_were_none_there_are_none_afterwards() {
    let site = Site::new();
    for (agent, file) in AGENTS {
        let path = site.work(file);
        site.run(&["hook", "install", agent, "--scope", "project"]).expect(0);
        let text = std::fs::read_to_string(&path).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value.as_object().unwrap().len(), 1);
        assert_eq!(text.contains("onFailure"), agent == "claude-code", "{text}");
        site.run(&["hook", "remove", agent, "--scope", "project"]).expect(0);
        assert!(!path.exists());
    }
}

#[test]
fn through_a_link_only_what_it_leads_to_is_changed() {
    let site = Site::new();
    let (link, target) = (settings(&site, ".claude/settings.json"), site.path("dotfiles.json"));
    // Two links, the first relative, to nothing.
    let middle = site.path("user/.claude/own.json");
    std::os::unix::fs::symlink("own.json", &link).unwrap();
    std::os::unix::fs::symlink(&target, &middle).unwrap();
    let is_as_before = || {
        assert_eq!(std::fs::read_link(&link).unwrap(), PathBuf::from("own.json"));
        assert_eq!(std::fs::read_link(&middle).unwrap(), target);
    };
    site.run(&["hook", "install", "claude-code"]).expect(0);
    assert!(std::fs::read_to_string(&target).unwrap().contains("hook claude-code"));
    is_as_before();
    site.run(&["hook", "remove", "claude-code"]).expect(0);
    assert!(!target.exists());
    is_as_before();
    // To settings that somebody has.
    std::fs::write(&target, SETTINGS).unwrap();
    site.run(&["hook", "install", "claude-code"]).expect(0);
    assert_ne!(std::fs::read_to_string(&target).unwrap(), SETTINGS);
    site.run(&["hook", "remove", "claude-code"]).expect(0);
    assert_eq!(std::fs::read_to_string(&target).unwrap(), SETTINGS);
    is_as_before();
}

/// The command that stands in the settings of an agent.
fn command(site: &Site, file: &str, event: &str) -> String {
    let text = std::fs::read_to_string(site.path("user").join(file)).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    value["hooks"][event][0]["hooks"][0]["command"].as_str().unwrap().to_owned()
}

#[test]
fn what_stands_in_settings_answers_and_blocks_where_it_cannot() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.run(&["hook", "install", "claude-code", "--decide", "--lease", "5m"]).expect(0);
    let line = command(&site, ".claude/settings.json", "PreToolUse");
    let event = format!(
        r#"{{"session_id":"s","cwd":"{}","hook_event_name":"PreToolUse","tool_name":"Read","tool_input":{{"file_path":"a"}},"tool_use_id":"t"}}"#,
        site.path("work").display()
    );
    let shell = |line: &str| {
        let mut shell = site.program("sh");
        // What the hook needs stands in its line.
        shell.args(["-c", line]).env_remove("CASCADE_HOME");
        finish(shell, event.as_bytes())
    };
    let told = shell(&line).expect(0).json();
    assert_eq!(told["hookSpecificOutput"]["permissionDecision"], "allow");
    // A program that is gone, that crashes, that ends with anything else than 0 and 2.
    let at = site.path("broken");
    let own = line.split_whitespace().find(|word| word.ends_with("/cascade")).unwrap();
    let broken = line.replace(own, at.to_str().unwrap());
    let stopped = shell(&broken).expect(2);
    assert!(stopped.stdout.is_empty() && stopped.stderr.contains("so this is blocked"), "{}", stopped.stderr);
    for body in ["exit 1", "kill -9 $$", "exit 127"] {
        script(&at, &format!("#!/bin/sh\n{body}\n"));
        let stopped = shell(&broken).expect(2);
        assert!(stopped.stderr.contains("so this is blocked"), "{body}: {}", stopped.stderr);
    }
    script(&at, "#!/bin/sh\necho because >&2\nexit 2\n");
    assert_eq!(shell(&broken).expect(2).stderr, "because\n");
}
