//! A policy snapshot: everything a decision depends on besides the facts, under one hash.
//!
//! There are two ways to one. [`Snapshot::compile`] is the strict path of `policy check` and
//! `policy activate`: it parses, validates and tests all there is and lists every fault.
//! [`Snapshot::load`] is the way of a process that starts: it trusts the hash, indexes the policies
//! by the scopes that compilation wrote down, and parses only what a request needs.
//!
//! The document is kept for ever under its hash; replay loads it again years later.

mod break_glass;
mod compile;
mod depth;
mod difference;
mod directory;
mod document;
mod fault;
mod lexical;
mod lint;
mod near;
mod sample;
mod source;
mod table;
mod thresholds;

use std::collections::{BTreeMap, BTreeSet};

use cascade_receipt::digest::Digest;

pub use self::break_glass::BreakGlassTerms;
pub use self::compile::{ID_BYTES_MAX, POLICIES_BYTES_MAX, POLICIES_MAX, SCHEMA_BYTES_MAX};
pub use self::difference::{Change, Difference, Part, differences};
pub use self::directory::{Directory, FILES_MAX, MANIFEST_BYTES_MAX, read_directory};
pub use self::document::LoadFault;
pub use self::fault::PolicyFault;
pub use self::lexical::{DEPTH_MAX, POLICY_BYTES_MAX};
pub use self::source::SnapshotSource;
pub use self::table::{TableRow, TestFailure, TestReport, rows, run_tests};
pub(crate) use self::thresholds::EXPIRES_MS_MAX;
pub use self::thresholds::{ActivationTerms, SIGNERS_MAX, Thresholds};

use crate::cedar::Engine;
use crate::facts::Facts;
use crate::worker::{Classification, Registry};

pub(crate) use self::compile::policies_of_file;
pub use crate::cedar::{LookedAt, PolicyText};

/// Which deciding code a snapshot was compiled for. It is part of the hash: other code may decide
/// otherwise over the same texts.
pub const ENGINE: &str = "cascade-policy/1 cedar/4.14";

/// Policies, schema, manifests, thresholds and packs, ready to decide.
#[derive(Debug)]
pub struct Snapshot {
    document: String,
    policy_hash: Digest,
    compiled_for: String,
    thresholds: Thresholds,
    packs: BTreeSet<String>,
    unready: BTreeMap<String, PolicyFault>,
    registry: Registry,
    engine: Engine,
}

impl Snapshot {
    /// Checks everything and compiles it. The strict path: slow, and it stops nothing short of a
    /// faultless source. Needs [`STACK_BYTES`](crate::decide::STACK_BYTES) of stack.
    ///
    /// # Errors
    /// Every fault found, in the order of files and lines.
    pub fn compile(source: &SnapshotSource) -> Result<Self, Vec<PolicyFault>> {
        compile::compile(source)
    }

    /// What is strange about a source that compiles: policies that can do nothing, names that nothing bears,
    /// comparisons that always go one way. None of it stops an activation.
    #[must_use]
    pub fn warnings(source: &SnapshotSource) -> Vec<PolicyFault> {
        lint::warnings(source)
    }

    /// Groups that a source asks and in which nobody is, among those in which somebody is.
    #[must_use]
    pub fn empty_groups(source: &SnapshotSource, peopled: &BTreeSet<String>) -> Vec<PolicyFault> {
        lint::groups::warnings(source, peopled)
    }

    /// Loads a snapshot that was compiled before, by its document and the texts it names by hash.
    /// The caller has compared the document's hash with the `policy_hash` it looks for.
    ///
    /// # Errors
    /// A document that is not one, or a text that is missing or has another hash.
    pub fn load(document: &[u8], blob: impl Fn(&Digest) -> Option<Vec<u8>>) -> Result<Self, LoadFault> {
        document::load(document, blob)
    }

    /// The bytes that are hashed and stored: canonical JSON.
    #[must_use]
    pub const fn document(&self) -> &[u8] {
        self.document.as_bytes()
    }

    /// `policy_hash` of receipts: SHA-256 of the document.
    #[must_use]
    pub const fn policy_hash(&self) -> Digest {
        self.policy_hash
    }

    /// The deciding code the snapshot was compiled for; [`ENGINE`] unless it is an old one.
    #[must_use]
    pub fn compiled_for(&self) -> &str {
        &self.compiled_for
    }

    /// The operator's settings.
    #[must_use]
    pub const fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// The same policy with exactly these packs, by name and text. Its other texts are found as in
    /// [`Snapshot::load`].
    ///
    /// # Errors
    /// What that one refuses, and [`LoadFault::Pack`].
    pub fn with_packs(
        &self,
        packs: &[(String, String)],
        blob: impl Fn(&Digest) -> Option<Vec<u8>>,
    ) -> Result<Self, LoadFault> {
        document::with_packs(self, packs, blob)
    }

    /// Names of the packs that decide.
    #[must_use]
    pub const fn packs(&self) -> &BTreeSet<String> {
        &self.packs
    }

    /// Packs that the snapshot names and that cannot decide, and why: nothing runs under it.
    #[must_use]
    pub const fn unready(&self) -> &BTreeMap<String, PolicyFault> {
        &self.unready
    }

    /// The governed programs.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The families of `[families]` that a program belongs to.
    pub fn families_of(&self, program: &str) -> impl Iterator<Item = &str> {
        self.engine.families_of(program)
    }

    /// Id, file and text of every policy, in the order of activation.
    pub fn policies(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.engine.policies().map(|policy| (policy.id.as_str(), policy.file.as_str(), policy.text.as_str()))
    }

    /// What a policy of this snapshot says, by its id.
    #[must_use]
    pub fn policy(&self, id: &str) -> Option<PolicyText<'_>> {
        self.engine.policy(id)
    }

    /// What the policy `id` looks at in each command that it is asked about: the program, and each member
    /// of the context that it names with its value as Cedar writes it.
    #[must_use]
    pub fn looked_at(&self, id: &str, facts: &Facts, classification: &Classification) -> Vec<LookedAt> {
        self.engine.looked_at(id, facts, classification)
    }

    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }
}
