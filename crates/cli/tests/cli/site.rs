//! A throw-away user with a throw-away home, and programs run there.

use std::ffi::OsStr;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cascade_ledger::{Home, TenantId};
use cascade_receipt::digest::Digest;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};
use serde_json::Value;
use tempfile::TempDir;

use crate::verifiers;

/// The binary under test.
pub(crate) const CASCADE: &str = env!("CARGO_BIN_EXE_cascade");
/// Nothing here takes this long on a machine that is merely busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Every process of a site carries it, unless it clears its environment.
const MARK: &str = "CASCADE_TEST_SITE";

/// A user directory, a working directory and a home that does not exist yet. Nothing of the caller's
/// environment gets in but PATH: no marker of a coding agent, no SSH key, no ledger.
pub(crate) struct Site {
    dir: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        let site = Self::empty();
        for name in ["user", "work"] {
            std::fs::create_dir(site.path(name)).unwrap();
        }
        site
    }

    /// Whose directories are made by the test.
    pub(crate) fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A path beside the home.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// Where commands run unless told otherwise.
    pub(crate) fn work(&self, name: &str) -> PathBuf {
        self.path("work").join(name)
    }

    /// Any program with this site's environment.
    pub(crate) fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path("user"))
            .env("CASCADE_HOME", self.home())
            .env(MARK, self.dir.path())
            .current_dir(self.path("work"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn cascade(&self, args: &[&str]) -> Command {
        let mut command = self.program(CASCADE);
        command.args(args);
        command
    }

    /// Runs `cascade` to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Done {
        finish(self.cascade(args), b"")
    }

    /// The same for a program that only sets the scene.
    pub(crate) fn set(&self, program: &str, args: &[&str]) -> Done {
        let mut command = self.program(program);
        command.args(args);
        finish(command, b"").expect(0)
    }

    /// Every receipt, in order.
    pub(crate) fn receipts(&self) -> Vec<Receipt> {
        let lines = self.run(&["export"]).expect(0).stdout;
        lines.lines().map(|line| Receipt(serde_json::from_str(line).unwrap())).collect()
    }

    /// The newest receipt.
    pub(crate) fn last(&self) -> Receipt {
        self.receipts().pop().unwrap()
    }

    /// The id of the newest receipt of this kind.
    pub(crate) fn last_of(&self, kind: &str) -> String {
        let receipts = self.receipts();
        let newest = receipts.iter().rfind(|receipt| receipt.kind() == kind);
        newest.unwrap_or_else(|| panic!("no {kind}")).id().to_owned()
    }

    /// The export and the public key, as files: all that an outsider gets.
    pub(crate) fn hand_over(&self) -> (PathBuf, PathBuf) {
        let (ledger, key) = (self.path("ledger.receipts.jsonl"), self.path("key.pem"));
        self.run(&["export", "--out", ledger.to_str().unwrap()]).expect(0);
        self.run(&["key", "export", "--public", "--out", key.to_str().unwrap()]).expect(0);
        (ledger, key)
    }

    /// A `cascade` whose clock is three days ahead, or as many as `CASCADE_TEST_DAYS` in its environment says.
    pub(crate) fn ahead(&self, args: &[&str]) -> Command {
        let library = self.path("ahead.so");
        if !library.exists() {
            let source = self.path("ahead.c");
            std::fs::write(&source, AHEAD).unwrap();
            let (to, from) = (library.to_str().unwrap(), source.to_str().unwrap());
            self.set("cc", &["-shared", "-fPIC", "-o", to, from]);
        }
        let mut command = self.cascade(args);
        command.env("LD_PRELOAD", &library);
        command
    }

    /// Both verifiers find the export valid and complete, and the owner finds the disk clean.
    pub(crate) fn assert_sound(&self) {
        self.assert_sound_but_for(0);
    }

    /// The same while so many actions are leased to somebody.
    pub(crate) fn assert_sound_but_for(&self, leased: usize) {
        let (ledger, key) = self.hand_over();
        let verdict = verifiers::agreed(&ledger, Some(&key), None);
        assert_eq!(verdict.fault, None);
        assert_eq!(verdict.open, leased, "intents without a closer");
        self.run(&["fsck"]).expect(0);
    }

    /// The frames that a closer's `output_hash` commits to, each after the number of its stream; they are in the vault.
    pub(crate) fn kept_output(&self, closer: &Receipt) -> Vec<(u8, String)> {
        let hash = Digest::from_hex(closer.content("output_hash").as_str().unwrap()).unwrap();
        let tenant = TenantId::parse("default").unwrap();
        let reader = Home::open(&self.home()).unwrap().open_tenant_read_only(&tenant).unwrap();
        let (nonce, bytes) = reader.private(&hash).unwrap().expect("what the closer commits to is kept");
        assert_eq!(Digest::salted(&nonce, &bytes), hash);
        let (mut frames, mut rest) = (Vec::new(), bytes.as_slice());
        while let Some((head, more)) = rest.split_first_chunk::<5>() {
            let length = usize::try_from(u32::from_be_bytes([head[1], head[2], head[3], head[4]])).unwrap();
            let (text, after) = more.split_at(length);
            frames.push((head[0], String::from_utf8_lossy(text).into_owned()));
            rest = after;
        }
        frames
    }

    /// Living processes that carry this site's mark, or its path in what they were called.
    fn alive(&self) -> Vec<Pid> {
        let dir = self.dir.path().as_os_str().as_encoded_bytes();
        let mark = [MARK.as_bytes(), b"=", dir].concat();
        let belongs = |pid: &Pid| {
            let read =
                |file| std::fs::read(format!("/proc/{}/{file}", pid.as_raw_nonzero())).unwrap_or_default();
            read("environ").split(|byte| *byte == 0).any(|pair| pair == mark)
                || read("cmdline").windows(dir.len()).any(|window| window == dir)
        };
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let pids =
            processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
        pids.filter(belongs).collect()
    }

    /// Waits until nothing of this site is alive.
    pub(crate) fn wait_until_quiet(&self) {
        let deadline = Instant::now() + PATIENCE;
        while let Some(pid) = self.alive().first() {
            let Ok(process) = rustix::process::pidfd_open(*pid, PidfdFlags::empty()) else { continue };
            let left = deadline.saturating_duration_since(Instant::now());
            let name = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
            let name = String::from_utf8_lossy(&name).replace('\0', " ");
            assert!(wait_for(&process, left), "still alive after {PATIENCE:?}: {pid:?} {name}");
        }
    }
}

/// Waits until a process is over; false when it was not by then.
pub(crate) fn wait_for(process: &impl std::os::fd::AsFd, time: Duration) -> bool {
    let mut fds = [PollFd::new(process, PollFlags::IN)];
    let time = Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() };
    rustix::event::poll(&mut fds, Some(&time)).unwrap() > 0
}

/// How a program ended and what it said.
pub(crate) struct Done {
    pub(crate) status: ExitStatus,
    /// What it wrote to stdout, as it is.
    pub(crate) bytes: Vec<u8>,
    /// The same as text.
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// Fails unless the exit code is this one.
    pub(crate) fn expect(self, code: i32) -> Self {
        let shown: String = self.stdout.chars().take(2000).collect();
        assert_eq!(self.status.code(), Some(code), "{}\nstdout {shown}\nstderr {}", self.status, self.stderr);
        self
    }

    /// A failure that a person can act on: this code, these words, a hint, and no talk on stdout.
    pub(crate) fn expect_failure(self, code: i32, words: &str) -> Self {
        let done = self.expect(code);
        assert!(done.stderr.contains(words), "no `{words}` in {}", done.stderr);
        assert!(done.stderr.contains("hint: "), "no hint: {}", done.stderr);
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
        assert_eq!(done.stdout, "");
        done
    }

    /// stdout as the one JSON document it must be.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// Gives a program its input and runs it to its end.
pub(crate) fn finish(mut command: Command, input: &[u8]) -> Done {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    ended(child, input)
}

/// The same for a program that runs already.
pub(crate) fn ended(mut child: Child, input: &[u8]) -> Done {
    let stdin = child.stdin.take();
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let process = rustix::process::pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
    thread::scope(|scope| {
        // A program that ends without reading everything breaks the pipe; that is its right.
        scope.spawn(move || drop(stdin.map(|mut stdin| stdin.write_all(input))));
        if !wait_for(&process, PATIENCE) {
            child.kill().unwrap();
        }
    });
    let status = child.wait().unwrap();
    let (bytes, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Done { status, stdout: text(&bytes), bytes, stderr: text(&stderr) }
}

/// Runs a program and kills it at a moment, unless it ended before.
pub(crate) fn killed(mut command: Command, moment: Duration) -> Done {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let process = rustix::process::pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
    let killer = thread::spawn(move || {
        if !wait_for(&process, moment) {
            // Fails when it ended just now.
            _ = rustix::process::pidfd_send_signal(&process, Signal::KILL);
        }
    });
    let done = ended(child, b"");
    killer.join().unwrap();
    done
}

fn collect(source: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut source) = source {
            source.read_to_end(&mut bytes).unwrap();
        }
        bytes
    })
}

/// One receipt as exported.
#[derive(Debug)]
pub(crate) struct Receipt(pub(crate) Value);

impl Receipt {
    pub(crate) fn content(&self, key: &str) -> &Value {
        &self.0["content"][key]
    }

    pub(crate) fn kind(&self) -> &str {
        self.content("kind").as_str().unwrap()
    }

    pub(crate) fn id(&self) -> &str {
        self.0["receipt_id"].as_str().unwrap()
    }

    /// The id this receipt refers to as `rel`.
    pub(crate) fn reference(&self, rel: &str) -> Option<&str> {
        let refs = self.content("refs").as_array()?;
        refs.iter().find(|one| one["rel"] == rel)?["receipt_id"].as_str()
    }

    /// The reasons' codes of a refused answer.
    pub(crate) fn reasons(&self) -> Vec<&str> {
        self.content("reasons")
            .as_array()
            .unwrap()
            .iter()
            .map(|reason| reason["code"].as_str().unwrap())
            .collect()
    }
}

/// The kinds of `receipts`, in order.
pub(crate) fn kinds(receipts: &[Receipt]) -> Vec<&str> {
    receipts.iter().map(Receipt::kind).collect()
}

/// Makes an executable script.
pub(crate) fn script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

const AHEAD: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int answer = real(id, at);
    const char *days = getenv("CASCADE_TEST_DAYS");
    if (answer == 0 && id == CLOCK_REALTIME) at->tv_sec += (days ? atol(days) : 3) * 86400;
    return answer;
}
"#;
