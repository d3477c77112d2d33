//! Appending, refusing and finding again.

use cascade_ledger::{AppendError, Found, PrivateItem, nonce};
use cascade_receipt::content::{
    Body, GlassBroken, Halted, PersonAdded, PersonRemoved, Rel, Resumed, Signature,
};
use cascade_receipt::digest::Digest;
use cascade_receipt::time::Timestamp;

use crate::chain;
use crate::fixture::{
    ADMIN, PERSON, SNAPSHOT, action, activation, answer, blocked, blocked_with, closed, create, draft,
    escalation, open, policy, reference, started,
};

#[test]
fn a_receipt_is_there_after_append_and_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let (private, item) = blocked_with("one", b"argv".to_vec());
    let one = ledger.append(private).unwrap();
    let tickets: Vec<_> = (0..300).map(|index| ledger.submit(blocked(&format!("many {index}")))).collect();
    let many: Vec<_> = tickets.into_iter().map(|ticket| ticket.wait().unwrap()).collect();
    assert_eq!((one.seq, many[0].seq, many[299].seq), (1, 2, 301));
    drop(ledger);

    let ledger = open(dir.path());
    let receipts = chain::check(&ledger);
    assert_eq!(receipts.len(), 302);
    let master = std::fs::read_to_string(dir.path().join("home-recovery/default/hmac-master.hex")).unwrap();
    chain::check_tags(&receipts, &master, ledger.log_origin().as_str());
    assert_eq!(ledger.private(&item.hash).unwrap(), Some((item.nonce, item.bytes)));
    assert_eq!(ledger.blob(&Digest::of(SNAPSHOT)).unwrap().as_deref(), Some(SNAPSHOT));
    assert_eq!(ledger.name(ADMIN).unwrap().unwrap().name, "ada");
    for appended in [&one, &many[0], &many[299]] {
        let id = appended.receipt_id.to_string();
        let found = Found::One(appended.receipt_id, appended.seq, appended.line.clone());
        assert_eq!(ledger.find(&id).unwrap(), found);
        assert_eq!(ledger.find(&id[..16]).unwrap(), found);
    }
    assert_eq!(ledger.find("r_").unwrap(), Found::Nothing);
    let prefixes: Vec<_> = (0..16).map(|digit| ledger.find(&format!("r_{digit:x}")).unwrap()).collect();
    assert!(prefixes.contains(&Found::Several));
}

/// Alone a caller commits on its own thread, with others the writer does: nobody is forgotten between the two.
#[test]
fn callers_who_come_and_go_all_get_their_answer() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let work = |thread: usize| {
        for round in 0..40 {
            match (thread + round) % 3 {
                // Sometimes one thread is alone, sometimes all come at once.
                0 => drop(ledger.append(blocked("alone")).unwrap()),
                1 => drop(ledger.submit(blocked("queued")).wait().unwrap()),
                _ => {
                    let tickets: Vec<_> = (0..5).map(|_| ledger.submit(blocked("many"))).collect();
                    tickets.into_iter().for_each(|ticket| drop(ticket.wait().unwrap()));
                }
            }
        }
    };
    for threads in [1, 2, 6] {
        std::thread::scope(|scope| {
            let work = &work;
            (0..threads).for_each(|thread| drop(scope.spawn(move || work(thread))));
        });
    }
    drop(ledger);
    // Of 40 rounds per thread a third each is alone, one ticket, five tickets; rounds do not divide by three.
    let rounds =
        |thread: usize| (0..40).map(|round| if (thread + round) % 3 == 2 { 5 } else { 1 }).sum::<usize>();
    let all: usize = [1, 2, 6].iter().map(|threads| (0..*threads).map(rounds).sum::<usize>()).sum();
    assert_eq!(chain::check(&open(dir.path())).len(), 1 + all);
}

#[test]
fn an_intent_has_one_closer() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let intent = ledger.append(started("run", Vec::new())).unwrap();
    assert_eq!(ledger.open_actions().unwrap().len(), 1);
    let (first, second) = (ledger.submit(closed(&intent)), ledger.submit(closed(&intent)));
    first.wait().unwrap();
    assert_eq!(second.wait(), Err(AppendError::NotOpen { intent: intent.receipt_id }));
    assert_eq!(ledger.open_actions().unwrap(), []);
    assert_eq!(chain::check(&ledger).len(), 3);
}

#[test]
fn a_stale_decision_is_refused_and_ordinary_runs_do_not_make_it_stale() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let (in_force, mark) = ledger.policy_in_force().unwrap();
    assert_eq!(in_force, policy(SNAPSHOT, "default/1"));
    let intent = ledger.append(started("ordinary", Vec::new())).unwrap();
    ledger.append(closed(&intent)).unwrap();
    ledger.append(escalation("waits", 1)).unwrap();
    let seen = |mut draft: cascade_ledger::Draft| {
        draft.seen = Some(mark);
        draft
    };
    ledger.append(seen(started("fresh", Vec::new()))).unwrap();
    ledger.append(activation(b"{\"policies\":\"new\"}", "new/1")).unwrap();
    assert_eq!(ledger.append(seen(started("stale", Vec::new()))), Err(AppendError::Stale));
    let (in_force, now) = ledger.policy_in_force().unwrap();
    assert_eq!(in_force.version, "new/1");
    assert_ne!(now, mark);
    let receipts = chain::check(&ledger);
    let version =
        |at: usize| receipts[at].member("content").unwrap().member("policy_version").unwrap().clone();
    let last = ledger.append(blocked("under the new policy")).unwrap();
    assert_eq!(version(receipts.len() - 1).as_str(), Some("default/1"));
    assert!(last.line.contains("\"policy_version\":\"new/1\""));
}

#[test]
fn nothing_starts_while_the_tenant_is_halted() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let running = ledger.append(started("running", Vec::new())).unwrap();
    let mark = ledger.mark().unwrap();
    let halted = Halted { principal: PERSON, on_behalf_of: None, reason_hash: None };
    ledger.append(draft(Body::Halted(halted))).unwrap();
    assert!(ledger.is_halted().unwrap());
    assert_ne!(ledger.mark().unwrap(), mark);
    // Also for a writer that says nothing of what it saw.
    assert_eq!(ledger.append(started("new", Vec::new())), Err(AppendError::Halted));
    ledger.append(closed(&running)).unwrap();
    ledger.append(blocked("new")).unwrap();
    let resumed =
        Resumed { principal: ADMIN, reason_hash: None, statement_id: [1; 8], signatures: Vec::new() };
    ledger.append(draft(Body::Resumed(resumed))).unwrap();
    assert!(!ledger.is_halted().unwrap());
    ledger.append(started("new", Vec::new())).unwrap();
    assert_eq!(chain::check(&ledger).len(), 7);
}

#[test]
fn an_approval_is_used_once() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let asked = ledger.append(escalation("push", 1)).unwrap();
    assert_eq!(ledger.pending_escalations().unwrap().len(), 1);
    let too_early = ledger.append(started("push", vec![reference(Rel::Escalation, &asked)]));
    assert_eq!(too_early, Err(AppendError::NotApproved { subject: asked.receipt_id }));
    let given = ledger.append(answer("push", &asked, true, ADMIN)).unwrap();
    let refs = || vec![reference(Rel::Escalation, &asked), reference(Rel::Approval, &given)];
    let other = ledger.append(started("something else", refs()));
    assert_eq!(other, Err(AppendError::SubjectUnknown { subject: asked.receipt_id }));
    let only_approval = || vec![reference(Rel::Approval, &given)];
    let tickets: Vec<_> = (0..20).map(|_| ledger.submit(started("push", only_approval()))).collect();
    let answers: Vec<_> = tickets.into_iter().map(cascade_ledger::Ticket::wait).collect();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    let used = Err(AppendError::ApprovalUsed { approval: given.receipt_id });
    assert_eq!(answers.iter().filter(|answer| **answer == used).count(), 19);
    assert!(ledger.approvals_of(asked.receipt_id).unwrap()[0].used_by.is_some());
    chain::check(&ledger);
}

#[test]
fn what_has_expired_is_neither_answered_nor_run() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let expiring = |mut draft: cascade_ledger::Draft| {
        let over = Timestamp::from_ms(1_600_000_000_000);
        match &mut draft.body {
            Body::Escalation(escalation) => escalation.expires = over,
            Body::Answer(answer) => answer.expires = over,
            other => panic!("{other:?}"),
        }
        draft
    };
    let late = ledger.append(expiring(escalation("late", 1))).unwrap();
    let closed = |subject, state| Err(AppendError::SubjectClosed { subject, state });
    assert_eq!(ledger.append(answer("late", &late, true, ADMIN)), closed(late.receipt_id, "expired"));
    ledger.append(draft(Body::AnswerExpired(reference(Rel::Escalation, &late)))).unwrap();
    let again = ledger.append(draft(Body::AnswerExpired(reference(Rel::Escalation, &late))));
    assert_eq!(again, closed(late.receipt_id, "expired"));

    let asked = ledger.append(escalation("push", 1)).unwrap();
    let given = ledger.append(expiring(answer("push", &asked, true, ADMIN))).unwrap();
    let run = started("push", vec![reference(Rel::Escalation, &asked), reference(Rel::Approval, &given)]);
    assert_eq!(ledger.append(run), Err(AppendError::ApprovalExpired { approval: given.receipt_id }));
    chain::check(&ledger);
}

#[test]
fn answers_need_an_open_subject_of_the_same_action() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let asked = ledger.append(escalation("push", 2)).unwrap();
    let subject = asked.receipt_id;
    assert_eq!(
        ledger.append(answer("pull", &asked, true, ADMIN)),
        Err(AppendError::SubjectUnknown { subject })
    );
    ledger.append(answer("push", &asked, true, ADMIN)).unwrap();
    ledger.append(answer("push", &asked, true, ADMIN)).unwrap();
    let state = |ledger: &cascade_ledger::Ledger| ledger.subject(subject).unwrap().unwrap().state;
    assert_eq!(state(&ledger), cascade_ledger::SubjectState::Open, "one person twice is one person");
    ledger.append(answer("push", &asked, true, PERSON)).unwrap();
    assert_eq!(state(&ledger), cascade_ledger::SubjectState::Open, "a stranger counts for no group");
    let joins = |groups: &[&str]| {
        draft(Body::PersonAdded(PersonAdded {
            principal: PERSON,
            ssh_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPerson".to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            statement_id: [1; 8],
            signatures: Vec::new(),
        }))
    };
    ledger.append(joins(&["admins"])).unwrap();
    assert_eq!(
        state(&ledger),
        cascade_ledger::SubjectState::Open,
        "what was said before counts for no group"
    );
    ledger.append(answer("push", &asked, true, PERSON)).unwrap();
    assert_eq!(state(&ledger), cascade_ledger::SubjectState::Approved);
    ledger.append(joins(&["ops"])).unwrap();
    assert_eq!(state(&ledger), cascade_ledger::SubjectState::Open, "who left the group counts no longer");
    ledger.append(joins(&["admins"])).unwrap();
    assert_eq!(state(&ledger), cascade_ledger::SubjectState::Approved);
    let removed = PersonRemoved { principal: PERSON, statement_id: [2; 8], signatures: Vec::new() };
    ledger.append(draft(Body::PersonRemoved(removed.clone()))).unwrap();
    assert_eq!(state(&ledger), cascade_ledger::SubjectState::Open, "who was removed counts no longer");
    let gone = ledger.append(draft(Body::PersonRemoved(removed.clone())));
    assert_eq!(gone, Err(AppendError::NotRegistered(PERSON)));
    let signed = PersonRemoved {
        signatures: vec![Signature { principal: ADMIN, sshsig: "none".to_owned() }],
        ..removed
    };
    ledger.append(joins(&["admins"])).unwrap();
    let forged = ledger.append(draft(Body::PersonRemoved(signed)));
    assert_eq!(forged, Err(AppendError::SignerRefused(ADMIN)), "no signature that a stranger would refuse");
    ledger.append(draft(Body::PersonRemoved(removed.clone()))).unwrap();
    let last = PersonRemoved { principal: ADMIN, ..removed };
    assert_eq!(ledger.append(draft(Body::PersonRemoved(last))), Err(AppendError::LastAdmin(ADMIN)));
    ledger.append(joins(&["admins"])).unwrap();
    assert_eq!(state(&ledger), cascade_ledger::SubjectState::Open, "and is not back by coming back");
    ledger.append(answer("push", &asked, false, PERSON)).unwrap();
    assert_eq!(
        ledger.append(answer("push", &asked, true, ADMIN)),
        Err(AppendError::SubjectClosed { subject, state: "denied" })
    );
    assert_eq!(ledger.pending_escalations().unwrap(), []);
}

#[test]
fn drafts_that_lie_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let mut lie = blocked("lie");
    let mut item = PrivateItem::new("facts_hash", nonce().unwrap(), b"argv".to_vec());
    item.bytes.push(b'!');
    lie.private.push(item);
    assert_eq!(ledger.append(lie), Err(AppendError::ItemHash { field: "facts_hash" }));

    // What its body commits to is other bytes.
    let (mut other, _) = blocked_with("other", b"argv".to_vec());
    other.private = blocked_with("other", b"argv!".to_vec()).0.private;
    assert_eq!(ledger.append(other), Err(AppendError::ItemHash { field: "facts_hash" }));

    let mut missing = activation(b"nowhere", "x");
    missing.blobs.clear();
    assert_eq!(ledger.append(missing), Err(AppendError::SnapshotMissing { hash: Digest::of(b"nowhere") }));

    let twice = blocked("twice");
    ledger.append(twice.clone()).unwrap();
    assert_eq!(ledger.append(twice.clone()), Err(AppendError::IdTaken(twice.receipt_id)));
    drop(ledger);
    let ledger = open(dir.path());
    assert_eq!(ledger.append(twice.clone()), Err(AppendError::IdTaken(twice.receipt_id)));

    let long = |bytes: usize| {
        let mut action = action("long");
        action.task_type = "x".repeat(bytes);
        draft(Body::Blocked(action))
    };
    let short = ledger.append(long(1)).unwrap();
    let room = 64 * 1024 - short.line.len();
    let longest = ledger.append(long(1 + room)).unwrap();
    assert_eq!(longest.line.len(), 64 * 1024);
    assert_eq!(ledger.append(long(2 + room)), Err(AppendError::TooLong { bytes: 64 * 1024 + 1 }));
}

/// Whoever signs may take so long over it that its review would be due before it is recorded: no verifier would accept that.
#[test]
fn a_glass_is_not_broken_with_its_review_overdue_or_unsigned() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let (past, future) = (1_000, 4_000_000_000_000);
    let broken = |due_ms, signed: bool| {
        let signature = Signature { principal: PERSON, sshsig: "none".to_owned() };
        draft(Body::GlassBroken(GlassBroken {
            action: action("restart"),
            groups: vec!["admins".to_owned()],
            review_due: Timestamp::from_ms(due_ms),
            statement_id: [1; 8],
            signatures: if signed { vec![signature] } else { Vec::new() },
        }))
    };
    assert_eq!(ledger.append(broken(past, true)), Err(AppendError::Stale));
    let refused = Err(AppendError::SignerRefused(PERSON));
    assert_eq!(ledger.append(broken(future, false)), refused);
    assert_eq!(ledger.append(broken(future, true)), refused);
    assert!(ledger.unreviewed().unwrap().is_empty());
    chain::check(&ledger);
}
