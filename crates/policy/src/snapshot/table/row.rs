//! One row of a test table.

use cascade_receipt::decision::{RiskTier, Verdict};

use super::setting;
use crate::facts::{Facts, Invocation};

/// A request and what should come of it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) facts: Facts,
    pub(super) expected: Expected,
}

/// The right side of a row.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) verdict: Verdict,
    pub(super) tier: Option<RiskTier>,
    pub(super) present: Vec<String>,
    pub(super) absent: Vec<String>,
}

impl Row {
    /// Reads `who: command => expectation`. The error says what is wrong, for people.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let (request, expected) = line.rsplit_once("=>").ok_or("a row needs `=>` before the verdict")?;
        // Values hold colons (times, budgets); the one that ends the settings is followed by space.
        let (who, command) = request.split_once(": ").ok_or("a row needs `: ` before the command")?;
        let mut facts = setting::facts(who)?;
        facts.action.invocation = invocation(command.trim())?;
        Ok(Self { facts, expected: Expected::parse(expected)? })
    }
}

impl Expected {
    fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let verdict = words.next().unwrap_or_default();
        let verdict =
            Verdict::parse(verdict).ok_or_else(|| format!("`{verdict}` is none of admit, escalate, deny"))?;
        let mut expected = Self { verdict, tier: None, present: Vec::new(), absent: Vec::new() };
        for word in words {
            if let Some(tier) = RiskTier::parse(word) {
                expected.tier = Some(tier);
            } else if let Some(code) = word.strip_prefix('!') {
                expected.absent.push(code.to_owned());
            } else if word.contains('.') {
                expected.present.push(word.to_owned());
            } else {
                return Err(format!("`{word}` is neither a tier nor a code such as risk.above_threshold"));
            }
        }
        Ok(expected)
    }
}

fn invocation(command: &str) -> Result<Invocation, String> {
    if let Some(line) = command.strip_prefix('$') {
        return Ok(Invocation::Shell(line.trim().as_bytes().to_vec()));
    }
    let mut argv: Vec<Vec<u8>> = Vec::new();
    let mut rest = command.trim_start();
    while !rest.is_empty() {
        let (word, left) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').ok_or("a single quote is not closed")?,
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        argv.push(word.as_bytes().to_vec());
        rest = left.trim_start();
    }
    Ok(Invocation::Cli(argv))
}
