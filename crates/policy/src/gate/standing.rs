//! Gate 1: the tenant may act at all.

use super::{Answer, Case};

pub(super) fn answer(case: &Case<'_>) -> Answer {
    let tenant = &case.facts.tenant;
    let mut answer = Answer::pass();
    if !tenant.active {
        answer.deny("standing.inactive");
    }
    if tenant.halted {
        answer.deny("standing.halted");
    }
    if !tenant.chain_healthy {
        answer.deny("standing.chain");
    }
    // A regime without its pack would be judged by rules that are not there.
    let declared = tenant.regimes.iter().filter(|regime| !case.packs.contains(*regime));
    let undeclared = case.unready.keys().filter(|name| !tenant.regimes.contains(name));
    for name in declared.chain(undeclared) {
        answer.deny_by("standing.pack_missing", name);
    }
    answer
}
