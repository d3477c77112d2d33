//! Answers from memory: what they stand on was learned before, and nobody took it back.

use alloc::collections::BTreeSet;

use crate::content::Rel;
use crate::id::ReceiptId;
use crate::kind::Kind;
use crate::reader::Content;
use crate::verify::code::Code;

#[derive(Clone, Debug, Default)]
pub(super) struct Memories {
    /// Each `memory_learned` that was forgotten, or that a later one took the place of.
    gone: BTreeSet<ReceiptId>,
}

impl Memories {
    /// Nothing stands on what was taken back before it.
    pub(super) fn check_use(&self, learned: ReceiptId) -> Result<(), Code> {
        if self.gone.contains(&learned) { Err(Code::MemoryGone) } else { Ok(()) }
    }

    /// An answer from memory names what it stands on; what takes something back does so for all that follow.
    pub(super) fn follow(&mut self, content: &Content<'_>) -> Result<(), Code> {
        if content.from_memory && content.refs_of(Rel::Memory).next().is_none() {
            return Err(Code::MemoryUnnamed);
        }
        let taken = match content.kind {
            Some(Kind::MemoryForgotten) => Rel::Memory,
            Some(Kind::MemoryLearned) => Rel::Supersedes,
            _ => return Ok(()),
        };
        self.gone.extend(content.refs_of(taken).map(|one| one.receipt_id));
        Ok(())
    }
}
