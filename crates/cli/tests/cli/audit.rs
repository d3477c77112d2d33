//! Controls of packs asked of real chains, by their owner and by outsiders.

use serde_json::Value;

use crate::site::Site;

fn audited(site: &Site, args: &[&str]) -> Value {
    site.run(&[&["--json", "audit"], args].concat()).expect(0).json()
}

/// Six forced pushes that never ran are six findings, each of which points at its receipt.
#[test]
fn six_forced_pushes_are_six_findings() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    for _ in 0..6 {
        site.run(&["run", "--", "git", "push", "--force", "origin", "main"]).expect(3);
    }
    site.run(&["run", "--", "true"]).expect(0);
    let blocked: Vec<String> = site
        .receipts()
        .iter()
        .filter(|receipt| receipt.kind() == "blocked")
        .map(|receipt| receipt.id().to_owned())
        .collect();
    let report = audited(&site, &["--pack", "soc2"]);
    let findings = report["findings"].as_array().unwrap();
    assert_eq!((report["pack"].as_str(), findings.len()), (Some("soc2"), 6));
    for (finding, id) in findings.iter().zip(&blocked) {
        assert_eq!(finding["receipt_ids"], serde_json::json!([id]));
        assert_eq!(finding["control"], "soc2.stopped-attempts");
        assert_eq!(finding["criteria"], serde_json::json!(["PI1.2", "CC8.1", "A1.2"]));
        assert_eq!(finding["severity"], "high");
        assert!(finding["summary"].as_str().unwrap().contains("git.push.force"), "{finding}");
    }
    site.run(&["audit", "--pack", "soc2", "--check"]).expect(6);
}

/// What an outsider has: the export with one byte changed, or torn, and the public key.
#[test]
fn a_planted_break_is_located_by_line_and_seq() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    for _ in 0..6 {
        site.run(&["run", "--", "git", "push", "--force", "origin", "main"]).expect(3);
        site.run(&["run", "--", "true"]).expect(0);
    }
    let (ledger, key) = site.hand_over();
    let text = std::fs::read_to_string(&ledger).unwrap();
    let args = ["--pack", "soc2", "--file", "planted", "--public-key", key.to_str().unwrap(), "--no-memory"];
    let found = |lines: &[String]| {
        std::fs::write(site.work("planted"), lines.concat()).unwrap();
        let report = audited(&site, &args);
        let findings = report["findings"].as_array().unwrap().clone();
        let (breaks, others): (Vec<Value>, Vec<Value>) =
            findings.into_iter().partition(|finding| finding["control"] == "chain-break");
        assert_eq!(breaks.len(), 1, "{breaks:?}");
        (breaks[0].clone(), others.len(), report["controls"][0]["outcome"].clone())
    };
    let whole: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    assert_eq!(whole.len(), 19);
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["receipt_id"].clone();

    let mut edited = whole.clone();
    let at = whole.iter().position(|line| line.contains("\"kind\":\"task_completed\"")).unwrap();
    edited[at] = whole[at].replace("\"exit_code\":0", "\"exit_code\":1");
    assert_ne!(edited[at], whole[at]);
    let (broken, others, outcome) = found(&edited);
    assert_eq!(
        (&broken["line"], &broken["seq"], &broken["cause"]),
        (&(at + 1).into(), &at.into(), &"edit".into())
    );
    assert_eq!(broken["receipt_ids"], serde_json::json!([id(&whole[at - 1]), id(&whole[at + 1])]));
    // Attempts before and behind the break are found all the same.
    assert_eq!((others, outcome), (6, "violated".into()));

    let mut torn = whole.clone();
    torn[9] = format!("{}\n", &torn[9][..torn[9].len() / 2]);
    let (broken, others, _) = found(&torn);
    assert_eq!(
        (&broken["line"], &broken["seq"], &broken["cause"]),
        (&10.into(), &9.into(), &"torn_write".into())
    );
    assert_eq!(others, 5 + usize::from(!whole[9].contains("\"kind\":\"blocked\"")));

    let checked = [&["audit"], args.as_slice(), &["--check"]].concat();
    let told = site.run(&checked).expect(6).stdout;
    assert!(told.contains("torn write at line 10, seq 9"), "{told}");
    std::fs::write(site.work("planted"), text).unwrap();
    let report = audited(&site, &args);
    assert_eq!(report["chain"]["valid"], true);
    assert_eq!(report["controls"][0]["outcome"], "satisfied");
}
