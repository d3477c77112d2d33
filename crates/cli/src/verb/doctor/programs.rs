//! The programs that a name on `PATH` means: which are known, and which stand in the way of others.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use cascade_ledger::Reader;
use cascade_policy::snapshot::{Snapshot, SnapshotSource};
use cascade_runtime::{policy_store, shim};

use super::Finding;
use crate::args::Global;
use crate::exit::Failure;
use crate::verb::shell_check;

/// Shadowed names that are told one by one.
const SHADOWED_SHOWN_MAX: usize = 5;

pub(super) fn look(global: &Global, reader: Option<&Reader>) -> Result<Vec<Finding>, Failure> {
    let snapshot = match reader {
        // A policy that does not load is told already; what the shipped one knows is known then.
        Some(reader) => policy_store::in_force(reader).map(|(snapshot, _)| snapshot).ok(),
        None => Some(shell_check::snapshot(global)?.0),
    };
    let snapshot = snapshot.or_else(|| Snapshot::compile(&SnapshotSource::bundled()).ok());
    let dirs: Vec<PathBuf> =
        std::env::var_os("PATH").map_or_else(Vec::new, |path| std::env::split_paths(&path).collect());
    let mut findings = vec![places(&dirs)];
    if let Some(snapshot) = snapshot {
        findings.extend(known(&dirs, &snapshot));
    }
    Ok(findings)
}

/// Directories in which somebody else may put a program that a name then means.
fn places(dirs: &[PathBuf]) -> Finding {
    const CHECK: &str = "path.places";
    const NEXT: &str = "take it off PATH, or let nobody else write there";
    if let Some(dir) = dirs.iter().find(|dir| !dir.is_absolute()) {
        let seen = format!("PATH has `{}`, which is wherever one happens to be", dir.display());
        return Finding::wrong(CHECK, seen, "take it off PATH");
    }
    let others = |dir: &&PathBuf| std::fs::metadata(dir).is_ok_and(|found| found.mode() & 0o002 != 0);
    if let Some(dir) = dirs.iter().find(others) {
        let seen = format!("everybody may put programs into {}, which is on PATH", dir.display());
        return Finding::wrong(CHECK, seen, NEXT);
    }
    Finding::fine(CHECK, format!("{} directories on PATH, none that everybody may write", dirs.len()))
}

fn known(dirs: &[PathBuf], snapshot: &Snapshot) -> Vec<Finding> {
    const SHADOWED: &str = "path.shadowed";
    // The shim directory's own links are meant to stand in the way.
    let found = |name: &str| -> Vec<PathBuf> {
        let mut real = BTreeSet::new();
        let there =
            dirs.iter().map(|dir| dir.join(name)).filter(|path| is_program(path) && !shim::leads_back(path));
        there
            .filter(|path| real.insert(std::fs::canonicalize(path).unwrap_or_else(|_| path.clone())))
            .collect()
    };
    let programs: BTreeSet<&str> = snapshot.registry().programs().collect();
    let all: Vec<(&str, Vec<PathBuf>)> =
        programs.iter().map(|name| (*name, found(name))).filter(|(_, paths)| !paths.is_empty()).collect();
    let seen = format!("{} of {} programs that the policy knows are on PATH", all.len(), programs.len());
    let mut findings = vec![Finding::fine("path.known", seen)];
    let shadowed: Vec<_> = all.iter().filter(|(_, paths)| paths.len() > 1).collect();
    for (name, paths) in shadowed.iter().take(SHADOWED_SHOWN_MAX) {
        let [first, second, ..] = paths.as_slice() else { continue };
        let seen = format!("`{name}` means {}, not {}", first.display(), second.display());
        findings.push(Finding::advice(SHADOWED, seen, "remove the one that is not meant, or reorder PATH"));
    }
    if let Some(more) = shadowed.len().checked_sub(SHADOWED_SHOWN_MAX + 1) {
        let seen = format!("{} more names mean one of several programs", more + 1);
        findings.push(Finding::advice(SHADOWED, seen, "`type -a NAME` lists them"));
    }
    if shadowed.is_empty() {
        findings.push(Finding::fine(SHADOWED, "each known name means one program"));
    }
    findings
}

fn is_program(path: &Path) -> bool {
    path.file_name() != Some(OsStr::new(""))
        && path.is_file()
        && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::Standing;
    use super::*;

    #[test]
    fn places_on_path_that_others_may_write() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().to_owned();
        for (mode, standing) in [(0o755, Standing::Fine), (0o757, Standing::Wrong), (0o1777, Standing::Wrong)]
        {
            std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(places(std::slice::from_ref(&dir)).standing, standing, "{mode:o}");
        }
        assert_eq!(places(&[PathBuf::from("")]).standing, Standing::Wrong);
        assert_eq!(places(&[PathBuf::from("bin")]).standing, Standing::Wrong);
    }
}
