//! JSON Schema, read into checks; what is not covered is refused by its name, never passed over.

mod pattern;
mod write;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::Declined;

pub(super) use write::validator;

/// Schemas inside one schema.
const NODES_MAX: usize = 512;
/// Members that say nothing about what is valid.
const ANNOTATIONS: &[&str] = &[
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "default",
    "definitions",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
];
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// One thing that is asked of a value.
#[derive(Clone, Debug)]
pub(super) enum Check {
    /// Nothing is valid.
    Never,
    Type(Vec<Kind>),
    Enum(Vec<Json>),
    Required(Vec<String>),
    Properties {
        named: Vec<(String, usize)>,
        others: Option<usize>,
    },
    Items(usize),
    UniqueItems,
    /// A number, a length or a count against a bound.
    Bound {
        of: Measure,
        sign: &'static str,
        bound: String,
    },
    MultipleOf(u64),
    Pattern(String),
    Format(Format),
    All(Vec<usize>),
    Any(Vec<usize>),
    One(Vec<usize>),
    Same(usize),
}

/// The types of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

/// What is measured against a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Number,
    Characters,
    Items,
    Properties,
}

/// The formats that are covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Date,
    Email,
}

/// A schema with all the schemas in it; the first is the whole.
#[derive(Debug, Default)]
pub(super) struct Schema {
    pub(super) nodes: Vec<Vec<Check>>,
    /// Where each place of the document was put.
    known: BTreeMap<String, usize>,
}

/// Reads a schema.
pub(super) fn read(text: &str) -> Result<Schema, Declined> {
    let document: Json =
        serde_json::from_str(text).map_err(|error| Declined::Unreadable { what: error.to_string() })?;
    let mut schema = Schema::default();
    schema.node(&document, &document, "#")?;
    schema.ends()?;
    Ok(schema)
}

fn value(keyword: &str, place: &str, what: &'static str) -> Declined {
    Declined::Value { keyword: keyword.to_owned(), place: place.to_owned(), what }
}

/// A key as part of a JSON pointer.
fn below(place: &str, key: &str) -> String {
    format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"))
}

impl Schema {
    /// Puts the schema at a place, once.
    fn node(&mut self, document: &Json, schema: &Json, place: &str) -> Result<usize, Declined> {
        if let Some(known) = self.known.get(place) {
            return Ok(*known);
        }
        let at = self.nodes.len();
        if at >= NODES_MAX {
            return Err(Declined::TooLarge { what: "schema", most: NODES_MAX });
        }
        self.nodes.push(Vec::new());
        self.known.insert(place.to_owned(), at);
        let checks = match schema {
            Json::Bool(true) => Vec::new(),
            Json::Bool(false) => vec![Check::Never],
            Json::Object(members) => self.checks(document, members, place)?,
            _ => return Err(value("schema", place, "must be an object, true or false")),
        };
        if let Some(node) = self.nodes.get_mut(at) {
            *node = checks;
        }
        Ok(at)
    }

    fn checks(
        &mut self,
        document: &Json,
        members: &Map<String, Json>,
        place: &str,
    ) -> Result<Vec<Check>, Declined> {
        if members.get("$schema").is_some_and(|dialect| dialect != DIALECT) {
            return Err(value("$schema", place, "only draft 2020-12 is covered"));
        }
        if place != "#" && members.contains_key("$id") {
            return Err(value("$id", place, "is covered at the top only"));
        }
        let mut found = Vec::new();
        for (keyword, given) in members {
            if ANNOTATIONS.contains(&keyword.as_str()) || keyword == "additionalProperties" {
                continue;
            }
            found.extend(match keyword.as_str() {
                "properties" => None,
                "items" => Some(Check::Items(self.node(document, given, &below(place, keyword))?)),
                "allOf" => Some(Check::All(self.several(document, given, place, keyword)?)),
                "anyOf" => Some(Check::Any(self.several(document, given, place, keyword)?)),
                "oneOf" => Some(Check::One(self.several(document, given, place, keyword)?)),
                "$ref" => Some(Check::Same(self.reference(document, given, place)?)),
                _ => plain(keyword, given, place)?,
            });
        }
        found.extend(self.properties(document, members, place)?);
        Ok(found)
    }

    fn several(
        &mut self,
        document: &Json,
        given: &Json,
        place: &str,
        keyword: &str,
    ) -> Result<Vec<usize>, Declined> {
        let Some(schemas) = given.as_array().filter(|schemas| !schemas.is_empty()) else {
            return Err(value(keyword, place, "must be a list of schemas"));
        };
        let place = below(place, keyword);
        let each = schemas.iter().enumerate();
        each.map(|(at, schema)| self.node(document, schema, &below(&place, &at.to_string()))).collect()
    }

    fn reference(&mut self, document: &Json, given: &Json, place: &str) -> Result<usize, Declined> {
        let outside = || value("$ref", place, "must be # or a JSON pointer such as #/$defs/name");
        let target = given.as_str().ok_or_else(outside)?;
        let pointer = target.strip_prefix('#').ok_or_else(outside)?;
        // Places are compared as written, so a pointer must be written in the one way that needs no decoding.
        if pointer.contains('%') || !(pointer.is_empty() || pointer.starts_with('/')) {
            return Err(outside());
        }
        let found = document.pointer(pointer);
        let schema = found.ok_or_else(|| value("$ref", place, "points at nothing in this schema"))?;
        self.node(document, schema, target)
    }

    fn properties(
        &mut self,
        document: &Json,
        members: &Map<String, Json>,
        place: &str,
    ) -> Result<Option<Check>, Declined> {
        let mut named = Vec::new();
        if let Some(given) = members.get("properties") {
            let Some(schemas) = given.as_object() else {
                return Err(value("properties", place, "must be an object of schemas"));
            };
            let place = below(place, "properties");
            for (key, schema) in schemas {
                named.push((key.clone(), self.node(document, schema, &below(&place, key))?));
            }
        }
        let others = match members.get("additionalProperties") {
            None | Some(Json::Bool(true)) => None,
            Some(schema) => Some(self.node(document, schema, &below(place, "additionalProperties"))?),
        };
        Ok((!named.is_empty() || others.is_some()).then_some(Check::Properties { named, others }))
    }

    /// Refuses a schema that asks itself about the same value again, which would never end.
    fn ends(&self) -> Result<(), Declined> {
        let mut settled = vec![false; self.nodes.len()];
        for start in 0..self.nodes.len() {
            self.walk(start, &mut Vec::new(), &mut settled)?;
        }
        Ok(())
    }

    fn walk(&self, at: usize, open: &mut Vec<usize>, settled: &mut [bool]) -> Result<(), Declined> {
        if settled.get(at).copied().unwrap_or(true) {
            return Ok(());
        }
        if open.contains(&at) {
            return Err(value("$ref", "#", "leads back to itself for the same value"));
        }
        open.push(at);
        for check in self.nodes.get(at).into_iter().flatten() {
            let next: &[usize] = match check {
                Check::All(nodes) | Check::Any(nodes) | Check::One(nodes) => nodes,
                Check::Same(node) => std::slice::from_ref(node),
                _ => &[],
            };
            for node in next {
                self.walk(*node, open, settled)?;
            }
        }
        open.pop();
        settled.iter_mut().skip(at).take(1).for_each(|done| *done = true);
        Ok(())
    }
}

/// Keywords without schemas in them.
fn plain(keyword: &str, given: &Json, place: &str) -> Result<Option<Check>, Declined> {
    let bound = |of, sign| match (of, given) {
        (Measure::Number, Json::Number(number)) => {
            Ok(Some(Check::Bound { of, sign, bound: number.to_string() }))
        }
        (Measure::Characters | Measure::Items | Measure::Properties, Json::Number(number))
            if number.is_u64() =>
        {
            Ok(Some(Check::Bound { of, sign, bound: number.to_string() }))
        }
        (Measure::Number, _) => Err(value(keyword, place, "must be a number")),
        _ => Err(value(keyword, place, "must be a whole number from 0 on")),
    };
    match keyword {
        "type" => kinds(given, place).map(Some),
        "enum" => match given.as_array() {
            Some(values) => Ok(Some(Check::Enum(values.clone()))),
            None => Err(value(keyword, place, "must be a list")),
        },
        "const" => Ok(Some(Check::Enum(vec![given.clone()]))),
        "required" => {
            let names =
                given.as_array().map(|names| names.iter().map(Json::as_str).collect::<Option<Vec<_>>>());
            match names.flatten() {
                Some(names) => Ok(Some(Check::Required(names.into_iter().map(str::to_owned).collect()))),
                None => Err(value(keyword, place, "must be a list of names")),
            }
        }
        "minimum" => bound(Measure::Number, "<"),
        "maximum" => bound(Measure::Number, ">"),
        "exclusiveMinimum" => bound(Measure::Number, "<="),
        "exclusiveMaximum" => bound(Measure::Number, ">="),
        "minLength" => bound(Measure::Characters, "<"),
        "maxLength" => bound(Measure::Characters, ">"),
        "minItems" => bound(Measure::Items, "<"),
        "maxItems" => bound(Measure::Items, ">"),
        "minProperties" => bound(Measure::Properties, "<"),
        "maxProperties" => bound(Measure::Properties, ">"),
        "multipleOf" => match given.as_u64().filter(|step| *step > 0) {
            Some(step) => Ok(Some(Check::MultipleOf(step))),
            None => Err(value(keyword, place, "is covered for whole numbers from 1 on")),
        },
        "uniqueItems" => match given.as_bool() {
            Some(unique) => Ok(unique.then_some(Check::UniqueItems)),
            None => Err(value(keyword, place, "must be true or false")),
        },
        "pattern" => {
            let text = given.as_str().ok_or_else(|| value(keyword, place, "must be a text"))?;
            let python = pattern::python(text).map_err(|what| value(keyword, place, what))?;
            Ok(Some(Check::Pattern(python)))
        }
        "format" => match given.as_str() {
            Some("date") => Ok(Some(Check::Format(Format::Date))),
            Some("email") => Ok(Some(Check::Format(Format::Email))),
            _ => Err(value(keyword, place, "is covered for date and email")),
        },
        _ => Err(Declined::Keyword { keyword: keyword.to_owned(), place: place.to_owned() }),
    }
}

fn kinds(given: &Json, place: &str) -> Result<Check, Declined> {
    let names: Vec<&Json> = match given {
        Json::Array(names) if !names.is_empty() => names.iter().collect(),
        one => vec![one],
    };
    let kind = |name: &&Json| match name.as_str() {
        Some("null") => Ok(Kind::Null),
        Some("boolean") => Ok(Kind::Boolean),
        Some("integer") => Ok(Kind::Integer),
        Some("number") => Ok(Kind::Number),
        Some("string") => Ok(Kind::String),
        Some("array") => Ok(Kind::Array),
        Some("object") => Ok(Kind::Object),
        _ => Err(value("type", place, "must be one or several of the seven types of JSON")),
    };
    names.iter().map(kind).collect::<Result<_, _>>().map(Check::Type)
}
