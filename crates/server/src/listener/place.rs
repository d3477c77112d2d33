//! A socket in the file system: nobody's but its owner's from the first moment, and taken away by whoever put it there.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// Directories beside a socket that are tried.
const PLACES_MAX: u32 = 1000;

/// Where a socket lies, and which file it is. As long as its listener lives no other file has that number.
pub(crate) struct Place {
    path: PathBuf,
    file: (u64, u64),
}

impl Place {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the socket away, unless another one lies there by now.
    pub(crate) fn clear(&self) {
        if file_at(&self.path).is_ok_and(|file| file == self.file) {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

fn file_at(path: &Path) -> io::Result<(u64, u64)> {
    let data = std::fs::symlink_metadata(path)?;
    Ok((data.dev(), data.ino()))
}

/// What a dead service left at the path is taken away; what a living one has is not, and neither is what cannot be asked.
pub(crate) fn bind(path: &Path) -> io::Result<(UnixListener, Place)> {
    match std::fs::symlink_metadata(path) {
        Ok(data) if !data.file_type().is_socket() || !is_dead(path) => {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        Ok(_) => std::fs::remove_file(path)?,
        Err(_) => {}
    }
    // Between being bound and being restricted a socket is open to whom the umask lets in: it comes into being where
    // nobody else gets.
    let own = place_of_its_own(path)?;
    let bound = bind_in(&own, path);
    drop(std::fs::remove_dir_all(&own));
    bound
}

/// A directory that nobody else gets into. One of somebody who was killed here stays, and is passed by.
fn place_of_its_own(path: &Path) -> io::Result<PathBuf> {
    for number in 0..PLACES_MAX {
        let own = path.with_file_name(format!(".socket-{number}"));
        match DirBuilder::new().mode(0o700).create(&own) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| own),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn bind_in(own: &Path, path: &Path) -> io::Result<(UnixListener, Place)> {
    let inside = own.join("s");
    // Names of sockets are short, and this one may be longer than the one that it gets: it is called by its directory's
    // number.
    let dir = File::open(own)?;
    let listener = UnixListener::bind(format!("/proc/self/fd/{}/s", dir.as_raw_fd()))?;
    std::fs::set_permissions(&inside, std::fs::Permissions::from_mode(0o600))?;
    let file = file_at(&inside)?;
    // Under a second name: unlike moving it, that fails where somebody else was faster.
    std::fs::hard_link(&inside, path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => io::ErrorKind::AddrInUse.into(),
        _ => error,
    })?;
    Ok((listener, Place { path: path.to_owned(), file }))
}

/// Nobody listens there. Who may not ask does not know.
fn is_dead(path: &Path) -> bool {
    UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_its_owners_and_only_its_own_is_cleared_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let (first, place) = bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(bind(&path).err().map(|error| error.kind()), Some(io::ErrorKind::AddrInUse));
        // Somebody takes it away, and another one is put there.
        std::fs::remove_file(&path).unwrap();
        let (second, _) = bind(&path).unwrap();
        place.clear();
        UnixStream::connect(&path).unwrap();
        drop((first, second));
        // Somebody was killed in the middle; a dead one is replaced; what is no socket stays.
        DirBuilder::new().create(dir.path().join(".socket-0")).unwrap();
        let (_third, own) = bind(&path).unwrap();
        UnixStream::connect(&path).unwrap();
        own.clear();
        assert!(!path.exists());
        std::fs::write(&path, "mine").unwrap();
        assert!(bind(&path).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
        // As long as a name can be.
        let long = dir.path().join("x".repeat(107 - dir.path().as_os_str().len() - 1));
        let (_fourth, _) = bind(&long).unwrap();
        UnixStream::connect(&long).unwrap();
    }
}
