//! Tasks and questions to models go through the same ten gates, under names that policies can speak of.

use cascade_policy::decide::decide;
use cascade_policy::facts::{
    Action, AskedModel, Facts, Invocation, PrincipalKind, TASK_BYTES_MAX, Task, TaskKind,
};
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::decision::{RiskTier, Verdict};

use crate::facts::plain;
use crate::setting::{bundled_and, directory};

fn task() -> Task {
    Task {
        kind: TaskKind::Code,
        text: "adds".to_owned(),
        signature: None,
        examples: Vec::new(),
        tests: None,
        schema: None,
        max_layer: "L7".to_owned(),
        tools: Vec::new(),
        model: None,
    }
}

fn model(host: &str, local: bool) -> AskedModel {
    AskedModel {
        provider: "openai".to_owned(),
        name: "m".to_owned(),
        host: host.to_owned(),
        local,
        tokens: 900,
        microusd: 70,
        request: None,
    }
}

fn asked(task: Task) -> Facts {
    let before = plain(b"");
    Facts {
        action: Action { invocation: Invocation::Task(Box::new(task)), ..before.action.clone() },
        ..before
    }
}

fn by(kind: PrincipalKind, mut facts: Facts) -> Facts {
    facts.principal.kind = kind;
    facts
}

fn codes(snapshot: &Snapshot, facts: &Facts) -> Vec<String> {
    decide(snapshot, facts).decision.reasons().map(|(_, reason)| reason.code.clone()).collect()
}

#[test]
fn a_task_is_low_and_what_leaves_the_machine_is_not() {
    let snapshot = Snapshot::compile(&bundled_and("none.cedar", "")).unwrap();
    let tier = |task: Task| {
        let ruling = decide(&snapshot, &asked(task));
        assert_eq!((ruling.decision.verdict, ruling.classified), (Verdict::Admit, true));
        ruling.risk_tier
    };
    assert_eq!(tier(task()), RiskTier::Low);
    assert_eq!(tier(Task { model: Some(model("localhost", true)), ..task() }), RiskTier::Low);
    assert_eq!(tier(Task { model: Some(model("api.example.org", false)), ..task() }), RiskTier::Medium);
}

#[test]
fn policies_name_tasks_models_and_hosts() {
    let text = "@id(\"only-ours\") forbid (principal, action == Action::\"exec\", resource == Program::\"model\")\n\
                unless { context.hosts == [Host::\"llm.example.org\"] };";
    let snapshot = Snapshot::compile(&bundled_and("models.cedar", text)).unwrap();
    let verdict = |task| decide(&snapshot, &asked(task)).decision.verdict;
    assert_eq!(verdict(task()), Verdict::Admit);
    assert_eq!(verdict(Task { model: Some(model("llm.example.org", false)), ..task() }), Verdict::Admit);
    assert_eq!(verdict(Task { model: Some(model("api.example.org", false)), ..task() }), Verdict::Deny);
}

#[test]
fn an_agent_may_ask_but_asks_nobody_outside_above_its_threshold() {
    let thresholds = include_str!("../../../../policies/default/thresholds.toml")
        .replace("agent = \"MEDIUM\"", "agent = \"LOW\"");
    let base = include_str!("../../../../policies/default/base.cedar");
    let source = directory(&[("base.cedar", base), ("thresholds.toml", &thresholds)]).unwrap().source;
    let snapshot = Snapshot::compile(&source).unwrap();
    let mut facts = by(PrincipalKind::Agent, asked(task()));
    facts.on_behalf_of = crate::facts::full().on_behalf_of;
    assert_eq!(decide(&snapshot, &facts).decision.verdict, Verdict::Admit, "{:?}", codes(&snapshot, &facts));
    let outside = Task { model: Some(model("api.example.org", false)), ..task() };
    facts.action.invocation = Invocation::Task(Box::new(outside));
    assert!(codes(&snapshot, &facts).contains(&"risk.above_threshold".to_owned()));
}

#[test]
fn a_question_holds_what_it_can_cost_and_a_task_holds_nothing() {
    let limits = "[[budget]]\nname = \"money\"\nrolling = \"1d\"\nmicrousd = 100\nreserve_microusd = 50\n";
    let base = include_str!("../../../../policies/default/base.cedar");
    let thresholds = include_str!("../../../../policies/default/thresholds.toml");
    let files = [("base.cedar", base), ("limits.toml", limits), ("thresholds.toml", thresholds)];
    let snapshot = Snapshot::compile(&directory(&files).unwrap().source).unwrap();
    let held = |task| {
        let draws = cascade_policy::decide::draws(&snapshot, &asked(task));
        draws.iter().map(|draw| (draw.amounts.actions, draw.amounts.microusd)).collect::<Vec<_>>()
    };
    assert_eq!(held(task()), [(1, 0)]);
    assert_eq!(held(Task { model: Some(model("localhost", true)), ..task() }), [(1, 70)]);
}

#[test]
fn a_task_past_its_limit_is_denied() {
    let snapshot = Snapshot::compile(&bundled_and("none.cedar", "")).unwrap();
    let most = Task { text: "x".repeat(TASK_BYTES_MAX), ..task() };
    assert_eq!(decide(&snapshot, &asked(most.clone())).decision.verdict, Verdict::Admit);
    let past = Task { text: "x".repeat(TASK_BYTES_MAX + 1), ..most };
    let ruling = decide(&snapshot, &asked(past));
    assert_eq!(ruling.decision.verdict, Verdict::Deny);
}
