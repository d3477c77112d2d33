//! Tokens: issued, shown once, good for whoever shows them, and for nothing once they ended.

use std::path::Path;

use cascade_ledger::{Home, Ledger, TenantId};
use cascade_policy::decide;
use cascade_policy::facts::{Authentication, Facts, PrincipalKind, Task, TaskKind};
use cascade_receipt::content::TokenScope;
use cascade_receipt::decision::Verdict;
use cascade_runtime::facts::{self, Asker};
use cascade_runtime::policy_store;
use cascade_runtime::tokens::{self, TokenState, Unaccepted, Withdrawal};
use serde_json::Value;

use crate::site::{Site, finish};
use crate::team::Team;

fn issue(site: &Site, args: &[&str]) -> Value {
    site.run(&[&["--json", "token", "issue"], args].concat()).expect(0).json()
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key}: {value}"))
}

fn listed(site: &Site) -> Vec<Value> {
    let text = site.run(&["--json", "token", "list"]).expect(0).stdout;
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn states(site: &Site) -> Vec<String> {
    listed(site).iter().map(|token| word(token, "state").to_owned()).collect()
}

/// The ledger as a service has it open, in a process of its own.
fn open(site: &Site) -> Ledger {
    let home = Home::open(&site.home()).unwrap();
    home.open_tenant(&TenantId::parse("default").unwrap(), None, &|_| true).unwrap()
}

/// What the gates would hear and say now of a task that this asker asks for.
fn decided(ledger: &Ledger, asker: &Asker) -> (Facts, Verdict, Vec<String>) {
    let task = Task {
        kind: TaskKind::Code,
        text: "sum a list".to_owned(),
        signature: None,
        examples: Vec::new(),
        tests: None,
        schema: None,
        max_layer: "L1".to_owned(),
        tools: Vec::new(),
        model: None,
    };
    let facts = facts::of_task(&ledger.present().unwrap(), asker, task).unwrap();
    let (snapshot, _) = policy_store::in_force(ledger).unwrap();
    let ruling = decide::decide(&snapshot, &facts);
    let codes = ruling.decision.reasons().map(|(_, reason)| reason.code.clone()).collect();
    (facts, ruling.decision.verdict, codes)
}

fn holds_anywhere(dir: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holds_anywhere(&path, needle);
        }
        std::fs::read(&path).is_ok_and(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
    })
}

#[test]
fn whoever_shows_a_token_is_taken_for_its_holder_until_it_is_taken_back() {
    let team = Team::new();
    let bob = team.joins("bob", &["sre"]);
    let issued = issue(&team.site, &["--for", "bob", "--scope", "read", "--scope", "actions"]);
    assert_eq!(
        (word(&issued, "to"), &issued["scopes"]),
        (bob.as_str(), &serde_json::json!(["actions", "read"]))
    );
    let receipt = team.site.last();
    assert_eq!((receipt.kind(), receipt.id()), ("token_issued", word(&issued, "receipt_id")));
    assert_eq!(receipt.content("signatures").as_array().unwrap().len(), 1);
    let shown = word(&issued, "token").to_owned();
    assert!(!holds_anywhere(&team.site.home(), &shown.as_bytes()[..40]), "the token lies in the home");

    let ledger = open(&team.site);
    let token = tokens::accept(&ledger, &shown).unwrap();
    assert!(token.allows(TokenScope::Actions) && !token.allows(TokenScope::Admin));
    let asker = Asker::by_token(&ledger, &token).unwrap();
    let (facts, verdict, _) = decided(&ledger, &asker);
    assert_eq!((facts.principal.id.to_string(), facts.principal.kind), (bob, PrincipalKind::Person));
    assert_eq!((facts.principal.authentication, facts.principal.alive), (Authentication::Token, true));
    assert_eq!((facts.principal.groups.as_slice(), verdict), (["sre".to_owned()].as_slice(), Verdict::Admit));

    // Another process takes it back; whoever was let in on it is asked about again, and is nobody any more.
    let mark = ledger.mark().unwrap();
    let id = word(&issued, "token_id");
    let done = team.by("bob", &["token", "revoke", &id[..8], "--leaked"]).expect(0).json();
    assert_eq!((word(&done, "token_id"), ledger.mark().unwrap() == mark), (id, false));
    let receipt = team.site.last();
    assert_eq!((receipt.kind(), receipt.reasons()), ("token_revoked", vec!["token.leaked"]));
    assert_eq!(receipt.reference("supersedes"), Some(word(&issued, "receipt_id")));
    let (facts, verdict, codes) = decided(&ledger, &asker.again(&ledger).unwrap());
    assert_eq!((facts.principal.alive, verdict), (false, Verdict::Deny));
    assert!(codes.iter().any(|code| code == "identity.revoked"), "{codes:?}");
    let refused = tokens::accept(&ledger, &shown).unwrap_err();
    assert!(matches!(refused, Unaccepted::Ended(TokenState::Revoked)), "{refused}");
    assert_eq!(states(&team.site), ["revoked"]);
    team.site.assert_sound();
}

#[test]
fn an_agents_token_makes_an_agent_of_its_person() {
    let team = Team::new();
    let bob = team.joins("bob", &["sre"]);
    let issued = issue(&team.site, &["--agent", "ci", "--for", "bob"]);
    assert_eq!(word(&issued, "on_behalf_of"), bob);
    let ledger = open(&team.site);
    let token = tokens::accept(&ledger, word(&issued, "token")).unwrap();
    let asker = Asker::by_token(&ledger, &token).unwrap();
    let (facts, verdict, _) = decided(&ledger, &asker);
    assert_eq!((facts.principal.kind, verdict), (PrincipalKind::Agent, Verdict::Admit));
    assert_eq!(facts.principal.id.to_string(), word(&issued, "to"));
    assert_eq!(asker.agent.as_ref().map(|(name, _)| name.as_str()), Some("ci"));
    let person = facts.on_behalf_of.unwrap();
    assert_eq!((person.id.to_string(), person.groups), (bob, vec!["sre".to_owned()]));
    // It takes nothing back, whosever that is.
    let refused = tokens::revoke(&ledger, &asker, word(&issued, "token_id"), Withdrawal::Unneeded, None);
    assert!(refused.unwrap_err().to_string().contains("approval.agent"));

    // With the person goes what acts for the person.
    team.site.run(&["people", "remove", "bob"]).expect(0);
    let (facts, verdict, _) = decided(&ledger, &asker.again(&ledger).unwrap());
    assert_eq!((facts.principal.alive, verdict), (false, Verdict::Deny));
    let refused = tokens::accept(&ledger, word(&issued, "token")).unwrap_err();
    assert!(matches!(refused, Unaccepted::Ended(TokenState::Broken)), "{refused}");
    assert_eq!(states(&team.site), ["broken"]);
    for scope in ["admin", "approve"] {
        let done = team.site.run(&["token", "issue", "--agent", "ci", "--scope", scope]);
        done.expect_failure(2, "an agent's token cannot have the scope");
    }
    team.site.assert_sound();
}

/// Time is the chain's, as with everything that ends: a clock that ran ahead once is not turned back.
#[test]
fn a_token_ends_by_itself() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let issued = issue(&site, &["--expires", "2d"]);
    let ledger = open(&site);
    let asker = Asker::by_token(&ledger, &tokens::accept(&ledger, word(&issued, "token")).unwrap()).unwrap();
    assert_eq!(decided(&ledger, &asker).1, Verdict::Admit);
    finish(site.ahead(&["run", "--", "true"]), b"").expect(0);
    let (facts, verdict, _) = decided(&ledger, &asker.again(&ledger).unwrap());
    assert_eq!((facts.principal.alive, verdict), (false, Verdict::Deny));
    let refused = tokens::accept(&ledger, word(&issued, "token")).unwrap_err();
    assert!(matches!(refused, Unaccepted::Ended(TokenState::Expired)), "{refused}");
    assert_eq!(states(&site), ["expired"]);
}

#[test]
fn a_slip_of_the_pen_is_told_from_a_wrong_token() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let told = site.run(&["token", "issue"]).expect(0);
    let shown = told.stdout.trim();
    assert!(shown.starts_with("cascade_") && shown.len() == tokens::TEXT_BYTES, "{shown}");
    assert!(told.stderr.contains("shown this once"), "{}", told.stderr);
    let ledger = open(&site);
    let says = |text: &str| tokens::accept(&ledger, text).unwrap_err().to_string();
    let last = shown.chars().last().unwrap();
    let mistyped = format!("{}{}", &shown[..shown.len() - 1], if last == 'a' { 'b' } else { 'a' });
    assert!(says(&mistyped).contains("mistyped"), "{}", says(&mistyped));
    assert!(says(&shown[..60]).contains("missing"), "{}", says(&shown[..60]));
    assert!(says("ghp_x").contains("begins with"), "{}", says("ghp_x"));
    let elsewhere = Site::new();
    elsewhere.run(&["init"]).expect(0);
    let theirs = elsewhere.run(&["token", "issue"]).expect(0).stdout;
    assert!(says(theirs.trim()).contains("not known here"), "{}", says(theirs.trim()));
}

#[test]
fn who_may_not_is_refused_and_on_record() {
    let team = Team::new();
    team.joins("bob", &[]);
    team.joins("carol", &[]);
    let refused = |done: crate::site::Done, act: &str, code: &str| {
        let failure = done.expect(3);
        assert!(failure.stderr.contains("hint: "), "{}", failure.stderr);
        let last = team.site.last();
        assert_eq!((last.kind(), last.content("task_type")), ("blocked", &act.into()));
        assert!(last.content("decision").to_string().contains(code), "{last:?}");
    };
    refused(team.by_agent(&["token", "issue", "--agent", "ci"]), "control.token_issue", "approval.agent");
    refused(team.by("bob", &["token", "issue"]), "control.token_issue", "approval.not_eligible");
    let issued = issue(&team.site, &["--for", "bob"]);
    let id = word(&issued, "token_id");
    refused(team.by("carol", &["token", "revoke", id]), "control.token_revoke", "authority.not_yours");
    refused(team.by_agent(&["token", "revoke", id]), "control.token_revoke", "approval.agent");
    refused(
        team.signed("bob", "carol", &["token", "revoke", id]),
        "control.token_revoke",
        "approval.signature",
    );
    // Who is let in by Bob's token takes it back without Bob's key; who says to be Bob does not.
    let ledger = open(&team.site);
    let asker = Asker::by_token(&ledger, &tokens::accept(&ledger, word(&issued, "token")).unwrap()).unwrap();
    let claimed = Asker::find(&ledger, &[], Some("bob")).unwrap();
    tokens::revoke(&ledger, &claimed, id, Withdrawal::Unneeded, None).unwrap_err();
    tokens::revoke(&ledger, &asker, id, Withdrawal::Unneeded, None).unwrap();
    assert_eq!(team.site.last().kind(), "token_revoked");
    let again = tokens::revoke(&ledger, &asker.again(&ledger).unwrap(), id, Withdrawal::Unneeded, None);
    assert!(again.unwrap_err().to_string().contains("identity.revoked"), "a dead token governs nothing");
    team.site.assert_sound();
}

#[test]
fn what_cannot_be_issued_or_taken_back_is_told() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let longest = issue(&site, &["--expires", "366d", "--scope", "mcp"]);
    assert_eq!(states(&site), ["holds"]);
    for (args, code, words) in [
        (&["issue", "--expires", "367d"][..], 2, "at most 366 days"),
        (&["issue", "--expires", "0s"], 2, "as soon as it is issued"),
        (&["issue", "--for", "nobody"], 1, "nobody called `nobody`"),
        (&["revoke", "t_ffffffffffffffff"], 1, "no token that could be taken back"),
        (&["revoke", "t_"], 1, "no token that could be taken back"),
    ] {
        site.run(&[&["token"], args].concat()).expect_failure(code, words);
    }
    for args in
        [["issue", "--scope", "everything"], ["issue", "--agent", "a b"], ["issue", "--expires", "soon"]]
    {
        site.run(&[&["token"][..], &args].concat()).expect(2);
    }
    let id = word(&longest, "token_id");
    site.run(&["token", "revoke", id]).expect(0);
    site.run(&["token", "revoke", id]).expect_failure(1, "no token that could be taken back");
}
