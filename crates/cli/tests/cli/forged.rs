//! Specs that are not what a trusted author signed: each of the repository's, forged in every way, is refused by gate
//! `specification` with a receipt, and nothing of it runs.

use std::path::Path;

use crate::site::{Done, Receipt};
use crate::stage::spec;
use crate::team::Team;

/// The specs of the repository, each with a byte of it and the inputs that a run needs.
const SPECS: [(&str, (&str, &str), &[&str]); 5] = [
    ("release", ("--prefix=", "--prefiy="), &["tag=v1.0.0", "to=/tmp"]),
    ("rotate-secret", ("\"600\"", "\"640\""), &["file=api.key"]),
    (
        "migrate",
        ("--single-transaction, -d", "--single-transactiom, -d"),
        &["database=shop", "up=up.sql", "down=down.sql", "applied=select true"],
    ),
    ("claims-triage", ("default: 500", "default: 900"), &["claim=C-1", "amount=1"]),
    ("campaign", ("max_parallel: 4", "max_parallel: 8"), &["contacts=a.json", "dialer=http://127.0.0.1:9"]),
];

/// A way to forge a spec: what it is called, what becomes of the text, the reason that is given.
type Forgery = (&'static str, fn(&str, (&str, &str)) -> String);

const FORGERIES: [Forgery; 5] = [
    ("one byte", |text, (from, to)| text.replacen(from, to, 1)),
    ("a step put in", |text, _| text.replacen("steps:\n", "steps:\n  - {id: more, run: [touch, made]}\n", 1)),
    ("a step taken out", |text, _| {
        // Whatever comes last: nothing but the outputs needs it.
        let (head, _) = text.split_once("\noutputs:").unwrap();
        let at = head.rfind("\n  - id: ").unwrap();
        head[..at].to_owned() + "\n"
    }),
    ("a tier widened", |text, _| {
        text.replace("max_tier: HIGH", "max_tier: CRITICAL").replace("max_tier: MEDIUM", "max_tier: HIGH")
    }),
    ("a program let in", |text, _| text.replacen("  workers: [", "  workers: [sh, ", 1)),
];

/// What a refused start leaves.
fn assert_refused(team: &Team, done: Done, code: &str, what: &str) {
    let told = done.expect(3).json();
    assert_eq!(told["decision_reasons"][0]["code"], code, "{what}: {told}");
    let last = team.site.last();
    assert_eq!((last.kind(), Some(last.id())), ("blocked", told["receipts"][0].as_str()), "{what}: {told}");
    assert_eq!(outcome(&last), "deny", "{what}");
    assert!(!team.site.work("made").exists(), "{what}");
}

/// What gate `specification` said.
fn outcome(receipt: &Receipt) -> String {
    let gates = receipt.content("decision")["gates"].as_array().unwrap();
    let own = gates.iter().find(|gate| gate["gate"] == "specification").unwrap();
    own["outcome"].as_str().unwrap().to_owned()
}

fn start(team: &Team, name: &str, inputs: &[&str]) -> Done {
    let file = format!("{name}.yaml");
    let mut args = vec!["--json", "spec", "run", &file];
    args.extend(inputs.iter().flat_map(|input| ["--input", input]));
    team.site.run(&args)
}

#[test]
fn a_forged_spec_is_refused_with_a_receipt_and_runs_nothing() {
    let team = Team::new();
    let site = &team.site;
    for (name, byte, inputs) in SPECS {
        let (file, sig) = (site.work(&format!("{name}.yaml")), site.work(&format!("{name}.yaml.sig")));
        let text = std::fs::read_to_string(spec(name)).unwrap();
        std::fs::write(&file, &text).unwrap();
        site.run(&["spec", "sign", &format!("{name}.yaml")]).expect(0);
        for (how, forge) in FORGERIES {
            let forged = forge(&text, byte);
            assert_ne!(forged, text, "{name}: {how}");
            std::fs::write(&file, forged).unwrap();
            assert_refused(
                &team,
                start(&team, name, inputs),
                "specification.unsigned",
                &format!("{name}: {how}"),
            );
        }
        std::fs::write(&file, &text).unwrap();
        let good = std::fs::read(&sig).unwrap();
        strangers(&team, name, inputs, &sig);
        std::fs::write(&sig, good).unwrap();
    }
    // The signature of one does not do for another.
    std::fs::copy(site.work("release.yaml.sig"), site.work("migrate.yaml.sig")).unwrap();
    assert_refused(
        &team,
        start(&team, "migrate", SPECS[2].2),
        "specification.unsigned",
        "another's signature",
    );
    let receipts = site.receipts();
    assert!(!receipts.iter().any(|one| ["chain_started", "task_started"].contains(&one.kind())));
    let blocked = receipts.iter().filter(|one| one.kind() == "blocked").count();
    assert_eq!(blocked, SPECS.len() * (FORGERIES.len() + 3) + 1);
    site.assert_sound();
}

/// Signed by nobody, by somebody whom the chain does not know, by somebody who belongs to it and is no author.
fn strangers(team: &Team, name: &str, inputs: &[&str], sig: &Path) {
    std::fs::remove_file(sig).unwrap();
    assert_refused(team, start(team, name, inputs), "specification.unsigned", "unsigned");
    let file = format!("{name}.yaml");
    let sign = |who: &str| {
        drop(std::fs::remove_file(sig));
        team.site.run(&["spec", "sign", &file, "--key", team.key(who).to_str().unwrap()]).expect(0)
    };
    sign("mallory");
    assert_refused(team, start(team, name, inputs), "specification.unsigned", "a stranger");
    if !team.site.path("ops_joined").exists() {
        team.joins("ops", &["ops"]);
        std::fs::write(team.site.path("ops_joined"), "").unwrap();
    }
    sign("ops");
    assert_refused(team, start(team, name, inputs), "specification.untrusted", "no author");
}

#[test]
fn an_author_who_has_left_is_no_author() {
    let team = Team::new();
    let site = &team.site;
    let public = team.public("bob");
    site.run(&["people", "add", "bob", "--admin", "--ssh-key", public.to_str().unwrap()]).expect(0);
    std::fs::copy(spec("rotate-secret"), site.work("rotate-secret.yaml")).unwrap();
    let key = team.key("bob");
    site.run(&["spec", "sign", "rotate-secret.yaml", "--key", key.to_str().unwrap()]).expect(0);
    std::fs::write(site.work("api.key"), "old\n").unwrap();
    let told = start(&team, "rotate-secret", &["file=api.key"]).expect(5).json();
    site.run(&["people", "remove", "bob"]).expect(0);
    assert_refused(&team, start(&team, "rotate-secret", &["file=api.key"]), "specification.unsigned", "left");
    // What began while he was one goes no further.
    let chain = told["chain"].as_str().unwrap();
    let asked = told["steps"].as_array().unwrap().iter().find(|step| step["status"] == "waiting").unwrap();
    let public = team.public("eve");
    site.run(&["people", "add", "eve", "--admin", "--ssh-key", public.to_str().unwrap()]).expect(0);
    team.by("eve", &["approve", asked["receipt_id"].as_str().unwrap()]).expect(0);
    site.run(&["spec", "resume", chain]).expect(3);
    assert_eq!(std::fs::read_to_string(site.work("api.key")).unwrap(), "old\n");
    site.assert_sound();
}
