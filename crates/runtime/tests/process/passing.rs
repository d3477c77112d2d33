//! Large output and input, and readers that go away.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use cascade_receipt::digest::Digest;
use cascade_runtime::process::BUFFER_BYTES_MAX;

use crate::kit::{Host, Tests, alive};

pub(crate) fn tests() -> Tests {
    vec![
        ("much_output_is_identical_and_takes_bounded_memory", much_output),
        ("a_reader_that_goes_away_ends_the_writer", a_reader_that_goes_away),
        ("input_passes_through", input_passes_through),
        ("given_input", given_input),
    ]
}

fn much_output() {
    let running = Host::sh(&[], "yes | head -c 20M").spawn();
    let ran = running.finish();
    assert_eq!((ran.code(), ran.output.stdout.len()), (0, 20 << 20));
    assert!(ran.output.stdout.chunks(2).all(|line| line == b"y\n"));
    assert_eq!(Digest::of(&ran.framed(1)), Digest::of(&ran.output.stdout));
    // One buffer that waits, one that leaves, each with the slack of a growing vector, over the program itself.
    let limit_kib = u64::try_from(4 * BUFFER_BYTES_MAX / 1024).unwrap() + 16 * 1024;
    let peak: u64 = ran.get("peak").parse().unwrap();
    assert!(peak < limit_kib, "{peak} KiB");
}

fn a_reader_that_goes_away() {
    let mut running = Host::sh(&[], "yes; echo $? >&2; echo after >&2").spawn();
    let mut stdout = running.child.stdout.take().unwrap();
    let mut first = [0; 100];
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let ran = running.finish();
    // As in a shell: the writer gets SIGPIPE, the rest of the script goes on.
    assert_eq!(ran.stderr(), "141\nafter\n");
    assert_eq!(ran.code(), 0);
    assert_eq!(alive(ran.id), [0; 0]);
    ran.frames();
}

fn input_passes_through() {
    let bytes: Vec<u8> = (0..10_000_000_u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
    // A pipe, and a socket, which would also be a way out and is pumped.
    for socket in [false, true] {
        let mut host = Host::sh(&[], "cat");
        let mut near = None;
        if socket {
            let (ours, theirs) = UnixStream::pair().unwrap();
            near = Some(ours);
            host.command.stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)));
        } else {
            host.command.stdin(Stdio::piped());
        }
        let Host { dir, id, mut command } = host;
        let mut child = command.spawn().unwrap();
        drop(command);
        let given = bytes.clone();
        let pipe = child.stdin.take();
        let writer = std::thread::spawn(move || match (pipe, near) {
            (Some(mut pipe), _) => pipe.write_all(&given).unwrap(),
            (None, Some(mut socket)) => socket.write_all(&given).unwrap(),
            (None, None) => unreachable!(),
        });
        let ran = crate::kit::Running { dir, id, child }.finish();
        writer.join().unwrap();
        assert_eq!(ran.code(), 0);
        let got = &ran.output.stdout;
        let differs = got.iter().zip(&bytes).position(|(got, given)| got != given);
        assert!(*got == bytes, "socket {socket}: {} bytes, first other at {differs:?}", got.len());
    }
}

fn given_input() {
    let ran = Host::sh(&["stdin=captured text"], "cat").run();
    assert_eq!(ran.stdout(), "captured text");
    let ran = Host::sh(&["null=1"], "cat; echo end").run();
    assert_eq!(ran.stdout(), "end\n");
    // A command that does not read its input is not disturbed by it.
    let long = format!("stdin={}", "x".repeat(100_000));
    assert_eq!(Host::sh(&[&long], "echo ok").run().stdout(), "ok\n");
}
