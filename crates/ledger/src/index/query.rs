//! Asking the index.

use std::collections::BTreeSet;

use cascade_receipt::decision::{GateName, RiskTier, Verdict};
use cascade_receipt::digest::{Digest, to_hex};
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::time::Timestamp;
use rusqlite::params_from_iter;
use rusqlite::types::Value as Sql;

use super::fill::{person, rank, rel_number, weight};
use super::outline::bit;
use super::{Index, Link, Outline};
use crate::fault::Fault;
use crate::store::{from_sql, to_sql};

/// Most places that one question gives.
pub const PAGE_MAX: usize = 10_000;

/// In which order places are given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// The oldest first.
    Ascending,
    /// The newest first.
    Descending,
}

/// What is looked for; all of it must hold. What is empty holds of everything.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Sought {
    /// One of these kinds.
    pub kinds: Vec<String>,
    /// None of these kinds.
    pub other_kinds: Vec<String>,
    /// This verdict.
    pub verdict: Option<Verdict>,
    /// This tier or a higher one.
    pub tier: Option<RiskTier>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// By or for one of these; nobody when it is empty and there.
    pub principals: Option<Vec<PrincipalId>>,
    /// With a reason whose code is this or begins with it and a dot.
    pub code: Option<String>,
    /// Stopped by this gate.
    pub gate: Option<GateName>,
    /// Of a specification whose hash begins so.
    pub spec: Option<String>,
    /// Under a policy whose hash begins so.
    pub policy: Option<String>,
    /// Signed by this key.
    pub key_id: Option<String>,
    /// Of this run of a workflow: its beginning, and where that stands.
    pub chain: Option<(ReceiptId, u64)>,
    /// With this exit code.
    pub exit_code: Option<u64>,
}

impl Sought {
    /// Whether a receipt is what is looked for. The index is a hint; this is what counts.
    #[must_use]
    pub fn fits(&self, one: &Outline<'_>) -> bool {
        let by = |people: &Vec<PrincipalId>| {
            [one.principal, one.on_behalf_of].into_iter().flatten().any(|who| people.contains(&who))
        };
        let begins = |hash: Option<Digest>, text: &String| {
            hash.is_some_and(|hash| to_hex(&hash.0).starts_with(text.as_str()))
        };
        (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == one.kind))
            && self.other_kinds.iter().all(|kind| kind != one.kind)
            && self.verdict.is_none_or(|verdict| one.verdict == Some(verdict))
            && self.tier.is_none_or(|least| one.tier.is_some_and(|tier| tier >= least))
            && self.since.is_none_or(|since| one.at >= since)
            && self.until.is_none_or(|until| one.at < until)
            && self.principals.as_ref().is_none_or(by)
            && self.code.as_ref().is_none_or(|sought| one.codes.iter().any(|code| is_code(code, sought)))
            && self.gate.is_none_or(|gate| one.stopped & bit(gate) != 0)
            && self.spec.as_ref().is_none_or(|text| begins(one.spec_hash, text))
            && self.policy.as_ref().is_none_or(|text| begins(Some(one.policy_hash), text))
            && self.key_id.as_ref().is_none_or(|key| one.key_id == key)
            && self.chain.is_none_or(|(chain, _)| one.id == chain || one.links.contains(&of_chain(chain)))
            && self.exit_code.is_none_or(|code| one.exit_code == Some(code))
    }
}

fn is_code(code: &str, sought: &str) -> bool {
    code.strip_prefix(sought).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

const fn of_chain(target: ReceiptId) -> Link {
    Link { rel: Some(cascade_receipt::content::Rel::Chain), target }
}

/// Receipts of a few kinds that may all be read.
const FEW: u64 = 2_000;

/// One way through the table: by which index, on which condition.
struct Way {
    by: &'static str,
    is: &'static str,
    value: Option<Sql>,
}

/// A condition and what stands for its question marks.
#[derive(Default)]
struct Condition {
    text: String,
    values: Vec<Sql>,
}

impl Condition {
    fn and(&mut self, text: &str, values: impl IntoIterator<Item = Sql>) {
        self.text.push_str(" AND ");
        self.text.push_str(text);
        self.values.extend(values);
    }

    fn number(&mut self, text: &str, number: i64) {
        self.and(text, [Sql::Integer(number)]);
    }

    /// `column` is one of the numbers; of none, when there are none.
    fn one_of(&mut self, column: &str, not: &str, numbers: &[i64]) {
        let marks = vec!["?"; numbers.len()].join(", ");
        self.and(&format!("{column} {not} IN ({marks})"), numbers.iter().copied().map(Sql::Integer));
    }
}

impl Index {
    /// Places of at most `limit` (and [`PAGE_MAX`]) receipts of `seqs` that may be what is looked for.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn search(
        &self,
        sought: &Sought,
        seqs: std::ops::Range<u64>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<u64>, Fault> {
        let mut condition = Condition::default();
        condition.number("receipts.seq >= ?", to_sql(seqs.start));
        condition.number("receipts.seq < ?", to_sql(seqs.end));
        self.narrow(sought, &mut condition)?;
        let word = if order == Order::Ascending { "ASC" } else { "DESC" };
        let limit = limit.min(PAGE_MAX);
        let mut found = BTreeSet::new();
        for way in self.ways(sought)? {
            let sql = format!(
                "SELECT receipts.seq FROM receipts {} WHERE {}{} ORDER BY receipts.seq {word} LIMIT {limit}",
                way.by, way.is, condition.text
            );
            let values: Vec<Sql> = way.value.into_iter().chain(condition.values.iter().cloned()).collect();
            found.extend(self.places(&sql, &values)?);
        }
        Ok(match order {
            Order::Ascending => found.into_iter().take(limit).collect(),
            Order::Descending => found.into_iter().rev().take(limit).collect(),
        })
    }

    /// The ways through the table that together meet everything that is looked for, each in the order of places, so that
    /// a bound on what is found bounds what is read. Left to itself SQLite, which knows nothing of how often a value
    /// stands there, reads the whole table for what is rare.
    fn ways(&self, sought: &Sought) -> Result<Vec<Way>, Fault> {
        let way = |by, is| move |number| Way { by, is, value: Some(Sql::Integer(number)) };
        let by_kind = || -> Result<Vec<Way>, Fault> {
            let numbers = self.numbers(&sought.kinds)?.into_iter();
            Ok(numbers.map(way("INDEXED BY receipts_kind", "kind = ?")).collect())
        };
        if !sought.kinds.is_empty() && self.few(&sought.kinds)? {
            return by_kind();
        }
        if let Some(people) = &sought.principals {
            let numbers = || people.iter().copied().map(person);
            let own = numbers().map(way("INDEXED BY receipts_principal", "principal = ?"));
            return Ok(own
                .chain(numbers().map(way("INDEXED BY receipts_behalf", "on_behalf_of = ?")))
                .collect());
        }
        if let Some(spec) = &sought.spec {
            let numbers = self.words_from(spec)?.into_iter();
            return Ok(numbers.map(way("INDEXED BY receipts_spec", "spec = ?")).collect());
        }
        if !sought.kinds.is_empty() {
            return by_kind();
        }
        if let Some(key) = &sought.key_id {
            let numbers = self.numbers(std::slice::from_ref(key))?.into_iter();
            return Ok(numbers.map(way("INDEXED BY receipts_key", "key = ?")).collect());
        }
        if let Some(policy) = &sought.policy {
            let numbers = self.words_from(policy)?.into_iter();
            return Ok(numbers.map(way("INDEXED BY receipts_policy", "policy = ?")).collect());
        }
        Ok(vec![Way { by: "NOT INDEXED", is: "1", value: None }])
    }

    /// Whether there are so few receipts of these kinds that reading all of them is the fastest.
    fn few(&self, kinds: &[String]) -> Result<bool, Fault> {
        let mut left = FEW;
        for number in self.numbers(kinds)? {
            let sql = "SELECT count(*) FROM (SELECT 1 FROM receipts INDEXED BY receipts_kind WHERE kind = ?1 LIMIT ?2)";
            let values = [number, to_sql(left)].map(Sql::Integer);
            left = left.saturating_sub(self.places(sql, &values)?.first().copied().unwrap_or_default());
        }
        Ok(left > 0)
    }

    fn narrow(&self, sought: &Sought, condition: &mut Condition) -> Result<(), Fault> {
        if !sought.kinds.is_empty() {
            condition.one_of("kind", "", &self.numbers(&sought.kinds)?);
        }
        if !sought.other_kinds.is_empty() {
            condition.one_of("kind", "NOT", &self.numbers(&sought.other_kinds)?);
        }
        if let Some(verdict) = sought.verdict {
            condition.number("verdict = ?", weight(verdict));
        }
        if let Some(tier) = sought.tier {
            condition.number("tier >= ?", rank(tier));
        }
        if let Some(since) = sought.since {
            condition.number("at_ms >= ?", to_sql(since.ms()));
        }
        if let Some(until) = sought.until {
            condition.number("at_ms < ?", to_sql(until.ms()));
        }
        if let Some(people) = &sought.principals {
            let marks = vec!["?"; people.len()].join(", ");
            let both = || people.iter().copied().map(person).map(Sql::Integer);
            let text = format!("(principal IN ({marks}) OR on_behalf_of IN ({marks}))");
            condition.and(&text, both().chain(both()));
        }
        if let Some(gate) = sought.gate {
            condition.number("stopped & ? <> 0", i64::from(bit(gate)));
        }
        if let Some(code) = sought.exit_code {
            condition.number("exit_code = ?", to_sql(code));
        }
        self.by_words(sought, condition)
    }

    /// What is kept as a word is looked up as one first: there are few.
    fn by_words(&self, sought: &Sought, condition: &mut Condition) -> Result<(), Fault> {
        if let Some(code) = &sought.code {
            let text = format!(" {code}");
            let exact = [format!("{text} "), format!("{text}.")];
            condition.one_of(
                "codes",
                "",
                &self.words_where("instr(text, ?1) > 0 OR instr(text, ?2) > 0", &exact)?,
            );
        }
        for (column, prefix) in [("spec", &sought.spec), ("policy", &sought.policy)] {
            if let Some(prefix) = prefix {
                condition.one_of(column, "", &self.words_from(prefix)?);
            }
        }
        if let Some(key) = &sought.key_id {
            condition.one_of("key", "", &self.numbers(std::slice::from_ref(key))?);
        }
        if let Some((chain, seq)) = sought.chain {
            let text =
                "(receipts.seq = ? OR receipts.seq IN (SELECT seq FROM refs WHERE target = ? AND rel = ?))";
            let rel = rel_number(&of_chain(chain));
            condition.and(text, [to_sql(seq), i64::from_be_bytes(chain.0), rel].map(Sql::Integer));
        }
        Ok(())
    }

    /// Places of at most `limit` receipts from `from` on that may be what is looked for and refer to `target`, by one of
    /// `rels` or by any, the oldest first.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn referring(
        &self,
        target: ReceiptId,
        rels: &[Option<cascade_receipt::content::Rel>],
        sought: &Sought,
        from: u64,
        limit: usize,
    ) -> Result<Vec<u64>, Fault> {
        let mut condition = Condition::default();
        condition.number("target = ?", i64::from_be_bytes(target.0));
        condition.number("refs.seq >= ?", to_sql(from));
        self.narrow(sought, &mut condition)?;
        if !rels.is_empty() {
            let numbers: Vec<i64> = rels.iter().map(|rel| rel_number(&Link { rel: *rel, target })).collect();
            condition.one_of("rel", "", &numbers);
        }
        let sql = format!(
            "SELECT DISTINCT refs.seq FROM refs CROSS JOIN receipts ON receipts.seq = refs.seq WHERE 1{} \
             ORDER BY refs.seq LIMIT {}",
            condition.text,
            limit.min(PAGE_MAX)
        );
        self.places(&sql, &condition.values)
    }

    /// Where a receipt stands, of its id.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn place_of(&self, id: ReceiptId) -> Result<Option<u64>, Fault> {
        let sql = "SELECT seq FROM receipts WHERE id = ?1 LIMIT 1";
        Ok(self.places(sql, &[Sql::Integer(i64::from_be_bytes(id.0))])?.first().copied())
    }

    /// At most two receipts whose ids begin so (`r_` and at least one digit).
    ///
    /// # Errors
    /// [`Fault`].
    pub fn beginning(&self, prefix: &str) -> Result<Vec<ReceiptId>, Fault> {
        let bound =
            |fill: &str| ReceiptId::parse(&format!("{prefix}{}", fill.repeat(18 - prefix.len().min(18))));
        let (Some(low), Some(high)) = (bound("0"), bound("f")) else { return Ok(Vec::new()) };
        let bounds = [low, high].map(|id| Sql::Integer(i64::from_be_bytes(id.0)));
        let ids = self.places("SELECT id FROM receipts WHERE id BETWEEN ?1 AND ?2 LIMIT 2", &bounds)?;
        Ok(ids.into_iter().map(|id| ReceiptId(id.to_be_bytes())).collect())
    }

    fn numbers(&self, words: &[String]) -> Result<Vec<i64>, Fault> {
        let known = words.iter().map(|word| super::fill::number_of(&self.database.conn, word));
        let known: rusqlite::Result<Vec<_>> = known.collect();
        Ok(self.database.at(known)?.into_iter().flatten().collect())
    }

    /// Hashes that begin so.
    fn words_from(&self, prefix: &str) -> Result<Vec<i64>, Fault> {
        self.words_where("text >= ?1 AND text < ?2", &[prefix.to_owned(), format!("{prefix}g")])
    }

    fn words_where(&self, condition: &str, values: &[String; 2]) -> Result<Vec<i64>, Fault> {
        let sql = format!("SELECT id FROM words WHERE {condition}");
        let read = || -> rusqlite::Result<Vec<i64>> {
            let mut query = self.database.conn.prepare_cached(&sql)?;
            query.query_map(params_from_iter(values.iter()), |row| row.get(0))?.collect()
        };
        self.database.at(read())
    }

    fn places(&self, sql: &str, values: &[Sql]) -> Result<Vec<u64>, Fault> {
        let read = || -> rusqlite::Result<Vec<u64>> {
            let mut query = self.database.conn.prepare_cached(sql)?;
            query.query_map(params_from_iter(values.iter()), |row| row.get(0).map(from_sql))?.collect()
        };
        self.database.at(read())
    }
}
