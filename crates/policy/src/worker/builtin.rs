//! The manifests that come with Cascade.

use super::Registry;

impl Registry {
    /// Name and text of every built-in manifest, in a fixed order.
    #[must_use]
    pub const fn builtin_texts() -> &'static [(&'static str, &'static str)] {
        TEXTS
    }

    /// A registry of the built-in manifests.
    #[must_use]
    pub fn builtin() -> Self {
        Self::new(TEXTS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
    }
}

macro_rules! texts {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../../workers/", $name, ".toml"))),)*]
    };
}

const TEXTS: &[(&str, &str)] = texts! {
    "build" "cloud" "database" "docker" "files" "find" "git" "kubectl"
    "network" "node" "python" "shells" "system" "terraform" "text"
};
