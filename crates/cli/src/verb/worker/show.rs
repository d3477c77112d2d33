use cascade_policy::worker::{Listed, Meant};
use cascade_receipt::json::Value;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{self, DIM, Painted, tier_style};
use crate::verb::shell_check;

pub(super) fn run(global: &Global, program: &str) -> Exit {
    let (snapshot, _) = shell_check::snapshot(global)?;
    let all = snapshot.registry().listed();
    let named = |listed: &&Listed| listed.names.iter().any(|name| name == program);
    let Some(listed) = all.iter().find(named) else {
        let what = anyhow::anyhow!("no manifest of the policy in force knows `{program}`");
        return Err(Failure::could_not(what)
            .hint("`cascade worker list` names those that are known; `cascade worker new` drafts another"));
    };
    if global.json {
        output::json(&document(listed))?;
        return Ok(exit::DONE);
    }
    let source = if listed.builtin { "built-in" } else { "policy" };
    output::line(format_args!(
        "{} to {}  {}  {}",
        Painted(tier_style(listed.lowest), listed.lowest.as_str()),
        Painted(tier_style(listed.highest), listed.highest.as_str()),
        listed.names.join(" "),
        Painted(DIM, format!("{source} {}.toml", listed.manifest))
    ))?;
    for meant in &listed.intents {
        output::line(format_args!("\n{}  {}", meant.id, Painted(DIM, output::safe(&meant.argv.join(" ")))))?;
        for phrase in &meant.say {
            output::line(format_args!("  {}", output::safe(phrase)))?;
        }
    }
    let (commands, intents) = (listed.subcommands, listed.intents.len());
    output::say(format_args!("{commands} subcommands, {} rules, {intents} intents", listed.rules));
    Ok(exit::DONE)
}

fn document(listed: &Listed) -> Value {
    let texts = |all: &[String]| Value::Array(all.iter().map(|one| one.as_str().into()).collect());
    let meant = |meant: &Meant| {
        Value::object([
            ("argv", texts(&meant.argv)),
            ("id", meant.id.as_str().into()),
            ("reads", meant.reads.into()),
            ("say", texts(&meant.say)),
        ])
    };
    Value::object([
        ("highest", listed.highest.as_str().into()),
        ("intents", Value::Array(listed.intents.iter().map(meant).collect())),
        ("lowest", listed.lowest.as_str().into()),
        ("manifest", listed.manifest.as_str().into()),
        ("names", texts(&listed.names)),
        ("source", if listed.builtin { "built-in" } else { "policy" }.into()),
    ])
}
