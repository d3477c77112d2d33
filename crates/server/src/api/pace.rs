//! How fast a tenant may ask, and how much of what it began may be open.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use cascade_receipt::id::PrincipalId;

use super::Problem;

/// Requests that one tenant may make in a second, and at once after a second of silence, unless the operator says
/// otherwise.
pub const TENANT_REQUESTS_PER_S_MAX: u32 = 20_000;
/// Admitted actions of one tenant that may wait for their outcome at once, unless the operator says otherwise.
pub const TENANT_LEASES_MAX: u32 = 100_000;

/// What an operator lets each tenant have.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// Requests in a second.
    pub requests_per_s: u32,
    /// Actions whose outcome is not reported.
    pub leases: u32,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { requests_per_s: TENANT_REQUESTS_PER_S_MAX, leases: TENANT_LEASES_MAX }
    }
}

/// A bucket that holds what may be asked within one second, and is filled as time passes.
#[derive(Debug)]
pub(crate) struct Pace {
    per_s: u32,
    /// When it would be full again. It never lies more than a second ahead.
    full: Mutex<Instant>,
}

impl Pace {
    pub(crate) fn new(per_s: u32, now: Instant) -> Self {
        Self { per_s: per_s.max(1), full: Mutex::new(now) }
    }

    /// Takes one request out of it, if there is one left.
    pub(crate) fn take(&self, now: Instant) -> bool {
        let one = std::time::Duration::from_secs(1) / self.per_s;
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let after = (*full).max(now) + one;
        // Of `per_s` steps, rounded down, none may be lost to the rounding.
        let fits = after.duration_since(now) <= one * self.per_s;
        if fits {
            *full = after;
        }
        fits
    }

    /// The same, as an answer.
    pub(crate) fn admit(&self) -> Result<(), Problem> {
        if self.take(Instant::now()) { Ok(()) } else { Err(Problem::too_fast(self.per_s)) }
    }
}

/// Actions whose outcome is not reported. One principal has at most half of them, so that none shuts the others out.
/// Requests that are worked on at the same moment may each go one past it.
#[derive(Debug)]
pub(crate) struct Leases {
    most: u32,
    /// So many fit without looking again: what is closed meanwhile only makes more room.
    left: Mutex<Left>,
}

#[derive(Debug, Default)]
struct Left {
    of_all: u32,
    of_one: BTreeMap<PrincipalId, u32>,
}

/// Principals whose room is known without looking again.
const KNOWN_MAX: usize = 4096;

impl Leases {
    pub(crate) fn new(most: u32) -> Self {
        Self { most, left: Mutex::default() }
    }

    /// Takes room for one more of this principal; `open` counts those that are open, of one or of all.
    pub(crate) fn admit(
        &self,
        principal: PrincipalId,
        open: impl Fn(Option<PrincipalId>) -> Result<u64, Problem>,
    ) -> Result<(), Problem> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let Left { of_all, of_one } = &mut *left;
        if of_one.len() >= KNOWN_MAX {
            of_one.clear();
        }
        let of_one = of_one.entry(principal).or_default();
        for (room, most, whose) in
            [(&mut *of_all, self.most, None), (&mut *of_one, self.most.div_ceil(2), Some(principal))]
        {
            if *room == 0 {
                *room = most.saturating_sub(u32::try_from(open(whose)?).unwrap_or(u32::MAX));
            }
            if *room == 0 {
                return Err(Problem::too_many_open(most, whose.is_some()));
            }
        }
        (*of_all, *of_one) = (*of_all - 1, *of_one - 1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_principal_has_half_of_what_may_be_open_and_all_have_all() {
        let (one, two, three) = (PrincipalId([1; 8]), PrincipalId([2; 8]), PrincipalId([3; 8]));
        let open = Mutex::new(Vec::new());
        let leases = Leases::new(5);
        let take = |principal| {
            let count = |whose: Option<PrincipalId>| {
                let open = open.lock().unwrap();
                Ok(open.iter().filter(|one| whose.is_none_or(|whose| **one == whose)).count() as u64)
            };
            let taken = leases.admit(principal, count).is_ok();
            if taken {
                open.lock().unwrap().push(principal);
            }
            taken
        };
        assert_eq!([one; 4].map(take), [true, true, true, false]);
        assert_eq!([two, two, two, three].map(take), [true, true, false, false]);
        // Of what is closed each has its share again.
        open.lock().unwrap().retain(|principal| *principal != one);
        assert_eq!([three, one, one, one].map(take), [true, true, true, false]);
    }

    #[test]
    fn so_many_requests_fit_into_a_second_and_one_more_does_not() {
        for per_s in [1, 3, 7, TENANT_REQUESTS_PER_S_MAX] {
            let now = Instant::now();
            let pace = Pace::new(per_s, now);
            let taken = (0..per_s).filter(|_| pace.take(now)).count();
            assert_eq!(taken, usize::try_from(per_s).unwrap(), "{per_s}");
            assert!(!pace.take(now), "{per_s}");
            // What was refused is not counted, and each moment brings back what it is worth.
            let later = now + Duration::from_secs(1) / per_s;
            assert!(pace.take(later), "{per_s}");
            assert!(!pace.take(later), "{per_s}");
            let rested = later + Duration::from_secs(60);
            assert_eq!((0..=per_s).filter(|_| pace.take(rested)).count(), taken, "{per_s}");
        }
    }
}
