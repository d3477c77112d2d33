//! A pack that somebody writes, checked before it is declared.

use std::collections::BTreeSet;

use super::{Manifest, PACK_FILE, Pack, builtin_texts, text_of};
use crate::snapshot::{PolicyFault, Snapshot, SnapshotSource};

impl Pack {
    /// Reads the files of an own pack, names relative to its directory, and gives it with its text. `*.md` are for
    /// people and stay behind, and so do controls: they decide nothing, so that a better question about the past is
    /// not another policy.
    ///
    /// # Errors
    /// Every fault.
    pub fn of_files(files: Vec<(String, Vec<u8>)>) -> Result<(String, Self), Vec<PolicyFault>> {
        let mut texts = Vec::new();
        for (name, bytes) in files.into_iter().filter(|(name, _)| !name.ends_with(".md") && !is_control(name))
        {
            let text = String::from_utf8(bytes)
                .map_err(|_| vec![PolicyFault::of_file(&name, "directory.encoding", "file is not UTF-8")])?;
            texts.push((name, text));
        }
        let Some((_, manifest)) = texts.iter().find(|(name, _)| name == PACK_FILE) else {
            let fault = PolicyFault::of_file(PACK_FILE, "pack.syntax", "pack.toml is missing");
            return Err(vec![fault.suggest("start from one of packs/ in the sources of Cascade")]);
        };
        let name = Manifest::parse(PACK_FILE, manifest).map_err(|fault| vec![fault])?.name;
        let files: Vec<(&str, &str)> =
            texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let text = text_of(&files);
        let pack = Self::check_own(&name, &text)?;
        Ok((text, pack))
    }

    /// Reads the text of an own pack and checks it as an activation of own policies would be: against the schema that
    /// comes with Cascade, so that what it says can be evaluated and applies to something.
    ///
    /// # Errors
    /// Every fault.
    fn check_own(name: &str, text: &str) -> Result<Self, Vec<PolicyFault>> {
        let pack = Self::read(name, text).map_err(|fault| vec![fault])?;
        if builtin_texts().iter().any(|(builtin, _)| *builtin == name) {
            let message = format!("a pack `{name}` comes with Cascade");
            let fault = PolicyFault::of_file(&format!("packs/{name}"), "pack.name", message);
            return Err(vec![fault.suggest("give yours another name")]);
        }
        if pack.cedar.is_empty() {
            return Ok(pack);
        }
        let mut source = SnapshotSource::bundled();
        source.policies.clone_from(&pack.cedar);
        for family in &pack.manifest.families {
            source.thresholds.families.insert(family.clone(), BTreeSet::from([family.clone()]));
        }
        Snapshot::compile(&source)?;
        Ok(pack)
    }
}

/// Whether a file of a pack holds controls, or tests of them.
pub(super) fn is_control(name: &str) -> bool {
    name == "controls.toml" || name.starts_with("controls/")
}
