//! Walks the tree of brush-parser.
//!
//! Only the entry points without a cache are used (`uncached_tokenize_str`, `parse_tokens`); the
//! insides of words go through [`super::scan`].

use brush_parser::ast;
use brush_parser::{ParserOptions, TokenizerOptions};

use super::neutral::{Found, Place, RawCommand, RawInput, RawWord};
use super::scan::{self, Inner, Mode, Scanned};
use super::tree_tests::test_name;
use super::{DEPTH_MAX, Opaque, Refusal, tokens};

/// Commands whose output a pipe after this place would carry.
pub(super) type Direct = Vec<usize>;

/// Everything this parser sees in the text.
pub(super) fn walk(text: &str) -> Result<Found, Refusal> {
    let mut walker = Walker::default();
    walker.text(text, &Place::top())?;
    Ok(walker.found)
}

/// The parser's own reading of a text. Where it panics it has read nothing, and the line counts as not
/// parsed: a decision is owed even on a text that its authors did not think of.
fn read(text: &str, depth: usize) -> Option<ast::Program> {
    let reading = || {
        let stream = brush_parser::uncached_tokenize_str(text, &TokenizerOptions::default()).ok()?;
        let fits = tokens::stream_fits(&stream, depth);
        fits.then(|| brush_parser::parse_tokens(&stream, &ParserOptions::default()).ok()).flatten()
    };
    std::panic::catch_unwind(reading).ok().flatten()
}

#[derive(Default)]
pub(super) struct Walker {
    pub(super) found: Found,
}

impl Walker {
    fn text(&mut self, text: &str, place: &Place) -> Result<Direct, Refusal> {
        if place.depth > 4 * DEPTH_MAX {
            return Err(Refusal::Depth);
        }
        let program = tokens::text_fits(text).then(|| read(text, place.depth)).flatten();
        let mut direct = Direct::new();
        match program {
            Some(program) => {
                for list in &program.complete_commands {
                    self.list(list, place, &mut direct)?;
                }
            }
            None => {
                self.found.opaque.insert(Opaque::NotParsed);
            }
        }
        Ok(direct)
    }

    pub(super) fn list(
        &mut self,
        list: &ast::CompoundList,
        place: &Place,
        out: &mut Direct,
    ) -> Result<(), Refusal> {
        for ast::CompoundListItem(item, separator) in &list.0 {
            let background = matches!(separator, ast::SeparatorOperator::Async);
            let straight = place.straight && !background;
            let chain = self.found.chains.inside(place.chain);
            self.pipeline(&item.first, &Place { straight, chain, ..place.clone() }, out)?;
            let mut alternative = false;
            for next in &item.additional {
                let (ast::AndOr::And(pipeline) | ast::AndOr::Or(pipeline)) = next;
                alternative |= matches!(next, ast::AndOr::Or(_));
                let chain = if alternative { self.found.chains.inside(chain) } else { chain };
                self.pipeline(pipeline, &Place { straight: false, chain, ..place.clone() }, out)?;
            }
        }
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &ast::Pipeline, place: &Place, out: &mut Direct) -> Result<(), Refusal> {
        let single = pipeline.seq.len() == 1;
        let mut place = Place { straight: place.straight && single && !pipeline.bang, ..place.clone() };
        let mut direct = Direct::new();
        let around = place.chain;
        for command in &pipeline.seq {
            direct.clear();
            if !single || pipeline.bang {
                place.chain = self.found.chains.inside(around);
            }
            self.command(command, &place, &mut direct)?;
            place.stdin = RawInput::Pipe(direct.clone());
        }
        out.append(&mut direct);
        Ok(())
    }

    fn command(&mut self, command: &ast::Command, place: &Place, out: &mut Direct) -> Result<(), Refusal> {
        match command {
            ast::Command::Simple(simple) => self.simple(simple, place, out),
            ast::Command::Compound(compound, redirects) => {
                self.grouped(redirects.as_ref(), place, out, |walker, place, out| {
                    walker.compound(compound, place, out)
                })
            }
            ast::Command::Function(function) => {
                self.found.functions.insert(function.fname.value.clone());
                let ast::FunctionBody(body, redirects) = &function.body;
                self.grouped(redirects.as_ref(), &place.within(), out, |walker, place, out| {
                    walker.compound(body, place, out)
                })
            }
            ast::Command::ExtendedTest(test, redirects) => {
                self.grouped(redirects.as_ref(), place, out, |walker, place, _| {
                    walker.test(&test.expr, place)
                })
            }
        }
    }

    /// A compound command, preceded by a command of no words for its redirects.
    fn grouped(
        &mut self,
        redirects: Option<&ast::RedirectList>,
        place: &Place,
        out: &mut Direct,
        body: impl FnOnce(&mut Self, &Place, &mut Direct) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let Some(ast::RedirectList(list)) = redirects else {
            return body(self, &place.deeper(), out);
        };
        let index = self.found.reserve()?;
        out.push(index);
        let mut command = RawCommand { straight: false, stdin: place.stdin.clone(), ..RawCommand::default() };
        for redirect in list {
            self.redirect(redirect, index, place, &mut command)?;
        }
        let inside = Place { stdin: command.stdin.clone(), ..place.deeper() };
        self.found.fill(index, command);
        body(self, &inside, out)
    }

    fn compound(
        &mut self,
        compound: &ast::CompoundCommand,
        place: &Place,
        out: &mut Direct,
    ) -> Result<(), Refusal> {
        match compound {
            ast::CompoundCommand::Arithmetic(command) => self.evaluated(&command.expr.value, place),
            ast::CompoundCommand::ArithmeticForClause(clause) => {
                for expr in [&clause.initializer, &clause.condition, &clause.updater].into_iter().flatten() {
                    self.evaluated(&expr.value, place)?;
                }
                self.list(&clause.body.list, &place.within(), out)
            }
            ast::CompoundCommand::BraceGroup(group) => self.list(&group.list, place, out),
            ast::CompoundCommand::Subshell(shell) => self.list(&shell.list, &place.within(), out),
            ast::CompoundCommand::ForClause(clause) => self.for_clause(clause, place, out),
            ast::CompoundCommand::CaseClause(clause) => {
                self.loose(&clause.value.value, place)?;
                for case in &clause.cases {
                    for pattern in &case.patterns {
                        self.loose(&pattern.value, place)?;
                    }
                    if let Some(list) = &case.cmd {
                        self.list(list, &place.within(), out)?;
                    }
                }
                Ok(())
            }
            ast::CompoundCommand::IfClause(clause) => {
                let inside = place.within();
                self.list(&clause.condition, &inside, out)?;
                self.list(&clause.then, &inside, out)?;
                for part in clause.elses.iter().flatten() {
                    if let Some(condition) = &part.condition {
                        self.list(condition, &inside, out)?;
                    }
                    self.list(&part.body, &inside, out)?;
                }
                Ok(())
            }
            ast::CompoundCommand::WhileClause(clause) | ast::CompoundCommand::UntilClause(clause) => {
                let ast::WhileOrUntilClauseCommand(condition, body, _) = clause;
                self.list(condition, &place.within(), out)?;
                self.list(&body.list, &place.within(), out)
            }
            ast::CompoundCommand::Coprocess(coprocess) => {
                self.found.opaque.insert(Opaque::Coprocess);
                self.command(&coprocess.body, &place.fed(RawInput::Inherited), out)
            }
        }
    }

    fn for_clause(
        &mut self,
        clause: &ast::ForClauseCommand,
        place: &Place,
        out: &mut Direct,
    ) -> Result<(), Refusal> {
        match &clause.values {
            None => self.found.bound.push((clause.variable_name.clone(), RawWord::unknown())),
            Some(values) => {
                for value in values {
                    let word = self.loose(&value.value, place)?;
                    self.found.bound.push((clause.variable_name.clone(), word));
                }
            }
        }
        self.list(&clause.body.list, &place.within(), out)
    }

    fn test(&mut self, expr: &ast::ExtendedTestExpr, place: &Place) -> Result<(), Refusal> {
        match expr {
            ast::ExtendedTestExpr::And(left, right) | ast::ExtendedTestExpr::Or(left, right) => {
                self.test(left, place)?;
                self.test(right, place)
            }
            ast::ExtendedTestExpr::Not(inner) | ast::ExtendedTestExpr::Parenthesized(inner) => {
                self.test(inner, place)
            }
            ast::ExtendedTestExpr::UnaryTest(predicate, word) => {
                self.loose(&word.value, place)?;
                if matches!(
                    predicate,
                    ast::UnaryPredicate::ShellVariableIsSetAndAssigned
                        | ast::UnaryPredicate::ShellVariableIsSetAndNameRef
                ) {
                    test_name(&word.value, &mut self.found);
                }
                Ok(())
            }
            ast::ExtendedTestExpr::BinaryTest(predicate, left, right) => {
                self.loose(&left.value, place)?;
                self.loose(&right.value, place)?;
                if matches!(
                    predicate,
                    ast::BinaryPredicate::ArithmeticEqualTo
                        | ast::BinaryPredicate::ArithmeticNotEqualTo
                        | ast::BinaryPredicate::ArithmeticLessThan
                        | ast::BinaryPredicate::ArithmeticLessThanOrEqualTo
                        | ast::BinaryPredicate::ArithmeticGreaterThan
                        | ast::BinaryPredicate::ArithmeticGreaterThanOrEqualTo
                ) {
                    self.found.arithmetic.insert(left.value.clone());
                    self.found.arithmetic.insert(right.value.clone());
                }
                Ok(())
            }
        }
    }

    /// A word whose value goes nowhere, looked at for what is inside it.
    fn loose(&mut self, text: &str, place: &Place) -> Result<RawWord, Refusal> {
        let scanned = self.scanned(text, Mode::Plain);
        self.inner(&scanned.inner, None, place)?;
        Ok(scanned.word)
    }

    pub(super) fn word(
        &mut self,
        text: &str,
        mode: Mode,
        index: usize,
        place: &Place,
    ) -> Result<RawWord, Refusal> {
        let scanned = self.scanned(text, mode);
        self.inner(&scanned.inner, Some(index), place)?;
        Ok(scanned.word)
    }

    pub(super) fn evaluated(&mut self, expression: &str, place: &Place) -> Result<(), Refusal> {
        let mut scanned = Scanned::default();
        if scan::evaluated(expression, &mut scanned).is_err() {
            self.found.opaque.insert(Opaque::NotParsed);
        }
        self.inner(&scanned.inner, None, place)
    }

    fn scanned(&mut self, text: &str, mode: Mode) -> Scanned {
        scan::scan(text, mode).unwrap_or_else(|_| {
            self.found.opaque.insert(Opaque::NotParsed);
            Scanned { word: RawWord::unknown(), inner: Vec::new() }
        })
    }

    fn inner(&mut self, inner: &[Inner], index: Option<usize>, place: &Place) -> Result<(), Refusal> {
        for item in inner {
            match item {
                Inner::Command(text) => {
                    self.text(text, &place.within())?;
                }
                Inner::Process(text, written) => {
                    let inside = match index {
                        Some(index) if *written => place.fed(RawInput::Pipe(vec![index])),
                        _ => place.within(),
                    };
                    self.text(text, &inside)?;
                }
                other => self.found.note(other),
            }
        }
        Ok(())
    }
}
