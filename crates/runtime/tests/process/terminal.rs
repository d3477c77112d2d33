//! Runs on a pseudo-terminal that the test plays the person on.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use rustix::pty::OpenptFlags;
use rustix::termios::{LocalModes, Winsize};

use crate::host::which;
use crate::kit::{Host, Ran, Running, Tests, alive, until};

pub(crate) fn tests() -> Tests {
    vec![
        ("a_terminal_is_a_terminal_for_the_command", a_terminal_is_a_terminal),
        ("passwords_are_not_echoed", passwords_are_not_echoed),
        ("keys_mean_what_they_mean", keys_mean_what_they_mean),
        ("the_size_follows", the_size_follows),
        ("only_what_is_a_terminal_becomes_one", only_what_is_a_terminal_becomes_one),
        ("a_killed_host_leaves_no_raw_terminal", a_killed_host_leaves_no_raw_terminal),
        ("a_terminal_that_goes_away_ends_the_run", a_terminal_that_goes_away),
        ("job_control", job_control),
        ("an_editor_works", an_editor_works),
    ]
}

/// A terminal and what has appeared on it.
struct Screen {
    master: Option<File>,
    slave: OwnedFd,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Screen {
    fn new() -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).unwrap();
        let master = File::from(master);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let screen = Self { master: Some(master), slave, seen };
        screen.resize(31, 97);
        let mut reader = screen.master.as_ref().unwrap().try_clone().unwrap();
        let seen = Arc::clone(&screen.seen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = reader.read(&mut bytes) {
                seen.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        screen
    }

    /// Makes `host` the foreground job of a session on this terminal.
    fn seat(&self, host: &mut Host) {
        let mut command = Command::new(which("setsid"));
        command.arg("--ctty").arg(host.command.get_program()).args(host.command.get_args());
        command.current_dir(host.dir.path()).env("TERM", "xterm");
        for stream in [Command::stdin, Command::stdout, Command::stderr] {
            stream(&mut command, Stdio::from(self.slave.try_clone().unwrap()));
        }
        host.command = command;
    }

    fn sh(&self, script: &str) -> Running {
        let mut host = Host::sh(&[], script);
        self.seat(&mut host);
        host.spawn()
    }

    fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(self.master.as_ref().unwrap(), size).unwrap();
    }

    fn type_keys(&mut self, keys: &str) {
        self.master.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        let mut seen = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until(text, || {
                seen = self.seen();
                seen.contains(text)
            });
        }));
        assert!(found.is_ok(), "`{text}` never appeared in {seen:?}");
    }

    fn is_raw(&self) -> bool {
        let modes = rustix::termios::tcgetattr(&self.slave).unwrap().local_modes;
        !modes.intersects(LocalModes::ISIG | LocalModes::ICANON | LocalModes::ECHO)
    }

    #[track_caller]
    fn finish(&self, running: Running) -> Ran {
        let ran = running.finish();
        assert!(!self.is_raw(), "the terminal was left raw");
        assert_eq!(alive(ran.id), [0; 0]);
        ran
    }
}

fn a_terminal_is_a_terminal() {
    let screen = Screen::new();
    let ran =
        screen.finish(screen.sh("test -t 0 && test -t 1 && test -t 2 && stty size && echo x >/dev/tty"));
    assert_eq!(ran.code(), 0);
    screen.wait_for("31 97\r\nx\r\n");
    assert_eq!(ran.framed(3), b"31 97\r\nx\r\n");
}

fn passwords_are_not_echoed() {
    let mut screen = Screen::new();
    let running = screen.sh("stty -echo; printf 'password: '; read x; stty echo; echo; echo \"<$x>\"");
    screen.wait_for("password: ");
    screen.type_keys("hunter2\r");
    screen.wait_for("<hunter2>");
    screen.finish(running);
    assert_eq!(screen.seen().matches("hunter2").count(), 1);
}

fn keys_mean_what_they_mean() {
    for (script, keys, code) in [
        ("echo up; exec sleep 1000", "\x03", 130),
        ("echo up; exec sleep 1000", "\x1c", 131),
        ("trap 'echo caught; exit 9' INT; echo up; while :; do sleep 0.01; done", "\x03", 9),
        ("echo up; cat; exit 8", "\x04", 8),
        ("echo up; read a; test \"$a\" = 'käse' && exit 6", "käse\r", 6),
    ] {
        let mut screen = Screen::new();
        let running = screen.sh(script);
        screen.wait_for("up");
        assert!(screen.is_raw());
        screen.type_keys(keys);
        assert_eq!(screen.finish(running).code(), code, "{script} {keys:?} {:?}", screen.seen());
    }
}

fn the_size_follows() {
    let screen = Screen::new();
    let running = screen.sh("trap 'stty size; exit 0' WINCH; echo up; while :; do sleep 0.01; done");
    screen.wait_for("up");
    screen.resize(20, 60);
    screen.wait_for("20 60");
    screen.finish(running);
}

fn only_what_is_a_terminal_becomes_one() {
    // Standard input from a file, a pager that takes keys from the terminal.
    let mut screen = Screen::new();
    let mut host = Host::sh(&[], "test ! -t 0 && test -t 1 && cat && read key </dev/tty && echo \"<$key>\"");
    let original = std::mem::replace(&mut host.command, Command::new("sh"));
    host.command.arg("-c").arg("exec \"$@\" <in").arg("sh");
    host.command.arg(original.get_program()).args(original.get_args());
    std::fs::write(host.dir.path().join("in"), "from a file\n").unwrap();
    screen.seat(&mut host);
    let running = host.spawn();
    screen.wait_for("from a file");
    screen.type_keys("k\r");
    screen.wait_for("<k>");
    screen.finish(running);

    // Standard output into something else that may want the keyboard: the terminal stays as it is, and a command
    // that reads it still can.
    let mut screen = Screen::new();
    let mut host = Host::sh(&[], "test -t 0 && test ! -t 1 && echo up >ready && read x && echo \"<$x>\"");
    let original = std::mem::replace(&mut host.command, Command::new("sh"));
    host.command.arg("-c").arg("\"$@\" | cat").arg("sh");
    host.command.arg(original.get_program()).args(original.get_args());
    screen.seat(&mut host);
    let running = host.spawn();
    running.wait_for_file("ready");
    assert!(!screen.is_raw());
    screen.type_keys("line\r");
    screen.wait_for("<line>");
    screen.finish(running);
}

fn a_killed_host_leaves_no_raw_terminal() {
    let screen = Screen::new();
    let mut running = screen.sh("echo up; exec sleep 1000");
    screen.wait_for("up");
    assert!(screen.is_raw());
    running.kill_and_wait_for_lock();
    assert!(!screen.is_raw());
    assert_eq!(running.alive(), [0; 0]);
}

fn a_terminal_that_goes_away() {
    let screen = Screen::new();
    let running = screen.sh("trap 'touch hup; exit 0' HUP; echo up; while :; do sleep 0.01; done");
    screen.wait_for("up");
    let Screen { master, slave, seen } = screen;
    // The reading thread holds the other copy; it ends when the slave is closed everywhere. A hang-up for real
    // needs the master closed, so the host gets the signal that the kernel would send.
    drop((master, slave, seen));
    running.signal("HUP");
    let ran = running.finish();
    assert_eq!(ran.get("passed"), "Some(1)");
    assert!(ran.dir.path().join("hup").exists());
    assert_eq!(alive(ran.id), [0; 0]);
}

fn job_control() {
    let mut screen = Screen::new();
    // The words as typed differ from what they print, because the shell echoes them.
    let mut host = Host::sh(&[], "echo \"rea\"dy; read x; echo \"<$x>\"");
    let words = std::iter::once(host.command.get_program()).chain(host.command.get_args());
    let words: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    host.command = Command::new(which("bash"));
    host.command.args(["--norc", "--noprofile", "-i"]);
    screen.seat(&mut host);
    let running = host.spawn();
    screen.type_keys(&format!("PS1='$ '\r{}\r", words.join(" ")));
    screen.wait_for("ready");
    screen.type_keys("\x1a");
    screen.wait_for("Stopped");
    assert!(running.alive().len() == 1, "stopped, not ended");
    screen.type_keys("echo shell-$((40+2))\r");
    screen.wait_for("shell-42");
    screen.type_keys("fg\r");
    until("raw mode again", || screen.is_raw());
    screen.type_keys("typed\r");
    screen.wait_for("<typed>");

    // In the background the terminal is left alone.
    running.wait_for_event("closed");
    std::fs::remove_file(running.path("events")).unwrap();
    screen.type_keys(&format!("{} </dev/null &\r", words.join(" ")));
    running.wait_for_event("closed");
    screen.type_keys("echo shell-$((40+3))\r");
    screen.wait_for("shell-43");
    screen.type_keys("exit\r");
    screen.finish(running);
}

fn an_editor_works() {
    let Some(vi) = ["vim", "vi", "nano"].iter().find(|name| **name == "vim" && has(name)) else { return };
    let mut screen = Screen::new();
    let running = screen.sh(&format!("{vi} -u NONE -N text"));
    screen.wait_for("text");
    screen.type_keys("ihello\x1b:wq\r");
    let ran = screen.finish(running);
    assert_eq!((ran.code(), ran.text("text").as_str()), (0, "hello\n"));
}

fn has(name: &str) -> bool {
    Command::new(name).arg("--version").output().is_ok()
}
