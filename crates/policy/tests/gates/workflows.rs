//! What workflows do by themselves goes through the ten gates, and their specification speaks at the fourth.

use cascade_policy::decide::{EscalationTerms, Ruling, decide};
use cascade_policy::facts::{
    Act, Action, Approval, AskedModel, BreakGlass, Facts, FactsFault, Invocation, Signer, Spec, SpecLimits,
    TASK_BYTES_MAX, Task, TaskKind, WorkflowAct,
};
use cascade_policy::snapshot::{Snapshot, Thresholds};
use cascade_receipt::decision::{GateName, GateOutcome, RiskTier, Verdict};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::{self, Value};
use cascade_receipt::time::Timestamp;

use crate::facts::plain;
use crate::setting::{bundled_and, directory};

const HASH: Digest = Digest([7; 32]);

fn act(act: Act) -> WorkflowAct {
    WorkflowAct {
        act,
        name: "release".to_owned(),
        version: "1.2".to_owned(),
        spec_hash: HASH,
        step: (act != Act::Start).then(|| "go".to_owned()),
        text: "release 4 to production?".to_owned(),
        caller: None,
        inputs: (act == Act::Start).then(|| "{\"tag\":\"v4\"}".to_owned()),
    }
}

fn spec() -> Spec {
    let signer = Signer { principal: PrincipalId([8; 8]), groups: Vec::new(), admin: true };
    Spec {
        hash: HASH,
        signers: vec![signer],
        callers: Vec::new(),
        pinned: true,
        has_step: true,
        open: true,
        limits: SpecLimits::default(),
        approval: None,
    }
}

fn terms(required: u32, groups: &[&str]) -> EscalationTerms {
    EscalationTerms {
        required,
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        expires_after_ms: 86_400_000,
        signature_required: false,
    }
}

fn acting(which: Act, spec: Option<Spec>) -> Facts {
    let before = plain(b"");
    let invocation = Invocation::Workflow(Box::new(act(which)));
    Facts { action: Action { invocation, ..before.action.clone() }, spec, ..before }
}

fn bundled() -> Snapshot {
    Snapshot::compile(&bundled_and("none.cedar", "")).unwrap()
}

fn codes(ruling: &Ruling) -> Vec<&str> {
    ruling.decision.gates.iter().flat_map(|gate| &gate.reasons).map(|reason| reason.code.as_str()).collect()
}

#[track_caller]
fn denied(facts: &Facts, code: &str) {
    let ruling = decide(&bundled(), facts);
    assert_eq!(ruling.decision.verdict, Verdict::Deny);
    assert!(codes(&ruling).contains(&code), "{:?}", codes(&ruling));
}

fn yes(by: u8, groups: &[&str]) -> Approval {
    Approval {
        receipt_id: ReceiptId([by; 8]),
        principal: PrincipalId([by; 8]),
        action_matches: true,
        expires: Timestamp::from_ms(u64::MAX / 4),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        approve: true,
        signed: false,
    }
}

#[test]
fn an_act_is_low_and_stands_on_a_spec() {
    for which in Act::ALL {
        assert_eq!(Act::parse(which.as_str()), Some(which));
        let ruling = decide(&bundled(), &acting(which, Some(spec())));
        assert_eq!((ruling.risk_tier, ruling.classified), (RiskTier::Low, true));
        let asks = if which == Act::Approval { Verdict::Escalate } else { Verdict::Admit };
        assert_eq!(ruling.decision.verdict, asks, "{:?}", codes(&ruling));
        denied(&acting(which, None), "specification.missing");
        denied(&acting(which, Some(Spec { hash: Digest([6; 32]), ..spec() })), "specification.unpinned");
        denied(&acting(which, Some(Spec { open: false, ..spec() })), "specification.closed");
    }
}

#[test]
fn policies_name_acts_of_workflows() {
    let text = "@id(\"no-workflows\") forbid (principal, action == Action::\"exec\", resource == Program::\"cascade\")\n\
                when { context.kind == \"workflow\" && context.subcommand == \"spec start\" };";
    let snapshot = Snapshot::compile(&bundled_and("workflows.cedar", text)).unwrap();
    let verdict = |which| decide(&snapshot, &acting(which, Some(spec()))).decision.verdict;
    assert_eq!((verdict(Act::Start), verdict(Act::Wait)), (Verdict::Deny, Verdict::Admit));
}

#[test]
fn who_is_trusted_is_policy() {
    let base = include_str!("../../../../policies/default/base.cedar");
    let compiled = |text: &str| {
        let source = directory(&[("base.cedar", base), ("thresholds.toml", text)]).unwrap().source;
        Snapshot::compile(&source).unwrap()
    };
    let text = "[specs]\nauthors = [\"releases\", \"ops\"]\n";
    let own = compiled(text);
    let signed = |groups: &[&str], admin| {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let signer = Signer { principal: PrincipalId([8; 8]), groups, admin };
        let other = Signer { principal: PrincipalId([9; 8]), groups: Vec::new(), admin: false };
        acting(Act::Start, Some(Spec { signers: vec![other, signer], ..spec() }))
    };
    let verdict = |snapshot: &Snapshot, facts: &Facts| decide(snapshot, facts).decision.verdict;
    assert_eq!(verdict(&own, &signed(&["ops"], false)), Verdict::Admit);
    assert_eq!(verdict(&own, &signed(&["dev"], true)), Verdict::Deny);
    assert_eq!(verdict(&bundled(), &signed(&["admins"], false)), Verdict::Admit);
    assert_eq!(verdict(&bundled(), &signed(&[], true)), Verdict::Admit);
    denied(&signed(&["ops"], false), "specification.untrusted");
    // The setting is a part of the policy and of its hash; left at its default it changes no hash.
    assert_ne!(compiled("").document(), own.document());
    assert_eq!(compiled("[specs]\nauthors = [\"admins\"]\n").document(), compiled("").document());
    let source = directory(&[("base.cedar", base), ("thresholds.toml", text)]).unwrap().source;
    let stored =
        |hash: &_| source.blobs().find(|(own, _)| own == hash).map(|(_, text)| text.as_bytes().to_vec());
    let again = Snapshot::load(own.document(), stored).unwrap();
    assert_eq!(again.thresholds().authors, ["ops", "releases"]);
    for bad in ["[specs]\nauthors = []", "[specs]\nauthors = [\"a b\"]", "[specs]\nauthor = [\"a\"]"] {
        assert!(Thresholds::parse("thresholds.toml", bad).is_err(), "{bad}");
    }
}

#[test]
fn an_approval_point_asks_by_its_own_terms() {
    let with =
        |approval, approvals| Facts { approvals, ..acting(Act::Approval, Some(Spec { approval, ..spec() })) };
    let asked = Some(terms(2, &["ops", "finance", "ops"]));
    let ruling = decide(&bundled(), &with(asked.clone(), vec![]));
    assert_eq!(ruling.decision.verdict, Verdict::Escalate);
    assert_eq!(ruling.escalation, Some(terms(2, &["finance", "ops"])));
    assert!(codes(&ruling).contains(&"specification.approval"));
    let two = vec![yes(20, &["ops"]), yes(21, &["finance"])];
    let ruling = decide(&bundled(), &with(asked.clone(), two.clone()));
    assert_eq!(ruling.decision.verdict, Verdict::Admit, "{:?}", codes(&ruling));
    assert!(codes(&ruling).contains(&"specification.approved"));
    for few in [vec![yes(20, &["ops"])], vec![yes(20, &["ops"]), yes(21, &["ops"])]] {
        assert_eq!(decide(&bundled(), &with(asked.clone(), few)).decision.verdict, Verdict::Escalate);
    }
    let no = Approval { approve: false, ..yes(21, &["finance"]) };
    assert_eq!(decide(&bundled(), &with(asked, vec![no])).decision.verdict, Verdict::Deny);
    // Whoever says nothing of whom to ask asks the operator's people; nobody asks nobody.
    let defaults = Thresholds::default().escalation;
    assert_eq!(decide(&bundled(), &with(None, vec![])).escalation, Some(defaults));
    let none = EscalationTerms { required: 0, ..terms(0, &[]) };
    let ruling = decide(&bundled(), &with(Some(none), two));
    assert_eq!(ruling.decision.verdict, Verdict::Escalate);
    assert_eq!(ruling.escalation, Some(terms(1, &["admins"])));
    // No other act asks, whatever the specification says.
    let facts = acting(Act::Settle, Some(Spec { approval: Some(terms(2, &["ops"])), ..spec() }));
    assert_eq!(decide(&bundled(), &facts).decision.verdict, Verdict::Admit);
}

#[test]
fn an_approval_point_composes_with_what_else_escalates() {
    let text = "@id(\"asks\") @escalate(\"security\") forbid (principal, action == Action::\"exec\", resource)\n\
                when { context.kind == \"workflow\" };";
    for gate in ["", "@gate(\"specification\") "] {
        let text = text.replace("@escalate", &format!("{gate}@escalate"));
        let snapshot = Snapshot::compile(&bundled_and("asks.cedar", &text)).unwrap();
        let facts = acting(Act::Approval, Some(Spec { approval: Some(terms(2, &["ops"])), ..spec() }));
        let both = EscalationTerms {
            required: 2,
            groups: vec!["ops".to_owned(), "security".to_owned()],
            ..Thresholds::default().escalation
        };
        assert_eq!(decide(&snapshot, &facts).escalation, Some(both), "{gate}");
        let one = Facts { approvals: vec![yes(20, &["ops"]), yes(21, &["ops"])], ..facts };
        assert_eq!(decide(&snapshot, &one).decision.verdict, Verdict::Escalate, "{gate}");
    }
}

#[test]
fn terms_past_what_a_receipt_can_say_do_not_reach_one() {
    let many = |count: usize| {
        let groups: Vec<String> = (0..count).map(|number| format!("g{number}")).collect();
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        acting(Act::Approval, Some(Spec { approval: Some(terms(1, &groups)), ..spec() }))
    };
    assert_eq!(decide(&bundled(), &many(64)).decision.verdict, Verdict::Escalate);
    denied(&many(65), "specification.terms");
    let long = EscalationTerms { expires_after_ms: u64::MAX, ..terms(1, &["ops"]) };
    let facts = acting(Act::Approval, Some(Spec { approval: Some(long), ..spec() }));
    let year = 366 * 86_400_000;
    assert_eq!(decide(&bundled(), &facts).escalation.map(|terms| terms.expires_after_ms), Some(year));
}

/// What people could have lifted, somebody may answer for; what denies stays.
#[test]
fn glass_lifts_an_approval_point_and_no_limit() {
    let glass =
        Some(BreakGlass { receipt_id: None, action_matches: true, groups: vec!["oncall".to_owned()] });
    let base = include_str!("../../../../policies/default/base.cedar");
    let text = "[break_glass]\ngroups = [\"oncall\"]\n";
    let source = directory(&[("base.cedar", base), ("thresholds.toml", text)]).unwrap().source;
    let snapshot = Snapshot::compile(&source).unwrap();
    let facts = Facts { break_glass: glass, ..acting(Act::Approval, Some(spec())) };
    let ruling = decide(&snapshot, &facts);
    assert_eq!((ruling.decision.verdict, ruling.glass_broken), (Verdict::Admit, true));
    let facts = Facts { spec: Some(Spec { pinned: false, ..spec() }), ..facts };
    assert_eq!(decide(&snapshot, &facts).decision.verdict, Verdict::Deny);
}

#[test]
fn limits_hold_for_tasks_models_and_programs_that_are_elsewhere() {
    let limited = |workers: &[&str]| {
        let workers = Some(workers.iter().map(|one| (*one).to_owned()).collect());
        Some(Spec { limits: SpecLimits { workers, ..SpecLimits::default() }, ..spec() })
    };
    let outcome = |facts: &Facts| {
        let gates = decide(&bundled(), facts).decision.gates;
        gates.into_iter().find(|gate| gate.gate == GateName::Specification).unwrap().outcome
    };
    assert_eq!(outcome(&acting(Act::Start, limited(&[]))), GateOutcome::Pass);
    let model = AskedModel {
        provider: "openai".to_owned(),
        name: "m".to_owned(),
        host: "localhost".to_owned(),
        local: true,
        tokens: 1,
        microusd: 1,
        request: None,
    };
    let task = |model| {
        let task = Task {
            kind: TaskKind::Code,
            text: "adds".to_owned(),
            signature: None,
            examples: Vec::new(),
            tests: None,
            schema: None,
            max_layer: "L7".to_owned(),
            tools: Vec::new(),
            model,
        };
        Action { invocation: Invocation::Task(Box::new(task)), ..plain(b"").action }
    };
    let of = |action, workers| Facts { action, spec: limited(workers), ..plain(b"") };
    assert_eq!(outcome(&of(task(None), &[])), GateOutcome::Pass);
    assert_eq!(outcome(&of(task(Some(model.clone())), &[])), GateOutcome::Deny);
    assert_eq!(outcome(&of(task(Some(model)), &["model"])), GateOutcome::Pass);
    let mut git = plain(b"").action;
    git.invocation = Invocation::Cli(vec![b"git".to_vec(), b"status".to_vec()]);
    let at = |path: &[u8]| {
        let executable = cascade_policy::facts::Executable { path: path.to_vec(), sha256: Digest([1; 32]) };
        Action { executable: Some(executable), ..git.clone() }
    };
    assert_eq!(outcome(&of(at(b"/usr/bin/git"), &["git"])), GateOutcome::Pass);
    assert_eq!(outcome(&of(at(b"/tmp/git"), &["git"])), GateOutcome::Deny);
    assert_eq!(
        outcome(&of(Action { invocation: Invocation::Cli(vec![]), ..git.clone() }, &["git"])),
        GateOutcome::Deny
    );
}

#[test]
fn an_act_is_as_long_as_a_task_may_be() {
    let facts = |bytes: usize| {
        let mut long = act(Act::Start);
        long.text.clear();
        long.text = "x".repeat(bytes - long.bytes());
        let action = Action { invocation: Invocation::Workflow(Box::new(long)), ..plain(b"").action };
        Facts { action, spec: Some(spec()), ..plain(b"") }
    };
    assert_eq!(decide(&bundled(), &facts(TASK_BYTES_MAX)).decision.verdict, Verdict::Admit);
    denied(&facts(TASK_BYTES_MAX + 1), "risk.limit");
}

#[test]
fn json_holds_the_act_and_the_hash_covers_all_of_it() {
    for which in Act::ALL {
        let facts = acting(which, Some(Spec { approval: Some(terms(2, &["ops"])), ..spec() }));
        let text = facts.to_json().to_canonical();
        assert_eq!(Facts::from_json(&json::parse_canonical(text.as_bytes()).unwrap()), Ok(facts));
    }
    let whole = act(Act::Start);
    let changes: [fn(&mut WorkflowAct); 7] = [
        |act| act.act = Act::Wait,
        |act| act.name.push('x'),
        |act| act.version.push('x'),
        |act| act.spec_hash = Digest([6; 32]),
        |act| act.step = Some("x".to_owned()),
        |act| act.text.push('x'),
        |act| act.inputs = None,
    ];
    let hashed = |act: WorkflowAct| {
        let action = Action { invocation: Invocation::Workflow(Box::new(act)), ..plain(b"").action };
        Facts { action, ..plain(b"") }.action().to_canonical()
    };
    for change in changes {
        let mut other = whole.clone();
        change(&mut other);
        assert_ne!(hashed(other), hashed(whole.clone()));
    }
    // What was not written is not believed.
    let mut value = acting(Act::Start, Some(spec())).to_json();
    let Value::Object(members) = &mut value else { panic!("an object") };
    let Some(Value::Object(spec)) = members.get_mut("spec") else { panic!("a spec") };
    spec.insert("trusted".to_owned(), true.into());
    assert_eq!(Facts::from_json(&value), Err(FactsFault::Unknown("trusted".to_owned())));
}
