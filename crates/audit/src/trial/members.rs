//! What is written down of a receipt, as the members of its content.

use std::collections::BTreeMap;

use cascade_receipt::base64;
use cascade_receipt::content::Signature;
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;
use cascade_receipt::statement;
use cascade_receipt::time::Timestamp;
use toml::Value as Written;

use super::build::{Chain, Made, policy, principal};
use super::{defaults, keys};
use crate::control::{Command, Private};

/// Members that hold somebody's id; names stand for them.
const PRINCIPALS: [&str; 5] = ["principal", "on_behalf_of", "to", "subject", "matter"];
/// Members that hold a time; `+1h` is an hour after the receipt.
const TIMES: [&str; 5] = ["expires", "review_due", "due", "until", "from"];
/// Words of this format that are no member of content.
const WORDS: [&str; 14] = [
    "about",
    "action",
    "after",
    "at",
    "command",
    "facts",
    "families",
    "gates",
    "label",
    "name",
    "refs",
    "signed_by",
    "spec",
    "witnesses",
];

/// Members of content as they come to be.
pub(super) type Members = BTreeMap<String, Value>;

/// One receipt, read.
pub(super) struct Read {
    pub(super) content: Members,
    pub(super) private: Option<Private>,
}

/// Reads what is written down and moves the clock of the chain on.
pub(super) fn read(chain: &mut Chain, written: &toml::Table) -> Result<Read, String> {
    let kind = word(written, "kind")?.ok_or("it has no `kind`")?;
    move_clock(chain, written)?;
    let refs = refs(chain, written)?;
    let mut content = defaults::of(kind, chain, written, &refs)?;
    content.insert("kind".to_owned(), kind.into());
    for (key, value) in written.iter().filter(|(key, _)| !WORDS.contains(&key.as_str())) {
        content.insert(key.clone(), member(chain, key, value)?);
    }
    if !refs.is_empty() {
        let all = refs.iter().map(|(rel, made)| reference(rel, made)).collect();
        content.insert("refs".to_owned(), Value::Array(all));
    }
    sign(chain, kind, written, &mut content, &refs)?;
    Ok(Read { content, private: private(written)? })
}

/// The text behind a key.
pub(super) fn word<'w>(written: &'w toml::Table, key: &str) -> Result<Option<&'w str>, String> {
    match written.get(key) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or_else(|| format!("`{key}` is no text")),
    }
}

/// The texts behind a key: one, or a list of them.
pub(super) fn words(value: &Written) -> Option<Vec<&str>> {
    match value {
        Written::String(one) => Some(vec![one]),
        Written::Array(all) => all.iter().map(Written::as_str).collect(),
        _ => None,
    }
}

/// A receipt comes a second after the one before, unless it says `after = "2d"` or `at = "2026-…"`.
fn move_clock(chain: &mut Chain, written: &toml::Table) -> Result<(), String> {
    if let Some(at) = word(written, "at")? {
        let time = Timestamp::parse(at).ok_or_else(|| format!("`{at}` is no time"))?;
        if time.ms() < chain.now_ms {
            return Err(format!("`{at}` is before the receipt before"));
        }
        chain.now_ms = time.ms();
        return Ok(());
    }
    let after = word(written, "after")?.unwrap_or("1s");
    chain.now_ms += span_ms(after).ok_or_else(|| format!("`{after}` is no time such as 90s, 5m, 2h, 30d"))?;
    Ok(())
}

fn span_ms(text: &str) -> Option<u64> {
    let unit = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(ms)
}

/// `refs = { approval = ["ok"], escalation = "ask" }`, in the order of the relations.
fn refs(chain: &Chain, written: &toml::Table) -> Result<Vec<(String, Made)>, String> {
    let Some(refs) = written.get("refs") else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for (rel, names) in refs.as_table().ok_or("`refs` is a table from relations to names")? {
        for name in words(names).ok_or("`refs` is a table from relations to names")? {
            let made =
                chain.made.get(name).ok_or_else(|| format!("there is no receipt `{name}` before it"))?;
            all.push((rel.clone(), made.clone()));
        }
    }
    Ok(all)
}

fn reference(rel: &str, made: &Made) -> Value {
    Value::object([
        ("entry_hash", made.hash.to_hex().into()),
        ("receipt_id", made.id.to_string().into()),
        ("rel", rel.into()),
    ])
}

fn member(chain: &Chain, key: &str, value: &Written) -> Result<Value, String> {
    match (key, value) {
        (_, Written::String(name)) if PRINCIPALS.contains(&key) => Ok(principal(name)),
        (_, Written::String(text)) if TIMES.contains(&key) && text.starts_with('+') => later(chain, text),
        ("erased", Written::Array(all)) => {
            all.iter().map(|one| erased(chain, one)).collect::<Result<_, _>>().map(Value::Array)
        }
        ("scope", Written::Table(scope)) => {
            let mut scope = scope.clone();
            if let Some(Written::String(name)) = scope.get("assume") {
                let id = keys::principal(name).to_string();
                scope.insert("assume".to_owned(), id.into());
            }
            plain(&Written::Table(scope))
        }
        ("pack", Written::Table(pack)) => {
            let mut pack = pack.clone();
            let name = word(&pack, "name")?.unwrap_or_default().to_owned();
            let hash = Digest::of(format!("trial pack {name}").as_bytes()).to_hex();
            pack.entry("hash").or_insert_with(|| hash.into());
            pack.entry("active").or_insert(Written::Boolean(true));
            plain(&Written::Table(pack))
        }
        _ => plain(value),
    }
}

pub(super) fn later(chain: &Chain, text: &str) -> Result<Value, String> {
    let span = text.strip_prefix('+').and_then(span_ms);
    let span = span.ok_or_else(|| format!("`{text}` is no time such as +1h"))?;
    Ok(Timestamp::from_ms(chain.now_ms + span).to_string().into())
}

/// `{ of = "run", fields = ["action_hash"] }`.
fn erased(chain: &Chain, written: &Written) -> Result<Value, String> {
    let name = written.get("of").and_then(Written::as_str).ok_or("`erased` says `of` which receipt")?;
    let made = chain.made.get(name).ok_or_else(|| format!("there is no receipt `{name}` before it"))?;
    let fields = written.get("fields").and_then(words).ok_or("`erased` says which `fields`")?;
    let fields = Value::Array(fields.into_iter().map(Value::from).collect());
    Ok(Value::object([("fields", fields), ("receipt_id", made.id.to_string().into())]))
}

fn plain(value: &Written) -> Result<Value, String> {
    Ok(match value {
        Written::String(text) => text.as_str().into(),
        Written::Integer(number) => Value::Int(*number),
        Written::Boolean(truth) => (*truth).into(),
        Written::Array(items) => Value::Array(items.iter().map(plain).collect::<Result<_, _>>()?),
        Written::Table(members) => {
            let member = |(key, value): (&String, &Written)| Ok((key.clone(), plain(value)?));
            Value::Object(members.iter().map(member).collect::<Result<_, String>>()?)
        }
        Written::Float(_) | Written::Datetime(_) => {
            return Err("receipts have no fractions; a time is a text".to_owned());
        }
    })
}

/// Signs what must be signed, and what says who signed it.
fn sign(
    chain: &Chain,
    kind: &str,
    written: &toml::Table,
    content: &mut Members,
    refs: &[(String, Made)],
) -> Result<(), String> {
    let signers = match written.get("signed_by") {
        Some(names) => words(names).ok_or("`signed_by` is a name, or a list of names")?,
        None => defaults::signers(kind, written)?,
    };
    if signers.is_empty() {
        return Ok(());
    }
    let (namespace, text) = match kind {
        "approval" | "denial" => (statement::APPROVAL, approval(chain, kind, content, refs)?),
        "chain_started" => (statement::SPEC, spec(content)?),
        _ => {
            let id = Digest::of(format!("trial statement {}", chain.seq()).as_bytes()).to_hex();
            let id = Value::from(id.get(..16).unwrap_or_default());
            content.entry("statement_id".to_owned()).or_insert(id);
            let statement = Value::Object(content.clone()).to_canonical();
            (statement::ADMIN, statement::admin(chain.origin.as_str(), &statement))
        }
    };
    let signed = signers.iter().map(|name| {
        keys::sign(name, namespace, &text).map(signature).ok_or_else(|| format!("`{name}` cannot sign"))
    });
    content.insert("signatures".to_owned(), Value::Array(signed.collect::<Result<_, _>>()?));
    Ok(())
}

fn signature(Signature { principal, sshsig }: Signature) -> Value {
    Value::object([("principal", principal.to_string().into()), ("sshsig", sshsig.into())])
}

fn approval(chain: &Chain, kind: &str, content: &Members, refs: &[(String, Made)]) -> Result<String, String> {
    let (_, subject) = refs.first().ok_or("an answer refers to what it answers")?;
    let text = |key: &str| content.get(key).and_then(Value::as_str).unwrap_or_default();
    let wrong = || "its action_hash, principal or expires is none".to_owned();
    let approval = statement::Approval {
        log_origin: chain.origin.as_str(),
        subject: &subject.hash,
        action_hash: &Digest::from_hex(text("action_hash")).ok_or_else(wrong)?,
        approve: kind == "approval",
        approver: &cascade_receipt::id::PrincipalId::parse(text("principal")).ok_or_else(wrong)?,
        expires: &Timestamp::parse(text("expires")).ok_or_else(wrong)?,
    };
    Ok(approval.text())
}

fn spec(content: &Members) -> Result<String, String> {
    let hash = content.get("spec_hash").and_then(Value::as_str).and_then(Digest::from_hex);
    hash.map(|hash| statement::spec(&hash)).ok_or_else(|| "it has no `spec`".to_owned())
}

/// `command = "git push --force"`, or several; `families = ["production"]`; `about = { subject = "debtor", zone = … }`;
/// `facts = { … }` for anything else. With one of them, whoever audits has the private bytes of the receipt.
fn private(written: &toml::Table) -> Result<Option<Private>, String> {
    let texts = |key: &str| match written.get(key) {
        None => Ok(None),
        Some(value) => words(value).map(Some).ok_or_else(|| format!("`{key}` is a text, or a list of texts")),
    };
    let (commands, families) = (texts("command")?, texts("families")?);
    let table = |key: &str| match written.get(key) {
        None => Ok(None),
        Some(value) => value.as_table().map(Some).ok_or_else(|| format!("`{key}` is a table")),
    };
    let (about, facts) = (table("about")?, table("facts")?);
    if commands.is_none() && families.is_none() && about.is_none() && facts.is_none() {
        return Ok(None);
    }
    let mut facts = plain(&Written::Table(facts.cloned().unwrap_or_default()))?;
    if let (Value::Object(facts), Some(about)) = (&mut facts, about) {
        facts.insert("subject".to_owned(), subject(about)?);
    }
    let owned = |text: &str| text.to_owned();
    Ok(Some(Private {
        facts,
        commands: commands.unwrap_or_default().into_iter().map(command).collect(),
        families: families.unwrap_or_default().into_iter().map(owned).collect(),
    }))
}

fn subject(about: &toml::Table) -> Result<Value, String> {
    let mut members = Members::from([("consents".to_owned(), Value::Array(vec![]))]);
    for (key, value) in about {
        let (key, value) = match (key.as_str(), value.as_str()) {
            ("subject", Some(name)) => ("id", principal(name)),
            ("matter", Some(name)) => ("matter", principal(name)),
            (key, _) => (key, plain(value)?),
        };
        members.insert(key.to_owned(), value);
    }
    Ok(Value::Object(members))
}

fn command(words: &str) -> Command {
    let mut each = words.split_whitespace();
    let program = each.next().unwrap_or_default().to_owned();
    let subcommand = each.next().filter(|word| !word.starts_with('-')).map(str::to_owned);
    Command { words: words.to_owned(), program, subcommand, risk_tier: None }
}

/// What `policy_activated` puts in force: the policy of this label.
pub(super) fn activates(label: &str) -> Value {
    let (version, hash) = policy(label);
    Value::object([("policy_hash", hash.into()), ("policy_version", version.into())])
}

/// Base64 of a public key.
pub(super) fn public_key(raw: &[u8; 32]) -> Value {
    base64::encode(raw).into()
}
