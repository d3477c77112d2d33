//! A script that is handed to an interpreter is approved with its bytes, not by its name.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::site::{Done, Site, ended, finish, kinds, script};

struct Bench {
    site: Site,
}

impl Bench {
    fn new() -> Self {
        let site = Site::new();
        site.run(&["init"]).expect(0);
        Self { site }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.site.work(name), text).unwrap();
    }

    fn by_agent(&self, args: &[&str]) -> Done {
        let mut command = self.site.cascade(args);
        command.env("CLAUDECODE", "1");
        finish(command, b"")
    }

    /// Escalates as an agent, and is approved.
    fn approved(&self, command: &[&str]) -> String {
        let args: Vec<&str> = ["--json", "run", "--"].into_iter().chain(command.iter().copied()).collect();
        let id = self.by_agent(&args).expect(5).json()["receipt_id"].as_str().unwrap().to_owned();
        self.site.run(&["approve", &id]).expect(0);
        id
    }

    /// Refused by a receipt that says why, with the file named to the caller; nothing ran.
    fn assert_refused(&self, id: &str, file: &str) {
        let before = self.ran();
        let done = self.by_agent(&["run", "--approval", id]).expect(3);
        let path = self.site.work(file);
        let told = format!("the file {} is not the one that was approved", path.display());
        assert!(done.stderr.contains(&told), "{}", done.stderr);
        let last = self.site.last();
        assert_eq!(last.kind(), "approval_refused");
        assert!(last.reasons().contains(&"approval.changed_file"), "{:?}", last.reasons());
        assert_eq!(self.ran(), before);
    }

    fn assert_runs(&self, id: &str) {
        self.by_agent(&["run", "--approval", id]).expect(0);
    }

    fn ran(&self) -> String {
        std::fs::read_to_string(self.site.work("ran")).unwrap_or_default()
    }
}

#[test]
fn a_script_that_was_changed_after_its_approval_does_not_run() {
    let bench = Bench::new();
    bench.write("x.sh", "echo good >> ran\n");
    let id = bench.approved(&["bash", "x.sh"]);
    bench.write("x.sh", "echo evil >> ran\n");
    bench.assert_refused(&id, "x.sh");
    std::fs::remove_file(bench.site.work("x.sh")).unwrap();
    bench.assert_refused(&id, "x.sh");
    std::os::unix::fs::symlink("/dev/stdin", bench.site.work("x.sh")).unwrap();
    bench.assert_refused(&id, "x.sh");
    std::fs::remove_file(bench.site.work("x.sh")).unwrap();
    bench.write("x.sh", "echo good >> ran\n");
    bench.assert_runs(&id);
    assert_eq!(bench.ran(), "good\n");
    let receipts = bench.site.receipts();
    let started = receipts.iter().find(|receipt| receipt.kind() == "task_started").unwrap();
    let asked = receipts.iter().find(|receipt| receipt.kind() == "escalation").unwrap();
    assert_eq!(started.content("action_hash"), asked.content("action_hash"));
    bench.site.assert_sound();
}

#[test]
fn so_it_is_within_wrappers_and_lines() {
    let bench = Bench::new();
    std::fs::create_dir(bench.site.work("sub")).unwrap();
    bench.write("sub/x.sh", "echo good >> ../ran\n");
    script(&bench.site.work("run.sh"), "#!/bin/sh\necho good >> ran\n");
    for (command, file) in [
        (&["env", "A=1", "timeout", "9", "bash", "sub/../x.sh"][..], "sub/../x.sh"),
        (&["bash", "-c", "cd sub && sh x.sh"], "sub/x.sh"),
        (&["env", "A=1", "./run.sh"], "./run.sh"),
        (&["sh", "-c", "sh < sub/x.sh"], "sub/x.sh"),
    ] {
        bench.write("x.sh", "echo good >> ran\n");
        let path = bench.site.work(file);
        let good = std::fs::read_to_string(&path).unwrap();
        let id = bench.approved(command);
        std::fs::write(&path, "#!/bin/sh\necho evil >> ran\n").unwrap();
        bench.assert_refused(&id, file);
        std::fs::write(&path, &good).unwrap();
        bench.assert_runs(&id);
    }
    assert!(!bench.ran().contains("evil"));
    bench.site.assert_sound();
}

/// A program by the name of a known one, which leaves a line of what the file it is told to obey says.
fn applier(bench: &Bench, name: &str, option: bool) -> String {
    let bin = bench.site.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let file = if option { "$3" } else { "$2" };
    script(&bin.join(name), &format!("#!/bin/sh\ncat \"{file}\" >> ran\n"));
    bin.join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_file_that_an_option_or_an_argument_names_is_approved_with_its_bytes() {
    let bench = Bench::new();
    let kubectl = applier(&bench, "kubectl", true);
    let terraform = applier(&bench, "terraform", false);
    for command in [&[kubectl.as_str(), "apply", "-f", "m.yaml"][..], &[&terraform, "apply", "m.yaml"]] {
        bench.write("m.yaml", "good\n");
        let id = bench.approved(command);
        bench.write("m.yaml", "evil\n");
        bench.assert_refused(&id, "m.yaml");
        bench.write("m.yaml", "good\n");
        bench.assert_runs(&id);
    }
    assert_eq!(bench.ran(), "good\ngood\n");
    bench.site.assert_sound();
}

#[test]
fn a_file_that_no_word_names_is_approved_with_its_bytes_too() {
    let bench = Bench::new();
    let make = bench.site.path("bin");
    std::fs::create_dir_all(&make).unwrap();
    script(&make.join("make"), "#!/bin/sh\ncat Makefile >> ran\n");
    let make = make.join("make").to_str().unwrap().to_owned();
    bench.write("Makefile", "good\n");
    let id = bench.approved(&[&make, "deploy"]);
    // One that is looked for before it counts as well.
    bench.write("GNUmakefile", "evil\n");
    bench.assert_refused(&id, "GNUmakefile");
    std::fs::remove_file(bench.site.work("GNUmakefile")).unwrap();
    bench.write("Makefile", "evil\n");
    bench.assert_refused(&id, "Makefile");
    bench.write("Makefile", "good\n");
    bench.assert_runs(&id);
    assert_eq!(bench.ran(), "good\n");
    bench.site.assert_sound();
}

#[test]
fn a_rehearsal_that_was_approved_is_of_these_bytes() {
    let bench = Bench::new();
    bench.write("x.sh", "echo good >> ran\n");
    let done = bench.by_agent(&["--json", "run", "--dry-run", "--", "bash", "x.sh"]).expect(5);
    let id = done.json()["receipt_id"].as_str().unwrap().to_owned();
    bench.site.run(&["approve", &id]).expect(0);
    bench.write("x.sh", "echo evil >> ran\n");
    bench.assert_refused(&id, "x.sh");
    bench.write("x.sh", "echo good >> ran\n");
    bench.assert_runs(&id);
    assert_eq!(bench.ran(), "good\n");
    bench.site.assert_sound();
}

#[test]
fn a_script_that_a_shell_finds_along_the_path_is_approved_with_its_bytes() {
    let bench = Bench::new();
    let bin = bench.site.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let asked = |text: &str, args: &[&str]| {
        std::fs::write(bin.join("tool.sh"), text).unwrap();
        let mut command = bench.site.cascade(args);
        command.env("CLAUDECODE", "1").env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        finish(command, b"")
    };
    let done = asked("echo good >> ran\n", &["--json", "run", "--", "bash", "tool.sh"]).expect(5);
    let id = done.json()["receipt_id"].as_str().unwrap().to_owned();
    bench.site.run(&["approve", &id]).expect(0);
    let refused = asked("echo evil >> ran\n", &["run", "--approval", &id]).expect(3);
    assert!(refused.stderr.contains("bin/tool.sh is not the one that was approved"), "{}", refused.stderr);
    asked("echo good >> ran\n", &["run", "--approval", &id]).expect(0);
    assert_eq!(bench.ran(), "good\n");
    bench.site.assert_sound();
}

#[test]
fn a_pipe_in_the_place_of_a_script_is_not_waited_for() {
    let bench = Bench::new();
    bench.site.set("mkfifo", &[bench.site.work("x.sh").to_str().unwrap()]);
    bench.by_agent(&["run", "--", "bash", "x.sh"]).expect(5);
    assert_eq!(kinds(&bench.site.receipts()), ["genesis", "escalation"]);
    bench.site.assert_sound();
}

/// Runs `sh x.sh`, stops Cascade when it has opened the script for the `nth` time, and puts another one in its place.
fn exchanged_after(bench: &Bench, nth: u32) -> Done {
    bench.write("x.sh", "echo good >> ran\n");
    let pid_file = bench.site.path("pid");
    drop(std::fs::remove_file(&pid_file));
    let mut command = bench.site.program("strace");
    let trace = bench.site.path("trace");
    command.args(["--follow-forks", "--quiet=all", "--trace=openat2", "--output"]).arg(&trace);
    command.arg(format!("--inject=openat2:signal=STOP:when={nth}"));
    let run = "echo $$ > \"$0\"; exec \"$@\"";
    command.args(["sh", "-c", run]).arg(&pid_file);
    command.args([crate::site::CASCADE, "run", "--", "sh", "x.sh"]);
    command.current_dir(bench.site.work("")).stdin(Stdio::null());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = until(|| std::fs::read_to_string(&pid_file).ok().filter(|text| text.ends_with('\n')));
    until(|| std::fs::read_to_string(&trace).ok().filter(|text| text.contains("stopped by SIGSTOP")));
    bench.write("other.sh", "echo evil >> ran\n");
    std::fs::rename(bench.site.work("other.sh"), bench.site.work("x.sh")).unwrap();
    bench.site.set("kill", &["-CONT", pid.trim()]);
    ended(child, b"")
}

fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "it never came");
        std::thread::yield_now();
    }
}

#[test]
fn a_script_that_is_changed_before_the_intent_is_decided_anew() {
    let bench = Bench::new();
    exchanged_after(&bench, 1).expect(0);
    // It ran, and the receipts are of what ran.
    assert_eq!(bench.ran(), "evil\n");
    let id = bench.site.receipts()[1].id().to_owned();
    let told = bench.site.run(&["--json", "show", &id]).expect(0).stdout;
    let evil = cascade_receipt::digest::Digest::of(b"echo evil >> ran\n").to_hex();
    assert!(String::from_utf8_lossy(told.as_bytes()).contains(&evil), "{told}");
    bench.site.assert_sound();
}

#[test]
fn a_script_that_is_changed_before_the_start_does_not_run() {
    let bench = Bench::new();
    let done = exchanged_after(&bench, 2).expect(1);
    assert!(done.stderr.contains("was changed after it was decided"), "{}", done.stderr);
    assert_eq!(bench.ran(), "");
    assert_eq!(kinds(&bench.site.receipts()), ["genesis", "task_started", "task_failed"]);
    assert_eq!(bench.site.last().reasons(), ["start.changed"]);
    bench.site.assert_sound();
}
