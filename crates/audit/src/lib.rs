//! Questions asked of a finished log. Nothing here reads a file, a clock or a ledger: whoever asks hands over what there
//! is, and another machine gives the same answers.

pub mod control;
pub mod lineage;
mod page;
pub mod replay;
pub mod report;
pub mod trial;
