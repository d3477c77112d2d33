//! The view of a chain's people: their SSH keys and groups, and what their approvals come to.

use std::collections::BTreeSet;

use cascade_receipt::content::PersonAdded;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::{self, Value};
use cascade_receipt::verify::ADMIN_GROUP;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::change::Change;
use crate::draft::AppendError;
use crate::fault::Fault;
use crate::reader::Reader;
use crate::store::{from_sql, to_sql};
use crate::views::set_state;

/// A person of the chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// Id in the chain.
    pub principal: PrincipalId,
    /// Public SSH key without comment.
    pub ssh_key: String,
    /// Groups, `admins` among them.
    pub groups: Vec<String>,
    /// The receipt since which this key is this person's without a break.
    pub key_since: u64,
    /// The receipt that removed the person.
    pub removed: Option<u64>,
}

impl Person {
    /// Whether the person may still act.
    #[must_use]
    pub const fn is_registered(&self) -> bool {
        self.removed.is_none()
    }

    /// Whether the person governs the chain.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.is_registered() && self.groups.iter().any(|group| group == ADMIN_GROUP)
    }

    /// The groups that an answer given at `seq` speaks for today: none once the person left or has another key.
    #[must_use]
    pub fn groups_for(&self, seq: u64) -> &[String] {
        if self.is_registered() && self.key_since < seq { &self.groups } else { &[] }
    }
}

/// Makes the view follow one receipt.
pub(crate) fn apply(conn: &Connection, seq: u64, change: &Change) -> rusqlite::Result<()> {
    let principal = match change {
        Change::PersonAdded { principal, ssh_key, groups } => {
            add(conn, seq, *principal, ssh_key, groups)?;
            *principal
        }
        Change::PersonRemoved { principal } => {
            conn.prepare_cached(
                "UPDATE people SET removed_seq = ?1 WHERE principal = ?2 AND removed_seq IS NULL",
            )?
            .execute(params![to_sql(seq), principal.0])?;
            *principal
        }
        _ => return Ok(()),
    };
    let mut query = conn
        .prepare_cached("SELECT DISTINCT subject FROM approvals WHERE principal = ?1 AND used_by IS NULL")?;
    let subjects: Vec<_> =
        query.query_map([principal.0], |row| row.get(0).map(ReceiptId))?.collect::<Result<_, _>>()?;
    subjects.into_iter().try_for_each(|subject| settle(conn, subject))
}

pub(crate) fn add(
    conn: &Connection,
    seq: u64,
    principal: PrincipalId,
    ssh_key: &str,
    groups: &[String],
) -> rusqlite::Result<()> {
    let before = person(conn, principal)?;
    let same_key = before.filter(|before| before.is_registered() && before.ssh_key == ssh_key);
    let key_since = same_key.map_or(seq, |before| before.key_since);
    let groups = Value::Array(groups.iter().map(|group| Value::from(group.as_str())).collect());
    conn.prepare_cached("INSERT OR REPLACE INTO people VALUES (?1, ?2, ?3, ?4, ?5, NULL)")?
        .execute(params![principal.0, to_sql(seq), to_sql(key_since), ssh_key, groups.to_canonical()])?;
    Ok(())
}

/// Whether enough people have approved a subject, every group of it represented, as of now: whoever left, or left
/// the group, no longer counts.
pub(crate) fn settle(conn: &Connection, subject: ReceiptId) -> rusqlite::Result<()> {
    let found: Option<(u64, String)> = conn
        .prepare_cached(
            "SELECT required, groups FROM subjects WHERE receipt_id = ?1 AND state IN ('open', 'approved')",
        )?
        .query_row([subject.0], |row| Ok((from_sql(row.get(0)?), row.get(1)?)))
        .optional()?;
    let Some((required, groups)) = found else { return Ok(()) };
    let groups: BTreeSet<String> = words(&groups).into_iter().collect();
    let mut people = BTreeSet::new();
    let mut represented = BTreeSet::new();
    let mut query =
        conn.prepare_cached("SELECT principal, seq FROM approvals WHERE subject = ?1 AND approve = 1")?;
    let mut rows = query.query([subject.0])?;
    while let Some(row) = rows.next()? {
        let (principal, seq) = (PrincipalId(row.get(0)?), from_sql(row.get(1)?));
        let person = person(conn, principal)?;
        if groups.is_empty() {
            // Without groups anybody counts who did not leave.
            if person.is_none_or(|person| person.is_registered() && person.key_since < seq) {
                people.insert(principal);
            }
            continue;
        }
        let own = person.as_ref().map(|person| person.groups_for(seq)).unwrap_or_default();
        let speaks_for: Vec<_> = groups.iter().filter(|group| own.contains(group)).collect();
        if !speaks_for.is_empty() {
            people.insert(principal);
            represented.extend(speaks_for);
        }
    }
    let enough = people.len() as u64 >= required && represented.len() == groups.len();
    set_state(conn, subject, if enough { "approved" } else { "open" })
}

pub(crate) fn person(conn: &Connection, principal: PrincipalId) -> rusqlite::Result<Option<Person>> {
    conn.prepare_cached(&format!("{PEOPLE} WHERE principal = ?1"))?
        .query_row([principal.0], person_of)
        .optional()
}

/// Whether somebody is registered under this principal.
pub(crate) fn is_registered(conn: &Connection, principal: PrincipalId) -> rusqlite::Result<bool> {
    Ok(person(conn, principal)?.is_some_and(|person| person.is_registered()))
}

/// Why nobody may be registered so.
pub(crate) fn refuses_add(conn: &Connection, added: &PersonAdded) -> rusqlite::Result<Option<AppendError>> {
    let others = people(conn)?;
    let taken = others.iter().find(|other| {
        other.is_registered() && other.ssh_key == added.ssh_key && other.principal != added.principal
    });
    if let Some(other) = taken {
        return Ok(Some(AppendError::SshKeyTaken(other.principal)));
    }
    let stays = added.groups.iter().any(|group| group == ADMIN_GROUP);
    Ok(if stays { None } else { last_admin(&others, added.principal) })
}

/// Why this person may not leave.
pub(crate) fn refuses_remove(
    conn: &Connection,
    principal: PrincipalId,
) -> rusqlite::Result<Option<AppendError>> {
    let people = people(conn)?;
    if !people.iter().any(|person| person.principal == principal && person.is_registered()) {
        return Ok(Some(AppendError::NotRegistered(principal)));
    }
    Ok(last_admin(&people, principal))
}

/// A chain that nobody governs could never be governed again.
fn last_admin(people: &[Person], leaving: PrincipalId) -> Option<AppendError> {
    let mut admins = people.iter().filter(|person| person.is_admin());
    let last = admins.next().is_some_and(|admin| admin.principal == leaving) && admins.next().is_none();
    last.then_some(AppendError::LastAdmin(leaving))
}

fn people(conn: &Connection) -> rusqlite::Result<Vec<Person>> {
    conn.prepare_cached(&format!("{PEOPLE} ORDER BY principal"))?.query_map((), person_of)?.collect()
}

const PEOPLE: &str = "SELECT principal, ssh_key, groups, key_since_seq, removed_seq FROM people";

fn person_of(row: &Row<'_>) -> rusqlite::Result<Person> {
    let groups: String = row.get(2)?;
    Ok(Person {
        principal: PrincipalId(row.get(0)?),
        ssh_key: row.get(1)?,
        groups: words(&groups),
        key_since: from_sql(row.get(3)?),
        removed: row.get::<_, Option<i64>>(4)?.map(from_sql),
    })
}

/// The words of a canonical JSON array.
pub(crate) fn words(text: &str) -> Vec<String> {
    let value = json::parse_canonical(text.as_bytes()).ok();
    let words = value.as_ref().and_then(Value::as_array).unwrap_or_default();
    words.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Reader {
    /// The administrators and their SSH keys.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn admins(&self) -> Result<Vec<(PrincipalId, String)>, Fault> {
        let admins = self.people()?.into_iter().filter(Person::is_admin);
        Ok(admins.map(|admin| (admin.principal, admin.ssh_key)).collect())
    }

    /// Everybody who was ever registered, those who left included.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn people(&self) -> Result<Vec<Person>, Fault> {
        self.ask(people)
    }

    /// Who is, or was, registered under this principal.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn person(&self, principal: PrincipalId) -> Result<Option<Person>, Fault> {
        self.ask(|conn| person(conn, principal))
    }
}
