//! A customer's layer in the router: asked in its place, held to the same gate, named in the receipt.

use std::time::Duration;

use cascade_ledger::TenantId;
use cascade_policy::facts::{Task, TaskKind};
use cascade_receipt::content::{Evidence, Layer as Name};
use cascade_runtime::birth::{self, Wishes};
use cascade_runtime::facts::Asker;
use cascade_runtime::identity;
use cascade_runtime::layer::{Asked, Candidate, Layer, Manifest, Reply};
use cascade_runtime::model::Models;
use cascade_runtime::task::{Request, Router, Tasked};

use crate::kit::Tests;

pub(crate) fn tests() -> Tests {
    vec![
        ("a_customers_layer_answers_behind_the_one_it_names", answers),
        ("a_customers_layer_passes_the_same_gate", is_held_to_the_gate),
    ]
}

/// Says the same to everything.
struct Ours {
    manifest: Manifest,
    source: &'static str,
    grade: u8,
}

impl Layer for Ours {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn ask(&self, _: &Asked<'_>) -> Reply {
        Reply::Take(vec![Candidate {
            source: self.source.to_owned(),
            entry: None,
            grade: self.grade,
            question: None,
        }])
    }
}

fn asked(source: &'static str, grade: u8, examples: &[&str]) -> (Tasked, String) {
    let home = tempfile::tempdir().unwrap();
    let wishes = Wishes { recovery_out: Some(home.path().join("recovery")), ..Wishes::default() };
    let created = birth::create(&home.path().join("home"), &TenantId::parse("default").unwrap(), &wishes);
    let ledger = created.unwrap().ledger;
    let manifest = Manifest {
        layer: Name::Ext("ours".to_owned()),
        behind: Name::L1,
        kinds: vec![TaskKind::Code],
        admit_min: 70,
        budget: Duration::from_millis(1),
    };
    let router = Router::new(1, Models::default()).unwrap().with(Box::new(Ours { manifest, source, grade }));
    let task = Task {
        kind: TaskKind::Code,
        text: "adds the answer".to_owned(),
        signature: Some("f(x: int) -> int".to_owned()),
        examples: examples.iter().map(|example| (*example).to_owned()).collect(),
        tests: None,
        schema: None,
        max_layer: "L1".to_owned(),
        tools: Vec::new(),
        model: None,
    };
    let request = Request {
        task,
        asker: Asker::find(&ledger, &[], None).unwrap(),
        approved: None,
        dry_run: false,
        spend: false,
        reason: None,
        runtime: identity::runtime(&ledger).unwrap(),
    };
    let tasked = router.answer(&ledger, &request).unwrap();
    let line = tasked.receipts.last().unwrap().line.clone();
    (tasked, line)
}

const OURS: &str = "def f(x):\n    return x + 42\n";

fn answers() {
    let (tasked, line) = asked(OURS, 90, &["f(0) == 42", "f(1) == 43", "f(-42) == 0"]);
    let answer = tasked.answer.unwrap();
    assert_eq!((answer.layer, answer.evidence), (Name::Ext("ours".to_owned()), Evidence::Checked));
    assert!(line.contains("\"layer_hit\":\"ext:ours\""), "{line}");
    // Below its own grade its answer is a proposal.
    let (tasked, _) = asked(OURS, 69, &["f(0) == 42"]);
    assert_eq!(tasked.answer.unwrap().evidence, Evidence::Proposed);
}

fn is_held_to_the_gate() {
    let cases = [
        ("def f(x):\n    return x + 41\n", "smoke.examples"),
        ("import os\ndef f(x):\n    os.system('true')\n    return x + 42\n", "smoke.refused"),
        ("def f(x:\n", "smoke.syntax"),
    ];
    for (source, code) in cases {
        let (tasked, line) = asked(source, 100, &["f(0) == 42"]);
        assert!(tasked.answer.is_none());
        let declined = tasked.declined.iter().find(|one| one.layer == Name::Ext("ours".to_owned())).unwrap();
        assert_eq!(declined.code, code, "{:?}", declined.detail);
        assert!(line.contains("\"kind\":\"task_failed\"") && line.contains(code), "{line}");
    }
}
