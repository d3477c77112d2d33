//! The keys of issuers, asked for and kept for a while.
//!
//! Whoever is asked is on an administrator's record, or named by whoever is. How often is bounded by the clock, not by
//! those who show tokens: a flood of tokens with ids of keys that nobody has costs one look a minute.

mod slot;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cascade_ledger::TenantId;
use serde::Deserialize;

use super::address::{AddressFault, Issuer};
use super::keys::{JWKS_BYTES_MAX, JwksFault, Keys};
use crate::witness;
use slot::Slot;

pub use slot::{FRESH_TIME_MAX, REST, STALE_TIME_MAX, WAITING_MAX};

/// Longest that an issuer is waited for, both of its answers together.
pub const FETCH_TIME_MAX: Duration = Duration::from_secs(5);
/// Most bytes of an issuer's description of itself.
pub const DESCRIPTION_BYTES_MAX: usize = 64 * 1024;
/// Issuers whose keys are kept; the one that nobody asked for longest makes room.
pub const ISSUERS_MAX: usize = 1024;

/// Why an issuer's keys are not known.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IssuerFault {
    /// No connection, no answer in time, or an answer beyond the limits.
    #[error("no answer: {0}")]
    Silent(String),
    /// It answered with an error of HTTP, or leads elsewhere.
    #[error("it refused (HTTP {0})")]
    Refused(u16),
    /// Its description is none.
    #[error("its description is no JSON that names an issuer and its keys")]
    Description,
    /// Its description is that of another one.
    #[error("it describes itself as another issuer")]
    Other,
    /// It leads where nobody is asked.
    #[error("it leads to keys at an address that is not asked: {0}")]
    Address(#[from] AddressFault),
    /// Its keys cannot be used.
    #[error("its keys cannot be used: {0}")]
    Keys(#[from] JwksFault),
}

/// What OpenID Connect Discovery has an issuer say of itself, as far as it matters here.
#[derive(Deserialize)]
struct Description {
    issuer: String,
    jwks_uri: String,
}

/// Who is told what went wrong with an issuer: whoever runs the service.
pub type Told = dyn Fn(&str) + Send + Sync;

/// The issuers of every tenant, apart.
pub struct Issuers {
    slots: Mutex<BTreeMap<(TenantId, Issuer), Arc<Slot>>>,
    told: Box<Told>,
}

impl fmt::Debug for Issuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuers").finish_non_exhaustive()
    }
}

impl Issuers {
    /// None known yet.
    #[must_use]
    pub fn new(told: Box<Told>) -> Self {
        Self { slots: Mutex::default(), told }
    }

    /// The keys of an issuer of this tenant, asked for again where none `fits`; `None` where they cannot be had now.
    pub(super) fn keys(
        &self,
        tenant: &TenantId,
        issuer: &Issuer,
        fits: &dyn Fn(&Keys) -> bool,
    ) -> Option<Arc<Keys>> {
        let slot = self.slot(tenant, issuer)?;
        slot.keys(fits, &|| {
            let fetched = fetch(issuer);
            if let Err(fault) = &fetched {
                (self.told)(&format!("couldn't get the keys of {}: {fault}", issuer.as_str()));
            }
            fetched.ok()
        })
    }

    fn slot(&self, tenant: &TenantId, issuer: &Issuer) -> Option<Arc<Slot>> {
        let key = (tenant.clone(), issuer.clone());
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= ISSUERS_MAX && !slots.contains_key(&key) {
            let oldest = slots.iter().min_by_key(|(_, slot)| slot.asked()).map(|(key, _)| key.clone())?;
            slots.remove(&oldest);
        }
        Some(Arc::clone(slots.entry(key).or_default()))
    }
}

/// Asks an issuer what its keys are.
///
/// # Errors
/// [`IssuerFault`].
pub(super) fn fetch(issuer: &Issuer) -> Result<Keys, IssuerFault> {
    let by = Instant::now() + FETCH_TIME_MAX;
    let text = body(issuer, &issuer.discovery(), DESCRIPTION_BYTES_MAX, by)?;
    let said: Description = serde_json::from_slice(&text).map_err(|_| IssuerFault::Description)?;
    if said.issuer != issuer.as_str() {
        return Err(IssuerFault::Other);
    }
    issuer.may_lead_to(&said.jwks_uri)?;
    Ok(Keys::parse(&body(issuer, &said.jwks_uri, JWKS_BYTES_MAX, by)?)?)
}

fn body(issuer: &Issuer, url: &str, bytes: usize, by: Instant) -> Result<Vec<u8>, IssuerFault> {
    let silent = |error: ureq::Error| IssuerFault::Silent(error.to_string());
    let left = by.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let bounded =
        witness::agent().get(url).header("accept", "application/json").config().timeout_global(Some(left));
    // What is on this machine is not asked for through another one.
    let bounded = if issuer.is_here() { bounded.proxy(None) } else { bounded };
    let mut response = bounded.build().call().map_err(silent)?;
    match response.status().as_u16() {
        200 => {}
        other => return Err(IssuerFault::Refused(other)),
    }
    let limit = u64::try_from(bytes).unwrap_or(u64::MAX);
    response.body_mut().with_config().limit(limit).read_to_vec().map_err(silent)
}

#[cfg(test)]
mod tests;
