//! The helper library: general functions that programs are often made of, each with its Python text.
//!
//! A report about what the engine reaches names the library by [`digest`].

mod arithmetic;
mod sequences;
mod texts;

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

use crate::ops::Op;

/// Every helper. A helper serves many tasks or it is not here.
pub(crate) static HELPERS: &[Op] = &[
    Op::helper("is_prime", "int -> bool", "prime*", arithmetic::IS_PRIME, arithmetic::is_prime),
    Op::helper(
        "prime_factors",
        "int -> list[int]",
        "prime* factor*",
        arithmetic::PRIME_FACTORS,
        arithmetic::prime_factors,
    ),
    Op::helper("divisors", "int -> list[int]", "divi* factor*", arithmetic::DIVISORS, arithmetic::divisors),
    Op::helper("digits", "int -> list[int]", "digit*", arithmetic::DIGITS, arithmetic::digits),
    Op::helper("gcd", "int, int -> int", "gcd greatest common divisor", arithmetic::GCD, arithmetic::gcd),
    Op::helper("lcm", "int, int -> int", "lcm least common multiple", arithmetic::LCM, arithmetic::lcm),
    Op::helper(
        "factorial",
        "int -> int",
        "factorial* permutation*",
        arithmetic::FACTORIAL,
        arithmetic::factorial,
    ),
    Op::helper("fibonacci", "int -> int", "fibonacci sequence", arithmetic::FIBONACCI, arithmetic::fibonacci),
    Op::helper("is_power", "int, int -> bool", "power*", arithmetic::IS_POWER, arithmetic::is_power),
    Op::helper(
        "integer_root",
        "int, int -> int",
        "root cube* square* perfect",
        arithmetic::INTEGER_ROOT,
        arithmetic::integer_root,
    ),
    Op::helper(
        "in_base",
        "int, int -> str",
        "base binary convert* decimal",
        arithmetic::IN_BASE,
        arithmetic::in_base,
    ),
    Op::helper("roman", "int -> str", "roman numeral*", arithmetic::ROMAN, arithmetic::roman),
    Op::helper("collatz", "int -> list[int]", "collatz sequence", arithmetic::COLLATZ, arithmetic::collatz),
    Op::helper(
        "power_modulo",
        "int, int, int -> int",
        "power* modulo",
        arithmetic::POWER_MODULO,
        arithmetic::power_modulo,
    ),
    Op::helper(
        "running_sum",
        "list[n] -> list[n]",
        "running cumulative rolling sum balance prefix operation*",
        sequences::RUNNING_SUM,
        sequences::running_sum,
    ),
    Op::helper(
        "running_max",
        "list[o] -> list[o]",
        "running rolling max* until",
        sequences::RUNNING_MAX,
        sequences::running_max,
    ),
    Op::helper(
        "running_min",
        "list[o] -> list[o]",
        "running rolling min* until",
        sequences::RUNNING_MIN,
        sequences::running_min,
    ),
    Op::helper(
        "windows",
        "list[a], int -> list[list[a]]",
        "consecutive window* sub* contiguous",
        sequences::WINDOWS,
        sequences::windows,
    ),
    Op::helper(
        "sublists",
        "list[a] -> list[list[a]]",
        "sub* contiguous",
        sequences::SUBLISTS,
        sequences::sublists,
    ),
    Op::helper(
        "chunks",
        "list[a], int -> list[list[a]]",
        "chunk* group* split*",
        sequences::CHUNKS,
        sequences::chunks,
    ),
    Op::helper(
        "rotated",
        "list[a], int -> list[a]",
        "rotat* shift* cyclic",
        sequences::ROTATED,
        sequences::rotated,
    ),
    Op::helper(
        "transposed",
        "list[list[a]] -> list[list[a]]",
        "transpose* column* matrix row*",
        sequences::TRANSPOSED,
        sequences::transposed,
    ),
    Op::helper("mean", "list[n] -> float", "mean average", sequences::MEAN, sequences::mean),
    Op::helper("median", "list[n] -> float", "median middle", sequences::MEDIAN, sequences::median),
    Op::helper(
        "most_common",
        "list[h] -> h",
        "most common mode frequent majority",
        sequences::MOST_COMMON,
        sequences::most_common,
    ),
    Op::helper(
        "prefixes",
        "list[a] -> list[list[a]]",
        "prefix* rolling running until so",
        sequences::PREFIXES,
        sequences::prefixes,
    ),
    Op::helper(
        "flattened",
        "list[list[a]] -> list[a]",
        "flat* nested all each",
        sequences::FLATTENED,
        sequences::flattened,
    ),
    Op::helper(
        "interleaved",
        "list[a], list[a] -> list[a]",
        "interleav* alternat* merge*",
        sequences::INTERLEAVED,
        sequences::interleaved,
    ),
    Op::helper(
        "separated",
        "list[a], a -> list[a]",
        "insert* between intersperse* delim*",
        sequences::SEPARATED,
        sequences::separated,
    ),
    Op::helper(
        "is_increasing",
        "list[o] -> bool",
        "sorted increas* ascending order monoton*",
        sequences::IS_INCREASING,
        sequences::is_increasing,
    ),
    Op::helper("is_palindrome", "str -> bool", "palindrom*", texts::IS_PALINDROME, texts::is_palindrome),
    Op::helper(
        "shift_letters",
        "str, int -> str",
        "shift* rotat* encrypt* encod* decod* caesar alphabet*",
        texts::SHIFT_LETTERS,
        texts::shift_letters,
    ),
    Op::helper("only_letters", "str -> str", "letter* alphabet*", texts::ONLY_LETTERS, texts::only_letters),
    Op::helper("only_digits", "str -> str", "digit* number*", texts::ONLY_DIGITS, texts::only_digits),
    Op::helper(
        "numbers_in",
        "str -> list[int]",
        "number* integer* digit* string*",
        texts::NUMBERS_IN,
        texts::numbers_in,
    ),
    Op::helper("count_vowels", "str -> int", "vowel*", texts::COUNT_VOWELS, texts::count_vowels),
    Op::helper(
        "nesting_depth",
        "str, str, str -> int",
        "nest* deep* depth level* paren* bracket*",
        texts::NESTING_DEPTH,
        texts::nesting_depth,
    ),
    Op::helper(
        "balanced",
        "str, str, str -> bool",
        "balanc* paren* bracket* match* clos*",
        texts::BALANCED,
        texts::balanced,
    ),
    Op::helper("runs", "str -> list[str]", "consecutive run* repeat* same", texts::RUNS, texts::runs),
    Op::helper("text_prefixes", "str -> list[str]", "prefix*", texts::TEXT_PREFIXES, texts::text_prefixes),
    Op::helper("substrings", "str -> list[str]", "substring*", texts::SUBSTRINGS, texts::substrings),
    Op::helper(
        "find_overlapping",
        "str, str -> list[int]",
        "overlap* substring* occur* times",
        texts::FIND_OVERLAPPING,
        texts::find_overlapping,
    ),
    Op::helper(
        "number_words",
        " -> list[str]",
        "zero one two three nine word* numeral*",
        texts::NUMBER_WORDS,
        texts::number_words,
    ),
];

/// SHA-256 over every operator and helper (name, type, cost, hints and Python text) and over the constants that words
/// call for, in order.
#[must_use]
pub fn digest() -> &'static str {
    static DIGEST: LazyLock<String> = LazyLock::new(digest_anew);
    &DIGEST
}

fn digest_anew() -> String {
    let mut hash = Sha256::new();
    for op in crate::ops::all() {
        for part in [op.name, op.signature, op.python, op.words, op.source, op.import] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update(op.cost.to_be_bytes());
    }
    for (word, constants) in crate::hints::WORDS {
        for part in std::iter::once(word).chain(*constants) {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
    }
    hex(&hash.finalize())
}

/// Bytes as hexadecimal text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_helper_defines_itself() {
        let mut names: Vec<&str> = crate::ops::all().map(|op| op.name).collect();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(before, names.len());
        for helper in HELPERS {
            assert!(helper.source.starts_with(&format!("def {}(", helper.name)), "{}", helper.name);
        }
    }

    #[test]
    fn the_digest_is_sha256_and_stays() {
        assert_eq!(digest().len(), 64);
        assert_eq!(digest(), digest());
    }
}
