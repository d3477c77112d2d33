//! Schedules: what fires is there, and each time at which it was due is dealt with once.

use alloc::collections::BTreeMap;

use crate::content::{ChangeWord, Rel};
use crate::id::ReceiptId;
use crate::kind::Kind;
use crate::reader::{Content, Meaning};
use crate::time::Timestamp;
use crate::verify::code::Code;

#[derive(Clone, Debug, Default)]
pub(super) struct Schedules {
    /// By the `schedule_changed` that added each.
    all: BTreeMap<ReceiptId, Schedule>,
    /// Each invocation that starts something, and whether that has started.
    runs: BTreeMap<ReceiptId, bool>,
}

#[derive(Clone, Copy, Debug)]
struct Schedule {
    paused: bool,
    removed: bool,
    /// When it was added, or resumed last.
    since: Timestamp,
    /// Whatever was due until then is dealt with.
    through: Option<Timestamp>,
}

/// Whether a receipt of this kind names a schedule by rel `cron`, and not an invocation of one.
pub(super) const fn is_of_schedule(kind: Option<Kind>) -> bool {
    matches!(kind, Some(Kind::ScheduleChanged | Kind::CronInvocation))
}

impl Schedules {
    /// A ref of rel `cron` that names a receipt of the right kind.
    pub(super) fn check_ref(&self, kind: Kind, named: ReceiptId) -> Result<(), Code> {
        match kind {
            Kind::ScheduleChanged if !self.all.contains_key(&named) => Err(Code::RefKind),
            Kind::CronInvocation if !self.runs.contains_key(&named) => Err(Code::CronRun),
            _ => Ok(()),
        }
    }

    /// `schedule_changed`.
    pub(super) fn change(&mut self, content: &Content<'_>, change: ChangeWord) -> Result<(), Code> {
        if change == ChangeWord::Added {
            if content.refs_of(Rel::Cron).next().is_some() {
                return Err(Code::CronRef);
            }
            let schedule =
                Schedule { paused: false, removed: false, since: content.timestamp, through: None };
            self.all.insert(content.receipt_id, schedule);
            return Ok(());
        }
        let schedule = self.named(content)?;
        let fits = !schedule.removed
            && match change {
                ChangeWord::Paused => !schedule.paused,
                ChangeWord::Resumed => schedule.paused,
                ChangeWord::Added | ChangeWord::Removed => true,
            };
        if !fits {
            return Err(Code::ScheduleState);
        }
        schedule.paused = change == ChangeWord::Paused;
        schedule.removed = change == ChangeWord::Removed;
        if change == ChangeWord::Resumed {
            schedule.since = content.timestamp;
        }
        Ok(())
    }

    /// `cron_invocation`.
    pub(super) fn fire(&mut self, content: &Content<'_>) -> Result<(), Code> {
        let Meaning::CronInvocation { runs, due, until } = content.meaning else { return Ok(()) };
        let schedule = self.named(content)?;
        if schedule.removed || schedule.paused {
            return Err(Code::ScheduleState);
        }
        if let Some(due) = due {
            let end = until.unwrap_or(due);
            if due <= schedule.since || end < due || end > content.timestamp {
                return Err(Code::CronDue);
            }
            if schedule.through.is_some_and(|through| due <= through) {
                return Err(Code::CronTwice);
            }
            schedule.through = Some(end);
        }
        if runs {
            self.runs.insert(content.receipt_id, false);
        }
        Ok(())
    }

    /// What runs for an invocation is the only thing that does.
    pub(super) fn use_up(&mut self, content: &Content<'_>) -> Result<(), Code> {
        for one in content.refs_of(Rel::Cron) {
            if let Some(used) = self.runs.get_mut(&one.receipt_id)
                && core::mem::replace(used, true)
            {
                return Err(Code::CronTwice);
            }
        }
        Ok(())
    }

    /// The one schedule that a receipt names.
    fn named(&mut self, content: &Content<'_>) -> Result<&mut Schedule, Code> {
        let mut refs = content.refs_of(Rel::Cron);
        let (Some(one), None) = (refs.next(), refs.next()) else { return Err(Code::CronRef) };
        self.all.get_mut(&one.receipt_id).ok_or(Code::RefKind)
    }
}
