//! What is said of a command or a line once it has been looked at.

use cascade_receipt::decision::RiskTier;

use crate::resource::{Place, Resource};

/// Something a rule found.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Finding {
    /// Stable word, for example `git.push.force`.
    pub code: String,
    /// How much it can harm.
    pub tier: RiskTier,
    /// No appeal: the action is stopped for everyone.
    pub failfast: bool,
    /// For people.
    pub text: String,
}

/// One program call, after wrappers and inner lines were unfolded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Classified {
    /// The words as given; one that cannot be known beforehand is shown as `…`.
    pub words: Vec<String>,
    /// The program's known name, or the first word where no manifest knows it.
    pub program: String,
    /// The subcommand path, words joined by spaces; empty where there is none.
    pub subcommand: String,
    /// The highest tier of anything found in this call.
    pub tier: RiskTier,
    /// False where the manifest cannot vouch for the whole call; the tier is then HIGH or higher.
    pub classified: bool,
    /// Everything found, in the order of the rules.
    pub findings: Vec<Finding>,
    /// What it acts on, sorted, as far as its manifest tells.
    pub resources: Vec<Resource>,
    /// Where the names stand of those that it does not name, and that nothing on the line leads elsewhere.
    pub sought: Vec<Place>,
}

impl Classified {
    /// Puts in what was found at a place.
    pub(crate) fn name(&mut self, place: Place, name: &str) {
        if self.sought.contains(&place) {
            self.resources.retain(|resource| resource.kind != place.kind() || resource.is_known());
            self.resources.push(Resource { kind: place.kind(), name: name.to_owned() });
            self.resources.sort_unstable();
            self.resources.dedup();
        }
    }

    /// A line that only assigns variables, defines functions or comments does what `:` does.
    pub(super) fn nothing() -> Self {
        Self {
            words: vec![":".to_owned()],
            program: ":".to_owned(),
            subcommand: String::new(),
            tier: RiskTier::Low,
            classified: true,
            findings: Vec::new(),
            resources: Vec::new(),
            sought: Vec::new(),
        }
    }
}

/// The answer for a whole argv or line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Classification {
    /// The highest tier of all commands.
    pub tier: RiskTier,
    /// False where any part is not vouched for; the tier is then HIGH or higher.
    pub classified: bool,
    /// A named limit was passed: the caller denies.
    pub refused: Option<String>,
    /// Findings without appeal, without repetition.
    pub failfast: Vec<Finding>,
    /// Every program call, outer before inner, in the order of the line.
    pub commands: Vec<Classified>,
    /// What arrives on standard input would be executed.
    pub stdin_executes: bool,
    /// Files whose bytes say what is done. Those that cannot be known beforehand are missing.
    pub obeyed: Vec<Obeyed>,
}

/// A file whose bytes say what is done.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Obeyed {
    /// As a program would open it from the directory in which the action starts; `~` in front stands for a home
    /// directory.
    pub path: String,
    /// A word of the action names it; otherwise the program looks for it by itself.
    pub named: bool,
    /// It is looked for in the directories of `PATH`; `path` is its bare name.
    pub searched: bool,
}

/// Most files of one classification whose bytes say what is done.
pub const OBEYED_MAX: usize = 256;

impl Classification {
    /// Nothing looked at yet.
    pub(super) const fn empty() -> Self {
        Self {
            tier: RiskTier::Low,
            classified: true,
            refused: None,
            failfast: Vec::new(),
            commands: Vec::new(),
            stdin_executes: false,
            obeyed: Vec::new(),
        }
    }

    /// A named limit was passed: HIGH, not classified, to be denied.
    pub(super) fn refuse(&mut self, limit: &str) {
        self.refused.get_or_insert_with(|| limit.to_owned());
        self.leave_unclassified();
    }

    /// The bytes of this file say what is done.
    pub(super) fn obey(&mut self, path: String, named: bool) {
        if let Some(known) = self.obeyed.iter_mut().find(|known| known.path == path && !known.searched) {
            known.named |= named;
            return;
        }
        self.add_obeyed(Obeyed { path, named, searched: false });
    }

    /// A shell looks for a script of this name in the directories of `PATH` as well.
    pub(super) fn search(&mut self, name: &str) {
        let file = Obeyed { path: name.to_owned(), named: false, searched: true };
        if !self.obeyed.contains(&file) {
            self.add_obeyed(file);
        }
    }

    fn add_obeyed(&mut self, file: Obeyed) {
        if self.obeyed.len() < OBEYED_MAX {
            self.obeyed.push(file);
        } else {
            self.refuse("files");
        }
    }

    /// Some part cannot be vouched for.
    pub(super) fn leave_unclassified(&mut self) {
        self.classified = false;
        self.tier = self.tier.max(RiskTier::High);
    }

    /// These words lead into the home of Cascade itself. Whatever the program does there is HIGH: keys lie in it, and
    /// what is decided by. A word that no call shows (of a redirect) counts for the first.
    pub(crate) fn enter_home(&mut self, words: &[String]) {
        let finding = || Finding {
            code: "home.named".to_owned(),
            tier: RiskTier::High,
            failfast: false,
            text: "names something in the home of Cascade itself".to_owned(),
        };
        let names = |command: &Classified| command.words.iter().any(|word| words.contains(word));
        let any = self.commands.iter().any(names);
        let naming = self
            .commands
            .iter_mut()
            .enumerate()
            .filter(|(at, command)| if any { names(command) } else { *at == 0 });
        for (_, command) in naming {
            command.tier = command.tier.max(RiskTier::High);
            command.findings.push(finding());
        }
        self.tier = self.tier.max(RiskTier::High);
    }

    pub(super) fn add(&mut self, command: Classified) {
        self.tier = self.tier.max(command.tier);
        self.classified &= command.classified;
        for finding in command.findings.iter().filter(|finding| finding.failfast) {
            if !self.failfast.contains(finding) {
                self.failfast.push(finding.clone());
            }
        }
        self.commands.push(command);
    }
}
