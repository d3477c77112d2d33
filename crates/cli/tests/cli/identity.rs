//! Who is known by what others issue: tokens of a real OpenID provider, and certificates.

use cascade_ledger::{Home, Ledger, TenantId};
use cascade_receipt::digest::Digest;
use cascade_runtime::bindings::{self, Issuers, JwtFault, Presented};
use cascade_runtime::facts::Asker;
use cascade_runtime::tokens::Unaccepted;
use serde_json::{Value, json};

use crate::provider::{AUDIENCE, Provider, now};
use crate::service::{Server, token};
use crate::site::{Site, finish};
use crate::team::Team;

/// Binds somebody of this issuer.
fn bind(site: &Site, provider: &Provider, subject: &str, args: &[&str]) -> Value {
    let what = ["--issuer", &provider.url, "--audience", AUDIENCE, "--subject", subject];
    site.run(&[&["--json", "identity", "bind"], &what[..], args].concat()).expect(0).json()
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key}: {value}"))
}

fn tenant() -> TenantId {
    TenantId::parse("default").unwrap()
}

/// The ledger as a service has it open, in a process of its own.
fn open(site: &Site) -> Ledger {
    Home::open(&site.home()).unwrap().open_tenant(&tenant(), None, &|_| true).unwrap()
}

/// What the gates were told of whoever asked for this decision.
fn principal_of(site: &Site, receipt: &str) -> Value {
    let receipts = site.receipts();
    let found = receipts.iter().find(|one| one.id() == receipt).unwrap();
    let reader = Home::open(&site.home()).unwrap().open_tenant_read_only(&tenant()).unwrap();
    let hash = Digest::from_hex(found.content("facts_hash").as_str().unwrap()).unwrap();
    let (_, bytes) = reader.private(&hash).unwrap().unwrap();
    serde_json::from_slice::<Value>(&bytes).unwrap()["principal"].take()
}

#[test]
fn a_bound_subject_of_an_issuer_is_its_principal_until_it_is_unbound() {
    let site = Site::new();
    let provider = Provider::start(&site);
    let bound = bind(&site, &provider, "builder", &["--agent", "ci"]);
    let receipt = site.last();
    assert_eq!((receipt.kind(), receipt.id()), ("token_issued", word(&bound, "receipt_id")));
    // What is bound is nobody's business who reads the chain.
    let exported = site.run(&["export"]).expect(0).stdout;
    assert!(!exported.contains(&provider.url) && !exported.contains("builder"));
    let server = Server::start(&site);
    for algorithm in ["RS256", "PS256", "ES256", "ES384", "EdDSA"] {
        let shown = provider.token(&site, "builder", algorithm);
        let decided = server.decide(&shown, &["git", "status"]).expect(200);
        assert_eq!(
            (word(&decided, "verdict"), &decided["may_perform"]),
            ("admit", &json!(true)),
            "{algorithm}"
        );
        let principal = principal_of(&site, word(&decided, "receipt_id"));
        assert_eq!((&principal["authentication"], &principal["alive"]), (&json!("jwt"), &json!(true)));
        assert_eq!((word(&principal, "id"), word(&principal, "kind")), (word(&bound, "to"), "agent"));
        let path = format!("/v1/actions/{}/outcome", word(&decided, "receipt_id"));
        server.ask(&shown, ("POST", &path), r#"{"ending": "completed"}"#).expect(200);
    }
    let shown = provider.token(&site, "builder", "ES256");
    // Within its scopes, for whom it is bound, where it is bound.
    server.ask(&shown, ("GET", "/v1/receipts?limit=1"), "").expect(200);
    let answers = format!("/v1/approvals/{}", receipt.id());
    server.ask(&shown, ("POST", &answers), r#"{"verdict": "deny"}"#).problem(403, "auth.scope");
    server.decide(&provider.token(&site, "stranger", "ES256"), &["true"]).problem(401, "auth.unknown");
    site.run(&["--tenant", "theirs", "init"]).expect(0);
    for tenant in ["theirs", "nobodys"] {
        let headers = [("Authorization", format!("Bearer {shown}")), ("Cascade-Tenant", tenant.to_owned())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        server.send(("GET", "/v1/receipts"), &headers, "").problem(401, "auth.unknown");
    }
    // No route of another tenant knows it.
    let document = server.send(("GET", "/v1/openapi.json"), &[], "").expect(200);
    let bearer = format!("Bearer {shown}");
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if operation["security"].as_array().is_some_and(|ways| ways[0] != json!({})) {
                let route = (method.to_uppercase(), path.replace("{id}", receipt.id()));
                let headers = [("Authorization", bearer.as_str()), ("Cascade-Tenant", "theirs")];
                let answer = server.send((&route.0, &route.1), &headers, r#"{"verdict":"deny"}"#);
                assert!([401, 429].contains(&answer.status), "{route:?}: {}", answer.body);
            }
        }
    }
    // Two processes: what the command takes back is nobody to the service at once.
    let id = word(&bound, "token_id");
    site.run(&["identity", "unbind", &id[..9]]).expect(0);
    assert_eq!(site.last().kind(), "token_revoked");
    assert!([401, 429].contains(&server.decide(&shown, &["true"]).status));
    let listed = site.run(&["--json", "identity", "list"]).expect(0).json();
    assert_eq!((word(&listed, "state"), word(&listed["credential"], "subject")), ("revoked", "builder"));
    drop(server);
    site.assert_sound();
}

#[test]
fn what_an_issuer_did_not_sign_for_us_now_is_refused() {
    let site = Site::new();
    let provider = Provider::start(&site);
    bind(&site, &provider, "builder", &["--agent", "ci"]);
    let server = Server::start(&site);
    let now = now();
    // A skew of ten seconds apart from the limit: the test takes time as well. The unit tests stand on it.
    let good = [
        json!({"alg": "ES256"}),
        json!({"alg": "ES256", "claims": {"aud": ["other", AUDIENCE]}}),
        json!({"alg": "ES256", "claims": {"exp": now - 40, "iat": now - 100}}),
        json!({"alg": "ES256", "claims": {"nbf": now + 50}}),
        json!({"alg": "ES256", "head": {"typ": "JWT", "jwk": {"kty": "oct", "k": "AA"}, "jku": "http://127.0.0.1:1/"}}),
    ];
    for (token, asked) in provider.forged(&site, &good).iter().zip(&good) {
        assert_eq!(server.decide(token, &["git", "status"]).status, 200, "{asked}");
    }
    let long = json!({"alg": "ES256", "claims": {"padding": "x".repeat(8 * 1024)}});
    let bad = [
        json!({"alg": "none"}),
        json!({"alg": "HS256"}),
        json!({"alg": "HS256", "kid": "first-ES256"}),
        json!({"alg": "ES256", "kid": "first-RS256"}),
        json!({"alg": "ES256", "kid": "unheard-of"}),
        json!({"alg": "ES256", "kid": "../../first-ES256"}),
        json!({"alg": "ES256", "kid": "http://127.0.0.1:1/jwks"}),
        json!({"alg": "ES256", "head": {"typ": "logout+jwt"}}),
        json!({"alg": "ES256", "claims": {"aud": "other"}}),
        json!({"alg": "ES256", "claims": {"aud": ["cascade2"]}}),
        json!({"alg": "ES256", "claims": {"iss": format!("{}/", provider.url)}}),
        json!({"alg": "ES256", "claims": {"iss": "https://login.example.org"}}),
        json!({"alg": "ES256", "claims": {"sub": "Builder"}}),
        json!({"alg": "ES256", "claims": {"sub": ["builder"]}}),
        json!({"alg": "ES256", "claims": {"exp": now - 61, "iat": now - 100}}),
        json!({"alg": "ES256", "claims": {"nbf": now + 120}}),
        json!({"alg": "ES256", "claims": {"iat": now + 120, "exp": now + 600}}),
        json!({"alg": "ES256", "claims": {"exp": now + 100_000}}),
        json!({"alg": "ES256", "claims": {"cnf": {"jkt": "x"}}}),
        long,
    ];
    let mut tokens = provider.forged(&site, &bad);
    // Somebody else's key, and a token that was changed afterwards.
    let elsewhere = Site::new();
    let other = Provider::start(&elsewhere);
    tokens.push(other.forged(&site, &[json!({"alg": "ES256", "claims": {"iss": provider.url}})]).remove(0));
    let honest = provider.token(&site, "stranger", "ES256");
    let parts: Vec<&str> = honest.split('.').collect();
    let claims = provider.forged(&site, &[json!({"alg": "ES256"})]).remove(0);
    tokens.push(format!("{}.{}.{}", parts[0], claims.split('.').nth(1).unwrap(), parts[2]));
    let before = site.receipts().len();
    for (at, token) in tokens.iter().enumerate() {
        let answer = server.decide(token, &["git", "status"]);
        answer.problem(401, "auth.unknown");
        assert!(!answer.body.contains("builder"), "{at}");
    }
    assert_eq!(site.receipts().len(), before);
    // One that names two holders by two claims is neither's, whichever was bound first.
    let both = json!({"alg": "ES256", "claims": {"email": "ada@example.org", "email_verified": true}});
    let both = provider.forged(&site, &[both]).remove(0);
    assert_eq!(server.decide(&both, &["git", "status"]).status, 200);
    bind(&site, &provider, "ada@example.org", &["--claim", "email", "--agent", "cd"]);
    assert!([401, 429].contains(&server.decide(&both, &["git", "status"]).status));
    // Guessing is counted like that of tokens; whoever is right is let in all the same.
    (0..30).for_each(|_| drop(server.decide(&tokens[0], &["true"])));
    server.decide(&tokens[0], &["true"]).problem(429, "auth.too_many");
    assert_eq!(server.decide(&provider.token(&site, "builder", "RS256"), &["git", "status"]).status, 200);
}

#[test]
fn an_issuer_may_change_its_keys_and_may_be_down() {
    let site = Site::new();
    let provider = Provider::start(&site);
    bind(&site, &provider, "builder", &["--agent", "ci"]);
    let server = Server::start(&site);
    let works = |server: &Server, token: &str| server.ask(token, ("GET", "/v1/receipts?limit=1"), "").status;
    let old = provider.token(&site, "builder", "ES256");
    assert_eq!(works(&server, &old), 200);
    // New keys are asked for when somebody shows one of them; what the issuer withdrew counts no more.
    let provider = provider.again(&site, "second");
    let new = provider.token(&site, "builder", "ES256");
    assert_eq!((works(&server, &new), works(&server, &old)), (200, 401));
    // Not again within the minute, whatever is shown.
    let provider = provider.again(&site, "third");
    let newest = provider.token(&site, "builder", "ES256");
    assert_eq!((works(&server, &newest), works(&server, &new)), (401, 200));
    drop(provider);
    assert_eq!(works(&server, &new), 200, "what is known goes on while the issuer is down");
    // A service that never saw it lets nobody in, and its operator hears why.
    drop(server);
    let server = Server::start(&site);
    assert_eq!(works(&server, &new), 401);
    assert_eq!(works(&server, &token(&site, &["--scope", "read"])), 200);
}

#[test]
fn an_issuer_that_cannot_be_asked_is_known_by_its_keys_and_a_token_that_ends_is_nobody() {
    let team = Team::new();
    let bob = team.joins("bob", &["sre"]);
    let site = &team.site;
    let provider = Provider::start(site);
    let keys = site.path("keys.json");
    std::fs::write(&keys, provider.jwks(site)).unwrap();
    let pinned = ["--jwks-file", keys.to_str().unwrap()];
    bind(site, &provider, "builder", &[&["--for", "bob"], &pinned[..]].concat());
    bind(site, &provider, "stranger", &[&["--agent", "ci"], &pinned[..]].concat());
    let stranger = json!({"alg": "EdDSA", "claims": {"sub": "stranger"}});
    let tokens = provider.forged(site, &[json!({"alg": "EdDSA"}), stranger]);
    drop(provider);

    let ledger = open(site);
    let issuers = Issuers::new(Box::new(|trouble| panic!("{trouble}")));
    let accept =
        |token: &str| bindings::accept(&ledger, &tenant(), &Presented::bearer(token).unwrap(), &issuers);
    let person = Asker::by_shown(&ledger, &accept(&tokens[0]).unwrap()).unwrap();
    let agent = Asker::by_shown(&ledger, &accept(&tokens[1]).unwrap()).unwrap();
    assert_eq!((person.person_id.to_string(), person.agent.is_none()), (bob, true));
    assert_eq!((agent.agent.as_ref().map(|(name, _)| name.as_str()), agent.has_ended()), (Some("ci"), false));
    // Whoever leaves is nobody any more, whatever an issuer says.
    site.run(&["people", "remove", "bob"]).expect(0);
    assert!(matches!(accept(&tokens[0]), Err(Unaccepted::Unknown)));
    // And comes back without what was bound before.
    team.joins("bob", &[]);
    assert!(matches!(accept(&tokens[0]), Err(Unaccepted::Unknown)));
    // The token ends before its binding does; time is the chain's.
    assert!(!agent.again(&ledger).unwrap().has_ended());
    finish(site.ahead(&["run", "--", "true"]), b"").expect(0);
    assert!(agent.again(&ledger).unwrap().has_ended());
    assert!(matches!(accept(&tokens[1]), Err(Unaccepted::Jwt(JwtFault::Time))));
    let listed = site.run(&["--json", "identity", "list"]).expect(0).stdout;
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let state = |at: usize| (word(&listed[at], "state"), &listed[at]["credential"]["keys_pinned"]);
    assert_eq!((state(0), state(1)), (("revoked", &json!(true)), ("holds", &json!(true))));
    site.assert_sound();
}

/// A client's certificate with these names, of this authority, and its key.
fn certificate(site: &Site, name: &str, (authority, names): (Option<&str>, &str)) {
    let path = |end: &str| site.path(&format!("{name}{end}"));
    let mut command = site.program("openssl");
    command.args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    command.args([
        "-days",
        "2",
        "-subj",
        &format!("/CN={name}"),
        "-addext",
        &format!("subjectAltName={names}"),
    ]);
    command.arg("-keyout").arg(path(".key")).arg("-out").arg(path(".pem"));
    if let Some(authority) = authority {
        let of = |end: &str| site.path(&format!("{authority}{end}"));
        command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        command.arg("-CA").arg(of(".pem")).arg("-CAkey").arg(of(".key"));
    }
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// A service that asks for certificates.
struct Asking<'a> {
    site: &'a Site,
    server: Server,
    roots: String,
}

impl<'a> Asking<'a> {
    fn start(site: &'a Site) -> Self {
        certificate(site, "root", (None, "DNS:root"));
        certificate(site, "api", (Some("root"), "DNS:localhost"));
        let path = |name: &str| site.path(name).to_str().unwrap().to_owned();
        let (cert, key, roots) = (path("api.pem"), path("api.key"), path("root.pem"));
        let words =
            ["--listen", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &roots];
        Self { site, server: Server::with(site, &words), roots }
    }

    /// The status of one look at the chain with this certificate and header, and what was said.
    fn looks(&self, name: &str, header: &str) -> (u16, String) {
        let path = |end: &str| self.site.path(&format!("{name}{end}")).to_str().unwrap().to_owned();
        let port = self.server.address().rsplit(':').next().unwrap();
        let mut command = self.site.program("curl");
        command.args([
            "--silent",
            "--max-time",
            "20",
            "--cacert",
            &self.roots,
            "--write-out",
            "\n%{http_code}",
        ]);
        command.args(["--cert", &path(".pem"), "--key", &path(".key"), "-H", header]);
        let done = command.arg(format!("https://localhost:{port}/v1/receipts?limit=1")).output().unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }
}

#[test]
fn a_bound_certificate_says_who_is_there_without_a_token() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let asking = Asking::start(&site);
    certificate(&site, "builder", (Some("root"), "URI:spiffe://example.org/builder,DNS:*.example.org"));
    certificate(
        &site,
        "twin",
        (Some("root"), "URI:spiffe://example.org/twin,URI:spiffe://example.org/builder"),
    );
    certificate(
        &site,
        "other",
        (Some("root"), "URI:spiffe://example.org/builder2,email:builder@example.org"),
    );
    certificate(&site, "forger", (None, "URI:spiffe://example.org/builder"));
    let bind = |what: &str, args: &[&str]| {
        site.run(&[&["--json", "identity", "bind", "--certificate", what], args].concat()).expect(0).json()
    };
    let nothing = "X-Nothing: 1";
    assert_eq!(asking.looks("builder", nothing).0, 401, "nobody bound it");
    let by_name = bind("uri:spiffe://example.org/builder", &["--agent", "builder", "--scope", "read"]);
    assert_eq!(asking.looks("builder", nothing).0, 200);
    assert!(asking.looks("other", nothing).1.contains("auth.unknown"));
    assert_eq!(asking.looks("builder", "Cascade-Tenant: theirs").0, 401);
    assert_eq!(asking.looks("forger", nothing).0, 0, "TLS ends before anything is said");
    // A token beside it is what counts, be it good or bad.
    let reads = token(&site, &["--scope", "read"]);
    assert_eq!(asking.looks("other", &format!("Authorization: Bearer {reads}")).0, 200);
    let acts = token(&site, &["--scope", "actions"]);
    assert!(asking.looks("builder", &format!("Authorization: Bearer {acts}")).1.contains("auth.scope"));
    assert_eq!(asking.looks("builder", "Authorization: Bearer nonsense").0, 401);
    // One with names of two is neither of them; a key says more than a name.
    let twin = bind("uri:spiffe://example.org/twin", &["--agent", "twin", "--scope", "read"]);
    assert_eq!(asking.looks("twin", nothing).0, 401);
    let pem = site.path("twin.pem");
    let by_key = bind(pem.to_str().unwrap(), &["--scope", "actions"]);
    assert!(word(&by_key["credential"], "name").starts_with("spki:"));
    assert!(asking.looks("twin", nothing).1.contains("auth.scope"));
    for bound in [by_name, twin, by_key] {
        site.run(&["identity", "unbind", word(&bound, "token_id")]).expect(0);
    }
    assert_eq!((asking.looks("builder", nothing).0, asking.looks("twin", nothing).0), (401, 401));
    drop(asking);
    site.assert_sound();
}

#[test]
fn of_two_who_bind_one_subject_at_once_one_does() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    for round in 0..6 {
        let what = format!("uri:spiffe://example.org/{round}");
        let begun: Vec<_> = (0..4)
            .map(|_| {
                let mut command = site.cascade(&["identity", "bind", "--certificate", &what, "--agent", "a"]);
                command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
                command.spawn().unwrap()
            })
            .collect();
        let codes: Vec<_> = begun.into_iter().map(|one| crate::site::ended(one, b"").status.code()).collect();
        let done = codes.iter().filter(|code| **code == Some(0)).count();
        assert_eq!((done, codes.iter().filter(|code| **code == Some(1)).count()), (1, 3), "{codes:?}");
    }
    assert_eq!(site.run(&["identity", "list"]).expect(0).stdout.lines().count(), 6);
}

#[test]
fn binding_is_an_administrators_act_and_what_cannot_be_bound_is_told() {
    let team = Team::new();
    team.joins("bob", &["sre"]);
    let site = &team.site;
    let issuer =
        ["identity", "bind", "--issuer", "https://login.example.org", "--audience", "a", "--subject", "s"];
    let certificate = ["identity", "bind", "--certificate", "uri:spiffe://example.org/a"];
    for (by_agent, code) in [(false, "approval.not_eligible"), (true, "approval.agent")] {
        let done = if by_agent { team.by_agent(&certificate) } else { team.by("bob", &issuer) };
        done.expect(3);
        let last = site.last();
        assert_eq!((last.kind(), last.content("task_type")), ("blocked", &"control.identity_bind".into()));
        assert!(last.content("decision").to_string().contains(code), "{last:?}");
    }
    for words in [
        &["--issuer", "http://login.example.org", "--audience", "a", "--subject", "s"][..],
        &["--issuer", "https://u@login.example.org", "--audience", "a", "--subject", "s"],
        &["--issuer", "https://login.example.org", "--subject", "s"],
        &["--issuer", "https://login.example.org", "--audience", "", "--subject", "s"],
        &["--issuer", "https://login.example.org", "--audience", "a", "--subject", "s", "--claim", "aud"],
        &[
            "--issuer",
            "https://login.example.org",
            "--audience",
            "a",
            "--subject",
            "s",
            "--certificate",
            "uri:a:b",
        ],
        &["--certificate", "dns:*.example.org"],
        &["--certificate", "uri:a:b", "--agent", "ci", "--scope", "admin"],
        &["--certificate", "uri:a:b", "--expires", "0s"],
        &[],
    ] {
        let before = site.receipts().len();
        site.run(&[&["identity", "bind"], words].concat()).expect(2);
        assert_eq!(site.receipts().len(), before, "{words:?}");
    }
    let file = site.path("keys.json");
    let path = file.to_str().unwrap();
    site.run(&[&issuer[..], &["--jwks-file", path]].concat()).expect_failure(1, "couldn't read");
    std::fs::write(&file, r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA"}]}"#).unwrap();
    site.run(&[&issuer[..], &["--jwks-file", path]].concat())
        .expect_failure(2, "a private key is among them");
    site.run(&issuer).expect(0);
    site.run(&issuer).expect_failure(1, "binds it already");
    site.run(&[&issuer[..], &["--for", "nobody"]].concat()).expect(1);
    site.run(&[&["identity", "bind"], &["--certificate", "uri:a:b", "--for", "bob"][..]].concat()).expect(0);
    let text = site.run(&["identity", "list"]).expect(0).stdout;
    assert!(text.contains("sub s of https://login.example.org, for a") && text.contains("uri:a:b"), "{text}");
    assert_eq!(text.lines().count(), 2);
    // Bob's own is his to take back.
    let listed = site.run(&["--json", "identity", "list"]).expect(0).stdout;
    let own: Value = serde_json::from_str(listed.lines().last().unwrap()).unwrap();
    team.by("bob", &["identity", "unbind", word(&own, "token_id")]).expect(0);
    site.assert_sound();
}
