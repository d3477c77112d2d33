//! A task in words, and the model that is asked about it.

use std::collections::BTreeMap;

use cascade_receipt::decision::RiskTier;
use cascade_receipt::digest::Digest;
use cascade_receipt::json::{INT_MAX, Value};

use super::FactsFault;
use super::read::Members;
use crate::resource::{Resource, ResourceKind};
use crate::worker::{Classification, Classified};

/// Bytes of everything that a task says together.
pub const TASK_BYTES_MAX: usize = 1024 * 1024;
/// Most examples of one task.
pub const TASK_EXAMPLES_MAX: usize = 256;

/// What policies call the program behind a task, and its subcommand.
const TASK: (&str, &str) = ("cascade", "task");
/// What policies call the program behind a question to a model; its subcommand is the provider.
const MODEL: &str = "model";

/// What is wanted of the router.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TaskKind {
    /// A program text.
    Code,
    /// A command that is run.
    Cli,
    /// An answer in words.
    Ask,
}

impl TaskKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Code, Self::Cli, Self::Ask];

    /// The word in JSON and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Cli => "cli",
            Self::Ask => "ask",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A task for the router. What is compared, remembered and decided on is exactly this.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    /// What is wanted.
    pub kind: TaskKind,
    /// In words.
    pub text: String,
    /// The function that is wanted, as a `def` line.
    pub signature: Option<String>,
    /// Calls and their results: `f(1) == 2`.
    pub examples: Vec<String>,
    /// The caller's tests, as a program text.
    pub tests: Option<String>,
    /// A JSON Schema or table schema, as text.
    pub schema: Option<String>,
    /// The last layer that may be asked.
    pub max_layer: String,
    /// Tools that a model is offered.
    pub tools: Vec<String>,
    /// The model that is asked, where that is what is decided.
    pub model: Option<AskedModel>,
}

/// A question to a language model: private bytes leave, and it costs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AskedModel {
    /// Who runs it: `anthropic`, `openai`, `ollama` …
    pub provider: String,
    /// Its name there.
    pub name: String,
    /// Where the question goes.
    pub host: String,
    /// The host is this machine.
    pub local: bool,
    /// Tokens that it can cost at most.
    pub tokens: u64,
    /// Millionths of a dollar that it can cost at most.
    pub microusd: u64,
    /// SHA-256 of what is sent, where that is a request of the caller's own and not made of the task.
    pub request: Option<Digest>,
}

impl Task {
    /// Bytes of everything that it says.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let optional = [&self.signature, &self.tests, &self.schema].into_iter().flatten().map(String::len);
        self.text.len() + self.examples.iter().map(String::len).sum::<usize>() + optional.sum::<usize>()
    }

    /// Nothing is asked for.
    fn says_nothing(&self) -> bool {
        let stated = [&self.signature, &self.tests, &self.schema].into_iter().flatten().next().is_some();
        !stated && self.examples.is_empty() && self.text.trim().is_empty()
    }

    /// What it is, for the gates: a task is a call of `cascade task`; with a model it is that, and a call of `model`.
    pub(crate) fn classification(&self) -> Classification {
        let mut commands = vec![called(TASK.0, TASK.1, vec![self.kind.as_str().to_owned()], RiskTier::Low)];
        if let Some(model) = &self.model {
            // What leaves the machine cannot be taken back.
            let tier = if model.local { RiskTier::Low } else { RiskTier::Medium };
            let mut call = called(MODEL, &model.provider, vec![model.name.clone()], tier);
            call.resources.push(Resource { kind: ResourceKind::Host, name: model.host.clone() });
            commands.push(call);
        }
        Classification {
            tier: commands.iter().map(|command| command.tier).max().unwrap_or(RiskTier::Low),
            classified: true,
            refused: (self.says_nothing()
                || self.bytes() > TASK_BYTES_MAX
                || self.examples.len() > TASK_EXAMPLES_MAX)
                .then(|| "task".to_owned()),
            failfast: Vec::new(),
            commands,
            stdin_executes: false,
            obeyed: Vec::new(),
        }
    }

    /// The member `kind` of the action.
    pub(crate) const fn action_kind(&self) -> &'static str {
        if self.model.is_some() { MODEL } else { TASK.1 }
    }

    /// The member `task`, and `model` where there is one.
    pub(super) fn add_to(&self, members: &mut BTreeMap<String, Value>) {
        members.insert("task".to_owned(), self.to_json());
        if let Some(model) = &self.model {
            members.insert("model".to_owned(), model.to_json());
        }
    }

    /// What it says, without the model.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut members = BTreeMap::from([
            ("kind".to_owned(), self.kind.as_str().into()),
            ("max_layer".to_owned(), self.max_layer.as_str().into()),
            ("text".to_owned(), self.text.as_str().into()),
        ]);
        if !self.examples.is_empty() {
            let examples = self.examples.iter().map(|one| one.as_str().into()).collect();
            members.insert("examples".to_owned(), Value::Array(examples));
        }
        if !self.tools.is_empty() {
            let tools = self.tools.iter().map(|one| one.as_str().into()).collect();
            members.insert("tools".to_owned(), Value::Array(tools));
        }
        for (key, text) in [("schema", &self.schema), ("signature", &self.signature), ("tests", &self.tests)]
        {
            if let Some(text) = text {
                members.insert(key.to_owned(), text.as_str().into());
            }
        }
        Value::Object(members)
    }

    /// Reads what [`Task::to_json`] wrote.
    ///
    /// # Errors
    /// [`FactsFault`].
    pub fn read(task: &Value) -> Result<Self, FactsFault> {
        Self::from_json(task, None)
    }

    pub(super) fn from_json(task: &Value, model: Option<&Value>) -> Result<Self, FactsFault> {
        let mut members = Members::of("task", task)?;
        let mut text = |key: &'static str| members.optional_parsed(key, |text| Some(text.to_owned()));
        let (signature, tests, schema) = (text("signature")?, text("tests")?, text("schema")?);
        let examples = match members.optional("examples") {
            Some(examples) => texts(examples).ok_or(FactsFault::Malformed("examples"))?,
            None => Vec::new(),
        };
        let tools = match members.optional("tools") {
            Some(tools) => texts(tools).ok_or(FactsFault::Malformed("tools"))?,
            None => Vec::new(),
        };
        let found = Self {
            kind: members.parsed("kind", TaskKind::parse)?,
            text: members.text("text")?.to_owned(),
            signature,
            examples,
            tests,
            schema,
            max_layer: members.text("max_layer")?.to_owned(),
            tools,
            model: model.map(AskedModel::from_json).transpose()?,
        };
        members.end()?;
        Ok(found)
    }
}

impl AskedModel {
    fn to_json(&self) -> Value {
        let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(INT_MAX).min(INT_MAX));
        let mut members = BTreeMap::from([
            ("host".to_owned(), self.host.as_str().into()),
            ("local".to_owned(), self.local.into()),
            ("microusd".to_owned(), number(self.microusd)),
            ("name".to_owned(), self.name.as_str().into()),
            ("provider".to_owned(), self.provider.as_str().into()),
            ("tokens".to_owned(), number(self.tokens)),
        ]);
        // Absent where there is none, so that such actions keep their hash.
        if let Some(request) = &self.request {
            members.insert("request".to_owned(), request.to_hex().into());
        }
        Value::Object(members)
    }

    fn from_json(value: &Value) -> Result<Self, FactsFault> {
        let mut members = Members::of("model", value)?;
        let found = Self {
            provider: members.text("provider")?.to_owned(),
            name: members.text("name")?.to_owned(),
            host: members.text("host")?.to_owned(),
            local: members.truth("local")?,
            tokens: members.number("tokens")?,
            microusd: members.number("microusd")?,
            request: members.optional_parsed("request", Digest::from_hex)?,
        };
        members.end()?;
        Ok(found)
    }
}

/// One spelling: absent where there are none.
fn texts(value: &Value) -> Option<Vec<String>> {
    let items = value.as_array()?.iter();
    let texts: Vec<String> = items.map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>()?;
    (!texts.is_empty()).then_some(texts)
}

/// A call that is no command line.
pub(super) fn called(program: &str, subcommand: &str, rest: Vec<String>, tier: RiskTier) -> Classified {
    let mut words = vec![program.to_owned(), subcommand.to_owned()];
    words.extend(rest);
    Classified {
        words,
        program: program.to_owned(),
        subcommand: subcommand.to_owned(),
        tier,
        classified: true,
        findings: Vec::new(),
        resources: Vec::new(),
        sought: Vec::new(),
    }
}
