//! The members of one map, each asked for by name; what nobody asked for is refused.

use std::time::Duration;

use super::expression::Expression;
use super::fault::Faults;
use super::node::{Data, Node, Place};
use super::template::Template;

/// Longest time that a spec can name: a year.
const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// A map whose members are taken one after the other.
pub(super) struct Fields<'n, 'f> {
    pub(super) place: Place,
    what: &'static str,
    members: Vec<(&'n str, Place, &'n Node, bool)>,
    known: Vec<&'static str>,
    pub(super) faults: &'f mut Faults,
}

impl<'n, 'f> Fields<'n, 'f> {
    /// The members of `node`; `None` with a fault where it is no map. `what` is for messages: `a step`.
    pub(super) fn of(node: &'n Node, what: &'static str, faults: &'f mut Faults) -> Option<Self> {
        let Data::Map(members) = &node.data else {
            faults.add(node.place, format!("{what} is a map, not {}", node.data.what()));
            return None;
        };
        let members =
            members.iter().map(|(key, value)| (key.name.as_str(), key.place, value, false)).collect();
        Some(Self { place: node.place, what, members, known: Vec::new(), faults })
    }

    pub(super) fn optional(&mut self, name: &'static str) -> Option<&'n Node> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        let member = self.members.iter_mut().find(|(key, ..)| *key == name)?;
        member.3 = true;
        Some(member.2)
    }

    pub(super) fn required(&mut self, name: &'static str) -> Option<&'n Node> {
        let found = self.optional(name);
        if found.is_none() {
            self.faults.add(self.place, format!("{} needs `{name}`", self.what));
        }
        found
    }

    /// Refuses members that nobody has asked for.
    pub(super) fn finish(self) {
        for (key, place, _, asked) in &self.members {
            if !asked {
                let known = self.known.join(", ");
                self.faults.add(*place, format!("{} has no `{key}`; it has {known}", self.what));
            }
        }
    }

    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        let node = self.optional(name)?;
        text(node, self.faults)
    }

    pub(super) fn required_text(&mut self, name: &'static str) -> Option<String> {
        let node = self.required(name)?;
        text(node, self.faults)
    }

    pub(super) fn truth(&mut self, name: &'static str) -> Option<bool> {
        let node = self.optional(name)?;
        if let Data::Bool(truth) = node.data {
            return Some(truth);
        }
        self.faults.add(node.place, format!("`{name}` is `true` or `false`, not {}", node.data.what()));
        None
    }

    /// A number from `least` to `most`.
    pub(super) fn number(&mut self, name: &'static str, least: u64, most: u64) -> Option<u64> {
        let node = self.optional(name)?;
        if let Data::Int(number) = node.data
            && let Ok(number) = u64::try_from(number)
            && (least..=most).contains(&number)
        {
            return Some(number);
        }
        self.faults.add(node.place, format!("`{name}` is a number from {least} to {most}"));
        None
    }

    /// A span of time in milliseconds: `90s`, `5m`, `1h 30m`.
    pub(super) fn duration_ms(&mut self, name: &'static str) -> Option<u64> {
        let node = self.optional(name)?;
        duration_ms(node, self.faults)
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, name: &'static str, most: usize) -> Option<Vec<String>> {
        let node = self.optional(name)?;
        let items = list(node, name, most, self.faults)?;
        Some(items.iter().filter_map(|item| text(item, self.faults)).collect())
    }

    pub(super) fn template(&mut self, name: &'static str) -> Option<Template> {
        let node = self.optional(name)?;
        template(node, self.faults)
    }

    pub(super) fn expression(&mut self, name: &'static str) -> Option<(Expression, Place)> {
        let node = self.optional(name)?;
        let source = text(node, self.faults)?;
        match Expression::compile(source.trim()) {
            Ok(expression) => Some((expression, node.place)),
            Err(message) => {
                self.faults.add(node.place, message);
                None
            }
        }
    }
}

pub(super) fn text(node: &Node, faults: &mut Faults) -> Option<String> {
    if let Data::Str(text) = &node.data {
        return Some(text.clone());
    }
    faults.add(node.place, format!("a text belongs here, not {}; put it in quotes", node.data.what()));
    None
}

/// A text, or a number or truth value that stands for its spelling.
pub(super) fn template(node: &Node, faults: &mut Faults) -> Option<Template> {
    let source = match &node.data {
        Data::Str(text) => text.clone(),
        Data::Int(number) => number.to_string(),
        Data::Bool(truth) => truth.to_string(),
        Data::List(_) | Data::Map(_) => {
            faults.add(node.place, format!("a text belongs here, not {}", node.data.what()));
            return None;
        }
    };
    match Template::parse(&source, node.place) {
        Ok(template) => Some(template),
        Err(message) => {
            faults.add(node.place, message);
            None
        }
    }
}

pub(super) fn duration_ms(node: &Node, faults: &mut Faults) -> Option<u64> {
    let source = text(node, faults)?;
    match humantime::parse_duration(&source) {
        Ok(duration) if !duration.is_zero() && duration <= DURATION_MAX => {
            u64::try_from(duration.as_millis()).ok()
        }
        Ok(_) => {
            faults.add(node.place, "a time is longer than nothing and at most a year");
            None
        }
        Err(_) => {
            faults.add(node.place, format!("`{source}` is no span of time; write `90s`, `5m`, `1h 30m`"));
            None
        }
    }
}

pub(super) fn list<'n>(node: &'n Node, name: &str, most: usize, faults: &mut Faults) -> Option<&'n [Node]> {
    match &node.data {
        Data::List(items) if items.len() <= most => Some(items),
        Data::List(_) => {
            faults.add(node.place, format!("`{name}` holds at most {most}"));
            None
        }
        other => {
            faults.add(node.place, format!("`{name}` is a list, not {}", other.what()));
            None
        }
    }
}

pub(super) fn map<'n>(
    node: &'n Node,
    name: &str,
    most: usize,
    faults: &mut Faults,
) -> Option<Vec<(&'n str, Place, &'n Node)>> {
    match &node.data {
        Data::Map(members) if members.len() <= most => {
            Some(members.iter().map(|(key, value)| (key.name.as_str(), key.place, value)).collect())
        }
        Data::Map(_) => {
            faults.add(node.place, format!("`{name}` holds at most {most}"));
            None
        }
        other => {
            faults.add(node.place, format!("`{name}` is a map, not {}", other.what()));
            None
        }
    }
}
