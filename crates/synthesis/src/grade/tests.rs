use super::*;

/// Everything speaks for it.
fn best() -> Evidence {
    Evidence {
        examples: 5,
        results: 5,
        held: Some(Held { examples: 5, kept: 5, needed: 1 }),
        luck: 1e-6,
        gap: None,
        beyond: 2,
        nodes: 2,
        cost: 3,
        decision_tree: false,
        ignored: 0,
        probes: 8,
        valued: 8,
        agreeing: 8,
        spoken: 1,
        unspoken: 0,
        strange: 0,
        overlap: 0.5,
    }
}

fn total(change: impl Fn(&mut Evidence)) -> u8 {
    let mut evidence = best();
    change(&mut evidence);
    grade(&evidence).total
}

#[test]
fn the_parts_add_up_to_a_hundred_at_most() {
    let graded = grade(&best());
    assert_eq!(graded.total, 100);
    assert_eq!(graded.parts.iter().map(|part| u32::from(part.of)).sum::<u32>(), 100);
    assert!(
        graded.parts.iter().all(|part| part.points <= i8::try_from(part.of).unwrap() && !part.why.is_empty())
    );
}

#[test]
fn each_piece_of_evidence_counts() {
    let lowered: [(&str, u8); 12] = [
        ("held out", total(|e| e.held = Some(Held { examples: 5, kept: 2, needed: 1 }))),
        ("predicted", total(|e| e.held = Some(Held { examples: 5, kept: 5, needed: 4 }))),
        ("a close rival", total(|e| e.gap = Some(0))),
        ("nothing searched beyond", total(|e| e.beyond = -1)),
        ("luck", total(|e| e.luck = 2.0)),
        ("size", total(|e| e.cost = 30)),
        ("unspoken", total(|e| e.unspoken = 1)),
        ("strange", total(|e| e.strange = 1)),
        ("overlap", total(|e| e.overlap = 0.39)),
        ("raises nearby", total(|e| e.valued = 7)),
        ("ignored", total(|e| e.ignored = 1)),
        ("tree", total(|e| e.decision_tree = true)),
    ];
    for (what, total) in lowered {
        assert!(total < 100, "{what} made no difference");
    }
    assert!(total(|e| e.agreeing = 3) < 100);
}

#[test]
fn a_program_that_ignores_a_parameter_needs_nearly_everything_else_for_it_and_stays_below() {
    let evidence = Evidence { ignored: 1, ..best() };
    assert_eq!(grade(&evidence).verdict(), Verdict::Retry);
    assert_eq!(grade(&best()).verdict(), Verdict::Admit);
}

#[test]
fn sixty_is_enough_and_less_is_not() {
    let at = |total| Grade { total, parts: Vec::new() }.verdict();
    assert_eq!(at(ADMIT_MIN), Verdict::Admit);
    assert_eq!(at(ADMIT_MIN - 1), Verdict::Retry);
}

#[test]
fn a_program_that_examples_were_split_for_stays_below() {
    let fitted =
        Evidence { held: Some(Held { examples: 5, kept: 0, needed: 5 }), decision_tree: true, ..best() };
    assert_eq!(grade(&fitted).verdict(), Verdict::Retry);
}

#[test]
fn nothing_known_gives_next_to_nothing() {
    let nothing = Evidence { luck: f64::NAN, gap: Some(-9), cost: 99, probes: 2, ..Evidence::default() };
    assert!(grade(&nothing).total <= 10, "{:?}", grade(&nothing));
}
