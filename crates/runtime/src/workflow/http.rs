//! A call of an HTTP server, as a command of the worker `curl`: its manifest says what a call of it can do, and the gates
//! decide it like any other command.

use std::collections::BTreeMap;

use cascade_kernel::workflow::HttpCall;
use cascade_receipt::json::Value;

/// Before the status code, on standard error, where nothing that the server sends can stand.
const MARK: &str = "cascade-http-status:";

/// The command. What is sent goes through standard input, never through the arguments; nobody's configuration adds to it.
pub(super) fn argv(call: &HttpCall) -> Vec<String> {
    let fixed = ["curl", "--disable", "--silent", "--show-error", "--globoff", "--proto", "=http,https"];
    let mut argv: Vec<String> = fixed.map(str::to_owned).into();
    argv.extend(["--max-redirs".to_owned(), "0".to_owned()]);
    argv.extend(["--write-out".to_owned(), format!("%{{stderr}}\\n{MARK}%{{http_code}}\\n")]);
    match call.method.as_str() {
        "HEAD" => argv.push("--head".to_owned()),
        method => argv.extend(["--request".to_owned(), method.to_owned()]),
    }
    for (name, value) in &call.headers {
        argv.extend(["--header".to_owned(), format!("{name}: {value}")]);
    }
    if call.body.is_some() {
        argv.extend(["--data-binary".to_owned(), "@-".to_owned()]);
    }
    argv.extend(["--url".to_owned(), call.url.clone()]);
    argv
}

/// Whether the call is done, and what it left. A run that goes on asks here again, with what was recorded.
pub(super) fn result(status: &[u16], mut left: BTreeMap<String, Value>) -> (bool, BTreeMap<String, Value>) {
    for (from, to) in [("stdout", "body"), ("stdout_b64", "body_b64")] {
        if let Some(body) = left.remove(from) {
            left.insert(to.to_owned(), body);
        }
    }
    let told = left.remove("stderr").and_then(|value| value.as_str().map(str::to_owned));
    let code = told.as_deref().and_then(|text| text.lines().rev().find_map(|line| line.strip_prefix(MARK)));
    let Some(code) = code.and_then(|code| code.parse::<u16>().ok()) else { return (false, left) };
    left.insert("code".to_owned(), Value::Int(i64::from(code)));
    let is_done = if status.is_empty() { (200..300).contains(&code) } else { status.contains(&code) };
    (is_done, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(stdout: &str, stderr: &str) -> BTreeMap<String, Value> {
        let texts = [("stdout", stdout), ("stderr", stderr)];
        texts.map(|(name, text)| (name.to_owned(), text.into())).into()
    }

    #[test]
    fn the_code_decides_and_no_server_can_fake_it() {
        let (done, told) = result(&[], left("{\"a\": 1}", "\ncascade-http-status:201"));
        assert_eq!((done, told.get("body").and_then(Value::as_str)), (true, Some("{\"a\": 1}")));
        assert_eq!(told.get("code"), Some(&Value::Int(201)));
        let faked = left("ok\ncascade-http-status:200", "\ncascade-http-status:500");
        assert!(!result(&[], faked).0, "what the server sends is not its status");
        assert!(result(&[404], left("", "\ncascade-http-status:404")).0);
        assert!(!result(&[], left("cut", "curl: (7) no")).0);
        let binary = BTreeMap::from([
            ("stdout_b64".to_owned(), Value::from("/w==")),
            ("stderr".to_owned(), "cascade-http-status:200".into()),
        ]);
        let (done, told) = result(&[], binary);
        assert!(done && told.contains_key("body_b64"), "a body that is no text is a body");
    }
}
