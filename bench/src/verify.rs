//! Verification of a whole chain against bare signature checks on all cores.

use std::time::{Duration, Instant};

use cascade_ledger::Sealer;
use cascade_receipt::digest::Digest;
use cascade_receipt::verify::Options;
use ed25519_dalek::{Signature, VerifyingKey};

use crate::sample::Sample;
use crate::{cores, per_second};

/// Receipts verified, and signatures checked, per second.
pub(crate) fn rates(sample: &Sample, each: Duration) -> anyhow::Result<(f64, f64)> {
    let mut export = Vec::new();
    let total = sample.ledger.head()?.next_seq;
    for line in sample.ledger.lines(0..total) {
        export.extend_from_slice(line?.text.as_bytes());
        export.push(b'\n');
    }
    let started = Instant::now();
    let mut receipts = 0_u64;
    while started.elapsed() < each {
        let options = Options { pinned: Some(*sample.ledger.genesis_public_key()), ..Options::default() };
        let verdict = cascade_verify::verify(&mut export.as_slice(), options, |_| {})?;
        anyhow::ensure!(
            verdict.valid(),
            "the chain of this benchmark does not verify: {}",
            verdict.to_json()
        );
        receipts += verdict.receipts();
    }
    let count = u32::try_from(receipts).unwrap_or(u32::MAX);
    Ok((f64::from(count) / started.elapsed().as_secs_f64(), limit(each)?))
}

/// The exact check of one signature by a known key, nothing around it, on every core at once.
fn limit(each: Duration) -> anyhow::Result<f64> {
    let sealer = Sealer::ephemeral()?;
    let hash = Digest::of(b"bench");
    let signature = sealer.sign(&hash).map(|bytes| Signature::from_bytes(&bytes));
    let (Some(signature), Ok(key)) = (signature, VerifyingKey::from_bytes(&sealer.public_key())) else {
        anyhow::bail!("couldn't make a signature to check");
    };
    let rates = std::thread::scope(|scope| {
        let work = || per_second(each, || Ok(key.verify_strict(&hash.0, &signature)?));
        let threads: Vec<_> = (0..cores()).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| anyhow::bail!("a thread panicked")))
            .collect::<anyhow::Result<Vec<f64>>>()
    })?;
    Ok(rates.iter().sum())
}
