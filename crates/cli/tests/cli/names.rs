//! Names that cannot be told apart, hide something, or mean somebody already are refused where they are typed.

use crate::team::Team;

#[test]
fn a_name_is_plain_wherever_it_is_typed() {
    let team = Team::new();
    team.joins("bob", &[]);
    let before = team.site.receipts().len();
    let public = team.public("eve");
    let public = public.to_str().unwrap();
    for (name, words) in [
        ("b\u{43e}b", "several scripts"),
        ("bo\u{200b}b", "holds no U+200B"),
        ("\u{202e}bob", "holds no U+202E"),
        ("\u{ff42}ob", "not a plain letter"),
        ("bo\u{301}b", "holds no"),
        ("bo b", "holds no space"),
    ] {
        for args in [
            &["people", "add", name, "--ssh-key", public][..],
            &["people", "add", "eve", "--ssh-key", public, "--group", name],
            &["grant", "add", "--to", name, "--program", "git"],
            &["grant", "add", "--to", "agent:ci", "--for", name, "--program", "git"],
            &["grant", "add", "--to", "bob", "--assume", name],
            &["--as", name, "run", "--", "true"],
            &["--as", name, "approve", "r_0"],
            &["secret", "set", "token", "--for", "git", "--principal", name],
        ] {
            let done = team.site.run(args).expect(2);
            assert!(done.stderr.contains(words), "{args:?}: {}", done.stderr);
        }
    }
    assert_eq!(team.site.receipts().len(), before);
}

/// What is typed is what is meant: no other agent is made of it.
#[test]
fn the_name_of_an_agent_is_not_tidied_up() {
    let team = Team::new();
    let before = team.site.receipts().len();
    let give = |to: &str| team.site.run(&["grant", "add", "--to", to, "--program", "git"]);
    for (to, words) in [
        ("agent:a b;c", "holds no space"),
        ("agent:ab;c", "holds no `;` (U+003B)"),
        ("agent:", "1 to 64 bytes"),
        ("agent:\u{430}", "holds no `\u{430}` (U+0430)"),
    ] {
        let done = give(to).expect(2);
        assert!(done.stderr.contains(words), "{to}: {}", done.stderr);
        team.site.run(&["--as", to, "run", "--", "true"]).expect(2);
    }
    assert_eq!(team.site.receipts().len(), before);
    give("agent:abc").expect(0);
}

/// Of one script each, and yet alike.
#[test]
fn nobody_joins_under_a_name_that_passes_for_another() {
    let team = Team::new();
    team.joins("ocean", &["sre"]);
    let public = team.public("eve");
    let public = public.to_str().unwrap();
    team.joins("sage1", &[]);
    let before = team.site.receipts().len();
    let add = |name: &str, group: &str| {
        team.site.run(&["people", "add", name, "--ssh-key", public, "--group", group])
    };
    add("sagel", "sre").expect_failure(2, "looks like `sage1`");
    // Cyrillic letters, all of them.
    add("eve", "\u{455}\u{433}\u{435}").expect_failure(2, "looks like `sre`");
    assert_eq!(team.site.receipts().len(), before);
    // The same person again is no other one.
    team.site.run(&["people", "add", "ocean", "--group", "sre"]).expect(0);
    team.site.assert_sound();
}
