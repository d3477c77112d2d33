//! Calls of tools go through the ten gates like calls of a program that is named after their server.

use cascade_policy::decide::{Ruling, decide};
use cascade_policy::facts::{
    Action, Facts, FactsFault, Invocation, TOOL_BYTES_MAX, TOOL_NAME_BYTES_MAX, ToolCall,
};
use cascade_policy::snapshot::{Snapshot, SnapshotSource};
use cascade_receipt::decision::{RiskTier, Verdict};
use cascade_receipt::digest::Digest;
use cascade_receipt::json::{self, Value};

use crate::facts::plain;
use crate::setting::bundled_and;

fn call(server: &str, tool: &str) -> ToolCall {
    ToolCall {
        server: server.to_owned(),
        tool: tool.to_owned(),
        arguments: r#"{"title":"a \"b\"","n":1.5e3}"#.to_owned(),
        definition: None,
        pinned: None,
    }
}

fn calling(call: ToolCall) -> Facts {
    let before = plain(b"");
    let invocation = Invocation::Tool(Box::new(call));
    Facts { action: Action { invocation, ..before.action.clone() }, ..before }
}

fn bundled() -> Snapshot {
    Snapshot::compile(&bundled_and("none.cedar", "")).unwrap()
}

fn codes(ruling: &Ruling) -> Vec<&str> {
    ruling.decision.reasons().map(|(_, reason)| reason.code.as_ref()).collect()
}

#[test]
fn a_tool_that_no_manifest_knows_is_not_classified() {
    let ruling = decide(&bundled(), &calling(call("mcp:github", "create_issue")));
    assert_eq!((ruling.risk_tier, ruling.classified), (RiskTier::High, false));
    let [command] = ruling.classification.commands.as_slice() else { panic!("{:?}", ruling.classification) };
    assert_eq!((command.program.as_str(), command.subcommand.as_str()), ("mcp:github", "create_issue"));
    // What a program of that name obeys or reads has nothing to do with a tool.
    let shell = decide(&bundled(), &calling(call("bash", "./script.sh")));
    assert!(shell.classification.obeyed.is_empty() && !shell.classification.stdin_executes);
}

#[test]
fn what_every_server_has_is_known_until_a_manifest_speaks_of_the_server() {
    let tier = |snapshot: &Snapshot, tool: &str| {
        let ruling = decide(snapshot, &calling(call("mcp:github", tool)));
        (ruling.risk_tier, ruling.classified)
    };
    let builtin = Snapshot::compile(&SnapshotSource::bundled()).unwrap();
    assert_eq!(tier(&builtin, "resources/read"), (RiskTier::Low, true));
    assert_eq!(tier(&builtin, "sampling/createMessage"), (RiskTier::Medium, true));
    for tool in ["create_issue", "--help", "-h", "resources", "mcp:*"] {
        assert_eq!(tier(&builtin, tool), (RiskTier::High, false), "{tool}");
    }
    let text = "programs = \"mcp:github\"\n[[worker]]\nnames = \"mcp:github\"\nstyle = \"words\"\n\
                [[worker.command]]\npath = \"get_issue\"\ntier = \"LOW\"\nlenient = true\n";
    let mut source = SnapshotSource::bundled();
    source.manifests.insert(0, ("github".to_owned(), text.to_owned()));
    let own = Snapshot::compile(&source).unwrap();
    assert_eq!(tier(&own, "get_issue"), (RiskTier::Low, true));
    // Names are compared as they are: no ending or number makes another server of it.
    for (server, expected) in [("mcp:github2", RiskTier::High), ("mcp:x/mcp:github", RiskTier::High)] {
        assert_eq!(decide(&own, &calling(call(server, "get_issue"))).risk_tier, expected, "{server}");
    }
    assert_eq!(tier(&own, "resources/read").0, RiskTier::High);
    // Without these no client could begin.
    for (tool, expected) in
        [("initialize", RiskTier::Low), ("tools/list", RiskTier::Low), ("request tools/list", RiskTier::High)]
    {
        assert_eq!((tier(&own, tool).0, tier(&builtin, tool).0), (expected, expected), "{tool}");
    }
}

#[test]
fn policies_name_a_tool_and_see_its_arguments() {
    let text = "@id(\"no-issues\") forbid (principal, action == Action::\"exec\", resource == Program::\"mcp:github\")\n\
                when { context.kind == \"tool\" && context.subcommand == \"create_issue\" && context.argv like \"*1.5e3*\" };";
    let snapshot = Snapshot::compile(&bundled_and("tools.cedar", text)).unwrap();
    let verdict = |call| decide(&snapshot, &calling(call)).decision.verdict;
    assert_eq!(verdict(call("mcp:github", "create_issue")), Verdict::Deny);
    assert_eq!(verdict(call("mcp:github", "list_issues")), Verdict::Admit);
    assert_eq!(verdict(call("mcp:gitlab", "create_issue")), Verdict::Admit);
    let quiet = ToolCall { arguments: "{}".to_owned(), ..call("mcp:github", "create_issue") };
    assert_eq!(verdict(quiet), Verdict::Admit);
}

#[test]
fn only_the_definition_that_was_pinned_is_called() {
    let (one, other) = (Some(Digest([1; 32])), Some(Digest([2; 32])));
    for (definition, pinned, code) in [
        (None, None, None),
        (one, one, None),
        (one, other, Some("tool.changed")),
        (one, None, Some("tool.not_pinned")),
        (None, one, Some("tool.gone")),
    ] {
        let ruling = decide(&bundled(), &calling(ToolCall { definition, pinned, ..call("mcp:x", "y") }));
        assert_eq!(codes(&ruling).first().copied(), code);
        let verdict = if code.is_some() { Verdict::Deny } else { Verdict::Admit };
        assert_eq!(ruling.decision.verdict, verdict);
    }
}

#[test]
fn names_and_arguments_have_limits() {
    let verdict = |call| decide(&bundled(), &calling(call)).decision.verdict;
    let named = |bytes: usize| call(&"s".repeat(bytes), &"t".repeat(bytes));
    assert_eq!(verdict(named(TOOL_NAME_BYTES_MAX)), Verdict::Admit);
    assert_eq!(verdict(named(TOOL_NAME_BYTES_MAX + 1)), Verdict::Deny);
    let says = |bytes: usize| ToolCall { arguments: "x".repeat(bytes), ..call("mcp:x", "y") };
    assert_eq!(verdict(says(TOOL_BYTES_MAX)), Verdict::Admit);
    assert_eq!(verdict(says(TOOL_BYTES_MAX + 1)), Verdict::Deny);
    for bad in [call("", "t"), call("s", ""), call("s", "a\nb")] {
        assert_eq!(verdict(bad), Verdict::Deny);
    }
}

#[test]
fn json_holds_the_call_and_the_hash_covers_all_of_it() {
    let whole =
        ToolCall { definition: Some(Digest([1; 32])), pinned: Some(Digest([1; 32])), ..call("mcp:x", "y") };
    for call in [whole.clone(), call("mcp:x", "y")] {
        let facts = calling(call);
        let text = facts.to_json().to_canonical();
        assert_eq!(Facts::from_json(&json::parse_canonical(text.as_bytes()).unwrap()), Ok(facts));
    }
    let changes: [fn(&mut ToolCall); 4] = [
        |call| call.server.push('x'),
        |call| call.tool.push('x'),
        |call| call.arguments.push(' '),
        |call| call.definition = None,
    ];
    let hashed = |call: ToolCall| calling(call).action().to_canonical();
    for change in changes {
        let mut other = whole.clone();
        change(&mut other);
        assert_ne!(hashed(other), hashed(whole.clone()));
    }
    // What was not written is not believed.
    let mut value = calling(whole).to_json();
    let Value::Object(members) = &mut value else { panic!("an object") };
    let Some(Value::Object(action)) = members.get_mut("action") else { panic!("an action") };
    let Some(Value::Object(tool)) = action.get_mut("tool") else { panic!("a tool") };
    tool.insert("trusted".to_owned(), true.into());
    assert_eq!(Facts::from_json(&value), Err(FactsFault::Unknown("trusted".to_owned())));
}
