use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|| panic!("{text}"))
}

/// The first times at which it is due after a moment.
#[track_caller]
fn check(expression: &str, zone: &str, from: &str, expected: &[&str]) {
    let timing = Timing::parse(expression, zone).unwrap_or_else(|fault| panic!("{expression}: {fault}"));
    let found: Vec<_> = timing.after(at(from)).take(expected.len()).map(|due| due.to_string()).collect();
    assert_eq!(found, expected, "{expression} in {zone} after {from}");
}

#[test]
fn fields_mean_what_cron_means() {
    for (expression, expected) in [
        ("* * * * *", ["2026-03-01T00:01:00.000Z", "2026-03-01T00:02:00.000Z"]),
        ("*/15 * * * *", ["2026-03-01T00:15:00.000Z", "2026-03-01T00:30:00.000Z"]),
        ("30 4 * * *", ["2026-03-01T04:30:00.000Z", "2026-03-02T04:30:00.000Z"]),
        ("0 9 * * mon-fri", ["2026-03-02T09:00:00.000Z", "2026-03-03T09:00:00.000Z"]),
        ("0 0 1,15 * *", ["2026-03-15T00:00:00.000Z", "2026-04-01T00:00:00.000Z"]),
        ("0 0 L * *", ["2026-03-31T00:00:00.000Z", "2026-04-30T00:00:00.000Z"]),
        ("0 12 13 * fri", ["2026-03-06T12:00:00.000Z", "2026-03-13T12:00:00.000Z"]),
        ("0 0 29 2 *", ["2028-02-29T00:00:00.000Z", "2032-02-29T00:00:00.000Z"]),
        ("@daily", ["2026-03-02T00:00:00.000Z", "2026-03-03T00:00:00.000Z"]),
        ("@HOURLY", ["2026-03-01T01:00:00.000Z", "2026-03-01T02:00:00.000Z"]),
        ("  0   6  *  *  * ", ["2026-03-01T06:00:00.000Z", "2026-03-02T06:00:00.000Z"]),
    ] {
        check(expression, "UTC", "2026-03-01T00:00:00.000Z", &expected);
    }
}

#[test]
fn a_moment_is_over_once_it_is_there() {
    let noon = "2026-03-01T12:00:00.000Z";
    check("0 12 * * *", "UTC", "2026-03-01T11:59:59.999Z", &[noon]);
    check("0 12 * * *", "UTC", noon, &["2026-03-02T12:00:00.000Z"]);
    check("* * * * *", "UTC", "2026-03-01T11:59:59.999Z", &[noon]);
    check("* * * * *", "UTC", "2026-03-01T12:00:00.500Z", &["2026-03-01T12:01:00.000Z"]);
}

// Clocks go from 02:00 to 03:00 in Berlin on 2026-03-29, at 01:00Z.
#[test]
fn a_time_that_the_clock_leaves_out_is_due_once_when_it_has_been_put_forward() {
    for (expression, expected) in [
        ("30 2 * * *", ["2026-03-28T01:30:00.000Z", "2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"]),
        (
            "30 2,14 * * *",
            ["2026-03-28T01:30:00.000Z", "2026-03-28T13:30:00.000Z", "2026-03-29T01:00:00.000Z"],
        ),
        ("0 2,3 * * *", ["2026-03-28T01:00:00.000Z", "2026-03-28T02:00:00.000Z", "2026-03-29T01:00:00.000Z"]),
        (
            "*/20 2 29 3 *",
            ["2026-03-29T01:00:00.000Z", "2027-03-29T00:00:00.000Z", "2027-03-29T00:20:00.000Z"],
        ),
    ] {
        check(expression, "Europe/Berlin", "2026-03-27T23:00:00.000Z", &expected);
    }
    // 02:00 and 03:00 are the same moment that day.
    check("0 2,3 * * *", "Europe/Berlin", "2026-03-29T01:00:00.000Z", &["2026-03-30T00:00:00.000Z"]);
    // The clock is put forward at midnight, by a day.
    check("0 12 30 12 *", "Pacific/Apia", "2011-12-29T23:00:00.000Z", &["2011-12-30T10:00:00.000Z"]);
}

// Clocks go back from 03:00 to 02:00 in Berlin on 2026-10-25, at 01:00Z.
#[test]
fn a_time_that_comes_twice_is_due_at_the_first() {
    let first = "2026-10-25T00:30:00.000Z";
    check("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00.000Z", &[first, "2026-10-26T01:30:00.000Z"]);
    check("30 2 * * *", "Europe/Berlin", first, &["2026-10-26T01:30:00.000Z"]);
    check("30 2,14 * * *", "Europe/Berlin", first, &["2026-10-25T13:30:00.000Z"]);
    // Whoever looks while it is 02:10 for the second time finds nothing that was not there before.
    check("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00.000Z", &["2026-10-26T01:30:00.000Z"]);
}

#[test]
fn what_is_due_every_hour_keeps_its_pace() {
    check(
        "30 * * * *",
        "Europe/Berlin",
        "2026-03-29T00:00:00.000Z",
        &["2026-03-29T00:30:00.000Z", "2026-03-29T01:30:00.000Z", "2026-03-29T02:30:00.000Z"],
    );
    check(
        "30 * * * *",
        "Europe/Berlin",
        "2026-10-25T00:00:00.000Z",
        &["2026-10-25T00:30:00.000Z", "2026-10-25T01:30:00.000Z", "2026-10-25T02:30:00.000Z"],
    );
    // A quarter of an hour after the other through both changes, for a day.
    for day in ["2026-03-29T00:00:00.000Z", "2026-10-25T00:00:00.000Z"] {
        let timing = Timing::parse("*/15 * * * *", "Europe/Berlin").expect("an expression");
        let dues: Vec<_> = timing.after(at(day)).take(96).map(Timestamp::ms).collect();
        assert!(dues.windows(2).all(|two| matches!(two, [one, next] if next - one == 900_000)), "{day}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_column() {
    for (expression, column, told) in [
        ("", 1, "the minute is missing"),
        ("* * * *", 8, "the day of the week is missing"),
        ("61 * * * *", 1, "`61` is no minute"),
        ("0 24 * * *", 3, "`24` is no hour"),
        ("0 0  32 * *", 6, "`32` is no day of the month"),
        ("0 0 * 13 *", 7, "`13` is no month"),
        ("0 0 * * fry", 9, "`fry` is no day of the week"),
        ("0 0 * * mon-", 9, "is no day of the week"),
        ("*/0 * * * *", 1, "`*/0` is no minute"),
        ("5-1 * * * *", 1, "`5-1` is no minute"),
        ("0 0 0 * * *", 11, "five fields are all"),
        ("0 0 30 2 *", 5, "no day is ever such a one"),
        ("0 0 31 4,6,9,11 *", 5, "no day is ever such a one"),
        ("@reboot", 1, "of names there are @hourly"),
        ("  @daily x", 3, "of names there are"),
        ("0 0 * * m\u{f6}n", 10, "of ASCII alone"),
        ("0 0\t* * *", 4, "of ASCII alone"),
    ] {
        let fault = Timing::parse(expression, "UTC").expect_err(expression);
        assert_eq!(fault.column, Some(column), "{expression}: {fault}");
        assert!(fault.message.contains(told), "{expression}: {fault}");
    }
    let long = "0,".repeat(EXPRESSION_BYTES_MAX / 2);
    assert_eq!(Timing::parse(&alloc::format!("{long}0"), "UTC").expect_err("long").column, Some(257));
    for (zone, told) in [
        ("Europe/Berln", "there is no time zone `Europe/Berln`"),
        ("europe/berlin", "the zone is spelled `Europe/Berlin`"),
        ("", "there is no time zone"),
        ("CEST", "there is no time zone"),
        ("../etc/passwd", "there is no time zone"),
    ] {
        let fault = Timing::parse("* * * * *", zone).expect_err(zone);
        assert_eq!(fault.column, None);
        assert!(fault.message.contains(told), "{fault}");
    }
}

#[test]
fn the_newest_are_found_from_the_end() {
    let check = |expression: &str, after: &str, before: &str, most: usize| -> Vec<_> {
        let timing = Timing::parse(expression, "UTC").expect("an expression");
        let fast = timing.after(at(after)).newest(at(after), at(before), most);
        let all: Vec<_> = timing.after(at(after)).take_while(|due| *due < at(before)).collect();
        let slow = all.get(all.len().saturating_sub(most)..).unwrap_or_default().to_vec();
        assert_eq!(fast, slow, "{expression}");
        fast
    };
    let (year, day) = ("2025-01-01T00:00:00.000Z", "2026-01-01T12:00:00.000Z");
    assert_eq!(check("*/5 * * * *", year, day, 1), [at("2026-01-01T11:55:00.000Z")]);
    assert_eq!(check("0 0 1 * *", year, day, 3).len(), 3);
    assert_eq!(check("0 0 1 7 *", year, day, 100).len(), 1);
    assert_eq!(check("0 0 1 7 *", "2025-08-01T00:00:00.000Z", day, 1), []);
    assert_eq!(check("* * * * *", year, day, 0), []);
}
