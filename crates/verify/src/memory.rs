//! The memory of a verifier: the longest history that it found valid, per chain (format section 12).
//!
//! With it a rollback or a second history shows even where nobody witnesses. One small file per
//! chain, outside any ledger, so that restoring a backup of a ledger does not restore the memory.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use cascade_receipt::digest::{self, Digest};
use cascade_receipt::json::{self, Value, Writer};
use cascade_receipt::verify::{Identity, Remembered};

use crate::inputs::regular_file;

/// Longest file of the memory. A name has at most 255 bytes, so one takes a few hundred.
const FILE_BYTES_MAX: usize = 4096;

/// What is known of a chain.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Known {
    /// The longest history of it.
    pub own: Option<Remembered>,
    /// Whether a chain of the same name with another genesis key is remembered.
    pub other_genesis: bool,
}

/// A directory with one file per chain.
#[derive(Debug)]
pub struct Memory {
    dir: PathBuf,
}

impl Memory {
    /// The memory in `dir`, which need not exist yet.
    #[must_use]
    pub const fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// What is remembered of a chain, and of others of its name.
    ///
    /// # Errors
    /// A memory that cannot be read or is damaged: verification must not go on as if nothing were known.
    pub fn recall(&self, identity: &Identity) -> anyhow::Result<Known> {
        let mut known = Known::default();
        for path in self.files()? {
            let Entry { chain, remembered } = read(&path)?;
            if path != self.file(&chain) {
                bail!(damaged(&path));
            }
            if chain == *identity {
                known.own = Some(remembered);
            } else {
                known.other_genesis |= chain.log_origin == identity.log_origin;
            }
        }
        Ok(known)
    }

    /// One file for each chain. What another verification is writing just now ends otherwise.
    fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let reading = || {
            let dir = self.dir.display();
            format!(
                "couldn't read the memory `{dir}`: look why, name another with --memory or use --no-memory"
            )
        };
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(reading),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.with_context(reading)?.path();
            if path.extension().is_some_and(|end| end == "json") {
                files.push(path);
            }
        }
        Ok(files)
    }

    /// Remembers a history that continues `before`, which is what [`Memory::recall`] gave. A longer
    /// one is never replaced by a shorter one.
    ///
    /// # Errors
    /// It could not be made durable, or somebody else remembered another history meanwhile.
    pub fn remember(&self, identity: &Identity, before: Known, now: Remembered) -> anyhow::Result<()> {
        if before.own.is_some_and(|own| own.size >= now.size) {
            return Ok(());
        }
        fs::create_dir_all(&self.dir)
            .with_context(|| format!("couldn't create the memory `{}`", self.dir.display()))?;
        let lock = create(&self.dir.join("lock")).context("couldn't open the memory's lock")?;
        lock.lock().context("couldn't lock the memory")?;
        if self.recall(identity)? != before {
            bail!("another verification of this chain finished meanwhile: run this one again");
        }
        let path = self.file(identity);
        replace(&path, write(identity, now).as_bytes())
            .with_context(|| format!("couldn't write the memory `{}`", path.display()))
    }

    fn file(&self, identity: &Identity) -> PathBuf {
        let key = digest::to_hex(&identity.genesis_key);
        let name = Digest::of(format!("{}\n{key}", identity.log_origin).as_bytes());
        self.dir.join(format!("{name}.json"))
    }
}

fn write(identity: &Identity, now: Remembered) -> String {
    let mut text = String::new();
    Writer::new(&mut text).object(|out| {
        out.key("genesis_key").hex(&identity.genesis_key);
        out.key("log_origin").str(&identity.log_origin);
        out.key("root").hex(&now.root.0);
        out.key("size").int(now.size);
    });
    text
}

/// One file.
struct Entry {
    chain: Identity,
    remembered: Remembered,
}

fn read(path: &Path) -> anyhow::Result<Entry> {
    // One byte more than allowed is read and then refused, so that what was cut here cannot count.
    let bytes = regular_file(path, FILE_BYTES_MAX + 1)
        .with_context(|| format!("couldn't read the memory `{}`: {HINT}", path.display()))?;
    let entry = if bytes.len() > FILE_BYTES_MAX { None } else { parse(&bytes) };
    entry.with_context(|| damaged(path))
}

const HINT: &str = "look why, then remove it or use --no-memory";

fn damaged(path: &Path) -> String {
    format!("the memory `{}` is damaged: {HINT}", path.display())
}

fn parse(bytes: &[u8]) -> Option<Entry> {
    let value = json::parse_canonical(bytes).ok()?;
    let text = |key| value.member(key).and_then(Value::as_str);
    let size = value.member("size").and_then(Value::as_int).and_then(|size| u64::try_from(size).ok());
    Some(Entry {
        chain: Identity {
            log_origin: text("log_origin")?.to_owned(),
            genesis_key: digest::from_hex(text("genesis_key")?)?,
        },
        remembered: Remembered {
            size: size.filter(|size| *size > 0)?,
            root: Digest::from_hex(text("root")?)?,
        },
    })
}

/// Creates or empties a file; opening a pipe to write could wait without end.
fn create(path: &Path) -> std::io::Result<File> {
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(std::io::Error::other("it is no regular file"));
    }
    File::create(path)
}

/// Replaces a file so that after a crash it is the old one or the new one.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
