//! Whatever the text, the engine answers or refuses; it never panics and never runs on.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use cascade_synthesis::limits::STEPS_MAX;
use cascade_synthesis::search::{Budget, Vocabulary, search};
use cascade_synthesis::spec::Task;
use cascade_synthesis::term::{Form, Scope, Term, evaluate};
use cascade_synthesis::types::Type;
use cascade_synthesis::value::{Fail, Value, parse, parse_prefix};
use proptest::prelude::*;

/// Any literal there is, edges among them.
fn literal() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("None".to_owned()),
        any::<bool>().prop_map(|b| if b { "True".to_owned() } else { "False".to_owned() }),
        any::<i64>().prop_map(|i| i.to_string()),
        Just(i64::MIN.to_string()),
        (-9..9_i64).prop_map(|i| i.to_string()),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| Value::Float(f).repr()),
        "[a-c é(]{0,5}".prop_map(|s| Value::text(&s).repr()),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..6);
        prop_oneof![
            items.clone().prop_map(|items| format!("[{}]", items.join(", "))),
            items.prop_map(|items| format!(
                "({})",
                items.iter().map(|item| format!("{item},")).collect::<String>()
            )),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{{'k': {a}, 3: {b}}}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_examples_are_searched(calls in prop::collection::vec((literal(), literal(), literal()), 1..4)) {
        let lines: Vec<String> = calls.iter().map(|(a, b, c)| format!("f({a}, {b}) == {c}\n")).collect();
        let text = format!("def f(a, b):\n{}", lines.concat());
        // Equal arguments with unequal results are refused; everything else is a task.
        if let Ok(task) = Task::parse(&text, None) {
            prop_assert_eq!(task.examples.len(), calls.len());
            let outcome = search(&task, Vocabulary::Library, &mut Budget { terms: 1_500, keep_going: &mut || true });
            for found in &outcome.candidates {
                for example in &task.examples {
                    let value = evaluate(&found.term, &example.arguments, STEPS_MAX);
                    prop_assert_eq!(value.as_ref(), Ok(&example.expected), "{}", found.python);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[\\PC\n]{0,80}") {
        drop(parse(&text));
        drop(Type::parse(&text));
        drop(Task::parse(&text, None));
    }

    #[test]
    fn near_tasks_are_read_or_refused(text in "(def f\\([a-c:=, \\[\\]0-9]{0,12}\\)?:?\n?|f\\([a-c0-9\\[\\]'(),é= ]{0,10}\\)?|>>> ?|==|->|\n| |[0-9'\\[\\]]){0,14}") {
        if let Ok(task) = Task::parse(&text, None) {
            let outcome = search(&task, Vocabulary::Library, &mut Budget { terms: 300, keep_going: &mut || true });
            for found in &outcome.candidates {
                for example in &task.examples {
                    let value = evaluate(&found.term, &example.arguments, STEPS_MAX);
                    prop_assert_eq!(value.as_ref(), Ok(&example.expected), "{}", found.python);
                }
            }
        }
    }

    #[test]
    fn what_is_printed_reads_back(text in "[\\PC\n\t\\\\'\"]{0,20}", number in any::<i64>(), float in -1e300..1e300_f64) {
        for value in [Value::text(&text), Value::Int(number), Value::Float(float)] {
            let printed = value.repr();
            let (read, used) = parse_prefix(&printed).unwrap();
            prop_assert_eq!(used, printed.len());
            prop_assert_eq!(read.repr(), printed);
            prop_assert_eq!(read, value);
        }
    }
}

fn counted(times: i64) -> Term {
    let range = cascade_synthesis::ops::named("range").unwrap();
    Term::Call(range, vec![Term::Const(Value::Int(times))])
}

fn each(source: Term, body: Term) -> Term {
    Term::Scope(Box::new(Scope { form: Form::Count, source, binders: 1, body, filter: None }))
}

#[test]
fn loops_in_loops_stop_at_the_step_budget() {
    let inner = each(counted(1_000), Term::Const(Value::Bool(true)));
    let outer = each(counted(1_000), inner.clone());
    assert_eq!(evaluate(&inner, &[], STEPS_MAX), Ok(Value::Int(1_000)));
    assert_eq!(evaluate(&outer, &[], STEPS_MAX), Err(Fail::Steps));
}

#[test]
fn deep_terms_stop_at_the_depth_limit() {
    let not = cascade_synthesis::ops::named("not").unwrap();
    let nested =
        |depth| (0..depth).fold(Term::Const(Value::Bool(true)), |term, _| Term::Call(not, vec![term]));
    let most = cascade_synthesis::limits::TERM_DEPTH_MAX - 1;
    assert!(evaluate(&nested(most), &[], STEPS_MAX).is_ok());
    assert_eq!(evaluate(&nested(most + 1), &[], STEPS_MAX), Err(Fail::Steps));
}

#[test]
fn what_grows_too_large_ends_the_term() {
    let named = |name| cascade_synthesis::ops::named(name).unwrap();
    let call = |name, arguments: &[&str]| {
        let arguments = arguments.iter().map(|text| Term::Const(parse(text).unwrap())).collect();
        evaluate(&Term::Call(named(name), arguments), &[], STEPS_MAX)
    };
    assert_eq!(call("add", &["9223372036854775807", "1"]), Err(Fail::TooBig));
    assert_eq!(call("mul", &["-9223372036854775808", "-1"]), Err(Fail::TooBig));
    assert_eq!(call("floor_div", &["-9223372036854775808", "-1"]), Err(Fail::TooBig));
    assert_eq!(call("range", &["4096"]).map(|value| value.repr().len() > 4096), Ok(true));
    assert_eq!(call("range", &["4097"]), Err(Fail::TooBig));
    assert_eq!(call("text_times", &["'ab'", "8193"]), Err(Fail::TooBig));
    assert!(call("text_times", &["'ab'", "8192"]).is_ok());
    assert_eq!(call("is_prime", &["9000000000000000001"]), Err(Fail::TooBig));
    assert_eq!(call("fibonacci", &["100"]), Err(Fail::TooBig));
    assert_eq!(call("is_power", &["9223372036854775807", "2"]), Err(Fail::TooBig));
}

#[test]
fn wide_tuples_stay_whole() {
    let row = |n: i64| format!("({})", (0..70).map(|i| (n * i).to_string()).collect::<Vec<_>>().join(", "));
    let text =
        format!("def f(rows):\nf([{}, {}]) == [0, 0]\nf([{}]) == [0]\nf([]) == []\n", row(1), row(2), row(3));
    let task = Task::parse(&text, None).unwrap();
    let outcome = search(&task, Vocabulary::Library, &mut Budget { terms: 3_000, keep_going: &mut || true });
    assert!(outcome.candidates.iter().all(|found| !found.python.contains("for x, y, z, u, v")));
}
