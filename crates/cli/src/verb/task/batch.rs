//! Many tasks, one result line each, in the order of the input.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use anyhow::Context as _;
use cascade_policy::facts::TASK_BYTES_MAX;
use serde_json::{Value, json};

use cascade_receipt::id::ReceiptId;

use super::members::Members;
use super::{Desk, TaskArgs, last, read, untold};
use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::{output, place};
use cascade_runtime::task;

/// Bytes of one line: a task may be written with escapes.
const LINE_BYTES_MAX: u64 = 8 * TASK_BYTES_MAX as u64;
/// Stack of a thread that answers; decisions and searches recurse.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// A line's number and bytes, or why it could not be read.
type Job = (u64, Result<Vec<u8>, String>);

pub(super) fn run(global: &Global, args: &TaskArgs, file: &Path) -> Exit {
    let input: Box<dyn Read + Send> = if file.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(file).with_context(|| format!("couldn't open {}", file.display()))?)
    };
    let ledger = place::ledger(global)?;
    let jobs = usize::from(args.jobs.unwrap_or(1));
    let desk = Desk::open(global, args, &ledger, jobs)?;
    let (sender, receiver) = mpsc::sync_channel::<Job>(jobs);
    let (results, finished) = mpsc::channel();
    // Only those who answer hold the other end: when they are gone, nothing more is read.
    let receiver = Arc::new(Mutex::new(receiver));
    thread::scope(|scope| {
        thread::Builder::new().spawn_scoped(scope, move || feed(BufReader::new(input), &sender))?;
        for _ in 0..jobs {
            let (results, receiver, desk) = (results.clone(), Arc::clone(&receiver), &desk);
            thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, move || {
                loop {
                    let job = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((number, line)) = job else { return };
                    if results.send((number, answered(desk, line))).is_err() {
                        return;
                    }
                }
            })?;
        }
        drop((results, receiver));
        write_in_order(finished)
    })
}

/// Reads lines; one that is too long is told and passed over.
fn feed(mut input: impl io::BufRead, jobs: &mpsc::SyncSender<Job>) {
    for number in 0.. {
        let mut line = Vec::new();
        let read = input.by_ref().take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line);
        let line = match read {
            Ok(0) => return,
            Ok(_) if line.len() as u64 > LINE_BYTES_MAX => {
                if !line.ends_with(b"\n") && input.skip_until(b'\n').is_err() {
                    return;
                }
                Err(format!("the line has more than {LINE_BYTES_MAX} bytes"))
            }
            Ok(_) => Ok(line),
            Err(error) => Err(format!("couldn't read the line: {error}")),
        };
        let broken = line.as_ref().is_err_and(|text| text.starts_with("couldn't"));
        if jobs.send((number, line)).is_err() || broken {
            return;
        }
    }
}

/// A result, and whether the line was a task.
fn answered(desk: &Desk<'_>, line: Result<Vec<u8>, String>) -> (Option<Line>, bool) {
    let line = match line {
        Ok(line) if line.iter().all(u8::is_ascii_whitespace) => return (None, true),
        Ok(line) => line,
        Err(error) => return (Some(failed(None, &error)), false),
    };
    let members = match Members::of(&line) {
        Ok(members) => members,
        Err(error) => return (Some(failed(None, &error)), false),
    };
    let id = members.text("id");
    match read::line(&members, desk.args.max_layer.as_deref()) {
        Err(error) => (Some(failed(id, &error)), false),
        Ok(stated) => match desk.answer(stated) {
            Ok(tasked) => {
                (Some(Line { receipt: last(&tasked), ..Line::of(id, task::document(&tasked)) }), true)
            }
            Err(failure) => (Some(failed(id, &output::causes(&failure.cause))), false),
        },
    }
}

/// A result line, and the receipt that a failure to write it names.
struct Line {
    text: String,
    receipt: Option<ReceiptId>,
}

impl Line {
    /// The id of the task goes back to whoever gave it, to the letter.
    fn of(id: Option<&str>, mut document: Value) -> Self {
        if let Some(members) = document.as_object_mut().filter(|_| id.is_some()) {
            members.remove("id");
        }
        let text = document.to_string();
        let text = match id {
            Some(id) => format!("{{\"id\":{id},{}", text.strip_prefix('{').unwrap_or_default()),
            None => text,
        };
        Self { text, receipt: None }
    }
}

fn failed(id: Option<&str>, message: &str) -> Line {
    Line::of(id, json!({"id": null, "answer": null, "error": {"message": message}}))
}

/// Ends at the first line that nobody reads any more; what is asked by then is answered, nothing else is.
fn write_in_order(finished: mpsc::Receiver<(u64, (Option<Line>, bool))>) -> Result<u8, Failure> {
    let mut waiting = BTreeMap::new();
    let (mut next, mut code) = (0, exit::DONE);
    for (number, result) in finished {
        waiting.insert(number, result);
        while let Some((line, good)) = waiting.remove(&next) {
            if let Some(line) = line
                && !output::json_line(&line.text).map_err(|error| untold(error, line.receipt))?
            {
                return Ok(exit::COULD_NOT);
            }
            if !good {
                code = exit::COULD_NOT;
            }
            next += 1;
        }
    }
    Ok(code)
}
