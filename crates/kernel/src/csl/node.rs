//! The data of a spec with the places it was written at.

use std::collections::BTreeMap;

use cascade_receipt::json::Value;

/// Bytes of a spec.
pub const SPEC_BYTES_MAX: usize = 256 * 1024;
/// Deepest nesting of lists and maps.
pub const DEPTH_MAX: usize = cascade_receipt::json::DEPTH_MAX;
/// Most scalars, lists and maps of one spec together.
pub const NODES_MAX: usize = 50_000;

/// Line and column, both from 1.
pub(super) type Place = (usize, usize);

/// A value and where it begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) data: Data,
}

/// What it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Data {
    Bool(bool),
    Int(i64),
    Str(String),
    List(Vec<Node>),
    /// In the order of the text; no key twice.
    Map(Vec<(Key, Node)>),
}

/// A key and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Key {
    pub(super) place: Place,
    pub(super) name: String,
}

impl Data {
    /// For messages.
    pub(super) const fn what(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a truth value",
            Self::Int(_) => "a number",
            Self::Str(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl Node {
    /// The data without its places.
    pub(super) fn to_value(&self) -> Value {
        match &self.data {
            Data::Bool(truth) => Value::Bool(*truth),
            Data::Int(number) => Value::Int(*number),
            Data::Str(text) => Value::Str(text.clone()),
            Data::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Data::Map(members) => {
                let members = members.iter().map(|(key, value)| (key.name.clone(), value.to_value()));
                Value::Object(members.collect::<BTreeMap<_, _>>())
            }
        }
    }
}
