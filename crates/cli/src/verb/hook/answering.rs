//! One event, one answer. Whatever goes wrong here ends with the exit code that blocks.

use std::io::{Read as _, stdin};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use cascade_policy::decide::STACK_BYTES;
use cascade_receipt::decision::Reason;
use cascade_server::hook::{self, Agent, Answer, Ask, BLOCK, EVENT_BYTES_MAX, HookError, Manner, Reply, Why};

use super::{Answering, alone};
use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::{again, failures, output, place, reasons};

pub(super) fn run(global: &Global, agent: Agent, args: &Answering) -> Exit {
    let (own, typed) = (global.clone(), args.clone());
    let reply = in_time(args.within(), move || {
        replied(&own, agent, &typed).unwrap_or_else(|failure| hook::failed(&told(&failure)))
    });
    let written = reply.stdout.as_deref().map_or(Ok(()), output::line);
    if let Some(text) = &reply.stderr {
        output::say(text);
    }
    match written {
        Ok(()) => Ok(reply.code),
        // An answer that did not arrive is no answer.
        Err(error) => {
            output::say(format_args!("couldn't answer: {error}"));
            Ok(BLOCK)
        }
    }
}

/// What `work` says, or the answer that blocks where it takes too long or breaks down. What it may still do meanwhile
/// ends with this process.
fn in_time(time: Duration, work: impl FnOnce() -> Reply + Send + 'static) -> Reply {
    let (sender, receiver) = channel();
    // Decisions need a stack of one size, as everywhere.
    let started = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        // Nobody listens any more where it took too long.
        drop(sender.send(work()));
    });
    if let Err(error) = started {
        return hook::failed(&format!("couldn't start a thread: {error}"));
    }
    receiver.recv_timeout(time).unwrap_or_else(|error| {
        hook::failed(match error {
            RecvTimeoutError::Timeout => "no decision in time, so this is blocked",
            RecvTimeoutError::Disconnected => "the decision broke down, so this is blocked",
        })
    })
}

fn replied(global: &Global, agent: Agent, args: &Answering) -> Result<Reply, Failure> {
    alone(global)?;
    let mut bytes = Vec::new();
    let limit = EVENT_BYTES_MAX as u64 + 1;
    stdin().lock().take(limit).read_to_end(&mut bytes).context("couldn't read the event")?;
    let event = hook::read(agent, &bytes)?;
    let manner = Manner { decide: args.decide, ask: args.ask };
    if event == hook::Event::Other {
        return Ok(hook::reply(agent, &event, &Answer::Nothing, ("", manner)));
    }
    // A hook founds no ledger: one that is gone is a reason to stop, not to begin anew.
    let ledger = place::existing(global)?;
    let ask = Ask { ledger: &ledger, agent, env: std::env::vars_os().collect(), lease: args.lease() };
    let answer = match hook::answer(&ask, &event) {
        Err(error) if error.is_on_record() => {
            return Ok(hook::failed(&format!("on record, and not as it should be: {error}")));
        }
        other => other.map_err(hint)?,
    };
    Ok(hook::reply(agent, &event, &answer, (&words(&answer), manner)))
}

fn hint(error: HookError) -> Failure {
    match error {
        HookError::Lease(below) => failures::lease(below),
        other => other.into(),
    }
}

/// Why, for the model and whoever reads along.
fn words(answer: &Answer) -> String {
    match answer {
        Answer::Admitted(receipt) => format!("admitted by Cascade, receipt {receipt}"),
        Answer::Settled(receipt) => format!("on record, receipt {receipt}"),
        Answer::Nothing => String::new(),
        Answer::Refused { receipt, why: Why::Performed, .. } => {
            format!(
                "denied by Cascade: receipt {receipt} admitted this call once, and it has ended; call it anew"
            )
        }
        Answer::Refused { receipt, escalated, why } => {
            let because = match why {
                Why::Ruling(ruling) => reasons::texts(ruling).join("; "),
                Why::Codes(codes) => texts(codes),
                Why::Performed => String::new(),
            };
            if *escalated {
                let approve = again::runnable(&format!("cascade approve {receipt}"));
                return format!(
                    "held by Cascade until a person approves it: {because}. Outside of this agent somebody runs \
                     `{approve}`; after that, exactly the same call goes through. Receipt {receipt}"
                );
            }
            format!("denied by Cascade: {because}. Receipt {receipt}")
        }
    }
}

fn texts(codes: &[Reason]) -> String {
    let texts: Vec<&str> = codes.iter().map(|reason| reasons::code_text(&reason.code)).collect();
    texts.join("; ")
}

fn told(failure: &Failure) -> String {
    let hint = failure.hint.as_deref().map(|hint| format!(" ({})", again::runnable(hint)));
    format!(
        "blocked, because nothing is on record: {}{}",
        output::causes(&failure.cause),
        hint.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_that_breaks_down_blocks() {
        let reply = in_time(Duration::from_secs(60), || panic!("as it must not"));
        assert_eq!((reply.code, reply.stdout), (BLOCK, None));
        assert!(reply.stderr.is_some_and(|text| text.contains("broke down")));
    }
}
