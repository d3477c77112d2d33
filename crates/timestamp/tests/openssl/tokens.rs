//! Tokens that OpenSSL makes, good ones and bad ones of every kind.

use crate::authority::{Authority, Profile};
use cascade_receipt::digest::Digest;
use cascade_timestamp::{ANSWER_BYTES_MAX, AnswerFault, Code, Query, Roots, TOKEN_BYTES_MAX, Token};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

const NOTE: &[u8] = b"example.org/t/0\n3\nroot\n\n\xe2\x80\x94 a signature\n";
const NONCE: [u8; 8] = [0xff, 2, 3, 4, 5, 6, 7, 0x80];

fn roots(authority: &Authority) -> Roots {
    Roots::parse(&authority.root()).unwrap()
}

fn answer(authority: &Authority) -> Vec<u8> {
    authority.reply(&Query::new(NOTE, NONCE).to_der().unwrap())
}

/// The first fault of a token over the note, as a reader with these roots finds it.
fn fault(token: &[u8], roots: &Roots) -> Option<Code> {
    let token = match Token::parse(token) {
        Ok(token) => token,
        Err(fault) => return Some(fault.code),
    };
    if !token.stamps(&Digest::of(NOTE)) {
        return Some(Code::Imprint);
    }
    token.check(Some(roots)).err().map(|fault| fault.code)
}

#[test]
fn good_tokens_of_every_kind() {
    let good = Profile::GOOD;
    let stranger = roots(&Authority::new(good));
    for profile in [
        good,
        Profile { key: "RSA", ess: "sha1", ..good },
        Profile { key: "RSA", digest: "sha384", between: 1, ..good },
        Profile { key: "RSA", digest: "sha512", ess: "sha512", digits: 3, ..good },
        Profile { digest: "sha384", digits: 6, ..good },
        Profile { digest: "sha512", ..good },
        Profile { key: "P-384", between: 2, ..good },
        Profile { key: "P-384", digest: "sha384", ess: "sha384", ..good },
        Profile {
            key: "P-384",
            digest: "sha512",
            extensions: "extendedKeyUsage=critical,timeStamping",
            ..good
        },
    ] {
        let authority = Authority::new(profile);
        let answer = answer(&authority);
        let trusted = roots(&authority);
        let query = Query::new(NOTE, NONCE);
        let token = query.accept(&answer, Some(&trusted)).unwrap();
        assert_eq!(token.bytes(), authority.token_out(&answer), "{}", profile.key);
        assert_eq!(fault(token.bytes(), &trusted), None);
        assert_eq!(fault(token.bytes(), &stranger), Some(Code::Chain));
        assert!(!token.stamps(&Digest::of(b"another note")));
        let (note, file) = (authority.write("note", NOTE), authority.write("kept.tst", token.bytes()));
        assert!(Authority::believes(&note, &file, &authority.path("root.pem")));
        // An answer is worth nothing to another question.
        let other = Query::new(NOTE, [1; 8]).accept(&answer, Some(&trusted)).unwrap_err();
        assert_eq!(other, AnswerFault::Nonce);
        let other = Query::new(b"other", NONCE).accept(&answer, Some(&trusted)).unwrap_err();
        assert!(matches!(other, AnswerFault::Token(fault) if fault.code == Code::Imprint));
    }
}

#[test]
fn a_certificate_that_is_there_twice_counts_once() {
    for between in [1, 2] {
        let authority = Authority::new(Profile { between, ..Profile::GOOD });
        let plain = authority.token_out(&answer(&authority));
        let (signer, chain) = (authority.read("tsa.pem"), authority.read("chain.pem"));
        authority.write("chain.pem", [signer.as_str(), &chain, &chain].concat());
        let answer = answer(&authority);
        let twice = authority.token_out(&answer);
        let certificate = CertificateDer::from_pem_slice(signer.as_bytes()).unwrap();
        let copies = |token: &[u8]| {
            token.windows(certificate.len()).filter(|part| *part == certificate.as_ref()).count()
        };
        assert_eq!((copies(&plain), copies(&twice)), (1, 2), "OpenSSL makes what the test is about");
        let trusted = roots(&authority);
        assert_eq!(fault(&twice, &trusted), None);
        assert_eq!(fault(&twice, &roots(&Authority::new(Profile::GOOD))), Some(Code::Chain));
        let token = Query::new(NOTE, NONCE).accept(&answer, Some(&trusted)).unwrap();
        assert_eq!((token.bytes(), token.sha256()), (twice.as_slice(), Digest::of(&twice)));
        // A copy that is not the same is another certificate.
        let mut changed = twice.clone();
        let at = changed.windows(certificate.len()).position(|part| part == certificate.as_ref()).unwrap();
        changed[at + certificate.len() - 1] ^= 1;
        assert_ne!(fault(&changed, &trusted), Some(Code::Malformed));
    }
}

#[test]
fn every_changed_byte_is_found() {
    let authority = Authority::new(Profile { between: 1, ..Profile::GOOD });
    let token = authority.token_out(&answer(&authority));
    let trusted = roots(&authority);
    assert_eq!(fault(&token, &trusted), None);
    for at in 0..token.len() {
        let mut changed = token.clone();
        changed[at] ^= 1 << (at % 8);
        assert_ne!(fault(&changed, &trusted), None, "byte {at}");
        assert_ne!(fault(&token[..at], &trusted), None, "cut at {at}");
    }
    assert_eq!(fault(&[token.as_slice(), b"\0"].concat(), &trusted), Some(Code::Malformed));
}

#[test]
fn certificates_that_are_not_for_time_stamps() {
    let authority = Authority::new(Profile::GOOD);
    let token = authority.token_out(&answer(&authority));
    let trusted = roots(&authority);
    let long = Profile::GOOD.dates;
    for (extensions, expected) in [
        ("extendedKeyUsage=critical,timeStamping", None),
        ("keyUsage=nonRepudiation\nextendedKeyUsage=critical,timeStamping", None),
        ("extendedKeyUsage=timeStamping", Some(Code::Usage)),
        ("extendedKeyUsage=critical,codeSigning", Some(Code::Usage)),
        ("extendedKeyUsage=critical,timeStamping,codeSigning", Some(Code::Usage)),
        ("extendedKeyUsage=critical,anyExtendedKeyUsage", Some(Code::Usage)),
        ("basicConstraints=CA:FALSE", Some(Code::Usage)),
        ("keyUsage=keyEncipherment\nextendedKeyUsage=critical,timeStamping", Some(Code::Usage)),
        ("keyUsage=digitalSignature,keyCertSign\nextendedKeyUsage=critical,timeStamping", Some(Code::Usage)),
        ("basicConstraints=CA:TRUE\nextendedKeyUsage=critical,timeStamping", Some(Code::Chain)),
    ] {
        authority.issue("other", Some("root"), extensions, long);
        let token = authority.sign_again(&token, "other", &["-cades"]);
        assert_eq!(fault(&token, &trusted), expected, "{extensions}");
    }
    // One above it may leave its purpose open, but not have another.
    for (purpose, expected) in [("timeStamping", None), ("codeSigning", Some(Code::Chain))] {
        let extensions = format!("basicConstraints=critical,CA:TRUE\nextendedKeyUsage={purpose}");
        authority.issue("above", Some("root"), &extensions, long);
        authority.issue("other", Some("above"), Profile::GOOD.extensions, long);
        let above = authority.path("above.pem");
        let flags = ["-cades", "-certfile", above.to_str().unwrap()];
        assert_eq!(fault(&authority.sign_again(&token, "other", &flags), &trusted), expected, "{purpose}");
    }
}

/// Two certificates over one key: the one that was not meant must not do, or its dates and purposes would count.
#[test]
fn another_certificate_over_the_same_key() {
    let authority = Authority::new(Profile::GOOD);
    let token = authority.token_out(&answer(&authority));
    let trusted = roots(&authority);
    let extensions = "subjectKeyIdentifier=hash\nextendedKeyUsage=critical,timeStamping";
    authority.issue("other", Some("root"), extensions, Profile::GOOD.dates);
    let meant = std::fs::read(authority.path("other.pem")).unwrap();
    authority.issue("other", Some("root"), extensions, Profile::GOOD.dates);
    let twin = authority.write("twin.pem", std::fs::read(authority.path("other.pem")).unwrap());
    let meant = authority.write("other.pem", meant);
    for (carried, expected) in [(meant, None), (twin, Some(Code::Signer))] {
        let flags = ["-cades", "-keyid", "-nocerts", "-certfile", carried.to_str().unwrap()];
        let token = authority.sign_again(&token, "other", &flags);
        assert_eq!(fault(&token, &trusted), expected);
    }
}

/// The same with the same name: only the hash tells them apart.
#[test]
fn another_certificate_with_the_same_serial_number() {
    let authority = Authority::new(Profile::GOOD);
    let token = authority.token_out(&answer(&authority));
    let (index, serial) = (authority.read("index.txt"), authority.read("serial"));
    let extensions = Profile::GOOD.extensions;
    authority.issue("other", Some("root"), extensions, ("20200101000000Z", "20210101000000Z"));
    let short = std::fs::read(authority.path("other.pem")).unwrap();
    authority.write("index.txt", index);
    authority.write("serial", serial);
    authority.issue("other", Some("root"), extensions, Profile::GOOD.dates);
    let long = authority.write("long.pem", std::fs::read(authority.path("other.pem")).unwrap());
    authority.write("other.pem", short);
    let flags = ["-cades", "-nocerts", "-certfile", long.to_str().unwrap()];
    let token = authority.sign_again(&token, "other", &flags);
    assert_eq!(fault(&token, &roots(&authority)), Some(Code::Signer));
}

/// What the authority itself signed, and does not mean what it seems to.
#[test]
fn statements_that_are_not_plain() {
    let authority = Authority::new(Profile::GOOD);
    let trusted = roots(&authority);
    let good = authority.statement(&authority.token_out(&answer(&authority)));
    let with = |at: usize, more: &[u8]| {
        let mut statement = [&good[..at], more, &good[at..]].concat();
        statement[1] = u8::try_from(statement.len() - 2).unwrap();
        assert!(statement[1] < 128);
        authority.sign(&statement, "tsa", &["-cades"])
    };
    assert_eq!(fault(&with(good.len(), &[]), &trusted), None);
    // `ordering` is false by default, and DER leaves out what is; the nonce of ten bytes follows.
    assert_eq!(fault(&with(good.len() - 10, &[1, 1, 0xff]), &trusted), None);
    assert_eq!(fault(&with(good.len() - 10, &[1, 1, 0]), &trusted), Some(Code::Malformed));
    let plain = [0xa1, 9, 0x30, 7, 6, 3, 0x2a, 3, 4, 4, 0];
    assert_eq!(fault(&with(good.len(), &plain), &trusted), None);
    let critical = [0xa1, 12, 0x30, 10, 6, 3, 0x2a, 3, 4, 1, 1, 0xff, 4, 0];
    assert_eq!(fault(&with(good.len(), &critical), &trusted), Some(Code::Malformed));
    // Signed as something else, and called a statement of time afterwards.
    let mut renamed =
        authority.sign(&good, "tsa", &["-cades", "-econtent_type", "1.2.840.113549.1.9.16.1.5"]);
    let name = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 5];
    let at = renamed.windows(name.len()).position(|window| window == name).unwrap();
    renamed[at + name.len() - 1] = 4;
    assert_eq!(fault(&renamed, &trusted), Some(Code::Signature));
}

#[test]
fn only_one_signer_and_only_sha256_of_the_note() {
    let authority = Authority::new(Profile::GOOD);
    let token = authority.token_out(&answer(&authority));
    let trusted = roots(&authority);
    let (certificate, key) = (authority.path("tsa.pem"), authority.path("tsa.key"));
    authority.issue("other", Some("root"), Profile::GOOD.extensions, Profile::GOOD.dates);
    let second = ["-cades", "-signer", certificate.to_str().unwrap(), "-inkey", key.to_str().unwrap()];
    let two = authority.sign_again(&token, "other", &second);
    assert_eq!(fault(&two, &trusted), Some(Code::Malformed));
    let sha512 = authority.token_out(&authority.reply(&authority.query_sha512(NOTE)));
    assert_eq!(Token::parse(&sha512).unwrap().imprint(), None);
    assert_eq!(fault(&sha512, &trusted), Some(Code::Imprint));
}

#[test]
fn messages_that_are_not_bound_to_their_signer() {
    let authority = Authority::new(Profile::GOOD);
    let token = authority.token_out(&answer(&authority));
    let trusted = roots(&authority);
    for (flags, expected) in [
        (&["-cades"][..], None),
        (&["-cades", "-keyid"], None),
        (&[], Some(Code::Signer)),
        (&["-cades", "-nocerts"], Some(Code::Signer)),
        (&["-noattr"], Some(Code::Signature)),
        (&["-cades", "-md", "sha1"], Some(Code::Algorithm)),
        (&["-cades", "-econtent_type", "1.2.840.113549.1.7.1"], Some(Code::Malformed)),
    ] {
        // `-keyid` needs a certificate with a key identifier.
        let extensions = "subjectKeyIdentifier=hash\nextendedKeyUsage=critical,timeStamping";
        authority.issue("other", Some("root"), extensions, Profile::GOOD.dates);
        let token = authority.sign_again(&token, "other", flags);
        assert_eq!(fault(&token, &trusted), expected, "{flags:?}");
    }
}

#[test]
fn certificates_out_of_their_time() {
    for dates in [("20200101000000Z", "20210101000000Z"), ("20990101000000Z", "21000101000000Z")] {
        let authority = Authority::new(Profile { dates, ..Profile::GOOD });
        let answer = answer(&authority);
        assert_eq!(fault(&authority.token_out(&answer), &roots(&authority)), Some(Code::Validity));
        // Whoever asks finds it out without roots, too.
        let refused = Query::new(NOTE, NONCE).accept(&answer, None).unwrap_err();
        assert!(matches!(refused, AnswerFault::Token(fault) if fault.code == Code::Validity));
    }
    // The one between signer and root, and the root itself.
    let authority = Authority::new(Profile::GOOD);
    let token = authority.token_out(&answer(&authority));
    let (past, long) = (("20200101000000Z", "20210101000000Z"), Profile::GOOD.dates);
    let ca = "basicConstraints=critical,CA:TRUE";
    authority.issue("old", Some("root"), ca, past);
    authority.issue("other", Some("old"), Profile::GOOD.extensions, long);
    let certificate = authority.path("old.pem");
    let again =
        authority.sign_again(&token, "other", &["-cades", "-certfile", certificate.to_str().unwrap()]);
    assert_eq!(fault(&again, &roots(&authority)), Some(Code::Validity));
    authority.issue("ended", None, ca, past);
    let ended = Roots::parse(&std::fs::read(authority.path("ended.pem")).unwrap()).unwrap();
    assert_eq!(fault(&token, &ended), Some(Code::Validity));
    // A certificate that may not issue others leads nowhere.
    authority.issue("leaf", Some("root"), "basicConstraints=critical,CA:FALSE", long);
    authority.issue("other", Some("leaf"), Profile::GOOD.extensions, long);
    let certificate = authority.path("leaf.pem");
    let again =
        authority.sign_again(&token, "other", &["-cades", "-certfile", certificate.to_str().unwrap()]);
    assert_eq!(fault(&again, &roots(&authority)), Some(Code::Chain));
}

#[test]
fn the_document_lists_exactly_the_codes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/format.md");
    let document = std::fs::read_to_string(path).unwrap();
    let listed: Vec<&str> = document.lines().filter(|line| line.starts_with("| `timestamp.")).collect();
    let row = |code: &Code| format!("| `{}` | {} |", code.as_str(), code.meaning());
    assert_eq!(listed, Code::ALL.iter().map(row).collect::<Vec<_>>());
}

#[test]
fn answers_that_are_none() {
    let authority = Authority::new(Profile::GOOD);
    let query = Query::new(NOTE, NONCE);
    let refused = authority.reply(b"no query at all");
    assert!(matches!(query.accept(&refused, None), Err(AnswerFault::Refused(_))));
    let good = answer(&authority);
    assert!(query.accept(&good, None).is_ok());
    for bad in [&b""[..], b"<html>", &good[..good.len() - 1], &[0x30; 70_000], &vec![0; ANSWER_BYTES_MAX + 1]]
    {
        assert_eq!(query.accept(bad, None).unwrap_err(), AnswerFault::Malformed);
    }
    let long = vec![0x30; TOKEN_BYTES_MAX + 1];
    assert_eq!(Token::parse(&long).unwrap_err().code, Code::Malformed);
    assert!(Roots::parse(b"").is_none());
    assert!(Roots::parse(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_none());
}
