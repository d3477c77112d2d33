//! Other processes: this test binary started again to play one role.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Starts this binary in `role`; `wrapped` are the words before it, such as another program.
pub(crate) fn spawn(role: &str, dir: &Path, wrapped: &[&str]) -> Child {
    let exe = std::env::current_exe().unwrap();
    let mut command = match wrapped.split_first() {
        None => Command::new(exe),
        Some((program, words)) => {
            let mut command = Command::new(program);
            command.args(words).arg(exe);
            command
        }
    };
    command
        .args(["child::role", "--exact", "--nocapture", "--test-threads=1"])
        .env("CASCADE_TEST_ROLE", role)
        .env("CASCADE_TEST_DIR", dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs a role to its end, which must be a good one, and gives what it said.
pub(crate) fn run(role: &str, dir: &Path, wrapped: &[&str]) -> Vec<String> {
    let mut child = spawn(role, dir, wrapped);
    let said = heard(&mut child);
    assert!(child.wait().unwrap().success(), "{role} failed: {said:?}");
    said
}

/// What a child says until it ends.
pub(crate) fn heard(child: &mut Child) -> Vec<String> {
    lines(child).collect()
}

/// What a child says, line by line.
pub(crate) fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let out = BufReader::new(child.stdout.take().unwrap());
    // A line torn by SIGKILL was not heard.
    out.lines().map_while(Result::ok).filter_map(|line| line.strip_prefix("@ ").map(str::to_owned))
}

/// Says one line, in one write. The test harness may have left its own line unfinished.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n@ {text}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

#[test]
fn role() {
    let Ok(role) = std::env::var("CASCADE_TEST_ROLE") else { return };
    let dir = PathBuf::from(std::env::var_os("CASCADE_TEST_DIR").unwrap());
    match role.as_str() {
        "create" => crate::processes::create_or_open(&dir),
        "append" => crate::processes::append_hundred(&dir),
        "append for ever" => crate::processes::append_for_ever(&dir),
        "name" => crate::processes::name(&dir),
        "hold a lock" => crate::orphans::hold_lock(&dir),
        "close orphans" => crate::orphans::open_and_close(&dir),
        "full disk" => crate::disk::on_a_full_disk(&dir),
        "files that may not grow" => crate::disk::with_files_that_may_not_grow(&dir),
        "may only read" => crate::disk::that_may_only_read(&dir),
        "read only" => crate::disk::on_a_read_only_disk(&dir),
        "look" => crate::disk::look(&dir),
        other => panic!("no role {other}"),
    }
}
