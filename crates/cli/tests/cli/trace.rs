//! What a program did to the disk, system call by system call, as strace saw it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use crate::site::{CASCADE, Done, Site, finish};

/// System calls that change the disk or make changes durable.
const CALLS: &str = "openat,write,pwrite64,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,\
                     mkdir,mkdirat,link,linkat,rmdir,fallocate,pwritev,writev,copy_file_range,sendfile,symlink";

/// One change, or the order to make earlier ones durable.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// Opened for writing, and made if it was not there. Where writing begins: `None` is the end.
    Opened {
        path: PathBuf,
        at: Option<u64>,
        truncate: bool,
    },
    /// Written at an offset, or where the last one ended.
    Wrote {
        path: PathBuf,
        at: Option<u64>,
        bytes: Vec<u8>,
    },
    Resized {
        path: PathBuf,
        len: u64,
    },
    Synced(PathBuf),
    MadeDir(PathBuf),
    Renamed {
        from: PathBuf,
        to: PathBuf,
    },
    Removed(PathBuf),
}

/// Runs `cascade` to its end under strace and adds what it and all its threads and children did, in order.
pub(crate) fn run(site: &Site, args: &[&str], stdout: &Path, events: &mut Vec<Event>) -> Done {
    let dir = tempfile::tempdir().unwrap();
    let mut command = site.program("strace");
    // A file for each thread: in one, calls of several threads would be torn in two.
    command.args(["--follow-forks", "--output-separately", "--quiet=all", "--successful-only"]);
    command.args([
        "--absolute-timestamps=format:unix,precision:ns",
        "--decode-fds=path",
        "--strings-in-hex=all",
    ]);
    command.args(["--string-limit=1000000", &format!("--trace={CALLS}")]);
    command.arg("--output").arg(dir.path().join("trace"));
    let script = "out=$1; shift; exec \"$@\" >\"$out\"";
    command.args(["sh", "-c", script, "sh", stdout.to_str().unwrap(), CASCADE]).args(args);
    let done = finish(command, b"");
    let mut timed = BTreeMap::new();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines() {
            let Some((time, call)) = line.split_once(' ') else { continue };
            if let Some(event) = parse(call) {
                // Equally long texts are ordered as the numbers are.
                timed.entry(time.to_owned()).or_insert_with(Vec::new).push(event);
            }
        }
    }
    events.extend(timed.into_values().flatten());
    done
}

fn parse(call: &str) -> Option<Event> {
    let (name, rest) = call.split_once('(')?;
    let words = words(rest);
    let word = |index: usize| words.get(index).unwrap_or_else(|| panic!("{call}"));
    Some(match name {
        "openat" if word(2).text.contains("O_WRONLY") || word(2).text.contains("O_RDWR") => {
            let flags = &word(2).text;
            if flags.contains("O_TMPFILE") {
                panic!("no model of {call}");
            }
            if !flags.contains("O_CREAT") && !flags.contains("O_TRUNC") && !flags.contains("O_APPEND") {
                return Some(Event::Opened { path: beneath(word(0), word(1)), at: Some(0), truncate: false });
            }
            let at = if flags.contains("O_APPEND") { None } else { Some(0) };
            Event::Opened { path: beneath(word(0), word(1)), at, truncate: flags.contains("O_TRUNC") }
        }
        "openat" => return None,
        "write" => Event::Wrote { path: word(0).fd()?, at: None, bytes: word(1).bytes.clone() },
        "pwrite64" => Event::Wrote {
            path: word(0).fd()?,
            at: Some(word(3).text.parse().unwrap()),
            bytes: word(1).bytes.clone(),
        },
        "ftruncate" => Event::Resized { path: word(0).fd()?, len: word(1).text.parse().unwrap() },
        "fsync" | "fdatasync" => Event::Synced(word(0).fd()?),
        "mkdir" => Event::MadeDir(word(0).path()),
        "mkdirat" => Event::MadeDir(beneath(word(0), word(1))),
        "rename" => Event::Renamed { from: word(0).path(), to: word(1).path() },
        "renameat" | "renameat2" => {
            Event::Renamed { from: beneath(word(0), word(1)), to: beneath(word(2), word(3)) }
        }
        "unlink" | "rmdir" => Event::Removed(word(0).path()),
        "unlinkat" => Event::Removed(beneath(word(0), word(1))),
        _ if call.contains("/dev/null") => return None,
        _ => panic!("no model of {call}"),
    })
}

/// An argument: its text, and what it stands for in bytes.
#[derive(Debug)]
struct Word {
    text: String,
    bytes: Vec<u8>,
    deleted: bool,
}

impl Word {
    fn path(&self) -> PathBuf {
        PathBuf::from(OsString::from_vec(self.bytes.clone()))
    }

    /// The file behind a descriptor, if it still has a name.
    fn fd(&self) -> Option<PathBuf> {
        if self.deleted { None } else { Some(self.path()) }
    }
}

fn beneath(dir: &Word, name: &Word) -> PathBuf {
    dir.path().join(name.path())
}

/// The arguments of a call. Strings and descriptors' paths are written in hexadecimal, so that no comma or
/// bracket of theirs is in the way.
fn words(rest: &str) -> Vec<Word> {
    let end = rest.rfind(") = ").unwrap_or(rest.len());
    let one = |text: &str| {
        let text = text.trim();
        let bytes = text.split("\\x").skip(1).map(|hex| u8::from_str_radix(&hex[..2], 16).unwrap()).collect();
        Word { text: text.to_owned(), bytes, deleted: text.ends_with("(deleted)") }
    };
    rest[..end].split(", ").map(one).collect()
}
