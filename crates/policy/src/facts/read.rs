//! Facts from JSON. Every member is looked at; what is left over is an error.

use std::collections::BTreeMap;

use cascade_receipt::base64;
use cascade_receipt::decision::RiskTier;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;

use super::{
    Action, Approval, Authentication, BreakGlass, Budget, Counter, Covers, Delegator, Executable, FACTS_TYPE,
    Facts, Found, Grant, Invocation, ObeyedFile, Principal, PrincipalKind, ScheduleAct, Spec, Stdin, Subject,
    Task, Tenant, ToolCall, Unreviewed, Window, WindowKind, WorkflowAct,
};
use crate::decide::EscalationTerms;
use crate::limits::Amounts;
use crate::resource::Place;

/// Why a JSON value is not facts.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FactsFault {
    /// A member that must be there is not.
    #[error("facts lack `{0}`")]
    Missing(&'static str),
    /// A member has the wrong type or spelling.
    #[error("facts: `{0}` is ill-formed")]
    Malformed(&'static str),
    /// A member that this version does not know.
    #[error("facts: `{0}` is unknown")]
    Unknown(String),
}

type Read<T> = Result<T, FactsFault>;

pub(super) fn facts(value: &Value) -> Read<Facts> {
    let mut members = of_type(value)?;
    let action = action(members.take("action")?)?;
    beside(members, action)
}

/// Facts whose action was read before; the value has none.
pub(super) fn facts_about(value: &Value, action: Action) -> Read<Facts> {
    beside(of_type(value)?, action)
}

fn of_type(value: &Value) -> Read<Members<'_>> {
    let mut members = Members::of("facts", value)?;
    if members.text("_type")? == FACTS_TYPE { Ok(members) } else { Err(FactsFault::Malformed("_type")) }
}

fn beside(mut members: Members<'_>, action: Action) -> Read<Facts> {
    let facts = Facts {
        at: members.parsed("at", Timestamp::parse)?,
        tenant: tenant(members.take("tenant")?)?,
        principal: principal(members.take("principal")?)?,
        on_behalf_of: members.optional("on_behalf_of").map(delegator).transpose()?,
        assumed: members.optional_parsed("assumed", PrincipalId::parse)?,
        action,
        spec: members.optional("spec").map(Spec::from_json).transpose()?,
        answers: members.optional("answers").map(terms).transpose()?,
        approvals: members.list("approvals", approval)?,
        grants: members.list("grants", grant)?,
        budgets: members.list("budgets", budget)?,
        windows: members.list("windows", window)?,
        counters: listed(&mut members, "counters", counter)?,
        subject: members.optional("subject").map(subject).transpose()?,
        break_glass: members.optional("break_glass").map(break_glass).transpose()?,
        unreviewed: listed(&mut members, "unreviewed", unreviewed)?,
        dry_run: members.truth("dry_run")?,
    };
    members.end()?;
    Ok(facts)
}

/// The terms of an escalation; the snapshot reads its defaults the same way.
pub(crate) fn terms(value: &Value) -> Read<EscalationTerms> {
    let mut members = Members::of("answers", value)?;
    let required = members.number("required")?;
    let terms = EscalationTerms {
        required: u32::try_from(required).map_err(|_| FactsFault::Malformed("required"))?,
        groups: members.words("groups")?,
        expires_after_ms: members.number("expires_after_ms")?,
        signature_required: members.truth("signature_required")?,
    };
    members.end()?;
    Ok(terms)
}

fn tenant(value: &Value) -> Read<Tenant> {
    let mut members = Members::of("tenant", value)?;
    let tenant = Tenant {
        active: members.truth("active")?,
        halted: members.truth("halted")?,
        chain_healthy: members.truth("chain_healthy")?,
        regimes: members.words("regimes")?,
    };
    members.end()?;
    Ok(tenant)
}

fn principal(value: &Value) -> Read<Principal> {
    let mut members = Members::of("principal", value)?;
    let principal = Principal {
        id: members.parsed("id", PrincipalId::parse)?,
        kind: members.parsed("kind", PrincipalKind::parse)?,
        authentication: members.parsed("authentication", Authentication::parse)?,
        alive: members.truth("alive")?,
        admin: members.truth("admin")?,
        groups: members.words("groups")?,
    };
    members.end()?;
    Ok(principal)
}

fn delegator(value: &Value) -> Read<Delegator> {
    let mut members = Members::of("on_behalf_of", value)?;
    let delegator = Delegator {
        id: members.parsed("id", PrincipalId::parse)?,
        groups: members.words("groups")?,
        admin: members.truth("admin")?,
        alive: members.truth("alive")?,
    };
    members.end()?;
    Ok(delegator)
}

fn action(value: &Value) -> Read<Action> {
    let mut members = Members::of("action", value)?;
    let invocation = match members.text("kind")? {
        "cli" => Invocation::Cli(members.byte_list("argv", "argv_b64")?),
        "shell" => Invocation::Shell(members.bytes("line", "line_b64")?),
        kind @ ("task" | "model") => {
            let (task, model) = (members.take("task")?, members.optional("model"));
            if (kind == "model") != model.is_some() {
                return Err(FactsFault::Malformed("model"));
            }
            Invocation::Task(Box::new(Task::from_json(task, model)?))
        }
        "workflow" => Invocation::Workflow(Box::new(WorkflowAct::from_json(members.take("workflow")?)?)),
        "schedule" => Invocation::Schedule(Box::new(ScheduleAct::from_json(members.take("schedule")?)?)),
        "tool" => Invocation::Tool(Box::new(ToolCall::from_json(members.take("tool")?)?)),
        _ => return Err(FactsFault::Malformed("kind")),
    };
    let has_home = value.member("home").is_some();
    let action = Action {
        invocation,
        executable: members.optional("executable").map(executable).transpose()?,
        cwd: members.bytes("cwd", "cwd_b64")?,
        env: members.list("env", variable)?,
        stdin: members.parsed("stdin", stdin)?,
        script: members.optional_bytes("script", "script_b64")?,
        files: files(members.optional("files"))?,
        defaults: defaults(members.optional("defaults"))?,
        home: home(members.optional_words("home")?, has_home)?,
        resource: members.optional_parsed("resource", |text| Some(text.to_owned()))?,
    };
    members.end()?;
    Ok(action)
}

/// One spelling, as of files.
fn home(words: Vec<String>, is_there: bool) -> Read<Vec<String>> {
    let sorted = words.windows(2).all(|pair| matches!(pair, [left, right] if left < right));
    if sorted && is_there != words.is_empty() { Ok(words) } else { Err(FactsFault::Malformed("home")) }
}

/// One spelling, as of files.
fn defaults(value: Option<&Value>) -> Read<Vec<(Place, String)>> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let one = |value: &Value| {
        let mut members = Members::of("defaults", value)?;
        let found = (members.parsed("place", Place::parse)?, members.text("name")?.to_owned());
        members.end()?;
        Ok(found)
    };
    let items = value.as_array().ok_or(FactsFault::Malformed("defaults"))?;
    let found = items.iter().map(one).collect::<Read<Vec<_>>>()?;
    let sorted = found.windows(2).all(|pair| matches!(pair, [left, right] if left.0 < right.0));
    if sorted && !found.is_empty() { Ok(found) } else { Err(FactsFault::Malformed("defaults")) }
}

/// One spelling: absent where there are none, else sorted and without repetition.
fn files(value: Option<&Value>) -> Read<Vec<ObeyedFile>> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let items = value.as_array().ok_or(FactsFault::Malformed("files"))?;
    let files = items.iter().map(file).collect::<Read<Vec<_>>>()?;
    let sorted = files.windows(2).all(|pair| matches!(pair, [left, right] if left.path < right.path));
    if sorted && !files.is_empty() { Ok(files) } else { Err(FactsFault::Malformed("files")) }
}

fn file(value: &Value) -> Read<ObeyedFile> {
    let mut members = Members::of("files", value)?;
    let path = members.bytes("path", "path_b64")?;
    let mut digest = |key| members.parsed(key, Digest::from_hex);
    let found = match value.member("state").map(|state| state.as_str().unwrap_or_default()) {
        None => Found::Bytes(digest("sha256")?),
        Some("absent") => Found::Absent,
        Some("directory") => Found::Directory,
        Some("special") => Found::Special,
        Some("too_large") => Found::TooLarge(digest("stamp")?),
        Some("unreadable") => Found::Unreadable(digest("stamp")?),
        Some(_) => return Err(FactsFault::Malformed("state")),
    };
    members.optional("state");
    members.end()?;
    Ok(ObeyedFile { path, found })
}

fn executable(value: &Value) -> Read<Executable> {
    let mut members = Members::of("executable", value)?;
    let executable = Executable {
        path: members.bytes("path", "path_b64")?,
        sha256: members.parsed("sha256", Digest::from_hex)?,
    };
    members.end()?;
    Ok(executable)
}

fn variable(value: &Value) -> Read<(Vec<u8>, Vec<u8>)> {
    let mut members = Members::of("env", value)?;
    let variable = (members.bytes("name", "name_b64")?, members.bytes("value", "value_b64")?);
    members.end()?;
    Ok(variable)
}

fn stdin(word: &str) -> Option<Stdin> {
    match word {
        "none" => Some(Stdin::None),
        "terminal" => Some(Stdin::Terminal),
        "stream" => Some(Stdin::Stream),
        hex => Digest::from_hex(hex).map(Stdin::Captured),
    }
}

fn approval(value: &Value) -> Read<Approval> {
    let mut members = Members::of("approvals", value)?;
    let approval = Approval {
        receipt_id: members.parsed("receipt_id", ReceiptId::parse)?,
        principal: members.parsed("principal", PrincipalId::parse)?,
        action_matches: members.truth("action_matches")?,
        expires: members.parsed("expires", Timestamp::parse)?,
        groups: members.words("groups")?,
        approve: members.truth("approve")?,
        signed: members.truth("signed")?,
    };
    members.end()?;
    Ok(approval)
}

fn grant(value: &Value) -> Read<Grant> {
    let mut members = Members::of("grants", value)?;
    let covers = match members.optional_parsed("assume", PrincipalId::parse)? {
        Some(id) => Covers::Assume(id),
        None => Covers::Commands(members.words("commands")?),
    };
    let grant = Grant {
        receipt_id: members.parsed("receipt_id", ReceiptId::parse)?,
        to: members.parsed("to", PrincipalId::parse)?,
        grantor_alive: members.truth("grantor_alive")?,
        expires: members.optional_parsed("expires", Timestamp::parse)?,
        covers,
        resources: members.optional_words("resources")?,
        up_to: members.optional_parsed("up_to", RiskTier::parse)?,
    };
    members.end()?;
    Ok(grant)
}

fn budget(value: &Value) -> Read<Budget> {
    let mut members = Members::of("budgets", value)?;
    let budget = Budget {
        name: members.text("name")?.to_owned(),
        used: members.number("used")?,
        limit: members.number("limit")?,
    };
    members.end()?;
    Ok(budget)
}

/// A list that is written as no list where it is empty, and only so.
fn listed<T>(members: &mut Members<'_>, key: &'static str, each: impl Fn(&Value) -> Read<T>) -> Read<Vec<T>> {
    let Some(value) = members.optional(key) else { return Ok(Vec::new()) };
    let items = value.as_array().filter(|items| !items.is_empty());
    items.ok_or(FactsFault::Malformed(key))?.iter().map(each).collect()
}

fn break_glass(value: &Value) -> Read<BreakGlass> {
    let mut members = Members::of("break_glass", value)?;
    let asked = BreakGlass {
        receipt_id: members.optional_parsed("receipt_id", ReceiptId::parse)?,
        action_matches: members.truth("action_matches")?,
        groups: members.words("groups")?,
    };
    members.end()?;
    Ok(asked)
}

fn unreviewed(value: &Value) -> Read<Unreviewed> {
    let mut members = Members::of("unreviewed", value)?;
    let one = Unreviewed {
        receipt_id: members.parsed("receipt_id", ReceiptId::parse)?,
        principal: members.parsed("principal", PrincipalId::parse)?,
        due: members.parsed("due", Timestamp::parse)?,
    };
    members.end()?;
    Ok(one)
}

fn counter(value: &Value) -> Read<Counter> {
    let mut members = Members::of("counters", value)?;
    let counter = Counter {
        budget: members.text("budget")?.to_owned(),
        of: members.optional_parsed("of", PrincipalId::parse)?,
        since: members.optional_parsed("since", Timestamp::parse)?,
        used: Amounts {
            actions: members.number("actions")?,
            tokens: members.number("tokens")?,
            microusd: members.number("microusd")?,
        },
        oldest: members.optional_parsed("oldest", Timestamp::parse)?,
    };
    members.end()?;
    Ok(counter)
}

fn subject(value: &Value) -> Read<Subject> {
    let mut members = Members::of("subject", value)?;
    let subject = Subject {
        id: members.parsed("id", PrincipalId::parse)?,
        matter: members.optional_parsed("matter", PrincipalId::parse)?,
        zone: members.optional_parsed("zone", |text| Some(text.to_owned()))?,
        consents: members.words("consents")?,
        conversed: members.optional_parsed("conversed", Timestamp::parse)?,
        conversed_matter: members.optional_parsed("conversed_matter", Timestamp::parse)?,
    };
    members.end()?;
    Ok(subject)
}

fn window(value: &Value) -> Read<Window> {
    let mut members = Members::of("windows", value)?;
    let window = Window {
        from: members.parsed("from", Timestamp::parse)?,
        to: members.parsed("to", Timestamp::parse)?,
        kind: members.parsed("kind", |word| match word {
            "freeze" => Some(WindowKind::Freeze),
            "open" => Some(WindowKind::Open),
            _ => None,
        })?,
    };
    members.end()?;
    Ok(window)
}

/// The members of an object that nobody has looked at yet.
pub(super) struct Members<'a> {
    left: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Members<'a> {
    pub(super) fn of(name: &'static str, value: &'a Value) -> Read<Self> {
        let members = value.as_object().ok_or(FactsFault::Malformed(name))?;
        Ok(Self { left: members.iter().map(|(key, value)| (key.as_str(), value)).collect() })
    }

    pub(super) fn optional(&mut self, key: &str) -> Option<&'a Value> {
        self.left.remove(key)
    }

    pub(super) fn take(&mut self, key: &'static str) -> Read<&'a Value> {
        self.optional(key).ok_or(FactsFault::Missing(key))
    }

    pub(super) fn text(&mut self, key: &'static str) -> Read<&'a str> {
        self.take(key)?.as_str().ok_or(FactsFault::Malformed(key))
    }

    pub(super) fn truth(&mut self, key: &'static str) -> Read<bool> {
        self.take(key)?.as_bool().ok_or(FactsFault::Malformed(key))
    }

    pub(super) fn number(&mut self, key: &'static str) -> Read<u64> {
        self.take(key)?.as_u64().ok_or(FactsFault::Malformed(key))
    }

    pub(super) fn parsed<T>(&mut self, key: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Read<T> {
        parse(self.text(key)?).ok_or(FactsFault::Malformed(key))
    }

    pub(super) fn optional_parsed<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Read<Option<T>> {
        let Some(value) = self.optional(key) else { return Ok(None) };
        value.as_str().and_then(parse).map(Some).ok_or(FactsFault::Malformed(key))
    }

    pub(super) fn list<T>(&mut self, key: &'static str, each: impl Fn(&Value) -> Read<T>) -> Read<Vec<T>> {
        self.take(key)?.as_array().ok_or(FactsFault::Malformed(key))?.iter().map(each).collect()
    }

    pub(super) fn optional_words(&mut self, key: &'static str) -> Read<Vec<String>> {
        if self.left.contains_key(key) { self.words(key) } else { Ok(Vec::new()) }
    }

    pub(super) fn words(&mut self, key: &'static str) -> Read<Vec<String>> {
        self.list(key, |value| value.as_str().map(str::to_owned).ok_or(FactsFault::Malformed(key)))
    }

    pub(super) fn bytes(&mut self, key: &'static str, key_b64: &'static str) -> Read<Vec<u8>> {
        match self.optional(key_b64) {
            Some(value) => value.as_str().and_then(not_text).ok_or(FactsFault::Malformed(key_b64)),
            None => Ok(self.text(key)?.as_bytes().to_vec()),
        }
    }

    pub(super) fn optional_bytes(
        &mut self,
        key: &'static str,
        key_b64: &'static str,
    ) -> Read<Option<Vec<u8>>> {
        if let Some(value) = self.optional(key_b64) {
            return value.as_str().and_then(not_text).map(Some).ok_or(FactsFault::Malformed(key_b64));
        }
        self.optional_parsed(key, |text| Some(text.as_bytes().to_vec()))
    }

    pub(super) fn byte_list(&mut self, key: &'static str, key_b64: &'static str) -> Read<Vec<Vec<u8>>> {
        let Some(value) = self.optional(key_b64) else {
            return Ok(self.words(key)?.into_iter().map(String::into_bytes).collect());
        };
        let decoded: Option<Vec<Vec<u8>>> = value
            .as_array()
            .and_then(|items| items.iter().map(|item| base64::decode(item.as_str()?)).collect());
        decoded
            .filter(|items| items.iter().any(|item| str::from_utf8(item).is_err()))
            .ok_or(FactsFault::Malformed(key_b64))
    }

    pub(super) fn end(self) -> Read<()> {
        match self.left.into_keys().next() {
            Some(key) => Err(FactsFault::Unknown(key.to_owned())),
            None => Ok(()),
        }
    }
}

/// Base64 stands for bytes that are not text and for no others: a value has one spelling.
fn not_text(encoded: &str) -> Option<Vec<u8>> {
    base64::decode(encoded).filter(|bytes| str::from_utf8(bytes).is_err())
}
