//! Requests that their senders may send again: by key and sender, the one receipt that answers each.
//!
//! The receipt itself says which request it answers, so that both are durable in the same moment, and a sender who heard
//! nothing before the process died finds what was done. A second receipt for one request is refused under the write lock.

use aws_lc_rs::hmac;
use cascade_receipt::content::{Action, Body, RequestTag};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::Value;
use rusqlite::{Connection, OptionalExtension as _, params};
use zeroize::Zeroizing;

use crate::draft::AppendError;
use crate::fault::{At as _, Fault};
use crate::ledger::Ledger;
use crate::reader::Reader;
use crate::store::to_sql;
use crate::views::Entry;
use crate::{files, random};

/// Lies beside the keys; whoever has it can guess at requests, and nothing else.
const SECRET_FILE: &str = "requests.key";
/// Bytes of that secret.
const SECRET_BYTES: usize = 32;

/// Whoever gives keys to requests. A key of one surface is none of another, whatever its letters are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Surface {
    /// Callers over HTTP, of whichever route.
    Http,
    /// Hooks, out of what coding agents call their tool calls.
    Hook,
    /// Statements that somebody signs elsewhere and that are to be the same meanwhile.
    Statement,
}

impl Surface {
    const fn label(self) -> &'static [u8] {
        match self {
            // As it was before there were others: keys are kept for ever.
            Self::Http => b"key\n",
            Self::Hook => b"hook key\n",
            Self::Statement => b"statement key\n",
        }
    }
}

impl Ledger {
    /// What the receipt of a request says of it: sender, key and body under this home's secret, which is made on first
    /// use.
    ///
    /// # Errors
    /// When the secret cannot be read or made.
    pub fn request_tag(
        &self,
        sender: PrincipalId,
        (surface, key): (Surface, &str),
        body: &[u8],
    ) -> Result<RequestTag, Fault> {
        let secret = self.request_secret()?;
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let tag = |parts: [&[u8]; 3]| {
            let mut mac = hmac::Context::with_key(&secret);
            parts.into_iter().for_each(|part| mac.update(part));
            let tag = mac.sign();
            Digest(std::array::from_fn(|at| tag.as_ref().get(at).copied().unwrap_or_default()))
        };
        Ok(RequestTag {
            key: tag([surface.label(), &sender.0, key.as_bytes()]),
            body: tag([b"body\n", &sender.0, body]),
        })
    }

    fn request_secret(&self) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let path = self.dir().join(SECRET_FILE);
        let stored = || -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
            match std::fs::read(&path) {
                Ok(bytes) if bytes.len() == SECRET_BYTES => Ok(Some(Zeroizing::new(bytes))),
                Ok(_) => Err(Fault::damaged(&path, "is not 32 bytes")),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(Fault::io(&path, &error)),
            }
        };
        if let Some(secret) = stored()? {
            return Ok(secret);
        }
        // Whole or not there; of several processes that make one, the first one's stays.
        let fresh = path.with_extension(random::receipt_id()?.to_string());
        files::write_new(&fresh, &random::nonce()?.0)?;
        let linked = std::fs::hard_link(&fresh, &path);
        std::fs::remove_file(&fresh).at(&fresh)?;
        match linked {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(Fault::io(&path, &error));
            }
            _ => {}
        }
        files::sync_dir(self.dir())?;
        stored()?.ok_or_else(|| Fault::damaged(&path, "is gone"))
    }
}

impl Reader {
    /// The receipt that answers the request of this key, and what was asked.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn request(&self, key: &Digest) -> Result<Option<(ReceiptId, Digest)>, Fault> {
        let sql = "SELECT receipt_id, body FROM requests WHERE key = ?1";
        let found = self.all(sql, [key.0], |row| Ok((ReceiptId(row.get(0)?), Digest(row.get(1)?))))?;
        Ok(found.into_iter().next())
    }
}

/// The request that a body answers.
pub(crate) fn of_body(body: &Body) -> Option<RequestTag> {
    action_of(body)?.request
}

fn action_of(body: &Body) -> Option<&Action> {
    match body {
        Body::DryRun(action) | Body::Blocked(action) | Body::TaskStarted(action) => Some(action),
        Body::Leased(leased) => Some(&leased.action),
        Body::Escalation(escalation) => Some(&escalation.action),
        _ => None,
    }
}

/// The same of stored content.
pub(crate) fn of_value(content: &Value) -> Option<RequestTag> {
    let kind = content.member("kind")?.as_str()?;
    if !["dry_run", "blocked", "task_started", "escalation"].contains(&kind) {
        return None;
    }
    let request = content.member("request")?;
    let digest = |key| Digest::from_hex(request.member(key)?.as_str()?);
    Some(RequestTag { key: digest("key")?, body: digest("body")? })
}

/// Notes which receipt answers a request.
pub(crate) fn follow(conn: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    if let Some(request) = &entry.request {
        // Receipts that others wrote may repeat one; the first counts.
        conn.prepare_cached("INSERT OR IGNORE INTO requests VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            request.key.0,
            request.body.0,
            entry.receipt_id.0,
            to_sql(entry.seq)
        ])?;
    }
    Ok(())
}

/// A request is answered once.
pub(crate) fn refusal(conn: &Connection, body: &Body) -> rusqlite::Result<Option<AppendError>> {
    let Some(request) = of_body(body) else { return Ok(None) };
    let answered: Option<[u8; 8]> = conn
        .prepare_cached("SELECT receipt_id FROM requests WHERE key = ?1")?
        .query_row([request.key.0], |row| row.get(0))
        .optional()?;
    Ok(answered.map(|id| AppendError::Repeated { receipt: ReceiptId(id) }))
}
