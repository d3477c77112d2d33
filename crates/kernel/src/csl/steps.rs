//! One step of a spec.

use super::fault::Faults;
use super::fields::{Fields, duration_ms, list, map, template};
use super::node::{Data, Node, Place};
use super::read::{
    Approval, Command, FanOut, Http, OnFailure, Retry, Step, SubWorkflow, Subject, TaskOf, Wait, Work,
    is_name,
};

/// Most words of one command.
const ARGV_MAX: usize = 1_024;
/// Most variables of one command, header fields of one call, inputs of one sub-workflow.
const PAIRS_MAX: usize = 64;
/// Most attempts of one step.
const ATTEMPTS_MAX: u64 = 100;
/// How long an approval is waited for, where the step says nothing: a day.
const APPROVAL_MS: u64 = 24 * 3_600_000;
/// The longest wait between two attempts, where the step says nothing: five minutes.
const BACKOFF_MAX_MS: u64 = 300_000;
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

pub(super) fn step(node: &Node, faults: &mut Faults) -> Option<Step> {
    let mut fields = Fields::of(node, "a step", faults)?;
    let place = fields.place;
    let id = fields.required_text("id");
    let title = fields.text("title");
    let needs = fields.optional("needs");
    let when = fields.expression("when");
    let foreach = fields.expression("foreach").map(|(over, place)| FanOut { over, place });
    let timeout_ms = fields.duration_ms("timeout");
    let subject = fields.optional("subject");
    let (retry, on_failure) = (fields.optional("retry"), fields.text("on_failure"));
    let (compensate, reconcile) = (fields.optional("compensate"), fields.optional("reconcile"));
    let work = work(&mut fields);
    fields.finish();
    let id = id.filter(|id| {
        let fits = is_name(id);
        if !fits {
            faults.add(place, format!("`{id}` is no id: lower-case letters, digits and `_`, a letter first"));
        }
        fits
    });
    let on_failure = match on_failure.as_deref() {
        None | Some("abort") => OnFailure::Abort,
        Some("continue") => OnFailure::Continue,
        Some(other) => {
            faults.add(place, format!("`{other}`: after a failure comes `abort` or `continue`"));
            OnFailure::Abort
        }
    };
    let step = Step {
        needs: needs.map(|node| read_needs(node, faults)).unwrap_or_default(),
        retry: retry.map_or_else(once, |node| read_retry(node, faults).unwrap_or_else(once)),
        compensate: compensate.and_then(|node| nested_command(node, "`compensate`", faults)),
        reconcile: reconcile.and_then(|node| nested_command(node, "`reconcile`", faults)),
        subject: subject.and_then(|node| read_subject(node, faults)),
        id: id?,
        title,
        when,
        foreach,
        work: work?,
        timeout_ms,
        on_failure,
        place,
    };
    only_where_it_means_something(&step, faults);
    Some(step)
}

/// A point for people and a wait have no attempts, and nothing to undo; tasks and workflows have limits of their own,
/// and only a command is decided about somebody.
fn only_where_it_means_something(step: &Step, faults: &mut Faults) {
    let kind = step.work.as_str();
    if step.subject.is_some() && !matches!(step.work, Work::Command(_) | Work::Http(_)) {
        faults.add(step.place, format!("a step of kind `{kind}` has no `subject`"));
    }
    if matches!(step.work, Work::Task(_) | Work::Workflow(_)) && step.timeout_ms.is_some() {
        faults.add(step.place, format!("a step of kind `{kind}` has no `timeout`"));
    }
    if !matches!(step.work, Work::Approval(_) | Work::Wait(_)) {
        return;
    }
    let has = [
        ("retry", step.retry.attempts > 1),
        ("timeout", step.timeout_ms.is_some()),
        ("compensate", step.compensate.is_some()),
        ("reconcile", step.reconcile.is_some()),
        ("foreach", step.foreach.is_some()),
    ];
    for (name, _) in has.into_iter().filter(|(_, has)| *has) {
        faults.add(step.place, format!("a step of kind `{kind}` has no `{name}`"));
    }
}

/// Exactly one member says what is done.
fn work(fields: &mut Fields<'_, '_>) -> Option<Work> {
    let kinds =
        ["run", "task", "approval", "workflow", "http", "wait"].map(|name| (name, fields.optional(name)));
    // These belong to `run` alone and stand beside it.
    let (cwd, env, stdin) = (fields.template("cwd"), fields.optional("env"), fields.template("stdin"));
    let mut there = kinds.into_iter().filter_map(|(name, node)| Some((name, node?)));
    let Some((name, node)) = there.next() else {
        let place = fields.place;
        fields.faults.add(place, "a step needs one of run, task, approval, workflow, http, wait");
        return None;
    };
    if let Some((other, node)) = there.next() {
        fields.faults.add(node.place, format!("a step does one thing, not `{name}` and `{other}`"));
        return None;
    }
    if name != "run" && (cwd.is_some() || env.is_some() || stdin.is_some()) {
        fields.faults.add(node.place, "`cwd`, `env` and `stdin` belong to `run`");
    }
    let faults = &mut *fields.faults;
    Some(match name {
        "run" => {
            let env = env.map(|node| pairs(node, "env", is_variable, faults)).unwrap_or_default();
            Work::Command(Command { argv: argv(node, faults)?, cwd, env, stdin })
        }
        "task" => Work::Task(task(node, faults)?),
        "approval" => Work::Approval(approval(node, faults)?),
        "workflow" => Work::Workflow(workflow(node, faults)?),
        "http" => Work::Http(http(node, faults)?),
        _ => Work::Wait(wait(node, faults)?),
    })
}

fn argv(node: &Node, faults: &mut Faults) -> Option<Vec<super::Template>> {
    if let Data::Str(text) = &node.data {
        let words: Vec<String> = text.split_whitespace().map(|word| format!("\"{word}\"")).collect();
        let list = words.join(", ");
        faults.add(node.place, format!("a command is a list of words, never a line for a shell: [{list}]"));
        return None;
    }
    let items = list(node, "run", ARGV_MAX, faults)?;
    if items.is_empty() {
        faults.add(node.place, "a command has at least a program");
        return None;
    }
    Some(items.iter().filter_map(|item| template(item, faults)).collect())
}

/// A command in a map of its own: `{run: […], cwd: …}`.
fn nested_command(node: &Node, what: &'static str, faults: &mut Faults) -> Option<Command> {
    let mut fields = Fields::of(node, what, faults)?;
    let run = fields.required("run");
    let (cwd, env, stdin) = (fields.template("cwd"), fields.optional("env"), fields.template("stdin"));
    fields.finish();
    let env = env.map(|node| pairs(node, "env", is_variable, faults)).unwrap_or_default();
    Some(Command { argv: argv(run?, faults)?, cwd, env, stdin })
}

fn pairs(
    node: &Node,
    name: &str,
    is_key: fn(&str) -> bool,
    faults: &mut Faults,
) -> Vec<(String, super::Template)> {
    let mut read = Vec::new();
    for (key, place, value) in map(node, name, PAIRS_MAX, faults).unwrap_or_default() {
        if !is_key(key) {
            faults.add(place, format!("`{key}` cannot be a name in `{name}`"));
        }
        if let Some(template) = template(value, faults) {
            read.push((key.to_owned(), template));
        }
    }
    read
}

fn is_variable(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty()
        && name.len() <= 128
        && name.bytes().all(fits)
        && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// A token of RFC 9110 section 5.6.2.
fn is_header(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.len() <= 128 && name.bytes().all(fits)
}

fn task(node: &Node, faults: &mut Faults) -> Option<TaskOf> {
    let mut fields = Fields::of(node, "`task`", faults)?;
    let text = fields.required("text");
    let task = (
        fields.text("signature"),
        fields.texts("examples", 256).unwrap_or_default(),
        fields.text("tests"),
        fields.text("kind"),
        fields.text("max_layer"),
        fields.text("evidence"),
    );
    let place = fields.place;
    fields.finish();
    let (signature, examples, tests, kind, max_layer, evidence) = task;
    let structured = signature.is_some() || tests.is_some() || !examples.is_empty();
    let is_code = kind.as_deref().map_or(structured, |kind| kind == "code");
    if !is_code && evidence.as_deref().is_some_and(|least| least != "proposed") {
        faults.add(
            place,
            "only code is ever more than proposed: what a command or a model says cannot be checked",
        );
    }
    let mut one_of = |name: &str, word: &Option<String>, known: &[&str]| {
        if let Some(word) = word.as_ref().filter(|word| !known.contains(&word.as_str())) {
            faults.add(place, format!("`{word}` is no {name}; there are {}", known.join(", ")));
        }
    };
    one_of("kind", &kind, &["code", "cli", "ask"]);
    one_of("layer", &max_layer, &["L1", "L2", "L3", "L4", "L5", "L6", "L6.5", "L7"]);
    one_of("evidence", &evidence, &["proposed", "checked", "verified"]);
    Some(TaskOf { text: template(text?, faults)?, signature, examples, tests, kind, max_layer, evidence })
}

fn approval(node: &Node, faults: &mut Faults) -> Option<Approval> {
    let mut fields = Fields::of(node, "`approval`", faults)?;
    let text = fields.required("text");
    let groups = fields.texts("groups", 32).unwrap_or_default();
    let required = fields.number("required", 1, 16).unwrap_or(1);
    let expires_ms = fields.duration_ms("expires").unwrap_or(APPROVAL_MS);
    let signature = fields.truth("signature").unwrap_or(false);
    fields.finish();
    if groups.is_empty() {
        faults.add(node.place, "`approval` names the groups whose members may answer: `groups: [admins]`");
    }
    let required = u32::try_from(required).unwrap_or(1);
    Some(Approval { text: template(text?, faults)?, groups, required, expires_ms, signature })
}

fn workflow(node: &Node, faults: &mut Faults) -> Option<SubWorkflow> {
    let mut fields = Fields::of(node, "`workflow`", faults)?;
    let (file, spec_hash) = (fields.required_text("file"), fields.required_text("spec_hash"));
    let inputs = fields.optional("inputs");
    fields.finish();
    let is_hash = |text: &str| {
        text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
    };
    if spec_hash.as_deref().is_some_and(|text| !is_hash(text)) {
        faults.add(node.place, "`spec_hash` is what `cascade spec hash FILE` prints");
    }
    let mut bound = Vec::new();
    if let Some(node) = inputs {
        for (name, _, value) in map(node, "inputs", PAIRS_MAX, faults).unwrap_or_default() {
            let source = super::fields::text(value, faults);
            let Some(source) = source else { continue };
            match super::Expression::compile(source.trim()) {
                Ok(expression) => bound.push((name.to_owned(), expression, value.place)),
                Err(message) => faults.add(value.place, message),
            }
        }
    }
    Some(SubWorkflow { file: file?, spec_hash: spec_hash?, inputs: bound })
}

fn http(node: &Node, faults: &mut Faults) -> Option<Http> {
    let mut fields = Fields::of(node, "`http`", faults)?;
    let method = fields.text("method").unwrap_or_else(|| "GET".to_owned());
    let url = fields.required("url");
    let (headers, body) = (fields.optional("headers"), fields.template("body"));
    let status = fields.optional("status");
    fields.finish();
    if !METHODS.contains(&method.as_str()) {
        faults.add(node.place, format!("`{method}` is no method; there are {}", METHODS.join(", ")));
    }
    let url = template(url?, faults)?;
    let has_scheme = ["http://", "https://", "${"].iter().any(|start| url.source().starts_with(start));
    if !has_scheme {
        faults.add(node.place, "`url` begins with http:// or https://");
    }
    let headers = headers.map(|node| pairs(node, "headers", is_header, faults)).unwrap_or_default();
    let status = status.map(|node| read_status(node, faults)).unwrap_or_default();
    Some(Http { method, url, headers, body, status })
}

fn read_status(node: &Node, faults: &mut Faults) -> Vec<u16> {
    let mut codes = Vec::new();
    for item in list(node, "status", 32, faults).unwrap_or_default() {
        match item.data {
            Data::Int(code) if (100..600).contains(&code) => codes.extend(u16::try_from(code)),
            _ => faults.add(item.place, "a status code is a number from 100 to 599"),
        }
    }
    codes
}

fn wait(node: &Node, faults: &mut Faults) -> Option<Wait> {
    if matches!(node.data, Data::Str(_)) {
        return duration_ms(node, faults).map(Wait::For);
    }
    let mut fields = Fields::of(node, "`wait`", faults)?;
    let until = fields.required("until");
    fields.finish();
    Some(Wait::Until(template(until?, faults)?))
}

fn read_subject(node: &Node, faults: &mut Faults) -> Option<Subject> {
    let mut fields = Fields::of(node, "`subject`", faults)?;
    let (person, matter) = (fields.required("person"), fields.template("matter"));
    fields.finish();
    Some(Subject { person: template(person?, faults)?, matter })
}

fn read_needs(node: &Node, faults: &mut Faults) -> Vec<(String, Place)> {
    let items = list(node, "needs", super::STEPS_MAX, faults).unwrap_or_default();
    items.iter().filter_map(|item| Some((super::fields::text(item, faults)?, item.place))).collect()
}

const fn once() -> Retry {
    Retry { attempts: 1, backoff_ms: 1_000, factor: 2, backoff_max_ms: BACKOFF_MAX_MS }
}

fn read_retry(node: &Node, faults: &mut Faults) -> Option<Retry> {
    let mut fields = Fields::of(node, "`retry`", faults)?;
    if fields.required("attempts").is_none() {
        fields.finish();
        return None;
    }
    let attempts = fields.number("attempts", 1, ATTEMPTS_MAX).unwrap_or(1);
    let retry = Retry {
        attempts: u32::try_from(attempts).unwrap_or(1),
        backoff_ms: fields.duration_ms("backoff").unwrap_or(1_000),
        factor: u32::try_from(fields.number("factor", 1, 10).unwrap_or(2)).unwrap_or(2),
        backoff_max_ms: fields.duration_ms("backoff_max").unwrap_or(BACKOFF_MAX_MS),
    };
    fields.finish();
    Some(retry)
}
