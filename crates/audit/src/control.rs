//! Controls: what a regime asks of a chain, as SQL over a documented view of it (docs/controls.md).
//!
//! A [`View`] is a database in memory, filled from the lines of a chain, so that one dialect does whatever the chain was
//! kept in, and an outsider can ask an exported ledger the same. A control asks three questions of it: what does it look
//! at, what of that can this chain not answer, and what breaks it. SQL comes with a pack, so it is a stranger's: it can
//! read the view and nothing else, within bounds, and one that does not end, or fails, is never counted as satisfied.

mod builtin;
mod damage;
mod fill;
mod guard;
mod private;
mod report;
mod rule;
mod run;
mod schema;
mod view;

pub use builtin::{builtin, builtin_text, builtin_texts};
pub use damage::{BREAKS_MAX, Break, Cause, Walk};
pub use guard::{Bounds, GuardFault};
pub use report::Report;
pub(crate) use report::{between, when};
pub use rule::{CONTROLS_BYTES_MAX, CONTROLS_FILE, Control, ControlFault, Controls, Severity};
pub use run::{Audit, ControlResult, FINDINGS_MAX, Finding, Outcome, audit};
pub use view::{Command, Period, Private, View, ViewFault};
