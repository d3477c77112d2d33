//! Private bytes of a receipt into the tables of the view.

use cascade_receipt::json::Value;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::{Connection, Result, params};

use super::fill::run;
use super::view::{Private, text};

pub(super) fn fill(connection: &Connection, (seq, at): (i64, i64), private: &Private) -> Result<()> {
    for (place, command) in private.commands.iter().enumerate() {
        run(
            connection,
            "INSERT INTO commands VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                seq,
                i64::try_from(place).unwrap_or(i64::MAX),
                command.words,
                command.program,
                command.subcommand,
                command.risk_tier,
            ],
        )?;
    }
    for family in &private.families {
        run(connection, "INSERT INTO families VALUES (?1, ?2)", params![seq, family])?;
    }
    let facts = private.facts.to_canonical();
    run(connection, "INSERT OR IGNORE INTO facts VALUES (?1, ?2)", params![seq, facts])?;
    private.facts.member("subject").map_or(Ok(()), |about| subject(connection, (seq, at), about))
}

fn subject(connection: &Connection, (seq, at): (i64, i64), about: &Value) -> Result<()> {
    let zone = text(about, "zone");
    let local = zone.and_then(|zone| local(at, zone));
    run(
        connection,
        "INSERT OR IGNORE INTO subjects VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            seq,
            text(about, "id"),
            text(about, "matter"),
            zone,
            local.as_ref().map(|(day, _)| day),
            local.as_ref().map(|(_, minute)| minute),
        ],
    )?;
    for scope in about.member("consents").and_then(Value::as_array).unwrap_or_default() {
        run(connection, "INSERT INTO consents VALUES (?1, ?2)", params![seq, scope.as_str()])?;
    }
    Ok(())
}

/// Day, and minute of the day, by the clock of a zone.
fn local(at: i64, zone: &str) -> Option<(String, i64)> {
    let there = Timestamp::from_millisecond(at).ok()?.to_zoned(TimeZone::get(zone).ok()?);
    Some((there.date().to_string(), i64::from(there.hour()) * 60 + i64::from(there.minute())))
}
