//! The small type language: what signatures say, what values have, how both are matched.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::value::Value;

/// A type. `Var` stands in signatures of operators only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Type {
    /// `None`
    None,
    /// `bool`
    Bool,
    /// `int`
    Int,
    /// `float`; integers may stand where floats do, as in Python.
    Float,
    /// `str`
    Str,
    /// `list[…]`
    List(Arc<Self>),
    /// `tuple[…]`
    Tuple(Arc<[Self]>),
    /// `dict[…, …]`
    Dict(Arc<Self>, Arc<Self>),
    /// Anything; `n` stands for numbers, `o` for what can be ordered, `h` for what can be a key.
    Var(char),
}

/// What the variables of a signature stand for.
pub(crate) type Bindings = BTreeMap<char, Type>;

impl Type {
    /// `list[of]`
    #[must_use]
    pub fn list(of: Self) -> Self {
        Self::List(Arc::new(of))
    }

    /// Reads an annotation such as `list[int]`, `List[Tuple[int, str]]`, `dict[str, int]`. `None` for
    /// what the language does not have (`Any`, unions): examples decide then.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let parsed = annotation(&mut rest, 0)?;
        rest.trim().is_empty().then_some(parsed)
    }

    /// The type of a value; the elements of an empty list fit anything, here a variable.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        match value {
            Value::None => Self::None,
            Value::Bool(_) => Self::Bool,
            Value::Int(_) => Self::Int,
            Value::Float(_) => Self::Float,
            Value::Str(_) => Self::Str,
            Value::List(items) => Self::list(joined(items.iter())),
            Value::Tuple(items) => Self::Tuple(items.iter().map(Self::of).collect()),
            Value::Dict(entries) => Self::Dict(
                Arc::new(joined(entries.iter().map(|(key, _)| key))),
                Arc::new(joined(entries.iter().map(|(_, value)| value))),
            ),
        }
    }

    /// The least type that holds both, `None` where there is none.
    #[must_use]
    pub fn join(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Var(_), known) | (known, Self::Var(_)) => Some(known.clone()),
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Some(Self::Float),
            (Self::List(a), Self::List(b)) => Some(Self::list(a.join(b)?)),
            (Self::Dict(a, x), Self::Dict(b, y)) => {
                Some(Self::Dict(Arc::new(a.join(b)?), Arc::new(x.join(y)?)))
            }
            (Self::Tuple(a), Self::Tuple(b)) if a.len() == b.len() => {
                let parts: Option<Vec<Self>> = a.iter().zip(b.iter()).map(|(x, y)| x.join(y)).collect();
                Some(Self::Tuple(Arc::from(parts?)))
            }
            _ => (self == other).then(|| self.clone()),
        }
    }

    /// Whether a value is of this type.
    #[must_use]
    pub fn holds(&self, value: &Value) -> bool {
        self.join(&Self::of(value)).is_some_and(|joined| joined == *self)
    }

    /// Matches this pattern against a type without variables, extending `bindings`.
    pub(crate) fn unify(&self, known: &Self, bindings: &mut Bindings) -> bool {
        match (self, known) {
            (Self::Var(name), _) => {
                if let Some(bound) = bindings.get(name) {
                    return bound == known;
                }
                let fits = match name {
                    'n' => matches!(known, Self::Int | Self::Float),
                    'o' => known.ordered(),
                    'h' => known.hashable(),
                    _ => true,
                };
                if fits {
                    bindings.insert(*name, known.clone());
                }
                fits
            }
            (Self::List(a), Self::List(b)) => a.unify(b, bindings),
            (Self::Dict(a, x), Self::Dict(b, y)) => a.unify(b, bindings) && x.unify(y, bindings),
            (Self::Tuple(a), Self::Tuple(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(x, y)| x.unify(y, bindings))
            }
            _ => self == known,
        }
    }

    /// The type with its variables replaced; `None` when one is not bound.
    pub(crate) fn ground(&self, bindings: &Bindings) -> Option<Self> {
        Some(match self {
            Self::Var(name) => bindings.get(name)?.clone(),
            Self::List(of) => Self::list(of.ground(bindings)?),
            Self::Dict(key, value) => {
                Self::Dict(Arc::new(key.ground(bindings)?), Arc::new(value.ground(bindings)?))
            }
            Self::Tuple(parts) => {
                let parts: Option<Vec<Self>> = parts.iter().map(|part| part.ground(bindings)).collect();
                Self::Tuple(Arc::from(parts?))
            }
            plain => plain.clone(),
        })
    }

    /// The type with what examples left open taken as integers: an empty list is a list of something.
    #[must_use]
    pub fn closed(&self) -> Self {
        match self {
            Self::Var(_) => Self::Int,
            Self::List(of) => Self::list(of.closed()),
            Self::Dict(key, value) => Self::Dict(Arc::new(key.closed()), Arc::new(value.closed())),
            Self::Tuple(parts) => Self::Tuple(parts.iter().map(Self::closed).collect()),
            plain => plain.clone(),
        }
    }

    fn ordered(&self) -> bool {
        match self {
            Self::Int | Self::Float | Self::Str | Self::Bool => true,
            Self::List(of) => of.ordered(),
            Self::Tuple(parts) => parts.iter().all(Self::ordered),
            _ => false,
        }
    }

    fn hashable(&self) -> bool {
        match self {
            Self::List(_) | Self::Dict(..) => false,
            Self::Tuple(parts) => parts.iter().all(Self::hashable),
            _ => true,
        }
    }

    /// Every type this one is built of, itself included.
    pub(crate) fn parts(&self, into: &mut Vec<Self>) {
        into.push(self.clone());
        match self {
            Self::List(of) => of.parts(into),
            Self::Dict(key, value) => {
                key.parts(into);
                value.parts(into);
            }
            Self::Tuple(parts) => parts.iter().for_each(|part| part.parts(into)),
            _ => {}
        }
    }
}

/// The type of an operator.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    /// What it takes.
    pub(crate) arguments: Vec<Type>,
    /// What it gives.
    pub(crate) result: Type,
}

impl Signature {
    /// Reads `list[a], int -> a`. `None` when the text is no signature.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (mut rest, result) = text.rsplit_once("->")?;
        let mut arguments = Vec::new();
        while !rest.trim().is_empty() {
            arguments.push(annotation(&mut rest, 0)?);
            rest = rest.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        Some(Self { arguments, result: Type::parse(result)? })
    }
}

/// The type of all items together. Items without a common type give a list of the first one's type:
/// the evaluator is dynamic, so a wrong guess only fails terms.
fn joined<'v>(items: impl Iterator<Item = &'v Value>) -> Type {
    items.map(Type::of).fold(Type::Var('a'), |all, next| all.join(&next).unwrap_or(all))
}

fn annotation(rest: &mut &str, depth: usize) -> Option<Type> {
    if depth > 6 {
        return None;
    }
    *rest = rest.trim_start();
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len());
    let (name, after) = rest.split_at_checked(end)?;
    *rest = after;
    let arguments = arguments(rest, depth)?;
    let mut given = arguments.into_iter();
    Some(match name.rsplit('.').next()? {
        "int" => Type::Int,
        "float" => Type::Float,
        "bool" => Type::Bool,
        "str" => Type::Str,
        "None" => Type::None,
        "list" | "List" | "Sequence" | "Iterable" => Type::list(given.next().unwrap_or(Type::Var('a'))),
        "dict" | "Dict" => Type::Dict(
            Arc::new(given.next().unwrap_or(Type::Var('a'))),
            Arc::new(given.next().unwrap_or(Type::Var('b'))),
        ),
        "tuple" | "Tuple" => Type::Tuple(given.collect()),
        "Optional" => given.next()?,
        name if name.len() == 1 => Type::Var(name.chars().next()?),
        _ => return None,
    })
}

fn arguments(rest: &mut &str, depth: usize) -> Option<Vec<Type>> {
    let mut found = Vec::new();
    let Some(inside) = rest.trim_start().strip_prefix('[') else { return Some(found) };
    *rest = inside;
    loop {
        found.push(annotation(rest, depth + 1)?);
        *rest = rest.trim_start();
        if let Some(more) = rest.strip_prefix(',') {
            *rest = more;
        } else {
            *rest = rest.strip_prefix(']')?;
            return Some(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::parse;

    #[test]
    fn annotations_are_read() {
        assert_eq!(Type::parse("List[int]"), Some(Type::list(Type::Int)));
        assert_eq!(Type::parse("typing.Optional[str]"), Some(Type::Str));
        let pair = Type::Tuple(Arc::from(vec![Type::Int, Type::Str]));
        assert_eq!(Type::parse(" list[tuple[int, str]] "), Some(Type::list(pair)));
        assert_eq!(Type::parse("Any"), None);
        assert_eq!(Type::parse("list[int"), None);
        assert_eq!(Type::parse("int]"), None);
    }

    #[test]
    fn values_have_types() {
        let of = |text: &str| Type::of(&parse(text).unwrap());
        assert_eq!(of("[1, 2.5]"), Type::list(Type::Float));
        assert_eq!(of("[[], [1]]"), Type::list(Type::list(Type::Int)));
        assert_eq!(of("[]").closed(), Type::list(Type::Int));
        assert!(Type::Float.holds(&parse("3").unwrap()));
        assert!(!Type::Int.holds(&parse("3.0").unwrap()));
        assert!(!Type::Int.holds(&parse("True").unwrap()));
    }

    #[test]
    fn unification_binds_once_and_keeps_kinds() {
        let pattern = Type::parse("list[n]").unwrap();
        let mut bindings = Bindings::new();
        assert!(pattern.unify(&Type::list(Type::Int), &mut bindings));
        assert!(!Type::Var('n').unify(&Type::Float, &mut bindings));
        assert!(!pattern.unify(&Type::list(Type::Str), &mut Bindings::new()));
        assert!(!Type::Var('h').unify(&Type::list(Type::Int), &mut Bindings::new()));
        assert_eq!(pattern.ground(&bindings), Some(Type::list(Type::Int)));
        assert_eq!(Type::Var('z').ground(&bindings), None);
    }
}
