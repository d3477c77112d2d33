//! A site with people: each has a key that `ssh-keygen` made, some are in groups.

use std::path::PathBuf;
use std::process::Command;

use crate::site::{Done, Receipt, Site, finish, script};

/// The operating-system user is the first administrator; the others are known by their keys.
pub(crate) struct Team {
    pub(crate) site: Site,
}

impl Team {
    /// A site with a deploy script that leaves a line each time it runs, ranked above an agent's threshold.
    pub(crate) fn new() -> Self {
        let site = Site::new();
        script(&site.work("deploy.sh"), "#!/bin/sh\necho \"deployed $1\" >> deployed\n");
        site.run(&["init"]).expect(0);
        Self { site }
    }

    /// Puts a policy of these thresholds in force: everybody may act.
    pub(crate) fn with_thresholds(thresholds: &str) -> Self {
        let team = Self::new();
        let dir = team.site.path("policy");
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("all.cedar"), "permit (principal, action, resource);\n").unwrap();
        std::fs::write(dir.join("thresholds.toml"), thresholds).unwrap();
        team.site.run(&["policy", "activate", dir.to_str().unwrap()]).expect(0);
        team
    }

    /// Where a person's private key is.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        let path = self.site.path(&format!("{name}_key"));
        if !path.exists() {
            let path = path.to_str().unwrap();
            self.site.set("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path]);
        }
        path
    }

    /// Where the public half is.
    pub(crate) fn public(&self, name: &str) -> PathBuf {
        self.key(name).with_extension("pub")
    }

    /// The first administrator registers somebody; gives the principal.
    pub(crate) fn joins(&self, name: &str, groups: &[&str]) -> String {
        let public = self.public(name);
        let mut args = vec!["--json", "people", "add", name, "--ssh-key", public.to_str().unwrap()];
        args.extend(groups.iter().flat_map(|group| ["--group", group]));
        let done = self.site.run(&args).expect(0);
        done.json()["principal"].as_str().unwrap().to_owned()
    }

    /// A verb in a person's name, signed with the person's key.
    pub(crate) fn by(&self, name: &str, args: &[&str]) -> Done {
        self.signed(name, name, args)
    }

    /// The same, signed with the key of `signer`.
    pub(crate) fn signed(&self, name: &str, signer: &str, args: &[&str]) -> Done {
        let key = self.key(signer);
        let mut all = vec!["--json", "--as", name];
        all.extend(args);
        all.extend(["--key", key.to_str().unwrap()]);
        self.site.run(&all)
    }

    pub(crate) fn agent(&self, args: &[&str]) -> Command {
        let mut command = self.site.cascade(args);
        command.env("CLAUDECODE", "1");
        command
    }

    pub(crate) fn by_agent(&self, args: &[&str]) -> Done {
        finish(self.agent(args), b"")
    }

    /// Asks as an agent and gives the escalation's id.
    pub(crate) fn ask(&self, what: &str) -> String {
        let done = self.by_agent(&["--json", "run", "--", "./deploy.sh", what]).expect(5);
        done.json()["receipt_id"].as_str().unwrap().to_owned()
    }

    /// What ran so far.
    pub(crate) fn deployed(&self) -> String {
        std::fs::read_to_string(self.site.work("deployed")).unwrap_or_default()
    }

    /// An answer that does not count: exit 3, and a receipt with this reason.
    pub(crate) fn assert_refused(&self, done: Done, reason: &str) {
        let document = done.expect(3).json();
        let last = self.site.last();
        assert_eq!((last.kind(), Some(last.id())), ("approval_refused", document["receipt_id"].as_str()));
        assert!(last.reasons().contains(&reason), "{:?}", last.reasons());
    }

    /// A run that was denied: exit 3, nothing ran, and the authority or identity gate says why.
    pub(crate) fn assert_denied(&self, done: Done, code: &str) {
        let document = done.expect(3).json();
        let reasons = document["reasons"].as_array().unwrap();
        assert!(reasons.iter().any(|reason| reason["code"] == code), "no {code}: {reasons:?}");
        assert_eq!(self.site.last().kind(), "blocked");
    }

    /// The newest intent.
    pub(crate) fn last_intent(&self) -> Receipt {
        self.site.receipts().into_iter().rfind(|receipt| receipt.kind() == "task_started").unwrap()
    }
}
