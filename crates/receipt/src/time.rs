//! Time stamps: RFC 3339 UTC with exactly three decimals and `Z`.

use alloc::string::String;
use core::fmt;

use crate::json::Spelled;

/// Milliseconds since 1970-01-01T00:00:00.000Z, within the years 1970 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

const MS_PER_DAY: u64 = 86_400_000;
/// 9999-12-31T23:59:59.999Z.
const MS_MAX: u64 = 253_402_300_799_999;

impl Timestamp {
    /// A time stamp from milliseconds since the epoch; times after the year 9999 become its last
    /// millisecond.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(if ms > MS_MAX { MS_MAX } else { ms })
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0
    }

    /// Reads `YYYY-MM-DDTHH:MM:SS.mmmZ`; a date that does not exist is `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: &[u8; 24] = text.as_bytes().try_into().ok()?;
        let shape = b"dddd-dd-ddTdd:dd:dd.dddZ";
        let fits = bytes.iter().zip(shape).all(|(byte, want)| match want {
            b'd' => byte.is_ascii_digit(),
            _ => byte == want,
        });
        if !fits {
            return None;
        }
        let number = |range: core::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let seconds = (hour * 60 + minute) * 60 + second;
        let stamp = Self(days_from_civil(year, month, day)? * MS_PER_DAY + seconds * 1000 + number(20..23)?);
        // The round trip refuses 30 February and the like.
        (civil_from_days(stamp.0 / MS_PER_DAY) == (year, month, day)).then_some(stamp)
    }
}

impl Spelled for Timestamp {
    fn spell(&self, out: &mut String) {
        let (year, month, day) = civil_from_days(self.0 / MS_PER_DAY);
        let ms = self.0 % MS_PER_DAY;
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        // Each digit has its fixed place; both copies on every receipt are written this way.
        let [y1, y2] = two(year / 100);
        let [y3, y4] = two(year % 100);
        let ([m1, m2], [d1, d2]) = (two(month), two(day));
        let ([h1, h2], [n1, n2], [s1, s2]) = (two(hour), two(minute), two(second));
        let ([f1, f2], [_, f3]) = (two(ms % 1000 / 10), two(ms % 10));
        let text = [
            y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2, b'.', f1,
            f2, f3, b'Z',
        ];
        out.push_str(core::str::from_utf8(&text).unwrap_or_default());
    }
}

/// The two decimal digits of a number below 100.
fn two(number: u64) -> [u8; 2] {
    let number = u8::try_from(number % 100).unwrap_or_default();
    [b'0' + number / 10, b'0' + number % 10]
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.spell(&mut text);
        f.write_str(&text)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin on
/// 1 March so that the leap day is the last day of a year.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn reads_and_writes_the_one_form() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T12:34:56.789Z", 951_827_696_789),
            ("2026-11-22T10:00:00.001Z", 1_795_341_600_001),
            ("9999-12-31T23:59:59.999Z", MS_MAX),
        ] {
            assert_eq!(Timestamp::parse(text), Some(Timestamp(ms)), "{text}");
            assert_eq!(Timestamp(ms).to_string(), text);
        }
    }

    #[test]
    fn refuses_every_other_form() {
        for bad in [
            "2026-02-29T00:00:00.000Z",
            "2026-04-31T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-01-01T24:00:00.000Z",
            "2026-01-01T00:00:60.000Z",
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.0000Z",
            "2026-01-01t00:00:00.000Z",
            "2026-01-01T00:00:00.000+00:00",
            "1969-12-31T23:59:59.999Z",
            "",
        ] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
    }
}
