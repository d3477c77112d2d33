//! Grants: who gave what to whom, and whether it still holds.

use alloc::collections::BTreeMap;

use crate::content::Rel;
use crate::id::{PrincipalId, ReceiptId};
use crate::line::Receipt;
use crate::reader::{Action, Given};
use crate::time::Timestamp;
use crate::verify::code::Code;
use crate::verify::people::People;

#[derive(Clone, Debug, Default)]
pub(super) struct Grants {
    grants: BTreeMap<ReceiptId, Held>,
}

#[derive(Clone, Debug)]
struct Held {
    given: Given,
    parent: Option<ReceiptId>,
    revoked: bool,
}

impl Grants {
    /// An administrator gives, or somebody hands on what he holds.
    pub(super) fn give(&mut self, receipt: &Receipt<'_>, given: &Given, people: &People) -> Result<(), Code> {
        let mut stands_on = receipt.content.refs_of(Rel::Grant);
        let parent = match (stands_on.next(), stands_on.next()) {
            (None, _) if people.is_admin(given.principal) => None,
            (None, _) => return Err(Code::NotAdmin),
            (Some(one), None) => Some(one.receipt_id),
            (Some(_), Some(_)) => return Err(Code::GrantRef),
        };
        if let Some(parent) = parent {
            let above = self.used(parent, given.principal, receipt.timestamp, people)?;
            let expires_later = match (above.given.expires, given.expires) {
                (Some(end), Some(wished)) => wished > end,
                (Some(_), None) => true,
                (None, _) => false,
            };
            let wider = !above.given.scope.holds(&given.scope);
            if wider || expires_later || given.delegate >= above.given.delegate {
                return Err(Code::GrantWider);
            }
        }
        self.grants.insert(receipt.content.receipt_id, Held { given: given.clone(), parent, revoked: false });
        Ok(())
    }

    /// An administrator takes a grant back, or whoever gave it.
    pub(super) fn revoke(
        &mut self,
        receipt: &Receipt<'_>,
        principal: PrincipalId,
        people: &People,
    ) -> Result<(), Code> {
        let mut named = receipt.content.refs_of(Rel::Grant);
        let (Some(one), None) = (named.next(), named.next()) else { return Err(Code::GrantRef) };
        let held = self.grants.get_mut(&one.receipt_id).ok_or(Code::Ref)?;
        if held.given.principal != principal && !people.is_admin(principal) {
            return Err(Code::NotAdmin);
        }
        held.revoked = true;
        Ok(())
    }

    /// What an action stands on is its own and holds.
    pub(super) fn check_run(
        &self,
        receipt: &Receipt<'_>,
        action: &Action,
        people: &People,
    ) -> Result<(), Code> {
        for one in receipt.content.refs_of(Rel::Grant) {
            let held = self.used(one.receipt_id, action.principal, receipt.timestamp, people)?;
            if held.given.on_behalf_of.is_some() && held.given.on_behalf_of != action.on_behalf_of {
                return Err(Code::GrantHolder);
            }
        }
        Ok(())
    }

    fn used(
        &self,
        id: ReceiptId,
        holder: PrincipalId,
        at: Timestamp,
        people: &People,
    ) -> Result<&Held, Code> {
        let held = self.grants.get(&id).ok_or(Code::Ref)?;
        if held.given.to != holder {
            return Err(Code::GrantHolder);
        }
        if self.holds(held, at, people) { Ok(held) } else { Err(Code::GrantEnded) }
    }

    /// Each level above has more levels below it, so the way up is as short as the format allows.
    fn holds(&self, held: &Held, at: Timestamp, people: &People) -> bool {
        let given = &held.given;
        let ended = held.revoked || given.expires.is_some_and(|expires| expires <= at);
        let owner_left = given.on_behalf_of.is_some_and(|owner| !people.knows(owner));
        !ended
            && !owner_left
            && match held.parent {
                None => people.is_admin(given.principal),
                Some(parent) => {
                    people.knows(given.principal)
                        && self.grants.get(&parent).is_some_and(|above| self.holds(above, at, people))
                }
            }
    }
}
