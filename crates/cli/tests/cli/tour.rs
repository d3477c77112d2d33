//! Looking around in the terminal: what is drawn after which key, and a terminal that is given back whatever happens.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::time::Instant;

use rustix::process::{Pid, Signal};
use rustix::pty::OpenptFlags;
use rustix::termios::{LocalModes, Winsize};

use crate::site::{CASCADE, PATIENCE, Site, wait_for};
use crate::team::Team;

const ROWS: u16 = 40;
const COLS: u16 = 140;

fn some(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap()
}

/// A terminal that shows what is drawn on it, and somebody in front of it.
struct Screen {
    child: Child,
    master: File,
    /// The other end, so that the terminal outlives the program.
    slave: OwnedFd,
    parser: vt100::Parser,
    raw: Vec<u8>,
}

impl Screen {
    fn open(site: &Site, args: &[&str], with: impl FnOnce(&mut Command)) -> Self {
        let master =
            rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let name = rustix::pty::ptsname(&master, Vec::new()).unwrap();
        let end = || {
            let file = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
            OwnedFd::from(file)
        };
        let slave = end();
        let mut command = site.program("setsid");
        // A shell in between, so that the program can be stopped and goes on like a job of it.
        command.env("TERM", "xterm-256color").args(["--ctty", "--wait", CASCADE]).args(args);
        with(&mut command);
        let child = command.stdin(end()).stdout(end()).stderr(end());
        let mut screen = Self {
            child: child.spawn().unwrap(),
            master: File::from(master),
            slave,
            parser: vt100::Parser::new(some(ROWS), some(COLS), 0),
            raw: Vec::new(),
        };
        screen.resize(ROWS, COLS);
        screen
    }

    fn at(site: &Site, id: &str) -> Self {
        Self::open(site, &["replay", "--at", id], |_| ())
    }

    fn resize(&mut self, rows: u16, cols: u16) {
        let size = Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&self.master, size).unwrap();
        self.parser.screen_mut().set_size(some(rows), some(cols));
    }

    fn text(&self) -> String {
        self.parser.screen().contents()
    }

    /// Reads what is drawn until it is as it should be.
    fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> &mut Self {
        let since = Instant::now();
        while !holds(self) {
            let left = PATIENCE.saturating_sub(since.elapsed());
            assert!(wait_for(&self.master, left), "never {what}: {}", self.text());
            let mut buffer = [0; 4096];
            let count = self.master.read(&mut buffer).unwrap();
            self.raw.extend_from_slice(&buffer[..count]);
            self.parser.process(&buffer[..count]);
        }
        self
    }

    fn shows(&mut self, words: &str) -> &mut Self {
        self.until(&format!("`{words}`"), |screen| screen.text().contains(words))
    }

    fn hides(&mut self, words: &str) -> &mut Self {
        self.until(&format!("without `{words}`"), |screen| !screen.text().contains(words))
    }

    fn at_seq(&mut self, seq: usize) -> &mut Self {
        self.shows(&format!("the state after seq {seq} of"))
    }

    fn keys(&mut self, keys: &str) -> &mut Self {
        self.master.write_all(keys.as_bytes()).unwrap();
        self
    }

    fn is_raw(&self) -> bool {
        !rustix::termios::tcgetattr(&self.slave).unwrap().local_modes.contains(LocalModes::ICANON)
    }

    /// The process that draws: `setsid` runs it as its child.
    fn pid(&self) -> Pid {
        let own = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap();
        let first = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
        first.and_then(Pid::from_raw).unwrap_or_else(|| Pid::from_child(&self.child))
    }

    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for the end; the terminal must be as it was before.
    fn ends(mut self, code: i32) -> Vec<u8> {
        let given_back = |screen: &Self| {
            !screen.parser.screen().alternate_screen() && !screen.parser.screen().hide_cursor()
        };
        self.until("given back", given_back);
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(code), "{}", self.text());
        assert!(!self.is_raw(), "the terminal is still raw");
        self.raw
    }
}

/// Eleven receipts: seq 3 to 5 are one action of people, 6 another, and one is full of what acts on terminals.
fn site() -> Team {
    let team = Team::new();
    team.site.run(&["run", "--", "echo", "first"]).expect(0);
    let asked = team.ask("a");
    team.site.run(&["approve", &asked]).expect(0);
    team.by_agent(&["run", "--approval", &asked]).expect(0);
    team.site.run(&["halt", "--reason", "stop\u{1b}[2J\u{9b}2J\u{202e}"]).expect(0);
    team.site.run(&["run", "--", "echo", "\u{1b}]0;title\u{7}\u{1b}[31m\u{200b}nasty"]).expect(3);
    team.site.run(&["resume", "--reason", "go on"]).expect(0);
    team
}

#[test]
fn keys_step_through_the_chain() {
    let team = site();
    let site = &team.site;
    let last = site.receipts().len() - 1;
    let mut screen = Screen::at(site, "head");
    screen.at_seq(last).shows("resumed").shows("receipts").shows("kind").shows("go on");
    screen.keys("k").at_seq(last - 1).shows("blocked");
    screen.keys("\u{1b}[A").at_seq(last - 2).keys("\u{1b}[B").at_seq(last - 1);
    screen.keys("\t").shows("decided again").shows("the tenant is halted").shows("the same, to the byte");
    screen.keys("\t").shows("what it changed").shows("nothing: the state is that of the receipt before");
    screen.keys("j").at_seq(last).shows("halted yes -> no");
    screen.keys("4").shows("policy in force").shows("halted  no").keys("k").shows("halted  yes");
    screen.keys("g").at_seq(0).shows("genesis").keys("k").at_seq(0);
    screen.keys("G").at_seq(last).keys("j").at_seq(last);
    screen.keys("\u{1b}[5~").at_seq(0).keys("\u{1b}[6~").at_seq(last);
    screen.keys("q");
    screen.ends(0);
}

#[test]
fn one_finds_receipts_and_those_of_the_same_action() {
    let team = site();
    let site = &team.site;
    let receipts = site.receipts();
    let seq = |kind: &str| receipts.iter().position(|one| one.kind() == kind).unwrap();
    let (asked, approved) = (seq("escalation"), seq("approval"));
    let started = receipts.iter().rposition(|one| one.kind() == "task_started").unwrap();
    let mut screen = Screen::at(site, "0");
    screen.at_seq(0).keys("/esc").shows("/esc_").keys("\r").at_seq(asked);
    screen.keys("n").at_seq(approved).keys("n").at_seq(started).keys("n").at_seq(started + 1);
    screen.keys("n").shows("no later receipt of this action or run");
    screen.keys("N").at_seq(started).keys("N").at_seq(approved);
    // By id, by place, and by a kind that only comes before.
    let id = receipts[1].id();
    screen.keys(&format!("/{id}\r")).at_seq(1).keys("/4\r").at_seq(4).keys("/genesis\r").at_seq(0);
    screen.keys("/\r").at_seq(0);
    screen.keys("/nosuch\r").shows("nothing like `nosuch`").keys("j").hides("nothing like").at_seq(1);
    // Each is waited for: escape and the key after it, read at once, would be one key with Alt.
    screen.keys("/abc").shows("/abc_").keys("\u{7f}\u{7f}").shows("/a_").keys("\u{1b}").hides("/a");
    screen.keys("?").shows("the first receipt / the last").keys("x").hides("the first receipt / the last");
    screen.keys("5").shows("open actions").keys("\u{3}");
    screen.ends(0);
}

#[test]
fn what_is_open_is_shown_as_of_the_receipt() {
    let team = site();
    let site = &team.site;
    let started = site.receipts().iter().rposition(|one| one.kind() == "task_started").unwrap();
    let mut screen = Screen::at(site, &started.to_string());
    screen.at_seq(started).keys("5").shows("./deploy.sh a").hides("nothing runs");
    screen.keys("j").shows("nothing runs");
    screen.keys("6").shows("nothing is remembered").keys("7").shows("no run is open").keys("q");
    screen.ends(0);
}

#[test]
fn a_smaller_terminal_is_drawn_on_as_well() {
    let team = site();
    let mut screen = Screen::at(&team.site, "head");
    screen.shows("q leave");
    screen.resize(24, 60);
    screen.until("drawn anew", |screen| {
        let text = screen.text();
        text.contains("receipts") && text.contains("Receipt") && text.lines().count() <= 24
    });
    screen.keys("g").at_seq(0);
    // Too small for anything, and large again.
    screen.resize(2, 5);
    screen.keys("G");
    screen.resize(ROWS, COLS);
    screen.shows("q leave").shows("resumed").keys("q");
    screen.ends(0);
}

/// Nothing that is drawn acts on the terminal: the title stays, nothing is cleared, no colour is another's.
#[test]
fn texts_of_others_stay_texts() {
    let team = site();
    let site = &team.site;
    let halted = site.receipts().iter().position(|one| one.kind() == "halted").unwrap();
    let mut screen = Screen::at(site, &halted.to_string());
    screen.at_seq(halted).shows("stop\\u{1b}[2J\\u{9b}2J\\u{202e}");
    screen.keys("j").shows("\\u{1b}]0;title\\u{7}\\u{1b}[31m\\u{200b}nasty");
    screen.keys("/\u{202e}\u{200b}").shows("/\\u{202e}").keys("\r").shows("nothing like").keys("q");
    let raw = String::from_utf8(screen.ends(0)).unwrap();
    for acts in ["\u{1b}]0;", "\u{9b}", "\u{202e}", "\u{200b}", "\u{7}"] {
        assert!(!raw.contains(acts), "{acts:?} reached the terminal");
    }
}

fn colours(raw: &[u8]) -> bool {
    let text = String::from_utf8_lossy(raw);
    ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[38;5;"].iter().any(|colour| text.contains(colour))
}

#[test]
fn colour_is_left_out_where_nobody_wants_it() {
    let team = site();
    let colour = |value: Option<&str>| {
        let mut screen = Screen::open(&team.site, &["replay", "--at", "head"], |command| {
            command.envs(value.map(|value| ("NO_COLOR", value)));
        });
        screen.shows("resumed").keys("k\t").shows("decided again").keys("q");
        colours(&screen.ends(0))
    };
    assert!(colour(None));
    assert!(!colour(Some("1")));
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let team = site();
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::INT, 130)] {
        let mut screen = Screen::at(&team.site, "head");
        screen.shows("resumed");
        assert!(screen.is_raw());
        screen.signal(signal);
        screen.ends(code);
    }
}

#[test]
fn it_stops_and_goes_on() {
    let team = site();
    let mut screen = Screen::at(&team.site, "head");
    screen.shows("resumed");
    for stop in ["signal", "key"] {
        if stop == "key" {
            screen.keys("\u{1a}");
        } else {
            screen.signal(Signal::TSTP);
        }
        screen.until("given back", |screen| !screen.parser.screen().alternate_screen());
        let stat =
            || std::fs::read_to_string(format!("/proc/{}/stat", screen.pid().as_raw_nonzero())).unwrap();
        let since = Instant::now();
        while !stat().contains(") T ") {
            assert!(since.elapsed() < PATIENCE, "it does not stop");
            std::thread::yield_now();
        }
        assert!(!screen.is_raw(), "stopped by a {stop} with the terminal in its hands");
        screen.signal(Signal::CONT);
        screen.until("taken again", |screen| screen.parser.screen().alternate_screen()).shows("q leave");
    }
    screen.keys("k").shows("blocked").keys("q");
    screen.ends(0);
}

/// Trouble on the way leaves a terminal on which it can be read.
#[test]
fn an_error_is_told_on_a_terminal_that_was_given_back() {
    let team = site();
    let mut screen = Screen::at(&team.site, "head");
    screen.shows("resumed");
    let database = team.site.home().join("tenants/default/ledger.db");
    let code =
        "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute('drop table segments'); d.commit()";
    team.site.set("python3", &["-c", code, database.to_str().unwrap()]);
    screen.keys("g");
    screen.until("told", |screen| screen.text().contains("error: ") && screen.text().contains("hint: "));
    screen.ends(1);
}

#[test]
fn a_break_is_told_and_not_passed() {
    let team = site();
    let site = &team.site;
    let halted = site.receipts().iter().position(|one| one.kind() == "halted").unwrap();
    let database = site.home().join("tenants/default/ledger.db");
    let code = "import sqlite3, sys\nd = sqlite3.connect(sys.argv[1])\n\
                for n, b in d.execute('select first_seq, bytes from segments').fetchall():\n \
                d.execute('update segments set bytes = ? where first_seq = ?', (b.replace(b'\"kind\":\"halted\"', b'\"kind\":\"x_lted\"'), n))\n\
                d.commit()";
    site.set("python3", &["-c", code, database.to_str().unwrap()]);
    let mut screen = Screen::at(site, "head");
    screen.at_seq(halted - 1).shows(&format!("the chain is broken at seq {halted}"));
    screen
        .keys("k")
        .at_seq(halted - 2)
        .hides("the chain is broken")
        .keys("jj")
        .shows("the chain is broken")
        .keys("q");
    screen.ends(0);
}

#[test]
fn without_a_terminal_to_draw_on_it_is_told_once() {
    let team = site();
    let mut screen = Screen::open(&team.site, &["replay", "--at", "head"], |command| {
        command.env("TERM", "dumb");
    });
    screen.shows("schedules");
    assert!(!screen.parser.screen().alternate_screen());
    assert!(String::from_utf8(screen.ends(0)).unwrap().contains("policy in force"));
    let mut screen = Screen::open(&team.site, &["replay", "--at", "head", "--plain"], |_| ());
    screen.shows("schedules");
    assert!(String::from_utf8(screen.ends(0)).unwrap().contains("policy in force"));
}
