//! The controls of the packs that come with Cascade.

use super::Controls;

macro_rules! controls {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../../packs/", $name, "/controls.toml"))),)*]
    };
}

/// Name of the pack and text, by name.
const TEXTS: &[(&str, &str)] = controls! {
    "eu-ai-act" "fcra" "fda-samd" "hipaa" "insurance" "iso-42001" "nist-ai-rmf" "reg-f" "soc2" "tcpa"
};

/// Pack and text of all built-in controls.
#[must_use]
pub const fn builtin_texts() -> &'static [(&'static str, &'static str)] {
    TEXTS
}

/// The text of the controls of the built-in pack of this name.
#[must_use]
pub fn builtin_text(pack: &str) -> Option<&'static str> {
    TEXTS.iter().find(|(name, _)| *name == pack).map(|(_, text)| *text)
}

/// The controls of the built-in pack of this name.
#[must_use]
pub fn builtin(pack: &str) -> Option<Controls> {
    Controls::parse(pack, builtin_text(pack)?).ok()
}
