//! A language model that says what a test wants, behind a real connection.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::site::{PATIENCE, Site};

/// What one question is answered.
#[derive(Clone)]
pub(crate) enum Says {
    /// A whole answer.
    Text(&'static str),
    /// The same, once it is let go.
    Held(&'static str),
    /// The beginning of one: the limit of its length was reached.
    Cut(&'static str),
    /// Nothing, until the other side leaves.
    Nothing,
    /// This, and then nothing, until the other side leaves.
    Begins(&'static str),
    /// That the request is wrong, in these words.
    Rejects(&'static str),
    /// It wants these tools called, with these arguments.
    Calls(Vec<(&'static str, Value)>),
}

/// Answers each question by the next of what it is to say, the last one from then on.
pub(crate) struct Model {
    address: String,
    asked: Receiver<Value>,
    left: Receiver<()>,
    go: Arc<(Mutex<usize>, Condvar)>,
}

impl Model {
    pub(crate) fn new(says: Vec<Says>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let ((tell, asked), (leave, left)) = (mpsc::channel(), mpsc::channel());
        let go = Arc::<(Mutex<usize>, Condvar)>::default();
        let gate = Arc::clone(&go);
        thread::spawn(move || {
            let (mut says, mut now) = (says.into_iter(), Says::Nothing);
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                now = says.next().unwrap_or(now);
                let (tell, leave, now) = (tell.clone(), leave.clone(), now.clone());
                let gate = Arc::clone(&gate);
                thread::spawn(move || {
                    serve(stream, &tell, (&now, &gate));
                    _ = leave.send(());
                });
            }
        });
        Self { address, asked, left, go }
    }

    /// The home's configuration says that this model is asked.
    pub(crate) fn configure(&self, site: &Site, more: &str) {
        let text = format!(
            "[models.m]\nprovider = \"openai_compatible\"\nmodel = \"some-model\"\n\
             endpoint = \"http://{}/v1/\"\nattempts = 1\n{more}\n",
            self.address
        );
        std::fs::write(site.home().join("models.toml"), text).unwrap();
    }

    /// The next question that arrived: what was sent.
    pub(crate) fn question(&self) -> Value {
        self.asked.recv_timeout(PATIENCE).unwrap()
    }

    /// How many questions arrived that nobody has looked at.
    pub(crate) fn more_questions(&self) -> usize {
        self.asked.try_iter().count()
    }

    /// Lets one answer go that is held.
    pub(crate) fn let_go(&self) {
        *self.go.0.lock().unwrap() += 1;
        self.go.1.notify_all();
    }

    /// Waits until a connection is over.
    pub(crate) fn wait_until_left(&self) {
        self.left.recv_timeout(PATIENCE).unwrap();
    }
}

fn serve(
    mut stream: TcpStream,
    tell: &mpsc::Sender<Value>,
    (says, (held, waits)): (&Says, &(Mutex<usize>, Condvar)),
) {
    let mut request = BufReader::new(stream.try_clone().unwrap());
    let (mut line, mut length) = (String::new(), 0);
    while request.read_line(&mut line).is_ok_and(|count| count > 2) {
        if let Some(text) = line.trim_end().to_ascii_lowercase().strip_prefix("content-length: ") {
            length = text.parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    if request.read_exact(&mut body).is_err() {
        return;
    }
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let whole = asked["stream"] == false;
    drop(tell.send(asked));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let (delta, finish) = match says {
        Says::Nothing => return drop(request.read_to_end(&mut Vec::new())),
        Says::Begins(text) => {
            let event = json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]});
            drop(stream.write_all(format!("{head}data: {event}\n\n").as_bytes()));
            return drop(request.read_to_end(&mut Vec::new()));
        }
        Says::Rejects(text) => {
            let body = json!({"error": {"message": text}}).to_string();
            let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close";
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            return drop(stream.write_all(answer.as_bytes()));
        }
        Says::Held(text) => {
            *waits.wait_while(held.lock().unwrap(), |free| *free == 0).unwrap() -= 1;
            (json!({"content": text}), "stop")
        }
        Says::Text(text) => (json!({"content": text}), "stop"),
        Says::Cut(text) => (json!({"content": text}), "length"),
        Says::Calls(calls) => {
            let call = |(at, (name, arguments)): (usize, &(&str, Value))| {
                json!({"index": at, "id": format!("call_{at}"), "type": "function",
                       "function": {"name": name, "arguments": arguments.to_string()}})
            };
            (json!({"tool_calls": calls.iter().enumerate().map(call).collect::<Vec<_>>()}), "tool_calls")
        }
    };
    if whole {
        let mut message = delta;
        message["role"] = json!("assistant");
        let body = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "some-model",
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}});
        let body = body.to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        return drop(stream.write_all(answer.as_bytes()));
    }
    let events = [
        json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]}),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}),
    ];
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    drop(stream.write_all(format!("{head}{body}data: [DONE]\n\n").as_bytes()));
}
