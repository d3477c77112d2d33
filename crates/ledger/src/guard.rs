//! The sign-once guard (format section 4): the newest checkpoint that was signed, kept outside the
//! home, so that restoring a backup of the home does not restore it.
//!
//! A log that signs two histories destroys what its checkpoints are worth. So before a checkpoint is
//! signed, the tree of now must contain the tree that was signed last, by comparing roots.

use std::fs::File;
use std::path::{Path, PathBuf};

use cascade_receipt::digest::Digest;
use cascade_receipt::id::LogOrigin;
use cascade_receipt::json::{self, Value, Writer};

use crate::fault::{At as _, Fault};
use crate::files;

/// What was signed last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Guarded {
    pub(crate) size: u64,
    pub(crate) root: Digest,
}

/// The guard of one chain, locked: nobody else signs meanwhile.
#[derive(Debug)]
pub(crate) struct Guard {
    path: PathBuf,
    origin: String,
    _lock: File,
}

impl Guard {
    /// Takes the guard of a chain in a directory that lies outside every home.
    pub(crate) fn lock(dir: &Path, origin: &LogOrigin) -> Result<Self, Fault> {
        files::make_dirs(dir)?;
        let path = path(dir, origin);
        let lock = files::lock_file(&path.with_extension("lock"))?;
        lock.lock().at(dir)?;
        Ok(Self { path, origin: origin.as_str().to_owned(), _lock: lock })
    }

    /// What was signed last; `None` when there is no guard.
    pub(crate) fn read(&self) -> Result<Option<Guarded>, Fault> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::io(&self.path, &error)),
        };
        let guarded = self.parse(&bytes);
        guarded.map(Some).ok_or_else(|| Fault::damaged(&self.path, "not a guard of this chain"))
    }

    fn parse(&self, bytes: &[u8]) -> Option<Guarded> {
        let value = json::parse_canonical(bytes).ok()?;
        let text = |key| value.member(key).and_then(Value::as_str);
        if text("log_origin") != Some(&self.origin) {
            return None;
        }
        Some(Guarded { size: value.member("size")?.as_u64()?, root: Digest::from_hex(text("root")?)? })
    }

    /// Makes it durable that this is about to be signed.
    pub(crate) fn write(&self, guarded: Guarded) -> Result<(), Fault> {
        let mut text = String::new();
        Writer::new(&mut text).object(|out| {
            out.key("log_origin").str(&self.origin);
            out.key("root").hex(&guarded.root.0);
            out.key("size").int(guarded.size);
        });
        files::replace(&self.path, text.as_bytes())
    }
}

/// Where the guard of a chain lies, whether it is there or not.
pub(crate) fn path(dir: &Path, origin: &LogOrigin) -> PathBuf {
    dir.join(format!("{}.json", Digest::of(origin.as_str().as_bytes()).to_hex()))
}
