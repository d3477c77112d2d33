//! The file that `--out` names.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::NamedTempFile;

use crate::exit::Failure;

/// Longest chain of symbolic links, as the kernel has it.
const LINKS_MAX: u32 = 40;
/// Mode of a new file that is for others; the umask takes from it.
pub(crate) const PUBLIC: u32 = 0o666;
/// Mode of a new file that is the owner's own.
pub(crate) const OWN: u32 = 0o600;

/// A regular file appears whole or not at all: a reader that sees half a chain would take it for a cut one. A device,
/// a FIFO or a terminal is written to as it is.
pub(crate) enum OutFile {
    Beside(NamedTempFile, PathBuf),
    Direct(File),
}

impl OutFile {
    /// `mode` is that of a new file; one that is there keeps its own.
    pub(crate) fn create(path: &Path, mode: u32) -> Result<Self, Failure> {
        let made = match std::fs::metadata(path) {
            Ok(there) if !there.is_file() => OpenOptions::new().write(true).open(path).map(Self::Direct),
            Ok(there) => std::fs::canonicalize(path).and_then(|real| Self::beside(real, mode, Some(&there))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                resolved(path).and_then(|real| Self::beside(real, mode, None))
            }
            Err(error) => Err(error),
        };
        Ok(made.with_context(|| format!("couldn't write `{}`", path.display()))?)
    }

    fn beside(path: PathBuf, mode: u32, there: Option<&Metadata>) -> io::Result<Self> {
        let dir = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        let file = builder.prefix(".cascade-").permissions(Permissions::from_mode(mode)).tempfile_in(dir)?;
        if let Some(there) = there {
            file.as_file().set_permissions(there.permissions())?;
        }
        Ok(Self::Beside(file, path))
    }

    pub(crate) fn file(&self) -> &File {
        match self {
            Self::Beside(file, _) => file.as_file(),
            Self::Direct(file) => file,
        }
    }

    /// Gives a new file its name. A crash before leaves what was there.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Self::Beside(file, path) => {
                file.as_file().sync_all()?;
                file.persist(path)?;
                Ok(())
            }
            Self::Direct(_) => Ok(()),
        }
    }
}

/// Writes all of `bytes`.
pub(crate) fn write(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), Failure> {
    let out = OutFile::create(path, mode)?;
    let written = out.file().write_all(bytes).and_then(|()| out.finish());
    Ok(written.with_context(|| format!("couldn't write `{}`", path.display()))?)
}

/// Where a new file belongs: behind a symbolic link to nothing it is the link's target.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match std::fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(rustix::io::Errno::LOOP.into())
}
