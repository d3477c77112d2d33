//! Budgets and subjects: taken with the intent, settled with the closer, the same after a rebuild.

use cascade_ledger::{AppendError, Appended, Cap, Draft, Ledger, Used};
use cascade_receipt::content::{Action, Body, Closing, Draw, Ending, Known, Rel, Spent, SubjectFact};
use cascade_receipt::decision::Reason;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::time::Timestamp;

use crate::fixture::{PERSON, action, create, draft, reference};

const DAWN: Timestamp = Timestamp::from_ms(0);
const SUBJECT: PrincipalId = PrincipalId([0x51; 8]);
const MATTER: PrincipalId = PrincipalId([0x52; 8]);

fn draw(budget: &str, of: Option<PrincipalId>) -> Draw {
    Draw { budget: budget.to_owned(), of, actions: 1, tokens: 100, microusd: 50 }
}

fn taking(name: &str, draws: Vec<Draw>) -> Draft {
    draft(Body::TaskStarted(Action { draws, ..action(name) }))
}

fn closer(intent: &Appended, ending: Ending, spent: Spent, code: Option<&str>) -> Draft {
    draft(Body::Closing(Closing {
        ending,
        intent: reference(Rel::Intent, intent),
        output_hash: None,
        truncated: false,
        exit_code: None,
        signal: None,
        duration_us: None,
        reasons: code.map(Reason::code).into_iter().collect(),
        spent,
        served_model: None,
        routed: None,
        review: None,
        chain: None,
        spec: None,
    }))
}

fn amounts(ledger: &Ledger, budget: &str, of: Option<PrincipalId>) -> [u64; 3] {
    let Used { actions, tokens, microusd, .. } = ledger.budget_used(budget, of, DAWN, None).unwrap();
    [actions, tokens, microusd]
}

fn assert_rebuilt(ledger: &Ledger) {
    let report = ledger.fsck(&mut |_, _| {}).unwrap();
    assert!(report.is_clean(), "{report:?}");
    ledger.rebuild_views().unwrap();
}

#[test]
fn an_intent_takes_and_its_closer_settles() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let run = |name: &str| ledger.append(taking(name, vec![draw("b", None)])).unwrap();
    let (told, silent, absent, lost, open) = (run("1"), run("2"), run("3"), run("4"), run("5"));
    assert_eq!(amounts(&ledger, "b", None), [5, 500, 250]);
    let spent = Spent { tokens_in: Some(7), tokens_out: Some(3), cost_microusd: Some(2) };
    for (intent, ending, spent, code) in [
        (&told, Ending::Completed, spent, None),
        // What it does not tell was not used.
        (&silent, Ending::Failed, Spent::default(), Some("run.survivors_ended")),
        // Nothing ran.
        (&absent, Ending::Failed, Spent::default(), Some("start.not_found")),
        // Nobody knows what ran.
        (&lost, Ending::Unknown, Spent::default(), Some("run.orphaned")),
    ] {
        ledger.append(closer(intent, ending, spent, code)).unwrap();
    }
    assert_eq!(amounts(&ledger, "b", None), [4, 10 + 100 + 100, 2 + 50 + 50]);
    let used = ledger.budget_used("b", None, open.timestamp, None).unwrap();
    assert_eq!(used.oldest.unwrap(), told.timestamp.max(open.timestamp));
    let others = ledger.budget_used("b", None, DAWN, Some(open.receipt_id)).unwrap();
    assert_eq!((others.actions, others.tokens), (3, 110));
    let after = Timestamp::from_ms(open.timestamp.ms() + 1);
    assert_eq!(ledger.budget_used("b", None, after, None).unwrap(), Used::default());
    assert_rebuilt(&ledger);
    assert_eq!(amounts(&ledger, "b", None), [4, 210, 102]);
}

#[test]
fn counters_of_one_budget_are_apart() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let draws = vec![draw("b", Some(SUBJECT)), draw("b", Some(MATTER)), draw("c", None), draw("c", None)];
    ledger.append(taking("1", draws)).unwrap();
    for (budget, of, actions) in
        [("b", Some(SUBJECT), 1), ("b", Some(MATTER), 1), ("b", None, 0), ("c", None, 2), ("d", None, 0)]
    {
        assert_eq!(amounts(&ledger, budget, of)[0], actions, "{budget} {of:?}");
    }
    assert_rebuilt(&ledger);
}

#[test]
fn what_others_took_meanwhile_makes_an_intent_stale() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let capped = |name: &str, before| {
        let mut draft = taking(name, vec![draw("b", None)]);
        draft.caps = vec![Cap { budget: "b".to_owned(), of: None, since: DAWN, before }];
        ledger.append(draft)
    };
    // At most two before this one: three get in, and not the fourth, whoever asks first.
    let taken: Vec<bool> = (0..4).map(|at| capped(&at.to_string(), [Some(2), None, None]).is_ok()).collect();
    assert_eq!(taken, [true, true, true, false]);
    assert_eq!(capped("tokens", [None, Some(299), None]), Err(AppendError::Stale));
    assert_eq!(capped("money", [None, None, Some(149)]), Err(AppendError::Stale));
    capped("fits", [Some(3), Some(300), Some(150)]).unwrap();
    assert_eq!(amounts(&ledger, "b", None)[0], 4);
}

#[test]
fn a_decision_that_no_longer_holds_is_stale() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let held = |until: u64| {
        let mut draft = taking("1", Vec::new());
        draft.holds_until = Some(Timestamp::from_ms(until));
        ledger.append(draft)
    };
    let now = held(4_000_000_000_000).unwrap().timestamp.ms();
    assert_eq!(held(now), Err(AppendError::Stale));
}

#[test]
fn what_is_known_of_a_subject_is_the_newest_and_makes_decisions_about_it_stale() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let learn = |known: Known| {
        let (about, other) = (ledger.about(SUBJECT).unwrap(), ledger.about(PERSON).unwrap());
        let fact = SubjectFact { principal: PERSON, on_behalf_of: None, subject: SUBJECT, known };
        let learned = ledger.append(draft(Body::SubjectFact(fact))).unwrap();
        let mut late = taking("late", Vec::new());
        late.about = Some(about);
        assert_eq!(ledger.append(late), Err(AppendError::Stale));
        for about in [other, ledger.about(SUBJECT).unwrap()] {
            let mut fresh = taking("fresh", Vec::new());
            fresh.about = Some(about);
            ledger.append(fresh).unwrap();
        }
        learned.timestamp
    };
    let consent = |scope: &str, given| learn(Known::Consent { scope: scope.to_owned(), given });
    assert_eq!(ledger.subject_zone(SUBJECT).unwrap(), None);
    learn(Known::Zone("Europe/Berlin".to_owned()));
    learn(Known::Zone("America/New_York".to_owned()));
    let letters = consent("letters", true);
    consent("calls", true);
    let calls = consent("calls", false);
    let about = learn(Known::Conversation(Some(MATTER)));
    let conversed = || {
        let other = Some(PrincipalId([9; 8]));
        [None, Some(MATTER), other].map(|matter| ledger.conversed(SUBJECT, matter).unwrap())
    };
    assert_eq!(conversed(), [Some(about), Some(about), None]);
    let plain = learn(Known::Conversation(None));
    let expected = [Some(plain), Some(plain), Some(plain)];
    assert_eq!(conversed(), expected);
    assert_rebuilt(&ledger);
    assert_eq!(conversed(), expected);
    assert_eq!(ledger.conversed(PERSON, None).unwrap(), None);
    assert_eq!(ledger.subject_zone(SUBJECT).unwrap().as_deref(), Some("America/New_York"));
    let consents = vec![("calls".to_owned(), false, calls), ("letters".to_owned(), true, letters)];
    assert_eq!(ledger.consents_of(SUBJECT).unwrap(), consents);
}
