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
    "agents" "build" "cascade" "cloud" "database" "docker" "files" "find" "git" "kubectl"
    "mcp" "network" "node" "python" "services" "shells" "system" "terraform" "text" "tools"
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::TEXTS;

    #[expect(clippy::disallowed_methods, reason = "the test looks for files that nobody listed")]
    #[test]
    fn every_file_in_workers_is_built_in() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../workers");
        let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let names = files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned());
        let built_in = TEXTS.iter().map(|(name, _)| (*name).to_owned());
        assert_eq!(names.collect::<BTreeSet<_>>(), built_in.collect::<BTreeSet<_>>());
    }
}
