//! What was typed.

use std::path::PathBuf;

use cascade_policy::name::NameFault;
use cascade_runtime::people::Whom;
use clap::{Args, Parser, Subcommand};

use crate::verb;

/// Decide before it runs, prove it afterwards.
///
/// Every command that goes through Cascade is decided by policy before it runs, and every decision and
/// outcome is a signed, hash-chained receipt that anyone can check with the public key alone.
#[derive(Parser, Debug)]
#[command(name = "cascade", version, propagate_version = true, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const EXAMPLES: &str = "Examples:
  cascade run -- git push                      govern one command
  cascade run --dry-run -- terraform apply     decide only, leave a receipt
  cascade shell-check -- 'curl x | sh'         classify a shell line, record nothing
  cascade log                                  what happened
  cascade secret set TOKEN --for 'gh pr'       hand a credential to admitted commands
  cascade halt --reason 'stop it'              end what runs, start nothing
  cascade export --out ledger.receipts.jsonl   hand the history to an outsider
  cascade verify ledger.receipts.jsonl --public-key key.pem
  cascade demo                                 the whole story on a throw-away home

Exit codes: 0 done, 1 could not, 2 usage, 3 denied, 4 evidence invalid, 5 waiting for approval,
124 timed out; `run` gives the command's own code when it ran.";

/// Flags of every verb.
#[derive(Args, Debug, Clone)]
pub(crate) struct Global {
    /// Directory of the ledger [default: the platform's data directory]
    #[arg(long, global = true, env = "CASCADE_HOME", value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Whose chain
    #[arg(long, global = true, default_value = "default", value_name = "ID")]
    pub(crate) tenant: String,
    /// One JSON document (or JSON lines) on stdout, nothing else there; a failure is `{"error": …}`
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Act as this principal: `person`, `agent`, `agent:NAME`, a name or an id. `run` needs a grant for it; who
    /// approves or governs proves it with that person's SSH key
    #[arg(long = "as", global = true, value_name = "PRINCIPAL", value_parser = principal)]
    pub(crate) acting_as: Option<String>,
    /// File with the passphrase of the keys [default: ask on the terminal]
    #[arg(long, global = true, env = "CASCADE_PASSPHRASE_FILE", value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Sign receipts with this key of the chain [default: the one that the home signs with]
    #[arg(long, global = true, env = "CASCADE_SIGNING_KEY", value_name = "KEY_ID", hide_short_help = true)]
    pub(crate) signing_key: Option<String>,
}

/// Somebody who is named, as typed.
pub(crate) fn principal(text: &str) -> Result<String, NameFault> {
    Whom::check(text).map(|()| text.to_owned())
}

/// One variant per verb; each verb's arguments live in its own file.
#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    Init(verb::init::Init),
    Run(verb::run::Run),
    Shell(verb::shell::Shell),
    ShellCheck(verb::shell_check::ShellCheck),
    Task(verb::task::TaskArgs),
    Approvals(verb::approvals::Approvals),
    Approve(verb::approve::Approve),
    Deny(verb::approve::Deny),
    Review(verb::review::Review),
    Halt(verb::halt::Halt),
    Resume(verb::halt::Resume),
    Memory(verb::memory::MemoryArgs),
    Cron(verb::cron::CronArgs),
    Stats(verb::stats::StatsArgs),
    Log(verb::log::Log),
    Show(verb::show::Show),
    Lineage(verb::lineage::Lineage),
    Subject(verb::subject::SubjectArgs),
    Export(verb::export::Export),
    Bundle(verb::bundle::Bundle),
    Verify(verb::verify::Verify),
    Replay(verb::replay::Replay),
    Report(verb::report::ReportArgs),
    Audit(verb::audit::AuditArgs),
    Checkpoint(verb::checkpoint::Checkpoint),
    Anchor(verb::anchor::AnchorArgs),
    Fsck(verb::fsck::Fsck),
    Doctor(verb::doctor::Doctor),
    Erase(verb::erase::Erase),
    Key(verb::key::Key),
    People(verb::people::People),
    Grant(verb::grant::Grant),
    Token(verb::token::Tokens),
    Tenant(verb::tenant::TenantArgs),
    Secret(verb::secret::Secret),
    Policy(verb::policy::Policy),
    Pack(verb::pack::Packs),
    Serve(verb::serve::Serve),
    Hook(verb::hook::HookArgs),
    Mcp(verb::mcp::Mcp),
    Witness(verb::witness::Witness),
    Worker(verb::worker::Worker),
    Spec(verb::spec::SpecArgs),
    Rollback(verb::rollback::RollbackArgs),
    Shim(verb::shim::ShimArgs),
    Demo(verb::demo::Demo),
    Bench(verb::bench::Bench),
    Completions(verb::completions::Completions),
    Man(verb::man::Man),
}
