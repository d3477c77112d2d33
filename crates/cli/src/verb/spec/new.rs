//! `spec new`.

use cascade_kernel::csl::Document;
use clap::Args;

use super::no_spec;
use crate::exit::{self, Exit};
use crate::output;

/// What the starter is called in its own text.
const NAME: &str = "name: starter\n";
const STARTER: &str = include_str!("starter.yaml");

#[derive(Args, Debug)]
pub(super) struct New {
    /// Its name: lower-case letters, digits, `-` and `_`
    #[arg(value_name = "NAME", default_value = "starter")]
    name: String,
}

pub(super) fn run(args: &New) -> Exit {
    // Quoted, a name such as `yes` stays a text; what cannot be a name is refused by the reader of specs.
    let name = format!("name: {:?}\n", args.name);
    let text = STARTER.replace(NAME, &name);
    Document::read(text.as_bytes()).map_err(|faults| no_spec("the new spec".as_ref(), &faults))?;
    output::result(text)?;
    Ok(exit::DONE)
}
