//! Where people and agents meet Cascade: shims, hooks of coding agents, completions.

use std::path::{Path, PathBuf};

use super::{Finding, counted};
use crate::exit::Failure;
use crate::verb::shim;

/// Largest settings file that is looked into.
const SETTINGS_BYTES_MAX: u64 = 4 << 20;
/// Coding agents, the word each has in that call, and their settings below the user's directory.
const AGENTS: &[(&str, &str, &[&str])] = &[
    ("Claude Code", "claude-code", &[".claude/settings.json"]),
    ("Codex", "codex", &[".codex/hooks.json", ".codex/config.toml"]),
    ("Gemini CLI", "gemini", &[".gemini/settings.json"]),
];
/// Where a shell's completions lie: for everybody, and below the user's directory.
const COMPLETIONS: &[(&str, &[&str], &[&str])] = &[
    (
        "bash",
        &["/usr/share/bash-completion/completions/cascade", "/etc/bash_completion.d/cascade"],
        &[".local/share/bash-completion/completions/cascade"],
    ),
    (
        "zsh",
        &["/usr/share/zsh/site-functions/_cascade", "/usr/local/share/zsh/site-functions/_cascade"],
        &[".zfunc/_cascade", ".zsh/completions/_cascade"],
    ),
    (
        "fish",
        &["/usr/share/fish/vendor_completions.d/cascade.fish"],
        &[".config/fish/completions/cascade.fish"],
    ),
];

pub(super) fn look() -> Result<Vec<Finding>, Failure> {
    let user = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let mut findings = vec![shims()?];
    findings.extend(user.iter().flat_map(|user| AGENTS.iter().filter_map(|agent| hook(user, *agent))));
    findings.extend(user.as_deref().and_then(completions));
    Ok(findings)
}

fn shims() -> Result<Finding, Failure> {
    const CHECK: &str = "shims";
    let dir = shim::default_dir()?;
    let all = dir.list()?;
    let place = dir.path().display();
    if all.is_empty() {
        let next = "`cascade shim install git kubectl` governs what is typed without `cascade run`";
        return Ok(Finding::advice(CHECK, "no name is governed by a shim", next));
    }
    if let Some(stale) = all.iter().find(|shim| !shim.sound) {
        let name = stale.name.to_string_lossy();
        let seen = format!("the shim of `{name}` leads to another program than this one, or to none");
        return Ok(Finding::wrong(CHECK, seen, format!("`cascade shim install {name}` renews it")));
    }
    if !dir.is_first() {
        let seen = format!("{place} is not first on PATH, so its shims govern nothing");
        return Ok(Finding::wrong(CHECK, seen, "`cascade shim list` says how to have it first"));
    }
    let count = counted(u64::try_from(all.len()).unwrap_or(u64::MAX), "name");
    Ok(Finding::fine(CHECK, format!("{count} governed, {place} is first on PATH")))
}

/// Of an agent that has settings here, whether they name Cascade. More is for the agent to tell.
fn hook(user: &Path, (agent, word, settings): (&str, &str, &[&str])) -> Option<Finding> {
    const CHECK: &str = "hooks";
    let there: Vec<PathBuf> =
        settings.iter().map(|name| user.join(name)).filter(|path| path.is_file()).collect();
    let first = there.first()?;
    // Between program and verb may stand which ledger it is.
    let call = format!(" hook {word}");
    let shown = format!("cascade hook {word}");
    Some(match there.iter().find(|path| names(path, &call)) {
        Some(path) => Finding::fine(CHECK, format!("{agent} asks: {} names `{shown}`", path.display())),
        None => Finding::advice(
            CHECK,
            format!("{agent} does not ask: {} does not name `{shown}`", first.display()),
            format!("`cascade hook install {word}`"),
        ),
    })
}

fn names(path: &Path, call: &str) -> bool {
    use std::io::Read as _;
    let mut text = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(SETTINGS_BYTES_MAX).read_to_end(&mut text));
    let holds = |word: &str| text.windows(word.len()).any(|window| window == word.as_bytes());
    read.is_ok() && holds("cascade") && holds(call)
}

/// Of the shell that the user logs in with.
fn completions(user: &Path) -> Option<Finding> {
    const CHECK: &str = "completions";
    let shell = std::env::var_os("SHELL")?;
    let shell = Path::new(&shell).file_name()?.to_str()?;
    let (shell, everybodys, own) = COMPLETIONS.iter().find(|(known, ..)| *known == shell)?;
    let mut places = everybodys.iter().map(PathBuf::from).chain(own.iter().map(|name| user.join(name)));
    Some(match places.find(|path| path.is_file()) {
        Some(path) => Finding::fine(CHECK, format!("{shell} has them: {}", path.display())),
        None => {
            let to = own.first().map(|name| format!("~/{name}")).unwrap_or_default();
            let seen = format!("{shell} does not complete `cascade`");
            Finding::advice(CHECK, seen, format!("`cascade completions {shell} > {to}`"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::Standing;
    use super::*;

    #[test]
    fn settings_that_name_the_hook() {
        let user = tempfile::tempdir().unwrap();
        let codex = *AGENTS.iter().find(|(_, word, _)| *word == "codex").unwrap();
        assert_eq!(hook(user.path(), codex), None);
        std::fs::create_dir(user.path().join(".codex")).unwrap();
        std::fs::write(user.path().join(".codex/config.toml"), "model = 'x'\n").unwrap();
        assert_eq!(hook(user.path(), codex).unwrap().standing, Standing::Advice);
        std::fs::write(
            user.path().join(".codex/hooks.json"),
            "{\"command\": \"/opt/cascade --home=/x hook codex\"}",
        )
        .unwrap();
        assert_eq!(hook(user.path(), codex).unwrap().standing, Standing::Fine);
    }
}
