//! Budgets, windows and consent as limits.toml declares them.

use cascade_policy::decide::{self, Ruling, decide};
use cascade_policy::facts::{Counter, Facts, Subject};
use cascade_policy::limits::{Amounts, NAME_BYTES_MAX, RULES_MAX};
use cascade_policy::snapshot::{Snapshot, SnapshotSource, run_tests};
use cascade_receipt::decision::{GateName, Verdict};
use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::{self, Writer};
use cascade_receipt::time::Timestamp;

use crate::facts::plain;
use crate::setting::directory;

const LIMITS: &str = include_str!("policy/limits.toml");

fn source(limits: &str) -> SnapshotSource {
    let files = [
        ("base.cedar", include_str!("policy/base.cedar")),
        ("limits.toml", limits),
        ("thresholds.toml", include_str!("policy/thresholds.toml")),
    ];
    directory(&files).unwrap().source
}

fn snapshot(limits: &str) -> Snapshot {
    Snapshot::compile(&source(limits)).unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn reasons(ruling: &Ruling) -> Vec<&str> {
    ruling.decision.reasons().map(|(_, reason)| reason.code.as_str()).collect()
}

#[test]
fn every_row_of_the_limits_table_holds() {
    let tables = [("limits.table".to_owned(), include_str!("limits.table").to_owned())];
    let report = run_tests(&snapshot(LIMITS), &tables);
    assert!(report.all_passed(), "{report:#?}");
    assert!(report.passed >= 60, "{} rows", report.passed);
}

#[test]
fn the_limits_of_the_documentation_are_faultless() {
    let text = include_str!("../../../../docs/policy.md");
    let (_, section) = text.split_once("\n## limits.toml\n").unwrap();
    let (block, _) = section.split_once("```toml\n").unwrap().1.split_once("```").unwrap();
    // Beside the default policy, as somebody does who copies it.
    let defaults = [
        ("base.cedar", include_str!("../../../../policies/default/base.cedar")),
        ("limits.toml", block),
        ("thresholds.toml", include_str!("../../../../policies/default/thresholds.toml")),
    ];
    let snapshot = Snapshot::compile(&directory(&defaults).unwrap().source).unwrap();
    let limits = &snapshot.thresholds().limits;
    assert_eq!((limits.budgets.len(), limits.windows.len()), (3, 5));
}

#[test]
fn a_snapshot_without_limits_has_the_hash_it_had() {
    let document = Snapshot::compile(&SnapshotSource::bundled()).unwrap().document().to_vec();
    assert!(!String::from_utf8(document).unwrap().contains("limits"));
}

#[test]
fn a_stored_snapshot_decides_by_the_same_limits() {
    let (source, compiled) = (source(LIMITS), snapshot(LIMITS));
    let loaded = Snapshot::load(compiled.document(), |hash| {
        source.blobs().find(|(blob, _)| blob == hash).map(|(_, text)| text.as_bytes().to_vec())
    });
    let loaded = loaded.unwrap();
    assert_eq!(loaded.thresholds().limits, compiled.thresholds().limits);
    assert_eq!(loaded.policy_hash(), compiled.policy_hash());
}

#[test]
fn a_counter_that_nobody_read_or_that_counts_something_else_is_no_zero() {
    let snapshot = snapshot(LIMITS);
    let mut facts = plain(b"git push origin x");
    assert_eq!(reasons(&decide(&snapshot, &facts)), ["budget.unread"]);
    let [draw] = decide::draws(&snapshot, &facts).try_into().unwrap();
    assert_eq!((draw.budget.as_str(), draw.since), ("pushes", at("2026-01-04T23:00:00.000Z")));
    let counter = Counter {
        budget: draw.budget,
        of: draw.of,
        since: Some(draw.since),
        used: Amounts::default(),
        oldest: None,
    };
    for (counter, verdict) in [
        (counter.clone(), Verdict::Admit),
        (Counter { since: Some(at("2026-01-04T00:00:00.000Z")), ..counter.clone() }, Verdict::Deny),
        (Counter { of: Some(PrincipalId([9; 8])), ..counter.clone() }, Verdict::Deny),
        (Counter { budget: "calls".to_owned(), ..counter }, Verdict::Deny),
    ] {
        facts.counters = vec![counter];
        assert_eq!(decide(&snapshot, &facts).decision.verdict, verdict, "{:?}", facts.counters);
    }
}

#[test]
fn facts_read_back_give_the_same_decision() {
    let snapshot = snapshot(LIMITS);
    let bytes = |ruling: &Ruling| {
        let mut text = String::new();
        ruling.decision.write(&mut Writer::new(&mut text));
        text
    };
    let facts = called(7);
    let stored = facts.to_json().to_canonical();
    let again = Facts::from_json(&json::parse_canonical(stored.as_bytes()).unwrap()).unwrap();
    assert_eq!(again, facts);
    assert_eq!(bytes(&decide(&snapshot, &again)), bytes(&decide(&snapshot, &facts)));
}

/// A call about a matter, after so many.
fn called(used: u64) -> Facts {
    let (subject, matter) = (PrincipalId([4; 8]), PrincipalId([6; 8]));
    Facts {
        at: at("2026-01-05T15:00:00.000Z"),
        subject: Some(Subject {
            id: subject,
            matter: Some(matter),
            zone: Some("America/New_York".to_owned()),
            consents: vec!["marketing".to_owned()],
            conversed: Some(at("2025-12-01T15:00:00.000Z")),
            conversed_matter: Some(at("2025-12-01T15:00:00.000Z")),
        }),
        counters: vec![Counter {
            budget: "calls".to_owned(),
            of: Some(matter),
            since: Some(at("2025-12-30T05:00:00.000Z")),
            used: Amounts { actions: used, ..Amounts::default() },
            oldest: Some(at("2025-12-31T16:00:00.000Z")),
        }],
        ..plain(b"dialctl now")
    }
}

#[test]
fn people_are_told_how_much_is_used_and_until_when() {
    let snapshot = snapshot(LIMITS);
    let told = |facts: &Facts| decide::limits_told(&snapshot, facts);
    assert_eq!(told(&called(6)), ["budget calls: 6 of 7 actions used"]);
    // The call of 31 December is in the last seven days of a New Yorker until 7 January begins there.
    let full = "budget calls: 7 of 7 actions used, free again at 2026-01-07T05:00:00.000Z";
    assert_eq!(told(&called(7)), [full]);
    assert_eq!(decide(&snapshot, &called(7)).limits, [full]);
    assert!(decide(&snapshot, &called(6)).limits.is_empty());
    let mut late = called(7);
    late.at = at("2026-01-06T03:00:00.000Z");
    late.counters[0].since = Some(at("2025-12-30T05:00:00.000Z"));
    assert_eq!(told(&late), [full, "window contact-hours: not before 2026-01-06T13:00:00.000Z"]);
    let mut spoken = called(0);
    spoken.subject.as_mut().unwrap().conversed_matter = Some(at("2026-01-04T15:00:00.000Z"));
    assert_eq!(told(&spoken)[1..], ["window quiet-week: not before 2026-01-11T05:00:00.000Z"]);
    let mut ask = plain(b"askctl");
    let used = Amounts { actions: 3, tokens: 950, microusd: 1_250_000 };
    ask.counters.push(Counter { budget: "models".to_owned(), of: None, since: None, used, oldest: None });
    let line =
        "budget models: 950 of 1000 tokens, 1.250000 of 2 USD used, free again at 2026-01-05T18:00:00.000Z";
    assert_eq!(told(&ask), [line]);
}

/// Period, zone, now, the first moment that counts.
type Start<'a> = (&'a str, &'a str, &'a str, &'a str);

#[test]
fn periods_begin_where_the_calendar_says() {
    let cases: [Start<'_>; 14] = [
        ("every = \"1h\"", "UTC", "2026-01-05T12:59:59.999Z", "2026-01-05T12:00:00.000Z"),
        ("every = \"6h\"", "UTC", "2026-01-05T12:00:00.000Z", "2026-01-05T12:00:00.000Z"),
        ("every = \"6h\"", "UTC", "2026-01-05T11:59:59.999Z", "2026-01-05T06:00:00.000Z"),
        ("every = \"1d\"", "UTC", "2026-12-31T23:59:59.999Z", "2026-12-31T00:00:00.000Z"),
        ("every = \"1d\"", "UTC", "2027-01-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"),
        // A day of 23 hours, and one of 25.
        ("every = \"1d\"", "Europe/Berlin", "2026-03-29T21:59:59.999Z", "2026-03-28T23:00:00.000Z"),
        ("every = \"1d\"", "Europe/Berlin", "2026-03-29T22:00:00.000Z", "2026-03-29T22:00:00.000Z"),
        ("every = \"1d\"", "Europe/Berlin", "2026-10-25T22:59:59.999Z", "2026-10-24T22:00:00.000Z"),
        // Midnight was skipped: the day began at one.
        ("every = \"1d\"", "America/Sao_Paulo", "2018-11-04T12:00:00.000Z", "2018-11-04T03:00:00.000Z"),
        ("rolling = \"7d\"", "UTC", "2027-01-03T12:00:00.000Z", "2026-12-28T00:00:00.000Z"),
        ("rolling = \"1d\"", "Pacific/Kiritimati", "2026-06-15T10:00:00.000Z", "2026-06-15T10:00:00.000Z"),
        ("rolling = \"7d\"", "America/New_York", "2026-03-12T12:00:00.000Z", "2026-03-06T05:00:00.000Z"),
        ("rolling = \"366d\"", "UTC", "2025-01-01T12:00:00.000Z", "2024-01-02T00:00:00.000Z"),
        // What is exactly as old as the period is out.
        ("rolling = \"24h\"", "UTC", "2026-03-01T00:00:00.000Z", "2026-02-28T00:00:00.001Z"),
    ];
    for (period, zone, now, since) in cases {
        let limits = format!("[[budget]]\nname = \"b\"\nactions = 1\n{period}\nzone = \"{zone}\"");
        let facts = Facts { at: at(now), ..plain(b"anyctl") };
        let draws = decide::draws(&snapshot(&limits), &facts);
        assert_eq!(draws[0].since, at(since), "{period} {zone} {now}");
    }
}

#[test]
fn a_decision_holds_until_a_window_may_answer_otherwise() {
    let snapshot = snapshot(LIMITS);
    let holds = |facts: Facts| decide(&snapshot, &facts).holds_until.map(|until| until.to_string());
    assert_eq!(holds(called(0)).as_deref(), Some("2026-01-06T02:00:00.000Z"));
    let ship = |now: &str| holds(Facts { at: at(now), ..plain(b"shipctl") });
    assert_eq!(ship("2026-03-29T01:29:00.000Z").as_deref(), Some("2026-03-29T01:30:00.000Z"));
    assert_eq!(ship("2026-12-20T00:00:00.000Z").as_deref(), Some("2026-12-24T11:00:00.000Z"));
    assert_eq!(ship("2027-02-01T00:00:00.000Z"), None);
    assert_eq!(holds(plain(b"anyctl")), None);
    // Where the clock is put back across an opening time, the hour comes twice.
    let twice =
        "[[window]]\nname = \"w\"\nzone = \"Europe/Berlin\"\nhours = { from = \"02:30\", to = \"20:00\" }";
    let facts = Facts { at: at("2026-10-25T00:45:00.000Z"), ..plain(b"anyctl") };
    let ruling = decide(&self::snapshot(twice), &facts);
    assert_eq!(ruling.decision.verdict, Verdict::Admit);
    assert_eq!(ruling.holds_until, Some(at("2026-10-25T01:00:00.000Z")));
    let facts = Facts { at: at("2026-10-25T01:15:00.000Z"), ..facts };
    assert_eq!(decide(&self::snapshot(twice), &facts).decision.verdict, Verdict::Deny);
}

#[test]
fn draws_say_what_a_run_takes_and_whose() {
    let draws = decide(&snapshot(LIMITS), &called(3)).draws;
    let [call] = draws.as_slice() else { panic!("{draws:?}") };
    assert_eq!((call.of, call.amounts.actions), (Some(PrincipalId([6; 8])), 1));
    let two = Facts { ..plain(b"anyctl") };
    assert!(decide(&snapshot(LIMITS), &two).draws.is_empty());
    let ask = decide(&snapshot(LIMITS), &plain(b"askctl")).draws;
    assert_eq!(ask[0].amounts, Amounts { actions: 1, tokens: 100, microusd: 0 });
}

#[test]
fn a_moment_that_no_calendar_has_denies() {
    let facts = Facts { at: Timestamp::from_ms(u64::MAX), ..plain(b"git push") };
    let ruling = decide(&snapshot(LIMITS), &facts);
    let gate = ruling.decision.gates.iter().find(|gate| gate.gate == GateName::Budget).unwrap();
    assert_eq!(gate.reasons[0].code, "budget.no_zone");
}

/// What stands in the file, the line of the fault, and part of what is said.
type Bad<'a> = (&'a str, u32, &'a str);

#[test]
fn bad_limits_are_refused_at_their_place() {
    let budget = "[[budget]]\nname = \"b\"\n";
    let window = "[[window]]\nname = \"w\"\n";
    let cases: [Bad<'_>; 31] = [
        ("[[budget]\n", 1, ""),
        ("[[budgte]]\nname = \"x\"", 1, "budgte"),
        (&format!("{budget}every = \"1d\"\nactoins = 1"), 4, "actoins"),
        (&format!("{budget}actions = 1"), 2, "every"),
        (&format!("{budget}every = \"1d\"\nrolling = \"7d\"\nactions = 1"), 2, "either"),
        (&format!("{budget}every = \"1d\""), 2, "at least one"),
        (&format!("{budget}every = \"7d\"\nactions = 1"), 3, "divides"),
        (&format!("{budget}every = \"5h\"\nactions = 1"), 3, "divides"),
        (&format!("{budget}rolling = \"367d\"\nactions = 1"), 3, "no length"),
        (&format!("{budget}rolling = \"0d\"\nactions = 1"), 3, "no length"),
        (&format!("{budget}rolling = \"1.5h\"\nactions = 1"), 3, "no length"),
        (&format!("{budget}every = \"1d\"\nactions = -1"), 4, ""),
        (&format!("{budget}every = \"1d\"\nactions = 9007199254740992"), 4, "more than"),
        (&format!("{budget}every = \"1d\"\nactions = 1\nzone = \"Europe/Atlantis\""), 5, "no zone"),
        (&format!("{budget}every = \"1d\"\nactions = 1\nzone = \"europe/berlin\""), 5, "no zone"),
        (&format!("{budget}every = \"1d\"\nactions = 1\nper = \"planet\""), 5, "none of tenant"),
        (&format!("{budget}every = \"1d\"\nactions = 1\nwho = [\"robot\"]"), 5, "none of person"),
        (&format!("{budget}every = \"1d\"\nactions = 1\nwho = []"), 2, "leave it out"),
        (&format!("{budget}every = \"1d\"\nactions = 1\ncommands = []"), 2, "leave it out"),
        (&format!("{budget}every = \"1d\"\nactions = 1\ntier = \"SEVERE\""), 5, "none of LOW"),
        (&format!("{budget}every = \"1d\"\nactions = 1\n{budget}every = \"1d\"\nactions = 1"), 6, "is taken"),
        ("[[budget]]\nname = \"a b\"\nevery = \"1d\"\nactions = 1", 2, "no name"),
        (window, 2, "exactly one"),
        (&format!("{window}days = [\"mon\"]\nconsent = \"x\""), 2, "exactly one"),
        (&format!("{window}days = [\"monday\"]"), 3, "none of mon"),
        (&format!("{window}days = []"), 2, "nothing would ever run"),
        (&format!("{window}hours = {{ from = \"8:00\", to = \"21:00\" }}"), 3, "no time"),
        (&format!("{window}hours = {{ from = \"09:00\", to = \"24:01\" }}"), 3, "no time"),
        (&format!("{window}hours = {{ from = \"09:00\", to = \"09:00\" }}"), 3, "empty"),
        (
            &format!("{window}freeze = {{ from = \"2026-12-24T12:00\", to = \"2026-12-24T12:00\" }}"),
            3,
            "before",
        ),
        (
            &format!("{window}freeze = {{ from = \"2026-02-30T12:00\", to = \"2026-12-24T12:00\" }}"),
            3,
            "no moment",
        ),
    ];
    for (text, line, said) in cases {
        let found = fault(text).unwrap_or_else(|| panic!("{text}"));
        let code = found.1.clone();
        assert!(found.0 == line && code.starts_with("limits."), "{text}: {found:?}");
        assert!(found.2.contains(said), "{text}: {found:?}");
    }
    assert_eq!(fault(&format!("{window}after_conversation = \"12h\"")).unwrap().0, 3);
    assert_eq!(fault(&format!("{window}after_conversation = \"7d\"\nper = \"tenant\"")).unwrap().0, 4);
    assert_eq!(fault(&format!("{window}consent = \"x\"\nper = \"matter\"")).unwrap().0, 4);
}

/// Line, code and words of the first fault.
fn fault(limits: &str) -> Option<(u32, String, String)> {
    let permit = ("a.cedar", "permit (principal, action, resource);");
    let found = directory(&[permit, ("limits.toml", limits)]).err()?.remove(0);
    Some((found.line, found.code.to_owned(), found.message))
}

#[test]
fn there_are_as_many_rules_and_as_long_names_as_the_limits_allow() {
    let rules = |count: usize| {
        (0..count).map(|number| format!("[[budget]]\nname = \"b{number}\"\nevery = \"1d\"\nactions = 1\n"))
    };
    assert_eq!(fault(&rules(RULES_MAX).collect::<String>()), None);
    assert!(fault(&rules(RULES_MAX + 1).collect::<String>()).unwrap().2.contains("more than 100 budgets"));
    let named = |length: usize| {
        format!("[[budget]]\nname = \"{}\"\nevery = \"1d\"\nactions = 1\n", "n".repeat(length))
    };
    assert_eq!(fault(&named(NAME_BYTES_MAX)), None);
    assert!(fault(&named(NAME_BYTES_MAX + 1)).is_some());
}

#[test]
fn a_family_that_nobody_names_is_a_fault() {
    let limits = "[[budget]]\nname = \"b\"\nevery = \"1d\"\nactions = 1\ncommands = [\"family:nosuch\"]";
    let faults = Snapshot::compile(&source(limits)).unwrap_err();
    assert_eq!((faults[0].file.as_str(), faults[0].code), ("limits.toml", "limits.value"));
}
