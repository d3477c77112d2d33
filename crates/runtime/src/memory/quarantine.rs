//! Who has been wrong too often is not believed for a while.
//!
//! A *maker* is a layer with the engines, or the model, that it answered with. When several of a maker's answers turned
//! out wrong within a short time, nothing is used that was learned of it before the last of these, until a person
//! releases it. What is learned anew counts as any other; so does what it gets wrong.

use cascade_ledger::{AppendError, Appended, Draft, Fault, Ledger, Memory, PrivateItem, Reader, WrongHit};
use cascade_receipt::content::{Body, Layer, Ref, Rel, Released};
use cascade_receipt::decision::Reason;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::Value;

use super::log::{content_of, named};
use super::{key_of_learned, nonce, receipt_id};

/// So many wrong answers of one maker put it in quarantine,
pub const WRONG_MAX: usize = 3;
/// if they were found within so many milliseconds: seven days.
pub const WINDOW_MS: u64 = 7 * 86_400_000;
/// Most wrong hits that one receipt releases; more would not fit into its line.
const RELEASED_MAX: usize = 200;

/// Who made an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Maker {
    /// The layer.
    pub layer: Layer,
    /// Its engines or its model; `None` where the words that say so are erased.
    pub engine: Option<String>,
}

impl Maker {
    /// Whether what speaks against the other one speaks against this one. Where nobody can tell, it does.
    fn is(&self, other: &Self) -> bool {
        let same = self.engine.as_ref().zip(other.engine.as_ref()).is_none_or(|(own, other)| own == other);
        self.layer == other.layer && same
    }
}

/// A wrong hit and whose it was.
#[derive(Clone, Debug)]
struct Charge {
    maker: Maker,
    answer: ReceiptId,
    wrong: WrongHit,
}

/// A maker in quarantine.
#[derive(Clone, Debug)]
pub struct Quarantine {
    /// Who.
    pub maker: Maker,
    /// The wrong hit that everything learned before is not used for.
    pub since: WrongHit,
    /// How many wrong hits count against it.
    pub wrong: usize,
}

fn charge(reader: &Reader, wrong: WrongHit) -> Result<Option<Charge>, Fault> {
    Ok(maker_of(reader, wrong.learned)?.map(|(maker, answer)| Charge { maker, answer, wrong }))
}

/// Who made what was learned, and the answer itself.
fn maker_of(reader: &Reader, learned: ReceiptId) -> Result<Option<(Maker, ReceiptId)>, Fault> {
    let Some(content) = content_of(reader, learned)? else { return Ok(None) };
    let Some(answer) = named(&content, Rel::Parent).next() else { return Ok(None) };
    let Some(given) = content_of(reader, answer)? else { return Ok(None) };
    let Some(layer) = given.member("layer_hit").and_then(Value::as_str).and_then(Layer::parse) else {
        return Ok(None);
    };
    let key = key_of_learned(reader, &content)?;
    let member = if layer == Layer::L7 { "model" } else { "engine" };
    let engine = key.and_then(|key| key.member(member).map(Value::to_canonical));
    Ok(Some((Maker { layer, engine }, answer)))
}

/// The newest wrong hit of these that is one too many; the oldest come first.
fn too_many(charges: &[&Charge]) -> Option<WrongHit> {
    let full = |last: &&&Charge| {
        let since = last.wrong.at.ms().saturating_sub(WINDOW_MS);
        let counted =
            charges.iter().filter(|one| one.wrong.seq <= last.wrong.seq && one.wrong.at.ms() >= since);
        let mut answers: Vec<ReceiptId> = counted.map(|one| one.answer).collect();
        answers.sort_unstable();
        answers.dedup();
        answers.len() >= WRONG_MAX
    };
    charges.iter().rev().find(full).map(|last| last.wrong.clone())
}

/// Whether something is not used for what others of its maker got wrong.
pub(super) fn holds(reader: &Reader, memory: &Memory) -> Result<bool, Fault> {
    Charges::read(reader)?.hold(reader, memory)
}

/// Every wrong hit that counts, by maker.
#[derive(Debug)]
pub struct Charges(Vec<Charge>);

impl Charges {
    /// Reads them.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn read(reader: &Reader) -> Result<Self, Fault> {
        let read = reader.wrong_hits()?.into_iter().map(|wrong| charge(reader, wrong));
        Ok(Self(read.collect::<Result<Vec<_>, Fault>>()?.into_iter().flatten().collect()))
    }

    /// Whether something is not used for what others of its maker got wrong.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn hold(&self, reader: &Reader, memory: &Memory) -> Result<bool, Fault> {
        if self.0.len() < WRONG_MAX {
            return Ok(false);
        }
        let Some((maker, _)) = maker_of(reader, memory.learned)? else { return Ok(false) };
        Ok(too_many(&self.of(&maker)).is_some_and(|last| memory.seq < last.seq))
    }

    /// Every maker in quarantine.
    #[must_use]
    pub fn quarantines(&self) -> Vec<Quarantine> {
        let mut found: Vec<Quarantine> = Vec::new();
        for maker in self.0.iter().map(|charge| &charge.maker) {
            if found.iter().any(|known| known.maker == *maker) {
                continue;
            }
            let own = self.of(maker);
            let maker = maker.clone();
            found.extend(too_many(&own).map(|since| Quarantine { maker, since, wrong: own.len() }));
        }
        found
    }

    fn of(&self, maker: &Maker) -> Vec<&Charge> {
        self.0.iter().filter(|charge| charge.maker.is(maker)).collect()
    }
}

/// Lifts every quarantine of a layer: what was wrong counts against it no more. It stays forgotten.
///
/// # Errors
/// When it could not be made durable.
pub fn release(
    ledger: &Ledger,
    layer: &Layer,
    principal: PrincipalId,
    reason: Option<&str>,
) -> Result<Vec<Appended>, AppendError> {
    let Charges(charges) = Charges::read(ledger).map_err(AppendError::NotRecorded)?;
    let refs: Vec<Ref> = charges
        .iter()
        .filter(|charge| charge.maker.layer == *layer)
        .map(|charge| Ref {
            rel: Rel::Supersedes,
            receipt_id: charge.wrong.receipt_id,
            entry_hash: charge.wrong.entry_hash,
        })
        .collect();
    let mut receipts = Vec::new();
    for refs in refs.chunks(RELEASED_MAX) {
        let reasons = vec![Reason::code("memory.released")];
        let body = Body::Released(Released { principal, reasons, wrong: refs.to_vec() });
        let mut draft = Draft::new(receipt_id()?, body);
        if let Some(reason) = reason {
            draft.private.push(PrivateItem::new("reason", nonce()?, reason.as_bytes().to_vec()));
        }
        receipts.push(ledger.append(draft)?);
    }
    Ok(receipts)
}

#[cfg(test)]
mod tests {
    use cascade_receipt::digest::Digest;
    use cascade_receipt::time::Timestamp;

    use super::*;

    const DAY_MS: u64 = 86_400_000;

    fn charge(seq: u64, answer: u8, day: u64) -> Charge {
        let id = ReceiptId([answer; 8]);
        let at = Timestamp::from_ms(1_700_000_000_000 + day * DAY_MS);
        let wrong = WrongHit { receipt_id: id, seq, entry_hash: Digest([0; 32]), learned: id, at };
        Charge { maker: Maker { layer: Layer::L4, engine: None }, answer: id, wrong }
    }

    fn held(charges: &[Charge]) -> Option<u64> {
        too_many(&charges.iter().collect::<Vec<_>>()).map(|last| last.seq)
    }

    #[test]
    fn three_wrong_answers_within_a_week_are_too_many() {
        assert_eq!(held(&[charge(1, 1, 0), charge(2, 2, 3)]), None);
        assert_eq!(held(&[charge(1, 1, 0), charge(2, 2, 3), charge(3, 3, 7)]), Some(3));
        assert_eq!(held(&[charge(1, 1, 0), charge(2, 2, 3), charge(3, 3, 8)]), None);
        // It does not end by itself, and one more later moves it on while the others are near.
        let old = [charge(1, 1, 0), charge(2, 2, 3), charge(3, 3, 7), charge(9, 4, 40)];
        assert_eq!(held(&old), Some(3));
        let near = [charge(1, 1, 0), charge(2, 2, 3), charge(3, 3, 4), charge(9, 4, 6)];
        assert_eq!(held(&near), Some(9));
    }

    #[test]
    fn one_answer_is_wrong_once() {
        assert_eq!(held(&[charge(1, 1, 0), charge(2, 1, 0), charge(3, 1, 0)]), None);
    }

    #[test]
    fn makers_are_told_apart_where_somebody_can_tell() {
        let maker = |engine: Option<&str>| Maker { layer: Layer::L4, engine: engine.map(str::to_owned) };
        assert!(maker(Some("a")).is(&maker(Some("a"))) && maker(Some("a")).is(&maker(None)));
        assert!(!maker(Some("a")).is(&maker(Some("b"))));
        assert!(!maker(None).is(&Maker { layer: Layer::L5, engine: None }));
    }
}
