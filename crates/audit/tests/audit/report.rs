//! The audit as others read it: OSCAL against the schema that NIST publishes (a work of the United States government, in
//! the public domain), and a page in which nothing of a chain or pack can act.

use cascade_audit::control::{Bounds, Controls, Period, Report, View, Walk};
use cascade_audit::trial::build;
use cascade_receipt::verify::{Options, Verifier};
use serde_json::Value;

const SCHEMA: &str = include_str!("oscal-assessment-results-1.2.3.json");

const CONTROLS: &str = r#"
[chain_break]
citation = "section 1"
criteria = ["S1"]

[[control]]
id = "own.found"
title = "<script>alert(1)</script>"
citation = "a & b"
criteria = ["S2", "S3"]
severity = "high"
effective_from = "2020-01-01"
evidence = "e"
next = "n"
applies = "SELECT seq FROM receipts"
violations = "SELECT seq, '<img src=x onerror=alert(2)> \" ''' || char(8238) AS summary, '0' AS also FROM receipts WHERE kind = 'blocked'"

[[control]]
id = "own.unsaid"
title = "t"
citation = "c"
criteria = ["S4"]
severity = "low"
effective_from = "2020-01-01"
evidence = "e"
next = "n"
applies = "SELECT NULL AS seq"
unprovable = "SELECT NULL AS seq, 'nobody wrote it down' AS summary"

[[control]]
id = "own.odd name"
title = "t"
citation = "c"
criteria = ["S5"]
severity = "low"
effective_from = "2020-01-01"
evidence = "e"
next = "n"
applies = "SELECT x FROM nowhere"
violations = "SELECT NULL AS seq, '' AS summary"

[[control]]
id = "own.none"
title = "t"
citation = "c"
criteria = ["S6"]
severity = "low"
effective_from = "2020-01-01"
evidence = "e"
next = "n"
applies = "SELECT seq FROM receipts WHERE kind = 'halted'"
violations = "SELECT seq, '' AS summary FROM receipts WHERE kind = 'halted'"
"#;

/// Genesis and four denials, of which one was edited afterwards.
fn report(damaged: bool) -> Report {
    let receipt: toml::Table = toml::from_str("kind = \"blocked\"").unwrap();
    let mut lines = build(&vec![receipt; 4]).unwrap().lines;
    if damaged {
        lines[2] = lines[2].replacen("LOW", "HIGH", 1);
    }
    let mut verifier = Verifier::new(Options::default());
    lines.iter().for_each(|line| verifier.line(line.as_bytes()));
    let verdict = verifier.finish();
    let mut view = View::new().unwrap();
    let mut walk = Walk::new(verdict.receipts());
    for line in &lines {
        if walk.take(line.as_bytes(), true) {
            view.take(line.as_bytes(), None).unwrap();
        }
    }
    view.broken(walk.finish(verdict.fault(), None)).unwrap();
    let period = Period { since: 0, until: 1_800_000_000_000, now: 1_800_000_000_000 };
    view.close(&verdict, period, Bounds::default()).unwrap();
    Report::of(&view, Controls::parse("own", CONTROLS).unwrap(), period, verdict)
}

#[test]
fn oscal_follows_the_schema_of_nist() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for damaged in [false, true] {
        let text = report(damaged).to_oscal().to_canonical();
        assert_eq!(text, report(damaged).to_oscal().to_canonical(), "the same audit, the same document");
        let mut document: Value = serde_json::from_str(&text).unwrap();
        let errors: Vec<String> =
            schema.iter_errors(&document).map(|error| format!("{} {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let result = &document["assessment-results"]["results"][0];
        let states: Vec<(&str, &str)> = result["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                let target = &one["target"];
                (target["target-id"].as_str().unwrap(), target["status"]["reason"].as_str().unwrap())
            })
            .collect();
        let chain = if damaged { "fail" } else { "pass" };
        let mut told = vec![
            ("chain-break", chain),
            ("own.found", "fail"),
            ("own.unsaid", "other"),
            ("own.odd_name", "other"),
        ];
        if damaged {
            // What nothing was found for may have stood where the chain is broken.
            told.push(("own.none", "other"));
        }
        assert_eq!(states, told);
        let observations = result["observations"].as_array().unwrap();
        let found = observations.iter().filter(|one| one["types"][0] == "finding");
        let related = result["findings"].as_array().unwrap()[1]["related-observations"].as_array().unwrap();
        // Where it is damaged, three denials are left of four, and the break; and that one may have stood there.
        assert_eq!((found.count(), related.len()), (4, 4));
        assert!(observations.iter().any(|one| one["uuid"] == related[0]["observation-uuid"]));
        // The check can fail.
        document["assessment-results"]["results"][0]["start"] = "yesterday".into();
        assert!(!schema.is_valid(&document));
    }
}

#[test]
fn nothing_on_the_page_can_act() {
    let page = report(true).to_html();
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains('\u{202e}'), "{page}");
    for shown in [
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "&lt;img src=x onerror=alert(2)&gt; &quot; &#39;\\u{202e}",
        "a &amp; b",
        "edit at line 3, seq 2",
        "default-src 'none'",
        "nobody wrote it down",
        "It gave no answer: no such table",
        "tail: the tail after receipt 1",
    ] {
        assert!(page.contains(shown), "no `{shown}` in {page}");
    }
    assert_eq!(page.matches("<html").count(), 1);
}

#[test]
fn the_document_says_what_was_asked() {
    let document: Value = serde_json::from_str(&report(true).to_json().to_canonical()).unwrap();
    assert_eq!(document["pack"], "own");
    let outcomes: Vec<&str> =
        document["controls"].as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap()).collect();
    // Where the chain is broken, what is not seen may have been there.
    assert_eq!(outcomes, ["violated", "violated", "not_provable", "failed", "not_provable"]);
    let findings = document["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 4);
    for finding in findings {
        for member in ["control", "severity", "receipt_ids", "summary", "criteria"] {
            assert!(!finding[member].is_null(), "{finding}");
        }
    }
    let broken = findings.iter().find(|finding| finding["control"] == "chain-break").unwrap();
    assert_eq!((&broken["line"], &broken["seq"], &broken["cause"]), (&3.into(), &2.into(), &"edit".into()));
    assert!(!report(false).is_clean() && report(true).evidence().count() > 6);
}
