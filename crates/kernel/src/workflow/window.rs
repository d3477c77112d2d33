//! When a run may start steps: a daily window in a zone, by the time zones bundled with Cascade.

use cascade_receipt::time::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};

use crate::csl::Window;

/// Days that are looked ahead; a window opens once a week at least.
const DAYS_AHEAD: i64 = 8;

/// When `window` opens next; `None` while it is open. A zone that is not there never opens.
#[must_use]
pub fn opens(window: &Window, now: Timestamp) -> Option<Timestamp> {
    match next(window, now) {
        Some(Opening::Open) => None,
        Some(Opening::At(at)) => Some(at),
        None => Some(Timestamp::from_ms(u64::MAX)),
    }
}

enum Opening {
    Open,
    At(Timestamp),
}

fn next(window: &Window, now: Timestamp) -> Option<Opening> {
    let zone = TimeZone::get(&window.zone).ok()?;
    let ms = i64::try_from(now.ms()).ok()?;
    let here = jiff::Timestamp::from_millisecond(ms).ok()?.to_zoned(zone.clone());
    for ahead in 0..=DAYS_AHEAD {
        let day = here.date().checked_add(ahead.days()).ok()?;
        let number = u8::try_from(day.weekday().to_monday_one_offset()).ok()?;
        if !window.days.contains(&number) {
            continue;
        }
        // A time that the clocks jump over is the first one after the jump; one that comes twice is the earlier.
        let at = |minutes: u16| -> Option<Zoned> {
            let (hour, minute) = (i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?);
            if hour == 24 {
                return day.checked_add(1.days()).ok()?.to_zoned(zone.clone()).ok();
            }
            day.to_datetime(Time::new(hour, minute, 0, 0).ok()?).to_zoned(zone.clone()).ok()
        };
        let (from, to) = (at(window.from_min)?, at(window.to_min)?);
        if here < from {
            let ms = u64::try_from(from.timestamp().as_millisecond()).ok()?;
            return Some(Opening::At(Timestamp::from_ms(ms)));
        }
        if here < to {
            return Some(Opening::Open);
        }
    }
    None
}
