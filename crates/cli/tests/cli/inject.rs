//! EIO, ENOSPC and SIGKILL at every writing system call of the real binary, and EIO after it was done: no panic,
//! nothing acknowledged is lost, nothing is half done, and the next command works.
//!
//! Every few of the calls are tried here; `CASCADE_INJECT=all` tries every one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::site::{CASCADE, Done, Receipt, Site, finish};

/// System calls that change the disk.
const CALLS: &[&str] = &[
    "pwrite64",
    "write",
    "fsync",
    "fdatasync",
    "ftruncate",
    "rename",
    "renameat2",
    "unlink",
    "mkdir",
    "link",
    "linkat",
];
const FAULTS: &[&str] = &["error=EIO", "error=ENOSPC", "signal=KILL"];
/// Trials of one command and way to fail when not all are wanted.
const TRIALS: usize = 24;
/// Fails calls after they were done.
const AFTER: &str = include_str!("after.c");

/// A site in a state, and what is done in it.
struct Scene {
    site: Site,
    args: Vec<String>,
}

impl Scene {
    fn new(prepare: impl FnOnce(&Site) -> Vec<String>) -> Self {
        let site = Site::new();
        let args = prepare(&site);
        let kept = site.path("kept");
        std::fs::create_dir(&kept).unwrap();
        for name in ["home", "home-recovery", "user"] {
            let place = site.path(name);
            if place.exists() {
                copy(&place, &kept.join(name));
            }
        }
        Self { site, args }
    }

    /// Puts everything back as it was.
    fn reset(&self) {
        for name in ["home", "home-recovery", "user"] {
            let (place, kept) = (self.site.path(name), self.site.path("kept").join(name));
            if place.exists() {
                std::fs::remove_dir_all(&place).unwrap();
            }
            if kept.exists() {
                copy(&kept, &place);
            }
        }
    }

    fn traced(&self, options: &[String]) -> Done {
        let mut command = self.site.program("strace");
        command.args(["--follow-forks", "--quiet=all"]).args(options);
        command.arg(format!("--trace={}", CALLS.join(","))).arg(CASCADE).arg("--json").args(&self.args);
        finish(command, b"")
    }

    /// Which call is made how often by the thread that makes it most.
    fn counts(&self) -> Vec<(&'static str, usize)> {
        let trace = self.site.path("trace");
        self.traced(&[format!("--output={}", trace.display())]).expect(0);
        let text = std::fs::read_to_string(trace).unwrap();
        let threads: BTreeSet<&str> =
            text.lines().filter_map(|line| line.split_once(' ')).map(|(id, _)| id).collect();
        let made = |thread: &str, call: &str| {
            let begins = format!("{call}(");
            let own = text.lines().filter_map(|line| line.strip_prefix(thread));
            own.filter(|line| line.trim_start().starts_with(&begins)).count()
        };
        let most = |call: &str| threads.iter().map(|thread| made(thread, call)).max().unwrap_or(0);
        CALLS.iter().map(|call| (*call, most(call))).filter(|(_, count)| *count > 0).collect()
    }

    /// Tries the faults, each in the same state. Most make the command fail.
    fn play(&self) {
        let counts = self.counts();
        let calls = counts.iter().flat_map(|(call, count)| (1..=*count).map(move |nth| (*call, nth)));
        let before: Vec<Trial> = FAULTS
            .iter()
            .flat_map(|fault| calls.clone().map(|(call, nth)| Trial::Instead { fault, call, nth }))
            .collect();
        let after: Vec<Trial> = (1..=self.count_after()).map(Trial::After).collect();
        let [before, after] = [before, after].map(|all| some(&all).filter(|trial| self.trial(trial)).count());
        // What is written for convenience alone may fail without a word.
        assert!(before > 5 && after > 5, "commands that failed: {before}, {after} after the call");
    }

    /// The command with the call of this number failing after it was done.
    fn failing_after(&self, nth: usize) -> Done {
        let count = self.site.path("count");
        drop(std::fs::remove_file(&count));
        let mut command = self.site.program(CASCADE);
        command.env("LD_PRELOAD", after_library()).env("CASCADE_AFTER_COUNT", count);
        command.env("CASCADE_AFTER_NTH", nth.to_string()).arg("--json").args(&self.args);
        finish(command, b"")
    }

    /// How many calls change the disk, all processes together.
    fn count_after(&self) -> usize {
        self.reset();
        self.failing_after(0).expect(0);
        usize::try_from(std::fs::metadata(self.site.path("count")).unwrap().len()).unwrap()
    }

    fn trial(&self, trial: &Trial) -> bool {
        let name = format!("{:?} {trial:?}", self.args);
        self.reset();
        let done = match trial {
            Trial::Instead { fault, call, nth } => {
                let inject = format!("--inject={call}:{fault}:when={nth}");
                self.traced(&["--output=/dev/null".to_owned(), inject])
            }
            Trial::After(nth) => self.failing_after(*nth),
        };
        assert!(!done.stderr.contains("panicked"), "{name}: {}", done.stderr);
        let code = done.status.code();
        // A signal, or strace itself telling of one.
        let ended = matches!(code, None | Some(0 | 1 | 3 | 4 | 124 | 137));
        assert!(ended, "{name}: {code:?} {}", done.stderr);
        self.assert_whole(&name, &acknowledged(&done));
        code != Some(0)
    }

    /// The next command works, and what the one before said is there.
    fn assert_whole(&self, name: &str, ids: &[String]) {
        let site = &self.site;
        site.wait_until_quiet();
        site.run(&["run", "--", "true"]).expect(0);
        let fsck = site.run(&["fsck"]);
        assert_eq!(fsck.status.code(), Some(0), "{name}: {}", fsck.stdout);
        let verified = site.run(&["verify", "--no-memory"]);
        assert_eq!(verified.status.code(), Some(0), "{name}: {}", verified.stdout);
        let receipts = site.receipts();
        let known: BTreeSet<&str> = receipts.iter().map(Receipt::id).collect();
        for id in ids {
            assert!(known.contains(id.as_str()), "{name}: {id} was acknowledged and is lost");
        }
        let started = receipts.iter().filter(|one| one.kind() == "task_started").count();
        let closed =
            receipts.iter().filter(|one| one.kind() != "heartbeat" && one.reference("intent").is_some());
        assert_eq!(started, closed.count(), "{name}: every intent has one closer");
        site.run(&["checkpoint"]).expect(0);
    }
}

/// One way to fail.
#[derive(Debug)]
enum Trial {
    /// The call is not made, or the process dies before it.
    Instead { fault: &'static str, call: &'static str, nth: usize },
    /// The call is made, and said to have failed.
    After(usize),
}

/// All of them or every few.
fn some<T>(all: &[T]) -> impl Iterator<Item = &T> {
    let every = if std::env::var_os("CASCADE_INJECT").is_some_and(|word| word == "all") {
        1
    } else {
        all.len().div_ceil(TRIALS)
    };
    all.iter().step_by(every.max(1))
}

/// Built once.
fn after_library() -> &'static Path {
    static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let build = || {
        let dir = tempfile::tempdir().unwrap();
        let (source, library) = (dir.path().join("after.c"), dir.path().join("after.so"));
        std::fs::write(&source, AFTER).unwrap();
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl");
        assert!(compiler.status().unwrap().success());
        (dir, library)
    };
    &BUILT.get_or_init(build).1
}

/// Ids of receipts in what a command answered.
fn acknowledged(done: &Done) -> Vec<String> {
    let Ok(document) = serde_json::from_str::<Value>(&done.stdout) else { return Vec::new() };
    let one = document["receipt_id"].as_str().map(str::to_owned);
    let many = document["receipts"].as_array().into_iter().flatten();
    one.into_iter().chain(many.filter_map(|id| id.as_str().map(str::to_owned))).collect()
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(done.success());
}

fn words(args: &[&str]) -> Vec<String> {
    args.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_first_run_that_makes_its_home() {
    Scene::new(|_| words(&["init"])).play();
}

#[test]
fn a_run() {
    Scene::new(|site| {
        site.run(&["run", "--", "true"]).expect(0);
        words(&["run", "--", "sh", "-c", "echo out"])
    })
    .play();
}

#[test]
fn a_checkpoint() {
    Scene::new(|site| {
        site.run(&["checkpoint"]).expect(0);
        site.run(&["run", "--", "true"]).expect(0);
        words(&["checkpoint"])
    })
    .play();
}

#[test]
fn an_erasure() {
    Scene::new(|site| {
        let done = site.run(&["--json", "run", "--", "echo", "private"]).expect(0).json();
        words(&["erase", done["receipt_id"].as_str().unwrap()])
    })
    .play();
}

#[test]
fn a_rotation() {
    Scene::new(|site| {
        site.run(&["run", "--", "true"]).expect(0);
        words(&["key", "rotate"])
    })
    .play();
}
