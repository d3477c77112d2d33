//! Every parser of outside bytes, each with what must hold of any input.
//!
//! A target takes bytes and panics when a promise is broken. Absence of a crash is the least of them:
//! what is read is written again identically, two readers of one thing agree, limits hold, and what
//! was never signed does not verify. The seeds in `corpus/` are replayed by an ordinary test; the
//! engine starts from them.

mod bundle;
mod json;
mod keys;
mod ledger;
mod log;
mod people;
mod policy;
mod shell;
mod task;

/// One parser and its promises.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its folder in `corpus/`.
    pub name: &'static str,
    /// Panics when a promise is broken.
    pub run: fn(&[u8]),
    /// Longest input that the engine tries: past the interesting limits it only gets slower.
    pub bytes_max: usize,
}

const fn target(name: &'static str, run: fn(&[u8]), bytes_max: usize) -> Target {
    Target { name, run, bytes_max }
}

/// Every target.
pub const TARGETS: &[Target] = &[
    target("json", json::strict, 4096),
    target("receipt_line", ledger::line, 8192),
    target("ledger", ledger::whole, 32_768),
    target("ledger_resealed", ledger::resealed, 32_768),
    target("bundle", bundle::whole, 32_768),
    target("bundle_resigned", bundle::resigned, 32_768),
    target("note", log::note, 4096),
    target("cosignatures", log::cosignatures, 4096),
    target("verifier_key", log::verifier_key, 512),
    target("proof", log::proof, 8192),
    target("add_checkpoint", log::add_checkpoint, 8192),
    target("trust", log::trust, 8192),
    target("pem", people::pem, 1024),
    target("ssh_key", people::ssh_key, 2048),
    target("sshsig", people::sshsig, 4096),
    target("shell", shell::line, 1024),
    target("argv", shell::argv, 1024),
    target("manifest", shell::manifest, 24_576),
    target("task", task::task, 1024),
    target("cedar", policy::cedar, 4096),
    target("schema", policy::schema, 4096),
    target("thresholds", policy::thresholds, 4096),
    target("limits", policy::limits, 4096),
    target("table", policy::table, 4096),
    target("snapshot", policy::snapshot, 8192),
    target("facts", policy::facts, 4096),
];

/// The target of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
