//! The views of workflows: which runs there are, how far each is, and which receipts belong to it.

use cascade_receipt::content::{Action, Body, ChainClosed, OfSpec, PureTask, Ref, Rel, StepAt, StepRole};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::{self, Value};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::change::Change;
use crate::draft::AppendError;
use crate::fault::Fault;
use crate::lines::Line;
use crate::reader::{OpenAction, Reader};
use crate::store::{from_sql, to_sql};
use crate::views::Entry;

/// Most lines that [`Reader::receipts_of_chain`] gives at once.
pub const CHAIN_LINES_MAX: u32 = 1_000;

/// A run of a workflow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// The `chain_started`.
    pub receipt_id: ReceiptId,
    /// Its place.
    pub seq: u64,
    /// Its hash.
    pub entry_hash: Digest,
    /// The specification.
    pub spec_hash: Digest,
    /// Whose run it is.
    pub principal: PrincipalId,
    /// The `chain_completed` or `chain_aborted`.
    pub closed: Option<ReceiptId>,
}

impl Chain {
    /// How the receipts of the run name it.
    #[must_use]
    pub const fn reference(&self) -> Ref {
        Ref { rel: Rel::Chain, receipt_id: self.receipt_id, entry_hash: self.entry_hash }
    }
}

/// Makes the views follow one receipt.
pub(crate) fn apply(conn: &Connection, entry: &Entry, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::ChainStarted { principal, spec_hash, .. } => {
            conn.prepare_cached("INSERT INTO chains VALUES (?1, ?2, ?3, ?4, ?5, NULL)")?.execute(params![
                entry.receipt_id.0,
                to_sql(entry.seq),
                entry.entry_hash.0,
                spec_hash.0,
                principal.0
            ])?;
        }
        Change::ChainClosed { chain } => {
            conn.prepare_cached("UPDATE chains SET closed = ?1 WHERE receipt_id = ?2 AND closed IS NULL")?
                .execute(params![entry.receipt_id.0, chain.0])?;
        }
        _ => {}
    }
    Ok(())
}

/// Notes that a receipt belongs to the run that it names.
pub(crate) fn follow(conn: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    if let Some(chain) = entry.chain {
        conn.prepare_cached("INSERT INTO chain_receipts VALUES (?1, ?2)")?
            .execute(params![chain.0, to_sql(entry.seq)])?;
    }
    Ok(())
}

/// The run that a body names.
pub(crate) fn of_body(body: &Body) -> Option<ReceiptId> {
    named(body).0.first().map(|one| one.receipt_id)
}

/// The run that stored content names. `refs` of other people's extensions mean what they like.
pub(crate) fn of_value(content: &Value) -> Option<ReceiptId> {
    if content.member("kind")?.as_str()?.starts_with("x_") {
        return None;
    }
    chain_ref(content).map(|one| one.receipt_id)
}

fn chain_ref(content: &Value) -> Option<Ref> {
    let text = |one: &Value, key: &str| one.member(key).and_then(Value::as_str).map(str::to_owned);
    let refs = content.member("refs")?.as_array()?;
    let one = refs.iter().find(|one| text(one, "rel").as_deref() == Some(Rel::Chain.as_str()))?;
    Some(Ref {
        rel: Rel::Chain,
        receipt_id: ReceiptId::parse(&text(one, "receipt_id")?)?,
        entry_hash: Digest::from_hex(&text(one, "entry_hash")?)?,
    })
}

/// The runs that a body names, and its specification.
fn named(body: &Body) -> (Vec<&Ref>, Option<&Digest>) {
    let action = match body {
        Body::DryRun(action) | Body::Blocked(action) | Body::TaskStarted(action) | Body::Point(action) => {
            action
        }
        Body::Leased(leased) => &leased.action,
        Body::Escalation(escalation) => &escalation.action,
        Body::GlassBroken(broken) => &broken.action,
        Body::Pure(PureTask { action, .. }) => action,
        Body::ChainStarted(started) => &started.action,
        Body::ChainClosed(closed) => return (vec![&closed.chain], Some(&closed.spec_hash)),
        Body::Closing(closing) => return followed(closing.chain.as_ref(), closing.spec.as_ref()),
        Body::Heartbeat(beat) => return followed(beat.chain.as_ref(), beat.spec.as_ref()),
        _ => return (Vec::new(), None),
    };
    of_action(action)
}

fn of_action(action: &Action) -> (Vec<&Ref>, Option<&Digest>) {
    let chains = action.refs.iter().filter(|one| one.rel == Rel::Chain);
    (chains.collect(), action.spec.as_ref().map(|spec| &spec.spec_hash))
}

fn followed<'a>(chain: Option<&'a Ref>, spec: Option<&'a OfSpec>) -> (Vec<&'a Ref>, Option<&'a Digest>) {
    (chain.into_iter().collect(), spec.map(|spec| &spec.spec_hash))
}

/// Why this may not be a part of the run that it names.
pub(crate) fn refusal(
    conn: &Connection,
    receipt_id: ReceiptId,
    body: &Body,
) -> rusqlite::Result<Option<AppendError>> {
    let (chains, spec_hash) = named(body);
    let unknown = |chain| Ok(Some(AppendError::ChainUnknown { chain }));
    if matches!(body, Body::ChainStarted(_)) {
        // A run begins as a part of none, and of a specification.
        let sound = chains.is_empty() && spec_hash.is_some();
        return if sound { Ok(None) } else { unknown(receipt_id) };
    }
    let one = match chains.as_slice() {
        [] => return Ok(None),
        [one] => *one,
        [_, second, ..] => return unknown(second.receipt_id),
    };
    let chain = chain(conn, one.receipt_id)?;
    let Some(chain) =
        chain.filter(|chain| chain.entry_hash == one.entry_hash && Some(&chain.spec_hash) == spec_hash)
    else {
        return unknown(one.receipt_id);
    };
    let ends = matches!(
        body,
        Body::TaskStarted(_) | Body::Leased(_) | Body::Pure(_) | Body::Point(_) | Body::ChainClosed(_)
    );
    if ends && chain.closed.is_some() {
        return Ok(Some(AppendError::ChainEnded { chain: chain.receipt_id }));
    }
    match body {
        Body::ChainClosed(ChainClosed { completed: true, .. }) if is_running(conn, chain.receipt_id)? => {
            Ok(Some(AppendError::ChainRunning { chain: chain.receipt_id }))
        }
        _ => Ok(None),
    }
}

fn is_running(conn: &Connection, chain: ReceiptId) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM open_actions WHERE chain = ?1)")?
        .query_row([chain.0], |row| row.get(0))
}

const COLUMNS: &str = "receipt_id, seq, entry_hash, spec_hash, principal, closed";

fn chain(conn: &Connection, id: ReceiptId) -> rusqlite::Result<Option<Chain>> {
    conn.prepare_cached(&format!("SELECT {COLUMNS} FROM chains WHERE receipt_id = ?1"))?
        .query_row([id.0], read)
        .optional()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Chain> {
    Ok(Chain {
        receipt_id: ReceiptId(row.get(0)?),
        seq: from_sql(row.get(1)?),
        entry_hash: Digest(row.get(2)?),
        spec_hash: Digest(row.get(3)?),
        principal: PrincipalId(row.get(4)?),
        closed: row.get::<_, Option<[u8; 8]>>(5)?.map(ReceiptId),
    })
}

impl Reader {
    /// The run that began with this receipt.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn chain(&self, id: ReceiptId) -> Result<Option<Chain>, Fault> {
        self.ask(|conn| chain(conn, id))
    }

    /// Runs that have not ended, oldest first.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn open_chains(&self) -> Result<Vec<Chain>, Fault> {
        self.all(&format!("SELECT {COLUMNS} FROM chains WHERE closed IS NULL ORDER BY seq"), (), read)
    }

    /// The lines of a run at `from_seq` and after, its start first, in the order of the log; at most
    /// [`CHAIN_LINES_MAX`], so that whoever wants all goes on after the last one.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn receipts_of_chain(&self, id: ReceiptId, from_seq: u64) -> Result<Vec<Line>, Fault> {
        let seqs: Vec<u64> = self.all(
            "SELECT seq FROM chains WHERE receipt_id = ?1 AND seq >= ?2
             UNION ALL SELECT seq FROM chain_receipts WHERE chain = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3",
            params![id.0, to_sql(from_seq), CHAIN_LINES_MAX],
            |row| row.get(0).map(from_sql),
        )?;
        let mut found = Vec::with_capacity(seqs.len());
        for seqs in seqs.chunk_by(|before, after| before + 1 == *after) {
            if let (Some(first), Some(last)) = (seqs.first(), seqs.last()) {
                for line in self.lines(*first..last + 1) {
                    found.push(line?);
                }
            }
        }
        Ok(found)
    }

    /// The run and step that an intent names, for whoever closes it in another's place.
    pub(crate) fn step_of(&self, action: &OpenAction) -> Result<(Option<Ref>, Option<OfSpec>), Fault> {
        let line = self.lines(action.seq..action.seq + 1).next().transpose()?;
        let receipt = line.and_then(|line| json::parse_canonical(line.text.as_bytes()).ok());
        let Some(content) = receipt.as_ref().and_then(|receipt| receipt.member("content")) else {
            return Ok((None, None));
        };
        Ok((chain_ref(content), spec_of(content)))
    }
}

fn spec_of(content: &Value) -> Option<OfSpec> {
    let spec_hash = Digest::from_hex(content.member("spec_hash")?.as_str()?)?;
    let step = content.member("step").and_then(|step| {
        let number = |key| step.member(key).and_then(Value::as_u64);
        Some(StepAt {
            at: number("at")?,
            item: number("item")?,
            attempt: number("attempt")?,
            role: step.member("role").and_then(Value::as_str).and_then(StepRole::parse),
        })
    });
    Some(OfSpec { spec_hash, step })
}
