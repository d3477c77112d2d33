//! The local model starts, answers where it says, and ends with whoever started it.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use xtask::local_model::{LocalModel, Weights};

const PATIENCE: Duration = Duration::from_secs(120);

fn ends(address: &str) -> bool {
    let started = Instant::now();
    while TcpStream::connect(address).is_ok() {
        if started.elapsed() > PATIENCE {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

#[test]
fn it_answers_until_it_is_dropped() {
    let model = LocalModel::start(Weights::Small).unwrap();
    let address = model.address().strip_prefix("http://").unwrap().to_owned();
    assert!(TcpStream::connect(&address).is_ok());
    assert!(model.models_toml().contains(&format!("endpoint = \"http://{address}/v1/\"")));
    drop(model);
    assert!(ends(&address));
}

#[test]
fn it_does_not_outlive_a_parent_that_is_killed() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let mut parent = command.arg("model").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let endpoint = lines.map_while(Result::ok).find(|line| line.starts_with("endpoint")).unwrap();
    let address = endpoint.split(['/', '"']).find(|part| part.contains("127.0.0.1:")).unwrap().to_owned();
    assert!(TcpStream::connect(&address).is_ok());
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert!(ends(&address));
}
