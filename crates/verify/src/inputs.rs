//! What a reader brings along, as flags that `cascade verify` and `cascade-verify` share.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use cascade_receipt::note::NOTE_BYTES_MAX;
use cascade_receipt::trust::{TRUST_BYTES_MAX, Trust};
use cascade_receipt::verify::Options;
use cascade_receipt::{digest, pem};
use cascade_timestamp::{Roots, TOKEN_BYTES_MAX};
use clap::Args;

use crate::memory::Memory;
use crate::timestamps::{TOKENS_MAX, TimeStamps};

/// A key file is tiny; reading stops here.
const KEY_FILE_BYTES_MAX: usize = 64 * 1024;

/// A file of root certificates; reading stops here.
const ROOTS_BYTES_MAX: usize = 1024 * 1024;

/// Keys, checkpoints, witnesses, time stamps and memory of a reader.
#[derive(Args, Clone, Default, Debug)]
pub struct Inputs {
    /// PEM of the public key that the chain must have been founded with
    #[arg(long, value_name = "F")]
    pub public_key: Option<PathBuf>,
    /// C2SP tlog-policy: the witnesses (and logs) you trust, and how many must have cosigned
    #[arg(long, value_name = "F")]
    pub trust: Option<PathBuf>,
    /// Checkpoint that the ledger must fit; may be given several times
    #[arg(long, value_name = "F")]
    pub checkpoint: Vec<PathBuf>,
    /// Time stamp token (RFC 3161) over a checkpoint that the ledger or --checkpoint has; may be given several times
    #[arg(long, value_name = "F", requires = "tsa_root")]
    pub tst: Vec<PathBuf>,
    /// PEM of the root certificates whose time stamping authorities you trust
    #[arg(long, value_name = "F", requires = "tst")]
    pub tsa_root: Option<PathBuf>,
    /// Where to remember the longest history seen of each chain [default: the platform state directory]
    #[arg(long, value_name = "DIR", conflicts_with = "no_memory")]
    pub memory: Option<PathBuf>,
    /// Neither compare with what was remembered, nor remember
    #[arg(long)]
    pub no_memory: bool,
    /// File with the HMAC master (64 hex digits), to check the internal tags too
    #[arg(long, value_name = "F")]
    pub hmac_key: Option<PathBuf>,
}

impl Inputs {
    /// Reads the files.
    ///
    /// # Errors
    /// A file that cannot be read, or is not what its flag asks for; the message names it and says
    /// what would do.
    pub fn options(&self) -> anyhow::Result<Options> {
        Ok(Options {
            pinned: self.public_key.as_deref().map(public_key).transpose()?,
            checkpoints: self
                .checkpoint
                .iter()
                // One byte more than allowed is read and then refused, so that a note cut here cannot count.
                .map(|path| small_file(path, NOTE_BYTES_MAX + 1))
                .collect::<anyhow::Result<_>>()?,
            stamps: Vec::new(),
            trust: self.trust.as_deref().map(trust).transpose()?,
            memory: None,
            other_genesis: false,
            hmac_master: self.hmac_key.as_deref().map(hmac_master).transpose()?,
        })
    }

    /// Reads the time stamp tokens and the roots for them.
    ///
    /// # Errors
    /// As [`Inputs::options`]. What is wrong with a token itself belongs into the verdict.
    pub fn timestamps(&self) -> anyhow::Result<TimeStamps> {
        let Some(path) = self.tsa_root.as_deref() else { return Ok(TimeStamps::default()) };
        if self.tst.len() > TOKENS_MAX {
            bail!("{} time stamp tokens were given, and at most {TOKENS_MAX} are looked at", self.tst.len());
        }
        // One byte more than allowed, as above.
        let tokens = self.tst.iter().map(|path| small_file(path, TOKEN_BYTES_MAX + 1));
        Ok(TimeStamps::new(roots(path)?, &tokens.collect::<anyhow::Result<Vec<_>>>()?))
    }

    /// Where histories are remembered; `None` when that was refused, or no place for it is known.
    #[must_use]
    pub fn memory(&self) -> Option<Memory> {
        if self.no_memory {
            return None;
        }
        self.memory.clone().or_else(default_place).map(Memory::at)
    }
}

/// `$XDG_STATE_HOME/cascade/verify`, by default `~/.local/state/cascade/verify`.
fn default_place() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("cascade/verify"))
}

fn public_key(path: &Path) -> anyhow::Result<[u8; 32]> {
    pem::read(&small_text(path)?).with_context(|| {
        format!("couldn't use `{}`: give the PEM that `cascade key export --public` prints", path.display())
    })
}

fn hmac_master(path: &Path) -> anyhow::Result<[u8; 32]> {
    digest::from_hex(small_text(path)?.trim_end()).with_context(|| {
        format!(
            "couldn't use `{}`: 64 lowercase hex digits are needed, as in the file hmac-master.hex that \
             `cascade init` wrote",
            path.display()
        )
    })
}

/// The root certificates in a PEM file.
///
/// # Errors
/// The file cannot be read, or holds something else.
pub fn roots(path: &Path) -> anyhow::Result<Roots> {
    Roots::parse(&small_file(path, ROOTS_BYTES_MAX)?).with_context(|| {
        format!(
            "couldn't use `{}`: give the root certificates of time stamping authorities as PEM",
            path.display()
        )
    })
}

/// A trust policy from a file.
///
/// # Errors
/// It cannot be read, or is none.
pub fn trust(path: &Path) -> anyhow::Result<Trust> {
    Trust::parse(&small_file(path, TRUST_BYTES_MAX + 1)?)
        .with_context(|| format!("couldn't use `{}` as trust policy", path.display()))
}

fn small_text(path: &Path) -> anyhow::Result<String> {
    String::from_utf8(small_file(path, KEY_FILE_BYTES_MAX)?)
        .with_context(|| format!("couldn't read `{}`: it is no text", path.display()))
}

/// At most so many bytes of a regular file; a pipe or device could give bytes without end, or none.
fn small_file(path: &Path, bytes_max: usize) -> anyhow::Result<Vec<u8>> {
    regular_file(path, bytes_max).with_context(|| format!("couldn't read `{}`", path.display()))
}

/// What [`small_file`] reads, with the error as it is.
pub(crate) fn regular_file(path: &Path, bytes_max: usize) -> std::io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
