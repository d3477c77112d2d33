//! The sealing pipeline against bare signing, in turns, on one core.

use std::hint::black_box;
use std::time::Duration;

use anyhow::Context as _;
use cascade_ledger::Sealer;
use cascade_receipt::content::{Envelope, PolicyRef};
use cascade_receipt::digest::Digest;

use crate::per_second;
use crate::sample::Sample;

/// Turns that the time is cut into, so that a slow moment hits both.
const TURNS: u32 = 6;

/// Bare signatures and whole receipts per second.
pub(crate) fn rates(sample: &Sample, each: Duration) -> anyhow::Result<(f64, f64)> {
    let sealer = Sealer::ephemeral()?;
    let hash = Digest::of(b"bench");
    let envelope = Envelope {
        log_origin: sample.ledger.log_origin().clone(),
        seq: 1_000_000,
        receipt_id: cascade_ledger::receipt_id()?,
        timestamp: cascade_runtime::facts::now(),
        clock_stepped: false,
        key_id: sealer.key_id().clone(),
        hmac_epoch: 100,
        policy: PolicyRef { version: "default".to_owned(), hash },
    };
    let (mut raw, mut sealed) = (0.0, 0.0);
    for _ in 0..TURNS {
        raw += per_second(each / TURNS, || {
            black_box(sealer.sign(black_box(&hash))).context("couldn't sign").map(drop)
        })?;
        sealed += per_second(each / TURNS, || {
            black_box(sealer.seal(&envelope, sample.body(), hash)).context("couldn't seal").map(drop)
        })?;
    }
    Ok((raw / f64::from(TURNS), sealed / f64::from(TURNS)))
}
