//! Anchoring: a checkpoint goes to the witnesses, and what they cosigned comes back into the chain.
//!
//! The order must not change: the witnesses are asked what they know before anything new is signed. One
//! that knows a longer history than there is here has seen this chain rolled back: every append stops.

use std::path::Path;

use cascade_ledger::{AppendError, Appended, CheckpointError, Draft, Fault, Ledger, LogKey};
use cascade_receipt::checkpoint::{Signed, SignedCheckpoint};
use cascade_receipt::content::{Anchor, Body};
use cascade_receipt::note::VerifierKey;
use cascade_receipt::trust::{Party, Trust};
use cascade_receipt::witness::AddCheckpoint;
use cascade_timestamp::Token;

use crate::tsa::{Authority, StampFault};
use crate::witness::{Answer, Client, WitnessFault};

/// What one witness did.
#[derive(Debug)]
pub struct Said {
    /// Its name in cosignatures.
    pub name: String,
    /// When it cosigned, in seconds since 1970, or why it did not.
    pub outcome: Result<u64, WitnessFault>,
}

/// A round with all witnesses.
#[derive(Debug)]
pub struct Anchored {
    /// Receipts that the checkpoint covers.
    pub size: u64,
    /// What each witness did.
    pub said: Vec<Said>,
    /// The time stamp, if one was asked for and the quorum was met.
    pub stamp: Option<Result<Token, StampFault>>,
    /// The `anchor` receipt; `None` when the quorum was not met.
    pub receipt: Option<Appended>,
}

/// Why a round could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The ledger could not be read or written.
    #[error(transparent)]
    Ledger(#[from] Fault),
    /// No checkpoint could be signed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The `anchor` receipt could not be appended.
    #[error("couldn't record the anchor: {0}")]
    Append(#[from] AppendError),
    /// A witness knows more of this chain than there is here.
    #[error("witness {name} has cosigned {cosigned} receipts of this chain, and there are {here}")]
    RolledBack {
        /// Which witness.
        name: String,
        /// How many it cosigned.
        cosigned: u64,
        /// How many there are.
        here: u64,
    },
    /// The authority gave no time stamp, and the anchor must not be without.
    #[error("no time stamp from `{url}`: {fault}")]
    NoStamp {
        /// Who was asked.
        url: String,
        /// Why there is none.
        fault: StampFault,
    },
    /// A witness has cosigned another history of this chain.
    #[error("witness {name} has cosigned another history of this chain")]
    Forked {
        /// Which witness.
        name: String,
    },
    /// The chain was stopped on the word of a witness that says nothing now.
    #[error("this chain was stopped on the word of witness {name}, which does not answer now")]
    StillStopped {
        /// Which witness.
        name: String,
    },
    /// The policy has no witness with an address.
    #[error("the policy names no witness with an address")]
    NoWitness,
}

/// Asks the witnesses, signs a checkpoint, has it cosigned and, if there is an authority, stamped, and records it.
///
/// # Errors
/// See [`AnchorError`]. After [`AnchorError::RolledBack`] and [`AnchorError::Forked`] the chain takes no more
/// receipts until that witness finds nothing wrong, or the policy is without it: silence takes nothing back.
pub fn anchor(
    ledger: &Ledger,
    log_key: &LogKey,
    guard_dir: &Path,
    trust: &Trust,
    authority: Option<&Authority>,
) -> Result<Anchored, AnchorError> {
    let client = Client::default();
    let witnesses: Vec<(&Party, &str)> =
        trust.witnesses().iter().filter_map(|party| Some((party, party.url.as_deref()?))).collect();
    if witnesses.is_empty() {
        return Err(AnchorError::NoWitness);
    }
    let mut stop = Stop::of(ledger, &witnesses)?;
    let here = ledger.head()?.next_seq;
    if let Some((_, known)) = ledger.newest_checkpoint(false)? {
        for (party, url) in &witnesses {
            if ask_first(ledger, &client, party, url, &known, here)? {
                stop.take_back(party);
            }
        }
        stop.check()?;
    }
    let mut note = ledger.sign_checkpoint(log_key, guard_dir)?;
    let mut said = Vec::new();
    for (party, url) in witnesses {
        if let Some(time) = cosigned(&note, party) {
            // From a round that came no further. Asking again would add a line each time.
            said.push(Said { name: party.key.name().to_owned(), outcome: Ok(time) });
            continue;
        }
        let outcome = match submit(ledger, &client, party, url, &note)? {
            Ok((line, time)) => {
                if !note.contains(&line) {
                    note.push_str(&line);
                }
                stop.take_back(party);
                Ok(time)
            }
            Err(fault) => Err(fault),
        };
        said.push(Said { name: party.key.name().to_owned(), outcome });
    }
    stop.check()?;
    if stop.was_stopped {
        ledger.resume_appends()?;
    }
    let (size, met) = quorum(trust, &note);
    ledger.keep_checkpoint(&note, met)?;
    if !met {
        return Ok(Anchored { size, said, stamp: None, receipt: None });
    }
    let stamp = authority.map(|authority| stamp(authority, &note)).transpose()?;
    let tst_sha256 = match &stamp {
        // Durable before the receipt that names it.
        Some(Ok(token)) => Some(ledger.keep_timestamp(token.bytes())?),
        _ => None,
    };
    let body = Body::Anchor(Anchor { checkpoint: note, tst_sha256 });
    let receipt = Some(ledger.append(Draft::new(cascade_ledger::receipt_id()?, body))?);
    Ok(Anchored { size, said, stamp, receipt })
}

/// The word of a witness that stops the chain.
struct Stop {
    was_stopped: bool,
    /// Who said it, while the policy has it and it has not taken that back.
    accuser: Option<VerifierKey>,
}

impl Stop {
    fn of(ledger: &Ledger, witnesses: &[(&Party, &str)]) -> Result<Self, Fault> {
        let by = ledger.stopped_by()?;
        let accuser = witnesses.iter().find(|(party, _)| by.as_deref() == Some(&*party.key.to_string()));
        Ok(Self { was_stopped: by.is_some(), accuser: accuser.map(|(party, _)| party.key.clone()) })
    }

    fn take_back(&mut self, party: &Party) {
        self.accuser = self.accuser.take().filter(|accuser| *accuser != party.key);
    }

    fn check(&self) -> Result<(), AnchorError> {
        match &self.accuser {
            Some(accuser) => Err(AnchorError::StillStopped { name: accuser.name().to_owned() }),
            None => Ok(()),
        }
    }
}

/// The time stamp over a note, or why there is none where that is allowed.
fn stamp(authority: &Authority, note: &str) -> Result<Result<Token, StampFault>, AnchorError> {
    match authority.stamp(note) {
        Err(fault) if !authority.optional => Err(AnchorError::NoStamp { url: authority.url.clone(), fault }),
        outcome => Ok(outcome),
    }
}

/// When a witness has cosigned this note, if it has.
fn cosigned(note: &str, party: &Party) -> Option<u64> {
    match SignedCheckpoint::parse(note.as_bytes())?.cosigned_by(&party.key) {
        Signed::Good(time) => Some(time),
        _ => None,
    }
}

/// Shows a witness what it may have cosigned already, only to learn whether it knows more than that; whether it
/// says that it does not. Silence stops nothing: a witness that is away cannot hold up a chain.
fn ask_first(
    ledger: &Ledger,
    client: &Client,
    party: &Party,
    url: &str,
    known: &str,
    here: u64,
) -> Result<bool, AnchorError> {
    let old = size_of(known);
    let request = AddCheckpoint { old, path: Vec::new(), note: known };
    match client.add_checkpoint(url, &party.key, &request) {
        // The very size that it was shown: it is another root.
        Ok(Answer::Conflict { size }) if size == old => Err(forked(ledger, party)?),
        Ok(Answer::Conflict { size }) => not_ahead(ledger, party, size, here).map(|()| true),
        Ok(Answer::Cosigned { .. }) => Ok(true),
        Err(fault) if fault.is_fork() => Err(forked(ledger, party)?),
        Err(_) => Ok(false),
    }
}

/// Stops the chain if the witness knows more than there is.
fn not_ahead(ledger: &Ledger, party: &Party, cosigned: u64, here: u64) -> Result<(), AnchorError> {
    if cosigned <= here {
        return Ok(());
    }
    let error = AnchorError::RolledBack { name: party.key.name().to_owned(), cosigned, here };
    ledger.stop_appends(&party.key, &error.to_string())?;
    Err(error)
}

/// Stops the chain: what is here does not continue what the witness cosigned.
fn forked(ledger: &Ledger, party: &Party) -> Result<AnchorError, Fault> {
    let error = AnchorError::Forked { name: party.key.name().to_owned() };
    ledger.stop_appends(&party.key, &error.to_string())?;
    Ok(error)
}

/// Submits a checkpoint, from the size that the witness names.
fn submit(
    ledger: &Ledger,
    client: &Client,
    party: &Party,
    url: &str,
    note: &str,
) -> Result<Result<(String, u64), WitnessFault>, AnchorError> {
    let mut tree = ledger.tree()?;
    let size = size_of(note);
    // The first guess is that it is where it was after the last round; its answer corrects that.
    let mut old = ledger.newest_checkpoint(true)?.map_or(0, |(size, _)| size).min(size);
    for _ in 0..2 {
        let path = tree.consistency(old, size)?;
        let request = AddCheckpoint { old, path, note };
        match client.add_checkpoint(url, &party.key, &request) {
            Ok(Answer::Cosigned { line, time }) => return Ok(Ok((line, time))),
            Ok(Answer::Conflict { size: cosigned }) => {
                // Another process may have anchored a longer chain since this round began.
                not_ahead(ledger, party, cosigned, ledger.head()?.next_seq)?;
                if cosigned > size {
                    return Ok(Err(WitnessFault::Nonsense("another round was faster")));
                }
                if cosigned == old && old == size {
                    return Err(forked(ledger, party)?);
                }
                old = cosigned;
            }
            Err(fault) if fault.is_fork() => return Err(forked(ledger, party)?),
            Err(fault) => return Ok(Err(fault)),
        }
    }
    Ok(Err(WitnessFault::Nonsense("it changed its mind about the size")))
}

fn size_of(note: &str) -> u64 {
    SignedCheckpoint::parse(note.as_bytes()).map_or(0, |signed| signed.checkpoint().size)
}

/// The checkpoint's size, and whether the cosignatures on the note meet the quorum.
fn quorum(trust: &Trust, note: &str) -> (u64, bool) {
    let Some(signed) = SignedCheckpoint::parse(note.as_bytes()) else { return (0, false) };
    let cosigned: Vec<bool> = trust.witnesses().iter().map(|party| cosigned(note, party).is_some()).collect();
    (signed.checkpoint().size, trust.met(|index| cosigned.get(index) == Some(&true)))
}
