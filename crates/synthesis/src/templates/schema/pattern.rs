//! Patterns of JSON Schema (ECMA-262) as Python, for the part where both mean the same and matching cannot explode.
//!
//! Refused: what Python reads otherwise or does not have, and loops that could match the same text in several ways,
//! which is what makes a backtracking matcher run for ever.

/// Characters of one pattern.
const CHARS_MAX: usize = 512;
/// Groups inside groups.
const DEPTH_MAX: usize = 8;
/// From so many repetitions on, a bounded loop is taken for an endless one.
const MANY: u32 = 16;
/// The largest count that a loop may name.
const COUNT_MAX: u32 = 1_000;

const NOT_COVERED: &str =
    "uses syntax that is not covered: use characters, classes, groups, | and ? * + {n,m}";
const AMBIGUOUS: &str = "has loops that can match the same text in several ways: separate them by a character that neither can match";
const UNANCHORED: &str = "has a loop before its end and no ^ at its start: begin it with ^";

/// Which characters may stand at a place: one bit for each of ASCII, and all others together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Set {
    ascii: u128,
    other: bool,
}

const NONE: Set = Set { ascii: 0, other: false };

impl Set {
    fn of(c: char) -> Self {
        if c.is_ascii() {
            Self { ascii: 1 << u32::from(c), other: false }
        } else {
            Self { ascii: 0, other: true }
        }
    }

    fn range(from: char, to: char) -> Self {
        let ascii = (0..128_u32).filter(|code| (u32::from(from)..=u32::from(to)).contains(code));
        Self { ascii: ascii.fold(0, |set, code| set | 1 << code), other: !to.is_ascii() }
    }

    fn or(self, other: Self) -> Self {
        Self { ascii: self.ascii | other.ascii, other: self.other || other.other }
    }

    fn meets(self, other: Self) -> bool {
        self.ascii & other.ascii != 0 || self.other && other.other
    }

    /// What it leaves out; other characters may always be among them.
    fn inverted(self) -> Self {
        Self { ascii: !self.ascii, other: true }
    }
}

#[derive(Debug)]
enum Node {
    Chars(Set),
    Start,
    End,
    Group(Vec<Vec<Item>>),
}

#[derive(Debug)]
struct Item {
    node: Node,
    least: u32,
    most: Option<u32>,
}

/// The pattern for Python's `re`, or why there is none.
pub(super) fn python(pattern: &str) -> Result<String, &'static str> {
    if pattern.chars().count() > CHARS_MAX {
        return Err("is too long");
    }
    let mut reader = Reader { rest: pattern.chars().peekable(), out: String::new() };
    let ways = reader.alternatives(0)?;
    if reader.rest.next().is_some() {
        return Err(NOT_COVERED);
    }
    for way in &ways {
        let anchored = matches!(way.first(), Some(Item { node: Node::Start, .. }));
        let before_end = way.split_last().map_or(&[] as &[Item], |(_, before)| before);
        if !anchored && before_end.iter().any(Item::endless) {
            return Err(UNANCHORED);
        }
        unambiguous(way)?;
    }
    Ok(reader.out)
}

struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    /// The same for Python, written while it is read.
    out: String,
}

impl Reader<'_> {
    fn alternatives(&mut self, depth: usize) -> Result<Vec<Vec<Item>>, &'static str> {
        if depth > DEPTH_MAX {
            return Err("has too many groups inside groups");
        }
        let mut ways = vec![Vec::new()];
        while let Some(c) = self.rest.peek().copied() {
            match c {
                ')' => break,
                '|' => {
                    self.rest.next();
                    self.out.push('|');
                    ways.push(Vec::new());
                }
                _ => {
                    let node = self.node(depth)?;
                    let (least, most) = self.count(&node)?;
                    if let Some(way) = ways.last_mut() {
                        way.push(Item { node, least, most });
                    }
                }
            }
        }
        Ok(ways)
    }

    fn node(&mut self, depth: usize) -> Result<Node, &'static str> {
        match self.rest.next().ok_or(NOT_COVERED)? {
            '^' => {
                self.out.push('^');
                Ok(Node::Start)
            }
            // Python's own $ also matches before a line feed at the end.
            '$' => {
                self.out.push_str("\\Z");
                Ok(Node::End)
            }
            '.' => {
                self.out.push_str("[^\\n\\r\\u2028\\u2029]");
                Ok(Node::Chars(Set::of('\n').or(Set::of('\r')).inverted()))
            }
            '(' => {
                if self.rest.next_if_eq(&'?').is_some() && self.rest.next() != Some(':') {
                    return Err(NOT_COVERED);
                }
                self.out.push_str("(?:");
                let ways = self.alternatives(depth + 1)?;
                self.rest.next_if_eq(&')').ok_or("has a group that is not closed")?;
                self.out.push(')');
                Ok(Node::Group(ways))
            }
            '[' => self.class(),
            '\\' => {
                let (set, text) = self.escaped()?;
                self.out.push_str(&text);
                Ok(Node::Chars(set))
            }
            '*' | '+' | '?' | '{' | '}' | ']' | ')' => Err(NOT_COVERED),
            c => {
                self.literal(c);
                Ok(Node::Chars(Set::of(c)))
            }
        }
    }

    fn literal(&mut self, c: char) {
        if c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_' && !c.is_ascii_control() {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    /// After a backslash: what may stand there, and how Python writes it.
    fn escaped(&mut self) -> Result<(Set, String), &'static str> {
        let digits = Set::range('0', '9');
        let word = digits.or(Set::range('a', 'z')).or(Set::range('A', 'Z')).or(Set::of('_'));
        let control = |c: char, text: &str| Ok((Set::of(c), text.to_owned()));
        match self.rest.next().ok_or(NOT_COVERED)? {
            'd' => Ok((digits, "[0-9]".to_owned())),
            'D' => Ok((digits.inverted(), "[^0-9]".to_owned())),
            'w' => Ok((word, "[0-9A-Za-z_]".to_owned())),
            'W' => Ok((word.inverted(), "[^0-9A-Za-z_]".to_owned())),
            't' => control('\t', "\\t"),
            'n' => control('\n', "\\n"),
            'r' => control('\r', "\\r"),
            'f' => control('\u{c}', "\\f"),
            'v' => control('\u{b}', "\\v"),
            c if c.is_ascii_punctuation() => Ok((Set::of(c), format!("\\{c}"))),
            _ => Err(NOT_COVERED),
        }
    }

    fn class(&mut self) -> Result<Node, &'static str> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        let mut text = String::from(if negated { "[^" } else { "[" });
        let mut set = NONE;
        loop {
            let (from, mut written) = match self.rest.next().ok_or("has a class that is not closed")? {
                ']' => break,
                '\\' => self.escaped()?,
                c => (Set::of(c), in_class(c)),
            };
            // Classes inside classes lose their brackets; a negated one cannot be written so.
            if let Some(inner) = written.strip_prefix('[') {
                if inner.starts_with('^') {
                    return Err(NOT_COVERED);
                }
                written = inner.trim_end_matches(']').to_owned();
                set = set.or(from);
                text.push_str(&written);
                continue;
            }
            let mut ahead = self.rest.clone();
            let range = ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']');
            if range {
                set = set.or(self.range(from, &written, &mut text)?);
            } else {
                set = set.or(from);
                text.push_str(&written);
            }
        }
        if set == NONE {
            return Err("has an empty class");
        }
        text.push(']');
        self.out.push_str(&text);
        Ok(Node::Chars(if negated { set.inverted() } else { set }))
    }

    /// A range of ASCII characters; its start has been read.
    fn range(&mut self, from: Set, written: &str, text: &mut String) -> Result<Set, &'static str> {
        self.rest.next();
        let (to, end) = match self.rest.next().ok_or(NOT_COVERED)? {
            '\\' => self.escaped()?,
            c => (Set::of(c), in_class(c)),
        };
        let single =
            |set: Set| (!set.other && set.ascii.count_ones() == 1).then(|| set.ascii.trailing_zeros());
        let ends = single(from).and_then(char::from_u32).zip(single(to).and_then(char::from_u32));
        let (low, high) =
            ends.filter(|(low, high)| low <= high).ok_or("has a range that is not within ASCII")?;
        text.push_str(&format!("{written}-{end}"));
        Ok(Set::range(low, high))
    }

    fn count(&mut self, node: &Node) -> Result<(u32, Option<u32>), &'static str> {
        let Some(sign) = self.rest.next_if(|c| matches!(c, '*' | '+' | '?' | '{')) else {
            return Ok((1, Some(1)));
        };
        if matches!(node, Node::Start | Node::End) {
            return Err(NOT_COVERED);
        }
        self.out.push(sign);
        let count = match sign {
            '*' => (0, None),
            '+' => (1, None),
            '?' => (0, Some(1)),
            _ => self.braces()?,
        };
        // A second sign would make the loop lazy or possessive, or nest it.
        match self.rest.peek() {
            Some('*' | '+' | '?' | '{') => Err(NOT_COVERED),
            _ => Ok(count),
        }
    }

    fn braces(&mut self) -> Result<(u32, Option<u32>), &'static str> {
        let inside: String = std::iter::from_fn(|| self.rest.next_if(|c| *c != '}')).collect();
        self.rest.next().ok_or(NOT_COVERED)?;
        let number = |text: &str| {
            text.parse().ok().filter(|n| *n <= COUNT_MAX && text.starts_with(|c: char| c.is_ascii_digit()))
        };
        let count = match inside.split_once(',') {
            None => number(&inside).map(|n| (n, Some(n))),
            Some((least, "")) => number(least).map(|n| (n, None)),
            Some((least, most)) => number(least).zip(number(most)).map(|(n, m)| (n, Some(m))),
        };
        self.out.push_str(&inside);
        self.out.push('}');
        count.filter(|(least, most)| most.is_none_or(|most| *least <= most)).ok_or(NOT_COVERED)
    }
}

fn in_class(c: char) -> String {
    if matches!(c, '\\' | ']' | '[' | '^' | '-' | '&' | '~' | '|') { format!("\\{c}") } else { c.to_string() }
}

impl Item {
    fn endless(&self) -> bool {
        let inner = match &self.node {
            Node::Group(ways) => ways.iter().flatten().any(Self::endless),
            _ => false,
        };
        inner || self.most.is_none_or(|most| most > MANY)
    }

    /// Whether it may match nothing.
    fn nothing(&self) -> bool {
        self.least == 0
            || match &self.node {
                Node::Chars(_) => false,
                Node::Start | Node::End => true,
                Node::Group(ways) => ways.iter().any(|way| way.iter().all(Self::nothing)),
            }
    }

    /// Characters that may come first.
    fn first(&self) -> Set {
        match &self.node {
            Node::Chars(set) => *set,
            Node::Start | Node::End => NONE,
            Node::Group(ways) => ways.iter().fold(NONE, |all, way| all.or(first(way))),
        }
    }

    /// Characters that may come anywhere.
    fn anywhere(&self) -> Set {
        match &self.node {
            Node::Chars(set) => *set,
            Node::Start | Node::End => NONE,
            Node::Group(ways) => ways.iter().flatten().fold(NONE, |all, item| all.or(item.anywhere())),
        }
    }

    /// How many characters it takes, when that is always the same number.
    fn width(&self) -> Option<u32> {
        let once = match &self.node {
            Node::Chars(_) => 1,
            Node::Start | Node::End => 0,
            Node::Group(ways) => {
                let mut widths = ways.iter().map(|way| way.iter().map(Self::width).sum::<Option<u32>>());
                let one = widths.next()??;
                if widths.any(|width| width != Some(one)) {
                    return None;
                }
                one
            }
        };
        (self.most == Some(self.least)).then(|| once.checked_mul(self.least))?
    }
}

fn first(way: &[Item]) -> Set {
    let mut all = NONE;
    for item in way {
        all = all.or(item.first());
        if !item.nothing() {
            break;
        }
    }
    all
}

/// Whether a text can be matched along this way in one manner only, as far as loops go.
fn unambiguous(way: &[Item]) -> Result<(), &'static str> {
    // What endless loops that are not closed yet can take.
    let mut open = NONE;
    for item in way {
        let starts = item.first();
        if let Node::Group(ways) = &item.node {
            ways.iter().try_for_each(|way| unambiguous(way))?;
            if item.most != Some(1) && item.most != Some(0) {
                looped(ways)?;
            }
        }
        let apart = !item.nothing() && !open.meets(starts);
        if item.endless() {
            if open.meets(starts) {
                return Err(AMBIGUOUS);
            }
            open = if apart { item.anywhere() } else { open.or(item.anywhere()) };
        } else if apart {
            open = NONE;
        }
    }
    Ok(())
}

/// A group in a loop: ways that differ in their first character and have one width, or one way that begins with a
/// character which does not come up in it again.
fn looped(ways: &[Vec<Item>]) -> Result<(), &'static str> {
    let fixed =
        ways.iter().all(|way| way.iter().map(Item::width).sum::<Option<u32>>().is_some_and(|w| w > 0));
    let apart = ways
        .iter()
        .enumerate()
        .all(|(at, way)| ways.iter().take(at).all(|other| !first(other).meets(first(way))));
    if fixed && apart {
        return Ok(());
    }
    match ways {
        [way] => match way.split_first() {
            Some((Item { node: Node::Chars(lead), least: 1, most: Some(1) }, rest))
                if !rest.iter().any(|item| item.anywhere().meets(*lead)) =>
            {
                Ok(())
            }
            _ => Err(AMBIGUOUS),
        },
        _ => Err(AMBIGUOUS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_read_alike_is_written_for_python() {
        assert_eq!(python("^[A-Z]{2}-\\d+$"), Ok("^[A-Z]{2}\\-[0-9]+\\Z".to_owned()));
        assert_eq!(python("^(?:a|bc)?x.$"), Ok("^(?:a|bc)?x[^\\n\\r\\u2028\\u2029]\\Z".to_owned()));
        assert_eq!(python("^[a-z0-9]+(-[a-z0-9]+)*$"), Ok("^[a-z0-9]+(?:\\-[a-z0-9]+)*\\Z".to_owned()));
        assert_eq!(python("[\\w.-]"), Ok("[0-9A-Za-z_.\\-]".to_owned()));
    }

    #[test]
    fn what_could_run_for_ever_is_refused() {
        for pattern in
            ["^(a+)+$", "^(a|a)*$", "^(a|ab)*c$", "^a*a*$", "^[a-z]*[a-y]*x$", "^(a*)*$", "^.*x.*y$"]
        {
            assert_eq!(python(pattern), Err(AMBIGUOUS), "{pattern}");
        }
        assert_eq!(python("[a-z]+!"), Err(UNANCHORED));
        assert!(python("[a-z]+").is_ok());
        assert!(python("^[^@]+@[^@]+$").is_ok());
        assert!(python("^[a-z]+[0-9]*$").is_ok());
    }

    #[test]
    fn what_is_not_covered_is_refused() {
        for pattern in [
            "(?=a)", "(?<n>a)", "a**", "a+?", "\\bword", "\\1", "\\p{L}", "[^\\W]", "{", "a)", "^*", "[]",
            "\\s",
        ] {
            assert!(python(pattern).is_err(), "{pattern}");
        }
        assert!(python("(a").is_err());
        assert!(python("[z-a]").is_err());
        assert!(python("[a").is_err());
        assert!(python("a{2,1}").is_err());
        assert!(python("a{1001}").is_err());
        assert!(python("a{1000}").is_ok());
        assert!(python(&"a".repeat(CHARS_MAX)).is_ok());
        assert!(python(&"a".repeat(CHARS_MAX + 1)).is_err());
        assert!(python(&format!("{}a{}", "(".repeat(DEPTH_MAX), ")".repeat(DEPTH_MAX))).is_ok());
        assert!(python(&format!("{}a{}", "(".repeat(DEPTH_MAX + 1), ")".repeat(DEPTH_MAX + 1))).is_err());
    }
}
