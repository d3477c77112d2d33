//! Damaged chains: each break located by line and seq, its cause told, both sides audited.

use cascade_audit::control::{Break, Cause, Walk};
use cascade_audit::trial::build;
use cascade_receipt::verify::{Options, Verdict, Verifier};

/// Genesis and eleven denials.
fn lines() -> Vec<String> {
    let receipt: toml::Table = toml::from_str("kind = \"blocked\"").unwrap();
    build(&vec![receipt; 11]).unwrap().lines
}

struct Walked {
    verdict: Verdict,
    breaks: Vec<Break>,
    good: u64,
}

fn walked(bytes: &[u8], total: Option<u64>) -> Walked {
    let mut verifier = Verifier::new(Options::default());
    verifier.feed(bytes);
    let verdict = verifier.finish();
    let mut walk = Walk::new(verdict.receipts());
    let mut good = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let whole = line.ends_with(b"\n");
        good += u64::from(walk.take(line.strip_suffix(b"\n").unwrap_or(line), whole));
    }
    let breaks = walk.finish(verdict.fault(), total);
    Walked { verdict, breaks, good }
}

fn joined(lines: &[String]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
}

/// Line, seq, how many receipts, cause of each break; and how many receipts are good in spite of them.
fn check(name: &str, bytes: &[u8], wanted: &[(u64, u64, u64, Cause)], good: u64) -> Vec<Break> {
    let walked = walked(bytes, None);
    let told: Vec<_> = walked.breaks.iter().map(|one| (one.line, one.seq, one.count, one.cause)).collect();
    assert_eq!(told, wanted, "{name}: {:?}", walked.breaks);
    assert_eq!(walked.good, good, "{name}");
    assert!(!walked.verdict.valid(), "{name}");
    let fault = walked.verdict.fault().unwrap();
    assert!(
        wanted.iter().any(|(line, ..)| *line == fault.seq + 1),
        "{name}: verification stops elsewhere: {fault:?}"
    );
    walked.breaks
}

/// A line with one text in place of another.
fn edited(at: usize, from: &str, to: &str) -> Vec<u8> {
    let mut lines = lines();
    assert!(lines[at].contains(from), "{}", lines[at]);
    lines[at] = lines[at].replacen(from, to, 1);
    joined(&lines)
}

/// The hex behind a member, with its first digit changed.
fn with_digit(at: usize, key: &str) -> Vec<u8> {
    let mut lines = lines();
    let place = lines[at].rfind(&format!("\"{key}\":\"")).unwrap() + key.len() + 4;
    let digit = if lines[at].as_bytes()[place] == b'a' { "b" } else { "a" };
    lines[at].replace_range(place..=place, digit);
    joined(&lines)
}

#[test]
fn a_whole_chain_has_no_break() {
    let walked = walked(&joined(&lines()), Some(12));
    assert_eq!((walked.breaks, walked.good, walked.verdict.valid()), (vec![], 12, true));
}

#[test]
fn a_changed_byte_is_an_edit() {
    let edit = [(6, 5, 1, Cause::Edit)];
    let breaks = check("content", &edited(5, "\"risk_tier\":\"LOW\"", "\"risk_tier\":\"HIGH\""), &edit, 11);
    let sides = lines()
        .iter()
        .map(|line| line[line.rfind("\"r_").unwrap() + 1..][..18].to_owned())
        .collect::<Vec<_>>();
    assert_eq!((breaks[0].before.as_ref(), breaks[0].after.as_ref()), (sides.get(4), sides.get(6)));
    check("entry_hash", &with_digit(5, "entry_hash"), &edit, 11);
    check("prev_hash", &with_digit(5, "prev_hash"), &edit, 11);
    check("signature", &with_digit(5, "ed25519_sig"), &edit, 11);
    check("outer time", &edited(5, "\"timestamp\":\"2026", "\"timestamp\":\"2027"), &edit, 11);
    check("spelling", &edited(5, "\"risk_tier\"", "\"risk_tieR\""), &edit, 11);
    check("a space", &edited(5, "\"risk_tier\":", "\"risk_tier\": "), &edit, 11);
    let two = edited(5, "LOW", "HIGH");
    let mut lines: Vec<String> = String::from_utf8(two).unwrap().lines().map(str::to_owned).collect();
    lines[9] = lines[9].replacen("LOW", "HIGH", 1);
    check("two lines", &joined(&lines), &[(6, 5, 1, Cause::Edit), (10, 9, 1, Cause::Edit)], 10);
}

#[test]
fn what_was_not_written_is_torn() {
    let torn = [(6, 5, 1, Cause::TornWrite)];
    let mut half = lines();
    half[5].truncate(300);
    check("half a line", &joined(&half), &torn, 11);
    half[5] = String::new();
    check("empty line", &joined(&half), &torn, 11);
    half[5] = "\0".repeat(700);
    check("NULs", &joined(&half), &torn, 11);
    let mut run_on = lines();
    let next = run_on.remove(6);
    run_on[5].truncate(400);
    run_on[5].push_str(&next);
    check(
        "the next one in its line",
        &joined(&run_on),
        &[(6, 5, 1, Cause::TornWrite), (7, 6, 1, Cause::Deletion)],
        10,
    );
    let whole = joined(&lines());
    let last = [(12, 11, 1, Cause::TornWrite)];
    check("no line feed", &whole[..whole.len() - 1], &last, 11);
    check("end of the file", &whole[..whole.len() - 100], &last, 11);

    // The writer began anew after the crash: the same receipt follows whole, and nothing is lost.
    let mut again = lines();
    again.insert(5, again[5][..200].to_owned());
    let breaks = check("torn, then written", &joined(&again), &torn, 12);
    assert!(breaks[0].detail.contains("none is lost"), "{}", breaks[0].detail);
}

#[test]
fn missing_doubled_and_moved_receipts() {
    let mut gone = lines();
    gone.drain(4..7);
    let breaks = check("deleted", &joined(&gone), &[(5, 4, 3, Cause::Deletion)], 9);
    assert!(breaks[0].detail.contains("3 receipts are missing, seq 4 to 6"), "{}", breaks[0].detail);
    let mut moved = lines();
    let one = moved.remove(4);
    moved.insert(8, one);
    let breaks = check("moved", &joined(&moved), &[(5, 4, 1, Cause::Reordering)], 12);
    assert!(breaks[0].detail.contains("stands in line 9"), "{}", breaks[0].detail);
    let mut twice = lines();
    twice.insert(7, twice[4].clone());
    check("twice", &joined(&twice), &[(8, 4, 1, Cause::Repetition)], 12);
    // The end is missing only for those who know how long the chain is.
    let short = joined(&lines()[..9]);
    let known = walked(&short, Some(12)).breaks;
    assert_eq!((known.len(), known[0].line, known[0].seq, known[0].count), (1, 10, 9, 3));
    assert_eq!(walked(&short, None).breaks, vec![]);
}

#[test]
fn a_receipt_by_a_stranger() {
    let mut forged = lines();
    let key = forged[11].find("\"key_id\":\"").unwrap() + 10;
    forged[11].replace_range(key..key + 7, "strange");
    let at = |text: &str, key: &str| text.rfind(&format!("\"{key}\":\"")).unwrap() + key.len() + 4;
    // Sealed anew, as somebody without the key would: all hashes fit.
    let content = forged[11]["{\"content\":".len()..forged[11].find(",\"ed25519_sig\"").unwrap()].to_owned();
    let prev = at(&forged[11], "prev_hash");
    let prev = cascade_receipt::digest::Digest::from_hex(&forged[11][prev..prev + 64]).unwrap();
    let hash = cascade_receipt::chain::entry_hash(&prev, content.as_bytes()).to_hex();
    let place = at(&forged[11], "entry_hash");
    forged[11].replace_range(place..place + 64, &hash);
    let breaks = check("foreign key", &joined(&forged), &[(12, 11, 1, Cause::ForeignKey)], 11);
    assert!(breaks[0].detail.contains("strange"), "{}", breaks[0].detail);
    // Under the name of a key of the chain.
    let mut named = lines();
    let sig = at(&named[11], "ed25519_sig");
    named[11].replace_range(sig..sig + 20, "AAAAAAAAAAAAAAAAAAAA");
    check("not its key", &joined(&named), &[(12, 11, 1, Cause::ForeignKey)], 11);
}

#[test]
fn another_history_and_broken_rules() {
    let receipts: Vec<toml::Table> = (0..11)
        .map(|number| {
            toml::from_str(&format!("kind = \"blocked\"\naction = \"other {}\"", number.max(4))).unwrap()
        })
        .collect();
    let other = build(&receipts).unwrap().lines;
    let mut spliced = lines();
    spliced.splice(6.., other[6..].iter().cloned());
    // All that follows belongs to the other history; its first receipt shows it.
    let walked = walked(&joined(&spliced), None);
    assert_eq!(
        (walked.breaks[0].line, walked.breaks[0].seq, walked.breaks[0].cause),
        (7, 6, Cause::OtherHistory)
    );
    let closer: toml::Table = toml::from_str("kind = \"task_completed\"").unwrap();
    let mut second = closer.clone();
    second.insert("kind".to_owned(), "approval_expired".into());
    let broken = build(&[closer, second]).unwrap().lines;
    check("a rule", &joined(&broken), &[(3, 2, 1, Cause::Rule)], 3);
}

#[test]
fn without_genesis_nothing_can_be_told() {
    let mut headless = lines();
    headless.remove(0);
    let walked = walked(&joined(&headless), None);
    assert_eq!((walked.breaks.len(), walked.good), (1, 0), "{:?}", walked.breaks);
}
