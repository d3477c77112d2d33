//! Erasing: searched for in the raw files, waited for, cut short at every step, in a busy home.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Instant;

use cascade_receipt::base64;

use crate::site::{PATIENCE, Site, ended, finish, kinds, script};
use crate::verifiers;

/// Stands in argv, directory, environment, standard input, reasons and output of the action to erase.
const MARKER: &str = "zq7-unmistakable-marker-93x";

/// Every file of the home, of what lies beside it, and of the user's state.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn places(site: &Site) -> Vec<PathBuf> {
    ["home", "home-recovery", "user"].iter().flat_map(|name| files(&site.path(name))).collect()
}

/// Which files hold one of `needles`.
fn holding(site: &Site, needles: &[Vec<u8>]) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        needles.iter().any(|needle| bytes.windows(needle.len()).any(|part| part == needle))
    };
    places(site).into_iter().filter(holds).collect()
}

/// `text` as it might lie around: as it is, in UTF-16, in base64 at each of the three offsets, in hex.
fn spellings(text: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![text.to_vec(), text.iter().flat_map(|byte| [*byte, 0]).collect()];
    for offset in 0..3 {
        let padded = [vec![0; offset], text.to_vec()].concat();
        let encoded = base64::encode(&padded);
        // The ends depend on the neighbours.
        all.push(encoded.as_bytes()[4..encoded.len() - 4].to_vec());
    }
    all.push(text.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect());
    all
}

fn vault(site: &Site) -> PathBuf {
    site.home().join("tenants/default/vault.db")
}

/// Python on a database, for what only another program should say.
fn python(site: &Site, code: &str, args: &[&str]) -> String {
    site.set("python3", &[&["-c", code], args].concat()).stdout
}

/// Nonce and hash of every private item, in hex.
fn nonces(site: &Site) -> Vec<Vec<u8>> {
    let code = "import sqlite3, sys\nfor (n,) in sqlite3.connect(sys.argv[1]).execute('select nonce from items'): print(n.hex())";
    let text = python(site, code, &[vault(site).to_str().unwrap()]);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    text.lines().map(|line| line.as_bytes().chunks(2).map(byte).collect()).collect()
}

/// An agent's deploy that was escalated, approved with a reason and run, with the marker wherever it fits.
fn deployed(site: &Site) -> Vec<String> {
    let dir = site.work(MARKER);
    std::fs::create_dir(&dir).unwrap();
    script(&dir.join("deploy.sh"), "#!/bin/sh\necho \"deployed $1\"\n");
    let mut asked =
        site.cascade(&["--json", "--as", "agent:k", "run", "--reason", MARKER, "--", "sh", "-s", MARKER]);
    asked.current_dir(&dir).env("PATH", format!("{}:/usr/bin:/bin", dir.display()));
    asked.env("LD_LIBRARY_PATH", format!("/nowhere/{MARKER}"));
    let asked = finish(asked, format!("./deploy.sh {MARKER}\n").as_bytes()).expect(5).json();
    let id = asked["receipt_id"].as_str().unwrap();
    site.run(&["approve", id, "--reason", MARKER]).expect(0);
    let mut run = site.cascade(&["--json", "--as", "agent:k", "run", "--approval", id]);
    run.env("PATH", format!("{}:/usr/bin:/bin", dir.display()));
    let ran = finish(run, b"").expect(0).json();
    assert!(ran["stdout"].as_str().unwrap().contains(MARKER));
    std::fs::remove_dir_all(&dir).unwrap();
    let receipts = site.receipts();
    receipts[1..].iter().map(|receipt| receipt.id().to_owned()).collect()
}

#[test]
fn nothing_private_is_left_in_any_file() {
    // Whichever receipt of the action is named, all of it goes.
    for named in 0..4 {
        let site = Site::new();
        site.run(&["init"]).expect(0);
        site.run(&["run", "--", "echo", "stays"]).expect(0);
        let (other, others) = (nonces(&site), site.receipts().len() - 1);
        let ids = deployed(&site).split_off(others);
        let secret: Vec<_> = nonces(&site).into_iter().filter(|nonce| !other.contains(nonce)).collect();
        assert!(secret.len() >= 8, "action, facts, stdin, reasons, output nonce: {}", secret.len());
        let needles = [spellings(MARKER.as_bytes()), secret.clone()].concat();
        assert!(!holding(&site, &needles).is_empty(), "the search finds what is there");
        let (before, key) = site.hand_over();
        let before = std::fs::read(&before).unwrap();
        let output = site.run(&["show", &ids[0]]).expect(0).stdout;
        assert!(output.contains(MARKER));

        let done = site.run(&["--json", "erase", &ids[named]]).expect(0).json();
        assert_eq!(done["state"], "erased");
        let erased: Vec<_> = done["erased"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["receipt_id"].as_str().unwrap())
            .collect();
        // Escalation, approval and intent; the closer has nothing private of its own.
        assert_eq!(erased, [&ids[0], &ids[1], &ids[2]]);
        assert_eq!(holding(&site, &needles), Vec::<PathBuf>::new());
        // What belongs to others is still there.
        for nonce in &other {
            assert!(!holding(&site, std::slice::from_ref(nonce)).is_empty());
        }

        site.assert_sound();
        let old = site.path("before.jsonl");
        std::fs::write(&old, before).unwrap();
        assert_eq!(verifiers::agreed(&old, Some(&key), None).fault, None);
        let last = site.last();
        assert_eq!((last.kind(), last.id()), ("erasure", done["receipt_id"].as_str().unwrap()));
        assert!(!last.content("signatures").as_array().unwrap().is_empty());
        for id in &ids[..3] {
            let shown = site.run(&["show", id]).expect(0).stdout;
            assert!(
                shown.contains(&format!("erased       {}", last.id())) && !shown.contains(MARKER),
                "{shown}"
            );
        }
        let log = site.run(&["log"]).expect(0).stdout;
        assert!(log.contains("(erased)") && log.contains("echo stays") && !log.contains(MARKER), "{log}");
        // Again: nothing more to do, and no second receipt.
        let again = site.run(&["--json", "erase", &ids[named]]).expect(0).json();
        assert_eq!((&again["state"], &again["receipt_id"]), (&done["state"], &done["receipt_id"]));
        assert_eq!(site.last().id(), last.id());
    }
}

#[test]
fn what_is_erased_cannot_be_answered_or_run() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let ask = |what: &str| {
        let done = site.run(&["--json", "--as", "agent:k", "run", "--", "nosuchtool", what]).expect(5).json();
        done["receipt_id"].as_str().unwrap().to_owned()
    };
    let (open, approved) = (ask("one"), ask("two"));
    site.run(&["approve", &approved]).expect(0);
    for id in [&open, &approved] {
        site.run(&["erase", id]).expect(0);
        for args in [vec!["approve", id], vec!["deny", id], vec!["--as", "agent:k", "run", "--approval", id]]
        {
            site.run(&args).expect_failure(1, "is erased");
        }
    }
    assert_eq!(site.run(&["--json", "approvals"]).expect(0).stdout, "");
    assert_eq!(kinds(&site.receipts())[1..], ["escalation", "escalation", "approval", "erasure", "erasure"]);
    site.assert_sound();
}

#[test]
fn who_may_erase_and_what() {
    let site = Site::new();
    let id = site.run(&["--json", "run", "--", "true"]).expect(0).json()["receipt_id"]
        .as_str()
        .unwrap()
        .to_owned();
    site.run(&["--as", "agent:k", "erase", &id]).expect_failure(3, "an agent cannot");
    site.run(&["--as", "somebody", "erase", &id]).expect_failure(3, "not among those");
    let genesis = site.receipts()[0].id().to_owned();
    site.run(&["erase", &genesis]).expect_failure(1, "belongs to no action");
    site.run(&["erase", "r_0000000000000000"]).expect_failure(1, "no receipt");
    let kinds_now = ["genesis", "task_started", "task_completed", "blocked", "blocked"];
    assert_eq!(kinds(&site.receipts()), kinds_now);
}

#[test]
fn a_running_action_is_not_erased() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let mut command = site.cascade(&["run", "--", "sh", "-c", "echo on; read line"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let intent = site.receipts()[1].id().to_owned();
    site.run(&["erase", &intent]).expect_failure(1, "still running");
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert!(child.wait().unwrap().success());
    site.run(&["erase", &intent]).expect(0);
    site.assert_sound();
}

/// Another program with a transaction open on a database of the tenant, until it is dropped.
pub(crate) struct Holding(Child);

impl Holding {
    pub(crate) fn new(site: &Site, database: &str, statement: &str) -> Self {
        let code = format!(
            "import sqlite3, sys\nd = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\n\
             d.execute('{statement}')\nd.execute('select count(*) from sqlite_schema').fetchone()\n\
             print('held', flush=True)\nsys.stdin.read()"
        );
        let path = site.home().join("tenants/default").join(database);
        let mut command = site.program("python3");
        command.args(["-c", &code]).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        Self(child)
    }

    fn pid(&self) -> u64 {
        self.0.id().into()
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

fn erasable(site: &Site) -> (String, Vec<Vec<u8>>) {
    let done = site.run(&["--json", "run", "--", "echo", MARKER]).expect(0).json();
    (done["receipt_id"].as_str().unwrap().to_owned(), [spellings(MARKER.as_bytes()), nonces(site)].concat())
}

#[test]
fn a_reader_makes_it_pending_and_is_named() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let (id, needles) = erasable(&site);
    let idle = Holding::new(&site, "vault.db", "select 1");
    let reader = Holding::new(&site, "vault.db", "begin");
    let started = Instant::now();
    let done = site.run(&["--json", "erase", &id]).expect(1);
    assert!(started.elapsed() >= cascade_runtime::erase::WAIT_MAX && started.elapsed() < PATIENCE);
    let document = done.json();
    assert_eq!(document["state"], "pending");
    let pids: Vec<_> =
        document["holders"].as_array().unwrap().iter().map(|one| one["pid"].as_u64().unwrap()).collect();
    assert!(pids.contains(&reader.pid()), "{pids:?}");
    if std::fs::read_to_string("/proc/locks").is_ok_and(|locks| locks.contains("READ")) {
        assert!(!pids.contains(&idle.pid()), "an idle process is not in the way");
    }
    assert!(document["holders"][0]["command"].as_str().unwrap().contains("python3"));
    let told = site.run(&["erase", &id]).expect(1);
    assert!(
        told.stdout.contains("pending") && told.stdout.contains(&reader.pid().to_string()),
        "{}",
        told.stdout
    );
    assert!(told.stderr.contains("hint"), "{}", told.stderr);
    // It is receipted, and neither damage nor done.
    let fsck = site.run(&["--json", "fsck"]).expect(0).json();
    assert_eq!(fsck["erasures_pending"], serde_json::json!([document["receipt_id"]]));
    assert!(!holding(&site, &needles).is_empty());

    drop(reader);
    // Whoever opens the ledger next carries it on.
    let pending = || site.run(&["--json", "fsck"]).expect(0).json()["erasures_pending"].clone();
    // The idle process may be in the way for a moment; then it is whoever comes after.
    let deadline = Instant::now() + PATIENCE;
    site.run(&["run", "--", "true"]).expect(0);
    while pending() != serde_json::json!([]) && Instant::now() < deadline {
        site.run(&["run", "--", "true"]).expect(0);
    }
    assert_eq!(holding(&site, &needles), Vec::<PathBuf>::new());
    assert_eq!(pending(), serde_json::json!([]));
    assert_eq!(site.run(&["--json", "erase", &id]).expect(0).json()["state"], "erased");
    assert_eq!(kinds(&site.receipts()).iter().filter(|kind| **kind == "erasure").count(), 1);
    site.assert_sound();
}

/// Killed while it waits: for the lock of the log (nothing happened), for the vault (receipted, nothing gone), for
/// a reader (overwritten, old pages left).
#[test]
fn cut_short_it_is_carried_on() {
    for (database, statement, receipted) in [
        ("ledger.db", "begin immediate", false),
        ("vault.db", "begin immediate", true),
        ("vault.db", "begin", true),
    ] {
        let site = Site::new();
        site.run(&["init"]).expect(0);
        let (id, needles) = erasable(&site);
        let blocker = Holding::new(&site, database, statement);
        let mut child = site.cascade(&["erase", &id]).stderr(Stdio::null()).spawn().unwrap();
        let started = Instant::now();
        // Killed once its receipt is there, or, where it cannot be, after it had the time.
        while kinds(&site.receipts()).last() != Some(&"erasure") && started.elapsed() < PATIENCE {
            if !receipted && started.elapsed().as_secs() > 2 {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(kinds(&site.receipts()).contains(&"erasure"), receipted);
        assert!(!holding(&site, &needles).is_empty());
        drop(blocker);
        site.run(&["fsck"]).expect(0);
        site.run(&["run", "--", "true"]).expect(0);
        assert_eq!(holding(&site, &needles).is_empty(), receipted, "{database} {statement}");
        site.run(&["erase", &id]).expect(0);
        assert_eq!(holding(&site, &needles), Vec::<PathBuf>::new());
        site.assert_sound();
    }
}

#[test]
fn in_a_home_that_eight_processes_write_to() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let actions: Vec<_> = (0..4).map(|_| erasable(&site)).collect();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..12 {
                    let mut command = site.cascade(&["run", "--", "true"]);
                    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
                    ended(child, b"").expect(0);
                }
            });
        }
        for (id, _) in &actions {
            let done = site.run(&["--json", "erase", id]);
            assert!(matches!(done.status.code(), Some(0 | 1)), "{}", done.stderr);
        }
    });
    for (id, needles) in &actions {
        assert_eq!(site.run(&["--json", "erase", id]).expect(0).json()["state"], "erased");
        assert_eq!(holding(&site, needles), Vec::<PathBuf>::new());
    }
    site.assert_sound();
}

/// Zeros in the place of bytes are damage unless an erasure says so.
#[test]
fn what_no_erasure_names_is_still_missed() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let (id, _) = erasable(&site);
    site.run(&["run", "--", "true"]).expect(0);
    site.run(&["erase", &id]).expect(0);
    site.run(&["fsck"]).expect(0);
    let code = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute('update items set nonce = zeroblob(32), bytes = zeroblob(length(bytes))'); d.commit()";
    python(&site, code, &[vault(&site).to_str().unwrap()]);
    let done = site.run(&["fsck", "--json"]).expect(4).json();
    assert_eq!(done["findings"][0]["code"], "vault.item");
}
