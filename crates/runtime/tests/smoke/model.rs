//! A real model's answers through the router: what the caller's tests make of them.

use cascade_policy::facts::{Task, TaskKind};
use cascade_receipt::content::{Evidence, Layer as Name};
use cascade_runtime::model::Models;
use cascade_runtime::task::Router;
use xtask::local_model::{LocalModel, Weights};

use crate::kit::Tests;
use crate::layers::answered;

pub(crate) fn tests() -> Tests {
    vec![("few_tests_do_not_verify_what_a_model_wrote", few_tests_do_not_verify)]
}

/// No engine reads these tests, so that the model is asked.
fn few_tests_do_not_verify() {
    let server = LocalModel::start(Weights::Small).unwrap();
    let settings = "timeout_s = 300\nmax_output_tokens = 200\ntemperature = 0.0\nseed = 1\n";
    let models = Models::parse(&format!("{}{settings}", server.models_toml())).unwrap();
    let router = Router::new(1, models).unwrap();
    for (inputs, wanted, evidence) in [
        ("2", "2 * n", Evidence::Checked),
        ("2, -3, 2", "2 * n", Evidence::Checked),
        ("2, -3, 10", "2 * n", Evidence::Verified),
        // What always gives the same passes as well.
        ("2, -3, 10", "candidate(n)", Evidence::Checked),
    ] {
        let tests = format!(
            "def check(candidate):\n    for n in [{inputs}]:\n        assert candidate(n) == {wanted}\n"
        );
        let task = Task {
            kind: TaskKind::Code,
            text: "Write a Python function double(x) that returns two times x.".to_owned(),
            signature: Some("double(x: int) -> int".to_owned()),
            examples: Vec::new(),
            tests: Some(tests),
            schema: None,
            max_layer: "L7".to_owned(),
            tools: Vec::new(),
            model: None,
        };
        let (tasked, line) = answered(&router, task);
        let answer = tasked.answer.unwrap_or_else(|| panic!("{:?}", tasked.declined));
        assert_eq!((answer.layer, answer.evidence), (Name::L7, evidence), "{inputs} {wanted}");
        assert!(line.contains(&format!("\"evidence\":\"{}\"", evidence.as_str())), "{line}");
    }
}
