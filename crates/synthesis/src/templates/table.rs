//! Table schemas, from `CREATE TABLE` or JSON; what is not covered is refused by its name.

mod sql;
mod write;

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::Declined;

pub(super) use write::module;

/// Columns of one table.
const COLUMNS_MAX: usize = 256;
/// Characters of one name.
const NAME_CHARS_MAX: usize = 128;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A whole number of so many bytes.
    Integer(u32),
    Real,
    /// Digits in all, digits after the point.
    Decimal(Option<(u32, u32)>),
    /// Characters at most.
    Text(Option<u32>),
    Boolean,
    Date,
    Timestamp,
    Bytes,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) nullable: bool,
    /// Whether the database fills it in when it is left out.
    pub(super) filled: bool,
}

/// One table. Keys and uniqueness are left to the database: no row alone can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
}

/// Reads `CREATE TABLE`, or JSON when the text begins with a brace.
pub(super) fn read(text: &str) -> Result<Table, Declined> {
    let table = if text.trim_start().starts_with('{') { json(text)? } else { sql::read(text)? };
    if table.columns.is_empty() {
        return Err(Declined::Unreadable { what: "a table needs a column".to_owned() });
    }
    if table.columns.len() > COLUMNS_MAX {
        return Err(Declined::TooLarge { what: "table", most: COLUMNS_MAX });
    }
    let mut seen = BTreeSet::new();
    for name in table.columns.iter().map(|column| &column.name).chain([&table.name]) {
        let plain = name.chars().all(|c| !c.is_control() && !matches!(c, '"' | '`' | '[' | ']' | '\\'));
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || !plain {
            return Err(Declined::Unreadable {
                what: "a name is empty, too long or has a quote in it".to_owned(),
            });
        }
    }
    for column in &table.columns {
        // Databases do not tell names apart by case.
        if !seen.insert(column.name.to_lowercase()) {
            return Err(Declined::Unreadable { what: format!("column {} comes twice", column.name) });
        }
    }
    Ok(table)
}

/// The type that a word names, with the numbers in parentheses behind it.
fn kind(word: &str, numbers: &[u32]) -> Option<(Kind, bool)> {
    let plain = |kind| numbers.is_empty().then_some((kind, false));
    match (word, numbers) {
        ("SMALLINT" | "INT2", []) => plain(Kind::Integer(2)),
        ("INT" | "INTEGER" | "INT4", []) => plain(Kind::Integer(4)),
        ("BIGINT" | "INT8", []) => plain(Kind::Integer(8)),
        ("SERIAL", []) => Some((Kind::Integer(4), true)),
        ("BIGSERIAL", []) => Some((Kind::Integer(8), true)),
        ("REAL" | "FLOAT" | "DOUBLE" | "DOUBLE PRECISION", []) => plain(Kind::Real),
        ("NUMERIC" | "DECIMAL", []) => plain(Kind::Decimal(None)),
        ("NUMERIC" | "DECIMAL", [all]) if *all > 0 => Some((Kind::Decimal(Some((*all, 0))), false)),
        ("NUMERIC" | "DECIMAL", [all, after]) if *all > 0 && after <= all => {
            Some((Kind::Decimal(Some((*all, *after))), false))
        }
        ("TEXT", []) => plain(Kind::Text(None)),
        ("VARCHAR" | "CHARACTER VARYING", []) => plain(Kind::Text(None)),
        ("VARCHAR" | "CHARACTER VARYING" | "CHAR" | "CHARACTER", [most]) => {
            Some((Kind::Text(Some(*most)), false))
        }
        ("BOOLEAN" | "BOOL", []) => plain(Kind::Boolean),
        ("DATE", []) => plain(Kind::Date),
        ("TIMESTAMP" | "DATETIME", []) => plain(Kind::Timestamp),
        ("BLOB" | "BYTEA", []) => plain(Kind::Bytes),
        _ => None,
    }
}

fn member(name: &str, what: &'static str) -> Declined {
    Declined::Value { keyword: name.to_owned(), place: "table".to_owned(), what }
}

/// `{"table": …, "columns": [{"name": …, "type": …, "nullable": …, "default": …}]}`
fn json(text: &str) -> Result<Table, Declined> {
    let document: Json =
        serde_json::from_str(text).map_err(|error| Declined::Unreadable { what: error.to_string() })?;
    let known = |given: &Json, names: &[&str], place: &str| {
        let members = given.as_object().into_iter().flatten();
        members
            .map(|(key, _)| key)
            .find(|key| !names.contains(&key.as_str()))
            .map_or(Ok(()), |key| Err(Declined::Keyword { keyword: key.clone(), place: place.to_owned() }))
    };
    known(&document, &["table", "columns"], "table")?;
    let name = document.get("table").and_then(Json::as_str).ok_or(member("table", "must be a name"))?;
    let given =
        document.get("columns").and_then(Json::as_array).ok_or(member("columns", "must be a list"))?;
    let mut columns = Vec::new();
    for column in given {
        let name = column.get("name").and_then(Json::as_str).ok_or(member("name", "must be a text"))?;
        known(column, &["name", "type", "nullable", "default"], name)?;
        let of = column.get("type").and_then(Json::as_str).ok_or(member("type", "must be a text"))?;
        let (kind, filled) = sql::kind_of(of)?;
        let nullable = column.get("nullable").map_or(Some(true), Json::as_bool);
        let nullable = nullable.ok_or(member("nullable", "must be true or false"))?;
        let filled = filled || column.get("default").is_some();
        columns.push(Column { name: name.to_owned(), kind, nullable: nullable && !filled_key(of), filled });
    }
    Ok(Table { name: name.to_owned(), columns })
}

/// Whether a type word says that the column is a counter, which is never null.
fn filled_key(word: &str) -> bool {
    word.to_uppercase().ends_with("SERIAL")
}
