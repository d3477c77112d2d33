//! `spec list` and `spec show`.

use cascade_receipt::json::Value;
use cascade_runtime::workflow;

use clap::Args;

use super::run::chain_id;
use super::tell::{self, Teller};
use crate::args::Global;
use crate::exit::{self, Exit};
use crate::output::{self, DIM, Painted};
use crate::{failures, place};

#[derive(Args, Debug)]
pub(super) struct Show {
    /// The run: the id of its `chain_started`
    #[arg(value_name = "ID")]
    id: String,
}

pub(super) fn show(global: &Global, args: &Show) -> Exit {
    let ledger = place::ledger(global)?;
    let id = chain_id(&ledger, &args.id)?;
    let (spec, hash) = workflow::spec_of(&ledger, id).map_err(failures::workflow)?;
    let driven = workflow::look(&ledger, id).map_err(failures::workflow)?;
    let mut teller = Teller::new(global, &spec);
    for attempt in &driven.attempts {
        teller.hear(workflow::Progress::Ended(attempt.clone()));
    }
    // It was looked at; how it went is what is told, not how the looking went.
    tell::told(global, &spec, &hash, &driven)?;
    Ok(exit::DONE)
}

pub(super) fn run(global: &Global) -> Exit {
    let reader = place::reader(global)?;
    let open = reader.open_chains()?;
    if global.json {
        let runs = open.iter().map(|chain| {
            let name = workflow::name_of(&reader, chain).unwrap_or_default();
            Value::object([
                ("chain", chain.receipt_id.to_string().into()),
                ("name", name.as_str().into()),
                ("principal", chain.principal.to_string().into()),
                ("spec_hash", chain.spec_hash.to_hex().into()),
            ])
        });
        output::json(&Value::object([("runs", Value::Array(runs.collect()))]))?;
        return Ok(exit::DONE);
    }
    for chain in &open {
        let name = workflow::name_of(&reader, chain).unwrap_or_default();
        output::line(format_args!(
            "{}  {}  {}",
            chain.receipt_id,
            output::safe(&name),
            Painted(DIM, chain.spec_hash.to_hex())
        ))?;
    }
    if open.is_empty() {
        output::say("no run is open");
    }
    Ok(exit::DONE)
}
