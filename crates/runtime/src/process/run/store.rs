//! Where output goes that was read.

use std::time::Instant;

use crate::credentials::Brokered;
use crate::process::output::{Capture, Output, Stream};
use crate::process::redact::{Hidden, Redactor};

#[derive(Debug)]
pub(super) enum Store {
    Live(Output),
    Captured(Capture),
}

impl Store {
    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        match self {
            Self::Live(output) => output.push(stream, bytes, Instant::now()),
            Self::Captured(capture) => capture.push(stream, bytes),
        }
    }
}

/// What keeps these values out of the output; none where there are none.
pub(super) fn redactor(brokered: &[Brokered]) -> Option<Redactor> {
    let hidden: Vec<_> =
        brokered.iter().map(|one| Hidden { name: &one.name, value: one.value.bytes() }).collect();
    (!hidden.is_empty()).then(|| Redactor::new(&hidden))
}
