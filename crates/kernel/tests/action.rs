//! Every status with every event, against one table; then the two orders that must never break,
//! over every path the table allows.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use cascade_kernel::action::{Action, DECIDE_ATTEMPTS_MAX, Effect, Event, Record, Status};

/// `path of events -> effects of the last one`. Whatever is not listed must be refused.
const TABLE: &str = include_str!("action.table");

fn event(word: &str) -> Event {
    let found = Event::EACH.iter().find(|event| name(**event) == word);
    *found.expect(word)
}

fn name(event: Event) -> String {
    match event {
        Event::Decided { dry_run: true, .. } => "dry-run".into(),
        Event::Decided { breaks_glass: true, .. } => "glass".into(),
        Event::Decided { verdict, .. } => verdict.as_str().into(),
        Event::Ended(ending) => format!("{ending:?}").to_lowercase(),
        other => format!("{other:?}"),
    }
}

fn walk(path: &str) -> (Action, Vec<Effect>) {
    let (mut action, mut effects) = Action::submit();
    for word in path.split_whitespace() {
        effects = action.step(event(word)).expect(path);
    }
    (action, effects)
}

#[test]
fn every_status_with_every_event() {
    let mut rows = BTreeSet::new();
    let mut paths = BTreeSet::from([String::new()]);
    for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (path, want) = line.split_once("->").expect(line);
        let path = path.split_whitespace().collect::<Vec<_>>().join(" ");
        let (action, effects) = walk(&path);
        let got = effects.iter().map(|effect| format!("{effect:?}")).collect::<Vec<_>>().join(" ");
        assert_eq!(got, want.trim(), "{path}");
        rows.insert(path.clone());
        if !matches!(action.status(), Status::Closed(_) | Status::Broken(_)) {
            paths.insert(path);
        }
    }
    // The negative space: from each status the table reaches, every unlisted event is refused and
    // changes nothing.
    for path in &paths {
        for event in Event::EACH {
            let longer = format!("{path} {}", name(event)).trim().to_owned();
            let (mut action, _) = walk(path);
            let before = action;
            let taken = action.step(event).is_ok();
            let returns = rows.iter().any(|row| same_place(row, &longer));
            assert_eq!(taken, rows.contains(&longer) || returns, "{longer}");
            assert!(taken || action == before, "{longer} changed the state");
        }
    }
    for end in ["deny Durable", "admit Prepared AppendFailed"] {
        for event in Event::EACH {
            assert!(walk(end).0.step(event).is_err(), "{end} then {event:?}");
        }
    }
}

/// Two paths that stand at the same status take the same events; the table lists one of them.
fn same_place(listed: &str, longer: &str) -> bool {
    let split = |path: &str| {
        path.rsplit_once(' ').map_or((String::new(), path.to_owned()), |(a, b)| (a.into(), b.into()))
    };
    let ((from, last), (longer_from, longer_last)) = (split(listed), split(longer));
    last == longer_last && walk(&from).0.status() == walk(&longer_from).0.status()
}

#[test]
fn nothing_starts_without_intent_and_nothing_leaves_without_a_receipt() {
    fn explore(action: Action, durable: usize, effects: &[Effect], depth: usize) {
        let mut appended = None;
        for effect in effects {
            match effect {
                Effect::Append(record) => appended = Some(*record),
                Effect::Start | Effect::Release => {
                    assert!(durable > 0, "{effect:?} before a durable receipt");
                }
                _ => {}
            }
        }
        assert!(
            appended.is_none() || !effects.contains(&Effect::Release),
            "output leaves before the receipt asked for in the same step"
        );
        if depth == 0 {
            return;
        }
        for event in Event::EACH {
            let mut next = action;
            if let Ok(effects) = next.step(event) {
                // A fresh decision starts from nothing durable.
                let durable = match event {
                    Event::Durable => durable + 1,
                    Event::Stale => 0,
                    // What was durable before is not the intent that is asked for now.
                    _ if effects.contains(&Effect::Append(Record::Intent)) => 0,
                    _ => durable,
                };
                explore(next, durable, &effects, depth - 1);
            }
        }
    }
    let (action, effects) = Action::submit();
    explore(action, 0, &effects, 12);
}

#[test]
fn a_world_that_never_settles_is_given_up() {
    let (mut action, _) = Action::submit();
    for attempt in 1..=DECIDE_ATTEMPTS_MAX {
        action.step(event("deny")).expect("decided");
        let effects = action.step(Event::Stale).expect("stale");
        assert_eq!(effects.contains(&Effect::Decide), attempt < DECIDE_ATTEMPTS_MAX, "attempt {attempt}");
    }
    assert!(matches!(action.status(), Status::Broken(_)));
}

#[test]
fn a_heartbeat_that_never_settles_revokes() {
    let (mut action, _) = walk("admit Prepared Durable SegmentReady");
    for attempt in 1..=DECIDE_ATTEMPTS_MAX {
        let effects = action.step(Event::Stale).expect("stale");
        let given_up = attempt == DECIDE_ATTEMPTS_MAX;
        assert_eq!(effects, [if given_up { Effect::Revoke } else { Effect::Review }], "attempt {attempt}");
        if !given_up {
            action.step(event("admit")).expect("admitted");
        }
    }
    assert_eq!(action.status(), Status::Revoking);
    // One heartbeat that stands, and the count begins again.
    let (mut action, _) = walk("admit Prepared Durable SegmentReady Stale admit Durable SegmentReady");
    assert_eq!(action.step(Event::Stale).expect("stale"), [Effect::Review]);
}
