//! `spec hash`.

use std::path::PathBuf;

use cascade_receipt::json::Value;
use clap::Args;

use super::read;
use crate::args::Global;
use crate::exit::{self, Exit};
use crate::output;

#[derive(Args, Debug)]
pub(super) struct Hash {
    /// The spec, YAML or JSON
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print the text that is hashed: the data as canonical JSON (RFC 8785)
    #[arg(long)]
    canonical: bool,
}

pub(super) fn run(global: &Global, args: &Hash) -> Exit {
    let document = read(&args.file)?;
    if global.json {
        let mut members = vec![
            ("name", document.spec.name.as_str().into()),
            ("spec_hash", document.hash().to_hex().as_str().into()),
            ("version", document.spec.version.as_str().into()),
        ];
        if args.canonical {
            members.push(("canonical", document.canonical().as_str().into()));
        }
        let members = members.into_iter().map(|(name, value): (&str, Value)| (name.to_owned(), value));
        output::json(&Value::Object(members.collect()))?;
    } else if args.canonical {
        // Byte for byte what is hashed: no line end.
        output::bytes(document.canonical().as_bytes())?;
    } else {
        output::line(document.hash().to_hex())?;
    }
    Ok(exit::DONE)
}
