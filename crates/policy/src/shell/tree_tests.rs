//! `[ … ]` and `[[ … ]]` of tree-sitter-bash.

use tree_sitter::Node;

use super::neutral::{Found, Place, RawCommand};
use super::tree_sitter::{Direct, Walker, children, named};
use super::{Opaque, Refusal};

const COMPARISONS: [&str; 6] = ["-eq", "-ne", "-lt", "-le", "-gt", "-ge"];

/// The operand of `[[ -v … ]]`: evaluated only when it carries a subscript.
pub(super) fn test_name(text: &str, found: &mut Found) {
    if text.contains(['[', '$', '`']) {
        found.arithmetic.insert(text.to_owned());
    }
}

impl Walker<'_> {
    /// `[ … ]` as the words of a command, joined again where they touch.
    pub(super) fn test(
        &mut self,
        node: Node<'_>,
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
        let mut last_end = usize::MAX;
        let mut todo: Vec<Node<'_>> = children(node).rev().collect();
        while let Some(next) = todo.pop() {
            if matches!(next.kind(), "redirected_statement" | "file_redirect" | "heredoc_redirect") {
                self.found.opaque.insert(Opaque::NotParsed);
            }
            if next.kind().ends_with("_expression") && next.kind() != "brace_expression" {
                todo.extend(children(next).rev());
                continue;
            }
            let word = self.word(next, index, place)?;
            match command.words.last_mut() {
                Some(last) if last_end == next.start_byte() => last.append(word),
                _ => command.words.push(word),
            }
            last_end = next.end_byte();
        }
        for redirect in tail {
            self.redirect(*redirect, index, place, &mut command)?;
        }
        self.found.fill(index, command);
        self.continued(index, place, tail, out)
    }

    /// `[[ … ]]`: not a command, but its operands may hold some, or be evaluated.
    pub(super) fn extended_test(&mut self, node: Node<'_>, place: &Place) -> Result<(), Refusal> {
        let mut todo: Vec<Node<'_>> = vec![node];
        while let Some(next) = todo.pop() {
            match next.kind() {
                "test_command" | "parenthesized_expression" | "ternary_expression" | "postfix_expression" => {
                }
                "unary_expression" | "binary_expression" => self.evaluated_operands(next),
                _ if next.is_named() && next.kind() != "test_operator" => {
                    self.loose(next, &place.deeper())?;
                    continue;
                }
                _ => continue,
            }
            todo.extend(children(next).rev());
        }
        Ok(())
    }

    fn evaluated_operands(&mut self, node: Node<'_>) {
        let operator = node.child_by_field_name("operator").map_or("", |operator| self.source(operator));
        let evaluated = COMPARISONS.contains(&operator);
        let name = matches!(operator, "-v" | "-R");
        for operand in named(node).filter(|child| child.kind() != "test_operator") {
            let text = self.source(operand).to_owned();
            if evaluated {
                self.found.arithmetic.insert(text);
            } else if name {
                test_name(&text, &mut self.found);
            }
        }
    }
}
