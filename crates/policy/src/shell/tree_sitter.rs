//! Walks the tree of tree-sitter-bash.
//!
//! That grammar binds a redirect to the whole list or pipeline before it, and lets a
//! here-document swallow the rest of its line. Both are undone here: redirects travel as a *tail*
//! to the last command, and what follows a here-document continues from that command.

use tree_sitter::{Node, Parser};

use super::neutral::{Found, Piece, Place, RawAssignment, RawCommand, RawInput, RawWord};
use super::scan::{self, Inner};
use super::tree_operands::{core, operands};
use super::tree_redirects;
use super::{DEPTH_MAX, Opaque, Refusal};

/// Deepest chain of nodes walked; a line within the lexical limit stays far below.
pub(super) const NODES_MAX: usize = 4 * DEPTH_MAX;

/// Commands whose output a pipe after this place would carry.
pub(super) type Direct = Vec<usize>;

/// The text with every byte of a character outside ASCII replaced by a letter, which is what such a byte
/// is to the grammar. The scanner hands characters to C's `isdigit`, which reads out of bounds for large
/// ones and can kill the process. Offsets stay, so words are taken from the real text.
fn ascii(text: &str) -> Vec<u8> {
    text.bytes().map(|byte| if byte.is_ascii() { byte } else { b'x' }).collect()
}

/// Everything this parser sees in the text.
pub(super) fn walk(text: &str) -> Result<Found, Refusal> {
    let mut parser = Parser::new();
    let mut walker = Walker { text, found: Found::default() };
    let parsed = parser
        .set_language(&tree_sitter_bash::LANGUAGE.into())
        .is_ok()
        .then(|| parser.parse(ascii(text), None))
        .flatten();
    match parsed {
        Some(tree) => {
            let root = tree.root_node();
            if root.has_error() && !tree_redirects::errs_in_here_strings_only(root, text) {
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

pub(super) fn is_redirect(node: Node<'_>) -> bool {
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
            let chain = self.found.chains.inside(place.chain);
            let place = Place { straight: place.straight && !background, chain, ..place.deeper() };
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
                let chain = self.found.chains.inside(place.chain);
                let place = Place { straight: false, chain, ..place.deeper() };
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
        let (mut alternative, mut after_pipe) = (false, false);
        for (i, operand) in operands.iter().enumerate() {
            let piped = operand.piped;
            place.straight &= i == 0 && !piped;
            alternative |= operand.alternative;
            if alternative || piped || after_pipe {
                place.chain = self.found.chains.inside(place.chain);
            }
            after_pipe = piped;
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
    pub(super) fn simple_of(
        &mut self,
        parts: &[Node<'_>],
        place: &Place,
        tail: &[Node<'_>],
        out: &mut Direct,
    ) -> Result<(), Refusal> {
        let index = self.found.reserve()?;
        let mut command = RawCommand {
            straight: place.straight,
            stdin: place.stdin.clone(),
            chain: place.chain,
            ..RawCommand::default()
        };
        let mut end = usize::MAX;
        for (i, part) in parts.iter().enumerate() {
            let next = parts.get(i + 1);
            // `$"…"` comes as a lone dollar that touches a string.
            if part.kind() == "$"
                && next.is_some_and(|next| next.kind() == "string" && next.start_byte() == part.end_byte())
            {
                continue;
            }
            // Elsewhere parts that touch are one word to the shell: `a<(b)`.
            if part.start_byte() == end && part.kind() == "process_substitution" {
                self.found.opaque.insert(Opaque::NotParsed);
            }
            end = part.end_byte();
            self.part(*part, index, place, &mut command)?;
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
                    let chain = self.found.chains.inside(place.chain);
                    let place = Place { straight: false, chain, ..place.deeper() };
                    self.sequence(next, fed, &place, &[], &mut direct)?;
                }
            }
            if let Some(right) = redirect.child_by_field_name("right") {
                let chain = self.found.chains.inside(place.chain);
                let place = Place { straight: false, chain, ..place.deeper() };
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
