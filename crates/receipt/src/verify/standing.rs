//! Whether anything may start, and whether anything may follow at all.

use crate::content::TenantChange;
use crate::verify::code::Code;

/// How the tenant stands at one place of its chain.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// A `halted` stands without a later `resumed`.
    halted: bool,
    /// A `tenant_changed` to `suspended` stands without a later one to `active`.
    suspended: bool,
    /// The chain has ended.
    deleted: bool,
}

impl Standing {
    /// Nothing follows the receipt that ended the chain.
    pub(super) const fn check_goes_on(self) -> Result<(), Code> {
        if self.deleted { Err(Code::Deleted) } else { Ok(()) }
    }

    /// Something is about to run.
    pub(super) const fn check_start(self) -> Result<(), Code> {
        if self.halted {
            Err(Code::Halted)
        } else if self.suspended {
            Err(Code::Suspended)
        } else {
            Ok(())
        }
    }

    pub(super) const fn halt(&mut self, halted: bool) {
        self.halted = halted;
    }

    /// Deleted is what was suspended, with nothing in flight.
    pub(super) const fn change(&mut self, change: TenantChange, in_flight: bool) -> Result<(), Code> {
        match change {
            TenantChange::Suspended => self.suspended = true,
            TenantChange::Active => self.suspended = false,
            TenantChange::Deleted if !self.suspended || in_flight => return Err(Code::Tenant),
            TenantChange::Deleted => self.deleted = true,
        }
        Ok(())
    }
}
