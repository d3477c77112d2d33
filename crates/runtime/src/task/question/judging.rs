//! What is sent to a model, and what its answer is worth.

use cascade_policy::facts::{Task, TaskKind};
use cascade_receipt::content::{Evidence, Layer as LayerName};

use super::{Question, tools};
use crate::layer::Candidate;
use crate::model::code::code;
use crate::model::{Finish, Prompt, Reply};
use crate::task::Answer;
use crate::task::trial::{self, Trial};

const CODE: &str = "You write Python. Answer with one fenced block that holds the whole source text of what is asked \
                    for, imports included, and nothing else. No tests, no examples, no printing.";
const ASK: &str = "Answer the question directly and briefly.";

impl Question<'_, '_> {
    /// What an answer is worth, or why it is not taken.
    pub(super) fn judged(&self, reply: &Reply) -> Result<Answer, (&'static str, Option<String>)> {
        // The beginning of an answer is none.
        if reply.finish == Finish::Length {
            return Err(("model.cut", Some("the answer was longer than it may be".to_owned())));
        }
        let (text, evidence, smoke) = if self.of.request.task.kind == TaskKind::Code {
            let source = code(&reply.text, &["python", "py", "python3"], looks_like_code)
                .map_err(|error| ("model.no_code", Some(error.to_string())))?;
            let source = source.to_owned();
            let candidate = Candidate { source, entry: None, grade: 0, unseen: 0, question: None };
            let tests = self.of.request.task.tests.as_deref();
            let Trial { evidence, backend, proves, fault, gave, .. } =
                trial::run(&self.of.router.smoke, &self.of.spec, &candidate, tests);
            let evidence = evidence.ok_or((fault.unwrap_or("smoke.failed"), gave))?;
            // Nothing but the tests speaks for it.
            let evidence = if proves { evidence } else { evidence.min(Evidence::Checked) };
            (candidate.source, evidence, backend)
        } else {
            if reply.text.trim().is_empty() {
                return Err(("model.empty", None));
            }
            (reply.text.clone(), Evidence::Proposed, None)
        };
        let grade = match evidence {
            Evidence::Verified => 100,
            Evidence::Checked => 50,
            Evidence::Proposed => 20,
        };
        Ok(Answer { text, layer: LayerName::L7, evidence, grade, smoke, question: None })
    }
}

pub(super) fn prompt(task: &Task) -> Prompt {
    let mut user = task.text.trim().to_owned();
    if let Some(signature) = &task.signature {
        user.push_str(&format!("\n\nThe function: {signature}"));
    }
    if !task.examples.is_empty() {
        user.push_str("\n\nIt must hold that:");
        for example in &task.examples {
            user.push_str(&format!("\n{example}"));
        }
    }
    if let Some(schema) = &task.schema {
        user.push_str(&format!("\n\nThe schema:\n{schema}"));
    }
    let system = if task.kind == TaskKind::Code { CODE } else { ASK };
    let tools = tools::offered(task);
    let more = if tools.is_empty() { "" } else { tools::SYSTEM };
    let takes_invented = !tools.is_empty();
    Prompt { system: format!("{system}{more}"), user, tools, turns: Vec::new(), takes_invented }
}

/// The question once more, with the answer that was not taken and why.
pub(super) fn again(question: &str, answer: &str, why: &str) -> String {
    /// Bytes of an answer that are shown to the model again.
    const SHOWN_MAX: usize = 8 * 1024;
    let end = (0..=answer.len().min(SHOWN_MAX)).rev().find(|at| answer.is_char_boundary(*at)).unwrap_or(0);
    let answer = answer.get(..end).unwrap_or_default();
    format!(
        "{question}\n\nThis answer was wrong:\n{answer}\n\nIt failed so: {why}\nGive the whole corrected source text."
    )
}

fn looks_like_code(text: &str) -> bool {
    let first = text.trim_start();
    ["def ", "import ", "from ", "class ", "@", "async def "].iter().any(|word| first.starts_with(word))
}
