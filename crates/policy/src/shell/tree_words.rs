//! Words of tree-sitter-bash.

use tree_sitter::Node;

use super::neutral::{Piece, Place, RawInput, RawWord};
use super::scan::{self, Mode};
use super::tree_sitter::{Direct, NODES_MAX, Walker, children, named};
use super::{Opaque, Refusal, ansi};

impl Walker<'_> {
    /// A word whose value goes nowhere, looked at for what is inside it.
    pub(super) fn loose(&mut self, node: Node<'_>, place: &Place) -> Result<RawWord, Refusal> {
        let index = usize::MAX;
        self.word(node, index, place)
    }

    pub(super) fn word(&mut self, node: Node<'_>, index: usize, place: &Place) -> Result<RawWord, Refusal> {
        if place.depth > NODES_MAX {
            return Err(Refusal::Depth);
        }
        let mut word = RawWord::default();
        let source = self.source(node);
        match node.kind() {
            "string" => {
                word.text("", true);
                self.quoted(node, index, place, &mut word)?;
            }
            "translated_string" | "command_name" | "concatenation" => {
                self.joined(node, index, place, &mut word)?;
            }
            "raw_string" => word.text(source.trim_matches('\''), true),
            "ansi_c_string" => {
                let inside = source.strip_prefix("$'").and_then(|text| text.strip_suffix('\''));
                match inside.and_then(ansi::decode) {
                    Some(decoded) => word.text(&decoded, true),
                    None => word.push(Piece::Expansion),
                }
            }
            "simple_expansion" => word.push(parameter(source.trim_start(), false)),
            "expansion" => {
                let piece = self.expansion(node, false, place)?;
                word.push(piece);
            }
            "command_substitution" => {
                self.body(node, &place.within(), &mut Direct::new())?;
                word.push(Piece::Output { quoted: false });
            }
            "process_substitution" => {
                self.process(node, index, place)?;
                word.push(Piece::Expansion);
            }
            "arithmetic_expansion" => {
                self.arithmetic(node, place)?;
                word.push(Piece::Number);
            }
            "variable_assignment" => {
                let assignment = self.assignment(node, index, place)?;
                let head =
                    node.child_by_field_name("value").map_or(node.end_byte(), |value| value.start_byte());
                word.text(self.text.get(node.start_byte()..head).unwrap_or(""), false);
                word.append(assignment.value);
            }
            _ if node.named_child_count() == 0 => self.leaf(source, &mut word),
            _ => self.joined(node, index, place, &mut word)?,
        }
        Ok(word)
    }

    /// A leaf without structure of its own.
    fn leaf(&mut self, source: &str, word: &mut RawWord) {
        match scan::scan(source, Mode::Plain) {
            Ok(scanned) if scanned.inner.is_empty() => word.append(scanned.word),
            _ => {
                self.found.opaque.insert(Opaque::NotParsed);
                word.push(Piece::Expansion);
            }
        }
    }

    /// Children side by side; text between them that no node covers is literal.
    fn joined(
        &mut self,
        node: Node<'_>,
        index: usize,
        place: &Place,
        word: &mut RawWord,
    ) -> Result<(), Refusal> {
        let mut at = node.start_byte();
        for child in children(node).filter(|child| child.end_byte() > child.start_byte()) {
            if node.kind() != "translated_string" {
                self.leaf(self.text.get(at..child.start_byte()).unwrap_or(""), word);
            }
            at = child.end_byte();
            if child.is_named() {
                let inside = self.word(child, index, &place.deeper())?;
                word.append(inside);
            } else if node.kind() != "translated_string" {
                self.leaf(self.source(child), word);
            }
        }
        self.leaf(self.text.get(at..node.end_byte()).unwrap_or(""), word);
        Ok(())
    }

    /// The inside of double quotes, or the body of an expanding here-document.
    pub(super) fn quoted(
        &mut self,
        node: Node<'_>,
        index: usize,
        place: &Place,
        word: &mut RawWord,
    ) -> Result<(), Refusal> {
        let (start, end, mode) = if node.kind() == "string" {
            (node.start_byte() + 1, node.end_byte().saturating_sub(1), Mode::Double)
        } else {
            (node.start_byte(), node.end_byte(), Mode::Body)
        };
        let mut at = start;
        for child in named(node) {
            let piece = match child.kind() {
                "simple_expansion" => parameter(self.source(child).trim_start(), true),
                "expansion" => self.expansion(child, true, place)?,
                "command_substitution" => {
                    self.body(child, &place.within(), &mut Direct::new())?;
                    Piece::Output { quoted: true }
                }
                "arithmetic_expansion" => {
                    self.arithmetic(child, place)?;
                    Piece::Number
                }
                "string_content" | "heredoc_content" => continue,
                _ => {
                    self.word(child, index, &place.deeper())?;
                    Piece::Expansion
                }
            };
            // Blanks before an expansion in quotes are made part of its node.
            let source = self.source(child);
            let blanks = source.len() - source.trim_start().len();
            self.literal(at, child.start_byte() + blanks, mode, word);
            word.push(piece);
            at = child.end_byte();
        }
        self.literal(at, end, mode, word);
        Ok(())
    }

    fn literal(&mut self, from: usize, to: usize, mode: Mode, word: &mut RawWord) {
        match scan::scan(self.text.get(from..to).unwrap_or(""), mode) {
            Ok(scanned) if scanned.inner.is_empty() => word.append(scanned.word),
            _ => {
                self.found.opaque.insert(Opaque::NotParsed);
                word.push(Piece::Expansion);
            }
        }
    }

    fn expansion(&mut self, node: Node<'_>, quoted: bool, place: &Place) -> Result<Piece, Refusal> {
        let source = self.source(node).trim_start();
        let body = source.strip_prefix("${").and_then(|text| text.strip_suffix('}')).unwrap_or("");
        if body.is_empty() || body.starts_with([' ', '\t', '\n', '|']) {
            self.found.opaque.insert(Opaque::NotParsed);
        }
        self.substitutions(node, place)?;
        if scan::name_length(body) == body.len() {
            return Ok(Piece::Var { name: body.to_owned(), quoted });
        }
        self.note(body);
        Ok(scan::operated(body, quoted))
    }

    /// A node whose text the shell evaluates as arithmetic.
    pub(super) fn arithmetic(&mut self, node: Node<'_>, place: &Place) -> Result<(), Refusal> {
        if place.depth > NODES_MAX {
            return Err(Refusal::Depth);
        }
        let mut text = self.source(node).trim();
        for (open, shut) in [("$((", "))"), ("((", "))"), ("$[", "]")] {
            if let Some(inside) = text.strip_prefix(open).and_then(|text| text.strip_suffix(shut)) {
                text = inside;
                break;
            }
        }
        self.found.arithmetic.insert(text.to_owned());
        self.substitutions(node, place)
    }

    /// Every substitution below a node, however deep; a plain loop, for operators nest once each.
    fn substitutions(&mut self, node: Node<'_>, place: &Place) -> Result<(), Refusal> {
        let mut todo: Vec<Node<'_>> = children(node).rev().collect();
        if node.kind() == "command_substitution" {
            todo = vec![node];
        }
        while let Some(next) = todo.pop() {
            match next.kind() {
                "command_substitution" => self.body(next, &place.within(), &mut Direct::new())?,
                "process_substitution" => {
                    self.process(next, usize::MAX, place)?;
                }
                "expansion" => {
                    let source = self.source(next).trim_start();
                    let body =
                        source.strip_prefix("${").and_then(|text| text.strip_suffix('}')).unwrap_or("");
                    if scan::name_length(body) != body.len() {
                        self.note(body);
                    }
                    todo.extend(children(next).rev());
                }
                "arithmetic_expansion" => self.arithmetic(next, &place.deeper())?,
                _ => {
                    todo.extend(children(next).rev());
                }
            }
        }
        Ok(())
    }

    pub(super) fn process(&mut self, node: Node<'_>, index: usize, place: &Place) -> Result<Direct, Refusal> {
        let written = self.source(node).starts_with('>') && index != usize::MAX;
        let inside = if written { place.fed(RawInput::Pipe(vec![index])) } else { place.within() };
        let mut direct = Direct::new();
        self.body(node, &inside, &mut direct)?;
        Ok(direct)
    }
}

/// `$x`, `$1`, `$?`.
fn parameter(source: &str, quoted: bool) -> Piece {
    let name = source.strip_prefix('$').unwrap_or("");
    if !name.is_empty() && scan::name_length(name) == name.len() {
        return Piece::Var { name: name.to_owned(), quoted };
    }
    match name.chars().next() {
        Some(c) if name.len() == c.len_utf8() => scan::special(c, quoted),
        _ => Piece::Expansion,
    }
}
