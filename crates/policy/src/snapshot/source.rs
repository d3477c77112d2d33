//! What a snapshot is made from.

use cascade_receipt::digest::Digest;

use super::thresholds::Thresholds;
use crate::worker::Registry;

/// Texts and settings of a policy directory, read but not yet checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotSource {
    /// Cedar files: name and text.
    pub policies: Vec<(String, String)>,
    /// The Cedar schema.
    pub schema: String,
    /// Worker manifests: name without `.toml`, and text.
    pub manifests: Vec<(String, String)>,
    /// The operator's settings.
    pub thresholds: Thresholds,
    /// Compliance packs: name and text.
    pub packs: Vec<(String, String)>,
}

/// The files of the policy that Cascade starts with, as `policy` commands would find them in a
/// directory.
pub(super) const BUNDLED: [(&str, &str); 3] = [
    ("base.cedar", include_str!("../../../../policies/default/base.cedar")),
    (SCHEMA_FILE, include_str!("../../../../policies/default/schema.cedarschema")),
    (THRESHOLDS_FILE, include_str!("../../../../policies/default/thresholds.toml")),
];

pub(super) const SCHEMA_FILE: &str = "schema.cedarschema";
pub(super) const THRESHOLDS_FILE: &str = "thresholds.toml";

impl SnapshotSource {
    /// No policies, the default schema and settings, the built-in manifests.
    pub(super) fn empty() -> Self {
        let manifests = Registry::builtin_texts();
        let [_, (_, schema), _] = BUNDLED;
        Self {
            policies: Vec::new(),
            schema: schema.to_owned(),
            manifests: manifests
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect(),
            thresholds: Thresholds::default(),
            packs: Vec::new(),
        }
    }

    /// The policy that a new home starts with: `policies/default` of the source tree.
    #[must_use]
    pub fn bundled() -> Self {
        let [(file, text), _, (thresholds_file, thresholds)] = BUNDLED;
        let mut source = Self::empty();
        source.policies.push((file.to_owned(), text.to_owned()));
        // A test holds that the bundled file parses.
        source.thresholds = Thresholds::parse(thresholds_file, thresholds).unwrap_or_default();
        source
    }

    /// The texts that the snapshot document names by hash; they are stored beside it.
    pub fn blobs(&self) -> impl Iterator<Item = (Digest, &str)> {
        let named = self.manifests.iter().chain(&self.packs).map(|(_, text)| text);
        named.chain([&self.schema]).map(|text| (Digest::of(text.as_bytes()), text.as_str()))
    }
}
