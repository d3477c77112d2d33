//! Moments as they are typed: a time, a date, or how long ago.

use std::time::SystemTime;

use cascade_receipt::time::Timestamp;

/// Reads `2026-11-26T09:00:00Z`, `2026-11-26` (its beginning, in UTC) or `2h` (that long ago).
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    let at = match humantime::parse_duration(text) {
        Ok(span) => SystemTime::now().checked_sub(span),
        Err(_) => humantime::parse_rfc3339(text)
            .or_else(|_| humantime::parse_rfc3339(&format!("{text}T00:00:00Z")))
            .ok(),
    };
    let ms = at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let ms = ms.and_then(|since| u64::try_from(since.as_millis()).ok());
    ms.map(Timestamp::from_ms).ok_or_else(|| {
        "a moment such as 2026-11-26T09:00:00Z, a date such as 2026-11-26, or how long ago, such as 2h"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let day = moment("2026-11-26").unwrap();
        assert_eq!(day.to_string(), "2026-11-26T00:00:00.000Z");
        assert_eq!(moment("2026-11-26T00:00:00Z").unwrap(), day);
        assert!(moment("2h").unwrap() > moment("3d").unwrap());
        for bad in ["", "yesterday", "2026-13-01", "2026-11-26T25:00:00Z", "99999999999y"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
