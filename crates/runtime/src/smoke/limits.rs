//! Everything a check can run into, by name.

use std::time::Duration;

/// Longest source. What engines emit is a few hundred bytes; what models write, a few thousand.
pub const SOURCE_BYTES_MAX: usize = 256 << 10;
/// Longest test text.
pub const TESTS_BYTES_MAX: usize = 1 << 20;
/// Longest call expression.
pub const CALL_BYTES_MAX: usize = 64 << 10;
/// Most calls in one job.
pub const CALLS_MAX: usize = 256;
/// Longest time for one check, whatever its caller allows.
pub const TIME_MAX: Duration = Duration::from_secs(30);
/// Memory of one worker beyond what it needs to exist.
pub const MEMORY_BYTES_MAX: usize = 256 << 20;
/// Most that a check may print; all of it is thrown away.
pub const OUTPUT_BYTES_MAX: usize = 1 << 20;
/// Longest value of one call, as Python writes it.
pub const VALUE_BYTES_MAX: usize = 64 << 10;
/// What is kept of an exception's text.
pub const MESSAGE_BYTES_MAX: usize = 512;
/// Deepest nesting of calls.
pub const RECURSION_MAX: usize = 1000;
/// Deepest nesting of source text, as CPython's parser has it.
pub const NESTING_MAX: u16 = 200;
/// Calls with different arguments that are counted while tests run.
pub const INPUTS_COUNTED_MAX: usize = 16;
/// Results of the source that tests are tried on as those of a constant function.
pub(super) const CONSTANTS_MAX: usize = 3;
/// Workers at once, unless options say otherwise.
pub const WORKERS_DEFAULT: usize = 4;
/// Processor time of one worker, in seconds; it is replaced long before.
pub(super) const CPU_SECONDS_MAX: u64 = 90;
/// Longest message to or from a worker.
pub(super) const FRAME_BYTES_MAX: usize = 20 << 20;
/// What a worker may be late with its own answer that time is up, before it is killed.
pub(super) const GRACE: Duration = Duration::from_millis(100);
/// How long a new worker may take to say that it is ready.
pub(super) const START_MAX: Duration = Duration::from_secs(20);
/// Time at work after which a worker is replaced.
pub(super) const BUSY_MAX: Duration = Duration::from_secs(45);
/// Jobs after which a worker is replaced.
pub const JOBS_MAX: u32 = 2000;
/// What is read of the last words of a worker.
pub(super) const LAST_WORDS_BYTES_MAX: u64 = 4096;

const _: () = {
    // The last job of a worker does not meet the end of its processor time.
    assert!(BUSY_MAX.as_secs() + TIME_MAX.as_secs() + 5 < CPU_SECONDS_MAX);
    // A job of the largest parts, and an answer of the largest values, fit one message.
    assert!(SOURCE_BYTES_MAX + TESTS_BYTES_MAX + CALLS_MAX * CALL_BYTES_MAX + (1 << 20) < FRAME_BYTES_MAX);
    assert!(CALLS_MAX * VALUE_BYTES_MAX + (1 << 20) < FRAME_BYTES_MAX);
};
