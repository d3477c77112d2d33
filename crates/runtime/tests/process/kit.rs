//! Starts hosts, waits for what they do, and looks at what is left of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_runtime::process::MARKER;
use rustix::fs::FlockOperation;
use tempfile::TempDir;

use crate::host;

pub(crate) type Tests = Vec<(&'static str, fn())>;

/// No condition in these tests takes this long on a machine that is merely busy.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Host {
    pub(crate) dir: TempDir,
    pub(crate) id: ReceiptId,
    pub(crate) command: Command,
}

impl Host {
    /// A host that will run `sh -c script`.
    pub(crate) fn sh(options: &[&str], script: &str) -> Self {
        Self::argv(options, &["/bin/sh".into(), "-c".into(), script.into()])
    }

    pub(crate) fn argv(options: &[&str], argv: &[OsString]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut id = [0; 8];
        getrandom::fill(&mut id).unwrap();
        let id = ReceiptId(id);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(host::ARG).arg(dir.path()).arg(id.to_string()).args(options).arg("--").args(argv);
        // Scripts name their scratch files relative to it.
        command.current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { dir, id, command }
    }

    pub(crate) fn run(mut self) -> Ran {
        let output = self.command.output().unwrap();
        Ran::new(self.dir, self.id, output)
    }

    pub(crate) fn spawn(mut self) -> Running {
        let child = self.command.spawn().unwrap();
        Running { dir: self.dir, id: self.id, child }
    }
}

pub(crate) struct Running {
    pub(crate) dir: TempDir,
    pub(crate) id: ReceiptId,
    pub(crate) child: Child,
}

impl Running {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn wait_for_event(&self, start: &str) {
        until(&format!("event {start}"), || self.text("events").lines().any(|line| line.starts_with(start)));
    }

    pub(crate) fn wait_for_file(&self, name: &str) {
        until(&format!("file {name}"), || self.path(name).exists());
    }

    pub(crate) fn signal(&self, name: &str) {
        send(i32::try_from(self.child.id()).unwrap(), name);
    }

    /// SIGKILL to the host, then waits until a newcomer could take the lock.
    pub(crate) fn kill_and_wait_for_lock(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        until("the lock to be free", || self.lock_is_free());
    }

    pub(crate) fn lock_is_free(&self) -> bool {
        let Ok(file) = File::open(self.path("lock")) else { return true };
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
    }

    pub(crate) fn alive(&self) -> Vec<i32> {
        alive(self.id)
    }

    pub(crate) fn finish(self) -> Ran {
        let output = self.child.wait_with_output().unwrap();
        Ran::new(self.dir, self.id, output)
    }
}

/// A host that ended by itself.
pub(crate) struct Ran {
    pub(crate) dir: TempDir,
    pub(crate) id: ReceiptId,
    pub(crate) output: Output,
    pub(crate) ended: BTreeMap<String, String>,
}

impl Ran {
    fn new(dir: TempDir, id: ReceiptId, output: Output) -> Self {
        let text = fs::read_to_string(dir.path().join("ended")).unwrap_or_default();
        let pairs = text.lines().map(|line| line.split_once('=').unwrap());
        let ended = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { dir, id, output, ended }
    }

    pub(crate) fn code(&self) -> i32 {
        self.output.status.code().unwrap_or_else(|| panic!("{:?}", self.output))
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.ended.get(name).unwrap_or_else(|| panic!("no `{name}`: {:?} {}", self.ended, self.stderr()))
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }

    /// The durable frames, checked against every hash that was announced for them.
    pub(crate) fn frames(&self) -> Vec<(u8, Vec<u8>)> {
        let stored = fs::read(self.dir.path().join("frames")).unwrap_or_default();
        let mut bytes = &stored[..];
        let mut frames: Vec<(u8, Vec<u8>)> = Vec::new();
        let mut hashed = host::NONCE.0.to_vec();
        let mut total = 0;
        let mut announced: BTreeMap<u64, String> = BTreeMap::new();
        for line in self.text("events").lines() {
            if let Some(("segment", rest)) = line.split_once(' ') {
                let (total, hash) = rest.split_once(' ').unwrap();
                announced.insert(total.parse().unwrap(), hash.to_owned());
            }
        }
        announced.insert(self.get("bytes").parse().unwrap(), self.get("hash").to_owned());
        if let Some(hash) = announced.remove(&0) {
            assert_eq!(hash, Digest::of(&host::NONCE.0).to_hex());
        }
        while let [stream, a, b, c, d, rest @ ..] = bytes {
            let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap();
            frames.push((*stream, rest[..length].to_vec()));
            hashed.extend_from_slice(&bytes[..5 + length]);
            total += u64::try_from(length).unwrap();
            if let Some(hash) = announced.remove(&total) {
                assert_eq!(Digest::of(&hashed).to_hex(), hash, "hash at {total}");
            }
            bytes = &rest[length..];
        }
        assert!(bytes.is_empty());
        assert!(announced.is_empty(), "hashes that match no frame edge: {announced:?}");
        frames
    }

    pub(crate) fn framed(&self, stream: u8) -> Vec<u8> {
        self.frames().into_iter().filter(|frame| frame.0 == stream).flat_map(|frame| frame.1).collect()
    }
}

/// Waits for a condition; there is nothing to be notified by when it concerns other processes' files.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::yield_now();
        rustix::event::poll(&mut [], Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 2_000_000 }))
            .unwrap();
    }
}

/// Living processes that carry the marker of a run.
pub(crate) fn alive(id: ReceiptId) -> Vec<i32> {
    let marker = format!("{MARKER}={id}");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let Ok(pid) = entry.unwrap().file_name().to_string_lossy().parse::<i32>() else { continue };
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        if environ.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes()) {
            found.push(pid);
        }
    }
    found
}

/// Whether a process exists and is not merely waiting to be collected.
pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

pub(crate) fn send(pid: i32, signal: &str) {
    let status = Command::new("kill").arg(format!("-{signal}")).arg("--").arg(pid.to_string()).status();
    assert!(status.unwrap().success(), "kill -{signal} {pid}");
}

pub(crate) fn supervisor_of(host: u32) -> i32 {
    let mut found = 0;
    until("the supervisor", || {
        let children = fs::read_to_string(format!("/proc/{host}/task/{host}/children")).unwrap_or_default();
        found = children.split_whitespace().next().and_then(|pid| pid.parse().ok()).unwrap_or(0);
        found != 0
    });
    found
}
