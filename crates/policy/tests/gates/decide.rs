use cascade_policy::decide::decide;
use cascade_policy::facts::{BreakGlass, Facts, Invocation, Unreviewed};
use cascade_policy::snapshot::{Snapshot, SnapshotSource, run_tests};
use cascade_receipt::decision::{GateName, GateOutcome, Verdict};
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::Writer;
use cascade_receipt::time::Timestamp;

use crate::facts::plain;
use crate::setting::snapshot;

#[test]
fn every_row_of_the_table_holds() {
    let tables = [("decide.table".to_owned(), include_str!("decide.table").to_owned())];
    let report = run_tests(&snapshot(), &tables);
    assert!(report.all_passed(), "{report:#?}");
    assert!(report.passed >= 60, "{} rows", report.passed);
}

#[test]
fn the_bundled_policy_passes_its_own_tests() {
    let table = include_str!("../../../../policies/default/tests/default.table");
    let snapshot = Snapshot::compile(&SnapshotSource::bundled()).unwrap();
    let report = run_tests(&snapshot, &[("default.table".to_owned(), table.to_owned())]);
    assert!(report.all_passed(), "{report:#?}");
}

#[test]
fn a_row_that_does_not_hold_is_reported() {
    let table = "person: anyctl => deny\nperson: anyctl => admit LOW\nperson: anyctl => admit !policy.permit\n\
                 person anyctl => admit\nperson nosuch: anyctl => admit\nperson: anyctl => maybe\n\
                 person: anyctl => admit high\nperson: 'open => admit\n";
    let tables = [("x.table".to_owned(), table.to_owned())];
    let report = run_tests(&snapshot(), &tables);
    let failed: Vec<u32> = report.failures.iter().map(|failure| failure.line).collect();
    let faulty: Vec<u32> = report.faults.iter().map(|fault| fault.line).collect();
    assert_eq!((report.passed, failed, faulty), (0, vec![1, 2, 3], vec![4, 5, 6, 7, 8]));
}

#[test]
fn ten_gates_are_listed_in_order_whatever_the_verdict() {
    let snapshot = snapshot();
    for facts in [plain(b"git status"), plain(b"\xff"), Facts { dry_run: true, ..plain(b"anyctl --hard") }] {
        let ruling = decide(&snapshot, &facts);
        let gates: Vec<GateName> = ruling.decision.gates.iter().map(|gate| gate.gate).collect();
        assert_eq!(gates, GateName::ALL);
    }
}

#[test]
fn the_glass_is_broken_where_a_policy_says_so_and_few_wait_for_their_review() {
    let asked = |groups: &[&str]| BreakGlass {
        receipt_id: None,
        action_matches: true,
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    };
    let mut facts = plain(b"git push --force");
    let later = Timestamp::from_ms(facts.at.ms() + 1);
    let one = |number: u8| Unreviewed {
        receipt_id: ReceiptId([number; 8]),
        principal: PrincipalId([number; 8]),
        due: later,
    };
    facts.break_glass = Some(asked(&["admins", "oncall"]));
    let codes = |snapshot: &Snapshot, facts: &Facts| -> Vec<String> {
        decide(snapshot, facts).decision.reasons().map(|(_, reason)| reason.code.clone()).collect()
    };
    let bundled = Snapshot::compile(&SnapshotSource::bundled()).unwrap();
    assert!(codes(&bundled, &facts).contains(&"failfast.break_glass_undefined".to_owned()));
    facts.unreviewed = (100..115).map(one).collect();
    let ruling = decide(&snapshot(), &facts);
    assert_eq!((ruling.decision.verdict, ruling.glass_broken), (Verdict::Admit, true));
    facts.unreviewed.push(one(115));
    assert!(codes(&snapshot(), &facts).contains(&"failfast.break_glass_unreviewed".to_owned()));
    // What others owe does not end a run whose glass is broken already; what the person owes does.
    facts.at = later;
    facts.break_glass = Some(BreakGlass { receipt_id: Some(ReceiptId([115; 8])), ..asked(&["oncall"]) });
    assert_eq!(decide(&snapshot(), &facts).decision.verdict, Verdict::Admit);
    facts.unreviewed.push(one(1));
    assert!(codes(&snapshot(), &facts).contains(&"failfast.break_glass_review_overdue".to_owned()));
    // Where nothing has to be passed, none is broken.
    let ruling = decide(&snapshot(), &Facts { break_glass: Some(asked(&["other"])), ..plain(b"git status") });
    assert_eq!((ruling.decision.verdict, ruling.glass_broken), (Verdict::Admit, false));
}

#[test]
fn a_line_that_is_not_text_is_denied() {
    let mut facts = plain(b"");
    facts.action.invocation = Invocation::Shell(b"echo \xff".to_vec());
    let ruling = decide(&snapshot(), &facts);
    assert_eq!(ruling.decision.verdict, Verdict::Deny);
    let codes: Vec<&str> = ruling.decision.reasons().map(|(_, reason)| reason.code.as_str()).collect();
    assert_eq!(codes, ["policy.no_command", "risk.limit"]);
}

#[test]
fn the_terms_of_an_escalation_name_every_group_that_is_needed() {
    let mut facts = plain(b"storectl --audited");
    facts.action.cwd = b"/prod".to_vec();
    let terms = decide(&snapshot(), &facts).escalation.unwrap();
    assert_eq!(terms.groups, ["dba", "security"]);
    assert_eq!((terms.required, terms.expires_after_ms, terms.signature_required), (1, 3_600_000, true));
    // A denial asks nobody.
    facts.tenant.halted = true;
    assert_eq!(decide(&snapshot(), &facts).escalation, None);
}

#[test]
fn contradicting_facts_are_denied() {
    // The person is its own delegator, but in other groups.
    let mut facts = plain(b"git status");
    facts.on_behalf_of = Some(cascade_policy::facts::Delegator {
        id: facts.principal.id,
        groups: vec!["ops".to_owned()],
        admin: false,
        alive: true,
    });
    let ruling = decide(&snapshot(), &facts);
    let policy = ruling.decision.gates.iter().find(|gate| gate.gate == GateName::Policy).unwrap();
    assert_eq!((policy.outcome, policy.reasons[0].code.as_str()), (GateOutcome::Deny, "policy.request"));
}

#[test]
fn the_same_question_has_the_same_answer_bytes() {
    let bytes = |snapshot: &Snapshot, facts: &Facts| {
        let mut text = String::new();
        decide(snapshot, facts).decision.write(&mut Writer::new(&mut text));
        text
    };
    let (one, two) = (snapshot(), snapshot());
    let mut facts = plain(b"storectl --audited --hard --page --release");
    facts.action.cwd = b"/prod".to_vec();
    let first = bytes(&one, &facts);
    for _ in 0..20 {
        assert_eq!(bytes(&one, &facts), first);
        assert_eq!(bytes(&two, &facts), first);
    }
}

/// Codes of gates, in backticks in the table of docs/policy.md.
fn documented() -> std::collections::BTreeSet<&'static str> {
    let text = include_str!("../../../../docs/policy.md");
    let (_, text) = text.split_once("## Gates and codes").unwrap();
    let (table, _) = text.split_once("## Faults").unwrap();
    let cells = table.lines().filter_map(|line| line.split('|').nth(2));
    cells.filter_map(|cell| cell.trim().strip_prefix('`')?.strip_suffix('`')).collect()
}

#[test]
fn every_code_is_documented_and_every_documented_code_has_a_row() {
    let rows = include_str!("decide.table").lines().chain(include_str!("limits.table").lines());
    let expectations = rows.filter_map(|line| line.split_once("=>"));
    let words = expectations.flat_map(|(_, expected)| expected.split_whitespace().skip(1));
    let codes = words.filter(|word| !word.starts_with('!') && word.contains('.'));
    let mut seen: std::collections::BTreeSet<&str> =
        codes.map(|code| code.split_once('(').map_or(code, |(code, _)| code)).collect();
    // Facts that contradict each other, or lack a counter, cannot be written as a row.
    seen.extend(["policy.request", "budget.unread"]);
    // Needs another policy, or more of them than a row holds.
    seen.extend(["failfast.break_glass_undefined", "failfast.break_glass_unreviewed"]);
    // What a workflow does by itself is no command.
    seen.extend(["specification.missing", "specification.terms"]);
    seen.extend(["specification.approval", "specification.approved"]);
    assert_eq!(seen, documented());
}
