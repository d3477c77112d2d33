//! Reads emitted Python before anything of it runs: is it Python, does it name only what computes, what does it define.
//!
//! A worker does this, not the caller: a text can be built to exhaust the stack of whoever walks its tree.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_python_parser::{Mode, ParseErrorType, ParseOptions};
use ruff_text_size::{Ranged as _, TextSize};

use super::limits::NESTING_MAX;
use super::names::{BY_NAME, DUNDERS, MODULES, REFUSED_ATTRIBUTES, REFUSED_NAMES, is_builtin, is_dunder};

/// Why a text does not run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Unsyntactic(String),
    Refused(String),
}

/// What a checked source offers to its tests.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Offers {
    /// Functions and classes.
    pub(super) functions: Vec<String>,
    /// Other names that it assigns.
    pub(super) values: Vec<String>,
    /// Its imports, as statements; tests that were written for its file may rely on them.
    pub(super) imports: Vec<String>,
}

/// Checks emitted source.
pub(super) fn check(source: &str) -> Result<Offers, Fault> {
    let body = parse(source, "the source")?;
    let mut walk = Walk { source, fault: None };
    walk.visit_body(&body);
    match walk.fault {
        Some(reason) => Err(Fault::Refused(reason)),
        None => Ok(offers(&body)),
    }
}

/// Checks the syntax of a caller's text.
pub(super) fn parse(text: &str, what: &str) -> Result<ast::Suite, Fault> {
    if let Some(at) = text.find('\0') {
        return Err(Fault::Unsyntactic(format!("{what} has a NUL character at line {}", line(text, at))));
    }
    let options = ParseOptions::from(Mode::Module).with_max_recursion_depth(NESTING_MAX);
    let parsed = ruff_python_parser::parse(text, options).map_err(|error| {
        let text = format!("{what}, line {}: {error}", line(text, error.location.start().to_usize()));
        if error.error == ParseErrorType::RecursionLimitExceeded {
            Fault::Refused(text)
        } else {
            Fault::Unsyntactic(text)
        }
    })?;
    match parsed.into_syntax() {
        ast::Mod::Module(module) => Ok(module.body),
        ast::Mod::Expression(_) => Err(Fault::Unsyntactic(format!("{what} is not a module"))),
    }
}

/// Checks that a caller's text is one expression.
pub(super) fn parse_expression(text: &str, what: &str) -> Result<(), Fault> {
    match parse(text, what)?.as_slice() {
        [Stmt::Expr(_)] => Ok(()),
        _ => Err(Fault::Unsyntactic(format!("{what} is not one expression"))),
    }
}

/// Whether these tests define `check(candidate)`.
pub(super) fn defines_check(tests: &ast::Suite) -> bool {
    tests.iter().any(|stmt| matches!(stmt, Stmt::FunctionDef(def) if def.name.as_str() == "check"))
}

/// Whether these tests can fail: an `assert` whose outcome hangs on a call, at their top or in the `check` that is run.
/// What is defined and never run (`def test_…`, classes, docstrings), an `async` or generating `check`, a comparison
/// without `assert`, and an `assert` of a tuple prove nothing.
pub(super) fn asserts(tests: &ast::Suite) -> bool {
    let check = tests.iter().rev().find_map(|stmt| match stmt {
        Stmt::FunctionDef(def) if def.name.as_str() == "check" => Some(def),
        _ => None,
    });
    let mut run = Asserts { found: false, yields: false };
    if let Some(check) = check.filter(|check| !check.is_async) {
        run.visit_body(&check.body);
        if run.found && !run.yields {
            return true;
        }
    }
    let mut top = Asserts { found: false, yields: false };
    top.visit_body(tests);
    top.found
}

/// Looks for asserts where they run: not in what is only defined.
struct Asserts {
    found: bool,
    yields: bool,
}

impl<'a> Visitor<'a> for Asserts {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
            Stmt::Assert(assert) => {
                let mut calls = Calls(false);
                calls.visit_expr(&assert.test);
                self.found |= calls.0 && !matches!(assert.test.as_ref(), Expr::Tuple(_));
            }
            other => visitor::walk_stmt(self, other),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Yield(_) | Expr::YieldFrom(_) => self.yields = true,
            Expr::Lambda(_) => {}
            other => visitor::walk_expr(self, other),
        }
    }
}

/// Whether an expression calls something, or names what was called before.
struct Calls(bool);

impl<'a> Visitor<'a> for Calls {
    fn visit_expr(&mut self, expr: &'a Expr) {
        self.0 |= matches!(expr, Expr::Call(_) | Expr::Name(_));
        visitor::walk_expr(self, expr);
    }
}

fn line(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// Names that the tests may see. None that would change what the tests themselves mean.
fn offers(body: &ast::Suite) -> Offers {
    let mut offers = Offers::default();
    let honest = |name: &str| !name.starts_with('_') && !is_builtin(name) && !MODULES.contains(&name);
    for stmt in body {
        match stmt {
            Stmt::FunctionDef(def) => offers.functions.push(def.name.to_string()),
            Stmt::ClassDef(def) => offers.functions.push(def.name.to_string()),
            Stmt::Assign(assign) => {
                let names = assign.targets.iter().filter_map(|target| target.as_name_expr());
                offers.values.extend(names.map(|name| name.id.to_string()).filter(|name| honest(name)));
            }
            Stmt::AnnAssign(assign) => {
                let name = assign.target.as_name_expr().map(|name| name.id.to_string());
                offers.values.extend(name.filter(|name| honest(name)));
            }
            Stmt::Import(import) => offers.imports.extend(import.names.iter().filter_map(plain_import)),
            Stmt::ImportFrom(import) => offers.imports.extend(plain_from(import)),
            _ => {}
        }
    }
    offers
}

/// Renamed imports are not passed on: `from math import floor as sqrt` would mislead a test.
fn plain_import(alias: &ast::Alias) -> Option<String> {
    alias.asname.is_none().then(|| format!("import {}", alias.name))
}

fn plain_from(import: &ast::StmtImportFrom) -> Vec<String> {
    let Some(module) = import.module.as_ref().filter(|module| module.as_str() != "__future__") else {
        return Vec::new();
    };
    let plain = import.names.iter().filter(|alias| alias.asname.is_none());
    plain.map(|alias| format!("from {module} import {}", alias.name)).collect()
}

/// Stops at the first thing that is not allowed.
struct Walk<'a> {
    source: &'a str,
    fault: Option<String>,
}

impl Walk<'_> {
    fn refuse(&mut self, at: TextSize, what: &str) {
        if self.fault.is_none() {
            self.fault = Some(format!("line {}: {what}", line(self.source, at.to_usize())));
        }
    }

    fn module(&mut self, at: TextSize, module: &str) {
        if !MODULES.contains(&module) {
            self.refuse(
                at,
                &format!("`import {module}`: only modules that compute may be imported, such as math or re"),
            );
        }
    }

    fn name(&mut self, at: TextSize, name: &str) {
        if REFUSED_NAMES.contains(&name) {
            self.refuse(
                at,
                &format!("`{name}` reaches beyond the function; compute from the arguments alone"),
            );
        }
        self.dunder(at, name);
    }

    fn attribute(&mut self, at: TextSize, name: &str) {
        if REFUSED_ATTRIBUTES.contains(&name.trim_start_matches('_')) {
            self.refuse(at, &format!("`.{name}` leads to the interpreter; use plain values"));
        }
        self.dunder(at, name);
    }

    fn dunder(&mut self, at: TextSize, name: &str) {
        if is_dunder(name) && !DUNDERS.contains(&name) {
            self.refuse(at, &format!("`{name}` leads to the interpreter; use plain values"));
        }
    }

    fn import_from(&mut self, import: &ast::StmtImportFrom) {
        let at = import.start();
        let module = import.module.as_ref().map_or("", |module| module.as_str());
        if import.level > 0 || module.is_empty() {
            return self.refuse(at, "a relative import; there is no package around this text");
        }
        self.module(at, module);
        for alias in &import.names {
            let name = alias.name.as_str();
            if name == "*" || name.starts_with('_') {
                self.refuse(
                    at,
                    &format!("`from {module} import {name}`: name what is needed, and only public names"),
                );
            }
            self.attribute(at, name);
        }
    }

    fn call(&mut self, call: &ast::ExprCall) {
        let name = match &*call.func {
            Expr::Name(name) => name.id.as_str(),
            Expr::Attribute(attribute) => attribute.attr.as_str(),
            _ => return,
        };
        let arguments = &call.arguments;
        if name == "type" && (arguments.args.len() > 1 || !arguments.keywords.is_empty()) {
            self.refuse(
                call.start(),
                "`type` with a body makes classes that cannot be read; write the class",
            );
        }
        if BY_NAME.contains(&name) {
            self.by_name(call, if name.ends_with("attr") { 1 } else { 0 });
        }
    }

    /// `getattr(x, 'name')`: the name is there to be read, and is one that could stand behind a dot.
    fn by_name(&mut self, call: &ast::ExprCall, position: usize) {
        let readable = call.arguments.args.get(position).and_then(Expr::as_string_literal_expr);
        match readable {
            Some(text) => {
                for part in text.value.to_str().split('.') {
                    self.attribute(call.start(), part);
                }
            }
            None => self.refuse(call.start(), "an attribute whose name is computed; write it behind a dot"),
        }
    }
}

impl<'a> Visitor<'a> for Walk<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        let at = stmt.start();
        match stmt {
            Stmt::Import(import) => {
                for alias in &import.names {
                    self.module(at, &alias.name);
                }
            }
            Stmt::ImportFrom(import) => self.import_from(import),
            Stmt::FunctionDef(def) => self.name(at, &def.name),
            Stmt::ClassDef(def) => self.name(at, &def.name),
            Stmt::Global(global) => global.names.iter().for_each(|name| self.name(at, name)),
            Stmt::IpyEscapeCommand(_) => self.refuse(at, "a notebook command is not Python"),
            _ => {}
        }
        if self.fault.is_none() {
            visitor::walk_stmt(self, stmt);
        }
    }

    fn visit_alias(&mut self, alias: &'a ast::Alias) {
        if let Some(name) = &alias.asname {
            self.name(alias.start(), name);
        }
    }

    fn visit_parameter(&mut self, parameter: &'a ast::Parameter) {
        self.name(parameter.start(), &parameter.name);
        visitor::walk_parameter(self, parameter);
    }

    fn visit_keyword(&mut self, keyword: &'a ast::Keyword) {
        if let Some(name) = &keyword.arg {
            self.dunder(keyword.start(), name);
        }
        visitor::walk_keyword(self, keyword);
    }

    fn visit_pattern_keyword(&mut self, keyword: &'a ast::PatternKeyword) {
        self.attribute(keyword.start(), &keyword.attr);
        visitor::walk_pattern_keyword(self, keyword);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) => {
                self.name(expr.start(), &name.id);
                // Under another name the checks of its calls would not find it.
                if BY_NAME.contains(&name.id.as_str()) && !self.is_called(expr) {
                    self.refuse(
                        expr.start(),
                        &format!("`{}` as a value; call it, with the name written out", name.id),
                    );
                }
            }
            Expr::Attribute(attribute) => self.attribute(expr.start(), &attribute.attr),
            Expr::Call(call) => self.call(call),
            _ => {}
        }
        if self.fault.is_none() {
            visitor::walk_expr(self, expr);
        }
    }
}

impl Walk<'_> {
    /// Whether an opening parenthesis follows the name.
    fn is_called(&self, expr: &Expr) -> bool {
        let rest = self.source.get(expr.end().to_usize()..).unwrap_or_default();
        rest.trim_start_matches([' ', '\t', '\\', '\n']).starts_with('(')
    }
}

#[cfg(test)]
mod tests;
