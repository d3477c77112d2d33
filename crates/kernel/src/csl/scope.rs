//! What an expression can name.

use std::collections::BTreeSet;
use std::sync::Arc;

use cascade_receipt::json::Value as Data;
use cel::objects::{Key, Map};
use cel::{Context, Value};

use super::expression::{map_of, value_of};

/// An expression that has no value for these inputs and results.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{expression}`: {message}")]
pub struct EvaluationFault {
    /// The expression.
    pub expression: String,
    /// Why; without the values, which may be private.
    pub message: String,
}

/// Everything that can be named at one step: `inputs`, `steps`, `run`, and in a fan-out `item` and `index`.
#[derive(Clone, Debug)]
pub struct Scope {
    inputs: Map,
    /// Shared by every evaluation until a step is over.
    steps: Map,
    run: Map,
    item: Option<(Value, usize)>,
    longest_text: u64,
}

impl Scope {
    /// The scope of a run that has these inputs.
    #[must_use]
    pub fn new(inputs: &Data) -> Self {
        let mut scope = Self {
            inputs: as_map(value_of(inputs)),
            steps: Map { map: Arc::default() },
            run: Map { map: Arc::default() },
            item: None,
            longest_text: 0,
        };
        scope.longest_text = longest_in(&Value::Map(scope.inputs.clone()));
        scope
    }

    /// The result of a step, from now on `steps.ID`.
    pub(crate) fn add_step(&mut self, id: &str, result: Value) {
        self.longest_text = self.longest_text.max(longest_in(&result));
        Arc::make_mut(&mut self.steps.map).insert(Key::from(id), result);
    }

    /// Members of `run`.
    pub(crate) fn set_run(&mut self, run: Value) {
        self.run = as_map(run);
    }

    /// The scope of one item of a fan-out.
    pub(crate) fn of_item(&self, item: Value, index: usize) -> Self {
        let longest_text = self.longest_text.max(longest_in(&item));
        Self { item: Some((item, index)), longest_text, ..self.clone() }
    }

    pub(super) const fn longest_text(&self) -> u64 {
        self.longest_text
    }

    /// Adds what an expression names: variables, with the member that is read of each where one is. Nothing else, since
    /// the evaluator goes through all that it is given, and a fan-out evaluates once for each of its items.
    pub(super) fn add_to(&self, context: &mut Context<'_, '_>, names: &BTreeSet<(String, Option<String>)>) {
        for (variable, whole) in [("inputs", &self.inputs), ("steps", &self.steps), ("run", &self.run)] {
            let mut members: Vec<&str> = Vec::new();
            let mut all = false;
            for (_, member) in names.iter().filter(|(name, _)| name == variable) {
                match member {
                    Some(member) => members.push(member),
                    None => all = true,
                }
            }
            if all {
                context.add_variable_from_value(variable, Value::Map(whole.clone()));
            } else if !members.is_empty() {
                let named =
                    |name: &&str| Some(((*name).to_owned(), whole.map.get(&Key::from(*name))?.clone()));
                context.add_variable_from_value(variable, map_of(members.iter().filter_map(named)));
            }
        }
        if let Some((item, index)) = &self.item {
            context.add_variable_from_value("item", item.clone());
            context.add_variable_from_value("index", Value::Int(i64::try_from(*index).unwrap_or(i64::MAX)));
        }
    }
}

fn as_map(value: Value) -> Map {
    if let Value::Map(map) = value { map } else { Map { map: Arc::default() } }
}

/// Bytes of the longest text inside.
fn longest_in(value: &Value) -> u64 {
    match value {
        Value::String(text) => u64::try_from(text.len()).unwrap_or(u64::MAX),
        Value::List(items) => items.iter().map(longest_in).max().unwrap_or(0),
        Value::Map(map) => map.map.values().map(longest_in).max().unwrap_or(0),
        _ => 0,
    }
}

/// What a step left, as expressions see it.
pub(crate) fn json_of(text: &str) -> Option<Value> {
    let parsed: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(from_json(&parsed))
}

fn from_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => Value::Int(number),
            (None, Some(number), _) => Value::UInt(number),
            (None, None, number) => Value::Float(number.unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::String(Arc::new(text.clone())),
        serde_json::Value::Array(items) => Value::List(Arc::new(items.iter().map(from_json).collect())),
        serde_json::Value::Object(members) => {
            map_of(members.iter().map(|(key, value)| (key.clone(), from_json(value))))
        }
    }
}
