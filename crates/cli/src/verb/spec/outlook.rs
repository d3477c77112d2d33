//! What today's policy says of a step, as far as that can be said before it runs.

use std::ffi::OsString;
use std::path::PathBuf;

use cascade_kernel::csl::{Command as Words, Constraints, Document, Step, Work};
use cascade_kernel::workflow::{Foresight, RunCommand};
use cascade_ledger::Reader;
use cascade_policy::decide::{self, Ruling};
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::decision::{RiskTier, Verdict};
use cascade_runtime::facts::{Command, Input};
use cascade_runtime::{hypothesis, limits, subject};

use crate::args::Global;
use crate::exit::Failure;
use crate::reasons;
use crate::verb::shell_check;

/// Commands that one plan decides; the rest are decided when they run.
pub(super) const DECIDED_MAX: usize = 1_000;

/// One command of a step: the step itself, what undoes it, what tells whether it took effect.
pub(super) struct Outlook {
    /// The member that holds it: `run`, `compensate`, `reconcile`.
    pub(super) role: &'static str,
    /// The words, where there is one command and it is known.
    pub(super) argv: Option<Vec<String>>,
    pub(super) known: Known,
}

/// What is known of it.
pub(super) enum Known {
    /// Decided; of a fan-out the worst of all.
    Decided(Box<Judged>),
    /// Only a run can tell.
    AtRunTime,
    /// It has no value for these inputs, and would fail.
    Failing(String),
}

pub(super) struct Judged {
    pub(super) tier: RiskTier,
    pub(super) verdict: Verdict,
    /// Code and words of each reason.
    pub(super) reasons: Vec<(String, String)>,
}

/// A step as far as it is known.
pub(super) struct Row<'a> {
    pub(super) step: &'a Step,
    /// Whether it is done.
    pub(super) wanted: Option<bool>,
    /// For how many items; one without a fan-out.
    pub(super) items: Option<usize>,
    pub(super) outlooks: Vec<Outlook>,
    /// Why its condition or its list has no value.
    pub(super) fault: Option<String>,
}

/// Asks the gates.
pub(super) struct Judge<'a> {
    constraints: &'a Constraints,
    snapshot: Snapshot,
    reader: Option<Reader>,
    whom: Option<&'a str>,
    cwd: PathBuf,
    left: usize,
}

impl<'a> Judge<'a> {
    pub(super) fn new(global: &'a Global, document: &'a Document) -> Result<Self, Failure> {
        let (snapshot, reader) = shell_check::snapshot(global)?;
        let (constraints, whom) = (&document.spec.constraints, global.acting_as.as_deref());
        Ok(Self { constraints, snapshot, reader, whom, cwd: std::env::current_dir()?, left: DECIDED_MAX })
    }

    pub(super) fn row<'s>(&mut self, step: &'s Step, seen: &Foresight) -> Result<Row<'s>, Failure> {
        let (wanted, items) = (seen.wants(step), seen.items(step));
        let fault = wanted.as_ref().err().or(items.as_ref().err()).map(ToString::to_string);
        let (wanted, items) = (wanted.unwrap_or(None), items.unwrap_or(None));
        let own = if let Work::Command(command) = &step.work { Some(command) } else { None };
        let commands =
            [("run", own), ("compensate", step.compensate.as_ref()), ("reconcile", step.reconcile.as_ref())];
        let mut outlooks = Vec::new();
        for (role, command) in commands {
            let Some(command) = command else { continue };
            let (argv, known) = self.outlook(step, command, items.as_deref())?;
            outlooks.push(Outlook { role, argv, known });
        }
        Ok(Row { step, wanted, items: items.map(|items| items.len()), outlooks, fault })
    }

    fn outlook(
        &mut self,
        step: &Step,
        command: &Words,
        items: Option<&[Foresight]>,
    ) -> Result<(Option<Vec<String>>, Known), Failure> {
        let Some(items) = items.filter(|items| items.len() <= self.left) else {
            return Ok((None, Known::AtRunTime));
        };
        let mut worst: Option<Judged> = None;
        let mut argv = None;
        for item in items {
            let rendered = match item.command(step, command) {
                Ok(Some(rendered)) => rendered,
                Ok(None) => return Ok((None, Known::AtRunTime)),
                Err(fault) => return Ok((None, Known::Failing(fault.to_string()))),
            };
            self.left = self.left.saturating_sub(1);
            let judged = self.judge(&rendered)?;
            if worst.as_ref().is_none_or(|worst| rank(&judged) > rank(worst)) {
                worst = Some(judged);
            }
            argv = Some(rendered.argv);
        }
        let known = worst.map_or(Known::AtRunTime, |judged| Known::Decided(Box::new(judged)));
        Ok((argv.filter(|_| items.len() == 1), known))
    }

    fn judge(&self, rendered: &RunCommand) -> Result<Judged, Failure> {
        let command = Command {
            argv: rendered.argv.iter().map(OsString::from).collect(),
            cwd: self.cwd.join(rendered.cwd.as_deref().unwrap_or_default()),
            env: rendered.env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            input: rendered
                .stdin
                .as_ref()
                .map_or(Input::None, |text| Input::Captured(text.clone().into_bytes())),
            subject: None,
        };
        let mut facts = hypothesis::command(&self.snapshot, &command, self.whom);
        if let Some(reader) = &self.reader {
            hypothesis::within(reader, &self.snapshot, &mut facts)?;
            facts.subject =
                rendered.subject.as_ref().map(|named| subject::look_up(reader, named)).transpose()?;
            limits::count(reader, &self.snapshot, &mut facts, None)?;
        }
        let ruling = decide::decide(&self.snapshot, &facts);
        let unseen =
            ruling.classification.stdin_executes && rendered.stdin.is_some() && facts.action.script.is_none();
        let past = past(self.constraints, &ruling, unseen);
        let texts = reasons::texts(&ruling);
        let codes = ruling.decision.reasons().map(|(_, reason)| reason.code.clone());
        let verdict = if past.is_empty() { ruling.decision.verdict } else { Verdict::Deny };
        Ok(Judged { tier: ruling.risk_tier, verdict, reasons: codes.zip(texts).chain(past).collect() })
    }
}

/// The worse verdict counts before the higher tier.
const fn rank(judged: &Judged) -> (u8, u8) {
    let verdict = match judged.verdict {
        Verdict::Admit => 0,
        Verdict::Escalate => 1,
        Verdict::Deny => 2,
    };
    let tier = match judged.tier {
        RiskTier::Low => 0,
        RiskTier::Medium => 1,
        RiskTier::High => 2,
        RiskTier::Critical => 3,
    };
    (verdict, tier)
}

/// Where a command goes past the spec's own constraints, to which gate `specification` holds every step. `unseen`: it
/// executes what nobody has classified.
fn past(constraints: &Constraints, ruling: &Ruling, unseen: bool) -> Vec<(String, String)> {
    let mut past = Vec::new();
    if let Some(most) = constraints.max_tier.filter(|most| ruling.risk_tier > *most) {
        past.push((
            "specification.tier".to_owned(),
            format!("specification: the spec allows at most {most}"),
        ));
    }
    let Some(workers) = &constraints.workers else { return past };
    let found = &ruling.classification;
    let mut programs: Vec<&str> = found.commands.iter().map(|command| command.program.as_str()).collect();
    programs.retain(|program| !workers.iter().any(|worker| worker == program));
    programs.sort_unstable();
    programs.dedup();
    if !programs.is_empty() || unseen || found.commands.is_empty() || found.refused.is_some() {
        let named = if programs.is_empty() { "this".to_owned() } else { programs.join(", ") };
        past.push((
            "specification.worker".to_owned(),
            format!("specification: {named} is none of the spec's workers"),
        ));
    }
    past
}
