//! One place in the chain, looked at: the receipt there, and the state that it left.

use cascade_ledger::{Reader, Timeline};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::time::Timestamp;

use super::sheet::{Cell, dim};
use crate::exit::Failure;
use cascade_runtime::record::{ERASED, Record};

/// The place.
pub(super) struct Look<'a> {
    /// The chain and the vault as they are today.
    pub(super) now: &'a Reader,
    pub(super) timeline: &'a Timeline<'a>,
    /// Answers as of this place.
    pub(super) moment: &'a Reader,
    pub(super) record: Record,
    /// The receipt's own time: what has run out by then has run out.
    pub(super) at: Timestamp,
}

impl<'a> Look<'a> {
    /// The place where the timeline is.
    pub(super) fn at(now: &'a Reader, timeline: &'a Timeline<'a>) -> Result<Self, Failure> {
        let seq = timeline.seq().ok_or_else(|| {
            Failure::could_not(anyhow::anyhow!(
                "the first receipt does not hold, so there is no state to show"
            ))
            .hint("run `cascade fsck`")
        })?;
        let record = record(now, seq)?.ok_or_else(|| {
            Failure::could_not(anyhow::anyhow!("receipt {seq} cannot be read")).hint("run `cascade fsck`")
        })?;
        let moment = timeline.moment();
        let at = moment.head()?.timestamp;
        Ok(Self { now, timeline, moment, record, at })
    }

    /// Somebody's name, or the id where there is none.
    pub(super) fn name(&self, principal: PrincipalId) -> Result<String, Failure> {
        Ok(self.now.name(principal)?.map_or_else(|| principal.to_string(), |name| name.name))
    }

    /// The command of the receipt at `seq`.
    pub(super) fn command(&self, seq: u64) -> Result<String, Failure> {
        let Some(record) = record(self.now, seq)? else { return Ok("(unreadable)".to_owned()) };
        command(self.now, &record).map(Option::unwrap_or_default)
    }
}

/// The receipt at `seq`, if a line is there that can be read.
pub(super) fn record(reader: &Reader, seq: u64) -> Result<Option<Record>, Failure> {
    let line = reader.lines(seq..seq + 1).next().transpose()?;
    Ok(line.filter(|line| line.seq == seq).and_then(|line| Record::parse(line.seq, &line.text)))
}

/// What it is about, in words: `(erased)` where the vault has it no more.
pub(super) fn command(reader: &Reader, record: &Record) -> Result<Option<String>, Failure> {
    let told = record.command(reader)?;
    if told.is_none() && record.erased_by(reader)?.is_some() {
        return Ok(Some(ERASED.to_owned()));
    }
    Ok(told)
}

/// A hash as people are shown it: enough to tell it from others.
pub(super) fn short(hash: &Digest) -> Cell {
    dim(hash.to_hex().chars().take(16).collect::<String>())
}
