//! Schedules: each time at which one is due is dealt with once, whoever looks.

use cascade_ledger::{AppendError, Appended, Draft, INVOCATIONS_KEPT, Ledger};
use cascade_receipt::content::{
    Action, Body, ChainStarted, CronInvocation, CronOutcome, Halted, OfSpec, Ref, Rel, ScheduleChange,
    ScheduleChanged,
};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::time::Timestamp;
use cascade_receipt::verify::{Options, Verifier};

use crate::fixture::{ADMIN, PERSON, action, closed, create, draft, escalation, open, reference, started};

const ADDED: ScheduleChange = ScheduleChange::Added { schedule: [6; 8], schedule_hash: Digest([7; 32]) };

fn changed(change: ScheduleChange, refs: Vec<Ref>) -> Draft {
    draft(Body::ScheduleChanged(ScheduleChanged { action: Action { refs, ..action("change") }, change }))
}

fn scheduled(ledger: &Ledger) -> Appended {
    ledger.append(changed(ADDED, Vec::new())).unwrap()
}

fn fires(schedule: &Appended, due: Option<Timestamp>, outcome: CronOutcome) -> Draft {
    draft(Body::CronInvocation(CronInvocation {
        schedule: reference(Rel::Cron, schedule),
        due,
        outcome,
        principal: PERSON,
        reasons: Vec::new(),
    }))
}

/// The next millisecond after `appended`, once it is there.
fn due(appended: &Appended) -> Timestamp {
    let due = Timestamp::from_ms(appended.timestamp.ms() + 1);
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    while now() <= u128::from(due.ms()) {
        std::thread::yield_now();
    }
    due
}

fn refused(ledger: &Ledger, draft: Draft) -> AppendError {
    ledger.append(draft).unwrap_err()
}

/// The log is what a stranger's verifier accepts, and the views are what it gives.
fn check(ledger: &Ledger) {
    let mut verifier = Verifier::new(Options::default());
    for line in ledger.lines(0..u64::MAX) {
        verifier.line(line.unwrap().text.as_bytes());
    }
    let verdict = verifier.finish();
    assert!(verdict.valid(), "{:?}", verdict.fault());
    let fsck = || ledger.fsck(&mut |_, _| {}).unwrap();
    assert!(fsck().is_clean(), "{:?}", fsck());
    ledger.rebuild_views().unwrap();
    assert!(fsck().is_clean(), "{:?}", fsck());
}

#[test]
fn a_schedule_is_added_paused_resumed_and_removed_once_each() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let schedule = scheduled(&ledger);
    let named = |to: &Appended| vec![reference(Rel::Cron, to)];
    assert_eq!(refused(&ledger, changed(ADDED, Vec::new())), AppendError::ScheduleTaken);
    let gone = |id| AppendError::ScheduleGone { schedule: id };
    assert_eq!(refused(&ledger, changed(ScheduleChange::Paused, Vec::new())), gone(ReceiptId([0; 8])));
    let id = schedule.receipt_id;
    let state = |state| AppendError::ScheduleState { schedule: id, state };
    assert_eq!(refused(&ledger, changed(ScheduleChange::Resumed, named(&schedule))), state("not paused"));
    let other = Appended { entry_hash: Digest([1; 32]), ..schedule.clone() };
    assert_eq!(refused(&ledger, changed(ScheduleChange::Paused, named(&other))), gone(id));

    let paused = ledger.append(changed(ScheduleChange::Paused, named(&schedule))).unwrap();
    assert_eq!(refused(&ledger, changed(ScheduleChange::Paused, named(&schedule))), state("paused"));
    let meanwhile = due(&paused);
    assert_eq!(refused(&ledger, fires(&schedule, Some(meanwhile), CronOutcome::Run)), state("paused"));
    let resumed = ledger.append(changed(ScheduleChange::Resumed, named(&schedule))).unwrap();
    let known = ledger.schedule(id).unwrap().unwrap();
    assert_eq!((known.paused, known.through, known.changed_seq), (false, resumed.timestamp, resumed.seq));
    assert_eq!(ledger.schedules_changed().unwrap(), Some(resumed.seq));
    // What was due while it was paused is none of its business.
    let handled = AppendError::CronHandled { schedule: id };
    assert_eq!(refused(&ledger, fires(&schedule, Some(meanwhile), CronOutcome::Run)), handled);

    ledger.append(changed(ScheduleChange::Removed, named(&schedule))).unwrap();
    assert_eq!(refused(&ledger, changed(ScheduleChange::Removed, named(&schedule))), gone(id));
    assert_eq!(refused(&ledger, fires(&schedule, None, CronOutcome::Run)), gone(id));
    assert_eq!(ledger.schedule_named([6; 8]).unwrap(), None);
    let again = scheduled(&ledger);
    assert_eq!(ledger.schedule_named([6; 8]).unwrap().map(|one| one.receipt_id), Some(again.receipt_id));
    assert_eq!(ledger.schedules().unwrap().len(), 1);
    check(&ledger);
}

#[test]
fn a_time_is_dealt_with_once() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let schedule = scheduled(&ledger);
    let id = schedule.receipt_id;
    let (handled, early) =
        (AppendError::CronHandled { schedule: id }, AppendError::CronEarly { schedule: id });
    let run = |due| fires(&schedule, Some(due), CronOutcome::Run);
    assert_eq!(refused(&ledger, run(schedule.timestamp)), handled, "it was due before it was there");
    assert_eq!(refused(&ledger, run(Timestamp::from_ms(4_000_000_000_000))), early);
    assert_eq!(refused(&ledger, fires(&schedule, None, CronOutcome::Skip)), early);
    let first = due(&schedule);
    let fired = ledger.append(run(first)).unwrap();
    for again in [run(first), fires(&schedule, Some(first), CronOutcome::Skip)] {
        assert_eq!(refused(&ledger, again), handled);
    }
    // Another process sees the same.
    assert_eq!(refused(&open(dir.path()), run(first)), handled);
    let (second, miss) = (due(&fired), |until| CronOutcome::Miss { until, count: 1, truncated: false });
    assert_eq!(refused(&ledger, fires(&schedule, Some(second), miss(first))), early);
    let until = due(&fired);
    let missed = ledger.append(fires(&schedule, Some(second), miss(until))).unwrap();
    assert_eq!(refused(&ledger, run(until)), handled);
    // At once is no time of its own, however often.
    ledger.append(fires(&schedule, None, CronOutcome::Run)).unwrap();
    ledger.append(fires(&schedule, None, CronOutcome::Run)).unwrap();
    assert_eq!(ledger.schedule(id).unwrap().unwrap().through, until);
    let all = ledger.invocations(id, 10).unwrap();
    let told: Vec<_> = all.iter().map(|one| (one.outcome.as_str(), one.due, one.count)).collect();
    let expected = [("run", None, 0), ("run", None, 0), ("miss", Some(second), 1), ("run", Some(first), 0)];
    assert_eq!(told, expected);
    assert_eq!(all[2].receipt_id, missed.receipt_id);

    ledger
        .append(draft(Body::Halted(Halted { principal: ADMIN, on_behalf_of: None, reason_hash: None })))
        .unwrap();
    let next = due(&missed);
    assert_eq!(refused(&ledger, run(next)), AppendError::Halted);
    assert_eq!(refused(&ledger, changed(ADDED, Vec::new())), AppendError::ScheduleTaken);
    ledger.append(fires(&schedule, Some(next), CronOutcome::Skip)).unwrap();
    check(&ledger);
}

#[test]
fn one_thing_runs_for_an_invocation() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let schedule = scheduled(&ledger);
    let fired = ledger.append(fires(&schedule, Some(due(&schedule)), CronOutcome::Run)).unwrap();
    let skipped = ledger.append(fires(&schedule, Some(due(&fired)), CronOutcome::Skip)).unwrap();
    let of = |to: &Appended| vec![reference(Rel::Cron, to)];
    let unknown = |to: &Appended| AppendError::CronUnknown { invocation: to.receipt_id };
    for nothing in [&skipped, &schedule] {
        assert_eq!(refused(&ledger, started("run", of(nothing))), unknown(nothing));
        let blocked = draft(Body::Blocked(Action { refs: of(nothing), ..action("run") }));
        assert_eq!(refused(&ledger, blocked), unknown(nothing));
    }
    let mut asked = escalation("run", 1);
    if let Body::Escalation(escalation) = &mut asked.body {
        escalation.action.refs = of(&fired);
        escalation.action.decision = ruled(cascade_receipt::decision::GateOutcome::Escalate);
    }
    let asked = ledger.append(asked).unwrap();
    let kind = || ledger.invocations(schedule.receipt_id, 2).unwrap().remove(1).action;
    assert_eq!(kind(), Some((asked.receipt_id, "escalation".to_owned())));
    let intent = ledger.append(started("other", of(&fired))).unwrap();
    assert_eq!(kind(), Some((intent.receipt_id, "task_started".to_owned())));
    let used = AppendError::CronUsed { invocation: fired.receipt_id };
    assert_eq!(refused(&ledger, started("other", of(&fired))), used);
    let spec = Some(OfSpec { spec_hash: Digest::of(b"spec"), step: None });
    let chain = Action { spec, refs: of(&fired), ..action("chain") };
    let chain = draft(Body::ChainStarted(ChainStarted { action: chain, signatures: Vec::new() }));
    assert_eq!(refused(&ledger, chain), used);
    ledger.append(closed(&intent)).unwrap();
    let blocked = Action {
        refs: of(&fired),
        decision: ruled(cascade_receipt::decision::GateOutcome::Deny),
        ..action("x")
    };
    ledger.append(draft(Body::Blocked(blocked))).unwrap();
    assert_eq!(
        kind(),
        Some((intent.receipt_id, "task_started".to_owned())),
        "what ran stays what came of it"
    );
    check(&ledger);
}

fn ruled(outcome: cascade_receipt::decision::GateOutcome) -> cascade_receipt::decision::Decision {
    let mut gates = action("x").decision.gates;
    gates[0].outcome = outcome;
    cascade_receipt::decision::Decision::from_gates(gates)
}

#[test]
fn the_view_keeps_the_newest_invocations() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let schedule = scheduled(&ledger);
    let most = usize::try_from(INVOCATIONS_KEPT).unwrap();
    let all: Vec<_> =
        (0..=most).map(|_| ledger.append(fires(&schedule, None, CronOutcome::Run)).unwrap()).collect();
    let kept = ledger.invocations(schedule.receipt_id, INVOCATIONS_KEPT + 1).unwrap();
    assert_eq!((kept.len(), kept[0].seq, kept[most - 1].seq), (most, all[most].seq, all[1].seq));
    let unknown = AppendError::CronUnknown { invocation: all[0].receipt_id };
    assert_eq!(refused(&ledger, started("late", vec![reference(Rel::Cron, &all[0])])), unknown);
    ledger.append(started("in time", vec![reference(Rel::Cron, &all[1])])).unwrap();
    check(&ledger);
}
