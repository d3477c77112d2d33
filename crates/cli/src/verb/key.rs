mod change;

use std::path::{Path, PathBuf};

use cascade_ledger::{ChainKey, KeyState, Reader};
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;
use clap::{Args, Subcommand};

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BAD, DIM, GOOD, Painted};
use crate::{outfile, output, place};

/// Keys of the chain
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade key list
  cascade key export --public > key.pem
  cascade key rotate")]
pub(crate) struct Key {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Print the public receipt key of genesis as PEM; its fingerprint goes to stderr
    ///
    /// This is all an outsider needs to check the chain. Publish it, put it into contracts.
    #[command(after_help = "Examples:
  cascade key export --public > key.pem
  cascade key export --log                 the key of checkpoints, for witnesses and trust policies")]
    Export {
        /// The public key; private keys are never exported
        #[arg(long, required_unless_present = "log")]
        public: bool,
        /// The public log key as verifier key (C2SP vkey) instead
        #[arg(long, conflicts_with = "public")]
        log: bool,
        /// File to write [default: stdout]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// List every key that the chain ever had, and where each stands
    #[command(after_help = "Example:
  cascade key list --json")]
    List,
    Rotate(change::Rotate),
    Add(change::Add),
    Revoke(change::Revoke),
}

pub(crate) fn run(global: &Global, args: &Key) -> Exit {
    match &args.what {
        What::Export { log, out, .. } => export(global, *log, out.as_deref()),
        What::List => list(global),
        What::Rotate(args) => change::rotate(global, args),
        What::Add(args) => change::add(global, args),
        What::Revoke(args) => change::revoke(global, args),
    }
}

fn export(global: &Global, log: bool, out: Option<&Path>) -> Exit {
    let reader = place::reader(global)?;
    let text = if log { format!("{}\n", reader.log_vkey()?) } else { reader.public_key_pem() };
    match out {
        Some(path) => outfile::write(path, outfile::PUBLIC, text.as_bytes())?,
        None if global.json => {}
        None => output::bytes(text.as_bytes())?,
    }
    if global.json {
        output::json(&exported(&reader, log, text, out)?)?;
    } else if !log {
        if let Some(key_id) = genesis_key_id(&reader)? {
            output::say(format_args!("key {key_id}"));
        }
        output::say(format_args!("SHA-256 of the raw key {}", Digest::of(reader.genesis_public_key())));
    }
    Ok(exit::DONE)
}

fn genesis_key_id(reader: &Reader) -> Result<Option<String>, Failure> {
    let keys = reader.keys()?;
    let genesis = keys.iter().find(|key| key.public_key == *reader.genesis_public_key());
    Ok(genesis.map(|key| key.key_id.as_str().to_owned()))
}

/// The exported key as one document, with the file it went to.
fn exported(reader: &Reader, log: bool, text: String, out: Option<&Path>) -> Result<Value, Failure> {
    let mut members = std::collections::BTreeMap::new();
    let mut put = |name: &str, value: String| drop(members.insert(name.to_owned(), Value::from(value)));
    if log {
        put("vkey", text.trim_end().to_owned());
    } else {
        put("public_key_pem", text);
        put("sha256", Digest::of(reader.genesis_public_key()).to_hex());
        if let Some(key_id) = genesis_key_id(reader)? {
            put("key_id", key_id);
        }
    }
    if let Some(path) = out {
        put("path", path.display().to_string());
    }
    Ok(Value::Object(members))
}

fn list(global: &Global) -> Exit {
    let reader = place::reader(global)?;
    let signing = reader.signing_key_id()?;
    for key in reader.keys()? {
        let signs = key.key_id == signing;
        if global.json {
            output::json(&document(&key, signs))?;
            continue;
        }
        let colour = match key.state {
            KeyState::Active => GOOD,
            KeyState::Retired => DIM,
            KeyState::Revoked => BAD,
        };
        let here = if signs { "  signs here" } else { "" };
        output::line(format_args!(
            "{:<24} {:<9} {:<8} since receipt {}{here}",
            key.key_id.as_str(),
            key.purpose.as_str(),
            Painted(colour, key.state.as_str()),
            key.seq
        ))?;
    }
    Ok(exit::DONE)
}

pub(super) fn document(key: &ChainKey, signs: bool) -> Value {
    Value::object([
        ("key_id", key.key_id.as_str().into()),
        ("public_key", cascade_receipt::base64::encode(&key.public_key).into()),
        ("purpose", key.purpose.as_str().into()),
        ("seq", Value::Int(i64::try_from(key.seq).unwrap_or(i64::MAX))),
        ("signs_here", signs.into()),
        ("state", key.state.as_str().into()),
    ])
}
