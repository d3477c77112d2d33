//! What the OpenAPI document promises, asked by software that was not written here.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::service::{Server, token};
use crate::site::Site;

/// Where `cargo xtask test` puts what is asked here.
fn prepared(name: &str) -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_cascade"));
    let folder = built.ancestors().nth(2).unwrap().join(name);
    assert!(folder.is_dir(), "`{}` is missing: run `cargo xtask tools`", folder.display());
    folder
}

fn succeed(command: &mut Command) -> String {
    let done = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{command:?}\n{out}\n{err}");
    out
}

#[test]
fn every_answer_is_one_that_the_document_describes() {
    let site = Site::new();
    let shown = token(&site, &["--scope", "read", "--scope", "actions", "--scope", "approve"]);
    let server = Server::start(&site);
    let mut command = Command::new("python3");
    command
        .current_dir(site.path(""))
        .env("PYTHONPATH", prepared("contract"))
        .args(["-c", "from schemathesis.cli import schemathesis; schemathesis()", "run"])
        .arg(format!("http://{}/v1/openapi.json", server.address()))
        .args(["--header", &format!("Authorization: Bearer {shown}")])
        // A stream does not end; wrong tokens get 429 after a while, which tests of our own look at.
        .args(["--exclude-path", "/v1/events", "--exclude-checks", "ignored_auth"])
        .args(["--checks", "all", "--max-examples", "20", "--seed", "1", "--request-timeout", "30"]);
    let told = succeed(&mut command);
    assert!(told.contains("Tested: 33"), "{told}");
    drop(server);
    site.run(&["fsck"]).expect(0);
}

#[test]
fn a_client_that_is_generated_from_the_document_compiles_and_works() {
    let site = Site::new();
    let shown = token(&site, &[]);
    let server = Server::start(&site);
    let folder = prepared("client");
    let place = site.path("client");
    std::fs::create_dir(&place).unwrap();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/client");
    for file in ["client.ts", "tsconfig.json", "package.json"] {
        std::fs::copy(sources.join(file), place.join(file)).unwrap();
    }
    std::os::unix::fs::symlink(folder.join("node_modules"), place.join("node_modules")).unwrap();
    let document = server.send(("GET", "/v1/openapi.json"), &[], "").body;
    std::fs::write(place.join("openapi.json"), document).unwrap();
    let node = |words: &[&str]| {
        let mut command = Command::new("node");
        command.current_dir(&place).args(words);
        succeed(&mut command)
    };
    node(&["node_modules/openapi-typescript/bin/cli.js", "openapi.json", "--output", "schema.d.ts"]);
    node(&["node_modules/typescript/bin/tsc", "--project", "."]);
    let closed = node(&["out/client.js", &format!("http://{}", server.address()), &shown]);
    assert_eq!(closed.trim(), site.last_of("task_completed"));
    drop(server);
    site.assert_sound();
}
