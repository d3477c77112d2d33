//! Changes of schedules: who may say what runs while nobody looks.

use std::collections::BTreeMap;

use cascade_receipt::decision::RiskTier;
use cascade_receipt::json::Value;

use super::FactsFault;
use super::read::Members;
use super::task::{TASK_BYTES_MAX, called};
use crate::worker::Classification;

/// What policies call the program; its subcommand is `cron` and the act.
const PROGRAM: &str = "cascade";
/// The member `kind` of the action.
const SCHEDULE: &str = "schedule";

/// A schedule is added, paused, resumed or removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScheduleAct {
    /// Which of them.
    pub act: CronAct,
    /// Name of the schedule.
    pub name: String,
    /// What is added, as canonical JSON; of another change nothing.
    pub definition: Option<String>,
}

/// What can be done with a schedule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CronAct {
    /// It is there from now on.
    Add,
    /// It fires no more until it is resumed.
    Pause,
    /// It fires again.
    Resume,
    /// It is gone.
    Remove,
}

impl CronAct {
    /// Every act.
    pub const ALL: [Self; 4] = [Self::Add, Self::Pause, Self::Resume, Self::Remove];

    /// The word in JSON, and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Remove => "remove",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.as_str() == text)
    }
}

impl ScheduleAct {
    /// What it is, for the gates: a call of `cascade cron add` and the like, and of the rank that its manifest gives it.
    pub(crate) fn classification(&self) -> Classification {
        let subcommand = format!("cron {}", self.act.as_str());
        let bytes = self.name.len() + self.definition.as_ref().map_or(0, String::len);
        Classification {
            tier: RiskTier::High,
            classified: true,
            refused: (bytes > TASK_BYTES_MAX).then(|| SCHEDULE.to_owned()),
            failfast: Vec::new(),
            commands: vec![called(PROGRAM, &subcommand, Vec::new(), RiskTier::High)],
            stdin_executes: false,
            obeyed: Vec::new(),
        }
    }

    /// The member `kind` of the action.
    pub(crate) const fn action_kind() -> &'static str {
        SCHEDULE
    }

    /// The member `schedule`.
    pub(super) fn add_to(&self, members: &mut BTreeMap<String, Value>) {
        members.insert(SCHEDULE.to_owned(), self.to_json());
    }

    /// What it says.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut members = BTreeMap::from([
            ("act".to_owned(), self.act.as_str().into()),
            ("name".to_owned(), self.name.as_str().into()),
        ]);
        if let Some(definition) = &self.definition {
            members.insert("definition".to_owned(), definition.as_str().into());
        }
        Value::Object(members)
    }

    pub(super) fn from_json(value: &Value) -> Result<Self, FactsFault> {
        let mut members = Members::of(SCHEDULE, value)?;
        let found = Self {
            definition: members.optional_parsed("definition", |text| Some(text.to_owned()))?,
            act: members.parsed("act", CronAct::parse)?,
            name: members.text("name")?.to_owned(),
        };
        members.end()?;
        Ok(found)
    }
}
