//! What a remembered answer is an answer to.

use cascade_policy::facts::Task;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::LogOrigin;
use cascade_receipt::json::Value;
use unicode_normalization::UnicodeNormalization as _;

use crate::task::Spec;

/// Of so many hits of one entry, one is checked by asking again whoever gave the answer.
pub const SHADOW_EVERY: u64 = 20;

/// Everything that an answer depends on beside the task.
#[derive(Clone, Debug)]
pub struct Origin<'a> {
    /// The tenant's chain.
    pub log_origin: &'a LogOrigin,
    /// The policy in force, manifests included.
    pub policy_hash: Digest,
    /// The model that would be asked, with its parameters; `None` without one.
    pub model: Option<&'a str>,
}

/// How much of a task a key is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// All of it: the answer is an answer to exactly this.
    Task,
    /// The types and examples of the function alone: an answer may serve another task with the same.
    Function,
}

/// What something is remembered by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key(String);

impl Key {
    /// The key of a whole task.
    #[must_use]
    pub fn of_task(origin: &Origin<'_>, task: &Task) -> Self {
        let canonical = Task {
            text: plain(&task.text),
            signature: task.signature.as_deref().map(plain),
            examples: task.examples.iter().map(|example| plain(example)).collect(),
            // Which layers may be asked is no part of the question.
            max_layer: String::new(),
            ..task.clone()
        };
        Self::new(origin, Scope::Task, canonical.to_json())
    }

    /// The key of a function by its types and examples; `None` for what engines cannot read.
    #[must_use]
    pub fn of_function(origin: &Origin<'_>, spec: &Spec) -> Option<Self> {
        let read = spec.read.as_ref().ok()?;
        let parameters = read.parameters.iter().map(|parameter| {
            Value::object([
                ("default", parameter.default.as_ref().map_or_else(String::new, |value| value.repr()).into()),
                ("of", format!("{:?}", parameter.of).into()),
            ])
        });
        // The function may be called anything; what follows its name is what it is given.
        let calls = spec.calls.iter().map(|call| {
            let arguments = call.expression.strip_prefix(read.name.as_str()).unwrap_or(&call.expression);
            Value::Array(vec![arguments.into(), call.expected.repr().into()])
        });
        let function = Value::object([
            ("calls", Value::Array(calls.collect())),
            ("parameters", Value::Array(parameters.collect())),
        ]);
        Some(Self::new(origin, Scope::Function, function))
    }

    fn new(origin: &Origin<'_>, scope: Scope, asked: Value) -> Self {
        let (scope, member) = match scope {
            Scope::Task => ("task", "task"),
            Scope::Function => ("function", "function"),
        };
        let engine = Value::object([
            ("library", cascade_synthesis::library::digest().into()),
            ("snippets", cascade_synthesis::snippets::digest().into()),
            ("templates", cascade_synthesis::templates::digest().into()),
            ("version", env!("CARGO_PKG_VERSION").into()),
        ]);
        let value = Value::object([
            ("_type", "cascade/memory-key/v1".into()),
            ("engine", engine),
            ("log_origin", origin.log_origin.as_str().to_owned().into()),
            ("model", origin.model.unwrap_or_default().into()),
            ("policy_hash", origin.policy_hash.to_hex().into()),
            ("scope", scope.into()),
            (member, asked),
        ]);
        Self(value.to_canonical())
    }

    /// Canonical JSON; private.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether this hit of it is one of those that are checked. Which one of [`SHADOW_EVERY`] hangs on the key, so that
    /// not all entries have theirs at the same time.
    #[must_use]
    pub fn is_checked_at(&self, hit: u64) -> bool {
        let [first, second, ..] = Digest::of(self.0.as_bytes()).0;
        (hit % SHADOW_EVERY + u64::from(u16::from_be_bytes([first, second]))).is_multiple_of(SHADOW_EVERY)
    }

    /// The name in the vault: the hash of the text.
    #[must_use]
    pub fn name(&self) -> String {
        Digest::of(self.0.as_bytes()).to_hex()
    }
}

/// Unicode NFC, without blanks at the ends of lines and blank lines at the ends of the text. Letters, and blanks that
/// may mean something, stay.
fn plain(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| line.trim_end().nfc().collect()).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}
