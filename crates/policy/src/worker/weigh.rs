//! What one word means by its kind.

use cascade_receipt::decision::RiskTier;

use super::judge::{Follow, Judgement};
use super::manifest::Kind;
use super::place::{Location, Place, Places, places};
use super::scene::Scene;
use super::word::Word;
use super::{awk, code, mongo, sed, sql};

pub(super) fn place_of(word: &Word, directory: &Location) -> Places {
    match word {
        Word::Known(text) | Word::Glob(text) => places(directory, text),
        Word::Around(_) | Word::One { .. } | Word::Unknown => Places::default().with(Place::Unknown),
    }
}

/// What a word of a kind adds.
pub(super) fn weigh(kind: Kind, word: &Word, dry: bool, scene: &Scene<'_>, judgement: &mut Judgement) {
    match kind {
        Kind::Text | Kind::Path | Kind::Exec | Kind::Replace | Kind::Directory | Kind::Config => {}
        Kind::Read | Kind::Copy => secret_read(word, judgement),
        Kind::Upload => {
            if let Some((_, file)) = word.known().and_then(|text| text.split_once('@')) {
                upload(file, judgement);
            }
        }
        Kind::Send => {
            secret_read(word, judgement);
            if let Some(file) = word.known() {
                upload(file, judgement);
            }
        }
        Kind::Write if dry || word.known() == Some("-") => {}
        Kind::Write => written(word, judgement),
        Kind::Line => judgement.follow.push(Follow::Line(word.clone())),
        Kind::Script if matches!(word.known(), Some("-" | "/dev/stdin")) => {
            judgement.doubt("stdin.executed", "executes its standard input");
        }
        Kind::Script => script(word, scene, judgement),
        Kind::Obeyed if dry => {}
        Kind::Obeyed => {
            if let Some(path) = word.path() {
                judgement.obey(&path);
            }
        }
        Kind::Code => source(word, judgement),
        Kind::Snippet => match word.known() {
            Some(text) if code::only_prints(text) => {}
            _ => source(word, judgement),
        },
        Kind::Mongo => match word.known() {
            Some(text) if mongo::only_reads(text) => {}
            _ => source(word, judgement),
        },
        Kind::Module => match word.known().inspect(|name| module(name, judgement)) {
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

/// A module of the working directory comes before any other of its name.
fn module(name: &str, judgement: &mut Judgement) {
    let path = name.replace('.', "/");
    for file in [format!("{path}.py"), format!("{path}/__init__.py"), format!("{path}/__main__.py")] {
        judgement.execute(&file);
    }
}

/// A file is read.
pub(super) fn secret_read(word: &Word, judgement: &mut Judgement) {
    let place = place_of(word, &judgement.directory);
    if place.has(Place::Secret) {
        judgement.find("file.secret.read", RiskTier::High, "reads a file that holds secrets");
    } else if place.has(Place::Home) || place.has(Place::Root) {
        judgement.find(
            "file.secret.read",
            RiskTier::High,
            "reads whole directories with secrets among the files",
        );
    }
}

/// A file is sent away.
fn upload(file: &str, judgement: &mut Judgement) {
    let places = places(&judgement.directory, file);
    let foreign = [Place::Secret, Place::SystemFile, Place::System, Place::Startup];
    if foreign.into_iter().any(|place| places.has(place)) {
        judgement.find("file.upload", RiskTier::High, "sends a file of the system or one with secrets away");
    }
}

/// A file is written.
pub(super) fn written(word: &Word, judgement: &mut Judgement) {
    if let Some(text) = word.known() {
        judgement.writes.push(judgement.directory.join(text));
    }
    for directory in judgement.directory.clone().alternatives() {
        written_in(place_of(word, &directory), judgement);
    }
}

fn written_in(place: Places, judgement: &mut Judgement) {
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
pub(super) fn script(word: &Word, scene: &Scene<'_>, judgement: &mut Judgement) {
    if let Some(path) = word.path() {
        judgement.execute(&path);
    }
    let place = place_of(word, &judgement.directory);
    let fresh = word.known().is_some_and(|text| {
        let script = judgement.directory.join(text);
        scene.fresh.iter().any(|written| written.meets(&script))
    });
    let near = (place.has(Place::Inside) || place.has(Place::Whole)) && !place.has(Place::Outside);
    if word.is_unknown() {
        judgement.doubt("script.unknown", "executes a script that cannot be known before it runs");
    } else if fresh {
        judgement.doubt("script.fresh", "executes a file that the same line writes");
    } else if near && word.known().is_some() {
        judgement.find("script.run", RiskTier::Medium, "executes a script of the working directory");
    } else {
        judgement.doubt("script.outside", "executes a script from outside the working directory");
    }
}

/// Source text that is not read here.
fn source(word: &Word, judgement: &mut Judgement) {
    if word.is_unknown() {
        judgement.doubt("code.unknown", "executes source text that cannot be known before it runs");
        return;
    }
    judgement.doubt("code.inline", "executes source text");
    if let Some(text) = word.known() {
        judgement.follow.push(Follow::Literals(code::literals(text)));
    }
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
