//! The page that somebody forwards: its figures are those of the chain, its receipts are there, and nothing in it runs.

use std::collections::BTreeSet;

use crate::runs::by_agent;
use crate::site::Site;

/// A command that would be markup.
const HOSTILE: &str = "<script>alert('1')</script>";

/// Things that ran, were stopped, asked for and answered, and a policy that changed in between.
fn past(site: &Site) {
    site.run(&["run", "--", "echo", "a"]).expect(0);
    site.run(&["run", "--", "false"]).expect(1);
    for _ in 0..3 {
        site.run(&["run", "--", "git", "push", "--force", "origin", HOSTILE]).expect(3);
    }
    site.run(&["run", "--dry-run", "--", "ls"]).expect(0);
    for answer in ["approve", "deny"] {
        let asked = by_agent(site, &["--json", "run", "--", "latertool"]).expect(5).json();
        site.run(&[answer, asked["receipt_id"].as_str().unwrap()]).expect(0);
    }
    by_agent(site, &["run", "--", "latertool"]).expect(5);
    site.set("cp", &["-r", crate::limits::DEFAULT, "policy"]);
    let rule =
        "@id(\"no-echo\") forbid (principal, action == Action::\"exec\", resource == Program::\"echo\");\n";
    std::fs::write(site.work("policy/no-echo.cedar"), rule).unwrap();
    site.run(&["policy", "activate", "policy"]).expect(0);
}

/// What stands between `before` and the next quote.
fn quoted<'a>(page: &'a str, before: &str) -> BTreeSet<&'a str> {
    page.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn figures_are_those_of_the_chain_and_nothing_runs() {
    let site = Site::new();
    past(&site);
    let told = site.run(&["--json", "report", "--out", "r.html", "--pack", "soc2"]).expect(0).json();
    let count = |kind: &str| site.receipts().iter().filter(|one| one.kind() == kind).count();
    let actions = &told["actions"];
    assert_eq!(
        (&actions["ran"], &actions["stopped"], &actions["escalated"], &actions["dry_runs"]),
        (&count("task_started").into(), &3.into(), &3.into(), &1.into()),
        "{told}"
    );
    assert_eq!(told["unanswered"], 1);
    let approver = &told["approvers"][0];
    assert_eq!((&approver["approved"], &approver["denied"]), (&1.into(), &1.into()));
    let by: Vec<&str> =
        told["stopped_by"].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect();
    assert!(by.contains(&"failfast: failfast.pattern (git.push.force)"), "{by:?}");

    let page = std::fs::read_to_string(site.work("r.html")).unwrap();
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(&#39;1&#39;)"), "{page}");
    for loads in ["http:", "https:", " src=", "@import", "onload", "onerror"] {
        assert!(!page.contains(loads), "{loads} loads something");
    }
    // Each receipt that is named is placed.
    let (named, placed) = (quoted(&page, "href=\"#"), quoted(&page, "<code id=\""));
    assert!(named.len() > 10 && named.is_subset(&placed), "{:?}", named.difference(&placed));
    let of_chain: BTreeSet<String> = site.receipts().iter().map(|one| one.id().to_owned()).collect();
    assert!(placed.iter().all(|id| of_chain.contains(*id)));
    // The rule that came later turns one decision.
    assert!(page.contains("no-echo") && page.contains("1 differ"), "{page}");
    assert!(page.contains("held by others") && page.contains("nothing yet"));
    assert!(page.contains("<td>soc2</td>"));
    // The chart is told apart without colour, and says its numbers.
    assert!(page.contains("url(#hatch)") && page.contains(": 3 stopped"), "{page}");
}

#[test]
fn an_outsider_gets_the_same_figures_but_for_what_is_private() {
    let site = Site::new();
    past(&site);
    let (ledger, key) = site.hand_over();
    let own = site.run(&["--json", "report"]).expect(0).json();
    let elsewhere = Site::new();
    let args =
        ["--json", "report", "--file", ledger.to_str().unwrap(), "--public-key", key.to_str().unwrap()];
    let told = elsewhere.run(&[&args[..], &["--out", "r.html"]].concat()).expect(0).json();
    for same in ["actions", "approvers", "stopped_by", "tiers", "unanswered"] {
        assert_eq!(told[same], own[same], "{same}");
    }
    assert!(told["undisclosed"].as_u64().unwrap() > 0 && told["programs"].as_array().unwrap().is_empty());
    let page = std::fs::read_to_string(elsewhere.work("r.html")).unwrap();
    assert!(page.contains("is private, and not at hand here") && page.contains("Not known here"), "{page}");
    assert!(!elsewhere.home().exists(), "it needs no home");
    // A time in which nothing happened.
    let told =
        site.run(&["--json", "report", "--since", "2000-01-01", "--until", "2000-02-01"]).expect(0).json();
    assert_eq!(told["actions"]["asked"], 0);
    site.run(&["report", "--since", "2000-02-01", "--until", "2000-01-01"]).expect(2);
}
