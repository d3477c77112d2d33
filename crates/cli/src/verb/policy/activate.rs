//! `policy sign` and `policy activate`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cascade_ledger::{Ledger, Reader};
use cascade_policy::snapshot::{ENGINE, PolicyFault, Snapshot, run_tests};
use cascade_receipt::content::{PackChange, PolicyRef};
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;
use cascade_runtime::activate::{self, ActivateError, Order};
use cascade_runtime::facts::Asker;
use cascade_runtime::proposal::{PROPOSAL_BYTES_MAX, Proposal};
use cascade_runtime::{packs, policy_store};
use clap::Args;

use super::check::{tell, warn};
use super::directory::compiled;
use super::side::in_history;
use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{GOOD, Painted};
use crate::signer::Signer;
use crate::{admin, again, outfile, output, place};

#[derive(Args, Debug)]
pub(crate) struct Activate {
    #[command(flatten)]
    which: Which,
    /// What somebody signed with `policy sign`; may be repeated
    #[arg(long, value_name = "FILE")]
    signature: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Sign {
    #[command(flatten)]
    which: Which,
    /// Sign the proposal in this file, beside those who have
    #[arg(long, value_name = "FILE")]
    onto: Option<PathBuf>,
    /// Where the signed proposal goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Args, Debug)]
struct Which {
    /// Directory with *.cedar, and if wanted schema.cedarschema, thresholds.toml, workers/, tests/
    #[arg(required_unless_present = "to", conflicts_with = "to")]
    dir: Option<PathBuf>,
    /// An earlier policy instead, by its hash (six digits suffice) or label: exactly what was in force then
    #[arg(long, value_name = "HASH")]
    to: Option<String>,
    /// Name of this version, for people [default: the directory's name, or the earlier label]
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// Private key to sign with [default: the SSH agent, then ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// The policy that was named, ready to come into force.
pub(crate) struct Chosen {
    pub(crate) policy: PolicyRef,
    pub(crate) snapshot: Snapshot,
    pub(crate) blobs: Vec<(Digest, Vec<u8>)>,
    pub(crate) warnings: Vec<PolicyFault>,
    /// The regime that is declared or given up with it.
    pub(crate) pack: Option<PackChange>,
    /// What puts it into force, as it is typed after `cascade`.
    pub(crate) command: String,
}

/// How it is signed.
pub(crate) struct Hand<'a> {
    pub(crate) label: Option<&'a str>,
    pub(crate) key: Option<&'a Path>,
}

impl Which {
    fn choose(&self, reader: &Reader) -> Result<Result<Chosen, Vec<PolicyFault>>, Failure> {
        match (&self.dir, &self.to) {
            (Some(dir), _) => self.directory(reader, dir),
            (None, to) => self.earlier(reader, to.as_deref().unwrap_or_default()).map(Ok),
        }
    }

    fn hand(&self) -> Hand<'_> {
        Hand { label: self.label.as_deref(), key: self.key.as_deref() }
    }

    fn directory(&self, reader: &Reader, dir: &Path) -> Result<Result<Chosen, Vec<PolicyFault>>, Failure> {
        let (mut directory, alone) = match compiled(dir)? {
            Ok(compiled) => compiled,
            Err(faults) => return Ok(Err(faults)),
        };
        if !run_tests(&alone, &directory.tests).all_passed() {
            return Err(Failure::could_not(anyhow::anyhow!("the policy's own tests fail"))
                .hint(format!("run: cascade policy test {} --alone", again::quoted(dir.as_os_str()))));
        }
        // What the tenant has declared stays declared, whatever policy comes.
        directory.source.packs = packs::declared(reader, None)?;
        let snapshot = match Snapshot::compile(&directory.source) {
            Ok(snapshot) => snapshot,
            Err(faults) => return Ok(Err(faults)),
        };
        let named = || std::path::absolute(dir).ok()?.file_name()?.to_str().map(str::to_owned);
        let version = self.label.clone().or_else(named).unwrap_or_else(|| "policy".to_owned());
        Ok(Ok(Chosen {
            policy: PolicyRef { version, hash: snapshot.policy_hash() },
            blobs: policy_store::blobs(&directory.source, &snapshot),
            warnings: Snapshot::warnings(&directory.source),
            snapshot,
            pack: None,
            command: format!("policy activate {}", again::quoted(dir.as_os_str())),
        }))
    }

    fn earlier(&self, reader: &Reader, text: &str) -> Result<Chosen, Failure> {
        let mut policy = in_history(reader, text)?;
        if reader.policy_in_force()?.0.hash == policy.hash {
            let error = anyhow::anyhow!("`{}` is in force already", output::safe(&policy.version));
            return Err(
                Failure::could_not(error).hint("`cascade policy history` lists what was in force before")
            );
        }
        let snapshot = policy_store::load(reader, &policy)?;
        if snapshot.compiled_for() != ENGINE {
            output::say(format_args!(
                "it was made for {}, and {ENGINE} decides now",
                output::safe(snapshot.compiled_for())
            ));
        }
        for regime in reader.regimes()?.iter().filter(|regime| !snapshot.packs().contains(&regime.name)) {
            let name = &regime.name;
            let next = again::runnable(&format!("`cascade pack activate {name}`"));
            output::say(format_args!("the pack `{name}` is not in it: nothing will run until {next}"));
        }
        if let Some(label) = &self.label {
            policy.version.clone_from(label);
        }
        Ok(Chosen {
            policy,
            snapshot,
            blobs: Vec::new(),
            warnings: Vec::new(),
            pack: None,
            command: format!("policy activate --to {}", again::quoted(text.as_ref())),
        })
    }
}

impl Chosen {
    /// What doing this with it is called in a receipt.
    const fn act(&self, does: Does) -> &'static str {
        match (does, &self.pack) {
            (Does::Sign, None) => "policy_sign",
            (Does::Sign, Some(_)) => "pack_sign",
            (Does::Activate, None) => "policy_activate",
            (Does::Activate, Some(PackChange { active: true, .. })) => "pack_activate",
            (Does::Activate, Some(_)) => "pack_deactivate",
        }
    }
}

/// What is done with a policy that was chosen.
#[derive(Clone, Copy)]
enum Does {
    Sign,
    Activate,
}

fn asker(global: &Global, ledger: &Ledger) -> Result<Asker, Failure> {
    let env: Vec<_> = std::env::vars_os().collect();
    Ok(Asker::find(ledger, &env, global.acting_as.as_deref())?)
}

fn read(path: &Path) -> Result<Proposal, Failure> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let limit = PROPOSAL_BYTES_MAX as u64 + 1;
    std::fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .with_context(|| format!("couldn't read `{}`", path.display()))?;
    let proposal = Proposal::parse(&bytes).with_context(|| format!("couldn't use `{}`", path.display()));
    proposal.map_err(|error| Failure::could_not(error).hint("`cascade policy sign` makes such a file"))
}

pub(super) fn sign(global: &Global, args: &Sign) -> Exit {
    let ledger = place::ledger(global)?;
    let chosen = match args.which.choose(&ledger)? {
        Ok(chosen) => chosen,
        Err(faults) => return tell(global, &faults),
    };
    put_name(global, &ledger, &chosen, &args.which.hand(), args.onto.as_deref(), &args.out)
}

/// Signs a proposal of what was chosen, or one that others have signed.
pub(crate) fn put_name(
    global: &Global,
    ledger: &Ledger,
    chosen: &Chosen,
    hand: &Hand<'_>,
    onto: Option<&Path>,
    out: &Path,
) -> Exit {
    let asker = asker(global, ledger)?;
    let mut proposal = match onto {
        Some(path) => of_this(read(path)?, chosen, hand.label)?,
        None => {
            let proposed = activate::propose(ledger, &asker, chosen.policy.clone(), chosen.pack.clone());
            proposed
                .map_err(|error| admin::on_record(ledger, &asker, chosen.act(Does::Sign), refused(error)))?
        }
    };
    let signer = Signer::new(global, hand.key.map(Path::to_path_buf))?;
    let who = activate::sign(ledger, &asker, &mut proposal, &mut |public, namespace, payload| {
        signer.sign(public, namespace, payload)
    })
    .map_err(|error| admin::on_record(ledger, &asker, chosen.act(Does::Sign), refused(error)))?;
    outfile::write(out, outfile::PUBLIC, proposal.to_text().as_bytes())?;
    let name = ledger.name(who)?.map_or_else(|| who.to_string(), |name| name.name);
    let count = proposal.activated.signatures.len();
    if global.json {
        output::json(&Value::object([
            ("policy_hash", chosen.policy.hash.to_hex().into()),
            ("policy_version", proposal.activated.activates.version.into()),
            ("principal", who.to_string().into()),
            ("signatures", Value::Int(i64::try_from(count).unwrap_or(i64::MAX))),
        ]))?;
    } else {
        warn(&chosen.warnings)?;
        output::say(format_args!(
            "{} by {}, {count} in all: {}",
            Painted(GOOD, "signed"),
            output::safe(&name),
            chosen.policy.hash
        ));
        output::hint_line(format_args!(
            "to activate: cascade {} --signature {}",
            chosen.command,
            again::quoted(out.as_os_str())
        ));
    }
    Ok(exit::DONE)
}

/// A proposal about exactly the policy that was named.
fn of_this(proposal: Proposal, chosen: &Chosen, label: Option<&str>) -> Result<Proposal, Failure> {
    let activates = &proposal.activated.activates;
    if activates.hash != chosen.policy.hash {
        let error = cascade_runtime::proposal::ProposalFault::OtherPolicy(activates.hash);
        return Err(Failure::could_not(error.into())
            .hint("`cascade policy diff` shows what changed since, where it was in force"));
    }
    if proposal.activated.pack != chosen.pack {
        let error = cascade_runtime::proposal::ProposalFault::OtherPack;
        return Err(Failure::could_not(error.into()).hint("`cascade pack list` shows what is active"));
    }
    if label.is_some_and(|label| label != activates.version) {
        return Err(Failure::usage(format_args!(
            "the signed label is `{}`",
            output::safe(&activates.version)
        ))
        .hint("leave --label away"));
    }
    Ok(proposal)
}

pub(super) fn run(global: &Global, args: &Activate) -> Exit {
    let ledger = place::ledger(global)?;
    let chosen = match args.which.choose(&ledger)? {
        Ok(chosen) => chosen,
        Err(faults) => return tell(global, &faults),
    };
    put_into_force(global, &ledger, chosen, &args.which.hand(), &args.signature)
}

/// Puts what was chosen into force, with what others have signed.
pub(crate) fn put_into_force(
    global: &Global,
    ledger: &Ledger,
    chosen: Chosen,
    hand: &Hand<'_>,
    signatures: &[PathBuf],
) -> Exit {
    let mut proposal: Option<Proposal> = None;
    for path in signatures {
        let one = of_this(read(path)?, &chosen, hand.label)?;
        match &mut proposal {
            None => proposal = Some(one),
            Some(all) => all.join(one).with_context(|| format!("couldn't use `{}`", path.display()))?,
        }
    }
    let version = proposal
        .as_ref()
        .map_or(chosen.policy.version.clone(), |one| one.activated.activates.version.clone());
    let asker = asker(global, ledger)?;
    let act = chosen.act(Does::Activate);
    let signer = Signer::new(global, hand.key.map(Path::to_path_buf))?;
    let order = Order {
        activates: PolicyRef { version: version.clone(), hash: chosen.policy.hash },
        snapshot: &chosen.snapshot,
        blobs: chosen.blobs,
        pack: chosen.pack,
        proposal,
    };
    let receipt = activate::activate(ledger, &asker, order, &mut |public, namespace, payload| {
        signer.sign(public, namespace, payload)
    })
    .map_err(|error| admin::on_record(ledger, &asker, act, refused(error)))?;
    if global.json {
        output::json(&Value::object([
            ("policy_hash", chosen.policy.hash.to_hex().into()),
            ("policy_version", version.into()),
            ("receipt_id", receipt.receipt_id.to_string().into()),
        ]))?;
    } else {
        warn(&chosen.warnings)?;
        output::say(format_args!(
            "{}: {} {}",
            Painted(GOOD, "in force"),
            output::safe(&version),
            chosen.policy.hash
        ));
        output::say(format_args!("receipt {}", receipt.receipt_id));
    }
    Ok(exit::DONE)
}

/// Who may not is denied, who must wait for others waits.
fn refused(error: ActivateError) -> Failure {
    let hint = match &error {
        ActivateError::Short(_) => {
            "others sign with `cascade policy sign` or `pack sign`, then --signature FILE for each"
        }
        ActivateError::LockOut(_) => "ask for fewer signatures under [activation], or register people first",
        ActivateError::Forged(_) | ActivateError::Used | ActivateError::Proposal(_) => {
            "sign again with `cascade policy sign` or `pack sign`"
        }
        ActivateError::Signed(_) => "somebody else must sign",
        ActivateError::Ineligible(_) => "leave that file away",
        ActivateError::Store(_) => "run `cascade fsck`",
        ActivateError::Admin(_) => "",
    };
    let reason = match &error {
        ActivateError::Forged(_) => Some("approval.signature"),
        ActivateError::Used => Some("approval.used"),
        ActivateError::Ineligible(_) => Some("approval.ineligible"),
        ActivateError::Signed(_) => Some("approval.repeated"),
        _ => None,
    };
    match (error, reason) {
        (ActivateError::Admin(error), _) => admin::refused(error),
        (error, Some(reason)) => Failure::refused(error, reason).hint(hint),
        (error @ ActivateError::Short(_), None) => {
            Failure { code: exit::WAITING, ..Failure::could_not(error.into()) }.hint(hint)
        }
        (error, None) => Failure::could_not(error.into()).hint(hint),
    }
}
