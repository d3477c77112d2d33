//! A service of our own binary, on a throw-away home, and clients that ask it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use cascade_receipt::json::{self, Value};

/// What is asked for.
pub const BODY: &str = r#"{"action":{"kind":"cli","argv":["git","status","--short"]}}"#;

/// A service that ends when it is dropped.
#[derive(Debug)]
pub struct Served {
    child: Child,
    /// Address and port.
    pub address: String,
    /// What lets a client in.
    pub token: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Served {
    /// Starts the binary that lies beside the examples.
    ///
    /// # Errors
    /// When it cannot be started, or says nothing of where it listens.
    pub fn start(stage: &Path, home: &Path) -> anyhow::Result<Self> {
        let token = token(stage, home)?;
        let mut command = cascade(stage, home)?;
        // Nobody reports what came of it, for as long as the run takes.
        command.args(["--json", "serve", "--listen", "127.0.0.1:0", "--tenant-open-actions", "4000000000"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("couldn't start the service")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut line)?;
        let told = json::parse(line.trim().as_bytes()).context("the service says no JSON")?;
        let address = text(&told, "listening")?.trim_start_matches("http://").to_owned();
        Ok(Self { child, address, token })
    }

    /// Memory that it has in use, in KiB.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn memory_kib(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// A request as it goes over the wire.
    #[must_use]
    pub fn request(&self, method: &str, path: &str, body: &str) -> String {
        let (token, length) = (&self.token, body.len());
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    }
}

fn cascade(stage: &Path, home: &Path) -> anyhow::Result<Command> {
    let own = std::env::current_exe()?;
    let binary: PathBuf = own.ancestors().nth(2).context("no directory above")?.join("cascade");
    let mut command = Command::new(binary);
    command.env("CASCADE_HOME", home).env("HOME", stage).env("XDG_STATE_HOME", stage.join("state"));
    Ok(command)
}

fn text<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a str> {
    value.member(key).and_then(Value::as_str).with_context(|| format!("no `{key}`"))
}

fn token(stage: &Path, home: &Path) -> anyhow::Result<String> {
    let done = cascade(stage, home)?.args(["--json", "token", "issue", "--agent", "load"]).output()?;
    if !done.status.success() {
        bail!("no token: {}", String::from_utf8_lossy(&done.stderr));
    }
    let issued = json::parse(done.stdout.trim_ascii()).context("the token is no JSON")?;
    Ok(text(&issued, "token")?.to_owned())
}

/// A connection to a service.
#[derive(Debug)]
pub struct Client(BufReader<TcpStream>);

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a request and reads the body of its answer, which must be 200.
    ///
    /// # Errors
    /// When it is another one, or the connection breaks.
    pub fn ask(&mut self, request: &str) -> anyhow::Result<Vec<u8>> {
        self.0.get_mut().write_all(request.as_bytes())?;
        let length = self.head()?;
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(body)
    }

    /// Reads the head of an answer, which must be 200; how long its body is, where it says so.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn head(&mut self) -> anyhow::Result<usize> {
        let (mut line, mut length, mut first) = (String::new(), 0, true);
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            if first && !line.contains(" 200 ") {
                bail!("answered {line}");
            }
            first = false;
            let lower = line.to_ascii_lowercase();
            if let Some(number) = lower.strip_prefix("content-length: ") {
                length = number.trim().parse()?;
            }
            if line == "\r\n" {
                return Ok(length);
            }
        }
    }

    /// Sends a request whose answer does not end.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn listen(&mut self, request: &str) -> anyhow::Result<()> {
        self.0.get_mut().write_all(request.as_bytes())?;
        self.head().map(drop)
    }
}

/// Asks again as soon as it is answered. How long each took, in microseconds.
///
/// # Errors
/// As [`Client::ask`].
pub fn converse(address: &str, request: &str, until: Instant) -> anyhow::Result<Vec<u64>> {
    let mut client = Client::connect(address)?;
    let mut took = Vec::new();
    while Instant::now() < until {
        let asked = Instant::now();
        client.ask(request)?;
        took.push(micros(asked.elapsed()));
    }
    Ok(took)
}

/// In microseconds.
#[must_use]
pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
