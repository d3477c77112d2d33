//! Every step of a commit, failing in both ways: it failed and nothing persisted; it failed, as far
//! as the caller knows, but did persist. And the ratchet of the HMAC key, with short epochs.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cascade_receipt::content::{AnswerRefused, Body, PolicyRef};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::time::Timestamp;

use super::{AGE_MS_MAX, EPOCH_MS_MAX, Failure, Footing, Scribe, Signer};
use crate::birth::Birth;
use crate::draft::{AppendError, Appended, Draft, PrivateItem};
use crate::fault::Fault;
use crate::home::{Home, TenantId};
use crate::reader::{Found, Reader};
use crate::store::{Access, Database};
use crate::writer::Writer;
use crate::{random, store};

/// Where a test makes a commit fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Point {
    AfterVault,
    BeforeCommit,
    AfterCommit,
}

pub(super) fn fail_at(set: Option<Point>, point: Point) -> Result<(), Failure> {
    if set != Some(point) {
        return Ok(());
    }
    let fault = fault(point);
    Err(if point == Point::AfterCommit { Failure::Unsettled(fault) } else { Failure::NotRecorded(fault) })
}

fn fault(point: Point) -> Fault {
    Fault::Io { place: "test".to_owned(), detail: format!("{point:?}") }
}

fn tenant(dir: &Path) -> PathBuf {
    let home = Home::open_or_create(&dir.join("home")).unwrap();
    let birth = Birth {
        host: "test",
        admins: Vec::new(),
        names: Vec::new(),
        policy: PolicyRef { version: "1".to_owned(), hash: Digest::of(b"{}") },
        blobs: vec![(Digest::of(b"{}"), b"{}".to_vec())],
        recovery_out: None,
        passphrase: None,
        now: Timestamp::from_ms(super::now_ms()),
    };
    let (ledger, _) = home.create_tenant(&TenantId::parse("default").unwrap(), &birth).unwrap();
    ledger.dir().to_owned()
}

fn scribe(dir: &Path) -> Result<Scribe, Fault> {
    let reader = Reader::open(dir, Access::ReadWrite)?;
    let signer = Signer::load(&reader, None, None).unwrap();
    let open = |name| Database::open(&dir.join(name), Access::ReadWrite);
    Ok(Scribe::new(open("ledger.db")?, open("vault.db")?, Arc::new(signer)))
}

fn draft() -> Draft {
    let body = AnswerRefused { refs: Vec::new(), principal: PrincipalId([1; 8]), reasons: Vec::new() };
    let mut draft = Draft::new(random::receipt_id().unwrap(), Body::AnswerRefused(body));
    draft.private.push(PrivateItem::new("reasons", random::nonce().unwrap(), b"why".to_vec()));
    draft
}

fn commit(scribe: &mut Scribe, drafts: &[Draft]) -> Vec<Appended> {
    let drafts: Vec<_> = drafts.iter().collect();
    scribe.commit(&drafts, Vec::new(), drop).unwrap().into_iter().map(Result::unwrap).collect()
}

fn assert_clean(reader: &Reader) {
    let report = reader.fsck(&mut |_, _| ()).unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[test]
fn a_failed_step_stops_the_writer_and_opening_again_tells_the_truth() {
    // Where it fails, what the callers hear, whether the receipts turn out to be there.
    for (point, heard, there) in [
        (Point::AfterVault, AppendError::NotRecorded(fault(Point::AfterVault)), false),
        (Point::BeforeCommit, AppendError::NotRecorded(fault(Point::BeforeCommit)), false),
        (Point::AfterCommit, AppendError::Unsettled(fault(Point::AfterCommit)), true),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let dir = tenant(temp.path());
        let of_thread = dir.clone();
        let writer = Writer::with(move || {
            let mut scribe = scribe(&of_thread)?;
            scribe.fault = Some(point);
            Ok(scribe)
        })
        .unwrap();
        let drafts = [draft(), draft(), draft()];
        let tickets: Vec<_> = drafts.iter().map(|draft| writer.submit(draft.clone(), true)).collect();
        // The three may fall into one batch or two; every waiter is told either way.
        let answers: Vec<_> = tickets.into_iter().map(|ticket| ticket.wait().unwrap_err()).collect();
        assert_eq!(answers[0], heard);
        for answer in &answers[1..] {
            assert!(*answer == heard || *answer == AppendError::Stopped, "{answer:?}");
        }
        assert_eq!(writer.submit(draft(), true).wait(), Err(AppendError::Stopped));
        drop(writer);

        let reader = Reader::open(&dir, Access::ReadWrite).unwrap();
        for (draft, answer) in drafts.iter().zip(&answers) {
            let found = reader.find(&draft.receipt_id.to_string()).unwrap();
            let expected = there && *answer == heard;
            assert_eq!(matches!(found, Found::One(..)), expected, "{point:?}: {answer:?}");
        }
        assert_clean(&reader);
        let writer = Writer::with(move || scribe(&dir)).unwrap();
        let retried = writer.submit(drafts[0].clone(), true).wait();
        assert_eq!(retried.is_ok(), !there, "{retried:?}");
        writer.submit(draft(), true).wait().unwrap();
        assert_clean(&reader);
    }
}

#[test]
fn a_writer_that_cannot_open_tells_its_first_caller() {
    let temp = tempfile::tempdir().unwrap();
    let writer = Writer::with(move || scribe(temp.path())).unwrap();
    let error = writer.submit(draft(), true).wait().unwrap_err();
    assert!(matches!(error, AppendError::NotRecorded(_) | AppendError::Stopped), "{error:?}");
}

#[test]
fn epochs_end_at_their_limit_and_leave_no_key_behind() {
    let temp = tempfile::tempdir().unwrap();
    let dir = tenant(temp.path());
    let mut scribe = scribe(&dir).unwrap();
    scribe.epoch_receipts_max = 5;
    let key = |scribe: &Scribe| -> Vec<u8> {
        scribe.ledger.conn.query_row("SELECT key FROM epoch", (), |row| row.get(0)).unwrap()
    };
    let first_key = key(&scribe);
    let drafts: Vec<_> = (0..14).map(|_| draft()).collect();
    // Genesis is the first of e0, so one batch crosses two ends.
    let appended = commit(&mut scribe, &drafts[..13]);
    let epochs: Vec<_> = appended.iter().map(|one| epoch_of(&one.line)).collect();
    assert_eq!(epochs, [0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2]);
    scribe.wipe_if_ratcheted().unwrap();
    assert!(!scribe.ratcheted);
    for name in ["ledger.db", "ledger.db-wal"] {
        let bytes = std::fs::read(dir.join(name)).unwrap_or_default();
        assert!(!bytes.windows(32).any(|part| part == first_key), "an old key is left in {name}");
    }
    let now = key(&scribe);
    let bytes = std::fs::read(dir.join("ledger.db")).unwrap();
    assert!(bytes.windows(32).any(|part| part == now), "the search above would find a key");

    // A quarter of an hour after its first receipt an epoch ends too, by one step.
    let older = store::to_sql(EPOCH_MS_MAX);
    scribe.ledger.conn.execute("UPDATE head SET epoch_since_ms = epoch_since_ms - ?1", [older]).unwrap();
    let last = commit(&mut scribe, &drafts[13..]).remove(0);
    assert_eq!(epoch_of(&last.line), 3);
    assert_clean(&Reader::open(&dir, Access::ReadWrite).unwrap());
}

fn epoch_of(line: &str) -> u64 {
    let (_, rest) = line.split_once("\"hmac_key_id\":\"e").unwrap();
    rest.split('"').next().unwrap().parse().unwrap()
}

#[test]
fn a_line_is_as_long_as_the_limit_counts() {
    let temp = tempfile::tempdir().unwrap();
    let mut scribe = scribe(&tenant(temp.path())).unwrap();
    let line = commit(&mut scribe, &[draft()]).remove(0).line;
    let (until, _) = line.split_once(",\"ed25519_sig\"").unwrap();
    assert_eq!(line.len() - until.len(), cascade_receipt::chain::LINE_END_BYTES);
}

/// A scribe, what it says comes next, and a first receipt behind it.
fn on_footing(dir: &Path) -> (Scribe, Footing) {
    let mut scribe = scribe(dir).unwrap();
    let mut footing = None;
    scribe.commit(&[&draft()], Vec::new(), |next| footing = Some(next)).unwrap();
    (scribe, footing.unwrap())
}

/// Seals for `footing` as of `at_ms`, then commits, whatever the chain is by now. Gives how many receipts there are,
/// and whether all were taken as they had been sealed.
fn commit_sealed(scribe: &mut Scribe, footing: &mut Footing, drafts: &[Draft], at_ms: u64) -> (usize, bool) {
    let drafts: Vec<_> = drafts.iter().collect();
    footing.head.timestamp = Timestamp::from_ms(0);
    let sealed = footing.seal(&drafts, at_ms, 2);
    assert_eq!(sealed.len(), drafts.len());
    let mut taken = true;
    let ahead = sealed.into_iter().map(Some).collect();
    let answers = scribe.commit(&drafts, ahead, |_| taken = false).unwrap();
    (answers.iter().flatten().count(), taken)
}

#[test]
fn what_was_sealed_ahead_is_taken_only_where_it_is_right() {
    let temp = tempfile::tempdir().unwrap();
    let dir = tenant(temp.path());
    let drafts = || -> Vec<Draft> { (0..40).map(|_| draft()).collect() };
    let now = super::now_ms;
    let (mut scribe, mut footing) = on_footing(&dir);
    assert_eq!(commit_sealed(&mut scribe, &mut footing, &drafts(), now()), (40, true));
    assert_eq!(
        commit_sealed(&mut scribe, &mut footing, &drafts(), now()),
        (40, true),
        "right again behind them"
    );

    // One of them is refused: those behind it get other places, and so does what was sealed behind those.
    let mut refused = drafts();
    refused[10].receipt_id = refused[9].receipt_id;
    assert_eq!(commit_sealed(&mut scribe, &mut footing, &refused, now()), (39, false));
    assert_eq!(commit_sealed(&mut scribe, &mut footing, &drafts(), now()), (40, false));

    // Time stamps say when a receipt was written.
    for at in [now() - AGE_MS_MAX - 1, now() + 60_000] {
        let (mut scribe, mut footing) = on_footing(&dir);
        assert_eq!(commit_sealed(&mut scribe, &mut footing, &drafts(), at), (40, false));
    }

    // Somebody else appended meanwhile.
    let (mut scribe, mut footing) = on_footing(&dir);
    commit(&mut self::scribe(&dir).unwrap(), &[draft()]);
    assert_eq!(commit_sealed(&mut scribe, &mut footing, &drafts(), now()), (40, false));
    assert_clean(&Reader::open(&dir, Access::ReadWrite).unwrap());
}

#[test]
fn nothing_is_sealed_ahead_past_what_can_be_foretold() {
    let temp = tempfile::tempdir().unwrap();
    let dir = tenant(temp.path());
    let (_, footing) = on_footing(&dir);
    let drafts: Vec<Draft> = (0..5).map(|_| draft()).collect();
    let drafts: Vec<_> = drafts.iter().collect();
    let sealed = |footing: &Footing, at_ms| footing.clone().seal(&drafts, at_ms, 1).len();
    let (newest, ends) = (footing.head.timestamp.ms(), footing.epoch_ends_ms);
    assert_eq!(sealed(&footing, newest), 5);
    assert_eq!(sealed(&footing, newest - 1), 0, "a clock that went back is the writer's to tell");
    assert_eq!(
        (sealed(&footing, ends - 1), sealed(&footing, ends)),
        (5, 0),
        "the next epoch has another key"
    );
    assert_eq!(sealed(&Footing { epoch_left: 3, ..footing }, newest), 3);
}

#[test]
fn many_callers_on_two_ledgers_share_one_sound_chain() {
    let temp = tempfile::tempdir().unwrap();
    let dir = tenant(temp.path());
    let writers = [(), ()].map(|()| {
        let dir = dir.clone();
        Writer::with(move || scribe(&dir)).unwrap()
    });
    std::thread::scope(|scope| {
        for caller in 0..4 {
            let writer = &writers[caller % 2];
            scope.spawn(move || {
                let mut tickets: VecDeque<_> = (0..64).map(|_| writer.submit(draft(), true)).collect();
                for _ in 0..600 {
                    tickets.pop_front().unwrap().wait().unwrap();
                    tickets.push_back(writer.submit(draft(), true));
                }
                tickets.into_iter().for_each(|ticket| drop(ticket.wait().unwrap()));
            });
        }
    });
    drop(writers);
    let reader = Reader::open(&dir, Access::ReadWrite).unwrap();
    assert_eq!(reader.head().unwrap().next_seq, 1 + 4 * (64 + 600));
    assert_clean(&reader);
}
