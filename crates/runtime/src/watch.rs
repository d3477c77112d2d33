//! Work that a halt of the tenant ends.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use cascade_ledger::Reader;

/// How often is looked whether the tenant is halted.
const LOOK: Duration = Duration::from_millis(250);

/// Does `work`, and calls `end` once when the tenant is halted meanwhile, or nobody can say whether it is. Gives what
/// the work gave, and whether it was ended.
pub(crate) fn until_halted<T>(reader: &Reader, end: impl Fn() + Send, work: impl FnOnce() -> T) -> (T, bool) {
    let (done, waiting) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let watcher = scope.spawn(move || {
            while waiting.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                if reader.is_halted().unwrap_or(true) {
                    end();
                    return true;
                }
            }
            false
        });
        let given = work();
        drop(done);
        (given, watcher.join().unwrap_or(false))
    })
}
