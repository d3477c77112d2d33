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
                    complain(format!(
                        "an inverse also speaks of `{line}`, which it must not: {}",
                        told(&said)
                    ));
                }
            }
        }
    }

    fn undone(&self, entry: &Inverse, line: &str, expected: Option<&str>, complain: &mut impl FnMut(String)) {
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
                complain(format!(
                    "inverse of `{line}`: its manifest does not vouch for `{}`",
                    argv.join(" ")
                ));
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

#[cfg(test)]
mod tests {
    use crate::worker::{Inversion, Registry};

    const FROB: &str = r#"programs = "frob unfrob"

[[worker]]
names = "frob unfrob"
abbreviations = true
own = { tier = "LOW", flags = "-q --quiet --quick --force", values = "-C --name" }

[[worker.command]]
path = "make"
tier = "LOW"
flags = "-q --force --quick --quiet"
values = "--name"
kinds = { write = "--log" }

[[worker.setting]]
env = "FROB_OPTIONS"
effect = "options"
tests = ["FROB_OPTIONS=-x frob make a"]

[[worker.command]]
path = "drop"
tier = "LOW"

[[worker.inverse]]
command = "make"
keeps = "-C"
allows = "-q --quiet"
arguments = ["first", "rest..."]
undo = ["frob", "{kept}", "drop", "{first}", "--", "{rest...}"]
tests = ["frob -C d make a b c => frob -C d drop a -- c b"]
not = ["frob make a"]

[[worker.inverse]]
command = "make"
with = ["--name"]
arguments = []
undo = ["frob", "drop", "{--name}"]
assumes = "it was free"
tests = ["frob make --name=a => frob drop a"]

[[worker.inverse]]
command = "drop"
cannot = "it is gone"
tests = ["frob drop a"]
"#;

    fn registry(changes: &[(&str, &str)]) -> Registry {
        let mut text = FROB.to_owned();
        for (from, to) in changes {
            assert!(text.contains(from), "`{from}` is not in the sample");
            text = text.replacen(from, to, 1);
        }
        Registry::new([("frob".to_owned(), text)])
    }

    fn faults(changes: &[(&str, &str)]) -> String {
        let faults = registry(changes).check();
        faults.into_iter().map(|fault| fault.what).collect::<Vec<_>>().join("\n")
    }

    fn said(line: &str, env: &[(&str, &str)]) -> String {
        let argv: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let bytes = |text: &str| text.as_bytes().to_vec();
        let env: Vec<_> = env.iter().map(|(name, value)| (bytes(name), bytes(value))).collect();
        match registry(&[]).inverse(&argv, &env) {
            Inversion::Undo(undoing) => undoing.argv.join(" "),
            Inversion::Reads => "reads".to_owned(),
            Inversion::Cannot(why) => format!("cannot: {why}"),
        }
    }

    #[test]
    fn a_call_has_an_inverse_where_every_word_is_accounted_for() {
        assert_eq!(faults(&[]), "");
        for (line, expected) in [
            ("frob make a b", "frob drop a -- b"),
            ("frob -C=d make -q a -- b -c", "frob -C=d drop a -- -c b"),
            ("/usr/bin/frob make a b", "/usr/bin/frob drop a -- b"),
            ("frob make --name a", "frob drop a"),
            ("frob drop a", "cannot: it is gone"),
        ] {
            assert_eq!(said(line, &[]), expected, "{line}");
        }
        let none = "cannot: the manifest has no inverse of `frob make` with these options and arguments";
        for line in [
            "frob make a",
            "frob make --force a b",
            "frob make --log=x a b",
            // It may be short for another option than the one that does not matter.
            "frob make --qui a b",
            "frob make --frobnicate a b",
            "frob make --help a b",
            // It would be an option of what undoes it, or an empty word.
            "frob make -- -a b",
            "frob make a ",
            "frob make --name=-a",
            "frob make --name=a --name=b",
        ] {
            assert_eq!(said(line, &[]), none, "{line}");
        }
        assert_eq!(said("frob", &[]), "cannot: the manifest has no inverse of `frob`");
        assert_eq!(said("other a", &[]), "cannot: no manifest knows `other`");
        assert_eq!(
            said("/tmp/frob make a b", &[]),
            "cannot: `/tmp/frob` need not be the program that its manifest speaks of"
        );
        assert_eq!(
            said("FROB make a b", &[]),
            "cannot: `FROB` need not be the program that its manifest speaks of"
        );
        let env = [("FROB_OPTIONS", "--force")];
        assert_eq!(said("frob make a b", &env), "cannot: variables add options to it");
        let bytes = [b"frob".to_vec(), b"make".to_vec(), vec![0xff], b"b".to_vec()];
        assert_eq!(
            registry(&[]).inverse(&bytes, &[]),
            Inversion::Cannot("a word of it is not UTF-8".to_owned())
        );
    }

    #[test]
    fn an_entry_that_does_not_hold_is_told() {
        for (from, to, expected) in [
            ("=> frob -C d drop a -- c b", "=> frob -C d drop a -- b c", "inverse of `frob -C d make a b c`"),
            ("not = [\"frob make a\"]", "not = [\"frob make a b\"]", "which it must not"),
            ("tests = [\"frob drop a\"]", "tests = [\"frob make a b\"]", "inverse of `frob make a b`"),
            ("tests = [\"frob drop a\"]", "tests = []", "it has no tests"),
            ("tests = [\"frob drop a\"]", "tests = [\"frob drop a => x\"]", "it has no tests"),
            ("\"{rest...}\"", "\"{rest}\"", "names a value that nothing gives"),
            ("\"{rest...}\"", "\"{other}\"", "names a value that nothing gives"),
            ("\"{--name}\"", "\"{--other}\"", "names a value that nothing gives"),
            ("[\"frob\", \"drop\"", "[\"{--name}\", \"drop\"", "begins with a program"),
            ("\"{kept}\", ", "", "needs `{kept}`"),
            ("arguments = []\n", "", "needs `arguments`"),
            (
                "cannot = \"it is gone\"",
                "reads = true\ncannot = \"it is gone\"",
                "one of `undo`, `cannot` and `reads`",
            ),
            ("cannot = \"it is gone\"", "assumes = \"x\"\ncannot = \"it is gone\"", "belongs to `undo`"),
            ("cannot = \"it is gone\"", "cannt = \"it is gone\"", "unknown field"),
            ("path = \"drop\"\ntier = \"LOW\"", "path = \"drop\"\ntier = \"CRITICAL\"", "does not vouch"),
        ] {
            let found = faults(&[(from, to)]);
            assert!(found.contains(expected), "{to}: {found}");
        }
        let reads = [
            ("cannot = \"it is gone\"", "reads = true"),
            ("path = \"drop\"\ntier = \"LOW\"", "path = \"drop\"\ntier = \"HIGH\""),
        ];
        assert!(faults(&reads).contains("is said to change nothing, but ranks HIGH"));
    }
}
