//! Bad input and bad surroundings: a clear error with a hint, the right exit code, nothing half written,
//! and a chain that still verifies.

use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit};

use crate::site::{CASCADE, Done, Site, ended, finish, kinds, script};

#[test]
fn usage_errors_touch_nothing() {
    let site = Site::new();
    for args in [
        &[][..],
        &["nonsense"],
        &["run"],
        &["run", "true"],
        &["run", "--nonsense", "--", "true"],
        &["run", "--timeout", "soon", "--", "true"],
        &["run", "--dry-run", "--approval", "r_0123456789abcdef"],
        &["log", "--kind", "nonsense"],
        &["log", "--limit", "-1"],
        &["log", "--tier", "EXTREME"],
        &["shell-check"],
        &["show"],
        &["approve"],
        &["key", "export"],
        &["--tenant", "../other", "log"],
        &["--tenant", "", "run", "--", "true"],
        &["serve", "--listen", "unix:/tmp/no-socket", "--tls-cert", "a", "--tls-key", "b"],
    ] {
        let done = site.run(args).expect(2);
        assert_eq!(done.stdout, "", "{args:?}");
        assert!(!done.stderr.is_empty() && !done.stderr.contains("panicked"), "{args:?}: {}", done.stderr);
    }
    assert!(!site.home().exists());
}

#[test]
fn a_command_that_does_not_exist() {
    let site = Site::new();
    let done = site.run(&["run", "--", "no-such-program"]).expect_failure(1, "couldn't start the command");
    assert!(done.stderr.contains("PATH"), "{}", done.stderr);
    std::fs::write(site.work("notes.txt"), "no program\n").unwrap();
    site.run(&["run", "--", "./notes.txt"]).expect_failure(1, "couldn't start the command");
    // Never through a shell, which would take it for a script.
    script(&site.work("data"), "\u{1}\u{2}\u{3}");
    site.run(&["run", "--", "./data"]).expect_failure(1, "couldn't start the command");
    script(&site.work("orphan"), "#!/no/such/interpreter\n");
    site.run(&["run", "--", "./orphan"]).expect_failure(1, "couldn't start the command");
    site.run(&["run", "--", ""]).expect_failure(1, "couldn't start the command");
    let receipts = site.receipts();
    for failed in receipts.iter().filter(|receipt| receipt.kind() == "task_failed") {
        assert_eq!(failed.content("effect_status"), "failed");
    }
    assert_eq!(kinds(&receipts).iter().filter(|kind| **kind == "task_failed").count(), 5);
    site.assert_sound();
}

#[test]
fn what_is_not_there() {
    let site = Site::new();
    for args in
        [&["log"][..], &["verify"], &["export"], &["fsck"], &["approvals"], &["key", "export", "--public"]]
    {
        site.run(args).expect_failure(1, "no home");
    }
    assert!(!site.home().exists(), "looking created a home");
    site.run(&["init"]).expect(0);
    for args in [&["--tenant", "other", "log"][..], &["--tenant", "other", "verify"]] {
        site.run(args).expect_failure(1, "no tenant");
    }
    for args in [&["show", "r_0000000000000000"][..], &["show", "nonsense"]] {
        site.run(args).expect_failure(1, "no receipt");
    }
    let nowhere = site.path("no/such/dir/out.jsonl");
    let done = site.run(&["export", "--out", nowhere.to_str().unwrap()]).expect(1);
    assert!(done.stderr.contains("couldn't write"), "{}", done.stderr);
    site.assert_sound();
}

#[test]
fn a_home_that_is_none() {
    let site = Site::new();
    std::fs::create_dir(site.home()).unwrap();
    std::fs::write(site.home().join("letter.txt"), "mine\n").unwrap();
    site.run(&["run", "--", "true"]).expect_failure(1, "is not a home");
    assert_eq!(std::fs::read_dir(site.home()).unwrap().count(), 1, "something was written");
    std::fs::remove_dir_all(site.home()).unwrap();
    std::fs::write(site.home(), "a file\n").unwrap();
    site.run(&["run", "--", "true"]).expect_failure(1, "couldn't open the ledger");
    std::fs::remove_file(site.home()).unwrap();
    symlink(site.home(), site.home()).unwrap();
    site.run(&["log"]).expect_failure(1, "couldn't open the ledger");
}

#[test]
fn a_home_of_a_newer_version() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let version = site.home().join("VERSION");
    let known = std::fs::read_to_string(&version).unwrap();
    let newer = known.trim().parse::<u64>().unwrap() + 1;
    std::fs::write(&version, format!("{newer}\n")).unwrap();
    for args in [
        &["run", "--", "touch", "effect"][..],
        &["log"],
        &["init"],
        &["export"],
        &["shell-check", "--", "ls"],
    ] {
        site.run(args).expect_failure(1, "newer version");
    }
    assert!(!site.work("effect").exists());
    for text in ["", "one\n", "99999999999999999999\n"] {
        std::fs::write(&version, text).unwrap();
        site.run(&["log"]).expect_failure(1, "couldn't open the ledger");
    }
    std::fs::write(&version, known).unwrap();
    site.assert_sound();
}

#[test]
fn passphrases() {
    let site = Site::new();
    let (right, wrong) = (site.path("right"), site.path("wrong"));
    std::fs::write(&right, "open sesame\n").unwrap();
    std::fs::write(&wrong, "open barley\n").unwrap();
    let with = |file: &std::path::Path, args: &[&str]| {
        let mut command = site.cascade(args);
        command.env("CASCADE_PASSPHRASE_FILE", file);
        finish(command, b"")
    };
    with(&right, &["init", "--passphrase"]).expect(0);
    with(&wrong, &["run", "--", "touch", "effect"]).expect_failure(1, "wrong passphrase");
    site.run(&["run", "--", "touch", "effect"]).expect_failure(1, "need a passphrase");
    with(&site.path("missing"), &["run", "--", "touch", "effect"]).expect_failure(1, "passphrase");
    assert!(!site.work("effect").exists());
    with(&right, &["run", "--", "touch", "effect"]).expect(0);
    assert!(site.work("effect").exists());
    // Looking needs no key.
    site.assert_sound();
    let keys = site.home().join("tenants/default/keys");
    for entry in std::fs::read_dir(keys).unwrap().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        assert!(text.contains("ENCRYPTED"), "{}", entry.path().display());
    }
}

#[test]
fn a_key_that_others_can_read() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let key = site.home().join("tenants/default/keys/receipt.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    site.run(&["run", "--", "touch", "effect"]).expect_failure(1, "can be read by others");
    assert!(!site.work("effect").exists());
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    site.run(&["run", "--", "touch", "effect"]).expect(0);
    site.assert_sound();
}

/// Root may do anything to any file; behind these words it heeds permissions as others do.
fn heeding() -> &'static [&'static str] {
    const CAPABILITIES: &str = "-dac_override,-dac_read_search";
    const WORDS: &[&str] = &["setpriv", "--inh-caps", CAPABILITIES, "--bounding-set", CAPABILITIES];
    if rustix::process::geteuid().is_root() { WORDS } else { &[] }
}

#[test]
fn a_home_that_may_not_be_read() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    std::fs::set_permissions(site.home(), std::fs::Permissions::from_mode(0o000)).unwrap();
    for args in [&["run", "--", "touch", "effect"][..], &["log"], &["verify"], &["init"]] {
        let words = [heeding(), &[CASCADE], args].concat();
        let mut command = site.program(words[0]);
        command.args(&words[1..]);
        finish(command, b"").expect_failure(1, "permission denied");
    }
    std::fs::set_permissions(site.home(), std::fs::Permissions::from_mode(0o700)).unwrap();
    assert!(!site.work("effect").exists());
    site.assert_sound();
}

/// A script as `sh` runs it, in a mount name space of its own where the system allows one (`$MOUNTS` says
/// yes then); `$CASCADE` is the binary.
fn in_own_mounts(site: &Site, script: &str) -> Done {
    let mut words = vec!["unshare", "--mount"];
    if !rustix::process::geteuid().is_root() {
        words.extend(["--user", "--map-root-user"]);
    }
    let mut probe = site.program(words[0]);
    probe.args(&words[1..]).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
    let mounts = finish(probe, b"").status.success();
    if !mounts {
        words.clear();
    }
    words.extend(["sh", "-ec", script]);
    let mut command: Command = site.program(words[0]);
    command.args(&words[1..]).env("CASCADE", CASCADE).env("HEEDING", heeding().join(" "));
    command.env("MOUNTS", if mounts { "yes" } else { "no" });
    finish(command, b"")
}

/// A small disk; where none can be mounted, files that may not grow stand in for it.
#[test]
fn a_full_disk() {
    let site = Site::new();
    let script = r#"
        mkdir disk
        on_full_disk() { "$@"; }
        if [ $MOUNTS = yes ]; then
            mount -t tmpfs -o size=4m tmpfs disk
        else
            on_full_disk() { (trap '' XFSZ; ulimit -S -f 1; exec "$@"); }
        fi
        export CASCADE_HOME="$PWD/disk/home"
        "$CASCADE" run -- touch before
        if [ $MOUNTS = yes ]; then cat /dev/zero > disk/ballast 2>/dev/null || true; fi
        set +e
        # What is preallocated may let a few receipts through; then it must stop.
        i=0
        code=0
        while [ $code = 0 ] && [ $i -lt 50 ]; do
            i=$((i+1))
            on_full_disk "$CASCADE" run -- touch "effect-$i" 2> said
            code=$?
        done
        echo "code $code"
        test -e "effect-$i" && echo "it ran"
        cat said
        rm -f disk/ballast
        "$CASCADE" run -- touch after && echo "works again"
        "$CASCADE" verify | head -n 1
        "$CASCADE" fsck
        "$CASCADE" log --limit 1000 --json | grep -c task_completed
        ls | grep -c -e effect -e before -e after
    "#;
    let done = in_own_mounts(&site, script);
    let text = &done.stdout;
    for words in ["code 1", "hint: ", "space", "works again", "valid: ", "clean: "] {
        assert!(text.contains(words), "no `{words}` in {text}\n{}", done.stderr);
    }
    assert!(!text.contains("it ran"), "{text}");
    let counts: Vec<&str> = text.lines().rev().take(2).collect();
    assert_eq!(counts[0], counts[1], "effects and outcomes: {text}");
}

/// From some moment on nothing can be recorded any more; what the command says after it does not leave.
#[test]
fn a_disk_that_fills_up_during_a_run() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    // A write past the limit must be an error, as on a full disk, and no signal.
    let mut command = site.program("sh");
    let script =
        "trap '' XFSZ; exec \"$0\" run -- sh -c 'echo first; read -r word; while :; do echo second; done'";
    command.args(["-c", script, CASCADE]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"first\n");
    let nothing = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::prlimit(Some(Pid::from_child(&child)), Resource::Fsize, nothing).unwrap();
    let done = ended(child, b"go on\n").expect_failure(1, "the command was started, but");
    assert!(done.stderr.contains("look before you repeat it"), "{}", done.stderr);
    assert_eq!(done.stdout, "", "left without a receipt");
    site.wait_until_quiet();
    site.run(&["run", "--", "true"]).expect(0);
    let receipts = site.receipts();
    let kinds = kinds(&receipts);
    assert_eq!(&kinds[..3], ["genesis", "task_started", "heartbeat"]);
    assert!(kinds.contains(&"task_unknown"), "{kinds:?}");
    site.assert_sound();
}

/// The command did its work, and only then is there no space for saying so: nobody may be told to repeat it blindly.
#[test]
fn a_disk_that_fills_up_before_the_closer() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.set("mkfifo", &["ready"]);
    let mut command = site.program("sh");
    let lines = "echo > ready; read -r word; touch effect; echo secret";
    let script = format!("trap '' XFSZ; exec \"$0\" run -- sh -c '{lines}'");
    command
        .args(["-c", &script, CASCADE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    std::fs::read(site.work("ready")).unwrap();
    let nothing = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::prlimit(Some(Pid::from_child(&child)), Resource::Fsize, nothing).unwrap();
    let done = ended(child, b"go on\n").expect_failure(1, "the command was started, but");
    assert!(site.work("effect").exists());
    for words in ["space", "look before you repeat it", "withheld"] {
        assert!(done.stderr.contains(words), "no `{words}` in {}", done.stderr);
    }
    assert!(!done.stderr.contains("half written") && done.stdout.is_empty(), "{}", done.stderr);
    site.wait_until_quiet();
    site.run(&["run", "--", "true"]).expect(0);
    assert!(kinds(&site.receipts()).contains(&"task_unknown"));
    site.assert_sound();
}

#[test]
fn a_read_only_home() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    // Without a mount, permissions stand in for it.
    let script = r#"
        if [ $MOUNTS = yes ]; then
            mount --bind "$CASCADE_HOME" "$CASCADE_HOME"
            mount -o remount,ro,bind "$CASCADE_HOME"
            HEEDING=
        else
            chmod -R a-w "$CASCADE_HOME"
        fi
        cascade() { name=$1; code=0; $HEEDING "$CASCADE" "$@" > out 2> said || code=$?; echo "$name $code"; }
        cascade run -- touch effect
        cat said
        cascade log
        cascade verify
        cascade export
        cascade shell-check -- ls
        test $MOUNTS = yes || chmod -R u+w "$CASCADE_HOME"
    "#;
    let text = in_own_mounts(&site, script).expect(0).stdout;
    assert!(text.contains("is read-only") || text.contains("permission denied"), "{text}");
    for words in ["run 1", "hint: ", "log 0", "verify 0", "export 0", "shell-check 0"] {
        assert!(text.contains(words), "no `{words}` in {text}");
    }
    assert!(!site.work("effect").exists());
    site.assert_sound();
}

/// The clock of one process, three days ahead: the next one finds that time was set back.
#[test]
fn a_clock_that_was_set_back() {
    let site = Site::new();
    script(&site.work("tool"), "#!/bin/sh\nexit 0\n");
    let ask = || site.run(&["--as", "agent:k", "--json", "run", "--", "./tool"]).expect(5).json();
    let late = ask()["receipt_id"].as_str().unwrap().to_owned();
    let ahead = |args: &[&str]| finish(site.ahead(args), b"");
    // What nobody answered in its time waits no more.
    let expired = ahead(&["--as", "agent:k", "run", "--approval", &late]).expect(3);
    assert!(expired.stderr.contains("has run out"), "{}", expired.stderr);
    ahead(&["run", "--", "true"]).expect(0);
    let before = site.last();
    site.run(&["run", "--", "true"]).expect(0);
    let receipts = site.receipts();
    let later = &receipts[receipts.len() - 2..];
    assert_eq!(kinds(later), ["task_started", "task_completed"]);
    for receipt in later {
        assert_eq!(receipt.content("clock"), "stepped");
        assert_eq!(receipt.content("timestamp"), before.content("timestamp"));
    }
    assert!(before.content("clock").is_null());
    // What expires is measured in the chain's own time, or no approval could be given for three days.
    let asked = ask();
    let id = asked["receipt_id"].as_str().unwrap();
    assert!(site.run(&["approvals"]).expect(0).stdout.contains(id));
    site.run(&["approve", id]).expect(0);
    site.run(&["--as", "agent:k", "run", "--approval", id]).expect(0);
    site.assert_sound();
}

#[test]
fn damage_stops_new_actions() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let database = site.home().join("tenants/default/ledger.db");
    let whole = std::fs::read(&database).unwrap();
    std::fs::write(&database, &whole[..whole.len() / 2]).unwrap();
    let done = site.run(&["run", "--", "touch", "effect"]);
    assert!(matches!(done.status.code(), Some(1 | 3)), "{}: {}", done.status, done.stderr);
    assert!(!done.stderr.contains("panicked") && !site.work("effect").exists(), "{}", done.stderr);
    std::fs::write(&database, b"this is no database").unwrap();
    site.run(&["run", "--", "touch", "effect"]).expect_failure(1, "damaged");
    assert!(!site.work("effect").exists());
}

/// What a stranger would refuse, and bytes that receipts commit to, are looked for as well.
#[test]
fn fsck_finds_what_is_missing_from_the_vault() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    site.run(&["fsck"]).expect(0);
    let vault = site.home().join("tenants/default/vault.db");
    let erase =
        "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute('delete from items'); d.commit()";
    site.set("python3", &["-c", erase, vault.to_str().unwrap()]);
    let done = site.run(&["fsck", "--json"]).expect(4).json();
    assert_eq!(done["findings"][0]["code"], "vault.missing");
}

/// A name that PATH does not lead to is not looked for anywhere else, neither now nor after an approval.
#[test]
fn a_program_that_was_not_there_is_never_run() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    script(&site.work("latertool"), "#!/bin/sh\ntouch ran\n");
    site.run(&["run", "--", "latertool"]).expect_failure(1, "couldn't start the command");
    let asked = site.run(&["--as", "agent:k", "--json", "run", "--", "latertool"]).expect(5).json();
    let id = asked["receipt_id"].as_str().unwrap();
    site.run(&["approve", id]).expect(0);
    site.run(&["--as", "agent:k", "run", "--approval", id]).expect_failure(1, "couldn't start the command");
    assert!(!site.work("ran").exists());
    site.assert_sound();
}

/// What a shell is given on its standard input is what it will run.
#[test]
fn a_forced_push_on_the_input_of_a_shell_is_denied() {
    let site = Site::new();
    let done = finish(site.cascade(&["run", "--", "bash"]), b"cd . && git push --force\n").expect(3);
    assert!(done.stderr.contains("git.push.force"), "{}", done.stderr);
}
