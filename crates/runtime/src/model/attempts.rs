//! All attempts of a call: what may be asked again, how long is waited, what was spent.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::ask::{Answer, Progress, ask};
use super::estimate::{estimate, likely};
use super::passage::{Entrance, Passage, Seen, serve};
use super::{
    ANSWER_BYTES_MAX, CallLimits, Model, ModelError, ModelFault, ModelKey, PROMPT_BYTES_MAX, Phase, Prompt,
    Reply, Spent, TOOLS_MAX,
};

/// The wait before the second attempt, which doubles for each further one; half of it is chance.
const WAIT: Duration = Duration::from_millis(500);
/// Longest wait that is not the provider's wish.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest name of a tool.
const TOOL_NAME_BYTES_MAX: usize = 64;

/// What is known of the call, whenever it ends.
#[derive(Default)]
struct Tally {
    attempts: Cell<u32>,
    /// The attempt that is, or was, under way.
    seen: RefCell<Rc<Seen>>,
    progress: Progress,
}

pub(super) fn run(
    model: &Model,
    key: Option<&ModelKey>,
    prompt: &Prompt,
    limits: &CallLimits,
    on_text: &mut dyn FnMut(&str),
) -> Result<Reply, ModelError> {
    let started = Instant::now();
    let tally = Tally::default();
    let limits = CallLimits { bytes: limits.bytes.min(ANSWER_BYTES_MAX), ..limits.clone() };
    let done = check(model, key, prompt).and_then(|()| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| ModelFault::Local(error.to_string()))?;
        let done = runtime.block_on(bounded((model, key, prompt), &limits, &tally, on_text));
        // Not waited for: a look-up of a name may hang.
        runtime.shutdown_background();
        done
    });
    let usage = done.as_ref().ok().and_then(|answer| answer.usage);
    let spent = spent((model, prompt), &tally, usage, started);
    match done {
        Ok(answer) => Ok(reply(model, answer, spent)),
        Err(fault) => Err(ModelError { fault, spent }),
    }
}

/// What can be known to be wrong without asking.
fn check(model: &Model, key: Option<&ModelKey>, prompt: &Prompt) -> Result<(), ModelFault> {
    let bytes = prompt.bytes();
    if bytes > PROMPT_BYTES_MAX {
        return Err(ModelFault::PromptTooLong(bytes));
    }
    if prompt.tools.len() > TOOLS_MAX {
        return Err(ModelFault::Tools("there are more than 64"));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let named = |name: &str| (1..=TOOL_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(plain);
    if !prompt.tools.iter().all(|tool| named(&tool.name)) {
        return Err(ModelFault::Tools("one has no proper name"));
    }
    let names: BTreeSet<&str> = prompt.tools.iter().map(|tool| tool.name.as_str()).collect();
    if names.len() != prompt.tools.len() {
        return Err(ModelFault::Tools("two have the same name"));
    }
    match key {
        Some(key) if key.endpoint != model.endpoint => {
            Err(ModelFault::KeyElsewhere(model.endpoint.to_string()))
        }
        None if model.secret.is_some() => Err(ModelFault::NoKey),
        _ => Ok(()),
    }
}

async fn bounded(
    asked: (&Model, Option<&ModelKey>, &Prompt),
    limits: &CallLimits,
    tally: &Tally,
    on_text: &mut dyn FnMut(&str),
) -> Result<Answer, ModelFault> {
    let local = tokio::task::LocalSet::new();
    let attempts = local.run_until(attempts(asked, limits, tally, on_text));
    tokio::select! {
        biased;
        () = limits.cancellation.wait() => Err(ModelFault::Cancelled),
        () = sleep(limits.deadline) => Err(ModelFault::TimedOut(Phase::Whole)),
        answer = attempts => answer,
    }
}

async fn attempts(
    (model, key, prompt): (&Model, Option<&ModelKey>, &Prompt),
    limits: &CallLimits,
    tally: &Tally,
    on_text: &mut dyn FnMut(&str),
) -> Result<Answer, ModelFault> {
    let started = Instant::now();
    loop {
        let attempt = tally.attempts.get() + 1;
        tally.attempts.set(attempt);
        let seen = tally.seen.replace(Rc::default());
        drop(seen);
        let answer = attempt_once((model, key, prompt), limits, tally, on_text).await;
        let Err(fault) = answer else { return answer };
        if attempt >= model.attempts || !fault.is_passing() {
            return Err(fault);
        }
        let wait = wait(attempt, &fault)?;
        if started.elapsed().saturating_add(wait) >= limits.deadline {
            return Err(fault);
        }
        sleep(wait).await;
    }
}

async fn attempt_once(
    (model, key, prompt): (&Model, Option<&ModelKey>, &Prompt),
    limits: &CallLimits,
    tally: &Tally,
    on_text: &mut dyn FnMut(&str),
) -> Result<Answer, ModelFault> {
    let seen = Rc::clone(&tally.seen.borrow());
    let entrance = Entrance::open()?;
    let address = entrance.address.clone();
    let passage =
        Passage { model: model.clone(), key: key.cloned(), limits: limits.clone(), seen: Rc::clone(&seen) };
    let serving = tokio::task::spawn_local(serve(entrance, passage));
    let asked = ask((model, prompt), &address, limits.bytes, &tally.progress, on_text);
    let answer = timeout(model.timeout, asked).await;
    serving.abort();
    match (answer, seen.fault.get()) {
        (Ok(Ok(answer)), _) => Ok(answer),
        // What the passage saw is why the library got no further.
        (_, Some(fault)) => Err(fault.clone()),
        (Ok(Err(fault)), None) => Err(fault),
        (Err(_), None) => Err(ModelFault::TimedOut(Phase::Whole)),
    }
}

/// How long to wait after this attempt.
fn wait(attempt: u32, fault: &ModelFault) -> Result<Duration, ModelFault> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|error| ModelFault::Local(error.to_string()))?;
    let longest = WAIT.saturating_mul(1 << attempt.min(10).saturating_sub(1)).min(WAIT_MAX);
    let chance = f64::from(u32::from_ne_bytes(random)) / f64::from(u32::MAX);
    let own = longest / 2 + (longest / 2).mul_f64(chance);
    Ok(match fault {
        // Never earlier than asked for.
        ModelFault::RateLimited(Some(after)) => after.saturating_add(own / 4),
        _ => own,
    })
}

fn spent(
    (model, prompt): (&Model, &Prompt),
    tally: &Tally,
    usage: Option<(u64, u64)>,
    started: Instant,
) -> Spent {
    let guessed = if tally.seen.borrow().accepted.get() {
        (estimate(model, prompt).tokens_in_likely, likely(tally.progress.bytes.get()))
    } else {
        (0, 0)
    };
    let (tokens_in, tokens_out) = usage.unwrap_or(guessed);
    Spent {
        tokens_in,
        tokens_out,
        tokens_counted: usage.is_some(),
        cost_microusd: model.cost(tokens_in, tokens_out),
        attempts: tally.attempts.get(),
        duration_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
    }
}

fn reply(model: &Model, answer: Answer, spent: Spent) -> Reply {
    Reply {
        text: answer.text,
        tool_calls: answer.tool_calls,
        tokens_in: spent.tokens_in,
        tokens_out: spent.tokens_out,
        tokens_counted: spent.tokens_counted,
        cost_microusd: spent.cost_microusd,
        model: model.model.clone(),
        finish: answer.finish,
        attempts: spent.attempts,
        duration_us: spent.duration_us,
    }
}
