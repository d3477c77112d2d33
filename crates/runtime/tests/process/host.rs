//! The program under test: one governed run, with its receipts reduced to files.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use cascade_receipt::digest::Nonce;
use cascade_receipt::id::ReceiptId;
use cascade_runtime::process::{
    self, Answer, Ended, Frame, Plan, Question, Status, StdinPlan, StreamsPlan, TRUST_INTERVAL,
};

pub(crate) const ARG: &str = "__host";
pub(crate) const NONCE: Nonce = Nonce([5; 32]);

/// `__host DIR RECEIPT_ID OPTION... -- EXECUTABLE ARG...`, see [`Options`]. Files in DIR: `lock`, `events` (one line
/// per step), `revoke` (the run may go on until somebody makes it), `frames` (what was made durable, in the stored form), `ended` (key=value lines).
pub(crate) fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(2);
    let dir = PathBuf::from(words.next().unwrap());
    let receipt_id = ReceiptId::parse(words.next().unwrap().to_str().unwrap()).unwrap();
    let options = Options::read(&mut words);
    let mut argv: Vec<OsString> = words.collect();
    if let Some(length) = options.long {
        argv.push("x".repeat(length).into());
    }
    let journal = Journal { dir: dir.clone() };

    let plan = Plan {
        receipt_id,
        agent: None,
        lock_path: dir.join("lock"),
        executable: PathBuf::from(&argv[0]),
        argv,
        brokered: Vec::new(),
        env: std::env::vars_os().collect(),
        cwd: std::env::current_dir().unwrap(),
        stdin: options.stdin,
        streams: options.streams,
        timeout: options.timeout,
        trust_interval: options.trust_interval,
        output_nonce: NONCE,
        foreground: true,
    };
    let prepared = match process::prepare(plan) {
        Ok(prepared) => prepared,
        Err(error) => {
            journal.event(&format!("refused {error}"));
            return ExitCode::from(1);
        }
    };
    journal.step("prepared", &options.pause);
    let (mut segments, mut revoked) = (0, false);
    let result = prepared.start(&mut |question| {
        if !revoked && dir.join("revoke").exists() {
            revoked = true;
            return Ok(Answer::End);
        }
        let Question::Segment(segment) = question else { return Ok(Answer::GoOn) };
        assert_eq!(segment.index, segments);
        segments += 1;
        if options.hook_fails {
            return Err("disk full".into());
        }
        journal.frames(segment.frames);
        journal.event(&format!("segment {} {}", segment.bytes_total, segment.running_hash));
        pause_here("segment", &options.pause);
        Ok(Answer::GoOn)
    });
    let ended = match result {
        Ok(ended) => ended,
        Err(error) => {
            journal.event(&format!("broken {error}"));
            return ExitCode::from(1);
        }
    };
    journal.close(&ended);
    journal.step("ended", &options.pause);
    let captured = ended.pending.release().unwrap();
    journal.write("stdout", &captured.stdout);
    journal.write("stderr", &captured.stderr);
    drop(ended.guard);
    journal.event("closed");
    ExitCode::from(code_of(&ended.status))
}

fn code_of(status: &Status) -> u8 {
    match status {
        Status::Exited(code) => *code,
        Status::Signaled(signal) | Status::Interrupted(signal) => 128 + *signal,
        Status::CouldNotStart(_) => 127,
        Status::TimedOut => 124,
        Status::Revoked => 98,
        Status::Lost => 99,
    }
}

struct Options {
    /// Stop for ever after this step.
    pause: String,
    timeout: Option<Duration>,
    trust_interval: Duration,
    streams: StreamsPlan,
    stdin: StdinPlan,
    hook_fails: bool,
    /// Adds an argument of this length.
    long: Option<usize>,
}

impl Options {
    fn read(words: &mut impl Iterator<Item = OsString>) -> Self {
        let mut options = Self {
            pause: String::new(),
            timeout: None,
            trust_interval: TRUST_INTERVAL,
            streams: StreamsPlan::PassThrough { cap_bytes: None },
            stdin: StdinPlan::Inherit,
            hook_fails: false,
            long: None,
        };
        for word in words.take_while(|word| word != "--") {
            let (name, value) = word.to_str().unwrap().split_once('=').unwrap();
            match name {
                "pause" => options.pause = value.to_owned(),
                "timeout_ms" => options.timeout = Some(Duration::from_millis(value.parse().unwrap())),
                "trust_ms" => options.trust_interval = Duration::from_millis(value.parse().unwrap()),
                "capture" => options.streams = StreamsPlan::Capture { cap_bytes: value.parse().unwrap() },
                "cap" => {
                    options.streams = StreamsPlan::PassThrough { cap_bytes: Some(value.parse().unwrap()) }
                }
                "stdin" => options.stdin = StdinPlan::Bytes(value.as_bytes().to_vec()),
                "null" => options.stdin = StdinPlan::Null,
                "long" => options.long = Some(value.parse().unwrap()),
                "hook" => options.hook_fails = true,
                _ => panic!("{name}"),
            }
        }
        options
    }
}

struct Journal {
    dir: PathBuf,
}

impl Journal {
    fn step(&self, name: &str, pause: &str) {
        self.event(name);
        pause_here(name, pause);
    }

    fn event(&self, line: &str) {
        self.append("events", format!("{line}\n").as_bytes());
    }

    fn frames(&self, frames: &[Frame]) {
        for frame in frames {
            self.append("frames", &frame.header());
            self.append("frames", &frame.bytes);
        }
    }

    fn append(&self, name: &str, bytes: &[u8]) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.dir.join(name)).unwrap();
        file.write_all(bytes).unwrap();
    }

    fn close(&self, ended: &Ended) {
        self.write(
            "ended",
            format!(
                "status={}\nhash={}\nbytes={}\nsegments={}\ntruncated={}\nsurvivors={}\npassed={:?}\nduration_us={}\npeak={}\n",
                ended.status, ended.output_hash, ended.output_bytes, ended.segments, ended.truncated,
                ended.survivors_ended, ended.signal_passed, ended.duration_us, peak_kib()
            )
            .as_bytes(),
        );
        self.frames(ended.pending.uncommitted());
    }

    /// Appears whole or not at all.
    fn write(&self, name: &str, bytes: &[u8]) {
        let part = self.dir.join(format!("{name}.part"));
        File::create(&part).unwrap().write_all(bytes).unwrap();
        fs::rename(part, self.dir.join(name)).unwrap();
    }
}

fn pause_here(name: &str, pause: &str) {
    if name == pause {
        loop {
            std::thread::park();
        }
    }
}

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Absolute path of a program on the usual PATH.
pub(crate) fn which(name: &str) -> PathBuf {
    let paths = std::env::var_os("PATH").unwrap();
    let mut dirs = paths.as_bytes().split(|byte| *byte == b':');
    dirs.find_map(|dir| {
        let path = Path::new(std::ffi::OsStr::from_bytes(dir)).join(name);
        path.is_file().then_some(path)
    })
    .unwrap_or_else(|| panic!("this test needs `{name}`"))
}
