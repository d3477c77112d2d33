//! Walks the tree of tree-sitter-bash.
//!
//! That grammar binds a redirect to the whole list or pipeline before it, and lets a
//! here-document swallow the rest of its line. Both are undone here: redirects travel as a *tail*
//! to the last command, and what follows a here-document continues from that command.

use tree_sitter::{Node, Parser};

use super::neutral::{Found, Piece, Place, RawAssignment, RawCommand, RawInput, RawWord};
use super::scan::{self, Inner};
use super::{DEPTH_MAX, Opaque, Refusal};

/// Deepest chain of nodes walked; a line within the lexical limit stays far below.
pub(super) const NODES_MAX: usize = 4 * DEPTH_MAX;

/// Commands whose output a pipe after this place would carry.
pub(super) type Direct = Vec<usize>;

/// Everything this parser sees in the text.
pub(super) fn walk(text: &str) -> Result<Found, Refusal> {
    let mut parser = Parser::new();
    let mut walker = Walker { text, found: Found::default() };
    let parsed = parser
        .set_language(&tree_sitter_bash::LANGUAGE.into())
        .is_ok()
        .then(|| parser.parse(text, None))
        .flatten();
    match parsed {
        Some(tree) => {
            let root = tree.root_node();
            if root.has_error() {
                walker.found.opaque.insert(Opaque::NotParsed);
            }
            walker.body(root, &Place::top(), &mut Direct::new())?;
        }
        None => {
            walker.found.opaque.insert(Opaque::NotParsed);
        }
    }
    Ok(walker.found)
}

pub(super) struct Walker<'a> {
    pub(super) text: &'a str,
    pub(super) found: Found,
}

/// A statement without the redirects around it.
fn core(mut node: Node<'_>) -> Node<'_> {
    while node.kind() == "redirected_statement" {
        match node.child_by_field_name("body") {
            Some(body) => node = body,
            None => break,
        }
    }
    node
}

/// A statement between the operators of a list or pipeline.
struct Operand<'tree> {
    node: Node<'tree>,
    tail: Vec<Node<'tree>>,
    /// Its output goes to the next operand.
    piped: bool,
}

/// The operands below a node in source order. Lists nest once per operator, too deep to recurse.
fn operands<'tree>(root: Node<'tree>, tail: &[Node<'tree>]) -> Vec<Operand<'tree>> {
    let mut todo = vec![Operand { node: root, tail: tail.to_vec(), piped: false }];
    let mut done = Vec::new();
    while let Some(mut next) = todo.pop() {
        let node = next.node;
        match node.kind() {
            "redirected_statement" if matches!(core(node).kind(), "list" | "pipeline") => {
                let mut all: Vec<Node<'tree>> = named(node).filter(|child| is_redirect(*child)).collect();
                all.append(&mut next.tail);
                if let Some(body) = node.child_by_field_name("body") {
                    todo.push(Operand { node: body, tail: all, piped: next.piped });
                }
            }
            "list" | "pipeline" => {
                let parts = named(node).filter(|child| child.kind() != "comment").rev();
                let inner = node.kind() == "pipeline";
                for (i, part) in parts.enumerate() {
                    // The last part, first in this order, stands where the whole stood.
                    let (tail, piped) = if i == 0 {
                        (std::mem::take(&mut next.tail), next.piped)
                    } else {
                        (Vec::new(), inner)
                    };
                    todo.push(Operand { node: part, tail, piped });
                }
            }
            _ => done.push(next),
        }
    }
    done
}

/// All children in order, with their field names.
///
/// With one cursor: asking a node for its i-th child walks from the first each time.
pub(super) fn fields(node: Node<'_>) -> Vec<(Option<&str>, Node<'_>)> {
    let mut cursor = node.walk();
    let mut all = Vec::new();
    let mut more = cursor.goto_first_child();
    while more {
        all.push((cursor.field_name(), cursor.node()));
        more = cursor.goto_next_sibling();
    }
    all
}

pub(super) fn children(node: Node<'_>) -> impl DoubleEndedIterator<Item = Node<'_>> {
    fields(node).into_iter().map(|(_, child)| child)
}

pub(super) fn named(node: Node<'_>) -> impl DoubleEndedIterator<Item = Node<'_>> {
    children(node).filter(Node::is_named)
}

fn is_redirect(node: Node<'_>) -> bool {
    matches!(node.kind(), "file_redirect" | "heredoc_redirect" | "herestring_redirect")
}

impl<'a> Walker<'a> {
    pub(super) fn source(&self, node: Node<'_>) -> &'a str {
        self.text.get(node.byte_range()).unwrap_or("")
    }

    /// The statements among a node's children.
    pub(super) fn body(&mut self, node: Node<'_>, place: &Place, out: &mut Direct) -> Result<(), Refusal> {
        let all = fields(node);
        for (i, (field, child)) in all.iter().enumerate() {
            if !child.is_named() || matches!(field, Some("value" | "variable" | "name")) {
                continue;
            }
            let background = all.get(i + 1).is_some_and(|(_, next)| next.kind() == "&");
            let place = Place { straight: place.straight && !background, ..place.deeper() };
            match child.kind() {
                "do_group" | "elif_clause" | "else_clause" => self.body(*child, &place, out)?,
                _ => self.statement(*child, &place, &[], out)?,
            }
        }
        Ok(())
    }

    pub(super) fn statement(
        &mut self,
        node: Node<'_>,
        place: &Place,
        tail: &[Node<'_>],
        out: &mut Direct,
    ) -> Result<(), Refusal> {
        if place.depth > NODES_MAX {
            return Err(Refusal::Depth);
        }
        match node.kind() {
            "comment" | "heredoc_body" | "heredoc_end" | "heredoc_start" => Ok(()),
            "redirected_statement" if matches!(core(node).kind(), "list" | "pipeline") => {
                self.sequence(node, place.stdin.clone(), place, tail, out)
            }
            "redirected_statement" => self.redirected(node, place, tail, out),
            "list" | "pipeline" => self.sequence(node, place.stdin.clone(), place, tail, out),
            "negated_command" => {
                let place = Place { straight: false, ..place.deeper() };
                named(node).try_for_each(|child| self.statement(child, &place, tail, out))
            }
            "command" | "variable_assignment" | "variable_assignments" => self.simple(node, place, tail, out),
            "declaration_command" | "unset_command" => self.simple(node, place, tail, out),
            "test_command" if self.source(node).starts_with("[[") => {
                self.grouped(place, tail, out, |walker, place, _| walker.extended_test(node, place))
            }
            "test_command" => self.simple(node, place, tail, out),
            "subshell" | "if_statement" | "while_statement" => {
                self.grouped(place, tail, out, |walker, place, out| walker.body(node, &place.within(), out))
            }
            "compound_statement" if self.source(node).starts_with("((") => {
                self.grouped(place, tail, out, |walker, place, _| walker.arithmetic(node, place))
            }
            "compound_statement" => {
                self.grouped(place, tail, out, |walker, place, out| walker.body(node, place, out))
            }
            "for_statement" | "c_style_for_statement" => {
                self.grouped(place, tail, out, |walker, place, out| walker.for_loop(node, place, out))
            }
            "case_statement" => {
                self.grouped(place, tail, out, |walker, place, out| walker.case(node, place, out))
            }
            "function_definition" => self.function(node, place, tail, out),
            _ => self.salvage(node, place, tail, out),
        }
    }

    /// Lists and pipelines, in the order they are written.
    ///
    /// This grammar nests them either way round (`a | b | c && d` comes as a pipeline with a list
    /// in it), so only the operators between the operands count: `|` binds before `&&`. The first
    /// operand reads from `first`.
    fn sequence(
        &mut self,
        node: Node<'_>,
        first: RawInput,
        place: &Place,
        tail: &[Node<'_>],
        out: &mut Direct,
    ) -> Result<(), Refusal> {
        let operands = operands(node, tail);
        let around = Place { straight: false, ..place.deeper() };
        let mut place = Place { stdin: first, ..place.deeper() };
        for (i, operand) in operands.iter().enumerate() {
            let piped = operand.piped;
            place.straight &= i == 0 && !piped;
            let mut direct = Direct::new();
            self.statement(operand.node, &place, &operand.tail, &mut direct)?;
            place = around.clone();
            if piped {
                place.stdin = RawInput::Pipe(direct);
            } else {
                out.append(&mut direct);
            }
        }
        Ok(())
    }

    fn redirected(
        &mut self,
        node: Node<'_>,
        place: &Place,
        tail: &[Node<'_>],
        out: &mut Direct,
    ) -> Result<(), Refusal> {
        let mut all: Vec<Node<'_>> = named(node).filter(|child| is_redirect(*child)).collect();
        all.extend_from_slice(tail);
        match node.child_by_field_name("body") {
            Some(body) => self.statement(body, &place.deeper(), &all, out),
            None => self.simple_of(&[], place, &all, out),
        }
    }

    fn simple(
        &mut self,
        node: Node<'_>,
        place: &Place,
        tail: &[Node<'_>],
        out: &mut Direct,
    ) -> Result<(), Refusal> {
        match node.kind() {
            "variable_assignment" => self.simple_of(&[node], place, tail, out),
            "test_command" => self.test(node, place, tail, out),
            _ => self.simple_of(&children(node).collect::<Vec<_>>(), place, tail, out),
        }
    }

    /// One command from the nodes of its parts.
    fn simple_of(
        &mut self,
        parts: &[Node<'_>],
        place: &Place,
        tail: &[Node<'_>],
        out: &mut Direct,
    ) -> Result<(), Refusal> {
        let index = self.found.reserve()?;
        let mut command =
            RawCommand { straight: place.straight, stdin: place.stdin.clone(), ..RawCommand::default() };
        for (i, part) in parts.iter().enumerate() {
            // `$"…"` comes as a lone dollar that touches a string.
            let translated = part.kind() == "$"
                && parts
                    .get(i + 1)
                    .is_some_and(|next| next.kind() == "string" && next.start_byte() == part.end_byte());
            if !translated {
                self.part(*part, index, place, &mut command)?;
            }
        }
        let mut end = parts.last().map_or(usize::MAX, Node::end_byte);
        for redirect in tail {
            // A lone `-` before a here-document is in no node.
            if self.text.get(end..redirect.start_byte()).is_some_and(|gap| gap.trim() == "-") {
                command.words.push(RawWord::of("-"));
            }
            self.redirect(*redirect, index, place, &mut command)?;
            end = redirect.end_byte();
        }
        self.found.fill(index, command);
        self.continued(index, place, tail, out)
    }

    /// What the rest of a here-document's line does with the command before it.
    pub(super) fn continued(
        &mut self,
        index: usize,
        place: &Place,
        tail: &[Node<'_>],
        out: &mut Direct,
    ) -> Result<(), Refusal> {
        let mut direct = vec![index];
        for redirect in tail.iter().filter(|node| node.kind() == "heredoc_redirect") {
            for child in named(*redirect).filter(|child| child.kind() == "pipeline") {
                for next in named(child) {
                    let fed = RawInput::Pipe(std::mem::take(&mut direct));
                    let place = Place { straight: false, ..place.deeper() };
                    self.sequence(next, fed, &place, &[], &mut direct)?;
                }
            }
            if let Some(right) = redirect.child_by_field_name("right") {
                let place = Place { straight: false, ..place.deeper() };
                self.statement(right, &place, &[], &mut direct)?;
            }
        }
        out.append(&mut direct);
        Ok(())
    }

    fn part(
        &mut self,
        node: Node<'_>,
        index: usize,
        place: &Place,
        command: &mut RawCommand,
    ) -> Result<(), Refusal> {
        match node.kind() {
            "comment" => {}
            "variable_assignment" if command.words.is_empty() => {
                let assignment = self.assignment(node, index, place)?;
                command.assignments.push(assignment);
            }
            _ if is_redirect(node) => self.redirect(node, index, place, command)?,
            "subshell" => {
                // `command ( … )`: no shell accepts it as a call.
                self.found.opaque.insert(Opaque::NotParsed);
                self.body(node, &place.within(), &mut Direct::new())?;
            }
            _ => {
                let word = self.word(node, index, place)?;
                command.words.push(word);
            }
        }
        Ok(())
    }

    pub(super) fn assignment(
        &mut self,
        node: Node<'_>,
        index: usize,
        place: &Place,
    ) -> Result<RawAssignment, Refusal> {
        let target = node.child_by_field_name("name");
        let subscript = target.filter(|target| target.kind() == "subscript");
        let name = match subscript {
            Some(subscript) => {
                if let Some(key) = subscript.child_by_field_name("index") {
                    self.arithmetic(key, place)?;
                }
                subscript.child_by_field_name("name")
            }
            None => target,
        };
        let name = name.map_or("", |name| self.source(name)).to_owned();
        let append = children(node).any(|child| child.kind() == "+=");
        let value = node.child_by_field_name("value");
        let array = value.is_some_and(|value| value.kind() == "array");
        let value = match value {
            Some(value) if array => {
                for element in named(value) {
                    let element = self.word(element, index, place)?;
                    self.found.bound.push((name.clone(), element));
                }
                RawWord(vec![Piece::Array])
            }
            Some(value) => self.word(value, index, place)?,
            None => RawWord::default(),
        };
        Ok(RawAssignment { name, value, plain: subscript.is_none() && !append && !array })
    }

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

    fn for_loop(&mut self, node: Node<'_>, place: &Place, out: &mut Direct) -> Result<(), Refusal> {
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
            let values: Vec<Node<'_>> = node.children_by_field_name("value", &mut cursor).collect();
            for value in &values {
                let word = self.loose(*value, place)?;
                self.found.bound.push((name.clone(), word));
            }
            if values.is_empty() {
                self.found.bound.push((name, RawWord::unknown()));
            }
        }
        match node.child_by_field_name("body") {
            Some(body) => self.body(body, &place.within(), out),
            None => Ok(()),
        }
    }

    fn case(&mut self, node: Node<'_>, place: &Place, out: &mut Direct) -> Result<(), Refusal> {
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

    fn function(
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
    fn salvage(
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

    /// Keeps what a word says beyond its commands.
    pub(super) fn note(&mut self, body: &str) {
        match scan::parameter_facts(body) {
            Ok(facts) => facts.iter().for_each(|fact: &Inner| self.found.note(fact)),
            Err(_) => {
                self.found.opaque.insert(Opaque::NotParsed);
            }
        }
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
