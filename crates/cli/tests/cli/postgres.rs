//! A PostgreSQL server of one test's own, reached over a socket in a directory of its own.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

/// Who owns everything in it.
const USER: &str = "owner";

pub(crate) struct Postgres {
    server: Child,
    dir: TempDir,
}

impl Postgres {
    /// A server that answers, with nothing in it.
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        if let Some((uid, gid)) = nobody() {
            chown(dir.path(), Some(uid), Some(gid)).unwrap();
        }
        let data = dir.path().join("data");
        let made = own("initdb", &dir)
            .args(["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        // The socket is for this test's user alone; there is no port.
        let settings = ["listen_addresses=", "unix_socket_permissions=0700", "fsync=off"];
        let mut server = own("postgres", &dir)
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .arg("-k")
            .arg(dir.path())
            .arg("-D")
            .arg(&data)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(server.stderr.take().unwrap());
        let mut told = String::new();
        while !told.contains("ready to accept connections") {
            assert!(log.read_line(&mut told).unwrap() > 0, "the server ends at once: {told}");
        }
        std::thread::spawn(move || drop(log.read_to_end(&mut Vec::new())));
        Self { server, dir }
    }

    /// How programs find it.
    pub(crate) fn env(&self) -> [(&'static str, &OsStr); 2] {
        [("PGHOST", self.dir.path().as_os_str()), ("PGUSER", OsStr::new(USER))]
    }

    /// A client of this database that reads statements from its standard input.
    pub(crate) fn client(&self, database: &str) -> Command {
        let mut client = Command::new("psql");
        client.args(["-X", "--no-password", "-qAt", "-v", "ON_ERROR_STOP=1", "-d", database]);
        client.envs(self.env()).stdin(Stdio::piped()).stdout(Stdio::piped());
        client
    }

    /// What a query gives.
    pub(crate) fn ask(&self, database: &str, query: &str) -> String {
        let done = self.client(database).stdin(Stdio::null()).args(["-c", query]).output().unwrap();
        assert!(done.status.success(), "{query}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim_end().to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once, but not without taking its shared memory back.
        _ = rustix::process::kill_process(Pid::from_child(&self.server), Signal::QUIT);
        drop(self.server.wait());
    }
}

/// A program of the server's, as a user it agrees to run as, ended with the test however that ends.
fn own(program: &str, dir: &TempDir) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]);
    if let Some((uid, gid)) = nobody() {
        let (uid, gid) = (format!("--reuid={uid}"), format!("--regid={gid}"));
        command.args([uid.as_str(), gid.as_str(), "--clear-groups"]);
    }
    command.arg(folder().join(program)).current_dir(dir.path());
    command.env_clear().env("LC_ALL", "C").env("PATH", std::env::var_os("PATH").unwrap());
    command
}

/// Whom the server runs as where the test is root's: it refuses to be root.
fn nobody() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let id = |what: &str| {
        let output = Command::new("id").args([what, "nobody"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim_end().parse().unwrap()
    };
    Some((id("-u"), id("-g")))
}

/// Where the server's programs are: on PATH, or where Debian keeps those of its newest version.
fn folder() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let on_path = std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file());
    let version = |folder: &Path| -> Option<u32> {
        let parent = folder.parent()?.file_name()?.to_str()?;
        parent.parse().ok().filter(|_| folder.join("initdb").is_file())
    };
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.map(|entry| entry.path().join("bin")).max_by_key(|folder| version(folder));
    on_path.or(newest).expect("PostgreSQL's `initdb`: `cargo xtask tools` installs it")
}
