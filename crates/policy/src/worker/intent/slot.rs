//! What a value in a task may look like, by the kind of its slot.
//!
//! A value becomes exactly one word of an argv. No shell sees it, so what a shell would expand (`*`, `$HOME`, `~`) is
//! refused where it could be meant: the program would be given it as it stands.

use super::VALUE_BYTES_MAX;
use super::lexicon;
use super::text::Word;

/// The kinds that a phrase may name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum SlotKind {
    /// `5`, `five`, `#42`.
    Int,
    /// A process that may be ended: 0, 1 and -1 mean many, or the one that all others come from.
    Pid,
    /// 1 to 65535.
    Port,
    /// `100M`, `2 GB`.
    Size,
    /// A file or directory whose name shows that it is one: with a dot or a slash, or in quotes.
    Path,
    /// A file or directory by any name.
    Entry,
    /// A branch, tag or commit of git.
    Ref,
    /// A plain name: letters, digits, `.`, `_`, `-`.
    Name,
    /// A namespace of a cluster.
    Namespace,
    /// A machine, by name or address.
    Host,
    /// `http://` or `https://`, without user and password.
    Url,
    /// `10m`, `2 hours`: a length of time as `2h`.
    Duration,
    /// `2 days`, `yesterday`, `2024-01-31`: a moment as `2.days.ago`.
    Ago,
    /// A package, perhaps with a version.
    Package,
    /// An image, perhaps with registry and tag.
    Image,
    /// A file name with `*` and `?`.
    Pattern,
    /// The same, and it holds one of them.
    Glob,
    /// A file whose name ends like that of an archive.
    Archive,
    /// The end of file names: `rs`, `.rs`, `rust`.
    Extension,
    /// A script of a project: a name that may hold `:`.
    Script,
    /// `OWNER/NAME`.
    Project,
    /// Text in quotes.
    Text,
    /// Text in quotes, or one word.
    Term,
}

/// A value that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Value {
    pub(super) text: String,
    /// How many words it took.
    pub(super) words: usize,
    /// Its looks or the quotes around it show what it is.
    pub(super) shown: bool,
}

/// Kinds by the names that phrases use.
const KINDS: &[(&str, SlotKind)] = &[
    ("int", SlotKind::Int),
    ("pid", SlotKind::Pid),
    ("port", SlotKind::Port),
    ("size", SlotKind::Size),
    ("path", SlotKind::Path),
    ("entry", SlotKind::Entry),
    ("ref", SlotKind::Ref),
    ("name", SlotKind::Name),
    ("namespace", SlotKind::Namespace),
    ("host", SlotKind::Host),
    ("url", SlotKind::Url),
    ("duration", SlotKind::Duration),
    ("ago", SlotKind::Ago),
    ("package", SlotKind::Package),
    ("image", SlotKind::Image),
    ("pattern", SlotKind::Pattern),
    ("glob", SlotKind::Glob),
    ("archive", SlotKind::Archive),
    ("extension", SlotKind::Extension),
    ("script", SlotKind::Script),
    ("project", SlotKind::Project),
    ("text", SlotKind::Text),
    ("term", SlotKind::Term),
];

const ARCHIVES: &[&str] = &[".tar", ".tgz", ".tar.gz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tar.zst"];

impl SlotKind {
    pub(super) fn parse(name: &str) -> Option<Self> {
        KINDS.iter().find(|(own, _)| *own == name).map(|(_, kind)| *kind)
    }

    /// Names of things, which are words like any other.
    pub(super) const fn is_identifier(self) -> bool {
        matches!(self, Self::Ref | Self::Name | Self::Package | Self::Image | Self::Script)
    }

    /// The value at the start of these words.
    pub(super) fn take(self, words: &[&Word]) -> Option<Value> {
        let (first, rest) = words.split_first()?;
        let raw = first.shown.as_str();
        if raw.is_empty() || raw.len() > VALUE_BYTES_MAX || raw.chars().any(char::is_control) {
            return None;
        }
        if !first.quoted
            && lexicon::is_grammar(&first.plain)
            && !(self == Self::Ago && first.plain == "today")
        {
            return None;
        }
        let one = |text: String, shown: bool| Some(Value { text, words: 1, shown: shown || first.quoted });
        match self {
            Self::Int => one(int(raw)?.to_string(), true),
            Self::Pid => one(int(raw).filter(|pid| *pid >= 2)?.to_string(), true),
            Self::Port => one(int(raw).filter(|port| (1..=65_535).contains(port))?.to_string(), true),
            Self::Size => size(first, rest),
            Self::Duration => duration(first, rest),
            Self::Ago => ago(first, rest),
            Self::Extension => one(extension(first)?, true),
            Self::Text => first.quoted.then(|| raw.to_owned()).and_then(|text| one(text, true)),
            Self::Term => one(raw.to_owned(), false),
            Self::Archive => {
                let fits = is_path(raw) && ARCHIVES.iter().any(|end| first.plain.ends_with(end));
                fits.then(|| raw.to_owned()).and_then(|text| one(text, true))
            }
            Self::Path | Self::Entry => {
                let shaped = raw.contains(['/', '.']);
                let fits =
                    is_path(raw) && (self == Self::Entry || ((shaped || first.quoted) && ends_in_name(raw)));
                fits.then(|| raw.to_owned()).and_then(|text| one(text, shaped))
            }
            _ => self.is(raw).then(|| raw.to_owned()).and_then(|text| one(text, true)),
        }
    }

    /// Kinds that are told by their letters alone.
    fn is(self, raw: &str) -> bool {
        let made_of = |marks: &str| raw.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c));
        let begins = raw.starts_with(|c: char| c.is_ascii_alphanumeric());
        match self {
            Self::Name => begins && raw.len() <= 128 && made_of("._-"),
            Self::Script => begins && raw.len() <= 128 && made_of("._-:"),
            Self::Namespace => {
                begins && raw.len() <= 63 && !raw.contains(|c: char| c.is_ascii_uppercase()) && made_of("-")
            }
            Self::Ref => is_ref(raw) && begins && made_of("._/-~^@"),
            Self::Host => {
                begins && raw.len() <= 253 && made_of(".-") && (raw.contains('.') || raw == "localhost")
            }
            Self::Url => is_url(raw),
            Self::Package => is_package(raw) && made_of("@._/=<>~^+-"),
            Self::Image => begins && made_of("._/:@-") && !raw.contains("//"),
            Self::Project => {
                begins
                    && made_of("._/-")
                    && raw.split('/').count() == 2
                    && raw.split('/').all(|part| !part.is_empty())
            }
            Self::Glob => raw.contains(['*', '?']) && Self::Pattern.is(raw),
            Self::Pattern => {
                raw.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '*' | '?' | '.' | '_' | '['))
                    && made_of("._-*?[]+ ")
            }
            _ => false,
        }
    }
}

fn int(raw: &str) -> Option<u32> {
    let digits = raw.strip_prefix('#').unwrap_or(raw);
    if digits.len() <= 7 && digits.chars().all(|c| c.is_ascii_digit()) {
        return digits.parse().ok();
    }
    lexicon::number(raw)
}

/// What no shell would take for something else, and no program for an option.
fn is_path(raw: &str) -> bool {
    const EXPANDED: &[char] = &[
        '*', '?', '[', ']', '{', '}', '$', '~', '`', '\\', '!', ';', '&', '|', '<', '>', '"', '\'', '(', ')',
        '#',
    ];
    !raw.starts_with('-') && !raw.contains(EXPANDED) && !raw.contains("://") && !raw.trim().is_empty()
}

/// `..`, `/` and `a/..` name no entry of their own.
fn ends_in_name(raw: &str) -> bool {
    let last = raw.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    !matches!(last, "" | "." | "..")
}

fn is_ref(raw: &str) -> bool {
    !raw.contains("..") && !raw.contains("@{") && !raw.contains("//") && !raw.ends_with(['/', '.'])
}

fn is_url(raw: &str) -> bool {
    let Some(rest) = raw.strip_prefix("https://").or_else(|| raw.strip_prefix("http://")) else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let plain =
        |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '{' | '}' | '<' | '>' | '`' | '|');
    !host.is_empty()
        && !host.contains('@')
        && host.starts_with(|c: char| c.is_ascii_alphanumeric())
        && rest.chars().all(plain)
}

/// A name in a registry; no address, no directory, no `OWNER/NAME` of a forge.
fn is_package(raw: &str) -> bool {
    let name = raw.strip_prefix('@').unwrap_or(raw);
    let slashes = raw.matches('/').count();
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && slashes == usize::from(raw.starts_with('@'))
}

/// A number and its unit, in one word or two.
fn measured<'w>(first: &'w Word, rest: &[&'w Word]) -> Option<(u32, &'w str, usize)> {
    let at = first.plain.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0);
    if let Some(at) = at {
        let (digits, unit) = first.plain.split_at(at);
        return Some((int(digits)?, unit, 1));
    }
    let unit = rest.first().filter(|word| !word.quoted)?;
    Some((int(&first.plain)?, unit.plain.as_str(), 2))
}

fn size(first: &Word, rest: &[&Word]) -> Option<Value> {
    let (count, unit, words) = measured(first, rest)?;
    let unit = match unit {
        "k" | "kb" | "kib" | "kilobytes" => 'k',
        "m" | "mb" | "mib" | "megabytes" | "megabyte" | "megs" => 'M',
        "g" | "gb" | "gib" | "gigabytes" | "gigabyte" | "gigs" => 'G',
        _ => return None,
    };
    Some(Value { text: format!("{count}{unit}"), words, shown: true })
}

fn duration(first: &Word, rest: &[&Word]) -> Option<Value> {
    let (count, unit, words) = match unit_alone(first) {
        Some(unit) => (1, unit, 1),
        None => measured(first, rest)?,
    };
    let (count, unit) = match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => (count, 's'),
        "m" | "min" | "mins" | "minute" | "minutes" => (count, 'm'),
        "h" | "hour" | "hours" => (count, 'h'),
        "d" | "day" | "days" => (count.checked_mul(24)?, 'h'),
        "week" | "weeks" => (count.checked_mul(168)?, 'h'),
        _ => return None,
    };
    Some(Value { text: format!("{count}{unit}"), words, shown: true })
}

/// `the last hour`.
fn unit_alone(first: &Word) -> Option<&str> {
    Some(first.plain.as_str()).filter(|unit| matches!(*unit, "minute" | "hour" | "day" | "week"))
}

fn ago(first: &Word, rest: &[&Word]) -> Option<Value> {
    let said = |text: &str, words: usize| Some(Value { text: text.to_owned(), words, shown: true });
    match first.plain.as_str() {
        "yesterday" => return said("yesterday", 1),
        "today" => return said("midnight", 1),
        "last" => {
            let unit = rest.first().map(|word| word.plain.as_str());
            let unit = unit.filter(|unit| matches!(*unit, "week" | "month" | "year"))?;
            return said(&format!("1.{unit}.ago"), 2);
        }
        date if is_date(date) => return said(date, 1),
        _ => {}
    }
    let (count, unit, words) = measured(first, rest)?;
    let unit = unit.strip_suffix('s').unwrap_or(unit);
    if !matches!(unit, "minute" | "hour" | "day" | "week" | "month" | "year") {
        return None;
    }
    let ago = rest.get(words - 1).is_some_and(|word| word.plain == "ago");
    said(&format!("{count}.{unit}s.ago"), words + usize::from(ago))
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.char_indices().all(|(at, c)| if matches!(at, 4 | 7) { c == '-' } else { c.is_ascii_digit() })
}

fn extension(word: &Word) -> Option<String> {
    let dotted = word.plain.strip_prefix('.');
    let plain =
        |end: &&str| !end.is_empty() && end.len() <= 8 && end.chars().all(|c| c.is_ascii_alphanumeric());
    dotted.filter(plain).or_else(|| lexicon::extension(&word.plain)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::text::Text;
    use super::{SlotKind, VALUE_BYTES_MAX};

    fn take(kind: &str, text: &str) -> Option<(String, usize)> {
        let text = Text::read(text)?;
        let value = SlotKind::parse(kind).unwrap().take(&text.content())?;
        Some((value.text, value.words))
    }

    #[test]
    fn values_are_what_their_kind_says() {
        let taken = [
            ("int", "5", "5", 1),
            ("int", "five", "5", 1),
            ("int", "#42", "42", 1),
            ("port", "8080", "8080", 1),
            ("size", "100M", "100M", 1),
            ("size", "2 GB", "2G", 2),
            ("path", "a.txt", "a.txt", 1),
            ("path", "\"my file\"", "my file", 1),
            ("entry", "src", "src", 1),
            ("ref", "HEAD~3", "HEAD~3", 1),
            ("ref", "feature/x", "feature/x", 1),
            ("namespace", "kube-system", "kube-system", 1),
            ("host", "example.org", "example.org", 1),
            ("url", "https://example.org/a?b=c", "https://example.org/a?b=c", 1),
            ("duration", "10m", "10m", 1),
            ("duration", "2 days", "48h", 2),
            ("duration", "hour", "1h", 1),
            ("ago", "2 days ago", "2.days.ago", 3),
            ("ago", "yesterday", "yesterday", 1),
            ("ago", "last week", "1.week.ago", 2),
            ("package", "@types/node@20", "@types/node@20", 1),
            ("image", "ghcr.io/a/b:1", "ghcr.io/a/b:1", 1),
            ("pattern", "*.log", "*.log", 1),
            ("extension", "rust", "rs", 1),
            ("extension", ".rs", "rs", 1),
            ("glob", "*.rs", "*.rs", 1),
            ("archive", "a.tgz", "a.tgz", 1),
            ("script", "build:prod", "build:prod", 1),
            ("project", "a/b", "a/b", 1),
            ("text", "\"a b\"", "a b", 1),
            ("term", "unwrap", "unwrap", 1),
        ];
        for (kind, text, value, words) in taken {
            assert_eq!(take(kind, text), Some((value.to_owned(), words)), "{kind} {text}");
        }
    }

    #[test]
    fn what_could_be_taken_for_something_else_is_no_value() {
        let refused = [
            ("int", "-1"),
            ("int", "5x"),
            ("int", "99999999"),
            ("port", "0"),
            ("port", "65536"),
            ("path", "src"),
            ("path", ".."),
            ("path", "/"),
            ("path", "a/.."),
            ("path", "*.log"),
            ("path", "~/x.txt"),
            ("path", "$HOME/x"),
            ("path", "-rf.x"),
            ("path", "\"-x.y\""),
            ("entry", "-rf"),
            ("entry", "a;b"),
            ("entry", "everything"),
            ("ref", "-f"),
            ("ref", "+main"),
            ("ref", "a..b"),
            ("ref", ":x"),
            ("ref", "a@{1}"),
            ("name", "-x"),
            ("name", "a/b"),
            ("name", "it"),
            ("name", "not"),
            ("namespace", "Kube"),
            ("host", "web"),
            ("url", "file:///etc/passwd"),
            ("url", "https://u:p@example.org"),
            ("url", "https://-x"),
            ("url", "ftp://x"),
            ("package", "./x"),
            ("package", "owner/name"),
            ("package", "https://x"),
            ("image", "-x"),
            ("pattern", "-delete"),
            ("pattern", "a/b"),
            ("extension", "a/b"),
            ("extension", "*.rs"),
            ("extension", "empty"),
            ("glob", "a.rs"),
            ("archive", "a.txt"),
            ("archive", "-x.tar"),
            ("project", "a/b/c"),
            ("text", "word"),
            ("term", "and"),
            ("duration", "2 moons"),
        ];
        for (kind, text) in refused {
            assert_eq!(take(kind, text), None, "{kind} {text}");
        }
        let long = "x".repeat(VALUE_BYTES_MAX);
        assert!(take("name", &"x".repeat(128)).is_some() && take("term", &long).is_some());
        assert!(take("name", &"x".repeat(129)).is_none() && take("term", &format!("{long}x")).is_none());
    }
}
