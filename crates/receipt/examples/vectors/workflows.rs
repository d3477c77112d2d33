//! Runs of workflows, rightly and wrongly (check `lifecycle`).

use cascade_receipt::content::{
    Action, Answer, Body, ChainClosed, ChainStarted, Ending, Escalation, OfSpec, Ref, Rel, Signature, StepAt,
    StepCounts, StepRole,
};
use cascade_receipt::decision::{Reason, Verdict};
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;
use cascade_receipt::statement;
use cascade_receipt::verify::Code;

use crate::case::Case;
use crate::chain::{AGENT, ALICE, BOB, Chain, Made, action, remove, set};
use crate::halt::halted;
use crate::runs::{closing, heartbeat, started};
use crate::ssh::Person;

fn alice() -> Person {
    Person::new(ALICE(), 31)
}

fn of_spec(step: Option<StepAt>) -> Option<OfSpec> {
    Some(OfSpec { spec_hash: Digest::of(b"spec"), step })
}

/// The first try of a step.
fn step(at: u64) -> Option<OfSpec> {
    of_spec(Some(StepAt { at, item: 0, attempt: 1, role: None }))
}

/// A run of `spec` that was decided on.
pub(crate) fn chain_started(spec: &[u8], signatures: Vec<Signature>) -> Body {
    let mut action = action("workflow", Verdict::Admit, &[]);
    action.task_type = "workflow".into();
    action.spec = Some(OfSpec { spec_hash: Digest::of(spec), step: None });
    Body::ChainStarted(ChainStarted { action, signatures })
}

fn chain_closed(completed: bool, run: &Made) -> Body {
    Body::ChainClosed(ChainClosed {
        completed,
        chain: run.as_ref(Rel::Chain),
        spec_hash: Digest::of(b"spec"),
        principal: AGENT(),
        reasons: if completed { vec![] } else { vec![Reason::code("workflow.step_failed")] },
        steps: StepCounts { completed: 2, failed: u64::from(!completed), skipped: 1, unknown: 0 },
    })
}

/// An action that is a step of `run`.
fn act(name: &str, run: &Made, spec: Option<OfSpec>, refs: &[Ref]) -> Action {
    let mut refs = refs.to_vec();
    refs.push(run.as_ref(Rel::Chain));
    Action { spec, ..action(name, Verdict::Admit, &refs) }
}

/// What follows an intent of `run`.
fn of_run(mut body: Body, run: &Made, at: Option<OfSpec>) -> Body {
    match &mut body {
        Body::Closing(closing) => (closing.chain, closing.spec) = (Some(run.as_ref(Rel::Chain)), at),
        Body::Heartbeat(beat) => (beat.chain, beat.spec) = (Some(run.as_ref(Rel::Chain)), at),
        _ => panic!("neither a closer nor a heartbeat"),
    }
    body
}

/// Alice signs for the action of this name.
fn approved(chain: &mut Chain, asked: &Made, name: &str) -> Made {
    let mut answer = Answer {
        approve: true,
        subject: asked.as_ref(Rel::Escalation),
        principal: ALICE(),
        action_hash: Digest::of(name.as_bytes()),
        expires: chain.later(3_600_000),
        signatures: vec![],
    };
    let text = statement::Approval {
        log_origin: chain.origin.as_str(),
        subject: &asked.hash,
        action_hash: &answer.action_hash,
        approve: true,
        approver: &answer.principal,
        expires: &answer.expires,
    };
    answer.signatures = vec![alice().sign(statement::APPROVAL, &text.text())];
    chain.add(&Body::Answer(answer))
}

/// A step that runs and ends.
fn ran(chain: &mut Chain, name: &str, run: &Made, spec: Option<OfSpec>, ending: Ending) {
    let intent = chain.add(&Body::TaskStarted(act(name, run, spec, &[])));
    chain.add(&of_run(closing(ending, &intent), run, spec));
}

/// A chain with a run that has just begun.
fn begun() -> (Chain, Made) {
    let mut chain = Chain::founded(&[alice().admin()]);
    let signature = alice().sign(statement::SPEC, &statement::spec(&Digest::of(b"spec")));
    let run = chain.add(&chain_started(b"spec", vec![signature]));
    (chain, run)
}

fn fault(code: Code, comment: &'static str, chain: &Chain) -> Case {
    Case::fault(code, chain.seq() - 1, comment, chain.bytes())
}

pub(crate) fn cases(out: &mut Vec<Case>) {
    valid(out);
    refs(out);
    ends(out);
    starts(out);
    members(out);
}

fn valid(out: &mut Vec<Case>) {
    let (mut chain, run) = begun();
    ran(&mut chain, "build", &run, step(0), Ending::Completed);
    let retried = of_spec(Some(StepAt { at: 1, item: 3, attempt: 2, role: None }));
    let intent = chain.add(&Body::TaskStarted(act("migrate", &run, retried, &[])));
    chain.add(&of_run(heartbeat(&intent, 0, 7), &run, retried));
    chain.add(&of_run(closing(Ending::Completed, &intent), &run, retried));
    let asked =
        Action { decision: crate::chain::decision(Verdict::Escalate), ..act("go?", &run, step(2), &[]) };
    let asked = chain.add(&Body::Escalation(Escalation {
        action: asked,
        required: 1,
        groups: vec!["admins".into()],
        expires: chain.later(3_600_000),
        signature_required: true,
    }));
    let given = approved(&mut chain, &asked, "go?");
    let refs = [asked.as_ref(Rel::Escalation), given.as_ref(Rel::Approval)];
    chain.add(&Body::Point(act("go?", &run, step(2), &refs)));
    ran(&mut chain, "switch over", &run, step(3), Ending::Failed);
    let back = of_spec(Some(StepAt { at: 1, item: 3, attempt: 1, role: Some(StepRole::Compensation) }));
    ran(&mut chain, "migrate back", &run, back, Ending::Completed);
    let late = chain.add(&Body::TaskStarted(act("report", &run, step(4), &[])));
    chain.add(&chain_closed(false, &run));
    chain.add(&of_run(heartbeat(&late, 0, 9), &run, step(4)));
    chain.add(&of_run(closing(Ending::Revoked, &late), &run, step(4)));
    let comment = "a run with an approval point and a compensation, aborted while a step was running";
    out.push(Case::valid("workflow-aborted", comment, &chain));

    let (mut chain, run) = begun();
    ran(&mut chain, "build", &run, step(0), Ending::Unknown);
    let found = of_spec(Some(StepAt { at: 0, item: 0, attempt: 1, role: Some(StepRole::Reconciler) }));
    ran(&mut chain, "is it built?", &run, found, Ending::Completed);
    chain.add(&chain_closed(true, &run));
    let again = chain.add(&chain_started(b"spec", vec![]));
    chain.add(&Body::Blocked(Action {
        decision: crate::chain::decision(Verdict::Deny),
        ..act("build", &run, step(0), &[])
    }));
    let comment =
        "a run completes; another of the same spec goes on; what came too late for the first is denied";
    out.push(Case::valid("workflow-completed", comment, &chain).open_chains(&[chain.seq() - 2]));
    assert_eq!(again.id, crate::chain::receipt_id(chain.seq() - 2));
}

fn refs(out: &mut Vec<Case>) {
    let mut chain = Chain::founded(&[]);
    let other = chain.add(&started("no workflow", &[]));
    chain.add(&Body::TaskStarted(act("step", &other, step(0), &[])));
    out.push(fault(Code::RefKind, "a step of something that is no workflow", &chain).named("chain"));

    let (mut chain, run) = begun();
    let second = chain.add(&chain_started(b"spec", vec![]));
    chain.add(&Body::TaskStarted(act("step", &run, step(0), &[second.as_ref(Rel::Chain)])));
    out.push(fault(Code::ChainRef, "one step of two workflows", &chain));

    let (mut chain, run) = begun();
    let Body::ChainStarted(mut nested) = chain_started(b"spec", vec![]) else { panic!("a start") };
    nested.action.refs.push(run.as_ref(Rel::Chain));
    chain.add(&Body::ChainStarted(nested));
    out.push(fault(Code::ChainRef, "a workflow begins as a part of another", &chain).named("nested"));

    let (mut chain, run) = begun();
    chain.add_with(&chain_closed(true, &run), |content| remove(content, "refs"));
    out.push(fault(Code::ChainRef, "the end of no workflow", &chain).named("end"));

    for (name, comment, beat) in [
        ("heartbeat", "a heartbeat of a step that names no workflow", true),
        ("closer", "the closer of a step names another workflow than its intent", false),
    ] {
        let (mut chain, run) = begun();
        let second = chain.add(&chain_started(b"spec", vec![]));
        let intent = chain.add(&Body::TaskStarted(act("step", &run, step(0), &[])));
        chain.add(&if beat {
            heartbeat(&intent, 0, 0)
        } else {
            of_run(closing(Ending::Completed, &intent), &second, step(0))
        });
        out.push(fault(Code::ChainRef, comment, &chain).named(name));
    }

    let (mut chain, run) = begun();
    let other = Some(OfSpec { spec_hash: Digest::of(b"other spec"), step: None });
    chain.add(&Body::TaskStarted(act("step", &run, other, &[])));
    out.push(fault(Code::ChainSpec, "a step of another spec", &chain));

    let (mut chain, run) = begun();
    chain.add(&Body::DryRun(act("step", &run, None, &[])));
    out.push(fault(Code::ChainSpec, "a dry run of a step without a spec", &chain).named("absent"));

    let (mut chain, run) = begun();
    let other = Digest::of(b"other spec").to_hex();
    chain.add_with(&chain_closed(true, &run), |content| set(content, "spec_hash", other));
    out.push(fault(Code::ChainSpec, "the end names another spec", &chain).named("end"));
}

fn ends(out: &mut Vec<Case>) {
    let (mut chain, run) = begun();
    chain.add(&chain_closed(false, &run));
    chain.add(&Body::TaskStarted(act("step", &run, step(0), &[])));
    out.push(fault(Code::ChainClosed, "a step starts after the end", &chain));

    let (mut chain, run) = begun();
    chain.add(&chain_closed(true, &run));
    chain.add(&Body::Point(act("go?", &run, step(0), &[])));
    out.push(fault(Code::ChainClosed, "a wait is over after the end", &chain).named("point"));

    let (mut chain, run) = begun();
    chain.add(&chain_closed(true, &run));
    chain.add(&chain_closed(false, &run));
    out.push(fault(Code::TwoClosers, "a workflow completes and is aborted", &chain).named("chain"));

    let (mut chain, run) = begun();
    chain.add(&Body::TaskStarted(act("step", &run, step(0), &[])));
    chain.add(&chain_closed(true, &run));
    out.push(fault(Code::ChainRunning, "a workflow completes while a step of it runs", &chain));
}

/// A start is a run: what forbids one forbids the other.
fn starts(out: &mut Vec<Case>) {
    let with = |chain: &mut Chain, verdict, refs: &[Ref]| {
        let Body::ChainStarted(mut started) = chain_started(b"spec", vec![]) else { panic!("a start") };
        started.action.decision = crate::chain::decision(verdict);
        started.action.refs = refs.to_vec();
        chain.add(&Body::ChainStarted(started))
    };
    let mut chain = Chain::founded(&[]);
    with(&mut chain, Verdict::Deny, &[]);
    out.push(fault(Code::Denied, "a workflow that was denied", &chain).named("chain"));

    let mut chain = Chain::founded(&[]);
    chain.add(&halted());
    with(&mut chain, Verdict::Admit, &[]);
    out.push(fault(Code::Halted, "a workflow begins while the tenant is halted", &chain).named("chain"));

    let mut chain = Chain::founded(&[alice().admin()]);
    let asked = chain.add(&Body::Escalation(Escalation {
        action: action("workflow", Verdict::Escalate, &[]),
        required: 1,
        groups: vec!["admins".into()],
        expires: chain.later(3_600_000),
        signature_required: true,
    }));
    let given = approved(&mut chain, &asked, "workflow");
    let refs = [asked.as_ref(Rel::Escalation), given.as_ref(Rel::Approval)];
    with(&mut chain, Verdict::Admit, &refs);
    out.push(
        Case::valid("workflow-approved", "a workflow that begins on an approval", &chain).open_chains(&[3]),
    );
    with(&mut chain, Verdict::Admit, &refs);
    out.push(fault(Code::ApprovalReused, "one approval begins two workflows", &chain).named("chain"));

    let mut chain = Chain::founded(&[alice().admin()]);
    let forged = Person::new(BOB(), 32).sign(statement::SPEC, &statement::spec(&Digest::of(b"spec")));
    chain.add(&chain_started(b"spec", vec![forged]));
    out.push(fault(Code::SignerUnknown, "a spec signed by somebody who never joined", &chain).named("spec"));
}

fn members(out: &mut Vec<Case>) {
    for (name, comment, key) in [
        ("chain-spec", "a workflow without a spec", "spec_hash"),
        ("chain-decision", "a workflow that nobody decided on", "decision"),
    ] {
        let mut chain = Chain::founded(&[]);
        chain.add_with(&chain_started(b"spec", vec![]), |content| remove(content, key));
        out.push(fault(Code::Member, comment, &chain).named(name));
    }
    for (name, comment, key) in [
        ("chain-end-spec", "the end of a workflow without its spec", "spec_hash"),
        ("chain-end-steps", "the end of a workflow does not count its steps", "steps"),
        ("chain-end-nobody", "a workflow ended by nobody", "principal"),
    ] {
        let (mut chain, run) = begun();
        chain.add_with(&chain_closed(true, &run), |content| remove(content, key));
        out.push(fault(Code::Member, comment, &chain).named(name));
    }
    for (name, comment, key, value) in [
        ("step-attempt", "tries are counted from 1", "attempt", Value::Int(0)),
        ("step-role", "no step has this role", "role", Value::from("step")),
        ("step-at", "a step before the first", "at", Value::Int(-1)),
    ] {
        let (mut chain, run) = begun();
        chain.add_with(&Body::TaskStarted(act("step", &run, step(0), &[])), |content| {
            let mut step = content.member("step").expect("a step").clone();
            set(&mut step, key, value);
            set(content, "step", step);
        });
        out.push(fault(Code::Member, comment, &chain).named(name));
    }
}
