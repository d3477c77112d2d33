//! `cascade replay`: the past decided again.

mod at;
mod bundle;
mod local;
mod told;

use std::path::PathBuf;

use cascade_receipt::time::Timestamp;
use cascade_verify::inputs::Inputs;
use clap::{Args, ValueEnum};

use crate::args::Global;
use crate::exit::Exit;
use crate::when;

/// Make past decisions again: as they were, or under another policy; nothing is written
///
/// Without a file the local chain is replayed: the facts and the policy of each decision are loaded by hash, decided
/// again, and compared to the byte. With --policy or --against they are decided under another policy, and what comes
/// out otherwise is counted by gate, policy, principal and program. With a file it is a bundle, which is verified
/// first and needs no ledger. With --at the state as of a receipt is shown; on a terminal one looks around from there.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade replay                                  every decision, under the policy of then
  cascade replay --against current --since 30d    what today's policy would have said
  cascade replay --policy ./policy --fail-on newly-allowed
  cascade replay --at r_0123456789abcdef          the state of the chain as of that receipt
  cascade replay --at head --previous --steps 20  what the last twenty changed, the newest first
  cascade bundle create r_0123456789abcdef --run --replayable --out run.bundle
  cascade replay run.bundle --public-key key.pem --spec release.yaml --check

Exit codes: 0 replayed, 4 the bundle is not valid, or with --at the chain is broken; 6 with --check where something does not follow or could not be
replayed, and with --fail-on where a verdict has become that. Erased facts are told and are no divergence.")]
pub(crate) struct Replay {
    /// A bundle with facts and policies (`cascade bundle create … --replayable`) [default: the local chain]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The spec of a run in the bundle; again for each that its steps run
    #[arg(long, value_name = "FILE", requires = "file")]
    spec: Vec<PathBuf>,
    /// Decide under the policy of this directory, with the packs of the tenant
    #[arg(long, value_name = "DIR", conflicts_with_all = ["file", "against"])]
    policy: Option<PathBuf>,
    /// Decide under the policy in force (`current`), or one of `policy history` by hash or label
    #[arg(long, value_name = "POLICY", conflicts_with = "file")]
    against: Option<String>,
    /// Only what was decided since: a moment, a day (`2026-11-26`), or a span of time until now (`30d`)
    #[arg(long, value_name = "TIME", value_parser = when::moment, conflicts_with = "file")]
    since: Option<Timestamp>,
    /// Only what was decided before
    #[arg(long, value_name = "TIME", value_parser = when::moment, conflicts_with = "file")]
    until: Option<Timestamp>,
    /// Exit with 6 where something does not follow, or could not be replayed
    #[arg(long)]
    check: bool,
    /// Exit with 6 where a verdict has become this; may be repeated
    #[arg(long, value_name = "CHANGE", conflicts_with = "file")]
    fail_on: Vec<FailOn>,
    #[command(flatten)]
    at: at::At,
    #[command(flatten)]
    inputs: Inputs,
}

/// What a candidate policy must not do.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum FailOn {
    /// Admits what was not admitted.
    NewlyAllowed,
    /// Asks people about what was admitted or denied.
    NewlyEscalated,
    /// Denies what was not denied.
    NewlyDenied,
    /// Any other verdict, and every divergence from the policy of then.
    Any,
    /// Wants to know what nobody noted.
    Unknown,
}

pub(crate) fn run(global: &Global, args: &Replay) -> Exit {
    match (&args.file, &args.at.at) {
        (Some(file), _) => bundle::run(global, args, file),
        (None, Some(id)) => at::run(global, &args.at, id),
        (None, None) => local::run(global, args),
    }
}
