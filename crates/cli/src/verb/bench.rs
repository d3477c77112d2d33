use std::path::{Path, PathBuf};

use cascade_bench::{Decide, Effort, Figures};
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::{output, place};

/// Measure this machine's limits and Cascade against them, in one run
///
/// Everything happens in a throw-away home on the disk of the real one.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade bench
  cascade bench --quick --json
  cascade bench --dir /mnt/fast")]
pub(crate) struct Bench {
    /// Seconds instead of a minute; rougher figures
    #[arg(long)]
    quick: bool,
    /// Directory on the disk to measure [default: where the home is]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, args: &Bench) -> Exit {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => existing(&place::home_dir(global)?),
    };
    let effort = if args.quick { Effort::QUICK } else { Effort::FULL };
    let figures = cascade_bench::measure(&dir, effort, &mut |what| output::say(what)).map_err(|error| {
        Failure::could_not(error.context("couldn't measure")).hint("give --dir DIR with some free space")
    })?;
    if global.json {
        output::bytes(document(&figures).as_bytes())?;
    } else {
        print(&figures)?;
    }
    Ok(exit::DONE)
}

/// The nearest directory above that exists.
fn existing(home: &Path) -> PathBuf {
    home.ancestors().find(|dir| dir.is_dir()).map_or_else(std::env::temp_dir, PathBuf::from)
}

fn print(figures: &Figures) -> std::io::Result<()> {
    let of = |part: f64, whole: f64| if whole > 0.0 { 100.0 * part / whole } else { 0.0 };
    output::line(format_args!("{} cores, receipts of {} bytes", figures.cores, figures.receipt_bytes))?;
    output::line(format_args!("signing, one core       {:>10.0} /s bare", figures.sign_raw_per_s))?;
    output::line(format_args!(
        "sealing, one core       {:>10.0} /s   {:.0} % of bare signing",
        figures.seal_per_s,
        of(figures.seal_per_s, figures.sign_raw_per_s)
    ))?;
    output::line(format_args!("commit, SQLite alone    {:>10.0} us p50", figures.commit_bare_us_p50))?;
    output::line(format_args!(
        "append, one caller      {:>10.0} us p50, {:.0} us p99   {:.2} of a bare commit",
        figures.append_1_us_p50,
        figures.append_1_us_p99,
        figures.append_1_us_p50 / figures.commit_bare_us_p50.max(1.0)
    ))?;
    for (callers, rate) in figures.append_durable_per_s {
        output::line(format_args!("durable, {callers:>3} callers    {rate:>10.0} /s"))?;
    }
    output::line(format_args!(
        "verification, all cores {:>10.0} /s   {:.0} % of bare signature checks ({:.0} /s)",
        figures.verify_per_s,
        of(figures.verify_per_s, figures.verify_limit_per_s),
        figures.verify_limit_per_s
    ))?;
    for (policies, Decide { mean, p50, p99 }) in figures.decide {
        output::line(format_args!(
            "decision, {policies:>4} policies {mean:>10.2} us mean, p50 {p50:.2}, p99 {p99:.2}"
        ))?;
    }
    output::line(format_args!("deciding again          {:>10.0} /s", figures.replay_per_s))?;
    let run = figures.run;
    output::line(format_args!(
        "run -- true             {:>10.0} us p50 ({:.0} plain, {:.0} starting the program once)",
        run.governed_us_p50, run.plain_us_p50, run.start_us_p50
    ))?;
    let route = figures.route;
    output::line(format_args!(
        "task, answered by L1    {:>10.0} us p50, its smoke gate included, the commit not",
        route.l1_p50
    ))?;
    output::line(format_args!(
        "task, from memory       {:>10.0} us p50, its tests run again ({:.0} with the commit)",
        route.l6_p50, route.l6_call_p50
    ))?;
    output::line(format_args!("task, a layer declines  {:>10.2} us more", route.declined))?;
    output::line(format_args!("workflow, a step more   {:>10.1} us beside its receipts", figures.step_us))
}

/// One JSON document. Figures here have fractions, which the canonical JSON of receipts forbids, so they
/// are written by hand, rounded to what the clock can tell.
fn document(figures: &Figures) -> String {
    let decide: Vec<String> = figures
        .decide
        .iter()
        .map(|(policies, times)| {
            format!(
                "\"{policies}\":{{\"mean\":{:.3},\"p50\":{:.3},\"p99\":{:.3}}}",
                times.mean, times.p50, times.p99
            )
        })
        .collect();
    let durable: Vec<String> = figures
        .append_durable_per_s
        .iter()
        .map(|(callers, rate)| format!("\"{callers}\":{rate:.0}"))
        .collect();
    format!(
        "{{\"append_1_us_p50\":{:.1},\"append_1_us_p99\":{:.1},\"append_durable_per_s\":{{{}}},\"commit_bare_us_p50\":{:.1},\"cores\":{},\"decide_us\":{{{}}},\"receipt_bytes\":{},\"replay_per_s\":{:.0},\"run_true_us_p50\":{{\"governed\":{:.0},\"plain\":{:.0},\"start\":{:.0}}},\"route_us\":{{\"declined\":{:.2},\"l1_p50\":{:.0},\"l6_call_p50\":{:.0},\"l6_p50\":{:.0}}},\"seal_per_s\":{:.0},\"sign_raw_per_s\":{:.0},\"step_us\":{:.1},\"verify_limit_per_s\":{:.0},\"verify_per_s\":{:.0}}}\n",
        figures.append_1_us_p50,
        figures.append_1_us_p99,
        durable.join(","),
        figures.commit_bare_us_p50,
        figures.cores,
        decide.join(","),
        figures.receipt_bytes,
        figures.replay_per_s,
        figures.run.governed_us_p50,
        figures.run.plain_us_p50,
        figures.run.start_us_p50,
        figures.route.declined,
        figures.route.l1_p50,
        figures.route.l6_call_p50,
        figures.route.l6_p50,
        figures.seal_per_s,
        figures.sign_raw_per_s,
        figures.step_us,
        figures.verify_limit_per_s,
        figures.verify_per_s,
    )
}
