//! Environment variables and configuration keys that change what a program does.

use cascade_receipt::decision::RiskTier;

use super::call::Call;
use super::grammar::{Setting, Worker, covers};
use super::judge::{Follow, Judgement};
use super::manifest::{Effect, Kind};
use super::scene::{Environment, Variable};
use super::word::Word;

/// Words that variables like `TF_CLI_ARGS` add to the command line.
pub(super) fn options(call: &Call<'_>, env: &Environment<'_>) -> Vec<Word> {
    let mut added = Vec::new();
    for (setting, variable) in matching(call.worker, env) {
        if setting.effect == Effect::Options && covers(setting.commands.as_deref(), &call.path) {
            match variable.value.known() {
                Some(text) => added.extend(split(text)),
                None => added.push(Word::Unknown),
            }
        }
    }
    added
}

/// Keys and values given as options or through the environment.
pub(super) fn pairs(call: &Call<'_>, env: &Environment<'_>) -> Vec<(String, Word)> {
    let mut pairs = Vec::new();
    for given in call.given.iter().filter(|given| given.kind == Kind::Config) {
        // `--config-env=KEY=NAME`: the value stands in a variable.
        let elsewhere = given.names.contains(&"--config-env");
        pairs.push(match given.value.known() {
            Some(text) => {
                let (key, value) = text.split_once(['=', ' ']).unwrap_or((text, "true"));
                let value = if elsewhere { Word::Unknown } else { Word::Known(value.to_owned()) };
                (key.to_ascii_lowercase(), value)
            }
            None => (String::new(), Word::Unknown),
        });
    }
    for (setting, variable) in matching(call.worker, env) {
        if setting.effect == Effect::Key {
            let holder = variable.name.replace("_KEY_", "_VALUE_");
            let mut values = env.iter().filter(|other| other.name == holder).map(|other| &other.value);
            let value = values.next().filter(|first| values.all(|other| other == *first));
            let value = value.cloned().unwrap_or(Word::Unknown);
            let key = variable.value.known().unwrap_or_default();
            pairs.push((key.to_ascii_lowercase(), value));
        }
    }
    pairs
}

/// What the alias `name` stands for. Given twice it cannot be known: the program takes the last, and which that is
/// among options, variables and files is its own business.
pub(super) fn alias<'a>(worker: &Worker, name: &str, pairs: &'a [(String, Word)]) -> Option<&'a Word> {
    let aliased = |setting: &Setting, key: &str| {
        setting.effect == Effect::Alias && setting.config.iter().any(|pattern| pattern.matches(key))
    };
    let wanted = name.to_ascii_lowercase();
    let mut bodies = pairs
        .iter()
        .filter(|(key, _)| {
            key.rsplit('.').next() == Some(wanted.as_str())
                && worker.settings.iter().any(|setting| aliased(setting, key))
        })
        .map(|(_, value)| value);
    let first = bodies.next()?;
    Some(if bodies.all(|other| other == first) { first } else { &Word::Unknown })
}

/// The call that an alias stands for: what stood before it, its body, what stood after it.
pub(super) enum Expanded {
    Line(Word),
    Argv(Vec<Word>),
}

pub(super) fn expand(program: &Word, arguments: &[Word], at: usize, body: &Word) -> Expanded {
    let rest = arguments.get(at + 1..).unwrap_or_default();
    let Some(body) = body.known() else { return Expanded::Line(Word::Unknown) };
    if let Some(line) = body.strip_prefix('!') {
        let texts: Option<Vec<&str>> = rest.iter().map(Word::known).collect();
        let line = texts.map(|texts| format!("{line} {}", texts.join(" ")));
        return Expanded::Line(line.map_or(Word::Unknown, Word::Known));
    }
    let mut call = vec![program.clone()];
    call.extend(arguments.iter().take(at).cloned());
    call.extend(split(body));
    call.extend(rest.iter().cloned());
    Expanded::Argv(call)
}

/// Adds what settings do to the judgement.
pub(super) fn weigh(
    call: &Call<'_>,
    env: &Environment<'_>,
    pairs: &[(String, Word)],
    judgement: &mut Judgement,
) {
    for (setting, variable) in matching(call.worker, env) {
        if covers(setting.commands.as_deref(), &call.path) {
            let set_before =
                variable.ambient && matches!(setting.effect, Effect::Assigned | Effect::Expanded);
            let effect = if set_before { Effect::Harmless } else { setting.effect };
            act(call, effect, &variable.name, &variable.value, judgement);
        }
    }
    for (key, value) in pairs {
        let of_key = |setting: &&Setting| setting.config.iter().any(|pattern| pattern.matches(key));
        let mut known = false;
        for setting in call.worker.settings.iter().filter(of_key) {
            known = true;
            if covers(setting.commands.as_deref(), &call.path) {
                act(call, setting.effect, key, value, judgement);
            }
        }
        if !known {
            judgement.doubt("worker.setting.unknown", format!("setting `{key}` is not known here"));
        }
    }
    for variable in env.iter() {
        let name = variable.name.as_str();
        let injects = INJECTED.contains(&variable.name.as_str());
        let listing = LISTING.contains(&name) && !variable.value.known().is_some_and(is_plain_listing);
        let changes =
            listing || CHANGING.contains(&name) || name.starts_with("LD_") || name.starts_with("DYLD_");
        if injects || (changes && !variable.ambient) {
            let text = format!("`{}` changes which code a program runs", variable.name);
            judgement.doubt("env.loader", text);
        }
    }
}

fn act(call: &Call<'_>, effect: Effect, name: &str, value: &Word, judgement: &mut Judgement) {
    match effect {
        Effect::Harmless | Effect::Options | Effect::Alias | Effect::Key => {}
        Effect::Expanded
            if value
                .known()
                .is_some_and(|text| !["$(", "${", "`"].into_iter().any(|mark| text.contains(mark))) => {}
        Effect::Opaque | Effect::Assigned if matches!(value.known(), Some("" | "/dev/null")) => {}
        Effect::Line if empty(value) => {}
        Effect::Line => judgement.follow.push(Follow::Line(value.clone())),
        Effect::Overwrite => match value.known().map(|text| text.trim().to_ascii_lowercase()) {
            Some(text)
                if text.starts_with('+') || ["", "true", "yes", "on", "1"].contains(&text.as_str()) =>
            {
                judgement.stop("git.push.force", "rewrites history on the remote");
            }
            Some(_) => {}
            None => judgement.find(
                "worker.word.unresolved",
                RiskTier::Critical,
                format!("`{name}` cannot be known, and may rewrite history on the remote"),
            ),
        },
        Effect::Opaque | Effect::Assigned | Effect::Expanded => {
            let code = format!("{}.setting", call.worker.name());
            judgement.doubt(&code, format!("`{name}` changes what the program does"));
        }
    }
}

fn matching<'a>(
    worker: &'a Worker,
    env: &'a Environment<'a>,
) -> impl Iterator<Item = (&'a Setting, &'a Variable)> {
    worker.settings.iter().flat_map(move |setting| {
        env.iter()
            .filter(|variable| setting.env.iter().any(|pattern| pattern.matches(&variable.name)))
            .map(move |variable| (setting, variable))
    })
}

/// Splits as the programs that read such variables do, near enough: quotes around a whole word are dropped.
fn split(text: &str) -> impl Iterator<Item = Word> {
    text.split_whitespace().map(|word| Word::Known(word.trim_matches(['"', '\'']).to_owned()))
}

fn empty(value: &Word) -> bool {
    value.known().is_some_and(|text| text.trim().is_empty())
}

/// Letters of a pager that only change what is shown: neither a command (`+!`) nor a file (`-o`, `-k`).
fn is_plain_listing(text: &str) -> bool {
    text.chars().all(|letter| "-FRXSMiIqQeEnNcCgGJwW ".contains(letter))
}

/// Options of a pager, whichever program starts it.
const LISTING: &[&str] = &["LESS", "MORE"];

/// Does this variable name a program that other programs start? It is followed where a line sets it.
pub(super) fn names_program(variable: &Variable) -> bool {
    let name = variable.name.as_str();
    let tool = TOOLS.contains(&name) && variable.value.known().is_none_or(|text| text.contains('/'));
    (tool || PROGRAMS.contains(&name)) && !empty(&variable.value)
}

/// Tools of a build: a bare name is one of the machine's, a path may lead to anything.
const TOOLS: &[&str] = &[
    "CC",
    "CXX",
    "CPP",
    "LD",
    "AR",
    "AS",
    "NM",
    "RANLIB",
    "FC",
    "F77",
    "HOSTCC",
    "HOSTCXX",
    "MAKE",
    "RUSTC",
    "RUSTDOC",
    "RUSTC_WRAPPER",
];

const PROGRAMS: &[&str] = &[
    "PAGER",
    "MANPAGER",
    "SYSTEMD_PAGER",
    "GH_PAGER",
    "AWS_PAGER",
    "PSQL_PAGER",
    "BAT_PAGER",
    "DELTA_PAGER",
    "EDITOR",
    "VISUAL",
    "SUDO_EDITOR",
    "SYSTEMD_EDITOR",
    "KUBE_EDITOR",
    "PSQL_EDITOR",
    "GH_EDITOR",
    "BROWSER",
    "GH_BROWSER",
];

/// Suspect where the line sets them: they say where programs and their configuration are, or hold commands.
const CHANGING: &[&str] = &[
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "LESSOPEN",
    "LESSCLOSE",
    "LESSKEY",
    "LESSKEYIN",
    "LESSKEY_SYSTEM",
    "LESSKEY_CONTENT",
    "MANPATH",
    "VIMINIT",
    "EXINIT",
    "GVIMINIT",
    "VIMRUNTIME",
];

/// Suspect even where they were set before: they put code into every program.
const INJECTED: &[&str] = &["LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES"];
