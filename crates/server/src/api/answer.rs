//! What routes have in common: queries that are read strictly, receipts that are named, documents that are answered.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use cascade_ledger::Found;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;

use super::{Caller, Problem};

/// A query, or what is wrong with it.
pub(super) fn query<T>(read: Result<Query<T>, QueryRejection>) -> Result<Query<T>, Problem> {
    read.map_err(|fault| Problem::bad("request.query", fault.body_text()))
}

/// A document that another crate made, as it is.
pub(super) fn document(value: &Value) -> Response {
    json(value.to_canonical())
}

/// The same for whoever is shown no private words: without these members, wherever they stand.
pub(super) fn without(value: Value, private: &[&str]) -> Value {
    match value {
        Value::Object(members) => {
            let left = members.into_iter().filter(|(key, _)| !private.contains(&key.as_str()));
            Value::Object(left.map(|(key, value)| (key, without(value, private))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|item| without(item, private)).collect()),
        other => other,
    }
}

/// JSON text, as it is.
pub(super) fn json(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// The receipt of this tenant that is named in full.
pub(super) fn receipt_id(caller: &Caller, id: &str) -> Result<ReceiptId, Problem> {
    place(caller, id).map(|(id, _)| id)
}

/// The same, and its place in the chain.
pub(super) fn place(caller: &Caller, id: &str) -> Result<(ReceiptId, u64), Problem> {
    let missing = || Problem::not_found("there is no such receipt");
    let id = ReceiptId::parse(id).ok_or_else(missing)?;
    match caller.tenant.ledger.find(&id.to_string())? {
        Found::One(_, seq, _) => Ok((id, seq)),
        Found::Nothing | Found::Several => Err(missing()),
    }
}

/// A moment as RFC 3339 has it, to the millisecond. Before 1970 nothing happened.
pub(super) fn moment(text: Option<&str>, name: &str) -> Result<Option<Timestamp>, Problem> {
    let read = |text: &str| {
        let moment: jiff::Timestamp = text.parse().map_err(|_| {
            Problem::bad("request.time", format!("`{name}` is no moment: write it like 2026-01-31T12:00:00Z"))
        })?;
        Ok(Timestamp::from_ms(u64::try_from(moment.as_millisecond()).unwrap_or(0)))
    };
    text.map(read).transpose()
}
