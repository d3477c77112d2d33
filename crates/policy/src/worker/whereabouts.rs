//! In which directory each command of a line runs, as far as the line tells.
//!
//! What stands behind a `cd` by `&&` runs where it led. Anything else may also run where it was before: the `cd` may
//! fail, be skipped, or happen in a shell of its own (`(cd x); rm -rf *`).

use super::place::Location;
use super::word::Word;

/// Where the commands of a line run.
#[derive(Debug)]
pub(super) struct Whereabouts {
    /// Everywhere the line may be.
    all: Location,
    /// Which command moved, and where what stands behind it may be.
    moves: Vec<(usize, Location)>,
}

impl Whereabouts {
    pub(super) const fn new(start: Location) -> Self {
        Self { all: start, moves: Vec::new() }
    }

    /// Where a command runs that stands behind these moves.
    pub(super) fn at(&self, moved_by: &[usize]) -> &Location {
        let latest = self.moves.iter().rev().find(|(at, _)| moved_by.contains(at));
        latest.map_or(&self.all, |(_, location)| location)
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
                    None => Location::Home(Vec::new()),
                    Some(Word::Known(text)) if !is_stack(text) => from.join(text),
                    Some(Word::Glob(text)) if !text.contains(['*', '?', '[', '{']) => from.join(text),
                    Some(_) => Location::Unknown,
                };
                self.moved(at, moved_by, target);
            }
            Some("popd") => self.moved(at, moved_by, Location::Unknown),
            _ => {}
        }
    }

    fn moved(&mut self, at: usize, moved_by: &[usize], target: Location) {
        let old = std::mem::replace(&mut self.all, Location::Unknown);
        self.all = Location::either([old, target.clone()]);
        for (mover, location) in self.moves.iter_mut().filter(|(mover, _)| moved_by.contains(mover)) {
            if *mover != at {
                let old = std::mem::replace(location, Location::Unknown);
                *location = Location::either([old, target.clone()]);
            }
        }
        self.moves.push((at, target));
    }
}

/// `cd -`, `pushd +1`: where that is, only the shell knows.
fn is_stack(text: &str) -> bool {
    text == "-" || text.strip_prefix(['+', '-']).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
}
