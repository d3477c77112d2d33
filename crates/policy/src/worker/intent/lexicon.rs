//! The words that may stand for others, and those that carry nothing. All of it is data; tests below hold it together.

/// Groups that mean the same, whatever is done.
const SYNONYMS: &[&[&str]] = &[
    &["delete", "remove", "erase"],
    &["create", "make"],
    &["start", "launch"],
    &["restart", "bounce"],
    &["repository", "repo"],
    &["directory", "dir", "folder"],
    &["database", "db"],
    &["kubernetes", "k8s"],
    &["dependency", "dep"],
    &["environment", "env"],
    &["variable", "var"],
    &["configuration", "config"],
    &["message", "msg"],
    &["named", "called"],
    &["memory", "ram"],
    &["info", "information"],
    &["gigabyte", "gb"],
    &["documentation", "docs"],
    &["initialise", "initialize", "init"],
    &["unpack", "extract"],
    &["javascript", "js"],
    &["typescript", "ts"],
];

/// Groups that mean about the same; only where nothing is changed.
const RELATED: &[&[&str]] = &[
    &[
        "show",
        "list",
        "display",
        "print",
        "view",
        "see",
        "get",
        "give",
        "inspect",
        "what",
        "what is",
        "what are",
        "which",
        "tell what",
        "tell which",
        "tell what is",
        "tell what are",
        "show what is",
        "show what are",
        "show what",
        "show which",
        "look at",
        "take a look at",
        "let me see",
        "i want to see",
        "print out",
    ],
    &["in", "inside", "within", "under", "of", "on", "at", "for", "from"],
    &["last", "latest", "newest", "recent", "most recent"],
    &["current", "active", "present"],
    &["change", "modification", "edit"],
    &["content", "text"],
    &["size", "space"],
    &["find", "locate"],
    &["big", "large"],
    &["bigger", "larger"],
    &["check", "validate", "verify"],
    &["log", "history"],
    &["computer", "machine", "system", "box"],
    &["install", "installed"],
];

/// Phrases of several words that are one word of the groups above, longest first, where a task begins.
const OPENINGS: &[&str] = &[
    "tell me what are",
    "tell me what is",
    "show me what are",
    "show me what is",
    "take a look at",
    "i want to see",
    "tell me which",
    "tell me what",
    "show me which",
    "show me what",
    "let me see",
    "what are",
    "what is",
    "print out",
    "look at",
];

/// Politeness in front of a task.
const POLITE: &[&str] = &[
    "would you mind to",
    "could you please",
    "can you please",
    "i would like to",
    "i would like you to",
    "id like to",
    "i need to",
    "i want to",
    "i want you to",
    "i need you to",
    "would you",
    "could you",
    "can you",
    "will you",
    "please",
    "kindly",
    "hello",
    "hey",
    "hi",
    "ok",
    "okay",
    "lets",
    "just",
];

/// What may stand at the end of a task and adds nothing.
const CLOSINGS: &[&str] = &[
    "thank you",
    "thanks",
    "please",
    "for me",
    "right now",
    "now",
    "are there",
    "there are",
    "do we have",
    "do i have",
    "exist",
    "at the moment",
    "currently",
];

/// Words that carry nothing, wherever they stand.
const FILLERS: &[&str] = &[
    "the",
    "a",
    "an",
    "my",
    "our",
    "your",
    "this",
    "that",
    "these",
    "those",
    "some",
    "any",
    "me",
    "us",
    "please",
    "also",
    "currently",
    "here",
    "there",
    "actually",
    "own",
];

/// Words of grammar: never the value of a slot unless they are quoted.
const GRAMMAR: &[&str] = &[
    "i",
    "you",
    "he",
    "she",
    "it",
    "its",
    "we",
    "they",
    "them",
    "him",
    "her",
    "itself",
    "is",
    "are",
    "was",
    "were",
    "be",
    "been",
    "am",
    "do",
    "does",
    "did",
    "done",
    "dont",
    "doesnt",
    "didnt",
    "isnt",
    "arent",
    "wont",
    "cant",
    "cannot",
    "shouldnt",
    "not",
    "no",
    "never",
    "none",
    "nothing",
    "nobody",
    "neither",
    "nor",
    "without",
    "except",
    "unless",
    "but",
    "and",
    "or",
    "then",
    "after",
    "before",
    "afterwards",
    "later",
    "if",
    "when",
    "while",
    "until",
    "because",
    "so",
    "than",
    "as",
    "to",
    "from",
    "in",
    "into",
    "inside",
    "within",
    "under",
    "of",
    "on",
    "onto",
    "at",
    "by",
    "for",
    "with",
    "about",
    "over",
    "via",
    "using",
    "up",
    "down",
    "off",
    "away",
    "back",
    "again",
    "only",
    "just",
    "too",
    "very",
    "all",
    "every",
    "everything",
    "everyone",
    "each",
    "both",
    "many",
    "much",
    "more",
    "most",
    "few",
    "other",
    "others",
    "another",
    "whole",
    "entire",
    "anything",
    "something",
    "whatever",
    "what",
    "which",
    "who",
    "whose",
    "where",
    "why",
    "how",
    "can",
    "could",
    "would",
    "should",
    "may",
    "might",
    "must",
    "will",
    "shall",
    "now",
    "soon",
    "tomorrow",
    "today",
    "ready",
    "yes",
    "ok",
    "and/or",
    "rest",
    "otherwise",
    "instead",
    "rather",
    "almost",
    "maybe",
];

/// Words that raise the stakes: where more than reading is done, never the value of a slot unless they are quoted.
const STAKES: &[&str] = &[
    "force",
    "forced",
    "forcibly",
    "hard",
    "recursive",
    "recursively",
    "production",
    "prod",
    "live",
    "root",
    "admin",
    "sudo",
    "permanently",
    "forever",
    "immediately",
    "automatically",
    "overwrite",
    "cluster",
    "server",
    "data",
    "service",
    "services",
    "users",
    "secret",
    "secrets",
    "password",
    "passwords",
];

/// What a word is in the eyes of the groups: itself, its plain form, its synonym, its relation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Meaning {
    pub(super) form: String,
    pub(super) synonym: String,
    pub(super) related: String,
}

impl Meaning {
    pub(super) fn of(word: &str) -> Self {
        let form = if in_group(RELATED, word) { word.to_owned() } else { singular(word) };
        let synonym = first(SYNONYMS, &form).to_owned();
        let related = first(RELATED, &synonym).to_owned();
        Self { form, synonym, related }
    }
}

fn in_group(groups: &[&[&str]], word: &str) -> bool {
    groups.iter().any(|group| group.contains(&word))
}

fn first<'w>(groups: &[&[&'w str]], word: &'w str) -> &'w str {
    groups.iter().find(|group| group.contains(&word)).and_then(|group| group.first()).copied().unwrap_or(word)
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
    FILLERS.contains(&word)
}

pub(super) fn is_grammar(word: &str) -> bool {
    GRAMMAR.contains(&word) || is_filler(word)
}

pub(super) fn raises_stakes(word: &str) -> bool {
    STAKES.contains(&word)
}

/// The longest phrase of a list at the start of these words: how many words it takes.
pub(super) fn opening(words: &[&str]) -> Option<usize> {
    starts(OPENINGS, words)
}

pub(super) fn polite(words: &[&str]) -> Option<usize> {
    starts(POLITE, words)
}

pub(super) fn closing(words: &[&str]) -> Option<usize> {
    let fits = |phrase: &&&str| {
        let same = words.iter().rev().zip(phrase.rsplit(' ')).all(|(word, part)| *word == part);
        same && phrase.split(' ').count() < words.len()
    };
    CLOSINGS.iter().filter(fits).map(|phrase| phrase.split(' ').count()).max()
}

fn starts(phrases: &[&str], words: &[&str]) -> Option<usize> {
    let fits = |phrase: &&&str| {
        let same = words.iter().zip(phrase.split(' ')).all(|(word, part)| *word == part);
        same && phrase.split(' ').count() <= words.len()
    };
    phrases.iter().filter(fits).map(|phrase| phrase.split(' ').count()).max()
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
    use super::{FILLERS, GRAMMAR, Meaning, RELATED, STAKES, SYNONYMS, singular};

    #[test]
    fn no_word_is_in_two_groups() {
        let mut seen: Vec<&str> =
            SYNONYMS.iter().chain(RELATED).flat_map(|group| group.iter().copied()).collect();
        let before = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), before);
    }

    #[test]
    fn nothing_that_matters_is_taken_for_something_else_or_for_nothing() {
        let weighty = [
            "not",
            "no",
            "never",
            "dont",
            "without",
            "except",
            "unless",
            "but",
            "and",
            "or",
            "then",
            "all",
            "everything",
            "only",
            "if",
        ];
        for word in weighty {
            assert!(GRAMMAR.contains(&word), "`{word}` could be a value");
        }
        for word in weighty.iter().chain(STAKES) {
            assert!(!FILLERS.contains(word), "`{word}` would be dropped");
            let grouped = SYNONYMS.iter().chain(RELATED).any(|group| group.contains(word));
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
