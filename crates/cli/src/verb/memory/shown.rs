//! `cascade memory show`: where an entry is from, what verifies it, how it was used, what happened to it.

use std::fmt::Display;

use cascade_ledger::{Memory, Reader};
use cascade_receipt::content::Shadow;
use cascade_receipt::digest;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::Value;
use cascade_runtime::memory::{self, Happened, OriginCall, SHADOW_EVERY, Story};

use super::{Standing, find, may_see, members, task_text};
use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BAD, BOLD, Painted};
use crate::verb::grant;
use crate::{output, place, reasons};

/// Everything that is told of one entry.
struct Shown {
    memory: Memory,
    standing: &'static str,
    key: Option<Value>,
    origin: Option<OriginCall>,
    story: Story,
    answer: Option<String>,
}

pub(super) fn show(global: &Global, id: &str) -> Exit {
    let reader = place::reader(global)?;
    let memory = find(&reader, id)?;
    let shown = Shown {
        standing: Standing::look(&reader)?.of(&reader, &memory)?,
        key: memory::key_of(&reader, &memory)?,
        origin: memory::origin_call(&reader, &memory)?,
        story: memory::story(&reader, memory.id)?,
        answer: memory::answer_of(&reader, &memory)?.filter(|_| may_see(&reader, &memory)),
        memory,
    };
    if global.json {
        shown.json(&reader)?;
    } else {
        shown.lines(&reader)?;
    }
    Ok(exit::DONE)
}

impl Shown {
    fn lines(&self, reader: &Reader) -> Result<(), Failure> {
        let line = |name: &str, text: &dyn Display| output::line(format_args!("  {name:<12} {text}"));
        let memory = &self.memory;
        output::line(format_args!("{}  {}", Painted(BOLD, digest::to_hex(&memory.id)), self.standing))?;
        line("task", &output::safe(&task_text(reader, memory)?))?;
        line("until", &memory.expires)?;
        line("learned by", &memory.learned)?;
        line("answer of", &memory.answer)?;
        if let Some(origin) = &self.origin {
            let ran = origin.smoke.as_deref().map(|smoke| format!(", run by {smoke}")).unwrap_or_default();
            let who = named(reader, origin.principal)?;
            let OriginCall { layer, grade, at, .. } = origin;
            line("origin", &format!("{layer}, grade {grade}{ran}, asked by {who} at {at}"))?;
        }
        line("verifier", &self.verifier())?;
        match self.story.last_hit {
            Some((at, receipt)) => {
                line("hits", &format!("{}, the last {receipt} at {at}", self.story.hits))?;
            }
            None => line("hits", &0)?,
        }
        line("shadow", &self.shadow())?;
        for (at, receipt, happened) in &self.story.changes {
            line("history", &format!("{at}  {}  {receipt}", told(happened)))?;
        }
        let gone = "the answer is erased, not yours to see, or its bytes are not those of its receipt";
        match &self.answer {
            Some(answer) => output::line(format_args!("\n{answer}"))?,
            None => output::line(Painted(BAD, gone))?,
        }
        Ok(())
    }

    /// What has to hold at every hit.
    fn verifier(&self) -> String {
        let Some(key) = &self.key else { return "erased".to_owned() };
        let count =
            |of: &Value, name: &str| of.member(name).and_then(Value::as_array).map_or(0, <[Value]>::len);
        let examples = |count| match count {
            0 => "nothing".to_owned(),
            1 => "1 example".to_owned(),
            count => format!("{count} examples"),
        };
        if let Some(function) = key.member("function") {
            return format!("{}, and those of the task that asks", examples(count(function, "calls")));
        }
        let Some(task) = key.member("task") else { return examples(0) };
        let tests = task.member("tests").and_then(Value::as_str).is_some_and(|tests| !tests.is_empty());
        match (tests, count(task, "examples")) {
            (true, 0) => "the tests of the task".to_owned(),
            (true, count) => format!("the tests of the task, and {}", examples(count)),
            (false, count) => examples(count),
        }
    }

    fn shadow(&self) -> String {
        let story = &self.story;
        let [same, differs, nothing] = Shadow::ALL.map(|shadow| story.found(shadow));
        format!(
            "{} checks of one hit in {SHADOW_EVERY}: {same} the same, {differs} different, {nothing} without a program to compare",
            story.shadows.len()
        )
    }

    fn json(self, reader: &Reader) -> Result<(), Failure> {
        let number = |count: usize| Value::from(u32::try_from(count).unwrap_or(u32::MAX));
        let mut members = members(&self.memory, self.standing);
        let mut add = |key: &str, value: Value| members.push((key.to_owned(), value));
        let history = self.story.changes.iter().map(|(at, receipt, happened)| {
            Value::object([
                ("at", at.to_string().into()),
                ("receipt_id", receipt.to_string().into()),
                ("what", told(happened).into()),
            ])
        });
        add("history", Value::Array(history.collect()));
        add("hits", Value::from(u32::try_from(self.story.hits).unwrap_or(u32::MAX)));
        if let Some((_, receipt)) = self.story.last_hit {
            add("last_hit", receipt.to_string().into());
        }
        let found = Shadow::ALL.map(|shadow| (shadow.as_str(), number(self.story.found(shadow))));
        add("shadow", Value::object(found));
        add("verifier", self.verifier().into());
        if let Some(origin) = &self.origin {
            let mut call = vec![
                ("at", origin.at.to_string().into()),
                ("grade", u32::try_from(origin.grade).unwrap_or(u32::MAX).into()),
                ("layer", origin.layer.to_string().into()),
                ("principal", named(reader, origin.principal)?.into()),
            ];
            call.extend(origin.smoke.clone().map(|smoke| ("smoke", smoke.into())));
            add(
                "origin",
                Value::Object(call.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
            );
        }
        if let Some(key) = self.key {
            add("key", key);
        }
        if let Some(answer) = self.answer {
            add("answer", answer.into());
        }
        output::json(&Value::Object(members.into_iter().collect()))?;
        Ok(())
    }
}

fn told(happened: &Happened) -> String {
    match happened {
        Happened::Learned(state) => format!("learned, {}", state.as_str()),
        Happened::Forgotten(codes) => {
            let why: Vec<&str> = codes.iter().map(|code| reasons::code_text(code)).collect();
            format!("forgotten: {}", why.join(", "))
        }
    }
}

fn named(reader: &Reader, principal: PrincipalId) -> Result<String, Failure> {
    Ok(output::safe(&grant::name(reader, principal)?))
}
