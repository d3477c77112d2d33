//! Redirects and here-documents of tree-sitter-bash.

use tree_sitter::Node;

use super::neutral::{Place, RawCommand, RawInput, RawRedirect, RawWord};
use super::scan::{self, Mode};
use super::tree_sitter::{Walker, children, fields, named};
use super::{Opaque, RedirectOp, Refusal};

/// This grammar knows no here-string behind another redirect of the same command (`cat > x <<< hi`): it takes `<<` for an
/// error, and `< hi` for a file that is read. Is this redirect such a one?
fn is_here_string(redirect: Node<'_>, text: &str) -> bool {
    let error = redirect.prev_sibling().filter(|before| before.kind() == "ERROR");
    let whole = error.and_then(|error| {
        let adjacent =
            error.end_byte() == redirect.start_byte() && text.get(error.byte_range()) == Some("<<");
        adjacent.then(|| text.get(error.start_byte()..redirect.end_byte())).flatten()
    });
    redirect.kind() == "file_redirect"
        && redirect.child_by_field_name("descriptor").is_none()
        && whole
            .and_then(|whole| whole.strip_prefix("<<<"))
            .is_some_and(|rest| !rest.starts_with(['<', '>', '(', '&']))
}

/// Is every error of the tree the one before such a here-string?
pub(super) fn errs_in_here_strings_only(root: Node<'_>, text: &str) -> bool {
    let mut todo = vec![root];
    while let Some(node) = todo.pop() {
        let known =
            node.kind() == "ERROR" && node.next_sibling().is_some_and(|next| is_here_string(next, text));
        if node.is_missing() || (node.is_error() && !known) {
            return false;
        }
        if !known {
            todo.extend(children(node).filter(Node::has_error));
        }
    }
    true
}

impl Walker<'_> {
    pub(super) fn redirect(
        &mut self,
        node: Node<'_>,
        index: usize,
        place: &Place,
        command: &mut RawCommand,
    ) -> Result<(), Refusal> {
        let fd = node.child_by_field_name("descriptor").map(|fd| self.source(fd));
        match node.kind() {
            "heredoc_redirect" => self.here_document(node, fd, index, place, command),
            "herestring_redirect" => {
                if let Some(text) = named(node).find(|child| child.kind() != "file_descriptor") {
                    let word = self.word(text, index, place)?;
                    if matches!(fd, None | Some("0")) {
                        command.stdin = RawInput::Text(word);
                    }
                }
                Ok(())
            }
            _ => self.file_redirect(node, fd, index, place, command),
        }
    }

    fn file_redirect(
        &mut self,
        node: Node<'_>,
        fd: Option<&str>,
        index: usize,
        place: &Place,
        command: &mut RawCommand,
    ) -> Result<(), Refusal> {
        if is_here_string(node, self.text) {
            let mut cursor = node.walk();
            for (at, word) in node.children_by_field_name("destination", &mut cursor).enumerate() {
                let word = self.word(word, index, place)?;
                if at == 0 {
                    command.stdin = RawInput::Text(word);
                } else {
                    command.words.push(word);
                }
            }
            return Ok(());
        }
        let operator = children(node).find(|child| !child.is_named()).map_or("", |child| child.kind());
        let op = match operator {
            "<" => RedirectOp::Read,
            ">" | ">|" | "&>" => RedirectOp::Write,
            ">>" | "&>>" => RedirectOp::Append,
            "<&" | ">&" | "<&-" | ">&-" => RedirectOp::Duplicate,
            _ => {
                self.found.opaque.insert(Opaque::NotParsed);
                RedirectOp::ReadWrite
            }
        };
        let mut cursor = node.walk();
        let mut targets = node.children_by_field_name("destination", &mut cursor);
        let mut stdin = RawInput::Inherited;
        let target = if operator.ends_with('-') {
            RawWord::of("-")
        } else {
            match targets.next() {
                Some(target) if target.kind() == "process_substitution" => {
                    stdin = RawInput::Pipe(self.process(target, index, place)?);
                    RawWord::unknown()
                }
                Some(target) => self.word(target, index, place)?,
                None => RawWord::unknown(),
            }
        };
        if fd == Some("0") || fd.is_none() && operator.starts_with('<') {
            command.stdin = stdin;
        }
        command.redirects.push(RawRedirect::new(op, target, operator == ">&"));
        // This grammar takes what follows the target for more targets; they are arguments.
        for argument in targets {
            let word = self.word(argument, index, place)?;
            command.words.push(word);
        }
        Ok(())
    }

    fn here_document(
        &mut self,
        node: Node<'_>,
        fd: Option<&str>,
        index: usize,
        place: &Place,
        command: &mut RawCommand,
    ) -> Result<(), Refusal> {
        let child = |kind: &str| named(node).find(|child| child.kind() == kind);
        let literal =
            child("heredoc_start").is_some_and(|start| self.source(start).contains(['\'', '"', '\\']));
        let strip = children(node).any(|child| child.kind() == "<<-");
        if let Some(body) = child("heredoc_body") {
            let end =
                child("heredoc_end").map_or(body.end_byte(), |end| end.start_byte().max(body.end_byte()));
            let mut text = self.text.get(body.start_byte()..end).unwrap_or("").to_owned();
            if strip {
                text =
                    text.split('\n').map(|line| line.trim_start_matches('\t')).collect::<Vec<_>>().join("\n");
            }
            let document = if literal {
                RawWord::document(&text)
            } else {
                self.expanded_document(body, &text, index, place)?
            };
            if matches!(fd, None | Some("0")) {
                command.stdin = RawInput::Text(document);
            }
        }
        for (field, child) in fields(node) {
            match field {
                Some("redirect") => self.redirect(child, index, place, command)?,
                Some("argument") => {
                    let word = self.word(child, index, place)?;
                    command.words.push(word);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn expanded_document(
        &mut self,
        body: Node<'_>,
        text: &str,
        index: usize,
        place: &Place,
    ) -> Result<RawWord, Refusal> {
        let mut word = RawWord::default();
        self.quoted(body, index, place, &mut word)?;
        if word.literal().is_none() {
            return Ok(RawWord::unknown());
        }
        let plain = scan::scan(text, Mode::Body).ok().and_then(|scanned| scanned.word.literal());
        Ok(plain.map_or_else(RawWord::unknown, |text| RawWord::document(&text)))
    }
}
