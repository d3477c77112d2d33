//! Views of budgets and of what is known of subjects: written with the receipt, read for decisions, and
//! looked at again under the write lock before an intent takes the last unit of something.

use cascade_receipt::content::{Body, Closing, Draw, Ending, Known, SubjectFact};
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::Value;
use cascade_receipt::kind::Kind;
use cascade_receipt::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::fault::Fault;
use crate::reader::Reader;
use crate::store::{from_sql, to_sql};

/// Codes of a closer that begin so say that nothing ran.
const NEVER_STARTED: &str = "start.";

/// What a closer does to what its intent holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Settlement {
    /// Nothing ran: all is given back.
    GivenBack,
    /// Nobody knows what ran: all stays taken.
    Kept,
    /// It ran, and used so many tokens and millionths of a dollar.
    Spent(u64, u64),
}

impl Settlement {
    pub(crate) fn of_closing(closing: &Closing) -> Self {
        let spent = &closing.spent;
        let tokens = [spent.tokens_in, spent.tokens_out];
        Self::of(
            closing.ending == Ending::Unknown,
            closing.reasons.iter().any(|reason| reason.code.starts_with(NEVER_STARTED)),
            tokens,
            spent.cost_microusd,
        )
    }

    pub(crate) fn of_value(kind: Kind, content: &Value) -> Self {
        let number = |key: &str| content.member(key).and_then(Value::as_u64);
        let reasons = content.member("reasons").and_then(Value::as_array).unwrap_or_default();
        let codes = reasons.iter().filter_map(|reason| reason.member("code")?.as_str());
        Self::of(
            kind == Kind::TaskUnknown,
            codes.into_iter().any(|code| code.starts_with(NEVER_STARTED)),
            [number("tokens_in"), number("tokens_out")],
            number("cost_microusd"),
        )
    }

    fn of(unknown: bool, never_started: bool, tokens: [Option<u64>; 2], microusd: Option<u64>) -> Self {
        if unknown {
            return Self::Kept;
        }
        if never_started {
            return Self::GivenBack;
        }
        let tokens = tokens.into_iter().flatten().fold(0, u64::saturating_add);
        Self::Spent(tokens, microusd.unwrap_or_default())
    }
}

/// `draws` of a stored intent.
pub(crate) fn draws_of(content: &Value) -> Option<Vec<Draw>> {
    let Some(draws) = content.member("draws") else { return Some(Vec::new()) };
    draws.as_array()?.iter().map(draw_of).collect()
}

fn draw_of(value: &Value) -> Option<Draw> {
    let amount = |key: &str| match value.member(key) {
        Some(amount) => amount.as_u64(),
        None => Some(0),
    };
    Some(Draw {
        budget: value.member("budget")?.as_str()?.to_owned(),
        of: match value.member("of") {
            Some(of) => Some(PrincipalId::parse(of.as_str()?)?),
            None => None,
        },
        actions: value.member("actions")?.as_u64()?,
        tokens: amount("tokens")?,
        microusd: amount("microusd")?,
    })
}

/// What a stored receipt says of a subject.
pub(crate) fn fact_of(kind: Kind, content: &Value) -> Option<SubjectFact> {
    let text = |key: &str| content.member(key).and_then(Value::as_str);
    let optional = |key: &str| match content.member(key) {
        Some(id) => PrincipalId::parse(id.as_str()?).map(Some),
        None => Some(None),
    };
    let known = match kind {
        Kind::SubjectZone => Known::Zone(text("zone")?.to_owned()),
        Kind::Consent => {
            Known::Consent { scope: text("scope")?.to_owned(), given: content.member("given")?.as_bool()? }
        }
        Kind::Conversation => Known::Conversation(optional("matter")?),
        _ => return None,
    };
    Some(SubjectFact {
        principal: PrincipalId::parse(text("principal")?)?,
        on_behalf_of: optional("on_behalf_of")?,
        subject: PrincipalId::parse(text("subject")?)?,
        known,
    })
}

/// An intent takes what it draws.
pub(crate) fn take(
    conn: &Connection,
    intent: ReceiptId,
    at: Timestamp,
    draws: &[Draw],
) -> rusqlite::Result<()> {
    for draw in draws {
        // Two draws on one counter are one.
        conn.prepare_cached(
            "INSERT INTO budgets VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (name, owner, at_ms, intent) DO UPDATE SET
             actions = actions + excluded.actions, tokens = tokens + excluded.tokens, microusd = microusd + excluded.microusd",
        )?
        .execute(params![
            draw.budget,
            owner(draw.of),
            to_sql(at.ms()),
            intent.0,
            to_sql(draw.actions),
            to_sql(draw.tokens),
            to_sql(draw.microusd)
        ])?;
    }
    Ok(())
}

/// A closer settles what its intent took.
pub(crate) fn settle(conn: &Connection, intent: ReceiptId, settlement: Settlement) -> rusqlite::Result<()> {
    match settlement {
        Settlement::Kept => {}
        Settlement::GivenBack => {
            conn.prepare_cached("DELETE FROM budgets WHERE intent = ?1")?.execute([intent.0])?;
        }
        Settlement::Spent(tokens, microusd) => {
            conn.prepare_cached("UPDATE budgets SET tokens = ?2, microusd = ?3 WHERE intent = ?1")?
                .execute(params![intent.0, to_sql(tokens), to_sql(microusd)])?;
        }
    }
    Ok(())
}

/// Something became known of a subject.
pub(crate) fn learn(conn: &Connection, seq: u64, at: Timestamp, fact: &SubjectFact) -> rusqlite::Result<()> {
    let subject = fact.subject.0;
    conn.execute("INSERT OR REPLACE INTO known VALUES (?1, ?2)", params![subject, to_sql(seq)])?;
    match &fact.known {
        Known::Zone(zone) => {
            conn.execute("INSERT OR REPLACE INTO zones VALUES (?1, ?2)", params![subject, zone])
        }
        Known::Consent { scope, given } => conn.execute(
            "INSERT OR REPLACE INTO consents VALUES (?1, ?2, ?3, ?4)",
            params![subject, scope, given, to_sql(at.ms())],
        ),
        Known::Conversation(matter) => conn.execute(
            "INSERT OR REPLACE INTO conversations VALUES (?1, ?2, ?3)",
            params![subject, owner(*matter), to_sql(at.ms())],
        ),
    }
    .map(|_| ())
}

/// Whose counter: no bytes where there is one for all.
fn owner(of: Option<PrincipalId>) -> Vec<u8> {
    of.map(|id| id.0.to_vec()).unwrap_or_default()
}

/// What was taken from a budget.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Used {
    /// Commands.
    pub actions: u64,
    /// Tokens, held or used.
    pub tokens: u64,
    /// Millionths of a dollar, held or used.
    pub microusd: u64,
    /// When the first of it was taken.
    pub oldest: Option<Timestamp>,
}

fn used(
    conn: &Connection,
    budget: &str,
    of: Option<PrincipalId>,
    since: Timestamp,
    without: Option<ReceiptId>,
) -> rusqlite::Result<Used> {
    // TOTAL would be a float, and SUM fails on overflow, as it should: nothing is counted wrongly.
    conn.prepare_cached(
        "SELECT coalesce(sum(actions), 0), coalesce(sum(tokens), 0), coalesce(sum(microusd), 0), min(at_ms)
         FROM budgets WHERE name = ?1 AND owner = ?2 AND at_ms >= ?3 AND intent <> ?4",
    )?
    .query_row(
        params![budget, owner(of), to_sql(since.ms()), without.map(|id| id.0.to_vec()).unwrap_or_default()],
        |row| {
            let oldest: Option<i64> = row.get(3)?;
            Ok(Used {
                actions: from_sql(row.get(0)?),
                tokens: from_sql(row.get(1)?),
                microusd: from_sql(row.get(2)?),
                oldest: oldest.map(|ms| Timestamp::from_ms(from_sql(ms))),
            })
        },
    )
}

/// Where a budget ends on which a draft draws; passed under the write lock, the draft is stale.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cap {
    /// The budget.
    pub budget: String,
    /// Whose counter.
    pub of: Option<PrincipalId>,
    /// What was taken from this moment on counts.
    pub since: Timestamp,
    /// The most that may be taken of commands, tokens and money before this draft.
    pub before: [Option<u64>; 3],
}

/// Whether somebody took what the decision believed to be there.
pub(crate) fn is_overdrawn(conn: &Connection, body: &Body, caps: &[Cap]) -> rusqlite::Result<bool> {
    if !matches!(
        body,
        Body::TaskStarted(_)
            | Body::Leased(_)
            | Body::Pure(_)
            | Body::Point(_)
            | Body::ChainStarted(_)
            | Body::ScheduleChanged(_)
    ) {
        return Ok(false);
    }
    for cap in caps {
        let used = used(conn, &cap.budget, cap.of, cap.since, None)?;
        let amounts = [used.actions, used.tokens, used.microusd];
        if amounts.into_iter().zip(cap.before).any(|(used, most)| most.is_some_and(|most| used > most)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How much was known of a subject when it was looked at; a draft about a subject of whom more is known by now is
/// stale.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct About {
    /// The subject.
    pub subject: PrincipalId,
    /// Where the newest receipt about the subject stands, if there was one.
    pub known: Option<u64>,
}

/// Whether more became known since.
pub(crate) fn is_outdated(conn: &Connection, about: &About) -> rusqlite::Result<bool> {
    Ok(known(conn, about.subject)? != about.known)
}

fn known(conn: &Connection, subject: PrincipalId) -> rusqlite::Result<Option<u64>> {
    conn.prepare_cached("SELECT seq FROM known WHERE subject = ?1")?
        .query_row([subject.0], |row| row.get(0).map(from_sql))
        .optional()
}

impl Reader {
    /// How much is known of a subject now; to be asked before anything else is looked at.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn about(&self, subject: PrincipalId) -> Result<About, Fault> {
        self.ask(|conn| Ok(About { subject, known: known(conn, subject)? }))
    }

    /// What was taken from a counter of a budget since a moment; what one intent took can be left out.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn budget_used(
        &self,
        budget: &str,
        of: Option<PrincipalId>,
        since: Timestamp,
        without: Option<ReceiptId>,
    ) -> Result<Used, Fault> {
        self.ask(|conn| used(conn, budget, of, since, without))
    }

    /// Every counter that was ever drawn on: the budget, and whose it is where there is one for each.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn counters(&self) -> Result<Vec<(String, Option<PrincipalId>)>, Fault> {
        self.ask(|conn| {
            conn.prepare_cached("SELECT DISTINCT name, owner FROM budgets ORDER BY name, owner")?
                .query_map((), |row| {
                    let owner: Vec<u8> = row.get(1)?;
                    Ok((row.get(0)?, owner.try_into().ok().map(PrincipalId)))
                })?
                .collect()
        })
    }

    /// Where a subject is, as last recorded.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn subject_zone(&self, subject: PrincipalId) -> Result<Option<String>, Fault> {
        self.ask(|conn| {
            conn.prepare_cached("SELECT zone FROM zones WHERE subject = ?1")?
                .query_row([subject.0], |row| row.get(0))
                .optional()
        })
    }

    /// Every consent that was ever recorded of a subject, whether it stands, and since when.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn consents_of(&self, subject: PrincipalId) -> Result<Vec<(String, bool, Timestamp)>, Fault> {
        self.ask(|conn| {
            conn.prepare_cached("SELECT scope, given, at_ms FROM consents WHERE subject = ?1 ORDER BY scope")?
                .query_map([subject.0], |row| {
                    Ok((row.get(0)?, row.get(1)?, Timestamp::from_ms(from_sql(row.get(2)?))))
                })?
                .collect()
        })
    }

    /// The last conversation with a subject: about anything, or about this matter or none in particular.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn conversed(
        &self,
        subject: PrincipalId,
        matter: Option<PrincipalId>,
    ) -> Result<Option<Timestamp>, Fault> {
        let newest: Option<i64> = self.ask(|conn| {
            conn.prepare_cached(
                "SELECT max(at_ms) FROM conversations
                 WHERE subject = ?1 AND (?2 = x'' OR matter IN (x'', ?2))",
            )?
            .query_row(params![subject.0, owner(matter)], |row| row.get(0))
        })?;
        Ok(newest.map(|ms| Timestamp::from_ms(from_sql(ms))))
    }
}
