//! What a disk, a file system or SQLite can do to a ledger, and what a person can do about it.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Trouble below the ledger. Nothing here says anything about the evidence itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No space left, or a quota was reached.
    #[error("no space left for `{place}`")]
    Full {
        /// What could not grow.
        place: String,
    },
    /// The file system or the file refuses writes.
    #[error("`{place}` is read-only")]
    ReadOnly {
        /// What could not be written.
        place: String,
    },
    /// The user may not look at or change it.
    #[error("permission denied for `{place}`")]
    Denied {
        /// What could not be opened.
        place: String,
    },
    /// Another process held the write lock longer than [`crate::store::BUSY_WAIT_MAX`].
    #[error("`{place}` stayed locked by another process")]
    Busy {
        /// Which database.
        place: String,
    },
    /// The file is not what it should be.
    #[error("`{place}` is damaged: {detail}")]
    Damaged {
        /// Which file.
        place: String,
        /// What was seen.
        detail: String,
    },
    /// A write-ahead log is left on a file system that cannot be written.
    #[error("`{place}` has a write-ahead log that cannot be read from a read-only place")]
    WalUnreadable {
        /// Which database.
        place: String,
    },
    /// A witness has seen more of this chain than there is here: it was rolled back.
    #[error("this chain was stopped: {why}")]
    Stopped {
        /// What was seen, and where.
        why: String,
    },
    /// The file was removed, moved or replaced while it was open.
    #[error("`{place}` is not there any more, or is another file now")]
    Gone {
        /// Which database.
        place: String,
    },
    /// The system gave no random bytes.
    #[error("no random bytes from the system")]
    Random,
    /// Any other answer of the system.
    #[error("couldn't use `{place}`: {detail}")]
    Io {
        /// Which file.
        place: String,
        /// The system's words.
        detail: String,
    },
}

impl Fault {
    /// What a person can do, where there is something to do.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Full { .. } => {
                Some("free some space, then run the command again; nothing was half written")
            }
            Self::ReadOnly { .. } => {
                Some("mount it writable or give another home; verify, log and export work read-only")
            }
            Self::Denied { .. } => Some("run as the user who owns the home"),
            Self::Busy { .. } => Some("another process is writing; try again"),
            Self::Damaged { .. } => Some("run `cascade fsck` to see what is damaged"),
            Self::WalUnreadable { .. } => {
                Some("copy the whole home to a writable place and look at it there")
            }
            Self::Stopped { .. } => Some(
                "put back the newest copy of the home, then run `cascade anchor` to ask the witnesses again",
            ),
            Self::Gone { .. } => Some("look whether the home was moved or restored, then start this again"),
            Self::Random | Self::Io { .. } => None,
        }
    }

    pub(crate) fn io(place: &Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let place = shown(place);
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { place },
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { place },
            ErrorKind::PermissionDenied => Self::Denied { place },
            _ => Self::Io { place, detail: error.to_string() },
        }
    }

    pub(crate) fn sql(place: &Path, error: &rusqlite::Error) -> Self {
        let place = shown(place);
        // A file system without room for the shared index says "disk I/O error" for it.
        if matches!(error, rusqlite::Error::SqliteFailure(cause, _) if cause.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
        {
            return Self::Full { place };
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { place },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { place },
            Some(ErrorCode::PermissionDenied) => Self::Denied { place },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { place },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { place, detail: error.to_string() }
            }
            _ => Self::Io { place, detail: error.to_string() },
        }
    }

    pub(crate) fn gone(place: &Path) -> Self {
        Self::Gone { place: shown(place) }
    }

    pub(crate) fn damaged(place: &Path, detail: &str) -> Self {
        Self::Damaged { place: shown(place), detail: detail.to_owned() }
    }
}

fn shown(place: &Path) -> String {
    place.display().to_string()
}

/// Adds to a result of the system which file it was about.
pub(crate) trait At<T> {
    fn at(self, place: &Path) -> Result<T, Fault>;
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, place: &Path) -> Result<T, Fault> {
        self.map_err(|error| Fault::io(place, &error))
    }
}

impl<T> At<T> for rusqlite::Result<T> {
    fn at(self, place: &Path) -> Result<T, Fault> {
        self.map_err(|error| Fault::sql(place, &error))
    }
}

impl<T> At<T> for rustix::io::Result<T> {
    fn at(self, place: &Path) -> Result<T, Fault> {
        self.map_err(|error| Fault::io(place, &error.into()))
    }
}

/// Why a home or a tenant could not be opened or created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Disk, file system or SQLite.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// There is no home at that place.
    #[error("no home at `{}`", .0.display())]
    NoHome(PathBuf),
    /// The home has no such tenant.
    #[error("no tenant `{0}` in this home")]
    NoTenant(String),
    /// Creation found the tenant already there; open it instead.
    #[error("tenant `{0}` exists already")]
    TenantExists(String),
    /// A later version wrote this home.
    #[error("home was written by a newer version ({found}; this program knows {known})")]
    Newer {
        /// What VERSION says.
        found: u64,
        /// The largest version this program reads.
        known: u64,
    },
    /// An earlier version wrote this home, with other tables.
    #[error("home was written by an older version ({found}; this program knows {known})")]
    Older {
        /// What VERSION says.
        found: u64,
        /// The version this program reads.
        known: u64,
    },
    /// The directory holds other things, or VERSION is not a number.
    #[error("`{}` is not a home", .0.display())]
    NotAHome(PathBuf),
    /// Not `[a-z0-9][a-z0-9-]{0,62}`.
    #[error("tenant ids are lower-case letters, digits and dashes, at most 63: `{0}`")]
    TenantId(String),
    /// The chain of the tenant has not ended, so it is not destroyed.
    #[error("tenant `{0}` was not deleted")]
    NotDeleted(String),
    /// The keys are encrypted and no passphrase was given.
    #[error("the keys of this tenant need a passphrase")]
    PassphraseNeeded,
    /// The passphrase does not open the keys.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// Group or others can read a private key.
    #[error("`{}` can be read by others (mode {mode:o})", .path.display())]
    KeyExposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A key file is missing, unreadable as PKCS#8, or not the key that genesis names.
    #[error("`{}` is not the key that genesis names", .0.display())]
    KeyMismatch(PathBuf),
    /// The key may not sign receipts of this chain: it is unknown, retired or revoked.
    #[error("key {0} may not sign receipts")]
    KeyInactive(String),
    /// A PKCS#11 token did not do what it was asked for.
    #[error("token `{token}`: {detail}")]
    Token {
        /// Its label.
        token: String,
        /// The module's words.
        detail: String,
    },
    /// The place for the recovery key lies inside the home.
    #[error("the recovery files must not lie inside the home: `{}`", .0.display())]
    RecoveryInside(PathBuf),
    /// A recovery file is already there and is never overwritten.
    #[error("`{}` exists and is not overwritten", .0.display())]
    RecoveryExists(PathBuf),
    /// The snapshot of the policy that genesis names was not given.
    #[error("the policy snapshot that genesis names is missing")]
    SnapshotMissing,
    /// Genesis would be longer than a line may be.
    #[error("genesis is longer than one line may be")]
    GenesisTooLong,
    /// The writer of the open ledger stopped while it closed orphans.
    #[error("couldn't close actions left open: {0}")]
    Orphans(#[from] crate::draft::AppendError),
}

impl OpenError {
    /// What a person can do, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::KeyInactive(_) => Some("`cascade key list` shows which keys may sign"),
            Self::Token { .. } => Some("look whether the token is there and its module is the right one"),
            Self::Fault(fault) => fault.hint(),
            Self::NoHome(_) | Self::NoTenant(_) => Some("run `cascade init`"),
            Self::Newer { .. } => Some("use the version of Cascade that wrote this home, or a later one"),
            Self::Older { .. } => Some(
                "`export` it with the version that wrote it, which anybody can verify, and found a new home",
            ),
            Self::NotAHome(_) => Some("choose an empty or new directory with --home"),
            Self::PassphraseNeeded => Some("give it at the prompt or in a file with --passphrase-file"),
            Self::KeyExposed { .. } => Some("find out who could read it, then run chmod 600 on it"),
            Self::KeyMismatch(_) => Some("put back the keys directory that belongs to this chain"),
            Self::RecoveryInside(_) => Some("choose a place outside the home with --recovery-out"),
            Self::RecoveryExists(_) => {
                Some("move the files of the other chain away or choose another --recovery-out")
            }
            Self::Orphans(error) => error.hint(),
            Self::TenantExists(_)
            | Self::NotDeleted(_)
            | Self::TenantId(_)
            | Self::WrongPassphrase
            | Self::SnapshotMissing
            | Self::GenesisTooLong => None,
        }
    }
}
