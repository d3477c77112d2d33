//! Bringing the index up to the head.

use std::collections::HashMap;

use cascade_receipt::content::Rel;
use cascade_receipt::decision::{RiskTier, Verdict};
use cascade_receipt::digest::{Digest, to_hex};
use cascade_receipt::id::PrincipalId;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::{INDEXES, Index, Link, Outline, TABLES, VERSION, gaps};
use crate::fault::Fault;
use crate::reader::Reader;
use crate::segment::{Segment, line_hash};
use crate::store::to_sql;

/// Receipts of one transaction. Others get their turn in between.
const RECEIPTS_AT_ONCE: u64 = 50_000;

impl Index {
    /// Indexes what is missing. Several processes that do so take turns, and help each other.
    pub(super) fn follow(
        &mut self,
        reader: &Reader,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), Fault> {
        let start = self.begin(reader)?;
        let mut words = Words::default();
        let head = reader.head()?.next_seq;
        let mut through = start;
        while through < head {
            through = self.some(reader, &mut words, start, progress)?;
        }
        if !self.about()?.is_some_and(|about| about.is_of(reader).unwrap_or(false)) {
            return Err(Fault::damaged(&self.database.path, "the log changed under it"));
        }
        self.database.at(self.database.conn.execute_batch(INDEXES))
    }

    /// Makes the tables, unless they are those of this log. Gives how far they go.
    fn begin(&self, reader: &Reader) -> Result<u64, Fault> {
        let transaction = self.transaction()?;
        if let Some(about) = self.about()? {
            // The caller takes it away and begins anew.
            let other = Fault::damaged(&self.database.path, "of another log, or of another version");
            // What was damaged and is not any more was left out: all of it is read again, once.
            return if about.is_of(reader)? && !self.is_mended(reader)? {
                Ok(about.through)
            } else {
                Err(other)
            };
        }
        self.database.at(found(&transaction, reader))?;
        self.database.at(transaction.commit())?;
        Ok(0)
    }

    /// Indexes the next receipts, and gives how far it goes then.
    fn some(
        &self,
        reader: &Reader,
        words: &mut Words,
        start: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<u64, Fault> {
        let transaction = self.transaction()?;
        let from = self.about()?.map_or(0, |about| about.through);
        let head = reader.head()?.next_seq;
        let until = head.min(from.saturating_add(RECEIPTS_AT_ONCE));
        let mut next = from;
        self.database.at(words.sure_of(&transaction, from))?;
        while next < until {
            let Some(segment) = reader.segment_from(next)? else { break };
            self.database.at(gaps::note(&transaction, next, segment.first_seq))?;
            self.segment(&transaction, words, &segment, next)?;
            next = (segment.first_seq + segment.count).max(next + 1);
            progress(next - start, head.max(next) - start);
        }
        // Where lines are missing there is nothing to index; that they are missing is for others to say.
        if next < until {
            self.database.at(gaps::note(&transaction, next, head))?;
        }
        let next = if next < until { head } else { next };
        let hash = hash_before(reader, next)?;
        let marked = transaction
            .execute("UPDATE about SET indexed_through = ?1, entry_hash = ?2", params![to_sql(next), hash.0]);
        self.database.at(marked)?;
        self.database.at(transaction.commit())?;
        words.through = next;
        Ok(next)
    }

    fn segment(
        &self,
        conn: &Connection,
        words: &mut Words,
        segment: &Segment,
        from: u64,
    ) -> Result<(), Fault> {
        let end = segment.first_seq + segment.count;
        let mut read = from.max(segment.first_seq);
        for (seq, line) in (segment.first_seq..).zip(segment.lines()).filter(|(seq, _)| *seq >= from) {
            let text = std::str::from_utf8(line).ok();
            let added = text.and_then(|text| Outline::read(text, |outline| add(conn, words, seq, outline)));
            // A line that is no receipt is found by nothing; `fsck` says what it is.
            match added {
                Some(added) => self.database.at(added)?,
                None => self.database.at(gaps::note(conn, seq, seq + 1))?,
            }
            read = seq + 1;
        }
        self.database.at(gaps::note(conn, read, end))
    }

    /// Indexes lines that come from elsewhere than a home.
    ///
    /// # Errors
    /// [`Fault`] when memory does not suffice, or of `lines`.
    pub fn of_lines(lines: impl Iterator<Item = (u64, impl AsRef<str>)>) -> Result<Self, Fault> {
        let index = Self::empty()?;
        index.database.at(index.database.conn.execute_batch(TABLES))?;
        let mut words = Words::default();
        for (seq, line) in lines {
            if let Some(added) =
                Outline::read(line.as_ref(), |outline| add(&index.database.conn, &mut words, seq, outline))
            {
                index.database.at(added)?;
            }
        }
        index.database.at(index.database.conn.execute_batch(INDEXES))?;
        Ok(index)
    }

    fn transaction(&self) -> Result<Transaction<'_>, Fault> {
        self.database.at(Transaction::new_unchecked(&self.database.conn, TransactionBehavior::Immediate))
    }
}

fn found(conn: &Connection, reader: &Reader) -> rusqlite::Result<()> {
    conn.execute_batch(TABLES)?;
    conn.execute(
        "INSERT INTO about VALUES (0, ?1, ?2, ?3, 0, zeroblob(32))",
        params![VERSION, reader.log_origin().as_str(), reader.genesis_public_key()],
    )?;
    Ok(())
}

/// The hash that the receipt before `through` claims; zeros where there is none that can be read.
pub(super) fn hash_before(reader: &Reader, through: u64) -> Result<Digest, Fault> {
    let none = Digest([0; 32]);
    let Some(seq) = through.checked_sub(1) else { return Ok(none) };
    let Some(segment) = reader.segment_from(seq)? else { return Ok(none) };
    let line = (segment.first_seq..).zip(segment.lines()).find(|(at, _)| *at == seq);
    Ok(line.and_then(|(_, line)| line_hash(line)).unwrap_or(none))
}

/// Words that stand for themselves in the tables by a number.
#[derive(Default)]
struct Words {
    known: HashMap<String, i64>,
    /// How far the index went when they were known.
    through: u64,
}

impl Words {
    /// Words that a transaction made which was not committed are none.
    fn sure_of(&mut self, conn: &Connection, through: u64) -> rusqlite::Result<()> {
        if self.through == through && through > 0 {
            return Ok(());
        }
        self.known.clear();
        let mut query = conn.prepare_cached("SELECT text, id FROM words")?;
        for row in query.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))? {
            let (text, id) = row?;
            self.known.insert(text, id);
        }
        Ok(())
    }

    fn number(&mut self, conn: &Connection, text: &str) -> rusqlite::Result<i64> {
        if let Some(number) = self.known.get(text) {
            return Ok(*number);
        }
        conn.prepare_cached("INSERT OR IGNORE INTO words (text) VALUES (?1)")?.execute([text])?;
        let number = number_of(conn, text)?.unwrap_or_default();
        self.known.insert(text.to_owned(), number);
        Ok(number)
    }
}

/// The number of a word, if it has one.
pub(super) fn number_of(conn: &Connection, text: &str) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached("SELECT id FROM words WHERE text = ?1")?
        .query_row([text], |row| row.get(0))
        .optional()
}

fn add(conn: &Connection, words: &mut Words, seq: u64, outline: &Outline<'_>) -> rusqlite::Result<()> {
    let codes = match outline.codes.as_slice() {
        [] => None,
        codes => Some(words.number(conn, &codes_text(codes))?),
    };
    let spec = outline.spec_hash.map(|hash| words.number(conn, &to_hex(&hash.0))).transpose()?;
    conn.prepare_cached(
        "INSERT OR REPLACE INTO receipts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?
    .execute(params![
        to_sql(seq),
        i64::from_be_bytes(outline.id.0),
        to_sql(outline.at.ms()),
        words.number(conn, outline.kind)?,
        words.number(conn, outline.key_id)?,
        words.number(conn, &to_hex(&outline.policy_hash.0))?,
        outline.principal.map(person),
        outline.on_behalf_of.map(person),
        outline.tier.map(rank),
        outline.verdict.map(weight),
        outline.stopped,
        codes,
        spec,
        outline.exit_code.map(to_sql)
    ])?;
    for link in &outline.links {
        conn.prepare_cached("INSERT INTO refs VALUES (?1, ?2, ?3)")?.execute(params![
            i64::from_be_bytes(link.target.0),
            rel_number(link),
            to_sql(seq)
        ])?;
    }
    Ok(())
}

/// All codes of a receipt as one word, each between spaces.
fn codes_text(codes: &[std::borrow::Cow<'_, str>]) -> String {
    let mut text = " ".to_owned();
    for code in codes {
        text.push_str(code);
        text.push(' ');
    }
    text
}

pub(super) const fn person(id: PrincipalId) -> i64 {
    i64::from_be_bytes(id.0)
}

pub(super) const fn rank(tier: RiskTier) -> i64 {
    match tier {
        RiskTier::Low => 0,
        RiskTier::Medium => 1,
        RiskTier::High => 2,
        RiskTier::Critical => 3,
    }
}

pub(super) const fn weight(verdict: Verdict) -> i64 {
    match verdict {
        Verdict::Admit => 0,
        Verdict::Escalate => 1,
        Verdict::Deny => 2,
    }
}

/// A number for how one receipt refers to another: part of the version of the tables.
pub(super) const fn rel_number(link: &Link) -> i64 {
    match link.rel {
        Some(Rel::Intent) => 0,
        Some(Rel::DryRun) => 1,
        Some(Rel::Escalation) => 2,
        Some(Rel::Approval) => 3,
        Some(Rel::Grant) => 4,
        Some(Rel::Chain) => 5,
        Some(Rel::Parent) => 6,
        Some(Rel::Cron) => 7,
        Some(Rel::Memory) => 8,
        Some(Rel::Supersedes) => 9,
        None => 10,
    }
}
