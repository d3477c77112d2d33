//! Power cuts, simulated: what the real binary did to the disk is replayed up to a moment, some of what was not
//! durable then is lost, and whoever opens the home next must find everything that was acknowledged.
//!
//! `CASCADE_POWERCUT=N` tries N of them; a failure names its seed, and `CASCADE_POWERCUT=seed:S` repeats it.

use std::ops::Range;
use std::path::Path;

use cascade_ledger::{Draft, Home, TenantId};
use cascade_policy::decide::decide;
use cascade_policy::snapshot::{Snapshot, SnapshotSource};
use cascade_receipt::content::{Action, Body, Runtime};
use cascade_receipt::digest::Digest;
use cascade_receipt::verify::Options;
use cascade_runtime::hypothesis;
use serde_json::Value;

use crate::disk::Disk;
use crate::random::Random;
use crate::site::{Receipt, Site};
use crate::trace::{self, Event};

const SEEDS: u64 = 3_000;
/// Stands in what is run and then erased.
const MARKER: &str = "c0ffee-to-be-erased";
/// Its output is released piece by piece.
const LIVE: &str = "printf a; sleep 0.3; printf b; sleep 0.3; printf c";

/// What was done, and what it answered when.
struct Story {
    site: Site,
    events: Vec<Event>,
    commands: Vec<Command>,
    /// What is recorded after the power cut.
    action: Action,
}

struct Command {
    args: Vec<String>,
    events: Range<usize>,
    answer: Value,
}

impl Story {
    fn new() -> Self {
        let mut story =
            Self { site: Site::new(), events: Vec::new(), commands: Vec::new(), action: denied() };
        story.command(&["--json", "init"]);
        story.command(&["--json", "run", "--", "true"]);
        story.command(&["--json", "checkpoint"]);
        let id = story.command(&["--json", "run", "--", "echo", MARKER])["receipt_id"].clone();
        story.command(&["run", "--", "sh", "-c", LIVE]);
        story.command(&["--json", "key", "rotate"]);
        story.command(&["--json", "run", "--dry-run", "--", "git", "push"]);
        story.command(&["--json", "erase", id.as_str().unwrap()]);
        story.command(&["--json", "run", "--", "false"]);
        story.command(&["--json", "checkpoint"]);
        story
    }

    fn command(&mut self, args: &[&str]) -> &Value {
        let (said, start) = (self.said(), self.events.len());
        trace::run(&self.site, args, &said, &mut self.events);
        let answer = serde_json::from_slice(&std::fs::read(&said).unwrap()).unwrap_or_default();
        let args = args.iter().map(|word| (*word).to_owned()).collect();
        self.commands.push(Command { args, events: start..self.events.len(), answer });
        &self.commands.last().unwrap().answer
    }

    /// Where Cascade's own output goes.
    fn said(&self) -> std::path::PathBuf {
        self.site.path("work/said")
    }

    /// What a caller had been given by the command before the power failed, in bytes.
    fn released(&self, command: &Command, cut: usize) -> usize {
        let said = self.said();
        let before = &self.events[command.events.start..cut.clamp(command.events.start, command.events.end)];
        let bytes = before.iter().map(|event| match event {
            Event::Wrote { path, bytes, .. } if *path == said => bytes.len(),
            _ => 0,
        });
        bytes.sum()
    }

    /// Answers that a caller had when the power failed.
    fn answered(&self, cut: usize) -> impl Iterator<Item = &Command> {
        self.commands
            .iter()
            .filter(move |command| !command.answer.is_null() && self.released(command, cut) > 0)
    }

    /// Creation writes as much as all the rest, and to look at what is left of it takes ten times as long.
    fn moment(&self, random: &mut Random) -> usize {
        let born = self.commands[0].events.end;
        if random.below(10) == 0 {
            return random.below(born);
        }
        born + random.below(self.events.len() - born + 1)
    }

    fn play(&self, seed: u64) {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let cut = self.moment(&mut random);
        let root = self.site.path("");
        let mut disk = Disk::new(&root, &["user", "work"]);
        self.events[..cut].iter().for_each(|event| disk.apply(event));
        let after = Site::empty();
        disk.after_power_cut(&mut random, &after.path(""));
        self.move_claims(&after);
        let erased = self.answered(cut).any(|command| command.answer["state"] == "erased");
        if erased {
            assert!(!holds(&after.path("home"), MARKER), "what was erased is back");
        }
        if !after.path("home/tenants/default").exists() {
            assert_eq!(self.answered(cut).count(), 0, "the chain is gone");
            after.run(&["init"]).expect(0);
            after.run(&["fsck"]).expect(0);
            return;
        }
        self.open(&after, cut);
    }

    /// Creation names the recovery files by their place, which is another one here.
    fn move_claims(&self, after: &Site) {
        let hex = |site: &Site| cascade_receipt::digest::to_hex(site.home().as_os_str().as_encoded_bytes());
        for tenant in [".default.creating", "default"] {
            let path = after.path("home/tenants").join(tenant).join("recovery-files");
            if let Ok(claims) = std::fs::read_to_string(&path) {
                std::fs::write(&path, claims.replace(&hex(&self.site), &hex(after))).unwrap();
            }
        }
    }

    /// The next process.
    fn open(&self, after: &Site, cut: usize) {
        let tenant = TenantId::parse("default").unwrap();
        let home = Home::open(&after.home()).unwrap();
        let ledger = home.open_tenant(&tenant, None, &|_| true).unwrap();
        let next = Body::Blocked(self.action.clone());
        ledger.append(Draft::new(cascade_ledger::receipt_id().unwrap(), next)).unwrap();
        let log_key = home.open_log_key(&tenant, None).unwrap();
        ledger.sign_checkpoint(&log_key, &after.path("user/.local/state/cascade/guard")).unwrap();
        let report = ledger.fsck(&mut |_, _| ()).unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        let lines = ledger.lines(0..u64::MAX).map(|line| format!("{}\n", line.unwrap().text));
        self.compare(after, cut, &lines.collect::<String>());
    }

    /// Everything that was given out is still true.
    fn compare(&self, after: &Site, cut: usize, lines: &str) {
        let checkpoints = self.answered(cut).filter_map(|command| command.answer["checkpoint"].as_str());
        let checkpoints = checkpoints.map(|note| note.as_bytes().to_vec()).collect();
        let master = std::fs::read_to_string(after.path("home-recovery/default/hmac-master.hex")).unwrap();
        let hmac_master = Digest::from_hex(master.trim_end()).map(|master| master.0);
        let options = Options { checkpoints, hmac_master, ..Options::default() };
        let verdict = cascade_verify::verify(&mut lines.as_bytes(), options, |_| ()).unwrap();
        assert!(verdict.valid(), "{}", verdict.to_json());
        assert_eq!(verdict.open().len(), 0, "an intent has no closer");
        let receipts: Vec<Receipt> =
            lines.lines().map(|line| Receipt(serde_json::from_str(line).unwrap())).collect();
        for command in self.answered(cut) {
            let ids = command.answer["receipts"].as_array().into_iter().flatten();
            for id in ids.chain(command.answer.get("receipt_id")) {
                assert!(receipts.iter().any(|one| id == one.id()), "{:?} is lost: {id}", command.args);
            }
        }
        let live = self.commands.iter().find(|command| command.args.iter().any(|word| word == LIVE));
        let released = self.released(live.unwrap(), cut);
        let covered = receipts.iter().filter_map(|one| one.content("bytes").as_u64()).max().unwrap_or(0);
        // The rest left after the closer, which is the third one that completed.
        let closed = receipts.iter().filter(|one| one.kind() == "task_completed").count() > 2;
        assert!(closed || released as u64 <= covered, "{released} bytes left, {covered} are receipted");
    }
}

/// A force push.
fn denied() -> Action {
    let facts = hypothesis::shell_line(b"git push --force", Some("person"));
    let ruling = decide(&Snapshot::compile(&SnapshotSource::bundled()).unwrap(), &facts);
    Action {
        task_type: "cli".to_owned(),
        risk_tier: ruling.risk_tier,
        classified: ruling.classified,
        request: None,
        principal: facts.principal.id,
        on_behalf_of: None,
        action_hash: Digest::of(b"action"),
        facts_hash: Digest::of(b"facts"),
        decision: ruling.decision,
        refs: Vec::new(),
        draws: Vec::new(),
        spec: None,
        runtime: Runtime {
            node: "test".to_owned(),
            version: "0.1.0".to_owned(),
            binary_sha256: Digest::of(b"binary"),
        },
    }
}

fn holds(dir: &Path, text: &str) -> bool {
    std::fs::read_dir(dir).unwrap().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holds(&path, text);
        }
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    })
}

#[test]
fn power_cuts() {
    let wish = std::env::var("CASCADE_POWERCUT").unwrap_or_default();
    let story = Story::new();
    if let Some(seed) = wish.strip_prefix("seed:") {
        return story.play(seed.parse().unwrap());
    }
    let seeds = if wish.is_empty() { SEEDS } else { wish.parse().unwrap() };
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let share = |first: u64| {
        for seed in (first..seeds).step_by(usize::try_from(threads).unwrap()) {
            let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| story.play(seed)));
            assert!(played.is_ok(), "seed {seed}");
        }
    };
    std::thread::scope(|scope| {
        let share = &share;
        for first in 0..threads {
            scope.spawn(move || share(first));
        }
    });
}
