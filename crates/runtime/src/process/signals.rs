//! Signals that Cascade receives while it runs a command: collected for the event loop, then passed on.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustix::process::Signal;
use signal_hook::consts::{
    SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGVTALRM,
    SIGWINCH,
};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

/// The signals that are passed on: whatever somebody sends on purpose and would end, stop or continue this process.
///
/// Not those that tell of this process itself: faults, and limits of processor time and file size. Known gap: real-time
/// signals, which cannot be sent by number without `unsafe`, end Cascade and so the run.
const PASSED: [i32; 12] = [
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGCONT, SIGWINCH, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM,
    SIGPROF,
];
/// The same, of Linux alone. What they do by default is not known to signal-hook.
const PASSED_LINUX: [i32; 3] = [Signal::IO.as_raw(), Signal::POWER.as_raw(), Signal::STKFLT.as_raw()];

/// Those that ask a process to end.
const ENDS: [i32; 2] = [SIGINT, SIGTERM];

/// Collects signals while it lives; when the last one is dropped, signals have their default effect again.
pub(crate) struct Signals(SignalDelivery<UnixStream, SignalOnly>);

impl Signals {
    pub(crate) fn collect() -> io::Result<Self> {
        let ignored = ignored();
        let all = PASSED.into_iter().chain(PASSED_LINUX);
        let wanted: Vec<i32> = all.filter(|signal| !is_in(ignored, *signal)).collect();
        let users = users();
        let mut count = users.count.lock().unwrap_or_else(PoisonError::into_inner);
        if !users.registered.swap(true, Ordering::SeqCst) {
            for signal in &wanted {
                let idle = Arc::clone(if ENDS.contains(signal) { &users.unended } else { &users.idle });
                if PASSED_LINUX.contains(signal) {
                    signal_hook::flag::register_conditional_shutdown(*signal, 128 + *signal, idle)?;
                } else {
                    signal_hook::flag::register_conditional_default(*signal, idle)?;
                }
            }
        }
        let (read, write) = UnixStream::pair()?;
        let delivery = SignalDelivery::with_pipe(read, write, SignalOnly, &wanted)?;
        *count += 1;
        users.idle.store(false, Ordering::SeqCst);
        users.unended.store(false, Ordering::SeqCst);
        Ok(Self(delivery))
    }

    /// The signals since the last call.
    pub(crate) fn pending(&mut self) -> Vec<i32> {
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
        users.unended.store(*count == 0 && !users.owned.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

/// From now on this process ends by itself when it is told to: SIGTERM and SIGINT never have their default effect again,
/// also when no command runs any more. For whoever serves, and listens to them.
pub fn own_ending() {
    let users = users();
    // Under the lock, so that a run that ends now sees it.
    let _count = users.count.lock().unwrap_or_else(PoisonError::into_inner);
    users.owned.store(true, Ordering::SeqCst);
    users.unended.store(false, Ordering::SeqCst);
}

/// A handler, once installed, stays: with nobody collecting it must act like the default, or Ctrl-C would be dead.
struct Users {
    idle: Arc<AtomicBool>,
    /// The same for the signals that end a process.
    unended: Arc<AtomicBool>,
    /// Somebody listens to these as long as the process lives.
    owned: AtomicBool,
    registered: AtomicBool,
    count: Mutex<u32>,
}

fn users() -> &'static Users {
    static USERS: OnceLock<Users> = OnceLock::new();
    USERS.get_or_init(|| Users {
        idle: Arc::new(AtomicBool::new(true)),
        unended: Arc::new(AtomicBool::new(true)),
        owned: AtomicBool::new(false),
        registered: AtomicBool::new(false),
        count: Mutex::new(0),
    })
}

/// Whether this process was started with the signal ignored (nohup, background jobs of a script). Catching it would
/// change what the command inherits.
pub(super) fn is_ignored(signal: i32) -> bool {
    is_in(ignored(), signal)
}

/// The mask of ignored signals.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}

fn is_in(mask: u64, signal: i32) -> bool {
    let bit = u32::try_from(signal).ok().and_then(|number| number.checked_sub(1));
    bit.and_then(|bit| mask.checked_shr(bit)).is_some_and(|shifted| shifted & 1 == 1)
}
