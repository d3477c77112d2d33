//! The terminal while it is drawn on: taken over, and given back whatever happens.

use std::io::{self, Stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::{Position, Rect};
use ratatui::{Frame, Terminal};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGSTOP, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

/// Something to react to.
pub(super) enum Happened {
    Key(KeyEvent),
    Resized,
    /// Somebody wants the terminal for a while.
    Stop,
    /// It goes on.
    Continued,
    /// A signal that ends programs.
    Ended(i32),
    /// There is no terminal any more.
    Gone,
}

/// Whether the terminal is ours now.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOKED: Once = Once::new();

/// A terminal that was taken over. Dropped, it is as it was before.
pub(super) struct Stage {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    events: Receiver<Happened>,
}

impl Stage {
    pub(super) fn take() -> io::Result<Self> {
        // What a panic says must be read on a terminal that is the user's again.
        HOOKED.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back();
                before(panic);
            }));
        });
        let (send, events) = mpsc::channel();
        hear_signals(send.clone())?;
        take_over()?;
        // From here on the terminal is given back when this is dropped.
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout())).inspect_err(|_| give_back())?;
        let stage = Self { terminal, events };
        thread::Builder::new().spawn(move || hear_keys(&send))?;
        Ok(stage)
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(|_| ())
    }

    /// Waits until something happens.
    pub(super) fn next(&self) -> Happened {
        self.events.recv().unwrap_or(Happened::Gone)
    }

    /// Gives the terminal back and stops, as every program does that is told to; goes on where it was.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        give_back();
        // To this thread: one sent to the process may stop another first, and this one would go on for a moment.
        low_level::raise(SIGSTOP)?;
        self.take_again()
    }

    /// Takes the terminal over after somebody else had it.
    pub(super) fn take_again(&mut self) -> io::Result<()> {
        take_over()?;
        // Draws everything anew. `clear` would ask the terminal where its cursor is, and the answer comes as a key.
        let area = Rect::from((Position::ORIGIN, self.terminal.size()?));
        self.terminal.resize(area)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        give_back();
    }
}

fn take_over() -> io::Result<()> {
    TAKEN.store(true, Ordering::SeqCst);
    let taken = enable_raw_mode().and_then(|()| execute!(io::stdout(), EnterAlternateScreen, Hide));
    taken.inspect_err(|_| give_back())
}

/// Does nothing where the terminal is the user's already.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // A terminal that is gone takes nothing back; there is nobody to tell.
        drop(execute!(io::stdout(), LeaveAlternateScreen, Show));
        drop(disable_raw_mode());
    }
}

/// A thread that waits for keys; it ends with the process, or with the terminal.
fn hear_keys(send: &Sender<Happened>) {
    loop {
        let happened = match event::read() {
            Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => Happened::Key(key),
            Ok(Event::Resize(..)) => Happened::Resized,
            Ok(_) => continue,
            Err(_) => Happened::Gone,
        };
        let over = matches!(happened, Happened::Gone);
        if send.send(happened).is_err() || over {
            return;
        }
    }
}

fn hear_signals(send: Sender<Happened>) -> io::Result<()> {
    let mut signals = Signals::new([SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP])?;
    thread::Builder::new().spawn(move || {
        for signal in signals.forever() {
            let happened = match signal {
                SIGTSTP => Happened::Stop,
                SIGCONT => Happened::Continued,
                other => Happened::Ended(other),
            };
            if send.send(happened).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::Read as _;
    use std::os::fd::OwnedFd;
    use std::process::Command;

    use rustix::pty::OpenptFlags;
    use rustix::termios::LocalModes;

    use super::*;

    /// Tells the test below, run by itself, that it is on a terminal.
    const ON_TERMINAL: &str = "CASCADE_TEST_ON_TERMINAL";
    const PANICS: &str = "verb::replay::at::view::terminal::tests::panics_on_a_terminal";

    #[test]
    fn panics_on_a_terminal() {
        if std::env::var_os(ON_TERMINAL).is_some() {
            let _stage = Stage::take().unwrap();
            panic!("on purpose");
        }
    }

    #[test]
    fn a_panic_is_read_on_a_terminal_that_was_given_back() {
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
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", PANICS, "--nocapture"]).env(ON_TERMINAL, "1").env("TERM", "xterm");
        let mut child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        drop(command);
        let (mut screen, mut text) = (File::from(master), String::new());
        while !text.contains("on purpose") {
            let mut buffer = [0; 4096];
            let count = screen.read(&mut buffer).unwrap();
            text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        let (taken, given) = (text.find("\u{1b}[?1049h"), text.find("\u{1b}[?1049l"));
        assert!(taken.is_some() && taken < given && given < text.find("on purpose"), "{text:?}");
        assert!(!child.wait().unwrap().success());
        let modes = rustix::termios::tcgetattr(&slave).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO));
    }
}
