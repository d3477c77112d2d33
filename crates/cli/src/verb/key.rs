use std::path::PathBuf;

use anyhow::Context as _;
use cascade_receipt::digest::Digest;
use clap::{Args, Subcommand};

use crate::args::Global;
use crate::exit::{self, Exit};
use crate::{output, place};

/// Keys of the chain
#[derive(Args, Debug)]
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
}

pub(crate) fn run(global: &Global, args: &Key) -> Exit {
    let What::Export { log, out, .. } = &args.what;
    let reader = place::reader(global)?;
    let text = if *log { format!("{}\n", reader.log_vkey()?) } else { reader.public_key_pem() };
    match out {
        Some(path) => {
            std::fs::write(path, &text).with_context(|| format!("couldn't write `{}`", path.display()))?;
        }
        None => output::bytes(text.as_bytes())?,
    }
    if !log {
        output::say(format_args!("key {}", reader.signing_key_id()));
        output::say(format_args!("SHA-256 of the raw key {}", Digest::of(reader.genesis_public_key())));
    }
    Ok(exit::DONE)
}
