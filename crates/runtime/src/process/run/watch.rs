//! Whether the run may go on: asked at intervals, and ended when it may not.

use std::time::Instant;

use signal_hook::consts::{SIGCONT, SIGTERM};

use super::{Cause, Run, Stop, Store};
use crate::process::RunError;
use crate::process::watch::{Answer, Governor, Question, REVOKE_GRACE, WATCH_INTERVAL};
use crate::process::wire::Order;

impl Run {
    /// Whether the governor is still asked if the run may go on.
    pub(super) fn is_watched(&self) -> bool {
        self.status.is_none() && !self.revoked
    }

    pub(super) fn watch(&mut self, governor: &mut Governor<'_>) -> Result<(), RunError> {
        let now = Instant::now();
        if !self.is_watched() || now < self.watch_at {
            return Ok(());
        }
        let answer = if now.saturating_duration_since(self.beat_at) >= self.trust_interval {
            let silence = match &self.store {
                Store::Live(output) => output.silence(),
                Store::Captured(capture) => capture.silence(),
            };
            let answer = governor(&Question::Segment(&silence)).map_err(RunError::Hook)?;
            if answer == Answer::GoOn {
                self.beat_at = now;
                match &mut self.store {
                    Store::Live(output) => output.vouched(),
                    Store::Captured(capture) => capture.vouched(),
                }
            }
            answer
        } else {
            governor(&Question::Trust).map_err(RunError::Hook)?
        };
        self.watch_at = Instant::now() + WATCH_INTERVAL;
        if answer == Answer::End {
            self.revoke();
        }
        Ok(())
    }

    /// The run is no longer admitted. What ends it already keeps its name, and gets no more time than this.
    pub(super) fn revoke(&mut self) {
        self.revoked = true;
        self.terminate();
        let kill_at = Instant::now() + REVOKE_GRACE;
        let stop = self.stop.get_or_insert(Stop { cause: Cause::Revoked, kill_at, killed: false });
        stop.kill_at = stop.kill_at.min(kill_at);
        if matches!(stop.cause, Cause::Signal(_)) {
            stop.cause = Cause::Revoked;
        }
    }

    pub(super) fn terminate(&self) {
        self.order(&Order::Signal(SIGTERM));
        // A stopped process does not see SIGTERM until it is continued.
        self.order(&Order::Signal(SIGCONT));
    }
}
