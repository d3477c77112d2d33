//! Cascade on a terminal: the governed command finds one too.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::Child;

use rustix::process::{Pid, PidfdFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use crate::site::{CASCADE, PATIENCE, Site, wait_for};

/// Cascade at a terminal of its own, and somebody in front of it.
pub(crate) struct Seat {
    child: Child,
    screen: File,
    text: String,
}

impl Seat {
    pub(crate) fn take(site: &Site, args: &[&str]) -> Self {
        Self::run(site, CASCADE, args)
    }

    /// The same with another program in front.
    pub(crate) fn run(site: &Site, program: &str, args: &[&str]) -> Self {
        let master =
            rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let name = rustix::pty::ptsname(&master, Vec::new()).unwrap();
        let size = Winsize { ws_row: 31, ws_col: 97, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&master, size).unwrap();
        let end = || {
            let file = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
            OwnedFd::from(file)
        };
        let mut command = site.program("setsid");
        command.env("TERM", "xterm-256color");
        command.args(["--ctty", "--wait", program]).args(args);
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        Self { child, screen: File::from(master), text: String::new() }
    }

    /// Reads the screen until it shows `words`.
    pub(crate) fn until(&mut self, words: &str) -> &mut Self {
        while !self.text.contains(words) {
            assert!(self.read(), "ended without `{words}`: {}", self.text);
        }
        self
    }

    /// False when nobody holds the terminal any more.
    fn read(&mut self) -> bool {
        assert!(wait_for(&self.screen, PATIENCE), "nothing more on the screen: {}", self.text);
        let mut buffer = [0; 4096];
        match self.screen.read(&mut buffer) {
            Ok(count) => self.text.push_str(&String::from_utf8_lossy(&buffer[..count])),
            // How Linux says that the other end is closed.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => return false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("{error}"),
        }
        true
    }

    pub(crate) fn keys(&mut self, keys: &str) -> &mut Self {
        self.screen.write_all(keys.as_bytes()).unwrap();
        self
    }

    /// Reads to the end; the exit code and what was on the screen.
    pub(crate) fn leave(mut self) -> (Option<i32>, String) {
        while self.read() {}
        let process = rustix::process::pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty()).unwrap();
        assert!(wait_for(&process, PATIENCE), "still there: {}", self.text);
        (self.child.wait().unwrap().code(), self.text)
    }
}

#[test]
fn the_command_is_on_a_terminal_of_the_same_size() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let script = "test -t 0 && test -t 1 && test -t 2 && stty size && tty";
    let (code, text) = Seat::take(&site, &["run", "--", "sh", "-c", script]).leave();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("31 97"), "{text}");
    let intent = site.last().reference("intent").unwrap().to_owned();
    let shown = site.run(&["--json", "show", &intent]).expect(0).json();
    assert_eq!(shown["private"]["action"]["stdin"], "terminal");
    site.assert_sound();
}

#[test]
fn a_secret_that_is_typed_is_not_echoed() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let script = "read -r -s -p 'secret? ' word; echo; echo \"got ${#word}\"";
    let mut seat = Seat::take(&site, &["run", "--", "bash", "-c", script]);
    seat.until("secret? ").keys("hush-hush\r").until("got 9");
    let (code, text) = seat.leave();
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("hush"), "{text}");
    site.assert_sound();
}

#[test]
fn ctrl_c_reaches_the_command() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let mut seat = Seat::take(&site, &["run", "--", "sh", "-c", "echo ready; sleep 60"]);
    seat.until("ready").keys("\u{3}");
    let (code, text) = seat.leave();
    assert_eq!(code, Some(130), "{text}");
    assert_eq!(site.last().kind(), "task_failed");
    // A command that handles it keeps its own exit code.
    let mut seat = Seat::take(
        &site,
        &["run", "--", "sh", "-c", "trap 'exit 9' INT; echo ready; while :; do sleep 1; done"],
    );
    seat.until("ready").keys("\u{3}");
    let (code, text) = seat.leave();
    assert_eq!(code, Some(9), "{text}");
    site.wait_until_quiet();
    site.assert_sound();
}

/// Also at the end, when the keyboard is the user's again and output is still leaving.
#[test]
fn line_ends_are_not_doubled() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let script = "seq 1 60000; sleep 0.01; seq 1 60000";
    let (code, text) = Seat::take(&site, &["run", "--", "sh", "-c", script]).leave();
    assert_eq!(code, Some(0));
    assert_eq!(text.matches("\r\n").count(), 120_000);
    assert!(!text.contains("\r\r"), "a line end was processed twice");
}

#[test]
fn colour_is_for_terminals() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let (code, text) = Seat::take(&site, &["log"]).leave();
    assert_eq!(code, Some(0));
    assert!(text.contains("\u{1b}["), "{text}");
    assert!(!site.run(&["log"]).expect(0).stdout.contains('\u{1b}'));
}

#[test]
fn a_passphrase_is_asked_for() {
    let site = Site::new();
    let mut seat = Seat::take(&site, &["init", "--passphrase"]);
    seat.until("new passphrase: ").keys("open sesame\r").until("the same again: ").keys("open sesame\r");
    let (code, text) = seat.leave();
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("sesame"), "{text}");
    let mut seat = Seat::take(&site, &["run", "--", "echo", "ran"]);
    seat.until("passphrase: ").keys("open sesame\r");
    let (code, text) = seat.leave();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("ran"), "{text}");
    let mut seat = Seat::take(&site, &["run", "--", "echo", "ran"]);
    seat.until("passphrase: ").keys("wrong\r");
    let (code, text) = seat.leave();
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("wrong passphrase") && !text.contains("ran"), "{text}");
}
