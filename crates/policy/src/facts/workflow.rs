//! What a decision may know of the specification that an action belongs to, and what a workflow does by itself.

use std::collections::BTreeMap;

use cascade_receipt::decision::RiskTier;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::Value;

use super::FactsFault;
use super::read::{Members, terms as read_terms};
use super::task::{TASK_BYTES_MAX, called};
use super::write::{terms as write_terms, words as write_words};
use crate::decide::EscalationTerms;
use crate::worker::Classification;

/// What policies call the program behind what a workflow does by itself; its subcommand is `spec` and the act, so that
/// who may begin a run is not who may say what became of a step.
const PROGRAM: &str = "cascade";
/// The member `kind` of the action.
const WORKFLOW: &str = "workflow";

/// The specification that an action belongs to, already compared with the run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spec {
    /// `spec_hash`.
    pub hash: Digest,
    /// Registered people whose signatures over it verify.
    pub signers: Vec<Signer>,
    /// The same of each specification whose run this one belongs to, from the nearest.
    pub callers: Vec<Vec<Signer>>,
    /// What was loaded has the hash that the run was started with.
    pub pinned: bool,
    /// It holds a step with this action, or the action is the start of a run of it.
    pub has_step: bool,
    /// The run has not ended.
    pub open: bool,
    /// How far its steps may go.
    pub limits: SpecLimits,
    /// Whom an approval point asks.
    pub approval: Option<EscalationTerms>,
}

/// Somebody who signed a specification.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signer {
    /// The registered person.
    pub principal: PrincipalId,
    /// Groups, by name.
    pub groups: Vec<String>,
    /// Belongs to the group `admins` as well.
    pub admin: bool,
}

/// The constraints of a specification that the gates hold its steps to.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SpecLimits {
    /// The highest tier.
    pub max_tier: Option<RiskTier>,
    /// The programs that may run; any where it is not said.
    pub workers: Option<Vec<String>>,
    /// Packs that must be active.
    pub packs: Vec<String>,
    /// Groups whose members may start a run; empty: whom the policy admits.
    pub starters: Vec<String>,
}

/// What a workflow does that is not the work of a program: it begins, asks people, waits, and is settled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkflowAct {
    /// Which of them.
    pub act: Act,
    /// Name of the specification.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its hash.
    pub spec_hash: Digest,
    /// Id of the step, where it is about one.
    pub step: Option<String>,
    /// What is asked, or why.
    pub text: String,
    /// The inputs of a start, as canonical JSON.
    pub inputs: Option<String>,
    /// The step of another run that a run is started for.
    pub caller: Option<Caller>,
}

/// The step of a run that starts another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The `chain_started` of that run.
    pub run: ReceiptId,
    /// The position of the step in its specification.
    pub at: u64,
    /// The position in the fan-out.
    pub item: u64,
    /// Which try it is, from 1.
    pub attempt: u64,
}

impl Caller {
    fn to_json(self) -> Value {
        let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        Value::object([
            ("at", number(self.at)),
            ("attempt", number(self.attempt)),
            ("item", number(self.item)),
            ("run", self.run.to_string().into()),
        ])
    }

    /// Reads what an action says of it.
    ///
    /// # Errors
    /// [`FactsFault`].
    pub fn read(value: &Value) -> Result<Self, FactsFault> {
        let mut members = Members::of("caller", value)?;
        let caller = Self {
            run: members.parsed("run", ReceiptId::parse)?,
            at: members.number("at")?,
            item: members.number("item")?,
            attempt: members.number("attempt")?,
        };
        members.end()?;
        Ok(caller)
    }
}

/// What a workflow does by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Act {
    /// A run begins.
    Start,
    /// People are asked whether it goes on.
    Approval,
    /// Time, or something outside, is waited for.
    Wait,
    /// Somebody says what became of a step that nobody knew of.
    Settle,
}

impl Act {
    /// Every act.
    pub const ALL: [Self; 4] = [Self::Start, Self::Approval, Self::Wait, Self::Settle];

    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Approval => "approval",
            Self::Wait => "wait",
            Self::Settle => "settle",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.as_str() == text)
    }
}

impl WorkflowAct {
    /// Bytes of everything that it says.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let optional = [&self.step, &self.inputs].into_iter().flatten().map(String::len);
        self.name.len() + self.version.len() + self.text.len() + optional.sum::<usize>()
    }

    /// What it is, for the gates: a call of `cascade spec start` and the like.
    pub(crate) fn classification(&self) -> Classification {
        let subcommand = format!("spec {}", self.act.as_str());
        Classification {
            tier: RiskTier::Low,
            classified: true,
            refused: (self.bytes() > TASK_BYTES_MAX).then(|| WORKFLOW.to_owned()),
            failfast: Vec::new(),
            commands: vec![called(PROGRAM, &subcommand, Vec::new(), RiskTier::Low)],
            stdin_executes: false,
            obeyed: Vec::new(),
        }
    }

    /// The member `kind` of the action.
    pub(crate) const fn action_kind() -> &'static str {
        WORKFLOW
    }

    /// The member `workflow`.
    pub(super) fn add_to(&self, members: &mut BTreeMap<String, Value>) {
        members.insert(WORKFLOW.to_owned(), self.to_json());
    }

    /// What it says.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut members = BTreeMap::from([
            ("act".to_owned(), self.act.as_str().into()),
            ("name".to_owned(), self.name.as_str().into()),
            ("spec_hash".to_owned(), self.spec_hash.to_hex().into()),
            ("text".to_owned(), self.text.as_str().into()),
            ("version".to_owned(), self.version.as_str().into()),
        ]);
        for (key, text) in [("inputs", &self.inputs), ("step", &self.step)] {
            if let Some(text) = text {
                members.insert(key.to_owned(), text.as_str().into());
            }
        }
        if let Some(caller) = self.caller {
            members.insert("caller".to_owned(), caller.to_json());
        }
        Value::Object(members)
    }

    pub(super) fn from_json(value: &Value) -> Result<Self, FactsFault> {
        let mut members = Members::of("workflow", value)?;
        let mut text = |key: &'static str| members.optional_parsed(key, |text| Some(text.to_owned()));
        let (step, inputs) = (text("step")?, text("inputs")?);
        let found = Self {
            act: members.parsed("act", Act::parse)?,
            name: members.text("name")?.to_owned(),
            version: members.text("version")?.to_owned(),
            spec_hash: members.parsed("spec_hash", Digest::from_hex)?,
            step,
            text: members.text("text")?.to_owned(),
            inputs,
            caller: members.optional("caller").map(Caller::read).transpose()?,
        };
        members.end()?;
        Ok(found)
    }
}

impl Spec {
    pub(super) fn to_json(&self) -> Value {
        let signers = self.signers.iter().map(Signer::to_json);
        let mut members = BTreeMap::from([
            ("hash".to_owned(), self.hash.to_hex().into()),
            ("signers".to_owned(), Value::Array(signers.collect())),
            ("pinned".to_owned(), self.pinned.into()),
            ("has_step".to_owned(), self.has_step.into()),
            ("open".to_owned(), self.open.into()),
            ("limits".to_owned(), self.limits.to_json()),
        ]);
        if !self.callers.is_empty() {
            let signed = |signers: &Vec<Signer>| Value::Array(signers.iter().map(Signer::to_json).collect());
            members.insert("callers".to_owned(), Value::Array(self.callers.iter().map(signed).collect()));
        }
        if let Some(terms) = &self.approval {
            members.insert("approval".to_owned(), write_terms(terms));
        }
        Value::Object(members)
    }

    pub(super) fn from_json(value: &Value) -> Result<Self, FactsFault> {
        let mut members = Members::of("spec", value)?;
        let spec = Self {
            hash: members.parsed("hash", Digest::from_hex)?,
            signers: members.list("signers", Signer::from_json)?,
            callers: match value.member("callers") {
                Some(_) => members.list("callers", signers)?,
                None => Vec::new(),
            },
            pinned: members.truth("pinned")?,
            has_step: members.truth("has_step")?,
            open: members.truth("open")?,
            limits: SpecLimits::from_json(members.take("limits")?)?,
            approval: members.optional("approval").map(read_terms).transpose()?,
        };
        members.end()?;
        Ok(spec)
    }
}

/// Who signed one specification.
fn signers(value: &Value) -> Result<Vec<Signer>, FactsFault> {
    let all = value.as_array().unwrap_or_default();
    all.iter().map(Signer::from_json).collect()
}

impl Signer {
    fn to_json(&self) -> Value {
        Value::object([
            ("principal", self.principal.to_string().into()),
            ("groups", write_words(&self.groups)),
            ("admin", self.admin.into()),
        ])
    }

    fn from_json(value: &Value) -> Result<Self, FactsFault> {
        let mut members = Members::of("signers", value)?;
        let signer = Self {
            principal: members.parsed("principal", PrincipalId::parse)?,
            groups: members.words("groups")?,
            admin: members.truth("admin")?,
        };
        members.end()?;
        Ok(signer)
    }
}

impl SpecLimits {
    fn to_json(&self) -> Value {
        let mut members = BTreeMap::from([("packs".to_owned(), write_words(&self.packs))]);
        if let Some(tier) = self.max_tier {
            members.insert("max_tier".to_owned(), tier.as_str().into());
        }
        if let Some(workers) = &self.workers {
            members.insert("workers".to_owned(), write_words(workers));
        }
        if !self.starters.is_empty() {
            members.insert("starters".to_owned(), write_words(&self.starters));
        }
        Value::Object(members)
    }

    fn from_json(value: &Value) -> Result<Self, FactsFault> {
        let mut members = Members::of("limits", value)?;
        let workers = if value.member("workers").is_some() { Some(members.words("workers")?) } else { None };
        let starters =
            if value.member("starters").is_some() { members.words("starters")? } else { Vec::new() };
        let limits = Self {
            starters,
            max_tier: members.optional_parsed("max_tier", RiskTier::parse)?,
            workers,
            packs: members.words("packs")?,
        };
        members.end()?;
        Ok(limits)
    }
}
