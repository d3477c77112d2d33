//! Moments as people type them.

use std::time::SystemTime;

use cascade_receipt::time::Timestamp;

/// A moment (`2026-11-26T09:00:00Z`), a day, which begins at midnight UTC (`2026-11-26`), or a span of time until now
/// (`2h`).
pub(crate) fn parse(text: &str) -> Result<Timestamp, String> {
    let moment = match humantime::parse_duration(text) {
        Ok(span) => SystemTime::now().checked_sub(span),
        Err(_) => {
            let whole = humantime::parse_rfc3339(text);
            whole.or_else(|_| humantime::parse_rfc3339(&format!("{text}T00:00:00Z"))).ok()
        }
    };
    let ms = moment.and_then(|moment| moment.duration_since(SystemTime::UNIX_EPOCH).ok());
    let ms = ms.and_then(|since| u64::try_from(since.as_millis()).ok());
    ms.map(Timestamp::from_ms).ok_or_else(|| {
        "a moment such as 2026-11-26T09:00:00Z, a day such as 2026-11-26, or a span of time such as 2h"
            .to_owned()
    })
}
