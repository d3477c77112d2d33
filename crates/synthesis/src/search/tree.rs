//! Decision trees: tests and leaves that together are right everywhere.

use std::collections::BTreeMap;

use super::bank::Entry;
use super::goal::Goal;

/// What a conditional costs besides its parts.
const SPLIT_COST: u32 = 3;
/// What a constant that is right in one environment only costs extra: it explains nothing.
const LONE_CONSTANT_COST: u32 = 3;
/// Conditionals above one another.
const DEPTH_MAX: usize = 3;
/// Tests and leaves that are looked at, cheapest first.
const LOOKED_AT_MAX: usize = 160;
/// Steps of one construction.
pub(super) const STEPS_MAX: u64 = 60_000;

/// A decision tree over terms of one bank.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Leaf(u32),
    Split(u32, Box<Self>, Box<Self>),
}

type Priced = Vec<(u32, u128, u32)>;

/// Builds trees for any set of environments of one goal.
pub(super) struct Builder {
    /// Every term that is right somewhere, cheapest first.
    all: Priced,
    leaves: Priced,
    tests: Priced,
    known: BTreeMap<(u128, usize), Option<(Tree, u32)>>,
    /// Steps that are left.
    steps: u64,
}

/// The cheapest tree with at least one split; `None` when there is none within the limits.
pub(super) fn grow(goal: &Goal, entries: &[Entry], steps: u64) -> Option<(Tree, u32)> {
    let mut builder = Builder::new(goal, entries, steps);
    let all = builder.leaves.iter().fold(0, |all, (_, mask, _)| all | mask);
    if all != goal.full || builder.tests.is_empty() {
        return None;
    }
    builder.solve(goal.full, DEPTH_MAX)
}

impl Builder {
    pub(super) fn new(goal: &Goal, entries: &[Entry], steps: u64) -> Self {
        let entry = |at: u32| entries.get(usize::try_from(at).ok()?);
        let mut all: Priced = goal
            .covers
            .iter()
            .filter_map(|(mask, at)| {
                let entry = entry(*at)?;
                let lone = entry.uses == 0 && mask.count_ones() == 1;
                Some((entry.cost + if lone { LONE_CONSTANT_COST } else { 0 }, *mask, *at))
            })
            .collect();
        let mut tests: Priced =
            goal.tests.iter().filter_map(|(mask, at)| Some((entry(*at)?.cost, *mask, *at))).collect();
        all.sort_unstable();
        tests.sort_unstable();
        // What a conditional takes together must be explained: a leaf right everywhere is no tree.
        let mut leaves: Priced = all.iter().copied().filter(|(_, mask, _)| *mask != goal.full).collect();
        leaves.truncate(LOOKED_AT_MAX);
        tests.truncate(LOOKED_AT_MAX);
        Self { all, leaves, tests, known: BTreeMap::new(), steps }
    }

    /// Where the cheapest program that is right in `need` is right in all.
    pub(super) fn cheapest(&mut self, need: u128) -> u128 {
        let whole = self.all.iter().find(|(_, mask, _)| mask & need == need).copied();
        let tree = self.solve(need, DEPTH_MAX);
        match (whole, tree) {
            (Some((cost, mask, _)), Some((_, other))) if cost <= other => mask,
            (_, Some((tree, _))) => self.right(&tree),
            (Some((_, mask, _)), None) => mask,
            (None, None) => 0,
        }
    }

    /// Where a tree is right.
    fn right(&self, tree: &Tree) -> u128 {
        let mask = |from: &Priced, at: u32| {
            from.iter().find(|(_, _, known)| *known == at).map_or(0, |(_, mask, _)| *mask)
        };
        match tree {
            Tree::Leaf(at) => mask(&self.leaves, *at),
            Tree::Split(test, yes, no) => {
                let test = mask(&self.tests, *test);
                self.right(yes) & test | self.right(no) & !test
            }
        }
    }

    fn solve(&mut self, need: u128, depth: usize) -> Option<(Tree, u32)> {
        if let Some(known) = self.known.get(&(need, depth)) {
            return known.clone();
        }
        let leaf = self.leaves.iter().find(|(_, mask, _)| mask & need == need);
        let mut best = leaf.map(|(cost, _, at)| (Tree::Leaf(*at), *cost));
        if depth > 0 {
            for at in 0..self.tests.len() {
                let Some((price, mask, test)) = self.tests.get(at).copied() else { break };
                self.steps = self.steps.saturating_sub(1);
                let least = price + SPLIT_COST + 2;
                if self.steps == 0 || best.as_ref().is_some_and(|(_, cost)| least >= *cost) {
                    break;
                }
                if mask & need == 0 || mask & need == need {
                    continue;
                }
                let Some((yes, yes_cost)) = self.solve(need & mask, depth - 1) else { continue };
                let Some((no, no_cost)) = self.solve(need & !mask, depth - 1) else { continue };
                let cost = price + SPLIT_COST + yes_cost + no_cost;
                if best.as_ref().is_none_or(|(_, known)| cost < *known) {
                    best = Some((Tree::Split(test, Box::new(yes), Box::new(no)), cost));
                }
            }
        }
        self.known.insert((need, depth), best.clone());
        best
    }
}
