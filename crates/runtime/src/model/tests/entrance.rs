//! The passage, spoken to by others than the library.

use std::io::{Read as _, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::process::Command;
use std::rc::Rc;

use hyper::body::Bytes;
use hyper::header::HeaderMap;

use super::super::passage::{Entrance, Passage, Seen, serve};
use super::super::request::outgoing;
use super::super::*;
use super::kit::*;

const BODY: &str = "{\"model\":\"some-model\",\"stream\":true}";

/// Opens a passage, has `client` speak to it from another thread, and gives what it heard.
fn spoken(
    model: &Model,
    client: impl FnOnce(String) -> String + Send + 'static,
) -> (String, Option<ModelFault>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    runtime.block_on(local.run_until(async {
        let entrance = Entrance::open().unwrap();
        let address = entrance.address.clone();
        let seen = Rc::new(Seen::default());
        let passage = Passage {
            model: model.clone(),
            key: None,
            limits: CallLimits::default(),
            seen: Rc::clone(&seen),
        };
        let serving = tokio::task::spawn_local(serve(entrance, passage));
        let heard = tokio::task::spawn_blocking(move || client(address)).await.unwrap();
        serving.abort();
        (heard, seen.fault.get().cloned())
    }))
}

fn connect(address: &str) -> UnixStream {
    let name = address.trim_start_matches('\0');
    UnixStream::connect_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap()
}

fn request(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{BODY}", BODY.len())
}

#[test]
fn one_request_is_passed_on_and_no_second_one() {
    let wire = Wire::new(vec![good("Because.")]);
    let (heard, fault) = spoken(&wire.model("openai_compatible", ""), |address| {
        let mut stream = connect(&address);
        let path = "/v1/chat/completions";
        stream.write_all(request(path).as_bytes()).unwrap();
        stream
            .write_all(request(path).replace("host: x", "host: x\r\nconnection: close").as_bytes())
            .unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        heard
    });
    assert!(heard.starts_with("HTTP/1.1 200") && heard.contains("Because."), "{heard}");
    assert!(heard.contains("HTTP/1.1 502"), "{heard}");
    assert_eq!(
        (wire.asked().len(), fault),
        (1, Some(ModelFault::Local("the library asked twice".to_owned())))
    );
}

#[test]
fn another_process_is_not_served() {
    let wire = Wire::new(vec![good("Because.")]);
    let (heard, fault) = spoken(&wire.model("openai_compatible", ""), |address| {
        let code = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect('\\0' + sys.argv[1])\ntry:\n    s.sendall(sys.argv[2].encode())\n    print(s.recv(100))\nexcept OSError:\n    print(b'')";
        let asked = request("/v1/chat/completions");
        let output = Command::new("python3")
            .args(["-c", code, address.trim_start_matches('\0'), &asked])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    });
    assert_eq!((heard.trim(), fault), ("b''", None));
    assert_eq!(wire.asked(), [] as [String; 0]);
}

#[test]
fn only_what_was_configured_is_passed_on() {
    let wire = Wire::new(vec![good("")]);
    let model = wire.model("openai_compatible", "");
    let gemini = wire.model("gemini", "");
    let sent = |model: &Model, path: &str, body: &str| {
        let headers = HeaderMap::new();
        outgoing(model, None, (&path.parse().unwrap(), &headers, Bytes::from(body.to_owned()))).is_ok()
    };
    assert!(sent(&model, "/v1/chat/completions", BODY));
    assert!(sent(&gemini, "/v1/models/some-model:streamGenerateContent?alt=sse", "{}"));
    for (model, path, body) in [
        (&model, "/v2/chat/completions", BODY),
        (&model, "/v1/chat/completions", "{\"model\":\"other\",\"stream\":true}"),
        (&model, "/v1/chat/completions", "{\"model\":\"some-model\",\"stream\":false}"),
        (&model, "/v1/chat/completions", "{\"model\":\"some-model\"}"),
        (&model, "/v1/chat/completions", "{"),
        (&gemini, "/v1/models/other:streamGenerateContent?alt=sse", "{}"),
        (&gemini, "/v1/models/some-model:generateContent", "{}"),
        (&gemini, "/v1/other/some-model:streamGenerateContent?alt=sse", "{}"),
    ] {
        assert!(!sent(model, path, body), "{path} {body}");
    }
}
