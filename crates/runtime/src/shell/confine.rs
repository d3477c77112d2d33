//! Takes from this process, and from everything that it will start, the right to execute and to read the originals, and
//! to signal what is outside; and marks them.

use std::fs;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, Scope,
};

use super::cover::cover;
use super::{SELF_EXE, ShellError};
use crate::process::mark::{self, Marked};
use crate::shim::ShimDir;

/// Longest path of a loader, as the kernel has it.
const LOADER_BYTES_MAX: u64 = 4096;

/// Confines this process, which has one thread.
///
/// # Errors
/// See [`ShellError`]. Whoever gets one ends.
pub(super) fn enter(
    shims: &ShimDir,
    shell: &Path,
    allowed: &[PathBuf],
    agent: bool,
) -> Result<(), ShellError> {
    if mark::look() != Marked::Without {
        return Err(ShellError::Mark);
    }
    let mut but = originals(shims);
    but.push(mark::MARK.into());
    let mut executable = Vec::new();
    for program in [Path::new(SELF_EXE), shell].into_iter().chain(allowed.iter().map(PathBuf::as_path)) {
        let failed = |error| ShellError::Program { path: program.to_owned(), error };
        let program = fs::canonicalize(program).map_err(failed)?;
        if program.is_file() {
            executable.extend(loader(&program).map_err(failed)?);
        }
        executable.extend(cover(&program, &but)?);
    }
    let readable = cover(Path::new("/"), &but)?;
    // Everything can be written but for the mark, and that by a person's session too.
    let writable = if agent { cover(Path::new("/"), &[mark::MARK.into()])? } else { vec!["/".into()] };
    let executes = AccessFs::Execute | AccessFs::ReadFile;
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(executes | AccessFs::WriteFile)?
        // Where the kernel has none of it, the mark alone holds.
        .set_compatibility(CompatLevel::BestEffort)
        .scope(Scope::from_all(ABI::V6))?
        .set_compatibility(CompatLevel::HardRequirement)
        .create()?;
    let readable = readable.iter().map(|path| (path, AccessFs::ReadFile.into()));
    let writable = writable.iter().map(|path| (path, AccessFs::WriteFile.into()));
    let executable = executable.iter().map(|path| (path, executes));
    for (path, access) in readable.chain(writable).chain(executable) {
        // What has gone meanwhile needs no rule.
        let Ok(file) = PathFd::new(path) else { continue };
        ruleset = ruleset.add_rule(PathBeneath::new(file, access))?;
    }
    ruleset.restrict_self()?;
    if mark::look() == (Marked::Within { agent }) { Ok(()) } else { Err(ShellError::Mark) }
}

/// Every file that one of the names means along `PATH`, and where such a program keeps parts of itself.
fn originals(shims: &ShimDir) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> = std::env::split_paths(&path).filter(|dir| dir != shims.path()).collect();
    let mut originals = Vec::new();
    for shim in shims.list().unwrap_or_default() {
        for dir in &dirs {
            let Ok(file) = fs::canonicalize(dir.join(&shim.name)) else { continue };
            if crate::shim::leads_back(&dir.join(&shim.name)) {
                continue;
            }
            let prefix = dir.parent().unwrap_or(dir);
            let mut own = shim.name.clone();
            own.push("-core");
            // git-core holds git once more, or the same file under a hundred names.
            let parts = ["lib", "libexec"].map(|place| prefix.join(place).join(&own));
            originals.extend(parts.iter().filter_map(|part| fs::canonicalize(part).ok()));
            originals.push(file);
        }
    }
    originals.sort();
    originals.dedup();
    originals
}

/// The program that the kernel executes with this one: the loader that an ELF file names. None for what names none.
fn loader(program: &Path) -> io::Result<Option<PathBuf>> {
    const HEADER_BYTES: usize = 64;
    const ENTRY_BYTES: usize = 56;
    const PT_INTERP: u32 = 3;
    let mut file = fs::File::open(program)?;
    let mut header = [0; HEADER_BYTES];
    if file.read_exact(&mut header).is_err() || !header.starts_with(b"\x7fELF\x02\x01") {
        return Ok(None);
    }
    let count = u16::from_le_bytes(bytes(&header, 56)?);
    file.seek(io::SeekFrom::Start(u64::from_le_bytes(bytes(&header, 32)?)))?;
    for _ in 0..count {
        let mut entry = [0; ENTRY_BYTES];
        file.read_exact(&mut entry)?;
        if u32::from_le_bytes(bytes(&entry, 0)?) != PT_INTERP {
            continue;
        }
        let (at, length) = (u64::from_le_bytes(bytes(&entry, 8)?), u64::from_le_bytes(bytes(&entry, 32)?));
        file.seek(io::SeekFrom::Start(at))?;
        let mut name = Vec::new();
        file.take(length.min(LOADER_BYTES_MAX)).read_to_end(&mut name)?;
        name.retain(|byte| *byte != 0);
        return fs::canonicalize(std::ffi::OsString::from_vec(name)).map(Some);
    }
    Ok(None)
}

fn bytes<const N: usize>(from: &[u8], at: usize) -> io::Result<[u8; N]> {
    let found = from.get(at..at + N).and_then(|slice| slice.try_into().ok());
    found.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loaders_of_programs() {
        let shell = fs::canonicalize("/bin/sh").unwrap();
        let found = loader(&shell).unwrap().unwrap();
        assert!(found.to_str().unwrap().contains("ld"), "{found:?}");
        assert_eq!(loader(Path::new("/etc/passwd")).unwrap(), None);
        assert_eq!(loader(&found).unwrap(), None);
    }
}
