//! Exit codes, output, hashes, arguments.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use crate::host::which;
use crate::kit::{Host, Tests, alive};

pub(crate) fn tests() -> Tests {
    vec![
        ("statuses", statuses),
        ("streams_keep_their_order_and_their_hash", streams_keep_their_order_and_their_hash),
        ("a_short_command_needs_no_segment", a_short_command_needs_no_segment),
        ("what_cannot_be_executed_is_told_apart", what_cannot_be_executed_is_told_apart),
        ("arguments_need_not_be_text_and_may_be_large", arguments_need_not_be_text_and_may_be_large),
        ("captured_output_and_its_cap", captured_output_and_its_cap),
        ("capped_pass_through", capped_pass_through),
        (
            "the_command_gets_its_environment_and_nothing_else",
            the_command_gets_its_environment_and_nothing_else,
        ),
    ]
}

fn statuses() {
    for (script, code, status) in [
        ("true", 0, "exited with code 0"),
        ("exit 7", 7, "exited with code 7"),
        ("exit 255", 255, "exited with code 255"),
        ("kill -TERM $$", 143, "ended by signal 15"),
        ("kill -KILL $$", 137, "ended by signal 9"),
        ("kill -SEGV $$", 139, "ended by signal 11"),
    ] {
        let ran = Host::sh(&[], script).run();
        assert_eq!((ran.code(), ran.get("status")), (code, status), "{script}");
        assert_eq!(ran.get("survivors"), "0", "{script}");
        assert!(alive(ran.id).is_empty());
    }
}

fn streams_keep_their_order_and_their_hash() {
    let script = "echo one; echo two >&2; printf 'bin\\000\\377'; until test -e go; do :; done; echo three";
    let running = Host::sh(&[], script).spawn();
    running.wait_for_event("segment");
    std::fs::write(running.path("go"), "").unwrap();
    let ran = running.finish();
    assert_eq!(ran.output.stdout, b"one\nbin\0\xffthree\n");
    assert_eq!(ran.output.stderr, b"two\n");
    assert_eq!((ran.framed(1), ran.framed(2)), (ran.output.stdout.clone(), ran.output.stderr.clone()));
    assert_ne!(ran.get("segments"), "0");
}

fn a_short_command_needs_no_segment() {
    // The command closes its output by ending, so the edge of the first segment has no time to come, unless the
    // machine is so busy that the end is seen late.
    let quiet = (0..10).filter(|_| Host::sh(&[], "echo hi").run().get("segments") == "0").count();
    assert!(quiet >= 5, "{quiet} of 10");
}

fn what_cannot_be_executed_is_told_apart() {
    for (path, text) in [
        ("/nonexistent/program", "No such file"),
        ("/etc/passwd", "Permission denied"),
        ("/tmp", "Permission denied"),
    ] {
        let ran = Host::argv(&[], &[path.into()]).run();
        assert_eq!(ran.code(), 127, "{path}");
        assert!(ran.get("status").contains(text), "{path}: {}", ran.get("status"));
        assert!(ran.frames().is_empty());
    }
    // One argument may have 128 KiB; the host itself could not be started with more, so it makes it.
    let ran = Host::argv(&["long=131072"], &["/bin/true".into()]).run();
    assert!(ran.get("status").contains("Argument list too long"), "{}", ran.get("status"));
}

fn arguments_need_not_be_text_and_may_be_large() {
    let mut argv: Vec<OsString> = vec![which("printf").into(), "%s".into()];
    argv.push(OsString::from_vec(vec![b'a', 0xff, 0xfe, b'\n']));
    argv.push(OsString::new());
    for _ in 0..10 {
        argv.push("y".repeat(100_000).into());
    }
    let ran = Host::argv(&[], &argv).run();
    assert_eq!(ran.code(), 0, "{}", ran.get("status"));
    assert_eq!(&ran.output.stdout[..4], b"a\xff\xfe\n");
    assert_eq!(ran.output.stdout.len(), 1_000_004);
    assert_eq!(ran.framed(1), ran.output.stdout);
}

fn captured_output_and_its_cap() {
    for (cap, stdout, truncated) in [("9", "12345", "false"), ("8", "1234", "true")] {
        let ran = Host::sh(&[&format!("capture={cap}")], "printf abcd >&2; sleep 0.05; printf 12345").run();
        assert_eq!((ran.text("stdout").as_str(), ran.text("stderr").as_str()), (stdout, "abcd"));
        assert_eq!(ran.get("truncated"), truncated);
        assert_eq!(ran.frames(), [(1, stdout.into()), (2, b"abcd".to_vec())]);
        assert!(ran.output.stdout.is_empty() && ran.output.stderr.is_empty());
    }
}

fn capped_pass_through() {
    let ran = Host::sh(&["cap=1000"], "head -c 100000 /dev/zero").run();
    assert_eq!((ran.output.stdout.len(), ran.get("truncated"), ran.code()), (1000, "true", 0));
    assert_eq!(ran.framed(1).len(), 1000);
}

fn the_command_gets_its_environment_and_nothing_else() {
    let mut host = Host::argv(&[], &[which("env").into()]);
    host.command.env_clear().env("A", "1").env("CASCADE_RUN", "r_0000000000000000");
    let ran = host.run();
    assert_eq!(ran.stdout(), format!("A=1\nCASCADE_RUN={}\n", ran.id));
    // Descriptors above the three streams: readable ones stay, as `<(...)` needs, ways out do not.
    let mut host = Host::sh(&[], "exec 2>&1; cat <&7; echo leak >&8; echo leak >&9; true");
    let original = std::mem::replace(&mut host.command, std::process::Command::new("sh"));
    let redirected = "exec 7<in 8>out 9>&1; exec \"$@\"";
    host.command.arg("-c").arg(redirected).arg("sh").arg(original.get_program()).args(original.get_args());
    host.command.current_dir(host.dir.path());
    std::fs::write(host.dir.path().join("in"), "readable\n").unwrap();
    let output = host.command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.starts_with("readable\n") && !text.contains("leak"), "{text}");
    assert_eq!(
        text.matches("Bad file descriptor").count() + text.matches("bad file descriptor").count(),
        2,
        "{text}"
    );
    assert_eq!(std::fs::read(host.dir.path().join("out")).unwrap(), b"");
}
