//! Every step of a commit, failing in both ways: it failed and nothing persisted; it failed, as far
//! as the caller knows, but did persist.

use super::{Failure, Scribe};
use crate::fault::Fault;

/// Where a test makes a commit fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Point {
    AfterVault,
    BeforeCommit,
    AfterCommit,
}

impl Scribe {
    pub(super) fn fail_at(&self, point: Point) -> Result<(), Failure> {
        if self.fault != Some(point) {
            return Ok(());
        }
        let fault = Fault::Io { place: "test".to_owned(), detail: format!("{point:?}") };
        Err(if point == Point::AfterCommit { Failure::Unsettled(fault) } else { Failure::NotRecorded(fault) })
    }
}
