//! What was typed, or stands on a line of a batch, as a task.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use cascade_policy::facts::{TASK_BYTES_MAX, TASK_EXAMPLES_MAX, Task, TaskKind};
use cascade_receipt::content::Layer;
use serde_json::Value;

use super::TaskArgs;
use super::members::Members;
use crate::exit::Failure;

pub(super) fn layer(text: &str) -> Result<String, String> {
    match Layer::parse(text) {
        Some(Layer::Ext(_)) | None => Err("one of L1, L2, L3, L4, L5, L6, L6.5, L7".to_owned()),
        Some(layer) => Ok(layer.to_string()),
    }
}

pub(super) fn kind(text: &str) -> Result<String, String> {
    TaskKind::parse(text).map(|kind| kind.as_str().to_owned()).ok_or_else(|| "code, cli or ask".to_owned())
}

/// A call and its result.
pub(super) fn example(text: &str) -> Result<String, String> {
    let (call, result) = text.split_once("==").unwrap_or((text, ""));
    if call.trim().is_empty() || result.trim().is_empty() {
        return Err("a call, ==, and its result: f([1, 2]) == 3".to_owned());
    }
    Ok(text.to_owned())
}

/// A task as it was stated.
pub(super) struct Stated {
    /// What is wanted; of which kind is said by `kind`.
    pub(super) task: Task,
    /// Of which kind, where the caller says so.
    pub(super) kind: Option<TaskKind>,
}

/// The task on the command line.
pub(super) fn task(args: &TaskArgs) -> Result<Stated, Failure> {
    let stated = &args.stated;
    let file = |path: Option<&Path>| path.map(text_of).transpose();
    let (tests, schema) = (file(stated.tests.as_deref())?, file(stated.schema.as_deref())?);
    let structured =
        stated.signature.is_some() || !stated.example.is_empty() || tests.is_some() || schema.is_some();
    if args.text.is_none() && !structured {
        return Err(Failure::usage(
            "say what is wanted: in words, or by --signature with --example, or --schema",
        )
        .hint("cascade task --help has examples"));
    }
    let text = args.text.clone().unwrap_or_default();
    // Tools are for whoever answers in words.
    let asks = (!args.tools.is_empty()).then_some(TaskKind::Ask);
    let kind = stated.kind.as_deref().and_then(TaskKind::parse).or(asks);
    if asks.is_some() && (structured || kind != asks) {
        return Err(Failure::usage("a model is offered tools only with a question")
            .hint("leave --tools out, or ask in words with --kind ask"));
    }
    let task = bounded(Task {
        kind: TaskKind::Ask,
        text,
        signature: stated.signature.clone(),
        examples: stated.example.clone(),
        tests,
        schema,
        max_layer: args.max_layer.clone().unwrap_or_else(|| Layer::L7.to_string()),
        tools: args.tools.clone(),
        model: None,
    });
    Ok(Stated { task, kind })
}

/// Members of a batch's line.
const KNOWN: [&str; 8] = ["id", "text", "kind", "signature", "examples", "tests", "schema", "max_layer"];

/// A line of a batch as a task, or what is wrong with it.
pub(super) fn line(members: &Members<'_>, max_layer: Option<&str>) -> Result<Stated, String> {
    if let Some(twice) = members.twice() {
        return Err(format!("`{twice}` stands there twice"));
    }
    let value = Value::Object(members.values()?);
    let members = value.as_object().ok_or("a line is a JSON object")?;
    if let Some(unknown) = members.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!("`{unknown}` is not known; there are {}", KNOWN.join(", ")));
    }
    let text = |key: &str| -> Result<Option<String>, String> {
        match value.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(format!("`{key}` is a text")),
        }
    };
    let examples = match value.get("examples") {
        None | Some(Value::Null) => Vec::new(),
        Some(list) => {
            let items = list.as_array().ok_or("`examples` is a list of texts")?.iter();
            let one = |item: &Value| example(item.as_str().ok_or("`examples` is a list of texts")?);
            items.map(one).collect::<Result<_, _>>()?
        }
    };
    let (signature, tests, schema) = (text("signature")?, text("tests")?, text("schema")?);
    let words = text("text")?.unwrap_or_default();
    let kind = match text("kind")? {
        Some(word) => Some(TaskKind::parse(&word).ok_or("`kind` is code, cli or ask")?),
        None => None,
    };
    let last = match text("max_layer")? {
        Some(word) => layer(&word)?,
        None => max_layer.map_or_else(|| Layer::L7.to_string(), str::to_owned),
    };
    let task = Task {
        kind: TaskKind::Ask,
        text: words,
        signature,
        examples,
        tests,
        schema,
        max_layer: last,
        tools: Vec::new(),
        model: None,
    };
    Ok(Stated { task: bounded(task), kind })
}

/// What is longer than a task may be goes to the gates all the same, which refuse it on record: as much of it as shows
/// that it is too long.
fn bounded(mut task: Task) -> Task {
    task.examples.truncate(TASK_EXAMPLES_MAX + 1);
    let excess = task.bytes().saturating_sub(TASK_BYTES_MAX + 1);
    let keep = task.text.len().saturating_sub(excess);
    let keep = (keep..=task.text.len()).find(|at| task.text.is_char_boundary(*at)).unwrap_or(keep);
    task.text.truncate(keep);
    task
}

/// A file of text, no longer than a task may be.
fn text_of(path: &Path) -> Result<String, Failure> {
    let name = path.display();
    let mut text = String::new();
    let file = File::open(path).with_context(|| format!("couldn't open {name}"))?;
    let limit = TASK_BYTES_MAX as u64 + 1;
    file.take(limit).read_to_string(&mut text).with_context(|| format!("couldn't read {name}"))?;
    if text.len() > TASK_BYTES_MAX {
        return Err(Failure::usage(format!("{name} has more than {TASK_BYTES_MAX} bytes")));
    }
    Ok(text)
}
