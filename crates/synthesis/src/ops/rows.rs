//! The table of the language's own operators.

use std::cmp::Ordering;

use super::list::{
    combinations, concat, contains, count, distinct, elements, enumerate, extreme, how_often, index, items,
    len, list, lookup, pair, position, product, range, repeat, slice, sorted, sum, tally, zip,
};
use super::number::{
    abs, add, compare, div, finite, float, floor_div, int, modulo, mul, pow, root, round, round_to, sub,
    whole,
};
use super::text::{
    all_are, binary, capitalize, cased, chr, gap, join, lower, ord, replace, show, split, string, strip,
    swapcase, title, to_float, to_int, upper, words,
};
use super::{Op, Run, at};
use crate::value::{Fail, Value};

pub(super) static ROWS: &[Op] = &[
    // numbers
    Op::new("add", "n, n -> n", 3, (6, "{0:6} + {1:7}"))
        .hinted("sum* add* plus total")
        .commuting()
        .does(|a| add(at(a, 0)?, at(a, 1)?)),
    Op::new("sub", "n, n -> n", 3, (6, "{0:6} - {1:7}"))
        .hinted("subtract* differ* minus")
        .does(|a| sub(at(a, 0)?, at(a, 1)?)),
    Op::new("mul", "n, n -> n", 3, (7, "{0:7} * {1:8}"))
        .hinted("product* multipl* times area")
        .commuting()
        .does(|a| mul(at(a, 0)?, at(a, 1)?)),
    Op::new("floor_div", "int, int -> int", 3, (7, "{0:7} // {1:8}"))
        .hinted("divi* half quotient")
        .does(|a| floor_div(at(a, 0)?, at(a, 1)?)),
    Op::new("modulo", "n, n -> n", 3, (7, "{0:7} % {1:8}"))
        .hinted("modulo remainder divi* even odd multiple decimal")
        .does(|a| modulo(at(a, 0)?, at(a, 1)?)),
    Op::new("div", "n, n -> float", 3, (7, "{0:7} / {1:8}"))
        .hinted("divi* average mean half ratio")
        .does(|a| div(at(a, 0)?, at(a, 1)?)),
    Op::new("pow", "int, int -> int", 4, (9, "{0:10} ** {1:9}"))
        .hinted("power* expon*")
        .does(|a| pow(at(a, 0)?, at(a, 1)?)),
    Op::new("successor", "int -> int", 3, (6, "{0:6} + 1")).does(|a| add(at(a, 0)?, &Value::Int(1))),
    Op::new("predecessor", "int -> int", 3, (6, "{0:6} - 1")).does(|a| sub(at(a, 0)?, &Value::Int(1))),
    Op::new("halved", "int -> int", 4, (7, "{0:7} // 2"))
        .hinted("half middle median")
        .does(|a| floor_div(at(a, 0)?, &Value::Int(2))),
    Op::new("square", "n -> n", 4, (9, "{0:10} ** 2")).hinted("square*").does(|a| mul(at(a, 0)?, at(a, 0)?)),
    Op::new("cube", "int -> int", 5, (9, "{0:10} ** 3"))
        .hinted("cube*")
        .does(|a| pow(at(a, 0)?, &Value::Int(3))),
    Op::new("negate", "n -> n", 4, (8, "-{0:8}")).hinted("negat*").does(|a| mul(at(a, 0)?, &Value::Int(-1))),
    Op::new("abs", "n -> n", 3, (10, "abs({0:0})"))
        .hinted("abs* magnitude* distance closer close* differ*")
        .does(|a| abs(at(a, 0)?)),
    Op::new("greater_of", "o, o -> o", 4, (10, "max({0:1}, {1:1})"))
        .hinted("max* larg* great*")
        .commuting()
        .does(|a| extreme(a.iter().copied(), Ordering::Greater)),
    Op::new("lesser_of", "o, o -> o", 4, (10, "min({0:1}, {1:1})"))
        .hinted("min* small*")
        .commuting()
        .does(|a| extreme(a.iter().copied(), Ordering::Less)),
    Op::new("round", "float -> int", 3, (10, "round({0:0})"))
        .hinted("round* nearest closest")
        .does(|a| round(at(a, 0)?)),
    Op::new("round_to", "float, int -> float", 4, (10, "round({0:1}, {1:1})"))
        .hinted("round* decimal*")
        .does(|a| round_to(at(a, 0)?, at(a, 1)?)),
    Op::new("truncate", "float -> int", 3, (10, "int({0:0})"))
        .hinted("int* truncat*")
        .does(|a| whole(at(a, 0)?, f64::trunc)),
    Op::new("ceil", "float -> int", 4, (10, "math.ceil({0:0})"))
        .importing("math")
        .hinted("ceil* upper round*")
        .does(|a| whole(at(a, 0)?, f64::ceil)),
    Op::new("floor", "float -> int", 4, (10, "math.floor({0:0})"))
        .importing("math")
        .hinted("floor*")
        .does(|a| whole(at(a, 0)?, f64::floor)),
    Op::new("to_float", "int -> float", 3, (10, "float({0:0})")).does(|a| finite(float(at(a, 0)?)?)),
    Op::new("root", "n -> float", 4, (10, "math.sqrt({0:0})"))
        .importing("math")
        .hinted("root sqrt distance")
        .does(|a| root(at(a, 0)?)),
    Op::new("even", "int -> bool", 3, (5, "{0:7} % 2 == 0"))
        .hinted("even")
        .does(|a| Ok(Value::Bool(int(at(a, 0)?)? % 2 == 0))),
    Op::new("odd", "int -> bool", 3, (5, "{0:7} % 2 == 1"))
        .hinted("odd")
        .does(|a| Ok(Value::Bool(int(at(a, 0)?)? % 2 != 0))),
    Op::new("divisible", "int, int -> bool", 3, (5, "{0:7} % {1:8} == 0")).hinted("divi* multiple*").does(
        |a| Ok(Value::Bool(int(&modulo(&Value::Int(int(at(a, 0)?)?), &Value::Int(int(at(a, 1)?)?))?)? == 0)),
    ),
    // truth
    Op::new("equal", "a, a -> bool", 3, (5, "{0:6} == {1:6}"))
        .hinted("equal* same")
        .commuting()
        .does(|a| Ok(Value::Bool(at(a, 0)? == at(a, 1)?))),
    Op::new("unequal", "a, a -> bool", 4, (5, "{0:6} != {1:6}"))
        .hinted("not differ* un*")
        .commuting()
        .does(|a| Ok(Value::Bool(at(a, 0)? != at(a, 1)?))),
    Op::new("less", "o, o -> bool", 3, (5, "{0:6} < {1:6}"))
        .hinted("less below above greater more than smaller larger under over exceed*")
        .does(|a| compare(at(a, 0)?, at(a, 1)?, Ordering::is_lt)),
    Op::new("at_most", "o, o -> bool", 4, (5, "{0:6} <= {1:6}"))
        .hinted("most least")
        .does(|a| compare(at(a, 0)?, at(a, 1)?, Ordering::is_le)),
    Op::new("positive", "n -> bool", 3, (5, "{0:6} > 0"))
        .hinted("positive")
        .does(|a| compare(at(a, 0)?, &Value::Int(0), Ordering::is_gt)),
    Op::new("negative", "n -> bool", 3, (5, "{0:6} < 0"))
        .hinted("negative below")
        .does(|a| compare(at(a, 0)?, &Value::Int(0), Ordering::is_lt)),
    Op::new("and", "bool, bool -> bool", 3, (3, "{0:3} and {1:4}")).hinted("and both").lazily(Run::And),
    Op::new("or", "bool, bool -> bool", 4, (2, "{0:2} or {1:3}")).hinted("or either").lazily(Run::Or),
    Op::new("not", "bool -> bool", 3, (4, "not {0:4}"))
        .hinted("not no")
        .does(|a| Ok(Value::Bool(!at(a, 0)?.truthy()))),
    // ranges
    Op::new("range", "int -> list[int]", 4, (10, "list(range({0:0}))"))
        .hinted("index* position* first from")
        .does(|a| range(0, int(at(a, 0)?)?, 1)),
    Op::new("range_from_one", "int -> list[int]", 4, (10, "list(range(1, {0:6} + 1))"))
        .hinted("from to numbers 1 n level*")
        .does(|a| range(1, int(at(a, 0)?)?.checked_add(1).ok_or(Fail::TooBig)?, 1)),
    Op::new("range_through", "int -> list[int]", 5, (10, "list(range({0:6} + 1))"))
        .hinted("from through inclusive 0")
        .does(|a| range(0, int(at(a, 0)?)?.checked_add(1).ok_or(Fail::TooBig)?, 1)),
    Op::new("range_between", "int, int -> list[int]", 4, (10, "list(range({0:1}, {1:1}))"))
        .hinted("range between from")
        .does(|a| range(int(at(a, 0)?)?, int(at(a, 1)?)?, 1)),
    Op::new("range_inclusive", "int, int -> list[int]", 4, (10, "list(range({0:1}, {1:6} + 1))"))
        .hinted("range between inclusive from")
        .does(|a| range(int(at(a, 0)?)?, int(at(a, 1)?)?.checked_add(1).ok_or(Fail::TooBig)?, 1)),
    Op::new("range_step", "int, int, int -> list[int]", 5, (10, "list(range({0:1}, {1:1}, {2:1}))"))
        .hinted("step* every")
        .does(|a| range(int(at(a, 0)?)?, int(at(a, 1)?)?, int(at(a, 2)?)?)),
    // lists
    Op::new("len", "list[a] -> int", 2, (10, "len({0:0})"))
        .hinted("length* number count* size many long*")
        .does(|a| len(at(a, 0)?)),
    Op::new("sum", "list[n] -> n", 3, (10, "sum({0:i})"))
        .hinted("sum* total* add* mean average balance")
        .does(|a| sum(at(a, 0)?)),
    Op::new("product", "list[n] -> n", 4, (10, "math.prod({0:i})"))
        .importing("math")
        .hinted("product* multipl*")
        .does(|a| product(at(a, 0)?)),
    Op::new("max", "list[o] -> o", 3, (10, "max({0:i})"))
        .hinted("max* larg* great* big* high*")
        .does(|a| extreme(items(at(a, 0)?)?.iter(), Ordering::Greater)),
    Op::new("min", "list[o] -> o", 3, (10, "min({0:i})"))
        .hinted("min* small* least low*")
        .does(|a| extreme(items(at(a, 0)?)?.iter(), Ordering::Less)),
    Op::new("sorted", "list[o] -> list[o]", 3, (10, "sorted({0:i})"))
        .hinted("sort* order* ascending small* larg* median")
        .does(|a| sorted(items(at(a, 0)?)?.to_vec(), false)),
    Op::new("sorted_down", "list[o] -> list[o]", 4, (10, "sorted({0:1}, reverse=True)"))
        .hinted("sort* descend* revers* decreas*")
        .does(|a| sorted(items(at(a, 0)?)?.to_vec(), true)),
    Op::new("distinct_sorted", "list[o] -> list[o]", 4, (10, "sorted(set({0:i}))"))
        .hinted("unique distinct common different duplicate* second")
        .does(|a| sorted(distinct(items(at(a, 0)?)?)?, false)),
    Op::new("distinct", "list[h] -> list[h]", 4, (10, "list(dict.fromkeys({0:i}))"))
        .hinted("unique distinct duplicate* different remove")
        .does(|a| list(distinct(items(at(a, 0)?)?)?)),
    Op::new("how_many_distinct", "list[h] -> int", 4, (10, "len(set({0:i}))"))
        .hinted("unique distinct different")
        .does(|a| Ok(count(distinct(items(at(a, 0)?)?)?.len()))),
    Op::new("reversed", "list[a] -> list[a]", 3, (10, "{0:10}[::-1]"))
        .hinted("revers* palindrom* backward* mirror*")
        .does(|a| slice(at(a, 0)?, None, None, -1)),
    Op::new("item", "list[a], int -> a", 3, (10, "{0:10}[{1:0}]"))
        .hinted("index* position* element*")
        .does(|a| index(at(a, 0)?, at(a, 1)?)),
    Op::new("first", "list[a] -> a", 3, (10, "{0:10}[0]"))
        .hinted("first start*")
        .does(|a| index(at(a, 0)?, &Value::Int(0))),
    Op::new("last", "list[a] -> a", 3, (10, "{0:10}[-1]"))
        .hinted("last end* final")
        .does(|a| index(at(a, 0)?, &Value::Int(-1))),
    Op::new("tail", "list[a] -> list[a]", 4, (10, "{0:10}[1:]")).does(|a| slice(at(a, 0)?, Some(1), None, 1)),
    Op::new("front", "list[a] -> list[a]", 4, (10, "{0:10}[:-1]"))
        .does(|a| slice(at(a, 0)?, None, Some(-1), 1)),
    Op::new("take", "list[a], int -> list[a]", 4, (10, "{0:10}[:{1:0}]"))
        .hinted("first length")
        .does(|a| slice(at(a, 0)?, None, Some(int(at(a, 1)?)?), 1)),
    Op::new("drop", "list[a], int -> list[a]", 4, (10, "{0:10}[{1:0}:]"))
        .hinted("last after")
        .does(|a| slice(at(a, 0)?, Some(int(at(a, 1)?)?), None, 1)),
    Op::new("evens", "list[a] -> list[a]", 4, (10, "{0:10}[::2]"))
        .hinted("even odd index* position* altern*")
        .does(|a| slice(at(a, 0)?, None, None, 2)),
    Op::new("odds", "list[a] -> list[a]", 4, (10, "{0:10}[1::2]"))
        .hinted("even odd index* position* altern*")
        .does(|a| slice(at(a, 0)?, Some(1), None, 2)),
    Op::new("joined", "list[a], list[a] -> list[a]", 4, (6, "{0:6} + {1:7}"))
        .hinted("concat* append* combin* follow*")
        .does(|a| concat(at(a, 0)?, at(a, 1)?)),
    Op::new("with_last", "list[a], a -> list[a]", 4, (6, "{0:6} + [{1:1}]"))
        .hinted("append* add*")
        .does(|a| concat(at(a, 0)?, &Value::list(vec![at(a, 1)?.clone()]))),
    Op::new("only", "a -> list[a]", 4, (10, "[{0:1}]")).does(|a| Ok(Value::list(vec![at(a, 0)?.clone()]))),
    Op::new("contains", "list[a], a -> bool", 3, (5, "{1:6} in {0:6}"))
        .hinted("in contain* common both member* exist* vowel*")
        .does(|a| contains(at(a, 0)?, at(a, 1)?)),
    Op::new("lacks", "list[a], a -> bool", 4, (5, "{1:6} not in {0:6}"))
        .hinted("not without except* remov*")
        .does(|a| contains(at(a, 0)?, at(a, 1)?).map(|found| Value::Bool(!found.truthy()))),
    Op::new("times_in", "list[a], a -> int", 3, (10, "{0:10}.count({1:0})"))
        .hinted("count* occur* appear* times frequen* repeat* once duplicate* majority")
        .does(|a| how_often(at(a, 0)?, at(a, 1)?)),
    Op::new("position", "list[a], a -> int", 4, (10, "{0:10}.index({1:0})"))
        .hinted("index* position* where")
        .does(|a| position(at(a, 0)?, at(a, 1)?)),
    Op::new("repeat_list", "list[a], int -> list[a]", 5, (7, "{0:7} * {1:8}"))
        .hinted("repeat*")
        .does(|a| repeat(at(a, 0)?, at(a, 1)?)),
    Op::new("enumerate", "list[a] -> list[tuple[int, a]]", 4, (10, "list(enumerate({0:i}))"))
        .hinted("index* indic* position* place*")
        .does(|a| enumerate(at(a, 0)?)),
    Op::new("zip", "list[a], list[b] -> list[tuple[a, b]]", 4, (10, "list(zip({0:i}, {1:i}))"))
        .hinted("two both compare* pair* each correspond* element-wise")
        .does(|a| zip(at(a, 0)?, at(a, 1)?)),
    Op::new("adjacent", "list[a] -> list[tuple[a, a]]", 4, (10, "list(zip({0:10}, {0:10}[1:]))"))
        .hinted("adjacent consecutive next neighbo* monoton* sorted increas* decreas* deriv*")
        .does(|a| zip(at(a, 0)?, &slice(at(a, 0)?, Some(1), None, 1)?)),
    Op::new("pairs", "list[a] -> list[tuple[a, a]]", 4, (10, "list(itertools.combinations({0:1}, 2))"))
        .importing("itertools")
        .hinted("pair* two any distinct closest")
        .does(|a| combinations(at(a, 0)?)),
    Op::new("left_of", "tuple[a, b] -> a", 3, (10, "{0:10}[0]"))
        .hinted("first start*")
        .does(|a| index(at(a, 0)?, &Value::Int(0))),
    Op::new("right_of", "tuple[a, b] -> b", 3, (10, "{0:10}[1]"))
        .hinted("second end* last")
        .does(|a| index(at(a, 0)?, &Value::Int(1))),
    Op::new("couple", "a, a -> list[a]", 5, (10, "[{0:1}, {1:1}]"))
        .does(|a| Ok(Value::list(vec![at(a, 0)?.clone(), at(a, 1)?.clone()]))),
    Op::new("pair", "a, b -> tuple[a, b]", 4, (10, "({0:1}, {1:1})"))
        .hinted("tuple* pair*")
        .does(|a| Ok(pair(at(a, 0)?.clone(), at(a, 1)?.clone()))),
    // dicts
    Op::new("keys", "dict[h, a] -> list[h]", 3, (10, "list({0:i})"))
        .hinted("key*")
        .does(|a| list(elements(at(a, 0)?)?)),
    Op::new("values", "dict[h, a] -> list[a]", 3, (10, "list({0:10}.values())"))
        .hinted("value* count* occur* frequen* most")
        .does(|a| match at(a, 0)? {
            Value::Dict(entries) => Ok(Value::list(entries.iter().map(|(_, value)| value.clone()).collect())),
            _ => Err(Fail::Raises),
        }),
    Op::new("entries", "dict[h, a] -> list[tuple[h, a]]", 3, (10, "list({0:10}.items())"))
        .hinted("entr* most occur* frequen*")
        .does(|a| match at(a, 0)? {
            Value::Dict(entries) => {
                Ok(Value::list(entries.iter().map(|(key, value)| pair(key.clone(), value.clone())).collect()))
            }
            _ => Err(Fail::Raises),
        }),
    Op::new("lookup", "dict[h, a], h -> a", 3, (10, "{0:10}[{1:0}]"))
        .hinted("key*")
        .does(|a| lookup(at(a, 0)?, at(a, 1)?)),
    Op::new("tally", "list[h] -> dict[h, int]", 4, (10, "dict(collections.Counter({0:0}))"))
        .importing("collections")
        .hinted("count* frequen* occur* appear* repet* most histogram")
        .does(|a| tally(items(at(a, 0)?)?)),
    Op::new("tally_text", "str -> dict[str, int]", 4, (10, "dict(collections.Counter({0:0}))"))
        .importing("collections")
        .hinted("count* frequen* occur* appear* repet* most")
        .does(|a| tally(&elements(at(a, 0)?)?)),
    // strings
    Op::new("text_len", "str -> int", 2, (10, "len({0:0})"))
        .hinted("length* number count* size many long*")
        .does(|a| len(at(a, 0)?)),
    Op::new("upper", "str -> str", 3, (10, "{0:10}.upper()"))
        .hinted("upper* capital* case")
        .does(|a| upper(at(a, 0)?)),
    Op::new("lower", "str -> str", 3, (10, "{0:10}.lower()"))
        .hinted("lower* case* ignor*")
        .does(|a| lower(at(a, 0)?)),
    Op::new("swapcase", "str -> str", 3, (10, "{0:10}.swapcase()"))
        .hinted("swap* flip* case revers* upper* lower*")
        .does(|a| swapcase(at(a, 0)?)),
    Op::new("title", "str -> str", 5, (10, "{0:10}.title()"))
        .hinted("title* capital* word*")
        .does(|a| title(at(a, 0)?)),
    Op::new("capitalize", "str -> str", 5, (10, "{0:10}.capitalize()"))
        .hinted("capital*")
        .does(|a| capitalize(at(a, 0)?)),
    Op::new("strip", "str -> str", 4, (10, "{0:10}.strip()"))
        .hinted("strip* trim* space* whitespace")
        .does(|a| strip(at(a, 0)?)),
    Op::new("words", "str -> list[str]", 3, (10, "{0:10}.split()"))
        .hinted("word* space* split* sentence* separat* whitespace")
        .does(|a| words(at(a, 0)?)),
    Op::new("split", "str, str -> list[str]", 4, (10, "{0:10}.split({1:0})"))
        .hinted("split* separat* comma* delimit*")
        .does(|a| split(at(a, 0)?, at(a, 1)?)),
    Op::new("glue", "str, list[str] -> str", 3, (10, "{0:10}.join({1:i})"))
        .hinted("string* join* concat* combin* space* delimit* text")
        .does(|a| join(at(a, 0)?, at(a, 1)?)),
    Op::new("replace", "str, str, str -> str", 4, (10, "{0:10}.replace({1:1}, {2:1})"))
        .hinted("replac* remov* substitut*")
        .does(|a| replace(at(a, 0)?, at(a, 1)?, at(a, 2)?)),
    Op::new("starts", "str, str -> bool", 4, (10, "{0:10}.startswith({1:0})"))
        .hinted("start* prefix* begin*")
        .does(|a| Ok(Value::Bool(string(at(a, 0)?)?.starts_with(string(at(a, 1)?)?)))),
    Op::new("ends", "str, str -> bool", 4, (10, "{0:10}.endswith({1:0})"))
        .hinted("end* suffix*")
        .does(|a| Ok(Value::Bool(string(at(a, 0)?)?.ends_with(string(at(a, 1)?)?)))),
    Op::new("within", "str, str -> bool", 3, (5, "{0:6} in {1:6}"))
        .hinted("in substring* contain* vowel* consonant* letter*")
        .does(|a| contains(at(a, 1)?, at(a, 0)?)),
    Op::new("not_within", "str, str -> bool", 4, (5, "{0:6} not in {1:6}"))
        .hinted("not without remov* consonant* except*")
        .does(|a| contains(at(a, 1)?, at(a, 0)?).map(|found| Value::Bool(!found.truthy()))),
    Op::new("is_alpha", "str -> bool", 4, (10, "{0:10}.isalpha()"))
        .hinted("letter* alphabet*")
        .does(|a| all_are(at(a, 0)?, |c| c.is_ascii_alphabetic())),
    Op::new("is_digit", "str -> bool", 4, (10, "{0:10}.isdigit()"))
        .hinted("digit* number* numeric integer*")
        .does(|a| all_are(at(a, 0)?, |c| c.is_ascii_digit())),
    Op::new("is_space", "str -> bool", 5, (10, "{0:10}.isspace()"))
        .hinted("space* whitespace")
        .does(|a| all_are(at(a, 0)?, gap)),
    Op::new("is_upper", "str -> bool", 4, (10, "{0:10}.isupper()"))
        .hinted("upper* capital* case")
        .does(|a| cased(at(a, 0)?, true)),
    Op::new("is_lower", "str -> bool", 4, (10, "{0:10}.islower()"))
        .hinted("lower* case")
        .does(|a| cased(at(a, 0)?, false)),
    Op::new("code", "str -> int", 4, (10, "ord({0:0})"))
        .hinted("ascii code* alphabet* letter* shift* rotat*")
        .does(|a| ord(at(a, 0)?)),
    Op::new("letter", "int -> str", 4, (10, "chr({0:0})"))
        .hinted("ascii code* letter* shift* rotat*")
        .does(|a| chr(int(at(a, 0)?)?)),
    Op::new("show", "n -> str", 3, (10, "str({0:0})"))
        .hinted("string* digit* text convert*")
        .does(|a| show(at(a, 0)?)),
    Op::new("read_int", "str -> int", 4, (10, "int({0:0})"))
        .hinted("integer* number* convert* digit*")
        .does(|a| to_int(at(a, 0)?, 10)),
    Op::new("read_float", "str -> float", 4, (10, "float({0:0})"))
        .hinted("float* number* real*")
        .does(|a| to_float(at(a, 0)?)),
    Op::new("binary", "int -> str", 4, (10, "bin({0:0})[2:]"))
        .hinted("binary bits")
        .does(|a| binary(int(at(a, 0)?)?)),
    Op::new("read_binary", "str -> int", 5, (10, "int({0:1}, 2)"))
        .hinted("binary bits")
        .does(|a| to_int(at(a, 0)?, 2)),
    Op::new("backward", "str -> str", 3, (10, "{0:10}[::-1]"))
        .hinted("revers* palindrom* backward* mirror*")
        .does(|a| slice(at(a, 0)?, None, None, -1)),
    Op::new("char", "str, int -> str", 4, (10, "{0:10}[{1:0}]"))
        .hinted("index* position* character*")
        .does(|a| index(at(a, 0)?, at(a, 1)?)),
    Op::new("first_char", "str -> str", 4, (10, "{0:10}[0]"))
        .hinted("first start* begin*")
        .does(|a| index(at(a, 0)?, &Value::Int(0))),
    Op::new("last_char", "str -> str", 4, (10, "{0:10}[-1]"))
        .hinted("last end*")
        .does(|a| index(at(a, 0)?, &Value::Int(-1))),
    Op::new("take_text", "str, int -> str", 4, (10, "{0:10}[:{1:0}]"))
        .hinted("first prefix*")
        .does(|a| slice(at(a, 0)?, None, Some(int(at(a, 1)?)?), 1)),
    Op::new("drop_text", "str, int -> str", 4, (10, "{0:10}[{1:0}:]"))
        .hinted("last suffix* shift* rotat*")
        .does(|a| slice(at(a, 0)?, Some(int(at(a, 1)?)?), None, 1)),
    Op::new("text_plus", "str, str -> str", 3, (6, "{0:6} + {1:7}"))
        .hinted("concat* append* combin* shift* add*")
        .does(|a| concat(at(a, 0)?, at(a, 1)?)),
    Op::new("text_times", "str, int -> str", 4, (7, "{0:7} * {1:8}"))
        .hinted("repeat*")
        .does(|a| repeat(at(a, 0)?, at(a, 1)?)),
    Op::new("text_count", "str, str -> int", 3, (10, "{0:10}.count({1:0})"))
        .hinted("count* occur* times many appear* number")
        .does(|a| how_often(at(a, 0)?, at(a, 1)?)),
    Op::new("find", "str, str -> int", 4, (10, "{0:10}.find({1:0})"))
        .hinted("find* index* position* where")
        .does(|a| {
            position(at(a, 0)?, at(a, 1)?)
                .or_else(|fail| if string(at(a, 1)?).is_ok() { Ok(Value::Int(-1)) } else { Err(fail) })
        }),
    Op::new("chars", "str -> list[str]", 4, (10, "list({0:0})"))
        .hinted("character* letter* list")
        .does(|a| list(elements(at(a, 0)?)?)),
    Op::new("sorted_chars", "str -> list[str]", 4, (10, "sorted({0:0})"))
        .hinted("sort* order* anagram*")
        .does(|a| sorted(elements(at(a, 0)?)?, false)),
    Op::new("distinct_chars", "str -> list[str]", 4, (10, "sorted(set({0:0}))"))
        .hinted("unique distinct same different character*")
        .does(|a| sorted(distinct(&elements(at(a, 0)?)?)?, false)),
    Op::new("how_many_chars", "str -> int", 4, (10, "len(set({0:0}))"))
        .hinted("unique distinct different")
        .does(|a| Ok(count(distinct(&elements(at(a, 0)?)?)?.len()))),
    Op::new("enumerate_text", "str -> list[tuple[int, str]]", 4, (10, "list(enumerate({0:0}))"))
        .hinted("index* position*")
        .does(|a| enumerate(at(a, 0)?)),
    Op::new("zip_text", "str, str -> list[tuple[str, str]]", 4, (10, "list(zip({0:1}, {1:1}))"))
        .hinted("two both compare* pair* xor")
        .does(|a| zip(at(a, 0)?, at(a, 1)?)),
    Op::new("adjacent_text", "str -> list[tuple[str, str]]", 4, (10, "list(zip({0:10}, {0:10}[1:]))"))
        .hinted("adjacent consecutive next neighbo*")
        .does(|a| zip(at(a, 0)?, &slice(at(a, 0)?, Some(1), None, 1)?)),
];
