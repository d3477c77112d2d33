//! Broken glass: signed by who answers for it, good for one run of one action, reviewed by somebody else.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use crate::content::Rel;
use crate::decision::Verdict;
use crate::digest::Digest;
use crate::id::{PrincipalId, ReceiptId};
use crate::line::Receipt;
use crate::reader::{Action, Meaning};
use crate::verify::code::Code;
use crate::verify::people::People;

#[derive(Clone, Debug, Default)]
pub(super) struct Glass {
    broken: BTreeMap<ReceiptId, Broken>,
    /// Actions that may not run without naming theirs.
    bound: BTreeSet<Digest>,
}

#[derive(Clone, Debug)]
struct Broken {
    action_hash: Digest,
    principal: PrincipalId,
    ssh_key: Option<String>,
    groups: Vec<String>,
    used: bool,
}

impl Glass {
    pub(super) fn take(&mut self, receipt: &Receipt<'_>, people: &People) -> Result<(), Code> {
        let Meaning::GlassBroken { action, groups, review_due } = &receipt.content.meaning else {
            return Ok(());
        };
        if action.verdict != Verdict::Admit {
            return Err(Code::Verdict);
        }
        if *review_due <= receipt.timestamp {
            return Err(Code::Expired);
        }
        self.bound.insert(action.action_hash);
        let broken = Broken {
            action_hash: action.action_hash,
            principal: action.principal,
            ssh_key: people.key_of(action.principal).map(ToOwned::to_owned),
            groups: groups.clone(),
            used: false,
        };
        self.broken.insert(receipt.receipt_id, broken);
        Ok(())
    }

    /// What runs past the gates is what was signed for, once.
    pub(super) fn check_run(&mut self, receipt: &Receipt<'_>, action: &Action) -> Result<(), Code> {
        let mut named = false;
        for one in receipt.content.refs_of(Rel::Parent) {
            let Some(broken) = self.broken.get_mut(&one.receipt_id) else { continue };
            if broken.action_hash != action.action_hash {
                return Err(Code::ActionHash);
            }
            if broken.principal != action.principal {
                return Err(Code::Signer);
            }
            if broken.used {
                return Err(Code::ApprovalReused);
            }
            (broken.used, named) = (true, true);
        }
        if self.bound.contains(&action.action_hash) && !named { Err(Code::ApprovalsMissing) } else { Ok(()) }
    }

    pub(super) fn review(
        &self,
        receipt: &Receipt<'_>,
        principal: PrincipalId,
        people: &People,
    ) -> Result<(), Code> {
        let mut about = receipt.content.refs.iter().map(|one| self.broken.get(&one.receipt_id));
        let (Some(Some(broken)), None) = (about.next(), about.next()) else { return Err(Code::Subject) };
        // Nor under another name with the same key.
        let key = people.key_of(principal);
        if broken.principal == principal || key.is_some() && key == broken.ssh_key.as_deref() {
            return Err(Code::SelfApproval);
        }
        if people.eligible(principal, &broken.groups) { Ok(()) } else { Err(Code::NotEligible) }
    }
}
