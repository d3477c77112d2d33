//! What a run is given, by type.

use std::collections::BTreeMap;

use cascade_receipt::json::Value;
use regex::Regex;

use super::fault::Faults;
use super::fields::{Fields, list, map};
use super::node::{Node, Place};
use super::read::is_name;

/// Most inputs of one spec.
const INPUTS_MAX: usize = 64;
/// Most items of an input that is a list.
const ITEMS_MAX: usize = 10_000;
/// Characters of an input's text, where the spec says nothing else.
const TEXT_CHARS_MAX: u64 = 4096;

/// What an input's values are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InputType {
    /// A text.
    Text,
    /// A whole number.
    Int,
    /// A truth value.
    Bool,
    /// A list of texts.
    Texts,
    /// A list of whole numbers.
    Ints,
}

impl InputType {
    /// Every type.
    pub const ALL: [Self; 5] = [Self::Text, Self::Int, Self::Bool, Self::Texts, Self::Ints];

    /// The word in specs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Int => "int",
            Self::Bool => "bool",
            Self::Texts => "list<string>",
            Self::Ints => "list<int>",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// A value of this type, for trying expressions.
    pub(super) fn sample(self) -> Value {
        match self {
            Self::Text => "sample".into(),
            Self::Int => Value::Int(1),
            Self::Bool => Value::Bool(true),
            Self::Texts => Value::Array(vec!["sample".into()]),
            Self::Ints => Value::Array(vec![Value::Int(1)]),
        }
    }
}

/// One input.
#[derive(Clone, Debug)]
pub struct Input {
    /// `inputs.NAME` in expressions.
    pub name: String,
    /// Its type.
    pub kind: InputType,
    /// For people.
    pub description: Option<String>,
    /// Taken where none is given; without one it must be given.
    pub default: Option<Value>,
    pattern: Option<Regex>,
    one_of: Option<Vec<Value>>,
    least: Option<i64>,
    most: Option<i64>,
    chars_max: u64,
}

impl Input {
    fn check(&self, value: &Value) -> Result<(), String> {
        match (self.kind, value) {
            (InputType::Text, Value::Str(_))
            | (InputType::Int, Value::Int(_))
            | (InputType::Bool, Value::Bool(_)) => self.check_one(value),
            (InputType::Texts | InputType::Ints, Value::Array(items)) => {
                if items.len() > ITEMS_MAX {
                    return Err(format!("holds more than {ITEMS_MAX}"));
                }
                items.iter().try_for_each(|item| match (self.kind, item) {
                    (InputType::Texts, Value::Str(_)) | (InputType::Ints, Value::Int(_)) => {
                        self.check_one(item)
                    }
                    _ => Err(format!("is not of type {}", self.kind.as_str())),
                })
            }
            _ => Err(format!("is not of type {}", self.kind.as_str())),
        }
    }

    fn check_one(&self, value: &Value) -> Result<(), String> {
        if self.one_of.as_ref().is_some_and(|allowed| !allowed.contains(value)) {
            let allowed: Vec<String> = self.one_of.iter().flatten().map(Value::to_canonical).collect();
            return Err(format!("is none of {}", allowed.join(", ")));
        }
        if let Value::Str(text) = value {
            if text.contains('\0') {
                return Err("holds a NUL".to_owned());
            }
            if u64::try_from(text.chars().count()).is_ok_and(|chars| chars > self.chars_max) {
                return Err(format!("has more than {} characters", self.chars_max));
            }
            if let Some(pattern) = &self.pattern
                && pattern.find(text).is_none_or(|found| found.len() != text.len())
            {
                return Err(format!("does not match {}", pattern.as_str()));
            }
        }
        if let Value::Int(number) = value {
            if self.least.is_some_and(|least| *number < least) {
                return Err(format!("is below {}", self.least.unwrap_or_default()));
            }
            if self.most.is_some_and(|most| *number > most) {
                return Err(format!("is above {}", self.most.unwrap_or_default()));
            }
        }
        Ok(())
    }
}

/// The values of a run: those given and the defaults of the others.
pub(super) fn bind(inputs: &[Input], given: &Value) -> Result<Value, Vec<String>> {
    let Bound { values, missing, mut wrong } = take(inputs, given)?;
    wrong.extend(missing.iter().map(|name| format!("input `{name}` is missing")));
    if wrong.is_empty() { Ok(values) } else { Err(wrong) }
}

/// The same, and the names of those that have no value yet.
pub(super) fn bind_so_far(inputs: &[Input], given: &Value) -> Result<(Value, Vec<String>), Vec<String>> {
    let Bound { values, missing, wrong } = take(inputs, given)?;
    if wrong.is_empty() { Ok((values, missing)) } else { Err(wrong) }
}

struct Bound {
    values: Value,
    missing: Vec<String>,
    wrong: Vec<String>,
}

fn take(inputs: &[Input], given: &Value) -> Result<Bound, Vec<String>> {
    let Value::Object(given) = given else { return Err(vec!["inputs are an object".to_owned()]) };
    let mut wrong: Vec<String> = given
        .keys()
        .filter(|name| !inputs.iter().any(|input| input.name == **name))
        .map(|name| format!("there is no input `{name}`"))
        .collect();
    let (mut values, mut missing) = (BTreeMap::new(), Vec::new());
    for input in inputs {
        match given.get(&input.name).or(input.default.as_ref()) {
            None => missing.push(input.name.clone()),
            Some(value) => {
                if let Err(why) = input.check(value) {
                    wrong.push(format!("input `{}` {why}", input.name));
                }
                values.insert(input.name.clone(), value.clone());
            }
        }
    }
    Ok(Bound { values: Value::Object(values), missing, wrong })
}

/// Reads the member `inputs`.
pub(super) fn read(node: &Node, faults: &mut Faults) -> Vec<Input> {
    let members = map(node, "inputs", INPUTS_MAX, faults).unwrap_or_default();
    members.into_iter().filter_map(|(name, place, value)| one(name, place, value, faults)).collect()
}

fn one(name: &str, place: Place, node: &Node, faults: &mut Faults) -> Option<Input> {
    if !is_name(name) {
        faults.add(place, format!("`{name}` is no name: lower-case letters, digits and `_`, a letter first"));
    }
    let mut fields = Fields::of(node, "an input", faults)?;
    let kind = fields.required_text("type");
    let description = fields.text("description");
    let pattern = fields.text("pattern");
    let (least, most) = (fields.optional("min"), fields.optional("max"));
    let chars_max = fields.number("max_length", 0, 65_536);
    let (one_of, default) = (fields.optional("enum"), fields.optional("default"));
    fields.finish();
    let kind = kind.and_then(|word| {
        let found = InputType::parse(&word);
        if found.is_none() {
            let known = InputType::ALL.map(InputType::as_str).join(", ");
            faults.add(node.place, format!("`{word}` is no type; there are {known}"));
        }
        found
    })?;
    let input = Input {
        name: name.to_owned(),
        kind,
        description,
        default: default.map(Node::to_value),
        pattern: pattern.and_then(|source| compiled(&source, node.place, faults)),
        one_of: one_of
            .and_then(|node| Some(list(node, "enum", 256, faults)?.iter().map(Node::to_value).collect())),
        least: least.and_then(|node| bound_of(node, faults)),
        most: most.and_then(|node| bound_of(node, faults)),
        chars_max: chars_max.unwrap_or(TEXT_CHARS_MAX),
    };
    if let (Some(value), Some(node)) = (&input.default, default)
        && let Err(why) = input.check(value)
    {
        faults.add(node.place, format!("the default of `{name}` {why}"));
    }
    Some(input)
}

/// The whole text must match, as whoever reads a spec expects.
fn compiled(source: &str, place: Place, faults: &mut Faults) -> Option<Regex> {
    let anchored = format!("^(?:{source})$");
    match regex::RegexBuilder::new(&anchored).size_limit(1 << 20).build() {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let last = error.to_string().lines().last().unwrap_or_default().to_owned();
            faults.add(place, format!("`{source}` is no pattern: {}", last.trim_start_matches("error: ")));
            None
        }
    }
}

fn bound_of(node: &Node, faults: &mut Faults) -> Option<i64> {
    if let super::node::Data::Int(number) = node.data {
        return Some(number);
    }
    faults.add(node.place, format!("a whole number belongs here, not {}", node.data.what()));
    None
}
