//! Kinds that are about the log itself.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Signature, add_signatures};
use crate::digest::Digest;
use crate::id::{PrincipalId, ReceiptId};
use crate::member::Members;

/// `anchor`: the newest cosigned checkpoint, so that the chain itself shows when it was seen outside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Anchor {
    /// The note, cosignatures included.
    pub checkpoint: String,
    /// Hash of the time stamp token over it, if there is one.
    pub tst_sha256: Option<Digest>,
}

/// `recovery` of a lost sign-once guard: from which checkpoint on it guards again.
#[derive(Clone, Debug)]
pub struct GuardRenewed {
    /// Receipts that the newest checkpoint known here covers.
    pub size: u64,
    /// Its root.
    pub root: Digest,
    /// Random, so that no signed statement can be used twice.
    pub statement_id: [u8; 8],
    /// An administrator's signature.
    pub signatures: Vec<Signature>,
}

/// One receipt whose private bytes are erased.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Erased {
    /// The receipt.
    pub receipt_id: ReceiptId,
    /// What the bytes were: members of content, or words such as `reason`.
    pub fields: Vec<String>,
}

/// `erasure`: private bytes are gone, or go as soon as nobody reads them any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Erasure {
    /// Every receipt of one action that had private bytes.
    pub erased: Vec<Erased>,
    /// Who had them erased.
    pub principal: PrincipalId,
    /// Random, so that no signed statement can be used twice.
    pub statement_id: [u8; 8],
    /// An administrator's signature.
    pub signatures: Vec<Signature>,
}

impl Anchor {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("checkpoint", |out| out.str(&self.checkpoint));
        to.add("checkpoint_sha256", |out| out.hex(&Digest::of(self.checkpoint.as_bytes()).0));
        if let Some(hash) = &self.tst_sha256 {
            to.add("tst_sha256", |out| out.hex(&hash.0));
        }
    }
}

impl GuardRenewed {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        // A recovery says what was dropped; here that is nothing.
        to.add("dropped_bytes", |out| out.int(0));
        to.add("dropped_sha256", |out| out.hex(&Digest::of(b"").0));
        to.add("guard", |out| {
            out.object(|out| {
                out.key("root").hex(&self.root.0);
                out.key("size").int(self.size);
            });
        });
        to.add("orphans", |out| out.int(0));
        add_signatures(to, &self.signatures);
        to.add("statement_id", |out| out.hex(&self.statement_id));
    }
}

impl Erasure {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("erased", |out| {
            out.array(|out| {
                for one in &self.erased {
                    out.item().object(|out| {
                        out.key("fields").array(|out| {
                            for field in &one.fields {
                                out.item().str(field);
                            }
                        });
                        out.key("receipt_id").spelled(&one.receipt_id);
                    });
                }
            });
        });
        to.add("principal", |out| out.spelled(&self.principal));
        add_signatures(to, &self.signatures);
        to.add("statement_id", |out| out.hex(&self.statement_id));
    }
}
