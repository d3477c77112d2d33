//! The document: one canonical JSON text, whose SHA-256 is `policy_hash`.
//!
//! Policies stand in it whole, with the scopes that activation computed, because every start needs
//! them. Schema, manifests and packs stand in it by hash; names are values and not keys, since keys
//! of the format are `[a-z0-9_]+`.

use cascade_receipt::digest::Digest;
use cascade_receipt::json::{self, JsonFault, Value};

use super::fault::PolicyFault;
use super::source::SnapshotSource;
use super::thresholds::Thresholds;
use super::{ENGINE, Snapshot};
use crate::cedar::{Engine, Scope, StoredPolicy};
use crate::facts::write_words;
use crate::pack::{self, Joined, Pack};
use crate::worker::Registry;

/// Why a stored snapshot cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LoadFault {
    /// Not JSON of the format.
    #[error("policy snapshot cannot be read: {0}")]
    Json(JsonFault),
    /// JSON, but not a snapshot.
    #[error("policy snapshot is ill-formed at `{0}`")]
    Shape(&'static str),
    /// A text that the snapshot names is nowhere to be found.
    #[error("policy snapshot needs {kind} `{name}` ({hash}), which is not stored")]
    Missing {
        /// Schema, manifest or pack.
        kind: &'static str,
        /// Its name.
        name: String,
        /// SHA-256 of its text.
        hash: Digest,
    },
    /// A pack cannot decide beside the rest.
    #[error("{0}")]
    Pack(PolicyFault),
    /// A stored text is not the one that the snapshot names.
    #[error("the stored {kind} `{name}` is not the one of the policy snapshot")]
    Changed {
        /// Schema, manifest or pack.
        kind: &'static str,
        /// Its name.
        name: String,
    },
}

/// Joins checked parts into a snapshot.
pub(super) fn assemble(source: &SnapshotSource, policies: Vec<StoredPolicy>) -> Snapshot {
    let document = Value::object([
        ("engine", ENGINE.into()),
        ("policies", Value::Array(policies.iter().map(policy).collect())),
        ("schema", Digest::of(source.schema.as_bytes()).to_hex().into()),
        ("manifests", hashes(&source.manifests)),
        ("thresholds", source.thresholds.to_json()),
        ("packs", hashes(&source.packs)),
    ])
    .to_canonical();
    let read = source.packs.iter().map(|(name, text)| (name.clone(), Pack::read(name, text)));
    let joined = pack::join(policies, source.thresholds.clone(), read);
    let registry = Registry::new(source.manifests.iter().cloned());
    snapshot(document, ENGINE.to_owned(), registry, joined)
}

fn snapshot(document: String, compiled_for: String, registry: Registry, joined: Joined) -> Snapshot {
    Snapshot {
        policy_hash: Digest::of(document.as_bytes()),
        document,
        compiled_for,
        registry,
        packs: joined.packs,
        unready: joined.unready,
        engine: Engine::new(joined.policies, joined.thresholds.book()),
        thresholds: joined.thresholds,
    }
}

/// The document with these packs in the place of its own.
pub(super) fn with_packs(
    base: &Snapshot,
    packs: &[(String, String)],
    blob: impl Fn(&Digest) -> Option<Vec<u8>>,
) -> Result<Snapshot, LoadFault> {
    let mut value = json::parse(base.document()).map_err(LoadFault::Json)?;
    let Value::Object(members) = &mut value else { return Err(LoadFault::Shape("packs")) };
    members.insert("packs".to_owned(), hashes(packs));
    let given = |hash: &Digest| {
        let text = packs.iter().map(|(_, text)| text).find(|text| Digest::of(text.as_bytes()) == *hash);
        text.map(|text| text.as_bytes().to_vec()).or_else(|| blob(hash))
    };
    let mut snapshot = load(value.to_canonical().as_bytes(), given)?;
    match snapshot.unready.pop_first() {
        Some((_, fault)) => Err(LoadFault::Pack(fault)),
        None => Ok(snapshot),
    }
}

pub(super) fn load(
    document: &[u8],
    blob: impl Fn(&Digest) -> Option<Vec<u8>>,
) -> Result<Snapshot, LoadFault> {
    let value = json::parse(document).map_err(LoadFault::Json)?;
    let text = str::from_utf8(document).map_err(|_| LoadFault::Json(JsonFault::Unicode))?;
    let list = |key: &'static str| value.member(key).and_then(Value::as_array).ok_or(LoadFault::Shape(key));
    let policies: Option<Vec<StoredPolicy>> = list("policies")?.iter().map(read_policy).collect();
    let thresholds = value.member("thresholds").and_then(Thresholds::from_json);
    let thresholds = thresholds.ok_or(LoadFault::Shape("thresholds"))?;
    let mut manifests = Vec::new();
    for item in list("manifests")? {
        let (name, hash) = named_hash(item).ok_or(LoadFault::Shape("manifests"))?;
        let text = manifest(&name, &hash, &blob)?;
        manifests.push((name, text));
    }
    let mut packs = Vec::new();
    for item in list("packs")? {
        let (name, hash) = named_hash(item).ok_or(LoadFault::Shape("packs"))?;
        let pack = read_pack(&name, &hash, &blob);
        packs.push((name, pack));
    }
    let compiled_for = value.member("engine").and_then(Value::as_str).ok_or(LoadFault::Shape("engine"))?;
    let joined = pack::join(policies.ok_or(LoadFault::Shape("policies"))?, thresholds, packs);
    Ok(snapshot(text.to_owned(), compiled_for.to_owned(), Registry::new(manifests), joined))
}

/// A pack that came with this program needs no look-up. What is missing or damaged does not stop the loading: the gate
/// `standing` denies, with a receipt.
fn read_pack(
    name: &str,
    hash: &Digest,
    blob: impl Fn(&Digest) -> Option<Vec<u8>>,
) -> Result<Pack, PolicyFault> {
    let builtin = pack::builtin_texts().iter().find(|(builtin, _)| *builtin == name);
    let text = match builtin {
        Some((_, text)) if Digest::of(text.as_bytes()) == *hash => Ok(text.clone()),
        _ => fetch("pack", name, hash, blob),
    };
    let missing =
        |fault: LoadFault| PolicyFault::of_file(&format!("packs/{name}"), "pack.missing", fault.to_string());
    text.map_err(missing).and_then(|text| Pack::read(name, &text))
}

/// A manifest that came with this program needs no look-up.
fn manifest(
    name: &str,
    hash: &Digest,
    blob: impl Fn(&Digest) -> Option<Vec<u8>>,
) -> Result<String, LoadFault> {
    let builtin = Registry::builtin_texts().iter().find(|(builtin, _)| *builtin == name);
    match builtin {
        Some((_, text)) if Digest::of(text.as_bytes()) == *hash => Ok((*text).to_owned()),
        _ => fetch("manifest", name, hash, blob),
    }
}

fn fetch(
    kind: &'static str,
    name: &str,
    hash: &Digest,
    blob: impl Fn(&Digest) -> Option<Vec<u8>>,
) -> Result<String, LoadFault> {
    let missing = || LoadFault::Missing { kind, name: name.to_owned(), hash: *hash };
    let changed = || LoadFault::Changed { kind, name: name.to_owned() };
    let bytes = blob(hash).ok_or_else(missing)?;
    if Digest::of(&bytes) != *hash {
        return Err(changed());
    }
    String::from_utf8(bytes).map_err(|_| changed())
}

fn policy(policy: &StoredPolicy) -> Value {
    Value::object([
        ("id", policy.id.as_str().into()),
        ("file", policy.file.as_str().into()),
        ("text", policy.text.as_str().into()),
        ("actions", write_words(&policy.scope.actions)),
        ("principal", policy.scope.principal.as_str().into()),
        ("resource", policy.scope.resource.as_str().into()),
    ])
}

fn read_policy(value: &Value) -> Option<StoredPolicy> {
    let text = |key| value.member(key)?.as_str().map(str::to_owned);
    let actions = value.member("actions")?.as_array()?;
    let actions = actions.iter().map(|action| action.as_str().map(str::to_owned)).collect::<Option<_>>()?;
    Some(StoredPolicy {
        id: text("id")?,
        file: text("file")?,
        text: text("text")?,
        scope: Scope { actions, principal: text("principal")?, resource: text("resource")? },
    })
}

/// Sorted by name, so that the order of a directory listing does not change the hash.
fn hashes(texts: &[(String, String)]) -> Value {
    let mut sorted: Vec<&(String, String)> = texts.iter().collect();
    sorted.sort_unstable();
    let item = |(name, text): &(String, String)| {
        let hash = Digest::of(text.as_bytes()).to_hex();
        Value::object([("name", name.as_str().into()), ("hash", hash.into())])
    };
    Value::Array(sorted.into_iter().map(item).collect())
}

fn named_hash(value: &Value) -> Option<(String, Digest)> {
    let name = value.member("name")?.as_str()?.to_owned();
    Some((name, Digest::from_hex(value.member("hash")?.as_str()?)?))
}
