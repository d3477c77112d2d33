//! Getting the code out of an answer: fenced blocks with prose around them, or nothing but code. Pure.

/// Most blocks that are looked at.
pub const BLOCKS_MAX: usize = 64;

/// A fenced block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block<'a> {
    /// The word after the fence, or nothing.
    pub language: &'a str,
    /// What is between the fences.
    pub code: &'a str,
    /// Whether the closing fence is there. An answer that was cut has none.
    pub closed: bool,
}

/// Why there is no code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoCode {
    /// Nothing but white space.
    #[error("the answer is empty")]
    Empty,
    /// Prose without a block.
    #[error("the answer has no block of code")]
    Prose,
    /// Blocks, none of them in the language.
    #[error("the answer has no block in the wanted language")]
    Language,
    /// The block in question does not end.
    #[error("the answer ends within its code")]
    Cut,
    /// Blocks with nothing in them.
    #[error("the block of code is empty")]
    Hollow,
    /// More blocks than anybody means.
    #[error("the answer has more than {BLOCKS_MAX} blocks")]
    Many,
}

/// The fenced blocks of an answer, in order, as CommonMark means them: three or more backticks or tildes, up to three
/// spaces before them, closed by at least as many of the same.
///
/// # Errors
/// [`NoCode::Many`].
pub fn blocks(answer: &str) -> Result<Vec<Block<'_>>, NoCode> {
    let mut found = Vec::new();
    let mut open: Option<(Fence<'_>, usize)> = None;
    let mut at = 0;
    for line in answer.split_inclusive('\n') {
        let (start, end) = (at, at + line.len());
        at = end;
        match open {
            None => open = Fence::opening(line).map(|fence| (fence, end)),
            Some((fence, from)) if fence.is_closed_by(line) => {
                found.push(fence.block(answer, from, start, true));
                open = None;
            }
            Some(_) => {}
        }
        if found.len() > BLOCKS_MAX {
            return Err(NoCode::Many);
        }
    }
    if let Some((fence, from)) = open {
        found.push(fence.block(answer, from, answer.len(), false));
    }
    Ok(found)
}

/// The code of an answer: the longest closed block in one of these languages (lower case); without a language on any
/// block, the longest of all. An answer without blocks is code when `is_code` says so of all of it.
///
/// The longest, because models put usage examples and shell lines beside what was asked for, before it and after.
///
/// # Errors
/// See [`NoCode`].
pub fn code<'a>(
    answer: &'a str,
    languages: &[&str],
    is_code: impl Fn(&str) -> bool,
) -> Result<&'a str, NoCode> {
    if answer.trim().is_empty() {
        return Err(NoCode::Empty);
    }
    let all = blocks(answer)?;
    if all.is_empty() {
        return if is_code(answer) { Ok(answer) } else { Err(NoCode::Prose) };
    }
    let wanted = |block: &&Block<'_>| languages.contains(&block.language.to_ascii_lowercase().as_str());
    let mut chosen: Vec<Block<'a>> = all.iter().filter(wanted).copied().collect();
    if chosen.is_empty() {
        chosen = all.into_iter().filter(|block| block.language.is_empty()).collect();
    }
    if chosen.is_empty() {
        return Err(NoCode::Language);
    }
    // The last of the longest: a corrected version comes after the first one.
    let longest = chosen.iter().filter(|block| block.closed).max_by_key(|block| block.code.trim().len());
    match longest {
        None => Err(NoCode::Cut),
        Some(block) if block.code.trim().is_empty() => Err(NoCode::Hollow),
        Some(block) => Ok(block.code),
    }
}

/// An opening fence.
#[derive(Clone, Copy)]
struct Fence<'a> {
    mark: char,
    length: usize,
    language: &'a str,
}

impl<'a> Fence<'a> {
    fn opening(line: &'a str) -> Option<Self> {
        let text = unindented(line)?;
        let mark = text.chars().next().filter(|mark| *mark == '`' || *mark == '~')?;
        let rest = text.trim_start_matches(mark);
        let length = text.len() - rest.len();
        // Backticks after backticks are code within a line.
        if length < 3 || (mark == '`' && rest.contains('`')) {
            return None;
        }
        let language = rest.split_whitespace().next().unwrap_or_default();
        Some(Self { mark, length, language: language.trim_matches(['{', '}', '.']) })
    }

    fn is_closed_by(self, line: &str) -> bool {
        let Some(text) = unindented(line) else { return false };
        let rest = text.trim_start_matches(self.mark);
        text.len() - rest.len() >= self.length && rest.trim().is_empty()
    }

    fn block(self, answer: &'a str, from: usize, to: usize, closed: bool) -> Block<'a> {
        Block { language: self.language, code: answer.get(from..to).unwrap_or_default(), closed }
    }
}

/// The line without its indentation, which a fence may have up to three spaces of.
fn unindented(line: &str) -> Option<&str> {
    let text = line.trim_start_matches(' ');
    (line.len() - text.len() <= 3).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python(answer: &str) -> Result<&str, NoCode> {
        code(answer, &["python", "py", "python3"], |text| text.starts_with("def "))
    }

    #[test]
    fn answers_and_the_code_in_them() {
        let table: &[(&str, Result<&str, NoCode>)] = &[
            ("Sure!\n```python\ndef f(): pass\n```\nEnjoy.", Ok("def f(): pass\n")),
            ("```Python\ndef f(): pass\n```", Ok("def f(): pass\n")),
            ("```{.python}\nx = 1\n```", Ok("x = 1\n")),
            ("~~~py\nx = 1\n~~~", Ok("x = 1\n")),
            ("   ```py\nx = 1\n   ```", Ok("x = 1\n")),
            ("````py\n```\nx\n```\n````", Ok("```\nx\n```\n")),
            ("```py\r\nx = 1\r\n```\r\n", Ok("x = 1\r\n")),
            ("```\nx = 1\n```", Ok("x = 1\n")),
            // Beside an example of use and a shell line.
            ("```sh\npip install a-very-long-name-of-a-package\n```\n```py\nf(x)\n```", Ok("f(x)\n")),
            ("```py\ndef f(x): return x\n```\nUse:\n```py\nf(1)\n```", Ok("def f(x): return x\n")),
            ("```py\nx = 1\n```\nBetter:\n```py\nx = 2\n```", Ok("x = 2\n")),
            ("def f(): pass", Ok("def f(): pass")),
            ("", Err(NoCode::Empty)),
            (" \n\t", Err(NoCode::Empty)),
            ("I cannot do that.", Err(NoCode::Prose)),
            ("Use `x = 1` or ```x``` here.", Err(NoCode::Prose)),
            ("    ```py\n    x\n    ```", Err(NoCode::Prose)),
            ("```rust\nfn f() {}\n```", Err(NoCode::Language)),
            ("```py\ndef f():", Err(NoCode::Cut)),
            ("```py\n\n```", Err(NoCode::Hollow)),
            ("```py\nx = 1\n``", Err(NoCode::Cut)),
        ];
        for (answer, expected) in table {
            assert_eq!(python(answer), *expected, "{answer:?}");
        }
    }

    #[test]
    fn a_finished_block_counts_when_a_later_one_is_cut() {
        assert_eq!(python("```py\nx = 1\n```\n```py\nlonger = than"), Ok("x = 1\n"));
    }

    #[test]
    fn as_many_blocks_as_may_be_and_one_more() {
        let block = "```py\nx\n```\n";
        assert_eq!(python(&block.repeat(BLOCKS_MAX)), Ok("x\n"));
        assert_eq!(python(&block.repeat(BLOCKS_MAX + 1)), Err(NoCode::Many));
    }
}
