//! Compound commands of tree-sitter-bash, and nodes it could not place.

use tree_sitter::Node;

use super::neutral::{Loop, Place, RawCommand, RawWord};
use super::tree_sitter::{Direct, Walker, fields, is_redirect, named};
use super::{Opaque, Refusal};

impl Walker<'_> {
    /// A compound command, preceded by a command of no words for its redirects.
    pub(super) fn grouped(
        &mut self,
        place: &Place,
        tail: &[Node<'_>],
        out: &mut Direct,
        body: impl FnOnce(&mut Self, &Place, &mut Direct) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        if tail.is_empty() {
            return body(self, &place.deeper(), out);
        }
        let index = self.found.reserve()?;
        let mut command = RawCommand { stdin: place.stdin.clone(), ..RawCommand::default() };
        for redirect in tail {
            self.redirect(*redirect, index, place, &mut command)?;
        }
        let inside = Place { stdin: command.stdin.clone(), ..place.deeper() };
        self.found.fill(index, command);
        body(self, &inside, out)?;
        self.continued(index, place, tail, out)
    }

    pub(super) fn for_loop(
        &mut self,
        node: Node<'_>,
        place: &Place,
        out: &mut Direct,
    ) -> Result<(), Refusal> {
        if node.kind() == "c_style_for_statement" {
            for (_, part) in fields(node)
                .into_iter()
                .filter(|(field, _)| matches!(field, Some("initializer" | "condition" | "update")))
            {
                self.arithmetic(part, place)?;
            }
        } else {
            let name = node.child_by_field_name("variable").map_or("", |name| self.source(name)).to_owned();
            let mut cursor = node.walk();
            let nodes: Vec<Node<'_>> = node.children_by_field_name("value", &mut cursor).collect();
            let mut values = Vec::with_capacity(nodes.len());
            for value in &nodes {
                values.push(self.loose(*value, place)?);
            }
            if values.is_empty() {
                values.push(RawWord::unknown());
            }
            self.found.bound.extend(values.iter().map(|word| (name.clone(), word.clone())));
            let start = self.found.commands.len();
            if let Some(body) = node.child_by_field_name("body") {
                self.body(body, &place.within(), out)?;
            }
            self.found.loops.push(Loop { name, values, body: start..self.found.commands.len() });
            return Ok(());
        }
        match node.child_by_field_name("body") {
            Some(body) => self.body(body, &place.within(), out),
            None => Ok(()),
        }
    }

    pub(super) fn case(&mut self, node: Node<'_>, place: &Place, out: &mut Direct) -> Result<(), Refusal> {
        if let Some(value) = node.child_by_field_name("value") {
            self.loose(value, place)?;
        }
        for item in named(node).filter(|child| child.kind() == "case_item") {
            let mut cursor = item.walk();
            for pattern in item.children_by_field_name("value", &mut cursor) {
                self.loose(pattern, place)?;
            }
            self.body(item, &place.within(), out)?;
        }
        Ok(())
    }

    pub(super) fn function(
        &mut self,
        node: Node<'_>,
        place: &Place,
        tail: &[Node<'_>],
        out: &mut Direct,
    ) -> Result<(), Refusal> {
        if let Some(name) = node.child_by_field_name("name") {
            self.found.functions.insert(self.source(name).to_owned());
        }
        let mut all: Vec<Node<'_>> = named(node).filter(|child| is_redirect(*child)).collect();
        all.extend_from_slice(tail);
        match node.child_by_field_name("body") {
            Some(body) => self.statement(body, &place.within(), &all, out),
            None => Ok(()),
        }
    }

    /// A node that stands where a statement should: whatever commands it holds are still listed.
    pub(super) fn salvage(
        &mut self,
        node: Node<'_>,
        place: &Place,
        tail: &[Node<'_>],
        out: &mut Direct,
    ) -> Result<(), Refusal> {
        self.found.opaque.insert(Opaque::NotParsed);
        if node.kind() == "ERROR" {
            let words: Vec<Node<'_>> = named(node).filter(|child| is_word(*child)).collect();
            if !words.is_empty() {
                self.simple_of(&words, place, tail, out)?;
            }
            for child in named(node).filter(|child| !is_word(*child) && !is_redirect(*child)) {
                self.statement(child, &place.within(), &[], out)?;
            }
            return Ok(());
        }
        if is_word(node) {
            return self.simple_of(&[node], place, tail, out);
        }
        self.body(node, &place.within(), out)
    }
}

fn is_word(node: Node<'_>) -> bool {
    matches!(
        node.kind(),
        "word"
            | "command_name"
            | "string"
            | "raw_string"
            | "ansi_c_string"
            | "translated_string"
            | "concatenation"
            | "number"
            | "simple_expansion"
            | "expansion"
            | "command_substitution"
            | "process_substitution"
            | "arithmetic_expansion"
            | "brace_expression"
            | "variable_name"
    )
}
