//! L1: typed templates over structured specifications.

use std::time::Duration;

use cascade_policy::facts::TaskKind;
use cascade_receipt::content;
use cascade_synthesis::spec::Task;
use cascade_synthesis::templates::{self, Declined, Emitted, OVERLAP_MIN, Spec, overlap};

use super::{Asked, CANDIDATES_MAX, Candidate, Layer, Manifest, Reply, with_asserts};

/// No search, so no budget that matters; what it took is in the receipt.
const BUDGET: Duration = Duration::from_millis(5);
/// What a specification that says everything gives.
const COMPLETE: u8 = 90;
/// What each example gives a chain, up to [`EXAMPLES_MOST`].
const EXAMPLE_POINTS: u8 = 14;
const EXAMPLES_MOST: usize = 4;
/// What each operation behind the first takes away: longer chains fit by chance.
const OPERATION_POINTS: u8 = 6;

/// Typed templates: a function from its signature and examples, a validator from a schema.
#[derive(Debug)]
pub struct Templates {
    manifest: Manifest,
}

impl Templates {
    /// All of them.
    #[must_use]
    pub fn new() -> Self {
        let (layer, kinds) = (content::Layer::L1, vec![TaskKind::Code]);
        Self { manifest: Manifest { behind: layer.clone(), layer, kinds, admit_min: 70, budget: BUDGET } }
    }
}

impl Default for Templates {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for Templates {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn ask(&self, asked: &Asked<'_>) -> Reply {
        let emitted = match (&asked.task.schema, &asked.spec.read) {
            (Some(schema), _) if is_table(schema) => templates::emit(&Spec::Table(schema)),
            (Some(schema), _) => templates::emit(&Spec::JsonSchema(schema)),
            (None, Ok(task)) => templates::emit(&Spec::Task(task)),
            (None, Err(_)) => return Reply::Pass("spec.unread"),
        };
        let emitted = match emitted {
            Ok(emitted) if !emitted.is_empty() => emitted,
            Ok(_) | Err(Declined::NoChain) => return Reply::Pass("template.no_chain"),
            Err(Declined::Overlap) => return Reply::Pass("template.overlap"),
            Err(Declined::Keyword { .. } | Declined::Value { .. }) => {
                return Reply::Pass("template.not_covered");
            }
            Err(Declined::Unreadable { .. }) => return Reply::Pass("template.unreadable"),
            Err(Declined::TooLarge { .. }) => return Reply::Pass("template.too_large"),
        };
        let most = if asked.several { CANDIDATES_MAX } else { 1 };
        Reply::Take(emitted.into_iter().take(most).map(|one| candidate(asked, one)).collect())
    }
}

fn candidate(asked: &Asked<'_>, emitted: Emitted) -> Candidate {
    let (grade, unseen) = match &asked.spec.read {
        _ if asked.task.schema.is_some() => (COMPLETE, COMPLETE),
        Ok(task) => {
            let examples = task.examples.len();
            let unseen = chain_grade(task, examples - task.asserted, &emitted);
            (with_asserts(chain_grade(task, examples, &emitted), unseen), unseen)
        }
        Err(_) => (0, 0),
    };
    // A name that the task gives is the name of the answer.
    match &asked.spec.entry {
        Some(name) if *name != emitted.entry => {
            let source = format!("{}\n\n{name} = {}\n", emitted.python, emitted.entry);
            Candidate { source, entry: Some(name.clone()), grade, unseen, question: None }
        }
        _ => {
            let (source, entry) = (emitted.python, Some(emitted.entry));
            Candidate { source, entry, grade, unseen, question: None }
        }
    }
}

/// A chain was made to fit: what speaks for it is how many examples it fits, how short it is, and that it says what
/// the task says. The published rule, a share of common words, is necessary here and never enough.
fn chain_grade(task: &Task, examples: usize, emitted: &Emitted) -> u8 {
    let common = overlap(&task.description, &emitted.python);
    if common < OVERLAP_MIN {
        return 0;
    }
    let examples = u8::try_from(examples.min(EXAMPLES_MOST)).unwrap_or(0);
    let longer = u8::try_from(emitted.operations.len().saturating_sub(1).min(5)).unwrap_or(5);
    let words = if common >= 0.7 { 30 } else { 20 };
    (EXAMPLE_POINTS * examples + words).saturating_sub(OPERATION_POINTS * longer)
}

/// JSON that names columns, or SQL.
fn is_table(schema: &str) -> bool {
    let text = schema.trim_start();
    !text.starts_with('{') || (text.contains("\"columns\"") && text.contains("\"table\""))
}
