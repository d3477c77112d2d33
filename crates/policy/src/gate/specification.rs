//! Gate 4: a workflow step is part of a spec that somebody trusted has signed.

use super::Answer;
use crate::facts::Spec;

pub(super) fn answer(spec: Option<&Spec>) -> Answer {
    let Some(spec) = spec else { return Answer::not_applicable() };
    let mut answer = Answer::pass();
    if !spec.trusted {
        answer.deny("specification.untrusted");
    }
    if !spec.pinned {
        answer.deny("specification.unpinned");
    }
    if !spec.has_step {
        answer.deny("specification.no_step");
    }
    answer
}
