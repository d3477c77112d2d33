#![expect(clippy::disallowed_methods, reason = "a thread is the way to get a stack of a known size")]

use cascade_policy::decide::{STACK_BYTES, decide};
use cascade_policy::snapshot::{DEPTH_MAX, OPERATORS_MAX, Snapshot};
use cascade_receipt::decision::Decision;

use crate::bundled_and;
use crate::facts::plain;

/// Conditions as deep as the limits let them be, each true only if all of it was evaluated.
fn deep() -> Vec<String> {
    let (levels, operators) = (DEPTH_MAX - 1, OPERATORS_MAX - 3);
    let around = |open: &str, inner: &str, close: &str, count: usize| {
        format!("{}{inner}{}", open.repeat(count), close.repeat(count))
    };
    let mixed = around("(1 + ", "1", ")", levels / 2);
    vec![
        around("(", "true", ")", levels),
        around("[", "true", "]", levels - 1) + " == " + &around("[", "true", "]", levels - 1),
        around("if true then ", "true", " else false", levels),
        format!("{}true", "if false then false else ".repeat(levels)),
        format!("false{}{}", " || false".repeat(operators - 1), " || true"),
        format!("true{}", " && true".repeat(operators)),
        format!("1{} > 0", " + 1".repeat(operators)),
        format!("({}{mixed}{}) > 0", "if true then (".repeat(levels / 4), ") else 0".repeat(levels / 4)),
    ]
}

fn on_stack<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(bytes).spawn(work).unwrap().join().unwrap()
}

fn compile_and_decide() -> Vec<Decision> {
    let decide_one = |condition: &String| {
        let text = format!("@id(\"deep\") forbid (principal, action, resource) when {{ {condition} }};");
        let snapshot = Snapshot::compile(&bundled_and("deep.cedar", &text)).unwrap();
        decide(&snapshot, &plain(b"anyctl")).decision
    };
    deep().iter().map(decide_one).collect()
}

#[test]
fn policies_at_the_limits_need_no_more_than_the_stated_stack() {
    let small = on_stack(STACK_BYTES, compile_and_decide);
    let large = on_stack(STACK_BYTES * 8, compile_and_decide);
    assert_eq!(small, large);
    for (condition, decision) in deep().iter().zip(&small) {
        let codes: Vec<&str> = decision.reasons().map(|(_, reason)| reason.code.as_str()).collect();
        assert_eq!(codes, ["policy.forbid"], "{condition:.60}");
    }
}
