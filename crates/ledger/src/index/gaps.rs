//! Places that could not be read when they were indexed. Damage may be mended; what it hid is looked for again.

use rusqlite::{Connection, params};

use super::{Index, Outline};
use crate::fault::Fault;
use crate::reader::Reader;
use crate::store::{from_sql, to_sql};

/// Notes that these places were not read; those that follow on the last ones are one gap with them.
pub(super) fn note(conn: &Connection, first: u64, next: u64) -> rusqlite::Result<()> {
    if first >= next {
        return Ok(());
    }
    let longer = conn
        .prepare_cached(
            "UPDATE gaps SET next_seq = ?2 WHERE first_seq = (SELECT max(first_seq) FROM gaps) AND next_seq = ?1",
        )?
        .execute(params![to_sql(first), to_sql(next)])?;
    if longer == 0 {
        conn.prepare_cached("INSERT OR REPLACE INTO gaps VALUES (?1, ?2)")?
            .execute(params![to_sql(first), to_sql(next)])?;
    }
    Ok(())
}

impl Index {
    /// Whether something can be read now that could not be when it was indexed.
    pub(super) fn is_mended(&self, reader: &Reader) -> Result<bool, Fault> {
        for (first, next) in self.gaps()? {
            let mut at = first;
            while at < next {
                let Some(segment) = reader.segment_from(at)?.filter(|one| one.first_seq < next) else {
                    break;
                };
                let lines = (segment.first_seq..next).zip(segment.lines()).filter(|(seq, _)| *seq >= first);
                for (_, line) in lines {
                    if std::str::from_utf8(line).ok().and_then(|text| Outline::read(text, |_| ())).is_some() {
                        return Ok(true);
                    }
                }
                at = (segment.first_seq + segment.count).max(at + 1);
            }
        }
        Ok(false)
    }

    fn gaps(&self) -> Result<Vec<(u64, u64)>, Fault> {
        let read = || -> rusqlite::Result<Vec<(u64, u64)>> {
            let mut query = self.database.conn.prepare_cached("SELECT first_seq, next_seq FROM gaps")?;
            query.query_map((), |row| Ok((from_sql(row.get(0)?), from_sql(row.get(1)?))))?.collect()
        };
        self.database.at(read())
    }
}
