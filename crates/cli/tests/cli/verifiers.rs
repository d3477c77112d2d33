//! The two verifiers an outsider has, and that they agree.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

use serde_json::Value;

use crate::site::{CASCADE, Done, finish};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const PYTHON: &str = "verifiers/python/cascade_verify.py";

/// What a verifier found: the first fault's code and place, and how many intents have no closer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Verdict {
    pub(crate) fault: Option<(String, u64)>,
    pub(crate) receipts: u64,
    pub(crate) open: usize,
}

/// The verdict of `cascade-verify`, with which `cascade verify` and the Python verifier must agree.
pub(crate) fn agreed(ledger: &Path, key: Option<&Path>, hmac: Option<&Path>) -> Verdict {
    all_agreed(&[ledger.to_owned()], key, hmac).remove(0)
}

/// The same for many files.
pub(crate) fn all_agreed(ledgers: &[PathBuf], key: Option<&Path>, hmac: Option<&Path>) -> Vec<Verdict> {
    let theirs = python_batch(ledgers, key, hmac);
    assert_eq!(theirs.len(), ledgers.len());
    let mut verdicts = Vec::new();
    for (ledger, (code, document)) in ledgers.iter().zip(theirs) {
        let ours = of(&rust(ledger, key, hmac));
        let mut same = Command::new(CASCADE);
        same.args(["verify", "--no-memory"]).args(words(ledger, key, hmac));
        assert_eq!(of(&finish(same, b"")), ours, "`cascade verify` {}", ledger.display());
        assert_eq!(read(code, &document), ours, "the Python verifier {}", ledger.display());
        verdicts.push(ours);
    }
    verdicts
}

/// Runs `cascade-verify`.
pub(crate) fn rust(ledger: &Path, key: Option<&Path>, hmac: Option<&Path>) -> Done {
    let mut command = Command::new(binary());
    command.arg("--no-memory").args(words(ledger, key, hmac));
    finish(command, b"")
}

/// The Python verifier, ready for its arguments.
pub(crate) fn python_command() -> Command {
    let mut command = Command::new(interpreter());
    command.arg(Path::new(ROOT).join(PYTHON));
    command
}

/// Runs the Python verifier.
pub(crate) fn python(ledger: &Path, key: Option<&Path>, hmac: Option<&Path>) -> Done {
    let mut command = python_command();
    command.args(words(ledger, key, hmac));
    finish(command, b"")
}

/// Runs the Python verifier's command line for many files in one process; starting Python takes longer
/// than verifying. Gives exit codes and documents.
fn python_batch(ledgers: &[PathBuf], key: Option<&Path>, hmac: Option<&Path>) -> Vec<(i32, Value)> {
    const BATCH: &str = "
import io, json, os, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import cascade_verify
for line in sys.stdin:
    sys.stdout = io.TextIOWrapper(io.BytesIO(), encoding='utf-8')
    code = cascade_verify.main(json.loads(line))
    sys.stdout.flush()
    text = sys.stdout.buffer.getvalue().decode()
    sys.__stdout__.write(json.dumps([code, json.loads(text)]) + '\\n')
";
    let requests = ledgers.iter().map(|ledger| {
        let words: Vec<_> =
            words(ledger, key, hmac).iter().map(|word| word.to_str().unwrap().to_owned()).collect();
        format!("{}\n", serde_json::json!(words))
    });
    let mut command = Command::new(interpreter());
    command.arg("-c").arg(BATCH).arg(Path::new(ROOT).join(PYTHON));
    let done = finish(command, requests.collect::<String>().as_bytes()).expect(0);
    let answers = done.stdout.lines().map(|line| serde_json::from_str::<(i32, Value)>(line).unwrap());
    answers.collect()
}

fn words(ledger: &Path, key: Option<&Path>, hmac: Option<&Path>) -> Vec<OsString> {
    let mut words = vec![ledger.into(), "--json".into()];
    for (flag, path) in [("--public-key", key), ("--hmac-key", hmac)] {
        words.extend(path.into_iter().flat_map(|path| [flag.into(), path.into()]));
    }
    words
}

fn of(done: &Done) -> Verdict {
    read(done.status.code().unwrap_or_else(|| panic!("{}", done.status)), &done.json())
}

/// Reads a verdict and holds it to its own rules: one failing check at most, passes before it,
/// `not_reached` behind it, and an exit code that says the same.
fn read(code: i32, verdict: &Value) -> Verdict {
    let valid = verdict["valid"].as_bool().unwrap();
    assert_eq!(code, if valid { 0 } else { 4 }, "{verdict}");
    let checks: Vec<_> = verdict["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["outcome"] != "not_asked")
        .collect();
    let failing = checks.iter().position(|check| check["outcome"] == "fail");
    assert_eq!(failing.is_none(), valid);
    for (at, check) in checks.iter().enumerate() {
        let expected = match failing {
            Some(failing) if at == failing => "fail",
            Some(failing) if at > failing => "not_reached",
            _ => "pass",
        };
        assert_eq!(check["outcome"], expected, "{verdict}");
    }
    for key in ["key_pinned", "head", "anchored_through"] {
        assert!(verdict.get(key).is_some(), "no {key}: {verdict}");
    }
    let fault = failing.map(|at| {
        let check = checks[at];
        let code = check["code"].as_str().unwrap();
        assert_eq!(code.split('.').next(), check["check"].as_str());
        (code.to_owned(), check["seq"].as_u64().unwrap())
    });
    let open = verdict["open"].as_array().map_or(0, Vec::len);
    // How many receipts are good when a tag is not, the format leaves open.
    let tag = fault.as_ref().is_some_and(|(code, _)| code.starts_with("hmac."));
    let receipts = if tag { 0 } else { verdict["receipts"].as_u64().unwrap() };
    Verdict { fault, receipts, open }
}

/// What a verdict says it does not prove.
pub(crate) fn not_proven(done: &Done) -> Vec<String> {
    let verdict: Value = done.json();
    verdict["not_proven"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

/// `cascade-verify`, built when it is missing or older than what it is made of. Cargo builds it with
/// the workspace, but not for the tests of this package alone.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let folder = Path::new(CASCADE).parent().unwrap();
        let path = folder.join("cascade-verify");
        let built =
            std::fs::metadata(&path).and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let sources = ["crates/receipt/src", "crates/timestamp/src", "crates/verify/src"];
        if sources.iter().any(|source| newest(&Path::new(ROOT).join(source)) > built) {
            let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo.args(["build", "--quiet", "--locked", "--package", "cascade-verify", "--target-dir"]);
            cargo.arg(folder.parent().unwrap()).current_dir(ROOT);
            if folder.ends_with("release") {
                cargo.arg("--release");
            }
            assert!(cargo.status().unwrap().success(), "couldn't build cascade-verify");
        }
        path
    })
}

/// When the newest file below a directory was written.
fn newest(folder: &Path) -> SystemTime {
    let entries = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    let times = entries.map(|path| {
        if path.is_dir() { newest(&path) } else { std::fs::metadata(&path).unwrap().modified().unwrap() }
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// An interpreter that has the `cryptography` package; a python3 of one's own may hide Debian's.
pub(crate) fn interpreter() -> &'static str {
    static INTERPRETER: OnceLock<&str> = OnceLock::new();
    INTERPRETER.get_or_init(|| {
        let able = |python: &&str| {
            let mut command = Command::new(python);
            command.args(["-c", "import cryptography"]);
            command.output().is_ok_and(|output| output.status.success())
        };
        ["python3", "/usr/bin/python3"].into_iter().find(able).expect("python3 with the cryptography package")
    })
}
