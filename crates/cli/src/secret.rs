//! A secret from the terminal.

use std::fs::File;
use std::io;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Asks for a secret. Echo is off before the question appears, so that nothing of an answer that comes
/// early, typed or sent by a script, is shown.
pub(crate) fn ask(question: &str) -> io::Result<String> {
    let _quiet = Quiet::new()?;
    rpassword::prompt_password(question)
}

/// The terminal without echo, until dropped.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    fn new() -> io::Result<Self> {
        let terminal = File::options().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Now, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}
