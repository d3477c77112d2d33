//! The stages that chains are made of, and which may follow which.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::ops::{self, Op};
use crate::types::{Bindings, Signature, Type};
use crate::value::{Value, parse};

/// How an operator is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// On the whole.
    Apply,
    /// On each element.
    Map,
    /// To keep elements.
    Filter,
    /// To order elements.
    SortBy,
}

/// What stands beside the value that goes through the chain.
#[derive(Clone, Copy, Debug)]
enum Beside {
    Nothing,
    /// A literal before or after it.
    Before(&'static str),
    After(&'static str),
    /// A parameter that is not in the chain, before or after it.
    ParameterBefore,
    ParameterAfter,
}

use Beside::{After, Before, Nothing, ParameterAfter, ParameterBefore};
use Shape::{Apply, Filter, Map, SortBy};

/// Shape, operator, what stands beside, and words that call for it; a word matches with any ending.
type Row = (Shape, &'static str, Beside, &'static str);

const ROWS: &[Row] = &[
    (Apply, "sum", Nothing, "sum total add altogether"),
    (Apply, "max", Nothing, "max largest greatest highest biggest longest"),
    (Apply, "min", Nothing, "min smallest least lowest"),
    (Apply, "len", Nothing, "count number how length many size"),
    (Apply, "product", Nothing, "product multipl"),
    (Apply, "mean", Nothing, "mean average"),
    (Apply, "median", Nothing, "median middle"),
    (Apply, "sorted", Nothing, "sort order ascending alphabet"),
    (Apply, "sorted_down", Nothing, "descending decreasing reverse largest"),
    (Apply, "distinct_sorted", Nothing, "unique distinct"),
    (Apply, "distinct", Nothing, "unique distinct duplicate once"),
    (Apply, "how_many_distinct", Nothing, "unique distinct different"),
    (Apply, "reversed", Nothing, "revers backward"),
    (Apply, "first", Nothing, "first"),
    (Apply, "last", Nothing, "last"),
    (Apply, "tail", Nothing, "first without rest"),
    (Apply, "front", Nothing, "last without"),
    (Apply, "evens", Nothing, "every second other even alternat"),
    (Apply, "odds", Nothing, "every second other odd"),
    (Apply, "running_sum", Nothing, "running cumulative prefix"),
    (Apply, "running_max", Nothing, "running rolling"),
    (Apply, "flattened", Nothing, "flat nested all"),
    (Apply, "most_common", Nothing, "common frequent mode often"),
    (Apply, "tally", Nothing, "count often occur frequenc"),
    (Apply, "tally_text", Nothing, "count often occur frequenc"),
    (Apply, "adjacent", Nothing, "adjacent neighbour neighbor consecutive"),
    (Apply, "transposed", Nothing, "transpos column"),
    (Apply, "is_increasing", Nothing, "sorted increas order"),
    (Apply, "keys", Nothing, "key name"),
    (Apply, "values", Nothing, "value"),
    (Apply, "entries", Nothing, "pair item entr"),
    (Apply, "take", ParameterAfter, "first take at most"),
    (Apply, "drop", ParameterAfter, "drop skip without after"),
    (Apply, "item", ParameterAfter, "index position at place"),
    (Apply, "times_in", ParameterAfter, "count often occur"),
    (Apply, "contains", ParameterAfter, "contain whether in"),
    (Apply, "position", ParameterAfter, "index position where place"),
    (Apply, "joined", ParameterAfter, "concat append join both"),
    (Apply, "lookup", ParameterAfter, "look key value find"),
    (Apply, "windows", ParameterAfter, "window consecutive"),
    (Apply, "chunks", ParameterAfter, "chunk group split"),
    (Apply, "rotated", ParameterAfter, "rotat shift"),
    (Apply, "separated", ParameterAfter, "between insert"),
    (Apply, "interleaved", ParameterAfter, "interleav alternat"),
    (Apply, "upper", Nothing, "upper capital"),
    (Apply, "lower", Nothing, "lower"),
    (Apply, "swapcase", Nothing, "swap flip case"),
    (Apply, "title", Nothing, "title capital"),
    (Apply, "capitalize", Nothing, "capital"),
    (Apply, "strip", Nothing, "strip trim space whitespace"),
    (Apply, "words", Nothing, "word split separate space"),
    (Apply, "chars", Nothing, "char letter split"),
    (Apply, "backward", Nothing, "revers backward"),
    (Apply, "text_len", Nothing, "length long number count"),
    (Apply, "first_char", Nothing, "first initial"),
    (Apply, "last_char", Nothing, "last"),
    (Apply, "sorted_chars", Nothing, "sort"),
    (Apply, "distinct_chars", Nothing, "distinct unique"),
    (Apply, "how_many_chars", Nothing, "distinct unique different"),
    (Apply, "read_int", Nothing, "integer number convert pars"),
    (Apply, "only_letters", Nothing, "letter"),
    (Apply, "only_digits", Nothing, "digit"),
    (Apply, "numbers_in", Nothing, "number integer"),
    (Apply, "count_vowels", Nothing, "vowel"),
    (Apply, "is_palindrome", Nothing, "palindrom"),
    (Apply, "runs", Nothing, "run consecutive"),
    (Apply, "split", After("','"), "comma csv"),
    (Apply, "split", After("'-'"), "dash hyphen"),
    (Apply, "split", After("':'"), "colon"),
    (Apply, "split", After("'\\n'"), "line"),
    (Apply, "split", ParameterAfter, "split separat"),
    (Apply, "text_count", ParameterAfter, "count often occur times"),
    (Apply, "starts", ParameterAfter, "start begin prefix"),
    (Apply, "ends", ParameterAfter, "end suffix"),
    (Apply, "within", ParameterBefore, "contain whether"),
    (Apply, "text_times", ParameterAfter, "repeat times"),
    (Apply, "text_plus", ParameterAfter, "concat append join"),
    (Apply, "take_text", ParameterAfter, "first take truncat"),
    (Apply, "drop_text", ParameterAfter, "drop skip without after"),
    (Apply, "glue", Before("''"), "join concat word text string"),
    (Apply, "glue", Before("' '"), "join space word sentence"),
    (Apply, "glue", Before("','"), "comma csv"),
    (Apply, "glue", Before("', '"), "comma list"),
    (Apply, "glue", Before("'-'"), "dash hyphen"),
    (Apply, "glue", Before("'\\n'"), "line"),
    (Apply, "glue", ParameterBefore, "join separat"),
    (Apply, "digits", Nothing, "digit"),
    (Apply, "abs", Nothing, "absolute"),
    (Apply, "square", Nothing, "square"),
    (Apply, "is_prime", Nothing, "prime"),
    (Apply, "factorial", Nothing, "factorial"),
    (Apply, "divisors", Nothing, "divis factor"),
    (Apply, "prime_factors", Nothing, "prime factor"),
    (Apply, "fibonacci", Nothing, "fibonacci"),
    (Apply, "show", Nothing, "string text"),
    (Apply, "binary", Nothing, "binary"),
    (Apply, "roman", Nothing, "roman"),
    (Apply, "range_from_one", Nothing, "from 1 one up"),
    (Apply, "round", Nothing, "round"),
    (Apply, "even", Nothing, "even"),
    (Apply, "odd", Nothing, "odd"),
    (Apply, "add", ParameterAfter, "sum add plus"),
    (Apply, "sub", ParameterAfter, "subtract difference minus"),
    (Apply, "mul", ParameterAfter, "product multipl times area"),
    (Apply, "div", ParameterAfter, "divi ratio"),
    (Apply, "gcd", ParameterAfter, "gcd divisor"),
    (Apply, "lcm", ParameterAfter, "lcm multiple"),
    (Apply, "greater_of", ParameterAfter, "max larger greater least"),
    (Apply, "lesser_of", ParameterAfter, "min smaller lesser most"),
    (Apply, "divisible", ParameterAfter, "divisib multiple"),
    (Map, "square", Nothing, "square"),
    (Map, "cube", Nothing, "cube"),
    (Map, "abs", Nothing, "absolute"),
    (Map, "negate", Nothing, "negat"),
    (Map, "successor", Nothing, "increment plus add one"),
    (Map, "mul", After("2"), "double twice"),
    (Map, "show", Nothing, "string text join comma"),
    (Map, "even", Nothing, "even"),
    (Map, "add", ParameterAfter, "add increas"),
    (Map, "mul", ParameterAfter, "multipl scale times"),
    (Map, "sub", ParameterAfter, "subtract minus"),
    (Map, "text_len", Nothing, "length long"),
    (Map, "upper", Nothing, "upper"),
    (Map, "lower", Nothing, "lower"),
    (Map, "capitalize", Nothing, "capital"),
    (Map, "strip", Nothing, "strip trim"),
    (Map, "backward", Nothing, "revers"),
    (Map, "read_int", Nothing, "integer number sum pars"),
    (Map, "first_char", Nothing, "first initial"),
    (Map, "sum", Nothing, "sum"),
    (Map, "max", Nothing, "max largest"),
    (Map, "len", Nothing, "length size"),
    (Map, "left_of", Nothing, "first name"),
    (Map, "right_of", Nothing, "second last value"),
    (Filter, "even", Nothing, "even"),
    (Filter, "odd", Nothing, "odd"),
    (Filter, "positive", Nothing, "positive"),
    (Filter, "negative", Nothing, "negative"),
    (Filter, "is_prime", Nothing, "prime"),
    (Filter, "is_alpha", Nothing, "letter alphabet"),
    (Filter, "is_digit", Nothing, "digit number"),
    (Filter, "is_upper", Nothing, "upper capital"),
    (Filter, "is_lower", Nothing, "lower"),
    (Filter, "is_palindrome", Nothing, "palindrom"),
    (Filter, "less", ParameterBefore, "greater above larger more over"),
    (Filter, "less", ParameterAfter, "less below smaller under"),
    (Filter, "divisible", ParameterAfter, "divisib multiple"),
    (Filter, "within", ParameterBefore, "contain"),
    (Filter, "starts", ParameterAfter, "start begin prefix"),
    (Filter, "ends", ParameterAfter, "end suffix"),
    (Filter, "unequal", ParameterAfter, "without remov except"),
    (Filter, "equal", ParameterAfter, "equal"),
    (SortBy, "text_len", Nothing, "length"),
    (SortBy, "abs", Nothing, "absolute"),
    (SortBy, "left_of", Nothing, "first"),
    (SortBy, "right_of", Nothing, "second last value"),
    (SortBy, "lower", Nothing, "case"),
];

/// Types that values in a chain may have, as far as chains start from them.
const STARTS: &[&str] = &[
    "int",
    "float",
    "str",
    "bool",
    "list[int]",
    "list[float]",
    "list[str]",
    "list[list[int]]",
    "list[list[str]]",
    "dict[str, int]",
    "dict[str, str]",
    "dict[str, float]",
    "list[tuple[int, int]]",
    "list[tuple[str, int]]",
    "list[tuple[int, str]]",
];
const TYPES_MAX: usize = 64;

/// One stage, ready to be used.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) shape: Shape,
    pub(super) op: &'static Op,
    /// The literal beside the value.
    pub(super) literal: Option<Value>,
    /// Whether a parameter stands beside the value.
    pub(super) parameter: bool,
    /// Whether the value comes second.
    pub(super) second: bool,
    signature: Option<Signature>,
}

impl Stage {
    fn new(row: &Row) -> Option<Self> {
        let (shape, name, beside, _) = *row;
        let op = ops::named(name)?;
        let literal = match beside {
            Before(text) | After(text) => Some(parse(text).ok()?),
            _ => None,
        };
        Some(Self {
            shape,
            op,
            literal,
            parameter: matches!(beside, ParameterBefore | ParameterAfter),
            second: matches!(beside, Before(_) | ParameterBefore),
            signature: Signature::parse(op.signature),
        })
    }

    /// The type that comes out, and the one that stands beside when that is a parameter.
    fn types(&self, of: &Type) -> Option<(Type, Option<Type>)> {
        let element = match of {
            Type::List(element) => Some(element.as_ref().clone()),
            Type::Str => Some(Type::Str),
            _ => None,
        };
        let taken = if self.shape == Apply { of.clone() } else { element.clone()? };
        let signature = self.signature.as_ref()?;
        let mut bindings = Bindings::new();
        let place = usize::from(self.second);
        if !signature.arguments.get(place)?.unify(&taken, &mut bindings) {
            return None;
        }
        let other = signature.arguments.get(1 - place);
        let beside = match (other, &self.literal, self.parameter) {
            (None, None, false) => None,
            (Some(pattern), Some(literal), false) => {
                pattern.unify(&Type::of(literal), &mut bindings).then_some(())?;
                None
            }
            (Some(pattern), None, true) => Some(pattern.ground(&bindings)?),
            _ => return None,
        };
        let result = signature.result.ground(&bindings)?;
        let out = match self.shape {
            Apply => result,
            Map => Type::list(result),
            Filter => (result == Type::Bool).then(|| Type::list(element.unwrap_or(Type::Int)))?,
            SortBy => Type::list(element?),
        };
        Some((out, beside))
    }
}

/// A stage that may follow a type: which, what it gives, and the type of the parameter beside it.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) stage: usize,
    pub(super) to: usize,
    pub(super) beside: Option<usize>,
}

/// Stages and types with what may follow what, worked out once.
#[derive(Debug)]
pub(super) struct Grid {
    pub(super) stages: Vec<Stage>,
    types: Vec<Type>,
    steps: Vec<Vec<Step>>,
    /// Stages that a word calls for, by its beginning.
    words: BTreeMap<&'static str, Vec<usize>>,
}

pub(super) static GRID: LazyLock<Grid> = LazyLock::new(Grid::new);

impl Grid {
    fn new() -> Self {
        let mut grid =
            Self { stages: Vec::new(), types: Vec::new(), steps: Vec::new(), words: BTreeMap::new() };
        for row in ROWS {
            let Some(stage) = Stage::new(row) else { continue };
            for word in row.3.split(' ') {
                grid.words.entry(word).or_default().push(grid.stages.len());
            }
            grid.stages.push(stage);
        }
        grid.types = STARTS.iter().filter_map(|text| Type::parse(text)).collect();
        let mut at = 0;
        while at < grid.types.len() {
            let steps = grid.follow(at);
            grid.steps.push(steps);
            at += 1;
        }
        grid
    }

    /// What may follow a type; new types are added while there is room.
    fn follow(&mut self, at: usize) -> Vec<Step> {
        let Some(of) = self.types.get(at).cloned() else { return Vec::new() };
        let stages = std::mem::take(&mut self.stages);
        let mut steps = Vec::new();
        for (stage, ready) in stages.iter().enumerate() {
            let Some((out, beside)) = ready.types(&of) else { continue };
            let Some(to) = self.number(&out) else { continue };
            let beside = match beside {
                Some(of) => match self.number(&of) {
                    Some(number) => Some(number),
                    None => continue,
                },
                None => None,
            };
            steps.push(Step { stage, to, beside });
        }
        self.stages = stages;
        steps
    }

    fn number(&mut self, of: &Type) -> Option<usize> {
        if let Some(known) = self.kind(of) {
            return Some(known);
        }
        (self.types.len() < TYPES_MAX).then(|| {
            self.types.push(of.clone());
            self.types.len() - 1
        })
    }

    /// The number of a type.
    pub(super) fn kind(&self, of: &Type) -> Option<usize> {
        self.types.iter().position(|known| known == of)
    }

    /// How many types there are.
    pub(super) fn kinds(&self) -> usize {
        self.types.len()
    }

    /// What may follow a type.
    pub(super) fn steps(&self, kind: usize) -> &[Step] {
        self.steps.get(kind).map_or(&[], Vec::as_slice)
    }

    /// Stages that the words of a text call for.
    pub(super) fn called(&self, text: &str) -> Vec<bool> {
        let mut called = vec![false; self.stages.len()];
        let lower = text.to_lowercase();
        let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        for word in words.take(WORDS_MAX) {
            let ends = word.char_indices().map(|(at, c)| at + c.len_utf8());
            for stages in ends.filter_map(|end| self.words.get(word.get(..end)?)) {
                stages
                    .iter()
                    .for_each(|stage| called.iter_mut().skip(*stage).take(1).for_each(|one| *one = true));
            }
        }
        called
    }
}

/// Words of a description that are looked at.
const WORDS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_stage_that_follows_some_type() {
        let grid = Grid::new();
        assert_eq!(grid.stages.len(), ROWS.len(), "an operator of a row does not exist");
        for (at, row) in ROWS.iter().enumerate() {
            assert!(grid.steps.iter().flatten().any(|step| step.stage == at), "{row:?} never fits");
        }
        assert_eq!(grid.steps.len(), grid.types.len());
        assert!(grid.types.len() <= TYPES_MAX);
    }

    #[test]
    fn words_call_for_stages_by_their_beginning() {
        let grid = Grid::new();
        let called = grid.called("Sorting the NUMBERS");
        let sorted = grid.stages.iter().position(|stage| stage.op.name == "sorted").unwrap();
        let product = grid.stages.iter().position(|stage| stage.op.name == "product").unwrap();
        assert!(called[sorted] && !called[product]);
    }
}
