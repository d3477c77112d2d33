use cascade_receipt::content::Evidence;
use cascade_receipt::time::Timestamp;
use cascade_runtime::facts;
use cascade_runtime::stats::{self, PerLayer, Share, Stats};
use clap::Args;
use serde_json::{Value, json};

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BOLD, DIM, Painted};
use crate::{output, place};

/// What the router did: who answered, how fast, at what price, how much of it verified
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade stats
  cascade stats --since 7d --json

The decay index is the share of tasks that needed no language model; the verified one counts verified answers alone.
Both come with the interval that holds the true share 95 times of 100.")]
pub(crate) struct StatsArgs {
    /// Only the last so long: `24h`, `7d`
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    since: Option<std::time::Duration>,
}

pub(crate) fn run(global: &Global, args: &StatsArgs) -> Exit {
    let reader = place::reader(global)?;
    let since = args.since.map(|span| {
        let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Timestamp::from_ms(facts::now().ms().saturating_sub(span))
    });
    let stats = stats::count(&reader, since)?;
    if global.json {
        output::json_text(&document(&stats).to_string())?;
    } else {
        print(&stats)?;
    }
    Ok(exit::DONE)
}

fn document(stats: &Stats) -> Value {
    let share = |share: Share| json!({"value": share.value, "low": share.low, "high": share.high});
    let layers: serde_json::Map<String, Value> = stats
        .layers
        .iter()
        .map(|(name, layer)| {
            let of = |evidence| layer.answers.get(&evidence).copied().unwrap_or_default();
            let value = json!({
                "answers": layer.total(),
                "proposed": of(Evidence::Proposed), "checked": of(Evidence::Checked), "verified": of(Evidence::Verified),
                "p50_us": layer.percentile_us(50), "p99_us": layer.percentile_us(99),
            });
            (name.to_string(), value)
        })
        .collect();
    json!({
        "tasks": stats.tasks, "unanswered": stats.unanswered, "layers": layers,
        "cascade_decay_index": share(stats.decay_index()),
        "cascade_verified_decay_index": share(stats.verified_decay_index()),
        "verified_share": share(stats.verified_share()),
        "tokens": stats.tokens, "tokens_saved": stats.tokens_saved, "cost_microusd": stats.cost_microusd,
    })
}

fn print(stats: &Stats) -> Result<(), Failure> {
    if stats.tasks == 0 {
        output::say("no task yet; `cascade task --help` says how one is asked");
        return Ok(());
    }
    output::line(format_args!("{} tasks, {} without an answer", stats.tasks, stats.unanswered))?;
    for (label, share) in [
        ("decay index", stats.decay_index()),
        ("verified decay index", stats.verified_decay_index()),
        ("verified answers", stats.verified_share()),
    ] {
        output::line(format_args!(
            "  {label:<22} {:.2}  {}",
            Painted(BOLD, share.value),
            Painted(DIM, format!("95 %: {:.2} to {:.2}", share.low, share.high))
        ))?;
    }
    output::line(format_args!(
        "  {:<22} {} spent, {} saved, {} µ$",
        "tokens", stats.tokens, stats.tokens_saved, stats.cost_microusd
    ))?;
    output::line(Painted(DIM, "layer  answers  proposed  checked  verified       p50       p99"))?;
    for (name, layer) in &stats.layers {
        output::line(row(&name.to_string(), layer))?;
    }
    Ok(())
}

fn row(name: &str, layer: &PerLayer) -> String {
    let of = |evidence| layer.answers.get(&evidence).copied().unwrap_or_default();
    let time = |us: Option<u64>| us.map_or_else(String::new, milliseconds);
    format!(
        "{name:<5}  {:>7}  {:>8}  {:>7}  {:>8}  {:>8}  {:>8}",
        layer.total(),
        of(Evidence::Proposed),
        of(Evidence::Checked),
        of(Evidence::Verified),
        time(layer.percentile_us(50)),
        time(layer.percentile_us(99))
    )
}

fn milliseconds(us: u64) -> String {
    format!("{}.{:02} ms", us / 1000, us % 1000 / 10)
}
