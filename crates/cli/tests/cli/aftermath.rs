//! What must hold after runs were killed: nothing acknowledged is lost, nothing ran without a durable
//! intent, every intent has one closer, and nothing of it is alive.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::site::{Done, Receipt, Site};

/// A run as the world saw it.
pub(crate) struct Seen {
    /// The last word of its command; its effect is a file of this name.
    name: String,
    /// How much output left Cascade.
    released: u64,
    /// Every receipt it named.
    ids: Vec<String>,
}

impl Seen {
    /// `live` when stdout is the command's own.
    pub(crate) fn new(name: String, done: &Done, live: bool) -> Self {
        let released = if live { done.bytes.len() as u64 } else { 0 };
        let mut ids = ids(&done.stderr);
        if !live {
            ids.extend(ids_of_document(&done.stdout));
        }
        Self { name, released, ids }
    }
}

/// The ids in a text.
fn ids(text: &str) -> Vec<String> {
    let id =
        |at: usize| text.get(at..at + 18).filter(|id| id[2..].bytes().all(|byte| byte.is_ascii_hexdigit()));
    text.match_indices("r_").filter_map(|(at, _)| id(at).map(str::to_owned)).collect()
}

/// A document was written whole or not at all.
fn ids_of_document(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    let document: Value = serde_json::from_str(text).unwrap();
    document["receipts"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// How the runs ended.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Killed before the intent was durable; nothing ran.
    pub(crate) no_intent: usize,
    /// Closed as unknown.
    pub(crate) unknown: usize,
    /// Closed with their outcome.
    pub(crate) closed: usize,
}

/// Holds every run to the promises.
pub(crate) fn check(site: &Site, seen: &[Seen]) -> Told {
    site.assert_sound();
    let receipts = site.receipts();
    let known: BTreeSet<&str> = receipts.iter().map(Receipt::id).collect();
    let intents = intents(site);
    let mut told = Told::default();
    for run in seen {
        for id in &run.ids {
            assert!(known.contains(id.as_str()), "{}: {id} was acknowledged and is lost", run.name);
        }
        let Some(intent) = intents.get(&run.name) else {
            assert_eq!(run.released, 0, "{}: output without an intent", run.name);
            assert!(!site.work(&format!("effect-{}", run.name)).exists(), "{}: ran without intent", run.name);
            told.no_intent += 1;
            continue;
        };
        let about: Vec<&Receipt> =
            receipts.iter().filter(|receipt| receipt.reference("intent") == Some(intent)).collect();
        let closers: Vec<_> = about.iter().filter(|receipt| receipt.kind() != "heartbeat").collect();
        let [closer] = closers[..] else { panic!("{}: {closers:?}", run.name) };
        // A closer by the run's own process commits to all its output. One by a later process cannot: then
        // heartbeats must cover what left.
        if closer.content("output_hash").is_null() {
            let covered =
                about.iter().filter_map(|receipt| receipt.content("bytes").as_u64()).max().unwrap_or(0);
            assert!(covered >= run.released, "{}: {} bytes left, {covered} covered", run.name, run.released);
        }
        if closer.kind() == "task_unknown" {
            told.unknown += 1;
        } else {
            told.closed += 1;
        }
    }
    assert_nothing_alive(&intents);
    told
}

/// Run names and the ids of their intents, as the owner's vault knows them.
fn intents(site: &Site) -> BTreeMap<String, String> {
    let log = site.run(&["--json", "log", "--kind", "task_started", "--limit", "1000000"]).expect(0).stdout;
    let entries = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let named = entries.map(|entry| {
        let command = entry["command"].as_str().expect("the vault knows the command of an intent");
        let name = command.rsplit(' ').next().unwrap().to_owned();
        (name, entry["receipt_id"].as_str().unwrap().to_owned())
    });
    named.collect()
}

/// Every process of a run carries the intent's id.
fn assert_nothing_alive(intents: &BTreeMap<String, String>) {
    let marks: BTreeSet<Vec<u8>> =
        intents.values().map(|id| format!("CASCADE_RUN={id}").into_bytes()).collect();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let carries = environ.split(|byte| *byte == 0).any(|pair| marks.contains(pair));
        assert!(
            !carries,
            "alive: {}",
            String::from_utf8_lossy(&std::fs::read(entry.path().join("cmdline")).unwrap_or_default())
        );
    }
}
