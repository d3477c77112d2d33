//! How deep the tree of a policy will be, told from its tokens.
//!
//! Brackets alone do not tell: `a && b && c` is a tree as deep as the chain is long. So the chains of
//! each bracket level are counted by precedence, as Cedar's grammar nests them. The sum is an upper
//! bound: a real tree may be flatter, never deeper.

/// How loosely an operator binds, loosest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Binding {
    If,
    Or,
    And,
    Relation,
    Sum,
    Product,
    /// `!`, `.`, index, set and record.
    Member,
}

const BINDINGS: usize = 7;

/// The levels of brackets that are open, the outermost first.
#[derive(Debug)]
pub(super) struct Depth {
    outer: Level,
    open: Vec<Level>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Chain {
    /// Operators so far.
    operators: usize,
    /// The deepest operand so far.
    deepest: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Level {
    chains: [Chain; BINDINGS],
    /// The deepest part between commas so far.
    deepest: usize,
}

impl Level {
    /// Ends the chains that bind tighter than `binding` and counts one more operator, or none for
    /// words that only part operands (`then`, `else`).
    fn operator(&mut self, binding: Binding, operators: usize) {
        let at = binding as usize;
        let mut operand = 0;
        for chain in self.chains.iter_mut().skip(at + 1).rev() {
            operand = chain.end(operand);
        }
        if let Some(chain) = self.chains.get_mut(at) {
            chain.deepest = chain.deepest.max(operand);
            chain.operators += operators;
        }
    }

    /// Ends everything up to a comma or bracket.
    fn end(&mut self) -> usize {
        let mut operand = 0;
        for chain in self.chains.iter_mut().rev() {
            operand = chain.end(operand);
        }
        self.deepest = self.deepest.max(operand);
        self.deepest
    }

    /// Takes what stood in brackets as an operand.
    fn bracketed(&mut self, depth: usize, levels: usize) {
        let [.., member] = &mut self.chains;
        member.deepest = member.deepest.max(depth);
        member.operators += levels;
    }
}

impl Chain {
    const fn end(&mut self, operand: usize) -> usize {
        let deepest = if operand > self.deepest { operand } else { self.deepest };
        let depth = self.operators + deepest;
        *self = Self { operators: 0, deepest: 0 };
        depth
    }
}

impl Depth {
    pub(super) fn new() -> Self {
        Self { outer: Level::default(), open: Vec::new() }
    }

    fn level(&mut self) -> &mut Level {
        self.open.last_mut().unwrap_or(&mut self.outer)
    }

    /// An operator. A relation counts twice, since Cedar turns `>` and `!=` into a negation of their
    /// opposites and `is … in` into two tests. Those of [`Binding::Member`] come after or before one operand and add to its
    /// chain.
    pub(super) fn operator(&mut self, binding: Binding) {
        let levels = if binding == Binding::Relation { 2 } else { 1 };
        self.level().operator(binding, levels);
    }

    /// `then` and `else`.
    pub(super) fn part(&mut self) {
        self.level().operator(Binding::If, 0);
    }

    /// A comma.
    pub(super) fn comma(&mut self) {
        self.level().end();
    }

    pub(super) fn open(&mut self) {
        self.open.push(Level::default());
    }

    /// A closing bracket. Parentheses leave no trace in the tree; sets, records and indices do.
    pub(super) fn close(&mut self, parenthesis: bool) {
        if let Some(mut level) = self.open.pop() {
            let depth = level.end();
            self.level().bracketed(depth, usize::from(!parenthesis));
        }
    }

    /// The depth of the whole policy, brackets that are still open included.
    pub(super) fn end(mut self) -> usize {
        while !self.open.is_empty() {
            self.close(false);
        }
        self.outer.end()
    }
}
