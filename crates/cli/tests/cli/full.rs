//! A disk that fills up under what runs for long: what cannot be put on record is not admitted, and nothing of it is
//! handed on. With room again everything goes on.

use std::process::{Child, Command};
use std::time::Instant;

use rustix::process::{Pid, Resource, Rlimit};
use serde_json::json;

use crate::model::{Model, Says};
use crate::proxy::{ask, question};
use crate::service::{Server, token};
use crate::site::{CASCADE, PATIENCE, Site};

/// How much can still be written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    None,
    Enough,
}

/// A `cascade` to which a write past a limit is an error, as on a full disk, and no signal.
pub(crate) fn unheeding(site: &Site, args: &[&str]) -> Command {
    let mut command = site.program("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", CASCADE]).args(args);
    command
}

/// From now on a process can write so much.
pub(crate) fn set(child: &Child, room: Room) {
    let limit = Rlimit { current: (room == Room::None).then_some(0), maximum: None };
    rustix::process::prlimit(Some(Pid::from_child(child)), Resource::Fsize, limit).unwrap();
}

/// What nobody finds under its name takes no receipts, and what is found there counts.
#[test]
fn a_home_that_goes_or_is_replaced_beneath_a_service_is_noticed_before_anything_is_answered() {
    let site = Site::new();
    let agent = token(&site, &["--agent", "builder"]);
    let server = Server::with(&site, &["--listen", "127.0.0.1:0", "--perform"]);
    server.decide(&agent, &["git", "status"]).expect(200);
    let (home, copy) = (site.home(), site.path("copy"));
    site.set("cp", &["-a", home.to_str().unwrap(), copy.to_str().unwrap()]);
    std::fs::rename(&home, site.path("moved")).unwrap();
    assert_ne!(server.decide(&agent, &["git", "status"]).status, 200);
    assert_eq!(ready(&server), 503);
    std::fs::rename(&copy, &home).unwrap();
    let ran = json!({"argv": ["touch", site.work("ran").to_str().unwrap()]}).to_string();
    let deadline = Instant::now() + PATIENCE;
    let answer = loop {
        let answer = server.ask(&agent, ("POST", "/v1/actions"), &ran);
        if answer.status == 200 {
            break answer.expect(200);
        }
        assert!(!site.work("ran").exists() && Instant::now() < deadline, "{answer:?}");
    };
    let intent = answer["receipts"][0].as_str().unwrap();
    assert!(site.receipts().iter().any(|one| one.id() == intent), "{answer}");
    site.run(&["halt", "--reason", "stop"]).expect(0);
    assert_eq!(server.decide(&agent, &["git", "status"]).expect(200)["verdict"], "deny");
}

fn ready(server: &Server) -> u16 {
    server.send(("GET", "/readyz"), &[], "").status
}

#[test]
fn a_service_admits_nothing_without_room_and_goes_on_with_it() {
    let site = Site::new();
    let agent = token(&site, &["--agent", "builder"]);
    let mut server = Server::of(unheeding(&site, &["--json", "serve", "--listen", "127.0.0.1:0"]));
    let decided = server.decide(&agent, &["git", "status"]).expect(200);
    let outcome = format!("/v1/actions/{}/outcome", decided["receipt_id"].as_str().unwrap());
    let done = json!({"ending": "completed", "exit_code": 0, "output": "x"}).to_string();
    assert_eq!(ready(&server), 200);
    server.set(Room::None);
    for _ in 0..3 {
        server.decide(&agent, &["git", "status"]).problem(503, "unavailable");
        server.ask(&agent, ("POST", &outcome), &done).problem(503, "unavailable");
    }
    // It lives, and whoever sends requests hither is told to send them elsewhere.
    assert_eq!((server.send(("GET", "/healthz"), &[], "").status, ready(&server)), (200, 503));
    server.set(Room::Enough);
    let deadline = Instant::now() + PATIENCE;
    while ready(&server) != 200 || server.decide(&agent, &["git", "status"]).status != 200 {
        assert!(Instant::now() < deadline);
    }
    // What was acknowledged before is there, and can be closed.
    server.ask(&agent, ("POST", &outcome), &done).expect(200);
    assert_eq!(server.stop(), Some(0));
    site.assert_sound_but_for(1);
}

#[test]
fn no_model_is_asked_and_no_answer_leaves_without_room() {
    let model = Model::new(vec![Says::Held("because")]);
    let site = Site::new();
    site.run(&["init"]).expect(0);
    model.configure(&site, "");
    let token = token(&site, &[]);
    let server = Server::of(unheeding(&site, &["--json", "serve", "--listen", "127.0.0.1:0"]));
    for stream in [false, true] {
        let answer = std::thread::scope(|scope| {
            let asked = scope.spawn(|| ask(&server, &token, &question(stream)));
            // It was admitted, and its answer comes when there is no room for it.
            model.question();
            server.set(Room::None);
            model.let_go();
            asked.join().unwrap()
        });
        assert!(!answer.body.contains("because"), "left without a receipt: {answer:?}");
        let refused = ask(&server, &token, &question(stream));
        assert!((500..600).contains(&refused.status), "{refused:?}");
        assert_eq!(model.more_questions(), 0);
        server.set(Room::Enough);
        let deadline = Instant::now() + PATIENCE;
        while ready(&server) != 200 {
            assert!(Instant::now() < deadline);
        }
    }
}
