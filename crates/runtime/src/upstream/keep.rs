//! Servers added and removed: decided and on record like any other action, because it says where data goes.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use cascade_ledger::Ledger;
use cascade_receipt::content::{Ending, Runtime};
use cascade_receipt::decision::Reason;

use super::{FILE, Upstream, UpstreamFault, Upstreams};
use crate::facts::Asker;
use crate::lease::{self, Asked, Begun, Held, LeaseError, Outcome, Request};

/// What is to change.
#[derive(Debug)]
pub enum Change {
    /// One is added, or takes the place of the one of its name.
    Add(Box<Upstream>),
    /// One is removed.
    Remove(String),
}

/// What came of it.
#[derive(Debug)]
pub enum Kept {
    /// It is so, and on record.
    Done(Box<Begun>),
    /// The gates do not let it be.
    Refused(Box<Begun>),
}

/// Why nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The file, or what is to stand in it.
    #[error(transparent)]
    Fault(#[from] UpstreamFault),
    /// There is no such server.
    #[error("no upstream `{0}`")]
    Unknown(String),
    /// Nothing could be decided or recorded.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The file could not be written; that is on record.
    #[error("couldn't write `{0}`: {1}")]
    Write(PathBuf, io::Error),
}

/// Has a change decided, makes it, and puts on record that it was made.
///
/// # Errors
/// [`KeepError`]; a denial is none.
pub fn keep(
    ledger: &Ledger,
    (asker, runtime): (&Asker, &Runtime),
    change: Change,
    cwd: PathBuf,
) -> Result<Kept, KeepError> {
    let mut all = Upstreams::load(ledger.dir())?;
    let argv = words(&change);
    match change {
        Change::Add(one) => all.add(*one)?,
        Change::Remove(name) if all.remove(&name) => {}
        Change::Remove(name) => return Err(KeepError::Unknown(name)),
    }
    let asked = Asked::Words { argv, cwd, env: Vec::new() };
    let mut begun = lease::begin(
        ledger,
        &Request {
            asked: &asked,
            asker,
            approval: None,
            dry_run: false,
            reason: None,
            subject: None,
            runtime,
            request: None,
            held: Held::Process,
            policy: None,
        },
    )?;
    let Some(open) = begun.open.take() else { return Ok(Kept::Refused(Box::new(begun))) };
    let path = ledger.dir().join(FILE);
    let written = write(ledger.dir(), &path, all.text().as_bytes());
    let outcome = match &written {
        Ok(()) => Outcome { exit_code: Some(0), ..Outcome::of(Ending::Completed) },
        Err(_) => Outcome { reasons: vec![Reason::code("mcp.not_kept")], ..Outcome::of(Ending::Failed) },
    };
    lease::settle(ledger, open, &outcome)?;
    written.map_err(|error| KeepError::Write(path, error))?;
    Ok(Kept::Done(Box::new(begun)))
}

/// The words that say it on the command line: what is decided and shown to people.
fn words(change: &Change) -> Vec<Vec<u8>> {
    let mut argv = ["cascade", "mcp", "upstream"].map(str::to_owned).to_vec();
    match change {
        Change::Remove(name) => argv.extend(["remove".to_owned(), name.clone()]),
        Change::Add(one) => {
            argv.extend(["add".to_owned(), one.name().to_owned(), one.url().to_owned()]);
            for (name, value) in one.headers() {
                argv.extend(["--header".to_owned(), format!("{name}={value}")]);
            }
            if let Some(path) = &one.ca_file {
                argv.extend(["--ca-file".to_owned(), path.display().to_string()]);
            }
        }
    }
    argv.into_iter().map(String::into_bytes).collect()
}

/// Whole or not at all, and durable.
fn write(dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("fresh");
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    File::open(dir)?.sync_all()
}
