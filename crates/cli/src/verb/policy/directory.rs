//! A policy directory on the disk.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;
use cascade_ledger::{Person, Reader};
use cascade_policy::snapshot::{Directory, FILES_MAX, PolicyFault, Snapshot, read_directory};
use cascade_runtime::packs;

use crate::args::Global;
use crate::exit::Failure;
use crate::place;

/// Largest file of a policy directory.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Most bytes of a policy directory in all.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The directory and what it compiles to, or its faults.
pub(super) type Compiled = Result<(Directory, Snapshot), Vec<PolicyFault>>;

/// The files of a directory by relative name, two levels deep.
pub(in crate::verb) fn files(dir: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut found = Found { files: Vec::new(), bytes: 0 };
    found.collect(dir, dir)?;
    Ok(found.files)
}

pub(super) fn compiled(dir: &Path) -> Result<Compiled, Failure> {
    Ok(read_directory(files(dir)?).and_then(|directory| {
        let snapshot = Snapshot::compile(&directory.source)?;
        Ok((directory, snapshot))
    }))
}

/// A directory as it would come into force.
pub(super) struct Looked {
    pub(super) directory: Directory,
    pub(super) snapshot: Snapshot,
    /// The groups of the chain that somebody is in, where there is a chain.
    pub(super) peopled: Option<BTreeSet<String>>,
}

/// The directory with the packs of the tenant's regimes, as activation would have it; without them where `chain` is
/// none.
pub(super) fn beside(
    dir: &Path,
    chain: Option<&Reader>,
) -> Result<Result<Looked, Vec<PolicyFault>>, Failure> {
    let (mut directory, mut snapshot) = match compiled(dir)? {
        Ok(compiled) => compiled,
        Err(faults) => return Ok(Err(faults)),
    };
    let Some(reader) = chain else { return Ok(Ok(Looked { directory, snapshot, peopled: None })) };
    directory.source.packs = packs::declared(reader, None)?;
    if !directory.source.packs.is_empty() {
        snapshot = match Snapshot::compile(&directory.source) {
            Ok(snapshot) => snapshot,
            Err(faults) => return Ok(Err(faults)),
        };
    }
    let people = reader.people()?.into_iter().filter(Person::is_registered);
    let peopled = Some(people.flat_map(|person| person.groups).collect());
    Ok(Ok(Looked { directory, snapshot, peopled }))
}

/// The chain that a directory is looked at beside, unless it is to be looked at alone or there is none.
pub(super) fn chain(global: &Global, alone: bool) -> Result<Option<Reader>, Failure> {
    if alone { Ok(None) } else { place::reader_if_there(global) }
}

struct Found {
    files: Vec<(String, Vec<u8>)>,
    bytes: u64,
}

impl Found {
    /// The files two levels deep, by relative name.
    fn collect(&mut self, root: &Path, dir: &Path) -> Result<(), Failure> {
        let entries = std::fs::read_dir(dir).with_context(|| format!("couldn't read `{}`", dir.display()))?;
        for entry in entries {
            let path = entry?.path();
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if hidden {
                continue;
            }
            if path.is_dir() {
                if dir == root {
                    self.collect(root, &path)?;
                }
                continue;
            }
            self.read(root, &path)?;
        }
        Ok(())
    }

    fn read(&mut self, root: &Path, path: &Path) -> Result<(), Failure> {
        let refused = |what: String| Failure::could_not(anyhow::anyhow!("`{}` {what}", path.display()));
        let meta = path.metadata().with_context(|| format!("couldn't read `{}`", path.display()))?;
        if !meta.is_file() {
            return Err(refused("is no regular file".to_owned()));
        }
        if meta.len() > FILE_BYTES_MAX {
            return Err(refused(format!("is longer than {FILE_BYTES_MAX} bytes")));
        }
        self.bytes += meta.len();
        if self.bytes > BYTES_MAX || self.files.len() > FILES_MAX {
            let hint = "give a directory that holds policies and nothing else";
            return Err(refused("is one file too many, or too long, for a policy".to_owned()).hint(hint));
        }
        let bytes = std::fs::read(path).with_context(|| format!("couldn't read `{}`", path.display()))?;
        let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
        self.files.push((name, bytes));
        Ok(())
    }
}
