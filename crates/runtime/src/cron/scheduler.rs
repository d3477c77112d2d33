//! The scheduler: waits for what is due, puts it on record, lets it run on threads of its own.
//!
//! Invocations are put on record by one thread, in the order in which they were due, and start when there is room. What
//! was not on record when a scheduler died is missed by the next one, which catches up on it as the schedule says.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Scope;
use std::time::Duration;

use cascade_kernel::schedule::{Overlap, Rules, Standing, Step};
use cascade_ledger::{AppendError, Ledger, Schedule};
use cascade_receipt::content::CronOutcome;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::time::Timestamp;

use super::definition::{Stored, stored};
use super::fire::{self, Fired, Ran};
use super::{ABSENT, CronError, Ending, HALTED, OVERLAP, SUSPENDED};
use crate::facts;
use crate::process::Signals;
use crate::run_lock::RunLock;
use crate::workflow::Driver;

/// Most that runs at once; what is due beyond that waits for room.
pub const RUNNING_MAX: usize = 64;
/// Most that is on record and waits for room; while it is reached nothing more is taken, and becomes late.
pub const WAITING_MAX: usize = 1024;
/// How often changes by other processes are looked for, and signals: nobody tells one process what another one did.
const LOOK: Duration = Duration::from_millis(500);
/// How many of its last invocations are looked at for whether somebody else's still runs.
const OTHERS: u32 = 8;

/// What is told while a scheduler goes on. The name comes first.
#[derive(Clone, Debug)]
pub enum Told {
    /// So many schedules are looked after.
    Begun(usize),
    /// Somebody else added this one, and only who added it, or may be taken for that principal, lets it run.
    Others(String),
    /// Its definition is erased or damaged.
    Lost(ReceiptId),
    /// It starts, for this time.
    Fires(String, Timestamp, ReceiptId),
    /// It does not, and why.
    Skipped(String, Timestamp, &'static str, ReceiptId),
    /// It was due so often while nobody looked, or more often.
    Missed(String, Timestamp, u64, bool, ReceiptId),
    /// What was started is over.
    Ended(String, ReceiptId, Ran),
    /// It goes no further after this.
    Stopped,
}

/// Looks after the schedules of a chain.
#[derive(Debug)]
pub struct Scheduler<'a> {
    ledger: &'a Ledger,
    driver: &'a Driver,
    entries: BTreeMap<ReceiptId, Entry>,
    /// By when they fire next.
    wakes: BinaryHeap<Reverse<(Timestamp, ReceiptId)>>,
    /// On record, and waiting for room.
    ready: VecDeque<Ready>,
    flying: usize,
    /// The place up to which changes of schedules were looked at.
    looked: Option<u64>,
}

#[derive(Debug)]
struct Entry {
    schedule: Schedule,
    name: Box<str>,
    rules: Rules,
    standing: Standing,
    /// When it is looked at again; other alarms are out of date.
    alarm: Option<Timestamp>,
    /// Something of it runs in another process: what invoked that.
    elsewhere: Option<ReceiptId>,
    /// Who it runs for differs from who looks after it.
    driver: Option<Box<Driver>>,
}

#[derive(Debug)]
struct Ready {
    schedule: Schedule,
    name: String,
    driver: Driver,
    fired: Fired,
}

type Over = (ReceiptId, String, ReceiptId, Ran);

impl<'a> Scheduler<'a> {
    /// Reads the schedules that this driver may let run.
    ///
    /// # Errors
    /// [`CronError`].
    pub fn new(
        ledger: &'a Ledger,
        driver: &'a Driver,
        tell: &mut dyn FnMut(Told),
    ) -> Result<Self, CronError> {
        let mut scheduler = Self {
            ledger,
            driver,
            entries: BTreeMap::new(),
            wakes: BinaryHeap::new(),
            ready: VecDeque::new(),
            flying: 0,
            looked: None,
        };
        scheduler.look(tell)?;
        tell(Told::Begun(scheduler.entries.len()));
        Ok(scheduler)
    }

    /// How many schedules it looks after.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// Goes on until a signal ends it; or, `once`, until what is due now is over.
    ///
    /// # Errors
    /// [`CronError`]; what runs is waited for.
    pub fn run(&mut self, once: bool, tell: &mut dyn FnMut(Told)) -> Result<(), CronError> {
        let mut signals = Signals::collect().map_err(CronError::Prepare)?;
        let (to, from) = channel();
        std::thread::scope(|scope| {
            let mut done = Ok(());
            while done.is_ok() {
                if signals.pending().iter().any(|signal| ends(*signal)) {
                    tell(Told::Stopped);
                    break;
                }
                done = self.turn(scope, &to, tell);
                if once && self.flying == 0 && self.ready.is_empty() {
                    break;
                }
                if done.is_ok() {
                    done = self.wait(&from, tell);
                }
            }
            // What runs is waited for: everything has its receipt before the end is told.
            self.ready.clear();
            while self.flying > 0
                && let Ok(over) = from.recv()
            {
                self.flying -= 1;
                tell_end(over, tell);
            }
            done
        })
    }

    /// Looks at the clock and at the chain once, and starts what there is room for.
    fn turn<'scope, 'env: 'scope>(
        &mut self,
        scope: &'scope Scope<'scope, 'env>,
        to: &Sender<Over>,
        tell: &mut dyn FnMut(Told),
    ) -> Result<(), CronError>
    where
        'a: 'env,
    {
        self.look(tell)?;
        self.look_elsewhere(tell)?;
        while self.ready.len() < WAITING_MAX
            && let Some(Reverse((at, id))) = self.wakes.peek().copied()
            && at <= facts::now()
        {
            self.wakes.pop();
            self.wake(id, at, tell)?;
        }
        while self.flying < RUNNING_MAX
            && let Some(ready) = self.ready.pop_front()
        {
            self.flying += 1;
            let (ledger, to) = (self.ledger, to.clone());
            scope.spawn(move || {
                let Ready { schedule, name, driver, fired } = ready;
                let ran = match stored(ledger, &schedule) {
                    Ok(Stored::Whole(definition)) => {
                        fire::start(ledger, &schedule, &definition, &fired, &driver)
                    }
                    Ok(Stored::Erased | Stored::Damaged) => lost("its definition is erased or damaged"),
                    Err(fault) => lost(&fault.to_string()),
                };
                let invocation = fired.receipt.receipt_id;
                // Its lock is free before anybody hears that it is over.
                drop(fired);
                // Nobody hears it only where the scheduler itself has gone.
                drop(to.send((schedule.receipt_id, name, invocation, ran)));
            });
        }
        Ok(())
    }

    /// Waits for the end of something, or until something is due.
    fn wait(&mut self, from: &Receiver<Over>, tell: &mut dyn FnMut(Told)) -> Result<(), CronError> {
        let due = self.wakes.peek().map(|Reverse((at, _))| at.ms().saturating_sub(facts::now().ms()));
        let is_full = self.ready.len() >= WAITING_MAX;
        let nap = due.filter(|_| !is_full).map_or(LOOK, |ms| Duration::from_millis(ms).min(LOOK));
        match from.recv_timeout(nap) {
            Ok(over) => {
                self.flying -= 1;
                let schedule = over.0;
                tell_end(over, tell);
                self.ended(schedule, tell)
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(()),
        }
    }

    /// Takes over what others changed about schedules.
    fn look(&mut self, tell: &mut dyn FnMut(Told)) -> Result<(), CronError> {
        let changed = self.ledger.schedules_changed()?;
        if changed.is_none() || changed == self.looked {
            return Ok(());
        }
        let live = self.ledger.schedules()?;
        let ids: std::collections::BTreeSet<ReceiptId> = live.iter().map(|one| one.receipt_id).collect();
        self.entries.retain(|id, _| ids.contains(id));
        for schedule in live {
            if self.looked.is_none_or(|looked| schedule.changed_seq > looked) {
                self.take_over(schedule, tell)?;
            }
        }
        self.looked = changed;
        Ok(())
    }

    fn take_over(&mut self, schedule: Schedule, tell: &mut dyn FnMut(Told)) -> Result<(), CronError> {
        let id = schedule.receipt_id;
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.standing.seen = entry.standing.seen.max(schedule.through);
            entry.standing.waiting.clear();
            entry.schedule = schedule;
            self.set_alarm(id);
            return Ok(());
        }
        let definition = match stored(self.ledger, &schedule)? {
            Stored::Whole(definition) => *definition,
            Stored::Erased | Stored::Damaged => {
                tell(Told::Lost(id));
                return Ok(());
            }
        };
        let Some(asker) = fire::on_behalf(self.ledger, &self.driver.asker, &schedule)? else {
            tell(Told::Others(definition.name));
            return Ok(());
        };
        let is_own = asker.assumed == self.driver.asker.assumed;
        let driver = (!is_own).then(|| Box::new(Driver { asker, ..self.driver.clone() }));
        let entry = Entry {
            standing: Standing::new(schedule.through),
            name: definition.name.into_boxed_str(),
            rules: definition.rules,
            schedule,
            alarm: None,
            elsewhere: None,
            driver,
        };
        self.entries.insert(id, entry);
        self.set_alarm(id);
        Ok(())
    }

    fn set_alarm(&mut self, id: ReceiptId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let at = entry.rules.wakes_at(id, &entry.standing).filter(|_| !entry.schedule.paused);
        entry.alarm = at;
        self.wakes.extend(at.map(|at| Reverse((at, id))));
    }

    /// Does what a schedule says is to be done by now.
    fn wake(&mut self, id: ReceiptId, alarm: Timestamp, tell: &mut dyn FnMut(Told)) -> Result<(), CronError> {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.alarm == Some(alarm)) else {
            return Ok(());
        };
        if entry.rules.overlap() != Overlap::Allow && entry.standing.running == 0 {
            entry.elsewhere = runs_elsewhere(self.ledger, id)?;
            entry.standing.running = u32::from(entry.elsewhere.is_some());
        }
        let (steps, next) = entry.rules.wake(id, &mut entry.standing, facts::now());
        entry.alarm = next;
        let seen = entry.standing.seen;
        for step in steps {
            self.perform(id, step, tell)?;
        }
        match self.entries.get(&id) {
            Some(entry) if entry.standing.seen == seen && !entry.schedule.paused => {
                self.wakes.extend(next.map(|at| Reverse((at, id))));
            }
            // Somebody else was faster.
            Some(_) => self.set_alarm(id),
            None => {}
        }
        Ok(())
    }

    fn perform(&mut self, id: ReceiptId, step: Step, tell: &mut dyn FnMut(Told)) -> Result<(), CronError> {
        match step {
            Step::Run(due) => self.fire(id, due, tell),
            Step::Skip(due) => {
                let appended = self.note(id, (due, CronOutcome::Skip), OVERLAP)?;
                if let Some((name, receipt)) = appended {
                    tell(Told::Skipped(name, due, OVERLAP, receipt));
                }
                Ok(())
            }
            Step::Miss { due, until, count, truncated } => {
                let outcome = CronOutcome::Miss { until, count, truncated };
                if let Some((name, receipt)) = self.note(id, (due, outcome), ABSENT)? {
                    tell(Told::Missed(name, due, count, truncated, receipt));
                }
                Ok(())
            }
        }
    }

    fn fire(&mut self, id: ReceiptId, due: Timestamp, tell: &mut dyn FnMut(Told)) -> Result<(), CronError> {
        if self.gives_way(id, due)? {
            return Ok(());
        }
        let Some(entry) = self.entries.get(&id) else { return Ok(()) };
        let driver = entry.driver.as_deref().unwrap_or(self.driver);
        match fire::put_on_record(self.ledger, &entry.schedule, Some(due), driver) {
            Ok(fired) => {
                let name = entry.name.to_string();
                tell(Told::Fires(name.clone(), due, fired.receipt.receipt_id));
                let (schedule, driver) = (entry.schedule.clone(), driver.clone());
                self.ready.push_back(Ready { schedule, name, driver, fired });
                Ok(())
            }
            Err(CronError::Append(error @ (AppendError::Halted | AppendError::Suspended))) => {
                let why = if error == AppendError::Halted { HALTED } else { SUSPENDED };
                if let Some((name, receipt)) = self.note(id, (due, CronOutcome::Skip), why)? {
                    tell(Told::Skipped(name, due, why, receipt));
                }
                self.ended(id, tell)
            }
            Err(CronError::Append(error)) => {
                self.is_overtaken(id, error)?;
                self.ended(id, tell)
            }
            Err(other) => Err(other),
        }
    }

    /// Whether another process has begun something of it meanwhile, which it must not run beside: then this time waits
    /// for that, or is left to whoever comes next.
    fn gives_way(&mut self, id: ReceiptId, due: Timestamp) -> Result<bool, CronError> {
        let Some(entry) = self.entries.get_mut(&id) else { return Ok(false) };
        if entry.rules.overlap() == Overlap::Allow {
            return Ok(false);
        }
        entry.elsewhere = runs_elsewhere(self.ledger, id)?;
        if entry.elsewhere.is_some() {
            entry.standing.waiting.push_front(due);
        }
        Ok(entry.elsewhere.is_some())
    }

    /// Puts on record that nothing is started; nothing where somebody else was faster.
    fn note(
        &mut self,
        id: ReceiptId,
        what: (Timestamp, CronOutcome),
        code: &str,
    ) -> Result<Option<(String, ReceiptId)>, CronError> {
        let Some(entry) = self.entries.get(&id) else { return Ok(None) };
        let driver = entry.driver.as_deref().unwrap_or(self.driver);
        match fire::note(self.ledger, &entry.schedule, what, code, driver) {
            Ok(appended) => Ok(Some((entry.name.to_string(), appended.receipt_id))),
            Err(error) => {
                self.is_overtaken(id, error)?;
                Ok(None)
            }
        }
    }

    /// Another scheduler was faster, or somebody has paused or removed it meanwhile: what the chain says holds.
    fn is_overtaken(&mut self, id: ReceiptId, error: AppendError) -> Result<(), CronError> {
        match error {
            AppendError::CronHandled { .. }
            | AppendError::CronEarly { .. }
            | AppendError::ScheduleGone { .. }
            | AppendError::ScheduleState { .. } => {}
            other => return Err(CronError::Append(other)),
        }
        match self.ledger.schedule(id)? {
            Some(schedule) => {
                if let Some(entry) = self.entries.get_mut(&id) {
                    // A time that had not come by the clock of the chain is looked at again.
                    entry.standing.seen = match error {
                        AppendError::CronEarly { .. } => schedule.through,
                        _ => entry.standing.seen.max(schedule.through),
                    };
                    entry.schedule = schedule;
                }
            }
            None => drop(self.entries.remove(&id)),
        }
        Ok(())
    }

    /// One of a schedule is over: what waited for that comes next.
    fn ended(&mut self, id: ReceiptId, tell: &mut dyn FnMut(Told)) -> Result<(), CronError> {
        let Some(entry) = self.entries.get_mut(&id) else { return Ok(()) };
        match entry.rules.ended(&mut entry.standing) {
            Some(due) => self.fire(id, due, tell),
            None => Ok(()),
        }
    }

    /// Whether what runs in other processes still does.
    fn look_elsewhere(&mut self, tell: &mut dyn FnMut(Told)) -> Result<(), CronError> {
        let is_over = |entry: &Entry| entry.elsewhere.is_some_and(|id| !RunLock::is_held(self.ledger, id));
        let over: Vec<ReceiptId> =
            self.entries.iter().filter(|(_, entry)| is_over(entry)).map(|(id, _)| *id).collect();
        for id in over {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.elsewhere = None;
            }
            self.ended(id, tell)?;
        }
        Ok(())
    }
}

/// What was invoked in another process and still runs.
fn runs_elsewhere(ledger: &Ledger, schedule: ReceiptId) -> Result<Option<ReceiptId>, CronError> {
    let invocations = ledger.invocations(schedule, OTHERS)?;
    let runs = invocations.iter().filter(|one| one.outcome == CronOutcome::Run.as_str());
    Ok(runs.map(|one| one.receipt_id).find(|id| RunLock::is_held(ledger, *id)))
}

fn lost(why: &str) -> Ran {
    Ran { ending: Ending::Unstarted, receipts: Vec::new(), reasons: vec![why.to_owned()], exit_code: None }
}

fn tell_end((_, name, invocation, ran): Over, tell: &mut dyn FnMut(Told)) {
    tell(Told::Ended(name, invocation, ran));
}

/// Whether a signal ends a scheduler; others are for what it runs.
fn ends(signal: i32) -> bool {
    use rustix::process::Signal;
    [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT].iter().any(|one| one.as_raw() == signal)
}
