use super::*;

const LOCAL: &str = r#"
[models.local]
provider = "openai_compatible"
model = "m"
endpoint = "http://127.0.0.1:8080/v1"
"#;

fn fault(text: &str) -> String {
    let fault = Models::parse(text).unwrap_err();
    assert!(!fault.hint().is_empty());
    fault.to_string()
}

#[test]
fn what_is_left_out_has_its_default() {
    let models = Models::parse(LOCAL).unwrap();
    let model = models.pick(None).unwrap();
    assert_eq!(model.endpoint().to_string(), "http://127.0.0.1:8080");
    assert_eq!((model.path.as_str(), model.attempts, model.max_output_tokens), ("/v1/", 3, 2048));
    assert_eq!(model.timeout, Duration::from_secs(60));
    let text = "use = \"b\"
[models.a]
provider = \"anthropic\"
model = \"claude\"
secret = \"KEY\"
price_in = 3000000
price_out = 15000000
[models.b]
provider = \"ollama\"
model = \"qwen2.5-coder:0.5b\"
";
    let models = Models::parse(text).unwrap();
    assert_eq!(models.pick(None).unwrap().name(), "b");
    let claude = models.pick(Some("a")).unwrap();
    assert_eq!(claude.endpoint().to_string(), "https://api.anthropic.com");
    assert_eq!(claude.cost(1, 1), 18);
    assert_eq!(claude.cost(1_000_000, 0), 3_000_000);
    // Rounded up: a token that costs less than a millionth is not free.
    assert_eq!(Model { price_in: 1, price_out: 0, ..claude.clone() }.cost(1, 0), 1);
    assert_eq!(claude.cost(u64::MAX, u64::MAX), u64::MAX);
    assert!(models.pick(Some("c")).is_none());
    assert_eq!(Models::parse("").unwrap(), Models::default());
}

#[test]
fn every_fault_is_named() {
    let with = |line: &str| format!("{LOCAL}{line}\n");
    let table: &[(String, &str)] = &[
        (with("tempreature = 1"), "unknown field `tempreature`"),
        (with("attempts = 0"), "`attempts` is 0, and may be 1 to 10"),
        (with("attempts = 11"), "`attempts` is 11"),
        (with("timeout_s = 3601"), "`timeout_s` is 3601"),
        (with("max_output_tokens = 0"), "`max_output_tokens` is 0"),
        (with("price_in = 1000000000001"), "`price_in` is"),
        (with("temperature = 2.1"), "`temperature` is out of range"),
        (with("temperature = nan"), "`temperature` is out of range"),
        (with("ca_file = \"ca.pem\""), "`ca_file` means nothing here"),
        (with("ca_file = \"/etc/ca.pem\""), "`ca_file` means nothing here"),
        (with("secret = \"a b\""), "no name of a credential"),
        (format!("use = \"other\"\n{LOCAL}"), "`use` names `other`"),
        (format!("uses = \"local\"\n{LOCAL}"), "unknown field `uses`"),
        (LOCAL.replace("openai_compatible", "openei"), "`openei` is no provider"),
        (LOCAL.replace("endpoint", "#"), "`endpoint` is missing"),
        (LOCAL.replace("http://127.0.0.1:8080", "http://api.example.com"), "has no TLS"),
        (LOCAL.replace("http://127.0.0.1:8080", "https://api.example.com"), "what it costs is not said"),
        (LOCAL.replace("/v1", "/v1/../x"), "the path of `endpoint` is none"),
        (LOCAL.replace("/v1", "/v1?x=y"), "the path of `endpoint` is none"),
        (LOCAL.replace("127.0.0.1:8080", "me:pw@127.0.0.1:8080"), "is no endpoint"),
        (LOCAL.replace("\"m\"", "\"groq::m\""), "is no name of a model"),
        (LOCAL.replace("\"m\"", "\"../m\""), "is no name of a model"),
        (LOCAL.replace("\"m\"", "\"m x\""), "is no name of a model"),
        (LOCAL.replace("\"m\"", "\"m-high\""), "under another name"),
        (LOCAL.replace("models.local", "models.\"a b\""), "that is no name"),
        ("[models.a]\nprovider = 1\n".to_owned(), "line 2"),
        ("#".repeat(FILE_BYTES_MAX + 1), "longer than 64 KiB"),
    ];
    for (text, expected) in table {
        let said = fault(text);
        assert!(said.contains(expected), "{said}");
    }
    let seeded = LOCAL.replace("openai_compatible", "anthropic") + "seed = 1\n";
    assert!(fault(&seeded).contains("takes no `seed`"));
}

#[test]
fn as_many_models_as_may_be_and_one_more() {
    let many = |count: usize| -> String {
        (0..count).map(|n| LOCAL.replace("models.local", &format!("models.m{n}"))).collect()
    };
    assert_eq!(Models::parse(&many(MODELS_MAX)).unwrap().all().count(), MODELS_MAX);
    assert!(fault(&many(MODELS_MAX + 1)).contains("more than 32"));
    assert!(Models::parse(&many(2)).unwrap().pick(None).is_none());
}

#[test]
fn layers_below_a_model_answer_only_where_that_is_said() {
    let of =
        |line: &str| Models::parse(&format!("{LOCAL}[proxy]\n{line}\n")).map(|models| models.lower_layers());
    assert_eq!(Models::parse(LOCAL).unwrap().lower_layers(), None);
    assert_eq!(of(""), Ok(None));
    assert_eq!(of("lower_layers = \"off\""), Ok(None));
    assert_eq!(of("lower_layers = \"checked\""), Ok(Some(Evidence::Checked)));
    assert_eq!(of("lower_layers = \"verified\""), Ok(Some(Evidence::Verified)));
    for bad in ["lower_layers = \"proposed\"", "lower_layers = true", "lower = \"off\""] {
        assert!(of(bad).is_err(), "{bad}");
    }
}
