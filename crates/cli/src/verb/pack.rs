//! `pack`: the regimes that a tenant declares.

mod controls;
mod own;

use std::collections::BTreeMap;
use std::path::PathBuf;

use cascade_ledger::{Reader, Regime};
use cascade_policy::pack::{self, Mode, Pack, Rule};
use cascade_policy::snapshot::LoadFault;
use cascade_receipt::content::PolicyRef;
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;
use cascade_runtime::packs::{self, PackError};
use clap::{Args, Subcommand};

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::verb::policy::activate::{self, Chosen, Hand};
use crate::{again, output, place};

/// Compliance packs: list, declare a regime, give it up
///
/// A pack forbids and limits; no policy of yours lifts what it says. What it lists as detective stops nothing: `cascade
/// audit` asks afterwards. Packs are no legal advice.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade pack list
  cascade pack activate soc2
  cascade pack deactivate soc2
  cascade pack check ./packs/acme")]
pub(crate) struct Packs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Every pack, which are active, from when their rules hold, and what they enforce
    #[command(after_help = "Example:
  cascade pack list --json")]
    List,
    /// Declare a regime: its pack decides from the next receipt on, and without it nothing runs
    ///
    /// Signed like `policy activate`. A pack acts on families of programs, which thresholds.toml must name.
    #[command(after_help = "Examples:
  cascade pack activate tcpa --key ~/.ssh/id_ed25519
  cascade pack activate tcpa --signature ada.json --signature bob.json
  cascade pack activate ./packs/acme")]
    Activate(Change),
    /// Give a regime up, signed likewise
    #[command(after_help = "Example:
  cascade pack deactivate tcpa")]
    Deactivate(Change),
    /// Check a pack of your own: its files, its tests beside the policy in force, and its controls on trial chains
    #[command(after_help = "Example:
  cascade pack check ./packs/acme")]
    Check {
        /// Directory with pack.toml, *.cedar, limits.toml, tests/*.table, controls.toml, controls/*.toml
        dir: PathBuf,
    },
    /// Sign a change of packs, for others to add theirs
    #[command(after_help = "Examples:
  cascade pack sign tcpa --out ada.json
  cascade pack sign tcpa --deactivate --out ada.json
  cascade pack sign tcpa --onto ada.json --out bob.json --key ~/.ssh/id_ed25519")]
    Sign(Sign),
}

#[derive(Args, Debug)]
struct Named {
    /// Name of the pack (`cascade pack list`), or the directory of one of your own (`./acme`)
    #[arg(value_name = "NAME|DIR")]
    name: String,
    /// Name of the policy with it, for people [default: the label in force, with +NAME]
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// Private key to sign with [default: the SSH agent, then ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct Change {
    #[command(flatten)]
    named: Named,
    /// What somebody signed with `pack sign`; may be repeated
    #[arg(long, value_name = "FILE")]
    signature: Vec<PathBuf>,
}

#[derive(Args, Debug)]
struct Sign {
    #[command(flatten)]
    named: Named,
    /// That the regime is given up
    #[arg(long)]
    deactivate: bool,
    /// Sign the proposal in this file, beside those who have
    #[arg(long, value_name = "FILE")]
    onto: Option<PathBuf>,
    /// Where the signed proposal goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Named {
    fn hand(&self) -> Hand<'_> {
        Hand { label: self.label.as_deref(), key: self.key.as_deref() }
    }

    fn choose(&self, reader: &Reader, active: bool) -> Result<Chosen, Failure> {
        let choice = own::choose(&self.name)?;
        let changed = packs::change(reader, &choice, active).map_err(refused)?;
        if active {
            own::keeps_its_promises(&self.name, &choice, &changed.snapshot)?;
        }
        let version = self.label.clone().unwrap_or(changed.version);
        Ok(Chosen {
            policy: PolicyRef { version, hash: changed.snapshot.policy_hash() },
            snapshot: changed.snapshot,
            blobs: changed.blobs,
            warnings: Vec::new(),
            pack: Some(changed.pack),
            command: format!(
                "pack {} {}",
                if active { "activate" } else { "deactivate" },
                again::quoted(self.name.as_ref())
            ),
        })
    }
}

pub(crate) fn run(global: &Global, args: &Packs) -> Exit {
    match &args.what {
        What::List => list(global),
        What::Check { dir } => own::check(global, dir),
        What::Activate(args) => change(global, args, true),
        What::Deactivate(args) => change(global, args, false),
        What::Sign(args) => {
            let ledger = place::ledger(global)?;
            let chosen = args.named.choose(&ledger, !args.deactivate)?;
            activate::put_name(global, &ledger, &chosen, &args.named.hand(), args.onto.as_deref(), &args.out)
        }
    }
}

fn change(global: &Global, args: &Change, active: bool) -> Exit {
    let ledger = place::ledger(global)?;
    let chosen = args.named.choose(&ledger, active)?;
    activate::put_into_force(global, &ledger, chosen, &args.named.hand(), &args.signature)
}

fn refused(error: PackError) -> Failure {
    let hint = match &error {
        PackError::Unfit(LoadFault::Pack(fault)) => fault.suggestion.clone(),
        PackError::Store(_) => Some("run `cascade fsck`".to_owned()),
        PackError::Unknown(name) if std::path::Path::new(name).join(pack::PACK_FILE).is_file() => {
            Some(format!("there is a directory of that name: cascade pack activate ./{name}"))
        }
        _ => Some("`cascade pack list` shows what there is".to_owned()),
    };
    Failure { hint, ..Failure::could_not(error.into()) }
}

fn list(global: &Global) -> Exit {
    let ledger = place::ledger(global)?;
    let mut regimes: BTreeMap<String, Regime> =
        ledger.regimes()?.into_iter().map(|regime| (regime.name.clone(), regime)).collect();
    let mut listed = Vec::new();
    for (name, text) in pack::builtin_texts() {
        let Some(pack) = pack::builtin(name) else { continue };
        let regime = regimes.remove(*name);
        let hash = Digest::of(text.as_bytes());
        let state = match &regime {
            None => "inactive",
            Some(regime) if regime.hash == hash => "active",
            Some(_) => "active, in another version",
        };
        if global.json {
            listed.push(document(&pack, &hash, state));
        } else {
            tell(&pack, state)?;
        }
    }
    for regime in regimes.into_values() {
        match own_pack(&ledger, &regime) {
            Some(pack) if global.json => listed.push(document(&pack, &regime.hash, "active")),
            Some(pack) => tell(&pack, "active")?,
            // Declared with a version of Cascade that knew more.
            None if global.json => {
                let state = Value::from("active, in another version");
                listed.push(Value::object([("name", regime.name.as_str().into()), ("state", state)]));
            }
            None => {
                output::line(format_args!("{}  active, in another version", output::safe(&regime.name)))?;
            }
        }
    }
    if global.json {
        output::json(&Value::object([("packs", Value::Array(listed))]))?;
    }
    Ok(exit::DONE)
}

/// A declared pack that did not come with this program.
fn own_pack(reader: &Reader, regime: &Regime) -> Option<Pack> {
    packs::text(reader, regime).ok().and_then(|text| Pack::read(&regime.name, &text).ok())
}

fn tell(pack: &Pack, state: &str) -> Result<(), Failure> {
    let manifest = &pack.manifest;
    output::line(format_args!("{}  {state}  {}", manifest.name, manifest.title))?;
    for rule in &manifest.rules {
        let until = rule.effective_until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
        let from = &rule.effective_from;
        output::line(format_args!(
            "  {:<28} {:<22} from {from}{until}  {}",
            rule.id,
            who(rule.mode),
            rule.citation
        ))?;
    }
    Ok(())
}

const fn who(mode: Mode) -> &'static str {
    match mode {
        Mode::Preventive => "enforced by the pack",
        Mode::BuiltIn => "enforced by Cascade",
        Mode::Detective => "NOT enforced",
    }
}

fn document(pack: &Pack, hash: &Digest, state: &str) -> Value {
    let manifest = &pack.manifest;
    let words = |words: &mut dyn Iterator<Item = &String>| {
        Value::Array(words.map(|word| Value::from(word.as_str())).collect())
    };
    Value::object([
        ("name", manifest.name.as_str().into()),
        ("title", manifest.title.as_str().into()),
        ("source", manifest.source.as_str().into()),
        ("state", state.into()),
        ("hash", hash.to_hex().into()),
        ("effective_from", manifest.effective_from().into()),
        ("imports", words(&mut manifest.imports.iter())),
        ("families", words(&mut manifest.families.iter())),
        ("groups", words(&mut manifest.groups.iter())),
        ("consents", words(&mut manifest.consents.iter())),
        ("rules", Value::Array(manifest.rules.iter().map(rule).collect())),
    ])
}

fn rule(rule: &Rule) -> Value {
    let mut value = Value::object([
        ("id", rule.id.as_str().into()),
        ("citation", rule.citation.as_str().into()),
        ("control", rule.control.as_str().into()),
        ("looks_at", rule.looks_at.as_str().into()),
        ("mode", rule.mode.as_str().into()),
        ("effective_from", rule.effective_from.as_str().into()),
    ]);
    if let (Value::Object(members), Some(until)) = (&mut value, &rule.effective_until) {
        members.insert("effective_until".to_owned(), until.as_str().into());
    }
    value
}
