//! What a command does in a machine or container that was there before: what lies there is no project of this one.

use cascade_receipt::decision::RiskTier;

use super::call::Call;
use super::judge::Judgement;
use super::manifest::{Emits, Enters, Form};
use super::scene::Scene;

/// Adds what a call means because of where it is run.
pub(super) fn weigh(call: &Call<'_>, scene: &Scene<'_>, judgement: &mut Judgement) {
    // What a wrapper runs is looked at where it stands; a script is not read.
    let wraps = call.inner.is_some_and(|(wraps, _)| wraps.form != Form::Script);
    if scene.entered == Enters::Nothing || wraps {
        return;
    }
    if call.node.emits == Emits::Secret {
        let text = "shows the environment of what runs there, credentials among it";
        judgement.find("env.read", RiskTier::High, text);
    }
    if scene.entered == Enters::Machine && judgement.tier > RiskTier::Low {
        changed(judgement);
    }
    weigh_writes(scene, judgement);
}

/// The same for the files that it writes.
pub(super) fn weigh_writes(scene: &Scene<'_>, judgement: &mut Judgement) {
    if scene.entered == Enters::Machine && judgement.writes.iter().any(|file| !file.is_device()) {
        changed(judgement);
    }
}

fn changed(judgement: &mut Judgement) {
    let text = "does more than read on a machine that is in use";
    judgement.find("remote.change", RiskTier::High, text);
}
