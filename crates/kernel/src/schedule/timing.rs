//! When a schedule is due: five fields of a clock in a zone, by the time zones that this program carries.
//!
//! A clock that is put forward leaves times out, one that is put back has times twice. Where the hour field is `*`, a
//! schedule is due at every real moment that fits: it keeps its pace. Otherwise it is meant by the clock, and is due
//! once: for a time that is left out when the clock has been put forward, for one that comes twice at the first.

use std::sync::{LazyLock, Mutex, PoisonError};

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use cascade_receipt::time::Timestamp;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Zoned;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

/// Longest expression.
pub const EXPRESSION_BYTES_MAX: usize = 256;

const NAMES: [&str; 6] = ["@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@annually"];
const FIELDS: [&str; 5] = ["minute", "hour", "day of the month", "month", "day of the week"];
/// The field that is named where no day ever fits.
const DAY: usize = 2;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
/// Zones that were read: one has two kilobytes, and many schedules share a few.
static READ: Mutex<BTreeMap<String, TimeZone>> = Mutex::new(BTreeMap::new());

/// When a schedule is due.
///
/// It keeps the text and not what a parser makes of it, which is fifty times as long: a scheduler holds many, and looks
/// at few at a time.
#[derive(Clone, Debug)]
pub struct Timing {
    at: String,
    zone: TimeZone,
    keeps_pace: bool,
}

/// Why an expression or a zone is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct TimingFault {
    /// Where in the expression, from 1; nothing where it is about the zone.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl Timing {
    /// Reads `30 4 * * mon-fri` and `Europe/Berlin`.
    ///
    /// # Errors
    /// [`TimingFault`]; also where the expression is never due.
    pub fn parse(at: &str, zone: &str) -> Result<Self, TimingFault> {
        let fault = |column, message: &str| TimingFault { column: Some(column), message: message.to_owned() };
        if at.len() > EXPRESSION_BYTES_MAX {
            return Err(fault(EXPRESSION_BYTES_MAX + 1, "the expression is longer than 256 bytes"));
        }
        if let Some(place) = at.bytes().position(|byte| byte != b' ' && !byte.is_ascii_graphic()) {
            return Err(fault(
                place + 1,
                "an expression has letters, digits, signs and blanks of ASCII alone",
            ));
        }
        let zone = zone_of(zone)?;
        let fields = fields_of(at);
        let is_named = at.trim_start().starts_with('@');
        if is_named {
            let column = fields.first().map_or(1, |(column, _)| *column);
            if !NAMES.contains(&at.trim().to_ascii_lowercase().as_str()) {
                let message = alloc::format!("of names there are {}", NAMES.join(", "));
                return Err(fault(column, &message));
            }
        } else if fields.len() != FIELDS.len() || parser().parse(at).is_err() {
            return Err(fault_of(&fields, at));
        }
        let keeps_pace = match fields.get(1) {
            Some((_, hour)) => *hour == "*",
            None => at.trim().eq_ignore_ascii_case("@hourly"),
        };
        let timing = Self { at: at.to_owned(), zone, keeps_pace };
        if timing.after(Timestamp::from_ms(0)).next().is_none() {
            let column = fields.get(DAY).map_or(1, |(column, _)| *column);
            return Err(fault(column, "no day is ever such a one: it would never be due"));
        }
        Ok(timing)
    }

    /// The expression.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.at
    }

    /// The zone.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or_default()
    }

    /// Every time at which it is due, after this one.
    #[must_use]
    pub fn after(&self, from: Timestamp) -> Dues<'_> {
        Dues { timing: self, cron: parser().parse(&self.at).ok().map(Arc::new), last: moment(from) }
    }

    /// The moment at which its clock shows this.
    fn moment_of(&self, clock: DateTime) -> Option<jiff::Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(clock);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => ambiguous.unambiguous().ok(),
            AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
            AmbiguousOffset::Gap { .. } => {
                let before = ambiguous.earlier().ok()?;
                self.zone.following(before).next().map(|turn| turn.timestamp())
            }
        }
    }
}

/// The times at which a schedule is due, in their order.
#[derive(Debug)]
pub struct Dues<'a> {
    timing: &'a Timing,
    cron: Option<Arc<Cron>>,
    last: Option<jiff::Timestamp>,
}

impl Dues<'_> {
    /// The same after another time, without reading the expression again.
    #[must_use]
    pub fn after(&self, from: Timestamp) -> Self {
        Self { timing: self.timing, cron: self.cron.clone(), last: moment(from) }
    }

    /// The newest times at which it was due between these two, at most `most`, the oldest first. Looks back from the end
    /// in growing steps, so that a long time costs no more than a short one.
    #[must_use]
    pub fn newest(&self, after: Timestamp, before: Timestamp, most: usize) -> Vec<Timestamp> {
        if most == 0 || before <= after {
            return Vec::new();
        }
        let mut back_ms: u64 = 3_600_000;
        loop {
            let from = Timestamp::from_ms(before.ms().saturating_sub(back_ms)).max(after);
            let mut found: Vec<_> = self.after(from).take_while(|due| *due < before).collect();
            if found.len() >= most || from == after {
                return found.split_off(found.len().saturating_sub(most));
            }
            back_ms = back_ms.saturating_mul(2);
        }
    }

    fn next_moment(&mut self) -> Option<jiff::Timestamp> {
        let (cron, last) = (self.cron.as_ref()?, self.last?);
        let here = last.to_zoned(self.timing.zone.clone());
        if self.timing.keeps_pace {
            return cron.find_next_occurrence(&here, false).ok().as_ref().map(Zoned::timestamp);
        }
        let mut clock = here.datetime();
        loop {
            clock = cron.find_next_occurrence(&clock, false).ok()?;
            // What the clock shows for the second time, or left out, is over by then.
            let moment = self.timing.moment_of(clock)?;
            if moment > last {
                return Some(moment);
            }
        }
    }
}

impl Iterator for Dues<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        let due = self.next_moment();
        self.last = due;
        u64::try_from(due?.as_millisecond()).ok().map(Timestamp::from_ms)
    }
}

fn moment(at: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(i64::try_from(at.ms()).ok()?).ok()
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build()
}

fn zone_of(name: &str) -> Result<TimeZone, TimingFault> {
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(zone) = read.get(name) {
        return Ok(zone.clone());
    }
    let zone = read_zone(name)?;
    read.insert(name.to_owned(), zone.clone());
    Ok(zone)
}

fn read_zone(name: &str) -> Result<TimeZone, TimingFault> {
    let found = ZONES.get(name).ok();
    let spelled = found.as_ref().and_then(TimeZone::iana_name);
    let message = match spelled {
        Some(spelled) if spelled == name => return found.ok_or_else(|| unknown(name)),
        Some(spelled) => alloc::format!("the zone is spelled `{spelled}`"),
        None => return Err(unknown(name)),
    };
    Err(TimingFault { column: None, message })
}

fn unknown(name: &str) -> TimingFault {
    TimingFault { column: None, message: alloc::format!("there is no time zone `{name}`") }
}

/// The words of an expression, each with its column from 1.
fn fields_of(at: &str) -> Vec<(usize, &str)> {
    let mut fields = Vec::new();
    let mut place = 0;
    for word in at.split(' ') {
        if !word.is_empty() {
            fields.push((place + 1, word));
        }
        place += word.len() + 1;
    }
    fields
}

/// What is wrong with one field is wrong with it alone: the parser itself tells no place.
fn fault_of(fields: &[(usize, &str)], at: &str) -> TimingFault {
    let fault = |column, message| TimingFault { column: Some(column), message };
    if let Some((column, _)) = fields.get(FIELDS.len()) {
        return fault(*column, "five fields are all; seconds and years are none".to_owned());
    }
    if let Some(missing) = FIELDS.get(fields.len()) {
        let told = FIELDS.join(", ");
        return fault(at.len() + 1, alloc::format!("the {missing} is missing; the fields are {told}"));
    }
    for (index, ((column, word), name)) in fields.iter().zip(FIELDS).enumerate() {
        let mut alone = ["*"; FIELDS.len()];
        if let Some(field) = alone.get_mut(index) {
            *field = word;
        }
        if parser().parse(&alone.join(" ")).is_err() {
            return fault(*column, alloc::format!("`{word}` is no {name}"));
        }
    }
    fault(1, "this is no cron expression".to_owned())
}

#[cfg(test)]
mod tests;
