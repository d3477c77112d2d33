//! Simple commands and redirects of brush-parser.

use brush_parser::ast;

use super::brush::{Direct, Walker};
use super::neutral::{Piece, Place, RawAssignment, RawCommand, RawInput, RawRedirect, RawWord};
use super::scan::Mode;
use super::{RedirectOp, Refusal};

impl Walker {
    pub(super) fn simple(
        &mut self,
        simple: &ast::SimpleCommand,
        place: &Place,
        out: &mut Direct,
    ) -> Result<(), Refusal> {
        let index = self.found.reserve()?;
        out.push(index);
        let mut command = RawCommand {
            straight: place.straight,
            stdin: place.stdin.clone(),
            chain: place.chain,
            ..RawCommand::default()
        };
        let prefix = simple.prefix.iter().flat_map(|prefix| &prefix.0);
        for item in prefix {
            match item {
                ast::CommandPrefixOrSuffixItem::AssignmentWord(assignment, _) => {
                    let assignment = self.assignment(assignment, index, place)?;
                    command.assignments.push(assignment);
                }
                other => self.item(other, index, place, &mut command)?,
            }
        }
        if let Some(word) = &simple.word_or_name {
            let word = self.word(&word.value, Mode::Plain, index, place)?;
            command.words.push(word);
        }
        for item in simple.suffix.iter().flat_map(|suffix| &suffix.0) {
            self.item(item, index, place, &mut command)?;
        }
        self.found.fill(index, command);
        Ok(())
    }

    fn item(
        &mut self,
        item: &ast::CommandPrefixOrSuffixItem,
        index: usize,
        place: &Place,
        command: &mut RawCommand,
    ) -> Result<(), Refusal> {
        match item {
            ast::CommandPrefixOrSuffixItem::IoRedirect(redirect) => {
                self.redirect(redirect, index, place, command)?;
            }
            ast::CommandPrefixOrSuffixItem::Word(word) => {
                command.words.push(self.word(&word.value, Mode::Plain, index, place)?);
            }
            ast::CommandPrefixOrSuffixItem::AssignmentWord(assignment, word) => {
                let word = match &assignment.value {
                    ast::AssignmentValue::Scalar(_) => self.word(&word.value, Mode::Plain, index, place)?,
                    ast::AssignmentValue::Array(_) => {
                        let parsed = self.assignment(assignment, index, place)?;
                        let mut word = RawWord::of(&format!("{}=", parsed.name));
                        word.append(parsed.value);
                        word
                    }
                };
                command.words.push(word);
            }
            ast::CommandPrefixOrSuffixItem::ProcessSubstitution(kind, shell) => {
                self.process(kind, &shell.list, index, place)?;
                command.words.push(RawWord::unknown());
            }
        }
        Ok(())
    }

    fn process(
        &mut self,
        kind: &ast::ProcessSubstitutionKind,
        list: &ast::CompoundList,
        index: usize,
        place: &Place,
    ) -> Result<Direct, Refusal> {
        let inside = match kind {
            ast::ProcessSubstitutionKind::Read => place.within(),
            ast::ProcessSubstitutionKind::Write => place.fed(RawInput::Pipe(vec![index])),
        };
        let mut direct = Direct::new();
        self.list(list, &inside, &mut direct)?;
        Ok(direct)
    }

    fn assignment(
        &mut self,
        assignment: &ast::Assignment,
        index: usize,
        place: &Place,
    ) -> Result<RawAssignment, Refusal> {
        let (name, subscript) = match &assignment.name {
            ast::AssignmentName::VariableName(name) => (name.clone(), None),
            ast::AssignmentName::ArrayElementName(name, subscript) => (name.clone(), Some(subscript)),
        };
        if let Some(subscript) = subscript {
            self.evaluated(subscript, place)?;
        }
        let value = match &assignment.value {
            ast::AssignmentValue::Scalar(word) => self.word(&word.value, Mode::Plain, index, place)?,
            ast::AssignmentValue::Array(elements) => {
                for (key, value) in elements {
                    if let Some(key) = key {
                        self.evaluated(&key.value, place)?;
                    }
                    let value = self.word(&value.value, Mode::Plain, index, place)?;
                    self.found.bound.push((name.clone(), value));
                }
                RawWord(vec![Piece::Array])
            }
        };
        let plain = subscript.is_none()
            && !assignment.append
            && matches!(assignment.value, ast::AssignmentValue::Scalar(_));
        Ok(RawAssignment { name, value, plain })
    }

    pub(super) fn redirect(
        &mut self,
        redirect: &ast::IoRedirect,
        index: usize,
        place: &Place,
        command: &mut RawCommand,
    ) -> Result<(), Refusal> {
        let (fd, op, target) = match redirect {
            ast::IoRedirect::File(_, _, ast::IoFileRedirectTarget::Fd(_)) => return Ok(()),
            ast::IoRedirect::File(fd, kind, target) => (*fd, redirect_op(kind), target),
            ast::IoRedirect::OutputAndError(word, append) => {
                let op = if *append { RedirectOp::Append } else { RedirectOp::Write };
                let target = self.word(&word.value, Mode::Plain, index, place)?;
                command.redirects.push(RawRedirect { op, target });
                return Ok(());
            }
            ast::IoRedirect::HereString(fd, word) => {
                let word = self.word(&word.value, Mode::Plain, index, place)?;
                if matches!(fd, None | Some(0)) {
                    command.stdin = RawInput::Text(word);
                }
                return Ok(());
            }
            ast::IoRedirect::HereDocument(fd, doc) => {
                let word = self.here_document(doc, index, place)?;
                if matches!(fd, None | Some(0)) {
                    command.stdin = RawInput::Text(word);
                }
                return Ok(());
            }
        };
        let reads_stdin = matches!(fd, Some(0))
            || fd.is_none()
                && matches!(
                    redirect,
                    ast::IoRedirect::File(
                        _,
                        ast::IoFileRedirectKind::Read
                            | ast::IoFileRedirectKind::ReadAndWrite
                            | ast::IoFileRedirectKind::DuplicateInput,
                        _
                    )
                );
        let mut stdin = RawInput::Inherited;
        let target = match target {
            ast::IoFileRedirectTarget::Filename(word) | ast::IoFileRedirectTarget::Duplicate(word) => {
                self.word(&word.value, Mode::Plain, index, place)?
            }
            ast::IoFileRedirectTarget::Fd(fd) => RawWord::of(&fd.to_string()),
            ast::IoFileRedirectTarget::ProcessSubstitution(kind, shell) => {
                let direct = self.process(kind, &shell.list, index, place)?;
                stdin = RawInput::Pipe(direct);
                RawWord::unknown()
            }
        };
        if reads_stdin {
            command.stdin = stdin;
        }
        let output =
            matches!(redirect, ast::IoRedirect::File(_, ast::IoFileRedirectKind::DuplicateOutput, _));
        command.redirects.push(RawRedirect::new(op, target, output));
        Ok(())
    }

    fn here_document(
        &mut self,
        doc: &ast::IoHereDocument,
        index: usize,
        place: &Place,
    ) -> Result<RawWord, Refusal> {
        if !doc.requires_expansion {
            return Ok(RawWord::document(&doc.doc.value));
        }
        let word = self.word(&doc.doc.value, Mode::Body, index, place)?;
        Ok(match word.literal() {
            Some(text) => RawWord::document(&text),
            None => RawWord::unknown(),
        })
    }
}

const fn redirect_op(kind: &ast::IoFileRedirectKind) -> RedirectOp {
    match kind {
        ast::IoFileRedirectKind::Read => RedirectOp::Read,
        ast::IoFileRedirectKind::Write | ast::IoFileRedirectKind::Clobber => RedirectOp::Write,
        ast::IoFileRedirectKind::Append => RedirectOp::Append,
        ast::IoFileRedirectKind::ReadAndWrite => RedirectOp::ReadWrite,
        ast::IoFileRedirectKind::DuplicateInput | ast::IoFileRedirectKind::DuplicateOutput => {
            RedirectOp::Duplicate
        }
    }
}
