//! Schedules and what became of the times at which they were due (check `lifecycle`).

use cascade_receipt::content::{
    Action, Body, CronInvocation, CronOutcome, Ending, Escalation, Rel, ScheduleChange, ScheduleChanged,
};
use cascade_receipt::decision::{Reason, Verdict};
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;
use cascade_receipt::verify::Code;

use crate::case::Case;
use crate::chain::{ALICE, Chain, Made, action, decision, remove, set};
use crate::halt::halted;
use crate::runs::{closing, started};
use crate::workflows::chain_started;

const ADDED: ScheduleChange = ScheduleChange::Added { schedule: [6; 8], schedule_hash: Digest([7; 32]) };

fn changed(change: ScheduleChange, schedule: Option<&Made>) -> Body {
    let refs: Vec<_> = schedule.iter().map(|made| made.as_ref(Rel::Cron)).collect();
    let action = Action { task_type: "cron".into(), ..action("schedule", Verdict::Admit, &refs) };
    Body::ScheduleChanged(ScheduleChanged { action, change })
}

fn fires(schedule: &Made, due: Option<Timestamp>, outcome: CronOutcome) -> Body {
    let reasons = match outcome {
        CronOutcome::Run => vec![],
        CronOutcome::Skip => vec![Reason::code("cron.overlap")],
        CronOutcome::Miss { .. } => vec![Reason::code("cron.absent")],
    };
    Body::CronInvocation(CronInvocation {
        schedule: schedule.as_ref(Rel::Cron),
        due,
        outcome,
        principal: ALICE(),
        reasons,
    })
}

/// A chain with a schedule.
fn scheduled() -> (Chain, Made) {
    let mut chain = Chain::founded(&[]);
    let schedule = chain.add(&changed(ADDED, None));
    (chain, schedule)
}

/// The next receipt is that of a schedule that is due as it is written.
fn due(chain: &Chain) -> Option<Timestamp> {
    Some(chain.later(1000))
}

fn fire(chain: &mut Chain, schedule: &Made) -> Made {
    let body = fires(schedule, due(chain), CronOutcome::Run);
    chain.add(&body)
}

fn fault(code: Code, comment: &'static str, chain: &Chain) -> Case {
    Case::fault(code, chain.seq() - 1, comment, chain.bytes())
}

pub(crate) fn cases(out: &mut Vec<Case>) {
    valid(out);
    refs(out);
    states(out);
    times(out);
    runs(out);
    members(out);
}

fn valid(out: &mut Vec<Case>) {
    let (mut chain, schedule) = scheduled();
    let fired = fire(&mut chain, &schedule);
    let intent = chain.add(&started("nightly", &[fired.as_ref(Rel::Cron)]));
    chain.add(&closing(Ending::Failed, &intent));
    let skipped = fires(&schedule, due(&chain), CronOutcome::Skip);
    chain.add(&skipped);
    let first = chain.later(1000);
    chain.time_ms += 7_200_000;
    let until = chain.now();
    chain.add(&fires(&schedule, Some(first), CronOutcome::Miss { until, count: 2, truncated: false }));
    let fired = fire(&mut chain, &schedule);
    chain.add(&Body::Blocked(action("nightly", Verdict::Deny, &[fired.as_ref(Rel::Cron)])));
    let fired = chain.add(&fires(&schedule, None, CronOutcome::Run));
    let Body::ChainStarted(mut run) = chain_started(b"spec", vec![]) else { panic!("a start") };
    run.action.refs.push(fired.as_ref(Rel::Cron));
    let run = chain.add(&Body::ChainStarted(run));
    chain.add(&changed(ScheduleChange::Paused, Some(&schedule)));
    chain.add(&changed(ScheduleChange::Resumed, Some(&schedule)));
    let body = fires(
        &schedule,
        due(&chain),
        CronOutcome::Miss { until: chain.later(1000), count: 10_000, truncated: true },
    );
    chain.add(&body);
    chain.add(&changed(ScheduleChange::Removed, Some(&schedule)));
    let again = chain.add(&changed(ADDED, None));
    fire(&mut chain, &again);
    let comment = "a schedule runs, is skipped, missed, denied, let run at once, paused, resumed, removed, and added anew";
    out.push(Case::valid("schedules", comment, &chain).open_chains(&[seq_of(&chain, &run)]));

    let (mut chain, schedule) = scheduled();
    let fired = fire(&mut chain, &schedule);
    let asked = chain.add(&Body::Escalation(Escalation {
        action: action("nightly", Verdict::Escalate, &[fired.as_ref(Rel::Cron)]),
        required: 1,
        groups: vec![],
        expires: chain.later(3_600_000),
        signature_required: false,
    }));
    fire(&mut chain, &schedule);
    assert_eq!(asked.id, crate::chain::receipt_id(chain.seq() - 2));
    let comment = "what a schedule starts waits for people, and the schedule goes on";
    out.push(Case::valid("schedule-escalated", comment, &chain));
}

fn seq_of(chain: &Chain, made: &Made) -> u64 {
    (0..chain.seq()).find(|seq| crate::chain::receipt_id(*seq) == made.id).expect("a receipt of it")
}

fn refs(out: &mut Vec<Case>) {
    let (mut chain, schedule) = scheduled();
    let body = fires(&schedule, due(&chain), CronOutcome::Run);
    chain.add_with(&body, |content| remove(content, "refs"));
    out.push(fault(Code::CronRef, "an invocation of no schedule", &chain));

    let (mut chain, schedule) = scheduled();
    chain.add(&changed(ADDED, Some(&schedule)));
    out.push(fault(Code::CronRef, "a schedule is added as a part of another", &chain).named("added"));

    let (mut chain, _) = scheduled();
    chain.add(&changed(ScheduleChange::Paused, None));
    out.push(fault(Code::CronRef, "no schedule is paused", &chain).named("paused"));

    let (mut chain, schedule) = scheduled();
    let fired = fire(&mut chain, &schedule);
    let body = fires(&fired, due(&chain), CronOutcome::Run);
    chain.add(&body);
    out.push(fault(Code::RefKind, "an invocation of an invocation", &chain).named("cron"));

    let (mut chain, schedule) = scheduled();
    let paused = chain.add(&changed(ScheduleChange::Paused, Some(&schedule)));
    chain.add(&changed(ScheduleChange::Resumed, Some(&paused)));
    out.push(fault(Code::RefKind, "what is resumed is not what added it", &chain).named("cron-resumed"));

    let (mut chain, schedule) = scheduled();
    chain.add(&started("nightly", &[schedule.as_ref(Rel::Cron)]));
    out.push(
        fault(Code::RefKind, "a run stands on a schedule, not on its invocation", &chain).named("cron-run"),
    );
}

fn states(out: &mut Vec<Case>) {
    for (name, comment, first, second) in [
        ("paused", "a schedule is paused twice", ScheduleChange::Paused, ScheduleChange::Paused),
        ("removed", "a schedule is paused that was removed", ScheduleChange::Removed, ScheduleChange::Paused),
    ] {
        let (mut chain, schedule) = scheduled();
        chain.add(&changed(first, Some(&schedule)));
        chain.add(&changed(second, Some(&schedule)));
        out.push(fault(Code::ScheduleState, comment, &chain).named(name));
    }
    let (mut chain, schedule) = scheduled();
    chain.add(&changed(ScheduleChange::Resumed, Some(&schedule)));
    out.push(
        fault(Code::ScheduleState, "a schedule is resumed that was not paused", &chain).named("resumed"),
    );

    for (name, comment, change) in [
        ("fires-removed", "a schedule fires that was removed", ScheduleChange::Removed),
        ("fires-paused", "a schedule fires that is paused", ScheduleChange::Paused),
    ] {
        let (mut chain, schedule) = scheduled();
        chain.add(&changed(change, Some(&schedule)));
        fire(&mut chain, &schedule);
        out.push(fault(Code::ScheduleState, comment, &chain).named(name));
    }
    let (mut chain, schedule) = scheduled();
    chain.add(&halted());
    fire(&mut chain, &schedule);
    out.push(fault(Code::Halted, "a schedule fires while the tenant is halted", &chain).named("cron"));

    let mut chain = Chain::founded(&[]);
    let Body::ScheduleChanged(mut added) = changed(ADDED, None) else { panic!("a change") };
    added.action.decision = decision(Verdict::Deny);
    chain.add(&Body::ScheduleChanged(added));
    out.push(fault(Code::Denied, "a schedule that was denied", &chain).named("cron"));
}

fn times(out: &mut Vec<Case>) {
    let (mut chain, schedule) = scheduled();
    let body = fires(&schedule, Some(chain.later(1001)), CronOutcome::Run);
    chain.add(&body);
    out.push(fault(Code::CronDue, "a schedule fires before its time", &chain));

    let (mut chain, schedule) = scheduled();
    let added = chain.now();
    chain.add(&fires(&schedule, Some(added), CronOutcome::Run));
    out.push(fault(Code::CronDue, "a schedule was due before it was there", &chain).named("added"));

    let (mut chain, schedule) = scheduled();
    chain.add(&changed(ScheduleChange::Paused, Some(&schedule)));
    let meanwhile = chain.now();
    chain.add(&changed(ScheduleChange::Resumed, Some(&schedule)));
    chain.add(&fires(&schedule, Some(meanwhile), CronOutcome::Skip));
    out.push(fault(Code::CronDue, "a schedule was due while it was paused", &chain).named("paused"));

    let (mut chain, schedule) = scheduled();
    let until = chain.now();
    let body = fires(&schedule, due(&chain), CronOutcome::Miss { until, count: 1, truncated: false });
    chain.add(&body);
    out.push(fault(Code::CronDue, "what was missed ends before it begins", &chain).named("until"));

    let (mut chain, schedule) = scheduled();
    let due = due(&chain);
    chain.add(&fires(&schedule, due, CronOutcome::Run));
    chain.add(&fires(&schedule, due, CronOutcome::Run));
    out.push(fault(Code::CronTwice, "a schedule fires twice for one time", &chain));

    let (mut chain, schedule) = scheduled();
    let first = chain.later(1000);
    chain.time_ms += 60_000;
    let until = chain.now();
    chain.add(&fires(&schedule, Some(first), CronOutcome::Miss { until, count: 60, truncated: false }));
    chain.add(&fires(&schedule, Some(until), CronOutcome::Run));
    out.push(fault(Code::CronTwice, "a schedule fires for a time that was missed", &chain).named("missed"));
}

fn runs(out: &mut Vec<Case>) {
    let (mut chain, schedule) = scheduled();
    let fired = fire(&mut chain, &schedule);
    chain.add(&started("nightly", &[fired.as_ref(Rel::Cron)]));
    chain.add(&started("nightly", &[fired.as_ref(Rel::Cron)]));
    out.push(fault(Code::CronTwice, "two runs for one invocation", &chain).named("run"));

    let (mut chain, schedule) = scheduled();
    let body = fires(&schedule, due(&chain), CronOutcome::Skip);
    let skipped = chain.add(&body);
    chain.add(&started("nightly", &[skipped.as_ref(Rel::Cron)]));
    out.push(fault(Code::CronRun, "a run for an invocation that was skipped", &chain));
}

fn members(out: &mut Vec<Case>) {
    for (name, key) in [
        ("schedule-change", "change"),
        ("schedule-id", "schedule"),
        ("schedule-hash", "schedule_hash"),
        ("schedule-decision", "decision"),
    ] {
        let mut chain = Chain::founded(&[]);
        chain.add_with(&changed(ADDED, None), |content| remove(content, key));
        out.push(fault(Code::Member, "a schedule without a member", &chain).named(name));
    }
    let miss = |chain: &Chain| CronOutcome::Miss { until: chain.later(1000), count: 1, truncated: false };
    for (name, key) in
        [("cron-outcome", "outcome"), ("cron-until", "until"), ("cron-count", "count"), ("cron-due", "due")]
    {
        let (mut chain, schedule) = scheduled();
        let body = fires(&schedule, due(&chain), miss(&chain));
        chain.add_with(&body, |content| remove(content, key));
        out.push(fault(Code::Member, "an invocation without a member", &chain).named(name));
    }
    let (mut chain, schedule) = scheduled();
    let body = fires(&schedule, due(&chain), miss(&chain));
    chain.add_with(&body, |content| set(content, "count", Value::Int(0)));
    out.push(fault(Code::Member, "nothing was missed", &chain).named("cron-none"));

    let (mut chain, schedule) = scheduled();
    let body = fires(&schedule, due(&chain), CronOutcome::Run);
    chain.add_with(&body, |content| set(content, "outcome", "later"));
    out.push(fault(Code::Member, "no invocation ends so", &chain).named("cron-word"));
}
