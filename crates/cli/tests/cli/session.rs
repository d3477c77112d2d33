//! `cascade shell`: what cannot be executed in it, and what its broker does outside.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::site::{CASCADE, Done, PATIENCE, Site, ended, finish, kinds, script};
use crate::tty::Seat;

const AGENT: &[&str] = &["--as", "agent:builder"];

/// A site with shims of these names and a repository.
struct Den {
    site: Site,
}

impl Den {
    fn new(names: &[&str]) -> Self {
        let den = Self { site: Site::new() };
        std::fs::create_dir_all(den.site.path(".venv/bin")).unwrap();
        let mut install = den.site.cascade(&["shim", "install"]);
        install.args(names);
        finish(install, b"").expect(0);
        den.site.run(&["init"]).expect(0);
        den.site.set("git", &["init", "--quiet", "repo"]);
        den
    }

    /// A session whose shell runs these lines, which know `$C`, and `$RAW`, git's own path.
    fn session(&self, flags: &[&str], lines: &str) -> Command {
        let head = format!("C={CASCADE}\nRAW={}\n", found("git").display());
        script(&self.site.work("lines.sh"), &format!("{head}{lines}\n"));
        let mut command = self.site.cascade(&["shell", "--shell", "/bin/bash"]);
        let own = self.site.path(".venv/bin");
        let path = std::env::var_os("PATH").unwrap();
        let path = std::env::join_paths([own].into_iter().chain(std::env::split_paths(&path))).unwrap();
        command.args(flags).args(["--", "lines.sh"]).env("PATH", path);
        command
    }

    fn runs(&self, lines: &str) -> Done {
        finish(self.session(&[], lines), b"")
    }

    fn program(&self, name: &str, text: &str) {
        script(&self.site.path(".venv/bin").join(name), text);
    }

    fn kinds(&self) -> Vec<String> {
        kinds(&self.site.receipts()).into_iter().map(str::to_owned).collect()
    }

    fn started(&self) -> usize {
        kinds(&self.site.receipts()).iter().filter(|kind| **kind == "task_started").count()
    }
}

fn found(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file()).unwrap()
}

#[test]
fn originals_cannot_be_executed_and_shims_can() {
    let den = Den::new(&["git"]);
    let done = den.runs(
        "git -C repo status --short; echo \"shim $?\"
         $RAW --version; echo \"by its path $?\"
         PATH=${RAW%/*} git --version; echo \"by another PATH $?\"
         env -i $RAW --version; echo \"env $?\"
         /lib64/ld-linux-x86-64.so.2 $RAW --version > /dev/null; echo \"by the loader $?\"
         CASCADE_BROKER= $C run -- git --version; echo \"without the broker $?\"
         $C run -- $RAW --version; echo \"by a run inside $?\"
         unset CASCADE_BROKER; git --version; echo \"shim alone $?\"",
    );
    let done = done.expect(0);
    assert!(!done.stdout.contains("git version"), "{}", done.stdout);
    let told: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(
        told,
        [
            "shim 0",
            "by its path 126",
            "by another PATH 126",
            "env 126",
            "by the loader 127",
            "without the broker 1",
            "by a run inside 1",
            "shim alone 1"
        ],
        "{}",
        done.stderr
    );
    den.site.wait_until_quiet();
    den.site.assert_sound();
}

#[test]
fn what_is_asked_for_passes_through() {
    let den = Den::new(&["git", "sort", "words"]);
    den.program(
        "words",
        "#!/bin/sh\nprintf '%s|' \"$@\" \"$PWD\" \"$WORD\" \"$LD_PRELOAD\"; echo err >&2; exit 7\n",
    );
    let done = den.runs(
        "printf 'b\\na\\n' | sort | while read -r line; do echo \"<$line>\"; done
         cd repo && WORD=1 LD_PRELOAD=/x.so words 'a b' '' ; echo $?
         git push --force 2>/dev/null; echo $?
         git nonsense > ../told 2>&1; echo $?",
    );
    let done = done.expect(0);
    let lines: Vec<&str> = done.stdout.lines().collect();
    let repo = den.site.work("repo");
    assert_eq!(lines[..2], ["<a>", "<b>"]);
    assert_eq!(lines[2], format!("a b||{}|1||7", repo.display()));
    assert_eq!(lines[3..], ["3", "1"]);
    assert!(done.stderr.contains("err"), "{}", done.stderr);
    assert!(std::fs::read_to_string(den.site.work("told")).unwrap().contains("nonsense"));
    den.site.wait_until_quiet();
    den.site.assert_sound();
}

/// An agent is one whatever it does to its environment, and nobody approves from inside.
#[test]
fn whose_session_it_is_stays() {
    let den = Den::new(&["git", "deploy"]);
    den.program("deploy", "#!/bin/sh\necho deployed\n");
    let mut asked =
        den.site.cascade(&["run", "--", "git", "-C", "repo", "push", "origin", "--delete", "main"]);
    asked.env("CLAUDECODE", "1");
    finish(asked, b"").expect(5);
    let id = den.site.last_of("escalation");
    let approve = format!("$C approve {id}; echo $?; deploy; echo $?");
    let person = finish(den.session(&[], &approve), b"").expect(0);
    assert_eq!(person.stdout, "3\ndeployed\n0\n", "{}", person.stderr);
    assert!(person.stderr.contains("from outside a governed run"), "{}", person.stderr);
    for lines in ["deploy; echo $?", "unset CLAUDECODE; deploy; echo $?"] {
        let mut agent = den.session(&[], lines);
        agent.env("CLAUDECODE", "1");
        assert_eq!(finish(agent, b"").expect(0).stdout, "5\n");
    }
    let mut named = den.session(&[], "deploy; echo $?");
    named.env("CASCADE_AGENT", "ci");
    assert_eq!(finish(named, b"").expect(0).stdout, "5\n");
    den.site.wait_until_quiet();
}

/// Who loses its parents stays in the session, as an agent and as nobody who answers, and is still one to the broker.
#[test]
fn a_daemon_stays_in_its_session() {
    let den = Den::new(&["git", "deploy"]);
    den.program("deploy", "#!/bin/sh\n");
    den.site.set("mkfifo", &["told"]);
    let asked = finish(den.session(AGENT, "deploy; echo $?"), b"").expect(0);
    assert_eq!(asked.stdout, "5\n", "{}", asked.stderr);
    let id = den.site.last_of("escalation");
    let lines = format!(
        "daemon() {{
           read -r own name state parent rest < /proc/$BASHPID/stat
           until [ $parent != $1 ]; do read -r own name state parent rest < /proc/$BASHPID/stat; done
           git --version > /dev/null; asked=$?
           unset CASCADE_BROKER CASCADE_RUN
           $C approve {id}; approved=$?
           $C token issue --agent evil; issued=$?
           deploy; echo $own $asked $approved $issued > told
         }}
         ( middle=$BASHPID; ( daemon $middle ) & )
         read -r own codes < told; echo \"$codes\"
         while [ -e /proc/$own ]; do :; done"
    );
    let done = finish(den.session(AGENT, &lines), b"").expect(0);
    assert_eq!(done.stdout, "0 3 3\n", "{}", done.stderr);
    assert!(!den.kinds().iter().any(|kind| ["approval", "token_issued"].contains(&kind.as_str())));
    den.site.wait_until_quiet();
    den.site.assert_sound();
}

/// Its process is out of reach; where the kernel leaves it in reach, the shell dies with it.
#[test]
fn the_process_of_a_session_cannot_be_killed_from_inside() {
    let den = Den::new(&["git"]);
    let lines = "kill -9 $PPID; echo $?; unset CASCADE_BROKER; $C token issue --agent evil; echo $?; $C shell; echo $?";
    let done = finish(den.session(AGENT, lines), b"");
    if cascade_runtime::machine::landlock_level() >= Some(6) {
        assert_eq!(done.expect(0).stdout, "1\n3\n1\n");
    }
    assert!(!den.kinds().contains(&"token_issued".to_owned()));
    den.site.wait_until_quiet();
}

/// What a session leaves behind, when it is killed from outside, is still nobody, also beneath what it calls a session.
#[test]
fn what_outlives_its_session_is_not_set_free() {
    let den = Den::new(&["git", "deploy"]);
    den.program("deploy", "#!/bin/sh\n");
    finish(den.session(AGENT, "deploy"), b"").expect(5);
    let id = den.site.last_of("escalation");
    den.site.set("mkfifo", &["go", "told", "never"]);
    let inner = format!(
        "unset CASCADE_BROKER CASCADE_RUN; echo up > told; read -r word < go
         {CASCADE} approve {id}; approved=$?
         {CASCADE} token issue --agent evil; issued=$?
         {CASCADE} run --dry-run -- deploy; decided=$?
         {CASCADE} log > /dev/null; echo $approved $issued $decided $? > told\n"
    );
    // One that poses as a person's session is the daemon's parent.
    std::fs::write(den.site.work("__session"), format!("( {inner} )\nexit 0\n")).unwrap();
    let lines = "( ( exec -a cascade /bin/bash __session - person ) & ); read -r word < never";
    let mut child = quiet(den.session(AGENT, lines)).spawn().unwrap();
    assert_eq!(std::fs::read_to_string(den.site.work("told")).unwrap(), "up\n");
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::write(den.site.work("go"), "on\n").unwrap();
    assert_eq!(std::fs::read_to_string(den.site.work("told")).unwrap(), "3 3 5 0\n");
    let receipts = den.site.receipts();
    assert!(!kinds(&receipts).iter().any(|kind| ["approval", "token_issued"].contains(kind)));
    den.site.wait_until_quiet();
    den.site.assert_sound();
}

/// Nothing of a session outlives it, whatever it ignores.
#[test]
fn the_end_of_a_session_ends_what_is_in_it() {
    let den = Den::new(&["git"]);
    den.site.set("mkfifo", &["told", "never"]);
    let lines =
        "( ( trap '' TERM HUP; echo up > told; read -r word < never ) & ); read -r word < told; exit 7";
    finish(den.session(&[], lines), b"").expect(7);
    den.site.wait_until_quiet();
}

#[test]
fn what_is_allowed_besides_can_be_executed_and_originals_still_not() {
    let den = Den::new(&["git"]);
    let dir = found("git").parent().unwrap().to_owned();
    let allowed = ["--allow", dir.to_str().unwrap(), "--allow", "/bin/cat"];
    let done =
        finish(den.session(&allowed, "cat lines.sh | read -r x; $RAW --version; echo $?; cat told"), b"");
    assert_eq!(done.expect(1).stdout, "126\n");
}

#[test]
fn the_broker_answers_nobody_else() {
    let den = Den::new(&["git"]);
    let mut child = quiet(den.session(&[], "echo \"$CASCADE_BROKER\"; read -r wait")).spawn().unwrap();
    let socket = first_line(&mut child);
    // From outside of the session: this process is above it.
    let mut stream = UnixStream::connect(&socket).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("not beneath the session"), "{answer:?}");
    drop(child.stdin.take().unwrap().write_all(b"go\n"));
    ended(child, b"").expect(0);
    assert!(!std::path::Path::new(&socket).exists(), "it was left behind");
    den.site.wait_until_quiet();
}

/// What is typed into a terminal is run by whoever reads there next, outside and as a person.
#[test]
fn nothing_types_into_the_terminal_of_a_session() {
    let den = Den::new(&["git"]);
    let python = den.site.set("python3", &["-c", "import os, sys; print(os.path.realpath(sys.executable))"]);
    let python = python.stdout.trim();
    let code = r#"
import fcntl, os, pty, termios
_, terminal = pty.openpty()
for request, argument in ((0x5412, b"x"), (0x541c, b"")):
    try:
        fcntl.ioctl(terminal, request, argument)
        print("typed")
    except PermissionError:
        print("refused")
print(len(termios.tcgetattr(terminal)))
print(open("/proc/self/status").read().split("Seccomp:")[1].split()[0])
"#;
    std::fs::write(den.site.work("types.py"), code).unwrap();
    let done = finish(den.session(&["--allow", python], &format!("{python} types.py; git --version")), b"");
    let done = done.expect(0);
    let lines: Vec<&str> = done.stdout.lines().take(4).collect();
    assert_eq!(lines, ["refused", "refused", "7", "2"], "{}", done.stderr);
    den.site.wait_until_quiet();
}

/// Who takes every place, says nothing, or nonsense.
#[test]
fn the_broker_is_bounded() {
    let den = Den::new(&["git"]);
    let python = den.site.set("python3", &["-c", "import os, sys; print(os.path.realpath(sys.executable))"]);
    let python = python.stdout.trim();
    let code = r#"
import os, socket, struct
def connect():
    one = socket.socket(socket.AF_UNIX)
    one.connect(os.environ["CASCADE_BROKER"])
    return one
def answer(one):
    got = b""
    try:
        while chunk := one.recv(4096):
            got += chunk
    except ConnectionResetError:
        pass  # It is closed with something unread.
    return got.decode(errors="replace")
for nonsense in (b"", b"GET / HTTP/1.1\r\n\r\n", struct.pack(">IB", (16 << 20) + 1, 65), struct.pack(">IB", 0, 65)):
    one = connect()
    one.sendall(nonsense)
    one.shutdown(socket.SHUT_WR)
    print("ended", answer(one)[4:5] == "E")
places = [connect() for _ in range(64)]
print(answer(connect())[5:])
for place in places:
    place.setblocking(False)
    try:
        print("answered", place.recv(1))
    except BlockingIOError:
        pass
# Who says nothing is not waited for.
places[0].setblocking(True)
print("understood" in answer(places[0]))
"#;
    std::fs::write(den.site.work("client.py"), code).unwrap();
    let done = finish(den.session(&["--allow", python], &format!("{python} client.py; git --version")), b"");
    let done = done.expect(0);
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(lines[..4], ["ended False"; 4]);
    assert_eq!(lines[4..6], ["64 commands run at once already", "True"], "{}", done.stdout);
    assert!(lines[6].starts_with("git version") && lines.len() == 7, "{}", done.stdout);
}

#[test]
fn a_session_at_a_terminal_passes_it_through() {
    let den = Den::new(&["ask", "linger"]);
    // They are looked for along the PATH of whoever starts the session.
    let own = den.site.path(".venv/bin");
    den.program("ask", "#!/bin/sh\ntest -t 0 && test -t 1 && stty size && printf 'name? ' && read -r name && echo \"you are $name\"\n");
    den.program("linger", "#!/bin/sh\ntrap 'exit 9' INT\necho ready\nwhile :; do sleep 1; done\n");
    let path = std::env::join_paths(
        [own].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let start = format!(
        "PS1='go> ' PATH='{}' exec {CASCADE} shell --shell /bin/bash -- --norc -i",
        path.unwrap().display()
    );
    let mut seat = Seat::run(&den.site, "bash", &["-c", &start]);
    seat.until("go> ").keys("ask\r").until("31 97").until("name? ").keys("ada\r").until("you are ada");
    seat.keys("linger; echo \"code $?\"\r").until("ready").keys("\u{3}").until("code 9");
    seat.keys("exit 4\r");
    let (code, text) = seat.leave();
    assert_eq!(code, Some(4), "{text}");
    assert_eq!(den.started(), 2);
    den.site.wait_until_quiet();
    den.site.assert_sound();
}

/// What the broker started does not outlive the session.
#[test]
fn the_end_of_a_session_ends_what_it_asked_for() {
    let den = Den::new(&["slow"]);
    den.program("slow", "#!/bin/sh\n: > began\nexec sleep 600\n");
    let child = quiet(den.session(&[], "slow")).spawn().unwrap();
    let since = Instant::now();
    while !den.site.work("began").exists() {
        assert!(since.elapsed() < PATIENCE, "it never began");
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    ended(child, b"");
    den.site.wait_until_quiet();
    assert_eq!(den.started(), 1);
    den.site.run(&["run", "--", "true"]).expect(0);
    den.site.assert_sound();
}

#[test]
fn what_stands_against_a_session_is_said() {
    let site = Site::new();
    site.run(&["shell"]).expect_failure(1, "no shims");
    let den = Den::new(&["git"]);
    den.site.run(&["shell", "--shell", "/nowhere"]).expect_failure(1, "/nowhere");
    den.site.run(&["shell", "--allow", "/nowhere"]).expect_failure(1, "/nowhere");
    let within = den.runs("$C shell; echo $?").expect(0);
    assert!(within.stdout == "1\n" && within.stderr.contains("a session already"), "{}", within.stderr);
    for word in ["__session", "__confine", "__brokered"] {
        let done = den.site.run(&[word]);
        assert!([Some(1), Some(2)].contains(&done.status.code()), "{word}: {}", done.stderr);
        assert!(!done.stderr.contains("panicked"), "{word}: {}", done.stderr);
    }
}

fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn first_line(child: &mut Child) -> String {
    let mut line = Vec::new();
    let out = child.stdout.as_mut().unwrap();
    let mut byte = [0];
    while out.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}
