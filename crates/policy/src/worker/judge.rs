//! What the rules say about one call that was read.

use cascade_receipt::decision::RiskTier;

use super::call::{Call, Value, first_is_line};
use super::classification::Finding;
use super::grammar::{Rule, covers};
use super::manifest::{Form, Kind, Style};
use super::place::{Location, Place, Places, places};
use super::scene::{Feed, Scene};
use super::word::Word;
use super::{awk, code, sed, sql};

/// The answer about one call, and what must be looked at because of it.
#[derive(Debug)]
pub(super) struct Judgement {
    pub(super) tier: RiskTier,
    pub(super) classified: bool,
    pub(super) findings: Vec<Finding>,
    pub(super) follow: Vec<Follow>,
    /// The directory in which the call works.
    pub(super) directory: Location,
    pub(super) stdin_executes: bool,
}

/// Something inside a call that is executed too.
#[derive(Debug)]
pub(super) enum Follow {
    /// A shell line.
    Line(Word),
    /// Program and arguments.
    Argv(Vec<Word>),
    /// The same, but looked at only where a manifest knows the program.
    Package(Vec<Word>),
    /// Texts in source code that may be handed to a shell: only what is stopped without appeal counts.
    Literals(Vec<String>),
}

impl Judgement {
    pub(super) const fn new(directory: Location) -> Self {
        Self {
            tier: RiskTier::Low,
            classified: true,
            findings: Vec::new(),
            follow: Vec::new(),
            directory,
            stdin_executes: false,
        }
    }

    pub(super) fn find(&mut self, code: impl Into<String>, tier: RiskTier, text: impl Into<String>) {
        self.push(Finding { code: code.into(), tier, failfast: false, text: text.into() });
    }

    fn stop(&mut self, code: &str, text: &str) {
        let tier = RiskTier::Critical;
        self.push(Finding { code: code.to_owned(), tier, failfast: true, text: text.to_owned() });
    }

    pub(super) fn push(&mut self, finding: Finding) {
        self.tier = self.tier.max(finding.tier);
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// HIGH, because nobody can vouch for it.
    pub(super) fn doubt(&mut self, code: &str, text: impl Into<String>) {
        self.classified = false;
        self.find(code, RiskTier::High, text);
    }
}

/// Judges a call.
pub(super) fn judge(call: &Call<'_>, scene: &Scene<'_>) -> Judgement {
    let mut directory = scene.directory.clone();
    for given in call.given.iter().filter(|given| given.kind == Kind::Directory) {
        directory = given.value.known().map_or(Location::Unknown, |text| directory.join(text));
    }
    let mut judgement = Judgement::new(directory);
    let asks_help = call.help && call.given.is_empty() && call.arguments.is_empty() && call.inner.is_none();
    let says_dry = call.gives(&call.node.dry) || call.gives(&call.worker.own.dry);
    let dry = asks_help || (says_dry && !call.unresolved);
    if !dry {
        base(call, &mut judgement);
        rules(call, &mut judgement);
    }
    unknowns(call, &mut judgement);
    for given in &call.given {
        match (given.value, given.kind) {
            (Value::Words(words), _) => {
                let starts = starts(call, &judgement.directory);
                let mut filled = fill(words, "{}", &starts);
                if call.worker.style == Style::Gnu && filled == words {
                    filled.extend(starts);
                }
                judgement.follow.push(Follow::Argv(filled));
            }
            (value, kind) => {
                if let Some(word) = value.to_word() {
                    weigh(kind, &word, dry, scene, &mut judgement);
                }
            }
        }
    }
    for (argument, kind) in call.arguments.iter().zip(kinds(call)) {
        weigh(kind, argument.word, dry, scene, &mut judgement);
    }
    wrapped(call, scene, &mut judgement);
    standard_input(call, scene, &mut judgement);
    judgement
}

fn base(call: &Call<'_>, judgement: &mut Judgement) {
    let tier = call.node.tier.unwrap_or(RiskTier::Low);
    if tier == RiskTier::Low {
        return;
    }
    let (name, path) = (call.worker.name(), call.path.join(" "));
    let code = if path.is_empty() { name.to_owned() } else { format!("{name}.{}", call.path.join(".")) };
    let text = call.node.text.clone().unwrap_or_else(|| format!("runs `{name} {path}`").replace(" `", "`"));
    judgement.find(code, tier, text);
}

fn rules(call: &Call<'_>, judgement: &mut Judgement) {
    let mut unreadable = call.unresolved;
    let places: Vec<Places> = call
        .arguments
        .iter()
        .zip(kinds(call))
        .filter(|(_, kind)| *kind != Kind::Text)
        .map(|(argument, _)| place_of(argument.word, &judgement.directory))
        .collect();
    for rule in call.worker.rules.iter().filter(|rule| covers(rule.commands.as_deref(), &call.path)) {
        unreadable |= !rule.arguments.is_empty()
            && call.arguments.iter().any(|argument| argument.word.pattern().is_some());
        if applies(rule, call, &places) {
            judgement.push(rule.finding.clone());
        }
    }
    let tier = call.node.unresolved.unwrap_or(RiskTier::High);
    if unreadable && tier > RiskTier::Low {
        judgement.find("worker.word.unresolved", tier, "a word cannot be known before it runs");
    }
}

fn applies(rule: &Rule, call: &Call<'_>, places: &[Places]) -> bool {
    let count = call.arguments.len();
    let argument = |at: usize| {
        call.arguments.get(at).and_then(|argument| argument.word.known()).is_some_and(|text| {
            let lower = text.to_ascii_lowercase();
            rule.arguments.iter().any(|pattern| pattern.matches(text) || pattern.matches(&lower))
        })
    };
    rule.options.iter().all(|group| call.mentions(group))
        && !call.gives(&rule.without)
        && (rule.arguments.is_empty() || rule.at.map_or_else(|| (0..count).any(argument), argument))
        && (rule.places.is_empty() || places.iter().any(|place| place.meets(rule.places)))
        && count >= rule.min
        && rule.max.is_none_or(|max| count <= max)
        && (!rule.dashes || call.arguments.iter().any(|argument| argument.after_dashes))
}

fn unknowns(call: &Call<'_>, judgement: &mut Judgement) {
    if let Some(command) = &call.unknown_command {
        let text = format!("`{}` has no known subcommand `{command}`", call.worker.name());
        judgement.doubt("worker.subcommand.unknown", text);
    } else if let Some(option) = call.unknown_option {
        let option: String = option.chars().take(80).collect();
        judgement.doubt("worker.option.unknown", format!("option `{option}` is not known here"));
    }
}

/// The kind of each argument.
pub(super) fn kinds(call: &Call<'_>) -> impl Iterator<Item = Kind> {
    let shifted = usize::from(call.gives(&call.node.shifts));
    let listed = call.node.arguments.get(shifted..).unwrap_or_default();
    let count = call.arguments.len();
    (0..count).map(move |at| {
        let kind = listed.get(at).or(listed.last()).copied().unwrap_or(Kind::Text);
        match kind {
            Kind::Copy if at + 1 == count => Kind::Write,
            Kind::Copy => Kind::Read,
            kind => kind,
        }
    })
}

fn place_of(word: &Word, directory: &Location) -> Places {
    match word {
        Word::Known(text) | Word::Glob(text) => places(directory, text),
        Word::Around(_) | Word::Unknown => Places::default().with(Place::Unknown),
    }
}

/// What a word of a kind adds.
fn weigh(kind: Kind, word: &Word, dry: bool, scene: &Scene<'_>, judgement: &mut Judgement) {
    match kind {
        Kind::Text | Kind::Path | Kind::Exec | Kind::Replace | Kind::Directory | Kind::Config => {}
        Kind::Read | Kind::Copy => secret_read(word, judgement),
        Kind::Upload => {
            if let Some((_, file)) = word.known().and_then(|text| text.split_once('@')) {
                secret_read(&Word::Known(file.to_owned()), judgement);
            }
        }
        Kind::Write if dry || word.known() == Some("-") => {}
        Kind::Write => written(word, judgement),
        Kind::Line => judgement.follow.push(Follow::Line(word.clone())),
        Kind::Script => script(word, scene, judgement),
        Kind::Code => source(word, judgement),
        Kind::Snippet => match word.known() {
            Some(text) if code::only_prints(text) => {}
            _ => source(word, judgement),
        },
        Kind::Module => match word.known() {
            Some(name) if SHOWING.contains(&name) => {}
            Some(name) if WORKING.contains(&name) => {
                judgement.find("module.run", RiskTier::Medium, "runs a module that works on the project");
            }
            _ => judgement.doubt("module.unknown", "runs a module that is not known here"),
        },
        Kind::Awk => match word.known() {
            Some(text) if awk::is_harmless(text) => {}
            _ => source(word, judgement),
        },
        Kind::Sed => match word.known().map(sed::effect) {
            Some(sed::Effect::Edits) => {}
            Some(sed::Effect::Writes(files)) => {
                for file in files {
                    written(&Word::Known(file), judgement);
                }
            }
            Some(sed::Effect::Executes) | None => source(word, judgement),
        },
        Kind::Sql => match word.known() {
            Some(text) => sql::judge(text, judgement),
            None => judgement.doubt("sql.unknown", "the statement cannot be known before it runs"),
        },
    }
}

/// A file is read.
pub(super) fn secret_read(word: &Word, judgement: &mut Judgement) {
    if place_of(word, &judgement.directory).has(Place::Secret) {
        judgement.find("file.secret.read", RiskTier::High, "reads a file that holds secrets");
    }
}

/// A file is written.
pub(super) fn written(word: &Word, judgement: &mut Judgement) {
    let place = place_of(word, &judgement.directory);
    let foreign = place.has(Place::Secret) && !place.has(Place::Inside);
    if place.has(Place::Device) {
        judgement.stop("device.write", "writes to a device");
    } else if place.has(Place::Temp) {
        // Scratch space.
    } else if place.has(Place::Root) || place.has(Place::System) || place.has(Place::SystemFile) {
        judgement.find("file.system.write", RiskTier::High, "writes to a directory of the system");
    } else if place.has(Place::Startup) || foreign || place.has(Place::Vcs) {
        judgement.find(
            "file.startup.write",
            RiskTier::High,
            "writes a file that programs obey or that holds secrets",
        );
    } else if place.has(Place::Unknown) {
        judgement.find("file.unknown.write", RiskTier::High, "writes a file that cannot be known");
    } else if place.has(Place::Outside) || place.has(Place::Home) {
        judgement.find("file.outside.write", RiskTier::Medium, "writes outside the working directory");
    }
}

/// A script file is executed.
fn script(word: &Word, scene: &Scene<'_>, judgement: &mut Judgement) {
    let place = place_of(word, &judgement.directory);
    let fresh = word.known().is_some_and(|text| scene.written.contains(&judgement.directory.join(text)));
    let near = place.has(Place::Inside) || place.has(Place::Whole);
    if fresh {
        judgement.doubt("script.fresh", "executes a file that the same line writes");
    } else if near && word.known().is_some() {
        judgement.find("script.run", RiskTier::Medium, "executes a script of the working directory");
    } else {
        judgement.doubt("script.outside", "executes a script from outside the working directory");
    }
}

/// Source text that is not read here.
fn source(word: &Word, judgement: &mut Judgement) {
    judgement.doubt("code.inline", "executes source text");
    if let Some(text) = word.known() {
        judgement.follow.push(Follow::Literals(code::literals(text)));
    }
}

/// Another command inside this one.
fn wrapped(call: &Call<'_>, scene: &Scene<'_>, judgement: &mut Judgement) {
    let Some((wraps, words)) = call.inner else { return };
    let Some(first) = words.first() else { return };
    match wraps.form {
        Form::Argv => judgement.follow.push(Follow::Argv(words.to_vec())),
        Form::Package => judgement.follow.push(Follow::Package(words.to_vec())),
        Form::Line => {
            // The words are joined by blanks, so one that was quoted falls apart; what was meant counts too.
            if words.len() > 1 && words.iter().any(|word| word.known().is_none_or(|text| text.contains(' ')))
            {
                judgement.follow.push(Follow::Argv(words.to_vec()));
            }
            judgement.follow.push(Follow::Line(joined(words)));
        }
        Form::Appended => {
            let fed = scene.input.words();
            let token = call.given.iter().find(|given| given.kind == Kind::Replace);
            let filled = match token {
                Some(given) => fill(words, given.value.known().unwrap_or("{}"), &fed),
                None => words.iter().cloned().chain(fed).collect(),
            };
            judgement.follow.push(Follow::Argv(filled));
        }
        Form::Template => template(words, scene, judgement),
        Form::Script if first_is_line(call, wraps) => judgement.follow.push(Follow::Line(first.clone())),
        Form::Script if matches!(first.known(), Some("-" | "/dev/stdin" | "/dev/fd/0")) => {}
        Form::Script => script(first, scene, judgement),
    }
}

/// `parallel TEMPLATE ::: WORDS`: one call for each word.
fn template(words: &[Word], scene: &Scene<'_>, judgement: &mut Judgement) {
    let separator = words.iter().position(|word| word.known().is_some_and(|text| text.starts_with(":::")));
    let (template, fed) = words.split_at(separator.unwrap_or(words.len()));
    let fed = match fed.split_first() {
        Some((mark, fed)) if mark.known() == Some(":::") => fed.to_vec(),
        Some(_) => vec![Word::Unknown],
        None => scene.input.words(),
    };
    for word in fed {
        let fed = [word];
        let has_token = template.iter().any(|word| word.known().is_some_and(|text| text.contains('{')));
        let mut call = if has_token { fill(template, "{}", &fed) } else { template.to_vec() };
        if !has_token {
            call.extend(fed);
        }
        // The words pass through a shell; one with a blank in it is a line of its own.
        let line = template.len() < 2
            && call
                .first()
                .is_some_and(|word| word.known().is_none_or(|text| text.contains(char::is_whitespace)));
        judgement.follow.push(if line { Follow::Line(joined(&call)) } else { Follow::Argv(call) });
    }
}

/// What standard input would be, where the program executes it.
fn standard_input(call: &Call<'_>, scene: &Scene<'_>, judgement: &mut Judgement) {
    let Some(kind) = call.node.stdin else { return };
    let first = call.inner.and_then(|(_, words)| words.first());
    let scripted = first.is_some_and(|word| !matches!(word.known(), Some("-" | "/dev/stdin" | "/dev/fd/0")));
    let below = call.node.stdin_below;
    let complete = below > 0 && call.arguments.len() >= below;
    let incomplete = call.node.wraps.as_ref().is_some_and(|wraps| call.arguments.len() < wraps.skip);
    if call.help
        || incomplete
        || complete
        || call.gives(&call.node.stdin_unless)
        || (scripted && !call.gives_name("-s"))
    {
        return;
    }
    match &scene.input {
        Feed::Network => judgement.stop("pipe.network.executed", "executes what it gets from the network"),
        Feed::Decoded => judgement.stop("pipe.decoded.executed", "executes what was hidden by an encoding"),
        feed => match feed.text() {
            Some(text) => weigh(kind, &Word::Known(text), false, scene, judgement),
            None => {
                judgement.stdin_executes = true;
                judgement.doubt("stdin.executed", "executes its standard input");
            }
        },
    }
}

/// Where find starts, as patterns of what it finds.
pub(super) fn starts(call: &Call<'_>, directory: &Location) -> Vec<Word> {
    let below = |text: &str| Word::Glob(format!("{}/**", text.trim_end_matches('/')));
    let words: Vec<Word> = call
        .arguments
        .iter()
        .map(|argument| match argument.word {
            Word::Known(text) | Word::Glob(text) => below(text),
            Word::Around(_) | Word::Unknown => Word::Unknown,
        })
        .collect();
    let unknown = matches!(directory, Location::Unknown);
    if unknown {
        vec![Word::Unknown]
    } else if words.is_empty() {
        vec![below(".")]
    } else {
        words
    }
}

/// Puts words in the place of a token.
fn fill(words: &[Word], token: &str, fed: &[Word]) -> Vec<Word> {
    let mut filled = Vec::new();
    for word in words {
        match (word.known(), fed) {
            (Some(text), _) if text == token => filled.extend(fed.iter().cloned()),
            (Some(text), [Word::Known(only)]) if text.contains(token) => {
                filled.push(Word::Known(text.replace(token, only)));
            }
            (Some(text), _) if text.contains(token) => filled.push(Word::Around(text.replace(token, "$x"))),
            _ => filled.push(word.clone()),
        }
    }
    filled
}

/// Words that a shell sees as one line.
fn joined(words: &[Word]) -> Word {
    let texts: Option<Vec<&str>> = words.iter().map(Word::known).collect();
    texts.map_or(Word::Unknown, |texts| Word::Known(texts.join(" ")))
}

/// Modules that only show something.
const SHOWING: &[&str] =
    &["json.tool", "this", "site", "sysconfig", "calendar", "tabnanny", "platform", "ast", "dis", "tokenize"];
/// Modules that build, test or install, as their programs do.
const WORKING: &[&str] = &[
    "pytest",
    "unittest",
    "pip",
    "venv",
    "build",
    "mypy",
    "ruff",
    "black",
    "isort",
    "flake8",
    "coverage",
    "tox",
    "nox",
    "http.server",
    "compileall",
    "py_compile",
    "doctest",
    "timeit",
    "cProfile",
    "ensurepip",
    "virtualenv",
    "zipfile",
    "pylint",
    "pyright",
    "sphinx",
    "mkdocs",
    "pre_commit",
    "poetry",
    "uv",
    "pipx",
    "trace",
    "pdb",
    "zipapp",
];
