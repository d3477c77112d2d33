//! What a run asks of whoever governs it while the command runs.

use std::time::Duration;

use super::{HookError, Segment};

/// How often a run asks whether it may go on.
pub const WATCH_INTERVAL: Duration = Duration::from_millis(100);
/// A run whose output needs no heartbeat leaves one after this long all the same.
pub const TRUST_INTERVAL: Duration = Duration::from_secs(60);
/// How long a command that is no longer admitted may take to obey SIGTERM before its whole tree gets SIGKILL. Short:
/// with [`WATCH_INTERVAL`] before it, what is halted has ended within a second.
pub const REVOKE_GRACE: Duration = Duration::from_millis(500);

/// A question.
#[derive(Debug)]
pub enum Question<'a> {
    /// Is a heartbeat with this segment's hash durable? Its output leaves then. A segment without frames vouches for
    /// silence.
    Segment(&'a Segment<'a>),
    /// May the run go on?
    Trust,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    GoOn,
    /// No: the whole tree is to be ended. The output of the segment asked about still waits.
    End,
}

/// Answers questions. An error ends the run at once, and nothing more leaves.
pub type Governor<'g> = dyn FnMut(&Question<'_>) -> Result<Answer, HookError> + 'g;
