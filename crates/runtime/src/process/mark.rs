//! The mark of a session: a device that everything in one is kept from reading, in an agent's one from writing too, and
//! that anybody else can read.
//!
//! What a process may be told by its environment it can change, and its parents can die. The Landlock domain of a session
//! stays with every descendant, and nothing takes it off. So whoever is in one is known by what the kernel refuses it.
//!
//! The device is the system's, not a file of ours: in a domain nothing can be mounted over it or linked in its place,
//! and what is made in its place is not readable either. What is not to be seen here counts as hidden, so that a root
//! directory of one's own without the device gains nothing.

use std::fs::File;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Refuses what is written, and gives zeros to whoever reads: nothing needs it.
pub(crate) const MARK: &str = "/dev/full";
/// Its numbers in every Linux.
const NUMBERS: (u32, u32) = (1, 7);

/// What the mark says of this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Marked {
    /// It is in no session.
    Without,
    /// It is in a session.
    Within {
        /// Which is an agent's.
        agent: bool,
    },
    /// The device is not there, or is another one.
    Unknown,
}

/// Looks whether this process is in a session.
pub(crate) fn look() -> Marked {
    look_at(Path::new(MARK))
}

fn look_at(path: &Path) -> Marked {
    match opens(path, OFlags::RDONLY) {
        Ok(true) => Marked::Without,
        Ok(false) => match opens(path, OFlags::WRONLY) {
            Ok(opens) => Marked::Within { agent: !opens },
            Err(Strange) => Marked::Unknown,
        },
        Err(Strange) => Marked::Unknown,
    }
}

/// Neither the device nor a refusal.
struct Strange;

fn opens(path: &Path, how: OFlags) -> Result<bool, Strange> {
    let flags = how | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(device) => is_device(&File::from(device)).then_some(true).ok_or(Strange),
        Err(Errno::ACCESS) => Ok(false),
        _ => Err(Strange),
    }
}

fn is_device(file: &File) -> bool {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
    file.metadata().is_ok_and(|found| {
        let numbers = (rustix::fs::major(found.rdev()), rustix::fs::minor(found.rdev()));
        found.file_type().is_char_device() && numbers == NUMBERS
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_device_itself_says_that_one_is_outside() {
        assert_eq!(look(), Marked::Without);
        let place = tempfile::tempdir().unwrap();
        let other = place.path().join("full");
        assert_eq!(look_at(&other), Marked::Unknown);
        std::fs::write(&other, "").unwrap();
        assert_eq!(look_at(&other), Marked::Unknown);
        let link = place.path().join("link");
        std::os::unix::fs::symlink(MARK, &link).unwrap();
        assert_eq!(look_at(&link), Marked::Unknown);
        assert_eq!(look_at(Path::new("/dev/zero")), Marked::Unknown);
    }
}
