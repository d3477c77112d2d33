//! Drives a run: begins it, feeds its machine what is recorded, performs what it asks for, a thread an attempt.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Scope;
use std::time::Duration;

use cascade_kernel::csl::{Spec, Work};
use cascade_kernel::workflow::{Count, Effect, End, Ended, Event, Place, Rendered, Rest, Workflow};
use cascade_ledger::{AppendError, Appended, Draft, Ledger, SubjectState};
use cascade_policy::facts::{Act, Caller};
use cascade_receipt::content::{Body, ChainClosed, Ref, Rel, StepCounts};
use cascade_receipt::decision::{Reason, Verdict};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;

use super::attempt::{Attempting, Before, Done, act_of};
use super::load::{self, Loaded};
use super::look::{judged, look, word_of};
use super::point::Point;
use super::record::{self, Recorded, What};
use super::rehearse;
use super::sub;
use super::{Attempt, Driven, Driver, Progress, Standing, Start, WorkflowError};
use crate::consent;
use crate::facts;
use crate::govern::reference;
use crate::run_lock::RunLock;
use crate::task::Router;

/// Attempts, points and waits that are performed at once, a thread each.
const FLYING_MAX: usize = 64;
/// Answers of tasks that are run at once, a process each.
const SMOKES_MAX: usize = 4;
/// Longest time that a run sleeps before it looks at the clock again, which may be set meanwhile.
const NAP_MAX: Duration = Duration::from_secs(30);

pub(super) fn begin(
    ledger: &Ledger,
    start: Start,
    caller: Option<(Caller, Arc<Loaded>)>,
    driver: &Driver,
    tell: &mut dyn FnMut(Progress),
) -> Result<Driven, WorkflowError> {
    sub::check(&start.document.spec, &start.subs)?;
    let spec_hash = start.document.hash();
    let signers = match &start.signature {
        Some(sshsig) => load::signers(ledger, &spec_hash, sshsig)?,
        None => Vec::new(),
    };
    let mut run = Loaded {
        spec: Arc::new(start.document.spec.clone()),
        document: start.document,
        spec_hash,
        signers,
        inputs: start.inputs,
        cwd: start.cwd,
        chain: None,
        started: facts::now(),
        subs: start.subs.into_iter().map(Arc::new).collect(),
        caller,
    };
    let approved = start.approval.as_deref().map(|id| consent::answered(ledger, id)).transpose()?;
    let point = Point {
        run: &run,
        act: act_of(&run, Act::Start, None, String::new()),
        step: None,
        terms: None,
        approved: approved.as_ref().map(|(approved, _)| approved),
        refs: start.cron.into_iter().collect(),
        dry_run: start.dry_run,
    };
    if let Some((approved, _)) = &approved {
        let action = point.look(&ledger.present()?, &driver.asker)?.action().to_canonical();
        if Digest::salted(&approved.action_nonce, action.as_bytes()) != approved.subject.action_hash {
            return Err(WorkflowError::OtherAction(approved.subject.receipt_id));
        }
    }
    let pointed = point.record(ledger, driver)?;
    let id = pointed.receipt.receipt_id;
    let verdict = pointed.ruling.decision.verdict;
    if verdict != Verdict::Admit || start.dry_run {
        let standing = match verdict {
            _ if start.dry_run => Standing::Rehearsed,
            Verdict::Escalate => Standing::Escalated,
            Verdict::Admit | Verdict::Deny => Standing::Blocked,
        };
        let mut driven = nothing_driven(standing);
        if start.dry_run && verdict != Verdict::Deny {
            driven.attempts = rehearse::steps(ledger, &Arc::new(run), driver, tell)?;
        }
        driven.receipts.push(id);
        driven.ruling = Some(pointed.ruling);
        return Ok(driven);
    }
    let _lock = lock(ledger, id)?;
    run.chain = Some(reference(Rel::Chain, &pointed.receipt));
    run.started = pointed.receipt.timestamp;
    tell(Progress::Begun(id));
    let mut driven = drive(ledger, Arc::new(run), Vec::new(), (driver, false), tell)?;
    driven.receipts.insert(0, id);
    driven.ruling = Some(pointed.ruling);
    Ok(driven)
}

pub(super) fn resume(
    ledger: &Ledger,
    id: ReceiptId,
    driver: &Driver,
    tell: &mut dyn FnMut(Progress),
) -> Result<Driven, WorkflowError> {
    let _lock = lock(ledger, id)?;
    let (run, chain) = load::run(ledger, id)?;
    if chain.closed.is_some() {
        return Err(WorkflowError::Ended(id));
    }
    let recorded = record::of_run(ledger, &chain, &run.spec)?;
    drive(ledger, Arc::new(run), recorded, (driver, false), tell)
}

pub(super) fn lock(ledger: &Ledger, id: ReceiptId) -> Result<RunLock, WorkflowError> {
    RunLock::take(ledger, id).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => WorkflowError::Busy(id),
        _ => WorkflowError::Lock(error),
    })
}

pub(super) const fn nothing_driven(standing: Standing) -> Driven {
    Driven {
        standing,
        chain: None,
        ruling: None,
        receipts: Vec::new(),
        attempts: Vec::new(),
        outputs: BTreeMap::new(),
        reasons: Vec::new(),
        count: Count { completed: 0, failed: 0, skipped: 0, unknown: 0 },
        unknown: Vec::new(),
        spent: (0, 0),
    }
}

/// A run in this process.
struct Drive<'a> {
    ledger: &'a Ledger,
    run: Arc<Loaded>,
    driver: &'a Driver,
    router: Option<Router>,
    machine: Workflow,
    /// What the machine has asked for and is not over.
    asked_for: BTreeMap<Place, Rendered>,
    /// The escalation that each attempt has left.
    escalations: BTreeMap<Place, ReceiptId>,
    /// The run that each attempt has started.
    calls: BTreeMap<Place, ReceiptId>,
    /// To be started.
    queue: VecDeque<Place>,
    /// Waits, by when they are over.
    timers: Vec<(Timestamp, Place)>,
    flying: usize,
    end: Option<End>,
    driven: Driven,
}

fn drive(
    ledger: &Ledger,
    run: Arc<Loaded>,
    recorded: Vec<Recorded>,
    (driver, is_to_end): (&Driver, bool),
    tell: &mut dyn FnMut(Progress),
) -> Result<Driven, WorkflowError> {
    let chain = run.chain.clone().ok_or(WorkflowError::Unsettled)?;
    let id = chain.receipt_id;
    let machine = Workflow::new(run.held(), &run.inputs, &id.to_string(), run.started);
    let mut drive = Drive {
        ledger,
        driver,
        router: router_of(&run.spec, driver)?,
        machine,
        asked_for: BTreeMap::new(),
        escalations: BTreeMap::new(),
        calls: BTreeMap::new(),
        queue: VecDeque::new(),
        timers: Vec::new(),
        flying: 0,
        end: None,
        driven: nothing_driven(Standing::Waits),
        run,
    };
    drive.driven.chain = Some(id);
    drive.restore(id, recorded)?;
    let effects = if is_to_end { drive.machine.wind_up(facts::now()) } else { drive.machine.go_on() };
    drive.take(effects);
    drive.tell_faults(tell);
    match drive.perform(tell).and_then(|()| drive.finish(chain)) {
        // Somebody else has ended the run: whatever was running was ended with it.
        Err(WorkflowError::Append(AppendError::ChainEnded { .. }) | WorkflowError::Ended(_)) => {
            drive.driven.standing = Standing::Aborted;
            drive.driven.reasons = vec!["cancelled".to_owned()];
        }
        other => other?,
    }
    Ok(drive.driven)
}

impl Drive<'_> {
    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Start { place, what } => {
                    self.queue.push_back(place);
                    self.asked_for.insert(place, what);
                }
                Effect::Finish(end) => self.end = Some(end),
            }
        }
    }

    fn feed(&mut self, event: Event) -> Result<(), WorkflowError> {
        let chain = self.driven.chain.unwrap_or(ReceiptId([0; 8]));
        let effects = self.machine.step(event);
        let effects =
            effects.map_err(|unexpected| WorkflowError::Diverged { chain, why: unexpected.to_string() })?;
        self.take(effects);
        Ok(())
    }

    /// Takes over what is recorded, in its order. A denial leaves no receipt of its step: where what follows could not
    /// have started without it, it had been heard.
    fn restore(&mut self, chain: ReceiptId, recorded: Vec<Recorded>) -> Result<(), WorkflowError> {
        let mut open = std::collections::BTreeSet::new();
        for one in recorded {
            match one.what {
                What::Asked => _ = self.escalations.insert(one.place, one.receipt_id),
                What::Called => {
                    self.escalations.remove(&one.place);
                    self.calls.insert(one.place, one.receipt_id);
                }
                _ => {}
            }
            let Some(event) = judged(&self.run, &one) else { continue };
            match event {
                Event::Started { place, .. } => _ = open.insert(place),
                Event::Ended { place, .. } => _ = open.remove(&place),
                Event::Settled { .. } | Event::Woke { .. } | Event::Cancelled { .. } => {}
            }
            self.escalations.retain(|place, _| *place != one.place || matches!(one.what, What::Asked));
            if self.machine.restore(&event).is_ok() {
                continue;
            }
            self.take_denials(one.at)?;
            self.machine.restore(&event).map_err(|_| {
                let why = format!("{} was not due", one.receipt_id);
                WorkflowError::Diverged { chain, why }
            })?;
        }
        if !open.is_empty() {
            return Err(WorkflowError::StillEnding(chain));
        }
        // Windows and limits are those of now, whatever the record ends with.
        if self.machine.restore(&Event::Woke { at: facts::now() }).is_err() {
            return Err(WorkflowError::Unsettled);
        }
        Ok(())
    }

    fn take_denials(&mut self, at: Timestamp) -> Result<(), WorkflowError> {
        let asked: Vec<(Place, ReceiptId)> = self.escalations.iter().map(|(at, id)| (*at, *id)).collect();
        for (place, id) in asked {
            let denied = |subject: &cascade_ledger::Subject| subject.state == SubjectState::Denied;
            if self.ledger.subject(id)?.as_ref().is_some_and(denied) {
                let ended = Ended::Refused;
                // One that cannot have been denied by then stays as it is.
                _ = self.machine.restore(&Event::Ended { place, at, ended, result: BTreeMap::new() });
                self.escalations.remove(&place);
            }
        }
        Ok(())
    }

    /// Performs attempts until there is nothing to do: the run is over, or waits for people.
    fn perform(&mut self, tell: &mut dyn FnMut(Progress)) -> Result<(), WorkflowError> {
        let (ledger, driver, run) = (self.ledger, self.driver, Arc::clone(&self.run));
        let (to, from) = channel();
        let router = self.router.take();
        std::thread::scope(|scope| {
            let mut failed = None;
            while failed.is_none() {
                let attempting = Attempting { ledger, run: &run, driver, router: router.as_ref() };
                self.launch(scope, attempting, &to, tell);
                if self.flying == 0 && self.timers.is_empty() {
                    if self.end.is_some() {
                        return Ok(());
                    }
                    match self.machine.rest() {
                        Rest::Until(_) => {}
                        Rest::Running | Rest::People => return Ok(()),
                    }
                }
                failed = self.wait(&from, tell).err();
            }
            // What runs is waited for: every attempt has its receipt before the error is told.
            while self.flying > 0 && from.recv().is_ok() {
                self.flying -= 1;
            }
            failed.map_or(Ok(()), Err)
        })
    }

    fn launch<'scope, 'env: 'scope>(
        &mut self,
        scope: &'scope Scope<'scope, 'env>,
        attempting: Attempting<'env>,
        to: &Sender<Result<Done, WorkflowError>>,
        tell: &mut dyn FnMut(Progress),
    ) {
        let now = facts::now();
        let (due, later) = self.timers.drain(..).partition(|(until, _)| *until <= now);
        self.timers = later;
        let due: Vec<(Timestamp, Place)> = due;
        let mut ready: Vec<Place> = due.into_iter().map(|(_, place)| place).collect();
        while let Some(place) = self.queue.pop_front() {
            match self.asked_for.get(&place) {
                Some(Rendered::Wait(until)) if *until > now => self.timers.push((*until, place)),
                Some(_) => ready.push(place),
                None => {}
            }
        }
        for place in ready {
            if self.flying >= FLYING_MAX {
                self.queue.push_back(place);
                continue;
            }
            let Some(what) = self.asked_for.get(&place).cloned() else { continue };
            let of = |known: &BTreeMap<Place, ReceiptId>| known.get(&place).copied();
            let (before, to) = (Before { asked: of(&self.escalations), called: of(&self.calls) }, to.clone());
            self.flying += 1;
            tell(Progress::Starts(place));
            scope.spawn(move || {
                // Nobody hears it only where the drive itself has gone.
                drop(to.send(attempting.perform(place, &what, before)));
            });
        }
    }

    /// Waits for the end of an attempt, or until time has passed.
    fn wait(
        &mut self,
        from: &Receiver<Result<Done, WorkflowError>>,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<(), WorkflowError> {
        let due = self.timers.iter().map(|(until, _)| *until).min();
        let rest = match self.machine.rest() {
            Rest::Until(until) => Some(until),
            Rest::Running | Rest::People => None,
        };
        let nap = due.into_iter().chain(rest).min().map_or(NAP_MAX, |until| {
            Duration::from_millis(until.ms().saturating_sub(facts::now().ms())).min(NAP_MAX)
        });
        match from.recv_timeout(nap) {
            Ok(done) => {
                self.flying -= 1;
                self.ended(done?, tell)
            }
            Err(RecvTimeoutError::Timeout) => self.feed(Event::Woke { at: facts::now() }),
            Err(RecvTimeoutError::Disconnected) => Ok(()),
        }
    }

    fn ended(&mut self, done: Done, tell: &mut dyn FnMut(Progress)) -> Result<(), WorkflowError> {
        let attempt = Attempt {
            place: done.place,
            ended: word_of(&done.ended),
            // What waits names what people can answer, and nothing else.
            receipt_id: match done.ended {
                Ended::Waiting => done.asks,
                _ => done.receipts.last().copied(),
            },
            reasons: done.reasons.clone(),
            exit_code: done.result.get("exit_code").and_then(Value::as_int),
        };
        tell(Progress::Ended(attempt.clone()));
        self.driven.attempts.push(attempt);
        self.driven.receipts.extend(&done.receipts);
        self.asked_for.remove(&done.place);
        self.feed(Event::Ended { place: done.place, at: done.at, ended: done.ended, result: done.result })?;
        self.tell_faults(tell);
        Ok(())
    }

    /// Steps that could not even be asked for, because an expression of theirs has no value.
    fn tell_faults(&mut self, tell: &mut dyn FnMut(Progress)) {
        for (place, message) in self.machine.take_faults() {
            let attempt =
                Attempt { place, ended: "failed", receipt_id: None, reasons: vec![message], exit_code: None };
            tell(Progress::Ended(attempt.clone()));
            self.driven.attempts.push(attempt);
        }
    }

    fn finish(&mut self, chain: Ref) -> Result<(), WorkflowError> {
        self.driven.unknown = self.machine.unknown().collect();
        self.driven.spent = self.machine.spent();
        let Some(mut end) = self.end.take() else { return Ok(()) };
        // A run that waits for people is not waited for where everything is being ended: it is ended and undone, too.
        let calls = self.run.spec.steps.iter().any(|step| matches!(step.work, Work::Workflow(_)));
        let open = if calls { sub::open_children(self.ledger, chain.receipt_id)? } else { Vec::new() };
        for child in open {
            let ended = match wind_up(self.ledger, child, self.driver) {
                Ok(driven) => driven,
                Err(WorkflowError::Ended(_)) => look(self.ledger, child)?,
                Err(other) => return Err(other),
            };
            self.driven.receipts.extend(ended.receipts);
            if ended.standing == Standing::Waits {
                // Something of it can be ended by people alone.
                let asked = ended.attempts.into_iter().filter(|attempt| attempt.ended == "waiting");
                self.driven
                    .attempts
                    .extend(asked.map(|attempt| Attempt { reasons: vec![nested(child)], ..attempt }));
                return Ok(());
            }
            end.count.skipped = end.count.skipped.saturating_sub(1);
            match sub::ended_of(ended.count.unknown, &ended.reasons) {
                Ended::Unknown => end.count.unknown += 1,
                _ => end.count.failed += 1,
            }
        }
        let closed = close(self.ledger, (chain, self.run.spec_hash), &end, self.driver)?;
        self.driven.receipts.push(closed.receipt_id);
        self.driven.standing = if end.completed { Standing::Completed } else { Standing::Aborted };
        (self.driven.outputs, self.driven.reasons, self.driven.count) = (end.outputs, end.reasons, end.count);
        Ok(())
    }
}

/// Ends a run that another one has started: nothing of it starts any more, and what was done is undone.
fn wind_up(ledger: &Ledger, id: ReceiptId, driver: &Driver) -> Result<Driven, WorkflowError> {
    let _lock = lock(ledger, id)?;
    let (run, chain) = load::run(ledger, id)?;
    if chain.closed.is_some() {
        return Err(WorkflowError::Ended(id));
    }
    let recorded = record::of_run(ledger, &chain, &run.spec)?;
    drive(ledger, Arc::new(run), recorded, (driver, true), &mut |_| {})
}

fn nested(child: ReceiptId) -> String {
    format!("of run {child}")
}

/// Whoever answers the tasks of a specification; nobody where it has none.
pub(super) fn router_of(spec: &Spec, driver: &Driver) -> Result<Option<Router>, WorkflowError> {
    if !spec.steps.iter().any(|step| matches!(step.work, Work::Task(_))) {
        return Ok(None);
    }
    let workers = usize::try_from(spec.constraints.max_parallel).unwrap_or(SMOKES_MAX).min(SMOKES_MAX);
    Ok(Some(Router::new(workers.max(1), driver.models.clone())?))
}

/// The last receipt of a run.
pub(super) fn close(
    ledger: &Ledger,
    (chain, spec_hash): (Ref, Digest),
    end: &End,
    driver: &Driver,
) -> Result<Appended, WorkflowError> {
    let body = Body::ChainClosed(ChainClosed {
        completed: end.completed,
        chain,
        spec_hash,
        principal: driver.asker.principal_id(),
        reasons: end.reasons.iter().map(|code| Reason::code(code)).collect(),
        steps: StepCounts {
            completed: end.count.completed,
            failed: end.count.failed,
            skipped: end.count.skipped,
            unknown: end.count.unknown,
        },
    });
    ledger.append(Draft::new(cascade_ledger::receipt_id()?, body)).map_err(|error| match error {
        AppendError::ChainEnded { chain } => WorkflowError::Ended(chain),
        other => WorkflowError::Append(other),
    })
}
