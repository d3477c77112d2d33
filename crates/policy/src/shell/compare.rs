//! Whether both parsers read the same line, and what they saw together.

use super::neutral::{Chains, Found, RawAssignment, RawCommand, RawInput, RawRedirect, RawWord};
use super::{Opaque, RedirectOp};

/// A command without what may differ between two honest readings: its place in the list, and the
/// order of its redirects.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key<'a> {
    assignments: &'a [RawAssignment],
    words: &'a [RawWord],
    redirects: Vec<(RedirectOp, &'a RawWord)>,
    fed_by: Option<Vec<&'a [RawWord]>>,
    text: Option<&'a RawWord>,
}

impl<'a> Key<'a> {
    fn of(command: &'a RawCommand, all: &'a [RawCommand]) -> Self {
        let mut redirects: Vec<_> =
            command.redirects.iter().map(|RawRedirect { op, target }| (*op, target)).collect();
        redirects.sort();
        let (fed_by, text) = match &command.stdin {
            RawInput::Inherited => (None, None),
            RawInput::Text(word) => (None, Some(word)),
            RawInput::Pipe(feeders) => {
                let mut words: Vec<_> =
                    feeders.iter().filter_map(|i| all.get(*i)).map(|c| c.words.as_slice()).collect();
                words.sort();
                (Some(words), None)
            }
        };
        Self { assignments: &command.assignments, words: &command.words, redirects, fed_by, text }
    }
}

/// One reading from two. Where they differ it is the union, and opaque.
pub(super) fn merge(mut first: Found, mut second: Found) -> Found {
    let mut pairs: Vec<Option<usize>> = Vec::with_capacity(second.commands.len());
    let agree = {
        let ours: Vec<Key<'_>> = first.commands.iter().map(|c| Key::of(c, &first.commands)).collect();
        let mut free: Vec<bool> = vec![true; ours.len()];
        for command in &second.commands {
            let key = Key::of(command, &second.commands);
            let found = ours.iter().zip(&free).position(|(ours, free)| *free && *ours == key);
            if let Some(slot) = found.and_then(|i| free.get_mut(i)) {
                *slot = false;
            }
            pairs.push(found);
        }
        pairs.iter().all(Option::is_some) && free.iter().all(|free| !free)
    };
    let ordered = agree && pairs.iter().enumerate().all(|(i, pair)| *pair == Some(i));
    for (ours, theirs) in first.commands.iter_mut().zip(&second.commands) {
        ours.straight &= ordered && theirs.straight;
    }
    if !ordered || !chained_alike(&first, &second) {
        first.chains = Chains::default();
    }
    if !ordered {
        first.loops.clear();
        first.commands.iter_mut().for_each(|command| command.inside = 0);
    }
    if !agree {
        first.opaque.insert(Opaque::ParserDisagrees);
        adopt(&mut first, std::mem::take(&mut second.commands), &pairs);
    }
    first.opaque.append(&mut second.opaque);
    first.functions.append(&mut second.functions);
    first.arithmetic.append(&mut second.arithmetic);
    first.bound.append(&mut second.bound);
    first
}

/// Do both say the same of what has succeeded before what?
fn chained_alike(first: &Found, second: &Found) -> bool {
    let pairs: Vec<(usize, usize)> = first
        .commands
        .iter()
        .zip(&second.commands)
        .map(|(ours, theirs)| (ours.chain, theirs.chain))
        .collect();
    pairs.iter().enumerate().all(|(at, inner)| {
        pairs
            .iter()
            .take(at)
            .all(|outer| first.chains.holds(outer.0, inner.0) == second.chains.holds(outer.1, inner.1))
    })
}

/// Appends the commands that only the second parser saw.
fn adopt(first: &mut Found, commands: Vec<RawCommand>, pairs: &[Option<usize>]) {
    let mut next = first.commands.len();
    let places: Vec<usize> = pairs
        .iter()
        .map(|pair| {
            pair.unwrap_or_else(|| {
                next += 1;
                next - 1
            })
        })
        .collect();
    for command in &mut first.commands {
        command.straight = false;
    }
    for (mut command, pair) in commands.into_iter().zip(pairs) {
        if pair.is_some() {
            continue;
        }
        if let RawInput::Pipe(feeders) = &mut command.stdin {
            *feeders = feeders.iter().filter_map(|i| places.get(*i).copied()).collect();
        }
        command.straight = false;
        command.inside = 0;
        first.commands.push(command);
    }
}
