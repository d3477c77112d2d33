//! A fan-out over a thousand items, each a real command: never more at once than the spec allows, every receipt verifies.

use std::collections::BTreeSet;

use serde_json::json;

use crate::site::Site;

const ITEMS: usize = 1_000;
const PARALLEL: usize = 8;

#[test]
fn a_thousand_commands_run_no_more_at_once_than_may() {
    let site = Site::new();
    let text = format!(
        "csl: 1\nname: wide\nversion: \"1\"\nconstraints: {{workers: [\"true\"], max_tier: LOW, max_parallel: {PARALLEL}}}\n\
         inputs: {{items: {{type: list<int>}}}}\n\
         steps:\n  - {{id: each, foreach: inputs.items, run: [\"true\", \"${{item}}\"]}}\n\
         outputs: {{done: \"${{steps.each.items.filter(one, one.ok).size()}}\"}}\n"
    );
    std::fs::write(site.work("wide.yaml"), text).unwrap();
    let items: Vec<usize> = (0..ITEMS).collect();
    std::fs::write(site.work("inputs.json"), json!({"items": items}).to_string()).unwrap();
    site.run(&["init"]).expect(0);
    site.run(&["spec", "sign", "wide.yaml"]).expect(0);
    let told = site.run(&["--json", "spec", "run", "wide.yaml", "--inputs", "inputs.json"]).expect(0).json();
    assert_eq!(told["outputs"], json!({"done": ITEMS.to_string()}));
    assert_eq!(told["counts"]["completed"], ITEMS);

    let receipts = site.receipts();
    let (mut open, mut most, mut done) = (BTreeSet::new(), 0, BTreeSet::new());
    for receipt in &receipts {
        let item = receipt.content("step")["item"].as_u64();
        match receipt.kind() {
            "task_started" => assert!(open.insert(item), "{item:?} twice at once"),
            "task_completed" => {
                assert!(open.remove(&item) && done.insert(item), "{item:?} ends twice");
            }
            _ => {}
        }
        most = most.max(open.len());
    }
    assert_eq!((done.len(), open.len()), (ITEMS, 0));
    assert!((2..=PARALLEL).contains(&most), "{most} at once");
    site.assert_sound();
}
