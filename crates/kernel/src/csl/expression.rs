//! Expressions: the Common Expression Language (<https://cel.dev>), bounded.
//!
//! The language has no loops of its own, but `all`, `map` and the like walk a list, one inside the other. What is walked
//! is counted while it is evaluated, so that an evaluation ends after [`COST_MAX`] whatever it is given. Maps cannot be
//! walked: their members have no order, and a decision must not hang on one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr};
use cel::objects::{Key, Map};
use cel::{Context, Env, ExecutionError, Program, Value};

use super::scope::{EvaluationFault, Scope};

/// Bytes of one expression.
pub const SOURCE_BYTES_MAX: usize = 2048;
/// What one evaluation may cost: items walked, each times the parts of the expression and the length of the texts.
pub const COST_MAX: u64 = 10_000_000;
/// Items that one evaluation may walk.
const WALKED_MAX: u64 = 10_000;
/// A pattern that is compiled again for each item costs as much as this many parts.
const PATTERN_PARTS: u64 = 1_000;
/// Texts up to this length cost nothing extra.
const TEXT_BYTES_FREE: u64 = 1024;
/// Brackets inside brackets.
const NESTING_MAX: usize = 24;
/// Operators, dots and commas together.
const OPERATORS_MAX: usize = 128;
/// Parser and evaluator recurse, up to 100 KiB a bracket and 50 KiB an operator in a debug build (measured). They run on
/// a stack of this size, so that what is in reach of the limits above is in reach everywhere.
const STACK_BYTES: usize = 16 * 1024 * 1024;
/// What the walked list of a comprehension is handed through; no expression can name it.
const WALK: &str = "@walk";

/// Functions that can be called, beside operators.
pub(super) const FUNCTIONS: [&str; 12] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "type",
];

/// A compiled expression.
#[derive(Clone)]
pub struct Expression {
    source: String,
    program: Arc<IdedExpr>,
    parts: u64,
    /// First the variable, then the member that is read of it, where one is.
    names: BTreeSet<(String, Option<String>)>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Expression {}

impl Expression {
    /// Compiles; the fault says what is wrong with it.
    pub(super) fn compile(source: &str) -> Result<Self, String> {
        if source.len() > SOURCE_BYTES_MAX {
            return Err(format!("an expression has at most {SOURCE_BYTES_MAX} bytes"));
        }
        is_shallow(source)?;
        stacker::grow(STACK_BYTES, || Self::compile_here(source))
    }

    fn compile_here(source: &str) -> Result<Self, String> {
        let program = Program::compile(source).map_err(|errors| {
            let first =
                errors.errors.first().map(|error| error.msg.lines().next().unwrap_or_default().to_owned());
            format!("`{source}` is no expression: {}", first.unwrap_or_default())
        })?;
        let mut walk = Walk::default();
        walk.visit(program.expression(), &mut Vec::new())?;
        let mut expression = program.expression().clone();
        hand_through(&mut expression);
        Ok(Self {
            source: source.to_owned(),
            program: Arc::new(expression),
            parts: walk.parts,
            names: walk.names,
        })
    }

    /// As written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Variables with the member that is read of each, where one is.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.names.iter().map(|(variable, member)| (variable.as_str(), member.as_deref()))
    }

    /// Its value, as data.
    ///
    /// # Errors
    /// See [`EvaluationFault`].
    pub(crate) fn evaluate(&self, scope: &Scope) -> Result<Value, EvaluationFault> {
        stacker::grow(STACK_BYTES, || self.evaluate_here(scope))
    }

    fn evaluate_here(&self, scope: &Scope) -> Result<Value, EvaluationFault> {
        let mut context = Context::with_env(standard());
        scope.add_to(&mut context, &self.names);
        // A text can grow with every part of the expression.
        let texts = self.parts.saturating_mul(scope.longest_text() / TEXT_BYTES_FREE);
        let weight = self.parts.saturating_mul(texts.saturating_add(1));
        let (walked, cost) = (AtomicU64::new(0), AtomicU64::new(0));
        let walk = move |list: Value| walk_list(list, &walked, &cost, weight);
        if context.add_function(WALK, walk).is_err() {
            return Err(self.fault("the evaluator has changed its names"));
        }
        Value::resolve(&self.program, &context).map_err(|error| self.fault(&told(&error)))
    }

    pub(crate) fn fault(&self, message: &str) -> EvaluationFault {
        EvaluationFault { expression: self.source.clone(), message: message.to_owned() }
    }
}

/// Refuses what would recurse too far, before anything recurses.
fn is_shallow(source: &str) -> Result<(), String> {
    let (mut depth, mut operators) = (0_usize, 0_usize);
    let mut is_word = false;
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'+' | b'-' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' | b'!' | b'&' | b'|' | b'?' | b':'
            | b',' | b'.' => {
                operators += 1;
            }
            // Brackets follow each other, `in` stands between blanks.
            b' ' | b'\t' | b'\n' | b'\r' if is_word => operators += 1,
            _ => {}
        }
        if depth > NESTING_MAX || operators > OPERATORS_MAX {
            return Err(format!(
                "an expression nests at most {NESTING_MAX} brackets and has at most {OPERATORS_MAX} operators and blanks"
            ));
        }
        operators += usize::from(byte == b'[');
        is_word = byte.is_ascii_alphanumeric();
    }
    Ok(())
}

/// The standard functions are the same for every evaluation, and take longer to set up than most take.
fn standard() -> Arc<Env> {
    static STANDARD: std::sync::LazyLock<Arc<Env>> = std::sync::LazyLock::new(|| Arc::new(Env::stdlib()));
    Arc::clone(&STANDARD)
}

fn walk_list(
    list: Value,
    walked: &AtomicU64,
    cost: &AtomicU64,
    weight: u64,
) -> Result<Value, ExecutionError> {
    let Value::List(items) = &list else {
        return Err(ExecutionError::function_error("walk", "only a list can be walked"));
    };
    let length = u64::try_from(items.len()).unwrap_or(u64::MAX);
    let before = walked.fetch_add(length, Ordering::Relaxed);
    let spent = cost.fetch_add(length.saturating_mul(weight), Ordering::Relaxed);
    if before.saturating_add(length) > WALKED_MAX
        || spent.saturating_add(length.saturating_mul(weight)) > COST_MAX
    {
        return Err(ExecutionError::function_error("walk", "the expression walks over too much"));
    }
    Ok(list)
}

/// What went wrong, without the values: they may be private, and long.
fn told(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("there is no `{key}`"),
        ExecutionError::NoSuchOverload(_)
        | ExecutionError::UnexpectedType { .. }
        | ExecutionError::UnsupportedBinaryOperator(..)
        | ExecutionError::UnsupportedTargetType { .. }
        | ExecutionError::NotSupportedAsMethod { .. }
        | ExecutionError::UnsupportedIndex(..)
        | ExecutionError::ValuesNotComparable(..) => "the types do not fit".to_owned(),
        ExecutionError::FunctionError { message, .. } => {
            message.lines().next().unwrap_or_default().to_owned()
        }
        ExecutionError::UndeclaredReference(name) => format!("there is no `{name}`"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number grows too large".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "the list is shorter".to_owned(),
        ExecutionError::InvalidArgumentCount { .. } => "wrong number of arguments".to_owned(),
        _ => "it has no value".to_owned(),
    }
}

/// Whether `error` would come with every value of these types.
pub(super) fn is_about_types(fault: &EvaluationFault) -> bool {
    matches!(
        fault.message.as_str(),
        "the types do not fit" | "wrong number of arguments" | "only a list can be walked"
    )
}

/// What an expression is made of.
#[derive(Default)]
struct Walk {
    parts: u64,
    names: BTreeSet<(String, Option<String>)>,
}

impl Walk {
    /// `bound` holds the variables of the comprehensions around.
    fn visit(&mut self, at: &IdedExpr, bound: &mut Vec<String>) -> Result<(), String> {
        self.parts += 1;
        match &at.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => self.name(name, None, bound),
            Expr::Select(select) => match &select.operand.expr {
                Expr::Ident(name) => self.name(name, Some(&select.field), bound),
                _ => self.visit(&select.operand, bound)?,
            },
            Expr::Call(call) => self.call(call, bound)?,
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.visit(element, bound))?,
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.visit(&entry.key, bound)?;
                        self.visit(&entry.value, bound)?;
                    }
                }
            }
            Expr::Struct(_) => return Err("messages are not part of specs".to_owned()),
            Expr::Comprehension(over) => {
                self.visit(&over.iter_range, bound)?;
                self.visit(&over.accu_init, bound)?;
                let outside = bound.len();
                bound.push(over.iter_var.clone());
                bound.extend(over.iter_var2.clone());
                bound.push(over.accu_var.clone());
                for inside in [&over.loop_cond, &over.loop_step, &over.result] {
                    self.visit(inside, bound)?;
                }
                bound.truncate(outside);
            }
        }
        Ok(())
    }

    fn call(&mut self, call: &CallExpr, bound: &mut Vec<String>) -> Result<(), String> {
        let name = call.func_name.as_str();
        // Operators are called `_+_`, `!_`, `@in`: what no text can call.
        let is_operator = name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        if !is_operator && !FUNCTIONS.contains(&name) {
            return Err(format!("there is no function `{name}`; there are {}", FUNCTIONS.join(", ")));
        }
        if name == "matches" {
            self.parts += PATTERN_PARTS;
        }
        call.target.iter().try_for_each(|target| self.visit(target, bound))?;
        call.args.iter().try_for_each(|argument| self.visit(argument, bound))
    }

    fn name(&mut self, variable: &str, member: Option<&str>, bound: &[String]) {
        if !bound.iter().any(|one| one == variable) {
            self.names.insert((variable.to_owned(), member.map(str::to_owned)));
        }
    }
}

/// Hands every list that is walked through the counter.
fn hand_through(at: &mut IdedExpr) {
    match &mut at.expr {
        Expr::Select(select) => hand_through(&mut select.operand),
        Expr::Call(call) => {
            call.target.iter_mut().for_each(|target| hand_through(target));
            call.args.iter_mut().for_each(hand_through);
        }
        Expr::List(list) => list.elements.iter_mut().for_each(hand_through),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    hand_through(&mut entry.key);
                    hand_through(&mut entry.value);
                }
            }
        }
        Expr::Comprehension(over) => {
            hand_through(&mut over.iter_range);
            let range = std::mem::take(&mut over.iter_range);
            let call = CallExpr { func_name: WALK.to_owned(), target: None, args: vec![range] };
            over.iter_range = IdedExpr { id: 0, expr: Expr::Call(call) };
            for inside in [&mut over.accu_init, &mut over.loop_cond, &mut over.loop_step, &mut over.result] {
                hand_through(inside);
            }
        }
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => {}
    }
}

/// Data as the evaluator sees it.
pub(crate) fn value_of(data: &cascade_receipt::json::Value) -> Value {
    use cascade_receipt::json::Value as Data;
    match data {
        Data::Bool(truth) => Value::Bool(*truth),
        Data::Int(number) => Value::Int(*number),
        Data::Str(text) => Value::String(Arc::new(text.clone())),
        Data::Array(items) => Value::List(Arc::new(items.iter().map(value_of).collect())),
        Data::Object(members) => map_of(members.iter().map(|(key, value)| (key.clone(), value_of(value)))),
    }
}

pub(crate) fn map_of(members: impl Iterator<Item = (String, Value)>) -> Value {
    // It has no order; what would show one, walking it, is refused.
    Value::Map(Map { map: Arc::new(members.map(|(name, value)| (Key::from(name), value)).collect()) })
}

/// Data that came out of an evaluation: what a list to fan out over is made of, and inputs of a sub-workflow.
pub(crate) fn data_of(value: &Value) -> Option<cascade_receipt::json::Value> {
    use cascade_receipt::json::{INT_MAX, Value as Data};
    Some(match value {
        Value::Bool(truth) => Data::Bool(*truth),
        Value::Int(number) if (-INT_MAX..=INT_MAX).contains(number) => Data::Int(*number),
        Value::UInt(number) => Data::Int(i64::try_from(*number).ok().filter(|number| *number <= INT_MAX)?),
        Value::String(text) => Data::Str(text.as_str().to_owned()),
        Value::List(items) => Data::Array(items.iter().map(data_of).collect::<Option<_>>()?),
        Value::Map(map) => {
            let member = |(key, value): (&Key, &Value)| Some((key.to_string(), data_of(value)?));
            Data::Object(map.map.iter().map(member).collect::<Option<BTreeMap<_, _>>>()?)
        }
        _ => return None,
    })
}
