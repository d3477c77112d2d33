//! A call of an HTTP server, as a command of the worker `curl`: its manifest says what a call of it can do, and the gates
//! decide it like any other command.

use std::collections::BTreeMap;

use cascade_kernel::workflow::HttpCall;
use cascade_receipt::json::Value;

/// Between what the server sent and its status code. No text that a server can send ends with it and three digits by
/// accident and is told apart wrongly: the last one counts.
const MARK: &str = "\ncascade-http-status:";

/// The command. What is sent goes through standard input, never through the arguments.
pub(super) fn argv(call: &HttpCall) -> Vec<String> {
    let mut argv: Vec<String> =
        ["curl", "--silent", "--show-error", "--globoff", "--proto", "=http,https"].map(str::to_owned).into();
    argv.extend(["--max-redirs".to_owned(), "0".to_owned()]);
    argv.extend(["--write-out".to_owned(), format!("{}%{{http_code}}", MARK.replace('\n', "\\n"))]);
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

/// Whether the call is done, and what it left.
pub(super) fn result(
    call_status: &[u16],
    mut left: BTreeMap<String, Value>,
) -> (bool, BTreeMap<String, Value>) {
    let stdout = left.remove("stdout").and_then(|value| value.as_str().map(str::to_owned));
    let Some((body, code)) = stdout.as_deref().and_then(|text| text.rsplit_once(MARK)) else {
        return (false, left);
    };
    let Ok(code) = code.parse::<u16>() else { return (false, left) };
    left.insert("body".to_owned(), body.into());
    left.insert("code".to_owned(), Value::Int(i64::from(code)));
    let is_done =
        if call_status.is_empty() { (200..300).contains(&code) } else { call_status.contains(&code) };
    (is_done, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(stdout: &str) -> BTreeMap<String, Value> {
        BTreeMap::from([("exit_code".to_owned(), Value::Int(0)), ("stdout".to_owned(), stdout.into())])
    }

    #[test]
    fn the_code_behind_the_last_mark_counts() {
        let (done, told) = result(&[], left("{\"a\": 1}\ncascade-http-status:201"));
        assert_eq!((done, told.get("body").and_then(Value::as_str)), (true, Some("{\"a\": 1}")));
        assert_eq!(told.get("code"), Some(&Value::Int(201)));
        let faked = "ok\ncascade-http-status:200\ncascade-http-status:500";
        assert!(!result(&[], left(faked)).0, "what the server sends is not its status");
        assert!(result(&[404], left("\ncascade-http-status:404")).0);
        assert!(!result(&[], left("cut")).0);
    }
}
