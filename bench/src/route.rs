//! The router through its library: layers that decline, the cheapest answers.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use cascade_ledger::{Ledger, TenantId};
use cascade_policy::facts::{Task, TaskKind};
use cascade_receipt::content::Layer as Name;
use cascade_receipt::json;
use cascade_runtime::birth::{self, Wishes};
use cascade_runtime::facts::Asker;
use cascade_runtime::identity;
use cascade_runtime::layer::{Asked, Candidate, Layer, Manifest, Reply};
use cascade_runtime::model::Models;
use cascade_runtime::task::{Request, Router};

use crate::percentile;
use crate::sample::key;

/// Layers that decline, put before the one that answers.
const DECLINING: u32 = 32;

/// Microseconds from the look into memory to the answer, decision and smoke gate included, the durable commit not: as
/// receipts have them.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Answered by L1.
    pub l1_p50: f64,
    /// Remembered; the ten gates decide and the caller's tests run again.
    pub l6_p50: f64,
    /// The same with the durable commit of its receipt: the whole call.
    pub l6_call_p50: f64,
    /// What one more layer costs that declines at once: of two routers with and without so many, asked in turns.
    pub declined: f64,
}

/// Times `tasks` tasks of each kind in a throw-away home under `dir`.
pub(crate) fn times(dir: &Path, tasks: usize) -> anyhow::Result<Route> {
    let place = dir.join("route");
    std::fs::create_dir(&place)?;
    let wishes = Wishes { ssh_key: Some(key(&place)?), ..Wishes::default() };
    let ledger = birth::create(&place.join("home"), &TenantId::parse("bench")?, &wishes)?.ledger;
    let router = || Router::new(1, Models::default());
    let few = router()?.with(Box::new(Fixed::answers()));
    let many = (0..DECLINING)
        .fold(router()?, |router, number| router.with(Box::new(Fixed::declines(number))))
        .with(Box::new(Fixed::answers()));
    let l1 = request(&ledger, WORDS, "L1", None)?;
    // Words in which L1 finds nothing: the layers behind it are asked.
    let passed = request(&ledger, "as the examples show", "L2", None)?;
    let remembered = request(&ledger, WORDS, "L6", Some(TESTS))?;
    let asked = [(&few, &l1), (&few, &remembered), (&few, &passed), (&many, &passed)];
    // The first of each starts what the others find started.
    for (router, request) in asked {
        answer(router, &ledger, request)?;
    }
    let mut times: [Vec<(f64, f64)>; 4] = Default::default();
    for _ in 0..tasks {
        for (times, (router, request)) in times.iter_mut().zip(asked) {
            times.push(answer(router, &ledger, request)?);
        }
    }
    let [l1, l6, few, many] = times.map(|times| {
        let mut sides: (Vec<f64>, Vec<f64>) = times.into_iter().unzip();
        sides.0.sort_by(f64::total_cmp);
        sides.1.sort_by(f64::total_cmp);
        (percentile(&sides.0, 50), percentile(&sides.1, 50))
    });
    let declined = (many.0 - few.0) / f64::from(DECLINING);
    Ok(Route { l1_p50: l1.0, l6_p50: l6.0, l6_call_p50: l6.1, declined })
}

/// Says the same to every task, at once.
struct Fixed {
    manifest: Manifest,
    reply: Reply,
}

impl Fixed {
    fn declines(number: u32) -> Self {
        Self::new(format!("declines-{number}"), Name::L1, Reply::Pass("bench.declines"))
    }

    fn answers() -> Self {
        let source = "def total(numbers):\n    return sum(numbers)\n".to_owned();
        let candidate = Candidate { source, entry: None, grade: 90, unseen: 90, question: None };
        Self::new("answers".to_owned(), Name::L2, Reply::Take(vec![candidate]))
    }

    fn new(name: String, behind: Name, reply: Reply) -> Self {
        let (layer, kinds) = (Name::Ext(name), vec![TaskKind::Code]);
        Self { manifest: Manifest { layer, behind, kinds, admit_min: 70, budget: Duration::ZERO }, reply }
    }
}

impl Layer for Fixed {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn ask(&self, _: &Asked<'_>) -> Reply {
        self.reply.clone()
    }
}

const WORDS: &str = "the sum of a list of numbers";

const TESTS: &str = "def check(candidate):\n    assert candidate([5, 6]) == 11\n    assert candidate([0]) == 0\n    assert candidate([-1, 1, 1]) == 1\n";

fn request(ledger: &Ledger, text: &str, max_layer: &str, tests: Option<&str>) -> anyhow::Result<Request> {
    let examples = ["total([1, 2, 3]) == 6", "total([]) == 0", "total([5, -7]) == -2", "total([9]) == 9"];
    let task = Task {
        kind: TaskKind::Code,
        text: text.to_owned(),
        signature: Some("total(numbers: list[int]) -> int".to_owned()),
        examples: examples.map(str::to_owned).to_vec(),
        tests: tests.map(str::to_owned),
        schema: None,
        max_layer: max_layer.to_owned(),
        tools: Vec::new(),
        model: None,
    };
    Ok(Request {
        task,
        asker: Asker::find(ledger, &[], None)?,
        approved: None,
        dry_run: false,
        spend: false,
        reason: None,
        runtime: identity::runtime(ledger)?,
        step: None,
    })
}

/// Microseconds of one task: as its receipt says, and of the whole call.
fn answer(router: &Router, ledger: &Ledger, request: &Request) -> anyhow::Result<(f64, f64)> {
    let started = std::time::Instant::now();
    let tasked = router.answer(ledger, request)?;
    let call = started.elapsed().as_secs_f64() * 1e6;
    anyhow::ensure!(tasked.answer.is_some(), "no answer: {:?}", tasked.declined);
    let line = tasked.receipts.last().context("no receipt")?;
    let receipt = json::parse(line.line.as_bytes())?;
    let content = receipt.member("content").context("no content")?;
    let us = content.member("duration_us").and_then(json::Value::as_u64).context("no duration")?;
    Ok((f64::from(u32::try_from(us)?), call))
}
