pub(crate) mod activate;
pub(in crate::verb) mod check;
mod diff;
pub(in crate::verb) mod directory;
mod explain;
mod facts;
mod history;
mod lift;
pub(in crate::verb) mod side;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::args::Global;
use crate::exit::Exit;

/// Policies: check, test, compare, sign, put into force, explain
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade policy check ./policy
  cascade policy test ./policy
  cascade policy diff current ./policy
  cascade policy activate ./policy --label 2026-11
  cascade policy explain r_01234")]
pub(crate) struct Policy {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Look for every fault in a policy directory
    ///
    /// Faults stop it (exit 1): what does not parse, does not fit the schema, can never apply, can fail while it is
    /// asked, or passes a limit. Warnings do not: policies that another one makes idle, names that nothing bears,
    /// comparisons that always go one way, groups that nobody of the chain is in. Where there is a chain, the directory is
    /// looked at with the packs that its tenant has declared, as activation puts it into force; --alone leaves them out.
    #[command(after_help = "Examples:
  cascade policy check ./policy
  cascade policy check ./policy --strict")]
    Check {
        #[command(flatten)]
        place: Place,
        /// Warnings count as faults
        #[arg(long)]
        strict: bool,
    },
    /// Check, then run the tables beside it: `tests/*.table`
    ///
    /// Where there is a chain, they are asked with the packs that its tenant has declared; --alone leaves them out.
    #[command(after_help = "Example:
  cascade policy test ./policy")]
    Test(Place),
    /// Say in words what changes from one policy to another, and which decisions come out differently
    #[command(after_help = "Examples:
  cascade policy diff current ./policy
  cascade policy diff 2026-10 2026-11 --actions 5000
  cascade policy diff current ./policy --check
  cascade policy diff ./before ./policy --alone")]
    Diff(diff::Diff),
    /// Every policy that was in force, oldest first
    #[command(after_help = "Example:
  cascade policy history --json")]
    History,
    /// Sign a policy that is to be activated, for others to add theirs
    #[command(after_help = "Examples:
  cascade policy sign ./policy --out ada.json
  cascade policy sign ./policy --onto ada.json --out bob.json --key ~/.ssh/id_ed25519
  cascade policy sign --to default --out ada.json")]
    Sign(activate::Sign),
    /// Check, test, and put it into force, signed; or go back to an earlier one
    ///
    /// The policy in force says how many people must sign (`[activation]` in thresholds.toml, one by default). Whoever
    /// activates signs too where a signature is missing.
    #[command(after_help = "Examples:
  cascade policy activate ./policy --label 2026-11 --key ~/.ssh/id_ed25519
  cascade policy activate ./policy --signature ada.json --signature bob.json
  cascade policy activate --to default")]
    Activate(activate::Activate),
    /// Say why an action was admitted, escalated or denied, in words
    #[command(after_help = "Examples:
  cascade policy explain r_0123456789abcdef
  cascade policy explain r_01234 --json")]
    Explain(explain::Explain),
}

#[derive(Args, Debug)]
struct Place {
    /// Directory with *.cedar, and if wanted schema.cedarschema, thresholds.toml, limits.toml, workers/, tests/
    dir: PathBuf,
    /// Without the packs that the tenant has declared, as if there were no chain
    #[arg(long)]
    alone: bool,
}

pub(crate) fn run(global: &Global, args: &Policy) -> Exit {
    match &args.what {
        What::Check { place, strict } => check::check(global, place, *strict),
        What::Test(place) => check::test(global, place),
        What::Diff(args) => diff::run(global, args),
        What::History => history::run(global),
        What::Sign(args) => activate::sign(global, args),
        What::Activate(args) => activate::run(global, args),
        What::Explain(args) => explain::run(global, args),
    }
}
