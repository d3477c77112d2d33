//! Lists and pipelines of tree-sitter-bash, which nests them either way round.

use tree_sitter::Node;

use super::tree_sitter::{is_redirect, named};

/// A statement without the redirects around it.
pub(super) fn core(mut node: Node<'_>) -> Node<'_> {
    while node.kind() == "redirected_statement" {
        match node.child_by_field_name("body") {
            Some(body) => node = body,
            None => break,
        }
    }
    node
}

/// A statement between the operators of a list or pipeline.
pub(super) struct Operand<'tree> {
    pub(super) node: Node<'tree>,
    pub(super) tail: Vec<Node<'tree>>,
    /// Its output goes to the next operand.
    pub(super) piped: bool,
    /// An `||` stands before it.
    pub(super) alternative: bool,
}

/// The operands below a node in source order. Lists nest once per operator, too deep to recurse.
pub(super) fn operands<'tree>(root: Node<'tree>, tail: &[Node<'tree>]) -> Vec<Operand<'tree>> {
    let mut todo = vec![Operand { node: root, tail: tail.to_vec(), piped: false, alternative: false }];
    let mut done = Vec::new();
    while let Some(mut next) = todo.pop() {
        let node = next.node;
        match node.kind() {
            "redirected_statement" if matches!(core(node).kind(), "list" | "pipeline") => {
                let mut all: Vec<Node<'tree>> = named(node).filter(|child| is_redirect(*child)).collect();
                all.append(&mut next.tail);
                if let Some(body) = node.child_by_field_name("body") {
                    todo.push(Operand { node: body, tail: all, ..next });
                }
            }
            "list" | "pipeline" => {
                let parts: Vec<_> = named(node).filter(|child| child.kind() != "comment").rev().collect();
                let first = parts.len().saturating_sub(1);
                let inner = node.kind() == "pipeline";
                for (i, part) in parts.into_iter().enumerate() {
                    // The last part, first in this order, stands where the whole stood.
                    let (tail, piped) = if i == 0 {
                        (std::mem::take(&mut next.tail), next.piped)
                    } else {
                        (Vec::new(), inner)
                    };
                    let alternative = if i == first { next.alternative } else { after_or(part) };
                    todo.push(Operand { node: part, tail, piped, alternative });
                }
            }
            _ => done.push(next),
        }
    }
    done
}

fn after_or(part: Node<'_>) -> bool {
    part.prev_sibling().is_some_and(|operator| operator.kind() == "||")
}
