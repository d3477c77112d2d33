//! TLS, with openssl on the other side.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cascade_ledger::SecretValue;

use super::super::*;
use super::kit::{END, STREAM, chunk};

const KEY: &str = "sk-over-tls-0123456789";

/// A server with a certificate of its own for `name`. It shows what it is sent and answers once.
struct Server {
    child: Child,
    shown: BufReader<std::process::ChildStdout>,
    port: u16,
}

impl Server {
    fn new(dir: &Path, name: &str) -> Self {
        let run = |args: &[&str]| {
            let done = Command::new("openssl").args(args).current_dir(dir).output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        let (subject, names) = (format!("/CN={name}"), format!("subjectAltName=DNS:{name}"));
        let end = ["-addext", "basicConstraints=critical,CA:FALSE"];
        let ca =
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        run(&[&ca[..], &["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=house"]].concat());
        let issued =
            ["-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "key", "-out", "cert", "-subj", &subject];
        run(&[&ca[..], &issued[..], &["-addext", &names], &end[..]].concat());
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-key", "key", "-cert", "cert", "-naccept", "1"])
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut shown = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ACCEPT") {
            line.clear();
            assert!(shown.read_line(&mut line).unwrap() > 0, "it did not start");
        }
        let port = line.trim().rsplit(':').next().unwrap().parse().unwrap();
        Self { child, shown, port }
    }

    /// Waits until it was sent the question, then answers.
    fn answer(&mut self, text: &str) -> String {
        let (mut sent, mut piece) = (Vec::new(), [0; 4096]);
        while !String::from_utf8_lossy(&sent).contains("Why?") {
            let count = self.shown.read(&mut piece).unwrap();
            assert!(count > 0, "it ended");
            sent.extend_from_slice(&piece[..count]);
        }
        self.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
        String::from_utf8_lossy(&sent).into_owned()
    }

    /// Everything that it was sent.
    fn shown(mut self) -> String {
        drop(self.child.kill());
        let mut text = Vec::new();
        self.shown.read_to_end(&mut text).unwrap();
        self.child.wait().unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }
}

fn ask(port: u16, ca_file: Option<&Path>) -> Result<Reply, ModelError> {
    let endpoint = format!("https://localhost:{port}");
    let trusted = ca_file.map_or(String::new(), |path| format!("ca_file = \"{}\"\n", path.display()));
    let text = format!(
        "[models.m]\nprovider = \"openai_compatible\"\nmodel = \"some-model\"\nattempts = 1\nendpoint = \"{endpoint}/v1/\"\n{trusted}"
    );
    let model = Models::parse(&text).unwrap().pick(None).unwrap().clone();
    let key = ModelKey {
        endpoint: Endpoint::parse(&endpoint).unwrap(),
        value: SecretValue::new(KEY.as_bytes().to_vec()).unwrap(),
    };
    let prompt = Prompt { user: "Why?".to_owned(), ..Prompt::default() };
    call(&model, Some(&key), &prompt, &CallLimits::default(), &mut |_| {})
}

#[test]
fn who_cannot_prove_its_name_is_sent_nothing() {
    for (name, own_root, words) in
        [("localhost", false, "UnknownIssuer"), ("other.example", true, "not valid for name")]
    {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::new(dir.path(), name);
        let ca = dir.path().join("ca.pem");
        let error = ask(server.port, own_root.then_some(ca.as_path())).unwrap_err();
        let ModelFault::Unreachable(said) = &error.fault else { panic!("{error}") };
        assert!(said.contains(words), "{said}");
        let shown = server.shown();
        assert!(!shown.contains("Why?") && !shown.contains(KEY), "{shown}");
    }
}

#[test]
fn a_server_of_the_house_is_asked_when_its_root_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::new(dir.path(), "localhost");
    let (port, ca) = (server.port, dir.path().join("ca.pem"));
    let (reply, sent) = std::thread::scope(|scope| {
        let asked = scope.spawn(|| ask(port, Some(&ca)));
        // The end of the answer is the end of the stream of events, not that of the connection.
        let sent = server.answer(&format!("{STREAM}{}{END}", chunk("Because.")));
        (asked.join().unwrap().unwrap(), sent)
    });
    assert_eq!(reply.text, "Because.");
    assert!(sent.contains(&format!("Bearer {KEY}")) && sent.contains("host: localhost:"), "{sent}");
    server.shown();
}

#[test]
fn roots_that_cannot_be_read_are_no_reason_to_trust_others() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new(dir.path(), "localhost");
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    for path in [&empty, &dir.path().join("missing.pem")] {
        assert!(matches!(ask(server.port, Some(path)).unwrap_err().fault, ModelFault::Local(_)));
    }
}
