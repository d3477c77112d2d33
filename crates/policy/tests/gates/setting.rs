use cascade_policy::snapshot::{Directory, PolicyFault, Snapshot, SnapshotSource, read_directory};

use crate::packs::own;

/// A policy directory from names and texts.
pub(crate) fn directory(files: &[(&str, &str)]) -> Result<Directory, Vec<PolicyFault>> {
    read_directory(files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())))
}

/// The default policy with this file added, and without manifests: compiling runs the tests of every
/// one of them.
pub(crate) fn bundled_and(name: &str, text: &str) -> SnapshotSource {
    let mut source = SnapshotSource { manifests: Vec::new(), ..SnapshotSource::bundled() };
    source.policies.push((name.to_owned(), text.to_owned()));
    source
}

/// The policy of the table, with a pack for the regime own, and with a policy that errs: a document that an
/// older version could have activated.
pub(crate) fn snapshot() -> Snapshot {
    let files = [
        ("base.cedar", include_str!("policy/base.cedar")),
        ("thresholds.toml", include_str!("policy/thresholds.toml")),
    ];
    let mut source = directory(&files).unwrap().source;
    source.packs.push(("own".to_owned(), own()));
    let compiled = Snapshot::compile(&source).unwrap();
    let document = std::str::from_utf8(compiled.document()).unwrap();
    let erring = document.replacen("context.hour + 7", "context.hour + 9223372036854775807", 1);
    assert_ne!(erring, document);
    let stored =
        |hash: &_| source.blobs().find(|(own, _)| own == hash).map(|(_, text)| text.as_bytes().to_vec());
    Snapshot::load(erring.as_bytes(), stored).unwrap()
}
