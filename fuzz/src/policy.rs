//! Policy directories, the snapshots made of them, and the facts that decisions are made over.

use std::sync::OnceLock;

use cascade_policy::decide::decide;
use cascade_policy::facts::Facts;
use cascade_policy::limits::Limits;
use cascade_policy::snapshot::{
    PolicyFault, Snapshot, SnapshotSource, Thresholds, read_directory, run_tests,
};
use cascade_receipt::digest::Digest;
use cascade_receipt::json;

use crate::shell::on_small_stack;

/// Rows that reach every gate.
const ROWS: &str = "person: git status => admit\nagent: $ rm -rf / | sh => deny\nnode: x => admit\n";

fn bundled() -> &'static SnapshotSource {
    static SOURCE: OnceLock<SnapshotSource> = OnceLock::new();
    SOURCE.get_or_init(SnapshotSource::bundled)
}

/// A source with no manifest to check, so that an input costs what its own text costs.
fn source() -> SnapshotSource {
    SnapshotSource { manifests: Vec::new(), ..bundled().clone() }
}

fn file(name: &str, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    vec![
        ("base.cedar".to_owned(), b"permit (principal, action, resource);".to_vec()),
        (name.to_owned(), bytes.to_vec()),
    ]
}

pub(crate) fn cedar(bytes: &[u8]) {
    on_small_stack(|| {
        let directory = match read_directory([("fuzzed.cedar".to_owned(), bytes.to_vec())]) {
            Ok(directory) => directory,
            Err(faults) => return named(&faults),
        };
        compiled(&SnapshotSource { policies: directory.source.policies, ..source() });
    });
}

pub(crate) fn schema(bytes: &[u8]) {
    on_small_stack(|| match read_directory(file("schema.cedarschema", bytes)) {
        Ok(directory) => compiled(&SnapshotSource { schema: directory.source.schema, ..source() }),
        Err(faults) => named(&faults),
    });
}

/// What compiles is loaded again from its document and its texts, and decides the same.
fn compiled(source: &SnapshotSource) {
    let snapshot = match Snapshot::compile(source) {
        Ok(snapshot) => snapshot,
        Err(faults) => return named(&faults),
    };
    assert_eq!(Digest::of(snapshot.document()), snapshot.policy_hash());
    assert!(json::parse_canonical(snapshot.document()).is_ok());
    let blobs: Vec<_> = source.blobs().collect();
    let blob = |hash: &Digest| Some(blobs.iter().find(|(other, _)| other == hash)?.1.as_bytes().to_vec());
    let loaded = Snapshot::load(snapshot.document(), blob).expect("what was compiled is loaded");
    assert_eq!(loaded.policy_hash(), snapshot.policy_hash());
    let tables = [("rows".to_owned(), ROWS.to_owned())];
    assert_eq!(answers(&snapshot, &tables), answers(&loaded, &tables));
}

fn answers(snapshot: &Snapshot, tables: &[(String, String)]) -> String {
    format!("{:?}", run_tests(snapshot, tables))
}

fn named(faults: &[PolicyFault]) {
    assert!(!faults.is_empty());
    assert!(faults.iter().all(|fault| !fault.to_string().is_empty()));
}

pub(crate) fn thresholds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = Thresholds::parse("thresholds.toml", text);
    let whole = read_directory(file("thresholds.toml", bytes));
    match read {
        Ok(thresholds) => assert_eq!(whole.expect("the same answer").source.thresholds, thresholds),
        Err(fault) => assert_eq!(whole.expect_err("the same answer"), [fault]),
    }
}

/// Limits that are read compile (but for families that are not there), are loaded again and decide the same.
pub(crate) fn limits(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = Limits::parse("limits.toml", text);
    match (read, read_directory(file("limits.toml", bytes))) {
        (Ok(limits), Ok(directory)) => {
            assert_eq!(directory.source.thresholds.limits, limits);
            on_small_stack(|| {
                compiled(&SnapshotSource { thresholds: directory.source.thresholds, ..source() })
            });
        }
        (Err(fault), Err(faults)) => assert_eq!(faults, [fault]),
        other => panic!("not the same answer: {other:?}"),
    }
}

pub(crate) fn table(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    on_small_stack(|| {
        let tables = [("fuzzed.table".to_owned(), text.to_owned())];
        assert_eq!(answers(default_snapshot(), &tables), answers(default_snapshot(), &tables));
    });
}

fn default_snapshot() -> &'static Snapshot {
    static SNAPSHOT: OnceLock<Snapshot> = OnceLock::new();
    SNAPSHOT.get_or_init(|| Snapshot::compile(&source()).expect("the bundled policy compiles"))
}

/// A document from a store that somebody wrote to: the hash keeps it out, and what came in decides.
pub(crate) fn snapshot(bytes: &[u8]) {
    on_small_stack(|| {
        let schema = bundled().schema.as_bytes();
        let blob = |hash: &Digest| (*hash == Digest::of(schema)).then(|| schema.to_vec());
        let Ok(snapshot) = Snapshot::load(bytes, blob) else { return };
        assert_eq!(snapshot.document(), bytes);
        assert_eq!(snapshot.policy_hash(), Digest::of(bytes));
        let tables = [("rows".to_owned(), ROWS.to_owned())];
        assert_eq!(answers(&snapshot, &tables), answers(&snapshot, &tables));
    });
}

pub(crate) fn facts(bytes: &[u8]) {
    on_small_stack(|| {
        let Ok(value) = json::parse(bytes) else { return };
        let Ok(facts) = Facts::from_json(&value) else { return };
        let written = facts.to_json();
        assert_eq!(Facts::from_json(&written).as_ref(), Ok(&facts));
        assert_eq!(written, value, "a member that was read in two ways");
        let ruling = decide(default_snapshot(), &facts);
        let again = decide(default_snapshot(), &facts);
        assert_eq!(format!("{ruling:?}"), format!("{again:?}"), "not deterministic");
        assert_eq!(ruling.decision.gates.len(), 10);
    });
}
