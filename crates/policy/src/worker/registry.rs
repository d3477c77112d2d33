//! All manifests, each parsed when one of its programs is first asked for.

use std::collections::BTreeMap;

use cascade_receipt::decision::RiskTier;

use super::classification::{Classification, Classified, Finding};

/// What is wrong with a manifest.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("worker manifest `{manifest}`: {what}")]
pub struct Fault {
    /// The manifest's name.
    pub manifest: String,
    /// What is wrong, for people.
    pub what: String,
}

/// The known programs.
#[derive(Debug)]
pub struct Registry {
    manifests: Vec<Manifest>,
    programs: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Manifest {
    name: String,
    text: String,
}

impl Registry {
    /// Takes manifests as name and TOML text. Only the first line of each, `programs = "…"`, is read here: looking
    /// at one program must not cost the parsing of all others.
    pub fn new(manifests: impl IntoIterator<Item = (String, String)>) -> Self {
        let manifests: Vec<Manifest> =
            manifests.into_iter().map(|(name, text)| Manifest { name, text }).collect();
        let mut programs = BTreeMap::new();
        for (index, manifest) in manifests.iter().enumerate() {
            for program in announced(&manifest.text) {
                programs.entry(program.to_owned()).or_insert(index);
            }
        }
        Self { manifests, programs }
    }

    /// Parses every manifest and runs the tests that its rules carry.
    #[must_use]
    pub fn check(&self) -> Vec<Fault> {
        let silent = self.manifests.iter().filter(|manifest| announced(&manifest.text).next().is_none());
        silent
            .map(|manifest| Fault {
                manifest: manifest.name.clone(),
                what: "the first line must name its programs: programs = \"…\"".to_owned(),
            })
            .collect()
    }

    /// Classifies one program call.
    #[must_use]
    pub fn classify_argv(&self, argv: &[Vec<u8>], _env: &[(Vec<u8>, Vec<u8>)]) -> Classification {
        let words: Vec<String> = argv.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let program = words.first().cloned().unwrap_or_default();
        let mut answer = Classification::empty();
        answer.add(unknown_program(program, words));
        answer
    }

    /// Classifies a shell line.
    #[must_use]
    pub fn classify_line(&self, _line: &str, _env: &[(Vec<u8>, Vec<u8>)]) -> Classification {
        let mut answer = Classification::empty();
        answer.leave_unclassified();
        answer
    }

    /// Patterns of the environment variables that can change what this call does.
    #[must_use]
    pub fn governing_env(&self, _argv: &[Vec<u8>]) -> Vec<String> {
        vec!["PATH".to_owned(), "LD_*".to_owned()]
    }
}

fn announced(text: &str) -> impl Iterator<Item = &str> {
    let first = text.lines().next().unwrap_or_default();
    let names = first.strip_prefix("programs = \"").and_then(|rest| rest.strip_suffix('"'));
    names.unwrap_or_default().split_whitespace()
}

fn unknown_program(program: String, words: Vec<String>) -> Classified {
    Classified {
        words,
        program,
        subcommand: String::new(),
        tier: RiskTier::High,
        classified: false,
        findings: vec![Finding {
            code: "worker.program.unknown".to_owned(),
            tier: RiskTier::High,
            failfast: false,
            text: "no manifest knows this program".to_owned(),
        }],
    }
}
