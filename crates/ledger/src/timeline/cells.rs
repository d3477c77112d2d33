//! Rows of views as their readers want them: every cell is what it stands for.

use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::time::Timestamp;
use rusqlite::types::Value as Stored;

use crate::store::from_sql;

/// One cell of a view.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cell {
    /// Nothing stands there.
    Nothing,
    /// Yes or no.
    Flag(bool),
    /// A number, such as a place in the chain.
    Number(u64),
    /// A text.
    Text(String),
    /// A receipt.
    Receipt(ReceiptId),
    /// Somebody.
    Principal(PrincipalId),
    /// A hash.
    Hash(Digest),
    /// A moment.
    Time(Timestamp),
    /// Anything else.
    Bytes(Vec<u8>),
}

/// A row that a receipt changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowChange {
    /// The view.
    pub table: &'static str,
    /// Positions of the cells by which its rows are told apart.
    pub key: Vec<usize>,
    /// As it was, each cell with its name; `None` where there was none.
    pub before: Option<Vec<(String, Cell)>>,
    /// As it is; `None` where it is gone.
    pub after: Option<Vec<(String, Cell)>>,
}

pub(super) fn cells(table: &str, columns: &[String], row: &[Stored]) -> Vec<(String, Cell)> {
    columns.iter().zip(row).map(|(column, value)| (column.clone(), cell(table, column, value))).collect()
}

fn cell(table: &str, column: &str, value: &Stored) -> Cell {
    match value {
        Stored::Null => Cell::Nothing,
        Stored::Integer(number) if column.ends_with("_ms") => {
            Cell::Time(Timestamp::from_ms(from_sql(*number)))
        }
        Stored::Integer(number) if FLAGS.contains(&column) => Cell::Flag(*number != 0),
        Stored::Integer(number) => Cell::Number(from_sql(*number)),
        Stored::Real(number) => Cell::Text(number.to_string()),
        Stored::Text(text) => Cell::Text(text.clone()),
        Stored::Blob(bytes) => blob(table, column, bytes),
    }
}

/// Columns that hold yes or no.
const FLAGS: [&str; 8] =
    ["approve", "deleted", "given", "halted", "paused", "signature_required", "signed", "suspended"];
/// Columns that hold somebody; elsewhere eight bytes are a receipt, or what [`NAMES`] says.
const PRINCIPALS: [&str; 5] = ["holder", "matter", "on_behalf_of", "owner", "principal"];
/// Columns that hold a name in eight bytes that is neither.
const NAMES: [(&str, &str); 4] =
    [("memory", "id"), ("schedules", "name"), ("secrets", "id"), ("tokens", "token_id")];
/// Views whose subject is a person; that of an approval is what was asked.
const ABOUT_PEOPLE: [&str; 4] = ["consents", "conversations", "known", "zones"];

fn blob(table: &str, column: &str, bytes: &[u8]) -> Cell {
    let other = || Cell::Bytes(bytes.to_vec());
    if bytes.is_empty() {
        return Cell::Nothing;
    }
    if let Ok(id) = <[u8; 8]>::try_from(bytes) {
        return match column {
            _ if NAMES.contains(&(table, column)) => other(),
            "subject" if ABOUT_PEOPLE.contains(&table) => Cell::Principal(PrincipalId(id)),
            _ if PRINCIPALS.contains(&column) => Cell::Principal(PrincipalId(id)),
            _ => Cell::Receipt(ReceiptId(id)),
        };
    }
    match <[u8; 32]>::try_from(bytes) {
        Ok(hash) if column != "public_key" => Cell::Hash(Digest(hash)),
        _ => other(),
    }
}
