//! Signals that Cascade receives while it runs a command: collected for the event loop, then passed on.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

/// The signals that are passed on.
const PASSED: [i32; 7] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGCONT, SIGWINCH];

/// Collects signals while it lives; when the last one is dropped, signals have their default effect again.
pub(super) struct Signals(SignalDelivery<UnixStream, SignalOnly>);

impl Signals {
    pub(super) fn collect() -> io::Result<Self> {
        let wanted: Vec<i32> = PASSED.into_iter().filter(|signal| !is_ignored(*signal)).collect();
        let users = users();
        let mut count = users.count.lock().unwrap_or_else(PoisonError::into_inner);
        if !users.registered.swap(true, Ordering::SeqCst) {
            for signal in &wanted {
                signal_hook::flag::register_conditional_default(*signal, Arc::clone(&users.idle))?;
            }
        }
        let (read, write) = UnixStream::pair()?;
        let delivery = SignalDelivery::with_pipe(read, write, SignalOnly, &wanted)?;
        *count += 1;
        users.idle.store(false, Ordering::SeqCst);
        Ok(Self(delivery))
    }

    /// The signals since the last call.
    pub(super) fn pending(&mut self) -> Vec<i32> {
        self.0.pending().collect()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_read().as_fd()
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signals(..)")
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.0.handle().close();
        let users = users();
        let mut count = users.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count = count.saturating_sub(1);
        users.idle.store(*count == 0, Ordering::SeqCst);
    }
}

/// A handler, once installed, stays: with nobody collecting it must act like the default, or Ctrl-C would be dead.
struct Users {
    idle: Arc<AtomicBool>,
    registered: AtomicBool,
    count: Mutex<u32>,
}

fn users() -> &'static Users {
    static USERS: OnceLock<Users> = OnceLock::new();
    USERS.get_or_init(|| Users {
        idle: Arc::new(AtomicBool::new(true)),
        registered: AtomicBool::new(false),
        count: Mutex::new(0),
    })
}

/// Whether this process was started with the signal ignored (nohup, background jobs of a script). Catching it would
/// change what the command inherits.
pub(super) fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    let bit = u32::try_from(signal).ok().and_then(|number| number.checked_sub(1));
    bit.and_then(|bit| mask.checked_shr(bit)).is_some_and(|shifted| shifted & 1 == 1)
}
