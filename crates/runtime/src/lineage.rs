//! The local chain as a source of lineage. The search index is a hint: every receipt is read from the log.

use std::ops::Range;

use cascade_audit::lineage::{Fault, Find, Linked, Receipt, Referring, Source};
use cascade_ledger::{Found, Index, Order, Reader, Sought};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json;
use cascade_receipt::kind::Kind;

use crate::record::{self, Near, Private};

/// The local chain.
#[derive(Debug)]
pub struct Local<'a> {
    reader: &'a Reader,
    index: &'a Index,
    near: Near<'a>,
    head: u64,
    cosigned: u64,
    words: bool,
}

impl<'a> Local<'a> {
    /// The chain as long as it is now.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn new(reader: &'a Reader, index: &'a Index) -> Result<Self, cascade_ledger::Fault> {
        let head = reader.head()?.next_seq;
        let cosigned = reader.newest_checkpoint(true)?.map_or(0, |(size, _)| size);
        Ok(Self { reader, index, near: Near::new(reader), head, cosigned, words: true })
    }
}

/// Kinds as an index knows them.
#[must_use]
pub fn words(kinds: &[Kind]) -> Vec<String> {
    kinds.iter().map(|kind| kind.as_str().to_owned()).collect()
}

/// What is asked of an index for this.
#[must_use]
pub fn sought(find: &Find) -> Sought {
    Sought {
        kinds: words(&find.kinds),
        other_kinds: words(&find.other_kinds),
        principals: find.principal.map(|who| vec![who]),
        policy: find.policy.map(|hash| hash.to_hex()),
        spec: find.spec.map(|hash| hash.to_hex()),
        key_id: find.key_id.clone(),
        ..Sought::default()
    }
}

/// In which order an index is to answer.
#[must_use]
pub const fn order(find: &Find) -> Order {
    if find.newest { Order::Descending } else { Order::Ascending }
}

impl Source for Local<'_> {
    fn by_id(&mut self, id: ReceiptId) -> Result<Option<Receipt>, Fault> {
        if let Some(seq) = self.index.place_of(id)?
            && let Some(receipt) = self.by_seq(seq)?.filter(|receipt| receipt.id == id)
        {
            return Ok(Some(receipt));
        }
        match self.reader.find(&id.to_string())? {
            Found::One(_, seq, line) => Ok(Receipt::read(seq, &line)),
            _ => Ok(None),
        }
    }

    fn by_seq(&mut self, seq: u64) -> Result<Option<Receipt>, Fault> {
        Ok(self.near.line(seq)?.and_then(|line| Receipt::read(seq, line)))
    }

    fn linked(&mut self, seq: u64) -> Result<Option<Linked>, Fault> {
        Ok(self.near.line(seq)?.and_then(|line| Linked::read(seq, line)))
    }

    fn referring(&mut self, asked: &Referring) -> Result<Vec<u64>, Fault> {
        let Referring { id, rels, from, limit, .. } = asked;
        let kinds = Sought {
            kinds: words(&asked.kinds),
            other_kinds: words(&asked.other_kinds),
            ..Sought::default()
        };
        Ok(self.index.referring(*id, rels, &kinds, *from, *limit)?)
    }

    fn find(&mut self, find: &Find) -> Result<Vec<u64>, Fault> {
        Ok(self.index.search(&sought(find), find.seqs.clone(), order(find), find.limit)?)
    }

    fn command(&mut self, receipt: &Receipt) -> Result<Option<String>, Fault> {
        if !self.words {
            return Ok(None);
        }
        let hash = receipt.content.member("action_hash").and_then(json::Value::as_str);
        let Some(hash) = hash.and_then(Digest::from_hex) else { return Ok(None) };
        Ok(match record::private(self.reader, &hash)? {
            Private::Kept(bytes) => json::parse(&bytes).ok().as_ref().and_then(record::command_of),
            Private::Altered => Some(record::ALTERED.to_owned()),
            Private::Gone => None,
        })
    }

    fn altered(&mut self, receipt: &Receipt) -> Result<bool, Fault> {
        for key in ["action_hash", "facts_hash", "reason_hash"] {
            let hash = receipt.content.member(key).and_then(json::Value::as_str).and_then(Digest::from_hex);
            if let Some(hash) = hash
                && record::private(self.reader, &hash)? == Private::Altered
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn reason(&mut self, receipt: &Receipt) -> Result<Option<String>, Fault> {
        if !self.words {
            return Ok(None);
        }
        Ok(record::reason_of(self.reader, receipt.id, receipt.content.member("reason_hash"))?)
    }

    fn name(&mut self, principal: PrincipalId) -> Result<Option<String>, Fault> {
        if !self.words {
            return Ok(None);
        }
        Ok(self.reader.name(principal)?.map(|name| name.name))
    }

    fn head(&self) -> u64 {
        self.head
    }

    fn holds(&self, _: Range<u64>) -> bool {
        true
    }

    fn cosigned(&self) -> u64 {
        self.cosigned
    }
}

/// Asks a question of the local chain, with the private words in it or without. A fault of the ledger stays one, so that whoever lent the index makes a damaged one
/// again.
///
/// # Errors
/// When the ledger cannot be read.
pub fn ask<T>(
    reader: &Reader,
    index: &Index,
    words: bool,
    question: impl FnOnce(&mut dyn Source) -> Result<T, Fault>,
) -> Result<Result<T, Fault>, cascade_ledger::Fault> {
    let mut source = Local { words, ..Local::new(reader, index)? };
    match question(&mut source) {
        Err(error) => match error.downcast::<cascade_ledger::Fault>() {
            Ok(fault) => Err(*fault),
            Err(other) => Ok(Err(other)),
        },
        told => Ok(told),
    }
}
