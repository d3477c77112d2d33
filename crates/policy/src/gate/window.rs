//! Gate 10: the moment is one at which such things may happen, and whom it is about has nothing against it.

use cascade_receipt::decision::GateName;
use cascade_receipt::time::Timestamp;

use super::{Answer, Case};
use crate::facts::{Window, WindowKind};

pub(super) fn answer(case: &Case<'_>) -> Answer {
    let (facts, concern) = (case.facts, case.concern());
    let mut declared = case.thresholds.limits.windows(&concern).peekable();
    if facts.windows.is_empty() && declared.peek().is_none() {
        return Answer::not_applicable();
    }
    let mut answer = Answer::pass();
    spans(facts.at, &facts.windows, &mut answer);
    for window in declared {
        match window.broken(facts) {
            Ok(Some(what)) => {
                answer.hold(&format!("window.{what}"), &window.name, window.escalate.as_ref());
            }
            Ok(None) => {}
            Err(lack) => answer.lacks(GateName::Window, lack, &window.name),
        }
    }
    answer
}

/// Spans that came with the facts.
fn spans(at: Timestamp, windows: &[Window], answer: &mut Answer) {
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
}
