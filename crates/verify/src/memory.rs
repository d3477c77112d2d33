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

    /// What is remembered of a chain.
    ///
    /// # Errors
    /// A memory that cannot be read or is damaged: verification must not go on as if nothing were known.
    pub fn recall(&self, identity: &Identity) -> anyhow::Result<Option<Remembered>> {
        let path = self.file(identity);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| {
                    format!(
                        "couldn't read the memory `{}`: look why, name another with --memory or use --no-memory",
                        path.display()
                    )
                });
            }
        };
        let known = parse(&bytes, identity).with_context(|| {
            format!("the memory `{}` is damaged: look why, then remove it or use --no-memory", path.display())
        })?;
        Ok(Some(known))
    }

    /// Remembers a history that continues `before`, which is what [`Memory::recall`] gave. A longer
    /// one is never replaced by a shorter one.
    ///
    /// # Errors
    /// It could not be made durable, or somebody else remembered another history meanwhile.
    pub fn remember(
        &self,
        identity: &Identity,
        before: Option<Remembered>,
        now: Remembered,
    ) -> anyhow::Result<()> {
        if before.is_some_and(|before| before.size >= now.size) {
            return Ok(());
        }
        fs::create_dir_all(&self.dir)
            .with_context(|| format!("couldn't create the memory `{}`", self.dir.display()))?;
        let lock = File::create(self.dir.join("lock")).context("couldn't open the memory's lock")?;
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

fn parse(bytes: &[u8], identity: &Identity) -> Option<Remembered> {
    let value = json::parse_canonical(bytes).ok()?;
    let text = |key| value.member(key).and_then(Value::as_str);
    let same = text("log_origin") == Some(&identity.log_origin)
        && text("genesis_key") == Some(&digest::to_hex(&identity.genesis_key));
    let size = value.member("size").and_then(Value::as_int).and_then(|size| u64::try_from(size).ok());
    Some(Remembered { size: size.filter(|size| same && *size > 0)?, root: Digest::from_hex(text("root")?)? })
}

/// Replaces a file so that after a crash it is the old one or the new one.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
