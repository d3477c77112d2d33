//! Time stamps over checkpoints: authorities good and bad, and what an outsider makes of a token.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::site::{Done, Site, finish};
use crate::verifiers;
use crate::witness::{Witness, policy};
use authority::{Authority, Profile};

#[path = "../../../timestamp/tests/openssl/authority.rs"]
#[expect(dead_code, reason = "the tests of the crate `timestamp` use the rest")]
mod authority;

const REPLY: &str = "application/timestamp-reply";

/// Answers every request with what `answer` makes of its body; nothing means silence.
fn serve(answer: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/stamp", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || {
                let mut request = BufReader::new(stream.try_clone().unwrap());
                let (mut line, mut length, mut kind) = (String::new(), 0, false);
                while request.read_line(&mut line).is_ok_and(|count| count > 2) {
                    let head = line.trim_end().to_ascii_lowercase();
                    if let Some(text) = head.strip_prefix("content-length: ") {
                        length = text.parse().unwrap();
                    }
                    kind |= head == "content-type: application/timestamp-query";
                    line.clear();
                }
                assert!(kind, "a query has its own type");
                let mut body = vec![0; length];
                request.read_exact(&mut body).unwrap();
                let answer = answer(&body);
                drop(stream.write_all(&answer));
                if answer.is_empty() {
                    drop(request.read_to_end(&mut Vec::new()));
                }
            });
        }
    });
    url
}

fn http(status: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// A site with one run, and its witness.
fn scene() -> (Site, Witness, PathBuf) {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let witness = Witness::start(&site, "w", "127.0.0.1:0");
    let trust = policy(&site, "trust", &[&witness.policy_line], "quorum w.example");
    (site, witness, trust)
}

fn anchor(site: &Site, trust: &Path, url: &str, more: &[&str]) -> Done {
    let mut args = vec!["--json", "anchor", "--witnesses", trust.to_str().unwrap(), "--tsa", url];
    args.extend(more);
    site.run(&args)
}

fn kept(site: &Site) -> usize {
    let dir = site.home().join("tenants/default/timestamps");
    std::fs::read_dir(dir).map_or(0, Iterator::count)
}

/// `cascade-verify` and `cascade verify`, which must agree, on an outsider's files.
fn verify(site: &Site, ledger: &Path, tokens: &[&Path], root: &Path, more: &[&str]) -> Done {
    let mut args =
        vec![ledger.to_str().unwrap(), "--json", "--no-memory", "--tsa-root", root.to_str().unwrap()];
    for token in tokens {
        args.extend(["--tst", token.to_str().unwrap()]);
    }
    args.extend(more);
    let mut ours = site.program(verifiers::binary());
    ours.args(&args);
    let ours = finish(ours, b"");
    let same = site.run(&[&["verify"], args.as_slice()].concat());
    assert_eq!((ours.status.code(), &ours.stdout), (same.status.code(), &same.stdout));
    ours
}

/// Outcome and code of the only time stamp, and the exit code that goes with it.
fn only(done: &Done) -> (String, Option<String>) {
    let stamp = done.json()["timestamps"][0].clone();
    let passed = stamp["outcome"] == "pass";
    assert_eq!(done.status.code(), Some(if passed { 0 } else { 4 }), "{}", done.stdout);
    assert_eq!(stamp["time"].is_null(), !passed);
    (stamp["outcome"].as_str().unwrap().to_owned(), stamp["code"].as_str().map(str::to_owned))
}

#[test]
fn a_stamped_anchor_convinces_an_outsider() {
    let (site, _witness, trust) = scene();
    let authority = Arc::new(Authority::new(Profile { between: 1, ..Profile::GOOD }));
    let root = authority.path("root.pem");
    let asked = Arc::clone(&authority);
    let url = serve(move |query| http("200 OK", REPLY, &asked.reply(query)));
    let with_root = ["--tsa-root", root.to_str().unwrap()];

    let none = site.run(&["checkpoint", "--tst", "x"]).expect(1);
    assert!(none.stderr.contains("no checkpoint of this chain is time stamped"), "{}", none.stderr);
    let round = anchor(&site, &trust, &url, &with_root).expect(0).json();
    let receipt = site.last();
    assert_eq!(receipt.0["content"]["tst_sha256"], round["timestamp"]["sha256"]);
    let (ledger, _) = site.hand_over();
    let (note, token) = (site.path("chain.note"), site.path("chain.tst"));
    let export = |note: &Path, token: &Path| {
        let args =
            ["checkpoint", "--tst", token.to_str().unwrap(), "--out", note.to_str().unwrap(), "--json"];
        site.run(&args).expect(0).json()
    };
    assert_eq!(export(&note, &token)["tst_sha256"], round["timestamp"]["sha256"]);
    assert_eq!(std::fs::read_to_string(&note).unwrap(), receipt.0["content"]["checkpoint"].as_str().unwrap());
    assert!(Authority::believes(&note, &token, &root), "OpenSSL agrees");

    let done = verify(&site, &ledger, &[&token], &root, &[]);
    assert_eq!(only(&done), ("pass".to_owned(), None));
    let stamp = done.json()["timestamps"][0].clone();
    assert_eq!((&stamp["size"], &stamp["time"]), (&Value::from(3), &round["timestamp"]["time"]));
    assert_eq!(stamp["sha256"], round["timestamp"]["sha256"]);
    let mut told = site.program(verifiers::binary());
    told.arg(&ledger).arg("--no-memory").arg("--tst").arg(&token).arg("--tsa-root").arg(&root);
    let told = finish(told, b"").expect(0).stdout;
    let time = stamp["time"].as_str().unwrap();
    assert!(told.contains(&format!("3 receipts existed before {time}")), "{told}");

    // A bundle stands on a checkpoint of its own, here the stamped one.
    let bundle = site.path("x.bundle");
    site.run(&["bundle", "create", "--range", "0..3", "--out", bundle.to_str().unwrap()]).expect(0);
    assert_eq!(only(&verify(&site, &bundle, &[&token], &root, &[])), ("pass".to_owned(), None));

    let fault = |done: &Done| only(done).1.unwrap();
    let stranger = Authority::new(Profile::GOOD);
    let done = verify(&site, &ledger, &[&token], &stranger.path("root.pem"), &[]);
    assert_eq!(fault(&done), "timestamp.chain");
    let mut bytes = std::fs::read(&token).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let changed = site.path("changed.tst");
    std::fs::write(&changed, &bytes).unwrap();
    // Its hash is not the one in the ledger any more; with the note in hand, the signature is looked at.
    assert_eq!(fault(&verify(&site, &ledger, &[&changed], &root, &[])), "timestamp.imprint");
    let given = ["--checkpoint", note.to_str().unwrap()];
    assert_eq!(fault(&verify(&site, &ledger, &[&changed], &root, &given)), "timestamp.signature");
    for garbage in [&b"no token"[..], &[0x30; 70_000]] {
        std::fs::write(&changed, garbage).unwrap();
        assert_eq!(fault(&verify(&site, &ledger, &[&changed], &root, &given)), "timestamp.malformed");
    }

    // A later token is over no checkpoint of the older file; a note that is given counts without its anchor.
    site.run(&["run", "--", "true"]).expect(0);
    anchor(&site, &trust, &url, &with_root).expect(0);
    let (note2, token2) = (site.path("second.note"), site.path("second.tst"));
    export(&note2, &token2);
    assert_eq!(fault(&verify(&site, &ledger, &[&token2], &root, &[])), "timestamp.imprint");
    let (ledger, _) = site.hand_over();
    let done = verify(&site, &ledger, &[&token, &token2], &root, &[]).expect(0);
    assert_eq!(done.json()["timestamps"][1]["size"], 6);
    let lines = std::fs::read_to_string(&ledger).unwrap();
    let cut = site.path("cut.receipts.jsonl");
    std::fs::write(&cut, lines.split_inclusive('\n').take(6).collect::<String>()).unwrap();
    assert_eq!(fault(&verify(&site, &cut, &[&token2], &root, &[])), "timestamp.imprint");
    let given = ["--checkpoint", note2.to_str().unwrap()];
    assert_eq!(only(&verify(&site, &cut, &[&token2], &root, &given)).0, "pass");
    std::fs::write(&cut, lines.replacen("task_started", "task_stopped", 1)).unwrap();
    assert_eq!(only(&verify(&site, &cut, &[&token2], &root, &[])), ("not_reached".to_owned(), None));

    site.run(&["verify", "--tst", token.to_str().unwrap()]).expect(2);
    std::fs::remove_dir_all(site.home().join("tenants/default/timestamps")).unwrap();
    let lost = site.run(&["checkpoint", "--tst", token.to_str().unwrap()]).expect(1);
    assert!(lost.stderr.contains("is lost"), "{}", lost.stderr);
    site.assert_sound();
}

#[test]
fn a_bad_authority_is_named_and_nothing_is_kept() {
    let (site, _witness, trust) = scene();
    let authority = Arc::new(Authority::new(Profile::GOOD));
    let root = authority.path("root.pem");
    let with_root = ["--tsa-root", root.to_str().unwrap()];
    let receipts = site.receipts().len();
    let expired = Authority::new(Profile { dates: ("20200101000000Z", "20210101000000Z"), ..Profile::GOOD });
    let (asked, stranger) = (Arc::clone(&authority), Authority::new(Profile::GOOD));
    let other = Arc::clone(&authority);
    let refused = authority.reply(b"no query");
    let fixed = |answer: Vec<u8>| serve(move |_| answer.clone());
    let ended = Arc::new(expired);
    let ended_root = ended.path("root.pem");
    let ended_root = ["--tsa-root", ended_root.to_str().unwrap()];
    for (url, more, words) in [
        (fixed(Vec::new()), with_root, "no answer"),
        (fixed(b"\x00\xff garbage \r\n\r\n".to_vec()), with_root, "no answer"),
        (fixed(http("200 OK", REPLY, b"garbage")), with_root, "no answer to a time stamp query"),
        (fixed(http("200 OK", REPLY, &[0x30; 500_000])), with_root, "no answer"),
        (fixed(http("200 OK", "text/html", b"hello")), with_root, "application/timestamp-reply"),
        (fixed(http("500 Oops", REPLY, b"")), with_root, "HTTP 500"),
        (fixed(http("302 Found", REPLY, b"")), with_root, "HTTP 302"),
        (fixed(http("200 OK", REPLY, &refused)), with_root, "the authority refused"),
        // The question with one byte of the imprint changed, and then one of the nonce.
        (
            serve(move |query| http("200 OK", REPLY, &asked.reply(&changed(query, 30)))),
            with_root,
            "timestamp.imprint",
        ),
        (
            serve(move |query| http("200 OK", REPLY, &other.reply(&changed(query, 62)))),
            with_root,
            "its nonce is not ours",
        ),
        (serve(move |query| http("200 OK", REPLY, &stranger.reply(query))), with_root, "timestamp.chain"),
        (serve(move |query| http("200 OK", REPLY, &ended.reply(query))), ended_root, "timestamp.validity"),
        ("http://127.0.0.1:1/".to_owned(), with_root, "no answer"),
    ] {
        let done = anchor(&site, &trust, &url, &more).expect(1);
        assert!(done.stderr.contains(words), "{words}: {}", done.stderr);
        assert!(done.stderr.contains("--tsa-optional"), "{}", done.stderr);
        assert_eq!((site.receipts().len(), kept(&site)), (receipts, 0), "{words}");
    }
    let url = fixed(http("200 OK", REPLY, b"garbage"));
    let round = anchor(&site, &trust, &url, &["--tsa-optional"]).expect(0).json();
    assert!(round["timestamp"]["error"].as_str().unwrap().contains("no answer to a time stamp query"));
    let content = site.last().0["content"].clone();
    assert!(content["tst_sha256"].is_null());
    assert_eq!(kept(&site), 0);
    // However many rounds came no further, the witness has cosigned once.
    let note = content["checkpoint"].as_str().unwrap();
    assert_eq!(note.matches("\u{2014} w.example ").count(), 1, "{note}");
    site.assert_sound();
}

fn changed(query: &[u8], at: usize) -> Vec<u8> {
    let mut query = query.to_vec();
    query[at] ^= 1;
    query
}
