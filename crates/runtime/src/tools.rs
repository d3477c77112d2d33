//! Tools of servers outside: each is pinned as it was when it was first seen, and another definition is accepted by an
//! administrator or not at all.

use cascade_ledger::{AppendError, Appended, Draft, Fault, Ledger, PinnedTool, PrivateItem, Reader};
use cascade_policy::facts::TOOL_NAME_BYTES_MAX;
use cascade_receipt::content::{Body, ToolPinned};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};

use crate::admin::{self, AdminError};
use crate::consent::Sign;
use crate::facts::Asker;
use crate::membership::{receipt_id, statement_id};

/// How many of the newest receipts are looked through for what a tool has become.
pub const CHANGES_LOOKED_THROUGH_MAX: u64 = 10_000;

/// Why nothing was pinned.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It was not signed or not recorded.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A name that is empty, longer than [`TOOL_NAME_BYTES_MAX`] or has control characters.
    #[error("the name of a tool has 1 to {TOOL_NAME_BYTES_MAX} bytes, none of them a control character")]
    Name,
    /// Nobody has seen the tool.
    #[error("`{tool}` of `{server}` is not pinned: it was never seen")]
    Unseen {
        /// Who would offer it.
        server: String,
        /// Its name there.
        tool: String,
    },
    /// Nobody has called the tool since it changed.
    #[error("no call of `{0}` was stopped because it changed")]
    Unchanged(String),
}

impl From<Fault> for ToolError {
    fn from(fault: Fault) -> Self {
        Self::Admin(AdminError::Ledger(fault))
    }
}

/// A tool as its server shows it.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// Who offers it: `mcp:github`.
    pub server: &'a str,
    /// Its name there.
    pub tool: &'a str,
    /// The definition, canonical.
    pub definition: &'a str,
}

/// What a tool has become, as a call that was stopped for it says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changed {
    /// The call.
    pub receipt_id: ReceiptId,
    /// SHA-256 of the definition.
    pub definition: Digest,
    /// The definition, where it was kept.
    pub text: Option<String>,
}

/// How a tool is pinned; one that nobody has seen is pinned as it is shown.
///
/// # Errors
/// [`ToolError`].
pub fn pinned(ledger: &Ledger, asker: &Asker, shown: &Shown<'_>) -> Result<Digest, ToolError> {
    if shown.tool.is_empty()
        || shown.tool.len() > TOOL_NAME_BYTES_MAX
        || shown.tool.contains(char::is_control)
    {
        return Err(ToolError::Name);
    }
    if let Some(known) = ledger.pinned_tool(shown.server, shown.tool)? {
        return Ok(known.definition);
    }
    let definition = Digest::of(shown.definition.as_bytes());
    let body = Body::ToolPinned(ToolPinned {
        server: shown.server.to_owned(),
        tool: shown.tool.to_owned(),
        definition,
        principal: asker.principal_id(),
        supersedes: None,
        statement_id: statement_id()?,
        signatures: Vec::new(),
    });
    match append(ledger, body, Some(shown.definition)) {
        Ok(_) => Ok(definition),
        // Another process saw it at the same time.
        Err(AdminError::Append(AppendError::ToolTaken)) => {
            let known = ledger.pinned_tool(shown.server, shown.tool)?;
            known
                .map(|known| known.definition)
                .ok_or_else(|| AdminError::Append(AppendError::ToolTaken).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// An administrator accepts what a tool has become.
///
/// # Errors
/// [`ToolError`].
pub fn accept(
    ledger: &Ledger,
    asker: &Asker,
    known: &PinnedTool,
    (definition, text): (Digest, Option<&str>),
    sign: Sign<'_>,
) -> Result<Appended, ToolError> {
    let person = admin::may(ledger, asker)?;
    let mut pinned = ToolPinned {
        server: known.server.clone(),
        tool: known.tool.clone(),
        definition,
        principal: person.principal,
        supersedes: Some(known.reference()),
        statement_id: statement_id()?,
        signatures: Vec::new(),
    };
    let own = Body::ToolPinned(pinned.clone()).statement();
    pinned.signatures.push(admin::signature_of(ledger, &person, &own, sign)?);
    Ok(append(ledger, Body::ToolPinned(pinned), text)?)
}

/// A pinned tool.
///
/// # Errors
/// [`ToolError::Unseen`].
pub fn find(reader: &Reader, server: &str, tool: &str) -> Result<PinnedTool, ToolError> {
    let unseen = || ToolError::Unseen { server: server.to_owned(), tool: tool.to_owned() };
    reader.pinned_tool(server, tool)?.ok_or_else(unseen)
}

/// What a tool has become, by the newest call of it that was stopped because it is not what it was.
///
/// # Errors
/// [`ToolError`].
pub fn changed(reader: &Reader, known: &PinnedTool) -> Result<Changed, ToolError> {
    let newest = reader.head()?.next_seq;
    let oldest = newest.saturating_sub(CHANGES_LOOKED_THROUGH_MAX);
    for seq in (oldest..=newest).rev() {
        let Some(line) = reader.lines(seq..seq.saturating_add(1)).next().transpose()? else { continue };
        if line.text.contains("\"tool.changed\"")
            && let Some(changed) = of_line(reader, known, &line.text)?
        {
            return Ok(changed);
        }
    }
    Err(ToolError::Unchanged(known.tool.clone()))
}

fn of_line(reader: &Reader, known: &PinnedTool, line: &str) -> Result<Option<Changed>, Fault> {
    let receipt = json::parse(line.as_bytes()).ok();
    let Some(content) = receipt.as_ref().and_then(|receipt| receipt.member("content")) else {
        return Ok(None);
    };
    let text = |key: &str| content.member(key).and_then(Value::as_str);
    let (Some(hash), Some(receipt_id)) =
        (text("action_hash").and_then(Digest::from_hex), text("receipt_id").and_then(ReceiptId::parse))
    else {
        return Ok(None);
    };
    let Some((_, action)) = reader.private(&hash)? else { return Ok(None) };
    let Some(definition) = definition_in(&action, known) else { return Ok(None) };
    let kept = reader.private_of(receipt_id)?.into_iter().find(|item| item.field == "reason");
    let text = kept.and_then(|item| String::from_utf8(item.bytes).ok());
    // Believed when it is what was hashed.
    let text = text.filter(|text| Digest::of(text.as_bytes()) == definition);
    Ok(Some(Changed { receipt_id, definition, text }))
}

/// The definition that an action of this tool was stopped for.
fn definition_in(action: &[u8], known: &PinnedTool) -> Option<Digest> {
    let action = json::parse(action).ok()?;
    let call = action.member("tool")?;
    let text = |key: &str| call.member(key).and_then(Value::as_str);
    let same = text("server")? == known.server && text("name")? == known.tool;
    let definition = Digest::from_hex(text("definition")?)?;
    (same && definition != known.definition).then_some(definition)
}

/// Whether it may, the ledger sees to under its lock.
fn append(ledger: &Ledger, body: Body, definition: Option<&str>) -> Result<Appended, AdminError> {
    let mut draft = Draft::new(receipt_id()?, body);
    if let Some(text) = definition {
        draft.private.push(PrivateItem::new(
            "definition",
            cascade_ledger::nonce()?,
            text.as_bytes().to_vec(),
        ));
    }
    Ok(ledger.append(draft)?)
}
