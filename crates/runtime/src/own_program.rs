//! This very program, run once more for one answer: whoever offers its verbs to other programs has each of them decided,
//! recorded and bounded as if somebody had typed it.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;

/// Most bytes of an answer that are kept; what lies beyond is dropped.
pub const ANSWER_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Most bytes of what is told to people that are kept.
const TOLD_BYTES_MAX: u64 = 64 * 1024;

/// What it said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub answer: Vec<u8>,
    /// Its standard error.
    pub told: Vec<u8>,
    /// There was more of either.
    pub truncated: bool,
}

/// Runs it with these arguments to its end, without input, in this environment and directory.
///
/// # Errors
/// It could not be started or read.
pub fn run(arguments: &[OsString]) -> io::Result<Said> {
    let mut child = Command::new("/proc/self/exe")
        .arg0("cascade")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let told = thread::Builder::new()
        .name("told".to_owned())
        .spawn(move || stderr.map_or(Ok((Vec::new(), false)), |stderr| all(stderr, TOLD_BYTES_MAX)))?;
    let answer = stdout.map_or(Ok((Vec::new(), false)), |stdout| all(stdout, ANSWER_BYTES_MAX));
    let told = told.join().unwrap_or_else(|_| Ok((Vec::new(), true)));
    let code = child.wait()?.code();
    let ((answer, cut), (told, also)) = (answer?, told?);
    Ok(Said { code, answer, told, truncated: cut || also })
}

/// Reads to the end, so that nobody waits for a reader, and keeps the beginning.
fn all(mut from: impl Read, bytes_max: u64) -> io::Result<(Vec<u8>, bool)> {
    let mut kept = Vec::new();
    from.by_ref().take(bytes_max).read_to_end(&mut kept)?;
    let more = io::copy(&mut from, &mut io::sink())?;
    Ok((kept, more > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_much_is_kept_and_no_more() {
        assert_eq!(all(&b"abc"[..], 3).unwrap(), (b"abc".to_vec(), false));
        assert_eq!(all(&b"abcd"[..], 3).unwrap(), (b"abc".to_vec(), true));
    }
}
