//! Whatever a governed command starts stays what asked for it, however it dresses up: an agent neither answers for
//! people nor becomes one by taking off its markers.

use std::process::Command;

use crate::site::{CASCADE, Done, Site, finish, kinds, script};

/// A site whose agent waits for an approval of `./deploy.sh one`, and may run `./sneak.sh`'s lines without one.
struct Den {
    site: Site,
    id: String,
}

impl Den {
    fn new() -> Self {
        let site = Site::new();
        script(&site.work("deploy.sh"), "#!/bin/sh\necho \"deployed $1\" >> deployed\n");
        site.run(&["init"]).expect(0);
        // What an agent may run without an approval, and what nobody reads.
        let code = "import os\nos.execvp('sh', ['sh', 'sneak.sh'])\n";
        std::fs::write(site.work("sneak.py"), code).unwrap();
        let mut den = Self { site, id: String::new() };
        let asked = finish(den.agent(&["--json", "run", "--", "./deploy.sh", "one"]), b"").expect(5);
        asked.json()["receipt_id"].as_str().unwrap().clone_into(&mut den.id);
        den
    }

    fn agent(&self, args: &[&str]) -> Command {
        let mut command = self.site.cascade(args);
        command.env("CLAUDECODE", "1");
        command
    }

    /// Runs these shell lines beneath a governed run of an agent. `$C` is Cascade, `$ID` waits for an answer, and
    /// `$CLEAN` starts what follows with an environment that says nothing.
    fn sneak(&self, lines: &str) -> Done {
        self.write(lines);
        finish(self.agent(&["run", "--", "python3", "sneak.py"]), b"")
    }

    fn user(&self) -> String {
        self.site.set("id", &["-un"]).stdout.trim().to_owned()
    }

    fn write(&self, lines: &str) {
        let head = format!(
            "C={CASCADE}\nID={}\nCLEAN=\"env -i PATH=$PATH HOME=$HOME CASCADE_HOME=$CASCADE_HOME\"\n",
            self.id
        );
        script(&self.site.work("sneak.sh"), &format!("{head}{lines}\n"));
    }

    fn kinds(&self) -> Vec<String> {
        kinds(&self.site.receipts()).into_iter().map(str::to_owned).collect()
    }
}

#[test]
fn an_agent_that_takes_off_its_markers_does_not_answer() {
    let den = Den::new();
    for lines in [
        "env -u CLAUDECODE $C approve $ID",
        "env -u CLAUDECODE -u CASCADE_RUN $C approve $ID",
        "$CLEAN $C approve $ID",
        "$CLEAN $C --as person deny $ID",
        "$CLEAN setsid --wait $C approve $ID",
        // A daemon, whose parents are gone.
        "mkfifo told; (setsid sh -c \"$CLEAN $C approve $ID; echo \\$? > told\" &); read code < told; rm told; exit $code",
        // Nor does another file count as another program.
        "cp $C copy; $CLEAN ./copy approve $ID",
        // A supervisor that says it is a person's stands beneath the real one.
        "$CLEAN bash -c \"exec -a cascade sh -c '$C approve $ID; exit \\$?' __supervise r_01 person\"",
    ] {
        let done = den.sneak(lines).expect(3);
        assert!(done.stderr.contains("from outside a governed run"), "{lines}: {}", done.stderr);
        let receipts = den.site.receipts();
        let refused = receipts.iter().rfind(|receipt| receipt.kind() == "approval_refused").unwrap();
        assert!(refused.reasons().contains(&"approval.beneath_run"), "{lines}: {:?}", refused.reasons());
    }
    let kinds = den.kinds();
    assert!(!kinds.iter().any(|kind| kind == "approval" || kind == "denial"), "{kinds:?}");
    finish(den.agent(&["run", "--approval", &den.id]), b"").expect(5);
    den.site.assert_sound();
}

/// The marker alone is a sign, where a namespace hides the processes above.
#[test]
fn the_marker_of_a_run_is_a_sign_of_its_own() {
    let den = Den::new();
    let mut command = den.site.cascade(&["--json", "approve", &den.id]);
    command.env("CASCADE_RUN", "r_0000000000000000");
    let refused = finish(command, b"").expect(3);
    assert!(refused.stdout.contains("approval.beneath_run"), "{}", refused.stdout);
    den.site.run(&["approve", &den.id]).expect(0);
}

#[test]
fn nobody_governs_from_beneath_a_run() {
    let den = Den::new();
    std::fs::create_dir(den.site.work("policy")).unwrap();
    std::fs::write(den.site.work("policy/all.cedar"), "permit (principal, action, resource);\n").unwrap();
    let recovery = den.site.path("home-recovery/default/recovery.pem");
    let recovery = recovery.display();
    for verb in [
        "policy activate policy".to_owned(),
        "key rotate".to_owned(),
        "key add".to_owned(),
        format!("key rotate --for log --recovery-key {recovery}"),
        format!(
            "key revoke $($C key list | cut -d' ' -f1 | head -n1) --recovery-key {recovery} --since 2020-01-01T00:00:00.000Z"
        ),
        "erase $ID".to_owned(),
        format!("people remove {}", den.user()),
        "grant add --to agent:claude-code --program '*'".to_owned(),
        "grant revoke $ID".to_owned(),
    ] {
        let done = den.sneak(&format!("$CLEAN $C {verb}"));
        let done = done.expect_failure(3, "from outside a governed run");
        assert!(done.stderr.contains("terminal that no `cascade run` started"), "{}", done.stderr);
        // Also not where a person's run is the one above: what runs there may be an agent.
        den.write(&format!("$C {verb}"));
        den.site.run(&["run", "--", "sh", "sneak.sh"]).expect(3);
    }
    let changes = [
        "policy_activated",
        "pack_activated",
        "key_added",
        "key_rotated",
        "key_revoked",
        "erasure",
        "principal_removed",
        "grant",
    ];
    let kinds = den.kinds();
    assert!(!kinds.iter().any(|kind| changes.contains(&kind.as_str())), "{kinds:?}");
    den.site.run(&["key", "rotate"]).expect(0);
    den.site.assert_sound();
}

#[test]
fn what_an_agent_started_asks_as_that_agent() {
    let den = Den::new();
    for (lines, code) in [
        ("$CLEAN $C run -- ./deploy.sh two", 5),
        ("$CLEAN setsid --wait $C run -- ./deploy.sh two", 5),
        ("$CLEAN CODEX_SANDBOX=1 $C run -- ./deploy.sh two", 5),
        ("$CLEAN $C --as person run -- ./deploy.sh two", 3),
        ("$CLEAN $C --as agent:other run -- true", 3),
        ("$CLEAN $C run -- true", 0),
    ] {
        den.sneak(lines).expect(code);
    }
    assert!(!den.site.work("deployed").exists());
    let receipts = den.site.receipts();
    let asked = receipts.iter().filter(|receipt| !receipt.content("on_behalf_of").is_null());
    let who: std::collections::BTreeSet<&str> =
        asked.map(|receipt| receipt.content("principal").as_str().unwrap()).collect();
    assert_eq!(who.len(), 1, "one agent asked for everything: {who:?}");
    let decided = receipts.iter().filter(|receipt| receipt.content("decision").is_object());
    assert!(decided.into_iter().all(|receipt| !receipt.content("on_behalf_of").is_null()));
    den.site.assert_sound();
}

#[test]
fn what_a_person_started_may_start_more() {
    let den = Den::new();
    den.write("$C run -- ./deploy.sh two && $CLEAN $C run -- ./deploy.sh three");
    den.site.run(&["run", "--", "sh", "sneak.sh"]).expect(0);
    assert_eq!(std::fs::read_to_string(den.site.work("deployed")).unwrap(), "deployed two\ndeployed three\n");
    // An agent that the person started is an agent, as it would be outside.
    den.write("CLAUDECODE=1 $C run -- ./deploy.sh four");
    den.site.run(&["run", "--", "sh", "sneak.sh"]).expect(5);
    // What was approved outside may be run from beneath, by the agent that asked.
    den.site.run(&["approve", &den.id]).expect(0);
    den.write("$CLEAN $C run --approval $ID");
    den.site.run(&["run", "--", "sh", "sneak.sh"]).expect(3);
    den.sneak("$CLEAN $C run --approval $ID").expect(0);
    den.site.assert_sound();
}

/// The marker says who it is; `--as` with another name asks for that one's authority.
#[test]
fn a_marked_agent_is_no_other_agent() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    for (whom, code) in [("agent:ci", 3), ("agent:claude-code", 0)] {
        let mut command = site.cascade(&["--as", whom, "run", "--", "true"]);
        command.env("CLAUDECODE", "1");
        finish(command, b"").expect(code);
    }
    site.run(&["--as", "agent:ci", "run", "--", "true"]).expect(0);
}
