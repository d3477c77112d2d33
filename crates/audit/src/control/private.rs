//! Private bytes of a receipt: read, and into the tables of the view.

use std::collections::BTreeSet;

use cascade_policy::decide::taken_apart;
use cascade_policy::facts::Facts;
use cascade_policy::snapshot::Snapshot;
use cascade_policy::worker::Classified;
use cascade_receipt::json::{self, Value};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::{Connection, Result, params};

use super::fill::run;
use super::view::{Command, Private, text};

impl Private {
    /// What the facts of a decision tell, taken apart by the policy that it was made by. `None` where this version cannot
    /// read them: what is half known must not pass for disclosed. Needs the stack of [`taken_apart`].
    #[must_use]
    pub fn of(facts: &[u8], snapshot: &Snapshot) -> Option<Self> {
        let value = json::parse(facts).ok()?;
        let facts = Facts::from_json(&value).ok()?;
        let commands = taken_apart(snapshot, &facts).commands;
        let families: BTreeSet<&str> =
            commands.iter().flat_map(|command| snapshot.families_of(&command.program)).collect();
        let families = families.into_iter().map(str::to_owned).collect();
        Some(Self { facts: value, families, commands: commands.into_iter().map(Command::of).collect() })
    }
}

impl Command {
    fn of(found: Classified) -> Self {
        Self {
            words: found.words.join(" "),
            program: found.program,
            subcommand: Some(found.subcommand).filter(|words| !words.is_empty()),
            risk_tier: Some(found.tier.as_str().to_owned()),
        }
    }
}

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
