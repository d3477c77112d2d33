//! A customer's layer in the router: asked in its place, held to the same gate, named in the receipt.

use std::time::{Duration, Instant};

use cascade_ledger::TenantId;
use cascade_policy::facts::{Task, TaskKind};
use cascade_receipt::content::{Evidence, Layer as Name};
use cascade_runtime::birth::{self, Wishes};
use cascade_runtime::facts::Asker;
use cascade_runtime::identity;
use cascade_runtime::layer::{Asked, Candidate, Layer, Manifest, Reply};
use cascade_runtime::model::Models;
use cascade_runtime::task::{Declined, Request, Router, Tasked};

use crate::kit::Tests;

pub(crate) fn tests() -> Tests {
    vec![
        ("a_customers_layer_answers_behind_the_one_it_names", answers),
        ("a_customers_layer_passes_the_same_gate", is_held_to_the_gate),
        ("asserts_that_a_program_was_made_from_verify_less", seen_asserts_verify_less),
        ("layers_share_one_deadline", layers_share_one_deadline),
    ]
}

/// Says the same to everything.
struct Ours {
    manifest: Manifest,
    source: &'static str,
    grade: u8,
    unseen: u8,
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
            unseen: self.unseen,
            question: None,
        }])
    }
}

/// Looks for an answer until its time is over, and has none.
struct Slow(Manifest);

impl Layer for Slow {
    fn manifest(&self) -> &Manifest {
        &self.0
    }

    fn ask(&self, asked: &Asked<'_>) -> Reply {
        let came = Instant::now();
        while Instant::now() < asked.until {
            std::hint::spin_loop();
        }
        Reply::Pass(if came < asked.until { "slow.looked" } else { "slow.came_late" })
    }
}

fn manifest(name: &str) -> Manifest {
    Manifest {
        layer: Name::Ext(name.to_owned()),
        behind: Name::L1,
        kinds: vec![TaskKind::Code],
        admit_min: 70,
        budget: Duration::from_millis(50),
    }
}

fn asked(source: &'static str, grade: u8, examples: &[&str]) -> (Tasked, String) {
    let ours = Ours { manifest: manifest("ours"), source, grade, unseen: grade };
    routed(vec![Box::new(ours)], examples, None)
}

fn routed(layers: Vec<Box<dyn Layer>>, examples: &[&str], tests: Option<&str>) -> (Tasked, String) {
    let router = Router::new(1, Models::default()).unwrap();
    let router = layers.into_iter().fold(router, Router::with);
    let task = Task {
        kind: TaskKind::Code,
        text: "adds the answer".to_owned(),
        signature: Some("f(x: int) -> int".to_owned()),
        examples: examples.iter().map(|example| (*example).to_owned()).collect(),
        tests: tests.map(str::to_owned),
        schema: None,
        max_layer: "L1".to_owned(),
        tools: Vec::new(),
        model: None,
    };
    answered(&router, task)
}

/// What a router says in a home of its own, and the last receipt.
pub(crate) fn answered(router: &Router, task: Task) -> (Tasked, String) {
    let home = tempfile::tempdir().unwrap();
    let wishes = Wishes { recovery_out: Some(home.path().join("recovery")), ..Wishes::default() };
    let created = birth::create(&home.path().join("home"), &TenantId::parse("default").unwrap(), &wishes);
    let ledger = created.unwrap().ledger;
    let request = Request {
        task,
        asker: Asker::find(&ledger, &[], None).unwrap(),
        approved: None,
        dry_run: false,
        spend: false,
        reason: None,
        runtime: identity::runtime(&ledger).unwrap(),
        step: None,
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

fn seen_asserts_verify_less() {
    let tests = "def check(candidate):\n    assert candidate(0) == 42\n    assert candidate(7) == 49\n";
    for (grade, unseen, evidence) in [
        (59, 59, Evidence::Proposed),
        (60, 60, Evidence::Verified),
        (79, 59, Evidence::Checked),
        (79, 0, Evidence::Checked),
        (80, 0, Evidence::Verified),
    ] {
        let ours = Ours { manifest: manifest("ours"), source: OURS, grade, unseen };
        let (tasked, _) = routed(vec![Box::new(ours)], &["f(1) == 43"], Some(tests));
        assert_eq!(tasked.answer.unwrap().evidence, evidence, "{grade} {unseen}");
    }
}

fn layers_share_one_deadline() {
    let slow = |name| -> Box<dyn Layer> { Box::new(Slow(manifest(name))) };
    let (tasked, _) = routed(vec![slow("first"), slow("second")], &["f(1) == 43"], None);
    let told = |name: &str| {
        let is = |one: &&Declined| one.layer == Name::Ext(name.to_owned());
        tasked.declined.iter().find(is).unwrap().code.clone()
    };
    assert_eq!(told("second"), "slow.came_late", "what the first took is not there for the second");
    assert!(["slow.looked", "slow.came_late"].contains(&told("first").as_str()));
}
