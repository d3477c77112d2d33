//! How large anything may become: whatever passes a limit ends that term, never the search.

/// Elements of one list, tuple or dict.
pub const ELEMENTS_MAX: usize = 4_096;
/// Characters of one string.
pub const CHARS_MAX: usize = 16_384;
/// Brackets inside brackets in a literal.
pub const DEPTH_MAX: usize = 24;
/// Bytes of one literal.
pub const LITERAL_BYTES_MAX: usize = 65_536;
/// Largest integer whose divisors a helper looks for.
pub const FACTOR_MAX: i64 = 50_000_000;
/// Examples of one task; coverage is one bit each.
pub const EXAMPLES_MAX: usize = 64;
/// Parameters of one function.
pub const PARAMETERS_MAX: usize = 6;
/// Bytes of one task's text.
pub const TEXT_BYTES_MAX: usize = 65_536;
/// Steps of one evaluation of a whole term.
pub const STEPS_MAX: u64 = 200_000;
/// Nodes on the longest path of a term that is evaluated or printed.
pub const TERM_DEPTH_MAX: usize = 64;
/// Elements of all examples together that one comprehension looks at while searching.
pub const SCOPE_ENVIRONMENTS_MAX: usize = 320;
/// Comprehension sources of one scope.
pub const SCOPES_MAX: usize = 14;
/// Variables that one loop binds.
pub const BINDERS_MAX: usize = 4;
/// Comprehensions inside comprehensions.
pub const SCOPE_DEPTH_MAX: usize = 2;
/// Values kept in memory over all terms of all scopes, elements counted: about 24 bytes each.
pub const KEPT_VALUES_MAX: usize = 12_000_000;
