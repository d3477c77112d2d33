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
use ratatui::{Frame, Terminal};
use rustix::process::Signal;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;

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
        rustix::process::kill_process(rustix::process::getpid(), Signal::STOP)?;
        self.take_again()
    }

    /// Takes the terminal over after somebody else had it.
    pub(super) fn take_again(&mut self) -> io::Result<()> {
        take_over()?;
        self.terminal.clear()
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
