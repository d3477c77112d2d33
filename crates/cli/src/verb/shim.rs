use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use cascade_receipt::json::Value;
use cascade_runtime::process;
use cascade_runtime::shim::{RUNS_ABOVE_MAX, Shim, ShimDir, ShimError};
use clap::{Args, Subcommand};

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BAD, CARE, GOOD, Painted};
use crate::{again, output, place};

/// Shims: names first on PATH that are governed when somebody just types them
///
/// `git push` typed where a shim of git comes first is `cascade run -- git push`: decided, receipted, with git's own
/// input, output and exit code. Nobody has to go through a shim: docs/shims.md says what that leaves.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade shim install git kubectl terraform
  cascade shim list
  cascade shim remove kubectl")]
pub(crate) struct ShimArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Install(Names),
    Remove(Removed),
    List(Listed),
}

/// Govern these names from now on, wherever the directory of shims comes first on PATH
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade shim install git
  cascade shim install --dir ~/.local/share/cascade-shims git kubectl")]
struct Names {
    #[command(flatten)]
    place: Place,
    /// Names of programs as they are typed
    #[arg(required = true, value_name = "NAME")]
    names: Vec<OsString>,
}

/// Take shims away; the programs themselves and whatever else lies there stay as they are
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade shim remove git")]
struct Removed {
    #[command(flatten)]
    place: Place,
    /// Names of shims
    #[arg(required = true, value_name = "NAME")]
    names: Vec<OsString>,
}

/// Which names are governed, what each stands for, and whether PATH leads there first
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade shim list
  cascade shim list --json")]
struct Listed {
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
struct Place {
    /// Directory of the shims [default: cascade-shims beside the default home]
    #[arg(long, env = "CASCADE_SHIMS", value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Place {
    fn shims(&self) -> Result<ShimDir, Failure> {
        match &self.dir {
            Some(dir) => Ok(ShimDir::at(std::path::absolute(dir)?)),
            None => default_dir(),
        }
    }
}

/// The directory that the environment names, or the platform's.
pub(super) fn default_dir() -> Result<ShimDir, Failure> {
    let named = std::env::var_os("CASCADE_SHIMS").filter(|dir| !dir.is_empty());
    Ok(ShimDir::at(match named {
        Some(dir) => std::path::absolute(dir)?,
        None => place::data_dir()?.join("cascade-shims"),
    }))
}

pub(crate) fn run(global: &Global, args: &ShimArgs) -> Exit {
    match &args.what {
        What::Install(args) => install(global, &args.place.shims()?, &args.names),
        What::Remove(args) => remove(global, &args.place.shims()?, &args.names),
        What::List(args) => list(global, &args.place.shims()?),
    }
}

/// A shim that lies deep beneath shims is one that is called for ever.
pub(super) fn may_go_deeper(name: &OsStr) -> Result<(), Failure> {
    if process::runs_above() < RUNS_ABOVE_MAX {
        return Ok(());
    }
    let name = output::safe(&name.to_string_lossy());
    let cause = anyhow::anyhow!("`{name}` was called beneath {RUNS_ABOVE_MAX} governed runs");
    Err(Failure::could_not(cause).hint(
        "a program of that name calls itself through its shim: let it call the next one by its path, or `cascade shim remove` it",
    ))
}

fn install(global: &Global, shims: &ShimDir, names: &[OsString]) -> Exit {
    ShimDir::check(names).map_err(failed)?;
    shims.create().map_err(failed)?;
    let mut made = Vec::new();
    for name in names {
        if shims.install(name).map_err(failed)? {
            made.push(name.clone());
        }
        let shown = output::safe(&name.to_string_lossy());
        output::say(format_args!("{}: `{shown}` is governed by its shim", Painted(GOOD, "installed")));
    }
    let all = shims.list().map_err(failed)?;
    for shim in all.iter().filter(|shim| names.contains(&shim.name) && shim.original.is_none()) {
        let name = output::safe(&shim.name.to_string_lossy());
        output::say(format_args!("there is no program `{name}` on PATH; its shim will find none"));
    }
    if !shims.is_first() {
        how_to_be_first(shims);
    }
    document(global, shims, &[("installed", texts(&made))])
}

fn remove(global: &Global, shims: &ShimDir, names: &[OsString]) -> Exit {
    for name in names {
        shims.remove(name).map_err(failed)?;
        output::say(format_args!("removed: `{}`", output::safe(&name.to_string_lossy())));
    }
    output::hint_line("shells remember where programs lie: `hash -r` in bash, `rehash` in zsh");
    document(global, shims, &[("removed", texts(names))])
}

fn list(global: &Global, shims: &ShimDir) -> Exit {
    if global.json {
        return document(global, shims, &[]);
    }
    let all = shims.list().map_err(failed)?;
    for shim in &all {
        let (style, word) = standing(shim);
        let original = shim.original.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        output::line(format_args!(
            "{:<11}  {:<20} {}",
            Painted(style, word),
            output::safe(&shim.name.to_string_lossy()),
            output::safe(&original)
        ))?;
    }
    output::say(format_args!("{} shim(s) in {}", all.len(), shims.path().display()));
    if !all.is_empty() && !shims.is_first() {
        output::say(format_args!("{}: other directories come before it on PATH", Painted(CARE, "not first")));
        how_to_be_first(shims);
    }
    Ok(exit::DONE)
}

const fn standing(shim: &Shim) -> (output::Style, &'static str) {
    match (shim.sound, shim.original.is_some()) {
        // What it leads to was moved, or is another version: installing it again repairs it.
        (false, _) => (BAD, "stale"),
        (true, false) => (CARE, "no original"),
        (true, true) => (GOOD, "governs"),
    }
}

fn how_to_be_first(shims: &ShimDir) {
    let dir = again::quoted(shims.path().as_os_str());
    for (shell, line) in [
        ("bash, ~/.bashrc", format!("export PATH={dir}:\"$PATH\"")),
        ("zsh, ~/.zshrc", format!("export PATH={dir}:\"$PATH\"")),
        ("fish", format!("fish_add_path --move --prepend {dir}")),
    ] {
        output::hint_line(format_args!("to have it first in {shell}: {line}"));
    }
}

fn document(global: &Global, shims: &ShimDir, members: &[(&str, Value)]) -> Exit {
    if !global.json {
        return Ok(exit::DONE);
    }
    let all = shims.list().map_err(failed)?;
    let shims_of = all.iter().map(|shim| {
        let mut members = BTreeMap::from([
            ("name".to_owned(), shim.name.to_string_lossy().into_owned().into()),
            ("sound".to_owned(), shim.sound.into()),
        ]);
        let original = shim.original.as_ref().map(|path| path.display().to_string().into());
        members.extend(original.map(|path| ("original".to_owned(), path)));
        Value::Object(members)
    });
    let own = [
        ("dir", shims.path().display().to_string().into()),
        ("first_on_path", shims.is_first().into()),
        ("shims", Value::Array(shims_of.collect())),
    ];
    let own = own.into_iter().chain(members.iter().cloned());
    output::json(&Value::Object(own.map(|(key, value)| (key.to_owned(), value)).collect()))?;
    Ok(exit::DONE)
}

fn texts(names: &[OsString]) -> Value {
    Value::Array(names.iter().map(|name| name.to_string_lossy().into_owned().into()).collect())
}

fn failed(error: ShimError) -> Failure {
    let hint = match &error {
        ShimError::Refused(_) => Some("`cascade run -- bash -c '…'` governs one line of a shell"),
        ShimError::Name(_) => Some("give the name as it is typed, without a path"),
        ShimError::NotOurs(_) => Some("give an empty or new directory: --dir DIR"),
        ShimError::Taken(_) => Some("move it away, or give another directory: --dir DIR"),
        ShimError::NotThere { .. } => Some("`cascade shim list` shows those that are there"),
        ShimError::Io { .. } => Some("look at who may write there, or give another directory: --dir DIR"),
    };
    let code = match &error {
        ShimError::Refused(_) | ShimError::Name(_) => exit::USAGE,
        _ => exit::COULD_NOT,
    };
    Failure::of(code, error.into(), hint.map(str::to_owned))
}
