mod new;
mod show;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cascade_policy::worker::{Checked, Listed, Registry};
use cascade_receipt::json::Value;
use clap::{Args, Subcommand};

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{self, BAD, DIM, GOOD, Painted, tier_style};

use super::shell_check;

/// Workers: the programs whose command lines are known, as manifests
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade worker list
  cascade worker show git
  cascade worker test ./policy/workers
  cascade worker new kustomize > ./policy/workers/kustomize.toml")]
pub(crate) struct Worker {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// The programs that the policy in force knows, what calls of them can rank, and where that is written
    #[command(after_help = "Examples:
  cascade worker list
  cascade --json worker list git")]
    List {
        /// Only programs whose name contains this
        #[arg(value_name = "PART")]
        part: Option<String>,
    },
    /// What one program can rank, and the phrases that mean a call of it
    #[command(after_help = "Examples:
  cascade worker show git
  cascade --json worker show kubectl")]
    Show {
        /// The program, by any of its names
        #[arg(value_name = "PROGRAM")]
        program: String,
    },
    /// Run the tests that manifests carry; without a path those of the built-in ones
    #[command(after_help = "Examples:
  cascade worker test
  cascade worker test ./policy/workers/acme.toml")]
    Test {
        /// A manifest, a directory of manifests, or a policy directory with `workers/` in it
        #[arg(value_name = "FILE|DIR")]
        path: Option<PathBuf>,
    },
    /// Draft a manifest from a program's `--help`, which is run as a governed action with receipts
    ///
    /// Nothing in a draft is vouched for: every tier is HIGH until you say what the program can harm.
    #[command(after_help = "Examples:
  cascade worker new kustomize > ./policy/workers/kustomize.toml
  acme --help | cascade worker new acme --from -")]
    New(new::New),
}

/// Largest manifest.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

pub(crate) fn run(global: &Global, args: &Worker) -> Exit {
    match &args.what {
        What::List { part } => list(global, part.as_deref()),
        What::Show { program } => show::run(global, program),
        What::Test { path } => test(global, path.as_deref()),
        What::New(args) => new::run(global, args),
    }
}

fn list(global: &Global, part: Option<&str>) -> Exit {
    let (snapshot, _) = shell_check::snapshot(global)?;
    let wanted =
        |listed: &Listed| part.is_none_or(|part| listed.names.iter().any(|name| name.contains(part)));
    let all: Vec<Listed> = snapshot.registry().listed().into_iter().filter(wanted).collect();
    let families = |listed: &Listed| {
        let mut all: Vec<String> =
            listed.names.iter().flat_map(|name| snapshot.families_of(name)).map(str::to_owned).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    if global.json {
        let workers = all.iter().map(|listed| document(listed, &families(listed))).collect();
        output::json(&Value::object([("workers", Value::Array(workers))]))?;
        return Ok(exit::DONE);
    }
    for listed in &all {
        let source = if listed.builtin { "built-in" } else { "policy" };
        let families = families(listed).join(",");
        output::line(format_args!(
            "{:<8} {:<8}  {}  {}",
            Painted(tier_style(listed.lowest), listed.lowest.as_str()),
            Painted(tier_style(listed.highest), listed.highest.as_str()),
            listed.names.join(" "),
            Painted(DIM, format!("{source} {}.toml {families}", listed.manifest).trim_end())
        ))?;
    }
    output::say(format_args!(
        "{} workers, {} names",
        all.len(),
        all.iter().map(|one| one.names.len()).sum::<usize>()
    ));
    Ok(exit::DONE)
}

fn document(listed: &Listed, families: &[String]) -> Value {
    let texts = |all: &[String]| Value::Array(all.iter().map(|one| one.as_str().into()).collect());
    Value::object([
        ("families", texts(families)),
        ("highest", listed.highest.as_str().into()),
        ("intents", count(listed.intents.len())),
        ("lowest", listed.lowest.as_str().into()),
        ("manifest", listed.manifest.as_str().into()),
        ("names", texts(&listed.names)),
        ("rules", count(listed.rules)),
        ("source", if listed.builtin { "built-in" } else { "policy" }.into()),
        ("subcommands", count(listed.subcommands)),
    ])
}

fn count(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn test(global: &Global, path: Option<&Path>) -> Exit {
    let builtin =
        || Registry::builtin_texts().iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let checked = match path {
        None => Registry::builtin().check_only(|_| true),
        Some(path) => {
            let own = manifests(path)?;
            // A test may name any program; a manifest takes the place of the built-in one of its name.
            let named = |name: &str| own.iter().any(|(own, _)| own == name);
            let others = builtin().filter(|(name, _)| !named(name));
            Registry::new(own.iter().cloned().chain(others)).check_only(named)
        }
    };
    tell(global, &checked)
}

fn tell(global: &Global, checked: &Checked) -> Exit {
    if global.json {
        let faults = checked.faults.iter().map(|fault| {
            let (manifest, message) = (fault.manifest.as_str().into(), fault.what.as_str().into());
            Value::object([("manifest", manifest), ("message", message)])
        });
        output::json(&Value::object([
            ("faults", Value::Array(faults.collect())),
            ("manifests", count(checked.manifests)),
            ("tests", count(checked.lines)),
        ]))?;
    } else {
        for fault in &checked.faults {
            output::line(format_args!("{}: {}", output::safe(&fault.manifest), output::safe(&fault.what)))?;
        }
        let (word, style) = if checked.faults.is_empty() { ("passed", GOOD) } else { ("failed", BAD) };
        output::say(format_args!(
            "{}: {} manifests, {} test lines, {} faults",
            Painted(style, word),
            checked.manifests,
            checked.lines,
            checked.faults.len()
        ));
    }
    Ok(if checked.faults.is_empty() { exit::DONE } else { exit::COULD_NOT })
}

/// The manifests at a path, by the names that a policy directory would give them.
fn manifests(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let mut files = Vec::new();
    if path.is_dir() {
        let inner = path.join("workers");
        let dir = if inner.is_dir() { inner.as_path() } else { path };
        let entries = std::fs::read_dir(dir).with_context(|| format!("couldn't read `{}`", dir.display()))?;
        for entry in entries {
            files.push(entry?.path());
        }
        files.retain(|file| file.extension().is_some_and(|end| end == "toml"));
        files.sort();
    } else {
        files.push(path.to_owned());
    }
    if files.is_empty() {
        return Err(Failure::could_not(anyhow::anyhow!("no *.toml in `{}`", path.display()))
            .hint("name a manifest, a directory of manifests, or a policy directory"));
    }
    files.into_iter().map(|file| manifest(&file)).collect()
}

fn manifest(file: &Path) -> Result<(String, String), Failure> {
    let failed = || format!("couldn't read `{}`", file.display());
    let meta = file.metadata().with_context(failed)?;
    if !meta.is_file() || meta.len() > FILE_BYTES_MAX {
        let what = format!("`{}` is no regular file of at most {FILE_BYTES_MAX} bytes", file.display());
        return Err(Failure::could_not(anyhow::anyhow!(what)));
    }
    let text = std::fs::read_to_string(file).with_context(failed)?;
    let name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok((name, text))
}
