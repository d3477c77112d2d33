//! The session that holds the emitted source.

use std::collections::BTreeSet;
use std::time::Instant;

use monty::{MontyRepl, ReplFunctionCall};
use monty_types::{MontyException, MontyObject, PrintWriter};

use super::super::limits::{CONSTANTS_MAX, INPUTS_COUNTED_MAX};
use super::{Printed, Stop, plain, stopped};

/// Names that emitted code cannot use: they lead nowhere but to the check of its names.
const ARGUMENTS: &str = "__arguments__";
const KEYWORDS: &str = "__keywords__";
const NAMES: [&str; 2] = [ARGUMENTS, KEYWORDS];

pub(super) struct Candidate {
    repl: MontyRepl,
    /// Different arguments that its functions were called with, as many as are counted.
    pub(super) inputs: BTreeSet<String>,
    /// Different results that they gave, the first few.
    pub(super) results: Vec<MontyObject>,
}

impl Candidate {
    pub(super) fn new(repl: MontyRepl) -> Self {
        Self { repl, inputs: BTreeSet::new(), results: Vec::new() }
    }

    /// What a name stands for, where it is plain.
    pub(super) fn value(&mut self, name: &str) -> Option<MontyObject> {
        let value = self.repl.feed_run(name, Vec::new(), PrintWriter::Disabled).ok()?;
        plain::check(&value).is_ok().then_some(value)
    }

    /// Makes one call; arguments and result are plain.
    pub(super) fn call(
        &mut self,
        call: &ReplFunctionCall,
        deadline: Instant,
        printed: &mut Printed,
    ) -> Result<Result<MontyObject, MontyException>, Stop> {
        if self.inputs.len() < INPUTS_COUNTED_MAX {
            self.inputs.insert(format!("{} {:?} {:?}", call.function_name, call.args, call.kwargs));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Stop::TimedOut);
        }
        self.repl.tracker_mut().set_max_duration(left);
        for argument in call.args.iter().chain(call.kwargs.iter().map(|(_, value)| value)) {
            plain::check(argument).map_err(|what| Stop::Unsupported(format!("{what} as an argument")))?;
        }
        let outcome = self.run(call, printed)?;
        match outcome {
            Err(raised) => stopped(raised, printed).map(Err),
            Ok(value) => {
                plain::check(&value).map_err(|what| Stop::Unsupported(format!("{what} as a result")))?;
                if self.results.len() < CONSTANTS_MAX && !self.results.contains(&value) {
                    self.results.push(value.clone());
                }
                Ok(Ok(value))
            }
        }
    }

    /// Looks at the arguments again afterwards. One that was changed would have to change in the other session too.
    fn run(
        &mut self,
        call: &ReplFunctionCall,
        printed: &mut Printed,
    ) -> Result<Result<MontyObject, MontyException>, Stop> {
        let before = arguments(call);
        let fixed = before.first().is_some_and(plain::is_immutable) && call.kwargs.is_empty();
        let inputs = NAMES.iter().map(|name| (*name).to_owned()).zip(before.clone()).collect();
        let text = format!("{}(*{ARGUMENTS}, **{KEYWORDS})", call.function_name);
        let outcome = self.repl.feed_run(&text, inputs, PrintWriter::Callback(printed));
        if fixed {
            return Ok(outcome);
        }
        let after = format!("({ARGUMENTS}, {KEYWORDS})");
        match self.repl.feed_run(&after, Vec::new(), PrintWriter::Disabled) {
            Ok(after) if after == MontyObject::Tuple(before.to_vec()) => Ok(outcome),
            Ok(_) => Err(Stop::Unsupported("a function that changes its arguments".to_owned())),
            Err(raised) => stopped(raised, printed).map(Err),
        }
    }
}

fn arguments(call: &ReplFunctionCall) -> [MontyObject; 2] {
    [MontyObject::Tuple(call.args.clone()), MontyObject::dict(call.kwargs.clone())]
}
