//! The packs that come with Cascade.

use std::sync::LazyLock;

use super::{Pack, text_of};

type Files = &'static [(&'static str, &'static str)];

macro_rules! packs {
    ($($name:literal: $($file:literal)*;)*) => {
        &[$((
            $name,
            &[$(($file, include_str!(concat!("../../../../packs/", $name, "/", $file))),)*],
        ),)*]
    };
}

const PACKS: &[(&str, Files)] = packs! {
    "eu-ai-act": "pack.toml" "gates.cedar" "tests/eu-ai-act.table";
    "fcra": "pack.toml" "gates.cedar" "limits.toml" "tests/fcra.table";
    "fda-samd": "pack.toml" "gates.cedar" "tests/fda-samd.table";
    "hipaa": "pack.toml" "gates.cedar" "tests/hipaa.table";
    "insurance": "pack.toml" "gates.cedar" "limits.toml" "tests/insurance.table";
    "iso-42001": "pack.toml" "gates.cedar" "tests/iso-42001.table";
    "nist-ai-rmf": "pack.toml" "gates.cedar" "tests/nist-ai-rmf.table";
    "reg-f": "pack.toml" "limits.toml" "tests/reg-f.table";
    "soc2": "pack.toml" "gates.cedar" "tests/soc2.table";
    "tcpa": "pack.toml" "limits.toml" "tests/tcpa.table";
};

/// Name and text of every built-in pack, by name.
#[must_use]
pub fn builtin_texts() -> &'static [(&'static str, String)] {
    static TEXTS: LazyLock<Vec<(&'static str, String)>> =
        LazyLock::new(|| PACKS.iter().map(|(name, files)| (*name, text_of(files))).collect());
    &TEXTS
}

/// The built-in pack of this name.
#[must_use]
pub fn builtin(name: &str) -> Option<Pack> {
    let (name, text) = builtin_texts().iter().find(|(builtin, _)| *builtin == name)?;
    Pack::read(name, text).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::PACKS;
    use crate::pack::check::is_control;

    #[expect(clippy::disallowed_methods, reason = "the test looks for files that nobody listed")]
    fn files(directory: &Path, below: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()) {
            let name = format!("{below}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                files(&entry.path(), &format!("{name}/"), found);
            } else if !name.split_once('/').is_some_and(|(_, file)| is_control(file)) {
                found.insert(name);
            }
        }
    }

    #[test]
    fn every_file_in_packs_is_built_in() {
        let mut found = BTreeSet::new();
        files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../packs")), "", &mut found);
        let listed = PACKS
            .iter()
            .flat_map(|(name, files)| files.iter().map(move |(file, _)| format!("{name}/{file}")));
        assert_eq!(found, listed.collect());
    }
}
