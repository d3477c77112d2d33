//! What is asked next, what is taken, and the order that must never break: an answer leaves behind its receipt alone.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use cascade_kernel::action::DECIDE_ATTEMPTS_MAX;
use cascade_kernel::route::{Acted, Effect, Event, Outcome, Record, Reply, Route, Slot, Status, Taken};
use cascade_receipt::content::Evidence;
use cascade_receipt::decision::Verdict;

const PURE: Slot = Slot { acts: false, spends: false, smoked: true, admit_min: 60 };
const MODEL: Slot = Slot { acts: true, spends: true, smoked: true, admit_min: 0 };
const ADMIT: Event = Event::Decided { verdict: Verdict::Admit, dry_run: false };
const PASS: Event = Event::Replied(Reply::Pass);

const fn take(grade: u8, evidence: Evidence, smoked: bool, question: bool) -> Event {
    Event::Replied(Reply::Take { grade, evidence, smoked, question })
}

const fn checked(grade: u8) -> Event {
    take(grade, Evidence::Checked, true, false)
}

fn walk(slots: &[Slot], spend: bool, events: &[Event]) -> Vec<Effect> {
    let (mut route, mut effects) = Route::submit(slots.to_vec(), spend);
    for event in events {
        effects = route.step(*event).expect("can happen");
    }
    effects
}

fn walk_approved(slots: &[Slot], events: &[Event]) -> Vec<Effect> {
    let (mut route, mut effects) = Route::submit_approved(slots.to_vec(), false);
    for event in events {
        effects = route.step(*event).expect("can happen");
    }
    effects
}

fn answered(slot: usize, evidence: Evidence) -> Vec<Effect> {
    vec![Effect::Release, Effect::Report(Outcome::Answered(Taken { slot, evidence }))]
}

#[test]
fn the_first_good_enough_answer_is_taken() {
    let slots = [PURE, PURE, MODEL];
    let rows: &[(&[Event], Vec<Effect>)] = &[
        (&[ADMIT], vec![Effect::Ask(0)]),
        (&[ADMIT, PASS], vec![Effect::Ask(1)]),
        (&[ADMIT, PASS, PASS], vec![Effect::Act(2)]),
        (&[ADMIT, checked(60), Event::Durable], answered(0, Evidence::Checked)),
        (&[ADMIT, checked(59)], vec![Effect::Ask(1)]),
        // What was verified needs no grade.
        (&[ADMIT, take(0, Evidence::Verified, true, false), Event::Durable], answered(0, Evidence::Verified)),
        // What was not run is never taken, whatever is said of it.
        (&[ADMIT, take(100, Evidence::Verified, false, false)], vec![Effect::Ask(1)]),
        // A better one that is held stays.
        (
            &[ADMIT, checked(50), checked(40), Event::Ended(Acted::Passed), Event::Durable],
            answered(0, Evidence::Proposed),
        ),
        (
            &[ADMIT, checked(40), checked(50), Event::Ended(Acted::Failed), Event::Durable],
            answered(1, Evidence::Proposed),
        ),
        // A question comes before tokens.
        (
            &[ADMIT, take(40, Evidence::Checked, true, true), PASS, Event::Durable],
            answered(0, Evidence::Proposed),
        ),
        (&[ADMIT, Event::Replied(Reply::Refuse)], vec![Effect::Append(Record::Intent)]),
        (&[ADMIT, Event::Replied(Reply::Ask)], vec![Effect::Append(Record::Intent)]),
        (
            &[ADMIT, PASS, PASS, Event::Ended(Acted::Answered)],
            vec![Effect::Report(Outcome::Acted(2, Acted::Answered))],
        ),
        (
            &[ADMIT, PASS, PASS, Event::Ended(Acted::Failed)],
            vec![Effect::Report(Outcome::Acted(2, Acted::Failed))],
        ),
        (
            &[ADMIT, PASS, PASS, Event::Ended(Acted::Passed), Event::Durable, Event::Durable],
            vec![Effect::Report(Outcome::Unanswered)],
        ),
    ];
    for (events, want) in rows {
        assert_eq!(walk(&slots, false, events), *want, "{events:?}");
    }
    let asked = walk(&slots, true, &[ADMIT, take(40, Evidence::Checked, true, true), PASS]);
    assert_eq!(asked, [Effect::Act(2)], "the caller would rather spend");
}

#[test]
fn what_is_not_admitted_asks_nobody() {
    let decided = |verdict, dry_run| walk(&[PURE], false, &[Event::Decided { verdict, dry_run }]);
    assert_eq!(decided(Verdict::Deny, false), [Effect::Append(Record::Blocked)]);
    assert_eq!(decided(Verdict::Escalate, false), [Effect::Append(Record::Escalation)]);
    assert_eq!(decided(Verdict::Admit, true), [Effect::Append(Record::DryRun)]);
}

#[test]
fn an_answer_whose_decision_went_stale_is_decided_again_and_not_sought_again() {
    let stale = [ADMIT, checked(90), Event::Stale];
    assert_eq!(walk(&[PURE], false, &stale), [Effect::Decide]);
    assert_eq!(walk(&[PURE], false, &[&stale[..], &[ADMIT]].concat()), [Effect::Append(Record::Answer)]);
    let deny = Event::Decided { verdict: Verdict::Deny, dry_run: false };
    assert_eq!(walk(&[PURE], false, &[&stale[..], &[deny]].concat()), [Effect::Append(Record::Blocked)]);

    let (mut route, _) = Route::submit(vec![PURE], false);
    route.step(ADMIT).expect("admitted");
    route.step(checked(90)).expect("taken");
    for attempt in 1..DECIDE_ATTEMPTS_MAX {
        assert_eq!(route.step(Event::Stale).expect("stale"), [Effect::Decide], "attempt {attempt}");
        route.step(ADMIT).expect("admitted");
    }
    route.step(Event::Stale).expect("stale");
    assert!(matches!(route.status(), Status::Broken(_)));
}

#[test]
fn an_approval_is_used_up_before_a_layer_acts() {
    let slots = [PURE, MODEL];
    let rows: &[(&[Event], Vec<Effect>)] = &[
        // An answer without an action uses it up by its own receipt.
        (&[ADMIT, checked(60)], vec![Effect::Append(Record::Answer)]),
        (&[ADMIT, PASS], vec![Effect::Append(Record::Intent)]),
        (&[ADMIT, PASS, Event::Stale], vec![Effect::Decide]),
        (&[ADMIT, PASS, Event::Durable], vec![Effect::Act(1)]),
        (&[ADMIT, PASS, Event::Durable, Event::Ended(Acted::Answered)], vec![Effect::Append(Record::Closer)]),
        (
            &[ADMIT, PASS, Event::Durable, Event::Ended(Acted::Stopped), Event::Durable],
            vec![Effect::Report(Outcome::Acted(1, Acted::Stopped))],
        ),
        (
            &[ADMIT, PASS, Event::Durable, Event::Ended(Acted::Passed), Event::Durable],
            vec![Effect::Report(Outcome::Unanswered)],
        ),
        // What is held cannot stand on an approval that is used up.
        (
            &[ADMIT, checked(40), Event::Durable, Event::Ended(Acted::Failed), Event::Durable],
            vec![Effect::Report(Outcome::Acted(1, Acted::Failed))],
        ),
    ];
    for (events, want) in rows {
        assert_eq!(walk_approved(&slots, events), *want, "{events:?}");
    }
}

/// Over every path: `Release` follows only a durable receipt of the answer that was taken last.
#[test]
fn nothing_leaves_without_a_receipt() {
    const EVENTS: [Event; 14] = [
        ADMIT,
        Event::Decided { verdict: Verdict::Deny, dry_run: false },
        Event::Decided { verdict: Verdict::Escalate, dry_run: false },
        Event::Decided { verdict: Verdict::Admit, dry_run: true },
        PASS,
        checked(90),
        take(10, Evidence::Checked, true, true),
        take(90, Evidence::Checked, false, false),
        Event::Replied(Reply::Refuse),
        Event::Ended(Acted::Answered),
        Event::Ended(Acted::Passed),
        Event::Durable,
        Event::Stale,
        Event::AppendFailed,
    ];
    fn explore(route: &Route, asked: Option<Record>, (bound, depth): (bool, usize)) -> usize {
        if depth == 0 {
            return 0;
        }
        let mut released = 0;
        for event in EVENTS {
            let mut next = route.clone();
            let Ok(effects) = next.step(event) else { continue };
            let appended = effects.iter().find_map(|effect| match effect {
                Effect::Append(record) => Some(*record),
                _ => None,
            });
            if effects.contains(&Effect::Release) {
                assert_eq!((asked, event), (Some(Record::Answer), Event::Durable));
                released += 1;
            }
            if bound && effects.iter().any(|effect| matches!(effect, Effect::Act(_))) {
                assert_eq!((asked, event), (Some(Record::Intent), Event::Durable));
            }
            released += explore(&next, appended, (bound, depth - 1));
        }
        released
    }
    let slots = vec![PURE, PURE, MODEL];
    let (route, _) = Route::submit(slots.clone(), false);
    assert!(explore(&route, None, (false, 8)) > 0);
    let (route, _) = Route::submit_approved(slots, false);
    assert!(explore(&route, None, (true, 8)) > 0);
}
