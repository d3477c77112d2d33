//! What passes through Cascade arrives as it was: input, output, exit codes, bytes that are no text.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;

use base64ct::{Base64, Encoding as _};

use crate::site::{Site, ended, finish, kinds};

/// Every byte value, in an order that no text has.
fn binary(length: usize) -> Vec<u8> {
    (0..=u8::MAX)
        .cycle()
        .zip(0..length)
        .map(|(byte, at)| byte.wrapping_mul(167) ^ (at >> 8).to_le_bytes()[0])
        .collect()
}

#[test]
fn five_megabytes_in_and_out() {
    let site = Site::new();
    let bytes = binary(5 << 20);
    let done = finish(site.cascade(&["run", "--", "cat"]), &bytes).expect(0);
    assert!(done.bytes == bytes, "{} bytes came back", done.bytes.len());
    std::fs::write(site.work("file"), &bytes).unwrap();
    let done = site.run(&["run", "--", "sh", "-c", "cat file; cat file >&2"]).expect(0);
    assert!(done.bytes == bytes);
    site.assert_sound();
}

#[test]
fn exit_codes_are_the_commands_own() {
    let site = Site::new();
    for (script, code) in
        [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -9 $$", 137)]
    {
        site.run(&["run", "--", "sh", "-c", script]).expect(code);
        let document = site.run(&["--json", "run", "--", "sh", "-c", script]).expect(code).json();
        assert_eq!(document["exit_code"], code);
        assert_eq!(document.get("signal").is_some(), code > 128 && code < 255, "{document}");
    }
    let late = site.run(&["run", "--timeout", "200ms", "--", "sleep", "60"]).expect(124);
    assert!(late.stderr.contains("out of time"), "{}", late.stderr);
    assert_eq!(site.last().kind(), "task_revoked");
    site.assert_sound();
}

/// Neither Cascade's own handling of signals nor that of its language is handed down.
#[test]
fn signals_are_as_without_cascade() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let words = ["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"];
    let plain = site.set(words[0], &words[1..]).stdout;
    let governed = site.run(&[&["run", "--"], &words[..]].concat()).expect(0).stdout;
    // The C library keeps two real-time signals to itself and ignores them when it starts programs.
    let standard = |text: &str| -> Vec<u64> {
        let masks =
            text.lines().map(|line| u64::from_str_radix(line.split('\t').nth(1).unwrap(), 16).unwrap());
        masks.map(|mask| mask & 0x7fff_ffff).collect()
    };
    assert_eq!(standard(&governed), standard(&plain), "{governed}\n{plain}");
}

#[test]
fn bytes_that_are_no_text() {
    let site = Site::new();
    let odd = OsStr::from_bytes(b"\xff\xfe caf\xe9");
    let mut command = site.cascade(&["run", "--", "printf", "%s"]);
    command.arg(odd);
    let done = finish(command, b"").expect(0);
    assert_eq!(done.bytes, odd.as_bytes());

    let mut command = site.cascade(&["--json", "run", "--reason", "odd", "--", "printf", "%s"]);
    command.arg(odd);
    let document = finish(command, b"").expect(0).json();
    assert_eq!(document["stdout_b64"], Base64::encode_string(odd.as_bytes()).as_str());
    assert!(document.get("stdout").is_none());
    assert_eq!(document["stderr"], "");

    let id = document["receipts"][0].as_str().unwrap();
    let shown = site.run(&["--json", "show", id]).expect(0).json();
    assert_eq!(shown["private"]["action"]["argv_b64"].as_array().unwrap().len(), 3);
    for args in [&["show", id][..], &["log"], &["--json", "log"], &["export"]] {
        let done = site.run(args).expect(0);
        assert!(String::from_utf8(done.bytes).is_ok(), "{args:?}");
    }
    let mut command = site.cascade(&["shell-check", "--"]);
    command.arg(odd);
    let code = finish(command, b"").status.code();
    assert!(matches!(code, Some(3 | 5)), "{code:?}");
    site.assert_sound();
}

#[test]
fn control_characters_cannot_forge_lines() {
    let site = Site::new();
    site.run(&["run", "--reason", "one\ntwo\u{1b}[2J", "--", "printf", "x\u{1b}[2Jy\nforged"]).expect(0);
    let id = site.receipts()[1].id().to_owned();
    for args in [&["log"][..], &["show", &id]] {
        let text = site.run(args).expect(0).stdout;
        assert!(!text.contains('\u{1b}') && !text.lines().any(|line| line.starts_with("forged")), "{text}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_command() {
    let site = Site::new();
    let mut command = site.cascade(&["run", "--", "yes"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "y\n");
    let done = ended(child, b"").expect(128 + 13);
    assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
    assert_eq!(site.last().kind(), "task_failed");
    site.wait_until_quiet();

    for args in [&["export"][..], &["log", "--json"], &["--help"], &["completions", "bash"]] {
        let mut child = site.cascade(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let done = ended(child, b"").expect(0);
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
    }
    site.assert_sound();
}

/// Up to a megabyte of words is decided about; what is longer is denied.
#[test]
fn a_megabyte_of_arguments() {
    const WORD: usize = 64 << 10;
    let site = Site::new();
    let word = "x".repeat(WORD);
    let govern = |count: usize, head: &[&str]| {
        let words = std::iter::repeat_n(word.as_str(), count);
        site.run(&head.iter().copied().chain(words).collect::<Vec<_>>())
    };
    let done = govern(15, &["run", "--", "printf", "%s"]).expect(0);
    assert_eq!(done.bytes.len(), WORD * 15);
    let id = site.last().reference("intent").unwrap().to_owned();
    let shown = site.run(&["--json", "show", &id]).expect(0).json();
    assert_eq!(shown["private"]["action"]["argv"].as_array().unwrap().len(), 2 + 15);
    site.run(&["log"]).expect(0);
    // A shell line has a limit of its own.
    let line = format!("true {word}");
    for done in [
        govern(16, &["run", "--", "true"]),
        site.run(&["run", "--", "bash", "-c", &line]),
        site.run(&["shell-check", "--", &line]),
    ] {
        let done = done.expect(3);
        let said = format!("{}{}", done.stdout, done.stderr);
        assert!(said.contains("longer or deeper than a command may be"), "{said}");
    }
    let receipts = site.receipts();
    assert!(kinds(&receipts).ends_with(&["task_completed", "blocked", "blocked"]));
    site.assert_sound();
}

#[test]
fn json_documents_have_the_members_of_the_contract() {
    let site = Site::new();
    let members = |args: &[&str], code: i32, members: &[&str]| {
        let document = site.run(&[&["--json"], args].concat()).expect(code).json();
        for member in members {
            assert!(document.get(member).is_some(), "no `{member}` in {document}");
        }
        document
    };
    let run = ["verdict", "receipt_id", "receipts", "exit_code", "reasons", "stdout", "stderr"];
    let ran = members(&["run", "--", "sh", "-c", "echo out; echo err >&2; exit 4"], 4, &run);
    assert_eq!((&ran["stdout"], &ran["stderr"]), (&"out\n".into(), &"err\n".into()));
    assert_eq!(ran["receipts"][1], ran["receipt_id"]);
    let denied = members(&["run", "--", "git", "push", "--force"], 3, &run);
    let gates: Vec<_> = denied["reasons"].as_array().unwrap().iter().map(|reason| &reason["gate"]).collect();
    assert!(gates.iter().any(|gate| *gate == "failfast"), "{denied}");
    members(&["run", "--dry-run", "--", "true"], 0, &run);
    let waiting = members(&["--as", "agent", "run", "--", "./nothing"], 5, &run);
    let waiting = waiting["receipt_id"].as_str().unwrap();
    let refused = members(&["--as", "agent", "run", "--approval", waiting], 5, &run);
    assert_eq!(refused["exit_code"], 5);
    assert!(ran.get("truncated").is_none());
    members(&["run", "--", "./nothing"], 1, &run);
    let check =
        members(&["shell-check", "--", "ls | wc"], 0, &["verdict", "risk_tier", "reasons", "commands"]);
    assert_eq!(check["commands"].as_array().unwrap().len(), 2);
    members(&["shell-check", "--", "git push -f"], 3, &["verdict", "risk_tier", "reasons", "commands"]);
    let verify = ["valid", "key_pinned", "receipts", "head", "checks", "anchored_through", "not_proven"];
    members(&["verify"], 0, &verify);
    members(&["fsck"], 0, &["clean", "findings", "receipts"]);
    members(&["init"], 0, &["created", "home", "log_origin"]);
    let log = site.run(&["--json", "log"]).expect(0).stdout;
    for line in log.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(entry["seq"].is_u64() && entry["kind"].is_string(), "{entry}");
    }
}

/// What cannot be written is an error, live or at the end, and the other stream still arrives.
#[test]
fn output_that_cannot_be_written_is_not_lost_silently() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    for lines in ["echo hi", "echo hi; sleep .3", "echo hi; sleep .3; echo more; exit 7"] {
        let lines = format!("echo told >&2; {lines}");
        let mut command = site.cascade(&["run", "--", "sh", "-c", &lines]);
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let child = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let done = ended(child, b"").expect(1);
        for words in
            ["couldn't write the command's output: No space left", "hint: ", "told", site.last().id()]
        {
            assert!(done.stderr.contains(words), "{lines}: no `{words}` in {}", done.stderr);
        }
    }
    site.assert_sound();
}

/// The limit of what `--json` keeps, and one byte past it.
#[test]
fn a_document_says_that_output_was_dropped() {
    const KEPT: usize = 16 << 20;
    let site = Site::new();
    for (length, truncated) in [(KEPT, false), (KEPT + 1, true)] {
        let lines = format!("head -c {length} /dev/zero | tr '\\0' x");
        let done = site.run(&["--json", "run", "--", "sh", "-c", &lines]).expect(0);
        let document = done.json();
        assert_eq!(document["stdout"].as_str().unwrap().len(), KEPT);
        assert_eq!(document.get("truncated").is_some_and(|value| value == true), truncated);
        assert_eq!(done.stderr.contains("output past 16 MiB was dropped"), truncated, "{}", done.stderr);
        assert_eq!(site.last().content("truncated") == true, truncated);
    }
    site.assert_sound();
}

/// A server that reloads on SIGUSR1 does so beneath Cascade, which does not die of it.
#[test]
fn signals_that_do_not_end_a_command_reach_it() {
    let site = Site::new();
    for signal in ["USR1", "USR2", "ALRM"] {
        let lines = format!("trap 'echo reloaded; exit 9' {signal}; echo up; while :; do read -r line; done");
        let mut command = site.cascade(&["run", "--", "sh", "-c", &lines]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut up = [0; 3];
        child.stdout.as_mut().unwrap().read_exact(&mut up).unwrap();
        site.set("kill", &[&format!("-{signal}"), &child.id().to_string()]);
        let done = ended(child, b"").expect(9);
        assert_eq!(done.stdout, "reloaded\n", "{signal}");
    }
    site.assert_sound();
}
