//! Gate 1: the tenant may act at all.

use std::collections::BTreeSet;

use super::Answer;
use crate::facts::Tenant;

pub(super) fn answer(tenant: &Tenant, packs: &BTreeSet<String>) -> Answer {
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
    for regime in tenant.regimes.iter().filter(|regime| !packs.contains(*regime)) {
        answer.deny_by("standing.pack_missing", regime);
    }
    answer
}
