//! Tasks in words: whatever is said, what is offered is an argv of a worker, and no value of it is an option.

use cascade_policy::worker::{GRADE_MARGIN, GRADE_MIN, How, Planned, TEXT_BYTES_MAX, VALUE_BYTES_MAX};
use cascade_receipt::decision::RiskTier;

use crate::shell::{builtin, on_small_stack};

pub(crate) fn task(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    on_small_stack(|| {
        let plans = builtin().plans(text);
        assert_eq!(plans, builtin().plans(text), "not deterministic");
        assert!(plans.is_empty() || text.len() <= TEXT_BYTES_MAX);
        let best = plans.first().map_or(0, |plan| plan.grade);
        for plan in &plans {
            assert!(plan.grade >= GRADE_MIN && best - plan.grade <= GRADE_MARGIN, "{plan:?}");
            sound(plan);
        }
    });
}

fn sound(plan: &Planned) {
    assert!(plan.argv.first().is_some_and(|program| *program == plan.worker), "{plan:?}");
    let words: Vec<Vec<u8>> = plan.argv.iter().map(|word| word.clone().into_bytes()).collect();
    assert_eq!(plan.tier, builtin().classify_argv(&words, &[]).tier, "{plan:?}");
    assert!(!plan.reads || plan.tier == RiskTier::Low, "{plan:?}");
    assert!(plan.tier <= RiskTier::Medium || plan.grade == 100, "{plan:?}");
    assert!(plan.argv.iter().all(|word| !word.is_empty() && !word.chars().any(char::is_control)), "{plan:?}");
    let before = plan.argv.iter().take_while(|word| *word != "--");
    let options: Vec<&String> = before.filter(|word| word.starts_with('-')).collect();
    for heard in &plan.words {
        let value = matches!(heard.how, How::Value(_) | How::Bare(_) | How::Known(_) | How::Common(_));
        if value && heard.text.starts_with('-') {
            assert!(!options.contains(&&heard.text), "{plan:?}");
        }
        assert!(!value || heard.text.len() <= VALUE_BYTES_MAX, "{plan:?}");
    }
}
