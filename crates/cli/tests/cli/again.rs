//! A command that is suggested can be run as it stands, from whatever shell it was read in.

use std::process::Command;

use crate::site::{CASCADE, Done, Site, finish, script};

/// A site whose home no environment names, and has a space.
struct Elsewhere {
    site: Site,
    home: String,
}

impl Elsewhere {
    fn new() -> Self {
        let site = Site::new();
        script(&site.work("deploy.sh"), "#!/bin/sh\necho \"deployed $1\" >> deployed\n");
        let home = site.path("a home").to_str().unwrap().to_owned();
        Self { site, home }
    }

    fn cascade(&self, args: &[&str]) -> Done {
        let mut command = self.site.cascade(&["--home", &self.home, "--tenant", "acme"]);
        command.args(args).env_remove("CASCADE_HOME");
        finish(command, b"")
    }

    /// Types a suggested line into a shell in another directory.
    fn type_again(&self, line: &str) -> Done {
        let mut shell: Command = self.site.program("bash");
        let directory = std::path::Path::new(CASCADE).parent().unwrap();
        let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
        shell.env_remove("CASCADE_HOME").env("PATH", path).args(["-c", line]);
        shell.current_dir(self.site.path("user"));
        finish(shell, b"")
    }
}

/// What stands after these words in a hint.
fn suggested(done: &Done, words: &str) -> String {
    let found = done.stderr.lines().find_map(|line| line.split_once(words));
    found.unwrap_or_else(|| panic!("no `{words}` in {}", done.stderr)).1.to_owned()
}

#[test]
fn the_whole_way_through_an_approval_can_be_copied() {
    let place = Elsewhere::new();
    let asked = place.cascade(&["--as", "agent:ci", "run", "--", "./deploy.sh", "one"]).expect(5);
    let (approve, run) = (suggested(&asked, "somebody eligible runs: "), suggested(&asked, "then: "));
    assert!(!approve.contains("--as"), "the asker's name is not the approver's: {approve}");
    let approved = place.type_again(&approve).expect(0);
    let by_requester = suggested(&approved, "the requester runs: ");
    assert!(by_requester.contains("--as agent:ci"), "{by_requester}");
    place.type_again(&run).expect(0);
    let deployed = || std::fs::read_to_string(place.site.work("deployed")).unwrap_or_default();
    assert_eq!(deployed(), "deployed one\n");

    let asked = place.cascade(&["--as", "agent:ci", "run", "--", "./deploy.sh", "two"]).expect(5);
    let approved = place.type_again(&suggested(&asked, "somebody eligible runs: ")).expect(0);
    place.type_again(&suggested(&approved, "the requester runs: ")).expect(0);
    assert_eq!(deployed(), "deployed one\ndeployed two\n");
}

#[test]
fn hints_of_every_layer_name_the_ledger() {
    let place = Elsewhere::new();
    place.cascade(&["init"]).expect(0);
    let quoted = format!("cascade --home '{}' --tenant acme", place.home);
    for (args, next) in [
        (&["show", "r_bad"][..], "log"),
        (&["approve", "r_bad"], "approvals"),
        (&["grant", "revoke", "r_bad"], "log"),
        (&["people", "remove", "nobody"], "people list"),
        (&["policy", "diff", "current", "no-such"], "policy history"),
        (&["secret", "remove", "none"], "secret list"),
    ] {
        let done = place.cascade(args).expect(1);
        assert!(done.stderr.contains(&format!("`{quoted} {next}`")), "{args:?}: {}", done.stderr);
        let document = place.cascade(&[&["--json"], args].concat()).expect(1).json();
        assert!(document["error"]["hint"].as_str().unwrap().contains(&quoted), "{document}");
        place.type_again(&format!("{quoted} {next}")).expect(0);
    }
    // Neither what the environment says, nor what is meant without a word.
    let done = place.site.run(&["show", "r_bad"]).expect(1);
    assert!(done.stderr.contains("`cascade init`"), "{}", done.stderr);
}

#[test]
fn a_signed_proposal_says_how_it_is_activated() {
    let place = Elsewhere::new();
    let dir = place.site.path("new policy");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("all.cedar"), "permit (principal, action, resource);\n").unwrap();
    let out = place.site.path("my proposal.json");
    let (dir, out) = (dir.to_str().unwrap(), out.to_str().unwrap());
    let signed = place.cascade(&["policy", "sign", dir, "--out", out]).expect(0);
    place.type_again(&suggested(&signed, "to activate: ")).expect(0);
}
