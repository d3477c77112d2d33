//! Progress of long work, on a terminal only, and only once the work proves long.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work shorter than this shows nothing.
const QUIET: Duration = Duration::from_millis(300);

/// A bar on stderr.
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
}

impl Progress {
    /// A bar for `total` receipts.
    pub(crate) fn new(what: &'static str, total: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{prefix} {bar:30} {human_pos}/{human_len} {per_sec} {eta}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_prefix(what);
        Self { bar, started: Instant::now() }
    }

    /// Tells how far the work is, when only the work knows how much there is.
    pub(crate) fn of(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.set(done);
    }

    /// Tells how far the work is.
    pub(crate) fn set(&self, done: u64) {
        if self.bar.is_hidden()
            && done.is_multiple_of(256)
            && self.started.elapsed() > QUIET
            && std::io::stderr().is_terminal()
        {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
