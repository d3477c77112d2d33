//! Gate 10: the moment is one at which such things may happen.

use cascade_receipt::time::Timestamp;

use super::Answer;
use crate::facts::{Window, WindowKind};

pub(super) fn answer(at: Timestamp, windows: &[Window]) -> Answer {
    if windows.is_empty() {
        return Answer::not_applicable();
    }
    let mut answer = Answer::pass();
    let inside = |window: &Window| window.from <= at && at < window.to;
    if windows.iter().any(|window| window.to <= window.from) {
        // An empty span was meant to say something, and we do not know what.
        answer.deny("window.malformed");
    }
    if windows.iter().any(|window| window.kind == WindowKind::Freeze && inside(window)) {
        answer.deny("window.freeze");
    }
    let mut open = windows.iter().filter(|window| window.kind == WindowKind::Open).peekable();
    if open.peek().is_some() && !open.any(inside) {
        answer.deny("window.closed");
    }
    answer
}
