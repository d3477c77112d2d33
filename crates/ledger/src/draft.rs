//! What a caller hands to the ledger, and what comes back.

use std::sync::Arc;

use cascade_receipt::content::Body;
use cascade_receipt::digest::{Digest, Nonce};
use cascade_receipt::id::{PrincipalId, ReceiptId, TokenId};
use cascade_receipt::time::Timestamp;
use cascade_receipt::verify::REVOCATIONS_MAX;

use crate::extent::Extent;
use crate::fault::Fault;
use crate::limit_views::{About, Cap};
use crate::reader::Mark;
use crate::secrets::SealedSecret;
use crate::signer::Signer;

/// Largest private item or blob.
pub const ITEM_BYTES_MAX: usize = 128 * 1024 * 1024;

/// A receipt before it has a place in the chain.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Random; the caller keeps it, so that it can look for the receipt after a crash.
    pub receipt_id: ReceiptId,
    /// What is recorded.
    pub body: Body,
    /// Private bytes that the body commits to; durable before the receipt is.
    pub private: Vec<PrivateItem>,
    /// Content-addressed bytes without a salt, such as policy snapshots.
    pub blobs: Vec<(Digest, Vec<u8>)>,
    /// The sealed value of a credential that the body sets.
    pub secret: Option<SealedSecret>,
    /// What the decision looked at; another mark in force refuses the draft as stale.
    pub seen: Option<Mark>,
    /// What was known of the subject; more of it refuses the draft as stale.
    pub about: Option<About>,
    /// Where the budgets end on which an intent draws; one that others have drawn past refuses the draft as stale.
    pub caps: Vec<Cap>,
    /// The decision holds until this moment; a receipt of that time or later is refused as stale.
    pub holds_until: Option<Timestamp>,
    /// What an erasure covers; an action that has grown since refuses the draft as stale.
    pub(crate) extent: Option<Extent>,
    /// What signs from this receipt on (a revocation) or after it (a rotation).
    pub(crate) successor: Option<Arc<Signer>>,
}

impl Draft {
    /// A draft without private bytes.
    #[must_use]
    pub const fn new(receipt_id: ReceiptId, body: Body) -> Self {
        Self {
            receipt_id,
            body,
            private: Vec::new(),
            blobs: Vec::new(),
            secret: None,
            seen: None,
            about: None,
            caps: Vec::new(),
            holds_until: None,
            extent: None,
            successor: None,
        }
    }

    pub(crate) fn bytes_len(&self) -> usize {
        let private: usize = self.private.iter().map(|item| item.bytes.len()).sum();
        let blobs: usize = self.blobs.iter().map(|(_, bytes)| bytes.len()).sum();
        private + blobs
    }

    /// What can be refused without looking at the chain.
    pub(crate) fn check(&self) -> Result<(), AppendError> {
        if matches!(self.body, Body::Genesis(_)) {
            return Err(AppendError::SecondGenesis);
        }
        for item in &self.private {
            if item.bytes.len() > ITEM_BYTES_MAX {
                return Err(AppendError::ItemTooLong { field: item.field });
            }
            if Digest::salted(&item.nonce, &item.bytes) != item.hash {
                return Err(AppendError::ItemHash { field: item.field });
            }
        }
        for (hash, bytes) in &self.blobs {
            if bytes.len() > ITEM_BYTES_MAX {
                return Err(AppendError::ItemTooLong { field: "blob" });
            }
            if Digest::of(bytes) != *hash {
                return Err(AppendError::ItemHash { field: "blob" });
            }
        }
        // Bytes behind a hash that no receipt has would be kept, handed on, and proven by nothing.
        match self.unnamed() {
            Some(item) => Err(AppendError::ItemHash { field: item.field }),
            None => Ok(()),
        }
    }

    /// A private item that is said to stand behind a hash of the body, and does not.
    fn unnamed(&self) -> Option<&PrivateItem> {
        let mut hashed = self.private.iter().filter(|item| item.field.ends_with("_hash")).peekable();
        hashed.peek()?;
        let body = self.body.statement();
        hashed.find(|item| !body.contains(&item.hash.to_hex()))
    }
}

/// Private bytes behind a salted hash (format section 2.2).
#[derive(Clone)]
pub struct PrivateItem {
    /// SHA-256(nonce ‖ bytes), as it stands in the body.
    pub hash: Digest,
    /// The salt.
    pub nonce: Nonce,
    /// The private bytes.
    pub bytes: Vec<u8>,
    /// The member of content that carries the hash.
    pub field: &'static str,
}

impl PrivateItem {
    /// Salts and hashes `bytes`.
    #[must_use]
    pub fn new(field: &'static str, nonce: Nonce, bytes: Vec<u8>) -> Self {
        Self { hash: Digest::salted(&nonce, &bytes), nonce, bytes, field }
    }
}

impl std::fmt::Debug for PrivateItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrivateItem({}, {}, {} bytes)", self.field, self.hash, self.bytes.len())
    }
}

/// A receipt that is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Appended {
    /// Its id.
    pub receipt_id: ReceiptId,
    /// Its place.
    pub seq: u64,
    /// Its hash.
    pub entry_hash: Digest,
    /// Its time.
    pub timestamp: Timestamp,
    /// The exact stored line without its LF.
    pub line: String,
}

/// Why a draft is not in the chain. Everything up to [`AppendError::SecondGenesis`] refuses one
/// draft; the rest is about the writer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppendError {
    /// Policy, approvals, grants or a halt changed since the decision: decide again.
    #[error("the decision is stale: governance changed since it was made")]
    Stale,
    /// The tenant is halted: nothing starts.
    #[error("the tenant is halted")]
    Halted,
    /// The tenant is suspended: nothing starts.
    #[error("the tenant is suspended")]
    Suspended,
    /// The tenant was deleted: nothing follows.
    #[error("the tenant was deleted")]
    Deleted,
    /// The tenant cannot become what it is already, nor be deleted while it is not suspended.
    #[error("the tenant is {state}")]
    TenantState {
        /// How it stands.
        state: &'static str,
    },
    /// What is in flight must end before the tenant can be deleted.
    #[error("{count} action(s) of the tenant are in flight")]
    InFlight {
        /// How many.
        count: u64,
    },
    /// A request that was answered before.
    #[error("the request was answered before, by {receipt}")]
    Repeated {
        /// The receipt that answers it.
        receipt: ReceiptId,
    },
    /// The intent was never started, or has its closer.
    #[error("action {intent} is not open")]
    NotOpen {
        /// The intent that was named.
        intent: ReceiptId,
    },
    /// No workflow of that id, hash and specification.
    #[error("{chain} is no workflow of this specification")]
    ChainUnknown {
        /// What was named as one.
        chain: ReceiptId,
    },
    /// It was completed or aborted.
    #[error("workflow {chain} has ended")]
    ChainEnded {
        /// Its start.
        chain: ReceiptId,
    },
    /// A workflow does not complete while something of it runs.
    #[error("something of workflow {chain} is still running")]
    ChainRunning {
        /// Its start.
        chain: ReceiptId,
    },
    /// No such schedule, or not any more.
    #[error("{schedule} is no schedule, or was removed")]
    ScheduleGone {
        /// What was named as one.
        schedule: ReceiptId,
    },
    /// Another schedule has the name.
    #[error("there is a schedule of this name")]
    ScheduleTaken,
    /// It is paused, or is not.
    #[error("schedule {schedule} is {state}")]
    ScheduleState {
        /// What added it.
        schedule: ReceiptId,
        /// How it stands.
        state: &'static str,
    },
    /// Another scheduler was faster, or this one before it died.
    #[error("this time of schedule {schedule} is dealt with already")]
    CronHandled {
        /// What added it.
        schedule: ReceiptId,
    },
    /// By the clock of the chain its time has not come.
    #[error("the time of schedule {schedule} has not come")]
    CronEarly {
        /// What added it.
        schedule: ReceiptId,
    },
    /// No invocation that starts something, or one of long ago.
    #[error("{invocation} is no invocation that starts something")]
    CronUnknown {
        /// What was named as one.
        invocation: ReceiptId,
    },
    /// One thing runs for an invocation, once.
    #[error("something ran for invocation {invocation} already")]
    CronUsed {
        /// The invocation.
        invocation: ReceiptId,
    },
    /// No such approval of this action.
    #[error("{approval} is no approval of this action")]
    ApprovalUnknown {
        /// What was named as one.
        approval: ReceiptId,
    },
    /// Each approval is used once.
    #[error("approval {approval} is used already")]
    ApprovalUsed {
        /// The approval.
        approval: ReceiptId,
    },
    /// It ran out before this receipt.
    #[error("approval {approval} has expired")]
    ApprovalExpired {
        /// The approval.
        approval: ReceiptId,
    },
    /// What an answer stands on, or is to be forgotten, is not remembered any more.
    #[error("{memory} is not remembered any more")]
    MemoryGone {
        /// The `memory_learned`.
        memory: ReceiptId,
    },
    /// No escalation or dry run of that id, hash and action.
    #[error("{subject} is no escalation or dry run of this action")]
    SubjectUnknown {
        /// What was named as one.
        subject: ReceiptId,
    },
    /// Denied, expired, used or erased.
    #[error("{subject} takes no more answers: it is {state}")]
    SubjectClosed {
        /// The escalation or dry run.
        subject: ReceiptId,
        /// Where it stands.
        state: &'static str,
    },
    /// Fewer people than required have approved.
    #[error("{subject} is not approved")]
    NotApproved {
        /// The escalation or dry run.
        subject: ReceiptId,
    },
    /// The snapshot of the policy to activate is not in the vault.
    #[error("the policy snapshot {hash} is not in the vault")]
    SnapshotMissing {
        /// Its address.
        hash: Digest,
    },
    /// As many keys of the purpose are active as a chain may have at once.
    #[error("{most} {purpose} keys are active, and a chain may have no more at once")]
    TooManyKeys {
        /// What for.
        purpose: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// As many keys were taken back as a chain may take back.
    #[error("{REVOCATIONS_MAX} keys were taken back, and a chain takes no more back")]
    TooManyRevocations,
    /// The SSH key is that of another person of the chain.
    #[error(
        "this SSH key belongs to {0} already; one key under two names would make one person count as two"
    )]
    SshKeyTaken(PrincipalId),
    /// Nobody could govern the chain any more.
    #[error("{0} is the last administrator of the chain")]
    LastAdmin(PrincipalId),
    /// By now the signer has left, has another key, or may not sign this.
    #[error("the signature of {0} does not count")]
    SignerRefused(PrincipalId),
    /// Nobody is registered under this principal.
    #[error("{0} is not registered")]
    NotRegistered(PrincipalId),
    /// It was revoked, has run out, is held by somebody else, or its giver may no longer give it.
    #[error("grant {grant} does not hold")]
    GrantEnded {
        /// The grant.
        grant: ReceiptId,
    },
    /// More would be handed on than is held.
    #[error("this is more than grant {grant} gives to hand on")]
    GrantWider {
        /// The grant above.
        grant: ReceiptId,
    },
    /// Another token has its id, or its secret.
    #[error("token {0} is there already")]
    TokenTaken(TokenId),
    /// No such token was issued, or it was taken back.
    #[error("{0} is no token that could be taken back")]
    TokenEnded(TokenId),
    /// The tool is pinned already, or what it is to take the place of is not what stands there.
    #[error("the tool is pinned otherwise by now")]
    ToolTaken,
    /// It is of another action or principal, or another run has used it.
    #[error("{glass} lets nothing pass any more: it is good for one run of one action")]
    GlassUsed {
        /// The `break_glass`.
        glass: ReceiptId,
    },
    /// Nothing of that id and hash waits for a review.
    #[error("{glass} waits for no review")]
    Reviewed {
        /// The `break_glass`.
        glass: ReceiptId,
    },
    /// The receipt id is taken.
    #[error("receipt id {0} is taken")]
    IdTaken(ReceiptId),
    /// The line would be longer than the format allows.
    #[error("the receipt is longer than one line may be ({bytes} bytes)")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A private item is longer than [`ITEM_BYTES_MAX`].
    #[error("private bytes of `{field}` are too long")]
    ItemTooLong {
        /// Which.
        field: &'static str,
    },
    /// Private bytes do not give the hash they came with.
    #[error("private bytes of `{field}` do not give their hash")]
    ItemHash {
        /// Which.
        field: &'static str,
    },
    /// `genesis` is written by creation alone.
    #[error("a chain has one genesis")]
    SecondGenesis,

    /// Too many drafts wait; nothing was recorded.
    #[error("too many receipts are waiting to be written")]
    QueueFull,
    /// Certainly not recorded. When the writer stopped over it, later drafts get
    /// [`AppendError::Stopped`].
    #[error("nothing was recorded: {0}")]
    NotRecorded(Fault),
    /// The commit failed: recorded or not is known after the ledger is opened again. Look for the
    /// receipt id.
    #[error("not known whether it was recorded: {0}")]
    Unsettled(Fault),
    /// The writer stopped after an earlier failure; open the ledger again.
    #[error("the ledger stopped writing after an earlier failure")]
    Stopped,
}

impl AppendError {
    /// What a person can do, where there is something to do.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotRecorded(fault) | Self::Unsettled(fault) => fault.hint(),
            Self::TooManyKeys { .. } => {
                Some("`cascade key list` shows them; `cascade key revoke` takes one back that is not needed")
            }
            Self::ScheduleTaken => Some("`cascade cron remove NAME` first, or give another name"),
            Self::LastAdmin(_) => Some(
                "make somebody else an administrator first: `cascade people add NAME --ssh-key FILE.pub --admin`",
            ),
            Self::TooManyRevocations => Some("found a new chain with `cascade init`"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascade_receipt::content::AnswerRefused;

    #[test]
    fn an_item_is_as_long_as_its_limit() {
        let body = AnswerRefused { refs: Vec::new(), principal: PrincipalId([1; 8]), reasons: Vec::new() };
        let mut draft = Draft::new(ReceiptId([1; 8]), Body::AnswerRefused(body));
        for (bytes, expected) in
            [(ITEM_BYTES_MAX, Ok(())), (ITEM_BYTES_MAX + 1, Err(AppendError::ItemTooLong { field: "f" }))]
        {
            draft.private = vec![PrivateItem::new("f", Nonce([0; 32]), vec![0; bytes])];
            assert_eq!(draft.check(), expected);
        }
    }
}
