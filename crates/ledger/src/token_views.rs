//! The view of a chain's bearer tokens: whose they are, what for, until when. Of the tokens themselves it has hashes.

use cascade_receipt::content::{TokenIssued, TokenRevoked, TokenScope};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId, TokenId};
use cascade_receipt::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::change::{Change, TokenRow};
use crate::draft::AppendError;
use crate::fault::Fault;
use crate::people_views;
use crate::reader::Reader;
use crate::store::{from_sql, to_sql};
use crate::views::Entry;

/// A bearer token as the chain knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// Its id.
    pub token_id: TokenId,
    /// The `token_issued`.
    pub receipt_id: ReceiptId,
    /// Its place.
    pub seq: u64,
    /// Its hash.
    pub entry_hash: Digest,
    /// SHA-256 of the token's secret.
    pub hash: Digest,
    /// Who issued it.
    pub principal: PrincipalId,
    /// Whose it is.
    pub to: PrincipalId,
    /// For whom its holder acts; only an agent acts for somebody.
    pub on_behalf_of: Option<PrincipalId>,
    /// What it may be used for, as far as this version knows the words.
    pub scopes: Vec<TokenScope>,
    /// Until when.
    pub expires: Timestamp,
    /// What took it back.
    pub revoked: Option<ReceiptId>,
}

impl Token {
    /// Whether whoever shows the other one acts as the same, for the same.
    #[must_use]
    pub fn is_of_same_holder(&self, other: &Self) -> bool {
        (self.to, self.on_behalf_of) == (other.to, other.on_behalf_of)
    }

    /// Whether it is an agent's.
    #[must_use]
    pub const fn agent(&self) -> bool {
        self.on_behalf_of.is_some()
    }

    /// The person behind it: whose it is, or for whom its holder acts.
    #[must_use]
    pub fn owner(&self) -> PrincipalId {
        self.on_behalf_of.unwrap_or(self.to)
    }

    /// Whether it is neither taken back, by itself or with whoever left, nor run out.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        self.revoked.is_none() && self.expires > at
    }

    /// Whether it may be used for this.
    #[must_use]
    pub fn allows(&self, scope: TokenScope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// Makes the view follow one receipt. What a foreign history issues twice stays as it was first.
pub(crate) fn apply(conn: &Connection, entry: &Entry, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::TokenIssued(row) => add(conn, entry, row),
        Change::TokenRevoked { token_id } => {
            conn.prepare_cached("UPDATE tokens SET revoked = ?1 WHERE token_id = ?2 AND revoked IS NULL")?
                .execute(params![entry.receipt_id.0, token_id.0])?;
            Ok(())
        }
        // Whoever comes back is let in anew, not by what was shown before.
        Change::PersonRemoved { principal } => {
            conn.prepare_cached(
                "UPDATE tokens SET revoked = ?1 WHERE revoked IS NULL AND ?2 IN (holder, on_behalf_of)",
            )?
            .execute(params![entry.receipt_id.0, principal.0])?;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn add(conn: &Connection, entry: &Entry, row: &TokenRow) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT OR IGNORE INTO tokens VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, NULL)",
    )?
    .execute(params![
        row.token_id.0,
        entry.receipt_id.0,
        to_sql(entry.seq),
        entry.entry_hash.0,
        row.hash.0,
        row.principal.0,
        row.to.0,
        row.on_behalf_of.map(|person| person.0),
        row.scopes,
        to_sql(row.expires.ms()),
    ])?;
    Ok(())
}

/// Why this may not be issued: by nobody but an administrator, to nobody who is not there, and no token twice.
pub(crate) fn refuses_issue(
    conn: &Connection,
    issued: &TokenIssued,
) -> rusqlite::Result<Option<AppendError>> {
    let issuer = people_views::person(conn, issued.principal)?;
    if !issuer.is_some_and(|issuer| issuer.is_admin()) {
        return Ok(Some(AppendError::SignerRefused(issued.principal)));
    }
    let owner = issued.on_behalf_of.unwrap_or(issued.to);
    if !people_views::is_registered(conn, owner)? {
        return Ok(Some(AppendError::NotRegistered(owner)));
    }
    let taken: bool = conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM tokens WHERE token_id = ?1 OR hash = ?2)")?
        .query_row(params![issued.token_id.0, issued.token_hash.0], |row| row.get(0))?;
    Ok(taken.then_some(AppendError::TokenTaken(issued.token_id)))
}

/// Why this cannot be taken back, or not by this principal.
pub(crate) fn refuses_revoke(
    conn: &Connection,
    revoked: &TokenRevoked,
) -> rusqlite::Result<Option<AppendError>> {
    let one = &revoked.issued;
    let token = token(conn, revoked.token_id)?.filter(|token| {
        token.receipt_id == one.receipt_id && token.entry_hash == one.entry_hash && token.revoked.is_none()
    });
    let Some(token) = token else { return Ok(Some(AppendError::TokenEnded(revoked.token_id))) };
    let says = people_views::person(conn, revoked.principal)?;
    let own = revoked.principal == token.owner() || revoked.principal == token.to;
    let may = own || says.is_some_and(|says| says.is_admin());
    Ok((!may).then_some(AppendError::SignerRefused(revoked.principal)))
}

fn token(conn: &Connection, id: TokenId) -> rusqlite::Result<Option<Token>> {
    conn.prepare_cached(&format!("{TOKENS} WHERE token_id = ?1"))?.query_row([id.0], token_of).optional()
}

const TOKENS: &str = "SELECT token_id, receipt_id, seq, entry_hash, hash, principal, holder, on_behalf_of, scopes, \
                      expires_ms, revoked FROM tokens";

fn token_of(row: &Row<'_>) -> rusqlite::Result<Token> {
    let scopes: String = row.get(8)?;
    Ok(Token {
        token_id: TokenId(row.get(0)?),
        receipt_id: ReceiptId(row.get(1)?),
        seq: from_sql(row.get(2)?),
        entry_hash: Digest(row.get(3)?),
        hash: Digest(row.get(4)?),
        principal: PrincipalId(row.get(5)?),
        to: PrincipalId(row.get(6)?),
        on_behalf_of: row.get::<_, Option<[u8; 8]>>(7)?.map(PrincipalId),
        // A word that nobody knows gives nothing.
        scopes: people_views::words(&scopes).iter().filter_map(|word| TokenScope::parse(word)).collect(),
        expires: Timestamp::from_ms(from_sql(row.get(9)?)),
        revoked: row.get::<_, Option<[u8; 8]>>(10)?.map(ReceiptId),
    })
}

impl Reader {
    /// The token whose secret has this SHA-256, also one that ended. What is compared is a hash of what somebody
    /// showed, so how long it takes tells nothing of what is kept.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn token_by_hash(&self, hash: &Digest) -> Result<Option<Token>, Fault> {
        self.ask(|conn| {
            conn.prepare_cached(&format!("{TOKENS} WHERE hash = ?1"))?
                .query_row([hash.0], token_of)
                .optional()
        })
    }

    /// One token by its id, also one that ended.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn token(&self, id: TokenId) -> Result<Option<Token>, Fault> {
        self.ask(|conn| token(conn, id))
    }

    /// Every token of the chain, oldest first; what was taken back or has run out included.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn tokens(&self) -> Result<Vec<Token>, Fault> {
        self.ask(|conn| {
            let mut query = conn.prepare_cached(&format!("{TOKENS} ORDER BY seq"))?;
            query.query_map((), token_of)?.collect()
        })
    }
}
