//! The hooks in an agent's settings.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cascade_server::hook::Agent;
use cascade_server::hook::settings::{Edit, Hook, SETTINGS_BYTES_MAX, SettingsFault};

use super::{Install, Scope, Settings, alone, diff};
use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::{again, outfile, output, place};

/// What was there before the hooks is kept beside it, once, under this ending.
const BACKUP: &str = "before-cascade";

pub(super) fn install(global: &Global, args: &Install) -> Exit {
    alone(global)?;
    let agent = Agent::from(args.settings.agent);
    let words = words(global, args.settings.scope)?;
    let hook = Hook::new(agent, &words, &args.answering.words(), !args.no_on_failure);
    let path = path(agent, args.settings.scope)?;
    let before = read(&path)?;
    let edit = hook.put_into(before.as_deref()).map_err(|fault| refused(&path, fault))?;
    let keep = before.as_deref().is_some_and(|text| !Hook::is_in(agent, text));
    apply(&path, before.as_deref(), &edit, (args.settings.dry_run, keep))?;
    if !args.settings.dry_run {
        next(agent, args.settings.scope);
    }
    Ok(exit::DONE)
}

pub(super) fn remove(args: &Settings) -> Exit {
    let agent = Agent::from(args.agent);
    let path = path(agent, args.scope)?;
    let Some(before) = read(&path)? else {
        output::say(format_args!("there is no `{}`", path.display()));
        return Ok(exit::DONE);
    };
    let kept = read(&backup(&path))?;
    let edit = Hook::take_out(agent, &before, kept.as_deref()).map_err(|fault| refused(&path, fault))?;
    apply(&path, Some(&before), &edit, (args.dry_run, false))?;
    if let Edit::Text(text) = &edit
        && kept.as_ref() == Some(text)
        && !args.dry_run
    {
        // The settings are what it keeps.
        std::fs::remove_file(backup(&path)).context("couldn't remove the copy of the settings")?;
    }
    Ok(exit::DONE)
}

/// The program as the agent is to call it, and which ledger. In settings that a team shares it is the name alone: the
/// path is another one on every machine.
fn words(global: &Global, scope: Scope) -> Result<Vec<String>, Failure> {
    let own = std::env::current_exe().context("couldn't find the path of this program")?;
    let program = match scope {
        Scope::User => again::quoted(own.as_os_str()),
        Scope::Project => "cascade".to_owned(),
    };
    let mut words = vec![program];
    // What is in the environment now need not be when the agent calls.
    if global.home.is_some() {
        words.push(format!("--home={}", again::quoted(place::home_dir(global)?.as_os_str())));
    }
    if global.tenant != "default" {
        words.push(format!("--tenant={}", again::quoted(OsStr::new(&global.tenant))));
    }
    if let Some(file) = &global.passphrase_file {
        let file = std::path::absolute(file).context("couldn't find the passphrase file")?;
        words.push(format!("--passphrase-file={}", again::quoted(file.as_os_str())));
    }
    Ok(words)
}

fn path(agent: Agent, scope: Scope) -> Result<PathBuf, Failure> {
    let (own, dir, file) = match agent {
        Agent::ClaudeCode => (Some("CLAUDE_CONFIG_DIR"), ".claude", "settings.json"),
        Agent::Codex => (Some("CODEX_HOME"), ".codex", "hooks.json"),
        Agent::Gemini => (None, ".gemini", "settings.json"),
    };
    let from_env = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    match scope {
        Scope::Project => {
            Ok(std::env::current_dir().context("couldn't find the working directory")?.join(dir).join(file))
        }
        Scope::User => {
            let at = own.and_then(from_env).or_else(|| Some(from_env("HOME")?.join(dir)));
            at.map(|at| at.join(file)).ok_or_else(|| {
                Failure::could_not(anyhow::anyhow!("no home directory is known"))
                    .hint("set HOME, or give --scope project")
            })
        }
    }
}

fn read(path: &Path) -> Result<Option<String>, Failure> {
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(there) if there.len() > SETTINGS_BYTES_MAX as u64 => {
            return Err(refused(path, SettingsFault::TooLong));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.with_context(|| format!("couldn't read `{shown}`"))?,
    };
    Ok(Some(std::fs::read_to_string(path).with_context(|| format!("couldn't read `{shown}`"))?))
}

fn refused(path: &Path, fault: SettingsFault) -> Failure {
    let cause = anyhow::Error::from(fault).context(format!("`{}` is left as it is", path.display()));
    Failure::could_not(cause).hint("docs/hooks.md shows what belongs there; it can be put in by hand")
}

fn apply(
    path: &Path,
    before: Option<&str>,
    edit: &Edit,
    (dry_run, keep): (bool, bool),
) -> Result<(), Failure> {
    let shown = path.display();
    let after = match edit {
        Edit::Unchanged => {
            output::say(format_args!("`{shown}` is as it should be; nothing changed"));
            return Ok(());
        }
        Edit::Gone => "",
        Edit::Text(text) => text,
    };
    output::result(diff::shown(before.unwrap_or_default(), after))?;
    if dry_run {
        output::say(format_args!("`{shown}` would be changed so; nothing was"));
        return Ok(());
    }
    // The agent writes this file, too.
    if read(path)?.as_deref() != before {
        return Err(Failure::could_not(anyhow::anyhow!("`{shown}` changed meanwhile"))
            .hint("nothing was written; try again"));
    }
    match edit {
        Edit::Gone => take_away(path).with_context(|| format!("couldn't remove `{shown}`"))?,
        _ => write(path, before, after, keep)?,
    }
    output::say(format_args!("changed `{shown}`"));
    Ok(())
}

/// Settings are kept as they were before a hook of ours came in, never with one.
fn write(path: &Path, before: Option<&str>, after: &str, keep: bool) -> Result<(), Failure> {
    match before {
        None => {
            let dir = path.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(dir).with_context(|| format!("couldn't make `{}`", dir.display()))?;
        }
        Some(before) if keep && !backup(path).exists() => {
            outfile::write(&backup(path), outfile::OWN, before.as_bytes())?;
        }
        Some(_) => {}
    }
    outfile::write(path, outfile::OWN, after.as_bytes())?;
    sync_dir(path)
}

/// Removes what was written, which through a link is its target: the link was there before.
fn take_away(path: &Path) -> std::io::Result<()> {
    let real = std::fs::canonicalize(path)?;
    std::fs::remove_file(&real)?;
    std::fs::File::open(real.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// A rename outlasts a power cut once its directory is synced.
fn sync_dir(path: &Path) -> Result<(), Failure> {
    let real = std::fs::canonicalize(path)?;
    let dir = real.parent().unwrap_or(Path::new("/"));
    std::fs::File::open(dir).and_then(|dir| dir.sync_all()).context("couldn't sync the directory")?;
    Ok(())
}

fn backup(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(BACKUP);
    path.with_file_name(name)
}

/// What is left to do before it holds.
fn next(agent: Agent, scope: Scope) {
    output::hint_line(match agent {
        Agent::ClaudeCode => "sessions that run already take it up after a restart",
        Agent::Codex => "Codex skips it until you trust it: open `/hooks` there and review it",
        Agent::Gemini => "start Gemini CLI anew; `/hooks panel` there lists it",
    });
    if scope == Scope::Project {
        output::hint_line(
            "`cascade` must be on the PATH of whoever works here; without it every tool is blocked",
        );
    }
}
