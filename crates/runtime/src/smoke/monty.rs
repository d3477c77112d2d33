//! Gate A: the examination in an interpreter written in Rust.
//!
//! Two sessions that share nothing: the *candidate* holds the emitted source, the *examiner* the caller's calls and
//! tests. A call of an emitted function leaves the examiner, is made in the candidate, and comes back as plain data
//! through Rust. So emitted code sees neither the tests nor the names they use, an object whose `__eq__` is always
//! true never arrives, and the worst that a candidate can do is to answer wrongly.

use std::borrow::Cow;
use std::time::Instant;

use monty::{MontyRepl, ReplFunctionCall, ReplProgress, ReplStartError};
use monty_types::{
    AssertMessageAnnotations, CompileOptions, ExcType, MontyException, MontyObject, NameLookupResult,
    PrintWriter, PrintWriterCallback, ResourceLimits, ResourceTracker,
};

use super::exam::{Answers, Sheet, Stop};
use super::limits::{MEMORY_BYTES_MAX, MESSAGE_BYTES_MAX, OUTPUT_BYTES_MAX, RECURSION_MAX};
use super::source::Offers;
use super::{Called, Tested, Worth};

mod candidate;
mod plain;

use candidate::Candidate;

/// Name and version, as answers carry them.
pub(super) fn version() -> String {
    format!("monty {}", monty_types::MONTY_VERSION)
}

type Snippet = Result<ReplProgress, Box<ReplStartError>>;
type Outcome = Result<MontyObject, MontyException>;
/// Names that a text may use, and what they stand for.
type Inputs = Vec<(String, MontyObject)>;

/// Who answers the calls of a text.
enum Asked<'a> {
    /// The emitted source.
    Candidate(&'a mut Candidate),
    /// A function that always gives the same.
    Constant(MontyObject),
}

/// Examines one job.
pub(super) fn examine(sheet: &Sheet, offers: &Offers, deadline: Instant) -> Result<Answers, Stop> {
    let mut exam = Exam { sheet, offers, deadline, printed: Printed(0), doubt: None };
    let mut called = Vec::new();
    for call in &sheet.calls {
        let outcome = exam.call(call)?;
        called.push(match outcome {
            Ok(value) => Called::Value(plain::show(&value)?),
            Err(raised) => Called::Raised(exam.told(&raised)),
        });
    }
    let (tested, worth) = match &sheet.tests {
        Some(tests) => {
            let (tested, worth) = exam.test(tests)?;
            (Some(tested), worth)
        }
        None => (None, None),
    };
    // Code may catch what it is told about that.
    if exam.printed.0 > OUTPUT_BYTES_MAX {
        return Err(Stop::OutputExceeded);
    }
    Ok(Answers { called, tested, worth, doubt: exam.doubt })
}

struct Exam<'a> {
    sheet: &'a Sheet,
    offers: &'a Offers,
    deadline: Instant,
    printed: Printed,
    /// The first exception that may be this interpreter's fault and not the code's.
    doubt: Option<String>,
}

impl Exam<'_> {
    fn call(&mut self, call: &str) -> Result<Outcome, Stop> {
        let mut candidate = match self.candidate()? {
            Ok(candidate) => candidate,
            Err(raised) => return Ok(Err(raised)),
        };
        let examiner = self.examiner(call)?;
        let inputs = self.inputs(&mut candidate, call);
        Ok(self.feed(examiner, call, inputs, &mut Asked::Candidate(&mut candidate))?.1)
    }

    fn test(&mut self, tests: &str) -> Result<(Tested, Option<Worth>), Stop> {
        let mut candidate = match self.candidate()? {
            Ok(candidate) => candidate,
            Err(raised) => return Ok((Tested::Failed(self.told(&raised)), None)),
        };
        let inputs = self.inputs(&mut candidate, tests);
        if let Some(entry) = self.sheet.checks.as_ref().filter(|entry| !self.offers.functions.contains(entry))
        {
            let why = format!("NameError: the source defines no function `{entry}`");
            return Ok((Tested::Failed(why), None));
        }
        Ok(match self.pass_tests(tests, &inputs, &mut Asked::Candidate(&mut candidate))? {
            Ok(_) if candidate.inputs.is_empty() => (Tested::Failed(super::exam::UNCALLED.to_owned()), None),
            Ok(_) => (Tested::Passed, Some(self.weigh(tests, &inputs, candidate))),
            Err(raised) => (Tested::Failed(self.told_with_line(&raised)), None),
        })
    }

    /// Runs the tests, and the `check` that they define.
    fn pass_tests(&mut self, tests: &str, inputs: &Inputs, asked: &mut Asked<'_>) -> Result<Outcome, Stop> {
        let examiner = self.examiner(tests)?;
        let (examiner, outcome) = self.feed(examiner, tests, inputs.clone(), asked)?;
        match (&outcome, &self.sheet.checks) {
            (Ok(_), Some(entry)) => {
                let function = vec![("candidate".to_owned(), external(entry))];
                Ok(self.feed(examiner, "check(candidate)", function, asked)?.1)
            }
            _ => Ok(outcome),
        }
    }

    /// What tests ask that passed. Where it cannot be told whether a constant passes, one does.
    fn weigh(&mut self, tests: &str, inputs: &Inputs, candidate: Candidate) -> Worth {
        let doubt = self.doubt.take();
        let (asked, results) = (candidate.inputs.len(), candidate.results);
        let constant = results.into_iter().chain([MontyObject::None]).any(|result| {
            let outcome = self.pass_tests(tests, inputs, &mut Asked::Constant(result));
            outcome.is_ok_and(|outcome| outcome.is_ok()) || self.deadline <= Instant::now()
        });
        // What a constant raises says nothing of the source.
        self.doubt = doubt;
        Worth { inputs: asked, constant }
    }

    /// A session in which the source has run.
    fn candidate(&mut self) -> Result<Result<Candidate, MontyException>, Stop> {
        let tracker = tracker(self.deadline)?;
        let repl = MontyRepl::new("candidate.py", tracker, options());
        let (repl, raised) = feed_run(repl, &self.sheet.source, &mut self.printed)?;
        match raised {
            None => Ok(Ok(Candidate::new(repl))),
            Some(raised) if raised.exc_type() == ExcType::NotImplementedError => {
                Err(Stop::Unsupported(raised.summary()))
            }
            Some(raised) => Ok(Err(raised)),
        }
    }

    /// A session that knows the source's imports, as far as the text may use them.
    fn examiner(&mut self, text: &str) -> Result<MontyRepl, Stop> {
        let mut repl = MontyRepl::new("tests.py", tracker(self.deadline)?, options());
        let used = |import: &&String| import.split([' ', '.']).any(|word| text.contains(word));
        for import in self.offers.imports.iter().filter(used) {
            // What cannot be imported here is missing later, and that is noticed.
            drop(repl.feed_run(import, Vec::new(), PrintWriter::Disabled));
        }
        Ok(repl)
    }

    /// What the source offers under the names that occur in a text. Values only where they are plain.
    fn inputs(&self, candidate: &mut Candidate, text: &str) -> Inputs {
        let mut inputs = Vec::new();
        for name in self.offers.values.iter().filter(|name| text.contains(name.as_str())) {
            if let Some(value) = candidate.value(name) {
                inputs.push((name.clone(), value));
            }
        }
        let entry = self.sheet.entry.as_ref();
        let seen = |name: &&String| entry == Some(*name) || !super::names::is_builtin(name);
        let functions = self.offers.functions.iter().filter(|name| text.contains(name.as_str())).filter(seen);
        inputs.extend(functions.map(|name| (name.clone(), external(name))));
        inputs
    }

    /// Runs a text of the examiner to its end, making its calls in the candidate.
    fn feed(
        &mut self,
        examiner: MontyRepl,
        text: &str,
        inputs: Inputs,
        asked: &mut Asked<'_>,
    ) -> Result<(MontyRepl, Outcome), Stop> {
        let mut progress = examiner.feed_start(text, inputs, PrintWriter::Callback(&mut self.printed));
        loop {
            progress = match settle(progress, &self.printed)? {
                Settled::Done(examiner, outcome) => return Ok((*examiner, outcome)),
                Settled::Call(call) => self.pass(*call, asked)?,
                Settled::Missing(progress) => *progress,
            };
        }
    }

    fn pass(&mut self, call: ReplFunctionCall, asked: &mut Asked<'_>) -> Result<Snippet, Stop> {
        let outcome = match asked {
            Asked::Candidate(candidate) => candidate.call(&call, self.deadline, &mut self.printed)?,
            Asked::Constant(value) => Ok(value.clone()),
        };
        if let Err(raised) = &outcome {
            self.consider(raised);
        }
        let print = PrintWriter::Callback(&mut self.printed);
        Ok(match outcome {
            Ok(value) => call.resume(value, print),
            Err(raised) => call.resume(MontyException::new(raised.exc_type(), raised.into_message()), print),
        })
    }

    fn told(&mut self, raised: &MontyException) -> String {
        self.consider(raised);
        super::exam::capped(&raised.summary(), MESSAGE_BYTES_MAX)
    }

    fn told_with_line(&mut self, raised: &MontyException) -> String {
        let told = self.told(raised);
        match raised.traceback().last() {
            Some(frame) => format!("line {}: {told}", frame.start.line),
            None => told,
        }
    }

    /// CPython would perhaps not have raised this.
    fn consider(&mut self, raised: &MontyException) {
        let message = raised.message().unwrap_or_default();
        let doubtful = match raised.exc_type() {
            ExcType::AttributeError | ExcType::NotImplementedError | ExcType::RePatternError => true,
            ExcType::TypeError => {
                ["unsupported", "not supported", "does not support", "unexpected keyword", "not slice"]
                    .iter()
                    .any(|part| message.contains(part))
            }
            ExcType::RuntimeError => message.contains("monty"),
            ExcType::NameError => message.split('\'').nth(1).is_some_and(super::names::is_builtin),
            _ => false,
        };
        if doubtful && self.doubt.is_none() {
            self.doubt = Some(super::exam::capped(&raised.summary(), MESSAGE_BYTES_MAX));
        }
    }
}

enum Settled {
    Done(Box<MontyRepl>, Outcome),
    Call(Box<ReplFunctionCall>),
    Missing(Box<Snippet>),
}

fn settle(progress: Snippet, printed: &Printed) -> Result<Settled, Stop> {
    match progress {
        Ok(ReplProgress::Complete { repl, value }) => Ok(Settled::Done(Box::new(repl), Ok(value))),
        Ok(ReplProgress::FunctionCall(call)) if call.object_id.is_none() => Ok(Settled::Call(Box::new(call))),
        Ok(ReplProgress::NameLookup(lookup)) => {
            Ok(Settled::Missing(Box::new(lookup.resume(NameLookupResult::Undefined, PrintWriter::Disabled))))
        }
        Ok(ReplProgress::OsCall(_)) => Err(Stop::Unsupported("the clock or a file".to_owned())),
        Ok(ReplProgress::FunctionCall(_)) => Err(Stop::Unsupported("a call of a foreign object".to_owned())),
        Ok(ReplProgress::ResolveFutures(_)) => Err(Stop::Unsupported("asynchronous code".to_owned())),
        Err(error) => {
            let ReplStartError { repl, error } = *error;
            Ok(Settled::Done(Box::new(repl), Err(stopped(error, printed)?)))
        }
    }
}

/// Runs a text that makes no calls out of its session.
fn feed_run(
    mut repl: MontyRepl,
    text: &str,
    printed: &mut Printed,
) -> Result<(MontyRepl, Option<MontyException>), Stop> {
    match repl.feed_run(text, Vec::new(), PrintWriter::Callback(printed)) {
        Ok(_) => Ok((repl, None)),
        Err(error) => stopped(error, printed).map(|raised| (repl, Some(raised))),
    }
}

/// Tells an exception of the code from a limit that was hit and from what this interpreter cannot do.
fn stopped(error: MontyException, printed: &Printed) -> Result<MontyException, Stop> {
    if printed.0 > OUTPUT_BYTES_MAX {
        return Err(Stop::OutputExceeded);
    }
    let message = error.message().unwrap_or_default();
    match error.exc_type() {
        ExcType::TimeoutError if message.starts_with("time limit exceeded") => Err(Stop::TimedOut),
        ExcType::MemoryError => Err(Stop::MemoryExceeded),
        // The text has been parsed and its imports are on the list.
        ExcType::SyntaxError | ExcType::ImportError | ExcType::ModuleNotFoundError => {
            Err(Stop::Unsupported(error.summary()))
        }
        _ => Ok(error),
    }
}

fn tracker(deadline: Instant) -> Result<ResourceTracker, Stop> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Stop::TimedOut);
    }
    let limits = ResourceLimits::default().max_duration(left).max_memory(MEMORY_BYTES_MAX);
    Ok(ResourceTracker::new(limits.max_recursion_depth(RECURSION_MAX)))
}

fn options() -> CompileOptions {
    // Failed asserts say what CPython says, and nothing of the values expected.
    CompileOptions { assert_message_annotations: AssertMessageAnnotations::Off }
}

fn external(name: &str) -> MontyObject {
    MontyObject::Function { name: name.to_owned(), docstring: None }
}

/// Counts what is printed, and keeps none of it.
#[derive(Debug)]
struct Printed(usize);

impl Printed {
    fn add(&mut self, bytes: usize) -> Result<(), MontyException> {
        self.0 = self.0.saturating_add(bytes);
        if self.0 <= OUTPUT_BYTES_MAX {
            return Ok(());
        }
        Err(MontyException::new(ExcType::MemoryError, Some("printed too much".to_owned())))
    }
}

impl PrintWriterCallback for Printed {
    fn stdout_write(&mut self, output: Cow<'_, str>) -> Result<(), MontyException> {
        self.add(output.len())
    }

    fn stdout_push(&mut self, end: char) -> Result<(), MontyException> {
        self.add(end.len_utf8())
    }
}
