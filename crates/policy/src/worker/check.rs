//! Manifests are tested by what is written in them.

use cascade_receipt::decision::RiskTier;

use super::classification::{Classification, Finding};
use super::compile::{Malformed, tier};
use super::grammar::{Rule, Worker};
use super::inverse::Inverse;
use super::manifest::Effect;
use super::registry::{Beside, Manifest, Parsed, Registry};
use crate::resource::Resource;

/// What is wrong with a manifest.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("worker manifest `{manifest}`: {what}")]
pub struct Fault {
    /// The manifest's name.
    pub manifest: String,
    /// What is wrong, for people.
    pub what: String,
    /// The byte of the manifest where it is, when the reader knows.
    pub offset: Option<usize>,
}

/// What came of running the tests of manifests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// How many manifests were looked at.
    pub manifests: usize,
    /// How many lines their tests hold.
    pub lines: usize,
    /// What does not hold.
    pub faults: Vec<Fault>,
}

impl Parsed {
    /// How many lines its tests hold.
    fn lines(&self) -> usize {
        let of = |worker: &Worker| {
            let rules = worker.rules.iter().map(|rule| rule.tests.len());
            let named = worker.resources.iter().map(|source| source.tests.len());
            let rules = rules.chain(named);
            rules.chain(worker.settings.iter().map(|setting| setting.tests.len())).sum::<usize>()
        };
        self.tests.values().map(Vec::len).sum::<usize>() + self.workers.iter().map(of).sum::<usize>()
    }
}

impl Beside {
    /// How many texts and lines its tests hold.
    fn lines(&self) -> usize {
        let said = self.intents.iter().flatten().map(|intent| intent.tests.len() + intent.not.len());
        let undone = self.inverses.iter().flatten().map(Inverse::lines);
        said.chain(undone).sum()
    }
}

impl Registry {
    /// Parses every manifest and runs the tests that it carries. An empty answer means that all of them hold.
    #[must_use]
    pub fn check(&self) -> Vec<Fault> {
        self.check_only(|_| true).faults
    }

    /// As [`Registry::check`], but only the manifests with these names; all programs are known to their tests.
    #[must_use]
    pub fn check_only(&self, chosen: impl Fn(&str) -> bool) -> Checked {
        let mut faults = Vec::new();
        let (mut manifests, mut lines) = (0, 0);
        for manifest in self.manifests.iter().filter(|manifest| chosen(&manifest.name)) {
            manifests += 1;
            if let Err(Malformed::Toml { message, offset }) = manifest.whole() {
                let (manifest, what) = (manifest.name.clone(), message.clone());
                faults.push(Fault { manifest, what, offset: *offset });
                continue;
            }
            let mut complain =
                |what: String| faults.push(Fault { manifest: manifest.name.clone(), what, offset: None });
            match manifest.whole() {
                Err(error) => complain(error.to_string()),
                Ok((parsed, beside)) => {
                    lines += parsed.lines() + beside.lines();
                    self.twice(manifest, &mut complain);
                    self.tests(parsed, &mut complain);
                    let beside = beside.intents.iter().zip(&beside.inverses);
                    for (worker, (intents, inverses)) in parsed.workers.iter().zip(beside) {
                        self.worker_tests(worker, &mut complain);
                        self.intent_tests(worker, intents, &mut complain);
                        self.inverse_tests(inverses, &mut complain);
                    }
                }
            }
        }
        Checked { manifests, lines, faults }
    }

    /// A program belongs to one manifest.
    fn twice(&self, manifest: &Manifest, complain: &mut impl FnMut(String)) {
        for program in manifest.announced() {
            let holders = self.manifests.iter().filter(|other| other.announced().any(|name| name == program));
            if holders.count() > 1 {
                complain(format!("`{program}` is in more than one manifest"));
            }
        }
    }

    fn tests(&self, parsed: &Parsed, complain: &mut impl FnMut(String)) {
        for (word, lines) in &parsed.tests {
            match tier(word) {
                Err(error) => complain(error.to_string()),
                Ok(expected) => {
                    for line in lines {
                        self.expect(line, expected, complain);
                    }
                }
            }
        }
    }

    fn expect(&self, line: &str, expected: RiskTier, complain: &mut impl FnMut(String)) {
        let answer = self.classify_line(line, &[]);
        if answer.tier != expected || answer.refused.is_some() {
            complain(format!("`{line}` is {}, expected {expected}: {}", answer.tier, codes(&answer)));
        }
    }

    fn worker_tests(&self, worker: &Worker, complain: &mut impl FnMut(String)) {
        for rule in &worker.rules {
            for line in &rule.tests {
                self.speaks(rule, line, complain);
            }
        }
        for source in &worker.resources {
            for (line, name) in &source.tests {
                let answer = self.classify_line(line, &[]);
                let found: Vec<&Resource> =
                    answer.commands.iter().flat_map(|command| &command.resources).collect();
                if !found.iter().any(|found| found.kind == source.kind && found.name == *name) {
                    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
                    complain(format!("`{line}` is not on `{name}`, but on {found:?}"));
                }
            }
        }
        for setting in &worker.settings {
            if setting.tests.is_empty() && !matches!(setting.effect, Effect::Harmless | Effect::Key) {
                complain(format!("setting `{}` has no tests", setting.env_text.join(" ")));
            }
            for line in &setting.tests {
                if self.classify_line(line, &[]).tier < RiskTier::High {
                    complain(format!("`{line}` is not stopped by its setting"));
                }
            }
        }
    }

    /// The rule must find something in its own line, and nothing stronger may hide that it does.
    fn speaks(&self, rule: &Rule, line: &str, complain: &mut impl FnMut(String)) {
        let answer = self.classify_line(line, &[]);
        let finding: &Finding = &rule.finding;
        let spoke = answer.commands.iter().any(|command| command.findings.contains(finding));
        if !spoke || answer.tier != finding.tier || answer.refused.is_some() {
            let code = &finding.code;
            complain(format!("rule `{code}` on `{line}`: {} {}", answer.tier, codes(&answer)));
        }
    }
}

fn codes(answer: &Classification) -> String {
    let findings = answer.commands.iter().flat_map(|command| &command.findings);
    let codes: Vec<&str> = findings.map(|finding| finding.code.as_str()).collect();
    if codes.is_empty() { "nothing found".to_owned() } else { codes.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::Registry;

    #[test]
    fn every_builtin_manifest_holds_its_own_tests() {
        let faults: Vec<String> = Registry::builtin()
            .check()
            .iter()
            .map(|fault| format!("{}: {}", fault.manifest, fault.what))
            .collect();
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    }
}
