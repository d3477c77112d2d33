//! Decisions over HTTP at 64 connections, beside the same decisions in one process and appends alone, in one run.
//!
//! `cargo run --release -p cascade-bench --example served [SECONDS]`; the binary `cascade` is the one beside the examples.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use cascade_ledger::{Home, TenantId};
use cascade_receipt::json::{self, Value};
use cascade_runtime::facts::Asker;
use cascade_runtime::identity;
use cascade_runtime::lease::{self, Asked, Held, LEASE, Request};
use cascade_runtime::policy_store::PolicyInForce;

/// Connections, and threads of the run in one process.
const CALLERS: usize = 64;
/// What is asked for.
const BODY: &str = r#"{"action":{"kind":"cli","argv":["git","status","--short"]}}"#;

fn main() -> anyhow::Result<()> {
    let seconds: u64 = std::env::args().nth(1).map_or(Ok(10), |text| text.parse())?;
    let each = Duration::from_secs(seconds);
    let stage = tempfile::tempdir()?;
    let home = stage.path().join("home");
    let token = token(stage.path(), &home)?;
    let (served, mut latencies) = served(stage.path(), &home, &token, each)?;
    latencies.sort_unstable();
    let at = |share: usize| {
        latencies.get(latencies.len().saturating_sub(1) * share / 1000).copied().unwrap_or_default()
    };
    let own = in_process(&home, each)?;
    let appends = stage.path().join("appends");
    std::fs::create_dir(&appends)?;
    let appended = cascade_bench::durable(&appends, CALLERS, each)?;
    let told = format!(
        "callers {CALLERS}, {seconds} s each\n\
         decisions over HTTP     {served:>9.0} /s   p50 {} us, p99 {} us, p99.9 {} us\n\
         decisions in a process  {own:>9.0} /s   over HTTP {:.0} % of it\n\
         appends alone           {appended:>9.0} /s   over HTTP {:.0} % of it\n",
        at(500),
        at(990),
        at(999),
        100.0 * served / own,
        100.0 * served / appended,
    );
    std::io::stdout().write_all(told.as_bytes())?;
    Ok(())
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

/// Ends when it is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn served(stage: &Path, home: &Path, token: &str, each: Duration) -> anyhow::Result<(f64, Vec<u64>)> {
    let mut command = cascade(stage, home)?;
    command.args(["--json", "serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = Server(command.spawn().context("couldn't start the service")?);
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().context("no stdout")?).read_line(&mut line)?;
    let told = json::parse(line.trim().as_bytes()).context("the service says no JSON")?;
    let address = text(&told, "listening")?.trim_start_matches("http://").to_owned();
    let request = format!(
        "POST /v1/decisions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let all = Mutex::new(Vec::new());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                let own = converse(&address, request.as_bytes(), began + each).unwrap_or_default();
                if let Ok(mut all) = all.lock() {
                    all.extend(own);
                }
            });
        }
    });
    let took = began.elapsed().as_secs_f64();
    let all = all.into_inner().unwrap_or_default();
    Ok((all.len() as f64 / took, all))
}

/// One connection: asks again as soon as it is answered. How long each took, in microseconds.
fn converse(address: &str, request: &[u8], until: Instant) -> anyhow::Result<Vec<u64>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut took = Vec::new();
    while Instant::now() < until {
        let asked = Instant::now();
        reader.get_mut().write_all(request)?;
        let (mut line, mut length, mut first) = (String::new(), 0, true);
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            if first && !line.contains(" 200 ") {
                bail!("answered {line}");
            }
            first = false;
            let lower = line.to_ascii_lowercase();
            if let Some(number) = lower.strip_prefix("content-length: ") {
                length = number.trim().parse()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        took.push(u64::try_from(asked.elapsed().as_micros())?);
    }
    Ok(took)
}

/// The same decisions by threads of this process.
fn in_process(home: &Path, each: Duration) -> anyhow::Result<f64> {
    let home = Home::open(home)?;
    let ledger = home.open_tenant(&TenantId::parse("default")?, None, &|_| true)?;
    let asker = Asker::find(&ledger, &[], Some("agent:load"))?;
    let (runtime, policy) = (identity::runtime(&ledger)?, PolicyInForce::default());
    let argv = ["git", "status", "--short"].map(|word| word.as_bytes().to_vec()).to_vec();
    let asked = Asked::Words { argv, cwd: PathBuf::new(), env: Vec::new() };
    let count = Mutex::new(0_u64);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                let mut own = 0;
                while began.elapsed() < each {
                    let request = Request {
                        asked: &asked,
                        asker: &asker,
                        approval: None,
                        dry_run: false,
                        reason: None,
                        subject: None,
                        runtime: &runtime,
                        request: None,
                        held: Held::Lease(LEASE),
                        policy: Some(&policy),
                    };
                    if lease::begin(&ledger, &request).is_err() {
                        break;
                    }
                    own += 1;
                }
                if let Ok(mut count) = count.lock() {
                    *count += own;
                }
            });
        }
    });
    let count = count.into_inner().unwrap_or_default();
    Ok(count as f64 / began.elapsed().as_secs_f64())
}
