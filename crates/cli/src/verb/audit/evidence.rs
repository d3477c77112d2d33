//! The receipts of findings, for an outsider.

use std::collections::BTreeSet;
use std::path::Path;

use cascade_audit::control::Report;
use cascade_ledger::Wanted;

use crate::args::Global;
use crate::exit::Failure;
use crate::output;
use crate::place;
use crate::verb::bundle;

/// A bundle of what findings name, each with the whole action that it belongs to: a denial says little without what was
/// asked before.
pub(super) fn bundle(global: &Global, report: &Report, path: &Path) -> Result<(), Failure> {
    let (ledger, log_key) = place::ledger_with_log_key(global)?;
    let mut seqs = BTreeSet::new();
    for (seq, _) in report.evidence() {
        let Ok(seq) = u64::try_from(seq) else { continue };
        seqs.extend(ledger.action_of(seq)?);
        seqs.insert(seq);
    }
    if seqs.is_empty() {
        output::say("no finding names a receipt, so no bundle was made");
        return Ok(());
    }
    let wanted = Wanted { seqs, disclose: BTreeSet::new(), replayable: false };
    bundle::write(&ledger, &log_key, &wanted, Some(path))
}
