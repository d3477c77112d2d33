//! Changes of schedules go through the ten gates like calls of `cascade cron`.

use cascade_policy::decide::decide;
use cascade_policy::facts::{
    Action, Authentication, CronAct, Delegator, Facts, FactsFault, Invocation, Principal, PrincipalKind,
    ScheduleAct, TASK_BYTES_MAX,
};
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::decision::{RiskTier, Verdict};
use cascade_receipt::json::{self, Value};

use crate::facts::plain;
use crate::setting::bundled_and;

fn act(act: CronAct) -> ScheduleAct {
    let definition = (act == CronAct::Add).then(|| "{\"at\":\"@daily\"}".to_owned());
    ScheduleAct { act, name: "nightly".to_owned(), definition }
}

fn acting(act: ScheduleAct) -> Facts {
    let before = plain(b"");
    let invocation = Invocation::Schedule(Box::new(act));
    Facts { action: Action { invocation, ..before.action.clone() }, ..before }
}

/// The same, asked by an agent of that person.
fn by_agent(facts: Facts) -> Facts {
    let person = facts.principal.id;
    let principal = Principal {
        kind: PrincipalKind::Agent,
        authentication: Authentication::EnvironmentMarker,
        groups: Vec::new(),
        admin: false,
        ..facts.principal
    };
    let delegator = Delegator { id: person, groups: Vec::new(), admin: false, alive: true };
    Facts { principal, on_behalf_of: Some(delegator), ..facts }
}

fn bundled() -> Snapshot {
    Snapshot::compile(&bundled_and("none.cedar", "")).unwrap()
}

#[test]
fn a_person_changes_schedules_and_an_agent_does_not() {
    for which in CronAct::ALL {
        assert_eq!(CronAct::parse(which.as_str()), Some(which));
        let ruling = decide(&bundled(), &acting(act(which)));
        assert_eq!((ruling.risk_tier, ruling.classified), (RiskTier::High, true));
        assert_eq!(ruling.decision.verdict, Verdict::Admit, "{which:?}");
        let ruling = decide(&bundled(), &by_agent(acting(act(which))));
        assert_eq!(ruling.decision.verdict, Verdict::Deny, "{which:?}");
        let by = ruling.decision.gates.iter().flat_map(|gate| &gate.reasons);
        let ids: Vec<_> = by.filter_map(|reason| reason.policy_id.as_deref()).collect();
        assert!(ids.contains(&"agents-do-not-govern"), "{ids:?}");
    }
}

#[test]
fn policies_name_changes_of_schedules() {
    let text = "@id(\"no-schedules\") forbid (principal, action == Action::\"exec\", resource == Program::\"cascade\")\n\
                when { context.kind == \"schedule\" && context.subcommand == \"cron add\" };";
    let snapshot = Snapshot::compile(&bundled_and("schedules.cedar", text)).unwrap();
    let verdict = |which| decide(&snapshot, &acting(act(which))).decision.verdict;
    assert_eq!((verdict(CronAct::Add), verdict(CronAct::Pause)), (Verdict::Deny, Verdict::Admit));
}

#[test]
fn a_definition_is_as_long_as_a_task_may_be() {
    let facts = |bytes: usize| {
        let mut long = act(CronAct::Add);
        long.definition = Some("x".repeat(bytes - long.name.len()));
        decide(&bundled(), &acting(long)).decision.verdict
    };
    assert_eq!((facts(TASK_BYTES_MAX), facts(TASK_BYTES_MAX + 1)), (Verdict::Admit, Verdict::Deny));
}

#[test]
fn json_holds_the_change_and_the_hash_covers_all_of_it() {
    for which in CronAct::ALL {
        let facts = acting(act(which));
        let text = facts.to_json().to_canonical();
        assert_eq!(Facts::from_json(&json::parse_canonical(text.as_bytes()).unwrap()), Ok(facts));
    }
    let whole = act(CronAct::Add);
    let changes: [fn(&mut ScheduleAct); 3] =
        [|act| act.act = CronAct::Remove, |act| act.name.push('x'), |act| act.definition = None];
    let hashed = |act: ScheduleAct| acting(act).action().to_canonical();
    for change in changes {
        let mut other = whole.clone();
        change(&mut other);
        assert_ne!(hashed(other), hashed(whole.clone()));
    }
    // What was not written is not believed.
    let mut value = acting(whole).to_json();
    let Value::Object(members) = &mut value else { panic!("an object") };
    let Some(Value::Object(action)) = members.get_mut("action") else { panic!("an action") };
    let Some(Value::Object(schedule)) = action.get_mut("schedule") else { panic!("a schedule") };
    schedule.insert("trusted".to_owned(), true.into());
    assert_eq!(Facts::from_json(&value), Err(FactsFault::Unknown("trusted".to_owned())));
}
