//! The words that may stand for others, and those that carry nothing. All of it is data; tests below hold it together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Groups that mean the same, whatever is done.
const SYNONYMS: &str = "
    delete, remove, erase
    create, make
    start, launch
    restart, bounce
    repository, repo
    directory, dir, folder
    database, db
    kubernetes, k8s
    dependency, dep
    environment, env
    variable, var
    configuration, config
    message, msg
    named, called
    memory, ram
    info, information
    gigabyte, gb
    documentation, docs
    initialise, initialize, init
    unpack, extract
    javascript, js
    typescript, ts
";

/// Groups that mean about the same; only where nothing is changed.
const RELATED: &str = "
    show, list, display, print, view, see, get, give, inspect, what, what is, what are, which, tell what, tell which, tell what is, tell what are, show what is, show what are, show what, show which, look at, take a look at, let me see, i want to see, print out
    in, inside, within, under, of, on, at, for, from
    last, latest, newest, recent, most recent
    current, active, present
    change, modification, edit
    content, text
    size, space
    find, locate
    big, large
    bigger, larger
    check, validate, verify
    log, history
    computer, machine, system, box
    install, installed
";

/// Phrases of several words that are one word of the groups above, where a task begins.
const OPENINGS: &str = "
    tell me what are, tell me what is, show me what are, show me what is, take a look at, i want to see,
    tell me which, tell me what, show me which, show me what, let me see, what are, what is, print out, look
    at
";

/// Politeness in front of a task.
const POLITE: &str = "
    would you mind to, could you please, can you please, i would like to, i would like you to, id like to, i
    need to, i want to, i want you to, i need you to, would you, could you, can you, will you, please,
    kindly, hello, hey, hi, ok, okay, lets, just
";

/// What may stand at the end of a task and adds nothing.
const CLOSINGS: &str = "
    thank you, thanks, please, for me, right now, now, are there, there are, do we have, do i have, exist,
    at the moment, currently
";

/// Words that carry nothing, wherever they stand.
const FILLERS: &str = "
    the a an my our your this that these those some any me us please also currently here there actually own
";

/// Words of grammar: never the value of a slot unless they are quoted.
const GRAMMAR: &str = "
    about after afterwards again all almost am and another anything are arent as at away back be because
    been before both but by can cannot cant could did didnt do does doesnt done dont down each entire every
    everyone everything except few for from he her him how i if in inside instead into is isnt it its itself
    just later many may maybe might more most much must neither never no nobody none nor not nothing now of
    off ok on only onto or other others otherwise over rather ready rest shall she should shouldnt so
    something soon than them then they to today tomorrow too under unless until up using very via was we
    were what whatever when where which while who whole whose why will with within without wont would yes
    you
";

/// Words that raise the stakes: where more than looking is done, never the value of a slot unless they are quoted.
const STAKES: &str = "
    force forced forcibly hard recursive recursively production prod live root admin sudo permanently
    forever immediately automatically overwrite cluster server data service services users secret secrets
    password passwords
";

static SYNONYM: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| leaders(SYNONYMS));
static RELATION: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| leaders(RELATED));
static OPENING: LazyLock<Vec<Vec<&str>>> = LazyLock::new(|| phrases(OPENINGS));
static COURTESY: LazyLock<Vec<Vec<&str>>> = LazyLock::new(|| phrases(POLITE));
static CLOSING: LazyLock<Vec<Vec<&str>>> = LazyLock::new(|| phrases(CLOSINGS));
static FILLER: LazyLock<BTreeSet<&str>> = LazyLock::new(|| FILLERS.split_whitespace().collect());
static GRAMMATICAL: LazyLock<BTreeSet<&str>> = LazyLock::new(|| GRAMMAR.split_whitespace().collect());
static STAKE: LazyLock<BTreeSet<&str>> = LazyLock::new(|| STAKES.split_whitespace().collect());

/// Every word of a list of groups, one group a line, with the first word of its group.
fn leaders(groups: &'static str) -> BTreeMap<&'static str, &'static str> {
    let group = |line: &'static str| {
        let mut words = line.split(',').map(str::trim);
        let first = words.next().unwrap_or_default();
        words.chain([first]).map(move |word| (word, first))
    };
    groups.lines().filter(|line| !line.trim().is_empty()).flat_map(group).collect()
}

/// Phrases between commas, as words.
fn phrases(list: &'static str) -> Vec<Vec<&'static str>> {
    list.split(',').map(|phrase| phrase.split_whitespace().collect()).collect()
}

/// What a word is in the eyes of the groups: itself, its plain form, its synonym, its relation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Meaning {
    pub(super) form: String,
    pub(super) synonym: String,
    pub(super) related: String,
}

impl Meaning {
    pub(super) fn of(word: &str) -> Self {
        let form = if RELATION.contains_key(word) { word.to_owned() } else { singular(word) };
        let synonym = SYNONYM.get(form.as_str()).map_or_else(|| form.clone(), |first| (*first).to_owned());
        let related =
            RELATION.get(synonym.as_str()).map_or_else(|| synonym.clone(), |first| (*first).to_owned());
        Self { form, synonym, related }
    }
}

/// The plain form of a plural.
fn singular(word: &str) -> String {
    let stem = |end: &str| word.strip_suffix(end).filter(|stem| stem.len() >= 2);
    if word.len() < 4 || word.ends_with("ss") || word.ends_with("us") || word.ends_with("is") {
        return word.to_owned();
    }
    if let Some(stem) = stem("ies") {
        return format!("{stem}y");
    }
    let hissing = ["ches", "shes", "sses", "xes"].iter().any(|end| word.ends_with(end));
    let end = if hissing { "es" } else { "s" };
    stem(end).unwrap_or(word).to_owned()
}

/// `show`, `what are` and their like.
pub(super) fn asks_to_see(meaning: &Meaning) -> bool {
    meaning.related == "show"
}

pub(super) fn is_filler(word: &str) -> bool {
    FILLER.contains(word)
}

pub(super) fn is_grammar(word: &str) -> bool {
    GRAMMATICAL.contains(word) || is_filler(word)
}

pub(super) fn raises_stakes(word: &str) -> bool {
    STAKE.contains(word)
}

/// The longest opening at the start of these words: how many words it takes.
pub(super) fn opening(words: &[&str]) -> Option<usize> {
    longest(&OPENING, |phrase| words.starts_with(phrase))
}

/// The same of politeness.
pub(super) fn polite(words: &[&str]) -> Option<usize> {
    longest(&COURTESY, |phrase| words.starts_with(phrase))
}

/// The longest closing at the end of these words, with something before it.
pub(super) fn closing(words: &[&str]) -> Option<usize> {
    longest(&CLOSING, |phrase| words.len() > phrase.len() && words.ends_with(phrase))
}

fn longest(phrases: &[Vec<&str>], fits: impl Fn(&[&str]) -> bool) -> Option<usize> {
    phrases.iter().filter(|phrase| fits(phrase)).map(Vec::len).max()
}

/// `what's` is two words.
pub(super) fn contraction(word: &str) -> Option<(&'static str, &'static str)> {
    Some(match word {
        "whats" => ("what", "is"),
        "wheres" => ("where", "is"),
        "whos" => ("who", "is"),
        "im" => ("i", "am"),
        _ => return None,
    })
}

/// A number in words.
pub(super) fn number(word: &str) -> Option<u32> {
    const NUMBERS: &[&str] = &[
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve",
    ];
    NUMBERS.iter().position(|name| *name == word).and_then(|at| u32::try_from(at).ok())
}

/// The end of the name of a file in a language, or such an end itself.
pub(super) fn extension(word: &str) -> Option<&str> {
    const ENDS: &[&str] = &[
        "py", "rs", "js", "ts", "jsx", "tsx", "md", "go", "java", "c", "h", "cpp", "hpp", "cc", "cs", "json",
        "yaml", "yml", "toml", "html", "css", "scss", "sh", "rb", "txt", "csv", "tsv", "xml", "log", "tf",
        "sql", "php", "kt", "swift", "lua", "pdf", "png", "jpg", "jpeg", "gif", "svg", "ini", "cfg", "conf",
        "lock", "proto", "vue", "zip",
    ];
    Some(match word {
        "python" => "py",
        "rust" => "rs",
        "javascript" => "js",
        "typescript" => "ts",
        "markdown" => "md",
        "shell" | "bash" => "sh",
        "ruby" => "rb",
        "text" => "txt",
        "terraform" => "tf",
        "golang" => "go",
        "kotlin" => "kt",
        end => return ENDS.iter().find(|own| **own == end).copied(),
    })
}

#[cfg(test)]
mod tests {
    use super::{FILLER, GRAMMATICAL, Meaning, RELATED, RELATION, STAKE, SYNONYM, SYNONYMS, singular};

    #[test]
    fn no_word_is_in_two_groups() {
        let words = |groups: &str| {
            groups.lines().flat_map(|line| line.split(',')).filter(|word| !word.trim().is_empty()).count()
        };
        let both = SYNONYM.keys().filter(|word| RELATION.contains_key(**word));
        assert_eq!((words(SYNONYMS), words(RELATED)), (SYNONYM.len(), RELATION.len()));
        assert_eq!(both.count(), 0);
    }

    #[test]
    fn nothing_that_matters_is_taken_for_something_else_or_for_nothing() {
        let weighty = "not no never dont without except unless but and or then all everything only if";
        for word in weighty.split(' ') {
            assert!(GRAMMATICAL.contains(word), "`{word}` could be a value");
        }
        for word in weighty.split(' ').chain(STAKE.iter().copied()) {
            assert!(!FILLER.contains(word), "`{word}` would be dropped");
            let grouped = SYNONYM.contains_key(word) || RELATION.contains_key(word);
            assert!(!grouped, "`{word}` would be taken for another");
        }
    }

    #[test]
    fn plurals_have_a_plain_form() {
        let forms = [
            ("branches", "branch"),
            ("files", "file"),
            ("status", "status"),
            ("repositories", "repository"),
            ("process", "process"),
            ("processes", "process"),
            ("boxes", "box"),
            ("is", "is"),
            ("ls", "ls"),
        ];
        for (word, form) in forms {
            assert_eq!(singular(word), form);
        }
        assert_eq!(Meaning::of("folders").synonym, "directory");
        assert_eq!(Meaning::of("what are").related, "show");
    }
}
