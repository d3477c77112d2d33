//! `erasure`: which private bytes were removed, and who had them removed.

use alloc::string::String;
use alloc::vec::Vec;

use crate::content::{Signature, add_signatures};
use crate::id::{PrincipalId, ReceiptId};
use crate::member::Members;

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

impl Erasure {
    pub(super) fn add_to(&self, to: &mut Members) {
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
        to.add("statement_id", |out| out.hex(&self.statement_id));
        add_signatures(to, &self.signatures);
    }
}
