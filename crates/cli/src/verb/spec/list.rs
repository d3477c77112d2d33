//! `spec list`.

use cascade_receipt::json::Value;
use cascade_runtime::workflow;

use crate::args::Global;
use crate::exit::{self, Exit};
use crate::output::{self, DIM, Painted};
use crate::place;

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
