use cascade_policy::decide::{STACK_BYTES, decide};
use cascade_policy::snapshot::{DEPTH_MAX, Snapshot};
use cascade_receipt::decision::Decision;

use crate::facts::plain;
use crate::setting::bundled_and;

/// A condition of `size` levels, true only if all of it was evaluated.
type Shape = fn(size: usize) -> String;

const SHAPES: [(&str, Shape); 9] = [
    ("parentheses", |size| around("(", "context.hour == 12", ")", size)),
    ("sets", |size| around("[", "context.hour", "]", size) + " == " + &around("[", "12", "]", size)),
    ("if within then", |size| around("if context.hour == 12 then ", "true", " else false", size)),
    ("if within else", |size| "if context.hour == 3 then false else ".repeat(size) + "true"),
    ("or", |size| format!("{}context.hour == 12", "context.hour == 3 || ".repeat(size))),
    ("and", |size| format!("{}context.hour == 12", "context.hour < 13 && ".repeat(size))),
    ("sum", |size| format!("context.hour{} > 12", " + 1".repeat(size))),
    ("path", |size| format!("!(context has a{})", ".a".repeat(size))),
    ("calls", |size| around("[", "[true].contains(true)", "].contains(true)", size)),
];

fn around(open: &str, inner: &str, close: &str, size: usize) -> String {
    format!("{}{inner}{}", open.repeat(size), close.repeat(size))
}

fn compiled(condition: &str) -> Result<Snapshot, String> {
    let text = format!("@id(\"deep\") forbid (principal, action, resource) when {{ {condition} }};");
    let snapshot = Snapshot::compile(&bundled_and("deep.cedar", &text));
    snapshot.map_err(|faults| faults.iter().map(|fault| fault.code).collect())
}

/// The largest size of each shape that the limits let through, and what it decides.
fn at_the_limits() -> Vec<(&'static str, usize, Decision)> {
    let largest = |(name, shape): (&'static str, Shape)| {
        let sizes = (1..=DEPTH_MAX).rev();
        let fits = sizes.filter_map(|size| Some((size, compiled(&shape(size)).ok()?))).next();
        let (size, snapshot) = fits.expect("one level fits");
        (name, size, decide(&snapshot, &plain(b"anyctl")).decision)
    };
    SHAPES.into_iter().map(largest).collect()
}

fn on_stack<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(bytes).spawn(work).unwrap().join().unwrap()
}

#[test]
fn policies_at_the_limits_need_no_more_than_the_stated_stack() {
    let small = on_stack(STACK_BYTES, at_the_limits);
    let large = on_stack(STACK_BYTES * 8, at_the_limits);
    assert_eq!(small, large);
    for (name, size, decision) in &small {
        let codes: Vec<&str> = decision.reasons().map(|(_, reason)| reason.code.as_str()).collect();
        assert_eq!(codes, ["policy.forbid"], "{name} {size}");
        assert!((7..=DEPTH_MAX).contains(size), "{name} {size}");
    }
}

#[test]
fn what_is_far_too_deep_is_refused_on_the_stated_stack() {
    for size in [DEPTH_MAX * 2, DEPTH_MAX * 8, DEPTH_MAX * 20] {
        let faults = on_stack(STACK_BYTES, move || SHAPES.map(|(_, shape)| compiled(&shape(size)).err()));
        assert!(faults.iter().all(|fault| fault.as_deref() == Some("policy.limit")), "{size}: {faults:?}");
    }
}
