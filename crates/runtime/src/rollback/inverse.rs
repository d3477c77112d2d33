//! What undoes an action: what its step says, or the manifest of its program.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use cascade_kernel::rollback::{Inverse, Outcome, Source, Undoing, Why};
use cascade_kernel::workflow::{Place, Role};
use cascade_ledger::Ledger;
use cascade_policy::facts::{Action, Invocation};
use cascade_policy::snapshot::Snapshot;
use cascade_policy::worker::Inversion;
use cascade_receipt::id::ReceiptId;

use super::RollbackError;
use super::record::Started;
use crate::consent::{self, ConsentError};
use crate::facts::{self, Command, Input};
use crate::policy_store;
use crate::workflow::{Outer, Undoes, WorkflowError, undoes};

/// What undoes actions, and what was looked at to know it.
pub(super) struct Inverses<'a> {
    ledger: &'a Ledger,
    snapshot: Snapshot,
    runs: BTreeMap<ReceiptId, Run>,
}

/// A run that steps belong to.
enum Run {
    Open,
    Erased,
    Ended(Box<Undoes>),
}

impl<'a> Inverses<'a> {
    pub(super) fn new(ledger: &'a Ledger) -> Result<Self, RollbackError> {
        let (snapshot, _) = policy_store::in_force(ledger)?;
        Ok(Self { ledger, snapshot, runs: BTreeMap::new() })
    }

    /// What became of a step, where its run knows better than the closer of its command: a call that the server refused,
    /// an attempt that a reconciler or a person knows of.
    pub(super) fn outcome(&mut self, started: &Started) -> Result<Outcome, RollbackError> {
        let (Some((chain, place)), Some(closer)) = (started.of, &started.closer) else {
            return Ok(started.outcome);
        };
        let Run::Ended(undoes) = self.run(chain)? else { return Ok(started.outcome) };
        Ok(match started.outcome {
            Outcome::Unknown if undoes.took_effect(place, closer.receipt_id) => Outcome::Completed,
            Outcome::Completed if undoes.is_call(place) && !undoes.took_effect(place, closer.receipt_id) => {
                Outcome::Failed
            }
            other => other,
        })
    }

    /// What undoes it.
    pub(super) fn of(&mut self, id: ReceiptId, started: &Started) -> Result<Inverse<Command>, RollbackError> {
        if let (Some((chain, place)), Some(closer)) = (started.of, &started.closer)
            && let Some(own) = self.of_step(chain, place, closer.receipt_id)?
        {
            return Ok(own);
        }
        match consent::stored_facts(self.ledger, id, &started.content) {
            Ok(facts) => Ok(self.of_action(&facts.action)),
            Err(ConsentError::Erased(_)) => Ok(Inverse::None(Why::Erased)),
            Err(other) => Err(other.into()),
        }
    }

    /// What a step says of it; nothing where that is left to the manifest.
    fn of_step(
        &mut self,
        chain: ReceiptId,
        place: Place,
        closer: ReceiptId,
    ) -> Result<Option<Inverse<Command>>, RollbackError> {
        let undoes = match self.run(chain)? {
            Run::Open => return Ok(Some(Inverse::None(Why::OfOpenRun(chain)))),
            Run::Erased => return Ok(Some(Inverse::None(Why::Erased))),
            Run::Ended(undoes) => undoes,
        };
        match undoes.outer() {
            Some(Outer::Open(outer)) => return Ok(Some(Inverse::None(Why::OfOpenRun(*outer)))),
            Some(Outer::Whole(step)) => {
                let why = format!("step `{step}`, which started its run, has a `compensate` for all of it");
                return Ok(Some(Inverse::None(Why::NoInverse(why))));
            }
            // What undid the step, or asked about it, is a command like any other.
            None if place.role != Role::Step => return Ok(None),
            None => {}
        }
        Ok(match undoes.command(place) {
            None => None,
            // Within an attempt at a task, the attempt is what is undone.
            Some(_) if !undoes.took_effect(place, closer) => Some(Inverse::Nothing),
            Some(Ok(command)) => {
                Some(Inverse::Command(Undoing { command, source: Source::Step, assumes: None }))
            }
            Some(Err(fault)) => Some(Inverse::None(Why::NoInverse(fault.to_string()))),
        })
    }

    fn run(&mut self, id: ReceiptId) -> Result<&Run, RollbackError> {
        if !self.runs.contains_key(&id) {
            let chain = self.ledger.chain(id)?.ok_or(WorkflowError::NotAChain(id))?;
            let run = match chain.closed {
                None => Run::Open,
                Some(_) => match undoes(self.ledger, &chain) {
                    Ok(undoes) => Run::Ended(Box::new(undoes)),
                    Err(WorkflowError::Erased(_)) => Run::Erased,
                    Err(other) => return Err(other.into()),
                },
            };
            self.runs.insert(id, run);
        }
        Ok(self.runs.get(&id).unwrap_or(&Run::Erased))
    }

    fn of_action(&self, action: &Action) -> Inverse<Command> {
        let argv = match &action.invocation {
            Invocation::Cli(argv) => argv,
            // A question to a model, or an act of a run or schedule, changes nothing that a command could undo.
            Invocation::Task(_) | Invocation::Workflow(_) | Invocation::Schedule(_) => {
                return Inverse::Nothing;
            }
            Invocation::Shell(_) => {
                return Inverse::None(Why::NoInverse("it is a line for a shell".to_owned()));
            }
            Invocation::Tool(_) => {
                return Inverse::None(Why::NoInverse("it is a call of a tool".to_owned()));
            }
        };
        match self.snapshot.registry().inverse(argv, &action.env) {
            Inversion::Reads => Inverse::Nothing,
            Inversion::Cannot(why) => Inverse::None(Why::NoInverse(why)),
            Inversion::Undo(undoing) => {
                let command = self.command(action, argv, undoing.argv);
                Inverse::Command(Undoing { command, source: Source::Manifest, assumes: undoing.assumes })
            }
        }
    }

    /// Run where it ran, with the variables that governed it as they were then: `GIT_DIR` says what is undone.
    fn command(&self, action: &Action, argv: &[Vec<u8>], undo: Vec<String>) -> Command {
        let patterns = self.snapshot.registry().governing_env(argv);
        let owned = |bytes: &Vec<u8>| OsString::from_vec(bytes.clone());
        let mut env: Vec<(OsString, OsString)> =
            std::env::vars_os().filter(|(name, _)| !facts::governs(&patterns, name)).collect();
        env.extend(action.env.iter().map(|(name, value)| (owned(name), owned(value))));
        Command {
            argv: undo.into_iter().map(OsString::from).collect(),
            cwd: PathBuf::from(owned(&action.cwd)),
            env,
            input: Input::None,
            subject: None,
        }
    }
}

/// Program and arguments of an action, for people; nothing where they are not kept.
pub(super) fn argv_of(
    ledger: &Ledger,
    id: ReceiptId,
    started: &Started,
) -> Result<Option<Vec<String>>, RollbackError> {
    let facts = match consent::stored_facts(ledger, id, &started.content) {
        Ok(facts) => facts,
        Err(ConsentError::Erased(_)) => return Ok(None),
        Err(other) => return Err(other.into()),
    };
    Ok(match &facts.action.invocation {
        Invocation::Cli(argv) => {
            Some(argv.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect())
        }
        Invocation::Shell(_)
        | Invocation::Task(_)
        | Invocation::Workflow(_)
        | Invocation::Schedule(_)
        | Invocation::Tool(_) => None,
    })
}
