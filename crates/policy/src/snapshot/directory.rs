//! A policy directory, as the names and bytes of its files. Nobody here opens a file.

use super::compile::SCHEMA_BYTES_MAX;
use super::fault::PolicyFault;
use super::source::{SCHEMA_FILE, SnapshotSource, THRESHOLDS_FILE};
use super::thresholds::Thresholds;
use crate::limits::{LIMITS_FILE, Limits};

/// Most files in a policy directory.
pub const FILES_MAX: usize = 20_000;
/// Longest worker manifest, test table or thresholds file, in bytes.
pub const MANIFEST_BYTES_MAX: usize = 256 * 1024;

/// What a policy directory holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Directory {
    /// Everything that decides.
    pub source: SnapshotSource,
    /// `tests/*.table`: name and text.
    pub tests: Vec<(String, String)>,
}

/// Sorts the files of a policy directory into what they are: `*.cedar`, `schema.cedarschema`,
/// `thresholds.toml`, `limits.toml`, `workers/*.toml` (added to the built-in ones, or in place of one with the
/// same name) and `tests/*.table`. Names are relative, with `/`. The files may come in any order.
/// Texts at the top level that are `*.md` are for people and passed over.
///
/// # Errors
/// Every file that is not text, is too long or has no meaning here.
pub fn read_directory(
    files: impl IntoIterator<Item = (String, Vec<u8>)>,
) -> Result<Directory, Vec<PolicyFault>> {
    let mut files: Vec<(String, Vec<u8>)> = files.into_iter().collect();
    files.sort_unstable();
    if files.len() > FILES_MAX {
        let message = format!("there are more than {FILES_MAX} files");
        return Err(vec![PolicyFault::of_file(".", "directory.limit", message)]);
    }
    let mut directory = Directory { source: SnapshotSource::empty(), tests: Vec::new() };
    let mut faults: Vec<PolicyFault> =
        files.into_iter().filter_map(|(name, bytes)| sort_in(&mut directory, &name, bytes).err()).collect();
    if directory.source.policies.is_empty() && faults.is_empty() {
        let fault = PolicyFault::of_file(".", "directory.no_policies", "there is no *.cedar file");
        faults.push(fault.suggest("without a permit everything is denied; start from policies/default"));
    }
    if faults.is_empty() { Ok(directory) } else { Err(faults) }
}

fn sort_in(directory: &mut Directory, name: &str, bytes: Vec<u8>) -> Result<(), PolicyFault> {
    let source = &mut directory.source;
    match (name.rsplit_once('/'), name.rsplit_once('.')) {
        (None, Some((_, "cedar"))) => source.policies.push((name.to_owned(), text(name, bytes, usize::MAX)?)),
        (None, _) if name == SCHEMA_FILE => source.schema = text(name, bytes, SCHEMA_BYTES_MAX)?,
        (None, _) if name == THRESHOLDS_FILE => {
            let thresholds = text(name, bytes, MANIFEST_BYTES_MAX)?;
            let limits = std::mem::take(&mut source.thresholds.limits);
            source.thresholds = Thresholds { limits, ..Thresholds::parse(name, &thresholds)? };
        }
        (None, _) if name == LIMITS_FILE => {
            let limits = text(name, bytes, MANIFEST_BYTES_MAX)?;
            source.thresholds.limits = Limits::parse(name, &limits)?;
        }
        (None, Some((_, "md"))) => {}
        (Some(("workers", file)), Some((_, "toml"))) => {
            let worker = file.trim_end_matches(".toml").to_owned();
            let manifest = text(name, bytes, MANIFEST_BYTES_MAX)?;
            source.manifests.retain(|(other, _)| *other != worker);
            // In front: a program that two manifests name belongs to the customer's.
            source.manifests.insert(0, (worker, manifest));
        }
        (Some(("tests", _)), Some((_, "table"))) => {
            directory.tests.push((name.to_owned(), text(name, bytes, MANIFEST_BYTES_MAX)?));
        }
        _ => {
            let fault = PolicyFault::of_file(name, "directory.unknown_file", "this file has no meaning here");
            return Err(fault.suggest(
                "expected *.cedar, schema.cedarschema, thresholds.toml, limits.toml, workers/*.toml, tests/*.table, *.md",
            ));
        }
    }
    Ok(())
}

fn text(name: &str, bytes: Vec<u8>, bytes_max: usize) -> Result<String, PolicyFault> {
    if bytes.len() > bytes_max {
        let message = format!("file has {} bytes, more than {bytes_max}", bytes.len());
        return Err(PolicyFault::of_file(name, "directory.limit", message));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        PolicyFault::at(name, &text, valid, "directory.encoding", "file is not UTF-8".to_owned())
    })
}
