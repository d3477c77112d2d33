//! What requests and answers look like. The only structs of the API: what they say is made from, or into, types of
//! the other crates here and nowhere else.

pub(crate) mod proxy;
pub(crate) mod runs;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use cascade_ledger::Subject;
use cascade_policy::decide::Ruling;
use cascade_policy::facts::ToolCall;
use cascade_policy::words;
use cascade_receipt::decision::{GateName, Reason, Verdict};
use cascade_runtime::lease::{Asked, LEASE};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Problem;

/// Most words of a command.
pub(crate) const ARGV_MAX: usize = 4096;
/// Most variables of an environment.
pub(crate) const ENV_MAX: usize = 1024;

/// What is to be decided.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecisionRequest {
    /// The action.
    pub(crate) action: ActionIn,
    /// Only the decision is wanted: nothing may be performed on it.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// The escalation, dry run or approval that it stands on. An approval of exactly this action is found without it.
    pub(crate) approval: Option<String>,
    /// Why, in the caller's words; kept privately.
    #[schema(max_length = 16384)]
    pub(crate) reason: Option<String>,
    /// Whom it concerns outside, with a debt or case: `customer-17/loan-3`.
    #[schema(max_length = 200, pattern = r"^[^/\x00-\x1f\x7f-\x9f]+(/[^\x00-\x1f\x7f-\x9f]+)?$")]
    pub(crate) subject: Option<String>,
    /// How long the outcome is waited for, in seconds.
    #[schema(minimum = 1, maximum = 86400)]
    #[serde(default, deserialize_with = "whole")]
    pub(crate) lease_seconds: Option<u32>,
}

/// An action that the caller performs.
#[derive(ToSchema, Debug)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ActionIn {
    /// A command, by its words.
    Cli {
        /// Program and arguments.
        #[schema(min_items = 1, max_items = 4096)]
        argv: Vec<String>,
        /// Where it runs.
        cwd: Option<String>,
        /// Its environment, as far as it may change what the programs do.
        env: Option<BTreeMap<String, String>>,
    },
    /// A line for a shell.
    Shell {
        /// The line.
        line: String,
        /// Where it runs.
        cwd: Option<String>,
        /// Its environment, as above.
        env: Option<BTreeMap<String, String>>,
    },
    /// A call of a tool.
    Tool {
        /// Who offers it, as policies name it: what it is, a colon, and which: `mcp:github`.
        #[schema(pattern = r"^[a-z][a-z0-9-]{0,31}:[^\x00-\x1f\x7f-\x9f]{1,48}$")]
        server: String,
        /// The tool.
        #[schema(pattern = r"^[^\x00-\x1f\x7f-\x9f]{1,64}$")]
        name: String,
        /// Its arguments.
        #[schema(value_type = Option<Object>)]
        arguments: Option<Box<RawValue>>,
    },
}

/// The same before it is known which it is. A tagged enum would read arguments into numbers of its own, and the text that
/// was sent is what is decided on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    kind: String,
    argv: Option<Vec<String>>,
    line: Option<String>,
    cwd: Option<String>,
    env: Option<BTreeMap<String, String>>,
    server: Option<String>,
    name: Option<String>,
    arguments: Option<Box<RawValue>>,
}

impl<'de> Deserialize<'de> for ActionIn {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let found = Members::deserialize(from)?;
        let Members { kind, argv, line, cwd, env, server, name, arguments } = found;
        let beside = |what: &str| D::Error::custom(format!("a `{kind}` has no `{what}`"));
        let missing = |what: &'static str| D::Error::missing_field(what);
        let placed = cwd.is_some() || env.is_some();
        let called = server.is_some() || name.is_some() || arguments.is_some();
        match kind.as_str() {
            "cli" if line.is_some() => Err(beside("line")),
            "shell" if argv.is_some() => Err(beside("argv")),
            "cli" | "shell" if called => Err(beside("server`, `name` or `arguments")),
            "tool" if placed || argv.is_some() || line.is_some() => {
                Err(beside("argv`, `line`, `cwd` or `env"))
            }
            "cli" => Ok(Self::Cli { argv: argv.ok_or_else(|| missing("argv"))?, cwd, env }),
            "shell" => Ok(Self::Shell { line: line.ok_or_else(|| missing("line"))?, cwd, env }),
            "tool" => Ok(Self::Tool {
                server: server.ok_or_else(|| missing("server"))?,
                name: name.ok_or_else(|| missing("name"))?,
                arguments,
            }),
            other => Err(D::Error::unknown_variant(other, &["cli", "shell", "tool"])),
        }
    }
}

impl ActionIn {
    /// The action for whoever decides. What is on the caller's machine cannot be looked at from here.
    pub(crate) fn asked(self) -> Result<Asked, Problem> {
        let place = |cwd: Option<String>| PathBuf::from(cwd.unwrap_or_default());
        let words = |env: Option<BTreeMap<String, String>>| {
            let env = env.unwrap_or_default();
            if env.len() > ENV_MAX {
                return Err(Problem::bad("request.limit", format!("more than {ENV_MAX} variables")));
            }
            Ok(env.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
        };
        match self {
            Self::Cli { argv, cwd, env } => {
                if argv.is_empty() || argv.len() > ARGV_MAX {
                    return Err(Problem::bad(
                        "request.limit",
                        format!("a command has 1 to {ARGV_MAX} words"),
                    ));
                }
                let argv = argv.into_iter().map(String::into_bytes).collect();
                Ok(Asked::Words { argv, cwd: place(cwd), env: words(env)? })
            }
            Self::Shell { line, cwd, env } => {
                Ok(Asked::Remote { line: line.into_bytes(), cwd: place(cwd), env: words(env)? })
            }
            Self::Tool { server, name, arguments } => {
                // No program is called so: a tool is never taken for one.
                let is_word = |word: &str| {
                    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
                    word.starts_with(|first: char| first.is_ascii_lowercase()) && word.bytes().all(plain)
                };
                if !server.split_once(':').is_some_and(|(word, name)| is_word(word) && !name.is_empty()) {
                    return Err(Problem::bad("request.malformed", "`server` is like `mcp:github`"));
                }
                let arguments = arguments.map_or_else(|| "{}".to_owned(), |raw| raw.get().to_owned());
                let call = ToolCall { server, tool: name, arguments, definition: None, pinned: None };
                Ok(Asked::Tool { call, cwd: PathBuf::new() })
            }
        }
    }
}

/// Refuses what is no name of a variable: with a `=` in it, one would be set that nobody looks at.
pub(crate) fn named<'n>(mut names: impl Iterator<Item = &'n str>) -> Result<(), Problem> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_name = |name: &str| {
        name.bytes().all(is_plain) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
    };
    if names.all(is_name) {
        return Ok(());
    }
    Err(Problem::bad(
        "request.malformed",
        "the name of a variable has letters, digits and `_`, and no digit first",
    ))
}

impl DecisionRequest {
    /// How long its outcome is waited for.
    pub(crate) fn lease(&self) -> Duration {
        self.lease_seconds.map_or(LEASE, |seconds| Duration::from_secs(seconds.into()))
    }
}

/// A whole number, also as `7.0`: to JSON Schema these are the same.
fn whole<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    let Some(number) = Option::<serde_json::Number>::deserialize(from)? else { return Ok(None) };
    let spelled = number.to_string();
    let digits = spelled.strip_suffix(".0").unwrap_or(&spelled);
    let read = digits.parse::<u64>().ok().and_then(|number| T::try_from(number).ok());
    read.map(Some).ok_or_else(|| D::Error::custom(format!("`{spelled}` is no whole number in range")))
}

/// What was decided; its receipt is durable.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct DecisionOut {
    /// `admit`, `escalate` or `deny`.
    pub(crate) verdict: VerdictOut,
    /// The receipt that says so.
    #[schema(pattern = "^r_[0-9a-f]{16}$")]
    pub(crate) receipt_id: String,
    /// Whether the action may be performed now. Then its outcome is reported under `receipt_id`.
    pub(crate) may_perform: bool,
    /// `LOW`, `MEDIUM`, `HIGH` or `CRITICAL`.
    pub(crate) risk_tier: String,
    /// Whether every part of it was understood.
    pub(crate) classified: bool,
    /// Why the gates did not simply pass.
    pub(crate) reasons: Vec<ReasonOut>,
    /// This answers a request that was answered before, under the same idempotency key.
    pub(crate) repeated: bool,
    /// What people are asked for, where it waits for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) escalation: Option<TermsOut>,
}

/// A verdict.
#[derive(Serialize, ToSchema, Clone, Copy, PartialEq, Eq, Default, Debug)]
#[serde(rename_all = "lowercase")]
pub(crate) enum VerdictOut {
    /// It may be performed.
    Admit,
    /// It waits for people.
    Escalate,
    /// It may not.
    #[default]
    Deny,
}

impl From<Verdict> for VerdictOut {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Admit => Self::Admit,
            Verdict::Escalate => Self::Escalate,
            Verdict::Deny => Self::Deny,
        }
    }
}

/// One reason of one gate.
#[derive(Serialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub(crate) struct ReasonOut {
    /// Which gate; absent where none was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gate: Option<String>,
    /// Stable.
    pub(crate) code: String,
    /// For people.
    pub(crate) text: String,
    /// The policy or pack that said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy_id: Option<String>,
}

impl ReasonOut {
    pub(crate) fn of(gate: GateName, reason: &Reason) -> Self {
        Self { gate: Some(gate.as_str().to_owned()), ..Self::of_code(reason) }
    }

    pub(crate) fn of_code(reason: &Reason) -> Self {
        Self {
            gate: None,
            code: reason.code.to_string(),
            text: words::code_text(&reason.code).to_owned(),
            policy_id: reason.policy_id.as_ref().map(ToString::to_string),
        }
    }

    pub(crate) fn all(ruling: &Ruling) -> Vec<Self> {
        ruling.decision.reasons().map(|(gate, reason)| Self::of(gate, reason)).collect()
    }
}

/// What people are asked for.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct TermsOut {
    /// How many.
    pub(crate) required: u32,
    /// Of which groups.
    pub(crate) groups: Vec<String>,
    /// Whether they must sign with their SSH key.
    pub(crate) signature_required: bool,
}

/// How an action ended.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct OutcomeRequest {
    /// `completed` or `failed`.
    pub(crate) ending: EndingIn,
    /// The exit code, where there is one.
    #[schema(minimum = 0, maximum = 255)]
    #[serde(default, deserialize_with = "whole")]
    pub(crate) exit_code: Option<u8>,
    /// How long it took, in microseconds.
    #[schema(maximum = 9007199254740991_u64)]
    #[serde(default, deserialize_with = "whole")]
    pub(crate) duration_us: Option<u64>,
    /// What came out of it, as text; kept privately.
    pub(crate) output: Option<String>,
    /// The same of bytes that are no text, in base64.
    pub(crate) output_b64: Option<String>,
    /// Tokens that a model read.
    #[schema(maximum = 9007199254740991_u64)]
    #[serde(default, deserialize_with = "whole")]
    pub(crate) tokens_in: Option<u64>,
    /// Tokens that a model wrote.
    #[schema(maximum = 9007199254740991_u64)]
    #[serde(default, deserialize_with = "whole")]
    pub(crate) tokens_out: Option<u64>,
    /// What it cost, in millionths of a dollar.
    #[schema(maximum = 9007199254740991_u64)]
    #[serde(default, deserialize_with = "whole")]
    pub(crate) cost_microusd: Option<u64>,
}

/// How an action ended.
#[derive(Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EndingIn {
    /// It did what it was to do.
    Completed,
    /// It did not.
    Failed,
}

/// An outcome that is on record.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct OutcomeOut {
    /// The receipt that closes the action.
    #[schema(pattern = "^r_[0-9a-f]{16}$")]
    pub(crate) receipt_id: String,
    /// The intent that it closes.
    #[schema(pattern = "^r_[0-9a-f]{16}$")]
    pub(crate) intent: String,
    /// It was on record already.
    pub(crate) repeated: bool,
}

/// Where an action stands.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct ActionOut {
    /// The receipt that decided it.
    pub(crate) receipt_id: String,
    /// `open`, `completed`, `failed`, `revoked`, `unknown`; for what did not start, the kind of its receipt.
    pub(crate) state: String,
    /// The receipt that closed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) closed_by: Option<String>,
    /// Until when its outcome is waited for, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<String>,
}

/// A page of a list.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct Receipts {
    /// Each as it stands in the chain.
    #[schema(value_type = Vec<Object>)]
    pub(crate) receipts: Vec<Box<RawValue>>,
    /// Give this as `cursor` for what follows; absent where nothing does yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_cursor: Option<String>,
}

/// What waits for people.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct PendingOut {
    /// The escalation.
    pub(crate) receipt_id: String,
    /// The salted hash of the action, which an answer names.
    pub(crate) action_hash: String,
    /// Who asked.
    pub(crate) principal: String,
    /// `waiting` or `approved`.
    pub(crate) state: String,
    /// How many people must approve.
    pub(crate) required: u32,
    /// Of which groups.
    pub(crate) groups: Vec<String>,
    /// Until when, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<String>,
    /// What is asked for, as it was decided on; absent where it is erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub(crate) action: Option<Box<RawValue>>,
}

impl PendingOut {
    pub(crate) fn of(subject: &Subject, is_approved: bool, action: Option<Box<RawValue>>) -> Self {
        Self {
            receipt_id: subject.receipt_id.to_string(),
            action_hash: subject.action_hash.to_hex(),
            principal: subject.principal.to_string(),
            state: if is_approved { "approved" } else { "waiting" }.to_owned(),
            required: subject.required,
            groups: subject.groups.clone(),
            expires: subject.expires.map(|expires| expires.to_string()),
            action,
        }
    }
}

/// What waits for people, oldest first.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct Pending {
    /// Each.
    pub(crate) approvals: Vec<PendingOut>,
}

/// A person's answer.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerRequest {
    /// `approve` or `deny`.
    pub(crate) verdict: AnswerIn,
    /// Why, in that person's words; kept privately.
    #[schema(max_length = 16384)]
    pub(crate) reason: Option<String>,
    /// The signature over the statement, by the SSH key that the chain knows for this person: the armoured text of
    /// `ssh-keygen -Y sign -n cascade-approval@v1`. Without it the answer is a problem that holds the statement.
    pub(crate) sshsig: Option<String>,
    /// The `expires` of the statement that was signed, where a dry run is answered: its statement ends later each time
    /// that it is asked for.
    #[schema(format = DateTime)]
    pub(crate) expires: Option<String>,
}

/// An answer.
#[derive(Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AnswerIn {
    /// Yes.
    Approve,
    /// No.
    Deny,
}

/// An answer that counts.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct AnswerOut {
    /// Its receipt.
    #[schema(pattern = "^r_[0-9a-f]{16}$")]
    pub(crate) receipt_id: String,
}

/// A chain, for outsiders.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct ChainOut {
    /// Its name; it says nothing of whose it is.
    pub(crate) log_origin: String,
    /// The genesis receipt key, PEM (SubjectPublicKeyInfo): what to pin.
    pub(crate) public_key: String,
    /// The key that signs checkpoints, as a C2SP verifier key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log_key: Option<String>,
    /// The newest checkpoint, a C2SP signed note; absent where none was signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) checkpoint: Option<String>,
}

/// The chains that are served here.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct Chains {
    /// Each.
    pub(crate) chains: Vec<ChainOut>,
}
