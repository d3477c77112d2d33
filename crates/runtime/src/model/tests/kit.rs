//! A server that misbehaves on the wire.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::super::*;

/// What a connection is answered.
pub(super) type Act = Box<dyn Fn(&mut TcpStream) + Send>;

/// Answers each connection by the next act, the last one from then on.
pub(super) struct Wire {
    pub(super) address: String,
    asked: Arc<Mutex<Vec<String>>>,
    serving: Option<JoinHandle<()>>,
}

impl Wire {
    pub(super) fn new(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let serving = std::thread::spawn(move || {
            let mut acts = acts.into_iter().peekable();
            let mut act = None;
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&mut stream) else { return };
                seen.lock().unwrap().push(request);
                act = acts.next().or(act);
                act.as_ref().unwrap()(&mut stream);
            }
        });
        Self { address, asked, serving: Some(serving) }
    }

    /// The requests, heads and bodies.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn model(&self, provider: &str, lines: &str) -> Model {
        let endpoint = format!("http://{}/v1/", self.address);
        let text = format!(
            "[models.m]\nprovider = \"{provider}\"\nmodel = \"some-model\"\nendpoint = \"{endpoint}\"\n{lines}"
        );
        Models::parse(&text).unwrap().pick(None).unwrap().clone()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // A connection without a request ends the thread.
        drop(TcpStream::connect(&self.address));
        if let Some(serving) = self.serving.take() {
            drop(serving.join());
        }
    }
}

/// Reads a request: its head, then as much as that says.
fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if body.len() >= length.parse().unwrap() {
                return Some(text);
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    }
}

/// Writes as far as the other side reads.
pub(super) fn write(stream: &mut TcpStream, text: &str) {
    drop(stream.write_all(text.as_bytes()));
}

/// Holds the connection open, silent, until the other side leaves.
pub(super) fn hang(stream: &mut TcpStream) {
    drop(stream.read(&mut [0; 1]));
}

pub(super) fn act(act: impl Fn(&mut TcpStream) + Send + 'static) -> Act {
    Box::new(act)
}

/// An answer that is only a head and a body.
pub(super) fn plain(status: &str, headers: &str, body: &str) -> Act {
    let text = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
    act(move |stream| write(stream, &text))
}

/// The head of a stream that ends with the connection.
pub(super) const STREAM: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/// A stream of events, well-formed or not.
pub(super) fn events(body: &str) -> Act {
    let text = format!("{STREAM}{body}");
    act(move |stream| write(stream, &text))
}

/// A piece of text as OpenAI streams it.
pub(super) fn chunk(text: &str) -> String {
    let text = Value::String(text.to_owned());
    format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{text}}},\"finish_reason\":null}}]}}\n\n"
    )
}

/// The end of such a stream, and its tokens.
pub(super) const END: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"total_tokens\":18}}\n\n\
    data: [DONE]\n\n";

/// A whole good answer.
pub(super) fn good(text: &str) -> Act {
    events(&format!("{}{END}", chunk(text)))
}
