//! What is refused before anybody is asked for a key, and when.

use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_800_000_000;

fn encoded(value: &Value) -> String {
    Base64UrlUnpadded::encode_string(value.to_string().as_bytes())
}

fn token(head: &Value, claims: &Value) -> String {
    format!("{}.{}.AAAA", encoded(head), encoded(claims))
}

fn claims() -> Value {
    json!({"iss": "https://login.example.org", "aud": ["api", "b"], "sub": "ada", "iat": NOW, "exp": NOW + 600})
}

fn with(key: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[key] = value;
    claims
}

fn parse(head: &Value, claims: &Value) -> Result<Jwt, JwtFault> {
    Jwt::parse(&token(head, claims))
}

#[test]
fn what_proves_nothing_or_demands_something_is_refused_unread() {
    let good =
        json!({"alg": "ES256", "kid": "a", "typ": "at+jwt", "jku": "https://evil.example", "x5c": ["AA"]});
    assert!(parse(&good, &claims()).is_ok());
    for (head, fault) in [
        (json!({"alg": "none"}), JwtFault::Algorithm),
        (json!({"alg": "None"}), JwtFault::Algorithm),
        (json!({"alg": "HS256"}), JwtFault::Algorithm),
        (json!({"alg": "RS512"}), JwtFault::Algorithm),
        (json!({}), JwtFault::Malformed),
        (json!({"alg": "ES256", "crit": ["b64"], "b64": false}), JwtFault::Demands),
        (json!({"alg": "ES256", "crit": null}), JwtFault::Demands),
        (json!({"alg": "ES256", "typ": "logout+jwt"}), JwtFault::Demands),
        (json!({"alg": "ES256", "typ": "dpop+jwt"}), JwtFault::Demands),
        (json!({"alg": "ES256", "kid": 7}), JwtFault::Malformed),
        (json!({"alg": "ES256", "kid": "k".repeat(KID_BYTES_MAX + 1)}), JwtFault::Malformed),
    ] {
        assert_eq!(parse(&head, &claims()).err(), Some(fault), "{head}");
    }
    let head = json!({"alg": "ES256"});
    for (claims, fault) in [
        (with("cnf", json!({"jkt": "x"})), JwtFault::Demands),
        (with("cnf", json!(null)), JwtFault::Demands),
        (with("events", json!({})), JwtFault::Demands),
        (with("exp", json!("soon")), JwtFault::Malformed),
        (with("exp", json!(-1)), JwtFault::Malformed),
        (with("exp", Value::Null), JwtFault::Malformed),
        (with("aud", json!(7)), JwtFault::Malformed),
        (with("aud", json!(vec!["a"; AUDIENCES_MAX + 1])), JwtFault::Malformed),
        (json!([]), JwtFault::Malformed),
    ] {
        assert_eq!(parse(&head, &claims).err(), Some(fault), "{claims}");
    }
    let good = token(&head, &claims());
    for text in
        ["", "..", "a.b.c", "a.b", &good.replace(".AAAA", "."), &format!("{good}.x"), &format!("{good}.x.y")]
    {
        assert_eq!(Jwt::parse(text).err(), Some(JwtFault::Malformed), "{text}");
    }
    // Padding would be a second spelling of the same token.
    assert!(Jwt::parse(&good.replacen('.', "=.", 1)).is_err());
    // Of a claim that stands twice, nobody knows which one counts.
    let twice = format!(
        "{}.{}.AAAA",
        encoded(&head),
        Base64UrlUnpadded::encode_string(br#"{"iss":"a","iss":"b","aud":"c","exp":9}"#,)
    );
    assert_eq!(Jwt::parse(&twice).err(), Some(JwtFault::Malformed));
}

#[test]
fn a_token_has_a_length() {
    let head = json!({"alg": "ES256"});
    let filled = |bytes: usize| {
        let text = token(&head, &claims());
        text.clone() + &"A".repeat(bytes - text.len())
    };
    assert!(Jwt::parse(&filled(JWT_BYTES_MAX)).is_ok());
    assert_eq!(Jwt::parse(&filled(JWT_BYTES_MAX + 1)).err(), Some(JwtFault::Length));
}

#[test]
fn times_hold_with_the_leeway_and_not_a_second_more() {
    let until = |claims: &Value, now: u64| {
        let jwt = parse(&json!({"alg": "ES256"}), claims).unwrap();
        jwt.claims.until(Timestamp::from_ms(now * 1000)).map(|until| until.ms() / 1000)
    };
    let ends = NOW + 600 + LEEWAY_SECONDS;
    assert_eq!(until(&claims(), ends - 1), Ok(ends));
    assert_eq!(until(&claims(), ends), Err(JwtFault::Time));
    for claim in ["nbf", "iat"] {
        assert!(until(&with(claim, json!(NOW + LEEWAY_SECONDS)), NOW).is_ok(), "{claim}");
        assert_eq!(until(&with(claim, json!(NOW + LEEWAY_SECONDS + 1)), NOW), Err(JwtFault::Time), "{claim}");
    }
    assert!(until(&with("exp", json!(NOW + JWT_LIFETIME_SECONDS_MAX)), NOW).is_ok());
    assert_eq!(until(&with("exp", json!(NOW + JWT_LIFETIME_SECONDS_MAX + 1)), NOW), Err(JwtFault::Time));
    assert_eq!(until(&with("exp", json!(u64::MAX)), NOW), Err(JwtFault::Time));
    // Without a beginning it began now, and a long end is not made shorter by waiting.
    let mut bare = with("exp", json!(NOW + JWT_LIFETIME_SECONDS_MAX + LEEWAY_SECONDS + 1));
    bare.as_object_mut().unwrap().remove("iat");
    assert_eq!(until(&bare, NOW), Err(JwtFault::Time));
}

#[test]
fn a_token_is_about_whom_it_names_to_the_byte() {
    let identity = |issuer: &str, audience: &str, claim: &str, subject: &str| JwtIdentity {
        issuer: super::super::address::Issuer::parse(issuer).unwrap(),
        audience: audience.to_owned(),
        claim: claim.to_owned(),
        subject: subject.to_owned(),
        jwks: None,
    };
    let mut said = with("email", json!("ada@example.org"));
    let names = |claims: &Value, identity: &JwtIdentity| {
        parse(&json!({"alg": "ES256"}), claims).unwrap().names(identity)
    };
    let at = "https://login.example.org";
    assert!(names(&said, &identity(at, "api", "sub", "ada")));
    for other in [
        identity("https://login.example.org/", "api", "sub", "ada"),
        identity(at, "ap", "sub", "ada"),
        identity(at, "api", "sub", "Ada"),
        identity(at, "api", "name", "ada"),
    ] {
        assert!(!names(&said, &other), "{other:?}");
    }
    let mailbox = identity(at, "api", "email", "ada@example.org");
    assert!(!names(&said, &mailbox), "nobody says that it is verified");
    said["email_verified"] = json!(false);
    assert!(!names(&said, &mailbox));
    said["email_verified"] = json!(true);
    assert!(names(&said, &mailbox));
}
