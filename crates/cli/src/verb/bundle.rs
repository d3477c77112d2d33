use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cascade_ledger::{BundleError, Found, Ledger, LogKey, Wanted};
use cascade_receipt::bundle::{BUNDLE_BYTES_MAX, Bundle as Parsed};
use cascade_receipt::checkpoint::SignedCheckpoint;
use cascade_receipt::json::{self, Value};
use cascade_receipt::proof::Proof;
use cascade_receipt::verify::{Options, verify_bundle};
use cascade_receipt::{base64, digest::Digest, pem};
use clap::{Args, Subcommand};

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::verb::checkpoint;
use crate::{outfile, output, place};

/// Chosen receipts with their proofs in one file, for an outsider
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade bundle create r_0123456789abcdef --action --out evidence.bundle
  cascade bundle unpack evidence.bundle --out evidence")]
pub(crate) struct Bundle {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Create(Create),
    Unpack(Unpack),
}

/// Put receipts into a bundle, each with the proof that it is in the chain
///
/// The bundle is a DSSE envelope around an in-toto Statement. It stands on the newest checkpoint that covers the
/// receipts, cosigned where there is one (`cascade anchor`); where there is none, one is signed. Nothing private is
/// in it unless it is disclosed by name.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade bundle create r_0123456789abcdef --action --out evidence.bundle
  cascade bundle create r_0123456789abcdef --run --replayable --out run.bundle
  cascade bundle create --range 100..200 --out march.bundle
  cascade bundle create r_01234 --disclose action_hash --out evidence.bundle
  cascade-verify evidence.bundle --public-key key.pem")]
struct Create {
    /// Receipts; the beginning of an id is enough
    #[arg(required_unless_present = "range")]
    ids: Vec<String>,
    /// All receipts from seq FROM up to, not including, TO
    #[arg(long, value_name = "FROM..TO", value_parser = range)]
    range: Option<std::ops::Range<u64>>,
    /// Take every receipt of the actions that the ids belong to
    #[arg(long)]
    action: bool,
    /// Take every receipt of the runs of workflows that the ids belong to, and of those that steps of these started
    #[arg(long)]
    run: bool,
    /// Disclose the private bytes behind these members of the receipts
    #[arg(long, value_name = "FIELD", value_delimiter = ',', value_parser = cascade_ledger::disclosable())]
    disclose: Vec<String>,
    /// Add the facts and policies of the decisions, so that an outsider can make them again
    #[arg(long)]
    replayable: bool,
    /// File to write [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Check a bundle and write its parts as files that other tools read
///
/// Into DIR come `receipts.jsonl`, `checkpoint` (a signed note), `proofs/*.tlog-proof`, `key.pem`, `log.vkey`,
/// `statement.json`, and what is disclosed. Nothing is written of a bundle that is not valid in itself.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  cascade bundle unpack evidence.bundle --out evidence")]
struct Unpack {
    /// The bundle
    file: PathBuf,
    /// Directory to make [default: the file's name without its extension]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn range(text: &str) -> Result<std::ops::Range<u64>, String> {
    let bounds = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    bounds.filter(|range| !range.is_empty()).ok_or_else(|| "write it like 100..200".to_owned())
}

pub(crate) fn run(global: &Global, args: &Bundle) -> Exit {
    match &args.what {
        What::Create(args) => create(global, args),
        What::Unpack(args) => unpack(global, args),
    }
}

/// How often a bundle is begun again because the chain got another key meanwhile.
const AGAIN_MAX: u32 = 5;

fn create(global: &Global, args: &Create) -> Exit {
    let (ledger, log_key) = place::ledger_with_log_key(global)?;
    let wanted = Wanted {
        seqs: chosen(&ledger, args)?,
        disclose: args.disclose.iter().cloned().collect(),
        replayable: args.replayable,
    };
    write(&ledger, &log_key, &wanted, args.out.as_deref())?;
    Ok(exit::DONE)
}

/// Makes a bundle and writes it, to stdout without a path.
pub(super) fn write(
    ledger: &Ledger,
    log_key: &LogKey,
    wanted: &Wanted,
    path: Option<&Path>,
) -> Result<(), Failure> {
    let mut tries = AGAIN_MAX;
    let (mut cosigned, mut note) = standing(ledger, log_key, wanted)?;
    let text = loop {
        match ledger.bundle(wanted, &note) {
            // A key came meanwhile, which the reader needs, too.
            Err(BundleError::NotCovered(_)) if tries > 0 => {
                tries -= 1;
                (cosigned, note) = standing(ledger, log_key, wanted)?;
            }
            other => break other.map_err(refused)?,
        }
    };
    match path {
        Some(path) => outfile::write(path, outfile::PUBLIC, text.as_bytes())?,
        None => output::bytes(text.as_bytes())?,
    }
    let count = wanted.seqs.len();
    let size = SignedCheckpoint::parse(note.as_bytes()).map_or(0, |signed| signed.checkpoint().size);
    output::say(format_args!("bundle of {count} receipts on a checkpoint of {size}"));
    if !cosigned {
        output::hint_line(
            "no witness has cosigned that checkpoint; `cascade anchor` has the next one cosigned",
        );
    }
    Ok(())
}

/// The checkpoint that the bundle stands on, and whether witnesses have cosigned it.
fn standing(ledger: &Ledger, log_key: &LogKey, wanted: &Wanted) -> Result<(bool, String), Failure> {
    let size = ledger.covering(&wanted.seqs)?;
    for cosigned in [true, false] {
        if let Some((_, note)) = ledger.newest_checkpoint(cosigned)?.filter(|(at, _)| *at >= size) {
            return Ok((cosigned, note));
        }
    }
    let guard = place::guard_dir()?;
    Ok((false, ledger.sign_checkpoint(log_key, &guard).map_err(checkpoint::refused)?))
}

fn chosen(ledger: &Ledger, args: &Create) -> Result<BTreeSet<u64>, Failure> {
    let mut seqs = BTreeSet::new();
    for id in &args.ids {
        let seq = match ledger.find(id)? {
            Found::One(_, seq, _) => seq,
            Found::Nothing => {
                let error = anyhow::anyhow!("no receipt `{id}`");
                return Err(Failure::could_not(error).hint("`cascade log` lists receipts"));
            }
            Found::Several => {
                let error = anyhow::anyhow!("more than one receipt begins with `{id}`");
                return Err(Failure::could_not(error).hint("give more of the id"));
            }
        };
        if args.action {
            seqs.extend(ledger.action_of(seq)?);
        }
        if args.run {
            seqs.extend(ledger.runs_of(seq)?);
        }
        seqs.insert(seq);
    }
    if let Some(range) = args.range.clone() {
        let there = ledger.head()?.next_seq;
        if range.end > there {
            let error = anyhow::anyhow!("the chain has {there} receipts");
            return Err(Failure::could_not(error).hint("end the range there or before"));
        }
        seqs.extend(range);
    }
    Ok(seqs)
}

fn refused(error: BundleError) -> Failure {
    let hint = match &error {
        BundleError::Fault(fault) => fault.hint(),
        BundleError::Key(error) => error.hint(),
        BundleError::Size => Some("make several bundles, or hand over the whole chain with `cascade export`"),
        BundleError::NotCovered(_) => Some("try again"),
        BundleError::NothingPrivate(_) => Some("leave that --disclose out, or name other receipts"),
        BundleError::Erased { .. } => Some("it cannot be disclosed any more; leave that --disclose out"),
    };
    let hint = hint.map(str::to_owned);
    Failure::of(exit::COULD_NOT, anyhow::Error::from(error).context("no bundle was made"), hint)
}

fn unpack(global: &Global, args: &Unpack) -> Exit {
    let bytes = read(&args.file)?;
    let verdict = verify_bundle(&bytes, Options::default());
    if let Some(fault) = verdict.fault() {
        let cause =
            anyhow::anyhow!("the bundle is not valid: {} ({})", fault.code.meaning(), fault.code.as_str());
        return Err(Failure::of(exit::EVIDENCE, cause, Some("nothing was written".to_owned())));
    }
    let bundle = Parsed::parse(&bytes).context("couldn't read the bundle")?;
    let dir = args.out.clone().unwrap_or_else(|| args.file.with_extension(""));
    std::fs::create_dir(&dir).map_err(|error| {
        let cause = anyhow::Error::from(error).context(format!("couldn't make `{}`", dir.display()));
        Failure::could_not(cause).hint("name a directory that does not exist yet with --out")
    })?;
    let mut written = Vec::new();
    for (name, bytes) in parts(&bundle)? {
        let path = dir.join(&name);
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(&path, bytes).with_context(|| format!("couldn't write `{}`", path.display()))?;
        written.push(name);
    }
    if global.json {
        let files = written.iter().map(|name| Value::from(name.as_str())).collect();
        let dir = dir.display().to_string();
        output::json(&Value::object([("dir", dir.into()), ("files", Value::Array(files))]))?;
    } else {
        for name in &written {
            output::line(format_args!("{}", dir.join(name).display()))?;
        }
    }
    if !verdict.key_pinned() {
        output::hint_line("valid in itself; whose it is shows `cascade-verify FILE --public-key KEY`");
    }
    Ok(exit::DONE)
}

/// At most as much as a bundle may have, and one byte more, which is then refused.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).with_context(|| format!("couldn't open `{}`", path.display()))?;
    let mut bytes = Vec::new();
    file.take(BUNDLE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("couldn't read `{}`", path.display()))?;
    Ok(bytes)
}

/// Names and contents of the files. Names come from parsed ids and hashes alone, never from text of the bundle.
fn parts(bundle: &Parsed) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let statement = &bundle.statement;
    let mut lines = String::new();
    let mut parts = vec![("checkpoint".to_owned(), statement.checkpoint.clone().into_bytes())];
    for shown in &statement.receipts {
        lines.push_str(&shown.line);
        lines.push('\n');
        let receipt = json::parse(shown.line.as_bytes()).context("couldn't read a receipt")?;
        let content = receipt.member("content").context("a receipt has no content")?;
        let index = content.member("seq").and_then(Value::as_u64).context("a receipt has no seq")?;
        let proof = Proof { index, path: shown.path.clone(), note: &statement.checkpoint };
        parts.push((format!("proofs/{index}.tlog-proof"), proof.to_text().into_bytes()));
        if index == 0 {
            parts.extend(keys(content, &statement.log_origin));
        }
    }
    for one in &statement.disclosures {
        let name = format!("disclosures/{}.{}", one.receipt_id, one.field);
        parts.push((format!("{name}.nonce"), format!("{}\n", base64::encode(&one.nonce.0)).into_bytes()));
        parts.push((name, one.bytes.clone()));
    }
    for bytes in &statement.snapshots {
        parts.push((format!("snapshots/{}", Digest::of(bytes)), bytes.clone()));
    }
    parts.push(("receipts.jsonl".to_owned(), lines.into_bytes()));
    parts.push(("statement.json".to_owned(), bundle.payload.clone()));
    Ok(parts)
}

/// The receipt key of genesis as PEM and its log key as vkey.
fn keys(genesis: &Value, origin: &str) -> Vec<(String, Vec<u8>)> {
    use cascade_receipt::ed25519::PublicKey;
    use cascade_receipt::note::{Algorithm, VerifierKey};
    let key = |purpose: &str| {
        base64::decode_array(genesis.member("keys")?.member(purpose)?.member("public_key")?.as_str()?)
    };
    let pem = key("receipt").map(|raw| ("key.pem".to_owned(), pem::write(&raw).into_bytes()));
    let vkey = key("log")
        .and_then(|raw| VerifierKey::new(origin, Algorithm::Ed25519, PublicKey::accept(&raw)?))
        .map(|vkey| ("log.vkey".to_owned(), format!("{vkey}\n").into_bytes()));
    pem.into_iter().chain(vkey).collect()
}
