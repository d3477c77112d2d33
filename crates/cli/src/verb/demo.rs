use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use cascade_runtime::process::Enclosure;
use cascade_runtime::rehearsal::{Scene, Stage};
use clap::Args;

use crate::exit::{self, Exit, Failure};
use crate::output::{BAD, BOLD, DIM, GOOD, Painted};
use crate::{admin, output, reasons};

/// The guided tour on a throw-away home: allowed, dry run, blocked, approved, a workflow, verified, replayed, tampered
///
/// Every line is a real command in its own process; the tour fails when one does not end as it should.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade demo
  cascade demo --keep")]
pub(crate) struct Demo {
    /// Keep the throw-away directory and say where it is
    #[arg(long)]
    keep: bool,
}

pub(crate) fn run(args: &Demo) -> Exit {
    // Somebody approves in it.
    if let Some(code) = Enclosure::look().objection() {
        return Err(Failure::denied(reasons::code_text(code)).hint(admin::hint(code)));
    }
    let started = Instant::now();
    let dir = tempfile::Builder::new().prefix("cascade-demo-").tempdir()?;
    let mut tour = Tour { stage: Stage::new(dir.path())?, dir: dir.path().to_owned(), failed: 0 };
    tour.scenery()?;
    tour.allowed()?;
    tour.blocked()?;
    tour.approved()?;
    let run = tour.workflow()?;
    tour.verified()?;
    tour.replayed(&run)?;
    tour.tampered()?;
    output::line(format_args!(
        "\n{} in {:.1} s, on a throw-away home; nothing of yours was touched",
        if tour.failed == 0 { Painted(GOOD, "done") } else { Painted(BAD, "not as it should be") },
        started.elapsed().as_secs_f64()
    ))?;
    if args.keep {
        output::say(format_args!("kept {}", dir.keep().display()));
    }
    Ok(if tour.failed == 0 { exit::DONE } else { exit::COULD_NOT })
}

/// The workflow of the tour.
const SPEC: &str = "ship.yaml";
const SHIP: &str = "csl: 1
name: ship
version: \"1\"
constraints: {max_tier: MEDIUM, workers: [git]}
steps:
  - id: mark
    run: [git, tag, v1]
    compensate: {run: [git, tag, -d, v1]}
  - id: look
    needs: [mark]
    run: [git, rev-parse, --verify, v1]
";

struct Tour {
    stage: Stage,
    dir: PathBuf,
    failed: u32,
}

impl Tour {
    fn repository(&self) -> PathBuf {
        self.dir.join("shop")
    }

    /// A git repository with a bare remote.
    fn scenery(&mut self) -> Result<(), Failure> {
        let (dir, repository) = (self.dir.clone(), self.repository());
        self.set(&dir, "git", &["init", "--quiet", "--bare", "remote.git"])?;
        self.set(&dir, "git", &["init", "--quiet", "--initial-branch=main", "shop"])?;
        std::fs::write(repository.join("README"), "a shop\n")?;
        self.set(&repository, "git", &["remote", "add", "origin", "../remote.git"])?;
        self.set(&repository, "git", &["add", "."])?;
        self.set(&repository, "git", &["commit", "--quiet", "--message=first"])?;
        heading("a ledger: keys, first administrator, default policy")?;
        self.cascade(0, &["init"])?;
        Ok(())
    }

    fn set(&self, cwd: &Path, program: &str, args: &[&str]) -> Result<(), Failure> {
        let scene = self.stage.program(cwd, program, args).map_err(|error| {
            Failure::could_not(anyhow::Error::new(error).context(format!("couldn't start `{program}`")))
                .hint(format!("the tour needs {program}; install it and try again"))
        })?;
        if scene.code == 0 {
            return Ok(());
        }
        Err(Failure::could_not(anyhow::anyhow!(
            "`{program} {}` failed: {}",
            args.join(" "),
            scene.text.trim_end()
        )))
    }

    fn allowed(&mut self) -> Result<(), Failure> {
        heading("allowed: decided before it runs, intent and outcome receipted")?;
        self.cascade(0, &["run", "--", "git", "push", "--quiet", "origin", "main"])?;
        heading("dry run: the decision alone; terraform need not even be installed")?;
        self.cascade(0, &["run", "--dry-run", "--", "terraform", "apply"])?;
        Ok(())
    }

    fn blocked(&mut self) -> Result<(), Failure> {
        heading("blocked: stopped before anything reaches the remote, however it is spelled")?;
        self.cascade(3, &["run", "--", "git", "push", "--force"])?;
        self.cascade(3, &["run", "--", "bash", "-c", "cd . && git push -qf origin main"])?;
        Ok(())
    }

    fn approved(&mut self) -> Result<(), Failure> {
        heading("an agent may do less: it waits for a person, and then runs exactly what was approved")?;
        let push = [
            "--as",
            "agent:release",
            "run",
            "--json",
            "--",
            "git",
            "push",
            "--quiet",
            "--force-with-lease",
            "origin",
            "main",
        ];
        let scene = self.cascade(5, &push)?;
        let id = scene.stdout.split("\"receipt_id\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let id = id.context("the escalation names no receipt")?.to_owned();
        self.cascade(0, &["approve", &id, "--reason", "release 1"])?;
        self.cascade(0, &["--as", "agent:release", "run", "--approval", &id])?;
        self.cascade(3, &["--as", "agent:release", "run", "--approval", &id])?;
        Ok(())
    }

    /// Gives the id of the run.
    fn workflow(&mut self) -> Result<String, Failure> {
        heading(
            "a workflow: signed, each step decided and receipted like any command, and taken back again",
        )?;
        std::fs::write(self.repository().join(SPEC), SHIP)?;
        self.cascade(0, &["spec", "sign", SPEC])?;
        let scene = self.cascade(0, &["spec", "run", SPEC])?;
        let id = scene.text.split("run ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let id = id.context("the run names no receipt")?.to_owned();
        self.cascade(0, &["rollback", &id, "--yes"])?;
        Ok(id)
    }

    fn replayed(&mut self, run: &str) -> Result<(), Failure> {
        heading(
            "replayed: from the run's receipts and facts anybody makes the same decisions, in the order of the spec",
        )?;
        self.cascade(0, &["bundle", "create", run, "--run", "--replayable", "--out", "run.bundle"])?;
        let replay = ["replay", "run.bundle", "--public-key", "key.pem", "--spec", SPEC, "--check"];
        self.cascade(0, &replay)?;
        Ok(())
    }

    fn verified(&mut self) -> Result<(), Failure> {
        heading("what happened, and what an outsider needs: the export and the public key")?;
        self.cascade(0, &["log"])?;
        self.cascade(0, &["export", "--out", "ledger.receipts.jsonl"])?;
        self.cascade(0, &["key", "export", "--public", "--out", "key.pem"])?;
        self.cascade(0, &["verify", "ledger.receipts.jsonl", "--public-key", "key.pem"])?;
        Ok(())
    }

    fn tampered(&mut self) -> Result<(), Failure> {
        heading("tampering: somebody turns the denial into an admission")?;
        let export = self.repository().join("ledger.receipts.jsonl");
        let text = std::fs::read_to_string(&export)?;
        let forged = text.replacen("\"verdict\":\"deny\"", "\"verdict\":\"admit\"", 1);
        std::fs::write(self.repository().join("forged.receipts.jsonl"), forged)?;
        self.cascade(4, &["verify", "forged.receipts.jsonl", "--public-key", "key.pem"])?;
        heading("and somebody else drops a receipt from the middle")?;
        let dropped: Vec<&str> = text
            .split_inclusive('\n')
            .enumerate()
            .filter(|(seq, _)| *seq != 4)
            .map(|(_, line)| line)
            .collect();
        std::fs::write(self.repository().join("dropped.receipts.jsonl"), dropped.concat())?;
        self.cascade(4, &["verify", "dropped.receipts.jsonl", "--public-key", "key.pem"])?;
        heading("and a third cuts off the end: this reader has seen more before")?;
        let kept: Vec<&str> = text.split_inclusive('\n').take(4).collect();
        std::fs::write(self.repository().join("cut.receipts.jsonl"), kept.concat())?;
        self.cascade(4, &["verify", "cut.receipts.jsonl", "--public-key", "key.pem"])?;
        heading("the chain on disk is still whole")?;
        self.cascade(0, &["fsck"])?;
        Ok(())
    }

    /// Shows a command, runs it, shows what it said, and compares its exit code with what it should be.
    fn cascade(&mut self, expected: u8, args: &[&str]) -> Result<Scene, Failure> {
        let shown: Vec<String> = args.iter().map(|word| cascade_runtime::record::quoted(word)).collect();
        output::line(format_args!("{} cascade {}", Painted(BOLD, "$"), shown.join(" ")))?;
        let scene = self.stage.cascade(&self.repository(), args)?;
        for line in scene.text.lines() {
            output::line(format_args!("  {line}"))?;
        }
        if scene.code != expected {
            self.failed += 1;
            output::line(format_args!("  {} {}, expected {expected}", Painted(BAD, "exit"), scene.code))?;
        } else if scene.code != 0 {
            output::line(format_args!("  {}", Painted(DIM, format!("exit {}", scene.code))))?;
        }
        Ok(scene)
    }
}

fn heading(text: &str) -> std::io::Result<()> {
    output::line(format_args!("\n{}", Painted(BOLD, format!("# {text}"))))
}
