//! Whether the parts of a spec fit together: what needs what, which names there are, which types.

use std::collections::{BTreeMap, BTreeSet};

use cascade_receipt::json::Value as Data;
use cel::Value;

use super::expression::{Expression, is_about_types, map_of, value_of};
use super::fault::Faults;
use super::node::Place;
use super::read::{Command, Spec, Step, Wait, Work};
use super::scope::Scope;
use super::template::Template;

pub(super) fn check(spec: &Spec) -> Result<(), Faults> {
    let mut faults = Faults::default();
    let at: BTreeMap<&str, usize> =
        spec.steps.iter().enumerate().map(|(index, step)| (step.id.as_str(), index)).collect();
    let needs = resolve_needs(spec, &at, &mut faults);
    let before = ancestors(spec, &needs, &mut faults);
    check_zone(spec, &mut faults);
    for (index, step) in spec.steps.iter().enumerate() {
        let empty = BTreeSet::new();
        let names = Names { spec, step: Some(step), before: before.get(index).unwrap_or(&empty) };
        check_step(&names, step, &mut faults);
    }
    let all: BTreeSet<usize> = (0..spec.steps.len()).collect();
    let names = Names { spec, step: None, before: &all };
    for (_, output) in &spec.outputs {
        names.template(output, &mut faults);
    }
    faults.or(())
}

fn check_zone(spec: &Spec, faults: &mut Faults) {
    if let Some(window) = &spec.constraints.window
        && jiff::tz::TimeZone::get(&window.zone).is_err()
    {
        let zone = &window.zone;
        faults.add(window.place, format!("there is no time zone `{zone}`; write one such as Europe/Berlin"));
    }
}

fn resolve_needs(spec: &Spec, at: &BTreeMap<&str, usize>, faults: &mut Faults) -> Vec<Vec<usize>> {
    let mut all = Vec::new();
    for step in &spec.steps {
        let mut needs = Vec::new();
        for (id, place) in &step.needs {
            match at.get(id.as_str()) {
                Some(index) => needs.push(*index),
                None => faults.add(*place, format!("there is no step `{id}`")),
            }
        }
        all.push(needs);
    }
    all
}

/// For each step, all that is over before it starts. Steps on a circle have none.
fn ancestors(spec: &Spec, needs: &[Vec<usize>], faults: &mut Faults) -> Vec<BTreeSet<usize>> {
    let mut before: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); spec.steps.len()];
    let mut waiting: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); spec.steps.len()];
    for (step, needed) in needs.iter().enumerate() {
        for one in needed {
            if let Some(users) = users.get_mut(*one) {
                users.push(step);
            }
        }
    }
    let mut ready: Vec<usize> = (0..waiting.len()).filter(|index| waiting.get(*index) == Some(&0)).collect();
    while let Some(done) = ready.pop() {
        let mut theirs = before.get(done).cloned().unwrap_or_default();
        theirs.insert(done);
        for user in users.get(done).into_iter().flatten() {
            if let (Some(set), Some(left)) = (before.get_mut(*user), waiting.get_mut(*user)) {
                set.extend(&theirs);
                *left -= 1;
                if *left == 0 {
                    ready.push(*user);
                }
            }
        }
    }
    if let Some(start) = waiting.iter().position(|left| *left > 0) {
        let circle = circle_from(needs, &waiting, start);
        let ids: Vec<&str> =
            circle.iter().filter_map(|index| Some(spec.steps.get(*index)?.id.as_str())).collect();
        let place = circle.first().and_then(|index| spec.steps.get(*index)).map_or((1, 1), |step| step.place);
        faults.add(place, format!("the steps wait for each other: {}", ids.join(" needs ")));
    }
    before
}

/// A circle that is reached from a step that waits for ever.
fn circle_from(needs: &[Vec<usize>], waiting: &[usize], start: usize) -> Vec<usize> {
    let (mut path, mut at) = (Vec::new(), start);
    loop {
        if let Some(seen) = path.iter().position(|one| *one == at) {
            let mut circle: Vec<usize> = path.split_off(seen);
            circle.push(at);
            return circle;
        }
        path.push(at);
        let stuck = |one: &&usize| waiting.get(**one).is_some_and(|left| *left > 0);
        match needs.get(at).and_then(|needs| needs.iter().find(stuck)) {
            Some(next) => at = *next,
            None => return path,
        }
    }
}

/// What can be named at one place.
struct Names<'a> {
    spec: &'a Spec,
    step: Option<&'a Step>,
    before: &'a BTreeSet<usize>,
}

fn check_step(names: &Names<'_>, step: &Step, faults: &mut Faults) {
    // The list is made before there is an item of it.
    let outside = Names { spec: names.spec, step: None, before: names.before };
    if let Some((expression, place)) = &step.when {
        outside.expression(expression, *place, faults);
        let value = expression.evaluate(&outside.sample());
        if matches!(&value, Ok(value) if !matches!(value, Value::Bool(_))) {
            faults.add(*place, "`when` is true or false");
        }
    }
    if let Some(fan_out) = &step.foreach {
        outside.expression(&fan_out.over, fan_out.place, faults);
        let value = fan_out.over.evaluate(&outside.sample());
        if matches!(&value, Ok(value) if !matches!(value, Value::List(_))) {
            faults.add(fan_out.place, "`foreach` goes over a list");
        }
    }
    for command in [&step.compensate, &step.reconcile].into_iter().flatten() {
        names.command(command, faults);
    }
    if let Some(subject) = &step.subject {
        let parts = [&subject.person].into_iter().chain(&subject.matter);
        parts.for_each(|part| names.template(part, faults));
    }
    match &step.work {
        Work::Command(command) => names.command(command, faults),
        Work::Task(task) => names.template(&task.text, faults),
        Work::Approval(approval) => names.template(&approval.text, faults),
        Work::Workflow(workflow) => {
            for (_, expression, place) in &workflow.inputs {
                names.expression(expression, *place, faults);
            }
        }
        Work::Http(http) => {
            let headers = http.headers.iter().map(|(_, value)| value);
            let parts = headers.chain([&http.url]).chain(&http.body);
            parts.for_each(|part| names.template(part, faults));
        }
        Work::Wait(Wait::For(_)) => {}
        Work::Wait(Wait::Until(moment)) => {
            names.template(moment, faults);
            let is_moment = |text: &str| cascade_receipt::time::Timestamp::parse(text).is_some();
            if moment.literal().is_some_and(|text| !is_moment(text)) {
                faults.add(moment.place, "a moment is written 2026-12-31T09:00:00.000Z");
            }
        }
    }
}

impl Names<'_> {
    fn command(&self, command: &Command, faults: &mut Faults) {
        let env = command.env.iter().map(|(_, value)| value);
        let parts = command.argv.iter().chain(&command.cwd).chain(env).chain(&command.stdin);
        parts.for_each(|part| self.template(part, faults));
    }

    fn template(&self, template: &Template, faults: &mut Faults) {
        for expression in template.expressions() {
            self.expression(expression, template.place, faults);
        }
    }

    fn expression(&self, expression: &Expression, place: Place, faults: &mut Faults) {
        let mut is_sound = true;
        for (variable, member) in expression.names() {
            if let Err(message) = self.name(variable, member) {
                faults.add(place, format!("`{}`: {message}", expression.source()));
                is_sound = false;
            }
        }
        if let (true, Err(fault)) = (is_sound, expression.evaluate(&self.sample()))
            && is_about_types(&fault)
        {
            faults.add(place, fault.to_string());
        }
    }

    fn name(&self, variable: &str, member: Option<&str>) -> Result<(), String> {
        let in_fan_out = self.step.is_some_and(|step| step.foreach.is_some());
        match (variable, member) {
            ("inputs", Some(name)) if self.spec.inputs.iter().any(|input| input.name == name) => Ok(()),
            ("inputs", Some(name)) => Err(format!("there is no input `{name}`")),
            ("steps", Some(id)) => match self.spec.steps.iter().position(|step| step.id == id) {
                None => Err(format!("there is no step `{id}`")),
                Some(_) if self.step.is_some_and(|step| step.id == id) => {
                    Err("a step has no result of its own while it runs".to_owned())
                }
                Some(at) if !self.before.contains(&at) => {
                    Err(format!("`{id}` may not be over by then: add it to `needs`"))
                }
                Some(_) => Ok(()),
            },
            ("run", Some("id" | "started")) => Ok(()),
            ("run", Some("key")) if self.step.is_some() => Ok(()),
            ("run", Some("key")) => Err("it names an item of a step, and there is none here".to_owned()),
            ("item" | "index", _) if in_fan_out => Ok(()),
            ("item" | "index", _) => Err(format!("`{variable}` is there in a step with `foreach` alone")),
            ("inputs" | "steps" | "run", _) => Err(format!("name a member: `{variable}.NAME`")),
            _ => Err(format!(
                "there is no `{variable}`; there are inputs, steps, run, and in a fan-out item and index"
            )),
        }
    }

    /// Values of the right types. What they do not show, a run does.
    fn sample(&self) -> Scope {
        let inputs = self.spec.inputs.iter().map(|input| (input.name.clone(), input.kind.sample()));
        let mut scope = Scope::new(&Data::Object(inputs.collect()));
        let text = |word: &str| value_of(&Data::Str(word.to_owned()));
        scope.set_run(map_of(
            ["id", "key", "started"].map(|name| (name.to_owned(), text("sample"))).into_iter(),
        ));
        for step in self.before.iter().filter_map(|at| self.spec.steps.get(*at)) {
            scope.add_step(&step.id, sample_result(step));
        }
        let fan_out = self.step.and_then(|step| step.foreach.as_ref());
        let Some(fan_out) = fan_out else { return scope };
        match fan_out.over.evaluate(&scope) {
            Ok(Value::List(items)) => match items.first() {
                Some(item) => scope.of_item(item.clone(), 0),
                None => scope,
            },
            _ => scope,
        }
    }
}

/// What is known of a result beforehand: not what is inside `json`, nor whether it is there.
fn sample_result(step: &Step) -> Value {
    let text = || value_of(&"sample".into());
    let number = || Value::Int(0);
    let mut members = vec![("ok", Value::Bool(true)), ("status", text())];
    match &step.work {
        Work::Command(_) => members.extend([("exit_code", number()), ("stdout", text()), ("stderr", text())]),
        Work::Http(_) => members.extend([("code", number()), ("body", text())]),
        Work::Task(_) => {
            members.extend([("answer", text()), ("layer", text()), ("evidence", text())]);
            members.extend([("tokens", number()), ("cost_microusd", number())]);
        }
        Work::Approval(_) | Work::Wait(_) | Work::Workflow(_) => {}
    }
    let one = map_of(members.into_iter().map(|(name, value)| (name.to_owned(), value)));
    if step.foreach.is_none() {
        return one;
    }
    let items = Value::List(std::sync::Arc::new(vec![one]));
    let members = [("ok", Value::Bool(true)), ("status", text()), ("items", items)];
    map_of(members.into_iter().map(|(name, value)| (name.to_owned(), value)))
}
