//! SIGKILL again and again while a witness watches: it never sees two histories.

use std::process::Stdio;
use std::time::Instant;

use crate::random::Random;
use crate::site::{Site, ended, killed};
use crate::verifiers;
use crate::witness::{Witness, anchor, policy};

const ROUNDS: u32 = 60;
/// What is killed and when follows from it.
const SEED: u64 = 0x0A11_5EE5;

#[test]
fn a_witness_never_sees_a_fork_of_a_log_that_is_killed() {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    let mut witness = Witness::start(&site, "w", "127.0.0.1:0");
    let trust = policy(&site, "trust", &[&witness.policy_line], "quorum w.example");
    let anchoring = ["--json", "anchor", "--witnesses", trust.to_str().unwrap()];
    let start = Instant::now();
    anchor(&site, &trust).expect(0);
    // Until when kills come. It follows what becomes of them, so that on a machine of any speed, busy or not,
    // about half of the anchorings get through.
    let mut latest = start.elapsed();
    let mut random = Random(SEED);
    let (mut cosigned, mut interrupted) = (0, 0);
    for _ in 0..ROUNDS {
        // Something else goes on in the same chain, and outlives the one that is killed.
        let other: &[&str] =
            [&["run", "--", "true"] as &[&str], &["checkpoint"], &["key", "rotate"]][random.below(3)];
        let mut other = site.cascade(other);
        let other = other.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let moment = latest.mul_f64(random.fraction());
        let done = killed(site.cascade(&anchoring), moment);
        assert_ne!(done.status.code(), Some(4), "{}", done.stderr);
        if done.status.success() {
            cosigned += 1;
            latest = latest.mul_f64(0.8);
        } else {
            interrupted += 1;
            latest = latest.mul_f64(1.25);
        }
        ended(other, b"").expect(0);
        if random.below(6) == 0 {
            // The witness dies, too: what it cosigned it still knows.
            let address = witness.address().to_owned();
            witness.kill();
            witness = Witness::start(&site, "w", &address);
        }
    }
    assert!(cosigned > 5 && interrupted > 5, "kills came only early or only late: {cosigned}, {interrupted}");
    let last = anchor(&site, &trust).expect(0).json();
    witness.kill();
    let dir = site.path("w");
    let evidence = site.run(&["--json", "witness", dir.to_str().unwrap(), "--evidence"]).expect(0);
    assert_eq!(evidence.stdout, "", "the witness kept evidence against an honest log");
    let (ledger, key) = site.hand_over();
    let verdict = verifiers::agreed(&ledger, Some(&key), None);
    assert_eq!(verdict.fault, None);
    assert!(last["size"].as_u64().unwrap() > u64::from(ROUNDS));
    site.assert_sound();
}
