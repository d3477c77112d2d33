//! What can be said of a run before there is one: an order of its steps, and whatever hangs on inputs alone.

use std::collections::{BTreeMap, BTreeSet};

use cascade_receipt::json::Value as Data;
use cel::Value;

use super::render::{self, RunCommand};
use crate::csl::{Command, EvaluationFault, Expression, Scope, Spec, Step, Template};

/// Positions of the steps in an order that can run: what a step needs stands before it, all else as in the text.
#[must_use]
pub fn order(spec: &Spec) -> Vec<usize> {
    let at: BTreeMap<&str, usize> =
        spec.steps.iter().enumerate().map(|(index, step)| (step.id.as_str(), index)).collect();
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); spec.steps.len()];
    let mut waiting: Vec<usize> = spec.steps.iter().map(|step| step.needs.len()).collect();
    for (user, step) in spec.steps.iter().enumerate() {
        for need in step.needs.iter().filter_map(|(id, _)| at.get(id.as_str())) {
            if let Some(users) = users.get_mut(*need) {
                users.push(user);
            }
        }
    }
    let free = |(step, left): (usize, &usize)| (*left == 0).then_some(step);
    let mut ready: BTreeSet<usize> = waiting.iter().enumerate().filter_map(free).collect();
    let mut order = Vec::with_capacity(spec.steps.len());
    while let Some(next) = ready.pop_first() {
        order.push(next);
        for user in users.get(next).into_iter().flatten() {
            if let Some(left) = waiting.get_mut(*user) {
                *left -= 1;
                if *left == 0 {
                    ready.insert(*user);
                }
            }
        }
    }
    order
}

/// What is known with some inputs, or all. `None` in its answers stands for what only a run can tell.
#[derive(Clone, Debug)]
pub struct Foresight {
    scope: Scope,
    missing: BTreeSet<String>,
    has_item: bool,
}

impl Foresight {
    /// Inputs that were checked, and the names of those that nobody has given ([`crate::csl::Document::inputs_so_far`]).
    #[must_use]
    pub fn new(inputs: &Data, missing: impl IntoIterator<Item = String>) -> Self {
        Self { scope: Scope::new(inputs), missing: missing.into_iter().collect(), has_item: false }
    }

    /// Whether the step is done at all.
    ///
    /// # Errors
    /// Its condition has no value for these inputs.
    pub fn wants(&self, step: &Step) -> Result<Option<bool>, EvaluationFault> {
        match &step.when {
            Some((when, _)) if !self.knows(when) => Ok(None),
            _ => render::is_wanted(step, &self.scope).map(Some),
        }
    }

    /// The same for each item of the step's fan-out; for the step itself where it has none.
    ///
    /// # Errors
    /// There is no such list for these inputs, or it is too long.
    pub fn items(&self, step: &Step) -> Result<Option<Vec<Self>>, EvaluationFault> {
        if step.foreach.as_ref().is_some_and(|fan_out| !self.knows(&fan_out.over)) {
            return Ok(None);
        }
        let of = |(index, item): (usize, Option<Value>)| match item {
            Some(item) => Self { scope: self.scope.of_item(item, index), has_item: true, ..self.clone() },
            None => self.clone(),
        };
        let items = render::items(step, &self.scope)?;
        Ok(Some(items.into_iter().enumerate().map(of).collect()))
    }

    /// A command of the step with its values put in, but for the idempotency key.
    ///
    /// # Errors
    /// An expression has no value for these inputs.
    pub fn command(&self, step: &Step, command: &Command) -> Result<Option<RunCommand>, EvaluationFault> {
        let env = command.env.iter().map(|(_, value)| value);
        let concerned =
            step.subject.iter().flat_map(|subject| [&subject.person].into_iter().chain(&subject.matter));
        let words = command.argv.iter().chain(&command.cwd).chain(env).chain(&command.stdin);
        let mut parts = words.chain(concerned);
        if !parts.all(|part| self.knows_all(part)) {
            return Ok(None);
        }
        render::command(command, step, &self.scope).map(Some)
    }

    /// A text with its values put in.
    ///
    /// # Errors
    /// An expression has no value for these inputs.
    pub fn text(&self, template: &Template) -> Result<Option<String>, EvaluationFault> {
        if self.knows_all(template) { template.render(&self.scope).map(Some) } else { Ok(None) }
    }

    fn knows_all(&self, template: &Template) -> bool {
        template.expressions().all(|expression| self.knows(expression))
    }

    fn knows(&self, expression: &Expression) -> bool {
        expression.names().all(|(variable, member)| match variable {
            "inputs" => member.is_some_and(|name| !self.missing.contains(name)),
            "item" | "index" => self.has_item,
            _ => false,
        })
    }
}
