//! A program that stands where CPython would, and tries what an interpreter that was taken over would try.
//!
//! It is this binary, behind a script that says so when it is asked where its library is.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use cascade_runtime::smoke::{Called, Checked, Gates, Options, Smoke, SmokeError};
use rustix::process::{Pid, Resource, Rlimit, Signal};

use crate::kit::{AMPLE, Tests, asks, named};

/// What the program that stands for CPython is started with first.
pub(crate) const ARG: &str = "-s";
/// The name under which it never says that it is ready.
const SILENT: &str = "silent";

pub(crate) fn tests() -> Tests {
    vec![
        ("an_interpreter_that_was_taken_over_can_do_nothing", taken_over),
        ("an_interpreter_that_is_never_ready", never_ready),
    ]
}

pub(crate) fn main() -> ExitCode {
    let code = std::env::args().nth(5).unwrap_or_default();
    let is_silent = std::env::args().next().is_some_and(|name| name.ends_with(SILENT));
    if is_silent || code.contains("# The candidate:") {
        return wait();
    }
    let mut channel = UnixStream::from(rustix::io::dup(rustix::stdio::stdin()).unwrap());
    send(&mut channel, &["ready", "probe 1"]);
    let mut head = [0; 4];
    channel.read_exact(&mut head).unwrap();
    let mut job = vec![0; usize::try_from(u32::from_be_bytes(head)).unwrap()];
    channel.read_exact(&mut job).unwrap();
    send(&mut channel, &["done", "", "-", &format!("={}", attempts().join("\n"))]);
    ExitCode::SUCCESS
}

fn wait() -> ExitCode {
    let mut sink = Vec::new();
    drop(std::io::stdin().read_to_end(&mut sink));
    ExitCode::SUCCESS
}

fn send(channel: &mut UnixStream, fields: &[&str]) {
    let mut payload = Vec::new();
    for field in fields {
        payload.extend_from_slice(&u32::try_from(field.len()).unwrap().to_be_bytes());
        payload.extend_from_slice(field.as_bytes());
    }
    let head = u32::try_from(payload.len()).unwrap().to_be_bytes();
    channel.write_all(&[&head[..], &payload].concat()).unwrap();
}

/// Each with what became of it.
fn attempts() -> Vec<String> {
    let own = std::process::id();
    let variables: Vec<_> = std::env::vars().map(|(name, _)| name).collect();
    let mut told = vec![
        format!("environment: {}", variables.join(" ")),
        format!("directory: {}", std::env::current_dir().unwrap().display()),
    ];
    let mut tried = |what: &str, outcome: Result<(), String>| {
        told.push(format!("{what}: {}", if outcome.is_ok() { "done" } else { "refused" }));
    };
    let io = |outcome: std::io::Result<()>| outcome.map_err(|error| error.to_string());
    let os = |outcome: rustix::io::Result<()>| outcome.map_err(|error| error.to_string());
    tried("read a file", io(fs::read("/etc/passwd").map(drop)));
    tried("read a directory", io(fs::read_dir("/").map(drop)));
    tried("look at a process", io(fs::read("/proc/self/status").map(drop)));
    tried("write a file", io(fs::write("/tmp/smoke-probe", "x")));
    tried("make a directory", io(fs::create_dir("/tmp/smoke-probe.d")));
    tried("remove a file", io(fs::remove_file("/tmp/smoke-probe")));
    tried("talk udp", io(UdpSocket::bind("127.0.0.1:0").map(drop)));
    tried("talk tcp", io(TcpStream::connect("127.0.0.1:1").map(drop)));
    tried("listen", io(UnixListener::bind("/tmp/smoke-probe.s").map(drop)));
    tried("make sockets", io(UnixStream::pair().map(drop)));
    tried("start a process", io(Command::new("/bin/true").spawn().map(drop)));
    tried("start a thread", io(std::thread::Builder::new().spawn(|| {}).map(drop)));
    tried("become another program", Err(Command::new("/bin/sh").exec().to_string()));
    tried("end a process", os(rustix::process::kill_process(Pid::from_raw(1).unwrap(), Signal::TERM)));
    let more = Rlimit { current: Some(1 << 40), maximum: Some(1 << 40) };
    tried("raise a limit", os(rustix::process::setrlimit(Resource::As, more)));
    tried(
        "leave a namespace",
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER).map_err(|e| e.to_string()),
    );
    tried("take a gigabyte", Vec::<u8>::new().try_reserve(1 << 30).map_err(|error| error.to_string()));
    tried("open a descriptor", io(fs::File::open("/dev/null").map(drop)));
    told.push(format!("process: {own}"));
    told
}

/// A check with this binary in the place of CPython, under a name.
fn in_its_place(name: &str, limit: Duration) -> Result<Checked, SmokeError> {
    let own = std::env::current_exe().unwrap();
    let folder = tempfile::tempdir_in(own.parent().unwrap()).unwrap();
    let (script, program) = (folder.path().join("python3"), folder.path().join(name));
    fs::hard_link(&own, &program).unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut paths: Vec<_> = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).collect();
    paths.retain(|path| path.starts_with('/'));
    let text = format!("#!/bin/sh\nprintf '%s\\n' '{}' {}\n", program.display(), paths.join(" "));
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let options = Options { gates: Gates::CPython, python: Some(script), ..Options::default() };
    Smoke::start(&options).unwrap().check(&asks("def f():\n    return 1\n", "f()"), limit)
}

fn never_ready() {
    let started = Instant::now();
    let outcome = in_its_place(SILENT, Duration::from_secs(2));
    assert_eq!(named(&outcome), "timed out");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

fn taken_over() {
    let checked = in_its_place("taken-over", AMPLE).unwrap();
    assert_eq!(checked.backend.to_string(), "probe 1");
    let [Called::Value(text)] = &checked.called[..] else { panic!("{checked:?}") };
    let mut lines: Vec<_> = text.lines().collect();
    // Alone in its namespace, unless the system gives none; then the answer says so.
    assert!(lines.pop() == Some("process: 1") || !checked.backend.missing.is_empty(), "{checked:?}");
    assert_eq!(lines[..2], ["environment: PYTHONHASHSEED", "directory: /"]);
    let done: Vec<_> = lines[2..].iter().filter(|line| !line.ends_with(": refused")).collect();
    assert!(done.is_empty() && lines.len() == 20, "{text}");
}
