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
