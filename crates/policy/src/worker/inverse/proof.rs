//! Inverses are tested by what is written beside them.

use cascade_receipt::decision::RiskTier;

use super::{Answer, Inverse, Inversion, Undoing};
use crate::worker::registry::Registry;

impl Registry {
    /// What is wrong with the inverses of a worker.
    pub(in crate::worker) fn inverse_tests(&self, entries: &[Inverse], complain: &mut impl FnMut(String)) {
        for entry in entries {
            for (line, expected) in &entry.tests {
                self.undone(entry, line, expected.as_deref(), complain);
            }
            for line in &entry.not {
                let (said, by) = self.said(line);
                if by.is_some_and(|by| std::ptr::eq(by, entry)) {
                    complain(format!("an inverse also speaks of `{line}`, which it must not: {}", told(&said)));
                }
            }
        }
    }

    fn undone(
        &self,
        entry: &Inverse,
        line: &str,
        expected: Option<&str>,
        complain: &mut impl FnMut(String),
    ) {
        let (said, by) = self.said(line);
        let is_own = by.is_some_and(|by| std::ptr::eq(by, entry));
        let is_it = match (&said, expected) {
            (Inversion::Undo(Undoing { argv, .. }), Some(expected)) => argv.join(" ") == expected,
            _ => expected.is_none(),
        };
        if !is_it || !is_own {
            return complain(format!("inverse of `{line}`: {}", told(&said)));
        }
        let own = self.classify_line(line, &[]);
        if matches!(entry.answer, Answer::Reads) && own.tier != RiskTier::Low {
            complain(format!("`{line}` is said to change nothing, but ranks {}", own.tier));
        }
        if let Inversion::Undo(Undoing { argv, .. }) = &said {
            let words: Vec<Vec<u8>> = argv.iter().map(|word| word.clone().into_bytes()).collect();
            let answer = self.classify_argv(&words, &[]);
            if !answer.classified || answer.refused.is_some() || answer.tier == RiskTier::Critical {
                complain(format!("inverse of `{line}`: its manifest does not vouch for `{}`", argv.join(" ")));
            }
        }
    }

    fn said(&self, line: &str) -> (Inversion, Option<&Inverse>) {
        let argv: Vec<Vec<u8>> = line.split_whitespace().map(|word| word.as_bytes().to_vec()).collect();
        self.inverse_by(&argv, &[])
    }
}

impl Inverse {
    /// How many lines its tests hold.
    pub(in crate::worker) fn lines(&self) -> usize {
        self.tests.len() + self.not.len()
    }
}

fn told(said: &Inversion) -> String {
    match said {
        Inversion::Undo(undoing) => format!("`{}`", undoing.argv.join(" ")),
        Inversion::Reads => "it changes nothing".to_owned(),
        Inversion::Cannot(why) => why.clone(),
    }
}
