//! Shims: names in a directory that stands first on `PATH`, each a link to this program, which then governs the
//! program that the name would have meant without that directory.
//!
//! A link is a shim by where it lies: in a directory with the file [`MARK`]. By which path the kernel was asked to
//! execute it is not the caller's to change as the first word of the arguments is.
//!
//! What a shim cannot do is in docs/shims.md: nobody has to go through it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// The file that makes a directory one of shims.
pub const MARK: &str = ".cascade-shims";
/// Governed runs that may lie one beneath the other until a shim starts none any more: a program that looks for the
/// next one of its own name along `PATH` finds the shim, and would be started by it for ever.
pub const RUNS_ABOVE_MAX: usize = 16;
/// Longest name of a shim, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// Names that no shim takes: whoever types one of these wants to work, and every line of work would be one governed
/// action that nobody could decide; and this program itself.
const REFUSED: &[&str] = &[
    "cascade",
    "cascade-verify",
    "sh",
    "ash",
    "bash",
    "busybox",
    "csh",
    "dash",
    "elvish",
    "fish",
    "ksh",
    "ksh93",
    "mksh",
    "nu",
    "pwsh",
    "rbash",
    "tcsh",
    "xonsh",
    "yash",
    "zsh",
];

/// Why a shim was not made, or not removed.
#[derive(Debug, thiserror::Error)]
pub enum ShimError {
    /// A shell, or this program.
    #[error("`{0}` can't be a shim: shells are what shims are called from, and `cascade` is what they call")]
    Refused(String),
    /// Not the plain name of a program.
    #[error("`{0}` is not the name of a program")]
    Name(String),
    /// The directory holds other things.
    #[error("`{}` has files in it and is not a directory of shims", .0.display())]
    NotOurs(PathBuf),
    /// Something else lies under this name.
    #[error("`{}` is not a shim, and was left as it is", .0.display())]
    Taken(PathBuf),
    /// There is no such shim.
    #[error("there is no shim `{name}` in `{}`", .dir.display())]
    NotThere {
        /// The name.
        name: String,
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// The system.
    #[error("couldn't use `{}`: {error}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Its words.
        error: io::Error,
    },
}

/// A directory of shims, whether it is there or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShimDir(PathBuf);

/// One shim of a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shim {
    /// The name that is governed.
    pub name: OsString,
    /// The file that the link leads to, when that is there and is this program.
    pub sound: bool,
    /// What the name means without shims, along this process's `PATH`.
    pub original: Option<PathBuf>,
}

impl ShimDir {
    /// The directory at an absolute path.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether it is there, as a directory of shims.
    #[must_use]
    pub fn is_there(&self) -> bool {
        is_marked(&self.0)
    }

    /// Whether all of these may be shims.
    ///
    /// # Errors
    /// [`ShimError::Refused`] and [`ShimError::Name`] of the first that may not.
    pub fn check(names: &[OsString]) -> Result<(), ShimError> {
        names.iter().try_for_each(|name| may_be_shim(name))
    }

    /// Makes the directory (0700) if it is not there, and its mark.
    ///
    /// # Errors
    /// [`ShimError::NotOurs`] when it holds anything that was there before; the system's.
    pub fn create(&self) -> Result<(), ShimError> {
        let failed = |error| ShimError::Io { path: self.0.clone(), error };
        if self.is_there() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(failed)?;
        if fs::read_dir(&self.0).map_err(failed)?.next().is_some() {
            return Err(ShimError::NotOurs(self.0.clone()));
        }
        fs::write(self.0.join(MARK), "Links here are made by `cascade shim install`.\n").map_err(failed)
    }

    /// Makes the shim of a name; false when it is there already. One of an older place of this program is replaced.
    ///
    /// # Errors
    /// See [`ShimError`].
    pub fn install(&self, name: &OsStr) -> Result<bool, ShimError> {
        may_be_shim(name)?;
        let path = self.0.join(name);
        let failed = |error| ShimError::Io { path: path.clone(), error };
        let own = std::env::current_exe().map_err(failed)?;
        match fs::symlink_metadata(&path) {
            Ok(_) if !is_shim(&path) => return Err(ShimError::Taken(path)),
            Ok(_) if fs::read_link(&path).is_ok_and(|target| target == own) => return Ok(false),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        // By a rename, so that nobody who types the name meanwhile finds nothing there.
        let mut fresh = OsString::from(".new-");
        fresh.push(name);
        let fresh = self.0.join(fresh);
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        std::os::unix::fs::symlink(&own, &fresh).map_err(failed)?;
        fs::rename(&fresh, &path).map_err(failed)?;
        Ok(true)
    }

    /// Removes the shim of a name, and nothing else.
    ///
    /// # Errors
    /// See [`ShimError`].
    pub fn remove(&self, name: &OsStr) -> Result<(), ShimError> {
        let not_there =
            || ShimError::NotThere { name: name.to_string_lossy().into_owned(), dir: self.0.clone() };
        plain(name)?;
        let path = self.0.join(name);
        if !self.is_there() || fs::symlink_metadata(&path).is_err() {
            return Err(not_there());
        }
        if !is_shim(&path) {
            return Err(ShimError::Taken(path));
        }
        fs::remove_file(&path).map_err(|error| ShimError::Io { path: path.clone(), error })
    }

    /// The shims, by name; none where the directory is not there.
    ///
    /// # Errors
    /// The system's.
    pub fn list(&self) -> Result<Vec<Shim>, ShimError> {
        if !self.is_there() {
            return Ok(Vec::new());
        }
        let failed = |error| ShimError::Io { path: self.0.clone(), error };
        let mut shims = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if is_shim(&entry.path()) && may_be_shim(&entry.file_name()).is_ok() {
                let name = entry.file_name();
                let (sound, original) = (is_this_program(&entry.path()), original(&name));
                shims.push(Shim { name, sound, original });
            }
        }
        shims.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(shims)
    }

    /// Whether it stands on `PATH` before every directory that has one of its names.
    #[must_use]
    pub fn is_first(&self) -> bool {
        let Some(path) = std::env::var_os("PATH") else { return false };
        let same = |dir: &Path| fs::canonicalize(dir).ok() == fs::canonicalize(&self.0).ok();
        let names: Vec<OsString> =
            self.list().unwrap_or_default().into_iter().map(|shim| shim.name).collect();
        let has_one = |dir: &Path| names.iter().any(|name| dir.join(name).is_file());
        let mut dirs = std::env::split_paths(&path);
        dirs.find(|dir| same(dir) || has_one(dir)).is_some_and(|dir| same(&dir))
    }
}

/// The name that this process was started by, when that is a shim.
#[must_use]
pub fn called() -> Option<OsString> {
    let path = PathBuf::from(OsString::from_vec(rustix::param::linux_execfn().to_bytes().to_vec()));
    let name = path.file_name()?;
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    (is_marked(dir) && may_be_shim(name).is_ok()).then(|| name.to_owned())
}

/// Whether a path that was found along `PATH` leads back here and not to a program of its own: it is a shim, or this
/// program, copies included, under the very name that it was called by.
#[must_use]
pub fn leads_back(path: &Path) -> bool {
    let under_mark = path.parent().is_some_and(is_marked) && is_shim(path);
    under_mark || (called().as_deref() == path.file_name() && is_this_program(path))
}

/// What a name means along this process's `PATH` without shims.
fn original(name: &OsStr) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let executable =
        |path: &PathBuf| path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|path| executable(path) && !leads_back(path) && !is_this_program(path))
}

fn is_marked(dir: &Path) -> bool {
    dir.join(MARK).is_file()
}

/// A link that leads to this program, or to a place where one lay.
fn is_shim(path: &Path) -> bool {
    let Ok(target) = fs::read_link(path) else { return false };
    target.file_name() == Some(OsStr::new("cascade")) || is_this_program(path)
}

/// The same file as the one that runs, or one with the same bytes.
fn is_this_program(path: &Path) -> bool {
    const OWN: &str = "/proc/self/exe";
    let (Ok(own), Ok(other)) = (fs::metadata(OWN), fs::metadata(path)) else { return false };
    if (own.dev(), own.ino()) == (other.dev(), other.ino()) {
        return true;
    }
    let hash = |path: &Path| Some(crate::facts::hash_reader(fs::File::open(path).ok()?).ok()?.0);
    // Files of one length are rare enough that reading both costs nobody anything.
    own.len() == other.len() && hash(Path::new(OWN)) == hash(path)
}

fn may_be_shim(name: &OsStr) -> Result<(), ShimError> {
    plain(name)?;
    if name.to_str().is_some_and(|name| REFUSED.contains(&name)) {
        return Err(ShimError::Refused(name.to_string_lossy().into_owned()));
    }
    Ok(())
}

/// One component of a path that is neither hidden nor an option.
fn plain(name: &OsStr) -> Result<(), ShimError> {
    let bytes = name.as_bytes();
    let fits = !bytes.is_empty() && bytes.len() <= NAME_BYTES_MAX;
    if fits
        && !bytes.starts_with(b".")
        && !bytes.starts_with(b"-")
        && !bytes.iter().any(|byte| b"/\0\n".contains(byte))
    {
        return Ok(());
    }
    Err(ShimError::Name(name.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_shims() {
        let longest = "n".repeat(NAME_BYTES_MAX);
        for good in ["git", "kubectl", "7z", "g++", longest.as_str()] {
            assert!(may_be_shim(OsStr::new(good)).is_ok(), "{good}");
        }
        let longer = format!("{longest}n");
        for bad in ["", ".", "..", ".git", "-v", "a/b", "/bin/git", "a\nb", longer.as_str()] {
            assert!(matches!(may_be_shim(OsStr::new(bad)), Err(ShimError::Name(_))), "{bad}");
        }
        for refused in ["sh", "zsh", "cascade"] {
            assert!(matches!(may_be_shim(OsStr::new(refused)), Err(ShimError::Refused(_))), "{refused}");
        }
    }

    #[test]
    fn a_directory_with_other_things_is_not_taken() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("mine"), "").unwrap();
        let dir = ShimDir::at(place.path().to_owned());
        assert!(matches!(dir.create(), Err(ShimError::NotOurs(_))));
        let dir = ShimDir::at(place.path().join("shims"));
        dir.create().unwrap();
        dir.create().unwrap();
        assert!(dir.install(OsStr::new("git")).unwrap());
        assert!(!dir.install(OsStr::new("git")).unwrap());
        fs::write(dir.path().join("make"), "mine").unwrap();
        assert!(matches!(dir.install(OsStr::new("make")), Err(ShimError::Taken(_))));
        assert!(matches!(dir.remove(OsStr::new("make")), Err(ShimError::Taken(_))));
        assert!(matches!(dir.remove(OsStr::new("kubectl")), Err(ShimError::NotThere { .. })));
        assert_eq!(dir.list().unwrap().len(), 1);
        dir.remove(OsStr::new("git")).unwrap();
        assert_eq!(dir.list().unwrap(), []);
    }
}
