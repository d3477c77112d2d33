use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};

use super::*;

const ID: ReceiptId = ReceiptId([7; 8]);

fn at(text: &str) -> Timestamp {
    let text = if text.len() == 5 { alloc::format!("2026-03-02T{text}:00.000Z") } else { text.to_owned() };
    Timestamp::parse(&text).unwrap_or_else(|| panic!("{text}"))
}

fn rules(expression: &str, catch_up: CatchUp, overlap: Overlap) -> Rules {
    let timing = Timing::parse(expression, "UTC").expect("an expression");
    Rules::new(timing, catch_up, overlap, 0).expect("rules")
}

fn told(steps: &[Step]) -> String {
    let clock = |at: &Timestamp| at.to_string().get(11..19).unwrap_or_default().to_owned();
    let one = |step: &Step| match step {
        Step::Run(due) => alloc::format!("run {}", clock(due)),
        Step::Skip(due) => alloc::format!("skip {}", clock(due)),
        Step::Miss { due, until, count, truncated } => {
            let more = if *truncated { "+" } else { "" };
            alloc::format!("miss {count}{more} {}..{}", clock(due), clock(until))
        }
    };
    steps.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn what_was_missed_is_caught_up_on_as_the_schedule_says() {
    // Hourly; looked at last at 00:00.
    for (catch_up, now, expected) in [
        (CatchUp::None, "03:00", "miss 2 01:00:00..02:58:59, run 03:00:00"),
        (CatchUp::Latest, "03:00", "miss 2 01:00:00..02:58:59, run 03:00:00"),
        (CatchUp::All, "03:00", "run 01:00:00, run 02:00:00, run 03:00:00"),
        (CatchUp::None, "03:30", "miss 3 01:00:00..03:28:59"),
        (CatchUp::Latest, "03:30", "miss 2 01:00:00..02:59:59, run 03:00:00"),
        (CatchUp::Latest, "01:30", "run 01:00:00"),
        (CatchUp::All, "03:30", "run 01:00:00, run 02:00:00, run 03:00:00"),
        (CatchUp::None, "01:01", "run 01:00:00"),
        (CatchUp::None, "01:02", "miss 1 01:00:00..01:00:59"),
        (CatchUp::None, "00:59", ""),
    ] {
        let rules = rules("0 * * * *", catch_up, Overlap::Allow);
        let mut standing = Standing::new(at("00:00"));
        assert_eq!(told(&rules.wake(ID, &mut standing, at(now)).0), expected, "{catch_up:?} {now}");
        assert_eq!(told(&rules.wake(ID, &mut standing, at(now)).0), "", "nothing is dealt with twice");
    }
}

#[test]
fn a_long_time_away_is_bounded() {
    let away = at("2026-02-02T00:00:00.000Z");
    for (catch_up, runs) in [(CatchUp::None, 0), (CatchUp::Latest, 1), (CatchUp::All, CATCH_UP_MAX)] {
        let rules = rules("* * * * *", catch_up, Overlap::Queue);
        let mut standing = Standing::new(away);
        // Half a minute past: the minute is on time.
        let (steps, _) = rules.wake(ID, &mut standing, at("2026-03-02T00:02:30.000Z"));
        let Some(Step::Miss { count, truncated, due, until }) = steps.first().copied() else {
            panic!("{steps:?}")
        };
        assert_eq!((count, truncated), (COUNT_MAX, true), "a month of minutes is more than is counted");
        assert_eq!(due, at("2026-02-02T00:01:00.000Z"));
        assert!(until < at("2026-03-02T00:02:00.000Z"));
        let all = steps.len() - 1 + standing.waiting.len();
        assert!((1..=runs + 1).contains(&all), "{all} of {catch_up:?}");
        assert!(steps.len() <= CATCH_UP_MAX + 2);
    }
}

#[test]
fn counting_is_exact_up_to_its_limit() {
    let rules = rules("* * * * *", CatchUp::None, Overlap::Skip);
    let begin = at("2026-02-02T00:00:00.000Z");
    for (minutes, expected) in
        [(COUNT_MAX, (COUNT_MAX, false)), (COUNT_MAX + 1, (COUNT_MAX, true)), (1, (1, false))]
    {
        let mut standing = Standing::new(begin);
        let now = Timestamp::from_ms(begin.ms() + minutes * 60_000 + LATE_MS + 1);
        let (steps, next) = rules.wake(ID, &mut standing, now);
        assert_eq!(next, rules.wakes_at(ID, &standing));
        let Some(Step::Miss { count, truncated, .. }) = steps.first() else { panic!("{steps:?}") };
        assert_eq!((*count, *truncated), expected, "{minutes}");
    }
}

#[test]
fn while_it_runs_the_schedule_says_what_happens() {
    for (overlap, expected) in [
        (Overlap::Skip, ["run 01:00:00", "skip 02:00:00", "skip 03:00:00"]),
        (Overlap::Queue, ["run 01:00:00", "", "skip 02:00:00"]),
        (Overlap::Allow, ["run 01:00:00", "run 02:00:00", "run 03:00:00"]),
    ] {
        let rules = rules("0 * * * *", CatchUp::None, overlap);
        let mut standing = Standing::new(at("00:00"));
        for (now, expected) in ["01:00", "02:00", "03:00"].into_iter().zip(expected) {
            assert_eq!(told(&rules.wake(ID, &mut standing, at(now)).0), expected, "{overlap:?} {now}");
        }
        let next = rules.ended(&mut standing);
        assert_eq!(next, (overlap == Overlap::Queue).then(|| at("03:00")), "{overlap:?}");
        while standing.running > 0 {
            assert_eq!(rules.ended(&mut standing), None);
        }
        assert_eq!(told(&rules.wake(ID, &mut standing, at("04:00")).0), "run 04:00:00", "{overlap:?}");
    }
}

#[test]
fn what_is_caught_up_on_waits_in_its_order() {
    let rules = rules("0 * * * *", CatchUp::All, Overlap::Queue);
    let mut standing = Standing::new(at("00:00"));
    assert_eq!(told(&rules.wake(ID, &mut standing, at("03:30")).0), "run 01:00:00");
    assert_eq!(told(&rules.wake(ID, &mut standing, at("04:00")).0), "");
    let order: Vec<_> = core::iter::from_fn(|| rules.ended(&mut standing)).collect();
    assert_eq!(order, [at("02:00"), at("03:00"), at("04:00")]);
}

#[test]
fn jitter_is_the_same_for_everybody_and_within_its_limit() {
    let timing = || Timing::parse("0 * * * *", "UTC").expect("an expression");
    let rules = Rules::new(timing(), CatchUp::None, Overlap::Skip, 600_000).expect("rules");
    let dues: Vec<_> = rules.timing().after(at("00:00")).take(200).collect();
    let late = |id| -> Vec<u64> { dues.iter().map(|due| rules.fires_at(id, *due).ms() - due.ms()).collect() };
    let own = late(ID);
    assert_eq!(own, late(ID));
    assert_ne!(own, late(ReceiptId([8; 8])));
    assert!(own.iter().all(|late| *late <= 600_000));
    assert!(own.iter().any(|late| *late > 400_000) && own.iter().any(|late| *late < 200_000));
    // Whoever looks when it is due does not fire it before its jitter is over, and does not miss it afterwards.
    let (mut standing, due) = (Standing::new(at("00:00")), at("01:00"));
    let fires = rules.fires_at(ID, due);
    assert_eq!(rules.wakes_at(ID, &standing), Some(fires));
    let before = Timestamp::from_ms(fires.ms() - 1);
    assert_eq!(rules.wake(ID, &mut standing, before), (alloc::vec![], Some(fires)));
    assert_eq!(rules.wake(ID, &mut standing, fires).0, [Step::Run(due)]);
    let mut standing = Standing::new(at("00:00"));
    let last = Timestamp::from_ms(due.ms() + 600_000 + LATE_MS);
    assert_eq!(rules.wake(ID, &mut standing, last).0, [Step::Run(due)]);
}

#[test]
fn rules_that_contradict_themselves_are_none() {
    let timing = || Timing::parse("0 * * * *", "UTC").expect("an expression");
    let check = |catch_up, overlap, jitter_ms| Rules::new(timing(), catch_up, overlap, jitter_ms).err();
    assert_eq!(check(CatchUp::None, Overlap::Skip, JITTER_MS_MAX), None);
    assert_eq!(check(CatchUp::None, Overlap::Skip, JITTER_MS_MAX + 1), Some(RulesFault::Jitter));
    assert_eq!(check(CatchUp::All, Overlap::Skip, 0), Some(RulesFault::Unbalanced));
}
