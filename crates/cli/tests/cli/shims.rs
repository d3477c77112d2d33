//! Programs that are governed by the name alone: a directory of shims first on PATH, as a shell would use it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::site::{CASCADE, Done, Site, finish, kinds, script};

/// A site with a directory of shims before everything on PATH, and one of programs of its own after it.
struct Shimmed {
    site: Site,
}

impl Shimmed {
    fn new(names: &[&str]) -> Self {
        let shimmed = Self { site: Site::new() };
        std::fs::create_dir_all(shimmed.bin()).unwrap();
        let mut install = shimmed.site.cascade(&["shim", "install"]);
        install.args(names).env("PATH", shimmed.path());
        finish(install, b"").expect(0);
        shimmed
    }

    fn dir(&self) -> PathBuf {
        self.site.path("user/.local/share/cascade-shims")
    }

    /// Where a project keeps programs of its own: from elsewhere in a temporary directory none is let in.
    fn bin(&self) -> PathBuf {
        self.site.path(".venv/bin")
    }

    fn path(&self) -> OsString {
        let rest = std::env::var_os("PATH").unwrap();
        let dirs = [self.dir(), self.bin()].into_iter().chain(std::env::split_paths(&rest));
        std::env::join_paths(dirs).unwrap()
    }

    /// What somebody types, along that PATH, as `env` and every shell look it up.
    fn typed(&self, words: &[&str]) -> Command {
        let mut command = self.site.program("env");
        command.env("PATH", self.path()).args(words);
        command
    }

    fn does(&self, words: &[&str]) -> Done {
        finish(self.typed(words), b"")
    }

    fn program(&self, name: &str, text: &str) {
        script(&self.bin().join(name), text);
    }

    fn kinds(&self) -> Vec<String> {
        kinds(&self.site.receipts()).into_iter().map(str::to_owned).collect()
    }

    /// How many actions were started.
    fn started(&self) -> usize {
        self.kinds().iter().filter(|kind| *kind == "task_started").count()
    }
}

fn found(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file()).unwrap()
}

#[test]
fn what_is_typed_is_governed_and_passes_through() {
    let it = Shimmed::new(&["git", "sort"]);
    // The first command of all makes the home, as `cascade run` does.
    assert!(!it.site.home().exists());
    let done = it.does(&["git", "init", "--quiet", "repo"]).expect(0);
    assert!(done.stderr.contains("first use"), "{}", done.stderr);
    assert!(it.site.work("repo/.git").is_dir());
    let status = it.does(&["git", "-C", "repo", "status", "--short"]).expect(0);
    assert_eq!((status.stdout.as_str(), status.stderr.as_str()), ("", ""));
    // What git says with its exit code, and what it reads.
    it.does(&["git", "-C", "repo", "rev-parse", "--verify", "--quiet", "nothing"]).expect(1);
    assert_eq!(finish(it.typed(&["sort", "-r"]), b"a\nb\n").expect(0).stdout, "b\na\n");
    assert_eq!(it.started(), 4);
    // Words that mean something to Cascade are the program's own here.
    let own = it.does(&["git", "--version"]).expect(0);
    assert!(own.stdout.starts_with("git version"), "{}", own.stdout);
    it.does(&["git", "__supervise"]).expect(1);
    it.does(&["git", "--home", "elsewhere", "log"]).expect(129);
    let shown = it.site.run(&["--json", "show", &it.site.last_of("task_started")]).expect(0).stdout;
    assert!(shown.contains(found("git").to_str().unwrap()), "the original was run: {shown}");
    it.site.assert_sound();
}

#[test]
fn what_is_denied_or_waits_says_so_by_its_exit_code() {
    let it = Shimmed::new(&["git"]);
    it.does(&["git", "init", "--quiet", "repo"]).expect(0);
    let denied = it.does(&["git", "-C", "repo", "push", "--force"]).expect(3);
    assert!(denied.stderr.contains("git.push.force") && denied.stdout.is_empty(), "{}", denied.stderr);
    let mut agent = it.typed(&["git", "-C", "repo", "push", "origin", "--delete", "main"]);
    agent.env("CLAUDECODE", "1");
    finish(agent, b"").expect(5);
    assert_eq!(it.kinds().last().map(String::as_str), Some("escalation"));
}

#[test]
fn shims_beneath_shims_are_runs_beneath_runs() {
    let it = Shimmed::new(&["git", "release", "sort"]);
    it.program("release", "#!/bin/sh\ngit init --quiet repo && git -C repo status --short && echo done\n");
    assert_eq!(it.does(&["release"]).expect(0).stdout, "done\n");
    assert_eq!(it.started(), 3);
    // From a run that nobody started by a shim, and through a wrapper.
    it.site.run(&["halt", "--reason", "x"]).expect(0);
    it.site.run(&["resume", "--reason", "x"]).expect(0);
    let mut command = it.site.cascade(&["run", "--", "env", "git", "-C", "repo", "status"]);
    command.env("PATH", it.path());
    finish(command, b"").expect(0);
    assert_eq!(it.started(), 5);
    // `cascade run` itself passes over them: one run, not two.
    let mut command = it.site.cascade(&["run", "--", "git", "-C", "repo", "status"]);
    command.env("PATH", it.path());
    finish(command, b"").expect(0);
    assert_eq!(it.started(), 6);
    // An agent's stays the agent's all the way down.
    let mut agent = it.typed(&["release"]);
    agent.env("CLAUDECODE", "1");
    finish(agent, b"").expect(5);
    it.site.assert_sound();
}

/// Whoever looks for the next program of its own name finds the shim, which finds it again.
#[test]
fn a_program_that_calls_its_own_shim_comes_to_an_end() {
    let it = Shimmed::new(&["loop"]);
    it.program("loop", "#!/bin/sh\nexec loop\n");
    let done = it.does(&["loop"]).expect(1);
    assert!(done.stderr.contains("beneath 16 governed runs"), "{}", done.stderr);
    assert!(done.stderr.contains("hint: "), "{}", done.stderr);
    assert_eq!(it.started(), 16);
    it.site.wait_until_quiet();
}

#[test]
fn this_program_under_another_name_is_nobodys_original() {
    let it = Shimmed::new(&["tool", "absent"]);
    // A copy, a link, and a second directory of shims stand before the original.
    for (dir, how) in [("one", "copy"), ("two", "link"), ("three", "shims")] {
        let dir = it.site.path(dir);
        std::fs::create_dir(&dir).unwrap();
        match how {
            "copy" => drop(std::fs::copy(CASCADE, dir.join("tool")).unwrap()),
            "link" => std::os::unix::fs::symlink(CASCADE, dir.join("tool")).unwrap(),
            _ => {
                it.site.run(&["shim", "install", "--dir", dir.to_str().unwrap(), "tool"]).expect(0);
            }
        }
    }
    it.program("tool", "#!/bin/sh\necho original\n");
    let dirs = ["one", "two", "three"].map(|name| it.site.path(name));
    let rest = it.path();
    let path =
        std::env::join_paths(std::iter::once(it.dir()).chain(dirs).chain(std::env::split_paths(&rest)));
    let mut command = it.typed(&["tool"]);
    command.env("PATH", path.unwrap());
    assert_eq!(finish(command, b"").expect(0).stdout, "original\n");
    assert_eq!(it.started(), 1);
    // One that is nowhere else is not found, which is recorded.
    let done = it.does(&["absent"]).expect(1);
    assert!(done.stderr.contains("no such program"), "{}", done.stderr);
}

/// A link of the name that leads to a program elsewhere, as package managers make them.
#[test]
fn an_original_may_be_a_link() {
    let it = Shimmed::new(&["git"]);
    std::fs::remove_dir(it.bin()).unwrap();
    std::fs::create_dir_all(it.bin()).unwrap();
    std::os::unix::fs::symlink(found("git"), it.bin().join("git")).unwrap();
    it.does(&["git", "init", "--quiet", "repo"]).expect(0);
    assert_eq!(it.started(), 1);
    // By its path, from a shell, and from where PATH is relative.
    let shim = it.dir().join("git");
    it.does(&[shim.to_str().unwrap(), "-C", "repo", "status"]).expect(0);
    it.does(&["bash", "-c", "git -C repo status && hash -r && git -C repo status"]).expect(0);
    assert_eq!(it.started(), 4);
}

#[test]
fn names_come_and_go() {
    let it = Shimmed::new(&["git"]);
    let site = &it.site;
    let run = |args: &[&str]| {
        let mut command = site.cascade(&["shim"]);
        command.args(args).env("PATH", it.path());
        finish(command, b"")
    };
    let list = run(&["list", "--json"]).expect(0).json();
    assert_eq!(list["first_on_path"], true);
    assert_eq!(list["shims"][0]["name"], "git");
    assert_eq!(list["shims"][0]["original"], found("git").to_str().unwrap());
    // Nothing is made where one name of several is refused.
    for refused in ["bash", "cascade", "a/b", "../x", ".git"] {
        run(&["install", "sort", refused]).expect_failure(2, refused);
    }
    assert!(!it.dir().join("sort").exists());
    // What somebody else put there stays.
    std::fs::write(it.dir().join("mine"), "x").unwrap();
    run(&["install", "mine"]).expect_failure(1, "not a shim");
    run(&["remove", "mine"]).expect_failure(1, "not a shim");
    run(&["remove", "sort"]).expect_failure(1, "no shim `sort`");
    std::os::unix::fs::symlink("/bin/true", it.dir().join("foreign")).unwrap();
    run(&["remove", "foreign"]).expect_failure(1, "not a shim");
    run(&["install", "git", "sort"]).expect(0);
    run(&["remove", "git"]).expect(0);
    assert!(it.dir().join("mine").exists() && it.dir().join("foreign").exists());
    assert!(!it.dir().join("git").exists() && it.dir().join("sort").exists());
    // A directory of somebody's own is not made one of shims.
    run(&["install", "--dir", site.path("user").to_str().unwrap(), "git"])
        .expect_failure(1, "not a directory of shims");
    // Where it is not first, it says how it would be.
    let told = site.run(&["shim", "list"]).expect(0);
    for shell in ["bash", "zsh", "fish"] {
        assert!(told.stderr.contains(shell), "{}", told.stderr);
    }
    let found = site.run(&["--json", "doctor"]).expect(0).stdout;
    assert!(found.contains("not first on PATH"), "{found}");
    site.run(&["shim", "install"]).expect(2);
}
