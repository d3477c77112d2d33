//! Tools as they are pinned.

use std::path::PathBuf;

use cascade_ledger::PinnedTool;
use cascade_policy::facts::MCP_PREFIX;
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;
use cascade_runtime::facts::Asker;
use cascade_runtime::tools::{self, ToolError};
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BOLD, Painted};
use crate::signer::Signer;
use crate::verb::grant;
use crate::{admin, output, place};

/// List the tools that were seen, each as it is pinned
#[derive(Args, Debug)]
#[command(after_help = "Example:
  cascade mcp list --json")]
pub(super) struct List {
    /// Of this server alone
    #[arg(value_name = "NAME", value_parser = super::name)]
    name: Option<String>,
}

/// Accept what a tool has become; signed by an administrator
///
/// By default that is what the newest call was stopped for, which is shown.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade mcp pin github create_issue
  cascade mcp pin github create_issue --definition 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
pub(super) struct Pin {
    /// The server
    #[arg(value_name = "NAME", value_parser = super::name)]
    name: String,
    /// The tool
    tool: String,
    /// SHA-256 of the definition that is accepted
    #[arg(long, value_name = "HASH", value_parser = hash)]
    definition: Option<Digest>,
    /// Private SSH key of the administrator who says so [default: the agent, then ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

fn hash(text: &str) -> Result<Digest, String> {
    Digest::from_hex(text).ok_or_else(|| "64 hex digits in lower case".to_owned())
}

pub(super) fn list(global: &Global, args: &List) -> Exit {
    let reader = place::reader(global)?;
    let server = args.name.as_ref().map(|name| format!("{MCP_PREFIX}{name}"));
    for tool in reader.pinned_tools()? {
        if server.as_ref().is_some_and(|server| *server != tool.server) {
            continue;
        }
        let by = grant::name(&reader, tool.principal)?;
        if global.json {
            output::json(&document(&tool, by.into()))?;
            continue;
        }
        output::line(format_args!(
            "{}  {}  {}; {} by {}",
            output::safe(&tool.server),
            Painted(BOLD, output::safe(&tool.tool)),
            tool.definition.to_hex(),
            tool.receipt_id,
            output::safe(&by)
        ))?;
    }
    Ok(exit::DONE)
}

fn document(tool: &PinnedTool, by: Value) -> Value {
    Value::object([
        ("by", by),
        ("definition_hash", tool.definition.to_hex().into()),
        ("principal", tool.principal.to_string().into()),
        ("receipt_id", tool.receipt_id.to_string().into()),
        ("server", tool.server.as_str().into()),
        ("tool", tool.tool.as_str().into()),
    ])
}

pub(super) fn pin(global: &Global, args: &Pin) -> Exit {
    let ledger = place::existing(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let signer = Signer::new(global, args.key.clone())?;
    let known = tools::find(&ledger, &format!("{MCP_PREFIX}{}", args.name), &args.tool).map_err(refused)?;
    let (definition, text) = match args.definition {
        Some(definition) => (definition, None),
        None => {
            let changed = tools::changed(&ledger, &known).map_err(refused)?;
            (changed.definition, changed.text)
        }
    };
    if let Some(text) = &text {
        output::say(format_args!("it says now: {}", output::safe(text)));
    }
    let mut sign = |key: &str, namespace: &str, payload: &[u8]| signer.sign(key, namespace, payload);
    let receipt = tools::accept(&ledger, &asker, &known, (definition, text.as_deref()), &mut sign)
        .map_err(|error| admin::on_record(&ledger, &asker, "mcp_pin", refused(error)))?;
    let id = receipt.receipt_id.to_string();
    if global.json {
        output::json(&Value::object([
            ("definition_hash", definition.to_hex().into()),
            ("receipt_id", id.into()),
            ("server", known.server.as_str().into()),
            ("tool", known.tool.as_str().into()),
        ]))?;
        return Ok(exit::DONE);
    }
    output::say(format_args!(
        "{} of {} is pinned as {}; receipt {id}",
        output::safe(&known.tool),
        known.server,
        definition.to_hex()
    ));
    Ok(exit::DONE)
}

fn refused(error: ToolError) -> Failure {
    match error {
        ToolError::Admin(error) => admin::refused(error),
        ToolError::Unseen { .. } => {
            Failure::could_not(error.into()).hint("`cascade mcp list` shows the tools that were seen")
        }
        ToolError::Unchanged(_) => Failure::could_not(error.into())
            .hint("call it once through `cascade mcp`, or name what you accept with --definition HASH"),
        ToolError::Name => Failure::usage(error).hint("`cascade mcp list` shows the tools that were seen"),
    }
}
