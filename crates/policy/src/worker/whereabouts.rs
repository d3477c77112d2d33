//! In which directory each command of a line runs, as far as the line tells.
//!
//! What stands behind a `cd` by `&&` runs where it led. Anything else may also run where it was before: the `cd` may
//! fail, be skipped, or happen in a shell of its own (`(cd x); rm -rf *`).

use super::base::Base;
use super::place::Location;
use super::word::{Word, literal};

/// A directory: where it lies, and the texts it is opened with.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) place: Location,
    pub(super) base: Base,
}

impl Spot {
    const UNKNOWN: Self = Self { place: Location::Unknown, base: Base::Unknown };

    fn entered(&self, text: &str) -> Self {
        Self { place: self.place.join(text), base: self.base.entered(text) }
    }

    /// It may be the other one as well.
    fn may_be(&mut self, other: &Self) {
        let Self { place, base } = std::mem::replace(self, Self::UNKNOWN);
        *self =
            Self { place: Location::either([place, other.place.clone()]), base: base.or(other.base.clone()) };
    }
}

/// Where the commands of a line run.
#[derive(Debug)]
pub(super) struct Whereabouts {
    /// Everywhere the line may be.
    all: Spot,
    /// Which command moved, and where what stands behind it may be.
    moves: Vec<(usize, Spot)>,
}

impl Whereabouts {
    pub(super) const fn new(start: Spot) -> Self {
        Self { all: start, moves: Vec::new() }
    }

    /// Where a command runs that stands behind these moves.
    pub(super) fn at(&self, moved_by: &[usize]) -> &Spot {
        let latest = self.moves.iter().rev().find(|(at, _)| moved_by.contains(at));
        latest.map_or(&self.all, |(_, spot)| spot)
    }

    /// The shell's own commands that change the directory.
    pub(super) fn follow(&mut self, at: usize, moved_by: &[usize], mut words: &[Word]) {
        while let [Word::Known(first), rest @ ..] = words {
            if !matches!(first.as_str(), "builtin" | "command" | "-p" | "--") {
                break;
            }
            words = rest;
        }
        let Some((program, arguments)) = words.split_first() else { return };
        match program.known() {
            Some("cd" | "pushd") => {
                let switch = |word: &&Word| !matches!(word.known(), Some("-P" | "-L" | "-e" | "--"));
                let from = self.at(moved_by);
                let target = match arguments.iter().find(switch) {
                    None => Spot { place: Location::Home(Vec::new()), base: Base::home() },
                    Some(Word::Known(text)) if !is_stack(text) => from.entered(&literal(text)),
                    Some(Word::Glob(text)) if !text.contains(['*', '?', '[', '{']) => from.entered(text),
                    Some(_) => Spot::UNKNOWN,
                };
                self.moved(at, moved_by, target);
            }
            Some("popd") => self.moved(at, moved_by, Spot::UNKNOWN),
            _ => {}
        }
    }

    fn moved(&mut self, at: usize, moved_by: &[usize], target: Spot) {
        self.all.may_be(&target);
        for (mover, spot) in self.moves.iter_mut().filter(|(mover, _)| moved_by.contains(mover)) {
            if *mover != at {
                spot.may_be(&target);
            }
        }
        self.moves.push((at, target));
    }
}

/// `cd -`, `pushd +1`: where that is, only the shell knows.
fn is_stack(text: &str) -> bool {
    text == "-" || text.strip_prefix(['+', '-']).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
}
