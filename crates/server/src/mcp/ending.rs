//! How a gateway comes to its end: what is open is closed, the server is ended, and its last words are words too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use cascade_receipt::content::Ending;
use cascade_receipt::decision::Reason;
use cascade_runtime::consent::ANSWER_POLL;
use cascade_runtime::lease::{LeaseError, Live, Outcome};
use cascade_runtime::process::{CLOSE_GRACE, Companion, CompanionEnd};

use super::gateway::{Finished, Gateway, Passage};
use super::lines::Outbox;
use super::wire::Id;

impl Finished {
    /// What the calls are told that have no answer by then.
    const fn code(self) -> &'static str {
        match self {
            Self::ServerEnded => "mcp.server_gone",
            Self::ServerFloods => "mcp.server_floods",
            Self::ClientClosed | Self::Stopped | Self::ClientFloods => "mcp.client_gone",
            Self::Revoked => "mcp.server_revoked",
            Self::Unrecorded => "mcp.server_ended",
        }
    }

    /// How long the server may take to end by itself. What one that goes first closes is its output: how it ended is known
    /// a moment later.
    const fn grace(self) -> Duration {
        match self {
            Self::ClientClosed | Self::ServerEnded => CLOSE_GRACE,
            _ => Duration::ZERO,
        }
    }
}

impl Passage<'_> {
    /// Closes what is open, and ends the server.
    pub(super) fn end(&mut self, finished: Finished, companion: Companion) -> CompanionEnd {
        let code = finished.code();
        self.hear_words();
        self.hand_on();
        self.give_up_asking(code);
        let ids: Vec<Id> = self.calls.keys().cloned().collect();
        for id in ids {
            self.unanswered(&id, code);
        }
        for (_, (open, began)) in std::mem::take(&mut self.questions) {
            self.unknown(open, began, code);
        }
        self.server = None;
        let end = self.outlive(companion, finished.grace());
        if let Some(client) = self.client.take() {
            client.drain(CLOSE_GRACE);
        }
        end
    }

    /// Hears the server out while it ends: one whose last words nobody took would not get to its end.
    fn outlive(&mut self, companion: Companion, grace: Duration) -> CompanionEnd {
        let at_once = &AtomicBool::new(false);
        thread::scope(|scope| {
            let named = thread::Builder::new().name("ending".to_owned());
            // Without a thread it is ended here and now, by being dropped.
            let Ok(ending) = named.spawn_scoped(scope, move || companion.end(grace, at_once)) else {
                return CompanionEnd::Ended;
            };
            let mut over: Option<Instant> = None;
            loop {
                match self.words.next(ANSWER_POLL) {
                    Ok(piece) => self.said(&piece),
                    // Nothing of it is alive, so nobody can write there.
                    Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) => {}
                }
                if !self.may_go_on() {
                    at_once.store(true, Ordering::Relaxed);
                }
                if self.live.due().is_some_and(|due| due <= Instant::now()) {
                    self.hand_on();
                }
                // Nobody but a process that was handed the pipe, and is none of the server's.
                let since =
                    if ending.is_finished() { *over.get_or_insert_with(Instant::now) } else { continue };
                if since.elapsed() > CLOSE_GRACE {
                    break;
                }
            }
            ending.join().unwrap_or(CompanionEnd::Ended)
        })
    }
}

/// Puts on record how the server ended. What of its words waits leaves when that is durable, if it is still admitted.
///
/// True where it was not.
///
/// # Errors
/// [`LeaseError`]; nothing more leaves then.
pub(super) fn record(
    gateway: &Gateway<'_>,
    mut live: Live,
    end: CompanionEnd,
    people: &Outbox,
) -> Result<bool, LeaseError> {
    gateway.under(&mut live, |live, under| live.goes_on(under));
    let (ending, exit_code, code) = match end {
        _ if !live.revoked().is_empty() => (Ending::Revoked, None, None),
        CompanionEnd::Exited(0) => (Ending::Completed, Some(0), None),
        CompanionEnd::Exited(code) => (Ending::Failed, Some(code), None),
        CompanionEnd::Signaled(_) => (Ending::Failed, None, Some("mcp.server_died")),
        CompanionEnd::NotStarted(_) => (Ending::Failed, None, Some("mcp.not_started")),
        CompanionEnd::Ended => (Ending::Failed, None, Some("mcp.server_ended")),
    };
    let rest = if live.revoked().is_empty() { live.rest() } else { Default::default() };
    let revoked = !live.revoked().is_empty();
    let reasons: Vec<_> = code.into_iter().map(Reason::code).chain(live.revoked().iter().cloned()).collect();
    live.close(gateway.ledger, Outcome { exit_code, reasons, ..Outcome::of(ending) })?;
    _ = people.send_whole(rest.errors);
    Ok(revoked)
}
