//! What a schedule is, as it lies in the vault behind the `schedule_hash` of the receipt that added it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use cascade_kernel::csl::Document;
use cascade_kernel::schedule::{CatchUp, Overlap, Rules, Timing};
use cascade_ledger::{Fault, Reader, Schedule};
use cascade_receipt::digest::Digest;
use cascade_receipt::json::{self, Value};

use crate::workflow::{SUB, Sub};

/// Longest name.
pub const NAME_BYTES_MAX: usize = 64;
const TYPE: &str = "cascade/schedule/v1";

/// Whether a schedule may be called so: as specifications are.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    text.len() <= NAME_BYTES_MAX
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
        && text.bytes().all(rest)
}

/// A schedule: when, how, and what.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// When and how.
    pub rules: Rules,
    /// Where it runs.
    pub cwd: PathBuf,
    /// What runs.
    pub work: Work,
}

/// What a schedule runs.
#[derive(Clone, Debug)]
pub enum Work {
    /// A command: program and arguments.
    Command(Vec<String>),
    /// A specification, whose text lies beside the definition.
    Spec {
        /// Which.
        spec_hash: Digest,
        /// Its inputs, checked.
        inputs: Value,
        /// The signature over its hash, where there was one.
        signature: Option<String>,
    },
}

impl Definition {
    /// As it is kept, and decided on.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let rules = &self.rules;
        let mut members = BTreeMap::from([
            ("_type".to_owned(), TYPE.into()),
            ("at".to_owned(), rules.timing().expression().into()),
            ("catch_up".to_owned(), rules.catch_up().as_str().into()),
            ("cwd".to_owned(), self.cwd.to_string_lossy().as_ref().into()),
            ("jitter_ms".to_owned(), Value::Int(i64::try_from(rules.jitter_ms()).unwrap_or(i64::MAX))),
            ("name".to_owned(), self.name.as_str().into()),
            ("overlap".to_owned(), rules.overlap().as_str().into()),
            ("zone".to_owned(), rules.timing().zone().into()),
        ]);
        match &self.work {
            Work::Command(argv) => {
                let argv = argv.iter().map(|word| word.as_str().into()).collect();
                members.insert("argv".to_owned(), Value::Array(argv));
            }
            Work::Spec { spec_hash, inputs, signature } => {
                members.insert("inputs".to_owned(), inputs.clone());
                members.insert("spec_hash".to_owned(), spec_hash.to_hex().into());
                if let Some(signature) = signature {
                    members.insert("signature".to_owned(), signature.as_str().into());
                }
            }
        }
        Value::Object(members)
    }

    fn from_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value.member(key).and_then(Value::as_str);
        if text("_type")? != TYPE {
            return None;
        }
        let timing = Timing::parse(text("at")?, text("zone")?).ok()?;
        let (catch_up, overlap) = (CatchUp::parse(text("catch_up")?)?, Overlap::parse(text("overlap")?)?);
        let work = match value.member("argv") {
            Some(argv) => {
                let words = argv.as_array()?.iter().map(|word| word.as_str().map(str::to_owned));
                Work::Command(words.collect::<Option<_>>()?)
            }
            None => Work::Spec {
                spec_hash: Digest::from_hex(text("spec_hash")?)?,
                inputs: value.member("inputs")?.clone(),
                signature: text("signature").map(str::to_owned),
            },
        };
        Some(Self {
            name: text("name")?.to_owned(),
            rules: Rules::new(timing, catch_up, overlap, value.member("jitter_ms")?.as_u64()?).ok()?,
            cwd: PathBuf::from(text("cwd")?),
            work,
        })
    }
}

/// A definition as the vault has it.
#[derive(Debug)]
pub enum Stored {
    /// It is there, and is the one that was recorded.
    Whole(Box<Definition>),
    /// It was erased.
    Erased,
    /// It is not the one that was recorded, or cannot be read.
    Damaged,
}

/// The definition of a schedule. What lies in the vault is believed as far as it is what was recorded.
///
/// # Errors
/// When the ledger cannot be read.
pub fn stored(reader: &Reader, schedule: &Schedule) -> Result<Stored, Fault> {
    let Some((nonce, bytes)) = reader.private(&schedule.schedule_hash)? else { return Ok(Stored::Erased) };
    if Digest::salted(&nonce, &bytes) != schedule.schedule_hash {
        return Ok(Stored::Damaged);
    }
    let definition = json::parse(&bytes).ok().as_ref().and_then(Definition::from_json);
    Ok(definition.map_or(Stored::Damaged, |definition| Stored::Whole(Box::new(definition))))
}

/// The specification that lies beside a definition; nothing where it is erased, or another one.
pub(super) fn spec_of(
    reader: &Reader,
    schedule: &Schedule,
    spec_hash: &Digest,
) -> Result<Option<Arc<Document>>, Fault> {
    let items = reader.private_of(schedule.receipt_id)?;
    let spec = items.iter().find(|item| item.field == "spec");
    let document = spec.and_then(|spec| Document::read(&spec.bytes).ok());
    Ok(document.filter(|document| document.hash() == *spec_hash).map(Arc::new))
}

/// The specifications that steps of it run, by the hashes that it names.
pub(super) fn subs_of(reader: &Reader, schedule: &Schedule) -> Result<Vec<Sub>, Fault> {
    let items = reader.private_of(schedule.receipt_id)?;
    let subs = items.iter().filter(|item| item.field == SUB);
    Ok(subs.filter_map(|item| Sub::read(&item.bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "nightly", "a-b_9", &"a".repeat(NAME_BYTES_MAX)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "A", "9a", "-a", "a b", "\u{e4}", "a.b", &"a".repeat(NAME_BYTES_MAX + 1)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_definition_is_read_as_it_was_written() {
        let timing = Timing::parse("0 4 * * *", "Europe/Berlin").expect("an expression");
        let rules = Rules::new(timing, CatchUp::All, Overlap::Queue, 9000).expect("rules");
        let spec = Work::Spec {
            spec_hash: Digest([3; 32]),
            inputs: Value::object([("tag", "v1".into())]),
            signature: Some("armoured".to_owned()),
        };
        for work in [Work::Command(vec!["git".to_owned(), "gc".to_owned()]), spec] {
            let definition =
                Definition { name: "nightly".to_owned(), rules: rules.clone(), cwd: "/srv".into(), work };
            let text = definition.to_json();
            let read = Definition::from_json(&text).expect("a definition");
            assert_eq!(read.to_json(), text);
        }
    }
}
