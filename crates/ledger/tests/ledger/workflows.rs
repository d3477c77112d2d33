//! Runs of workflows: which receipts belong to one, what its end keeps out, what a swept step says.

use cascade_ledger::{
    AppendError, Appended, CHAIN_LINES_MAX, Chain, Draft, EraseError, Ledger, PrivateItem, nonce,
};
use cascade_receipt::content::{
    Action, Body, ChainClosed, ChainStarted, Halted, OfSpec, Ref, Rel, Signature, StepAt, StepCounts,
    StepRole,
};
use cascade_receipt::decision::{Decision, GateOutcome};
use cascade_receipt::digest::Digest;
use cascade_receipt::json::{Value, parse_canonical};
use cascade_receipt::verify::{Options, Verifier};

use crate::fixture::{
    ADMIN, PERSON, action, answer, closed, create, draft, escalation, open, reference, started,
};

fn of_spec(step: Option<StepAt>) -> Option<OfSpec> {
    Some(OfSpec { spec_hash: Digest::of(b"spec"), step })
}

fn step(at: u64) -> Option<OfSpec> {
    of_spec(Some(StepAt { at, item: 1, attempt: 2, role: Some(StepRole::Compensation) }))
}

fn start(name: &str, refs: Vec<Ref>) -> Body {
    let action = Action { spec: of_spec(None), refs, ..action(name) };
    Body::ChainStarted(ChainStarted { action, signatures: Vec::new() })
}

fn end(completed: bool, run: &Appended) -> Body {
    Body::ChainClosed(ChainClosed {
        completed,
        chain: reference(Rel::Chain, run),
        spec_hash: Digest::of(b"spec"),
        principal: PERSON,
        reasons: Vec::new(),
        steps: StepCounts::default(),
    })
}

fn act(name: &str, run: &Appended) -> Action {
    Action { spec: step(3), refs: vec![reference(Rel::Chain, run)], ..action(name) }
}

/// What the first gate says decides.
fn ruled(mut action: Action, outcome: GateOutcome) -> Action {
    let mut gates = action.decision.gates;
    gates[0].outcome = outcome;
    action.decision = Decision::from_gates(gates);
    action
}

fn closer(intent: &Appended, run: &Appended) -> Draft {
    let mut draft = closed(intent);
    let Body::Closing(closing) = &mut draft.body else { panic!("a closer") };
    (closing.chain, closing.spec) = (Some(reference(Rel::Chain, run)), step(3));
    draft
}

fn begun(ledger: &Ledger) -> Appended {
    ledger.append(draft(start("run", Vec::new()))).unwrap()
}

fn refused(ledger: &Ledger, body: Body) -> AppendError {
    ledger.append(draft(body)).unwrap_err()
}

/// The log is what a stranger's verifier accepts, and the views are what it gives.
fn check(ledger: &Ledger) {
    let mut verifier = Verifier::new(Options::default());
    for line in ledger.lines(0..u64::MAX) {
        verifier.line(line.unwrap().text.as_bytes());
    }
    let verdict = verifier.finish();
    assert!(verdict.valid(), "{:?}", verdict.fault());
    let open: Vec<_> = ledger.open_chains().unwrap().iter().map(|chain| chain.seq).collect();
    assert_eq!(verdict.open_chains().map(|open| open.seq).collect::<Vec<_>>(), open);
    let fsck = || ledger.fsck(&mut |_, _| {}).unwrap();
    assert!(fsck().is_clean(), "{:?}", fsck());
    ledger.rebuild_views().unwrap();
    assert!(fsck().is_clean(), "{:?}", fsck());
}

fn content(line: &str) -> Value {
    parse_canonical(line.as_bytes()).unwrap().member("content").unwrap().clone()
}

#[test]
fn a_run_knows_its_receipts_and_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let run = begun(&ledger);
    let other = ledger.append(draft(start("other", Vec::new()))).unwrap();
    ledger.append(draft(Body::DryRun(act("dry", &other)))).unwrap();
    let one = ledger.append(draft(Body::TaskStarted(act("one", &run)))).unwrap();
    ledger.append(started("apart", Vec::new())).unwrap();
    let one_done = ledger.append(closer(&one, &run)).unwrap();
    let point = ledger.append(draft(Body::Point(act("point", &run)))).unwrap();
    let denied = ledger.append(draft(Body::Blocked(ruled(act("denied", &run), GateOutcome::Deny)))).unwrap();
    let before = ledger.mark().unwrap();
    let known = Chain {
        receipt_id: run.receipt_id,
        seq: run.seq,
        entry_hash: run.entry_hash,
        spec_hash: Digest::of(b"spec"),
        principal: PERSON,
        closed: None,
    };
    assert_eq!(ledger.chain(run.receipt_id).unwrap().as_ref(), Some(&known));
    assert_eq!(known.reference(), reference(Rel::Chain, &run));
    let ended = ledger.append(draft(end(true, &run))).unwrap();
    assert_ne!(ledger.mark().unwrap(), before, "runs of its steps are decided on again");
    let known = Chain { closed: Some(ended.receipt_id), ..known };
    assert_eq!(ledger.chain(run.receipt_id).unwrap(), Some(known));
    let open: Vec<_> = ledger.open_chains().unwrap().iter().map(|chain| chain.receipt_id).collect();
    assert_eq!(open, [other.receipt_id]);
    let lines = |from| -> Vec<String> {
        let lines = ledger.receipts_of_chain(run.receipt_id, from).unwrap();
        lines.into_iter().map(|line| line.text).collect()
    };
    let all: Vec<_> = [&run, &one, &one_done, &point, &denied, &ended].map(|one| one.line.clone()).into();
    assert_eq!(lines(0), all);
    assert_eq!(lines(point.seq), all[3..]);
    assert_eq!(lines(ended.seq + 1), Vec::<String>::new());
    check(&ledger);
}

#[test]
fn a_long_run_comes_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let run = begun(&ledger);
    let most = usize::try_from(CHAIN_LINES_MAX).unwrap();
    let tickets: Vec<_> = (0..most)
        .map(|at| ledger.submit(draft(Body::Blocked(ruled(act(&at.to_string(), &run), GateOutcome::Deny)))))
        .collect();
    let last = tickets.into_iter().map(|ticket| ticket.wait().unwrap()).last().unwrap();
    let first = ledger.receipts_of_chain(run.receipt_id, 0).unwrap();
    assert_eq!((first.len(), first[0].seq), (most, run.seq));
    let rest = ledger.receipts_of_chain(run.receipt_id, first[most - 1].seq + 1).unwrap();
    assert_eq!(rest.iter().map(|line| line.seq).collect::<Vec<_>>(), [last.seq]);
}

#[test]
fn nothing_of_a_run_starts_after_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let run = begun(&ledger);
    let late = ledger.append(draft(Body::TaskStarted(act("late", &run)))).unwrap();
    let chain = run.receipt_id;
    assert_eq!(refused(&ledger, end(true, &run)), AppendError::ChainRunning { chain });
    ledger.append(draft(end(false, &run))).unwrap();
    for body in [
        Body::TaskStarted(act("step", &run)),
        Body::Point(act("step", &run)),
        end(false, &run),
        end(true, &run),
    ] {
        assert_eq!(refused(&ledger, body), AppendError::ChainEnded { chain });
    }
    // What came too late is denied, and what was running ends.
    ledger.append(draft(Body::Blocked(ruled(act("step", &run), GateOutcome::Deny)))).unwrap();
    ledger.append(closer(&late, &run)).unwrap();
    check(&ledger);
}

#[test]
fn what_names_no_run_of_its_spec_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let (run, second) = (begun(&ledger), ledger.append(draft(start("second", Vec::new()))).unwrap());
    let dry = ledger.append(draft(Body::DryRun(action("dry")))).unwrap();
    let unknown = |chain: &Appended| AppendError::ChainUnknown { chain: chain.receipt_id };
    for body in [
        Body::TaskStarted(act("a", &dry)),
        Body::Blocked(ruled(act("a", &dry), GateOutcome::Deny)),
        end(true, &dry),
    ] {
        assert_eq!(refused(&ledger, body), unknown(&dry));
    }
    let forged = Appended { entry_hash: Digest::of(b"other"), ..run.clone() };
    assert_eq!(refused(&ledger, Body::Point(act("a", &forged))), unknown(&run));
    let other = Some(OfSpec { spec_hash: Digest::of(b"other"), step: None });
    for spec in [other, None] {
        let body = Body::DryRun(Action { spec, ..act("a", &run) });
        assert_eq!(refused(&ledger, body), unknown(&run));
    }
    let mut both = act("a", &run);
    both.refs.push(reference(Rel::Chain, &second));
    assert_eq!(refused(&ledger, Body::TaskStarted(both)), unknown(&second));
    // A run is no part of another, and always one of a specification.
    let nested = draft(start("nested", vec![reference(Rel::Chain, &run)]));
    let bare = draft(Body::ChainStarted(ChainStarted { action: action("bare"), signatures: Vec::new() }));
    for draft in [nested, bare] {
        let chain = draft.receipt_id;
        assert_eq!(ledger.append(draft).unwrap_err(), AppendError::ChainUnknown { chain });
    }
    let intent = ledger.append(draft(Body::TaskStarted(act("a", &run)))).unwrap();
    let not_open = AppendError::NotOpen { intent: intent.receipt_id };
    assert_eq!(ledger.append(closed(&intent)).unwrap_err(), not_open);
    assert_eq!(ledger.append(closer(&intent, &second)).unwrap_err(), not_open);
    ledger.append(closer(&intent, &run)).unwrap();
    check(&ledger);
}

#[test]
fn a_start_is_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let mut asked = escalation("run", 1);
    let Body::Escalation(terms) = &mut asked.body else { panic!("an escalation") };
    terms.action = ruled(terms.action.clone(), GateOutcome::Escalate);
    let asked = ledger.append(asked).unwrap();
    let given = ledger.append(answer("run", &asked, true, ADMIN)).unwrap();
    let refs = vec![reference(Rel::Escalation, &asked), reference(Rel::Approval, &given)];
    ledger.append(draft(start("run", refs.clone()))).unwrap();
    let used = AppendError::SubjectClosed { subject: asked.receipt_id, state: "used" };
    assert_eq!(refused(&ledger, start("run", refs)), used);
    let signed = ChainStarted { action: action("signed"), signatures: Vec::new() };
    let sshsig = include_str!("../../../receipt/examples/vectors/openssh/ecdsa-256.sig");
    for (principal, spec, counts) in
        [(ADMIN, b"spec".as_slice(), true), (PERSON, b"spec", false), (ADMIN, b"other", false)]
    {
        let mut signed = signed.clone();
        signed.action.spec = Some(OfSpec { spec_hash: Digest::of(spec), step: None });
        signed.signatures.push(Signature { principal, sshsig: sshsig.into() });
        let refused = ledger.append(draft(Body::ChainStarted(signed))).err();
        assert_eq!(refused, (!counts).then_some(AppendError::SignerRefused(principal)));
    }
    check(&ledger);
    let halted = Halted { principal: PERSON, on_behalf_of: None, reason_hash: None };
    ledger.append(draft(Body::Halted(halted))).unwrap();
    assert_eq!(refused(&ledger, start("halted", Vec::new())), AppendError::Halted);
    assert_eq!(refused(&ledger, Body::Point(action("halted"))), AppendError::Halted);
}

#[test]
fn a_swept_step_says_what_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let run = begun(&ledger);
    let step = ledger.append(draft(Body::TaskStarted(act("step", &run)))).unwrap();
    let apart = ledger.append(started("apart", Vec::new())).unwrap();
    drop(ledger);
    let ledger = open(dir.path());
    let lines: Vec<_> =
        ledger.lines(apart.seq + 1..u64::MAX).map(|line| content(&line.unwrap().text)).collect();
    let intent = content(&step.line);
    for key in ["spec_hash", "step"] {
        assert_eq!(lines[0].member(key), intent.member(key), "{key}");
        assert!(intent.member(key).is_some());
        assert_eq!(lines[1].member(key), None, "{key}");
    }
    let rels = |content: &Value| -> Vec<String> {
        let refs = content.member("refs").and_then(Value::as_array).unwrap();
        refs.iter().map(|one| one.member("rel").unwrap().as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (rels(&lines[0]), rels(&lines[1])),
        (vec!["intent".into(), "chain".into()], vec!["intent".into()])
    );
    assert_eq!(ledger.receipts_of_chain(run.receipt_id, 0).unwrap().len(), 3);
    check(&ledger);
}

#[test]
fn a_step_and_a_start_are_erased_each_for_itself() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let private = |name: &str, mut draft: Draft| {
        let item = PrivateItem::new("action_hash", nonce().unwrap(), name.into());
        let (Body::ChainStarted(ChainStarted { action, .. }) | Body::TaskStarted(action)) = &mut draft.body
        else {
            panic!("an action")
        };
        action.action_hash = item.hash;
        draft.private.push(item);
        ledger.append(draft).unwrap()
    };
    let run = private("inputs", draft(start("run", Vec::new())));
    let step = private("step", draft(Body::TaskStarted(act("step", &run))));
    let done = ledger.append(closer(&step, &run)).unwrap();
    let erased = |seq| {
        let found = ledger.erasable(seq, &mut |_, _| {});
        found.map(|one| one.erased.iter().map(|one| one.receipt_id).collect::<Vec<_>>())
    };
    assert_eq!(erased(step.seq), Ok(vec![step.receipt_id]));
    assert_eq!(erased(done.seq), Ok(vec![step.receipt_id]));
    assert_eq!(erased(run.seq), Err(EraseError::Running(run.receipt_id)));
    ledger.append(draft(end(true, &run))).unwrap();
    assert_eq!(erased(run.seq), Ok(vec![run.receipt_id]));
}
