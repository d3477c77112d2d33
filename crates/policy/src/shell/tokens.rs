//! Which token streams the second grammar may be given.
//!
//! That grammar is a recursive descent without memory. Its depth is bounded by what its own
//! tokenizer saw, counted here; and a few rules try the same tokens twice at every level, so
//! nesting that doubles the work is bounded too. A stream past a bound is not refused: the line
//! counts as not parsed.

use brush_parser::Token;

/// Deepest nesting of compound commands handed to the grammar, substitutions around it included.
const DEPTH_MAX: usize = 48;
/// Deepest nesting inside rules that try twice.
const DOUBLING_MAX: usize = 6;
/// Most `$(`, `${` and `$[` in a text: the tokenizer descends at each.
const OPENERS_MAX: usize = 160;
/// Longest run of digits that is a descriptor: the grammar converts it without looking.
const DIGITS_MAX: usize = 9;

/// Whether the tokenizer may see the text.
pub(super) fn text_fits(text: &str) -> bool {
    let openers = ["$(", "${", "$["].iter().map(|opener| text.matches(opener).count()).sum::<usize>();
    openers <= OPENERS_MAX && documents_fit(text) && !text.split("${").skip(1).any(opens_document)
}

/// Whether a here-document begins inside a `${`: the tokenizer loses its place there.
fn opens_document(after_brace: &str) -> bool {
    after_brace.split('}').next().is_some_and(|inside| inside.contains("<<"))
}

/// Whether every here-document has a plain delimiter.
///
/// The tokenizer reads a delimiter that comes out empty (`<<''`, or a blank inside `<<a$[ ]`) for
/// ever and stores a token each time round, so anything but a name, whole or quoted, is kept away
/// from it. Behind a delimiter it keeps tokens back until the body was read; one of them coming up inside
/// a `${` of that line makes it take a character that is not there, and it panics. So such a line is kept
/// away, too; it did not read any of them anyway. A `<<` inside quotes is treated alike: better not parsed
/// than never done.
fn documents_fit(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find("<<") {
        rest = rest.get(at + 2..).unwrap_or("");
        if let Some(after) = rest.strip_prefix('<') {
            rest = after;
            continue;
        }
        let word = rest.strip_prefix('-').unwrap_or(rest).trim_start_matches([' ', '\t']);
        let word = word.strip_prefix('\\').unwrap_or(word);
        let quote = word.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let word = quote.and_then(|quote| word.strip_prefix(quote)).unwrap_or(word);
        let end = word
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')))
            .unwrap_or(word.len());
        let after = word.get(end..).unwrap_or("");
        let after = match quote {
            Some(quote) => after.strip_prefix(quote),
            None => Some(after),
        };
        let ends = after.is_some_and(|after| {
            after.is_empty() || after.starts_with([' ', '\t', '\n', ';', '&', '|', '<', '>', '(', ')'])
        });
        if end == 0 || !ends || rest.split('\n').next().is_some_and(|line| line.contains("${")) {
            return false;
        }
    }
    true
}

/// Whether the grammar may see the tokens, `around` levels down.
pub(super) fn stream_fits(tokens: &[Token], around: usize) -> bool {
    let mut nest = Nest::default();
    for (index, token) in tokens.iter().enumerate() {
        let following = tokens.get(index + 1);
        match token {
            Token::Operator(text, _) => nest.operator(text, following),
            Token::Word(text, _) => {
                if !word_fits(text, following) {
                    return false;
                }
                nest.word(text);
            }
        }
        let doubling = nest.cases.max(if nest.tries_parens { nest.parens } else { 0 });
        if nest.open.len() + around > DEPTH_MAX || doubling > DOUBLING_MAX {
            return false;
        }
    }
    true
}

fn word_fits(text: &str, following: Option<&Token>) -> bool {
    let digits = text.chars().all(|c| c.is_ascii_digit());
    let redirects = matches!(following, Some(Token::Operator(op, _)) if op.starts_with(['<', '>']));
    if digits && redirects && (text.is_empty() || text.len() > DIGITS_MAX) {
        return false;
    }
    // `name[…` is tried as an array element, whose subscript is parsed as a word of its own.
    let subscript = text.find('[').is_some_and(|at| {
        text.get(..at).is_some_and(|name| name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()))
    });
    !subscript || text.matches(['$', '(', '`', '[']).count() <= 2 * DOUBLING_MAX
}

#[derive(Default)]
struct Nest {
    /// Closers of what is open. Only an exact match closes, so depth is never underestimated.
    open: Vec<&'static str>,
    cases: usize,
    parens: usize,
    /// `((` or `=~` was seen: parentheses are tried in two ways from here on.
    tries_parens: bool,
    last: Last,
    before: Last,
}

/// What the token before was, as far as it decides whether a keyword may follow.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Last {
    #[default]
    Separator,
    OpenParen,
    Keyword,
    /// `function`, `for`, `case`, `coproc`: a name comes between it and the next keyword.
    Named,
    Other,
}

impl Nest {
    fn close(&mut self, closer: &str) {
        if self.open.last() == Some(&closer) {
            self.open.pop();
            match closer {
                "esac" => self.cases = self.cases.saturating_sub(1),
                ")" => self.parens = self.parens.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn step(&mut self, last: Last) {
        self.before = self.last;
        self.last = last;
    }

    fn operator(&mut self, text: &str, following: Option<&Token>) {
        match text {
            "(" => {
                self.tries_parens |= matches!(following, Some(Token::Operator(op, _)) if op == "(");
                self.open.push(")");
                self.parens += 1;
                self.step(Last::OpenParen);
            }
            ")" => {
                self.close(")");
                self.step(Last::Separator);
            }
            "&&" | "||" if self.open.last() == Some(&"]]") || self.open.contains(&"]]") => {
                // One more level of a tree that is dropped recursively.
                self.open.insert(0, "]]");
                self.step(Last::Separator);
            }
            _ => self.step(Last::Separator),
        }
    }

    fn word(&mut self, text: &str) {
        let starts = self.last != Last::Other || self.before == Last::Named;
        self.tries_parens |= text == "=~";
        let opens = match text {
            "{" => Some("}"),
            "if" => Some("fi"),
            "while" | "until" | "for" | "select" => Some("done"),
            "case" => Some("esac"),
            "[[" => Some("]]"),
            _ => None,
        };
        if text == "]]" {
            self.open.retain(|closer| *closer != "]]");
        }
        if text == "!" && self.open.contains(&"]]") {
            self.open.insert(0, "]]");
        }
        match opens {
            Some(closer) if starts => {
                self.open.push(closer);
                self.cases += usize::from(text == "case");
                let named = matches!(text, "for" | "select" | "case");
                self.step(if named { Last::Named } else { Last::Keyword });
            }
            _ if text == "coproc" => {
                // Takes a command, which may again be one; nothing ever closes it.
                self.open.insert(0, "");
                self.step(Last::Named);
            }
            _ if text == "function" => self.step(Last::Named),
            _ if matches!(text, "}" | "fi" | "done" | "esac") && starts => {
                self.close(text);
                self.step(Last::Keyword);
            }
            _ if matches!(text, "then" | "else" | "elif" | "do" | "in" | "!" | "time" | "-p" | "]]") => {
                self.step(Last::Keyword);
            }
            _ => self.step(Last::Other),
        }
    }
}
