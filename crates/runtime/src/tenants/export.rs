//! A tenant handed over: a directory with everything that an outsider or another home needs, and a manifest of it.
//!
//! It is written beside under a passing name, synced, and gets its own name whole, which nobody may have: what was handed
//! over once is never overwritten.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use cascade_ledger::{Fault, Reader};
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::base64;
use cascade_receipt::checkpoint::SignedCheckpoint;
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;
use rustix::fs::{CWD, RenameFlags};
use sha2::{Digest as _, Sha256};

/// Every receipt, one line each.
const RECEIPTS: &str = "chain.receipts.jsonl";
/// What is in the directory.
const MANIFEST: &str = "manifest.json";

/// What is handed over besides receipts, public keys and checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contents {
    /// The policies that were ever in force, with the texts that they name.
    pub policies: bool,
    /// Private bytes and names; never keys or credentials.
    pub private: bool,
}

/// What was handed over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handed {
    /// How many receipts.
    pub receipts: u64,
    /// Root of the tree over them.
    pub root: Digest,
    /// Hash of the last one.
    pub head: Digest,
    /// How many files, the manifest not counted.
    pub files: usize,
    /// It was there already, with the very same bytes.
    pub already: bool,
}

/// Why nothing was handed over.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] Fault),
    /// Something else has the name.
    #[error("`{}` exists and is not overwritten", .0.display())]
    Exists(PathBuf),
    /// A home holds tenants and nothing else.
    #[error("nothing is handed over into the home: `{}`", .0.display())]
    Inside(PathBuf),
    /// The file system.
    #[error("couldn't write `{}`: {error}", .path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// The log lacks receipts, or the checkpoint is not one of it.
    #[error("the chain is not whole: {0}")]
    Damaged(&'static str),
}

/// Writes the chain up to the checkpoint `note` into the new directory `out`. With `again`, an `out` that is there and
/// has the very same contents is taken for done.
///
/// # Errors
/// [`ExportError`]; `out` is whole or not there.
pub fn export(
    reader: &Reader,
    note: &str,
    contents: Contents,
    out: &Path,
    again: bool,
) -> Result<Handed, ExportError> {
    if !again && out.symlink_metadata().is_ok() {
        return Err(ExportError::Exists(out.to_owned()));
    }
    if reader.dir().ancestors().nth(2).is_none_or(|home| lies_within(out, home).unwrap_or(true)) {
        return Err(ExportError::Inside(out.to_owned()));
    }
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let passing = tempfile::Builder::new()
        .prefix(".cascade-")
        .tempdir_in(parent)
        .map_err(|error| ExportError::Io { path: parent.to_owned(), error })?;
    let mut folder = Folder { at: passing.path().to_owned(), files: BTreeMap::new() };
    let mut handed = fill(reader, note, contents, &mut folder)?;
    sync(&folder.at)?;
    let renamed = rustix::fs::renameat_with(CWD, &folder.at, CWD, out, RenameFlags::NOREPLACE);
    match renamed.map_err(io::Error::from) {
        Ok(()) => drop(passing.keep()),
        Err(_) if again && is_same(&folder, out)? => handed.already = true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(ExportError::Exists(out.to_owned()));
        }
        Err(error) => return Err(ExportError::Io { path: out.to_owned(), error }),
    }
    sync(parent)?;
    Ok(handed)
}

/// Whether a place lies in a home, also by way of links.
pub(super) fn lies_within(place: &Path, home: &Path) -> io::Result<bool> {
    let absolute = std::path::absolute(place)?;
    let resolved = absolute.ancestors().find_map(|part| std::fs::canonicalize(part).ok());
    let inside = |path: &Path| path.starts_with(home);
    Ok(inside(&absolute) || resolved.as_deref().is_some_and(inside))
}

fn fill(reader: &Reader, note: &str, contents: Contents, folder: &mut Folder) -> Result<Handed, ExportError> {
    let signed = SignedCheckpoint::parse(note.as_bytes());
    let signed = signed.ok_or(ExportError::Damaged("the checkpoint cannot be read"))?;
    let (size, root) = (signed.checkpoint().size, signed.checkpoint().root);
    let (head, ids) = receipts(reader, size, folder)?;
    folder.add("receipt-key.pem", reader.public_key_pem().as_bytes())?;
    folder.add("log-key.vkey", format!("{}\n", reader.log_vkey()?).as_bytes())?;
    folder.add("checkpoint", note.as_bytes())?;
    if let Some((stamped, token)) = reader.newest_stamped()?.and_then(|one| Some((one.note, one.token?))) {
        folder.add("stamped.checkpoint", stamped.as_bytes())?;
        folder.add("stamped.tst", &token)?;
    }
    if contents.policies {
        policies(reader, folder)?;
    }
    if contents.private {
        private(reader, &ids, folder)?;
    }
    let files = folder.files.len();
    let handed = Handed { receipts: size, root, head, files, already: false };
    let manifest = manifest(reader, folder, &handed, contents)?;
    folder.add(MANIFEST, manifest.as_bytes())?;
    Ok(handed)
}

/// Writes the lines; gives the hash of the last one, and every receipt's id.
fn receipts(reader: &Reader, size: u64, folder: &mut Folder) -> Result<(Digest, Vec<String>), ExportError> {
    let damaged = || ExportError::Damaged("receipts are missing");
    let mut ids = Vec::new();
    let mut head = None;
    let mut file = folder.create(RECEIPTS)?;
    for line in reader.lines(0..size) {
        let line = line?;
        let value = cascade_receipt::json::parse(line.text.as_bytes()).map_err(|_| damaged())?;
        let text = |key: &str| value.member(key).and_then(Value::as_str);
        if line.seq != ids.len() as u64 {
            return Err(damaged());
        }
        head = text("entry_hash").and_then(Digest::from_hex);
        ids.push(text("receipt_id").ok_or_else(damaged)?.to_owned());
        file.write(line.text.as_bytes())?;
        file.write(b"\n")?;
    }
    folder.finish(RECEIPTS, file)?;
    // What is cut at its end is a shorter chain that is valid; the head knows better.
    reader.sound_head()?;
    if ids.len() as u64 != size {
        return Err(damaged());
    }
    Ok((head.ok_or_else(damaged)?, ids))
}

fn policies(reader: &Reader, folder: &mut Folder) -> Result<(), ExportError> {
    let hashes: BTreeSet<Digest> =
        reader.policy_history()?.into_iter().map(|(_, policy)| policy.hash).collect();
    let mut texts = BTreeMap::new();
    for hash in hashes {
        let document = reader.blob(&hash)?.ok_or(ExportError::Damaged("a policy is missing"))?;
        let named = std::cell::RefCell::new(Vec::new());
        let fault = std::cell::RefCell::new(None);
        let looked = |text: &Digest| match reader.blob(text) {
            Ok(found) => {
                named.borrow_mut().extend(found.clone().map(|bytes| (*text, bytes)));
                found
            }
            Err(error) => {
                fault.replace(Some(error));
                None
            }
        };
        let loaded = Snapshot::load(&document, looked).is_ok();
        if let Some(fault) = fault.into_inner() {
            return Err(fault.into());
        }
        if !loaded {
            return Err(ExportError::Damaged("a policy cannot be loaded"));
        }
        texts.insert(hash, document);
        texts.extend(named.into_inner());
    }
    for (hash, bytes) in texts {
        folder.add(&format!("policies/{hash}"), &bytes)?;
    }
    Ok(())
}

/// Private bytes by the receipt that brought them, and the names behind principals.
fn private(reader: &Reader, ids: &[String], folder: &mut Folder) -> Result<(), ExportError> {
    let mut file = folder.create("private.jsonl")?;
    for id in ids {
        let Some(receipt) = cascade_receipt::id::ReceiptId::parse(id) else { continue };
        for item in reader.private_of(receipt)? {
            let line = Value::object([
                ("bytes", base64::encode(&item.bytes).into()),
                ("field", item.field.as_str().into()),
                ("hash", Digest::salted(&item.nonce, &item.bytes).to_hex().into()),
                ("nonce", cascade_receipt::digest::to_hex(&item.nonce.0).into()),
                ("receipt_id", id.as_str().into()),
            ]);
            file.write(line.to_canonical().as_bytes())?;
            file.write(b"\n")?;
        }
    }
    folder.finish("private.jsonl", file)?;
    let mut text = String::new();
    for (principal, name) in reader.names()? {
        let line = Value::object([
            ("kind", name.kind.as_str().into()),
            ("name", name.name.into()),
            ("principal", principal.to_string().into()),
        ]);
        text.push_str(&line.to_canonical());
        text.push('\n');
    }
    folder.add("names.jsonl", text.as_bytes())
}

fn manifest(
    reader: &Reader,
    folder: &Folder,
    handed: &Handed,
    contents: Contents,
) -> Result<String, ExportError> {
    let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let files = folder.files.iter().map(|(name, (bytes, sha256))| {
        Value::object([
            ("bytes", int(*bytes)),
            ("name", name.as_str().into()),
            ("sha256", sha256.to_hex().into()),
        ])
    });
    let verify = format!("cascade-verify {RECEIPTS} --public-key receipt-key.pem --checkpoint checkpoint");
    let document = Value::object([
        ("_type", "cascade/tenant-export/v1".into()),
        ("deleted", reader.is_deleted()?.into()),
        ("files", Value::Array(files.collect())),
        ("head", handed.head.to_hex().into()),
        ("log_origin", reader.log_origin().as_str().into()),
        ("private", contents.private.into()),
        ("receipts", int(handed.receipts)),
        ("root", handed.root.to_hex().into()),
        ("verify", verify.into()),
    ]);
    Ok(format!("{}\n", document.to_canonical()))
}

/// A directory that is being filled.
struct Folder {
    at: PathBuf,
    /// Length and SHA-256 of each file.
    files: BTreeMap<String, (u64, Digest)>,
}

/// A file that is being written.
struct Filling {
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
    sha256: Sha256,
}

impl Filling {
    fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.sha256.update(bytes);
        self.bytes += bytes.len() as u64;
        let written = self.file.write_all(bytes);
        written.map_err(|error| ExportError::Io { path: self.path.clone(), error })
    }
}

impl Folder {
    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let mut file = self.create(name)?;
        file.write(bytes)?;
        self.finish(name, file)
    }

    fn create(&self, name: &str) -> Result<Filling, ExportError> {
        let path = self.at.join(name);
        let failed = |error| ExportError::Io { path: path.clone(), error };
        if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
            DirBuilder::new().mode(0o700).create(parent).map_err(failed)?;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = BufWriter::new(file.map_err(failed)?);
        Ok(Filling { path, file, bytes: 0, sha256: Sha256::new() })
    }

    fn finish(&mut self, name: &str, filling: Filling) -> Result<(), ExportError> {
        let Filling { path, file, bytes, sha256 } = filling;
        let done = file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all());
        done.map_err(|error| ExportError::Io { path: path.clone(), error })?;
        if let Some(parent) = path.parent() {
            sync(parent)?;
        }
        self.files.insert(name.to_owned(), (bytes, Digest(sha256.finalize().into())));
        Ok(())
    }
}

/// Whether a directory that is there holds every file of this one, byte by byte.
fn is_same(folder: &Folder, out: &Path) -> Result<bool, ExportError> {
    for (name, (_, sha256)) in &folder.files {
        let path = out.join(name);
        match std::fs::read(&path) {
            Ok(bytes) if Digest::of(&bytes) == *sha256 => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(ExportError::Io { path, error }),
        }
    }
    Ok(true)
}

fn sync(dir: &Path) -> Result<(), ExportError> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|error| ExportError::Io { path: dir.to_owned(), error })
}
