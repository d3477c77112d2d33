//! What is known of programs, for people who look.

use cascade_receipt::decision::RiskTier;

use super::Registry;
use super::grammar::{Node, Worker};
use super::manifest::Intent;

/// One worker as a list shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Its names; the first is the one that codes use.
    pub names: Vec<String>,
    /// The manifest it stands in.
    pub manifest: String,
    /// The manifest is, byte for byte, the one that comes with this program.
    pub builtin: bool,
    /// The least that a call of it ranks.
    pub lowest: RiskTier,
    /// The most that the manifest gives to any call of it; what it does not list still ranks HIGH.
    pub highest: RiskTier,
    /// How many subcommand paths it lists.
    pub subcommands: usize,
    /// How many rules it has.
    pub rules: usize,
    /// What people say and the argv that it means, in the order of the manifest.
    pub intents: Vec<Meant>,
}

/// What people say and the argv that it means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Meant {
    /// For example `git.log`.
    pub id: String,
    /// Phrases, as the manifest writes them.
    pub say: Vec<String>,
    /// With `{slot}` for each value.
    pub argv: Vec<String>,
    /// It only looks.
    pub reads: bool,
}

impl Registry {
    /// Every worker, by its first name. A manifest that cannot be read has none; [`Registry::check`] says why.
    #[must_use]
    pub fn listed(&self) -> Vec<Listed> {
        let mut all = Vec::new();
        for manifest in &self.manifests {
            let Ok(parsed) = manifest.parsed() else { continue };
            let builtin = Self::builtin_texts()
                .iter()
                .any(|(name, text)| *name == manifest.name && *text == manifest.text());
            let intents = manifest.intents().unwrap_or_default();
            let said = intents.iter().map(Vec::as_slice).chain(std::iter::repeat(&[][..]));
            let workers = parsed.workers.iter().zip(said);
            all.extend(workers.map(|(worker, said)| listed(worker, said, &manifest.name, builtin)));
        }
        all.sort_by(|one, other| one.names.cmp(&other.names));
        all
    }
}

fn listed(worker: &Worker, intents: &[Intent], manifest: &str, builtin: bool) -> Listed {
    let of = |node: &Node| node.tier.unwrap_or(RiskTier::Low);
    let nodes = || worker.commands.iter().map(|command| of(&command.node)).chain([of(&worker.own)]);
    let ruled = worker.rules.iter().map(|rule| rule.finding.tier);
    Listed {
        names: worker.names.clone(),
        manifest: manifest.to_owned(),
        builtin,
        lowest: nodes().min().unwrap_or(RiskTier::Low),
        highest: nodes().chain(ruled).max().unwrap_or(RiskTier::Low),
        subcommands: worker.commands.len(),
        rules: worker.rules.len(),
        intents: intents.iter().map(meant).collect(),
    }
}

fn meant(intent: &Intent) -> Meant {
    let (id, say, argv) = (intent.id.clone(), intent.say.clone(), intent.argv.clone());
    Meant { id, say, argv, reads: intent.reads }
}

#[cfg(test)]
mod tests {
    use cascade_receipt::decision::RiskTier;

    use super::Registry;

    #[test]
    fn a_list_says_what_a_worker_can_be_and_where_it_comes_from() {
        let own = "programs = \"frob\"\n[[worker]]\nnames = \"frob\"\nown = { tier = \"MEDIUM\" }\n";
        let mut texts: Vec<(String, String)> = vec![("frob".to_owned(), own.to_owned())];
        texts.extend(
            Registry::builtin_texts().iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())),
        );
        let all = Registry::new(texts).listed();
        let of = |name: &str| all.iter().find(|listed| listed.names.iter().any(|own| own == name)).unwrap();
        let (git, frob) = (of("git"), of("frob"));
        assert_eq!((git.lowest, git.highest, git.builtin), (RiskTier::Low, RiskTier::Critical, true));
        assert_eq!((frob.lowest, frob.highest, frob.builtin), (RiskTier::Medium, RiskTier::Medium, false));
        assert!(git.subcommands > 50 && git.rules > 20);
    }
}
