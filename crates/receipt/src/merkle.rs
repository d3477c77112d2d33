//! The Merkle tree of RFC 6962 section 2.1 over the entry hashes of a chain (format section 9).
//!
//! Leaf data are the 32 raw bytes of `entry_hash`, the index is `seq`. Proofs use the tree alone:
//! a proof that went partly along the chain could be forged.

use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

/// Most hashes in a proof: a tree of 2^63 leaves has no more levels.
pub const PROOF_HASHES_MAX: usize = 63;
/// Largest size of a tree, so that every size is an integer that all JSON libraries read alike.
pub const SIZE_MAX: u64 = (1 << 53) - 1;
/// Heights between two levels that [`Tree`] keeps.
const STRIDE: u32 = 4;
/// Hashes that [`Level`] allocates at once: a growing vector would hold twice the memory for a moment.
const CHUNK: usize = 4096;

/// Hash of a leaf.
#[must_use]
pub fn leaf(entry_hash: &Digest) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(entry_hash.0);
    Digest(hasher.finalize().into())
}

/// Hash of an inner node.
#[must_use]
pub fn node(left: &Digest, right: &Digest) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update([1]);
    hasher.update(left.0);
    hasher.update(right.0);
    Digest(hasher.finalize().into())
}

/// Root over the leaves `start..end`, from the hashes of complete subtrees: `complete(height,
/// index)` is the one over the leaves `index << height .. (index + 1) << height`.
///
/// `start` is a multiple of the largest power of two below `end - start`, which holds for all
/// ranges that RFC 6962 asks for.
///
/// # Errors
/// Whatever `complete` fails with.
pub fn range<E>(
    start: u64,
    end: u64,
    complete: &mut impl FnMut(u32, u64) -> Result<Digest, E>,
) -> Result<Digest, E> {
    let length = end - start;
    if length.is_power_of_two() {
        let height = length.trailing_zeros();
        return complete(height, start >> height);
    }
    let middle = start + split(length);
    let left = range(start, middle, complete)?;
    Ok(node(&left, &range(middle, end, complete)?))
}

/// The audit path of RFC 6962 section 2.1.1 for leaf `index` in the tree of `size`, leaf's sibling
/// first.
///
/// # Errors
/// Whatever `complete` fails with.
pub fn inclusion<E>(
    index: u64,
    size: u64,
    complete: &mut impl FnMut(u32, u64) -> Result<Digest, E>,
) -> Result<Vec<Digest>, E> {
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range(middle, end, complete)?);
            end = middle;
        } else {
            path.push(range(start, middle, complete)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The consistency proof of RFC 6962 section 2.1.2 from the tree of size `old` to that of `size`;
/// empty for `old` 0 and for equal sizes.
///
/// # Errors
/// Whatever `complete` fails with.
pub fn consistency<E>(
    old: u64,
    size: u64,
    complete: &mut impl FnMut(u32, u64) -> Result<Digest, E>,
) -> Result<Vec<Digest>, E> {
    let mut path = Vec::new();
    if old == 0 || old >= size {
        return Ok(path);
    }
    let (mut start, mut end) = (0, size);
    // Whether the old root is a subtree of its own, which the reader already has.
    let mut known = true;
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            path.push(range(middle, end, complete)?);
            end = middle;
        } else {
            path.push(range(start, middle, complete)?);
            start = middle;
            known = false;
        }
    }
    if !known {
        path.push(range(start, end, complete)?);
    }
    path.reverse();
    Ok(path)
}

/// Largest power of two below `length`, which is at least 2.
const fn split(length: u64) -> u64 {
    1 << (u64::BITS - 1 - (length - 1).leading_zeros())
}

/// Whether `path` proves that `leaf_hash` is at `index` in the tree of `size` with `root`
/// (RFC 9162 section 2.1.3.2).
#[must_use]
pub fn includes(index: u64, size: u64, leaf_hash: &Digest, path: &[Digest], root: &Digest) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = *leaf_hash;
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// Whether `path` proves that the tree of size `old` with `old_root` is the beginning of the tree
/// of `size` with `root` (RFC 9162 section 2.1.4.2). Anything continues the empty tree, with an
/// empty path.
#[must_use]
pub fn continues(old: u64, old_root: &Digest, size: u64, root: &Digest, path: &[Digest]) -> bool {
    if old == 0 || old == size {
        return path.is_empty() && (old == 0 || old_root == root);
    }
    if old > size {
        return false;
    }
    let mut rest = path.iter();
    let first = if old.is_power_of_two() { Some(old_root) } else { rest.next() };
    let Some(first) = first else { return false };
    let (mut at, mut last) = (old - 1, size - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut old_hash, mut hash) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old_hash = node(sibling, &old_hash);
            hash = node(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && old_hash == *old_root && hash == *root
}

/// A tree in memory that knows its root at every size it has had: about 34 bytes a leaf.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// Hashes of complete subtrees of heights 0, 4, 8 …
    levels: Vec<Level>,
}

impl Tree {
    /// Leaves so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, Level::count)
    }

    /// Adds the leaf of the next receipt.
    pub fn push(&mut self, entry_hash: &Digest) {
        let mut hash = leaf(entry_hash);
        for at in 0_u32.. {
            let place = usize::try_from(at).unwrap_or(usize::MAX);
            if place == self.levels.len() {
                self.levels.push(Level::default());
            }
            let Some(level) = self.levels.get_mut(place) else { return };
            level.push(hash);
            let count = level.count();
            if count & ((1 << STRIDE) - 1) != 0 {
                return;
            }
            let Some(parent) = self.complete((at + 1) * STRIDE, (count >> STRIDE) - 1) else { return };
            hash = parent;
        }
    }

    /// The root over the first `size` leaves; `None` if there are fewer, or `size` is 0.
    #[must_use]
    pub fn root(&self, size: u64) -> Option<Digest> {
        if size == 0 || size > self.size() {
            return None;
        }
        range(0, size, &mut |height, index| self.complete(height, index).ok_or(())).ok()
    }

    /// The audit path of leaf `index` in the tree of `size`; `None` if there is no such leaf or tree.
    #[must_use]
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Digest>> {
        if index >= size || size > self.size() {
            return None;
        }
        inclusion(index, size, &mut |height, at| self.complete(height, at).ok_or(())).ok()
    }

    /// The consistency proof from `old` to `size`; `None` if there is no such tree.
    #[must_use]
    pub fn consistency(&self, old: u64, size: u64) -> Option<Vec<Digest>> {
        if old > size || size > self.size() {
            return None;
        }
        consistency(old, size, &mut |height, at| self.complete(height, at).ok_or(())).ok()
    }

    fn complete(&self, height: u32, index: u64) -> Option<Digest> {
        let (level, above) = (height / STRIDE, height % STRIDE);
        if above > 0 {
            return fold(above, index, &mut |at| self.kept(level, at));
        }
        // The hash that a level is about to get comes from the level below.
        self.kept(level, index).or_else(|| {
            level.checked_sub(1).and_then(|below| fold(STRIDE, index, &mut |at| self.kept(below, at)))
        })
    }

    fn kept(&self, level: u32, index: u64) -> Option<Digest> {
        self.levels.get(usize::try_from(level).ok()?)?.hash(index).copied()
    }
}

/// Root of the complete subtree `height` levels above the hashes that `base` gives.
fn fold(height: u32, index: u64, base: &mut impl FnMut(u64) -> Option<Digest>) -> Option<Digest> {
    if height == 0 {
        return base(index);
    }
    let left = fold(height - 1, index * 2, base)?;
    Some(node(&left, &fold(height - 1, index * 2 + 1, base)?))
}

/// Hashes of one height, in chunks.
#[derive(Clone, Debug, Default)]
struct Level {
    chunks: Vec<Vec<Digest>>,
}

impl Level {
    fn count(&self) -> u64 {
        let full = self.chunks.len().saturating_sub(1) * CHUNK;
        (full + self.chunks.last().map_or(0, Vec::len)) as u64
    }

    fn push(&mut self, hash: Digest) {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            let capacity = if self.chunks.is_empty() { 0 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(hash);
        }
    }

    fn hash(&self, index: u64) -> Option<&Digest> {
        let index = usize::try_from(index).ok()?;
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }
}

/// The roots of the complete subtrees that a tree of some size consists of, largest first: all
/// that is needed to append, and to give the newest root.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Digest>,
}

impl Frontier {
    /// Takes a frontier up again; `None` if a tree of `size` has another number of peaks.
    #[must_use]
    pub fn resume(size: u64, peaks: Vec<Digest>) -> Option<Self> {
        (u32::try_from(peaks.len()) == Ok(size.count_ones())).then_some(Self { size, peaks })
    }

    /// Leaves so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The peaks, largest first.
    #[must_use]
    pub fn peaks(&self) -> &[Digest] {
        &self.peaks
    }

    /// Adds the leaf of the next receipt.
    pub fn push(&mut self, entry_hash: &Digest) {
        let mut hash = leaf(entry_hash);
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root; `None` for the empty tree.
    #[must_use]
    pub fn root(&self) -> Option<Digest> {
        let mut peaks = self.peaks.iter().rev();
        let last = *peaks.next()?;
        Some(peaks.fold(last, |right, left| node(left, &right)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    /// MTH of RFC 6962 section 2.1, as the text defines it.
    fn defined(leaves: &[Digest]) -> Digest {
        if let [one] = leaves {
            return leaf(one);
        }
        let (left, right) = leaves.split_at(usize::try_from(split(leaves.len() as u64)).unwrap());
        node(&defined(left), &defined(right))
    }

    fn leaves(count: u64) -> Vec<Digest> {
        (0..count).map(|n| Digest::of(&n.to_be_bytes())).collect()
    }

    #[test]
    fn roots_are_as_defined_at_every_size() {
        let all = leaves(300);
        let (mut tree, mut frontier) = (Tree::default(), Frontier::default());
        assert_eq!((tree.root(0), frontier.root()), (None, None));
        for (at, hash) in all.iter().enumerate() {
            tree.push(hash);
            frontier.push(hash);
            assert_eq!(frontier.root(), Some(defined(&all[..=at])), "{at}");
            let again = Frontier::resume(frontier.size(), frontier.peaks().to_vec()).unwrap();
            assert_eq!(again, frontier);
        }
        for size in 1..=all.len() {
            assert_eq!(tree.root(size as u64), Some(defined(&all[..size])), "{size}");
        }
        assert_eq!(tree.root(301), None);
        assert!(Frontier::resume(5, vec![Digest([0; 32])]).is_none());
    }

    #[test]
    fn every_inclusion_is_proved_and_no_other() {
        let mut tree = Tree::default();
        let all = leaves(70);
        all.iter().for_each(|hash| tree.push(hash));
        for size in 1..=70_u64 {
            let root = tree.root(size).unwrap();
            for index in 0..size {
                let path = tree.inclusion(index, size).unwrap();
                let hash = leaf(&all[usize::try_from(index).unwrap()]);
                assert!(includes(index, size, &hash, &path, &root), "{index} of {size}");
                let other = Digest([1; 32]);
                assert!(!includes(index, size, &other, &path, &root));
                assert!(!includes(index, size, &hash, &path, &other));
                assert!(!includes(size, size, &hash, &path, &root));
                assert!(!includes(index, size, &hash, &[&path[..], &[other]].concat(), &root));
                if let Some((_, shorter)) = path.split_last() {
                    assert!(!includes(index, size, &hash, shorter, &root));
                    assert!(!includes(index ^ 1, size, &hash, &path, &root));
                }
            }
            assert!(tree.inclusion(size, size).is_none());
        }
    }

    #[test]
    fn every_continuation_is_proved_and_no_other() {
        let mut tree = Tree::default();
        leaves(70).iter().for_each(|hash| tree.push(hash));
        let other = Digest([1; 32]);
        for size in 1..=70_u64 {
            let root = tree.root(size).unwrap();
            assert!(continues(0, &other, size, &root, &[]));
            assert!(!continues(0, &other, size, &root, &[other]));
            for old in 1..=size {
                let old_root = tree.root(old).unwrap();
                let path = tree.consistency(old, size).unwrap();
                assert!(continues(old, &old_root, size, &root, &path), "{old} to {size}");
                assert!(!continues(old, &other, size, &root, &path));
                assert!(!continues(old, &old_root, size, &other, &path));
                assert!(!continues(old, &old_root, size, &root, &[&path[..], &[other]].concat()));
                assert!(old == size || !continues(size, &root, old, &old_root, &path));
                for (at, _) in path.iter().enumerate() {
                    let mut wrong = path.clone();
                    wrong[at] = other;
                    assert!(!continues(old, &old_root, size, &root, &wrong));
                }
            }
        }
    }

    #[test]
    fn known_root() {
        // Root over the single leaf of 32 zero bytes, and over two of them, by another program.
        let zero = Digest([0; 32]);
        let mut frontier = Frontier::default();
        frontier.push(&zero);
        assert_eq!(frontier.root().unwrap().to_hex(), ONE);
        frontier.push(&zero);
        assert_eq!(frontier.root().unwrap().to_hex(), TWO);
    }

    const ONE: &str = "7f9c9e31ac8256ca2f258583df262dbc7d6f68f2a03043d5c99a4ae5a7396ce9";
    const TWO: &str = "a4b8c7873a49d5d53af0b2a0202486483020d95935d763edc4ef2f602200d8de";
}
