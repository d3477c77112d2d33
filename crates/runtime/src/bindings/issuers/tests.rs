//! Issuers that lie, flood, lead elsewhere or keep still.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::*;

const EC: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

/// Answers each connection with the next of these, in order; `{here}` stands for its own address.
fn fetched(answers: &[&str]) -> Result<Keys, IssuerFault> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = format!("http://{}", listener.local_addr().unwrap());
    let issuer = Issuer::parse(&here).unwrap();
    let answers: Vec<String> = answers.iter().map(|answer| answer.replace("{here}", &here)).collect();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    head.push(byte[0]);
                }
                // Whoever has seen enough hangs up.
                drop(stream.write_all(answer.as_bytes()));
            }
        });
        fetch(&issuer)
    })
}

fn answer(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn described(issuer: &str, keys: &str) -> String {
    let body = format!(r#"{{"issuer":"{issuer}","jwks_uri":"{keys}"}}"#);
    format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}")
}

#[test]
fn an_issuer_is_believed_as_far_as_it_goes() {
    let good = described("{here}", "{here}/jwks");
    assert!(fetched(&[&good, &answer(EC)]).is_ok());
    let moved =
        "HTTP/1.1 302 Found\r\nLocation: {here}/other\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (answers, fault) in [
        (vec![described("{here}/", "{here}/jwks")], IssuerFault::Other),
        (vec![described("{here}", "http://169.254.169.254/keys")], AddressFault::Plain.into()),
        (vec![described("{here}", "file:///etc/passwd")], AddressFault::Malformed.into()),
        (vec![answer("<html>")], IssuerFault::Description),
        (vec![moved.to_owned()], IssuerFault::Refused(302)),
        (vec![good.clone(), moved.to_owned()], IssuerFault::Refused(302)),
        (vec![good.clone(), answer("{}")], JwksFault::Malformed.into()),
        (vec![good, answer(r#"{"keys":[]}"#)], JwksFault::None.into()),
    ] {
        let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
        assert_eq!(fetched(&answers).err(), Some(fault));
    }
}

#[test]
fn an_issuer_that_floods_or_keeps_still_costs_a_known_amount() {
    let good = described("{here}", "{here}/jwks");
    let long = |bytes: usize| answer(&(EC.to_owned() + &" ".repeat(bytes - EC.len())));
    assert!(fetched(&[&good, &long(JWKS_BYTES_MAX)]).is_ok());
    assert!(matches!(fetched(&[&good, &long(JWKS_BYTES_MAX + 1)]), Err(IssuerFault::Silent(_))));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let issuer = Issuer::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let start = Instant::now();
    assert!(matches!(fetch(&issuer), Err(IssuerFault::Silent(_))));
    assert!(start.elapsed() < FETCH_TIME_MAX * 2);
}

#[test]
fn tenants_have_their_issuers_apart_and_not_without_end() {
    let issuers = Issuers::new(Box::new(|_| ()));
    let issuer = Issuer::parse("https://login.example.org").unwrap();
    let tenant = |name: &str| TenantId::parse(name).unwrap();
    let (one, other) =
        (issuers.slot(&tenant("a"), &issuer).unwrap(), issuers.slot(&tenant("b"), &issuer).unwrap());
    assert!(!Arc::ptr_eq(&one, &other));
    assert!(Arc::ptr_eq(&one, &issuers.slot(&tenant("a"), &issuer).unwrap()));
    for number in 0..ISSUERS_MAX {
        issuers.slot(&tenant(&format!("t{number}")), &issuer).unwrap();
    }
    assert_eq!(issuers.slots.lock().unwrap().len(), ISSUERS_MAX);
}
