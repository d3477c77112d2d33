//! A spec of the repository on a site of its own: one administrator signs and runs it, another one approves.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::site::{Done, PATIENCE, Site, ended, finish, script};
use crate::team::Team;

/// Where a stalled program says so.
const REACHED: &str = "reached";
/// While it is there, programs stall.
const STALL: &str = "stall";

pub(crate) struct Stage {
    pub(crate) team: Team,
    name: &'static str,
    inputs: Vec<String>,
    env: Vec<(String, OsString)>,
}

/// When a program stalls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Moment {
    Before,
    After,
}

/// A spec of the repository.
pub(crate) fn spec(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../specs").join(format!("{name}.yaml"))
}

impl Stage {
    /// `name` of specs/, signed, and `ada`, an administrator who has nothing to do with the run.
    pub(crate) fn new(name: &'static str) -> Self {
        let team = Team::new();
        let public = team.public("ada");
        team.site.run(&["people", "add", "ada", "--admin", "--ssh-key", public.to_str().unwrap()]).expect(0);
        std::fs::copy(spec(name), team.site.work(&format!("{name}.yaml"))).unwrap();
        team.site.run(&["spec", "sign", &format!("{name}.yaml")]).expect(0);
        Self { team, name, inputs: Vec::new(), env: Vec::new() }
    }

    /// What every run is given from now on.
    pub(crate) fn give(&mut self, inputs: &[&str]) {
        self.inputs = inputs.iter().map(|input| (*input).to_owned()).collect();
    }

    pub(crate) fn set_env(&mut self, name: &str, value: &OsStr) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn site(&self) -> &Site {
        &self.team.site
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.team.site.cascade(&["--json", "spec"]);
        command.args(args).envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A run that is about to begin.
    pub(crate) fn start(&self) -> Command {
        let mut command = self.command(&["run", &format!("{}.yaml", self.name)]);
        command.args(self.inputs.iter().flat_map(|input| ["--input", input]));
        command
    }

    pub(crate) fn run(&self) -> Done {
        finish(self.start(), b"")
    }

    /// Runs to where people are asked, and gives the run.
    pub(crate) fn run_to_question(&self) -> String {
        let told = self.run().expect(5).json();
        told["chain"].as_str().unwrap().to_owned()
    }

    pub(crate) fn resume(&self, chain: &str) -> Done {
        finish(self.command(&["resume", chain]), b"")
    }

    /// The other administrator answers the question that was asked last.
    pub(crate) fn ada(&self, verb: &str) {
        let asked = self.team.site.last_of("escalation");
        self.team.by("ada", &[verb, &asked]).expect(0);
    }

    /// From now on this program and no other, called with this word, stalls once, before or after it has done its work.
    pub(crate) fn stall(&mut self, program: &str, word: &str, moment: Moment) {
        let path = std::env::var_os("PATH").unwrap();
        let real =
            std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file()).unwrap();
        // Where a project keeps programs of its own: from anywhere else below a temporary directory none is let in.
        let (real, bin) = (real.display(), self.team.site.path(".venv/bin"));
        let (reached, stall) = (self.team.site.path(REACHED), self.team.site.path(STALL));
        let wait = format!(": > '{}'; exec sleep 600", reached.display());
        let work = match moment {
            Moment::Before => wait,
            Moment::After => format!("'{real}' \"$@\" || exit; {wait}"),
        };
        let text = format!(
            "#!/bin/sh\nif test -e '{}'; then case \" $* \" in *' {word} '*) {work};; esac; fi\nexec '{real}' \"$@\"\n",
            stall.display()
        );
        drop(std::fs::remove_dir_all(&bin));
        std::fs::create_dir_all(&bin).unwrap();
        script(&bin.join(program), &text);
        let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&path))).unwrap();
        self.set_env("PATH", &path);
    }

    /// Kills a run while it is stalled, goes on with it, and gives what is told in the end. `late`: it stalls after people
    /// have agreed.
    pub(crate) fn killed_and_resumed(&self, late: bool) -> Value {
        let asked = late.then(|| self.run_to_question());
        if late {
            self.ada("approve");
        }
        let chain = self.kill_stalled(asked.as_deref());
        if !late {
            self.resume(&chain).expect(5);
            self.ada("approve");
        }
        self.resume(&chain).expect(0).json()
    }

    /// Kills the run (`chain`, a new one without) while it is stalled, and gives its id.
    fn kill_stalled(&self, chain: Option<&str>) -> String {
        let (reached, stall) = (self.team.site.path(REACHED), self.team.site.path(STALL));
        std::fs::write(&stall, "").unwrap();
        let command = chain.map_or_else(|| self.start(), |chain| self.command(&["resume", chain]));
        self.kill_when(command, || reached.exists());
        std::fs::remove_file(reached).unwrap();
        std::fs::remove_file(stall).unwrap();
        let runs = self.team.site.run(&["--json", "spec", "list"]).expect(0).json();
        runs["runs"][0]["chain"].as_str().unwrap().to_owned()
    }

    /// Kills a run that goes on once something holds.
    pub(crate) fn kill_resumed_when(&self, chain: &str, holds: impl Fn() -> bool) {
        self.kill_when(self.command(&["resume", chain]), holds);
    }

    fn kill_when(&self, mut command: Command, holds: impl Fn() -> bool) {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let since = Instant::now();
        while !holds() {
            if since.elapsed() > PATIENCE || child.try_wait().unwrap().is_some() {
                drop(child.kill());
                let done = ended(child, b"");
                panic!("it is never reached: {} {}", done.stdout, done.stderr);
            }
            std::thread::yield_now();
        }
        child.kill().unwrap();
        ended(child, b"");
        self.team.site.wait_until_quiet();
    }
}

/// What was undone, in order.
pub(crate) fn undone(told: &Value) -> Vec<&str> {
    let steps = told["steps"].as_array().unwrap().iter();
    steps.filter(|step| step["role"] == "compensation").map(|step| step["id"].as_str().unwrap()).collect()
}
