//! A running `cascade serve`, and a client that can also say what no client should.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::full;
use crate::site::Site;

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(60);

/// A service on a free port of this machine.
pub(crate) struct Server {
    child: Child,
    address: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The body, of an answer with this status.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.body);
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// A problem of this status and code.
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert!(self.head.contains("application/problem+json"), "{}", self.head);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        problem
    }
}

impl Server {
    pub(crate) fn start(site: &Site) -> Self {
        Self::with(site, &["--listen", "127.0.0.1:0"])
    }

    pub(crate) fn with(site: &Site, args: &[&str]) -> Self {
        Self::with_env(site, args, &[])
    }

    pub(crate) fn with_env(site: &Site, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = site.cascade(&["--json", "serve"]);
        command.args(args).envs(variables.iter().copied());
        Self::of(command)
    }

    /// One that this command starts, which says where it listens.
    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        let place = told["listening"].as_str().unwrap();
        let address = place.trim_start_matches("http://").trim_start_matches("https://").to_owned();
        Self { child, address }
    }

    /// Another one in the same place, after this one is gone.
    pub(crate) fn again(self, site: &Site) -> Self {
        let address = self.address.clone();
        drop(self);
        Self::with(site, &["--listen", &address])
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// From now on it can write so much.
    pub(crate) fn set(&self, room: full::Room) {
        full::set(&self.child, room);
    }

    /// Ends it without a word, as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and gives its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(ANSWER)).unwrap();
        stream
    }

    /// Sends bytes as they are, and reads one answer; `None` where the connection ended without one.
    pub(crate) fn raw(&self, request: &[u8]) -> Option<Answer> {
        let mut stream = self.connect();
        stream.write_all(request).ok()?;
        answer(&mut BufReader::new(stream))
    }

    /// One request; `None` where no answer came.
    pub(crate) fn try_send(
        &self,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Answer> {
        let mut text =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        self.raw(format!("{text}\r\n{body}").as_bytes())
    }

    pub(crate) fn send(&self, route: (&str, &str), headers: &[(&str, &str)], body: &str) -> Answer {
        self.try_send(route, headers, body).expect("an answer")
    }

    /// One request with a token.
    pub(crate) fn ask(&self, token: &str, route: (&str, &str), body: &str) -> Answer {
        self.send(route, &[("Authorization", &format!("Bearer {token}"))], body)
    }

    /// Asks for a decision about a command.
    pub(crate) fn decide(&self, token: &str, argv: &[&str]) -> Answer {
        let body = serde_json::json!({"action": {"kind": "cli", "argv": argv}});
        self.ask(token, ("POST", "/v1/decisions"), &body.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Reads one answer.
pub(crate) fn answer(stream: &mut BufReader<TcpStream>) -> Option<Answer> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = |line: &str| line.to_ascii_lowercase().strip_prefix("content-length: ")?.trim().parse().ok();
    let length: usize = head.lines().find_map(length).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Answer { status, head, body: String::from_utf8(body).ok()? })
}

/// A token of the person whose home it is, or of an agent of that person.
pub(crate) fn token(site: &Site, args: &[&str]) -> String {
    let issued = site.run(&[&["--json", "token", "issue"], args].concat()).expect(0).json();
    issued["token"].as_str().unwrap_or_else(|| panic!("no token: {issued}")).to_owned()
}
