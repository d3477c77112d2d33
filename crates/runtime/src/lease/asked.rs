//! What somebody else is to perform, and the facts of it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cascade_ledger::Present;
use cascade_policy::decide;
use cascade_policy::facts::{Action, Facts, Invocation, Task, ToolCall};
use cascade_policy::snapshot::Snapshot;

use crate::facts::{self, Asker, Command, Input, LookError};
use crate::{obeyed, own_home};

/// An action that somebody else performs.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A command, by its words.
    Command(Command),
    /// A line for a shell.
    Line {
        /// The line.
        line: Vec<u8>,
        /// Where it runs.
        cwd: PathBuf,
        /// The whole environment; only what governs its programs becomes a fact.
        env: Vec<(OsString, OsString)>,
    },
    /// A command on another machine, of which nothing can be looked at from here. Paths are followed as if
    /// they were of this machine: whoever asks may well be on it.
    Words {
        /// Program and arguments.
        argv: Vec<Vec<u8>>,
        /// Where it runs.
        cwd: PathBuf,
        /// What its environment is said to be.
        env: Vec<(OsString, OsString)>,
    },
    /// A line for a shell on another machine.
    Remote {
        /// The line.
        line: Vec<u8>,
        /// Where it runs.
        cwd: PathBuf,
        /// What its environment is said to be.
        env: Vec<(OsString, OsString)>,
    },
    /// A call of a tool, by whoever works in `cwd` (empty where that is not known).
    Tool {
        /// The call.
        call: ToolCall,
        /// Where.
        cwd: PathBuf,
    },
    /// A request of the caller's own to a language model.
    Model {
        /// What is shown of it, the model that is asked, and the hash of what is sent.
        task: Box<Task>,
        /// What is sent.
        sent: Arc<[u8]>,
    },
}

impl Asked {
    /// The word in receipts.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Command(_) | Self::Words { .. } => "cli",
            Self::Line { .. } | Self::Remote { .. } => "shell",
            Self::Tool { .. } => "tool",
            Self::Model { .. } => "model",
        }
    }

    /// What the vault keeps of it beside the action.
    pub(super) fn kept(&self) -> Option<Vec<u8>> {
        match self {
            Self::Model { sent, .. } => Some(sent.to_vec()),
            _ => None,
        }
    }

    /// Everything a decision about it may depend on, but for counters, approvals and whom it concerns.
    ///
    /// # Errors
    /// [`LookError`].
    pub(crate) fn look(
        &self,
        ledger: &Present<'_>,
        snapshot: &Snapshot,
        asker: &Asker,
    ) -> Result<Facts, LookError> {
        match self {
            Self::Command(command) => facts::look(ledger, snapshot, asker, command),
            Self::Line { line, cwd, env } => {
                let place = place(cwd, env);
                let mut action = line_action(snapshot, line, &place);
                action.files = obeyed::look(ledger, &place, &decide::obeyed(snapshot.registry(), &action));
                action.home = own_home::look(ledger, snapshot.registry(), &action, env);
                Ok(facts::of_action(ledger, asker, action)?)
            }
            Self::Words { argv, cwd, env } => {
                let mut action =
                    facts::without_world(Invocation::Cli(argv.clone()), cwd.as_os_str().as_bytes().to_vec());
                // Without variables nobody need know which of them would govern.
                if !env.is_empty() {
                    action.env = governing(env, &snapshot.registry().governing_env(argv));
                }
                action.home = own_home::look(ledger, snapshot.registry(), &action, env);
                Ok(facts::of_action(ledger, asker, action)?)
            }
            Self::Remote { line, cwd, env } => {
                let mut action = line_action(snapshot, line, &place(cwd, env));
                action.home = own_home::look(ledger, snapshot.registry(), &action, env);
                Ok(facts::of_action(ledger, asker, action)?)
            }
            Self::Tool { call, cwd } => {
                let call = Invocation::Tool(Box::new(call.clone()));
                let mut action = facts::without_world(call, cwd.as_os_str().as_bytes().to_vec());
                action.home = own_home::look(ledger, snapshot.registry(), &action, &[]);
                Ok(facts::of_action(ledger, asker, action)?)
            }
            Self::Model { task, .. } => Ok(facts::of_task(ledger, asker, task.as_ref().clone())?),
        }
    }
}

fn place(cwd: &Path, env: &[(OsString, OsString)]) -> Command {
    Command { argv: Vec::new(), cwd: cwd.to_owned(), env: env.to_vec(), input: Input::None, subject: None }
}

/// A line with the variables that govern its programs.
fn line_action(snapshot: &Snapshot, line: &[u8], place: &Command) -> Action {
    let registry = snapshot.registry();
    let cwd = place.cwd.as_os_str().as_bytes().to_vec();
    let mut action = facts::without_world(Invocation::Shell(line.to_vec()), cwd);
    let found = registry.classify_line(&String::from_utf8_lossy(line), &[]);
    let bytes =
        |words: &[String]| -> Vec<Vec<u8>> { words.iter().map(|word| word.clone().into_bytes()).collect() };
    let patterns: BTreeSet<String> =
        found.commands.iter().flat_map(|command| registry.governing_env(&bytes(&command.words))).collect();
    action.env = governing(&place.env, &patterns.into_iter().collect::<Vec<_>>());
    action
}

fn governing(env: &[(OsString, OsString)], patterns: &[String]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let governing = env.iter().filter(|(name, _)| facts::governs(patterns, name));
    governing.map(|(name, value)| (name.clone().into_vec(), value.clone().into_vec())).collect()
}
