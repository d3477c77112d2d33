//! The normalised action and the spelling of byte strings.

use std::collections::BTreeMap;

use cascade_receipt::base64;
use cascade_receipt::json::Value;

use crate::resource::Place;

use super::{Action, Executable, Facts, Invocation, ObeyedFile, Stdin};

/// Format section 2.2, `action_hash`.
pub(super) fn normalised(facts: &Facts) -> Value {
    let mut members = members_of(&facts.action);
    members.insert("principal".to_owned(), facts.principal.id.to_string().into());
    if let Some(delegator) = &facts.on_behalf_of {
        members.insert("on_behalf_of".to_owned(), delegator.id.to_string().into());
    }
    if let Some(assumed) = &facts.assumed {
        members.insert("assumed".to_owned(), assumed.to_string().into());
    }
    if let Some(subject) = &facts.subject {
        members.insert("subject".to_owned(), subject.id.to_string().into());
        if let Some(matter) = &subject.matter {
            members.insert("matter".to_owned(), matter.to_string().into());
        }
    }
    Value::Object(members)
}

/// The members that describe the command itself.
pub(super) fn members_of(action: &Action) -> BTreeMap<String, Value> {
    let mut members = BTreeMap::new();
    members.insert("kind".to_owned(), action.invocation.kind().into());
    match &action.invocation {
        Invocation::Cli(argv) => insert_list(&mut members, "argv", argv),
        Invocation::Shell(line) => insert_bytes(&mut members, "line", line),
        Invocation::Task(task) => task.add_to(&mut members),
        Invocation::Workflow(act) => act.add_to(&mut members),
        Invocation::Schedule(act) => act.add_to(&mut members),
        Invocation::Tool(call) => call.add_to(&mut members),
    }
    if let Some(executable) = &action.executable {
        members.insert("executable".to_owned(), executable_value(executable));
    }
    insert_bytes(&mut members, "cwd", &action.cwd);
    members.insert("env".to_owned(), env_value(&action.env));
    members.insert("stdin".to_owned(), stdin_word(action.stdin).into());
    // Absent where there is none, so that such actions keep their hash.
    if !action.files.is_empty() {
        members.insert("files".to_owned(), Value::Array(action.files.iter().map(file_value).collect()));
    }
    if !action.defaults.is_empty() {
        let one = |(place, name): &(Place, String)| {
            Value::object([("name", name.as_str().into()), ("place", place.as_str().into())])
        };
        members.insert("defaults".to_owned(), Value::Array(action.defaults.iter().map(one).collect()));
    }
    if !action.home.is_empty() {
        let words = action.home.iter().map(|word| word.as_str().into()).collect();
        members.insert("home".to_owned(), Value::Array(words));
    }
    if let Some(resource) = &action.resource {
        members.insert("resource".to_owned(), resource.as_str().into());
    }
    members
}

/// `none`, `terminal`, `stream`, or the 64 hex digits of what was captured.
pub(super) fn stdin_word(stdin: Stdin) -> String {
    match stdin {
        Stdin::None => "none".to_owned(),
        Stdin::Terminal => "terminal".to_owned(),
        Stdin::Stream => "stream".to_owned(),
        Stdin::Captured(digest) => digest.to_hex(),
    }
}

fn executable_value(executable: &Executable) -> Value {
    let mut members = BTreeMap::new();
    insert_bytes(&mut members, "path", &executable.path);
    members.insert("sha256".to_owned(), executable.sha256.to_hex().into());
    Value::Object(members)
}

fn file_value(file: &ObeyedFile) -> Value {
    let mut members = BTreeMap::new();
    insert_bytes(&mut members, "path", &file.path);
    let (state, digest) = file.found.parts();
    let key = if state.is_some() { "stamp" } else { "sha256" };
    if let Some(digest) = digest {
        members.insert(key.to_owned(), digest.to_hex().into());
    }
    if let Some(state) = state {
        members.insert("state".to_owned(), state.into());
    }
    Value::Object(members)
}

/// Sorted by name, so that the order in which a process holds its environment does not change
/// the hash. Entries of one name keep their order: programs differ in which one they read.
fn env_value(env: &[(Vec<u8>, Vec<u8>)]) -> Value {
    let mut sorted: Vec<_> = env.iter().collect();
    sorted.sort_by(|(left, _), (right, _)| left.cmp(right));
    let item = |(name, value): &(Vec<u8>, Vec<u8>)| {
        let mut members = BTreeMap::new();
        insert_bytes(&mut members, "name", name);
        insert_bytes(&mut members, "value", value);
        Value::Object(members)
    };
    Value::Array(sorted.into_iter().map(item).collect())
}

/// `key` where the bytes are UTF-8, `key_b64` where not.
pub(super) fn insert_bytes(members: &mut BTreeMap<String, Value>, key: &str, bytes: &[u8]) {
    match str::from_utf8(bytes) {
        Ok(text) => members.insert(key.to_owned(), text.into()),
        Err(_) => members.insert(format!("{key}_b64"), base64::encode(bytes).into()),
    };
}

/// A list under `key` where every item is UTF-8, else the whole list under `key_b64`.
fn insert_list(members: &mut BTreeMap<String, Value>, key: &str, items: &[Vec<u8>]) {
    let texts: Result<Vec<Value>, _> =
        items.iter().map(|item| str::from_utf8(item).map(Value::from)).collect();
    match texts {
        Ok(texts) => members.insert(key.to_owned(), Value::Array(texts)),
        Err(_) => {
            let encoded = items.iter().map(|item| base64::encode(item).into()).collect();
            members.insert(format!("{key}_b64"), Value::Array(encoded))
        }
    };
}
