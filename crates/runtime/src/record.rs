//! A stored receipt as people want to read it: the public members, and what the vault adds.

mod near;

use cascade_ledger::{ErasedBy, Fault, Reader};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::{self, Value};

pub use near::Near;

/// What stands where an erased command stood.
pub const ERASED: &str = "(erased)";
/// What stands where private bytes are not those that the receipt was made of.
pub const ALTERED: &str = "(altered in the vault)";

/// Private bytes behind a salted hash.
#[derive(PartialEq, Eq, Debug)]
pub enum Private {
    /// These.
    Kept(Vec<u8>),
    /// Others are kept than those that give the hash.
    Altered,
    /// Erased, or never kept.
    Gone,
}

/// The private bytes behind a salted hash, held against it.
///
/// # Errors
/// When the ledger cannot be read.
pub fn private(reader: &Reader, hash: &Digest) -> Result<Private, Fault> {
    Ok(match reader.private(hash)? {
        Some((nonce, bytes)) if Digest::salted(&nonce, &bytes) == *hash => Private::Kept(bytes),
        Some(_) => Private::Altered,
        None => Private::Gone,
    })
}

/// The reason that somebody gave with a receipt, held against its hash where that is in the receipt.
///
/// # Errors
/// When the ledger cannot be read.
pub fn reason_of(reader: &Reader, id: ReceiptId, hash: Option<&Value>) -> Result<Option<String>, Fault> {
    let items = reader.private_of(id)?;
    let reason = items.into_iter().find(|item| matches!(item.field.as_str(), "reason" | "reason_hash"));
    let Some(item) = reason else { return Ok(None) };
    let hash = hash.and_then(Value::as_str).and_then(Digest::from_hex);
    if hash.is_some_and(|hash| Digest::salted(&item.nonce, &item.bytes) != hash) {
        return Ok(Some(ALTERED.to_owned()));
    }
    Ok(String::from_utf8(item.bytes).ok())
}

/// One receipt of the local chain.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its place in the chain.
    pub seq: u64,
    /// All of it.
    pub receipt: Value,
}

impl Record {
    /// Reads a stored line; `None` when it is none.
    #[must_use]
    pub fn parse(seq: u64, line: &str) -> Option<Self> {
        json::parse(line.as_bytes()).ok().map(|receipt| Self { seq, receipt })
    }

    /// A member of content.
    #[must_use]
    pub fn content(&self, key: &str) -> Option<&Value> {
        self.receipt.member("content")?.member(key)
    }

    /// A text member of content, or nothing.
    #[must_use]
    pub fn text(&self, key: &str) -> &str {
        self.content(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The verdict, where the receipt carries a decision.
    #[must_use]
    pub fn verdict(&self) -> &str {
        self.content("decision").and_then(|decision| decision.member("verdict")?.as_str()).unwrap_or_default()
    }

    /// The receipts this one refers to: what they are to it, and their ids.
    #[must_use]
    pub fn refs(&self) -> Vec<(&str, &str)> {
        let refs = self.content("refs").and_then(Value::as_array).unwrap_or_default();
        refs.iter()
            .filter_map(|one| Some((one.member("rel")?.as_str()?, one.member("receipt_id")?.as_str()?)))
            .collect()
    }

    /// The private bytes behind a salted hash in content.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn private(&self, reader: &Reader, key: &str) -> Result<Option<Value>, Fault> {
        let Some(hash) = Digest::from_hex(self.text(key)) else { return Ok(None) };
        Ok(match private(reader, &hash)? {
            Private::Kept(bytes) => json::parse(&bytes).ok(),
            Private::Altered => Some(ALTERED.into()),
            Private::Gone => None,
        })
    }

    /// The command, as the vault remembers it; `None` when there is none or it is erased.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn command(&self, reader: &Reader) -> Result<Option<String>, Fault> {
        Ok(self.private(reader, "action_hash")?.as_ref().and_then(command_of))
    }

    /// The variables of the action, as [`variables_of`] has them.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn variables(&self, reader: &Reader) -> Result<Vec<String>, Fault> {
        Ok(self.private(reader, "action_hash")?.as_ref().map(variables_of).unwrap_or_default())
    }

    /// The reason that somebody gave, where the vault has it.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn reason(&self, reader: &Reader) -> Result<Option<String>, Fault> {
        let Some(id) = ReceiptId::parse(self.text("receipt_id")) else { return Ok(None) };
        reason_of(reader, id, self.content("reason_hash"))
    }

    /// Codes of the reasons in content itself.
    #[must_use]
    pub fn codes(&self) -> Vec<&str> {
        let reasons = self.content("reasons").and_then(Value::as_array).unwrap_or_default();
        reasons.iter().filter_map(|reason| reason.member("code")?.as_str()).collect()
    }

    /// The same, and those that its gates gave.
    #[must_use]
    pub fn all_codes(&self) -> Vec<&str> {
        let gates = self.content("decision").and_then(|decision| decision.member("gates")?.as_array());
        let given = gates.unwrap_or_default().iter().filter_map(|gate| gate.member("reasons")?.as_array());
        let given = given.flatten().filter_map(|reason| reason.member("code")?.as_str());
        self.codes().into_iter().chain(given).collect()
    }

    /// The erasure that took the private bytes, if one did.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn erased_by(&self, reader: &Reader) -> Result<Option<ErasedBy>, Fault> {
        ReceiptId::parse(self.text("receipt_id")).map_or(Ok(None), |id| reader.erased_by(id))
    }

    /// The name behind a principal member.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn name(&self, reader: &Reader, key: &str) -> Result<Option<String>, Fault> {
        let Some(id) = PrincipalId::parse(self.text(key)) else { return Ok(None) };
        Ok(reader.name(id)?.map(|name| name.name))
    }
}

/// The words of a normalised action, quoted where a shell would need it.
#[must_use]
pub fn command_of(action: &Value) -> Option<String> {
    if action.as_str() == Some(ALTERED) {
        return Some(ALTERED.to_owned());
    }
    if let Some(line) = action.member("line").and_then(Value::as_str) {
        return Some(line.to_owned());
    }
    if let Some(argv) = action.member("argv").and_then(Value::as_array) {
        let words: Vec<String> = argv.iter().filter_map(Value::as_str).map(quoted).collect();
        return Some(words.join(" "));
    }
    if let Some(call) = action.member("tool") {
        // Who approves it must see what it is called with.
        let text = |key: &str| call.member(key).and_then(Value::as_str).map(quoted).unwrap_or_default();
        return Some(format!("{} {} {}", text("server"), text("name"), text("arguments")));
    }
    if let Some(task) = action.member("task") {
        return Some(task_of(task, action.member("model")));
    }
    if let Some(act) = action.member("workflow") {
        return Some(act_of(act));
    }
    if let Some(act) = action.member("schedule") {
        return Some(schedule_of(act));
    }
    let encoded = action.member("argv_b64")?.as_array()?;
    let words = encoded.iter().filter_map(Value::as_str).filter_map(cascade_receipt::base64::decode);
    Some(words.map(|word| quoted(&String::from_utf8_lossy(&word))).collect::<Vec<_>>().join(" "))
}

/// The variables of a normalised action that say what its programs do, as `NAME=VALUE`. The value of one that a credential
/// is handed in is the credential's name.
#[must_use]
pub fn variables_of(action: &Value) -> Vec<String> {
    let env = action.member("env").and_then(Value::as_array).unwrap_or_default();
    let text = |one: &Value, key: &str| {
        let plain = one.member(key).and_then(Value::as_str).map(str::to_owned);
        plain.or_else(|| {
            let encoded = one.member(&format!("{key}_b64"))?.as_str()?;
            Some(String::from_utf8_lossy(&cascade_receipt::base64::decode(encoded)?).into_owned())
        })
    };
    let variable = |one: &Value| Some(format!("{}={}", text(one, "name")?, quoted(&text(one, "value")?)));
    env.iter().filter_map(variable).collect()
}

/// What a workflow does by itself, in one line.
fn act_of(act: &Value) -> String {
    let text = |key: &str| act.member(key).and_then(Value::as_str).unwrap_or_default();
    let spec = format!("spec {} {}", text("name"), text("version"));
    let said = text("text").split_whitespace().collect::<Vec<_>>().join(" ");
    match text("act") {
        "start" => format!("{spec}: run {}", text("inputs")),
        act => format!("{spec}: {act} `{}`: {said}", text("step")),
    }
}

/// A change of a schedule, in one line: who approves it must see what will run, and when.
fn schedule_of(act: &Value) -> String {
    let text = |value: &Value, key: &str| {
        value.member(key).and_then(Value::as_str).map(str::to_owned).unwrap_or_default()
    };
    let head = format!("cron {} {}", text(act, "act"), text(act, "name"));
    let definition = act.member("definition").and_then(Value::as_str);
    let Some(definition) = definition.and_then(|text| json::parse(text.as_bytes()).ok()) else { return head };
    let runs = match definition.member("argv").and_then(Value::as_array) {
        Some(argv) => argv.iter().filter_map(Value::as_str).map(quoted).collect::<Vec<_>>().join(" "),
        None => {
            let inputs = definition.member("inputs").map(Value::to_canonical).unwrap_or_default();
            format!("spec {} {inputs}", text(&definition, "spec_hash"))
        }
    };
    let (at, zone) = (text(&definition, "at"), text(&definition, "zone"));
    let policies =
        format!("catch-up {}, overlap {}", text(&definition, "catch_up"), text(&definition, "overlap"));
    format!("{head}: {at} {zone}, {policies}: {runs}")
}

/// A task in one line: what it says, or what it wants where it says nothing.
fn task_of(task: &Value, model: Option<&Value>) -> String {
    let text = |key: &str| task.member(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let first = task.member("examples").and_then(|all| all.as_array()?.first()?.as_str());
    let said = text("text").or_else(|| text("signature")).or(first).unwrap_or("by its schema");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    match model.and_then(|model| model.member("name")?.as_str()) {
        Some(name) => format!("{name}: {said}"),
        None => format!("task: {said}"),
    }
}

/// A word as a shell would want it typed.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
